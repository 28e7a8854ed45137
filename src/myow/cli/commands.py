"""The command line: its commands, and what becomes of errors."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import MyowError, SettingError
from .options import (
    AsJson,
    Data,
    Device,
    Folder,
    LoadOptions,
    Out,
    Quiet,
    ReadoutEpochs,
    Seed,
    Session,
    stopped,
    stopping,
)
from .stability import consistency, importance

__all__ = ["adapt", "app", "card", "datasets", "demo", "embed", "evaluate", "export", "inspect", "main", "train"]


def train(
    data: Annotated[
        str,
        typer.Argument(
            help="A dataset's name (see 'myow datasets') or a file; several sessions as A,B.", show_default=False
        ),
    ],
    out: Out,
    method: Annotated[str, typer.Option(help="Identifier of a method.")] = "myow",
    preset: Annotated[str | None, typer.Option(help="Settings of a published release.")] = None,
    context: Annotated[str, typer.Option(metavar="A,B", help="Bins before and after that the encoder sees.")] = "0,0",
    rows: Annotated[str, typer.Option(help="Rows the encoder learns from: train or all.")] = "train",
    split: Annotated[
        str | None,
        typer.Option(help="released, random or time.", show_default="released where there is one, else random"),
    ] = None,
    split_seed: Annotated[int, typer.Option(help="Seed of a random split.", min=0)] = 0,
    target: Annotated[
        str | None,
        typer.Option(help="Label that a method learns from, if it learns from labels.", show_default="the first"),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the rows, in place of steps.")] = None,
    seed: Seed = 0,
    device: Device = "auto",
    settings: Annotated[
        list[str], typer.Option("--set", help="Any parameter of the method, key=value.", show_default=False)
    ] = [],  # noqa: B006  (typer copies it)
    load: LoadOptions = [],  # noqa: B006
    resume: Annotated[bool, typer.Option("--resume", help="Go on from what the folder holds.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard events too.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train a representation into a folder, without labels unless the method learns from them."""
    from ..datasets import is_images

    common: dict[str, Any] = {
        "method": method,
        "preset": preset,
        "split_seed": split_seed,
        "seed": seed,
        "device": device,
        "load": load,
        "resume": resume,
        "tensorboard": tensorboard,
        "progress": not quiet,
    }
    if epochs is not None:
        settings = [f"epochs={epochs}", *settings]
    if is_images(data):
        not_for_images = {
            "--context": context != "0,0",
            "--rows": rows != "train",
            "--split": split is not None,
            "--target": target is not None,
        }
        for option, is_given in not_for_images.items():
            if is_given:
                raise SettingError(f"{option} is for recordings, and {data} holds images; leave it out")
        _train_images(data, out, settings=settings, **common)
        return
    if os.environ.get("WORLD_SIZE", "1") != "1":  # torchrun's; each of them would train all of it, into one folder
        raise SettingError(
            f"several processes were started, and {data} is a recording, which one process trains on; leave torchrun out"
        )
    from ..methods.runs import session_names
    from .train import draw_run, train_run, train_sessions_run

    several = len(session_names(data)) > 1
    with stopped("stopped; nothing new was kept"):
        message = (train_sessions_run if several else train_run)(
            data,
            out,
            settings=[f"context={context}", *settings],
            rows=rows,
            split=split,
            target=target,
            **common,
        )
    if not several:  # figures are of one recording
        draw_run(out)
    print(message)


