"""Options that commands share, and how a command ends when it is stopped."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "AsJson",
    "Classifier",
    "Data",
    "Device",
    "Folder",
    "LoadOptions",
    "Out",
    "Quiet",
    "ReadoutEpochs",
    "Seed",
    "Session",
    "Stop",
    "stopped",
    "stopping",
]

# SIGTERM comes from schedulers, containers and `kill`; SIGHUP when the terminal is closed or a connection is lost.
ASKING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stop:
    """A request to stop.

    Attributes
    ----------
    code : int
        Exit code that tells which signal came, 0 if none did.
    """

    code = 0

    def asked(self, number: int, frame: Any) -> None:
        """Stop once; some senders ask twice, and the second must not disturb the keeping of what was reached."""
        if not self.code:
            self.code = 128 + number
            raise KeyboardInterrupt


@contextmanager
def stopping() -> Iterator[Stop]:
    """Turn requests to end into `KeyboardInterrupt` for a while, unless someone else attends to them.

    Yields
    ------
    Stop
        Says afterwards whether one came.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    taken = [number for number in ASKING if signal.getsignal(number) is signal.SIG_DFL]  # under nohup it is ignored
    for number in taken:
        signal.signal(number, stop.asked)
    try:
        yield stop
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


Data = Annotated[str, typer.Argument(help="A dataset's name (see 'myow datasets') or a file.", show_default=False)]
Folder = Annotated[Path, typer.Argument(help="A folder that 'myow train' wrote.", show_default=False)]
Out = Annotated[Path, typer.Option(help="Folder to write to.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on stdout.")]
Seed = Annotated[int, typer.Option(help="Seed of weights, batches and augmentations.", min=0, max=2**32 - 1)]
Device = Annotated[str, typer.Option(help="cpu, cuda, ... or auto.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress bar.")]
ReadoutEpochs = Annotated[int, typer.Option(help="Epochs of the linear readout of images.", min=1)]
Session = Annotated[
    str | None,
    typer.Option(help="Of a model of several sessions: whose units these are.", show_default="the one that fits"),
]
Classifier = Annotated[
    str,
    typer.Option(
        help="Of readout class: logistic, lda (its covariance shrunk), or auto, the better on validation rows."
    ),
]
LoadOptions = Annotated[
    list[str], typer.Option("--data", help="Option of the dataset or file, key=value.", show_default=False)
]


@contextmanager
def stopped(kept: str) -> Iterator[None]:
    """End with exit code 130 and a line that says what was kept: that of the interrupt, if it says so itself."""
    try:
        yield
    except KeyboardInterrupt as stop:
        print(str(stop) or kept, file=sys.stderr)
        raise typer.Exit(130) from None
