"""Splits, folds and draws of labelled rows that never part a segment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, SettingError, unknown_name
from .rows import Rows, group_runs

__all__ = ["By", "Labelled", "Split", "constant_label", "draw_labelled", "fold_rows", "split_rows"]

By = Literal["segment", "time"]


@dataclass(frozen=True)
class Split:
    """A rule that says how rows are parted; see `Recording.split` for the parameters."""

    fractions: tuple[float, ...]
    by: By = "segment"
    gap: float = 0.0
    stratify: str | None = None
    random_state: int | None = None

    def __post_init__(self) -> None:
        if not self.fractions or min(self.fractions) <= 0 or abs(sum(self.fractions) - 1) > 1e-6:
            raise SettingError(f"fractions are {self.fractions}; each must be above 0 and they must sum to 1")
        if self.by not in ("segment", "time"):
            raise SettingError(f"by is {self.by!r}; it must be 'segment' or 'time'")
        if self.by == "time" and (self.random_state is not None or self.stratify is not None):
            raise SettingError(
                "a split by time follows recording order: drop random_state and stratify, or use by='segment'"
            )
        if self.by == "segment" and self.gap:
            raise SettingError("a gap belongs to a split by time; drop it, or use by='time'")
        if self.stratify is not None and self.random_state is None:
            raise SettingError("a stratified split is random: give random_state too")
        if self.gap < 0:
            raise SettingError(f"gap is {self.gap}; it must be 0 or more seconds")


def split_rows(data: Rows, rule: Split) -> tuple[NDArray[np.int64], ...]:
    """Return the row indices of each part, rising.

    Parameters
    ----------
    data : Rows
        Anything with times, groups and labels.
    rule : Split
        How to part it.

    Returns
    -------
    tuple of ndarray of int, one a fraction
        Disjoint; together they hold every row that no gap removed.

    Raises
    ------
    DataError
        If a part would be empty or a label to stratify by is not constant inside segments.
    """
    parts = _by_time_split(data, rule) if rule.by == "time" else _by_segment_split(data, rule)
    for fraction, part in zip(rule.fractions, parts, strict=True):
        if part.size == 0:
            kind = "segments" if rule.by == "segment" else "bins"
            n = len(data) if rule.by == "time" else len(np.unique(data.groups))
            raise DataError(
                f"the part of size {fraction:g} holds none of the recording's {n} {kind}; use more data or other fractions"
            )
    return parts


def _cuts(n: int, fractions: tuple[float, ...]) -> NDArray[np.int64]:
    return np.floor(np.cumsum((0.0, *fractions)) * n + 1e-6).astype(np.int64)


def _by_time_split(data: Rows, rule: Split) -> tuple[NDArray[np.int64], ...]:
    cuts = _cuts(len(data), rule.fractions)
    parts = []
    for i, (low, high) in enumerate(zip(cuts[:-1], cuts[1:], strict=True)):
        rows = np.arange(low, high)
        if i and rows.size:  # the gap is taken from the later part, so that training rows stay as they are
            since = data.times[rows] - data.times[low - 1]
            # Where the clock started again, as in concatenated recordings, no gap is left; a microsecond is rounding.
            restarted = np.maximum.accumulate(np.diff(data.times[low - 1 : high]) < 0)
            rows = rows[(since > rule.gap + 1e-6) | restarted]
        parts.append(rows)
    return tuple(parts)


def _by_segment_split(data: Rows, rule: Split) -> tuple[NDArray[np.int64], ...]:
    heads, _ = group_runs(data.groups)
    names = data.groups[heads]
    if rule.random_state is None:
        cuts = _cuts(len(names), rule.fractions)
        chosen = [names[low:high] for low, high in zip(cuts[:-1], cuts[1:], strict=True)]
    else:
        rng = np.random.default_rng(rule.random_state)
        order = rng.permutation(len(names))
        if rule.stratify is not None:
            values = constant_label(data, rule.stratify)
            if values is None:
                raise DataError(
                    f"label '{rule.stratify}' changes inside segments; stratify by one that is constant in each"
                )
            order = order[np.argsort(values[order], kind="stable")]
        chosen = _deal(names[order], rule.fractions, rng)
    return tuple(np.flatnonzero(np.isin(data.groups, part)) for part in chosen)


def _deal(names: NDArray[np.int64], fractions: tuple[float, ...], rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Deal out at even spacing (systematic sampling), so that runs of one class are shared fairly."""
    parts = []
    left = 1.0
    for fraction in reversed(fractions[1:]):
        share = fraction / left
        ticks = np.floor(np.arange(len(names) + 1) * share + rng.random())
        taken = np.diff(ticks) > 0
        parts.append(names[taken])
        names = names[~taken]
        left -= fraction
    return [names, *reversed(parts)]


