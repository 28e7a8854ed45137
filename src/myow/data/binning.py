"""Spike times and sampled signals into bins of one width, inside intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError

__all__ = ["Bins", "average_samples", "count_spikes", "make_bins"]


class Bins(NamedTuple):
    """Half-open bins ``[start, end)``; all arrays have shape (T,)."""

    starts: NDArray[np.float64]
    """Start of each bin in s."""
    ends: NDArray[np.float64]
    """End of each bin in s, which is the very number its neighbour starts at."""
    interval: NDArray[np.int64]
    """Index of the interval each bin lies in."""
    step: NDArray[np.int64]
    """Position of each bin inside its interval."""


def make_bins(intervals: ArrayLike, bin_size: float, *, overhang: bool = False) -> Bins:
    """Lay bins from the start of each interval.

    Parameters
    ----------
    intervals : array_like, shape (n, 2)
        Start and end in s.
    bin_size : float
        Width in s.
    overhang : bool, optional
        Whether a last bin that reaches past the end is kept, rather than left out.

    Returns
    -------
    Bins

    Raises
    ------
    DataError
        If the width is not above 0, or an interval is not finite or ends before it starts.

    Examples
    --------
    >>> make_bins([[0.0, 0.25]], 0.1).starts.tolist(), make_bins([[0.0, 0.25]], 0.1, overhang=True).step.tolist()
    ([0.0, 0.1], [0, 1, 2])
    """
    spans = np.asarray(intervals, dtype=np.float64)
    if spans.ndim != 2 or spans.shape[1] != 2:
        raise DataError(f"intervals have shape {spans.shape}; they must be (n, 2), a start and an end each")
    if not (np.isfinite(bin_size) and bin_size > 0):
        raise DataError(f"bin_size is {bin_size}; it must be a number of seconds above 0")
    bad = np.flatnonzero(~(np.isfinite(spans).all(axis=1) & (spans[:, 1] >= spans[:, 0])))
    if bad.size:
        low, high = spans[bad[0]]
        raise DataError(f"interval {bad[0]} goes from {low} to {high} s; it must be finite and end after it starts")
    widths = (spans[:, 1] - spans[:, 0]) / bin_size
    # A millionth of a bin of slack, so that 0.3 s hold three bins of 0.1 s whatever the rounding.
    n_bins = (np.ceil(widths - 1e-6) if overhang else np.floor(widths + 1e-6)).astype(np.int64)
    interval = np.repeat(np.arange(len(spans)), n_bins)
    step = np.arange(len(interval)) - np.repeat(np.cumsum(n_bins) - n_bins, n_bins)
    first = spans[interval, 0]
    return Bins(_nanoseconds(first + step * bin_size), _nanoseconds(first + (step + 1) * bin_size), interval, step)


def count_spikes(trains: Sequence[ArrayLike], bins: Bins) -> NDArray[np.int64]:
    """Count the spikes of each unit in each bin; one on an edge belongs to the bin that starts there.

    Parameters
    ----------
    trains : sequence of array_like
        Spike times of each of N units in s, in any order.
    bins : Bins
        T bins.

    Returns
    -------
    ndarray of int, shape (T, N)

    Raises
    ------
    DataError
        If a spike time is not finite.
    """
    counts = np.zeros((len(bins.starts), len(trains)), dtype=np.int64)
    for unit, train in enumerate(trains):
        times = np.asarray(train, dtype=np.float64).ravel()
        if not np.isfinite(times).all():
            raise DataError(f"unit {unit} has a spike time that is NaN or infinite; leave it out")
        times = np.sort(_nanoseconds(times))
        counts[:, unit] = np.searchsorted(times, bins.ends) - np.searchsorted(times, bins.starts)
    return counts


def average_samples(times: ArrayLike, values: ArrayLike, bins: Bins) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Average a sampled signal in each bin.

    Parameters
    ----------
    times : array_like, shape (S,)
        When each sample was taken, in s, rising.
    values : array_like, shape (S, D)
        The samples.
    bins : Bins
        T bins.

    Returns
    -------
    means : ndarray, shape (T, D)
        0 where a bin holds no sample.
    n_samples : ndarray of int, shape (T,)
        Samples in each bin.

    Raises
    ------
    DataError
        If shapes disagree, a value is not finite or times do not rise.
    """
    clock, signal = _nanoseconds(np.asarray(times, dtype=np.float64)), np.asarray(values, dtype=np.float64)
    if clock.ndim != 1 or signal.ndim != 2 or len(clock) != len(signal):
        raise DataError(f"samples of shape {signal.shape} have times of shape {clock.shape}; give one time a row")
    if not (np.isfinite(clock).all() and np.isfinite(signal).all()):
        raise DataError("samples or their times hold NaN or infinite values; leave them out")
    if (np.diff(clock) < 0).any():
        raise DataError("the times of samples do not rise; sort them")
    low, high = np.searchsorted(clock, bins.starts), np.searchsorted(clock, bins.ends)
    total = np.concatenate([np.zeros((1, signal.shape[1])), np.cumsum(signal, axis=0)])
    n_samples = high - low
    return (total[high] - total[low]) / np.maximum(n_samples, 1)[:, None], n_samples


def _nanoseconds(times: NDArray[np.float64]) -> NDArray[np.float64]:
    # 3 x 0.1 exceeds 0.3 in floating point; to the nanosecond both are 0.3, so an edge means what is written.
    return np.round(times, 9)
