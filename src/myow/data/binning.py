"""Spike times and sampled signals into bins of one width, inside intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError

__all__ = [
    "Bins",
    "average_samples",
    "count_by_trial",
    "count_spikes",
    "frame_bins",
    "make_bins",
    "occupied_bins",
    "slack",
]


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
    widths, near = (spans[:, 1] - spans[:, 0]) / bin_size, slack(bin_size) / bin_size
    n_bins = (np.ceil(widths - near) if overhang else np.floor(widths + near)).astype(np.int64)
    interval = np.repeat(np.arange(len(spans)), n_bins)
    step = np.arange(len(interval)) - np.repeat(np.cumsum(n_bins) - n_bins, n_bins)
    first = spans[interval, 0]
    return Bins(_nanoseconds(first + step * bin_size), _nanoseconds(first + (step + 1) * bin_size), interval, step)


def slack(bin_size: float) -> float:
    """Return by how many seconds an end may miss the edge of a bin and still be meant as that edge.

    Two microseconds, since pynapple ends an interval one early and text is rounded, but a hundredth of a bin at most.
    """
    return min(2e-6, 0.01 * bin_size)


def frame_bins(times: ArrayLike, intervals: ArrayLike, bin_size: float) -> Bins | None:
    """Lay bins of one frame each, evenly, although the times of frames jitter.

    Frames that follow each other form a run; a run has even bins, that hold one frame each, wherever in its bin.

    Parameters
    ----------
    times : array_like, shape (S,)
        When each frame was taken, in s, rising.
    intervals : array_like, shape (n, 2)
        Start and end in s. A frame belongs to the intervals that its time lies in.
    bin_size : float
        Width of a bin in s.

    Returns
    -------
    Bins or None
        None where frames are not a bin apart, within a hundredth, or jitter by so much that no even bins hold one each.

    Examples
    --------
    >>> frame_bins([0.0, 0.1001, 0.1999, 0.5, 0.6], [[0.0, 0.7]], 0.1).step.tolist()
    [0, 1, 2, 5, 6]
    """
    clock = np.asarray(times, dtype=np.float64)
    if len(clock) < 2:
        return None
    run = np.concatenate([[0], np.cumsum(np.diff(clock) > 1.5 * bin_size)])
    width, off, first = _even(clock, run, bin_size)
    # A late frame is no pause if the one after it is in step with those before.
    paused = np.diff(clock - off) > 1.5 * bin_size
    if paused.sum() < run[-1]:
        run = np.concatenate([[0], np.cumsum(paused)])
        width, off, first = _even(clock, run, bin_size)
    if not abs(width - bin_size) <= 0.01 * bin_size:
        return None
    low = np.minimum.reduceat(off, first)
    if (np.maximum.reduceat(off, first) - low).max() >= 0.99 * width:
        return None
    starts = _nanoseconds(clock - off + low[run])
    ends = _nanoseconds(starts + width)
    ends[:-1] = np.where((np.diff(run) == 0) | (ends[:-1] > starts[1:]), starts[1:], ends[:-1])
    near = slack(bin_size)
    spans = np.asarray(intervals, dtype=np.float64).reshape(-1, 2)
    found = [np.arange(*np.searchsorted(clock, [low - near, high - near])) for low, high in spans]
    index = np.concatenate([np.empty(0, dtype=np.int64), *found])
    interval = np.repeat(np.arange(len(found)), [len(one) for one in found])
    if not index.size:
        return None
    since_first = starts[index] - starts[index[np.searchsorted(interval, interval)]]
    step = np.rint(since_first / width).astype(np.int64)
    return Bins(starts[index], ends[index], interval, step)


def _even(
    clock: NDArray[np.float64], run: NDArray[np.int64], bin_size: float
) -> tuple[float, NDArray[np.float64], NDArray[np.int64]]:
    """Fit even times to runs of frames: the step of all, by how much each frame is late, and the first frame of each run."""
    size = np.bincount(run)
    first = np.cumsum(size) - size
    place = np.arange(len(clock)) - (first + (size - 1) / 2)[run]
    since = clock - clock[first][run]
    since = since - (np.bincount(run, since) / size)[run]
    width = float(place @ since) / float(place @ place) if size.max() > 1 else bin_size
    return width, since - place * width, first


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
        rows, found = occupied_bins(times, bins)
        counts[rows, unit] = found
    return counts


def occupied_bins(train: NDArray[np.float64], bins: Bins) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the bins in which a unit fires, rising, and its spikes in each.

    Parameters
    ----------
    train : ndarray, shape (S,)
        Finite spike times in s, in any order.
    bins : Bins
        T bins.

    Returns
    -------
    rows, counts : ndarray of int, shape (R,)
        R is at most S.

    Examples
    --------
    >>> rows, counts = occupied_bins(np.array([0.25, 0.0, 0.05]), make_bins([[0.0, 0.4]], 0.1))
    >>> rows.tolist(), counts.tolist()
    ([0, 2], [2, 1])
    """
    times = np.sort(_nanoseconds(train))
    if len(bins.starts) and (bins.ends[:-1] <= bins.starts[1:]).all():
        # A spike lies in one bin, and there are fewer spikes to look up than bins.
        at = np.searchsorted(bins.starts, times, side="right") - 1
        return np.unique(at[(at >= 0) & (times < bins.ends[at])], return_counts=True)
    counts = np.searchsorted(times, bins.ends) - np.searchsorted(times, bins.starts)
    rows = np.flatnonzero(counts)
    return rows, counts[rows]


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
    n_samples = high - low
    # Each bin is added up by itself: differences of a running sum would carry one huge sample into all later bins.
    padded = np.concatenate([signal, np.zeros((1, signal.shape[1]))])
    total = np.add.reduceat(padded, np.stack([low, high], axis=1).ravel(), axis=0)[::2] if len(low) else signal[:0]
    return np.where(n_samples[:, None] > 0, total, 0.0) / np.maximum(n_samples, 1)[:, None], n_samples


