"""The results of a bench: one JSON line a fit, appended whole."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[dict[str, Any]]:
        """Return all whole rows; of several with one key the last, in the place of the first.

        Raises
        ------
        FileError
            If the file cannot be read or a whole line of it is no row.
        """
        rows: dict[str, dict[str, Any]] = {}
        for number, line in enumerate(self._whole().splitlines(), 1):
            try:
                row = json.loads(line)
                rows[row["key"]] = row
            except (ValueError, KeyError, TypeError) as error:
                raise FileError(f"line {number} of {self.path} is not a row ({error}); remove that line") from error
        return list(rows.values())

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row.

        Raises
        ------
        FileError
            If it cannot be written; the file then ends with the last whole row.
        """
        line = (json.dumps(row, allow_nan=False) + "\n").encode()
        try:
            whole = len(self._whole())
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o666)
            try:
                os.ftruncate(handle, whole)
                os.lseek(handle, whole, os.SEEK_SET)
                written = os.write(handle, line)
                if written < len(line):
                    os.ftruncate(handle, whole)
                    raise OSError(28, "no space left")
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            if isinstance(error, FileError):
                raise
            raise FileError(
                f"cannot write {self.path}: {error.strerror or error}; make room and start again"
            ) from error

    def _whole(self) -> bytes:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise FileError(f"cannot read {self.path}: {error.strerror or error}") from error
        return content[: content.rfind(b"\n") + 1]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second bench out of the same folder for a while.

        Raises
        ------
        FileError
            If another one is at work there.
        """
        with self.path.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise FileError(
                    f"another bench is writing to {self.path.parent}; wait for it, or use another folder"
                ) from None
            yield
