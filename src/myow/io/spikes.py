"""Spike times, trials and signals that are in memory: lists, dicts, arrays, pandas, pynapple, Neo."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.recording import Recording, check_bin_size
from ..errors import DataError
from .array_session import read_arrays
from .binned import bin_session
from .named_arrays import Arrays, Titles, at_hand
from .session import (
    FEW,
    OF_ARRAYS,
    OWNERS,
    TIMES,
    TRIALS,
    Columns,
    Intervals,
    Notes,
    Options,
    Session,
    Signal,
    Units,
    as_text,
    choose_bounds,
    constant,
    describe,
    names_of,
    plain_name,
)

__all__ = ["OPTIONS", "check_clock", "check_units", "find_column", "from_spikes", "read", "units_by_owner"]


def from_spikes(
    spikes: Any, trials: Any = None, *, bin_size: float, signals: Any = None, units: Any = None, name: str = ""
) -> Recording:
    """Count spike times in bins; see `myow.Recording.from_spikes`."""
    notes = Notes("spike times in memory")
    width = check_bin_size(bin_size)
    known, chosen, support = _units(spikes, units, notes)
    _check_seconds(known, width)
    table = None if trials is None else _trials(trials)
    session = Session(
        name=str(name),
        units=known,
        intervals={} if table is None else {"trials": table},
        signals={str(key): _signal(str(key), value) for key, value in dict(signals or {}).items()},
        support=support,
    )
    taken = set(session.signals) & set(table.columns if table is not None else ())
    if taken:
        raise DataError(f"{min(taken)} is a signal and a column of the trials; call one of them otherwise")
    describe(session, notes)
    recording = bin_session(session, notes, bin_size=width, units=chosen)
    recording = replace(recording, source={**recording.source, **notes.provenance()})
    for key in session.signals:
        if key not in recording.labels:
            said = next((entry for entry in notes.skipped if entry.startswith(f"{key}: ")), f"{key}: not used")
            warnings.warn(f"signal {said.partition(';')[0]}; it is left out", UserWarning, stacklevel=3)
    return recording


# Spikes.


def _units(spikes: Any, units: Any, notes: Notes) -> tuple[Units, Any, NDArray[np.float64] | None]:
    """Return spike trains, the choice among them, and when was recorded, where it is known."""
    if _is_of(spikes, "pynapple", "TsGroup"):
        columns = {str(k): constant(spikes.get_info(k)) for k in spikes.metadata_columns}
        trains = {key: spikes[key].t for key in spikes.index}
        return _named(trains, columns, notes), units, np.asarray(spikes.time_support.values, dtype=np.float64)
    if isinstance(spikes, pd.DataFrame):
        return _of_table(spikes, units, notes)
    if isinstance(spikes, pd.Series) and spikes.dtype.kind == "O":
        spikes = dict(zip(spikes.index, spikes, strict=True)) if spikes.index.is_unique else list(spikes)
    if isinstance(spikes, Mapping):
        return _named(spikes, {}, notes), units, _watched(list(spikes.values()))
    if _is_of(spikes, "pynapple", "Ts") or (isinstance(spikes, (np.ndarray, pd.Series)) and spikes.dtype.kind != "O"):
        if np.ndim(spikes) == 1:
            return _named({"unit0": spikes}, {}, notes), units, None
        raise DataError(
            f"spikes are an array of shape {np.shape(spikes)}; give a list of arrays, one a unit, or a tuple of two arrays, "
            "times and units; counts in bins go into Recording(counts, bin_size=...)"
        )
    if not isinstance(spikes, (list, tuple, np.ndarray)):
        raise DataError(
            f"spikes are a {type(spikes).__name__}; give a list or dict of arrays, a tuple of times and units, a TsGroup or "
            "a DataFrame"
        )
    parts = list(spikes)
    if not parts:
        raise DataError("spikes are empty; give the spike times of one unit or more")
    if _are_times_and_units(parts, isinstance(spikes, tuple)):
        notes.used.append("two arrays: the times of all spikes, and the unit of each")
        return units_by_owner(_seconds("spikes", parts[0]), parts[1], units, notes), None, None
    names = [f"unit{i}" for i in range(len(parts))]
    if units is not None and not (isinstance(units, str) and "=" in units):
        given = names_of(units) if isinstance(units, str) else np.asarray(units, dtype=object).tolist()
        if len(given) == len(parts) and not all(isinstance(one, (bool, np.bool_)) for one in given):
            names, units = [as_text(one) for one in given], None
            if len(set(names)) < len(names):
                raise DataError("units names a unit twice; give each a name of its own")
    return _named(dict(zip(names, parts, strict=True)), {}, notes), units, _watched(parts)


def _are_times_and_units(parts: list[Any], is_tuple: bool) -> bool:
    """Whether a pair is the times of all spikes and their units, rather than the spike times of two units."""
    try:
        times, owners = (np.atleast_1d(np.squeeze(np.asarray(_bare(part)))) for part in parts)
    except ValueError:  # not two, or lists in lists
        return False
    if times.ndim != 1 or times.shape != owners.shape or not len(times):
        return False
    if owners.dtype.kind in "US" or (owners.dtype.kind == "O" and isinstance(owners[0], (str, bytes))):
        return True
    if owners.dtype.kind not in "iuf" or not np.array_equal(owners, np.rint(owners)):
        return False
    rising = bool((np.diff(owners) > 0).all())  # as spike times do; units come again and again
    integers = owners.dtype.kind in "iu" and times.dtype.kind == "f"
    if (integers and not rising) or (is_tuple and (integers or not rising)):
        return True
    if not is_tuple and not integers and rising:
        return False
    raise DataError(
        f"spikes are two arrays of {len(times)} numbers, which may be two units, or times and units; give a dict of two "
        "arrays, {'a': ..., 'b': ...}, or a tuple of times and of units as integers"
    )


def _named(trains: Mapping[Any, Any], columns: Columns, notes: Notes) -> Units:
    """Return spike trains by name."""
    names = [as_text(key) for key in trains]
    if not names:
        raise DataError("spikes are empty; give the spike times of one unit or more")
    if len(set(names)) < len(names):
        raise DataError("two units have one name; give each a name of its own")
    found = [_seconds(f"unit {name}", train, notes) for name, train in zip(names, trains.values(), strict=True)]
    return Units(tuple(names), lambda i: found[i], columns)


def units_by_owner(times: NDArray[np.float64], owners: Any, units: Any, notes: Notes) -> Units:
    """Return spike trains of which each spike says whose it is; `units` are all there are, in their order.

    Raises
    ------
    DataError
        If a spike has no unit, units are numbers and texts, or `units` names none of them.
    """
    given = pd.Series(np.asarray(_bare(owners)).ravel().tolist(), dtype=object)
    if len(given) != len(times):
        raise DataError(f"{len(times)} spike times have {len(given)} units; give one a spike")
    if given.isna().any():
        raise DataError(f"{int(given.isna().sum())} of {len(given)} spikes have no unit; leave them out")
    codes, found = pd.factorize(given, sort=False)
    try:
        order = sorted(range(len(found)), key=lambda i: found[i])
    except TypeError:
        raise DataError("units are numbers and texts; give either") from None
    names = [_name(found[i]) for i in order]
    if len(set(names)) < len(names):
        raise DataError("two units have one name once they are text; give each a name of its own")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    member = rank[codes]
    place = np.argsort(member, kind="stable")
    parts = dict(zip(names, np.split(times[place], np.cumsum(np.bincount(member))[:-1]), strict=True))
    if units is not None:
        wanted = [
            _name(one)
            for one in (names_of(units) if isinstance(units, str) else np.asarray(units, dtype=object).tolist())
        ]
        if not set(wanted) & set(parts):
            raise DataError(
                f"no spike is of any of the units {', '.join(wanted[:5])}; they are of {', '.join(names[:5])}"
            )
        left = [name for name in names if name not in wanted]
        if left:
            notes.skipped.append(f"{len(left)} of {len(names)} units, which were not asked for")
        parts = {name: parts.get(name, np.empty(0)) for name in wanted}
        silent = [name for name in wanted if not len(parts[name])]
        if silent:
            notes.used.append(f"{len(silent)} units without a spike: {', '.join(silent[:5])}")
    return _named(parts, {}, notes)


def _name(value: Any) -> str:
    """Return the name of a unit, in which 3 and 3.0 are the same."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return as_text(value)


