"""Arrays by name in one .npz file: written whole, the same bytes for the same arrays; read without trusting what it says."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import ArrayLike, NDArray

from ..errors import FileError
from .storage import writing

__all__ = ["npy_header", "read_arrays", "write_arrays"]

LIMIT = 4 << 30  # bytes
SUFFIX = ".npy"


def write_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, ArrayLike], *, packed: bool = True, lasting: bool = True
) -> None:
    """Write arrays as .npz; `numpy.load` reads it.

    Unlike `numpy.savez` it takes any name, and does not mind the clock: a zip archive has no word for a year before 1980,
    where a clock without a battery may stand.

    Parameters
    ----------
    path : path-like
        The file.
    arrays : mapping of str to array_like
        What to write; no Python objects.
    packed : bool, optional
        Whether to compress it, which takes far longer than writing.
    lasting : bool, optional
        As for `myow.disk.storage.writing`.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with writing(path, lasting=lasting) as part, zipfile.ZipFile(part, "w", method) as archive:
        for name, values in arrays.items():
            member = zipfile.ZipInfo(name + SUFFIX)  # dated 1980
            member.compress_type = method
            with archive.open(member, "w", force_zip64=True) as file:
                npy.write_array(file, np.asanyarray(values), allow_pickle=False)


def read_arrays(path: Path, *, limit: int = LIMIT) -> dict[str, NDArray[Any]]:
    """Read all arrays of a .npz file.

    Parameters
    ----------
    path : Path
        The file.
    limit : int, optional
        Bytes that they may take.

    Raises
    ------
    FileError
        If it is missing, damaged, larger, or holds Python objects, which could run code.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.npz"
    >>> write_arrays(path, {"step": [1, 2]})
    >>> read_arrays(path)["step"].tolist()
    [1, 2]
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > limit:
                raise ValueError(f"it claims to hold more than {limit} bytes")
            return {member.filename.removesuffix(SUFFIX): _array(archive, member) for member in members}
    except Exception as error:  # damaged bytes can fail in zip, zlib, the header's parser or anywhere else
        why = " ".join(str(error).split())[:80] or type(error).__name__
        raise FileError(f"{path} is damaged ({why}); remove it and go on") from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as file:
        content = io.BytesIO(file.read(member.file_size))
    shape, by_columns, dtype = npy_header(content)
    if dtype.hasobject:
        raise ValueError(f"{member.filename} holds Python objects")
    values = np.frombuffer(content.getbuffer()[content.tell() :], dtype=dtype)
    return values.reshape(shape, order="F" if by_columns else "C")


def npy_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an .npy file that is open: shape, whether columns come first, and type; the numbers follow it."""
    header = npy.read_array_header_1_0 if npy.read_magic(file) == (1, 0) else npy.read_array_header_2_0
    shape, by_columns, dtype = header(file)
    return shape, by_columns, dtype