def adapt(
    run: Folder,
    data: Data,
    out: Out,
    name: Annotated[str | None, typer.Option(help="What to call the session.", show_default="its name")] = None,
    with_: Annotated[
        str, typer.Option("--with", metavar="A,B", help="Recordings trained on, to mine from as well.")
    ] = "",
    steps: Annotated[int | None, typer.Option(help="Steps.", show_default="those of the training", min=0)] = None,
    rows: Annotated[str, typer.Option(help="Rows the read-in learns from: train or all.")] = "train",
    device: Device = "auto",
    load: LoadOptions = [],  # noqa: B006
    resume: Annotated[bool, typer.Option("--resume", help="Go on from what the folder holds.")] = False,
    quiet: Quiet = False,
) -> None:
    """Learn a read-in for a session that was not trained on, without labels; the rest of the model stays as it is."""
    from .train import adapt_run

    with stopped(f"stopped; {out} holds the last checkpoint, --resume goes on"):
        message = adapt_run(
            run,
            data,
            out,
            name=name,
            with_=with_,
            steps=steps,
            rows=rows,
            load=load,
            device=device,
            resume=resume,
            progress=not quiet,
        )
    print(message)


def _train_images(data: str, out: Path, **options: Any) -> None:
    from .images import draw_images_run, train_images_run

    with stopped("stopped; nothing new was kept"):
        message = train_images_run(data, out, **options)
    if message:  # of several processes one speaks
        draw_images_run(out)
        print(message)


def datasets(as_json: AsJson = False) -> None:
    """List the recordings and images that can be named."""
    from ..datasets import cards

    found = [card.describe() for card in cards()] + [card.describe() for card in cards("images")]
    if as_json:
        print(json.dumps(found))
    else:
        print_cards(found)


def inspect(
    file: Annotated[str, typer.Argument(help="A file of any format that can be read.", show_default=False)],
    load: LoadOptions = [],  # noqa: B006  (typer copies it)
    as_json: AsJson = False,
) -> None:
    """Show the contents of a file, and what would be used and skipped, without training."""
    from ..datasets import inspect_file

    found = inspect_file(file, load)
    if as_json:
        print(json.dumps(found.describe()))
        return
    print(found)
    if found.recording is not None:
        from ..methods.recordings import suggest

        print(f"suggested: {suggest(found.recording)}")


