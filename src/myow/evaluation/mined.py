"""Statistics of mined views: how often they share their anchor's label, against chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError

__all__ = ["check_label", "mined_statistics", "neighbour_statistics"]

QUARTILES = (0.25, 0.5, 0.75)
MOST_PAIRS = 4_000_000  # of the pairs that the distances expected by chance are taken from


def mined_statistics(
    steps: ArrayLike,
    anchors: Sequence[ArrayLike],
    mined: Sequence[ArrayLike],
    *,
    segments: ArrayLike,
    times: ArrayLike,
    label: ArrayLike | None = None,
    period: float | None = None,
    gap: float | None = None,
    pool: int | None = None,
) -> dict[str, NDArray[Any]]:
    """Compare mined views with their anchors.

    Chance is what mining would give if it drew uniformly from the rows that an anchor may mine.

    Parameters
    ----------
    steps : array_like of int, shape (S,)
        When pairs were recorded.
    anchors, mined : sequence of S array_like of int, each of shape (M,)
        Rows of the training recording; a mined row of -1 marks an anchor that found none, which is left out.
    segments : array_like of int, shape (T,)
        Segment of each training row.
    times : array_like, shape (T,)
        Start of each training row in seconds.
    label : array_like, shape (T,), optional
        What to compare: classes, or with `period` any number.
    period : float, optional
        Value that is a full turn, for a cyclic label.
    gap : float, optional
        An anchor may not mine rows of its own segment that start at most so many seconds away, itself included. By default its
        whole segment where there are two or more, else itself alone.
    pool : int, optional
        Rows that the candidates of a step are, drawn at random from the recording. Default: all of them.

    Returns
    -------
    dict of str to ndarray
        Of R steps at which anything was mined:

        - ``step`` (R,), and ``found`` (R,): share of anchors that found a view;
        - ``distinct``, ``distinct_chance`` (R,): how many different rows were mined, over the anchors that found a view, and
          how many are expected;
        - ``same_segment``, ``same_segment_chance`` (R,): share that lies in the anchor's segment;
        - ``same_label``, ``same_label_chance`` (R,): share that has the anchor's label, where a label is given;
        - ``time_distance`` (R, 3) and ``time_distance_chance`` (3,): quartiles in seconds, if times rise over the whole
          recording; where each segment starts its clock anew, the difference in time since the start of the segment as
          ``time_in_segment_distance`` and ``time_in_segment_distance_chance``;
        - ``segment_distance`` (R, 3) and ``segment_distance_chance`` (3,): quartiles of how many segments lie from one to
          the other in recording order, where there are two or more;
        - ``label_difference``, ``label_difference_share``, ``label_difference_chance`` (C,): middles of the bins of the
          signed label difference at the last step, in label units from minus half a period to half of one, with the shares
          mined and expected, for cyclic labels.

        Where no anchor has an admissible row, the entries of chance are left out.

    Raises
    ------
    DataError
        If shapes disagree, a row is outside the recording, the pool is empty, or nothing was mined at any step.
    """
    segment = np.asarray(segments)
    time = np.asarray(times, dtype=np.float64)
    if segment.ndim != 1 or time.shape != segment.shape or not len(segment):
        raise DataError(
            f"segments and times have shapes {segment.shape} and {time.shape}; give one of each for every row"
        )
    value = None if label is None else check_label(label, len(segment))
    if period is not None and value is not None and value.dtype.kind not in "iuf":
        raise DataError(f"a cyclic label must be numbers, but this one is of type {value.dtype}")
    if pool is not None and pool < 1:
        raise DataError(f"pool is {pool}; there must be at least one candidate")
    pairs = _pairs(np.asarray(steps), anchors, mined, len(segment))
    runs = np.cumsum(np.append(0, np.diff(segment) != 0))
    allowed = _Allowed.of(runs, time, gap)

    result: dict[str, NDArray[Any]] = {
        "step": np.array([p.step for p in pairs]),
        "found": np.array([p.found for p in pairs]),
        "distinct": np.array([len(np.unique(p.mined)) / len(p.mined) for p in pairs]),
        "same_segment": np.array([(runs[p.anchor] == runs[p.mined]).mean() for p in pairs]),
    }
    drawing = [p.anchor[allowed.count[p.anchor] > 0] for p in pairs]
    if all(len(anchor) for anchor in drawing):
        result["distinct_chance"] = np.array([_distinct_by_chance(anchor, allowed, pool) for anchor in drawing])
    _put_chance(result, "same_segment", pairs, allowed, _equal_by_chance(runs, allowed))
    if value is not None:
        codes = np.unique(value, return_inverse=True)[1]
        result["same_label"] = np.array([(codes[p.anchor] == codes[p.mined]).mean() for p in pairs])
        _put_chance(result, "same_label", pairs, allowed, _equal_by_chance(codes, allowed))
    restarts = bool((np.diff(time) < 0).any())
    clock = time - time[np.searchsorted(runs, runs)] if restarts else time
    distances = {"time_in_segment_distance" if restarts else "time_distance": clock}
    if runs[-1] > 0:
        distances["segment_distance"] = runs.astype(np.float64)
    for name, place in distances.items():
        result[name] = np.array([np.quantile(np.abs(place[p.anchor] - place[p.mined]), QUARTILES) for p in pairs])
        chance = _distance_by_chance(place, allowed)
        if chance is not None:
            result[f"{name}_chance"] = chance
    if value is not None and period is not None:
        result |= _differences(value.astype(np.float64), float(period), pairs[-1], allowed)
    return result


def neighbour_statistics(
    steps: ArrayLike,
    rows: ArrayLike,
    neighbours: Sequence[ArrayLike],
    *,
    segments: ArrayLike,
    times: ArrayLike,
    label: ArrayLike | None = None,
    gap: float | None = None,
) -> dict[str, NDArray[Any]]:
    """Compare rows with the nearest of each other.

    Parameters
    ----------
    steps : array_like of int, shape (S,)
        When neighbours were recorded.
    rows : array_like of int, shape (M,)
        Rows of the training recording, rising: the same at each record, and all that a neighbour was chosen from.
    neighbours : sequence of S array_like of int, each of shape (M,)
        The neighbour of each row, one of `rows`, or -1.
    segments, times, label, gap
        As in `mined_statistics`, of all training rows.

    Returns
    -------
    dict of str to ndarray
        As of `mined_statistics`; chance is a neighbour drawn uniformly from those of `rows` that may be one.

    Raises
    ------
    DataError
        As `mined_statistics` does; or if a neighbour is not one of the rows.
    """
    row, n_rows = np.asarray(rows, dtype=np.int64), len(np.asarray(segments))
    if not len(row) or (np.diff(row) <= 0).any() or row[0] < 0 or row[-1] >= n_rows:
        raise DataError(f"rows must rise and lie inside the {n_rows} rows of the recording; give the training rows")
    places = []
    for found in neighbours:
        wanted = np.asarray(found, dtype=np.int64)
        place = np.minimum(np.searchsorted(row, wanted), len(row) - 1)
        if not (row[place] == wanted)[wanted >= 0].all():
            raise DataError("a neighbour is not one of the rows; neighbours are chosen among them")
        places.append(np.where(wanted < 0, -1, place))
    return mined_statistics(
        steps,
        [np.arange(len(row))] * len(places),
        places,
        segments=np.asarray(segments)[row],
        times=np.asarray(times)[row],
        label=None if label is None else np.asarray(label)[row],
        gap=gap,
    )


@dataclass(frozen=True)
class _Pairs:
    step: int
    found: float
    anchor: NDArray[np.int64]
    mined: NDArray[np.int64]


def _pairs(steps: NDArray[Any], anchors: Sequence[ArrayLike], mined: Sequence[ArrayLike], n_rows: int) -> list[_Pairs]:
    if not len(steps) == len(anchors) == len(mined):
        raise DataError(f"there are {len(steps)} steps, {len(anchors)} sets of anchors and {len(mined)} of mined rows")
    pairs = []
    for step, first, second in zip(steps.tolist(), anchors, mined, strict=True):
        a, m = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
        if a.shape != m.shape or a.ndim != 1:
            raise DataError(
                f"at step {step} anchors have shape {a.shape}, mined rows {m.shape}; each anchor mines one row"
            )
        if a.size and (min(a.min(), m.min() + 1) < 0 or max(a.max(), m.max()) >= n_rows):
            raise DataError(
                f"at step {step} a row is outside the {n_rows} rows of the recording; give the training rows"
            )
        found = m >= 0
        if found.any():
            pairs.append(_Pairs(int(step), float(found.mean()), a[found], m[found]))
    if not pairs:
        raise DataError("nothing was mined at any step; there is nothing to compare")
    return pairs


@dataclass(frozen=True)
class _Allowed:
    """For each row the run of rows, from `first` up to but without `last`, that it may not mine."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @classmethod
    def of(cls, runs: NDArray[np.int64], times: NDArray[np.float64], gap: float | None) -> _Allowed:
        rows = np.arange(len(runs))
        start, stop = np.searchsorted(runs, runs, side="left"), np.searchsorted(runs, runs, side="right")
        if gap is None:
            return cls(start, stop) if runs[-1] > 0 else cls(rows, rows + 1)
        first, last = rows.copy(), rows + 1
        for low in np.unique(start):
            inside = slice(low, stop[low])
            t = times[inside]
            first[inside] = low + np.searchsorted(t, t - gap, side="left")
            last[inside] = low + np.searchsorted(t, t + gap, side="right")
        return cls(first, last)

    @property
    def count(self) -> NDArray[np.int64]:
        """Number of rows that each row may mine, shape (T,)."""
        return len(self.first) - (self.last - self.first)


