"""MATLAB files: version 4 and 5 by scipy, version 7.3 (HDF5) by pymatreader."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from ..errors import FileError, MyowError, need
from .array_session import read_arrays
from .binned import bin_session
from .named_arrays import NESTED, Arrays, Field, Titles, add_cells, at_hand, is_line, refuse
from .session import OF_ARRAYS, Intervals, Notes, Options, Session, Signal, Units, constant, describe
from .untrusted import open_hdf5, parsing

__all__ = ["END", "OPTIONS", "START", "TARGET", "RawSession", "read", "read_raw"]

NUMBERS = ("double", "single", "logical", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
PLAIN = (*NUMBERS, "cell", "char", "sparse", "struct", "unknown")
"""Classes of MATLAB 7.3 that hold no objects; "unknown" is what others write without a class."""


def _arrays(path: Path, notes: Notes) -> Arrays:
    arrays = Arrays({}, separator=".", flat=True)
    with parsing(path, "MATLAB file"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that come twice, and of objects, which are skipped below
        shapes: dict[str, tuple[int, ...]] = {}
        for name, value in _load(path, notes, shapes).items():
            if not name.isprintable():
                raise FileError(f"{path} is no whole MATLAB file: a name is no text; it was altered, save it again")
            _add(arrays, name, value, notes, shapes)
    return arrays


def _load(path: Path, notes: Notes, shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    from scipy.io import loadmat
    from scipy.io.matlab import matfile_version

    version = {0: "4", 1: "5", 2: "7.3"}[matfile_version(str(path))[0]]
    notes.format = f"MATLAB {version}"
    if version != "7.3":
        return {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    pymatreader = need("pymatreader", "mat", "reading MATLAB 7.3 files")
    with open_hdf5(path, "MATLAB file", extra="mat") as file:
        file.visititems(lambda name, thing: _note_shape(shapes, name, thing))
        held = pymatreader.read_mat(path)
        found = pymatreader.whosmat(path)
    return {name: _shaped(held[name], shape, kind) for name, shape, kind in found if not name.startswith("#")}


def _shaped(value: Any, shape: tuple[int, ...], kind: str) -> Any:
    """Return a variable with the axes of length 1 that pymatreader drops; None for an object of MATLAB's."""
    if kind == "cell" and not isinstance(value, list):
        return [value]
    if kind in NUMBERS and np.size(value) == np.prod(shape):
        return np.reshape(value, shape)
    return value if kind in PLAIN else None


def _note_shape(shapes: dict[str, tuple[int, ...]], name: str, thing: Any) -> None:
    """Keep the shapes of cell arrays and lists of structs, which pymatreader gives as flat lists; () for structs."""
    if name.startswith("#") or getattr(thing, "shape", None) is None or thing.dtype.kind != "O":
        return
    is_cell = thing.attrs.get("MATLAB_class", b"") == b"cell"
    shapes[name.replace("/", ".")] = thing.shape[::-1] if is_cell else ()


def _add(arrays: Arrays, name: str, value: Any, notes: Notes, shapes: dict[str, tuple[int, ...]]) -> None:
    """Add a value that may hold others; `shapes` of cell arrays are added to, () for what is of a list of structs."""
    plain = type(value) is np.ndarray
    if isinstance(value, dict):
        value = dict(sorted(value.items()))  # pymatreader's come in an order that changes from run to run
    elif plain and value.dtype.names:  # a struct, or a list of them
        columns = {key: value[key].ravel(order="F") for key in value.dtype.names}
        shapes.update({f"{name}.{key}": () for key, cells in columns.items() if len(cells) > 1})
        value = {key: cells[0] if len(cells) == 1 else list(cells) for key, cells in columns.items()}
    if isinstance(value, dict):
        for key, one in value.items():
            _add(arrays, f"{name}.{key}", one, notes, shapes)
    elif isinstance(value, list) or (plain and value.dtype.kind == "O"):
        shape = value.shape if plain else shapes.get(name, (1,))
        cells = _flat(value)
        widths = {cell.shape[1] for cell in cells if np.ndim(cell) == 2}
        leaves = [_leaf(cell, widths) for cell in cells]
        if shape == () and cells and all(one.dtype == NESTED for one in leaves):  # trials of units
            rows = [[_leaf(one, set()) for one in _flat(cell)] for cell in cells]
        elif len(shape) == 2 and min(shape) > 1 and shape[0] * shape[1] == len(cells):  # units x trials
            rows = [leaves[i : i + shape[0]] for i in range(0, len(cells), shape[0])]
        else:
            rows = []
        parts = [one for row in rows for one in row]
        if parts and len({len(row) for row in rows}) == 1 and all(one.is_number and is_line(one) for one in parts):
            arrays.grids[name] = tuple(zip(*rows, strict=True))
        elif parts and len({*map(len, rows)}) == 1 and not all(one.is_text for one in parts):
            refuse(
                arrays, name, f"it is {len(rows[0])} x {len(rows)} lists or matrices; store one matrix a trial", notes
            )
        else:
            add_cells(arrays, name, leaves, notes)
    elif (leaf := _leaf(value, set())).dtype == NESTED:
        refuse(arrays, name, "it is an object of MATLAB's, which only MATLAB understands", notes)
    else:
        arrays.fields[name] = leaf


def _flat(value: Any) -> list[Any]:
    """Return the elements of a cell array, in MATLAB's order."""
    if type(value) is np.ndarray and value.dtype.kind == "O":
        return list(value.ravel(order="F"))
    return value if isinstance(value, list) else [value]


