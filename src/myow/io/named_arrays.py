"""Named arrays of a file, read when they are asked for: which of them are counts, times, segments, labels, events and spikes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, unknown_name
from .binned import plain_values
from .session import (
    OWNERS,
    TIMES,
    TRIALS,
    WHOLE,
    Columns,
    Intervals,
    Notes,
    Options,
    Units,
    as_text,
    choose_bounds,
    names_of,
    plain_name,
    samples_a_second,
    split_bound,
)

__all__ = [
    "LONGEST",
    "NESTED",
    "PERIOD",
    "RESERVED",
    "TRAINS",
    "Arrays",
    "Field",
    "Roles",
    "Table",
    "Titles",
    "add_cells",
    "at_hand",
    "find_places",
    "find_tables",
    "find_trains",
    "is_line",
    "join",
    "pair_spikes",
    "pick_labels",
    "read_roles",
    "refuse",
    "say_unused",
    "turn",
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
    pieces : tuple of Field, optional
        Those that it is put together from, one a segment.
    axis : {"bins", "units", ""}, optional
        What its first axis is, where the format says so; else its length tells.
    note : str, optional
        What was done to it, for the notes of who uses it.
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], NDArray[Any]]
    pieces: tuple[Field, ...] = ()
    axis: Literal["bins", "units", ""] = ""
    note: str = ""

    @property
    def lengths(self) -> tuple[int, ...]:
        """Rows of the pieces."""
        return tuple(one.shape[0] for one in self.pieces)

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
    lines : dict
        Lists of 1-d arrays as they are stored.
    grids : dict
        Lists of those, all equally long: one for each unit, of one 1-d array a trial.
    refused : dict
        What is there but cannot be used, and why.
    separator : str, optional
        What parts a group from what is in it.
    flat : bool, optional
        Whether a vector may be stored as one row or one column, as in Matlab.
    """

    fields: dict[str, Field]
    trains: dict[str, Units] = field(default_factory=dict)
    lines: dict[str, tuple[Field, ...]] = field(default_factory=dict)
    grids: dict[str, tuple[tuple[Field, ...], ...]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    separator: str = "/"
    flat: bool = False

    def find(self, name: str, among: Mapping[str, Any], what: str) -> str:
        """Return the full name of what is called so: by its full name, or by its last part if that is enough.

        Raises
        ------
        UnknownNameError
            If there is none.
        DataError
            If there are several, or it cannot be used.
        """
        plain = str(name).strip(self.separator)
        if plain in among:
            return plain
        fitting = [key for key in among if self.last(key) == plain]
        if len(fitting) > 1:
            raise DataError(f"several {what}s are called '{name}': {', '.join(fitting)}; give the whole name")
        if not fitting:
            for key, reason in self.refused.items():
                if plain in (key, self.last(key)):
                    raise DataError(f"'{key}' is there, but {reason}")
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
        notes.found += [f"{key}: {len(one)} x {len(one[0])} lists of numbers" for key, one in self.grids.items()]
        notes.found += [f"{key}, which cannot be used" for key in self.refused]


def turn(one: Field) -> Field:
    """Return a matrix with its axes exchanged, or each piece of one."""
    note = f"stored as {one.shape}, which is turned"
    if one.pieces:
        return replace(join(tuple(turn(piece) for piece in one.pieces)), note=f"each piece {note}")
    return replace(one, shape=one.shape[::-1], read=lambda: one.read().T, note=note)


def join(pieces: tuple[Field, ...]) -> Field:
    """Return one array of matrices of one width, a piece a segment; a piece without values has no rows."""
    width = max(one.shape[1] for one in pieces)
    pieces = tuple(one if one.size else Field((0, width), one.dtype, _no_rows(width)) for one in pieces)
    shape = (sum(one.shape[0] for one in pieces), width)
    return Field(shape, pieces[0].dtype, lambda: np.concatenate([one.read() for one in pieces]), pieces)


def _no_rows(width: int) -> Callable[[], NDArray[Any]]:
    return lambda: np.empty((0, width))


def add_cells(arrays: Arrays, name: str, cells: Sequence[Field], notes: Notes, names: Sequence[str] = ()) -> None:
    """Add a list of arrays, such as a cell array, as what it can be.

    Texts or single numbers become one array. Lists of numbers may be spike times of units. Matrices of one width, or else of one
    height, are pieces of one array, a piece a segment.
    """
    if not cells:
        notes.skipped.append(f"{name}: it is empty")
    elif all(one.is_text for one in cells):
        if any(one.size > 1 for one in cells):
            refuse(arrays, name, "it is a list with lists of texts inside", notes)
            return
        texts = ["".join(map(str, one.read().ravel()))[:LONGEST] for one in cells]
        arrays.fields[name] = at_hand(np.array(texts))
    elif not all(one.is_number for one in cells):
        nested = any(one.dtype == NESTED for one in cells)
        what = (
            "it is a list of lists or structs, one inside of the other" if nested else "its parts are not all numbers"
        )
        refuse(arrays, name, f"{what}; store a list of arrays", notes)
    elif all(is_line(one) for one in cells):
        if all(one.size == 1 for one in cells):
            shape = (len(cells),)
            arrays.fields[name] = Field(
                shape, cells[0].dtype, lambda: np.concatenate([one.read() for one in cells], axis=None)
            )
        titles = tuple(names) or tuple(f"unit{i}" for i in range(len(cells)))
        arrays.lines[name] = tuple(cells)
        arrays.trains[name] = Units(titles, lambda i: np.asarray(cells[i].read(), dtype=np.float64).ravel())
    elif all(len(one.shape) == 2 for one in cells):
        heights, widths = ({one.shape[axis] for one in cells if one.size} for axis in (0, 1))
        if len(widths) == 1:
            arrays.fields[name] = join(tuple(cells))
        elif len(heights) == 1:
            arrays.fields[name] = join(tuple(turn(one) for one in cells))
            note = f"pieces of {next(iter(heights))} rows and of different widths, which are turned to (bins, units)"
            arrays.fields[name] = replace(arrays.fields[name], note=note)
        else:
            shapes = ", ".join(str(one.shape) for one in cells[:3])
            refuse(
                arrays, name, f"its matrices {shapes} share neither rows nor columns; give all the same units", notes
            )
    else:
        shapes = ", ".join(str(one.shape) for one in cells[:3])
        refuse(
            arrays, name, f"its arrays have different numbers of axes: {shapes}; store matrices (bins, units)", notes
        )


NESTED = "list"
"""Type of what is in a list and holds others."""


def refuse(arrays: Arrays, name: str, why: str, notes: Notes) -> None:
    """Keep in mind what cannot be used, and why."""
    arrays.refused[name] = why
    notes.skipped.append(f"{name}: {why}")


def is_line(one: Field) -> bool:
    """Whether an array has one axis, as MATLAB stores those."""
    return len(one.shape) < 2 or 0 in one.shape or (len(one.shape) == 2 and 1 in one.shape)


TABLES = ("trial", "trialtime", "epoch", "interval")
TRAINS = ("spike_times", "spikes", "units", "ts", "trains")


@dataclass(frozen=True)
class Table:
    """Intervals, and the arrays that say when they start and stop."""

    intervals: Intervals
    pieces: frozenset[str]
    group: str


def pair_spikes(arrays: Arrays, notes: Notes, sampling_rate: Any = None) -> set[str]:
    """Take times of all spikes as trains; return the names of the arrays that this takes.

    ``spike_times``, or ``times`` in a group of spikes, stand beside an array with the unit of each, or beside
    ``spike_times_index``, where the spikes of each unit end, as in NWB.

    Raises
    ------
    DataError
        If times are whole numbers, as of samples, and `sampling_rate` does not say how many a second, or an index fits not.
    """
    found: set[str] = set()
    for key in list(arrays.fields):
        group, name = arrays.group(key), plain_name(arrays.last(key))
        inside = arrays.last(group[: -len(arrays.separator)]).lower()
        if not (name == "spiketime" or (name in TIMES and (inside in TRAINS or inside == "spike"))):
            continue
        beside = {plain_name(arrays.last(one)): one for one in arrays.fields if arrays.group(one) == group}
        owner = next(
            (beside[one] for one in (*OWNERS, "spikeid") if one in beside and _alike(arrays, key, beside[one])), None
        )
        index = beside.get(f"{name}index", beside.get(f"{name}sindex"))
        if not arrays.fields[key].is_number or (owner is None and index is None):
            continue
        times, other = arrays.values(key).ravel().astype(np.float64), arrays.values(str(owner or index)).ravel()
        times = times / samples_a_second(f"{key} beside {owner or index}", [times], sampling_rate, few=2)
        if owner is not None:
            names, counts = np.unique(other, return_counts=True)
            times, ends = times[np.argsort(other, kind="stable")], np.cumsum(counts)
        else:
            ends, names = other, np.array([f"unit{i}" for i in range(len(other))])
            if other.dtype.kind not in "iu" or not len(ends) or ends[-1] != len(times) or (np.diff(ends) < 0).any():
                raise DataError(
                    f"{index} does not end at {len(times)}, the number of {key}; it must say where each unit ends"
                )
            ids = next((beside[one] for one in ("id", *OWNERS) if one in beside), None)
            if ids is not None and arrays.values(ids).shape == ends.shape:
                names, owner = arrays.values(ids), ids
        arrays.trains[key] = Units(
            tuple(as_text(one) for one in names.tolist()), np.split(times, ends[:-1]).__getitem__
        )
        notes.used.append(f"{key}: the times of all spikes, of the units in {index or owner}")
        found |= {one for one in (key, owner, index) if one}
    return found


def _alike(arrays: Arrays, one: str, other: str) -> bool:
    """Whether two arrays other than matrices have as many values."""
    sizes = {max(arrays.fields[key].shape, default=0) for key in (one, other)}
    return one != other and sizes == {arrays.fields[key].size for key in (one, other)} and len(sizes) == 1


def find_trains(arrays: Arrays, asked: str | None, spans: Sequence[NDArray[np.float64]] = ()) -> str:
    """Return the name of the spike times: that which is asked for, else one with a known name, else what looks like them.

    Lists look like spike times where all rise, unevenly, inside of `spans`, which hold starts and ends of what was recorded.

    Raises
    ------
    UnknownNameError, DataError
        If there is none, or there are several.
    """
    if asked is not None:
        return arrays.find(asked, arrays.trains, "list of spike times")
    found: list[str] = []
    trains = [key for key in arrays.trains if not _is_of_trials(arrays, key)]
    for known in TRAINS:
        found = found or [key for key in trains if arrays.last(key) == known]
    found = found or [key for key in trains if "spike" in key.lower()]
    if len(found) == 1:
        steps = np.concatenate([np.diff(train) for train in _trains(arrays, found[0])])
        if (steps < 0).sum() > 0.1 * (steps != 0).sum():
            raise DataError(
                f"the lists of numbers in {found[0]} do not rise, as spike times do; if they are, give spikes={found[0]}; "
                f"if they are counts, give counts={found[0]}"
            )
        return found[0]
    likely = [] if found else [key for key in trains if _looks_like_times(_trains(arrays, key), spans)]
    if len(likely) == 1:
        return likely[0]
    several = found or likely
    if several:
        raise DataError(f"there are several lists of numbers, {', '.join(several)}; say which with spikes=NAME")
    by_trial = next((key for key in arrays.trains if key not in trains), None)
    if by_trial is not None:
        raise DataError(
            f"{by_trial} holds one list a trial; if these are spike times of one unit, put them together in one list, in s on the "
            f"clock of the session, beside trials of starts and stops; if each list is a unit, give spikes={by_trial}"
        )
    listed = ", ".join(sorted(arrays.trains)[:20])
    raise DataError(
        f"nothing says that lists of numbers, {listed}, are spike times: neither name nor values that rise inside of the "
        "recording; if one is, in s, give spikes=NAME; if there are counts, give counts=NAME"
    )


def _trains(arrays: Arrays, key: str) -> list[NDArray[np.float64]]:
    units = arrays.trains[key]
    return [units.train(i) for i in range(len(units.names))]


def _is_of_trials(arrays: Arrays, key: str) -> bool:
    """Whether lists are called after trials, or stand in something that is, so that each is of a trial rather than a unit."""
    above = arrays.group(key).split(arrays.separator)
    return any(
        plain_name(re.sub(r"\d+$", "", one)) in ("trial", "segment") for one in (*above, *arrays.trains[key].names)
    )


def _looks_like_times(trains: list[NDArray[np.float64]], spans: Sequence[NDArray[np.float64]]) -> bool:
    steps = [np.diff(train) for train in trains if len(train) > 1]
    if not steps or not spans or any((one < 0).any() for one in steps):
        return False
    if all(np.allclose(one, one[0], rtol=1e-3) for one in steps):  # a clock
        return False
    low, high = min(float(np.nanmin(one)) for one in spans), max(float(np.nanmax(one)) for one in spans)
    values = np.concatenate(trains)
    return bool(np.mean((values >= low) & (values <= high)) > 0.5)


def find_tables(arrays: Arrays) -> dict[str, Table]:
    """Return tables of intervals by name; they are read later."""
    found: dict[str, Table] = {}
    named: dict[
        tuple[str, str], dict[str, list[str]]
    ] = {}  # by group and what stands in front of "start": names as they are known
    for key, one in arrays.fields.items():
        last, group = arrays.last(key), arrays.group(key)
        if plain_name(last) in TABLES and len(one.shape) == 2 and one.shape[1] == 2 and one.is_number:
            found["trials" if plain_name(last) in TABLES[:2] else last] = Table(
                _table(arrays, [key]), frozenset([key]), group
            )
        word, prefix = split_bound(last)
        if word and arrays.is_vector(key) and one.is_number:
            named.setdefault((group, prefix), {}).setdefault(word, []).append(key)
    for (group, prefix), words in named.items():
        start, stop, length = choose_bounds(partial(_all_of, words))
        end = stop or length
        if not start or not end or len({arrays.rows(key) for key in start + end}) > 1:
            continue
        title = prefix or arrays.last(group[: -len(arrays.separator)]) or "trials"
        title = "trials" if title == "trial" else title
        found[title] = Table(_table(arrays, start, end, last=not stop), frozenset(start + end), group)
    return found


def _all_of(words: Mapping[str, list[str]], known: Sequence[str]) -> list[str] | None:
    return [key for word in known for key in words.get(word, ())] or None


def _table(arrays: Arrays, start: list[str], end: Sequence[str] = (), *, last: bool = False) -> Intervals:
    """Return intervals of a matrix, or of starts and ends; where `last`, the second say how long each lasts."""

    def spans() -> NDArray[np.float64]:
        for one, other in ((keys[0], key) for keys in (start, end) for key in keys[1:]):
            if not np.array_equal(arrays.values(one), arrays.values(other)):
                raise DataError(f"{one} and {other} may both be meant, and differ; leave out one of these arrays")
        values = np.stack([arrays.values(one[0]) for one in (start, end)], 1) if end else arrays.fields[start[0]].read()
        values = np.asarray(values, dtype=np.float64)
        return np.cumsum(values, axis=1) if last else values

    return Intervals(arrays.rows(start[0]) if end else arrays.fields[start[0]].shape[0], spans)


def with_columns(arrays: Arrays, table: Table, used: set[str]) -> Intervals:
    """Add the arrays of a table's group that have a value or a row for each interval; they become `used`."""
    columns: Columns = {}
    for key, one in arrays.fields.items():
        fits = arrays.rows(key) == table.intervals.n and len(one.shape) in (1, 2)
        if fits and key not in used and arrays.group(key) == table.group and not arrays.last(key).startswith("unit"):
            columns = {**columns, key.removeprefix(table.group): partial(arrays.values, key)}
            used.add(key)
    return replace(table.intervals, columns=columns)


PERIOD = "period_"
RESERVED = ("counts", "bin_size", "segments", "times", "kind", "units", "name", "source")
"""Names that a file needs for itself, so that no label can have them."""


@dataclass
class Places:
    """Arrays by the short name that the user gives, which leaves out the group of the counts.

    Parameters
    ----------
    rows : dict
        Those with a row a bin.
    columns : dict
        Those with a value a unit.
    periods, period_of : dict
        Value of a full turn of a label, and the array that says so.
    odd : list
        Those that fit nowhere.
    """

    rows: dict[str, str] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    periods: dict[str, float] = field(default_factory=dict)
    period_of: dict[str, str] = field(default_factory=dict)
    odd: list[str] = field(default_factory=list)


def find_places(arrays: Arrays, counts: str, taken: set[str], n_bins: int, n_units: int) -> Places:
    """Sort arrays by their shapes; nothing is read but single numbers."""
    places, base = Places(), arrays.group(counts)
    for key, one in arrays.fields.items():
        short = key.removeprefix(base)
        if key in taken:
            continue
        if short.startswith(PERIOD) and one.is_number and one.size == 1 and (arrays.flat or not one.shape):
            label = short.removeprefix(PERIOD)
            places.periods[label], places.period_of[label] = arrays.values(key).ravel()[0].item(), key
        elif len(one.shape) in (1, 2) and one.axis != "units" and arrays.rows(key) == n_bins:
            places.rows[short] = key
        elif one.axis != "bins" and arrays.is_vector(key) and arrays.rows(key) == n_units:
            places.columns[short] = key
        else:
            places.odd.append(key)
    return places


def pick_labels(
    arrays: Arrays, places: Places, asked: Any, n_bins: int, kept: NDArray[np.bool_], notes: Notes, *, strict: bool
) -> dict[str, NDArray[Any]]:
    """Read the labels that are asked for, or all that have a value in every row.

    Rows without a value of one that is asked for are taken out of `kept`, an array of shape (T,). Where `strict`, an array that
    fits nowhere is an error.
    """
    if asked is None:
        wanted = dict(places.rows)
        if strict and places.odd:
            raise DataError(
                f"'{places.odd[0]}' has shape {arrays.fields[places.odd[0]].shape}, which is no label of {n_bins} bins; "
                "give it one row a bin or leave it out"
            )
    else:
        wanted = {}
        for name in [] if asked in ("", "none") else names_of(asked):
            if name not in places.rows:
                raise unknown_name("label", name, places.rows)
            wanted[name] = places.rows[name]
    labels: dict[str, NDArray[Any]] = {}
    for short, key in wanted.items():
        values = arrays.values(key)
        plain = values.dtype.kind in "iubUS" or (values.dtype.kind == "f" and np.isfinite(values).all())
        if plain or (strict and asked is None):  # there the recording says what is wrong
            labels[short] = values
            continue
        try:
            values, present = plain_values(values)
        except DataError as error:
            if asked is not None:
                raise DataError(f"{short} cannot be a label: {error}") from None
            notes.skipped.append(f"{key}: {error}")
            continue
        if not present.all():
            lacking = f"no value in {(~present).sum()} of {n_bins} rows"
            if asked is None:
                notes.skipped.append(f"{key}: {lacking}; labels={short} leaves those out instead")
                continue
            notes.skipped.append(f"rows without {short}, which has {lacking}")
            kept &= present
        labels[short] = values
    return labels


def say_unused(arrays: Arrays, places: Places, tables: Mapping[str, str], used: set[str], notes: Notes) -> None:
    """Say of each array that is not used why it is not; `tables` names those that are parts of a table of intervals."""
    said = [entry.partition(": ")[0] for entry in notes.skipped]
    columns = {key: short for short, key in places.columns.items()}
    for key, one in arrays.fields.items():
        if key in used or key in said or key in arrays.trains:
            continue
        if key in tables:
            notes.skipped.append(f"{key}: intervals; segments={tables[key]} makes segments of them")
        elif key in columns:
            notes.skipped.append(f"{key}: one value a unit; units={columns[key]}=VALUE selects by it")
        elif key in places.rows.values():
            notes.skipped.append(f"{key}: a label that was not asked for")
        elif key in places.period_of.values():
            notes.skipped.append(f"{key}: of a label that is not read")
        else:
            notes.skipped.append(f"{key}: shape {one.shape}, which is neither one row a bin nor one value a unit")
    notes.skipped += [
        f"{key}: lists of numbers; spikes={key} counts them as spike times" for key in arrays.trains if key not in used
    ]


ALIASES = {
    "bin_size": ("binsize", "binwidth"),
    "segments": TRIALS,
    "times": tuple(one for one in TIMES if one != "spiketime"),
}
"""Further names of some roles, as `plain_name` returns them."""


@dataclass(frozen=True)
class Titles:
    """Names of the recording and of the file, where the file does not say.

    Parameters
    ----------
    name : str
        Name of the recording.
    file : str
        Name of the file; "" for an object.
    strict : bool
        Whether an array without a place in the recording is an error, rather than skipped.
    """

    name: str
    file: str = ""
    strict: bool = False


@dataclass(frozen=True)
class Roles:
    """Which array is what: its name, or None."""

    counts: str | None
    names: Mapping[str, str]

    def get(self, role: str) -> str | None:
        """Return the array of a role."""
        return self.names.get(role)

    def said(self) -> set[str]:
        """Return the arrays that say something of the recording as a whole."""
        return {self.names[role] for role in ("bin_size", "kind", "name", "source") if role in self.names}


def read_roles(arrays: Arrays, options: Options, *, strict: bool = False) -> Roles:
    """Find the array of each role: as the user says, else by its name, in the group of the counts or at the top.

    Raises
    ------
    UnknownNameError, DataError
        If there is no array of the name that was given, or several.
    """
    counts = None
    if options.counts is not None:
        counts = arrays.find(options.counts, arrays.fields, "array")
    elif "counts" in arrays.fields:
        counts = "counts"
    else:
        nested = [key for key in arrays.fields if arrays.last(key) == "counts"]
        counts = nested[0] if len(nested) == 1 else None
    groups = dict.fromkeys([arrays.group(counts) if counts else "", ""])
    names = {}
    for role in RESERVED[1:]:
        found = []
        for group in groups:
            beside = [key for key in arrays.fields if arrays.group(key) == group and not strict]
            found += [group + role] if group + role in arrays.fields else []
            found += [key for one in ALIASES.get(role, ()) for key in beside if plain_name(arrays.last(key)) == one]
        fitting = [key for key in found if strict or _may_be(role, arrays, counts, key)]
        if fitting:
            names[role] = fitting[0]
    runs = [key for key in ("trial", "trials") if strict and counts is not None and _are_runs(arrays, counts, key)]
    if runs and options.segments is None:
        names.setdefault("segments", runs[0])
    if options.times:
        names["times"] = arrays.find(options.times, arrays.fields, "array")
    if isinstance(options.segments, str) and options.segments not in (WHOLE, ""):
        names.pop("segments", None)  # it may name a table instead
        plain = options.segments.strip(arrays.separator)
        if any(plain in (key, arrays.last(key)) for key in arrays.fields):
            names["segments"] = arrays.find(plain, arrays.fields, "array")
    return Roles(counts, names)


def _may_be(role: str, arrays: Arrays, counts: str | None, name: str) -> bool:
    """Whether an array can have a role; a table may well have a column called "name" that is a label."""
    beside_counts = counts is not None and arrays.rows(name) in arrays.fields[counts].shape
    if role in ("kind", "name", "source"):
        return arrays.fields[name].size == 1 or not beside_counts
    if role == "times" and plain_name(arrays.last(name)) != "time":
        return beside_counts and arrays.is_vector(name) and arrays.fields[name].is_number
    if role != "segments":
        return True
    pieces = arrays.fields[counts].pieces if counts is not None else ()  # of which it may hold one value each
    return (
        beside_counts and arrays.is_vector(name) and (not pieces or arrays.rows(name) != len(pieces))
    )  # else: a table


def _are_runs(arrays: Arrays, counts: str, name: str) -> bool:
    """Whether an array has a whole number for each bin, and bins of one number stand together."""
    one = arrays.fields.get(name)
    if one is None or one.shape != arrays.fields[counts].shape[:1] or not one.is_number:
        return False
    values = one.read()
    return np.array_equal(values, np.rint(values)) and (np.diff(values) != 0).sum() < len(np.unique(values))
