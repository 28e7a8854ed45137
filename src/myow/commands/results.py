"""Commands that take a trained run: embed, export, describe, evaluate; and the demonstration of all of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import SettingError
from .options import AsJson, Data, Device, Folder, LoadOptions, Quiet, ReadoutEpochs, Seed, Session

__all__ = ["card", "demo", "embed", "evaluate", "export"]


def demo(
    dataset: Annotated[str, typer.Option(help="A dataset's name.")] = "simulated-reach",
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("runs/demo"),
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train on a recording, say what the embedding is worth, draw pictures."""
    from ..report.tables import print_evaluation
    from ..workflow import draw_run, evaluate_run, train_run

    train_run(dataset, out, seed=seed, progress=not (quiet or as_json))
    results = [evaluate_run(out), evaluate_run(out, labels=5)]
    pictures = draw_run(out)
    if as_json:
        print(json.dumps({"evaluations": results, "pictures": [str(p) for p in pictures]}))
        return
    for result in results:
        print_evaluation(result)
    print("pictures: " + ", ".join(str(p) for p in pictures))


def embed(
    run: Folder,
    data: Data,
    out: Annotated[
        Path,
        typer.Option(help="The file to write: .npz, .csv, .parquet, .nc or .nwb; of images .npz.", show_default=False),
    ],
    load: LoadOptions = [],  # noqa: B006
    device: Device = "auto",
    into: Annotated[
        Path | None,
        typer.Option(help="Of .nwb: the session's file, of which a copy gets the embedding.", show_default=False),
    ] = None,
    options: Annotated[
        list[str], typer.Option("--write", help="Option of the format written, key=value.", show_default=False)
    ] = [],  # noqa: B006
    session: Session = None,
) -> None:
    """Write the embedding of a recording, with times, segments, labels and provenance, or of images."""
    from ..run_folder import RunFolder

    if RunFolder(run).read().of_images:
        from ..image_workflow import embed_images_run

        if into is not None or options or session is not None:
            raise SettingError(
                "--into, --session and --write are for recordings, and this run learnt from images; leave them out"
            )
        print(f"{out}: z of shape {embed_images_run(run, data, out, load=load, device=device)}, test, labels")
        return
    from ..workflow import embed_run

    chosen = [*([] if into is None else [f"into={into}"]), *options]
    shape = embed_run(run, data, out, load=load, device=device, options=chosen, session=session)
    print(f"{out}: z of shape {shape}, times, segments")


def export(
    run: Folder,
    out: Annotated[Path, typer.Option(help="The .onnx file to write.", show_default=False)],
    session: Annotated[
        str | None,
        typer.Option(help="Of a model of several sessions: whose units it takes.", show_default="the only one"),
    ] = None,
) -> None:
    """Write the model of a run as an ONNX graph, from raw counts to the embedding."""
    from ..run_folder import RunFolder

    print(f"{RunFolder(run).model('cpu').export(out, session)}: counts in, embedding out")


def card(run: Folder) -> None:
    """Describe the model of a run in Markdown: data, limits, what it is worth, settings, citation."""
    from ..run_card import run_card
    from ..run_folder import RunFolder

    print(run_card(RunFolder(run)), end="")


def evaluate(
    run: Folder,
    data: Annotated[str | None, typer.Argument(help="Another recording.", show_default="the one trained on")] = None,
    target: Annotated[str | None, typer.Option(help="Label to read out.", show_default="the first")] = None,
    readout: Annotated[
        str | None, typer.Option(help="angle, class, continuous or knn.", show_default="what fits the label")
    ] = None,
    labels: Annotated[
        int | None,
        typer.Option(help="Labelled segments (or minutes) per class that the readout may use.", show_default="all"),
    ] = None,
    load: LoadOptions = [],  # noqa: B006
    device: Annotated[str, typer.Option(help="Where images are embedded and read out.")] = "cpu",
    readout_epochs: ReadoutEpochs = 100,
    session: Session = None,
    as_json: AsJson = False,
) -> None:
    """Say what an embedding is worth, beside raw counts (pixels), principal components and an untrained encoder."""
    from ..run_folder import RunFolder

    if RunFolder(run).read().of_images:
        if data is not None or readout is not None or session is not None:
            raise SettingError(
                "images are read out by k-NN and a linear readout, on the images trained on; leave the recording, --readout and --session out"
            )
        from ..image_workflow import evaluate_images_run
        from ..report.image_tables import print_image_evaluation

        found = evaluate_images_run(run, target=target, labels=labels, device=device, epochs=readout_epochs)
        print(json.dumps(found)) if as_json else print_image_evaluation(found)
        return
    from ..report.tables import print_evaluation
    from ..workflow import evaluate_run

    result = evaluate_run(run, data, target=target, readout=readout, labels=labels, load=load, session=session)
    if as_json:
        print(json.dumps(result))
    else:
        print_evaluation(result)