def _of_table(frame: Any, units: Any, notes: Notes) -> tuple[Units, Any, None]:
    """Return spike trains of a table with a row a spike, or a row a unit."""
    frame = frame.reset_index() if any(name is not None for name in frame.index.names) else frame
    times, owner = find_column(frame, TIMES), find_column(frame, OWNERS)
    if times is None:
        raise DataError(
            f"the table of spikes has columns {_listed(frame)}; the times of spikes must be in one called time, spike_times "
            "or timestamps"
        )
    if frame[times].dtype.kind == "O" and len(frame) and np.ndim(frame[times].iloc[0]) == 1:
        notes.used.append(f"{times}: a row a unit")
        keys = frame[owner] if owner else frame["id"] if "id" in frame.columns else frame.index
        names = [_name(key) for key in keys.tolist()]
        if len(set(names)) < len(names):
            raise DataError(f"two rows of the table are of one unit of {owner}; give each a name of its own")
        rest = [key for key in frame.columns if key not in (times, owner)]
        columns = {str(key): constant(frame[key].to_numpy()) for key in rest}
        return _named(dict(zip(names, frame[times], strict=True)), columns, notes), units, None
    if owner is None:
        raise DataError(
            f"the table of spikes has columns {_listed(frame)}; the unit of each spike must be in one called "
            "unit, unit_id, neuron, cell or cluster_id"
        )
    trial = find_column(frame, TRIALS)
    if trial is not None:
        check_clock(frame, times, trial)
    rest = [str(key) for key in frame.columns if key not in (times, owner)]
    if rest:
        notes.skipped.append(f"columns {', '.join(rest)} of the table of spikes: known of each spike, not of a bin")
    check_units(frame, owner)
    notes.used.append(f"{times} and {owner}: a row a spike")
    return units_by_owner(_seconds(times, frame[times]), frame[owner], units, notes), None, None


