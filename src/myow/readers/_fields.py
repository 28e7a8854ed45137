"""Named arrays of a file, whatever its format: their shapes are known at once, their values are read when asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, unknown_name
from ._guard import GIB, check_dataset
from ._notes import Notes
from ._session import Units

__all__ = ["Allowance", "Arrays", "Field", "add_cells", "at_hand", "most_bytes", "truth"]

LONGEST = 256  # characters of a text that can be a label or a name


@dataclass(frozen=True)
class Field:
    """An array of a file.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    dtype : str
        Its type, as it is said to the user.
    read : callable
        Reads it.
    lengths : tuple of int, optional
        Rows of the pieces that it is put together from, one a segment.
    axis : {"bins", "units", ""}, optional
        What its first axis is, where the format says so; else its length tells.
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], NDArray[Any]]
    lengths: tuple[int, ...] = ()
    axis: Literal["bins", "units", ""] = ""

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def is_text(self) -> bool:
        """Whether it holds text."""
        return self.dtype.startswith(("<U", ">U", "|S", "str", "object"))

    @property
    def is_number(self) -> bool:
        """Whether it holds real numbers."""
        return self.dtype.lstrip("<>|=").startswith(("int", "uint", "float", "bool"))


def at_hand(values: Any) -> Field:
    """Return a field of values that are in memory already."""
    array = np.asarray(values)
    return Field(array.shape, str(array.dtype), lambda: array)


@dataclass(frozen=True)
class Arrays:
    """All arrays of a file by name; those in groups or structs have names such as ``session/counts``.

    Parameters
    ----------
    fields : dict
        Arrays.
    trains : dict
        Lists of 1-d arrays, which may be spike times of units.
    separator : str, optional
        What parts a group from what is in it.
    flat : bool, optional
        Whether a vector may be stored as one row or one column, as in Matlab.
    """

    fields: dict[str, Field]
    trains: dict[str, Units] = field(default_factory=dict)
    separator: str = "/"
    flat: bool = False

    def find(self, name: str, among: Mapping[str, Any], what: str) -> str:
        """Return the full name of what is called so: by its full name, or by its last part if that is enough.

        Raises
        ------
        UnknownNameError
            If there is none.
        DataError
            If there are several.
        """
        plain = str(name).strip(self.separator)
        if plain in among:
            return plain
        fitting = [key for key in among if self.last(key) == plain]
        if len(fitting) > 1:
            raise DataError(f"several {what}s are called '{name}': {', '.join(fitting)}; give the whole name")
        if not fitting:
            raise unknown_name(what, str(name), among)
        return fitting[0]

    def last(self, name: str) -> str:
        """Return a name without the group it is in."""
        return name.rpartition(self.separator)[2]

    def group(self, name: str) -> str:
        """Return the group that something is in, with the separator at its end; "" for the top."""
        return name[: len(name) - len(self.last(name))]

    def rows(self, name: str) -> int:
        """Return how many rows an array has; 0 for a single value."""
        shape = self.fields[name].shape
        if self.flat and len(shape) == 2 and 1 in shape:
            return max(shape) if 0 not in shape else 0
        return shape[0] if shape else 0

    def is_vector(self, name: str) -> bool:
        """Whether it has one axis."""
        shape = self.fields[name].shape
        return len(shape) == 1 or (self.flat and len(shape) == 2 and 1 in shape)

    def values(self, name: str) -> NDArray[Any]:
        """Read an array; of Matlab's rows and columns, one axis."""
        array = self.fields[name].read()
        return array.ravel() if self.flat and array.ndim == 2 and 1 in array.shape else array

    def describe(self, notes: Notes) -> None:
        """Say what there is."""
        notes.found += [f"{key} {one.shape} {one.dtype}" for key, one in self.fields.items()]
        notes.found += [
            f"{key}: {len(one.names)} lists of numbers" for key, one in self.trains.items() if key not in self.fields
        ]


def add_cells(arrays: Arrays, name: str, cells: Sequence[Field], notes: Notes, names: Sequence[str] = ()) -> None:
    """Add a list of arrays, such as a cell array, as what it can be.

    Texts or single numbers become one array. Lists of numbers are spike times of units. Matrices of one width are pieces of one
    array, a piece a segment.
    """
    if not cells:
        notes.skipped.append(f"{name}: it is empty")
    elif all(one.is_text for one in cells):
        if any(one.size > 1 for one in cells):
            notes.skipped.append(f"{name}: lists of texts inside of a list")
            return
        texts = ["".join(map(str, one.read().ravel()))[:LONGEST] for one in cells]
        arrays.fields[name] = at_hand(np.array(texts))
    elif not all(one.is_number for one in cells):
        notes.skipped.append(f"{name}: a list of neither numbers nor texts")
    elif all(_is_line(one) for one in cells):
        if all(one.size == 1 for one in cells):
            arrays.fields[name] = Field((len(cells),), cells[0].dtype, lambda: _singles(cells))
        titles = tuple(names) or tuple(f"unit{i}" for i in range(len(cells)))
        arrays.trains[name] = Units(titles, lambda i: np.asarray(cells[i].read(), dtype=np.float64).ravel())
    elif all(len(one.shape) == 2 for one in cells) and len({one.shape[1] for one in cells}) == 1:
        lengths = tuple(one.shape[0] for one in cells)
        arrays.fields[name] = Field(
            (sum(lengths), cells[0].shape[1]),
            cells[0].dtype,
            lambda: np.concatenate([c.read() for c in cells]),
            lengths,
        )
    else:
        notes.skipped.append(f"{name}: a list of arrays of different shapes")


def _is_line(one: Field) -> bool:
    return len(one.shape) < 2 or 0 in one.shape or (len(one.shape) == 2 and 1 in one.shape)


def _singles(cells: Sequence[Field]) -> NDArray[Any]:
    return np.array([one.read().ravel()[0] for one in cells])


def most_bytes(path: Path) -> int:
    """Return how many bytes the arrays of a file may take in memory: it is compressed at most a hundredfold, or small."""
    return max(4 * GIB, 100 * path.stat().st_size)


class Allowance:
    """How much of an HDF5 file may still be read into memory; many small bombs are a large one.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.left = most_bytes(path)

    def read(self, dataset: Any, column: str | None = None) -> NDArray[Any]:
        """Read a dataset, or a column of one.

        Raises
        ------
        FileError, DataError
            If it promises more than it holds, or more than is left.
        """
        check_dataset(dataset, self.left)
        self.left -= dataset.size * dataset.dtype.itemsize
        return np.asarray(dataset[()] if column is None else dataset.fields(column)[()])


def truth(option: str, value: Any) -> bool:
    """Return what an option says that is yes or no, from the command line too.

    Raises
    ------
    DataError
        If it is neither.
    """
    text = str(value).lower()
    if text in ("true", "yes", "1"):
        return True
    if text in ("false", "no", "0", "none", ""):
        return False
    raise DataError(f"{option} is {value!r}; it must be true or false")
