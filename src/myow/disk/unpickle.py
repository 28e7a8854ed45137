"""Read the published pickles of trials without running any code that a pickle may carry."""

from __future__ import annotations

import io
import os
import pickle
import re
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError
from .restricted_pickle import Admitted, ForbiddenError, Function, unpickle

__all__ = ["load_pickle"]


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
    with warnings.catch_warnings():  # PyTorch's old storage class, which these files hold, warns when it is touched
        warnings.simplefilter("ignore", UserWarning)
        return unpickle(content, str(path), _ADMITTED, finish=_plain)


class _Bag:
    """A plain holder of attributes, in place of a class that is not installed and must not be trusted."""

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError(f"an object's state is a {type(state).__name__}, not a dict")
        self.__dict__.update(state)


class _Graph(_Bag):
    """Stands in for a trial; its arrays are in the mapping of its store."""


class _Store(_Bag):
    """Stands in for the store of a trial."""


def _storage(content: bytes) -> NDArray[Any]:
    import torch

    try:
        storage = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        if named:
            raise ForbiddenError(f"the class {named[1]}") from None
        raise
    empty = torch.empty(0, dtype=storage.dtype)
    array: NDArray[Any] = empty.set_(storage.untyped()).numpy()
    return array


def _tensor(storage: NDArray[Any], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> Any:
    # Published tensors are dense; anything else could reach outside of the storage.
    if not isinstance(storage, np.ndarray) or not all(type(n) is int and n >= 0 for n in (offset, *shape)):
        raise pickle.UnpicklingError("a tensor has no proper storage and shape")
    size = int(np.prod(shape, dtype=object)) if shape else 1
    dense = tuple(int(np.prod(shape[i + 1 :], dtype=object)) for i in range(len(shape)))
    odd = len(shape) != len(strides) or any(n > 1 and a != b for n, a, b in zip(shape, strides, dense, strict=True))
    if odd or offset + size > storage.size:
        raise pickle.UnpicklingError(f"a tensor of shape {shape} does not fit its storage")
    return storage[offset : offset + size].reshape(shape)


_ADMITTED: Admitted = {
    ("torch_geometric.data.data", "Data"): _Graph,
    ("torch_geometric.data.storage", "GlobalStorage"): _Store,
    ("torch._utils", "_rebuild_tensor_v2"): Function(_tensor),
    ("torch.storage", "_load_from_bytes"): Function(_storage),
    ("collections", "OrderedDict"): OrderedDict,
}


def _plain(value: Any) -> Any:
    if isinstance(value, _Graph):
        # The parent link of a store points back at its graph; only the mapping is wanted.
        return _plain(vars(vars(value)["_store"])["_mapping"])
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in dict.items(value)}
    if isinstance(value, list | tuple):
        return type(value)(_plain(v) for v in value)
    if value is None or isinstance(value, bool | int | float | str | np.ndarray):
        return value
    raise pickle.UnpicklingError(f"it holds a {type(value).__name__}")