def check_clock(frame: Any, times: Any, trial: Any) -> None:
    """Refuse times that start anew in each trial.

    Raises
    ------
    DataError
        If they do.
    """
    of_trials = frame.groupby(trial, sort=False)[times].agg(["min", "max"]).sort_values("min")
    if (of_trials["min"].to_numpy()[1:] < of_trials["max"].to_numpy()[:-1]).any():
        raise DataError(
            f"{times} overlap from one {trial} to the next, so each has a clock of its own; myow.read(table, bin_size=...) "
            "counts inside of each, or put all on one clock"
        )


PLACES = ("electrode", "electrodeid", "channel", "channelid", "tetrode", "shank", "probe")


def check_units(frame: Any, owner: Any) -> None:
    """Refuse units of one number on several electrodes, which may well be numbered on each anew.

    Raises
    ------
    DataError
        If there are any.
    """
    for place in (one for one in frame.columns if one != owner and plain_name(one) in PLACES):
        several = frame.groupby(owner)[place].nunique()
        if (several > 1).any():
            raise DataError(
                f"{owner} {several.idxmax()} is on {several.max()} of {place}: if units are numbered anew on each, write both into "
                f"{owner}, such as 3-1; if not, leave {place} out"
            )


def find_column(frame: Any, known: Sequence[str]) -> Any:
    """Return the column that is called by one of some names, as `plain_name` has them; None where there is none.

    Raises
    ------
    DataError
        If there are several, and they differ.
    """
    fitting = [key for name in known for key in frame.columns if plain_name(key) == name]
    for other in fitting[1:]:
        if not frame[other].equals(frame[fitting[0]]):
            raise DataError(f"{fitting[0]} and {other} may both be meant, and differ; leave out one of these columns")
    return fitting[0] if fitting else None


