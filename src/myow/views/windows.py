"""Which rows are compared: context windows, and positives close in time, neither across a segment's edge."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.rows import Rows, group_runs
from ..data.targets import Targets
from ..errors import DataError, SettingError

__all__ = ["TrainingRows", "nearest", "positive_ranges", "sample_positives", "shared", "windows"]

MOST_INDICES = 1 << 24
"""Rows times width of the windows that are kept as one table."""


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
    key = _window_key(data, before, after)
    return _inside(key, np.arange(len(key)), before, after)


def _window_key(data: Rows, before: int, after: int) -> NDArray[np.int64]:
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


def _inside(key: NDArray[np.int64], rows: NDArray[np.int64], before: int, after: int) -> NDArray[np.int64]:
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


def sample_positives(rows: Tensor, ranges: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a positive for each row, uniformly from its range.

    Parameters
    ----------
    rows : Tensor of int64, shape (B,)
        Anchors.
    ranges : Tensor of int64, shape (T, 2)
        As `positive_ranges` returns them.
    generator : torch.Generator
        Source of randomness.

    Returns
    -------
    Tensor of int64, shape (B,)
    """
    first, last = ranges[rows].unbind(1)
    draw = torch.rand(len(rows), generator=generator, device=rows.device, dtype=torch.float64)
    return first + (draw * (last - first + 1)).long()


class TrainingRows:
    """Rows held on the device as one tensor, from which views are looked up by index.

    `myow.views.lookup.LookedUpRows` are the same to whoever looks up views, without the tensor.

    Parameters
    ----------
    data : Rows
        Times, bins and groups of T rows.
    values : Tensor, shape (T, N)
        Their transformed values.
    context : tuple of int
        Bins (before, after) of each row's window.
    device : torch.device
        Where to keep everything.
    targets : Targets, optional
        Labels of some rows, for a method that learns from them.
    """

    values: Tensor

    def __init__(
        self,
        data: Rows,
        values: Tensor,
        context: tuple[int, int],
        device: torch.device,
        targets: Targets | None = None,
    ) -> None:
        self.values = values.to(device)
        self._place(data, context, device, targets)

    def _place(self, data: Rows, context: tuple[int, int], device: torch.device, targets: Targets | None) -> None:
        """Keep all that is known of the rows besides their values."""
        self.data = data
        self.device = device
        self.targets = targets
        self.groups = shared(data.groups).to(device)
        self.times = shared(data.times).to(device)
        self._windows: Tensor | _Windows | None = None
        if context != (0, 0):
            many = len(data) * (sum(context) + 1) > MOST_INDICES
            self._windows = _Windows(data, context) if many else torch.from_numpy(windows(data, *context)).to(device)

    def __len__(self) -> int:
        return len(self.data)

    def inside(self, rows: Tensor) -> Tensor:
        """Return the rows that the windows of some rows hold: indices of shape (...,) become (..., W)."""
        return rows.unsqueeze(-1) if self._windows is None else self._windows[rows]

    def gather(self, rows: Tensor) -> Tensor:
        """Return the windows of some rows: indices of shape (...,) become values of shape (..., W, N)."""
        inside = self.inside(rows)
        return self.look_up(inside.flatten()).view(*inside.shape, -1)

    def look_up(self, rows: Tensor) -> Tensor:
        """Return the transformed values of some rows, shape (R,), without a window: shape (R, N)."""
        # Whole rows are copied at once, which indexing with a tensor does not do.
        return self.values.index_select(0, rows)

    def at_once(self, most: int) -> int:
        """Return how many rows to gather in one go where all are wanted, at most so many."""
        return most

    def fit_at_once(self, n_rows: int, size: int, who: str) -> None:
        """Refuse to load so many windows, at `size` bytes a value, where they would fill the memory: not those of these rows."""

    def blocks(self) -> Iterator[Tensor]:
        """Go once through the transformed values of all rows, a number of rows at a time, in order."""
        yield self.values


class _Windows:
    """Windows that are found when they are asked for, since a table of all would take more room than the rows' times."""

    def __init__(self, data: Rows, context: tuple[int, int]) -> None:
        self._context = context
        self._key = _window_key(data, *context)

    def __getitem__(self, rows: Tensor) -> Tensor:
        found = _inside(self._key, rows.cpu().numpy(), *self._context)
        return torch.from_numpy(found).to(rows.device)


def shared(array: NDArray[Any]) -> Tensor:
    """Return a tensor that shares the memory of an array, which may be read-only: it must not be written to."""
    with warnings.catch_warnings():  # about being read-only, which torch cannot express
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(np.asarray(array))
