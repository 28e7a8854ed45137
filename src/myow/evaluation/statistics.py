"""Intervals, paired tests, and controls: labels that do not belong to the activity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, stdtr, stdtrit
from sklearn.covariance import ledoit_wolf_shrinkage

from ..data.recording import Recording
from ..data.rows import group_runs
from ..data.splits import constant_label
from ..errors import DataError, SettingError

__all__ = [
    "SIGNIFICANCE",
    "Comparison",
    "adjust",
    "compare",
    "control",
    "corrected_interval",
    "fewest_blocks",
    "interval_of_drawn_mean",
    "interval_of_mean",
    "interval_of_r2",
    "name_segments",
    "paired_interval",
    "range_of",
    "resampling_blocks",
]

BLOCK = 300.0
"""Longest block in seconds; the median state of sleep in the mouse recording lasts 6.7 minutes."""
MIN_BLOCKS = 10
"""A short stretch is cut into this many blocks instead."""

Interval = tuple[float, float] | None


def resampling_blocks(
    groups: ArrayLike, *, bins: ArrayLike, bin_size: float, block: float | None = None
) -> NDArray[np.int64]:
    """Number the blocks of rows that are drawn together: those of a segment or, where there is one segment, of a block of time.

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


def interval_of_drawn_mean(values: ArrayLike, blocks: ArrayLike, *, resamples: int = 2000, seed: int = 0) -> Interval:
    """95 % percentile interval of a mean over draws and rows, such as a paired difference with few labels.

    Draws and blocks are resampled together, so that the interval holds what would change with other labelled segments and
    with other test segments; what another training would change, it does not hold.

    Parameters
    ----------
    values : array_like, shape (n, T)
        One value a draw of labelled segments and test row: 1, 0 or -1 for a difference of hits.
    blocks : array_like of int, shape (T,)
        From `resampling_blocks`.
    resamples : int, optional
        Number of resamples.
    seed : int, optional
        Seed of the resampling.

    Returns
    -------
    tuple of float, or None
        Low and high; None where there is a single block or a single draw.

    Examples
    --------
    >>> interval_of_drawn_mean([[1, 0, 1, 1], [1, 1, 0, 1]], blocks=[0, 0, 1, 1])
    (0.5, 1.0)
    """
    v, index = np.asarray(values, dtype=np.float64), np.asarray(blocks)
    if v.ndim != 2 or v.shape[1] != len(index) or not v.size:
        raise DataError(
            f"values have shape {v.shape}, but blocks name {len(index)} rows; give one value a draw and row"
        )
    n_blocks = int(index.max()) + 1
    if n_blocks < 2 or len(v) < 2:
        return None
    sums, rows = np.zeros((n_blocks, len(v))), np.bincount(index, minlength=n_blocks)
    np.add.at(sums, index, v.T)
    rng = np.random.default_rng(seed)
    of_blocks = rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=resamples)
    of_draws = rng.multinomial(len(v), np.full(len(v), 1 / len(v)), size=resamples) / len(v)
    means = ((of_blocks @ sums) * of_draws).sum(axis=1) / (of_blocks @ rows)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


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
        spread, varies = _spread(s)
        return np.asarray(1 - s[varies, 0] / spread[varies])

    return _interval(sums, blocks, statistic, resamples, seed)


