"""Averages of a sampled signal in bins, of which only the samples inside bins are read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.binning import Bins, average_samples
from ._session import Signal

__all__ = ["average", "take_bins"]

BLOCK = 1 << 22  # values of a signal that are read at a time


def take_bins(bins: Bins, which: NDArray[Any] | slice) -> Bins:
    """Return some bins, by a mask, indices or a slice."""
    return Bins(bins.starts[which], bins.ends[which], bins.interval[which], bins.step[which])


def average(
    signal: Signal, bins: Bins, columns: NDArray[np.int64] | slice = slice(None)
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Average a signal in each bin, reading only samples inside bins; those that are not finite are left out.

    Parameters
    ----------
    signal : Signal
        What to average.
    bins : Bins
        T bins.
    columns : array_like of int or slice, optional
        Which D of its columns.

    Returns
    -------
    means : ndarray, shape (T, D)
        0 where there is no sample.
    n_samples : ndarray of int, shape (T, D)

    Raises
    ------
    DataError
        If the times of samples are not finite or do not rise.
    """
    clock = signal.times()
    width = len(np.arange(len(signal.names))[columns])
    means, n = np.zeros((len(bins.starts), width)), np.zeros((len(bins.starts), width), dtype=np.int64)
    if clock is not None:
        low, high = np.searchsorted(clock, bins.starts - 1e-8), np.searchsorted(clock, bins.ends + 1e-8)
    else:  # a sample more at either side: the averaging below knows exactly which belong
        low = np.floor((bins.starts - signal.start) * signal.rate) - 1
        high = np.ceil((bins.ends - signal.start) * signal.rate) + 1
    low, high = (np.clip(edge, 0, signal.n_samples).astype(np.int64) for edge in (low, high))
    most = max(1, BLOCK // max(len(signal.names), 1))
    first = 0
    while first < len(low):
        # As many bins of one segment as make a block; segments may lie anywhere and overlap.
        last = int(np.searchsorted(bins.interval, bins.interval[first], side="right"))
        last = max(first + 1, first + int(np.searchsorted(high[first:last], low[first] + most, side="right")))
        a, b = int(low[first]), int(high[last - 1])
        if b > a:
            times = clock[a:b] if clock is not None else signal.start + np.arange(a, b) / signal.rate
            values = np.asarray(signal.rows(a, b), dtype=np.float64).reshape(b - a, -1)[:, columns]
            part = take_bins(bins, slice(first, last))
            means[first:last], n[first:last] = _average(times, values, part)
        first = last
    return means, n


def _average(
    times: NDArray[np.float64], values: NDArray[np.float64], bins: Bins
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    finite = np.isfinite(values)
    if finite.all():
        means, n = average_samples(times, values, bins)
        return means, np.repeat(n[:, None], values.shape[1], axis=1)
    columns = [
        average_samples(times[good], column[good, None], bins) for column, good in zip(values.T, finite.T, strict=True)
    ]
    return np.hstack([mean for mean, _ in columns]), np.stack([n for _, n in columns], axis=1)
