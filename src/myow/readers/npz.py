"""NumPy archives (.npz): arrays by name, the simplest way to bring a recording along.

=================  ==================================================================================
``counts``         (T, N), spike counts, or any signal with ``kind`` "continuous"
``bin_size``       number of seconds; may be given when reading instead
``segments``       (T,), optional
``times``          (T,) in s, optional
``kind``           "counts" or "continuous", optional
``units``          (N,) names, optional
``name``           optional
``source``         where it comes from, as a JSON object in a string, optional
``period_LABEL``   value of a full turn of the cyclic label LABEL, optional
any other name     a label: T values or T rows
=================  ==================================================================================
"""

from __future__ import annotations

import json
import os
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from ..disk.arrays import npy_header
from ..disk.storage import writing
from ..errors import DataError, FileError
from ._array_labels import PERIOD
from ._array_roles import Options, Titles
from ._array_session import read_arrays
from ._fields import Arrays, Field, most_bytes
from ._guard import DEFLATE, parsing
from ._notes import Notes

__all__ = ["SUFFIXES", "read", "write_npz"]

SUFFIXES = (".npz",)

RESERVED = ("counts", "bin_size", "segments", "times", "kind", "units", "name", "source")
MEMBERS = 100_000


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
    align: Any = None,
    window: Any = None,
) -> Recording:
    """Read an .npz file.

    Parameters
    ----------
    path : Path
        The file; its arrays are described above.
    notes : Notes
        What was found, used and skipped.
    bin_size : float, optional
        Width of a bin in s, where the file does not say.
    counts, times : str, optional
        Names of arrays that are called otherwise.
    segments : str or array_like, optional
        Name of the array of segment numbers, "whole", a number a bin, or starts and ends in s, (n, 2).
    kind : {"counts", "continuous"}, optional
        Default: as the file says, else counts.
    units : optional
        "quality=good,region=M1|PMd" by arrays of N values, names, indices or a mask. Default: all.
    labels : str or sequence of str, optional
        Labels to keep; "none" for none. Default: all. Rows without a value of one that is named are left out.
    name : str, optional
        Name of the recording. Default: that in the file, else the file's.
    transpose : bool, optional
        Whether counts are stored as (N, T).
    align, window : optional
        Name of an array of times, or times in s, and "before,after" in s: a segment is then a window around each.

    Returns
    -------
    Recording

    Raises
    ------
    FileError
        If the file is no whole .npz archive or holds Python objects.
    DataError
        If an array is missing, has the wrong shape or holds values that cannot be.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "session.npz"
    >>> np.savez(path, counts=[[0, 1], [2, 0]], bin_size=0.1, direction=[3, 3], period_direction=8)
    >>> read(path, Notes()).labels["direction"].tolist()
    [3, 3]
    """
    options = Options(bin_size, counts, segments, times, kind, units, labels, name, transpose, None, align, window)
    notes.format = "NumPy archive"
    with parsing(path, ".npz archive"), zipfile.ZipFile(path) as archive:
        titles = Titles(path.stem, path.name, strict=True)
        return read_arrays(Arrays(_fields(path, archive, notes)), notes, options, titles, path)


def write_npz(path: str | os.PathLike[str], recording: Recording) -> None:
    """Write a recording as .npz, whole or not at all; `read` gives it back.

    Parameters
    ----------
    path : path-like
        Must end in .npz.
    recording : Recording
        What to write.

    Raises
    ------
    FileError
        If it cannot be written or does not end in .npz.
    DataError
        If a label has a name that the format needs, such as "counts".
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise FileError(f"{path} must end in .npz")
    taken = [name for name in recording.labels if name in RESERVED]
    if taken:
        raise DataError(f"a label is called '{taken[0]}', which an .npz file needs for itself; rename it")
    arrays: dict[str, Any] = {key: getattr(recording, key) for key in RESERVED if key != "source"}
    arrays |= {"source": json.dumps(dict(recording.source))} if recording.source else {}
    arrays |= recording.labels
    arrays |= {PERIOD + label: period for label, period in recording.periods.items()}
    # Not np.savez: it takes arrays as keywords, so that a label called "file" would be an error.
    with writing(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, value in arrays.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(value), allow_pickle=False)


def _fields(path: Path, archive: zipfile.ZipFile, notes: Notes) -> dict[str, Field]:
    """Return the arrays, once it is known that they are plain and what they take."""
    members = archive.infolist()
    total, limit = sum(info.file_size for info in members), most_bytes(path)
    if len(members) > MEMBERS or total > limit:
        raise FileError(f"{path} promises {len(members)} arrays of {total} bytes, more than it may; it was altered")
    found = {}
    for info in members:
        if not info.filename.endswith(".npy"):
            notes.skipped.append(f"{info.filename[:80]}: no array")
            continue
        # Others than these can make gigabytes of a few bytes in one step; NumPy writes none of them.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileError(f"{path}: {info.filename} is compressed in a way that NumPy does not; write it with numpy")
        if info.file_size > DEFLATE * info.compress_size + 1024:
            raise FileError(f"{path}: {info.filename} promises {info.file_size} bytes, which it cannot hold; refused")
        with archive.open(info) as file:
            shape, _, dtype = npy_header(file)
            start = file.tell()
        if dtype.hasobject:
            raise FileError(f"{path} holds an array of Python objects, which could run code; store plain numbers")
        size = int(np.prod(shape, dtype=object)) * max(dtype.itemsize, 1)
        if size > info.file_size - start:
            raise FileError(
                f"{path}: {info.filename} promises an array {shape} of {dtype}, more than it holds; it is no whole .npz archive"
            )
        key = info.filename.removesuffix(".npy")
        found[key] = Field(shape, str(dtype), partial(_load, archive, info))
    return found


def _load(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(info) as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
        file.read(1)  # to the end, where the checksum is
    return array
