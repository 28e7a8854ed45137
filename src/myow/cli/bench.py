"""Comparisons of methods, as functions of paths and names: the bench, and the demo."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..datasets import card_of, cards
from ..errors import SettingError
from ..io.files import write_json, writing
from ..methods.runs import RunFolder
from ..training.callbacks import ProgressBar
from ..version import __version__
from . import train

if TYPE_CHECKING:
    from ..evaluation.bench_jobs import Done
    from ..methods.recordings import RecordingEstimator

__all__ = ["bench_images_run", "bench_run", "demo_run"]

DEMO_STEPS = 600  # as good on simulated reaches as the default's 1200
DEMO_SHARES = (0.5, 0.1, 0.4)  # more test trials than usual, for an interval that says something
DEMO_DRAWS = 20


def bench_run(
    out: Path,
    *,
    datasets: Sequence[str] = (),
    contexts: Sequence[str] = ("0,0",),
    n_jobs: int = 1,
    backend: str = "loky",
    progress: bool = True,
    **options: Any,
) -> dict[str, Any]:
    """Compare methods on recordings into a folder; the parameters are those of ``myow bench``.

    Parameters
    ----------
    out : Path
        Folder to write to; what it holds already is not done again.
    datasets : sequence of str, optional
        Names or files. Default: every recording that can be named.
    contexts : sequence of str, optional
        Windows, "before,after" each.
    n_jobs, backend
        See `myow.evaluation.bench.run_bench`.
    progress : bool, optional
        Whether to print a line a fit on stderr.
    **options
        See `myow.evaluation.bench.Bench`.

    Returns
    -------
    dict
        "table" (Markdown), "added" and "failed" (fits), "missing" (recordings not at hand), "cells" (the table's figures) and
        "files".
    """
    from ..evaluation.bench import Bench, run_bench
    from ..evaluation.bench_summary import failures, summarise
    from ..figures import bench_tables
    from ..figures.bench_figures import draw_bench

    names = list(datasets) or [card.name for card in cards()]
    bench = Bench(datasets=names, contexts=[_window(c) for c in contexts], **options)
    outcome = run_bench(bench, out, n_jobs=n_jobs, backend=backend, report=_report if progress else None)
    cells, failed = summarise(outcome.rows), failures(outcome.rows)
    columns = [*dict.fromkeys([*names, *(row["dataset"] for row in outcome.rows)])]
    periods = {row["dataset"]: row.get("period") for row in outcome.rows if not row["error"]}
    about = {
        "version": __version__,
        "fits": f"{len(outcome.rows)} ({len(failed)} failed)",
        "machine": ", ".join(sorted({f"{row['machine']}, torch {row['torch']}" for row in outcome.rows})),
        "minutes": outcome.minutes,
    }
    table = bench_tables.markdown(
        cells, datasets=columns, missing=outcome.missing, failures=failed, about=about, periods=periods
    )
    written = {
        "table.md": table,
        "table.csv": bench_tables.csv_text(cells),
        "table.tex": bench_tables.latex(cells, datasets=columns, missing=outcome.missing, periods=periods),
    }
    for file, text in written.items():
        with writing(out / file) as part:
            part.write_text(text, encoding="utf-8")
    facts = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(bench).items()}
    write_json(out / "table.json", about | {"bench": facts})
    pictures = draw_bench(out, outcome.rows, cells)
    return {
        "table": table,
        "added": outcome.added,
        "failed": len(failed),
        "missing": outcome.missing,
        "cells": [asdict(cell) for cell in cells],
        "files": [str(out / "rows.jsonl"), *(str(out / file) for file in written), *map(str, pictures)],
    }


def bench_images_run(
    out: Path, *, datasets: Sequence[str] = (), progress: bool = True, **options: Any
) -> dict[str, Any]:
    """Compare methods on images into a folder; the parameters are those of ``myow bench --protocol images``.

    Parameters
    ----------
    out : Path
        Folder to write to; what it holds already is not done again, what was interrupted goes on.
    datasets : sequence of str, optional
        Names of image datasets, or folders. Default: every dataset of images that is at hand.
    progress : bool, optional
        Whether to show how training goes, and a line a training, on stderr.
    **options
        See `myow.evaluation.bench_images.ImageBench`.

    Returns
    -------
    dict
        "table" (Markdown), "rows", "failed" (how many) and "files".
    """
    from ..evaluation.bench_images import ImageBench, run_image_bench
    from ..figures.bench_tables import image_table
    from ..figures.images import draw_curves

    names = list(datasets) or [card.name for card in cards("images") if card.available]
    if not names:
        raise SettingError(
            "no dataset of images is at hand; name one with --datasets, and let MYOW_DATA name its folder"
        )
    bench = ImageBench(datasets=names, **options)
    rows = run_image_bench(
        bench, out, report=_report_images if progress else None, watch=ProgressBar if progress else None
    )
    table = image_table(rows)
    with writing(out / "table.md") as part:
        part.write_text(table, encoding="utf-8")
    pictures = draw_curves(out, rows)
    return {
        "table": table,
        "rows": rows,
        "failed": sum(bool(row["error"]) for row in rows),
        "files": [str(out / name) for name in ("rows.jsonl", "table.md")] + [str(path) for path in pictures],
    }


def _window(text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise SettingError(f"context is '{text}'; write bins before and after, such as 2,2")
    return int(parts[0]), int(parts[1])


def _report(done: Done, n: int, total: int) -> None:
    """Print the result of a job on stderr."""
    row = done.row
    shown = [
        f"{s['readout']} {s['labels']}: {s['per_draw'] and np.mean(s['per_draw']):.3f}"
        for s in row["scores"]
        if not s["control"]
    ]
    result = row["error"] or ", ".join(shown)
    seconds = f"{row['seconds']:.1f} s" if not row["error"] else "failed"
    print(f"[{n}/{total}] {done.job.describe()}: {result} ({seconds})", file=sys.stderr, flush=True)


def _report_images(row: dict[str, Any], n: int, total: int) -> None:
    """Print the result of a training on stderr."""
    shown = [
        f"{labels}: linear {found['embedding']['linear']['accuracy']:.3f}, k-NN {found['embedding']['knn']['accuracy']:.3f}"
        for labels, found in row["scores"].items()
    ]
    print(
        f"[{n}/{total}] {row['method']} on {row['dataset']}, seed {row['seed']}: {row['error'] or '; '.join(shown)}",
        file=sys.stderr,
        flush=True,
    )


def demo_run(data: str, out: Path, *, seed: int = 0, overwrite: bool = False, progress: bool = True) -> dict[str, Any]:
    """Train without labels, decode from one labelled segment a class and from all labels, compare with raw counts, draw.

    Returns
    -------
    dict
        "trained", a line; "evaluations", as of `myow.evaluate` with one label and with all; "gain" over raw counts with one
        label ("difference", "interval", "against", the better of two scalings) and over "components", None where the label has no
        classes;
        "verdict", sentences; "pictures", paths; "seed".
    """
    card, folder = card_of(data), RunFolder(out)
    simulated = card is not None and card.kind == "simulated"
    # The folder of an earlier demo may be taken again; what else lies there, only if that was said.
    again = folder.demo.exists()
    trained = train.train_run(
        data,
        out,
        settings=["context=2,2", f"steps={DEMO_STEPS}"],
        load=[f"seed={seed}"] if simulated else [],
        seed=seed,
        overwrite=overwrite or again,
        progress=progress,
        shares=DEMO_SHARES,
    )
    readout = "class" if card is not None and card.readout == "angle" else None
    results = [train.evaluate_run(out, readout=readout, labels=n, draws=DEMO_DRAWS, draw=False) for n in (1, None)]
    gain = _gains(trained, out, results[0]) if results[0]["accuracy"] is not None else None
    found = {
        "evaluations": results,
        "gain": gain,
        "verdict": _verdict(results, gain),
        "pictures": [str(path) for path in train.draw_run(out, trained)],
        "trained": trained.message,
        "seed": seed,
    }
    write_json(folder.demo, found)
    return found


def _gains(trained: train.Trained, out: Path, few: Mapping[str, Any]) -> dict[str, Any]:
    """Return paired differences to what takes no training, with the labels of an evaluation, whose draws are drawn again.

    Of raw counts, and of components, the better of two scalings is what is compared with.
    """
    from ..evaluation.decode import decode
    from ..evaluation.statistics import interval_of_drawn_mean, resampling_blocks
    from ..methods.baselines import PCA, Raw

    recording: Any = trained.recording
    parts: Any = tuple(recording.select(rows) for rows in RunFolder(out).read().rows_of_parts())
    test, model = parts[-1], trained.model
    blocks = resampling_blocks(test.segments, bins=test.bins, bin_size=test.bin_size)

    def hits(estimator: RecordingEstimator, scaling: Any) -> NDArray[np.float64]:
        predicted: list[Any] = []
        decode(
            lambda _: estimator,
            parts,
            target=few["target"],
            readout=few["readout"],
            labels=few["labels"],
            draws=DEMO_DRAWS,
            scaling=scaling,
            predictions=predicted,
        )
        return np.asarray(np.stack(predicted) == test.labels[few["target"]], dtype=np.float64)

    ours, found = hits(model, None), {}
    for name, baseline in (("raw", Raw), ("pca", PCA)):
        against = max((name, f"{name}_common"), key=lambda row: float(few[row]["accuracy"]))
        other = baseline(context=model.context).fit(parts[0])
        difference = ours - hits(other, "common" if against.endswith("_common") else "each")
        interval = interval_of_drawn_mean(difference, blocks)
        found[name] = {
            "difference": float(difference.mean()),
            "interval": None if interval is None else list(interval),
            "against": against,
        }
    return {**found["raw"], "components": found["pca"], "draws": DEMO_DRAWS, "test_segments": test.n_segments}


def _verdict(results: Sequence[Mapping[str, Any]], gain: Mapping[str, Any] | None) -> list[str]:
    """Say in sentences what the numbers show, and no more."""
    few, every = results
    name = str(few["method"]).upper()
    if gain is None:
        return [f"{name} reads {few['target']} with R² {few['r2']:.3f}, raw counts with {few['raw']['r2']:.3f}."]
    unit = "trial" if few["label_unit"] == "segment" else few["label_unit"]
    best = {row: max(float(every[key]["accuracy"]) for key in (row, f"{row}_common")) for row in ("raw", "pca")}
    return [
        f"From one labelled {unit} a {few['target']}, {name} reads {_points(gain)} than raw counts, and "
        f"{_points(gain['components'])} than their principal components, each at its better scale.",
        f"With all labels it reads {every['accuracy']:.3f}, raw counts {best['raw']:.3f}, components {best['pca']:.3f}.",
        f"Intervals: 95 %, over {gain['draws']} choices of labels and {gain['test_segments']} test segments.",
    ]


def _points(gain: Mapping[str, Any]) -> str:
    points, interval = 100 * gain["difference"], gain["interval"]
    said = f"{abs(points):.1f} points {'more' if points >= 0 else 'less'}"
    if interval is None:
        return f"{said} (no interval)"
    low, high = (100 * end for end in interval)
    return f"{said} ({low:+.1f} to {high:+.1f}{', so no difference is shown' if low <= 0 <= high else ''})"
