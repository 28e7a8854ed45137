"""A recording whose counts stay on disk: rows are read when they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from .recording import Recording, check_index, check_values

__all__ = ["BLOCK", "RowFile", "StoredCounts", "StoredRecording"]

BLOCK = 1 << 22
"""Values that are read at a time where all are looked at."""


class RowFile(Protocol):
    """A matrix in a file, of which some rows can be read."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    path: str

    def read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return some rows, which rise; shape (len(rows), N)."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class StoredCounts:
    """Some rows and columns of a matrix in a file; `StoredRecording` has one in place of an array.

    ``counts[10:20]`` and ``numpy.asarray(counts)`` read values into memory; nothing else does.

    Parameters
    ----------
    file : RowFile
        The matrix.
    dtype : numpy.dtype
        Type that values have once they are read.
    rows : slice or ndarray of int64, optional
        Rows of the file, rising. Default: all.
    columns : ndarray of int64, optional
        Columns of the file. Default: all.
    """

    ndim = 2

    def __init__(
        self,
        file: RowFile,
        dtype: np.dtype[Any],
        rows: slice | NDArray[np.int64] | None = None,
        columns: NDArray[np.int64] | None = None,
    ) -> None:
        self.file = file
        self.dtype = dtype
        self._of = slice(0, file.shape[0]) if rows is None else rows
        self._columns = columns
        n_rows = self._of.stop - self._of.start if isinstance(self._of, slice) else len(self._of)
        self.shape: tuple[int, int] = (n_rows, file.shape[1] if columns is None else len(columns))

    @classmethod
    def checked(cls, file: RowFile, kind: str) -> Self:
        """Read a file once, a block at a time, and learn the smallest type that holds its values.

        Raises
        ------
        DataError
            If a count is negative or not whole, or a signal is not finite.
        FileError
            If the file is damaged.
        """
        return cls(file, cls(file, file.dtype).smallest(kind))

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        return self.gather(check_index(rows, len(self), "row"))

    def gather(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Read some rows, in any order and any number of times, shape (len(rows), N); each is read once."""
        wanted = rows + self._of.start if isinstance(self._of, slice) else self._of[rows]
        if (np.diff(wanted) > 0).all():
            return self._read(wanted)
        rising, place = np.unique(wanted, return_inverse=True)
        return self._read(rising)[place]

    def _read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        values = self.file.read(rows)
        if self._columns is not None:
            values = values[:, self._columns]
        return values.astype(self.dtype, copy=False)

    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Go once through all rows, in order: the first row of each block and its values."""
        many = max(1, BLOCK // self.file.shape[1])
        for start in range(0, len(self), many):
            yield start, self.gather(np.arange(start, min(start + many, len(self))))

    def smallest(self, kind: str) -> np.dtype[Any]:
        """Return the smallest type that holds all values, as `Recording` would choose it; see `checked` for errors."""
        dtype = np.dtype(np.uint8)
        for start, block in self.blocks():
            if kind == "counts" and block.dtype == np.uint8:  # no value of these can be wrong, and all have been read
                continue
            try:
                found = check_values(block, kind).dtype
            except DataError as error:
                raise DataError(f"{self.file.path}, in the bins from {start} on: {error}") from None
            dtype = found if found.itemsize > dtype.itemsize else dtype
        return dtype

    def part(self, rows: NDArray[np.int64]) -> StoredCounts:
        """Keep some rows, which rise; nothing is read."""
        if rows[-1] - rows[0] == len(rows) - 1 and isinstance(self._of, slice):
            first = self._of.start + int(rows[0])
            return StoredCounts(self.file, self.dtype, slice(first, first + len(rows)), self._columns)
        of = rows + self._of.start if isinstance(self._of, slice) else self._of[rows]
        return StoredCounts(self.file, self.dtype, of, self._columns)

    def columns(self, columns: NDArray[np.int64]) -> StoredCounts:
        """Keep some columns; nothing is read."""
        columns = columns if self._columns is None else self._columns[columns]
        return StoredCounts(self.file, self.dtype, self._of, columns)

    def min(self) -> Any:
        """Lowest of all values."""
        return min(block.min() for _, block in self.blocks())


@dataclass(frozen=True, eq=False, repr=False)
class StoredRecording(Recording):
    """A `Recording` whose counts stay in a file, as `myow.open_recording` gives it; it trains and embeds like any other.

    Times, segments and labels are in memory. Parts that `select`, `select_units` and `split` return read from the same
    file, which `close` closes for all of them. Checksum and weights are those of the same recording in memory.

    Parameters
    ----------
    counts : StoredCounts
        The values, checked.
    **others
        See `myow.Recording`.
    """

    def _checked(self, counts: ArrayLike) -> NDArray[Any]:
        if not isinstance(counts, StoredCounts):
            raise DataError(
                f"a stored recording reads its counts from a file, and was given a {type(counts).__name__}; make a "
                "Recording of it, or open the file with myow.open_recording"
            )
        return counts  # type: ignore[return-value]

    @property
    def stored(self) -> StoredCounts:
        """`counts`, as the type that it has here."""
        counts: Any = self.counts
        found: StoredCounts = counts
        return found

    def _rows(self, index: NDArray[np.int64]) -> NDArray[Any]:
        return self.stored.part(index)  # type: ignore[return-value]

    def _columns(self, index: NDArray[np.int64]) -> NDArray[Any]:
        return self.stored.columns(index)  # type: ignore[return-value]

    def gather(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Read the values of some rows, shape (len(rows), N)."""
        return self.stored.gather(np.asarray(rows))

    def close(self) -> None:
        """Close the file, for all parts of the recording."""
        self.stored.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def digest(self) -> str:
        """Return a checksum of what training sees, that of the same recording in memory; the file is read once for it."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        counts = self.stored
        dtype = counts.smallest(self.kind) if counts.dtype.itemsize > 1 else counts.dtype  # a part may need less
        sha = hashlib.sha256(f"{self.kind} {self.bin_size!r} {counts.shape} {dtype}".encode())
        for _, block in counts.blocks():
            sha.update(np.ascontiguousarray(block.astype(dtype, copy=False)).data)
        for array in (self.times, self.segments):
            sha.update(np.ascontiguousarray(array).data)
        return sha.hexdigest()

    def _activity(self) -> tuple[float, int]:
        total, lowest, highest = 0.0, [], []
        for _, block in self.stored.blocks():
            total += float(block.sum(dtype=np.float64))
            lowest.append(block.min(axis=0))
            highest.append(block.max(axis=0))
        constant = np.min(lowest, axis=0) == np.max(highest, axis=0)
        return total / (len(self) * self.n_units), int(constant.sum())
