"""Files and objects into recordings, and embeddings into files: one module a format, imported when it is needed.

A module of a format holds ``read(source, notes, options) -> Recording``, which reads a path or an object of the library that
the format is of, and names the options of the format in ``OPTIONS``. What it found, used and skipped goes into ``notes`` as it
is learnt, so that it is there even where reading ends with an error. It raises what `read` raises.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..data.recording import Recording, check_steps, warn_if_odd
from ..errors import DataError, FileError, MyowError, unknown_name
from .session import Inspection, Notes, Options

if TYPE_CHECKING:
    from .on_disk import open_recording

__all__ = ["FORMATS", "Inspection", "Notes", "inspect", "open_recording", "read", "suffixes"]

FORMATS: dict[str, tuple[str, ...]] = {
    "npz": (".npz",),
    "table": (".csv", ".tsv", ".parquet"),
    "hdf5": (".h5", ".hdf5"),
    "mat": (".mat",),
    "nwb": (".nwb",),
    "xarray": (".nc",),
    "pynapple": (),  # .npz is NumPy's; a file that pynapple saved is known by what it holds
    "neo": (),  # the endings that Neo knows and no other reader has
    "sorted_folders": (),  # folders, known by the files in them
}
"""Formats, by the name of their module, and the endings of their files."""

OBJECTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "pynwb": ("nwb", ("NWBFile",)),
    "pynapple": ("pynapple", ()),
    "neo": ("neo", ("Block", "Segment")),
    "xarray": ("xarray", ("DataArray", "Dataset")),
    "pandas": ("spikes", ("DataFrame",)),
    "numpy": ("spikes", ("ndarray",)),
}
"""Libraries whose objects can be read, with the module that does, and the classes; any class where none is named."""


def suffixes() -> list[str]:
    """Endings of the files that can be read."""
    return sorted(suffix for endings in FORMATS.values() for suffix in endings)


def __getattr__(name: str) -> Any:
    """Import `open_recording` when it is asked for."""
    if name == "open_recording":
        from .on_disk import open_recording

        return open_recording
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def read(source: Any, *, bin_size: float | None = None, format: str | None = None, **options: Any) -> Recording:
    """Read a recording from a file or from an object of another library.

    Parameters
    ----------
    source : path-like or object
        The file, whose ending says how; a folder of Kilosort, phy or suite2p; such an object; an array of counts, shape (T, N),
        or a DataFrame.
    bin_size : float, optional
        Width of a bin in s, where the source does not say.
    format : str, optional
        Name of a module in `myow.io`, where the ending does not say how to read.
    **options
        Those of the format, which are among those below.

    Other Parameters
    ----------------
    counts : str, optional
        Name of the array of counts, such as "session/counts", or of the column of counts of a table with a row a bin and unit.
        Default: "counts". Named arrays and tables only.
    spikes : str, optional
        Name of the spike times, where several arrays could be meant. HDF5 and MATLAB only.
    signal : str, optional
        Name of a continuous signal to bin in place of spikes, such as dF/F, deconvolved events or band power. NWB, pynapple and
        Neo only.
    segments : str or array_like, optional
        Name of a table of intervals or of an array of segment numbers, "whole", a number a bin, or starts and ends in s, (n, 2).
        Default: trials, or the only table, or the whole.
    align, window : optional
        Name of times (a column of the table, or events) or times in s, and "before,after" in s: a segment is then a window around
        each time.
    times : str, optional
        Name of the array of times in s. Default: "times" or "time". Named arrays and tables only.
    kind : {"counts", "continuous"}, optional
        Default: as the source says, else counts. Named arrays and tables only.
    units : str, sequence or mask, optional
        "quality=good,region=M1|PMd" by what is known of the units, or names, indices or a mask. Default: all. Of a table with a
        row a bin: names of columns, or a pattern for them such as "n*".
    labels : str or sequence of str, optional
        Labels to keep; "none" for none. Default: all that have a value in every bin. Bins without a value of one that is named are
        left out.
    transpose : bool, optional
        Whether counts are stored as (N, T). Default: as their times, segments, names of units or lengths of trials say, else no.
        NumPy archives, HDF5 and MATLAB only.
    name : str, optional
        Name of the recording. Default: that in the source, else the file's.
    sampling_rate : float, optional
        Samples a second, where spike times are numbers of samples, as those of Kilosort and phy. Named arrays and tables only.
    io : str, optional
        Class in ``neo.io`` that reads the file, where its ending fits several. Neo only.

    Returns
    -------
    Recording
        Its ``source`` says what was used and what was skipped.

    Raises
    ------
    FileError
        If the file is missing, damaged or of a format that cannot be read.
    DataError
        If its contents make no recording.
    UnknownNameError
        If the format has no such option.
    """
    recording = _read(source, Notes(), format, options | {"bin_size": bin_size})
    warn_if_odd(recording)
    return recording


def inspect(source: Any, *, bin_size: float | None = None, format: str | None = None, **options: Any) -> Inspection:
    """Say what a file or object holds, and what reading it with these options would use and skip.

    Parameters
    ----------
    source, bin_size, format, **options
        As for `read`.

    Returns
    -------
    Inspection
        Where reading needs more, such as a bin width, it says what.

    Raises
    ------
    FileError
        If the file is missing, damaged or of a format that cannot be read.
    """
    notes = Notes()
    name = str(source) if isinstance(source, (str, os.PathLike)) else type(source).__name__
    try:
        recording = _read(source, notes, format, options | {"bin_size": bin_size})
    except FileError:
        raise
    except MyowError as error:
        if not notes.found:
            raise
        return Inspection(name, notes, problem=str(error))
    return Inspection(name, notes, recording)


def _read(source: Any, notes: Notes, format: str | None, options: Mapping[str, Any]) -> Recording:
    if isinstance(source, str) and "://" in source:
        raise FileError(f"{source} is an address, which is not opened; download the file and give its path")
    if isinstance(source, (str, os.PathLike)):
        source = Path(source)
    module = _module(source, format)
    kind = format or (source.suffix.lower() if isinstance(source, Path) else type(source).__name__)
    for option in options:
        if option not in module.OPTIONS:
            what = f"option of {kind} {'files' if isinstance(source, Path) else 'objects'}"
            raise unknown_name(what, option, module.OPTIONS)
    where = str(source) if isinstance(source, Path) else "the object"
    try:
        recording: Recording = module.read(source, notes, Options(**options))
    except DataError as error:
        raise error if str(error).startswith(where) else DataError(f"{where}: {error}") from None
    if options.get("bin_size") is not None and "times" in module.OPTIONS:
        try:
            check_steps(recording.times, recording.segments, recording.bin_size)
        except DataError as error:
            raise DataError(f"{where}: {error}") from None
    return replace(recording, source={**recording.source, **notes.provenance()})


def _module(source: Any, format: str | None) -> ModuleType:
    """Import the module that reads a path or object."""
    if format is not None and format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    if not isinstance(source, Path):
        found = _of_object(source)
        if found is None or format not in (None, found):
            kind = f"{type(source).__module__}.{type(source).__name__}"
            raise FileError(
                f"a {kind} cannot be read; give the path of a file, or an object of {', '.join(sorted(OBJECTS))}; spike times "
                "in memory go into myow.Recording.from_spikes"
            )
        return importlib.import_module(f".{found}", __name__)
    if source.is_dir():
        module = importlib.import_module(".sorted_folders", __name__)
        if not module.holds(source):
            raise FileError(
                f"{source} is a folder, and holds neither {module.PHY[0]} and {module.PHY[1]} (Kilosort, phy) nor F.npy and "
                "iscell.npy (suite2p); give the path of a file"
            )
        return module
    name = format or _of_path(source)
    if name is None:
        module = importlib.import_module(".neo", __name__)
        if not module.reads(source):
            hint = "; numpy.savez writes counts and bin_size into one .npz" if source.suffix == ".npy" else ""
            raise FileError(f"{source} cannot be read: its ending must be one of {', '.join(suffixes())}{hint}")
    else:
        module = importlib.import_module(f".{name}", __name__)
    if not source.is_file():
        raise FileError(f"there is no file {source}; check the path")
    return module


def _of_path(path: Path) -> str | None:
    """Name of the format of a file: by its ending, but for what pynapple saved."""
    ending = path.suffix.lower()
    found = next((name for name, endings in FORMATS.items() if ending in endings), None)
    if found == "npz":
        from .npz import holds_pynapple

        return "pynapple" if holds_pynapple(path) else found
    return found


def _of_object(thing: Any) -> str | None:
    """Name of the format of an object, by its class; a dict may hold objects of pynapple."""
    if type(thing) is dict:
        return "pynapple" if {_of_object(value) for value in thing.values()} == {"pynapple"} else None
    for kind in type(thing).__mro__:
        module, classes = OBJECTS.get(kind.__module__.split(".")[0], (None, ()))
        if module and (not classes or kind.__name__ in classes):
            return module
    return None
