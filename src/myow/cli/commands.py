"""The command line: its commands, and what becomes of errors."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import MyowError, SettingError
from ..version import __version__
from .options import (
    METHOD_NAMES,
    PRESET_NAMES,
    AsJson,
    Classifier,
    Config,
    Data,
    Device,
    Folder,
    LoadOptions,
    NoReport,
    Out,
    Overwrite,
    Quiet,
    ReadoutEpochs,
    Resume,
    Seed,
    Session,
    check_seed,
    explain_method,
    laid_out,
    list_methods,
    print_cards,
    print_demo,
    print_ending,
    print_evaluation,
    stopped,
    stopping,
)
from .stability import consistency, importance, report, write_report

__all__ = [
    "adapt",
    "app",
    "card",
    "datasets",
    "demo",
    "embed",
    "evaluate",
    "export",
    "inspect",
    "main",
    "settings_of",
    "train",
]


def train(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A dataset's name (see 'myow datasets') or a file; several sessions as A,B.",
            show_default=False,
        ),
    ],
    out: Out,
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME", help=f"One of {', '.join(METHOD_NAMES)}.", autocompletion=lambda: list(METHOD_NAMES)
        ),
    ] = "myow",
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Settings of a published release: {', '.join(PRESET_NAMES)}.",
            autocompletion=lambda: list(PRESET_NAMES),
        ),
    ] = None,
    context: Annotated[str, typer.Option(metavar="A,B", help="Bins before and after that the encoder sees.")] = "0,0",
    rows: Annotated[str, typer.Option(metavar="NAME", help="Rows the encoder learns from: train or all.")] = "train",
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="released, random or time.", show_default="released where there is one, else random"
        ),
    ] = None,
    split_seed: Annotated[int, typer.Option(metavar="N", help="Seed of a random split.", callback=check_seed)] = 0,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Label that a method learns from, if it learns from labels.", show_default="the first"
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Training steps.", show_default="the method's", min=0)
    ] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Passes over the rows, in place of steps.")] = None,
    seed: Seed = 0,
    device: Device = "auto",
    settings: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any setting of the method, which 'myow settings METHOD' explains; may be repeated.",
            show_default=False,
        ),
    ] = [],  # noqa: B006  (typer copies it)
    load: LoadOptions = [],  # noqa: B006
    config: Config = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    no_figures: Annotated[
        bool, typer.Option("--no-figures", metavar="", help="Draw nothing, no report either: some seconds less.")
    ] = False,
    no_report: NoReport = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", metavar="", help="Write TensorBoard events too.")
    ] = False,
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
        "overwrite": overwrite,
        "tensorboard": tensorboard,
        "progress": not quiet,
    }
    if steps is not None and epochs is not None:
        raise SettingError("--epochs are passes over the rows, in place of --steps; give one of them")
    settings = [f"{key}={n}" for key, n in (("steps", steps), ("epochs", epochs)) if n is not None] + settings
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
        _train_images(
            data, out, figures=not no_figures, report=not (no_figures or no_report), settings=settings, **common
        )
        return
    if os.environ.get("WORLD_SIZE", "1") != "1":  # torchrun's; each of them would train all of it, into one folder
        raise SettingError(
            f"several processes were started, and {data} is a recording, which one process trains on; leave torchrun out"
        )
    from ..methods.runs import session_names
    from .train import draw_run, train_run, train_sessions_run

    several = len(session_names(data)) > 1
    with stopped("stopped; nothing new was kept"):
        trained = (train_sessions_run if several else train_run)(
            data,
            out,
            settings=[f"context={context}", *settings],
            rows=rows,
            split=split,
            target=target,
            **common,
        )
    if not (no_figures or several):  # they are of one recording
        draw_run(out, trained)
    if not (no_figures or no_report):
        write_report(out)
    names = session_names(data)
    print_ending(trained.message, out, [*names[:1]] if several else [], ["embed", str(out), names[0], "--out", "z.npz"])


def adapt(
    run: Folder,
    data: Data,
    out: Out,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to call the session.", show_default="its name")
    ] = None,
    with_: Annotated[
        str,
        typer.Option(
            "--with",
            metavar="A,B",
            help="Recordings trained on: trials are matched with theirs, and views mined from them.",
        ),
    ] = "",
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Steps.", show_default="those of the training", min=0)
    ] = None,
    unfreeze: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="What learns: read_in, or encoder (then the other sessions' embeddings change too)."
        ),
    ] = "read_in",
    rows: Annotated[str, typer.Option(metavar="NAME", help="Rows the read-in learns from: train or all.")] = "train",
    device: Device = "auto",
    load: LoadOptions = [],  # noqa: B006
    config: Config = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
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
            unfreeze=unfreeze,
            rows=rows,
            load=load,
            device=device,
            resume=resume,
            overwrite=overwrite,
            progress=not quiet,
        )
    print_ending(message, out, [data], ["embed", str(out), data, "--out", "z.npz"])


def _train_images(data: str, out: Path, *, figures: bool, report: bool, **options: Any) -> None:
    from .images import draw_images_run, train_images_run

    with stopped("stopped; nothing new was kept"):
        trained = train_images_run(data, out, **options)
    if trained.message:  # of several processes one speaks
        if figures:
            draw_images_run(out)
        if report:
            write_report(out)
        print_ending(trained.message, out, [], ["embed", str(out), data, "--out", "z.npz"])


def datasets(as_json: AsJson = False) -> None:
    """List the recordings and images that can be named."""
    from ..datasets import cards

    found = [card.describe() for card in cards()] + [card.describe() for card in cards("images")]
    if as_json:
        print(json.dumps(found))
    else:
        print_cards(found)


def inspect(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A file of any format that can be read.", show_default=False)
    ],
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

        for line in f"suggested: {suggest(found.recording)}".splitlines():
            print(laid_out(line, sys.stdout))


def settings_of(
    method: Annotated[
        str | None,
        typer.Argument(
            metavar="METHOD",
            help=f"One of {', '.join(METHOD_NAMES)}.",
            autocompletion=lambda: list(METHOD_NAMES),
            show_default="list methods and presets",
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Show this release's settings in place of the defaults: {', '.join(PRESET_NAMES)}.",
            autocompletion=lambda: list(PRESET_NAMES),
        ),
    ] = None,
    images: Annotated[bool, typer.Option("--images", metavar="", help="Of the method for images.")] = False,
    as_json: AsJson = False,
) -> None:
    """Explain every setting of a method, as --set takes it; without a method, list methods and presets."""
    print(list_methods(as_json=as_json) if method is None else explain_method(method, preset, images, as_json=as_json))


def demo(
    dataset: Annotated[str, typer.Option(metavar="NAME", help="A dataset's name.")] = "simulated-reach",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write to.")] = Path("runs/demo"),
    seed: Annotated[
        int, typer.Option(metavar="N", help="Seed of the simulated recording and of training.", callback=check_seed)
    ] = 0,
    overwrite: Overwrite = False,
    no_report: NoReport = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train without labels on simulated reaches, and decode from one labelled trial a direction, beside raw counts."""
    from .bench import demo_run

    with stopped("stopped; nothing new was kept"):
        found = demo_run(dataset, out, seed=seed, overwrite=overwrite, progress=not (quiet or as_json))
    if not no_report:
        write_report(out)
    if as_json:
        print(json.dumps(found))
    else:
        print_demo(found, out)


