"""Whether one method scores better than another over splits that share most of their rows.

Splits of one recording overlap in their training rows, and repeated folds in their test rows too, so that scores of
different splits are not independent, and a plain t test finds differences that are not there. The corrected resampled
t test widens the variance of the mean over J splits from ``s^2 / J`` to ``(1 / J + n_test / n_train) s^2``: Nadeau and
Bengio, Machine Learning 52, 2003; for repeated folds Bouckaert and Frank, PAKDD 2004.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from ..errors import DataError, SettingError

__all__ = ["SIGNIFICANCE", "Comparison", "adjust", "compare", "corrected_interval"]

SIGNIFICANCE = 0.05
"""Below this adjusted p, a difference is called one."""
ROUNDING = 1e-12
"""Scores are of order one; they differ by less than this through rounding alone."""


@dataclass(frozen=True)
class Comparison:
    """One method against another, paired over splits."""

    difference: float
    """Mean of the paired differences; above 0 where the first method scores higher."""
    low: float
    """Lower end of the difference's 95 % interval, which no adjustment widens."""
    high: float
    """Upper end."""
    p: float
    """Two-sided, for this comparison alone."""
    p_adjusted: float
    """The same, adjusted for the number of comparisons made beside it."""
    n: int
    """Number of pairs."""
    verdict: str
    """"better", "worse" or "no difference shown", by `p_adjusted` and the sign of the difference."""


def corrected_interval(values: ArrayLike, share: float, level: float = 0.95) -> tuple[float, float]:
    """Interval of a mean over overlapping splits: the corrected resampled t interval.

    Parameters
    ----------
    values : array_like, shape (J,)
        One value a split: a score, or a difference of two.
    share : float
        Test rows over training rows of a split; 0 gives the plain t interval.
    level : float, optional
        Coverage.

    Returns
    -------
    tuple of float
        Low and high.

    Raises
    ------
    DataError
        If there are fewer than two values, or one is not finite.
    SettingError
        If the share is below 0, or the level not between 0 and 1.

    Examples
    --------
    >>> low, high = corrected_interval([0.70, 0.74, 0.72, 0.71, 0.73], share=0.25)
    >>> round(low, 3), round(high, 3)
    (0.691, 0.749)
    """
    if not 0 < level < 1:
        raise SettingError(f"the level is {level}; it must lie between 0 and 1")
    mean, error, freedom = _moments(_values(values), share)
    reach = error * float(stdtrit(freedom, (1 + level) / 2))
    return mean - reach, mean + reach


def compare(differences: ArrayLike, share: float) -> Comparison:
    """Test whether the mean of paired differences over overlapping splits is 0: the corrected resampled t test.

    Parameters
    ----------
    differences : array_like, shape (J,)
        Score of one method minus that of the other, one a split.
    share : float
        Test rows over training rows of a split; 0 gives the plain paired t test.

    Returns
    -------
    Comparison
        With `p_adjusted` equal to `p`; see `adjust`. Methods that agree on every split have p = 1. A difference that is
        the same on every split has p = 0.

    Raises
    ------
    DataError
        If there are fewer than two differences, or one is not finite.
    SettingError
        If the share is below 0.

    Examples
    --------
    >>> compare([0.00, 0.05, 0.03, 0.04, 0.01], share=0.25).verdict
    'no difference shown'
    >>> compare([0.00, 0.05, 0.03, 0.04, 0.01], share=0.0).verdict
    'better'
    """
    d = _values(differences)
    d = np.where(np.abs(d) < ROUNDING, 0.0, d)
    mean, error, freedom = _moments(d, share)
    certain = 1.0 if mean == 0 else 0.0  # nothing varies, and t has no value
    p = certain if np.ptp(d) < ROUNDING else 2 * float(stdtr(freedom, -abs(mean) / error))
    low, high = corrected_interval(d, share)
    return Comparison(mean, low, high, p, p, len(d), _verdict(mean, p))


def adjust(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Adjust a family of comparisons for their number, by Holm's step-down.

    The smallest of m p-values is multiplied by m, the next by m - 1, and so on; none may fall below one before it. As
    far as each p is right, the chance that a difference is called anywhere in the family where there is none is then
    5 % at most, however the comparisons depend on each other. Holm, Scandinavian Journal of Statistics 6, 1979.

    Parameters
    ----------
    comparisons : sequence of Comparison
        All that are looked at together.

    Returns
    -------
    list of Comparison
        In the same order, with `p_adjusted` and `verdict` anew from `p`.
    """
    p = np.array([c.p for c in comparisons])
    order = np.argsort(p, kind="stable")
    stepped = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    adjusted = np.empty_like(p)
    adjusted[order] = stepped
    return [
        replace(c, p_adjusted=float(a), verdict=_verdict(c.difference, float(a)))
        for c, a in zip(comparisons, adjusted, strict=True)
    ]


def _verdict(difference: float, p: float) -> str:
    if not p < SIGNIFICANCE:
        return "no difference shown"
    return "better" if difference > 0 else "worse"


def _values(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) < 2:
        raise DataError(f"the values have shape {array.shape}; give one a split, of two splits or more")
    if not np.isfinite(array).all():
        raise DataError(f"value {np.flatnonzero(~np.isfinite(array))[0]} is not finite; leave that split out")
    return array


def _moments(values: NDArray[np.float64], share: float) -> tuple[float, float, int]:
    """Return the mean, its corrected standard error and the degrees of freedom."""
    if not 0 <= share < np.inf:
        raise SettingError(f"the share is {share}; it must be test rows over training rows, 0 or more")
    n = len(values)
    return float(values.mean()), float(np.sqrt((1 / n + share) * values.var(ddof=1))), n - 1
