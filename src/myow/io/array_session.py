"""Recordings from named arrays: counts in bins, or spike times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.binning import Bins, make_bins
from ..data.recording import Recording, check_bin_size
from ..errors import DataError, unknown_name
from .binned import MISSING_WIDTH, bin_session, choose_labels, plain_values
from .named_arrays import (
    Arrays,
    Field,
    Roles,
    Table,
    Titles,
    at_hand,
    find_events,
    find_places,
    find_tables,
    find_trains,
    pair_spikes,
    read_binned,
    read_name,
    read_roles,
    read_source,
    read_width,
    with_columns,
)
from .session import (
    WHOLE,
    Columns,
    Notes,
    Options,
    Session,
    Signal,
    Units,
    as_text,
    choose_segments,
    describe,
    names_of,
)

__all__ = ["bin_spikes", "is_long", "read_arrays"]


def _read_windows(
    arrays: Arrays, roles: Roles, tables: dict[str, Table], notes: Notes, options: Options, titles: Titles
) -> Recording:
    """Keep the bins that start inside of the intervals that are meant, each of which is a segment; they may overlap."""
    apart = set[str]().union(*(table.pieces for table in tables.values()))
    rows = arrays.fields[roles.counts].shape if roles.counts else ()
    of_bins = {key for key in arrays.fields if arrays.rows(key) in rows[:1]} | {roles.counts, *roles.names.values()}
    held = apart | {str(key) for key in of_bins}
    before = set(held)
    session = Session(
        name=titles.name,
        intervals={name: with_columns(arrays, table, held) for name, table in tables.items()},
        events=find_events(arrays, options.align, held),
    )
    asked = None if options.labels in (None, "none") else names_of(options.labels)
    of_table = {column for table in session.intervals.values() for column in table.columns}
    inner = options.labels if asked is None else [name for name in asked if name not in of_table] or "none"
    chosen = choose_segments(session, options.segments, options.align, options.window, notes)
    whole = read_binned(
        arrays,
        roles,
        notes,
        replace(options, segments="whole", align=None, window=None, labels=inner),
        titles,
        apart=apart | (held - before),
    )
    if chosen is None:
        raise DataError("there are no intervals; give segments=NAME, or align=NAME window=0.2,0.5")
    found = [np.flatnonzero((whole.times >= low - 1e-9) & (whole.times < high - 1e-9)) for low, high in chosen.spans]
    found = [index[np.argsort(whole.times[index], kind="stable")] for index in found]
    lengths = [len(index) for index in found]
    index, interval = np.concatenate(found), np.repeat(np.arange(len(found)), lengths)
    if not index.size:
        raise DataError(f"no bin starts inside of {chosen.title}; are times and intervals on one clock?")
    if 0 in lengths:
        notes.skipped.append(f"{lengths.count(0)} of {len(lengths)} segments: no bin starts in them")
    notes.used.append(f"{len(lengths) - lengths.count(0)} of {len(lengths)} intervals as segments: {chosen.title}")
    step = np.arange(len(index)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    bins = Bins(whole.times[index], whole.times[index] + whole.bin_size, interval, step)
    outer = "none" if options.labels in ("", "none") else asked and ([n for n in asked if n in of_table] or "none")
    labels, kept = choose_labels(session, chosen, bins, outer, "", notes)
    # Bins without a label that was asked for are gone: the rest are found again by segment and place in it.
    there = np.isin(interval * (step.max() + 1) + step, kept.interval * (step.max() + 1) + kept.step)
    index = index[there]
    return replace(
        whole,
        counts=whole.counts[index],
        times=whole.times[index],
        segments=chosen.numbers[kept.interval],
        labels={**{name: values[index] for name, values in whole.labels.items()}, **labels},
    )


UNITS = ("unit", "unit_id", "neuron", "cluster")
TIMES = ("time", "times", "spike_time", "spike_times")
TRIALS = ("trial", "trials", "segment", "segments", "trial_id")
STARTS, STOPS = ("trial_start", "start"), ("trial_stop", "trial_end", "stop", "end")
MOST = 1 << 30  # bins times units


def is_long(columns: dict[str, Field]) -> bool:
    """Whether a table has a row a spike."""
    return _first(columns, UNITS) is not None and _first(columns, TIMES) is not None


def _first(columns: dict[str, Field], known: tuple[str, ...]) -> str | None:
    return next((name for name in known if name in columns), None)


def bin_spikes(
    columns: dict[str, Field], bin_size: float | None, times: str | None, trials: str | None, notes: Notes
) -> dict[str, Field]:
    """Count spikes in half-open bins inside their trials, which may overlap: a spike counts in the trial it is listed under.

    A trial lasts from ``trial_start`` to ``trial_stop``; without these columns from the bin of its first spike to that of its last.

    Raises
    ------
    DataError
        If the width of a bin is missing, or nothing can be counted.
    """
    if bin_size is None:
        raise DataError(MISSING_WIDTH)
    width = check_bin_size(bin_size)
    names = {
        "unit": _first(columns, UNITS),
        "time": times or _first(columns, TIMES),
        "trial": trials or _first(columns, TRIALS),
        "start": _first(columns, STARTS),
        "stop": _first(columns, STOPS),
    }
    owner, there = plain_values(columns[str(names["unit"])].read())
    when = _numbers(columns, str(names["time"]))
    there = there & np.isfinite(when)
    trial: NDArray[Any] = np.zeros(len(when), dtype=np.int64)
    if names["trial"] is not None:
        trial, present = plain_values(columns[names["trial"]].read())
        there = there & present
    if not there.any():
        raise DataError("no row has a unit, a time and a trial")
    if not there.all():
        notes.skipped.append(f"{(~there).sum()} of {len(there)} rows: no unit, time or trial")
    owner, when, trial = owner[there], np.round(when[there], 9), trial[there]
    units, unit = np.unique(owner, return_inverse=True)
    numbers, first, member = np.unique(trial, return_index=True, return_inverse=True)
    order = np.argsort(first)  # trials in the order in which they come
    member = np.argsort(order)[member.ravel()]
    numbers, first = numbers[order], first[order]
    if names["start"] is not None and names["stop"] is not None:
        spans = np.stack([_numbers(columns, str(names[end]))[there][first] for end in ("start", "stop")], axis=1)
    else:
        low, high = np.full(len(first), np.inf), np.full(len(first), -np.inf)
        np.minimum.at(low, member, when)
        np.maximum.at(high, member, when)
        spans = np.stack([np.floor(low / width + 1e-6), np.floor(high / width + 1e-6) + 1], axis=1) * width
        notes.used.append(
            "from the bin of the first spike of a trial to that of the last: no trial_start and trial_stop"
        )
    if not np.isfinite(spans).all() or (spans[:, 1] - spans[:, 0]).sum() / width * len(units) > MOST:
        raise DataError(f"trials last up to {np.diff(spans).max():g} s, more bins of {width:g} s than fit in memory")
    bins = make_bins(spans, width)
    if not len(bins.starts):
        raise DataError(f"every trial is shorter than a bin of {width:g} s; choose a smaller bin_size")
    counts = np.zeros((len(bins.starts), len(units)), dtype=np.int32)
    edges = np.searchsorted(bins.interval, np.arange(len(spans) + 1))
    spikes = np.argsort(member, kind="stable")
    parts = np.split(spikes, np.searchsorted(member[spikes], np.arange(1, len(spans))))
    for part, a, b in zip(parts, edges[:-1], edges[1:], strict=True):
        at = np.searchsorted(bins.starts[a:b], when[part], side="right") - 1
        inside = (at >= 0) & (when[part] < bins.ends[a:b][at]) if b > a else np.zeros(len(part), dtype=bool)
        np.add.at(counts, (a + at[inside], unit.ravel()[part][inside]), 1)
    outside = len(when) - int(counts.sum())
    if outside:
        notes.skipped.append(f"{outside} of {len(when)} spikes: outside of their trial, or in its last part of a bin")
    notes.used.append(f"{len(when) - outside} spikes, counted in bins of {width:g} s")
    found = {"counts": at_hand(counts), "units": at_hand(units.astype(np.str_)), "times": at_hand(bins.starts)}
    found["segments"] = at_hand(numbers[bins.interval])
    for name in (one for one in columns if one not in names.values()):
        values = columns[name].read()[there]
        if np.array_equal(values, values[first][member]):
            found[name] = at_hand(values[first][bins.interval])
        else:
            notes.skipped.append(f"{name}: it differs inside of a trial")
    return found


def _numbers(columns: dict[str, Field], name: str) -> NDArray[np.float64]:
    if not columns[name].is_number:
        raise DataError(f"{name} holds no numbers of seconds")
    return columns[name].read().astype(np.float64)


CLOCKS = ("_times", "_time", "_timestamps", "_t")


def read_arrays(arrays: Arrays, notes: Notes, options: Options, titles: Titles) -> Recording:
    """Make a recording of what a file holds: counts, or spike times with intervals.

    Raises
    ------
    DataError, UnknownNameError, SettingError
        If they make no recording, or the options cannot be met.
    """
    arrays.describe(notes)
    segments = options.segments
    roles = read_roles(arrays, options, strict=titles.strict)
    paired = set() if titles.strict and roles.counts else pair_spikes(arrays)
    tables = find_tables(arrays)
    if options.spikes is not None or (roles.counts is None and arrays.trains):
        return _SpikeArrays(arrays, roles, options, titles, paired).read(tables, notes)
    named = isinstance(segments, str) and segments not in ("", WHOLE)
    if named and segments not in tables and roles.get("segments") is None:
        raise unknown_name("array or table of segments", segments, [*arrays.fields, *tables, WHOLE])
    intervals = segments in tables if isinstance(segments, str) else segments is not None and np.ndim(segments) == 2
    if options.align is not None or intervals:
        return _read_windows(arrays, roles, tables, notes, options, titles)
    return read_binned(arrays, roles, notes, options, titles)


class _SpikeArrays:
    """Sorts arrays around spike times into a session; `used` holds the names of those that have a place in it."""

    def __init__(self, arrays: Arrays, roles: Roles, options: Options, titles: Titles, paired: set[str]) -> None:
        self.arrays, self.roles, self.options, self.titles = arrays, roles, options, titles
        self.used = paired | roles.said()

    def read(self, tables: dict[str, Table], notes: Notes) -> Recording:
        """Bin it."""
        arrays, options = self.arrays, self.options
        spikes = find_trains(arrays, options.spikes)
        self.used |= {spikes}.union(*(table.pieces for table in tables.values()))
        places = find_places(arrays, spikes, self.used, -1, -1)
        self.used |= set(places.period_of.values())
        session = Session(
            name=read_name(arrays, self.roles, options, self.titles),
            source=read_source(arrays, self.roles, self.titles),
            signals=self._signals(),
            intervals={name: with_columns(arrays, table, self.used) for name, table in tables.items()},
            units=self._units(spikes),
            events=find_events(arrays, options.align, self.used),
        )
        describe(session, notes)
        width = read_width(arrays, self.roles, options)
        notes.skipped += [f"{key}: what it belongs to is not known" for key in arrays.fields if key not in self.used]
        others = [key for key in arrays.trains if key not in self.used]
        notes.skipped += [f"{key}: lists of numbers; spikes={key} counts them as spike times" for key in others]
        recording = bin_session(session, notes, **replace(options, bin_size=width).binning())
        return replace(recording, periods={k: v for k, v in places.periods.items() if k in recording.labels})

    def _signals(self) -> dict[str, Signal]:
        found = {}
        for key, one in self.arrays.fields.items():
            n, free = self.arrays.rows(key), key not in self.used and key != self.roles.get("times")
            if not (free and n and one.is_number and len(one.shape) in (1, 2)) or key.endswith(CLOCKS):
                continue
            clock = self._clock(key, n)
            if clock is not None:
                width = 1 if self.arrays.is_vector(key) else one.shape[1]
                self.used |= {key, clock}
                found[key] = Signal(
                    n_samples=n,
                    names=tuple(str(i) for i in range(width)),
                    rows=self._rows(key),
                    clock=partial(self.arrays.values, clock),
                    role="behaviour",
                )
        return found

    def _clock(self, key: str, n: int) -> str | None:
        """Return the times of n samples: those of its own, or those of all."""
        known = [*(key + end for end in CLOCKS), self.roles.get("times") or ""]
        fields = self.arrays.fields
        fitting = (one for one in known if one in fields and fields[one].is_number and self.arrays.is_vector(one))
        return next((one for one in fitting if self.arrays.rows(one) == n), None)

    def _rows(self, key: str) -> Callable[[int, int], NDArray[Any]]:
        whole = cache(partial(self.arrays.values, key))
        return lambda low, high: whole()[low:high]

    def _units(self, spikes: str) -> Units:
        """Return spike times with the arrays that have a value for each unit."""
        units = self.arrays.trains[spikes]
        named = self.roles.get("units")
        if named is not None and named not in self.used and self.arrays.fields[named].is_text:
            titles = self.arrays.values(named).ravel().tolist()
            if len(titles) == len(units.names):
                self.used.add(named)
                units = replace(units, names=tuple(map(as_text, titles)))
        columns: Columns = {}
        for key in self.arrays.fields:
            if key not in self.used and self.arrays.is_vector(key) and self.arrays.rows(key) == len(units.names):
                columns = {**columns, key.removeprefix(self.arrays.group(spikes)): partial(self.arrays.values, key)}
                self.used.add(key)
        return replace(units, columns=columns)
