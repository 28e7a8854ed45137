"""Named arrays of a file: which of them are counts, times, segments and labels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording, check_bin_size
from ..errors import DataError, unknown_name
from .binned import plain_values
from .fields import Arrays, find_tables, truth
from .session import WHOLE, Columns, Notes, choose_units, names_of

__all__ = [
    "PERIOD",
    "RESERVED",
    "Options",
    "Places",
    "Roles",
    "Titles",
    "find_places",
    "pick_labels",
    "read_binned",
    "read_kind",
    "read_name",
    "read_roles",
    "read_source",
    "read_width",
    "say_unused",
]

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

    Rows without a value of one that is asked for are taken out of `kept`, an array of shape (T,).

    Raises
    ------
    UnknownNameError
        If one that is asked for is not there.
    DataError
        If it can be no label; where `strict`, also if any array fits nowhere.
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
        else:
            notes.skipped.append(f"{key}: shape {one.shape}, which is neither one row a bin nor one value a unit")
    notes.skipped += [f"{key}: lists of numbers; spikes={key} counts them as spike times" for key in arrays.trains]


ALIASES = {
    "counts": ("counts",),
    "bin_size": ("bin_size", "bin_width"),
    "segments": ("segments", "segment", "trials", "trial"),
    "times": ("times", "time"),
    "kind": ("kind",),
    "units": ("units",),
    "name": ("name",),
    "source": ("source",),
}


@dataclass(frozen=True)
class Options:
    """Options of the user; each is described where a format's ``read`` takes it."""

    bin_size: float | None = None
    counts: str | None = None
    segments: Any = None
    times: str | None = None
    kind: str | None = None
    units: Any = None
    labels: Any = None
    name: str | None = None
    transpose: Any = False
    spikes: str | None = None
    align: Any = None
    window: Any = None


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


def read_roles(arrays: Arrays, options: Options, *, strict: bool = False) -> Roles:
    """Find the array of each role: as the user says, else by its name, in the group of the counts or at the top.

    Raises
    ------
    UnknownNameError, DataError
        If there is no array of the name that was given, or several.
    """
    aliases = {role: (role,) for role in ALIASES} if strict else ALIASES
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
    if role in ("kind", "name", "source"):
        field = arrays.fields[name]
        return field.size == 1 or counts is None or arrays.rows(name) not in arrays.fields[counts].shape
    return role != "segments" or _fits(arrays, counts, name)


def _fits(arrays: Arrays, counts: str | None, name: str) -> bool:
    """Whether an array has a number a bin; else it may be a table of intervals."""
    return counts is not None and arrays.is_vector(name) and arrays.rows(name) in arrays.fields[counts].shape


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


def read_kind(arrays: Arrays, roles: Roles, options: Options) -> Any:
    """Return whether it holds counts or a continuous signal."""
    return options.kind if options.kind is not None else _scalar(arrays, roles.get("kind"), "counts")


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
    value = arrays.values(name).ravel()[0]
    value = value.item() if isinstance(value, np.generic) else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


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
    if truth("transpose", options.transpose):
        counts = counts.T
    n_bins, n_units = counts.shape if counts.ndim == 2 else (len(counts) if counts.ndim else 0, 0)
    width = read_width(arrays, roles, options)
    used = {
        roles.counts,
        *(roles.names[role] for role in ("bin_size", "kind", "name", "source") if role in roles.names),
    }
    times = _times(arrays, roles, counts.shape, used)
    segments, kept = _segments(arrays, roles, options, n_bins, used, notes, titles.strict)
    taken = {roles.counts, *roles.names.values(), *apart}
    places = find_places(arrays, roles.counts, taken, n_bins, n_units)
    labels = pick_labels(arrays, places, options.labels, n_bins, kept, notes, strict=titles.strict)
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
    say_unused(arrays, places, tables, used, notes)
    return Recording(
        counts,
        bin_size=width,
        times=times,  # type: ignore[arg-type]
        segments=segments,  # type: ignore[arg-type]
        labels=labels,
        kind=read_kind(arrays, roles, options),
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
    values = [
        v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in arrays.values(name).ravel().tolist()
    ]
    if len(values) != n_units:
        raise DataError(f"{name} names {len(values)} units, but counts have {n_units} columns; give one name a column")
    return tuple(values)
