"""Pickled dicts of NumPy arrays, as CIFAR is published: arrays are rebuilt here, so that no code of NumPy's is called."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .restricted_pickle import Admitted, Function, unpickle

__all__ = ["load_arrays"]

# Plain numbers only: an array of objects could hold anything.
NUMBERS = frozenset(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)) | {"b1", "f2", "f4", "f8"}


def load_arrays(content: bytes, where: str) -> dict[str, Any]:
    """Read a pickled dict; keys become text, arrays become NumPy arrays, anything else stays as it is.

    Parameters
    ----------
    content : bytes
        The pickle, by Python 2 or 3.
    where : str
        Its file, for the error's text.

    Returns
    -------
    dict
        Values may be of any plain type: the caller checks those it needs.

    Raises
    ------
    FileError
        If it is no whole pickle, no dict, or asks for any class but those of arrays of numbers.
    """
    values: dict[str, Any] = unpickle(content, where, _ADMITTED, encoding="bytes", finish=_dict)
    return values


class _Type:
    """Stands in for a dtype."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any) -> None:
        self.code, self.order = _text(code), "|"
        if self.code not in NUMBERS:
            raise pickle.UnpicklingError(f"an array holds {self.code!r}, which are no plain numbers")

    def __setstate__(self, state: Any) -> None:
        self.order = _text(state[1])
        if self.order not in ("|", "<", ">", "="):
            raise pickle.UnpicklingError(f"an array's bytes are in order {self.order!r}")


class _Array:
    """Stands in for an array; a view of its bytes."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: NDArray[Any] = np.empty(0, dtype=np.uint8)

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, by_columns, raw = state
        if not (isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)):
            raise pickle.UnpicklingError(f"an array has shape {shape!r}")
        if not (isinstance(kind, _Type) and isinstance(raw, bytes)):
            raise pickle.UnpicklingError("an array has no type or no bytes")
        dtype = np.dtype(kind.order + kind.code)
        if math.prod(shape) * dtype.itemsize != len(raw):
            raise pickle.UnpicklingError(f"an array of shape {shape} has {len(raw)} bytes")
        self.values = np.frombuffer(raw, dtype=dtype).reshape(shape, order="F" if by_columns else "C")


def _text(value: Any) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else str(value)


def _encode(text: Any, encoding: Any) -> bytes:
    """Bytes, as Python 3 writes them for Python 2."""
    if _text(encoding) != "latin1" or not isinstance(text, str):
        raise pickle.UnpicklingError("bytes are written in an odd way")
    return text.encode("latin1")


_ADMITTED: Admitted = {
    ("numpy", "ndarray"): Function(_Array),
    ("numpy", "dtype"): Function(lambda code, *_: _Type(code)),
    ("numpy.core.multiarray", "_reconstruct"): Function(lambda *_: _Array()),
    ("numpy._core.multiarray", "_reconstruct"): Function(lambda *_: _Array()),  # written by NumPy 2
    ("_codecs", "encode"): Function(_encode),
}


def _dict(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise pickle.UnpicklingError(f"it holds a {type(value).__name__}, no dict")
    return {_text(k): v.values if isinstance(v, _Array) else v for k, v in value.items()}
