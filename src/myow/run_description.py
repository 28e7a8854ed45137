"""What a training run says of itself: what was trained on what, and how rows were split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .version import __version__

__all__ = ["OFFICIAL", "Parts", "Run"]

Parts = tuple[NDArray[np.int64], ...]

OFFICIAL = "official"
"""Name of the split of images: the published test part, and validation images drawn from the training part."""

MOST_ROWS = 1 << 27  # a day of bins of 1 ms is 86 million


@dataclass(frozen=True)
class Run:
    """What a run folder says of itself.

    Parameters
    ----------
    data : str
        Name of a published or simulated recording, or path of a file.
    load : sequence of str
        Options it was loaded with, ``key=value``.
    method : str
        Identifier of the method.
    settings : mapping
        Parameters of the estimator that differ from its defaults, and the seed.
    rows : {"train", "all"}
        Rows that the encoder was trained on, without labels.
    split : {"released", "random", "time", "official"}
        How the rows were parted.
    split_seed : int
        Seed of a random split.
    parts : mapping
        The rows themselves, as ranges such as "0-6,13-20" under "train", "valid" and "test": labels that are edited later
        cannot move rows from one part to another.
    recording : mapping
        Name, checksum and origin of the recording.
    target : str or None
        Label that the method learnt from; None if it learns without.
    version : str
        Version of this package.
    """

    data: str
    load: Sequence[str]
    method: str
    settings: Mapping[str, Any]
    rows: str
    split: str
    split_seed: int
    parts: Mapping[str, str]
    recording: Mapping[str, str]
    target: str | None = None
    version: str = field(default=__version__)

    @classmethod
    def from_json(cls, content: Any) -> Self:
        """Take what was read from a file, which may be anything.

        Raises
        ------
        ValueError, TypeError, KeyError
            If it is no description of a run.
        """
        if not isinstance(content, dict):
            raise TypeError(f"it is a {type(content).__name__}, no object")
        run = cls(**content)
        for name in (f.name for f in fields(cls)):
            value = getattr(run, name)
            if not _FITS[name](value):
                raise ValueError(f"{name} is {value!r:.60}")
        for name in _PARTS:
            _ends(run.parts[name])
        run.recording["digest"]  # it is there
        return run

    @property
    def of_images(self) -> bool:
        """Whether it learnt from images, which come with an official split."""
        return self.split == OFFICIAL

    @staticmethod
    def describe_parts(parts: Parts) -> dict[str, str]:
        """Write the rows of the three parts as ranges."""
        return dict(zip(_PARTS, map(_to_ranges, parts), strict=True))

    def rows_of_parts(self) -> Parts:
        """Return the rows of the three parts."""
        return tuple(_from_ranges(self.parts[name]) for name in _PARTS)


_PARTS = ("train", "valid", "test")


def _to_ranges(rows: NDArray[np.int64]) -> str:
    runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
    return ",".join(f"{run[0]}-{run[-1]}" for run in runs)


def _from_ranges(text: str) -> NDArray[np.int64]:
    return np.concatenate([np.arange(first, last + 1) for first, last in _ends(text)])


def _ends(text: str) -> list[tuple[int, int]]:
    """Return first and last row of each range; a few characters could stand for any number of rows."""
    ends = []
    for piece in text.split(","):
        first, last = (int(number) for number in piece.split("-"))
        ends.append((first, last))
    if not all(0 <= first <= last for first, last in ends) or sum(last + 1 - first for first, last in ends) > MOST_ROWS:
        raise ValueError(f"rows are {text!r:.60}")
    return ends


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_text, value.values()))


_FITS = {
    "data": _text,
    "load": lambda value: isinstance(value, list) and all(map(_text, value)),
    "method": _text,
    "settings": lambda value: isinstance(value, dict),
    "rows": lambda value: value in ("train", "all"),
    "split": _text,
    "split_seed": lambda value: type(value) is int and value >= 0,
    "parts": _texts,
    "recording": _texts,
    "target": lambda value: value is None or _text(value),
    "version": _text,
}
"""What each part of a description must be."""