def _listed(frame: Any) -> str:
    return ", ".join(str(key) for key in list(frame.columns)[:12]) or "none"


def _bare(values: Any) -> Any:
    """Return the numbers of what carries more: Neo's and quantities in s, pynapple's times."""
    if hasattr(values, "rescale"):
        return np.asarray(values.rescale("s").magnitude)
    return values.t if type(values).__module__.split(".")[0] == "pynapple" else values


def _seconds(what: str, values: Any, notes: Notes | None = None) -> NDArray[np.float64]:
    """Return times in s."""
    values = _bare(values)
    if _is_masked(values):
        if notes is not None:
            notes.skipped.append(f"{int(np.sum(np.ma.getmaskarray(values)))} spikes of {what}: masked")
        values = values.compressed()
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.dtype.kind == "m":
        array = array / np.timedelta64(1, "s")
    if array.ndim == 2 and 1 in array.shape:
        array = array.ravel()
    if array.dtype.kind == "O" and array.ndim == 1 and all(isinstance(one, (int, float)) for one in array):
        array = array.astype(np.float64)
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise DataError(
            f"{what}: values of shape {array.shape} and type {array.dtype}; its times must be one list of numbers, in s, on "
            "the clock of the session (lists a trial are put together first)"
        )
    times = array.astype(np.float64)
    bad = int((~np.isfinite(times)).sum())
    if bad:
        raise DataError(f"{what} has {bad} times that are NaN or infinite; leave them out: times[np.isfinite(times)]")
    return times


def _watched(trains: list[Any]) -> NDArray[np.float64] | None:
    """Return when all of Neo's spike trains were recorded; None for others."""
    if not all(hasattr(train, "t_start") and hasattr(train, "rescale") for train in trains):
        return None
    start = max(float(train.t_start.rescale("s")) for train in trains)
    return np.array([[start, max(start, min(float(train.t_stop.rescale("s")) for train in trains))]])


def _check_seconds(units: Units, width: float) -> None:
    trains = [units.train(i) for i in range(len(units.names))]
    n = sum(len(train) for train in trains)
    if n >= FEW and width < 1 and all(np.array_equal(train, np.rint(train)) for train in trains):
        top = max(float(train.max()) for train in trains if len(train))
        raise DataError(
            f"all {n} spike times are whole numbers, up to {top:.0f}: samples or milliseconds? give seconds, such as "
            "spikes / sampling_rate"
        )


def _is_masked(values: Any) -> bool:
    return isinstance(values, np.ma.MaskedArray) and bool(np.ma.is_masked(values))


def _is_of(thing: Any, package: str, kind: str) -> bool:
    return type(thing).__module__.split(".")[0] == package and type(thing).__name__ == kind


# Trials and signals.


def _trials(trials: Any) -> Intervals:
    if _is_of(trials, "pynapple", "IntervalSet"):
        columns = {str(k): constant(trials.get_info(k)) for k in trials.metadata_columns}
        return Intervals(len(trials), constant(np.asarray(trials.values, dtype=np.float64)), columns)
    if isinstance(trials, np.ndarray) and trials.dtype.names:
        trials = {key: trials[key] for key in trials.dtype.names}
    if isinstance(trials, (Mapping, pd.DataFrame)):
        return _of_columns(trials)
    if _are_two_columns(trials):
        return _of_columns({"start": trials[0], "stop": trials[1]})
    try:
        spans = np.asarray(trials, dtype=np.float64)
    except (TypeError, ValueError):
        spans = np.empty(0)
    if spans.ndim != 2 or spans.shape[1] != 2 or not len(spans):
        raise DataError(
            f"trials are of shape {np.shape(spans)}; give starts and stops in s, (n, 2), or a table with columns start and stop"
        )
    return _table(spans, {})


