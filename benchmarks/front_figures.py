"""Draw the figures of the README and of the front page, from the demo.

    python benchmarks/front_figures.py [--out docs/images]

`myow demo` trains and evaluates, and `myow.plot` draws: one figure of a whole width, and four small ones.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

import myow
from myow.cli.bench import demo_run
from myow.methods.runs import RunFolder

SMALL = 66  # dots an inch; the four stand beside each other


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder of the figures")
    out: Path = parser.parse_args().out
    warnings.simplefilter("ignore")

    def save(picture: Figure, name: str, dpi: int) -> None:
        """Save with 64 colours, which is enough and a third of the size."""
        path = out / f"{name}.png"
        picture.savefig(path, dpi=dpi)
        Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "demo"
        found = demo_run("simulated-reach", folder, progress=False)
        run = RunFolder(folder)
        rec = myow.load("simulated-reach", seed=0)
        train, valid, test = (rec.select(rows) for rows in run.read().rows_of_parts())
        model = myow.load_model(folder / "model.myow")
        save(myow.plot.decoding(found["evaluations"][0]), "demo_one_label", 110)
        two = myow.evaluate(model, train, valid, test, target="direction", readout="class", labels=2, draws=5)
        pictures = {
            "front_embedding": myow.plot.embedding(model.transform(test), test, color="direction"),
            "front_labels": myow.plot.label_curve([found["evaluations"][0], two, found["evaluations"][1]]),
            "front_mined": myow.plot.mined_views(folder, train, color="direction"),
            "front_units": myow.plot.importance(myow.importance(model, test, "direction", readout="class")),
        }
        for name, picture in pictures.items():
            save(picture, name, SMALL)
    print("\n".join(found["verdict"]))


if __name__ == "__main__":
    main()
