"""What a file makes a process do that no file may: start a program, open a connection, write."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Audit"]

STARTS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "socket.connect", "pty.spawn")
WRITES = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.symlink",
    "os.link",
    "os.chmod",
    "os.truncate",
    "shutil.rmtree",
)


class Audit:
    """Notes what Python is asked to start, connect to or write, once `begin` was called and inside `watching`.

    Parameters
    ----------
    allowed : Path, optional
        A folder that may be written into.
    """

    def __init__(self, allowed: Path | None = None) -> None:
        self.allowed = allowed
        self.seen: list[str] = []
        self._begun = self._watching = False

    def begin(self) -> None:
        """Watch from now on. An audit cannot be ended; what a first import writes is not a file's doing, so begin after it."""
        if not self._begun:
            self._begun = True
            sys.addaudithook(self._note)

    @contextmanager
    def watching(self) -> Iterator[list[str]]:
        """Watch what the block does, and give the list of what was seen."""
        self.seen.clear()
        self._watching = True
        try:
            yield self.seen
        finally:
            self._watching = False

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        if event in STARTS:
            self.seen.append(f"{event} {arguments!r:.100}")
        elif event == "open" or event in WRITES:
            writes = event != "open" or bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            path = str(arguments[0])
            inside = self.allowed is not None and path.startswith(str(self.allowed))
            if writes and path != os.devnull and not path.startswith("/proc/") and not inside:
                self.seen.append(f"{event} {path}")
