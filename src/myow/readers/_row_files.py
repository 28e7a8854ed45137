"""Matrices in files, read a few rows at a time: where their bytes lie in one piece by offset, else through HDF5."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError
from ..extras import need
from ._guard import parsing

__all__ = ["PackedRows", "RawRows"]


class RawRows:
    """Rows that lie one after the other in a file, as in .npy and in contiguous HDF5 datasets.

    They are read by offset, not mapped into memory: pages of a map that have been touched count as the program's own.

    Parameters
    ----------
    path : str
        The file.
    offset : int
        Where the first row begins, in bytes.
    shape : tuple of int
        Rows and columns.
    dtype : numpy.dtype
        Type of the values, byte order included.
    """

    def __init__(self, path: str, offset: int, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
        self.path, self.offset, self.shape, self.dtype = path, offset, shape, dtype
        self._width = shape[1] * dtype.itemsize
        self._lock = threading.Lock()
        try:
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115  (it stays open for as long as rows are read)
            size = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise FileError(f"cannot read {path}: {error.strerror or error}; check the path") from None
        if offset < 0 or offset + shape[0] * self._width > size:
            raise FileError(
                f"{path} has {size} bytes, but its values of shape {shape} would end at byte "
                f"{offset + shape[0] * self._width}; it was truncated or altered"
            )

    def read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return some rows, which rise; shape (len(rows), N). Neighbours are read in one go."""
        values = np.empty((len(rows), self.shape[1]), self.dtype)
        room = values.view(np.uint8).reshape(-1).data
        begin = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
        end = np.append(begin, len(rows))[1:] * self._width
        places = self.offset + rows[begin] * self._width
        with self._lock:
            for first, last, place in zip((begin * self._width).tolist(), end.tolist(), places.tolist(), strict=True):
                self._read_into(room[first:last], place)
        return values

    def _read_into(self, room: memoryview, place: int) -> None:
        if self._file.closed:
            raise FileError(f"{self.path} was closed; open it again to read more of it")
        try:
            self._file.seek(place)
            while len(room):
                n = self._file.readinto(room)
                if not n:
                    raise FileError(f"{self.path} became shorter while it was read; write it again")
                room = room[n:]
        except OSError as error:
            if isinstance(error, FileError):
                raise
            raise FileError(f"cannot read {self.path}: {error.strerror or error}; check the disk") from None

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return RawRows, (self.path, self.offset, self.shape, self.dtype)


class PackedRows:
    """Rows of an HDF5 dataset in chunks, which may be compressed: a chunk is unpacked for every row that is asked for.

    Parameters
    ----------
    path : str
        The file, which `myow.readers._guard.open_hdf5` has looked through.
    name : str
        Path of the dataset inside of it.
    """

    def __init__(self, path: str, name: str) -> None:
        self.path, self.name = path, name
        h5py = need("h5py", "hdf5", "reading HDF5 files")
        with parsing(Path(path), "HDF5 file"):
            self._file = h5py.File(path, "r", rdcc_nbytes=1 << 25)
            self._values = self._file[name]
            self.shape: tuple[int, int] = (int(self._values.shape[0]), int(self._values.shape[1]))
            self.dtype: np.dtype[Any] = self._values.dtype
            self._chunk = int(self._values.chunks[0]) if self._values.chunks else 1 << 10

    def read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return some rows, which rise; shape (len(rows), N). Of each chunk, what lies between two of them is read too."""
        if not self._file:
            raise FileError(f"{self.path} was closed; open it again to read more of it")
        values = np.empty((len(rows), self.shape[1]), self.dtype)
        cuts = np.flatnonzero(np.diff(rows // self._chunk)) + 1
        with parsing(Path(self.path), "HDF5 file"):
            for some in np.split(np.arange(len(rows)), cuts):
                if len(some):
                    first, last = rows[some[0]], rows[some[-1]]
                    values[some] = self._values[first : last + 1][rows[some] - first]
        return values

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return PackedRows, (self.path, self.name)
