"""Recordings from named arrays: counts in bins, or spike times."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.binning import Bins, count_by_trial
from ..data.recording import Recording, check_bin_size
from ..errors import DataError, unknown_name
from .binned import MISSING_WIDTH, bin_session, choose_labels, plain_values
from .named_arrays import (
    RESERVED,
    TRAINS,
    Arrays,
    Field,
    Roles,
    Table,
    Titles,
    at_hand,
    find_places,
    find_tables,
    find_trains,
    join,
    pair_spikes,
    pick_labels,
    read_roles,
    refuse,
    say_unused,
    turn,
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
    choose_units,
    describe,
    names_of,
    plain_name,
    samples_a_second,
)

__all__ = ["read_arrays"]


def _read_binned(
    arrays: Arrays, roles: Roles, notes: Notes, options: Options, titles: Titles, apart: AbstractSet[str] = frozenset()
) -> Recording:
    """Make a recording of arrays that have a row a bin; those named in `apart` have a place elsewhere.

    Raises
    ------
    DataError
        If the counts are missing, or an array has a wrong shape or values that cannot be.
    """
    if roles.counts is None:
        listed = ", ".join(sorted({*arrays.fields, *arrays.trains})[:20])
        listed = f", only {listed}" if listed else ""
        known = "".join(f"; '{key}' is there, but {why}" for key, why in list(arrays.refused.items())[:3])
        raise DataError(
            f"there is no array 'counts'{listed}{known}; store counts (T, N) or give counts=NAME; or store spike times in s "
            "as spike_times beside spike_clusters, the unit of each, or as a list called spikes of one array a unit"
        )
    counts = arrays.fields[roles.counts].read()
    if arrays.flat and counts.ndim == 1:  # of one unit, inside of a struct of MATLAB 7.3
        counts = counts[:, None]
    n_bins, n_units = counts.shape if counts.ndim == 2 else (len(counts) if counts.ndim else 0, 0)
    width = _read_width(arrays, roles, options)
    used = {roles.counts} | roles.said()
    times = None if roles.get("times") is None else arrays.values(str(roles.get("times")))
    used |= {str(roles.get("times"))} if times is not None else set()
    segments, kept = _segments(arrays, roles, options, n_bins, used, notes, titles.strict)
    taken = {roles.counts, *roles.names.values(), *apart}
    places = find_places(arrays, roles.counts, taken, n_bins, n_units)
    labels = pick_labels(arrays, places, options.labels, n_bins, kept, notes, strict=titles.strict)
    periods = {k: v for k, v in places.periods.items() if k in labels or (titles.strict and k not in places.rows)}
    used |= {places.rows[name] for name in labels} | {places.period_of[name] for name in periods}
    units = _unit_names(arrays, roles, n_units, used)
    if options.units is not None:
        columns: Columns = {short: partial(arrays.values, key) for short, key in places.columns.items()}
        names = units or tuple(f"unit{i}" for i in range(n_units))
        chosen = choose_units(options.units, names, columns, notes)
        counts, units = counts[:, chosen], tuple(names[i] for i in chosen)
        asked = options.units if isinstance(options.units, str) else ""
        used |= {key for short, key in places.columns.items() if f"{short}=" in asked}
    if not kept.all():
        if not kept.any():
            raise DataError("no row is left that has a segment and every label; ask for fewer labels")
        counts, labels = counts[kept], {k: v[kept] for k, v in labels.items()}
        times = (np.arange(n_bins) * check_bin_size(width) if times is None else times)[kept]
        segments = None if segments is None else segments[kept]
    notes.used.append(f"{roles.counts}: {n_bins} bins of {n_units} units")
    notes.used += [f"labels {', '.join(labels)}"] if labels else []
    said = [roles.counts, *(places.rows[name] for name in labels)]
    notes.used += [f"{key}: {arrays.fields[key].note}" for key in said if arrays.fields[key].note]
    used |= apart
    notes.used += [key for key in arrays.fields if key in used - {roles.counts, *places.rows.values()}]
    tables = {key: name for name, table in find_tables(arrays).items() for key in table.pieces}
    say_unused(arrays, places, tables, used, notes)
    return Recording(
        counts,
        bin_size=width,
        times=times,  # type: ignore[arg-type]
        segments=segments,  # type: ignore[arg-type]
        labels=labels,
        kind=_scalar(arrays, roles.get("kind"), "counts") if options.kind is None else options.kind,  # type: ignore[arg-type]
        periods=periods,
        units=units,
        name=_read_name(arrays, roles, options, titles),
        source=_read_source(arrays, roles, titles),
    )


def _read_width(arrays: Arrays, roles: Roles, options: Options) -> float:
    """Return the width of a bin in s, which the file or the user says."""
    width = _scalar(arrays, roles.get("bin_size"), None)
    if width is None and options.bin_size is None:
        raise DataError(f"there is no 'bin_size'; store it, or give bin_size in seconds{_hint(arrays, roles)}")
    if width is not None and options.bin_size is not None and width != options.bin_size:
        raise DataError(f"it has bin_size {width}, but {options.bin_size} was given; leave one out")
    return options.bin_size if width is None else width  # type: ignore[return-value]


def _hint(arrays: Arrays, roles: Roles) -> str:
    """Return what the times say about the width, which is a guess where bins may be missing."""
    name = roles.get("times")
    if name is None or not arrays.fields[name].is_number or arrays.rows(name) < 2:
        return ""
    step = float(np.median(np.diff(arrays.values(name).astype(np.float64).ravel())))
    return f"; its times are {step:g} s apart, so probably bin_size={step:g}" if step > 0 else ""


def _read_name(arrays: Arrays, roles: Roles, options: Options, titles: Titles) -> str:
    """Return the name of the recording."""
    return str(options.name if options.name is not None else _scalar(arrays, roles.get("name"), titles.name))


def _read_source(arrays: Arrays, roles: Roles, titles: Titles) -> dict[str, str]:
    """Return where it comes from."""
    found = {"file": titles.file} if titles.file else {}
    try:
        stored = json.loads(str(_scalar(arrays, roles.get("source"), "{}")))
        return {**found, **{str(k): str(v) for k, v in stored.items()}}
    except (ValueError, AttributeError, RecursionError):
        raise DataError("'source' must be a JSON object in a string; leave it out") from None


def _scalar(arrays: Arrays, name: str | None, default: Any) -> Any:
    """Return the single value of an array, or the default where there is none."""
    if name is None:
        return default
    if arrays.fields[name].size != 1:
        raise DataError(f"'{name}' has shape {arrays.fields[name].shape}; it must be a single value")
    value = arrays.values(name).ravel().tolist()[0]
    return as_text(value) if isinstance(value, bytes) else value


def _segments(
    arrays: Arrays, roles: Roles, options: Options, n_bins: int, used: set[str], notes: Notes, strict: bool
) -> tuple[NDArray[Any] | None, NDArray[np.bool_]]:
    """Return the segment of each row, and which rows have one."""
    every = np.ones(n_bins, dtype=bool)
    if options.segments is not None and not isinstance(options.segments, str):
        return np.asarray(options.segments), every
    name = roles.get("segments")
    if options.segments == WHOLE:
        return None, every
    if name is None:
        lengths = arrays.fields[str(roles.counts)].lengths
        if not lengths:
            return None, every
        notes.used.append(f"{len(lengths)} pieces of {roles.counts} as segments")
        return np.repeat(np.arange(len(lengths)), lengths), every
    used.add(name)
    values = arrays.values(name)
    if strict and name != "segments" and options.segments is None:
        notes.used.append(f"{name}: its runs of bins as segments; segments=whole says otherwise")
        strict = False
    if strict or values.shape != (n_bins,) or values.dtype.kind in "iub":
        return values, every
    plain, present = plain_values(values)
    if plain.dtype.kind == "f" and (plain[present] == np.rint(plain[present])).all():
        numbers = np.where(present, plain, 0).astype(np.int64)
    else:  # names of trials: numbered as they come
        _, first, back = np.unique(plain, return_index=True, return_inverse=True)
        numbers = np.argsort(np.argsort(first))[back.ravel()]
        notes.used.append(f"{name}: {len(first)} names, numbered from 0 as they come")
    if not present.all():
        notes.skipped.append(f"{(~present).sum()} of {n_bins} rows: no number in {name}")
    return numbers, present


def _unit_names(arrays: Arrays, roles: Roles, n_units: int, used: set[str]) -> tuple[str, ...]:
    name = roles.get("units")
    if name is None:
        return ()
    used.add(name)
    values = [as_text(value) for value in arrays.values(name).ravel().tolist()]
    if len(values) != n_units:
        raise DataError(f"{name} names {len(values)} units, but counts have {n_units} columns; give one name a column")
    return tuple(values)


EVENTS = ("times", "time", "timestamps", "events", "onsets", "onset")


def _find_events(arrays: Arrays, asked: Any, used: set[str]) -> dict[str, Callable[[], NDArray[np.float64]]]:
    """Return 1-d arrays of times, by their names or because they are asked for; they become `used`."""
    found: dict[str, Callable[[], NDArray[np.float64]]] = {}
    for key, one in arrays.fields.items():
        wanted = isinstance(asked, str) and asked.strip(arrays.separator) == key
        named = arrays.last(key).rpartition("_")[2] in EVENTS
        if key not in used and (named or wanted) and one.is_number and arrays.is_vector(key):
            found[key] = partial(arrays.values, key)
            used.add(key)
    return found


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
        events=_find_events(arrays, options.align, held),
    )
    asked = None if options.labels in (None, "none") else names_of(options.labels)
    of_table = {column for table in session.intervals.values() for column in table.columns}
    inner = options.labels if asked is None else [name for name in asked if name not in of_table] or "none"
    chosen = choose_segments(session, options.segments, options.align, options.window, notes)
    whole = _read_binned(
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
    options = _lay_grids(arrays, options, notes)
    _lay_lines(arrays, options)
    roles = read_roles(arrays, options, strict=titles.strict)
    paired = set() if titles.strict and roles.counts else pair_spikes(arrays, notes, options.sampling_rate)
    tables = find_tables(arrays)
    lists = [key for key in arrays.trains if key not in arrays.fields or "spike" in key or arrays.last(key) in TRAINS]
    if options.spikes is not None or (roles.counts is None and lists):
        return _SpikeArrays(arrays, roles, options, titles, paired).read(tables, notes)
    if roles.counts is not None:
        _orient(arrays, roles, options)
        _fit(arrays, roles, tables)
    named = isinstance(segments, str) and segments not in ("", WHOLE)
    if named and segments not in tables and roles.get("segments") is None:
        raise unknown_name("array or table of segments", segments, [*arrays.fields, *tables, WHOLE])
    intervals = segments in tables if isinstance(segments, str) else segments is not None and np.ndim(segments) == 2
    if options.align is not None or intervals:
        return _read_windows(arrays, roles, tables, notes, options, titles)
    return _read_binned(arrays, roles, notes, options, titles)


def _truth(option: str, value: Any) -> bool:
    """Return what an option says that is yes or no, from the command line too."""
    text = str(value).lower()
    if text not in ("true", "yes", "1", "false", "no", "0", "none", ""):
        raise DataError(f"{option} is {value!r}; it must be true or false")
    return text in ("true", "yes", "1")


def _lay_grids(arrays: Arrays, options: Options, notes: Notes) -> Options:
    """Read the list of units and trials that is asked for or has a known name, as counts or as spike times.

    A list of one array for each unit and trial is put together: counts as pieces, spike times as trains, on the clock of the trials
    where the file has them, else on one clock a trial.
    """
    for key in list(arrays.grids):
        last = arrays.last(key)
        asked = [one for one in (options.counts, options.spikes) if one is not None]
        known = last in (*TRAINS, "counts") or "spike" in last.lower()
        if not any(one.strip(arrays.separator) in (key, last) for one in asked) and (asked or not known):
            refuse(arrays, key, "it is a list of units and trials; give counts=NAME or spikes=NAME", notes)
            continue
        return _lay_grid(arrays, key, options, notes)
    return options


def _lay_grid(arrays: Arrays, key: str, options: Options, notes: Notes) -> Options:
    grid, tables = arrays.grids.pop(key), find_tables(arrays)
    numbers = {table.intervals.n for table in tables.values()}
    sizes = np.array([[one.size for one in row] for row in grid])
    by_trial, by_row = (sizes == sizes[:1]).all(), (sizes == sizes[:, :1]).all()
    values = [[np.asarray(one.read(), dtype=np.float64).ravel() for one in row] for row in grid]
    steps = np.concatenate([np.diff(one) for row in values for one in row])
    rises = (steps < 0).sum() <= 0.1 * (steps != 0).sum() and (sizes.min() < sizes.max() or (steps > 0).all())
    times = options.spikes is not None or options.sampling_rate is not None
    counted = not times and (options.counts is not None or ((by_trial or by_row) and not rises))
    of_rows = len(grid) in numbers and len(grid[0]) not in numbers  # trials are its rows
    if _truth("transpose", options.transpose) or of_rows or (counted and by_row and not by_trial):
        grid, values, sizes = (tuple(zip(*one, strict=True)) for one in (grid, values, sizes))  # type: ignore[assignment]
    said = f"{len(grid)} units x {len(grid[0])} trials"
    if counted:
        if not (by_trial or by_row):
            raise DataError(
                f"{key} has arrays of different lengths in a trial, so no counts; spikes={key} takes them as times"
            )
        pieces = [np.stack(one, axis=1) for one in zip(*values, strict=True)]
        pieces = [one.astype(np.int64) if (one == np.rint(one)).all() else one for one in pieces]
        arrays.fields[key] = replace(join(tuple(at_hand(one) for one in pieces)), note=f"counts of {said}")
        return replace(options, counts=key, transpose=None)
    notes.used.append(f"{key}: spike times of {said}; give transpose=true if that is the other way round")
    table = tables.get("trials") or next((one for one in tables.values() if one.intervals.n == len(grid[0])), None)
    if table is not None and table.intervals.n == len(grid[0]):
        rate = samples_a_second(key, [one for row in values for one in row], options.sampling_rate)
        values = [[one / rate for one in row] for row in values]
        spans = table.intervals.spans()
        low, high = spans.T
        counts = [(np.concatenate(one), r) for r, one in enumerate(zip(*values, strict=True))]
        inside = [np.sum((one >= low[r]) & (one < high[r])) for one, r in counts]
        since = [np.sum((one >= 0) & (one < high[r] - low[r])) for one, r in counts]
        start = low if sum(since) > sum(inside) else np.zeros(len(low))
        notes.used.append(
            f"{key}: times {'from the start of each trial' if sum(since) > sum(inside) else 'of one clock'}"
        )
        trains = [np.sort(np.concatenate([one + start[r] for r, one in enumerate(row)])) for row in values]
        arrays.trains[key] = Units(tuple(f"unit{i}" for i in range(len(trains))), trains.__getitem__)
        return replace(options, spikes=key, counts=None)
    places = [(unit, trial) for unit in range(len(grid)) for trial in range(len(grid[0]))]
    number = [len(values[unit][trial]) for unit, trial in places]
    if not any(number):
        raise DataError(f"{key} holds no spike")
    width = _scalar(arrays, "bin_size", None) if "bin_size" in arrays.fields else options.bin_size
    if width is None:
        raise DataError(MISSING_WIDTH)
    width = check_bin_size(width)
    listed = [values[unit][trial] for unit, trial in places]
    rate = samples_a_second(key, listed if width < 1 else [], options.sampling_rate)
    unit, trial = (np.repeat([place[i] for place in places], number) for i in (0, 1))
    known, member = np.unique(trial, return_inverse=True)
    counts_, bins = count_by_trial(np.concatenate(listed) / rate, unit, member, len(grid), width)
    trials = known[bins.interval]
    notes.used.append(
        f"{int(counts_.sum())} spikes, counted in bins of {width:g} s from the first of a trial to the last"
    )
    lost = len(grid[0]) - len(known)
    notes.skipped += (
        [f"{lost} of {len(grid[0])} trials of {key}: no spike, and nothing says how long they are"] if lost else []
    )
    group = arrays.group(key)
    _spread(arrays, trials, len(grid[0]), counts_.shape, group, frozenset())
    found = {key: counts_, group + "segments": trials, group + "times": bins.starts}
    arrays.fields.update({name: at_hand(one) for name, one in found.items()})
    return replace(options, counts=key, spikes=None, transpose=None)


def _lay_lines(arrays: Arrays, options: Options) -> None:
    """Take the list of 1-d arrays that is asked for as counts of one unit, an array a trial, where their lengths differ."""
    plain = str(options.counts or "").strip(arrays.separator)
    for key in [key for key in arrays.lines if plain in (key, arrays.last(key)) and key not in arrays.fields]:
        sizes = {one.size for one in arrays.lines[key]}
        if len(sizes) == 1:
            raise DataError(
                f"{key} is a list of {len(arrays.lines[key])} arrays of {sizes.pop()} numbers, which may be units or trials; "
                "store a matrix (bins, units), or a list of matrices, one a trial"
            )
        arrays.fields[key] = join(tuple(_column(one) for one in arrays.lines[key]))
        del arrays.trains[key]


def _column(one: Field) -> Field:
    return Field((one.size, 1), one.dtype, lambda: one.read().reshape(-1, 1))


OF_UNITS = re.compile(
    r"unit|neuron|cell|cluster|chan|electrode|elec|region|area|depth|quality|layer|probe|shank|roi|snr|brain"
)


def _orient(arrays: Arrays, roles: Roles, options: Options) -> None:
    """Turn counts that are stored as (units, bins).

    Raises
    ------
    DataError
        If what is beside them contradicts their shape, but not for certain, and `transpose` does not say.
    """
    key = str(roles.counts)
    one = arrays.fields[key]
    given = None if options.transpose is None else _truth("transpose", options.transpose)
    if len(one.shape) == 3:
        raise DataError(
            f"{key} has shape {one.shape}, three axes; store it as (bins, units) beside segments, one number a bin, "
            "or as a list of matrices (bins, units), one a trial"
        )
    if len(one.shape) != 2 or one.axis or given is False:
        return
    shapes = {piece.shape for piece in one.pieces if piece.size} if one.pieces else {one.shape}
    if len(shapes) > 1:  # trials of several lengths, which can be read in one way
        if given and not one.note:
            raise DataError(f"the pieces of {key} differ in their rows, which are bins, so leave transpose=true out")
        return
    shape = next(iter(shapes), one.shape)
    ask = "if that is (units, bins), give transpose=true; if it is (bins, units), transpose=false"
    if given:
        arrays.fields[key] = turn(one)
        return
    (is_first, is_second), (first, second) = _evidence(arrays, roles, key, shape), _beside(arrays, roles, key, shape)
    if is_second and not is_first and shape[0] != shape[1]:
        if not one.pieces and (first or shape[0] > shape[1]):
            said = [role for role in ("times", "segments", "units") if roles.get(role)]
            told = ", ".join(f"{role} have shape ({arrays.rows(str(roles.get(role)))},)" for role in said)
            raise DataError(f"{told}, but {key} has shape {shape}; {ask}")
        arrays.fields[key] = turn(one)
    elif one.pieces and not is_first and shape[0] <= shape[1]:
        raise DataError(f"each piece of {key} has shape {shape}; {ask}")
    elif not is_first and shape[0] < shape[1] and second and len(second) >= len(first):
        raise DataError(f"{key} has shape {shape}, but after {', '.join(second)[:80]} its second axis is time; {ask}")
    elif not is_first and not first and any(OF_UNITS.search(arrays.last(name).lower()) for name in second):
        raise DataError(f"{key} has shape {shape}, but after {', '.join(second)[:80]} its first axis is units; {ask}")
    elif arrays.flat and not is_first and not first and shape[0] == 1 < shape[1]:
        raise DataError(f"{key} has shape {shape}, a single row; {ask}")


def _evidence(arrays: Arrays, roles: Roles, key: str, shape: tuple[int, ...]) -> tuple[bool, bool]:
    """Return whether something says for certain that the first axis is time, and that the second one is."""
    n = len(arrays.fields[key].pieces)
    known = [(roles.get(role), role) for role in ("times", "segments", "units")]
    rows = [(arrays.rows(name), role) for name, role in known if name and arrays.is_vector(name)]
    time = {length for length, role in rows if role != "units"}
    time |= {shape[1 - shape.index(length)] for length, role in rows if role == "units" and length in shape}
    for name, one in arrays.fields.items() if n else ():
        if len(one.pieces) == n and name != key:
            time |= _common([set(piece.shape) for piece in one.pieces], shape)
    for lines in arrays.lines.values() if n else ():
        if len(lines) == n:
            time |= _common([{one.size} for one in lines], shape)
    return shape[0] in time, shape[1] in time


def _common(sizes: list[set[int]], shape: tuple[int, ...]) -> set[int]:
    """Return the one length of `shape` that all have; none where both could be meant."""
    found = set.intersection(*sizes) & set(shape)
    return found if len(found) == 1 else set()


def _beside(arrays: Arrays, roles: Roles, key: str, shape: tuple[int, ...]) -> tuple[list[str], list[str]]:
    """Return the arrays after which the first axis of counts is time, and those after which the second is."""
    fitting: tuple[list[str], list[str]] = ([], [])
    for name, one in arrays.fields.items():
        if name == key or name in roles.names.values() or one.pieces or len(one.shape) > 2:
            continue
        if OF_UNITS.search(arrays.last(name).lower()):  # one value a unit: the other axis is time then
            if arrays.is_vector(name) and arrays.rows(name) == shape[0] != shape[1]:
                fitting[1].append(name)
            continue
        sizes = {arrays.rows(name)} if arrays.is_vector(name) else set(one.shape)
        for axis in (0, 1):
            if shape[axis] in sizes and shape[1 - axis] not in sizes:
                fitting[axis].append(name)
    return fitting


def _fit(arrays: Arrays, roles: Roles, tables: dict[str, Table]) -> None:
    """Turn and spread what stands beside counts, so that it has one row a bin: pieces, matrices, one value a segment."""
    key = str(roles.counts)
    one = arrays.fields[key]
    if len(one.shape) != 2 or one.axis:
        return
    lengths, (n_bins, n_units) = one.lengths, one.shape
    for name, lines in arrays.lines.items():
        if lengths and name not in arrays.fields and tuple(line.size for line in lines) == lengths:
            joined = join(tuple(_column(line) for line in lines))
            arrays.fields[name] = replace(joined, shape=(n_bins,), read=partial(_flat, joined))
            del arrays.trains[name]
    for name, other in list(arrays.fields.items()):
        if name == key or len(other.shape) != 2 or other.axis:
            continue
        turned = turn(other) if not other.pieces or lengths else other
        if other.pieces and other.lengths != lengths and turned.lengths == lengths:
            arrays.fields[name] = turned
        elif not other.pieces and not arrays.is_vector(name) and other.shape[0] not in (n_bins, n_units) and n_bins > 1:
            if other.shape[1] == n_bins:
                arrays.fields[name] = turned
        elif (
            not other.pieces
            and one.note.startswith("stored as")
            and other.shape == (n_units, n_bins)
            and n_bins != n_units
        ):
            arrays.fields[name] = turned
    apart = frozenset[str]().union(*(table.pieces for table in tables.values())) | {key}
    segments = roles.get("segments")
    if lengths:
        index = np.repeat(np.arange(len(lengths)), lengths)
        _spread(arrays, index, len(lengths), one.shape, arrays.group(key), apart)
    elif segments is not None and arrays.fields[segments].is_number and arrays.values(segments).shape == (n_bins,):
        numbers, index = np.unique(arrays.values(segments), return_inverse=True)
        if (np.diff(index) >= 0).all():  # else it is not clear whose each value is
            _spread(arrays, index, len(numbers), one.shape, "", apart | {segments})


def _flat(one: Field) -> NDArray[Any]:
    return one.read().ravel()


def _spread(
    arrays: Arrays, index: NDArray[np.int64], n: int, shape: tuple[int, ...], group: str, apart: AbstractSet[str]
) -> None:
    """Give each bin the value of its segment, of arrays that have one a segment; `index` holds the segment of each bin."""
    for name, one in list(arrays.fields.items()):
        if name in apart or one.pieces or one.axis or len(one.shape) not in (1, 2) or arrays.rows(name) != n:
            continue
        mine = bool(group) and arrays.group(name) == group
        if n < 2 or n == shape[0] or (n == shape[1] and not mine) or name in RESERVED:
            continue
        sizes = (len(index),) if arrays.is_vector(name) else (len(index), *one.shape[1:])
        read = partial(_taken, one, arrays.flat, index)
        arrays.fields[name] = Field(sizes, one.dtype, read, note="one value a segment, which each of its bins has")
        arrays.trains.pop(name, None)


def _taken(one: Field, flat: bool, index: NDArray[np.int64]) -> NDArray[Any]:
    values = one.read()
    values = values.ravel() if flat and values.ndim == 2 and 1 in values.shape else values
    return values[index]


class _SpikeArrays:
    """Sorts arrays around spike times into a session; `used` holds the names of those that have a place in it."""

    def __init__(self, arrays: Arrays, roles: Roles, options: Options, titles: Titles, paired: set[str]) -> None:
        self.arrays, self.roles, self.options, self.titles = arrays, roles, options, titles
        self.used, self.paired = paired | roles.said(), paired

    def read(self, tables: dict[str, Table], notes: Notes) -> Recording:
        """Bin it."""
        arrays, options = self.arrays, self.options
        spikes = find_trains(arrays, options.spikes, self._recorded(tables) if options.spikes is None else ())
        if options.spikes is None and "spike" not in spikes.lower() and arrays.last(spikes) not in TRAINS:
            notes.used.append(f"{spikes}: taken for spike times, since its lists rise and lie inside of the recording")
        self.used |= {spikes}.union(*(table.pieces for table in tables.values()))
        said = bool(tables) or options.segments is not None or options.align is not None
        odd = next((key for key in arrays.fields if not said and self._may_be_trials(key)), None)
        if odd is not None:
            raise DataError(
                f"{odd} has shape {arrays.fields[odd].shape}, and may say when trials are; store their starts and stops in s as trials, "
                "(n, 2), and what else is known of them beside, or give segments=whole"
            )
        places = find_places(arrays, spikes, self.used, -1, -1)
        self.used |= set(places.period_of.values())
        session = Session(
            name=_read_name(arrays, self.roles, options, self.titles),
            source=_read_source(arrays, self.roles, self.titles),
            signals=self._signals(places.periods),
            intervals={name: with_columns(arrays, table, self.used) for name, table in tables.items()},
            units=self._units(spikes),
            events=_find_events(arrays, options.align, self.used),
        )
        describe(session, notes)
        width = _read_width(arrays, self.roles, options)
        notes.skipped += [f"{key}: what it belongs to is not known" for key in arrays.fields if key not in self.used]
        others = [key for key in arrays.trains if key not in self.used]
        notes.skipped += [f"{key}: lists of numbers; spikes={key} counts them as spike times" for key in others]
        recording = bin_session(session, notes, **replace(options, bin_size=width).binning())
        known = {k: v for k, v in places.periods.items() if k in recording.labels}
        return replace(recording, periods={**recording.periods, **known})

    def _may_be_trials(self, key: str) -> bool:
        one, name = self.arrays.fields[key], plain_name(self.arrays.last(key))
        matrix = len(one.shape) == 2 and not self.arrays.is_vector(key)
        return matrix and one.is_number and name.startswith(("trial", "epoch", "interval"))

    def _recorded(self, tables: dict[str, Table]) -> list[NDArray[np.float64]]:
        """Return when something was recorded, as far as tables and times of samples say."""
        spans = [table.intervals.spans() for table in tables.values() if table.intervals.n]
        clocks = [self.roles.get("times"), *(key for key in self.arrays.fields if key.endswith(CLOCKS))]
        fields = self.arrays.fields
        spans += [fields[key].read() for key in clocks if key and fields[key].is_number and fields[key].size > 1]
        return [np.asarray(one, dtype=np.float64) for one in spans]

    def _signals(self, periods: Mapping[str, float]) -> dict[str, Signal]:
        found = {}
        for key, one in list(self.arrays.fields.items()):
            shape = one.shape
            matrix = len(shape) == 2 and one.is_number and not self.arrays.is_vector(key) and key not in self.used
            if matrix and not self._clock(key, shape[0]) and self._clock(key, shape[1]):
                one = self.arrays.fields[key] = turn(one)
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
                    period=float(periods.get(key.removeprefix(self.arrays.group(key)), periods.get(key, 0.0))),
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
        if spikes not in self.paired and (self.options.bin_size or 0) < 1:
            trains = [units.train(i) for i in range(len(units.names))]
            rate = samples_a_second(spikes, trains, self.options.sampling_rate)
            units = replace(units, train=lambda i: trains[i] / rate)
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
