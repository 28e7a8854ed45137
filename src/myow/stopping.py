"""A request to end, such as a scheduler's, stops a program as Ctrl-C does: what was reached is kept, and it says so."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Stop", "stopping"]

# SIGTERM comes from schedulers, containers and `kill`; SIGHUP when the terminal is closed or a connection is lost.
ASKING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stop:
    """What was asked for.

    Attributes
    ----------
    code : int
        Exit code that tells which signal came, 0 if none did.
    """

    code = 0

    def asked(self, number: int, frame: Any) -> None:
        """Stop once; some senders ask twice, and the second must not disturb the keeping of what was reached."""
        if not self.code:
            self.code = 128 + number
            raise KeyboardInterrupt


@contextmanager
def stopping() -> Iterator[Stop]:
    """Turn requests to end into `KeyboardInterrupt` for a while, unless someone else attends to them.

    Yields
    ------
    Stop
        Says afterwards whether one came.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    taken = [number for number in ASKING if signal.getsignal(number) is signal.SIG_DFL]  # under nohup it is ignored
    for number in taken:
        signal.signal(number, stop.asked)
    try:
        yield stop
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
