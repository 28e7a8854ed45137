"""Where to compute."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from .errors import SettingError

__all__ = ["choose_device", "cpu_threads"]


def choose_device(name: str) -> torch.device:
    """Turn a name into a device that works here; "auto" takes a GPU if there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SettingError(f"device '{name}' cannot be used here ({str(error).splitlines()[0]}); try 'cpu'") from error
    return device


@contextlib.contextmanager
def cpu_threads(threads: int | None) -> Iterator[None]:
    """Let torch use so many threads for a while; None leaves it as it is.

    Raises
    ------
    SettingError
        If the number is below 1.
    """
    if threads is None:
        yield
        return
    if threads < 1:
        raise SettingError(f"threads is {threads}; it must be 1 or more, or None")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
