"""Neurodata Without Borders (.nwb), with pynwb: units, trials and other intervals, behaviour, dF/F, band power.

Spike times are counted in bins inside each segment. Columns of the table of intervals, such as ``target_dir``, and behavioural
time series become labels. A file is opened, not loaded: of a table only the columns, of the units only the trains and of a
signal only the samples that are used are read.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..data.recording import Recording
from ..errors import DataError, FileError
from ..extras import need
from ._binned import bin_session
from ._guard import MIB, check_dataset, open_hdf5, parsing
from ._notes import Notes
from ._nwb_file import session_of
from ._session import Session, describe

__all__ = ["SUFFIXES", "opened", "read", "takes"]

SUFFIXES = (".nwb",)
AT_ONCE = 256 * MIB  # bytes of a fact about the session, far more than any library writes


def takes(thing: Any) -> bool:
    """Whether it is a pynwb ``NWBFile``."""
    return any(c.__name__ == "NWBFile" and c.__module__.startswith("pynwb") for c in type(thing).__mro__)


def read(
    source: Any,
    notes: Notes,
    *,
    bin_size: float | None = None,
    segments: Any = None,
    align: Any = None,
    window: Any = None,
    units: Any = None,
    labels: Any = None,
    signal: str | None = None,
    name: str | None = None,
) -> Recording:
    """Read an NWB file, or a pynwb ``NWBFile`` that is open.

    Parameters
    ----------
    source : Path or NWBFile
        The file.
    notes : Notes
        What was found, used and skipped.
    bin_size : float
        Width of a bin in s.
    segments : str or array_like, optional
        Name of a table of intervals ("trials", "epochs", ...), "whole", or starts and ends in s, (n, 2). Default: trials, or
        the only table, or the whole.
    align, window : optional
        Column of times of that table (such as "go_cue_time") or events, and "before,after" in s: a segment is then a window
        around each.
    units : optional
        "quality=good,region=M1|PMd" by columns of the units table (``region`` is the location of the electrodes), names,
        indices or a mask. Default: all.
    labels : str or sequence of str, optional
        Columns of the table and behavioural series; "none" for no labels. Default: all that have a value in every bin.
    signal : str, optional
        Bin this series in place of spikes: dF/F, deconvolved events, band power, LFP.
    name : str, optional
        Name of the recording. Default: that of the file, or the identifier.

    Returns
    -------
    Recording

    Raises
    ------
    FileError
        If it is no whole NWB file, or leads to other files.
    DataError, UnknownNameError, SettingError
        If its contents make no recording, or the choices cannot be met.
    """
    options = {
        "bin_size": bin_size,
        "segments": segments,
        "align": align,
        "window": window,
        "units": units,
        "labels": labels,
        "signal": signal,
        "name": name,
    }
    if not isinstance(source, Path):
        notes.format = "NWB object"
        with parsing(Path(str(source.identifier)), "NWB object"):
            session = session_of(source, {}, str(source.identifier), notes)
            describe(session, notes)
            return bin_session(session, notes, **options)
    with opened(source, notes) as session:
        try:
            return bin_session(session, notes, **options)
        except DataError as error:
            raise DataError(f"{source}: {error}") from None


@contextlib.contextmanager
def opened(path: Path, notes: Notes) -> Iterator[Session]:
    """Open a file as a session, of which nothing but the structure is read until it is asked for.

    Raises
    ------
    FileError
        If it is no whole NWB file, or leads to other files; also for what is raised while it is open.
    """
    pynwb = need("pynwb", "nwb", "reading .nwb files")
    with open_hdf5(path, "NWB file", extra="nwb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pynwb's, about versions of schemas; what matters is in the notes
        version = file.attrs.get("nwb_version")
        if version is None:
            raise FileError(f"{path} is HDF5, but no NWB file: it has no nwb_version; give format='hdf5'")
        notes.format = f"NWB {version.decode() if isinstance(version, bytes) else version}"
        _check_what_is_read_at_once(file)
        with pynwb.NWBHDF5IO(file=file, mode="r", load_namespaces=True) as reader:
            session = session_of(reader.read(), {"file": path.name}, path.stem, notes)
            describe(session, notes)
            yield session


def _check_what_is_read_at_once(file: Any) -> None:
    """Refuse what pynwb reads whole as soon as it opens a file, if it is larger than what is stored can be.

    That are the file's own facts at its root and under ``general``, and the schema that it brings along.
    """
    import h5py

    things = [file.get(name) for name in file]
    for name in ("general", "specifications"):
        if isinstance(file.get(name), h5py.Group):
            file[name].visititems(lambda _, thing: things.append(thing))
    for thing in things:
        if isinstance(thing, h5py.Dataset):
            check_dataset(thing, AT_ONCE)
