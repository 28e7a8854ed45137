"""An embedding as a table: a row a bin; columns ``time``, ``segment``, one a dimension, and labels.

A label NAME of one column is ``label_NAME``; one of several is ``label_NAME_0``, ``label_NAME_1``, ...
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.embedding import Embedding
from ..errors import DataError, FileError
from ._about import LABEL, beside, restored

__all__ = ["about_columns", "column_types", "columns_of", "embedding_of"]

TIME, SEGMENT = "time", "segment"
TYPES = {str(np.dtype(code)) for code in "?bhilBHILfd"} | {"str"}


def columns_of(path: Path, embedding: Embedding) -> dict[str, NDArray[Any]]:
    """Return the columns by name.

    Raises
    ------
    DataError
        If two would have the same name.
    """
    pairs = [
        (TIME, embedding.times),
        (SEGMENT, embedding.segments),
        *zip(embedding.dimensions, embedding.z.T, strict=True),
    ]
    for name, values in embedding.labels.items():
        width = values.shape[1] if values.ndim == 2 else None
        parts = [values] if width is None else list(values.T)
        pairs += zip(_names(name, width), parts, strict=True)
    names = [name for name, _ in pairs]
    twice = [name for name in names if names.count(name) > 1] if len(set(names)) < len(names) else []
    if twice:
        raise DataError(f"{path} would have several columns called '{twice[0]}'; rename the label or the dimension")
    return dict(pairs)


def about_columns(embedding: Embedding) -> dict[str, Any]:
    """Return what the columns do not say, in what JSON can hold."""
    labels = {
        name: {"type": _type(values), "width": values.shape[1] if values.ndim == 2 else None}
        for name, values in embedding.labels.items()
    }
    return beside(embedding) | {"rows": len(embedding), "labels": labels}


def column_types(path: Path, about: Mapping[str, Any], found: Collection[str]) -> dict[str, str]:
    """Return the type of each column that an embedding is made of.

    Parameters
    ----------
    path : Path
        The file, for the errors' text.
    about : mapping
        As `about_columns` says, or what a file claims.
    found : collection of str
        Columns that there are.

    Raises
    ------
    FileError
        If a column is missing, or is described as what cannot be.
    """
    dimensions, labels = about.get("dimensions"), about.get("labels")
    if not isinstance(dimensions, list) or not isinstance(labels, dict):
        raise FileError(f"{path} does not say which columns are dimensions and labels; it was altered")
    types = {TIME: "float64", SEGMENT: "int64"} | dict.fromkeys(map(str, dimensions), "float32")
    if len(types) != len(dimensions) + 2:
        raise FileError(f"{path} has several columns of one name; it was altered")
    for name, one in labels.items():
        kind, width = (one.get("type"), one.get("width")) if isinstance(one, dict) else (None, None)
        if kind not in TYPES or not (width is None or (type(width) is int and 0 < width <= len(found))):
            raise FileError(f"{path}: label '{name}' is described as {str(one)[:60]}; it was altered")
        types |= dict.fromkeys(_names(name, width), str(kind))
    for name in types:
        if name not in found:
            raise FileError(f"{path} has no column '{name}'; it was cut short or altered")
    return types


def embedding_of(path: Path, about: Mapping[str, Any], column: Callable[[str], NDArray[Any]]) -> Embedding:
    """Put an embedding together from columns of the types that `column_types` says.

    Raises
    ------
    DataError, FileError
        If they make none.
    """
    times, dimensions = column(TIME), [str(name) for name in about["dimensions"]]
    if len(times) != about.get("rows"):
        raise FileError(
            f"{path} has {len(times)} rows, but {about.get('rows')} were written; it was cut short or altered"
        )
    z = np.empty((len(times), len(dimensions)), dtype=np.float32)
    for number, name in enumerate(dimensions):
        z[:, number] = column(name)
    labels = {}
    for name, one in about["labels"].items():
        parts = [column(part) for part in _names(name, one["width"])]
        labels[name] = parts[0] if one["width"] is None else np.stack(parts, axis=1)
    return restored(path, about, z, times, column(SEGMENT), labels)


def _names(label: str, width: int | None) -> list[str]:
    return [LABEL + label] if width is None else [f"{LABEL}{label}_{i}" for i in range(width)]


def _type(values: NDArray[Any]) -> str:
    return "str" if values.dtype.kind == "U" else str(values.dtype)