def _are_two_columns(trials: Any) -> bool:
    """Whether a tuple holds all starts and all stops."""
    if not isinstance(trials, tuple) or len(trials) != 2 or any(np.ndim(one) != 1 for one in trials):
        return False
    if len(trials[0]) == len(trials[1]) == 2:
        square = np.array(trials, dtype=np.float64)
        if (square[1] > square[0]).all() and (square[:, 1] > square[:, 0]).all():
            raise DataError(
                "trials are two pairs of times, which may be two trials, or two starts and two stops; give "
                "{'start': ..., 'stop': ...}"
            )
        return bool((square[1] > square[0]).all())
    return True


def _of_columns(trials: Any) -> Intervals:
    if isinstance(trials, Mapping):
        lengths = {str(key): np.shape(value)[:1] for key, value in trials.items()}
        if len(set(lengths.values())) > 1 or () in lengths.values():
            said = ", ".join(f"{key} {n[0] if n else 'one'}" for key, n in list(lengths.items())[:8])
            raise DataError(f"columns of the trials differ in length ({said}); give one value a trial")
        values = {str(key): value for key, value in trials.items()}
        names = pd.DataFrame({key: _flat(value) for key, value in values.items()})
    else:
        names = trials.reset_index() if any(name is not None for name in trials.index.names) else trials
        if names.columns.duplicated().any():
            raise DataError(f"two columns of the trials are called {names.columns[names.columns.duplicated()][0]}")
        values = {str(key): names[key].to_numpy() for key in names.columns}
        names = names.rename(columns=str)
    start, stop, length = choose_bounds(lambda known: find_column(names, known))
    if start is None or (stop is None and length is None):
        raise DataError(
            f"the trials have columns {_listed(names)}; one must be called start (or start_time, onset), and one stop (or "
            "stop_time, end, end_time), in s"
        )
    low = _times(start, values[start])
    high = _times(stop, values[stop]) if stop is not None else np.add(low, _times(str(length), values[str(length)]))
    rest = {key: constant(_flat(value)) for key, value in values.items() if key not in (start, stop, length)}
    return _table(np.stack([low, high], axis=1), rest)


def _flat(value: Any) -> Any:
    """Return a column as values, missing ones as None; of a column of vectors, a list of them."""
    if _is_masked(value):
        value = np.array(value.tolist(), dtype=object)
    array = np.asarray(value)
    return array if array.ndim == 1 else list(array)


def _times(name: str, values: Any) -> NDArray[np.float64]:
    """Return times of trials in s; a missing one is NaN, so that its trial is left out and said."""
    array = (
        np.ma.filled(np.ma.asarray(values, dtype=np.float64), np.nan) if np.ma.is_masked(values) else np.asarray(values)
    )
    if array.dtype.kind == "m":
        return np.asarray(np.divide(array, np.timedelta64(1, "s")), dtype=np.float64)
    if array.dtype.kind == "O":
        array = np.where(pd.isna(array), np.nan, array)
    try:
        if array.dtype.kind in "iufO":
            return array.astype(np.float64)
    except (TypeError, ValueError):
        pass
    raise DataError(f"{name} of the trials holds {array.dtype}, no numbers of seconds; give seconds")


def _table(spans: NDArray[np.float64], columns: Columns) -> Intervals:
    if not len(spans):
        raise DataError("there is no trial; give one or more, or leave trials out for the whole")
    if (spans[:, 1] < spans[:, 0]).all():
        raise DataError("every trial stops before it starts; are starts and stops, or stops and durations, swapped?")
    return Intervals(len(spans), constant(spans), columns)