def _equal_by_chance(codes: NDArray[np.int64], allowed: _Allowed) -> NDArray[np.float64]:
    """Share of the rows that each row may mine which have its own code, shape (T,); 0 for rows that may mine none."""
    n = len(codes)
    base = codes.astype(np.int64) * n
    key = np.sort(base + np.arange(n))  # rows ordered by code, then by place: a run of rows is a run of keys
    total = np.searchsorted(key, base + n) - np.searchsorted(key, base)
    barred = np.searchsorted(key, base + allowed.last) - np.searchsorted(key, base + allowed.first)
    return np.asarray((total - barred) / np.maximum(allowed.count, 1))


def _put_chance(
    result: dict[str, NDArray[Any]], name: str, pairs: list[_Pairs], allowed: _Allowed, chance: NDArray[np.float64]
) -> None:
    usable = allowed.count > 0
    if all(usable[p.anchor].any() for p in pairs):
        result[f"{name}_chance"] = np.array([chance[p.anchor][usable[p.anchor]].mean() for p in pairs])


def _distinct_by_chance(anchor: NDArray[np.int64], allowed: _Allowed, pool: int | None) -> float:
    """Expected number of different rows, over the anchors, if each drew uniformly from the candidates that it may mine.

    Row r is mined by none of the anchors a that may mine it with probability prod(1 - 1 / n_a), where a chooses among n_a
    rows. Of a pool of P out of T rows, r is a member with probability P / T, and n_a is taken to be its expectation.
    """
    n = len(allowed.first)
    share = 1.0 if pool is None else min(pool, n) / n
    choices = np.maximum(share * allowed.count[anchor], 1.0)
    missed = np.log(np.maximum(1 - 1 / choices, 1e-22))  # of 0 it would be infinite, and not cancel below
    barred = np.zeros(n + 1)
    np.add.at(barred, allowed.first[anchor], missed)
    np.add.at(barred, allowed.last[anchor], -missed)
    mined = 1 - np.exp(missed.sum() - np.cumsum(barred)[:n])
    return float(share * mined.sum() / len(anchor))


