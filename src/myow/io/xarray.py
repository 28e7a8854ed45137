"""Labelled arrays of xarray, and NetCDF files."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from ..errors import DataError, FileError, MyowError, need, unknown_name
from .array_session import read_arrays
from .named_arrays import PERIOD, Arrays, Field, Titles, at_hand
from .session import OF_ARRAYS, Notes, Options
from .untrusted import check_dataset, open_hdf5, parsing

__all__ = ["OPTIONS", "read"]

TIME = frozenset(["time", "bin", "sample", "frame", "timestep", "t"])
UNIT = frozenset(["unit", "neuron", "cell", "channel", "cluster", "electrode", "roi", "node"])
OUTER = frozenset(["trial", "segment", "epoch", "session", "condition", "repeat", "stimulus"])
HONOURED = ("bin_size", "bin_width", "kind", "name", "source")
SECONDS = {"s": 1, "sec": 1, "ms": 1e-3, "msec": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60, "h": 3600}
SECONDS |= {
    "second": 1,
    "millisecond": 1e-3,
    "microsecond": 1e-6,
    "nanosecond": 1e-9,
    "minute": 60,
    "hour": 3600,
    "day": 86400,
}


def _arrays(dataset: Any, options: Options, notes: Notes, *, file: Any = None) -> tuple[Arrays, Options]:
    """Return variables as arrays, and the options with their names as these arrays have them.

    Rows are in the order of time; with segments as a dimension, one segment after the other. What lacks a dimension of the rows
    is the same along it.
    """
    try:
        name = _find_counts(dataset, options.counts)
        counts = dataset[name]
        time, unit, outer = _dimensions(counts, name, notes)
    except MyowError:  # all there is to say then is what there is
        notes.found += [f"{key} {tuple(one.sizes.items())} {one.dtype}" for key, one in dataset.variables.items()]
        raise
    rows = (*outer, time)
    n_rows = math.prod(dataset.sizes[dim] for dim in rows)

    def field(key: str, variable: Any, dims: tuple[str, ...], axis: Literal["bins", "units", ""] = "") -> Field:
        sizes = {dim: int(dataset.sizes[dim]) for dim in dims}
        inner = [size for dim, size in sizes.items() if dim not in rows]
        shape = (n_rows, *inner) if axis == "bins" else tuple(sizes.values())

        def read() -> NDArray[Any]:
            if file is not None and key in file:
                check_dataset(file[key])
            return _seconds(variable.set_dims(sizes).values.reshape(shape), variable, key == time)

        return Field(shape, "float64" if variable.dtype.kind in "mM" else str(variable.dtype), read, axis=axis)

    fields = {name: field(name, counts.variable, (*rows, unit), "bins")}
    for key in dataset.attrs | counts.attrs:
        if key in HONOURED or str(key).startswith(PERIOD):
            fields.setdefault(str(key), at_hand({**dataset.attrs, **counts.attrs}[key]))
    for key, variable in dataset.variables.items():
        if key == name:
            continue
        dims, short = variable.dims, str(key)
        if key == time and _are_places(time, variable):
            notes.skipped.append(f"{key}: numbers of bins, which are no times")
        elif dims == (unit,):
            fields["units" if key == unit else short] = field(short, variable, dims, "units")
        elif time in dims and unit not in dims and len(set(dims) - set(rows)) < 2:
            inner = [dim for dim in dims if dim not in rows]
            fields["times" if key == time else short] = field(short, variable, (*rows, *inner), "bins")
        elif outer and dims == tuple(outer):
            fields["segments" if key == outer[0] else short] = field(short, variable, rows, "bins")
        else:
            fields[short] = field(short, variable, dims)
        if "period" in variable.attrs:
            fields.setdefault(PERIOD + short, at_hand(variable.attrs["period"]))
    if outer and "segments" not in fields:
        fields["segments"] = at_hand(np.repeat(np.arange(dataset.sizes[outer[0]]), dataset.sizes[time]))
    times = "times" if options.times == time else options.times
    return Arrays(fields), replace(options, counts=name, times=times)


def _find_counts(dataset: Any, asked: str | None) -> str:
    known = [str(name) for name in dataset.data_vars]
    if asked is not None:
        if asked not in known:
            raise unknown_name("variable", asked, known)
        return asked
    if "counts" in known:
        return "counts"
    fitting = [name for name in known if dataset[name].ndim > 1 and any(_is(d, UNIT, TIME) for d in dataset[name].dims)]
    if len(fitting) != 1:
        raise DataError(
            f"there is no variable 'counts', only {', '.join(known[:20]) or 'none'}; say which has time and units with counts=NAME"
        )
    return fitting[0]


def _is(dim: Any, words: frozenset[str], others: frozenset[str]) -> bool:
    """Whether the name of a dimension, such as time_bin or neuronId, has one of some words in it, and none of others."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(dim)).lower()
    held = {part.removesuffix("s") for part in re.split(r"[^a-z0-9]|_", parts)}
    return bool(held & words) and not held & others


