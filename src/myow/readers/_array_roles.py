"""What the user says about named arrays, and which of them is what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from ._choices import WHOLE
from ._fields import Arrays

__all__ = ["Options", "Roles", "Titles", "read_kind", "read_name", "read_roles", "read_source", "read_width"]

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
    """What the user says about the arrays; each is described where a format's ``read`` takes it."""

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
    """What the file is called where it does not say.

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
