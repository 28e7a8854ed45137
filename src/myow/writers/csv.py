"""Text (.csv): a line that begins with ``# myow:`` and holds JSON, names of columns, then a row a bin.

It opens with ``pandas.read_csv(path, comment="#")``. Numbers have as many digits as bring them back exactly; texts stand in
quotes.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..data.embedding import Embedding
from ..disk.storage import writing
from ..errors import DataError, FileError
from ..readers._guard import parsing
from ._about import as_texts, joined_texts, json_object
from ._table import about_columns, column_types, columns_of, embedding_of

__all__ = ["SUFFIXES", "read", "write"]

SUFFIXES = (".csv",)

MARK = "# myow: "
BLOCK = 100_000  # cells at a time
LONGEST = 100_000  # characters; Python's own limit of a cell is a little above


def write(path: Path, embedding: Embedding) -> None:
    """Write an embedding as text.

    Parameters
    ----------
    path : Path
        The file.
    embedding : Embedding
        What to write.
    """
    columns = columns_of(path, embedding)
    for name, values in columns.items():
        if values.dtype.kind == "U" and max(map(len, np.unique(values))) > LONGEST:
            raise DataError(
                f"{name} holds texts longer than {LONGEST} characters, too long for .csv; use another format"
            )
    step = max(1, BLOCK // len(columns))
    with writing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        file.write(f"{MARK}{json.dumps(about_columns(embedding), allow_nan=False)}\n")
        file.write(",".join(map(_quoted, columns)) + "\n")
        for first in range(0, len(embedding), step):
            cells = [_cells(values[first : first + step]) for values in columns.values()]
            file.writelines(",".join(row) + "\n" for row in zip(*cells, strict=True))


def read(path: Path) -> Embedding:
    """Read an embedding from text.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Embedding
    """
    with parsing(path, "CSV file"), path.open(encoding="utf-8", newline="") as file:
        if not _ends(path):
            raise FileError(f"{path} has no end of line at its end; it was cut short")
        first = file.readline()
        if not first.startswith(MARK):
            raise FileError(
                f"{path} holds no embedding: its first line does not begin with '{MARK}'; write it with myow.write"
            )
        about = json_object(path, first.removeprefix(MARK), "the first line")
        columns = _columns(path, about, file)
        return embedding_of(path, about, columns.__getitem__)


def _ends(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _cells(values: NDArray[Any]) -> list[str]:
    if values.dtype.kind == "U":
        return [_quoted(text) for text in values.tolist()]
    if values.dtype == np.float32:  # nine digits tell any two of them apart
        return [f"{value:.9g}" for value in values.tolist()]
    return [repr(value) for value in values.tolist()]


def _columns(path: Path, about: dict[str, Any], file: IO[str]) -> dict[str, NDArray[Any]]:
    """Read the columns in their types, a block of rows at a time."""
    rows = csv.reader(file, strict=True)
    names = next(rows, [])
    types = column_types(path, about, names)
    places = {name: number for number, name in enumerate(names) if name in types}
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in places}
    while block := list(islice(rows, max(1, BLOCK // len(names)))):
        cells = list(zip(*block, strict=True))
        if len(cells) != len(names):
            raise FileError(f"{path}: a row has {len(cells)} cells, but there are {len(names)} columns; it was altered")
        for name, place in places.items():
            parts[name].append(_typed(path, cells[place], types[name]))
    return {
        name: joined_texts(path, found) if types[name] == "str" else np.concatenate(found)
        for name, found in parts.items()
    }


def _typed(path: Path, cells: Sequence[str], kind: str) -> NDArray[Any]:
    if kind == "str":
        return as_texts(path, cells)
    if kind == "bool":
        return np.array([{"True": True, "False": False}[cell] for cell in cells])
    return np.array(cells).astype(kind)
