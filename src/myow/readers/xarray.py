"""Xarray: a ``DataArray`` or ``Dataset`` with time and units as dimensions, and the NetCDF files (.nc) that they write.

======================  =================================================================================================
``counts``              with the dimensions time and unit in any order; or the only variable that has both. With a third
                        one, such as trial, each of its entries is a segment
coordinate of time      start of the bin in s
coordinate of units     their names
along time              ``segment`` is the segment of each bin, others are labels
along units             what units can be selected by
attributes              ``bin_size``, ``kind``, ``name``, ``source``; ``period`` of a label that is cyclic
======================  =================================================================================================
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..data.recording import Recording
from ..errors import DataError, FileError
from ..extras import need
from ._array_roles import Options, Titles
from ._array_session import read_arrays
from ._fields import Allowance
from ._guard import check_dataset, open_hdf5, parsing
from ._notes import Notes
from ._xarray_fields import arrays_of_dataset

__all__ = ["SUFFIXES", "read", "takes"]

SUFFIXES = (".nc",)


def takes(thing: Any) -> bool:
    """Whether it is a DataArray or a Dataset."""
    ours = ("DataArray", "Dataset")
    return any(c.__name__ in ours and c.__module__.split(".")[0] == "xarray" for c in type(thing).__mro__)


def read(
    source: Any,
    notes: Notes,
    *,
    bin_size: float | None = None,
    counts: str | None = None,
    segments: Any = None,
    times: str | None = None,
    kind: str | None = None,
    units: Any = None,
    labels: Any = None,
    name: str | None = None,
    align: Any = None,
    window: Any = None,
) -> Recording:
    """Read an xarray object, or a NetCDF file.

    Parameters
    ----------
    source : DataArray, Dataset or Path
        What to read.
    notes : Notes
        What was found, used and skipped.
    bin_size : float, optional
        Width of a bin in s, where no attribute says so.
    counts : str, optional
        Variable that holds the counts.
    segments : str or array_like, optional
        Variable that holds the segment of each bin, "whole", a number a bin, or starts and ends in s, (n, 2).
    times : str, optional
        Variable that holds the times.
    kind : {"counts", "continuous"}, optional
        Default: as an attribute says, else counts.
    units : optional
        "region=M1|PMd" by variables along units, names, indices or a mask. Default: all.
    labels : str or sequence of str, optional
        Labels to keep; "none" for none. Default: all that have a value in every bin. Bins without a value of one that is named are
        left out.
    name : str, optional
        Name of the recording. Default: as an attribute says, else that of the file or array.
    align, window : optional
        Name of a variable of times, or times in s, and "before,after" in s: a segment is then a window around each.

    Returns
    -------
    Recording

    Raises
    ------
    FileError
        If a file is damaged, leads to other files, or promises more than it can hold.
    DataError, UnknownNameError, SettingError
        If it makes no recording, or the options cannot be met.

    Examples
    --------
    >>> import xarray as xr
    >>> counts = xr.DataArray([[0, 1], [2, 0]], dims=("unit", "time"), coords={"direction": ("time", [3, 5])})
    >>> rec = read(counts, Notes(), bin_size=0.1)
    >>> rec.counts.tolist(), rec.labels["direction"].tolist()
    ([[0, 2], [1, 0]], [3, 5])
    """
    options = Options(bin_size, counts, segments, times, kind, units, labels, name, False, None, align, window)
    if isinstance(source, Path):
        return _read_file(source, notes, options)
    notes.format = f"xarray {type(source).__name__}"
    title = str(getattr(source, "name", None) or "")
    with parsing(Path("the object"), "xarray object"):
        dataset = source if hasattr(source, "data_vars") else _as_dataset(source)
        return _finish(dataset, notes, options, Titles(title), "the object")


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
    allowed = Allowance(path)
    with open_hdf5(path, "NetCDF file", extra="xarray", limit=1 << 29) as file:
        for key in file:
            if hasattr(file[key], "keys"):
                notes.skipped.append(f"group {key}: only what stands at the top is read")
            elif len(file[key].shape or ()) == 1:  # coordinates are read when it is opened
                check_dataset(file[key], allowed.left)
        with xarray.open_dataset(path, engine="h5netcdf", decode_times=False, decode_timedelta=False) as dataset:
            return _finish(dataset, notes, options, Titles(path.stem, path.name), path, file=file, allowed=allowed)


def _finish(
    dataset: Any, notes: Notes, options: Options, titles: Titles, where: Path | str, **limits: Any
) -> Recording:
    try:
        arrays, options = arrays_of_dataset(dataset, options, notes, **limits)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    return read_arrays(arrays, notes, options, titles, where)
