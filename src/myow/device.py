"""Devices and threads to compute on."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator

import torch

from .errors import SettingError

__all__ = ["choose_device", "cpu_threads", "describe_machine"]


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


def describe_machine(device: torch.device | None = None) -> str:
    """Describe the machine that a row of a table was computed on: system, processor, cores and, if `device` is a GPU, which."""
    words = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    gpu = device is not None and device.type == "cuda"
    return f"{words}, {torch.cuda.get_device_name(device)}" if gpu else words


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
