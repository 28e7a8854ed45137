"""The results of a bench: one JSON line a fit, appended whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..disk.lines import append_line, whole_lines
from ..disk.lock import locked
from ..disk.shape import misfit
from ..disk.storage import remove_leftovers
from ..errors import FileError

__all__ = ["RowsFile"]


class RowsFile:
    """A file of rows that survives being interrupted at any moment.

    A line is handed to the system in one write and synced. A line that was cut off none the less has no line end, and is
    removed before the next one is written.

    Parameters
    ----------
    path : Path
        The file; it need not exist.
    wrong : callable, optional
        Says what is wrong with a row, "" if nothing is; see `myow.bench.row_shape`. Default: it must have a key.
    """

    def __init__(self, path: Path, wrong: Callable[[Any], str] = lambda row: misfit(row, {"key": str})) -> None:
        self.path, self.wrong = path, wrong

    def read(self) -> list[dict[str, Any]]:
        """Return all whole rows; of several with one key the last, in the place of the first.

        Raises
        ------
        FileError
            If the file cannot be read or a whole line of it is no row.
        """
        rows: dict[str, dict[str, Any]] = {}
        for number, line in enumerate(whole_lines(self.path).splitlines(), 1):
            try:
                row = json.loads(line)
                why = self.wrong(row).strip()
            except (ValueError, RecursionError) as error:
                why = str(error).splitlines()[0]
            if why:
                raise FileError(f"line {number} of {self.path} is not a row ({why:.80}); remove that line")
            rows[row["key"]] = row
        return list(rows.values())

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row.

        Raises
        ------
        FileError
            If it cannot be written; the file then ends with the last whole row.
        """
        append_line(self.path, json.dumps(row, allow_nan=False))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second bench out of the same folder for a while, and clear away what one that was killed left half written.

        Raises
        ------
        FileError
            If another one is at work there.
        """
        with locked(self.path.with_suffix(".lock"), "another bench"):
            for folder in (self.path.parent, self.path.parent / "embeddings", self.path.parent / "figures"):
                remove_leftovers(folder)
            yield
