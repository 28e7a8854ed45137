"""Files and objects into recordings, and embeddings into files: one module a format, imported when it is needed.

A module of a format holds ``read(source, notes, *, bin_size=None, ...) -> Recording``, which reads a path or an object of the
library that the format is of; keyword-only parameters are the options of the format. What it found, used and skipped goes into
``notes`` as it is learnt, so that it is there even where reading ends with an error.
"""

from __future__ import annotations

import importlib
import inspect as signatures
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..data.recording import Recording
from ..errors import FileError, MyowError, unknown_name
from .session import Inspection, Notes

if TYPE_CHECKING:
    from .on_disk import open_recording

__all__ = ["FORMATS", "Inspection", "Notes", "inspect", "open_recording", "read", "suffixes"]

FORMATS: dict[str, tuple[str, ...]] = {
    "npz": (".npz",),
    "table": (".csv", ".tsv", ".parquet"),
    "hdf5": (".h5", ".hdf5"),
    "mat": (".mat",),
    "nwb": (".nwb",),
    "xarray": (".nc",),
    "pynapple": (),  # .npz is NumPy's; a file that pynapple saved is known by what it holds
    "neo": (),  # the endings that Neo knows and no other reader has
}
"""Formats, by the name of their module, and the endings of their files."""

OBJECTS = {"pynwb": "nwb", "pynapple": "pynapple", "neo": "neo", "xarray": "xarray"}
"""Libraries whose objects can be read, and the module that does."""


def suffixes() -> list[str]:
    """Endings of the files that can be read."""
    return sorted(suffix for endings in FORMATS.values() for suffix in endings)


def __getattr__(name: str) -> Any:
    """Import `open_recording` when it is asked for."""
    if name == "open_recording":
        from .on_disk import open_recording

        return open_recording
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def read(source: Any, *, bin_size: float | None = None, format: str | None = None, **options: Any) -> Recording:
    """Read a recording from a file or from an object of another library.

    Parameters
    ----------
    source : path-like or object
        The file, whose ending says how; or such an object.
    bin_size : float, optional
        Width of a bin in s, where the source does not say.
    format : str, optional
        Name of a module in `myow.io`, where the ending does not say how to read.
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
    """Import the module that reads a path or object."""
    if format is not None and format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    name = format or (_of_path(source) if isinstance(source, Path) else _of_object(source))
    module = None if name is None else importlib.import_module(f".{name}", __name__)
    if not isinstance(source, Path):
        if module is None or not (hasattr(module, "takes") and module.takes(source)):
            kind = f"{type(source).__module__}.{type(source).__name__}"
            raise FileError(
                f"a {kind} cannot be read; give the path of a file, or an object of {', '.join(sorted(OBJECTS.values()))}"
            )
        return module
    if module is None:
        neo = importlib.import_module(".neo", __name__)
        if not neo.reads(source):
            raise FileError(f"{source} cannot be read: its ending must be one of {', '.join(suffixes())}")
        module = neo
    if not source.is_file():
        raise FileError(f"there is no file {source}; check the path")
    return module


def _of_path(path: Path) -> str | None:
    """Name of the format of a file: by its ending, but for what pynapple saved."""
    ending = path.suffix.lower()
    found = next((name for name, endings in FORMATS.items() if ending in endings), None)
    if found == "npz":
        from .npz import holds_pynapple

        return "pynapple" if holds_pynapple(path) else found
    return found


def _of_object(thing: Any) -> str | None:
    """Name of the format of an object, by the library that its class is of; of a dict, that of its values."""
    if type(thing) is dict and thing:
        thing = next(iter(thing.values()))
    libraries = [kind.__module__.split(".")[0] for kind in type(thing).__mro__]
    return next((OBJECTS[library] for library in libraries if library in OBJECTS), None)
