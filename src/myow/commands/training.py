"""Commands that train: on a recording, on several, on images; and the read-in of one more session."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import SettingError
from .options import Data, Device, Folder, LoadOptions, Out, Quiet, Seed
from .stopped import stopped

__all__ = ["adapt", "train"]


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
    from ..sources import is_images

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
    from ..run_sessions import session_names
    from ..session_workflow import train_sessions_run
    from ..workflow import draw_run, train_run

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
    if not several:  # pictures are of one recording
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
    from ..session_workflow import adapt_run

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
    from ..image_workflow import draw_images_run, train_images_run

    with stopped("stopped; nothing new was kept"):
        message = train_images_run(data, out, **options)
    if message:  # of several processes one speaks
        draw_images_run(out)
        print(message)
