"""MATLAB files of version 7.3, which are HDF5: axes in MATLAB's order, cells behind references, characters as numbers."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, FileError
from ._fields import Allowance, Arrays, Field, add_cells, at_hand
from ._notes import Notes

__all__ = ["arrays_of_mat73"]

DEEPEST = 32
CELLS = 1_000_000
NUMBERS = ("double", "single", "logical", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def arrays_of_mat73(file: Any, allowed: Allowance, notes: Notes) -> Arrays:
    """Return the arrays of an open file; numbers are read when they are asked for, while it is open.

    Parameters
    ----------
    file : h5py.File
        As `myow.readers._guard.open_hdf5` opens it.
    allowed : Allowance
        How much may be read.
    notes : Notes
        What cannot be read is said here.

    Raises
    ------
    FileError
        If it promises more than it holds.
    """
    reader = _Reader(Arrays({}, separator=".", flat=True), file, allowed, notes)
    for name in file:
        if not name.startswith("#"):  # behind these names stand what references lead to
            reader.add(name, file[name], 0)
    return reader.arrays


class _Reader:
    def __init__(self, arrays: Arrays, file: Any, allowed: Allowance, notes: Notes) -> None:
        self.arrays, self.file, self.allowed, self.notes = arrays, file, allowed, notes
        self.followed = 0

    def add(self, name: str, thing: Any, depth: int) -> None:
        """Add what stands under a name."""
        kind = _attribute(thing, "MATLAB_class")
        if depth > DEEPEST:
            raise FileError(f"{self.file.filename}: {name} holds lists inside of lists, deeper than {DEEPEST}; refused")
        if hasattr(thing, "keys") and "MATLAB_sparse" in thing.attrs:
            self.arrays.fields[name] = self.sparse(name, thing)
        elif hasattr(thing, "keys"):
            for key in thing:
                self.add(f"{name}.{key}", thing[key], depth + 1)
        elif thing.dtype.kind == "O" and "MATLAB_empty" not in thing.attrs:
            # A cell array, or a field of a list of structs; a struct's own field that is a cell array has its class.
            things = self.behind(thing)
            if len(things) == 1 and kind != "cell":
                self.add(name, things[0], depth + 1)
            else:
                add_cells(self.arrays, name, [self.leaf(one) for one in things], self.notes)
        else:
            one = self.leaf(thing)
            if one.dtype == "list":
                self.notes.skipped.append(f"{name}: an object of MATLAB's, which only MATLAB understands")
            else:
                self.arrays.fields[name] = one

    def behind(self, dataset: Any) -> list[Any]:
        """Return what references lead to, in MATLAB's order."""
        self.followed += dataset.size
        if self.followed > CELLS:
            raise FileError(f"{self.file.filename} holds more than {CELLS} cells; refused")
        return [self.file[reference] for reference in self.allowed.read(dataset).ravel()]

    def leaf(self, thing: Any) -> Field:
        """Return an array without others inside of it."""
        kind = _attribute(thing, "MATLAB_class")
        if hasattr(thing, "keys") or thing.dtype.kind == "O":
            return Field((), "list", lambda: np.empty(0))
        if "MATLAB_empty" in thing.attrs:  # what is stored is its shape
            return at_hand("" if kind == "char" else np.empty((0, 0)))
        if kind == "char":
            return self.text(thing)
        if thing.dtype.names:
            return Field(tuple(thing.shape[::-1]), "complex128", partial(self.numbers, thing))
        if kind not in NUMBERS:
            return Field((), "list", lambda: np.empty(0))
        return Field(tuple(thing.shape[::-1]), str(thing.dtype), partial(self.numbers, thing))

    def numbers(self, dataset: Any) -> NDArray[Any]:
        return self.allowed.read(dataset).T

    def text(self, dataset: Any) -> Field:
        if dataset.size > 1 << 20 or dataset.dtype.kind not in "ui":
            return Field((), "list", lambda: np.empty(0))
        codes = np.atleast_2d(self.allowed.read(dataset).astype(np.uint16).T)
        lines = [line.astype("<u2").tobytes().decode("utf-16-le", "replace") for line in codes]
        return at_hand(lines[0] if len(lines) == 1 else np.array([line.rstrip() for line in lines]))

    def sparse(self, name: str, group: Any) -> Field:
        starts = group["jc"]
        shape = (int(group.attrs["MATLAB_sparse"]), int(starts.shape[0]) - 1)
        if min(shape) < 0 or math.prod(shape) * 8 > self.allowed.left:
            raise DataError(f"{name}, a sparse array {shape}, takes more memory than it may; save less of it")
        return Field(shape, "float64", partial(self.filled, group, shape))

    def filled(self, group: Any, shape: tuple[int, int]) -> NDArray[Any]:
        from scipy.sparse import csc_matrix

        parts = []
        for key in ("data", "ir", "jc"):
            if key != "jc" and key not in group:  # without any value there is only where columns start
                return np.zeros(shape)
            parts.append(self.allowed.read(group[key]))
        matrix = csc_matrix((parts[0], parts[1].astype(np.int64), parts[2].astype(np.int64)), shape=shape)
        matrix.check_format(full_check=True)  # its indices are believed when it is filled in
        return np.asarray(matrix.toarray())


def _attribute(thing: Any, name: str) -> str:
    value = thing.attrs.get(name, "")
    return value.decode("latin1") if isinstance(value, bytes) else str(value)
