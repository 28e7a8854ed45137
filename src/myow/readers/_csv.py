"""Tables as text (.csv, .tsv), read a block of rows at a time, so that no line and no text takes more memory than it may."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, FileError
from ._fields import LONGEST, Field, at_hand, most_bytes
from ._guard import parsing
from ._notes import Notes

__all__ = ["read_csv"]

LINE = 1 << 22  # characters
COLUMNS = 100_000
BLOCK = 200_000  # cells at a time
MISSING = ("", "na", "n/a", "nan", "null", "none")


def read_csv(path: Path, notes: Notes) -> dict[str, Field]:
    """Return the columns of a table whose first line names them; commas, semicolons or tabs part them.

    Raises
    ------
    FileError
        If a row has another number of cells than there are names, or the last line is cut short.
    DataError
        If two columns have one name.
    """
    with parsing(path, "CSV file"), path.open(encoding="utf-8-sig", newline="") as file:
        lines = _lines(path, file)
        first = next(lines, "")
        rows = csv.reader(chain([first], lines), delimiter=max(",;\t", key=first.count), strict=True)
        names = [name.strip() for name in next(rows, [])]
        if not any(names) or len(names) > COLUMNS:
            raise FileError(f"{path} has {len(names)} columns; its first line must name them, at most {COLUMNS}")
        columns = _Columns(path, names)
        for number in range(1 << 62):
            block = [row for row in islice(rows, max(1, BLOCK // len(names))) if row]
            if not block and not number:
                raise DataError(f"{path} holds names of columns, but no row below them")
            if not block:
                break
            columns.add(block)
        return columns.fields(notes)


def _lines(path: Path, file: IO[str]) -> Iterator[str]:
    number = 0
    while line := file.readline(LINE):
        number += 1
        if not line.endswith(("\n", "\r")):
            if len(line) >= LINE:
                raise FileError(f"{path}: line {number} is longer than {LINE} characters, so it is no table")
            raise FileError(f"{path}: line {number}, the last one, has no end; if it was not cut short, end it")
        yield line


class _Columns:
    """The columns as far as they are read; each is whole numbers, then numbers, then text as long as that fits."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        twice = (
            sorted({name for name in names if name and names.count(name) > 1}) if len(set(names)) < len(names) else []
        )
        if twice:
            raise DataError(f"{path} has several columns called {twice[0]}; rename them")
        self.path, self.names = path, names
        self.parts: list[list[NDArray[Any]]] = [[] for _ in names]
        self.long: set[int] = set()
        self.rows, self.left = 0, most_bytes(path)

    def add(self, block: list[list[str]]) -> None:
        """Add some rows."""
        for place, row in enumerate(block):
            if len(row) != len(self.names):
                raise FileError(
                    f"{self.path}: row {self.rows + place + 1} has {len(row)} cells, but there are {len(self.names)} columns; "
                    "it was cut short or altered"
                )
        self.rows += len(block)
        for number, cells in enumerate(zip(*block, strict=True)):
            if number in self.long or not self.names[number]:
                continue
            before = self.parts[number][-1].dtype.kind if self.parts[number] else "i"
            part = _values(cells, before)
            if part is None:
                self.long.add(number)
                self.parts[number] = []
                continue
            self.left -= part.nbytes
            if self.left < 0:
                raise FileError(f"{self.path} takes more memory than it may: it holds texts of very different lengths")
            self.parts[number].append(part)

    def fields(self, notes: Notes) -> dict[str, Field]:
        """Return the columns."""
        found = {}
        for number, (name, parts) in enumerate(zip(self.names, self.parts, strict=True)):
            if not name:
                notes.skipped.append(f"column {number}: it has no name")
            elif number in self.long:
                notes.skipped.append(f"{name}: texts longer than {LONGEST} characters")
            else:
                found[name] = at_hand(_joined(parts))
        return found


def _values(cells: Sequence[str], before: str) -> NDArray[Any] | None:
    """Return some cells of a column as numbers if they, and those before, are any; None if they hold long texts."""
    if before == "i":
        try:
            return np.array(cells, dtype=np.int64)
        except (ValueError, OverflowError):
            pass
    if before in "if":
        try:
            return np.array(cells, dtype=np.float64)
        except ValueError:
            known = ["nan" if cell.strip().lower() in MISSING else cell for cell in cells]
        try:
            return np.array(known, dtype=np.float64)
        except ValueError:
            pass
    return None if max(map(len, cells)) > LONGEST else np.array(cells, dtype=np.str_)


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    kinds = {part.dtype.kind for part in parts}
    if "U" not in kinds:
        return np.concatenate(parts)
    texts = np.concatenate([part if part.dtype.kind == "U" else part.astype(np.str_) for part in parts])
    lower = np.char.lower(texts)
    if np.isin(lower, ("true", "false")).all():
        return np.asarray(lower == "true")
    if not (texts == "").any():
        return texts
    known: NDArray[Any] = texts.astype(object)
    known[texts == ""] = None
    return known
