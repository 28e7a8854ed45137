"""Files and objects into recordings, one file a format; a file here with ``read`` is found by being here.

A module of a format holds

``SUFFIXES``
    Endings of its files in lower case, such as ``(".nwb",)``; empty for objects alone.
``takes(thing) -> bool``, optional
    Whether an object of another library, or the path of a file that its ending does not tell, is one that it reads. It
    is decided without importing that library.
``read(source, notes, *, bin_size=None, ...) -> Recording``
    Reads a path or such an object; keyword-only parameters are the options of the format. What it found, used and
    skipped goes into ``notes`` as it is learnt, so that it is there even where reading ends with an error.
"""

from __future__ import annotations

import importlib
import inspect as signatures
import os
import pkgutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from ..data.recording import Recording
from ..errors import FileError, MyowError, unknown_name
from ._notes import Inspection, Notes
from ._stored import open_recording

__all__ = ["Inspection", "Notes", "inspect", "open_recording", "read", "suffixes"]


def _modules() -> dict[str, ModuleType]:
    names = [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]
    return {name: importlib.import_module(f"{__name__}.{name}") for name in names}


def suffixes() -> list[str]:
    """Endings of the files that can be read."""
    return sorted({suffix for module in _modules().values() for suffix in module.SUFFIXES})


def read(source: Any, *, bin_size: float | None = None, format: str | None = None, **options: Any) -> Recording:
    """Read a recording from a file or from an object of another library.

    Parameters
    ----------
    source : path-like or object
        The file, whose ending says how; or such an object.
    bin_size : float, optional
        Width of a bin in s, where the source does not say.
    format : str, optional
        Name of a module in `myow.readers`, where the ending does not say how to read.
    **options
        Those of the format; see the ``read`` of its module.

    Returns
    -------
    Recording
        Its ``source`` says what was used and what was skipped.

    Raises
    ------
    FileError
        If the file is missing, damaged or of a format that cannot be read.
    DataError
        If its contents make no recording.
    UnknownNameError
        If the format has no such option.
    """
    return _read(source, Notes(), format, options | {"bin_size": bin_size})


def inspect(source: Any, *, bin_size: float | None = None, format: str | None = None, **options: Any) -> Inspection:
    """Say what a file or object holds, and what reading it with these options would use and skip.

    Parameters
    ----------
    source, bin_size, format, **options
        As for `read`.

    Returns
    -------
    Inspection
        Where reading needs more, such as a bin width, it says what.

    Raises
    ------
    FileError
        If the file is missing, damaged or of a format that cannot be read.
    """
    notes = Notes()
    name = str(source) if isinstance(source, (str, os.PathLike)) else type(source).__name__
    try:
        recording = _read(source, notes, format, options | {"bin_size": bin_size})
    except FileError:
        raise
    except MyowError as error:
        if not notes.found:
            raise
        return Inspection(name, notes, problem=str(error))
    return Inspection(name, notes, recording)


def _read(source: Any, notes: Notes, format: str | None, options: Mapping[str, Any]) -> Recording:
    if isinstance(source, (str, os.PathLike)):
        source = Path(source)
    module = _module(source, format)
    kind = format or (source.suffix.lower() if isinstance(source, Path) else type(source).__name__)
    known = [p.name for p in signatures.signature(module.read).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {kind} {'files' if isinstance(source, Path) else 'objects'}", option, known)
    recording: Recording = module.read(source, notes, **options)
    return replace(recording, source={**recording.source, **notes.provenance()})


def _module(source: Any, format: str | None) -> ModuleType:
    """Find the module that reads a path or object."""
    modules = _modules()
    if format is not None and format not in modules:
        raise unknown_name("format", format, modules)
    for name, module in modules.items():
        if hasattr(module, "takes") and format in (None, name) and module.takes(source):
            return module
    if not isinstance(source, Path):
        takers = ", ".join(name for name, module in modules.items() if hasattr(module, "takes"))
        raise FileError(
            f"a {type(source).__module__}.{type(source).__name__} cannot be read; give the path of a file, or an object of {takers}"
        )
    by_suffix = {suffix: module for module in modules.values() for suffix in module.SUFFIXES}
    found = modules[format] if format else by_suffix.get(source.suffix.lower())
    if found is None and modules["neo"].reads(source):
        found = modules["neo"]
    if found is None:
        raise FileError(f"{source} cannot be read: its ending must be one of {', '.join(sorted(by_suffix))}")
    if not source.is_file():
        raise FileError(f"there is no file {source}; check the path")
    return found
