"""MATLAB files of version 5 to 7, read with scipy after `myow.readers._mat5_scan` has looked through them.

What the scan lets pass is tried in a child process before: damaged structs have been seen to crash scipy's parser, which is compiled.
"""

from __future__ import annotations

import math
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError
from ._fields import Arrays, Field, add_cells, at_hand, most_bytes
from ._guard import parsing
from ._mat5_scan import CELL, CHAR, NUMERIC, SPARSE, STRUCT, Variable, scan
from ._notes import Notes
from ._rehearsal import rehearse

__all__ = ["arrays_of_mat5"]


def arrays_of_mat5(path: Path, notes: Notes) -> Arrays:
    """Return the arrays of a file; numbers at its top are read when they are asked for.

    Raises
    ------
    FileError
        If it is damaged, or promises more than it may.
    """
    arrays = Arrays({}, separator=".", flat=True)
    with parsing(path, "MATLAB file"):
        variables = {variable.name: variable for variable in scan(path)}
        nested = [name for name, one in variables.items() if one.kind in (CELL, CHAR, STRUCT)]
        held = _load(path, nested) if nested else {}
        for name, one in variables.items():
            if one.kind in NUMERIC or one.kind == SPARSE:
                dtype = "complex128" if one.is_complex else NUMERIC.get(one.kind, "float64")
                arrays.fields[name] = Field(one.shape, dtype, partial(_numbers, path, one))
            elif name in held:
                _add(arrays, name, held[name], notes)
            else:
                notes.skipped.append(f"{name}: an object of MATLAB's, which only MATLAB understands")
    return arrays


def _load(path: Path, names: list[str]) -> dict[str, Any]:
    from scipy.io import loadmat

    rehearse(path, "MATLAB file", lambda: loadmat(path, variable_names=names), memory=most_bytes(path))
    with parsing(path, "MATLAB file"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that come twice: the last one counts, as for `scan`
        loaded: dict[str, Any] = loadmat(path, variable_names=names)
        return {name: loaded[name] for name in names}


def _numbers(path: Path, variable: Variable) -> NDArray[Any]:
    return _dense(path, _load(path, [variable.name])[variable.name])


def _dense(path: Path, value: Any) -> NDArray[Any]:
    with parsing(path, "MATLAB file"):
        if hasattr(value, "toarray"):
            if math.prod(value.shape) * 8 > most_bytes(path):
                raise FileError(f"{path}: a sparse array {value.shape} takes more memory than it may; save less of it")
            value.check_format(full_check=True)  # its indices are believed when it is filled in
            value = value.toarray()
        return np.asarray(value)


def _add(arrays: Arrays, name: str, value: Any, notes: Notes) -> None:
    """Add a value that may hold others."""
    if type(value) is not np.ndarray:
        notes.skipped.append(f"{name}: an object of MATLAB's, which only MATLAB understands")
    elif value.dtype.names:
        for key in value.dtype.names:
            cells = value[key].ravel(order="F")
            if len(cells) == 1:
                _add(arrays, f"{name}.{key}", cells[0], notes)
            else:
                add_cells(arrays, f"{name}.{key}", [_leaf(cell) for cell in cells], notes)
    elif value.dtype.kind == "O":
        add_cells(arrays, name, [_leaf(cell) for cell in value.ravel(order="F")], notes)
    else:
        arrays.fields[name] = _leaf(value)


def _leaf(value: Any) -> Field:
    if type(value) is not np.ndarray or value.dtype.names or value.dtype.kind == "O":
        return Field((), "list", lambda: np.empty(0))
    if value.dtype.kind == "U" and value.size < 2:  # a line of text
        return at_hand(np.array("".join(value.ravel().tolist())))
    return at_hand(value)
