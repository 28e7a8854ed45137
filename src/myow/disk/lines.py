"""Files of lines that grow at their end: a line is added whole or not at all, and one that was cut off costs no other."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ..errors import FileError

__all__ = ["append_line", "whole_lines"]

BLOCK = 1 << 16  # bytes


def whole_lines(path: Path) -> bytes:
    """Return the file up to its last line's end; nothing if there is no file.

    Raises
    ------
    FileError
        If it cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}; check its permissions") from error
    return content[: content.rfind(b"\n") + 1]


def append_line(path: Path, line: str) -> None:
    """Add a line and sync it; a line without an end, which a crash left, is removed first.

    Parameters
    ----------
    path : Path
        The file; it need not exist.
    line : str
        Without a line's end.

    Raises
    ------
    FileError
        If it cannot be written; the file then ends with its last whole line.
    """
    content = line.encode() + b"\n"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            end = _end_of_lines(handle)
            os.ftruncate(handle, end)
            os.lseek(handle, end, os.SEEK_SET)
            try:
                written = os.write(handle, content)  # one call, so that no other writer's line falls into this one
                if written < len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, end)
                raise
        finally:
            os.close(handle)
    except OSError as error:
        raise FileError(
            f"cannot write {path}: {error.strerror or error}; check that the folder exists, may be written and has room"
        ) from error


def _end_of_lines(handle: int) -> int:
    """Return where the last line's end is, searched from the end of the file."""
    end = os.lseek(handle, 0, os.SEEK_END)
    while end:
        first = max(0, end - BLOCK)
        os.lseek(handle, first, os.SEEK_SET)
        found = os.read(handle, end - first).rfind(b"\n")
        if found >= 0:
            return first + found + 1
        end = first
    return 0
