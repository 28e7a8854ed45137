"""Parsing tried in a child process first, since damaged bytes can crash a parser that is written in C, and with it us."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from ..errors import FileError

__all__ = ["out_of_memory", "rehearse"]

LIMIT = 4 << 30
SECONDS = 120.0
TOO_LARGE = 7  # what the child says by its exit code


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be had; parsers written in C say so in words only."""
    words = ("memory allocation failed", "unable to allocate", "can't allocate", "cannot allocate", "out of memory")
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in words)


def rehearse(
    path: Path, what: str, act: Callable[[], object], *, seconds: float = SECONDS, memory: int = LIMIT
) -> None:
    """Do something with a file in a child process, to see whether it ends at all.

    What it returns or raises is not of interest: the caller does it again, and then gets the value or the error. Where
    processes cannot be forked (Windows), nothing is done.

    Parameters
    ----------
    path : Path
        The file, for the error's text.
    what : str
        What it should be, such as ``"HDF5 file"``.
    act : callable
        What to try.
    seconds : float, optional
        How long it may take.
    memory : int, optional
        Bytes that it may take beyond what this process has.

    Raises
    ------
    FileError
        If the child crashed, took longer or asked for more memory than that.

    Examples
    --------
    >>> rehearse(Path("a.h5"), "HDF5 file", lambda: 1 / 0)
    >>> rehearse(Path("a.h5"), "HDF5 file", lambda: os.kill(os.getpid(), signal.SIGSEGV))
    Traceback (most recent call last):
    myow.errors.FileError: a.h5 is no whole HDF5 file: it crashes what reads it (SIGSEGV); it was truncated or altered
    """
    if not hasattr(os, "fork"):
        return
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        # Of forking beside threads: the child calls nothing but this parser and leaves without cleaning up.
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        _perform(act, memory)
    code = _wait(child, time.monotonic() + seconds)
    if code is None:
        raise FileError(f"{path} takes more than {seconds:g} s to look through; it was altered, or holds too much")
    if code == TOO_LARGE:
        raise FileError(f"{path} asks for more memory than its {path.stat().st_size} bytes can need; it was altered")
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        raise FileError(f"{path} is no whole {what}: it crashes what reads it ({name}); it was truncated or altered")


def _perform(act: Callable[[], object], memory: int) -> None:
    """Be the child: silent, bounded, and gone without a trace."""
    code = 0
    try:
        import faulthandler
        import resource

        faulthandler.disable()
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError, ValueError):
            held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (held + memory, resource.getrlimit(resource.RLIMIT_AS)[1]))
        act()
    except BaseException as error:
        code = TOO_LARGE if out_of_memory(error) else 0
    finally:
        os._exit(code)


def _wait(child: int, until: float) -> int | None:
    """Return how the child ended: 0, or minus the signal that ended it; None if it had to be stopped."""
    pause, ended = 0.0005, False
    try:
        while True:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                ended = True
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > until:
                return None
            time.sleep(pause)
            pause = min(2 * pause, 0.02)
    finally:
        if not ended:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
