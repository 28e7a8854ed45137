"""Recordings from sessions: spikes counted and signals averaged in bins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.binning import Bins, average_samples, frame_bins, make_bins, occupied_bins, slack
from ..data.recording import Recording, check_bin_size, check_steps, settled
from ..errors import DataError, unknown_name
from .session import Chosen, Notes, Session, Signal, as_text, choose_segments, choose_units, names_of

__all__ = ["MISSING_WIDTH", "bin_session", "choose_labels", "plain_values"]

BLOCK = 1 << 22  # values of a signal that are read at a time


def _take(bins: Bins, which: NDArray[Any] | slice) -> Bins:
    """Return some bins, by a mask, indices or a slice."""
    return Bins(bins.starts[which], bins.ends[which], bins.interval[which], bins.step[which])


def _blocks(
    signal: Signal, bins: Bins, columns: NDArray[np.int64] | slice = slice(None)
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[Any]]]:
    """Go through the samples inside bins: which bins, and the times and values (S, D) of their samples."""
    clock = signal.times()
    if clock is not None:
        low, high = np.searchsorted(clock, bins.starts - 1e-8), np.searchsorted(clock, bins.ends + 1e-8)
    else:  # a sample more at either side: the averaging knows exactly which belong
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
            yield slice(first, last), times, np.asarray(signal.rows(a, b)).reshape(b - a, -1)[:, columns]
        first = last


def _means(
    signal: Signal, bins: Bins, columns: NDArray[np.int64] | slice = slice(None), turn: float = 0.0
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return means (T, D) of some columns of a signal and how many samples each is of; where there are none, a mean is 0.

    Means of samples in single or half precision are in single precision, all others in double precision.

    Only samples inside bins are read; those that are not finite are left out. With a full `turn`, values are angles: means
    of their cosines come first, then means of their sines, shape (T, 2 D).
    """
    width = len(np.arange(len(signal.names))[columns]) * (2 if turn else 1)
    means, n = np.zeros((len(bins.starts), width)), np.zeros((len(bins.starts), width), dtype=np.int64)
    single = False
    for which, times, values in _blocks(signal, bins, columns):
        single = values.dtype in (np.float16, np.float32)
        values = values.astype(np.float64)
        if turn:
            with np.errstate(invalid="ignore"):
                values = np.hstack([np.cos(values * (2 * np.pi / turn)), np.sin(values * (2 * np.pi / turn))])
        means[which], n[which] = _average(times, values, _take(bins, which))
    return means.astype(np.float32) if single else means, n


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


RADIANS = ("radians", "radian", "rad")
UNSAID = ("", "a.u.", "au", "arbitrary", "unknown", "n/a", "na", "none", "dimensionless", "unitless")
DEGREES = ("degrees", "degree", "deg", "°")


def _turn(signal: Signal, bins: Bins) -> tuple[float, float]:
    """Return the full turn of a signal of angles and the least value that they have; a turn of 0 means no angles.

    Its type says that it is angles; or its unit does, or it fills the range of a turn, and it jumps around. A knee at 30
    degrees that never jumps is averaged as it is.
    """
    unit = signal.unit.strip().lower()
    turns = [signal.period] if signal.period > 0 else [2 * np.pi] if unit in RADIANS else [360.0] * (unit in DEGREES)
    typed = signal.period > 0 or "compass" in signal.within.lower()
    if not turns and unit not in UNSAID and not typed:
        return 0.0, 0.0
    parts: list[NDArray[np.float64]] = []
    for _, _, values in _blocks(signal, bins):
        parts.append(values[np.isfinite(values).all(axis=1)].astype(np.float64))
        if sum(part.size for part in parts) > BLOCK:
            break
    values = np.concatenate([np.empty((0, len(signal.names))), *parts])
    if not len(values):
        return 0.0, 0.0
    least, most = float(values.min()), float(values.max())
    jumps = np.concatenate([np.abs(np.diff(part, axis=0)) for part in parts])
    for turn in turns or [2 * np.pi, 360.0]:
        room = 1e-3 * turn
        low = next((low for low in (0.0, -turn / 2) if low - room <= least and most <= low + turn + room), None)
        if typed and (turns or low is not None):
            return turn, 0.0 if low is None else low
        wraps = (jumps > 0.75 * turn).sum(axis=0) > (0 if turns else 1)
        filled = np.ptp(values, axis=0) > 0.95 * turn
        smooth = bool(len(jumps)) and bool((np.median(jumps, axis=0) < turn / 8).all())
        if low is not None and wraps.all() and (turns or (filled.all() and smooth)):
            return turn, low
    return 0.0, 0.0