def _leaf(value: Any, widths: set[int]) -> Field:
    """Return an array without others inside of it; among matrices of one width, numbers are a row of that width."""
    if hasattr(value, "toarray"):
        value.check_format(full_check=True)  # its indices are believed when it is filled in
        return Field(value.shape, str(value.dtype), lambda: np.asarray(value.toarray()))
    if isinstance(value, (str, int, float, complex)):
        return at_hand(value)
    if type(value) is not np.ndarray or value.dtype.names or value.dtype.kind == "O":
        return Field((), NESTED, lambda: np.empty(0))
    if value.dtype.kind == "U" and value.size < 2:  # a line of text
        return at_hand("".join(value.ravel().tolist()))
    return at_hand(value[None] if value.ndim == 1 and widths == {len(value)} else value)


TARGET, START, END = 1, 9, 12
TABLE, TOP = "trial_table", "out_struct"
SIGNALS = {"position": "pos", "velocity": "vel", "acceleration": "acc", "force": "force"}


@dataclass(frozen=True)
class RawSession:
    """A session as exported from Matlab.

    Parameters
    ----------
    table : ndarray, shape (n, 13 or more)
        A row a trial.
    trains : list of ndarray
        Spike times of each unit in s.
    signals : dict
        Those that hold anything, shape (S, 3): time in s and two values.
    """

    table: NDArray[np.float64]
    trains: list[NDArray[np.float64]]
    signals: dict[str, NDArray[np.float64]]


def _is_raw(arrays: Arrays) -> bool:
    return TABLE in arrays.fields and any(key.startswith(f"{TOP}.") for key in [*arrays.fields, *arrays.trains])


def _raw_session(arrays: Arrays, path: Path) -> RawSession:
    if not _is_raw(arrays):
        raise FileError(f"{path} holds no {TABLE} beside {TOP}")
    try:
        table = np.atleast_2d(np.asarray(arrays.fields[TABLE].read(), dtype=np.float64))
        if table.shape[1] <= END:
            raise FileError(f"{path}: {TABLE} has shape {table.shape}; it must have at least {END + 1} columns")
        times = f"{TOP}.units.ts"
        held = arrays.trains.get(times)
        trains = (
            [held.train(unit) for unit in range(len(held.names))]
            if held is not None
            else [np.asarray(arrays.values(times), dtype=np.float64).ravel()]  # a single unit is no list of units
        )
        signals = {}
        for name, stored in SIGNALS.items():
            key = f"{TOP}.{stored}"
            if key in arrays.fields and arrays.fields[key].size:
                values = np.atleast_2d(np.asarray(arrays.fields[key].read(), dtype=np.float64))
                signals[name] = values[:, :3]
    except MyowError:
        raise
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise FileError(f"{path} is not laid out as a raw session ({error}); get the published file") from None
    for name, values in signals.items():
        if values.shape[1] != 3:
            raise FileError(
                f"{path} is not laid out as a raw session: {name} has shape {values.shape}, not (samples, 3)"
            )
    return RawSession(table, trains, signals)


def _session(raw: RawSession, path: Path, notes: Notes) -> Session:
    """Turn it into a session whose trials have the label ``direction``."""
    table, target = raw.table, raw.table[:, TARGET]
    direction = target.astype(np.int64) if (target == np.rint(target)).all() else target
    signals = {}
    for name, values in raw.signals.items():
        if np.any(values[:, 1:]):
            signals[name] = _signal(values)
        else:
            notes.skipped.append(f"{name}: zeros throughout, which are no measurement")
    notes.skipped.append(f"{TABLE}: all but 3 of its {table.shape[1]} columns, whose meaning is not known here")
    trials = Intervals(len(table), constant(table[:, [START, END]]), {"direction": constant(direction)})
    return Session(
        name=path.stem,
        source={"file": path.name},
        units=Units(tuple(f"unit{i}" for i in range(len(raw.trains))), lambda unit: raw.trains[unit]),
        intervals={"trials": trials},
        signals=signals,
    )


def _signal(values: NDArray[Any]) -> Signal:
    return Signal(
        n_samples=len(values),
        names=("x", "y"),
        rows=lambda low, high: values[low:high, 1:],
        clock=constant(values[:, 0]),
        role="behaviour",
    )


OPTIONS = (*OF_ARRAYS, "spikes", "transpose")
"""Options that this format has; `myow.read` describes them."""


def read(path: Path, notes: Notes, options: Options) -> Recording:
    """Read a .mat file.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from scipy.io import savemat
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "session.mat"
    >>> savemat(path, {"data": {"counts": [[0, 1], [2, 0]], "direction": [3, 3]}})
    >>> read(path, Notes(), Options(bin_size=0.1)).labels["direction"].tolist()
    [3, 3]
    """
    arrays = _arrays(path, notes)
    if not _is_raw(arrays) or options.counts or options.spikes:
        with parsing(path, "MATLAB file"):
            return read_arrays(arrays, notes, options, Titles(path.stem, path.name))
    notes.format += ", a raw reaching session"
    session = _session(_raw_session(arrays, path), path, notes)
    describe(session, notes)
    recording = bin_session(session, notes, **options.binning())
    return replace(
        recording, periods={**recording.periods, **({"direction": 8} if "direction" in recording.labels else {})}
    )


def read_raw(path: Path) -> RawSession:
    """Read a raw reaching session, whichever version of MATLAB wrote it.

    Raises
    ------
    FileError
        If it is damaged or not laid out so.
    """
    try:
        return _raw_session(_arrays(path, Notes()), path)
    except FileError as error:
        raise FileError(f"{error}; it cannot be read as a raw session") from None