def demo(
    dataset: Annotated[str, typer.Option(help="A dataset's name.")] = "simulated-reach",
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("runs/demo"),
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train on a recording in windows of five bins, decode from one labelled trial a class and from all, draw figures."""
    from ..datasets import card_of
    from .train import draw_run, evaluate_run, train_run

    own = card_of(dataset)
    readout = "class" if own is not None and own.readout == "angle" else None
    # One labelled trial a class is where an embedding that was learnt without labels shows.
    train_run(dataset, out, settings=["context=2,2"], seed=seed, progress=not (quiet or as_json))
    results = [evaluate_run(out, readout=readout, labels=n) for n in (1, None)]
    figures = draw_run(out)
    if as_json:
        print(json.dumps({"evaluations": results, "pictures": [str(path) for path in figures]}))
        return
    for result in results:
        print_evaluation(result)
    print("figures: " + ", ".join(str(path) for path in figures))


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
    from ..methods.runs import RunFolder

    if RunFolder(run).read().of_images:
        from .images import embed_images_run

        if into is not None or options or session is not None:
            raise SettingError(
                "--into, --session and --write are for recordings, and this run learnt from images; leave them out"
            )
        print(f"{out}: z of shape {embed_images_run(run, data, out, load=load, device=device)}, test, labels")
        return
    from .train import embed_run

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
    from ..methods.runs import RunFolder

    print(f"{RunFolder(run).model('cpu').export(out, session)}: counts in, embedding out")


def card(run: Folder) -> None:
    """Describe the model of a run in Markdown: data, limits, decoding performance, settings, citation."""
    from ..methods.runs import RunFolder, run_card

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
    """Decode from an embedding, beside raw counts (pixels), principal components and an untrained encoder."""
    from ..methods.runs import RunFolder

    if RunFolder(run).read().of_images:
        if data is not None or readout is not None or session is not None:
            raise SettingError(
                "images are read out by k-NN and a linear readout, on the images trained on; leave the recording, --readout and --session out"
            )
        from ..figures.bench_tables import print_image_evaluation
        from .images import evaluate_images_run

        found = evaluate_images_run(run, target=target, labels=labels, device=device, epochs=readout_epochs)
        print(json.dumps(found)) if as_json else print_image_evaluation(found)
        return
    from .train import evaluate_run

    result = evaluate_run(run, data, target=target, readout=readout, labels=labels, load=load, session=session)
    if as_json:
        print(json.dumps(result))
    else:
        print_evaluation(result)


def bench(
    out: Out,
    datasets: Annotated[str, typer.Option(metavar="A,B", help="Recordings: names or files.", show_default="all")] = "",
    methods: Annotated[str, typer.Option(metavar="A,B", help="Identifiers of methods.", show_default="all")] = "",
    protocol: Annotated[
        str,
        typer.Option(
            help="released (one published split), cv (folds), or images (image datasets, k-NN and linear readout)."
        ),
    ] = "cv",
    context: Annotated[
        list[str], typer.Option(metavar="A,B", help="Bins before and after that everyone sees; may be repeated.")
    ] = ["0,0"],  # noqa: B006  (typer copies it)
    rows: Annotated[str, typer.Option(help="Rows encoders learn from without labels: train or all.")] = "train",
    readouts: Annotated[str, typer.Option(metavar="A,B", help="angle, class, continuous, knn.")] = "angle,class",
    labels: Annotated[
        str, typer.Option(metavar="A,B", help="all, or labelled segments (minutes) per class: all,1,2,5,10.")
    ] = "all",
    folds: Annotated[int, typer.Option(help="Folds, with --protocol cv.")] = 5,
    seeds: Annotated[int, typer.Option(help="Repetitions; each has a seed of its own and deals the folds anew.")] = 1,
    draws: Annotated[int, typer.Option(help="Random choices of labelled segments to average over.")] = 5,
    jobs: Annotated[int, typer.Option(help="Fits at a time.")] = 1,
    backend: Annotated[str, typer.Option(help="What carries the jobs: loky, ray or dask.")] = "loky",
    settings: Annotated[
        list[str],
        typer.Option("--set", help="Any parameter: key=value, or method.key=value for one.", show_default=False),
    ] = [],  # noqa: B006
    load: LoadOptions = [],  # noqa: B006
    target: Annotated[
        str | None, typer.Option(help="Label to read out of recordings.", show_default="the dataset's, else the first")
    ] = None,
    device: Annotated[
        str, typer.Option(help="Where images are trained on and read out; recordings go by --set.")
    ] = "auto",
    readout_epochs: ReadoutEpochs = 100,
    retry: Annotated[bool, typer.Option("--retry", help="Try failed fits again.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare methods on recordings, or on images: every fit a row, then tables and figures. What is done already is not done again."""
    from ..settings import split_names
    from .bench import bench_images_run, bench_run

    common: dict[str, Any] = {
        "datasets": split_names(datasets),
        "methods": split_names(methods),
        "labels": split_names(labels),
        "seeds": seeds,
        "settings": settings,
        "retry": retry,
        "progress": not (quiet or as_json),
    }
    if protocol == "images":
        with stopped(f"stopped; {out} holds what was done, the same command goes on where it stopped"):
            result = bench_images_run(out, **common, device=device, readout_epochs=readout_epochs)
    else:
        with stopped(f"stopped; {out / 'rows.jsonl'} holds what was done, the same command goes on"):
            result = bench_run(
                out,
                **common,
                protocol=protocol,
                contexts=context,
                rows=rows,
                readouts=split_names(readouts),
                folds=folds,
                draws=draws,
                n_jobs=jobs,
                backend=backend,
                load=load,
                target=target,
            )
    if as_json:
        print(json.dumps(result))
        return
    print(result["table"])
    added = f"{result['added']} fits, " if "added" in result else ""
    print(f"{added}{result['failed']} failed; " + ", ".join(result["files"]))


_COLUMNS = {
    "accuracy": "accuracy",
    "delta_accuracy": "within 3π/16",
    "balanced_accuracy": "balanced",
    "weighted_f1": "weighted F1",
    "r2": "R²",
}


def print_evaluation(result: Mapping[str, Any]) -> None:
    """Print an evaluation: the embedding and what it is compared with, a row each."""
    from rich.console import Console
    from rich.table import Table

    from ..figures.style import BASELINES

    few = "all labels" if result["labels"] is None else f"{result['labels']} labelled per class"
    table = Table(
        title=f"{result['dataset']}: {result['target']}, readout {result['readout']}, {few}, {result['n_test']} test bins",
        title_justify="left",
    )
    shown = [key for key in _COLUMNS if result[key] is not None]
    table.add_column("")
    for key in shown:
        table.add_column(_COLUMNS[key], justify="right")
    table.add_column("95 % interval", justify="right")
    rows = {f"{result['method']} embedding": result}
    rows |= {title: result[name] for name, title in BASELINES.items()}
    for name, row in rows.items():
        interval = "" if row["interval"] is None else f"{row['interval'][0]:.3f} to {row['interval'][1]:.3f}"
        table.add_row(name, *(f"{row[key]:.3f}" for key in shown), interval)
    if result["majority"] is not None and "accuracy" in shown:
        table.add_row("majority class", f"{result['majority']:.3f}", *[""] * (len(shown) - 1), "")
    console = Console(width=110)
    console.print(table)
    fitted = {"readouts": result.get("readout_rows"), "principal components": result.get("pca_rows")}
    some = [f"{what} on {rows['used']:,} of {rows['of']:,}" for what, rows in fitted.items() if rows]
    if some:
        console.print(
            f"Fitted on evenly spaced bins: {', '.join(some)}. All {result['n_test']:,} test bins are scored.",
            highlight=False,
        )


def print_cards(cards: Sequence[Mapping[str, Any]]) -> None:
    """Print what there is to load: a table of recordings and one of images."""
    from rich.console import Console
    from rich.table import Table

    recordings, images = Table(), Table()
    for name in ("name", "kind", "units", "bins", "bin size (s)", "segments", "available", "licence"):
        recordings.add_column(name)
    for name in ("name", "kind", "training", "test", "pixels", "classes", "available", "licence"):
        images.add_column(name)
    for card in cards:
        ends = "yes" if card["available"] else "no", card["licence"]
        if card["data"] == "images":
            counts = (str(card[key]) for key in ("train", "test"))
            size = " x ".join(map(str, card["size"]))
            images.add_row(card["name"], card["kind"], *counts, size, str(card["classes"]), *ends)
        else:
            bins = "unknown" if card["bins"] is None else str(card["bins"])
            shape = (str(card["units"]), bins, f"{card['bin_size']:g}", str(card["segments"]))
            recordings.add_row(card["name"], card["kind"], *shape, *ends)
    console = Console(width=110)
    for title, table in (("recordings", recordings), ("images", images)):
        if table.row_count:
            table.title, table.title_justify = title, "left"
            console.print(table)


app = typer.Typer(
    name="myow",
    help="Learn representations of neural activity without labels, and see how well they decode.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (
    demo,
    datasets,
    inspect,
    train,
    adapt,
    embed,
    export,
    card,
    evaluate,
    bench,
    consistency,
    importance,
):
    app.command()(command)


def main() -> None:
    """Run the command line; an error that was raised on purpose becomes one line and exit code 1."""
    with stopping() as stop:
        try:
            _run()
        except SystemExit as end:
            sys.exit(stop.code or end.code)


def _run() -> None:
    before, warnings.formatwarning = warnings.formatwarning, _one_line
    try:
        app()
    except MyowError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:  # the machine's fault, such as a path that is too long
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
    finally:
        warnings.formatwarning = before


def _one_line(message: Warning | str, *_: Any, **__: Any) -> str:
    """Format a warning for whoever typed a command, without the place in our code that it comes from."""
    return f"warning: {' '.join(str(message).split())}\n"
