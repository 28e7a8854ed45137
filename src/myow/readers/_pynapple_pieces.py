"""Pynapple's objects, or the files that they save, as plain arrays; no pickle in a file is run."""

from __future__ import annotations

import io
import math
import pickle
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..disk.arrays import npy_header
from ..disk.restricted_pickle import Admitted, Function, unpickle
from ..errors import DataError, FileError
from ._guard import GIB, parsing
from ._notes import Notes

__all__ = ["Piece", "holds_pynapple", "piece_of", "read_pieces"]

KINDS = ("TsGroup", "TsdFrame", "TsdTensor", "Tsd", "Ts", "IntervalSet")
LIMIT = 4 * GIB  # bytes of all arrays of a file


@dataclass(frozen=True)
class Piece:
    """An object of pynapple.

    Parameters
    ----------
    kind : str
        Its class.
    support : ndarray, shape (n, 2)
        Its time support in s; of an IntervalSet the intervals themselves.
    times, values : ndarray, shapes (S,) and (S, D)
        Of a series; of a TsGroup the times of all its units.
    member : ndarray of int, shape (S,)
        Of a TsGroup, the unit of each time.
    names : tuple of str
        Of units or columns.
    columns, support_columns : dict
        Metadata, and that of the time support.
    """

    kind: str
    support: NDArray[np.float64]
    times: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    values: NDArray[Any] = field(default_factory=lambda: np.empty((0, 1)))
    member: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()
    columns: dict[str, NDArray[Any]] = field(default_factory=dict)
    support_columns: dict[str, NDArray[Any]] = field(default_factory=dict)

    def train(self, unit: int) -> NDArray[np.float64]:
        """Return the times of a unit in s."""
        return self.times if self.member is None else self.times[self.member == unit]


def piece_of(thing: Any) -> Piece:
    """Take an object of pynapple apart.

    Raises
    ------
    DataError
        If it is of a class that makes no recording.
    """
    kind = type(thing).__name__
    if kind not in KINDS:
        raise DataError(f"a {type(thing).__module__}.{kind} makes no recording; give one of {', '.join(KINDS)}")
    columns = {str(k): np.asarray(thing.get_info(k)) for k in getattr(thing, "metadata_columns", ())}
    if kind == "IntervalSet":
        return Piece(kind, np.asarray(thing.values, dtype=np.float64), columns=columns)
    limits = thing.time_support
    more: dict[str, Any] = {
        "support": np.asarray(limits.values, dtype=np.float64),
        "support_columns": {str(k): np.asarray(limits.get_info(k)) for k in limits.metadata_columns},
    }
    if kind == "TsGroup":
        keys = list(thing.index)
        trains = [np.asarray(thing[key].t, dtype=np.float64) for key in keys]
        member = np.repeat(np.arange(len(trains)), [len(t) for t in trains])
        times = np.concatenate([np.empty(0), *trains])
        names = tuple(str(k) for k in keys)
        return Piece(kind, times=times, member=member, names=names, columns=columns, **more)
    if kind == "Ts":
        return Piece(kind, times=np.asarray(thing.t, dtype=np.float64), names=("unit0",), **more)
    values = np.asarray(thing.values)
    titles = [str(c) for c in thing.columns] if kind == "TsdFrame" else []
    return _series(kind, np.asarray(thing.t, dtype=np.float64), values, titles, columns, more)


def _series(kind: str, times: Any, values: NDArray[Any], names: list[str], columns: Any, more: Any) -> Piece:
    if times.ndim != 1 or values.ndim < 1 or len(values) != len(times) or 0 in values.shape[1:]:
        raise DataError(f"values of shape {values.shape} have times of shape {times.shape}; give one time a row")
    flat = values.reshape(len(values), -1) if len(values) else values.reshape(0, 1)
    fitting = len(names) == flat.shape[1]
    default = [kind.lower() + (str(i) if flat.shape[1] > 1 else "") for i in range(flat.shape[1])]
    return Piece(kind, times=times, values=flat, names=tuple(names if fitting else default), columns=columns, **more)


# Files.


