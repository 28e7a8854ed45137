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
from ..errors import DataError, FileError
from .array_session import read_arrays
from .files import npy_header, write_arrays
from .named_arrays import PERIOD, RESERVED, Arrays, Field, Titles
from .session import OF_ARRAYS, Notes, Options
from .untrusted import most_bytes, parsing

__all__ = ["OPTIONS", "holds_pynapple", "read", "write_npz"]

MEMBERS = 100_000


OPTIONS = (*OF_ARRAYS, "transpose")
"""Options that this format has; `myow.read` describes them."""


def read(path: Path, notes: Notes, options: Options) -> Recording:
    """Read an .npz file.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "session.npz"
    >>> np.savez(path, counts=[[0, 1], [2, 0]], bin_size=0.1, direction=[3, 3], period_direction=8)
    >>> read(path, Notes(), Options()).labels["direction"].tolist()
    [3, 3]
    """
    notes.format = "NumPy archive"
    with parsing(path, ".npz archive"), zipfile.ZipFile(path) as archive:
        titles = Titles(path.stem, path.name, strict=True)
        return read_arrays(Arrays(_fields(path, archive, notes)), notes, options, titles)


def holds_pynapple(path: Path) -> bool:
    """Whether an .npz file is one that pynapple saved."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except Exception:  # no archive at all: the reader of .npz says so
        return False
    return {"type.npy", "start.npy", "end.npy"} <= names and "counts.npy" not in names


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
    if path.suffix.lower() != ".npz":
        raise FileError(f"{path} must end in .npz")
    taken = [name for name in recording.labels if name in RESERVED]
    if taken:
        raise DataError(f"a label is called '{taken[0]}', which an .npz file needs for itself; rename it")
    arrays: dict[str, Any] = {key: getattr(recording, key) for key in RESERVED if key != "source"}
    arrays |= {"source": json.dumps(dict(recording.source))} if recording.source else {}
    arrays |= recording.labels
    arrays |= {PERIOD + label: period for label, period in recording.periods.items()}
    write_arrays(path, arrays)


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
        with archive.open(info) as file:
            shape, _, dtype = npy_header(file, info)
        if dtype.hasobject:
            raise FileError(f"{path} holds an array of Python objects, which could run code; store plain numbers")
        found[info.filename.removesuffix(".npy")] = Field(shape, str(dtype), partial(_load, archive, info))
    return found


def _load(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(info) as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
        file.read(1)  # to the end, where the checksum is
    return array
