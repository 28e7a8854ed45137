"""What the simulated recordings share: checked options, slow drift and the spread of firing rates."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SettingError

__all__ = ["drift", "drift_on", "log_normal_rates", "seconds", "whole_number"]


def whole_number(option: str, value: Any, least: int) -> None:
    """Raise SettingError unless `value` is a whole number of `least` or more."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise SettingError(f"{option} is {value!r}; it must be a whole number of {least} or more")


def seconds(option: str, value: Any) -> None:
    """Raise SettingError unless `value` is a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
        raise SettingError(f"{option} is {value!r}; it must be a number of seconds above 0")


def drift(intervals: NDArray[np.float64], scale: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return an Ornstein-Uhlenbeck path with mean 0 and variance 1.

    Parameters
    ----------
    intervals : ndarray, shape (T - 1,)
        Seconds from each point to the next.
    scale : float
        Seconds after which the correlation has fallen to 1/e.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (T,)
    """
    first = rng.normal()
    return np.append(first, drift_on(first, intervals, scale, rng))


def drift_on(
    last: float, intervals: NDArray[np.float64], scale: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the points that follow the last one of such a path, shape (T,), given the seconds from each to the next."""
    keep = np.exp(-intervals / scale)
    kicks = (rng.normal(size=len(intervals)) * np.sqrt(1 - keep**2)).tolist()
    path = [last]
    for kept, kick in zip(keep.tolist(), kicks, strict=True):
        path.append(kept * path[-1] + kick)
    return np.array(path[1:])


def log_normal_rates(n: int, median: float, spread: float, top: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return n firing rates in Hz at even quantiles of a log-normal, in random order.

    Even quantiles give every seed the same spread of rates, so that seeds differ in difficulty less.

    Parameters
    ----------
    n : int
        Number of units.
    median, top : float
        Median, and the rate that none exceeds, in Hz.
    spread : float
        Standard deviation of the logarithm.
    rng : numpy.random.Generator
        Source of randomness.
    """
    normal = NormalDist(float(np.log(median)), spread)
    quantiles = (rng.permutation(n) + 0.5) / n
    return np.minimum(np.exp([normal.inv_cdf(q) for q in quantiles]), top)