def constant_label(data: Rows, name: str) -> NDArray[np.generic] | None:
    """Return a label's value in each segment, in recording order; None if it changes inside one."""
    values = data.labels[name]
    heads, lengths = group_runs(data.groups)
    if values.ndim != 1 or not np.array_equal(np.repeat(values[heads], lengths), values):
        return None
    return values[heads]


VALID_SHARE = 1 / 8
"""Share of the segments that do not test which choose; with 5 folds a tenth of all."""

Indices = NDArray[np.int64]
Fold = tuple[Indices, Indices, Indices]


def fold_rows(
    data: Rows, n_folds: int, *, seed: int = 0, gap: float | None = 300.0, stratify: str | None = None
) -> list[Fold]:
    """Part the rows into training, validation and test rows, once for each fold.

    Segments are dealt to the folds at random and stay whole. Fold j tests on its own segments; of the others, one in
    eight chooses and the rest trains. A recording of one segment is cut into contiguous blocks of equal size instead.
    Fold j tests on block j, chooses on the stretch of half that size behind it, and trains on the rest; the last row
    counts as followed by the first.

    Parameters
    ----------
    data : Rows
        Anything with times, groups and labels.
    n_folds : int
        Number of folds, 2 or more.
    seed : int, optional
        Deals the segments. In a recording of one segment it shifts where the cuts lie; with 0 the first block begins at
        the first row.
    gap : float or None, optional
        Seconds by which rows of different parts lie apart in a recording of one segment; None for five minutes, less where
        it is short. Test rows all stay: the gap
        is taken from validation and training rows beside them, and from training rows beside validation rows.
        Segments are whole units that need no gap, and it is not used there.
    stratify : str, optional
        A label that is constant inside segments. Each class is dealt evenly to the folds and to validation, and is
        among the training rows wherever two of its segments do not test.

    Returns
    -------
    list of (ndarray of int, ndarray of int, ndarray of int)
        Training, validation and test rows of each fold, rising. Test rows of all folds together are all rows, each once.

    Raises
    ------
    SettingError
        If `n_folds` is below 2, `seed` or `gap` below 0, or a recording of one segment is to be stratified.
    DataError
        If there are too few segments or rows, the gap leaves a part empty, or the label to stratify by changes inside
        segments.
    """
    if n_folds < 2:
        raise SettingError(f"n_folds is {n_folds}; give 2 or more, so that some rows train while others test")
    if gap is None:
        gap = min(300.0, float(np.ptp(data.times)) / (8 * n_folds))
    if seed < 0 or not gap >= 0:
        raise SettingError(f"seed is {seed} and gap {gap}; both must be 0 or more")
    heads, lengths = group_runs(data.groups)
    if len(heads) > 1:
        return _by_segment(data, lengths, n_folds, np.random.default_rng(seed), stratify)
    if stratify is not None:
        raise SettingError(
            f"the recording is one segment, which cannot be stratified by '{stratify}'; its folds follow time, drop stratify"
        )
    return _by_time(data.times, n_folds, seed, gap)


