"""Draw the few labelled rows: whole segments, or minutes where segments do not say the label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, SettingError

__all__ = ["Labelled", "draw_labelled"]

STRETCH = 60.0
"""Longest labelled stretch in seconds, where labels are drawn by the minute."""


@dataclass(frozen=True)
class Labelled:
    """Rows whose labels may be used.

    Attributes
    ----------
    rows : ndarray of int, shape (R,)
        Indices, rising.
    parts : ndarray of int, shape (R,)
        Which of its class's segments (or stretches) a row is of: 0, 1, ... in each class.
    n_parts : int
        Number of parts of the class that has fewest.
    unit : {"segment", "minute"}
        What was drawn.
    """

    rows: NDArray[np.int64]
    parts: NDArray[np.int64]
    n_parts: int
    unit: Literal["segment", "minute"] = "segment"


def draw_labelled(
    y: ArrayLike, groups: ArrayLike, n: int, rng: np.random.Generator, *, bins: ArrayLike, bin_size: float
) -> Labelled:
    """Draw n labelled segments per class, or n labelled minutes per class.

    Segments are drawn where there are two or more and the label is constant in each. Else (one long segment, as in
    sleep) minutes are: every run of a class is cut into stretches of up to a minute, and stretches are drawn at random
    until n minutes are reached; the last one is cut to fit.

    Parameters
    ----------
    y : array_like, shape (T,)
        Class of each row. Give zeros for a target without classes: n segments or minutes in all.
    groups : array_like of int, shape (T,)
        Segment of each row.
    n : int
        Labelled segments or minutes per class.
    rng : numpy.random.Generator
        Source of the draw.
    bins : array_like of int, shape (T,)
        Position of each row inside its segment in whole bins.
    bin_size : float
        Width of a bin in seconds.

    Returns
    -------
    Labelled
        The drawn rows.

    Raises
    ------
    SettingError
        If n is below 1.
    DataError
        If a class has too few segments or minutes; the text says how many there are.
    """
    labels, segment, bin_ = np.asarray(y), np.asarray(groups), np.asarray(bins)
    if n < 1:
        raise SettingError(f"the number of labels is {n}; it must be 1 or more per class")
    if labels.ndim != 1 or not len(labels) == len(segment) == len(bin_) > 0:
        raise DataError(
            f"labels, groups and bins have shapes {labels.shape}, {segment.shape}, {bin_.shape}; give one of each a row"
        )
    changes = np.diff(segment) != 0
    relabelled = labels[1:] != labels[:-1]
    whole = changes.any() and not (relabelled & ~changes).any()
    # A new stretch begins with a new segment, a new label, or after bins that are missing.
    begins = changes if whole else changes | relabelled | (np.diff(bin_) != 1)
    runs = np.split(np.arange(len(labels)), np.flatnonzero(begins) + 1)
    drawn = []
    for value in np.unique(labels):
        own = [run for run in runs if labels[run[0]] == value]
        drawn.append(_segments(own, n, value, rng) if whole else _minutes(own, n, value, bin_size, rng))
    rows = np.concatenate([part for parts in drawn for part in parts])
    index = np.concatenate([np.full(len(part), i) for parts in drawn for i, part in enumerate(parts)])
    order = np.argsort(rows)
    return Labelled(
        rows=rows[order],
        parts=index[order],
        n_parts=min(len(parts) for parts in drawn),
        unit="segment" if whole else "minute",
    )


Runs = list[NDArray[np.int64]]


def _segments(own: Runs, n: int, value: Any, rng: np.random.Generator) -> Runs:
    if len(own) < n:
        raise DataError(
            f"{n} labelled segments per class were asked for, but label {value!s} has {len(own)} in the rows for training; "
            "ask for fewer"
        )
    return [own[i] for i in rng.permutation(len(own))[:n]]


def _minutes(own: Runs, n: int, value: Any, bin_size: float, rng: np.random.Generator) -> Runs:
    # An interval of whole bins; the small slack keeps 60 / 0.1 from becoming 599.
    longest = max(1, int(STRETCH / bin_size + 1e-6))
    wanted = max(1, int(np.ceil(n * 60 / bin_size - 1e-6)))
    held = sum(len(run) for run in own)
    if held < wanted:
        raise DataError(
            f"{n} labelled minutes per class were asked for, but label {value!s} has {held * bin_size / 60:.1f} in the rows "
            "for training; ask for fewer"
        )
    stretches = [run[i : i + longest] for run in own for i in range(0, len(run), longest)]
    chosen, left = [], wanted
    for i in rng.permutation(len(stretches)):
        chosen.append(stretches[i][:left])
        left -= len(chosen[-1])
        if left == 0:
            break
    return chosen
