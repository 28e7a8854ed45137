"""Read the published pickles of trials without running any code that a pickle may carry."""

from __future__ import annotations

import io
import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import FileError

__all__ = ["load_pickle"]


class Bag:
    """A plain holder of attributes, in place of a class that is not installed and must not be trusted."""

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError(f"an object's state is a {type(state).__name__}, not a dict")
        self.__dict__.update(state)


class Graph(Bag):
    """Stands in for ``torch_geometric.data.Data``; reduced to a dict once reading is done."""


class Store(Bag):
    """Stands in for ``torch_geometric.data.storage.GlobalStorage``, which keeps a graph's arrays in ``_mapping``."""


def load_pickle(path: str | os.PathLike[str]) -> Any:
    """Read a published pickle; graph objects become plain dicts and tensors become arrays.

    Only the classes that the published files need are admitted, each as a stand-in written here. Tensor data goes
    through PyTorch's weights-only loader, which cannot run code either.

    Parameters
    ----------
    path : path-like
        The .pkl file.

    Returns
    -------
    object
        Built from dicts, lists, tuples, numbers, strings and arrays.

    Raises
    ------
    FileError
        If the file is missing, is no whole pickle, or asks for any other class (which is named).
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    try:
        return _plain(_Unpickler(io.BytesIO(content)).load())
    except _ForbiddenError as error:
        raise FileError(f"{path} asks for {error}, which is not needed by published data; it was not opened") from None
    except Exception as error:  # damaged bytes can make the machinery below fail in any way at all
        raise FileError(
            f"{path} is no whole pickle ({type(error).__name__}: {str(error)[:80] or 'it ends early'}); "
            "it was truncated or altered, fetch it again"
        ) from None


class _ForbiddenError(Exception):
    """A class that is not on the list."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise _ForbiddenError(f"the class {module}.{name}")
        return _ADMITTED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise _ForbiddenError("an object outside of the file")


def _storage(content: bytes) -> NDArray[Any]:
    import torch

    storage = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    typed = torch.tensor([], dtype=storage.dtype)
    array: NDArray[Any] = typed.set_(storage.untyped()).numpy()
    return array


def _tensor(
    storage: NDArray[Any],
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    requires_grad: bool,
    hooks: Any,
) -> NDArray[Any]:
    # Bounds are checked because striding past the storage would read memory that is not ours.
    sizes = (offset, *shape, *strides)
    if not all(type(n) is int and n >= 0 for n in sizes) or len(shape) != len(strides):
        raise pickle.UnpicklingError("a tensor's shape is no tuple of whole numbers")
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if 0 in shape:
        return np.empty(shape, storage.dtype)
    if last >= storage.size:
        raise pickle.UnpicklingError("a tensor is larger than its storage")
    steps = tuple(s * storage.itemsize for s in strides)
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps, writeable=False).copy()


_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch_geometric.data.data", "Data"): Graph,
    ("torch_geometric.data.storage", "GlobalStorage"): Store,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch.storage", "_load_from_bytes"): _storage,
    ("collections", "OrderedDict"): OrderedDict,
}


def _plain(value: Any) -> Any:
    if isinstance(value, Graph):
        # The parent link of a store points back at its graph; only the mapping is wanted.
        return _plain(value.__dict__["_store"].__dict__["_mapping"])
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(v) for v in value)
    return value
