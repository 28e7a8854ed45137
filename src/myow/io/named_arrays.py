"""Named arrays of a file, read when they are asked for: which of them are counts, times, segments, labels, events and spikes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording, check_bin_size
from ..errors import DataError, unknown_name
from .binned import plain_values
from .session import WHOLE, Columns, Intervals, Notes, Options, Units, as_text, choose_units, names_of

__all__ = [
    "LONGEST",
    "PERIOD",
    "RESERVED",
    "Arrays",
    "Field",
    "Roles",
    "Table",
    "Titles",
    "add_cells",
    "at_hand",
    "find_events",
    "find_places",
    "find_tables",
    "find_trains",
    "pair_spikes",
    "read_binned",
    "read_name",
    "read_roles",
    "read_source",
    "read_width",
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
            shape = (len(cells),)
            arrays.fields[name] = Field(
                shape, cells[0].dtype, lambda: np.concatenate([one.read() for one in cells], axis=None)
            )
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


def _truth(option: str, value: Any) -> bool:
    """Return what an option says that is yes or no, from the command line too."""
    text = str(value).lower()
    if text not in ("true", "yes", "1", "false", "no", "0", "none", ""):
        raise DataError(f"{option} is {value!r}; it must be true or false")
    return text in ("true", "yes", "1")


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
        trains = np.split(times[order], first[1:])
        arrays.trains[key] = Units(tuple(str(one) for one in names.tolist()), trains.__getitem__)
        found |= {key, owner}
    return found


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


def _pick_labels(
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


def _say_unused(arrays: Arrays, places: Places, tables: Mapping[str, str], used: set[str], notes: Notes) -> None:
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
        else:
            notes.skipped.append(f"{key}: shape {one.shape}, which is neither one row a bin nor one value a unit")
    notes.skipped += [f"{key}: lists of numbers; spikes={key} counts them as spike times" for key in arrays.trains]


ALIASES = {role: (role,) for role in RESERVED} | {
    "bin_size": ("bin_size", "bin_width"),
    "segments": ("segments", "segment", "trials", "trial"),
    "times": ("times", "time"),
}


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
    aliases = {role: (role,) for role in RESERVED} if strict else ALIASES
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
    for role, known in aliases.items():
        found = [group + alias for group in groups for alias in known if group + alias in arrays.fields]
        if role != "counts" and found and (strict or _may_be(role, arrays, counts, found[0])):
            names[role] = found[0]
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
    return role != "segments" or (beside_counts and arrays.is_vector(name))  # else it may be a table of intervals


def read_width(arrays: Arrays, roles: Roles, options: Options) -> float:
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


def read_name(arrays: Arrays, roles: Roles, options: Options, titles: Titles) -> str:
    """Return the name of the recording."""
    return str(options.name if options.name is not None else _scalar(arrays, roles.get("name"), titles.name))


def read_source(arrays: Arrays, roles: Roles, titles: Titles) -> dict[str, str]:
    """Return where it comes from."""
    found = {"file": titles.file} if titles.file else {}
    try:
        stored = json.loads(str(_scalar(arrays, roles.get("source"), "{}")))
        return {**found, **{str(k): str(v) for k, v in stored.items()}}
    except (ValueError, AttributeError, RecursionError):
        raise DataError("'source' must be a JSON object in a string; leave it out") from None


def _scalar(arrays: Arrays, name: str | None, default: Any) -> Any:
    if name is None:
        return default
    if arrays.fields[name].size != 1:
        raise DataError(f"'{name}' has shape {arrays.fields[name].shape}; it must be a single value")
    value = arrays.values(name).ravel().tolist()[0]
    return as_text(value) if isinstance(value, bytes) else value


def read_binned(
    arrays: Arrays, roles: Roles, notes: Notes, options: Options, titles: Titles, apart: Set[str] = frozenset()
) -> Recording:
    """Make a recording of arrays that have a row a bin; those named in `apart` have a place elsewhere.

    Raises
    ------
    DataError
        If the counts are missing, or an array has a wrong shape or values that cannot be.
    """
    if roles.counts is None:
        listed = ", ".join(sorted([*arrays.fields, *arrays.trains])[:20]) or "nothing"
        raise DataError(f"there is no array 'counts', only {listed}; store counts (T, N), or give counts=NAME")
    counts = arrays.fields[roles.counts].read()
    if arrays.flat and counts.ndim == 1:  # of one unit, inside of a struct of MATLAB 7.3
        counts = counts[:, None]
    if _truth("transpose", options.transpose):
        counts = counts.T
    n_bins, n_units = counts.shape if counts.ndim == 2 else (len(counts) if counts.ndim else 0, 0)
    width = read_width(arrays, roles, options)
    used = {roles.counts} | roles.said()
    times = _times(arrays, roles, counts.shape, used)
    segments, kept = _segments(arrays, roles, options, n_bins, used, notes, titles.strict)
    taken = {roles.counts, *roles.names.values(), *apart}
    places = find_places(arrays, roles.counts, taken, n_bins, n_units)
    labels = _pick_labels(arrays, places, options.labels, n_bins, kept, notes, strict=titles.strict)
    periods = {name: value for name, value in places.periods.items() if titles.strict or name in labels}
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
    used |= apart
    notes.used += [key for key in arrays.fields if key in used - {roles.counts, *places.rows.values()}]
    tables = {key: name for name, table in find_tables(arrays).items() for key in table.pieces}
    _say_unused(arrays, places, tables, used, notes)
    return Recording(
        counts,
        bin_size=width,
        times=times,  # type: ignore[arg-type]
        segments=segments,  # type: ignore[arg-type]
        labels=labels,
        kind=_scalar(arrays, roles.get("kind"), "counts") if options.kind is None else options.kind,  # type: ignore[arg-type]
        periods=periods,
        units=units,
        name=read_name(arrays, roles, options, titles),
        source=read_source(arrays, roles, titles),
    )


def _times(arrays: Arrays, roles: Roles, shape: tuple[int, ...], used: set[str]) -> NDArray[Any] | None:
    name = roles.get("times")
    if name is None:
        return None
    used.add(name)
    times = arrays.values(name)
    if len(shape) == 2 and times.ndim == 1 and len(times) == shape[1] != shape[0]:
        raise DataError(
            f"times have shape {times.shape}, but {roles.counts} has shape {shape}; if that is (units, bins), give transpose=true"
        )
    return times


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
