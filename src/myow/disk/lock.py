"""One process at a time: a lock on a folder that is gone with the process that held it, however it ended."""

from __future__ import annotations

import errno
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import FileError

try:
    import fcntl
except ImportError:  # a system without such locks
    fcntl = None  # type: ignore[assignment]

__all__ = ["Held", "locked"]

_ours: dict[tuple[int, int], tuple[int, int]] = {}
"""Files that are locked here, by device and inode, and who did: process, since a forked one gets a copy of this, and thread."""


class Held:
    """A lock that this process holds.

    Parameters
    ----------
    path : Path
        The lock's file.
    number : int
        Its descriptor.
    """

    def __init__(self, path: Path, number: int) -> None:
        self._path, self._number = path, number

    def check(self) -> None:
        """Make sure that the folder is still the one that was locked.

        Raises
        ------
        FileError
            If it was removed or another one took its place, which someone else may have locked.
        """
        try:
            same = os.path.samestat(os.stat(self._path), os.fstat(self._number))
        except OSError:
            same = False
        if not same:
            raise FileError(
                f"{self._path.parent} was removed or replaced while it was written to; nothing more is written there"
            )


@contextmanager
def locked(path: Path, who: str, *, again: bool = False) -> Iterator[Held]:
    """Keep other processes out for a while.

    The file stays, empty; what counts is the system's lock on it, which ends with the process. So nothing has to be removed
    after a crash. Whoever only reads need not ask.

    Parameters
    ----------
    path : Path
        The lock's file, in the folder that is to be kept.
    who : str
        What the other one is, such as "another bench".
    again : bool, optional
        Whether the thread that holds it already may have it once more.

    Yields
    ------
    Held

    Raises
    ------
    FileError
        If another process holds it, or the file cannot be made.
    """
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror}; choose another folder or free it") from error
    try:
        found = os.fstat(number)
        file = found.st_dev, found.st_ino
        me = os.getpid(), threading.get_ident()
        held = again and _ours.get(file) == me
        if not held:
            _take(path, number, who)
            _ours[file] = me
        try:
            yield Held(path, number)
        finally:
            if not held:
                del _ours[file]
    finally:
        os.close(number)


def _take(path: Path, number: int, who: str) -> None:
    try:
        if fcntl is None:
            raise OSError(errno.ENOSYS, "this system has none")
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FileError(f"{who} is writing to {path.parent}; wait for it, or use another folder") from None
    except OSError as error:  # some network file systems know no locks, and are used all the same
        warnings.warn(
            f"{path.parent} cannot be locked ({error.strerror}); see to it that nothing else writes there",
            stacklevel=4,
        )
