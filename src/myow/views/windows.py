"""Which rows are compared: context windows, and positives close in time, neither across a segment's edge."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.rows import Rows, group_runs
from ..data.targets import Targets
from ..errors import DataError, SettingError

__all__ = ["TrainingRows", "positive_ranges", "sample_positives", "windows"]


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
    if before < 0 or after < 0:
        raise SettingError(f"context is ({before}, {after}); both must be 0 or more bins")
    key, spans = _key(data, before + after)
    if before + after + 1 > spans.max():
        raise DataError(
            f"the context window is {before + after + 1} bins wide, but the longest segment spans {spans.max()}; "
            "choose a smaller context"
        )
    wanted = key[:, None] + np.arange(-before, after + 1)
    right = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    left = np.maximum(right - 1, 0)
    nearer = np.where(np.abs(key[left] - wanted) <= np.abs(key[right] - wanted), left, right)
    nearer[:, before] = np.arange(len(key))  # also where jitter in the times puts two rows into one bin
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

    def __init__(
        self,
        data: Rows,
        values: Tensor,
        context: tuple[int, int],
        device: torch.device,
        targets: Targets | None = None,
    ) -> None:
        self.data = data
        self.values = values.to(device)
        self.device = device
        self.targets = targets
        self.groups = torch.from_numpy(np.array(data.groups)).to(device)
        self.times = torch.from_numpy(np.array(data.times)).to(device)
        self._windows = None if context == (0, 0) else torch.from_numpy(windows(data, *context)).to(device)

    def __len__(self) -> int:
        return len(self.values)

    def inside(self, rows: Tensor) -> Tensor:
        """Return the rows that the windows of some rows hold: indices of shape (...,) become (..., W)."""
        return rows.unsqueeze(-1) if self._windows is None else self._windows[rows]

    def gather(self, rows: Tensor) -> Tensor:
        """Return the windows of some rows: indices of shape (...,) become values of shape (..., W, N)."""
        inside = self.inside(rows)
        # Whole rows are copied at once, which indexing with a tensor does not do.
        return self.values.index_select(0, inside.flatten()).view(*inside.shape, -1)