def _interval(
    sums: NDArray[np.float64],
    blocks: ArrayLike,
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    resamples: int,
    seed: int,
    level: float = 0.95,
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
    low, high = np.percentile(values, [round(50 * (1 - level), 9), round(50 * (1 + level), 9)])
    return float(low), float(high)


SIGNIFICANCE = 0.05
"""Adjusted p below which a difference is called one."""
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


def corrected_interval(
    values: ArrayLike,
    share: float,
    level: float = 0.95,
    within: tuple[float, float] = (-np.inf, np.inf),
) -> tuple[float, float]:
    """Interval of a mean over overlapping splits: the corrected resampled t interval.

    Parameters
    ----------
    values : array_like, shape (J,)
        One value a split: a score, or a difference of two.
    share : float
        Test rows over training rows of a split; 0 gives the plain t interval.
    level : float, optional
        Coverage.
    within : tuple of float, optional
        Least and largest value that the mean can take, such as (0, 1) of an accuracy; the interval ends there.

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
    return max(mean - reach, within[0]), min(mean + reach, within[1])


RANGES = {"r2": (-np.inf, 1.0)}
"""Least and largest value of a metric; of all others 0 and 1."""


def range_of(metric: str) -> tuple[float, float]:
    """Return the least and the largest value that a metric can take."""
    return RANGES.get(metric, (0.0, 1.0))


def fewest_blocks(level: float) -> int:
    """Return how many blocks a difference needs: fewer would all fall to one side by chance more often than the level allows.

    The bootstrap cannot know that: of two blocks that agree, every resample agrees.

    Examples
    --------
    >>> fewest_blocks(0.95), fewest_blocks(0.99)
    (6, 8)
    """
    n = 2
    while 2 * 0.5**n > 1 - level:
        n += 1
    return n


def paired_interval(
    ours: ArrayLike,
    theirs: ArrayLike,
    blocks: ArrayLike,
    *,
    true: ArrayLike | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Interval of the difference of two scores on the same rows, by a bootstrap that draws the same blocks for both.

    Parameters
    ----------
    ours, theirs : array_like, shape (T,)
        What each row adds to either score: 1 for a hit and 0 for a miss; or, with `true`, its squared error.
    blocks : array_like of int, shape (T,)
        From `resampling_blocks`.
    true : array_like, shape (T,) or (T, d), optional
        Values that were to be predicted: the difference is of R2. Default: of accuracies.
    level : float, optional
        Coverage.
    resamples, seed : int, optional
        Of the bootstrap.

    Returns
    -------
    tuple of float, or None
        Low and high of the score of `ours` minus that of `theirs`; None where there are fewer than `fewest_blocks`.

    Examples
    --------
    >>> paired_interval([1, 1, 1, 0, 1, 1], [1, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5])
    (0.3333333333333333, 1.0)
    >>> print(paired_interval([1, 1, 1], [0, 0, 0], [0, 1, 2]))
    None
    """
    if len(np.unique(blocks)) < fewest_blocks(level):
        return None
    better = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    if true is None:
        sums = np.column_stack([better, np.ones_like(better)])
        return _interval(sums, blocks, lambda s: s[:, 0] / s[:, 1], resamples, seed, level)
    t = np.asarray(true, dtype=np.float64).reshape(len(better), -1)
    t = t - t.mean(axis=0)
    sums = np.column_stack([-better, np.ones(len(t)), (t**2).sum(axis=1), t])

    def statistic(s: NDArray[np.float64]) -> NDArray[np.float64]:
        spread, varies = _spread(s)
        return np.asarray(s[varies, 0] / spread[varies])

    return _interval(sums, blocks, statistic, resamples, seed, level)


def _spread(s: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Sum of squares about the mean of each resample, and whether it varies at all; see `interval_of_r2` for columns."""
    spread = s[:, 2] - (s[:, 3:] ** 2).sum(axis=1) / s[:, 1]
    # A resample of one block over and over may not vary; it has no R2 and is left out.
    return spread, spread > 1e-9 * np.maximum(s[:, 2], 1e-300)


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


def control(recording: Recording, target: str, how: str, *, seed: int, fold: int, folds: int) -> Recording:
    """Return the recording with labels that do not belong to its activity.

    Parameters
    ----------
    recording : Recording
        All rows.
    target : str
        The label to exchange.
    how : {"permuted", "shifted"}
        Segments exchange their labels at random; or labels move round in a circle, far from their rows. Where the label
        changes inside segments, as in one long one, blocks of five minutes take the place of segments, in which the order is
        kept. A shift that would give most segments their own label back, where classes come in turns, is moved on.
    seed, fold, folds : int
        What decides the permutation; and the shift, which differs from fold to fold.

    Returns
    -------
    Recording
    """
    constant = constant_label(recording, target) if recording.n_segments > 1 else None
    values = recording.labels[target]
    if constant is not None:
        _, lengths = group_runs(recording.segments)
        order = _order(len(constant), how, seed, fold, folds)
        if how == "shifted":
            order = _away(constant, order)
        new = np.repeat(constant[order], lengths)
    elif how == "permuted":
        blocks = resampling_blocks(recording.segments, bins=recording.bins, bin_size=recording.bin_size)
        pieces = [np.flatnonzero(blocks == b) for b in _order(int(blocks.max()) + 1, how, seed, fold, folds)]
        new = values[np.concatenate(pieces)]
    else:
        new = values[_order(len(values), how, seed, fold, folds)]
    return replace(recording, labels={**recording.labels, target: new})


def _order(n: int, how: str, seed: int, fold: int, folds: int) -> NDArray[np.int64]:
    if how == "permuted":
        return np.random.default_rng([seed, fold]).permutation(n)
    return np.roll(np.arange(n), max(1, n * (fold + 1) // (folds + 1)))


def _away(values: NDArray[Any], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Move a shift on while it gives more segments their own label back than the commonest has: classes may come in turns."""
    most = np.unique(values, return_counts=True)[1].max()
    for _ in range(len(order)):
        if (values[order] == values).sum() <= most and order[0] != 0:
            break
        order = np.roll(order, 1)
    return order


ROUNDS = 40
PRIOR_SEGMENTS = 3.0
"""Segments that are added to each class where its frequency is estimated."""
LEAST_VARIANCE = 1e-6
"""Share of the mean variance of the features that is added inside classes, so that the covariance can always be inverted."""


def name_segments(
    x: ArrayLike, segments: ArrayLike, classes: ArrayLike, *, rounds: int = ROUNDS
) -> NDArray[np.float64]:
    r"""Tell the class of unlabelled segments by a Gaussian mixture with a component a class, begun at the labelled ones.

    All rows of a segment are of one class, and labelled segments keep theirs. With the responsibilities :math:`r_{sk}` of
    class k for segment s, means are :math:`\mu_k = \sum_s r_{sk} \sum_{i \in s} x_i / \sum_s r_{sk} n_s`, where
    :math:`n_s` is the number of rows of s. The covariance S inside classes is common to all of them, and is shrunk by the
    rule of Ledoit and Wolf (2004). The first round knows the labelled rows alone; from then on

    .. math:: r_{sk} \propto p_k \exp\Big(t_s \sum_{i \in s} \log N(x_i; \mu_k, S)\Big), \qquad
        t_s = \frac{1}{1 + (n_s - 1) \rho}

    This is expectation maximisation (Dempster, Laird and Rubin 1977) with some memberships known, as Nigam et al. (2000)
    used it for text. Frequencies :math:`p_k \propto 3 + \sum_s r_{sk}` are drawn towards equal ones, by three segments a class.

    Adjacent bins are alike, so n of them say less than n independent ones, and their product would be far too sure in a long
    segment. :math:`t_s` is Kish's (1965) correction: :math:`\rho` is the correlation between rows of a segment of what the
    means leave over, along the axes in which S is the identity, estimated in every round and kept between 0 and 1. Rows that
    are copies of each other count as one, independent ones count in full. The first round takes it for 1.

    Parameters
    ----------
    x : array_like, shape (T, D)
        Features.
    segments : array_like of int, shape (T,)
        Segment of each row.
    classes : array_like of int, shape (T,)
        Class of each labelled row, 0, 1, ..., each with a row or more; -1 for unlabelled rows. A segment with one labelled row
        is labelled.
    rounds : int, optional
        Most rounds; it ends before where nothing changes.

    Returns
    -------
    ndarray, shape (S, C)
        Responsibilities of the classes for the segments, in the order of their numbers; each row sums to 1.

    Raises
    ------
    DataError
        If shapes disagree, no row or not every class is labelled, or a segment has labels of two classes.

    Examples
    --------
    >>> x = [[0.0], [0.2], [0.1], [4.0], [4.1], [3.9]]
    >>> name_segments(x, [0, 0, 1, 2, 2, 3], [0, 0, -1, 1, 1, -1]).round(3).tolist()
    [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    """
    rows, label = np.asarray(x, dtype=np.float64), np.asarray(classes)
    if rows.ndim != 2 or 0 in rows.shape or not len(rows) == len(label) == len(np.asarray(segments)):
        raise DataError(
            f"the features have shape {rows.shape}, with {len(np.asarray(segments))} segments and {len(label)} classes; "
            "give one of each a row"
        )
    segment, length = np.unique(np.asarray(segments), return_inverse=True, return_counts=True)[1:]
    given = label >= 0
    n_classes = int(label.max()) + 1
    if len(np.unique(label[given])) < max(1, n_classes):
        raise DataError("a class has no labelled row; give each class, numbered from 0, one or more")
    known = np.zeros((len(length), n_classes))
    known[segment[given], label[given]] = 1.0
    if (known.sum(axis=1) > 1).any():
        raise DataError("a segment has labels of two classes; all rows of a segment must be of one")
    labelled: NDArray[np.bool_] = known.sum(axis=1) > 0
    rows = rows - rows.mean(axis=0)  # no class depends on it, and sums of squares keep their digits
    floor = LEAST_VARIANCE * float(rows.var(axis=0).mean()) or 1.0

    held, share = labelled[segment], known
    correlation, frequency = 1.0, np.ones(n_classes)
    for _ in range(rounds):
        means = (share.T @ _sums(rows, segment)) / (share.T @ length)[:, None]
        whitening = _whitening(rows[held], share[segment[held]], means, floor)
        if held.all():
            correlation = _correlation((rows - share[segment] @ means) @ whitening, segment, length)
        centres = means @ whitening
        # The part of the log density that differs between classes.
        fit = _sums(rows @ whitening @ centres.T - (centres**2).sum(axis=1) / 2, segment)
        fit = fit / (1 + (length - 1) * correlation)[:, None] + np.log(frequency)
        before, share = share, np.exp(fit - logsumexp(fit, axis=1, keepdims=True))
        share[labelled] = known[labelled]
        frequency = (PRIOR_SEGMENTS + share.sum(axis=0)) / (PRIOR_SEGMENTS * n_classes + len(share))
        if held.all() and np.abs(share - before).max() < 1e-6:
            break
        held = np.ones(len(rows), dtype=np.bool_)
    return share


def _sums(values: NDArray[np.float64], segment: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum rows over each segment."""
    return np.stack([np.bincount(segment, weights=column) for column in values.T], axis=1)


def _whitening(
    x: NDArray[np.float64], share: NDArray[np.float64], means: NDArray[np.float64], floor: float
) -> NDArray[np.float64]:
    """Return W with W W^T the inverse of the shrunk covariance inside classes."""
    n, d = x.shape
    covariance = (x.T @ x - (means.T * share.sum(axis=0)) @ means) / n
    shrinkage = ledoit_wolf_shrinkage(x - share @ means, assume_centered=True)
    covariance = (1 - shrinkage) * covariance + (shrinkage * np.trace(covariance) / d + floor) * np.eye(d)
    return np.asarray(np.linalg.inv(np.linalg.cholesky(covariance)).T)


def _correlation(left: NDArray[np.float64], segment: NDArray[np.int64], length: NDArray[np.int64]) -> float:
    """Mean product of two rows of one segment over the mean square of a row (Fisher's intraclass correlation), from 0 to 1."""
    square = float((left**2).sum())
    pairs = float((length * (length - 1)).sum())
    if pairs == 0 or square == 0:
        return 0.0
    products = float((_sums(left, segment) ** 2).sum()) - square
    return float(np.clip(products / pairs / (square / len(left)), 0.0, 1.0))