def _averaged(signal: Signal, bins: Bins) -> tuple[NDArray[Any], NDArray[np.bool_], float]:
    """Return the mean of a signal in each bin, where there is one, and the full turn if it was taken of angles."""
    turn, low = _turn(signal, bins)
    means, n = _means(signal, bins, turn=turn)
    if turn:
        width = len(signal.names)
        angle = np.arctan2(means[:, width:], means[:, :width]) * (turn / (2 * np.pi))
        means = low + (angle - low) % turn
    present = np.all(n > 0, axis=1)
    return means[:, 0] if means.shape[1] == 1 else means, present, turn


def choose_labels(
    session: Session,
    chosen: Chosen,
    bins: Bins,
    labels: Any,
    activity: str,
    notes: Notes,
    periods: dict[str, float] | None = None,
) -> tuple[dict[str, NDArray[Any]], Bins]:
    """Return labels, each with a value in every bin, and the bins that are left; `periods` takes those that are angles.

    By default no bin is lost to a label: one that lacks a value somewhere is skipped. One that is asked for by name is
    kept, and the bins in which it has no value are left out. Either is said.

    Raises
    ------
    UnknownNameError
        If a label that is asked for is neither a column nor a signal.
    DataError
        If it holds nothing that can be a label, or leaves no bin.
    """
    columns = {k: v for k, v in chosen.columns.items() if (chosen.rows >= 0).any()}
    asked = labels is not None
    if not asked:
        names = [k for k in columns if not _is_time(k, notes)]
        names += [k for k, s in session.signals.items() if s.role == "behaviour" and k != activity and k not in columns]
    elif labels in ("", "none"):
        names = []
    else:
        names = [k if k in columns else _signal(session, k, columns) for k in names_of(labels)]
    kept = np.ones(len(bins.starts), dtype=bool)
    found: dict[str, NDArray[Any]] = {}
    turns: dict[str, float] = {}
    for name in names:
        try:
            if name in columns:
                values, present = _from_column(columns[name](), chosen.rows[bins.interval])
                lacking = f"in {len(np.unique(bins.interval[~present]))} of {len(np.unique(bins.interval))} segments"
            else:
                values, present, turns[name] = _averaged(session.signals[name], bins)
                lacking = f"in {(~present).sum()} of {len(present)} bins"
        except DataError as error:
            if asked:
                raise DataError(f"{name} cannot be a label: {error}") from None
            notes.skipped.append(f"{name}: {error}")
            continue
        if not present.all() and not asked:
            notes.skipped.append(f"{name}: no value {lacking}; labels={name} leaves those out instead")
            continue
        if not present.all():
            notes.skipped.append(f"rows without {name}, which has no value {lacking}")
        kept &= present
        found[name] = values
    if not kept.any():
        raise DataError(f"no bin has a value of each of {', '.join(names)}; ask for fewer labels")
    units = {k: session.signals[k].unit for k in found if k not in columns}
    for name in (name for name, turn in turns.items() if turn and name in found):
        notes.used.append(f"{name}: averaged as an angle, a full turn is {turns[name]:.6g}")
        (periods if periods is not None else {})[name] = turns[name]
    if found:
        notes.used.append("labels " + ", ".join(f"{k} ({units[k]})" if units.get(k) else k for k in found))
    return {k: v[kept] for k, v in found.items()}, _take(bins, kept)


def _is_time(name: str, notes: Notes) -> bool:
    """Whether a column says when something was, which is no label unless it is asked for."""
    if not name.endswith(("_time", "_times", "_timestamp")):
        return False
    notes.skipped.append(f"{name}: a time, by which segments can be aligned: align={name} window=0.2,0.5")
    return True


def _signal(session: Session, name: str, columns: Any) -> str:
    if name not in session.signals and not any(s.within == name for s in session.signals.values()):
        raise unknown_name("label", name, [*columns, *session.signals])
    return session.find_signal(name)


