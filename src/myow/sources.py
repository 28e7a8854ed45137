"""A recording by the name of a dataset or from a file, as the command line names them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import datasets, readers
from .errors import FileError, unknown_name
from .recording import Recording
from .settings import parse_pairs

__all__ = ["card_of", "load_recording"]


def load_recording(data: str, load: Sequence[str] = ()) -> Recording:
    """Load a recording by the name of a dataset, or from a file.

    Parameters
    ----------
    data : str
        Name or path.
    load : sequence of str, optional
        Options of the dataset or reader, ``key=value``.

    Raises
    ------
    UnknownNameError
        If it is neither a dataset nor a file that exists.
    """
    options = {k: _number(v) for k, v in parse_pairs(load).items()}
    names = [card.name for card in datasets.cards()]
    if data in names:
        return datasets.load(data, **options)
    if Path(data).exists():
        return readers.read(data, **options)
    if Path(data).suffix or os.sep in data:
        raise FileError(f"there is no file {data}; check the path")
    raise unknown_name("dataset or file", data, names)


def card_of(data: str) -> datasets.Card | None:
    """Return the card of a dataset; None for a file."""
    return next((card for card in datasets.cards() if card.name == data), None)


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
