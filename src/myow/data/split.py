"""Which rows train, which choose, which test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SettingError
from .rows import Rows, group_runs

__all__ = ["By", "Split", "constant_label", "split_rows"]

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
    parts = _by_time(data, rule) if rule.by == "time" else _by_segment(data, rule)
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


def _by_time(data: Rows, rule: Split) -> tuple[NDArray[np.int64], ...]:
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


def _by_segment(data: Rows, rule: Split) -> tuple[NDArray[np.int64], ...]:
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