def _are_places(time: str, variable: Any) -> bool:
    """Whether the coordinate of a dimension such as time_bin numbers the bins, rather than says when they are."""
    return (
        _is(time, TIME - {"time", "t"}, frozenset())
        and variable.dtype.kind in "iu"
        and bool((np.diff(variable.values) == 1).all())
    )


def _dimensions(counts: Any, name: str, notes: Notes) -> tuple[str, str, tuple[str, ...]]:
    """Return the dimensions of time, of units, and that of segments, if there is one."""
    dims = [str(dim) for dim in counts.dims]
    times, units = [d for d in dims if _is(d, TIME, UNIT)], [d for d in dims if _is(d, UNIT, TIME)]
    rest = [d for d in dims if d not in times + units]
    if len(dims) == 2 and len(rest) == 1 and not _is(rest[0], OUTER, UNIT):  # the other one says what it is
        times, units = times or rest, units or rest
        notes.used.append(f"dimension {rest[0]}: taken for {'time' if times == rest else 'units'}")
    elif dims == ["dim_0", "dim_1"]:  # which xarray gives where nobody does
        times, units = dims[:1], dims[1:]
        notes.used.append("dimensions without names: the first taken for time, the second for units")
    if len(dims) not in (2, 3) or len(times) != 1 or len(units) != 1:
        raise DataError(
            f"{name} has dimensions ({', '.join(dims)}); it must have one of time (called {', '.join(sorted(TIME))}, or time_bin and "
            f"the like), one of units ({', '.join(sorted(UNIT))}), and a third one at most, such as trial; "
            "rename them: array.rename(OLD='time')"
        )
    return times[0], units[0], tuple(d for d in dims if d not in (times[0], units[0]))


def _seconds(values: NDArray[Any], variable: Any, is_time: bool) -> NDArray[Any]:
    """Return times in s: durations are converted, dates count from the first one, and a unit of measure is honoured."""
    if values.dtype.kind == "M":
        values = values - values.ravel()[0]
    if values.dtype.kind == "m":
        return np.asarray(values / np.timedelta64(1, "s"))
    word = str(variable.attrs.get("units", "s")).partition(" ")[0].lower()
    scale = SECONDS.get(word, SECONDS.get(word.rstrip("s"), 1)) if is_time else 1
    return values * scale if scale != 1 else values


OPTIONS = OF_ARRAYS
"""Options that this format has; `myow.read` describes them."""


def read(source: Any, notes: Notes, options: Options) -> Recording:
    """Read an xarray object, or a NetCDF file.

    Examples
    --------
    >>> import xarray as xr
    >>> counts = xr.DataArray([[0, 1], [2, 0]], dims=("unit", "time"), coords={"direction": ("time", [3, 5])})
    >>> rec = read(counts, Notes(), Options(bin_size=0.1))
    >>> rec.counts.tolist(), rec.labels["direction"].tolist()
    ([[0, 2], [1, 0]], [3, 5])
    """
    if isinstance(source, Path):
        return _read_file(source, notes, options)
    notes.format = f"xarray {type(source).__name__}"
    title = str(getattr(source, "name", None) or "")
    with parsing(Path("the object"), "xarray object"):
        dataset = source if hasattr(source, "data_vars") else _as_dataset(source)
        arrays, options = _arrays(dataset, options, notes)
        return read_arrays(arrays, notes, options, Titles(title))


def _as_dataset(array: Any) -> Any:
    if array.name in array.coords:
        raise DataError(f"the array and one of its coordinates are both called {array.name}; rename one")
    dataset = array.to_dataset(name="counts")
    return dataset.assign_attrs(array.attrs)


def _read_file(path: Path, notes: Notes, options: Options) -> Recording:
    xarray = need("xarray", "xarray", "reading .nc files")
    need("h5netcdf", "xarray", "reading .nc files")
    notes.format = "NetCDF 4"
    with parsing(path, "NetCDF file"), path.open("rb") as start:
        if start.read(3) == b"CDF":
            raise FileError(
                f"{path} is a NetCDF file of the classic format; write it with engine='h5netcdf' or as NetCDF 4"
            )
    with open_hdf5(path, "NetCDF file", extra="xarray") as file:
        for key in file:
            if hasattr(file[key], "keys"):
                notes.skipped.append(f"group {key}: only what stands at the top is read")
            elif len(file[key].shape or ()) == 1:  # coordinates are read when it is opened
                check_dataset(file[key])
        with xarray.open_dataset(path, engine="h5netcdf", decode_times=False, decode_timedelta=False) as dataset:
            arrays, options = _arrays(dataset, options, notes, file=file)
            return read_arrays(arrays, notes, options, Titles(path.stem, path.name))