MOST = 1 << 30  # bins times units


def count_by_trial(
    times: NDArray[np.float64],
    units: NDArray[np.int64],
    trials: NDArray[np.int64],
    n_units: int,
    bin_size: float,
    spans: ArrayLike | None = None,
) -> tuple[NDArray[np.int32], Bins]:
    """Count each spike in the trial that it is listed under, so that trials may overlap or each have a clock of its own.

    Parameters
    ----------
    times, units, trials : ndarray, shape (S,)
        Of each spike, the time in s, and the indices of its unit and of its trial.
    n_units : int
        N, how many units there are.
    bin_size : float
        Width of a bin in s.
    spans : array_like, shape (n, 2), optional
        Start and end of each trial in s. Default: from the bin of its first spike to that of its last.

    Returns
    -------
    counts : ndarray, shape (T, N)
        Of spikes inside of the whole bins of their trial.
    bins : Bins
        Trial by trial.

    Raises
    ------
    DataError
        If there is no bin, or there are more than fit in memory.

    Examples
    --------
    >>> counts, bins = count_by_trial(np.array([0.0, 0.15, 0.05]), np.array([0, 0, 0]), np.array([0, 0, 1]), 1, 0.1)
    >>> counts.ravel().tolist(), bins.interval.tolist()
    ([1, 1, 1], [0, 0, 1])
    """
    times = _nanoseconds(times)
    if spans is None:
        low, high = np.full(trials.max() + 1, np.inf), np.full(trials.max() + 1, -np.inf)
        np.minimum.at(low, trials, times)
        np.maximum.at(high, trials, times)
        spans = np.stack([np.floor(low / bin_size + 1e-6), np.floor(high / bin_size + 1e-6) + 1], axis=1) * bin_size
    spans = np.asarray(spans, dtype=np.float64)
    if not np.isfinite(spans).all() or (spans[:, 1] - spans[:, 0]).sum() / bin_size * n_units > MOST:
        raise DataError(f"trials last up to {np.diff(spans).max():g} s, more bins of {bin_size:g} s than fit in memory")
    bins = make_bins(spans, bin_size)
    if not len(bins.starts):
        raise DataError(f"every trial is shorter than a bin of {bin_size:g} s; choose a smaller bin_size")
    counts = np.zeros((len(bins.starts), n_units), dtype=np.int32)
    edges = np.searchsorted(bins.interval, np.arange(len(spans) + 1))
    order = np.argsort(trials, kind="stable")
    parts = np.split(order, np.searchsorted(trials[order], np.arange(1, len(spans))))
    for part, a, b in zip(parts, edges[:-1], edges[1:], strict=True):
        at = np.searchsorted(bins.starts[a:b], times[part], side="right") - 1
        inside = (at >= 0) & (times[part] < bins.ends[a:b][at]) if b > a else np.zeros(len(part), dtype=bool)
        np.add.at(counts, (a + at[inside], units[part][inside]), 1)
    return counts, bins


def _nanoseconds(times: NDArray[np.float64]) -> NDArray[np.float64]:
    # 3 x 0.1 exceeds 0.3 in floating point; to the nanosecond both are 0.3, so an edge means what is written.
    return np.round(times, 9)