def _signal(name: str, value: Any) -> Signal:
    """Return a sampled signal of (times, values), of pynapple, or of pandas with times as index."""
    titles: Sequence[Any] = ()
    if type(value).__module__.split(".")[0] == "pynapple":
        clock, values = np.asarray(value.t), np.asarray(value.values)
        titles = list(getattr(value, "columns", ()))
    elif isinstance(value, (pd.Series, pd.DataFrame)):
        clock, values = value.index.to_numpy(), value.to_numpy()
        titles = list(value.columns) if isinstance(value, pd.DataFrame) else ()
        if isinstance(value.index, pd.RangeIndex):
            raise DataError(f"signal {name} has no times for an index; give (times, values)")
    elif isinstance(value, (tuple, list)) and len(value) == 2 and np.ndim(value[0]) == 1:
        clock, values = _bare(value[0]), value[1]
    else:
        raise DataError(
            f"signal {name} must be (times, values): times in s of shape (S,), values of shape (S,) or (S, D)"
        )
    times = _seconds(f"signal {name}", clock)
    if _is_masked(values):
        values = np.ma.filled(np.ma.asarray(values, dtype=np.float64), np.nan)
    array = np.asarray(values)
    if array.dtype.kind not in "iufb" or array.ndim not in (1, 2) or len(array) != len(times) or not array.size:
        raise DataError(
            f"signal {name} has values of shape {array.shape} and type {array.dtype}, but times of shape {times.shape}; "
            "give numbers, a row a time"
        )
    if (np.diff(times) < 0).any():
        raise DataError(f"signal {name}: its times do not rise; sort times and values by time")
    rows = array.reshape(len(array), -1)
    names = tuple(str(t) for t in titles) if len(titles) == rows.shape[1] else tuple(map(str, range(rows.shape[1])))
    return Signal(len(rows), names, lambda low, high: rows[low:high], clock=constant(times), role="behaviour")


# Counts.

OPTIONS = (*OF_ARRAYS, "transpose")
"""Options of arrays and DataFrames; `myow.read` describes them."""


def read(source: Any, notes: Notes, options: Options) -> Recording:
    """Read an array of counts, or with ``kind="continuous"`` of values, shape (T, N); or a DataFrame, as a table of a file.

    Examples
    --------
    >>> read(np.array([[0, 2], [1, 0]]), Notes(), Options(bin_size=0.1)).counts.tolist()
    [[0, 2], [1, 0]]
    """
    if isinstance(source, pd.DataFrame) or source.dtype.names:
        return _read_frame(pd.DataFrame(source), notes, options)
    notes.format = "NumPy array"
    if options.counts is not None or options.sampling_rate is not None:
        raise DataError("an array has neither names nor spike times; leave counts and sampling_rate out")
    if source.dtype.kind == "O" or source.ndim == 1:
        raise DataError(
            f"an array of shape {source.shape} and type {source.dtype} is no counts in bins, (T, N); spike times go into "
            "myow.Recording.from_spikes(spikes, trials, bin_size=...)"
        )
    if source.ndim != 2:
        raise DataError(
            f"the array has shape {source.shape}; give counts of shape (T, N), the trials one after the other, and "
            "segments=, the trial of each bin"
        )
    if _is_masked(source):
        raise DataError("the array has masked, that is missing, values; leave those bins out or fill them in")
    return read_arrays(Arrays({"counts": at_hand(source)}), notes, options, Titles(""))


def _read_frame(frame: Any, notes: Notes, options: Options) -> Recording:
    if options.transpose not in (False, None):
        raise DataError("a DataFrame is turned by frame.T; leave transpose out")
    times = find_column(frame, TIMES)
    if times is None or not len(frame) or np.ndim(frame[times].iloc[0]) != 1:
        from . import table

        return table.read(frame, notes, options)
    notes.format = "pandas DataFrame"
    units, chosen, _ = _of_table(frame, options.units, notes)
    session = Session("", units=units)
    describe(session, notes)
    return bin_session(session, notes, **{**options.binning(), "units": chosen})