def _by_segment(
    data: Rows, lengths: Indices, n_folds: int, rng: np.random.Generator, stratify: str | None
) -> list[Fold]:
    n = len(lengths)
    if n < n_folds or n - -(-n // n_folds) < 2:
        raise DataError(
            f"the recording has {n} segments, too few for {n_folds} folds: each needs one to test, one to choose and one to train; "
            "use another number of folds or more data"
        )
    classes = _classes(data, n, stratify)
    order = rng.permutation(n)
    order = order[np.argsort(classes[order], kind="stable")]
    # Dealt like cards, one class after the other: no class and no fold is more than one segment ahead of its share.
    fold = np.empty(n, dtype=np.int64)
    fold[order] = rng.permutation(n_folds)[np.arange(n) % n_folds]
    folds = []
    for test in range(n_folds):
        rest = order[fold[order] != test]
        valid = np.zeros(n, dtype=bool)
        valid[_choose(rest, classes[rest], rng)] = True
        part = np.where(fold == test, 2, np.where(valid, 1, 0))
        row = np.repeat(part, lengths)
        folds.append((np.flatnonzero(row == 0), np.flatnonzero(row == 1), np.flatnonzero(row == 2)))
    return folds


def _classes(data: Rows, n_segments: int, stratify: str | None) -> Indices:
    """Return the class of each segment as a number; one for all without a label."""
    if stratify is None:
        return np.zeros(n_segments, dtype=np.int64)
    if stratify not in data.labels:
        raise unknown_name("label", stratify, data.labels)
    values = constant_label(data, stratify)
    if values is None:
        raise DataError(f"label '{stratify}' changes inside segments; stratify by one that is constant in each")
    return np.asarray(np.unique(values, return_inverse=True)[1], dtype=np.int64)


def _choose(segments: Indices, classes: Indices, rng: np.random.Generator) -> Indices:
    """Draw validation segments at even spacing from segments in order of class, never all of a class if that can be."""
    spare = np.bincount(classes)[classes] > 1
    among = segments[spare] if spare.any() else segments
    n = max(1, min(round(len(segments) * VALID_SHARE), len(among) // 2))
    picks = np.floor((np.arange(n) + rng.random()) * (len(among) / n)).astype(np.int64)
    return np.asarray(among[picks])


def _by_time(times: NDArray[np.float64], n_folds: int, seed: int, gap: float) -> list[Fold]:
    n = len(times)
    if n < 2 * n_folds:
        raise DataError(f"the recording has {n} rows; {n_folds} folds need {2 * n_folds} or more, or use fewer folds")
    shift = int(np.random.default_rng(seed).integers(n)) if seed else 0
    cuts = np.arange(n_folds + 1) * n // n_folds
    folds = []
    for j, (low, high) in enumerate(zip(cuts[:-1], cuts[1:], strict=True)):
        since = (np.arange(n) - low - shift) % n  # rows behind the start of the test block, round the circle
        size = high - low
        test = since < size
        choosing = (since >= size) & (since < size + size // 2)
        valid = choosing & _apart(times, test, gap)
        train = ~test & ~choosing & _apart(times, test, gap)
        if valid.any():
            train &= _apart(times, valid, gap)
        for part, name in ((train, "training"), (valid, "validation")):
            if not part.any():
                raise DataError(
                    f"fold {j} of {n_folds} has no {name} rows left: a gap of {gap:g} s is too long for a recording that spans "
                    f"{times[-1] - times[0]:g} s; give a shorter gap or another number of folds"
                )
        folds.append((np.flatnonzero(train), np.flatnonzero(valid), np.flatnonzero(test)))
    return folds


def _apart(times: NDArray[np.float64], from_rows: NDArray[np.bool_], gap: float) -> NDArray[np.bool_]:
    """Find the rows that lie more than the gap away from every one of some rows; times rise."""
    others = np.concatenate([[-np.inf], times[from_rows], [np.inf]])
    after = np.searchsorted(others, times)
    distance = np.minimum(others[after] - times, times - others[after - 1])
    return np.asarray(distance > gap + 1e-6)  # a microsecond is rounding


STRETCH = 60.0
"""Longest labelled stretch in seconds, where labels are drawn by the minute."""


@dataclass(frozen=True)
class Labelled:
    """Rows whose labels may be used.

    Attributes
    ----------
    rows : ndarray of int, shape (R,)
        Indices, rising.
    parts : ndarray of int, shape (R,)
        Which of its class's segments (or stretches) a row is of: 0, 1, ... in each class.
    n_parts : int
        Number of parts of the class that has fewest.
    unit : {"segment", "minute"}
        What was drawn.
    """

    rows: NDArray[np.int64]
    parts: NDArray[np.int64]
    n_parts: int
    unit: Literal["segment", "minute"] = "segment"


def draw_labelled(
    y: ArrayLike, groups: ArrayLike, n: int, rng: np.random.Generator, *, bins: ArrayLike, bin_size: float
) -> Labelled:
    """Draw n labelled segments per class, or n labelled minutes per class.

    Segments are drawn where there are two or more: for each class n of those that hold it, of which the rows of that class
    are labelled, also where the label changes inside of them. Of one long segment, as in sleep, minutes are: every run of a
    class is cut into stretches of up to a minute, and stretches are drawn at random until n minutes are reached; the last one
    is cut to fit.

    Parameters
    ----------
    y : array_like, shape (T,)
        Class of each row. Give zeros for a target without classes: n segments or minutes in all.
    groups : array_like of int, shape (T,)
        Segment of each row.
    n : int
        Labelled segments or minutes per class.
    rng : numpy.random.Generator
        Source of the draw.
    bins : array_like of int, shape (T,)
        Position of each row inside its segment in whole bins.
    bin_size : float
        Width of a bin in seconds.

    Returns
    -------
    Labelled
        The drawn rows.

    Raises
    ------
    SettingError
        If n is below 1.
    DataError
        If a class has too few segments or minutes; the text says how many there are.
    """
    labels, segment, bin_ = np.asarray(y), np.asarray(groups), np.asarray(bins)
    if n < 1:
        raise SettingError(f"the number of labels is {n}; it must be 1 or more per class")
    if labels.ndim != 1 or not len(labels) == len(segment) == len(bin_) > 0:
        raise DataError(
            f"labels, groups and bins have shapes {labels.shape}, {segment.shape}, {bin_.shape}; give one of each a row"
        )
    changes = np.diff(segment) != 0
    whole = bool(changes.any())
    # In one segment a new stretch begins with a new label, or after bins that are missing.
    begins = changes if whole else (labels[1:] != labels[:-1]) | (np.diff(bin_) != 1)
    runs = np.split(np.arange(len(labels)), np.flatnonzero(begins) + 1)
    drawn = []
    for value in np.unique(labels):
        own = [held for held in (run[labels[run] == value] for run in runs) if len(held)]
        drawn.append(_segments(own, n, value, rng) if whole else _minutes(own, n, value, bin_size, rng))
    rows = np.concatenate([part for parts in drawn for part in parts])
    index = np.concatenate([np.full(len(part), i) for parts in drawn for i, part in enumerate(parts)])
    order = np.argsort(rows)
    return Labelled(
        rows=rows[order],
        parts=index[order],
        n_parts=min(len(parts) for parts in drawn),
        unit="segment" if whole else "minute",
    )


Runs = list[NDArray[np.int64]]


def _segments(own: Runs, n: int, value: Any, rng: np.random.Generator) -> Runs:
    if len(own) < n:
        raise DataError(
            f"{n} labelled segments per class were asked for, but label {value!s} has {len(own)} in the rows for training; "
            "ask for fewer"
        )
    return [own[i] for i in rng.permutation(len(own))[:n]]


def _minutes(own: Runs, n: int, value: Any, bin_size: float, rng: np.random.Generator) -> Runs:
    # An interval of whole bins; the small slack keeps 60 / 0.1 from becoming 599.
    longest = max(1, int(STRETCH / bin_size + 1e-6))
    wanted = max(1, int(np.ceil(n * 60 / bin_size - 1e-6)))
    held = sum(len(run) for run in own)
    if held < wanted:
        raise DataError(
            f"{n} labelled minutes per class were asked for, but label {value!s} has {held * bin_size / 60:.1f} in the rows "
            "for training; ask for fewer"
        )
    stretches = [run[i : i + longest] for run in own for i in range(0, len(run), longest)]
    chosen, left = [], wanted
    for i in rng.permutation(len(stretches)):
        chosen.append(stretches[i][:left])
        left -= len(chosen[-1])
        if left == 0:
            break
    return chosen
