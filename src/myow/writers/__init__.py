"""Embeddings into files and objects, and back, one file a format; a file here with ``write`` is found by being here.

A module of a format holds

``SUFFIXES``
    Endings of its files in lower case, such as ``(".nwb",)``; empty for objects alone, which it makes by functions ``to_...``.
``write(path, embedding, *, ...)``
    Writes an `Embedding`, whole or not at all; keyword-only parameters are the options of the format.
``read(path, *, ...) -> Embedding``
    Reads what ``write`` wrote: times, segments, names of dimensions, labels and provenance are then what they were.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

from ..data.embedding import Embedding
from ..errors import DataError, FileError, unknown_name

__all__ = ["check_options", "embedding_suffixes", "read_embedding", "write"]


def _modules() -> dict[str, ModuleType]:
    names = [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return {suffix: module for module in modules for suffix in module.SUFFIXES}


def embedding_suffixes() -> list[str]:
    """Endings of the files that an embedding can be written to."""
    return sorted(_modules())


def write(path: str | os.PathLike[str], embedding: Embedding, **options: Any) -> Path:
    """Write an embedding, whole or not at all; the ending says how.

    Parameters
    ----------
    path : path-like
        Ends in .csv, .nc, .npz, .nwb or .parquet.
    embedding : Embedding
        As `myow.embed` makes it.
    **options
        Those of the format; see the ``write`` of its module in `myow.writers`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileError
        If it cannot be written or has another ending.
    DataError
        If the format cannot hold it.
    UnknownNameError
        If the format has no such option.
    SettingError
        If the package that writes the format is not installed.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> embedding = Embedding([[0.5, 1.0], [0.25, 2.0]], bin_size=0.1, labels={"direction": [3, 5]})
    >>> path = write(pathlib.Path(tempfile.mkdtemp()) / "z.csv", embedding)
    >>> read_embedding(path).labels["direction"].tolist()
    [3, 5]
    """
    path = Path(path)
    module = _module(path, "written")
    if not isinstance(embedding, Embedding):
        raise DataError(f"a {type(embedding).__name__} is no Embedding; make one with myow.embed(model, recording)")
    _refuse_unknown(path, module.write, options)
    module.write(path, embedding, **options)
    return path


def read_embedding(path: str | os.PathLike[str], **options: Any) -> Embedding:
    """Read an embedding that `write` wrote.

    Parameters
    ----------
    path : path-like
        The file; its ending says how.
    **options
        Those of the format; see the ``read`` of its module in `myow.writers`.

    Returns
    -------
    Embedding
        As it was written.

    Raises
    ------
    FileError
        If the file is missing, damaged, or holds no embedding.
    DataError
        If what it holds is no embedding.
    UnknownNameError
        If the format has no such option.
    SettingError
        If the package that reads the format is not installed.
    """
    path = Path(path)
    module = _module(path, "read as an embedding")
    _refuse_unknown(path, module.read, options)
    if not path.is_file():
        raise FileError(f"there is no file {path}; check the path")
    embedding: Embedding = module.read(path, **options)
    return embedding


def check_options(path: Path, options: dict[str, Any]) -> None:
    """Refuse an ending, or options of `write`, that cannot be; before there is anything to write.

    Raises
    ------
    FileError, UnknownNameError
        As `write`.
    """
    _refuse_unknown(path, _module(path, "written").write, options)


def _module(path: Path, done: str) -> ModuleType:
    modules = _modules()
    if path.suffix.lower() not in modules:
        raise FileError(f"{path} cannot be {done}: its name must end in {', '.join(sorted(modules))}")
    return modules[path.suffix.lower()]


def _refuse_unknown(path: Path, function: Any, options: dict[str, Any]) -> None:
    known = [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {path.suffix.lower()} files", option, known)
