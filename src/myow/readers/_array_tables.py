"""Which of the arrays of a file are spike times, which are starts and stops of intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ._fields import Arrays
from ._session import Columns, Intervals, Units

__all__ = ["Table", "find_events", "find_tables", "find_trains", "pair_spikes", "with_columns"]

STARTS = {
    "start": ("stop", "end"),
    "starts": ("stops", "ends"),
    "start_time": ("stop_time", "end_time"),
    "start_times": ("stop_times", "end_times"),
    "onset": ("offset",),
}
TABLES = ("trials", "epochs", "intervals")
TRAINS = ("spike_times", "spikes", "units", "ts", "trains")
EVENTS = ("times", "time", "timestamps", "events", "onsets", "onset")
OWNERS = ("spike_units", "spike_clusters", "spike_unit", "spike_ids")


@dataclass(frozen=True)
class Table:
    """Intervals, and the arrays that say when they start and stop."""

    intervals: Intervals
    pieces: frozenset[str]
    group: str


def pair_spikes(arrays: Arrays) -> set[str]:
    """Take ``spike_times`` beside an array with the unit of each as trains; return the names of those arrays."""
    found: set[str] = set()
    for key in [key for key in arrays.fields if arrays.last(key) == "spike_times" and arrays.is_vector(key)]:
        group = arrays.group(key)
        owner = next((group + one for one in OWNERS if group + one in arrays.fields), None)
        if owner is None or arrays.rows(owner) != arrays.rows(key):
            continue
        owners, times = arrays.values(owner), arrays.values(key).astype(np.float64)
        order = np.argsort(owners, kind="stable")
        names, first = np.unique(owners[order], return_index=True)
        arrays.trains[key] = _held(names.tolist(), np.split(times[order], first[1:]))
        found |= {key, owner}
    return found


def _held(names: list[object], trains: list[NDArray[np.float64]]) -> Units:
    return Units(tuple(str(one) for one in names), lambda unit: trains[unit])


def find_trains(arrays: Arrays, asked: str | None) -> str:
    """Return the name of the spike times: that which is asked for, else one with a known name, else the only one.

    Raises
    ------
    UnknownNameError, DataError
        If there is none, or there are several.
    """
    if asked is not None:
        return arrays.find(asked, arrays.trains, "list of spike times")
    for known in TRAINS:
        fitting = [key for key in arrays.trains if arrays.last(key) == known]
        if len(fitting) == 1:
            return fitting[0]
    if len(arrays.trains) != 1:
        raise DataError(f"there are several lists of numbers, {', '.join(arrays.trains)}; say which with spikes=NAME")
    return next(iter(arrays.trains))


def find_tables(arrays: Arrays) -> dict[str, Table]:
    """Return tables of intervals by name; they are read later."""
    found: dict[str, Table] = {}
    for key, one in arrays.fields.items():
        last, group = arrays.last(key), arrays.group(key)
        if last in TABLES and len(one.shape) == 2 and one.shape[1] == 2 and one.is_number:
            found[last] = Table(_table(arrays, key), frozenset([key]), group)
        for start, stops in STARTS.items():
            if not (last == start or last.endswith("_" + start)) or not arrays.is_vector(key) or not one.is_number:
                continue
            prefix = last[: len(last) - len(start)]
            stop = next((s for s in (group + prefix + word for word in stops) if s in arrays.fields), None)
            if stop is not None and arrays.fields[stop].is_number and arrays.rows(stop) == arrays.rows(key):
                title = prefix.rstrip("_") or arrays.last(group[: -len(arrays.separator)]) or "trials"
                title = "trials" if title == "trial" else title
                found[title] = Table(_table(arrays, key, stop), frozenset([key, stop]), group)
    return found


def _table(arrays: Arrays, key: str, stop: str | None = None) -> Intervals:
    def spans() -> NDArray[np.float64]:
        values = arrays.fields[key].read() if stop is None else np.stack([arrays.values(key), arrays.values(stop)], 1)
        return np.asarray(values, dtype=np.float64)

    return Intervals(arrays.fields[key].shape[0] if stop is None else arrays.rows(key), spans)


def with_columns(arrays: Arrays, table: Table, used: set[str]) -> Intervals:
    """Add the arrays of a table's group that have a value or a row for each interval; they become `used`."""
    columns: Columns = {}
    for key, one in arrays.fields.items():
        fits = arrays.rows(key) == table.intervals.n and len(one.shape) in (1, 2)
        if fits and key not in used and arrays.group(key) == table.group and not arrays.last(key).startswith("unit"):
            columns = {**columns, key.removeprefix(table.group): partial(arrays.values, key)}
            used.add(key)
    return replace(table.intervals, columns=columns)


def find_events(arrays: Arrays, asked: Any, used: set[str]) -> dict[str, Callable[[], NDArray[np.float64]]]:
    """Return 1-d arrays of times, by their names or because they are asked for; they become `used`."""
    found: dict[str, Callable[[], NDArray[np.float64]]] = {}
    for key, one in arrays.fields.items():
        wanted = isinstance(asked, str) and asked.strip(arrays.separator) == key
        named = arrays.last(key).rpartition("_")[2] in EVENTS
        if key not in used and (named or wanted) and one.is_number and arrays.is_vector(key):
            found[key] = partial(arrays.values, key)
            used.add(key)
    return found