def embed(
    run: Folder,
    data: Data,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="The file to write: .npz, .csv, .parquet, .nc or .nwb; of images .npz.",
            show_default=False,
        ),
    ],
    load: LoadOptions = [],  # noqa: B006
    device: Device = "auto",
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Of .nwb: the session's file, of which a copy gets the embedding.", show_default=False
        ),
    ] = None,
    options: Annotated[
        list[str],
        typer.Option("--write", metavar="KEY=VALUE", help="Option of the format written.", show_default=False),
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
    out: Annotated[Path, typer.Option(metavar="FILE", help="The .onnx file to write.", show_default=False)],
    session: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of a model of several sessions: whose units it takes.", show_default="the only one"
        ),
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
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="Another recording.", show_default="the one trained on")
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="NAME", help="Label to read out.", show_default="the first")
    ] = None,
    readout: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="angle, class (or classification), continuous or knn.",
            show_default="what fits the label",
        ),
    ] = None,
    labels: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Labelled segments (or minutes) per class that the readout may use.", show_default="all"
        ),
    ] = None,
    semi_supervised: Annotated[
        bool,
        typer.Option(
            "--semi-supervised",
            metavar="",
            help="With --labels and --readout class: learn from unlabelled training segments too, for a label that is constant in each.",
        ),
    ] = False,
    classifier: Classifier = "logistic",
    cv: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Train anew on K folds of segments, with the settings of the run, and test each segment once: K trainings.",
            show_default="the run's model, on its test rows",
            min=2,
        ),
    ] = None,
    load: LoadOptions = [],  # noqa: B006
    device: Annotated[str, typer.Option(metavar="NAME", help="Where images are embedded and read out.")] = "cpu",
    readout_epochs: ReadoutEpochs = 100,
    session: Session = None,
    no_report: NoReport = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Decode from an embedding, beside raw counts (pixels), principal components and an untrained encoder."""
    from ..methods.runs import RunFolder

    if RunFolder(run).read().of_images:
        if data is not None or readout is not None or session is not None:
            raise SettingError(
                "images are read out by k-NN and a linear readout, on the images trained on; leave the recording, --readout and --session out"
            )
        if semi_supervised or classifier != "logistic":
            raise SettingError(
                "images are read out by k-NN and a linear readout; leave --semi-supervised and --classifier out"
            )
        if cv is not None:
            raise SettingError("images come with an official test part, and --cv deals segments to folds; leave it out")
        from ..figures.bench_tables import print_image_evaluation
        from .images import evaluate_images_run

        found = evaluate_images_run(run, target=target, labels=labels, device=device, epochs=readout_epochs)
        if not no_report:
            write_report(run)
        print(json.dumps(found)) if as_json else print_image_evaluation(found)
        return
    from .train import evaluate_run

    with stopped("stopped; nothing was written"):
        result = evaluate_run(
            run,
            data,
            target=target,
            readout=readout,
            labels=labels,
            classifier=classifier,
            semi_supervised=semi_supervised,
            load=load,
            session=session,
            cv=cv,
            verbose=not (quiet or as_json),
        )
    if not no_report:
        write_report(run, session=result.get("session"))
    if as_json:
        print(json.dumps(result))
    else:
        print_evaluation(result)


def bench(
    out: Out,
    datasets: Annotated[str, typer.Option(metavar="A,B", help="Recordings: names or files.", show_default="all")] = "",
    methods: Annotated[
        str, typer.Option(metavar="A,B", help=f"Of {', '.join(METHOD_NAMES)}.", show_default="all")
    ] = "",
    protocol: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="released (one published split), cv (folds), or images (image datasets, k-NN and linear readout).",
        ),
    ] = "cv",
    context: Annotated[
        list[str], typer.Option(metavar="A,B", help="Bins before and after that everyone sees; may be repeated.")
    ] = ["0,0"],  # noqa: B006  (typer copies it)
    rows: Annotated[
        str, typer.Option(metavar="NAME", help="Rows encoders learn from without labels: train or all.")
    ] = "train",
    readouts: Annotated[str, typer.Option(metavar="A,B", help="angle, class, continuous, knn.")] = "angle,class",
    labels: Annotated[
        str, typer.Option(metavar="A,B", help="all, or labelled segments (minutes) per class: all,1,2,5,10.")
    ] = "all",
    folds: Annotated[int, typer.Option(metavar="N", help="Folds, with --protocol cv.")] = 5,
    seeds: Annotated[
        int, typer.Option(metavar="N", help="Repetitions; each has a seed of its own and deals the folds anew.")
    ] = 1,
    draws: Annotated[int, typer.Option(metavar="N", help="Random choices of labelled segments to average over.")] = 5,
    jobs: Annotated[int, typer.Option(metavar="N", help="Fits at a time.")] = 1,
    backend: Annotated[str, typer.Option(metavar="NAME", help="What carries the jobs: loky, ray or dask.")] = "loky",
    semi_supervised: Annotated[
        bool,
        typer.Option(
            "--semi-supervised",
            metavar="",
            help="Read class out once more for each number of --labels, from unlabelled training segments too.",
        ),
    ] = False,
    classifier: Classifier = "logistic",
    settings: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any setting, or METHOD.KEY=VALUE for one method; may be repeated.",
            show_default=False,
        ),
    ] = [],  # noqa: B006
    load: LoadOptions = [],  # noqa: B006
    target: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Label to read out of recordings.", show_default="the dataset's, else the first"
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="Where images are trained on and read out; recordings go by --set.")
    ] = "auto",
    readout_epochs: ReadoutEpochs = 100,
    config: Config = None,
    retry: Annotated[bool, typer.Option("--retry", metavar="", help="Try failed fits again.")] = False,
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
        if semi_supervised or classifier != "logistic":
            raise SettingError(
                "images are read out by k-NN and a linear readout; leave --semi-supervised and --classifier out"
            )
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
                classifier=classifier,
                semi_supervised=semi_supervised,
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


app = typer.Typer(
    name="myow",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain lines fit 80 columns, boxes do not
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Begin with 'myow demo'; 'myow COMMAND -h' explains each command.",
)

SHORT: dict[Callable[..., None], str] = {  # what the list of commands says; each must fit behind its name
    demo: "Show on simulated reaches what can be gained, in half a minute.",
    datasets: "List the recordings and images that can be named.",
    inspect: "Show what a file holds, and what would be used of it.",
    settings_of: "Explain the settings of a method; list methods and presets.",
    train: "Train a representation into a folder.",
    adapt: "Learn a read-in for a session that was not trained on.",
    embed: "Write the embedding of a recording or of images.",
    export: "Write a model as an ONNX graph.",
    card: "Describe a model in Markdown.",
    evaluate: "Decode from an embedding, beside raw counts and others.",
    bench: "Compare methods on recordings or images.",
    consistency: "Measure how far embeddings of seeds or sessions agree.",
    importance: "Rank units by what the readout owes them.",
    report: "Tell in one page what a run learnt.",
}
HELP = {"help_option_names": ["-h", "--help"]}

for command, short in SHORT.items():
    app.command(command.__name__.removesuffix("_of"), short_help=short, context_settings=HELP)(command)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"myow {__version__}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", metavar="", help="Print the version and exit.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Learn representations of neural activity without labels, and see how well they decode."""


def main() -> None:
    """Run the command line; an error that was raised on purpose becomes one line and exit code 1."""
    with stopping() as stop:
        try:
            _run()
        except SystemExit as end:
            sys.exit(stop.code or end.code)


def _run() -> None:
    said: set[str] = set()

    def one_line(message: Warning | str, *_: Any, **__: Any) -> str:
        """Format a warning for whoever typed a command: once, without the place in our code that it comes from."""
        line = f"{laid_out(f'warning: {message}', sys.stderr)}\n"
        if line in said:
            return ""
        said.add(line)
        return line

    before, warnings.formatwarning = warnings.formatwarning, one_line
    try:
        app(prog_name="myow")
    except MyowError as error:
        print(laid_out(f"error: {error}", sys.stderr), file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:  # the machine's fault, such as a path that is too long
        print(laid_out(f"error: {error}", sys.stderr), file=sys.stderr)
        sys.exit(1)
    finally:
        warnings.formatwarning = before