def _from_column(column: NDArray[Any], rows: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the value of each bin, and whether there is one."""
    values, present = plain_values(column)
    return values[rows], (rows >= 0) & present[rows]


def plain_values(column: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the values of a column as numbers or texts, and which of them are there.

    Parameters
    ----------
    column : ndarray
        n values or rows.

    Returns
    -------
    values : ndarray, shape (n,) or (n, d)
        Numbers or texts.
    present : ndarray of bool, shape (n,)
        False for NaN, infinity and None.

    Raises
    ------
    DataError
        If they are neither.

    Examples
    --------
    >>> values, present = plain_values(np.array([1, None, 2.5], dtype=object))
    >>> values[present].tolist(), present.tolist()
    ([1.0, 2.5], [True, False, True])
    """
    array: NDArray[Any] = np.asarray(column)
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise DataError(f"values of shape {array.shape}; a label has one value or one row each")
    if array.dtype.kind == "O":
        import pandas as pd  # slow to import, and seldom needed here

        missing: NDArray[np.bool_] = np.asarray(pd.isna(array))
        known = array[~missing].tolist()
        if known and all(isinstance(value, (str, bytes)) for value in known):
            array = np.array([as_text(v) for v in array.ravel()]).reshape(array.shape)
            return array, ~np.any(missing.reshape(len(array), -1), axis=1)
        if not known or not all(isinstance(value, (bool, int, float, np.number, np.bool_)) for value in known):
            raise DataError("neither numbers nor texts")
        array = np.where(missing, np.nan, array).astype(np.float64)
    if array.dtype.kind not in "iubfUS":
        raise DataError(f"values of type {array.dtype}, neither numbers nor texts")
    if array.dtype.kind == "f":
        return array, np.all(np.isfinite(array).reshape(len(array), -1), axis=1)
    return array, np.ones(len(array), dtype=bool)


MISSING_WIDTH = "the width of a bin is missing; give bin_size in seconds, such as bin_size=0.02"
MOST_VALUES = 1 << 33  # bins times units: 8 GiB where each is one byte
MANY = 10_000_000  # bins


def bin_session(
    session: Session,
    notes: Notes,
    *,
    bin_size: float | None,
    segments: Any = None,
    align: Any = None,
    window: Any = None,
    units: Any = None,
    labels: Any = None,
    signal: str | None = None,
    name: str | None = None,
    laid: Bins | None = None,
) -> Recording:
    """Count spikes, or _means a signal, in half-open bins inside each segment.

    Parameters
    ----------
    session : Session
        What there is.
    notes : Notes
        What is used and skipped is said here.
    bin_size, segments, align, window, units, labels, signal, name : optional
        As of `myow.read`. Intervals may overlap and come in any order; each counts its own spikes. Labels are columns of the
        table, constant inside a segment, and signals, averaged in each bin.
    laid : Bins, optional
        Bins inside those intervals, where they are given by the samples.

    Returns
    -------
    Recording

    Raises
    ------
    DataError, SettingError
        If no row is left, a choice cannot be met, or `bin_size` is missing.
    """
    if bin_size is None:
        raise DataError(MISSING_WIDTH)
    width = check_bin_size(bin_size)
    activity = _activity(session, signal)
    signals = session.signals
    known = signals[activity] if activity else session.units
    if known is None:
        raise DataError(
            f"there are no spike times; name a signal to bin: {', '.join(signals) or 'there is none either'}"
        )
    index = choose_units(units, known.names, known.columns, notes)
    chosen = choose_segments(session, segments, align, window, notes)
    if chosen is None:
        whole = _whole(session, index, activity, width)
        chosen = Chosen(whole, np.full(len(whole), -1), np.arange(len(whole)), {}, "the whole")
    laid = _framed(activity, signals[activity], chosen, width, notes) if activity and laid is None else laid
    placed = _lay(session, chosen, width, index, activity, notes) if laid is None else laid
    bins = _inside(session, placed, slack(width) if laid is None else width, notes)
    bins = bins if activity else _watched(session, index, bins, width, notes)
    periods: dict[str, float] = {}
    found, bins = choose_labels(session, chosen, bins, labels, activity, notes, periods)
    if activity:
        counts, kind, index, bins, kept = _sampled(activity, signals[activity], index, bins, notes)
        found = {key: value[kept] for key, value in found.items()}
    else:
        counts, seen = _counted(session, index, bins, chosen.spans, placed)
        kind = "counts"
        _say_outside(session, chosen, seen, bins, None if segments is None and align is None else align is None, notes)
        notes.used.append(f"{len(index)} units, spikes counted in bins of {width:g} s")
    _say_segments(chosen, bins, notes)
    _say_unused(session, chosen, activity, found, notes)
    try:
        return Recording(
            counts,
            bin_size=width,
            times=bins.starts,
            segments=chosen.numbers[bins.interval],
            labels=found,
            periods=periods,
            kind=kind,  # type: ignore[arg-type]
            units=[known.names[i] for i in index],
            name=session.name if name is None else str(name),
            source=session.source,
        )
    except DataError as error:
        raise DataError(f"{session.name}: {error}") from None


def _activity(session: Session, signal: str | None) -> str:
    """Return the signal to bin; "" for spikes."""
    if signal is not None:
        return session.find_signal(str(signal))
    fitting = [name for name, one in session.signals.items() if one.role == "activity"]
    return fitting[0] if session.units is None and len(fitting) == 1 else ""


def _whole(session: Session, index: NDArray[np.int64], activity: str, width: float) -> NDArray[np.float64]:
    """Return all that was recorded: what is known of it, else from the first thing to the last, in whole bins."""
    if session.support is not None:
        return session.support
    if activity:
        return np.array([session.signals[activity].span()])
    ends: list[tuple[float, float]] = []
    for i in index if session.units is not None else ():
        train = _train(session, int(i))
        if train.size:
            ends.append((float(train.min()), float(np.floor(train.max() / width + 1e-6) + 1) * width))
    for table in session.intervals.values():
        spans = table.spans()
        spans = spans[np.isfinite(spans).all(axis=1)]
        ends += [(float(spans.min()), float(spans.max()))] if spans.size else []
    ends += [one.span() for one in session.signals.values() if one.role == "behaviour" and one.n_samples]
    if not ends:
        raise DataError(
            "there is no spike, no interval and no sample, so nothing says when was recorded; give segments"
        )
    start, stop = min(a for a, _ in ends), max(b for _, b in ends)
    return np.array([[np.floor(start / width + 1e-6) * width, np.ceil(stop / width - 1e-6) * width]])


def _train(session: Session, unit: int) -> NDArray[np.float64]:
    train = np.asarray(session.units.train(unit), dtype=np.float64).ravel()  # type: ignore[union-attr]
    bad = np.flatnonzero(~np.isfinite(train))
    if bad.size:
        name = session.units.names[unit]  # type: ignore[union-attr]
        raise DataError(
            f"{name} has {bad.size} of {train.size} spike times that are NaN or infinite, the first at place {bad[0]}; "
            "take them out of the file, or choose other units"
        )
    return train


def _lay(session: Session, chosen: Chosen, width: float, index: NDArray[np.int64], activity: str, notes: Notes) -> Bins:
    lengths = chosen.spans[:, 1] - chosen.spans[:, 0]
    expected = float(lengths.sum()) / width
    too_many = not expected * len(index) <= MOST_VALUES
    if too_many or (not activity and expected > MANY):
        trains = [] if activity else [train for train in (_train(session, int(i)) for i in index[:20]) if train.size]
        first, last = min(map(np.min, trains), default=0.0), max(map(np.max, trains), default=0.0)
        # So many bins are not even laid where spikes fill next to none of them, since the clocks are then not the same.
        if too_many or (trains and 300 * (last - first) < np.ptp(chosen.spans)):
            where = f" (spikes go from {first:g} to {last:g} s)" if trains else ""
            much = ", more than fit in memory" if too_many else ""
            raise DataError(
                f"{chosen.title}, from {chosen.spans.min():g} to {chosen.spans.max():g} s{where}, would make {expected:.3g} bins of "
                f"{len(index)} units{much}; are its times in seconds? Else choose wider bins or fewer segments"
            )
    bins = make_bins(chosen.spans, width)
    left = lengths - np.bincount(bins.interval, minlength=len(lengths)) * width
    cut = (left > slack(width)) & (left < lengths)
    if cut.any():
        notes.skipped.append(
            f"{left[cut].sum():.4g} s at the ends of {cut.sum()} of {len(lengths)} segments: less than a bin of {width:g} s each"
        )
    short = np.setdiff1d(np.arange(len(chosen.spans)), bins.interval)
    if short.size:
        which = ", ".join(str(n) for n in chosen.numbers[short][:5]) + (", ..." if short.size > 5 else "")
        notes.skipped.append(
            f"{short.size} of {len(chosen.spans)} segments ({which}): shorter than a bin of {width:g} s"
        )
    if not len(bins.starts):
        raise DataError(
            f"every segment of {chosen.title} is shorter than a bin of {width:g} s; choose a smaller bin_size"
        )
    return bins


def _framed(name: str, signal: Signal, chosen: Chosen, width: float, notes: Notes) -> Bins | None:
    """Return a bin for each frame, where a bin is as wide as frames are apart and their times jitter."""
    clock = signal.times()
    bins = None if clock is None else frame_bins(clock, chosen.spans, width)
    if clock is None or bins is None:
        return None
    grid = make_bins(chosen.spans, width)
    if (np.searchsorted(clock, grid.ends) - np.searchsorted(clock, grid.starts) == 1).all():
        return None
    notes.used.append(f"bins of {width:g} s, one for each frame of {name}, since the times of its frames are uneven")
    return bins


def _merged(spans: NDArray[np.float64], gap: float = 0.0) -> NDArray[np.float64]:
    """Join intervals that overlap or touch; what is left is apart and rises."""
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    ends = np.maximum.accumulate(spans[:, 1])
    heads = np.append(True, spans[1:, 0] > ends[:-1] + gap)[: len(spans)]
    return np.stack([spans[heads, 0], ends[np.append(heads[1:], True)[: len(spans)]]], axis=1)


def _contained(bins: Bins, spans: NDArray[np.float64], near: float) -> NDArray[np.bool_]:
    """Whether each bin lies inside of one interval, which may end within `near` of its edge."""
    spans = _merged(spans, near)
    if not len(spans):
        return np.zeros(len(bins.starts), dtype=bool)
    at = np.searchsorted(spans[:, 0], bins.starts + near, side="right") - 1
    return np.asarray((at >= 0) & (bins.ends <= spans[at, 1] + near))


def _watched(session: Session, index: NDArray[np.int64], bins: Bins, width: float, notes: Notes) -> Bins:
    """Leave out bins in which no unit was observed; say which were not observed in some of the others."""
    observed = session.units.observed if session.units is not None else None
    if observed is None:
        return bins
    spans = {int(unit): observed(int(unit)) for unit in index}
    known = {unit: _contained(bins, one, slack(width)) for unit, one in spans.items() if one is not None}
    if len(known) == len(spans):
        seen = np.any(list(known.values()), axis=0)
        if not seen.any():
            raise DataError("no unit was observed in any bin; choose other segments or units")
        if not seen.all():
            notes.skipped.append(f"{(~seen).sum()} of {len(seen)} bins: no unit was observed")
        bins, known = _take(bins, seen), {unit: one[seen] for unit, one in known.items()}
    partly = {unit: one for unit, one in known.items() if not one.all()}
    if partly:
        names = session.units.names  # type: ignore[union-attr]
        told = [
            f"{names[unit]} ({(~one).sum()} bins between {bins.starts[~one].min():g} and {bins.ends[~one].max():g} s)"
            for unit, one in list(partly.items())[:5]
        ]
        notes.skipped.append(
            f"{len(partly)} of {len(index)} units were not observed in each of {len(bins.starts)} bins, where their counts "
            f"are 0: {', '.join(told)}{', ...' if len(partly) > 5 else ''}"
        )
    return bins


def _inside(session: Session, bins: Bins, near: float, notes: Notes) -> Bins:
    """Leave out bins that were not recorded whole, or are marked as invalid."""
    kept = np.ones(len(bins.starts), dtype=bool)
    if session.support is not None:
        inside = _contained(bins, np.asarray(session.support, dtype=np.float64), near)
        if not inside.all():
            notes.skipped.append(f"{(~inside).sum()} of {len(kept)} bins: outside of what was recorded")
        kept &= inside
    if session.invalid is not None:
        spoilt = np.zeros_like(kept)
        for low, high in session.invalid:
            spoilt |= (bins.starts < high - 1e-9) & (bins.ends > low + 1e-9)
        if spoilt.any():
            notes.skipped.append(f"{spoilt.sum()} of {len(kept)} bins: in times marked as invalid")
        kept &= ~spoilt
    if not kept.any():
        raise DataError("no bin lies inside of what was recorded and is valid; choose other segments")
    return _take(bins, kept)


class _Seen(NamedTuple):
    """Spikes by where they lie."""

    n: int
    first: float
    last: float
    outside: int
    """In no segment."""
    beyond: int
    """Before the first segment or after the last."""
    unbinned: int
    """In a segment, but in a part of it that makes no bin."""


def _counted(
    session: Session, index: NDArray[np.int64], bins: Bins, spans: NDArray[np.float64], laid: Bins
) -> tuple[NDArray[Any], _Seen]:
    """Count unit by unit, in the smallest integers, so that no more than one train is held as float."""
    _, first = np.unique(laid.interval, return_index=True)
    blocks = np.stack([laid.starts[first], laid.ends[np.append(first[1:], len(laid.ends)) - 1]], axis=1)
    covered, binned = _merged(np.vstack([spans, blocks])), _merged(blocks)
    counts: NDArray[Any] = np.zeros((len(bins.starts), len(index)), dtype=np.uint8)
    n = outside = beyond = unbinned = 0
    low, high = np.inf, -np.inf
    for column, unit in enumerate(index):
        train = _train(session, int(unit))
        rows, found = occupied_bins(train, bins)
        top = int(found.max(initial=0))
        if top > np.iinfo(counts.dtype).max:
            counts = counts.astype(np.uint16 if top < 2**16 else np.int64)
        counts[rows, column] = found
        if train.size:
            low, high = min(low, float(train.min())), max(high, float(train.max()))
            inside = _number_in(train, covered)
            n, outside, unbinned = (
                n + train.size,
                outside + train.size - inside,
                unbinned + inside - _number_in(train, binned),
            )
            beyond += int(((train < covered[0, 0] - 1e-9) | (train > covered[-1, 1] + 1e-9)).sum())
    return settled(counts), _Seen(n, low, high, outside, beyond, unbinned)


def _number_in(times: NDArray[np.float64], spans: NDArray[np.float64]) -> int:
    times = np.round(times, 9)
    at = np.searchsorted(np.round(spans[:, 0], 9), times, side="right") - 1
    return int(((at >= 0) & (times < np.round(spans[at, 1], 9))).sum())


CLOCKS = ((500, 2000), (15_000, 60_000))  # about how often one clock ticks in another: ms in s, samples in s


def _say_outside(session: Session, chosen: Chosen, seen: _Seen, bins: Bins, named: bool | None, notes: Notes) -> None:
    """Say how many spikes lie in no segment, or in none of its bins, and where there is none at all.

    `named` says whether the segments were asked for; None if they were not, False if they are windows around events.

    Raises
    ------
    DataError
        If spikes and segments seem to be on different clocks: no spike near any segment, or most beyond segments that nobody
        named, or one of them lasts a thousand or 30,000 times as long.
    """
    if not seen.n:
        return
    whole = chosen.title == "the whole"
    low, high = float(chosen.spans.min()), float(chosen.spans.max())
    what = "all that was recorded" if whole else f"{len(chosen.spans)} intervals of {chosen.title}"
    ranges = (
        f"{seen.n} spikes lie between {seen.first:g} and {seen.last:g} s, but {what} between {low:g} and {high:g} s"
    )
    advice = "bring both to seconds on one clock"
    if seen.beyond == seen.n and not whole:
        raise DataError(f"{ranges}, and no spike in any of them; {advice}")
    first, last = (seen.first, seen.last) if session.support is None else (session.support.min(), session.support.max())
    length = max(float(last - first), 1e-9)
    longer, shorter = (high - low) / length, length / max(high - low, 1e-9)
    table = named is not False and bool((chosen.rows >= 0).any())
    spread = length > 2 * float(bins.ends[0] - bins.starts[0])  # else all of them are one burst
    if seen.n >= 20 and spread and (longer > 300 or (table and any(a <= shorter <= b for a, b in CLOCKS))):
        raise DataError(f"{ranges}: one lasts {max(longer, shorter):.3g} times as long as the other; {advice}")
    if seen.beyond > seen.n / 2 and named is None and not whole:
        raise DataError(
            f"{ranges}, and {seen.beyond} spikes beyond all of them; {advice}, or if that is right say so with "
            f"segments={chosen.title}, or take segments=whole"
        )
    if seen.outside:
        notes.skipped.append(f"{seen.outside} of {seen.n} spikes: in no segment")
    if seen.unbinned:
        notes.skipped.append(f"{seen.unbinned} of {seen.n} spikes: in segments, but in none of their whole bins")
    if session.support is None and session.units is not None and session.units.observed is None and seen.n > 1:
        pause = 20 * length / seen.n  # so long that no spike is missing by chance
        early = (bins.ends <= seen.first) & (seen.first - bins.starts.min() > pause)
        late = (bins.starts > seen.last) & (bins.ends.max() - seen.last > pause)
        silent = int((early | late).sum())
        if silent:
            notes.used.append(
                f"{silent} of {len(bins.starts)} bins before the first spike ({seen.first:g} s) or after the last ({seen.last:g} s), "
                "with counts of 0: was it recorded there? If not, choose other segments"
            )


def _sampled(
    name: str, signal: Signal, index: NDArray[np.int64], bins: Bins, notes: Notes
) -> tuple[NDArray[Any], str, NDArray[np.int64], Bins, NDArray[np.int64]]:
    """Return the values of a signal in each bin, and the columns and bins that have any."""
    means, n = _means(signal, bins, index)
    empty = (n == 0).all(axis=0)
    if empty.all():
        raise DataError(f"signal {name} has no finite sample in any bin; choose other segments")
    if empty.any():
        notes.skipped.append(f"{empty.sum()} of {len(index)} columns of {name}: no finite sample")
    means, n, index = means[:, ~empty], n[:, ~empty], index[~empty]
    kept = np.flatnonzero((n > 0).all(axis=1))
    if not kept.size:
        raise DataError(f"no bin has a sample of every column of signal {name}; choose wider bins or fewer units")
    if len(kept) < len(n):
        notes.skipped.append(f"{len(n) - len(kept)} of {len(n)} bins: no sample of {name}")
    check_steps(bins.starts[kept], bins.interval[kept], float(bins.ends[0] - bins.starts[0]))
    if signal.counts:
        means = np.rint(means * n)
    how = "added up" if signal.counts else "averaged"
    notes.used.append(f"signal {name}, {len(index)} columns, samples {how} in each bin")
    return means[kept], "counts" if signal.counts else "continuous", index, _take(bins, kept), kept


def _say_segments(chosen: Chosen, bins: Bins, notes: Notes) -> None:
    used = np.unique(bins.interval)
    if chosen.title == "the whole":
        span = ", ".join(f"{low:g} to {high:g} s" for low, high in chosen.spans[:3])
        notes.used.append(f"the whole of {span}{', ...' if len(chosen.spans) > 3 else ''}")
    else:
        notes.used.append(f"{len(used)} of {len(chosen.spans)} intervals as segments: {chosen.title}")
    order = used[np.argsort(chosen.spans[used, 0], kind="stable")]
    found: list[tuple[float, int, int]] = []
    for one, other in zip(order[:-1], order[1:], strict=True):
        shared = min(chosen.spans[one, 1], chosen.spans[other, 1]) - chosen.spans[other, 0]
        if shared > 1e-9:
            pair = sorted((int(chosen.numbers[one]), int(chosen.numbers[other])))
            found.append((round(float(shared), 9), pair[0], pair[1]))
    for shared, one, other in found[:3]:
        notes.used.append(f"intervals {one} and {other} overlap by {shared:g} s: what lies there is in both")
    if len(found) > 3:
        notes.used.append(f"{len(found) - 3} more neighbours overlap")


def _say_unused(session: Session, chosen: Chosen, activity: str, labels: dict[str, Any], notes: Notes) -> None:
    if activity and session.units is not None:
        notes.skipped.append("spike times: a signal is binned in place of them")
    tables = [name for name in session.intervals if session.intervals[name].columns is not chosen.columns]
    signals = [name for name in session.signals if name != activity and name not in labels]
    said = " ".join(notes.skipped)
    if tables:
        notes.skipped.append(f"intervals {', '.join(tables)}: segments=NAME makes segments of them")
    if session.events:
        notes.skipped.append(
            f"events {', '.join(session.events)}: align=NAME window=0.2,0.5 makes segments around them"
        )
    signals = [name for name in signals if f"{name}: " not in said]
    if signals:
        notes.skipped.append(f"signals {', '.join(signals)}: signal=NAME bins one, labels=NAME averages it as a label")
