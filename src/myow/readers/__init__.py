"""Files into recordings, one file a format; a file here with ``SUFFIXES`` and ``read`` is found by being here."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

from ..data.recording import Recording
from ..errors import FileError, unknown_name

__all__ = ["read", "suffixes"]


def _readers() -> dict[str, ModuleType]:
    modules = [importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
    return {suffix: module for module in modules for suffix in getattr(module, "SUFFIXES", ())}


def suffixes() -> list[str]:
    """Endings of the files that can be read."""
    return sorted(_readers())


def read(path: str | os.PathLike[str], *, bin_size: float | None = None, **options: Any) -> Recording:
    """Read a recording from a file; its ending says how.

    Parameters
    ----------
    path : path-like
        The file.
    bin_size : float, optional
        Width of a bin in s, where the file does not say.
    **options
        Those of the format; see the ``read`` of its module.

    Returns
    -------
    Recording

    Raises
    ------
    FileError
        If the file is missing, damaged or of a format that cannot be read.
    DataError
        If its contents make no recording.
    UnknownNameError
        If the format has no such option.
    """
    path = Path(path)
    readers = _readers()
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise FileError(f"{path} cannot be read: its ending must be one of {', '.join(sorted(readers))}")
    if not path.is_file():
        raise FileError(f"there is no file {path}; check the path")
    known = [p.name for p in inspect.signature(reader.read).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {path.suffix} files", option, known)
    recording: Recording = reader.read(path, bin_size=bin_size, **options)
    return recording
