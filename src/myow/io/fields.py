"""Arrays of a file by name: read when they are asked for, one by one or as tables of events and spikes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, unknown_name
from .session import Columns, Intervals, Notes, Units

__all__ = [
    "Arrays",
    "Field",
    "Table",
    "add_cells",
    "at_hand",
    "find_events",
    "find_tables",
    "find_trains",
    "pair_spikes",
    "truth",
    "with_columns",
]

LONGEST = 256  # characters of a text that can be a label or a name


@dataclass(frozen=True)
class Field:
    """An array of a file.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    dtype : str
        Its type, as it is said to the user.
    read : callable
        Reads it.
    lengths : tuple of int, optional
        Rows of the pieces that it is put together from, one a segment.
    axis : {"bins", "units", ""}, optional
        What its first axis is, where the format says so; else its length tells.
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], NDArray[Any]]
    lengths: tuple[int, ...] = ()
    axis: Literal["bins", "units", ""] = ""

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def is_text(self) -> bool:
        """Whether it holds text."""
        return self.dtype.startswith(("<U", ">U", "|S", "str", "object"))

    @property
    def is_number(self) -> bool:
        """Whether it holds real numbers."""
        return self.dtype.lstrip("<>|=").startswith(("int", "uint", "float", "bool"))


def at_hand(values: Any) -> Field:
    """Return a field of values that are in memory already."""
    array = np.asarray(values)
    return Field(array.shape, str(array.dtype), lambda: array)


@dataclass(frozen=True)
class Arrays:
    """All arrays of a file by name; those in groups or structs have names such as ``session/counts``.

    Parameters
    ----------
    fields : dict
        Arrays.
    trains : dict
        Lists of 1-d arrays, which may be spike times of units.
    separator : str, optional
        What parts a group from what is in it.
    flat : bool, optional
        Whether a vector may be stored as one row or one column, as in Matlab.
    """

    fields: dict[str, Field]
    trains: dict[str, Units] = field(default_factory=dict)
    separator: str = "/"
    flat: bool = False

    def find(self, name: str, among: Mapping[str, Any], what: str) -> str:
        """Return the full name of what is called so: by its full name, or by its last part if that is enough.

        Raises
        ------
        UnknownNameError
            If there is none.
        DataError
            If there are several.
        """
        plain = str(name).strip(self.separator)
        if plain in among:
            return plain
        fitting = [key for key in among if self.last(key) == plain]
        if len(fitting) > 1:
            raise DataError(f"several {what}s are called '{name}': {', '.join(fitting)}; give the whole name")
        if not fitting:
            raise unknown_name(what, str(name), among)
        return fitting[0]

    def last(self, name: str) -> str:
        """Return a name without the group it is in."""
        return name.rpartition(self.separator)[2]

    def group(self, name: str) -> str:
        """Return the group that something is in, with the separator at its end; "" for the top."""
        return name[: len(name) - len(self.last(name))]

    def rows(self, name: str) -> int:
        """Return how many rows an array has; 0 for a single value."""
        shape = self.fields[name].shape
        if self.flat and len(shape) == 2 and 1 in shape:
            return max(shape) if 0 not in shape else 0
        return shape[0] if shape else 0

    def is_vector(self, name: str) -> bool:
        """Whether it has one axis."""
        shape = self.fields[name].shape
        return len(shape) == 1 or (self.flat and len(shape) == 2 and 1 in shape)

    def values(self, name: str) -> NDArray[Any]:
        """Read an array; of Matlab's rows and columns, one axis."""
        array = self.fields[name].read()
        return array.ravel() if self.flat and array.ndim == 2 and 1 in array.shape else array

    def describe(self, notes: Notes) -> None:
        """Say what there is."""
        notes.found += [f"{key} {one.shape} {one.dtype}" for key, one in self.fields.items()]
        notes.found += [
            f"{key}: {len(one.names)} lists of numbers" for key, one in self.trains.items() if key not in self.fields
        ]


def add_cells(arrays: Arrays, name: str, cells: Sequence[Field], notes: Notes, names: Sequence[str] = ()) -> None:
    """Add a list of arrays, such as a cell array, as what it can be.

    Texts or single numbers become one array. Lists of numbers are spike times of units. Matrices of one width are pieces of one
    array, a piece a segment.
    """
    if not cells:
        notes.skipped.append(f"{name}: it is empty")
    elif all(one.is_text for one in cells):
        if any(one.size > 1 for one in cells):
            notes.skipped.append(f"{name}: lists of texts inside of a list")
            return
        texts = ["".join(map(str, one.read().ravel()))[:LONGEST] for one in cells]
        arrays.fields[name] = at_hand(np.array(texts))
    elif not all(one.is_number for one in cells):
        notes.skipped.append(f"{name}: a list of neither numbers nor texts")
    elif all(_is_line(one) for one in cells):
        if all(one.size == 1 for one in cells):
            arrays.fields[name] = Field((len(cells),), cells[0].dtype, lambda: _singles(cells))
        titles = tuple(names) or tuple(f"unit{i}" for i in range(len(cells)))
        arrays.trains[name] = Units(titles, lambda i: np.asarray(cells[i].read(), dtype=np.float64).ravel())
    elif all(len(one.shape) == 2 for one in cells) and len({one.shape[1] for one in cells}) == 1:
        lengths = tuple(one.shape[0] for one in cells)
        arrays.fields[name] = Field(
            (sum(lengths), cells[0].shape[1]),
            cells[0].dtype,
            lambda: np.concatenate([c.read() for c in cells]),
            lengths,
        )
    else:
        notes.skipped.append(f"{name}: a list of arrays of different shapes")


def _is_line(one: Field) -> bool:
    return len(one.shape) < 2 or 0 in one.shape or (len(one.shape) == 2 and 1 in one.shape)


def _singles(cells: Sequence[Field]) -> NDArray[Any]:
    return np.array([one.read().ravel()[0] for one in cells])


def truth(option: str, value: Any) -> bool:
    """Return what an option says that is yes or no, from the command line too.

    Raises
    ------
    DataError
        If it is neither.
    """
    text = str(value).lower()
    if text in ("true", "yes", "1"):
        return True
    if text in ("false", "no", "0", "none", ""):
        return False
    raise DataError(f"{option} is {value!r}; it must be true or false")


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
