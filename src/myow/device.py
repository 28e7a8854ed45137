"""Devices and threads to compute on."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import torch

from .errors import SettingError

__all__ = ["choose_device", "compiler_lacks", "cpu_threads", "describe_machine"]


def choose_device(name: str) -> torch.device:
    """Turn a name into a device that works here; "auto" takes a GPU if there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0]
        if why.startswith("Expected one of"):  # a list of all that torch was ever built for
            why = "there is no such kind; cpu and cuda are, and auto takes what is there"
        raise SettingError(f"device '{name}' cannot be used here ({why}); try 'cpu'") from error
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


def compiler_lacks(device: torch.device) -> str | None:
    """Say what `torch.compile` needs on a device and does not find, or None; nothing is compiled to know that."""
    on_gpu = device.type == "cuda"
    if on_gpu and importlib.util.find_spec("triton") is None:
        return "the package triton"
    names = [os.environ.get("CC"), "gcc", "clang", "cc"] if on_gpu else [os.environ.get("CXX"), "g++", "clang++", "c++"]
    if os.name == "nt":
        names.append("cl")
    if not any(shutil.which(name.split()[0]) for name in names if name and name.strip()):
        return "a C compiler" if on_gpu else "a C++ compiler"
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        return "Python's header files (such as python3-dev)"
    return None
