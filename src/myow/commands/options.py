"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AsJson",
    "Data",
    "Device",
    "Folder",
    "LoadOptions",
    "Out",
    "Quiet",
    "ReadoutEpochs",
    "Seed",
    "Session",
]

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
LoadOptions = Annotated[
    list[str], typer.Option("--data", help="Option of the dataset or file, key=value.", show_default=False)
]
