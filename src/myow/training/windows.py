"""Rows that are compared: context windows, positives close in time, and rows near and far, none across a segment's edge."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.rows import Rows, group_runs
from ..errors import DataError, SettingError

__all__ = [
    "NEAR",
    "choose_contexts",
    "default_positives",
    "draw_between",
    "draw_far",
    "draw_outside",
    "inside_windows",
    "nearest",
    "positive_ranges",
    "segment_ranges",
    "window_key",
    "windows",
]

LONGEST = 10
"""Bins of the near context where segments are long: 1 s at 0.1 s, 40 s at 4 s."""


def windows(data: Rows, before: int, after: int) -> NDArray[np.int64]:
    """Find the rows of every row's context window, stopping at the edges of its segment.

    Parameters
    ----------
    data : Rows
        T rows with bins and groups.
    before, after : int
        Bins of context on either side.

    Returns
    -------
    ndarray of int64, shape (T, before + 1 + after)
        Where a bin is missing (beyond the segment's edge, or dropped from the recording), the row of the same segment
        that is nearest to it in time stands in.

    Raises
    ------
    SettingError
        If a width is negative.
    DataError
        If the window is wider than every segment.
    """
    key = window_key(data, before, after)
    return inside_windows(key, np.arange(len(key)), before, after)


def window_key(data: Rows, before: int, after: int) -> NDArray[np.int64]:
    """Number bins as `_key` does, and refuse a window that no segment holds."""
    if before < 0 or after < 0:
        raise SettingError(f"context is ({before}, {after}); both must be 0 or more bins")
    key, spans = _key(data, before + after)
    if before + after + 1 > spans.max():
        raise DataError(
            f"the context window is {before + after + 1} bins wide, but the longest segment spans {spans.max()}; "
            "choose a smaller context"
        )
    return key


def inside_windows(key: NDArray[np.int64], rows: NDArray[np.int64], before: int, after: int) -> NDArray[np.int64]:
    """Find the rows of the windows of some rows, shape (R,), by what `window_key` returned; shape (R, before + 1 + after)."""
    nearer = nearest(key, key[rows][..., None] + np.arange(-before, after + 1))
    nearer[..., before] = rows  # also where jitter in the times puts two rows into one bin
    return nearer


def nearest(bins: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find the row that stands in for each wanted bin: the one nearest in time, the earlier of two.

    Parameters
    ----------
    bins : ndarray of int64, shape (T,)
        Bin of each row, rising or equal.
    wanted : ndarray of int64
        Bins, of any shape.

    Returns
    -------
    ndarray of int64
        Rows, of the shape of `wanted`. Of several rows of the wanted bin itself, the first.

    Examples
    --------
    >>> nearest(np.array([3, 4, 8]), np.array([1, 4, 6, 7])).tolist()
    [0, 1, 1, 2]
    """
    right = np.minimum(np.searchsorted(bins, wanted), len(bins) - 1)
    left = np.maximum(right - 1, 0)
    nearer = np.where(np.abs(bins[left] - wanted) <= np.abs(bins[right] - wanted), left, right)
    return np.asarray(nearer, dtype=np.int64)


NEAR = 10.0
"""Seconds in which activity may be expected to show the same."""


def default_positives(bin_size: float) -> tuple[int, int]:
    """Return how many bins before and after a row its positive may lie, from the width of a bin.

    Two, so that views share what lasts and not the noise of one bin; fewer where these would lie further away than 10 s, and none
    where bins are longer than that, as in sleep scored by the minute.

    Examples
    --------
    >>> default_positives(0.1), default_positives(4.0), default_positives(60.0)
    ((-2, 2), (-2, 2), (0, 0))
    """
    most = min(2, int(NEAR / bin_size + 1e-6))
    return -most, most


def positive_ranges(data: Rows, earliest: int, latest: int) -> NDArray[np.int64]:
    """Find, for every row, the run of rows of its segment that may be its positive.

    Parameters
    ----------
    data : Rows
        T rows with bins and groups.
    earliest, latest : int
        Offsets in bins, adjacent in time and not merely in the file; ``earliest <= 0 <= latest``.

    Returns
    -------
    ndarray of int64, shape (T, 2)
        First and last row of the run, both included; the row itself is always inside.

    Raises
    ------
    SettingError
        If 0 is not between the offsets.
    """
    if not earliest <= 0 <= latest:
        raise SettingError(
            f"positives are ({earliest}, {latest}); the first must be 0 or less, the second 0 or more bins"
        )
    key, _ = _key(data, max(-earliest, latest))
    first = np.searchsorted(key, key + earliest, side="left")
    last = np.searchsorted(key, key + latest, side="right") - 1
    return np.stack([first, last], axis=1)


def _key(data: Rows, reach: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number bins so that rows of different segments lie further apart than twice `reach`; also each segment's span."""
    heads, lengths = group_runs(data.groups)
    spans = data.bins[heads + lengths - 1] - data.bins[heads] + 1
    stride = int(spans.max()) + 2 * reach + 2
    order = np.repeat(np.arange(len(heads)), lengths)
    return order * stride + data.bins - np.repeat(data.bins[heads], lengths), spans


def segment_ranges(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find the run of every row's segment.

    Parameters
    ----------
    groups : ndarray of int64, shape (T,)
        Segment of each row; segments are contiguous.

    Returns
    -------
    ndarray of int64, shape (T, 2)
    """
    edges = np.flatnonzero(np.concatenate([[True], np.diff(groups) != 0, [True]]))
    runs = np.stack([edges[:-1], edges[1:] - 1], axis=1)
    return np.repeat(runs, np.diff(edges), axis=0)


def choose_contexts(data: Rows, tau_pos: int | None, tau_neg: int | None, least: int) -> tuple[int, int]:
    """Choose what was not given of the two contexts, from the length of the segments.

    Among several segments (trials) near are two thirds of the median one, and far is what lies beyond four times that:
    in short trials, rows of other trials. Of a single segment near is an eighth, and far what lies beyond half of it at
    most. Either way near is no more than 10 bins.

    Parameters
    ----------
    data : Rows
        T rows with bins and groups.
    tau_pos, tau_neg : int or None
        What was given: bins that are near at most, and far at least.
    least : int
        The smallest `tau_pos` that is of use.

    Returns
    -------
    tau_pos, tau_neg : int
    """
    heads, lengths = group_runs(data.groups)
    span = int(np.median(data.bins[heads + lengths - 1] - data.bins[heads])) + 1
    single = len(heads) == 1
    if tau_pos is None:
        tau_pos = max(least, min(LONGEST, span // 8 if single else 2 * span // 3))
    if tau_neg is None:
        # A row in the middle of a single segment finds nothing further away than half of it.
        tau_neg = max(tau_pos + 1, min(4 * tau_pos, span // 2) if single else 4 * tau_pos)
    return int(tau_pos), int(tau_neg)


def draw_between(first: Tensor, last: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a row from each of B runs, uniformly; of an empty run (last = first - 1) comes its first row. Shape (B,)."""
    draw = torch.rand(len(first), generator=generator, device=first.device, dtype=torch.float64)
    return first + (draw * (last - first + 1)).long()


def draw_outside(run: Tensor, hole: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a row from each run, uniformly from those that its hole, a run inside of it, leaves.

    Parameters
    ----------
    run, hole : Tensor of int64, shape (B, 2)
        Runs, and what to leave out of each.
    generator : torch.Generator
        Source of randomness.

    Returns
    -------
    Tensor of int64, shape (B,)
        The row after the run where the hole leaves none.
    """
    width = hole[:, 1] - hole[:, 0] + 1
    row = draw_between(run[:, 0], run[:, 1] - width, generator)
    return torch.where(row >= hole[:, 0], row + width, row)


def draw_far(near: Tensor, segment: Tensor, n_rows: int, generator: torch.Generator) -> Tensor:
    """Draw a row from each segment, uniformly from those that are not near; where all are, from the other segments.

    Parameters
    ----------
    near, segment : Tensor of int64, shape (B, 2)
        Runs of what is not far enough, and of the segments around them.
    n_rows : int
        Rows T of the recording.
    generator : torch.Generator
        Source of randomness.

    Returns
    -------
    Tensor of int64, shape (B,)
        `n_rows` where there is no other segment either.
    """
    elsewhere = (near == segment).all(dim=1, keepdim=True)
    whole = torch.tensor([0, n_rows - 1], device=near.device)
    return draw_outside(torch.where(elsewhere, whole, segment), torch.where(elsewhere, segment, near), generator)