def _some_rows(allowed: _Allowed) -> NDArray[np.int64]:
    """Evenly spaced rows that may mine any, few enough for all their pairs to be looked at."""
    rows = np.flatnonzero(allowed.count > 0)
    most = max(1, MOST_PAIRS // len(allowed.first))
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _admissible(row: int, allowed: _Allowed) -> NDArray[np.int64]:
    return np.append(np.arange(allowed.first[row]), np.arange(allowed.last[row], len(allowed.first)))


def _distance_by_chance(place: NDArray[np.float64], allowed: _Allowed) -> NDArray[np.float64] | None:
    rows = _some_rows(allowed)
    if not len(rows):
        return None
    apart = np.concatenate([np.abs(place[_admissible(r, allowed)] - place[r]) for r in rows])
    return np.asarray(np.quantile(apart, QUARTILES))


def _differences(
    value: NDArray[np.float64], period: float, last: _Pairs, allowed: _Allowed
) -> dict[str, NDArray[np.float64]]:
    levels = np.unique(value)
    # Whole numbers of a whole period get a bin each; a label that varies smoothly gets bins of 15 degrees.
    whole = np.array_equal(levels, np.rint(levels)) and period == round(period) and period <= 36
    n = int(period) if whole else 24
    width = period / n

    def histogram(difference: NDArray[np.float64]) -> NDArray[np.float64]:
        bins = np.mod(np.rint(difference / width), n).astype(np.int64)
        return np.bincount(bins, minlength=n) / max(len(bins), 1)

    turn = np.arange(n)
    signed = np.where(turn <= n // 2, turn, turn - n)
    order = np.argsort(signed)
    result = {
        "label_difference": signed[order] * width,
        "label_difference_share": histogram(value[last.mined] - value[last.anchor])[order],
    }
    rows = _some_rows(allowed)
    if len(rows):
        result["label_difference_chance"] = np.mean(
            [histogram(value[_admissible(r, allowed)] - value[r]) for r in rows], axis=0
        )[order]
    return result


def check_label(label: ArrayLike, n_rows: int) -> NDArray[Any]:
    """Return a label as an array of shape (T,).

    Raises
    ------
    DataError
        If it has several columns, another number of rows, or values that are not finite.
    """
    array = np.asarray(label)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (n_rows,):
        raise DataError(f"the label has shape {array.shape}, but there are {n_rows} rows; give one value a row")
    if array.dtype.kind not in "biufUS":
        raise DataError(f"the label is of type {array.dtype}; it must be numbers or strings")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError("the label holds NaN or infinite values; leave those rows out")
    return array