def holds_pynapple(path: Path) -> bool:
    """Whether an .npz file is one that pynapple saved."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except Exception:  # no archive at all: the reader of .npz says so
        return False
    return {"type.npy", "start.npy", "end.npy"} <= names and "counts.npy" not in names


def read_pieces(path: Path, notes: Notes) -> dict[str, Piece]:
    """Read what an object of pynapple saved.

    Raises
    ------
    FileError
        If it is no whole file of pynapple, too large, or holds Python objects other than names and metadata.
    """
    with parsing(path, "pynapple file"):
        arrays = _arrays(path)
        kind = str(arrays["type"].ravel()[0])
        if kind not in KINDS:
            raise FileError(f"{path} holds a {kind}, which is none of {', '.join(KINDS)}")
        notes.format = f"pynapple {kind}, saved"
        support = np.stack([np.asarray(arrays[k], dtype=np.float64) for k in ("start", "end")], axis=1)
        stored = arrays["_metadata"].item() if "_metadata" in arrays else {}
        columns = {str(k): np.asarray(v) for k, v in stored.items()}
        if kind == "IntervalSet":
            return {path.stem: Piece(kind, support, columns=columns)}
        times = np.asarray(arrays["t"], dtype=np.float64)
        if kind == "TsGroup":
            keys, index = arrays["keys"], arrays["index"]
            if index.shape != times.shape or not np.isin(index, keys).all():
                raise FileError(
                    f"{path}: {len(times)} spike times do not fit {len(index)} numbers of units; it was altered"
                )
            order = np.argsort(keys, kind="stable")
            member = order[np.searchsorted(keys[order], index)]
            names = tuple(str(k) for k in keys)
            columns = {k: v for k, v in columns.items() if len(v) == len(keys)}
            return {path.stem: Piece(kind, support, times, member=member, names=names, columns=columns)}
        if kind == "Ts":
            return {path.stem: Piece(kind, support, times, names=("unit0",))}
        titles = [str(c) for c in arrays["columns"].ravel()] if "columns" in arrays else []
        return {path.stem: _series(kind, times, arrays["d"], titles, columns, {"support": support})}


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    found = {}
    with zipfile.ZipFile(path) as archive:
        if sum(info.file_size for info in archive.infolist()) > LIMIT:
            raise FileError(f"{path} expands to more than {LIMIT // GIB} GiB; it was altered, or save less into it")
        for info in archive.infolist():
            content = io.BytesIO(archive.read(info))
            shape, _, dtype = npy_header(content)
            name = info.filename.removesuffix(".npy")
            if dtype.kind == "O":
                found[name] = unpickle(content.read(), str(path), _ADMITTED, finish=_plain)
            else:
                if math.prod(shape) * max(dtype.itemsize, 1) > info.file_size - content.tell():
                    raise FileError(
                        f"{path}: {info.filename} promises {shape} of {dtype}, more than it holds; it was altered"
                    )
                content.seek(0)
                found[name] = np.lib.format.read_array(content, allow_pickle=False)
    return found


# Arrays of objects: names of columns, and a dict of metadata. They are built from their parts here, so that no code is run.


class _Type:
    """Stands in for a dtype."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any) -> None:
        self.code, self.order = str(code), "|"
        if not re.fullmatch(r"[iu][1248]|f[248]|b1|[US]\d{1,6}|O8?", self.code):
            raise pickle.UnpicklingError(f"an array holds {self.code!r}")

    def __setstate__(self, state: Any) -> None:
        self.order = str(state[1])
        if self.order not in ("|", "<", ">", "="):
            raise pickle.UnpicklingError(f"an array's bytes are in order {self.order!r}")


class _Array:
    """Stands in for an array."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: NDArray[Any] = np.empty(0)

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, by_columns, raw = state
        if not isinstance(kind, _Type) or not all(type(n) is int and n >= 0 for n in shape):
            raise pickle.UnpicklingError("an array has no type or no shape")
        order: Any = "F" if by_columns else "C"
        if isinstance(raw, list):
            values = np.empty(len(raw), dtype=object)
            values[:] = raw
        else:
            values = np.frombuffer(raw, dtype=np.dtype(kind.order + kind.code))
        self.values = values.reshape(shape, order=order)


_ADMITTED: Admitted = {
    ("numpy", "ndarray"): Function(_Array),
    ("numpy", "dtype"): Function(lambda code, *_: _Type(code)),
    ("numpy.core.multiarray", "_reconstruct"): Function(lambda *_: _Array()),
    ("numpy._core.multiarray", "_reconstruct"): Function(lambda *_: _Array()),
}


def _plain(value: Any) -> NDArray[Any]:
    """Return an array in which there is nothing but plain values."""
    if not isinstance(value, _Array):
        raise pickle.UnpicklingError(f"it holds a {type(value).__name__}, no array")
    if value.values.dtype.kind == "O":
        value.values[...] = np.vectorize(_simple, otypes=[object])(value.values) if value.values.size else value.values
    return value.values


def _simple(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) if isinstance(v, _Array) else _simple(v) for k, v in value.items()}
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    raise pickle.UnpicklingError(f"it holds a {type(value).__name__}")
