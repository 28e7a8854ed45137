"""MATLAB files (.mat) of version 5 to 7.3: arrays by name, spike times with trials, and the raw reaching sessions.

Arrays in structs are called ``data.counts``. A cell array of vectors is spike times; of text, names; of matrices of one width, pieces
of one array, a piece a segment. Which version it is, its first bytes say. What the names mean is in `myow.readers._arrays` and
`myow.readers._array_session`; a file with ``trial_table`` and ``out_struct`` is a raw reaching session.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.recording import Recording
from ..errors import DataError, FileError
from ._array_roles import Options, Titles
from ._array_session import read_arrays
from ._binned import bin_session
from ._fields import Allowance, Arrays
from ._guard import open_hdf5, parsing
from ._mat5 import arrays_of_mat5
from ._mat73 import arrays_of_mat73
from ._notes import Notes
from ._reaching import RawSession, raw_session, session_of_raw
from ._session import describe

__all__ = ["SUFFIXES", "read", "read_raw"]

SUFFIXES = (".mat",)

HDF5 = b"\x89HDF\r\n\x1a\n"


def read(
    path: Path,
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
    transpose: Any = False,
    spikes: str | None = None,
    align: Any = None,
    window: Any = None,
) -> Recording:
    """Read a .mat file.

    Parameters
    ----------
    path : Path
        The file.
    notes : Notes
        What was found, used and skipped.
    bin_size : float, optional
        Width of a bin in s, where the file does not say.
    counts, times : str, optional
        Names of arrays that are called otherwise, such as "data.counts".
    segments : str or array_like, optional
        Name of the array of segment numbers or of intervals (``trial_start`` and ``trial_stop`` are "trials"), "whole", a
        number a bin, or starts and ends in s, (n, 2).
    kind : {"counts", "continuous"}, optional
        Default: as the file says, else counts.
    units : optional
        "quality=good,region=M1|PMd" by arrays of N values, names, indices or a mask. Default: all.
    labels : str or sequence of str, optional
        Labels to keep; "none" for none. Default: all that have a value in every bin. Bins without a value of one that is named are
        left out.
    name : str, optional
        Name of the recording. Default: that in the file, else the file's.
    transpose : bool, optional
        Whether counts are stored as (N, T).
    spikes : str, optional
        Name of the spike times.
    align, window : optional
        Name of an array of times, or times in s, and "before,after" in s: a segment is then a window around each.

    Returns
    -------
    Recording

    Raises
    ------
    FileError
        If the file is no whole MATLAB file.
    DataError, UnknownNameError, SettingError
        If its contents make no recording, or the options cannot be met.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from scipy.io import savemat
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "session.mat"
    >>> savemat(path, {"data": {"counts": [[0, 1], [2, 0]], "direction": [3, 3]}})
    >>> read(path, Notes(), bin_size=0.1).labels["direction"].tolist()
    [3, 3]
    """
    options = Options(bin_size, counts, segments, times, kind, units, labels, name, transpose, spikes, align, window)
    if not _is_hdf5(path):
        notes.format = "MATLAB 5"
        return _read(arrays_of_mat5(path, notes), notes, options, path)
    notes.format = "MATLAB 7.3"
    with open_hdf5(path, "MATLAB file", limit=1 << 29) as file:
        return _read(arrays_of_mat73(file, Allowance(path), notes), notes, options, path)


def read_raw(path: Path) -> RawSession:
    """Read a raw reaching session, whichever version of MATLAB wrote it.

    Raises
    ------
    FileError
        If it is damaged or not laid out so.
    """
    try:
        if not _is_hdf5(path):
            return raw_session(arrays_of_mat5(path, Notes()), path)
        with open_hdf5(path, "MATLAB file", limit=1 << 29) as file:
            return raw_session(arrays_of_mat73(file, Allowance(path), Notes()), path)
    except FileError as error:
        raise FileError(f"{error}; it cannot be read as a raw session") from None


def _is_hdf5(path: Path) -> bool:
    with parsing(path, "MATLAB file"), path.open("rb") as file:
        head = file.read(520)
    return head.startswith(HDF5) or head[512:] == HDF5


def _read(arrays: Arrays, notes: Notes, options: Options, path: Path) -> Recording:
    raw = "trial_table" in arrays.fields and any(
        key.startswith("out_struct.") for key in [*arrays.fields, *arrays.trains]
    )
    if not raw or options.counts or options.spikes:
        with parsing(path, "MATLAB file"):
            return read_arrays(arrays, notes, options, Titles(path.stem, path.name), path)
    notes.format += ", a raw reaching session"
    session = session_of_raw(raw_session(arrays, path), path, notes)
    describe(session, notes)
    try:
        recording = bin_session(
            session,
            notes,
            bin_size=options.bin_size,
            segments=options.segments,
            align=options.align,
            window=options.window,
            units=options.units,
            labels=options.labels,
            name=options.name,
        )
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return replace(recording, periods={"direction": 8} if "direction" in recording.labels else {})
