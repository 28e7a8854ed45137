"""Bootstrap intervals over segments, or over blocks of time; never over bins, which are not independent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, SettingError

__all__ = ["interval_of_mean", "interval_of_r2", "resampling_blocks"]

BLOCK = 300.0
"""Longest block in seconds; the median state of sleep in the mouse recording lasts 6.7 minutes."""
MIN_BLOCKS = 10
"""A short stretch is cut into this many blocks instead."""

Interval = tuple[float, float] | None


def resampling_blocks(
    groups: ArrayLike, *, bins: ArrayLike, bin_size: float, block: float | None = None
) -> NDArray[np.int64]:
    """Say which rows are drawn together: those of a segment or, where there is one segment, of a block of time.

    Parameters
    ----------
    groups : array_like of int, shape (T,)
        Segment of each row.
    bins : array_like of int, shape (T,)
        Position of each row inside its segment in whole bins.
    bin_size : float
        Width of a bin in seconds.
    block : float, optional
        Seconds of a block. Default: 5 minutes, or a tenth of the time spanned if that is shorter. A block should
        outlast the correlation of the errors.

    Returns
    -------
    ndarray of int, shape (T,)
        Block of each row, numbered from 0 without gaps.

    Raises
    ------
    SettingError
        If `block` is not above 0.
    """
    names = np.unique(np.asarray(groups), return_inverse=True)[1]
    if names.size and names.max() > 0:
        return np.asarray(names, dtype=np.int64)
    position = np.asarray(bins) - np.min(bins)
    if block is None:
        block = min(BLOCK, (position.max() + 1) * bin_size / MIN_BLOCKS)
    if not block > 0:
        raise SettingError(f"the block is {block} s; it must be above 0")
    width = max(1, round(block / bin_size))
    return np.asarray(np.unique(position // width, return_inverse=True)[1], dtype=np.int64)


def interval_of_mean(values: ArrayLike, blocks: ArrayLike, *, resamples: int = 1000, seed: int = 0) -> Interval:
    """95 % percentile interval of a mean over rows, such as an accuracy.

    Parameters
    ----------
    values : array_like, shape (T,)
        One value a row: 1 for a hit, 0 for a miss.
    blocks : array_like of int, shape (T,)
        From `resampling_blocks`.
    resamples : int, optional
        Number of resamples.
    seed : int, optional
        Seed of the resampling.

    Returns
    -------
    tuple of float, or None
        Low and high; None where there is a single block, so that nothing can be resampled.
    """
    v = np.asarray(values, dtype=np.float64)
    sums = np.column_stack([v, np.ones_like(v)])
    return _interval(sums, blocks, lambda s: s[:, 0] / s[:, 1], resamples, seed)


def interval_of_r2(
    true: ArrayLike, predicted: ArrayLike, blocks: ArrayLike, *, resamples: int = 1000, seed: int = 0
) -> Interval:
    """95 % percentile interval of `metrics.r2`, from sums per block.

    Parameters
    ----------
    true, predicted : array_like, shape (T,) or (T, d)
        Values.
    blocks, resamples, seed
        As in `interval_of_mean`.

    Returns
    -------
    tuple of float, or None
        Low and high; None where there is a single block, or the target varies in none of the resamples.
    """
    t = np.asarray(true, dtype=np.float64).reshape(len(np.asarray(true)), -1)
    error = ((t - np.asarray(predicted, dtype=np.float64).reshape(t.shape)) ** 2).sum(axis=1)
    t = t - t.mean(axis=0)  # sums of squares of small numbers keep their digits
    sums = np.column_stack([error, np.ones(len(t)), (t**2).sum(axis=1), t])

    def statistic(s: NDArray[np.float64]) -> NDArray[np.float64]:
        spread = s[:, 2] - (s[:, 3:] ** 2).sum(axis=1) / s[:, 1]
        # A resample of one block over and over may not vary; it has no R2 and is left out.
        varies = spread > 1e-9 * np.maximum(s[:, 2], 1e-300)
        return np.asarray(1 - s[varies, 0] / spread[varies])

    return _interval(sums, blocks, statistic, resamples, seed)


def _interval(
    sums: NDArray[np.float64],
    blocks: ArrayLike,
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    resamples: int,
    seed: int,
) -> Interval:
    index = np.asarray(blocks)
    if len(index) != len(sums) or not len(sums):
        raise DataError(f"there are {len(sums)} rows, but blocks name {len(index)}; give one block a row")
    n_blocks = int(index.max()) + 1
    if n_blocks < 2:
        return None
    per_block = np.zeros((n_blocks, sums.shape[1]))
    np.add.at(per_block, index, sums)
    times_drawn = np.random.default_rng(seed).multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=resamples)
    values = statistic(times_drawn @ per_block)
    if not values.size:
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
