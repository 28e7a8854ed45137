"""Files below a folder, in a fixed order; links that lead out of it are refused, not followed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import FileError

__all__ = ["files_below", "read_file"]


def files_below(folder: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Path]]:
    """Find files, in the order of their names. What is hidden (``.name``) is passed over.

    Parameters
    ----------
    folder : Path
        Where to look, in all of its subfolders too. It may itself be a link.
    wanted : callable
        Says of a file's name inside the folder, such as ``a/b.png``, whether it is meant.

    Yields
    ------
    name : str
    path : Path

    Raises
    ------
    FileError
        If a folder cannot be read, or among what is met is a link to a folder or, if it is wanted, a link to a file outside.
    """
    yield from _below(folder, "", wanted, folder.resolve())


def _below(folder: Path, prefix: str, wanted: Callable[[str], bool], top: Path) -> Iterator[tuple[str, Path]]:
    try:
        with os.scandir(folder) as found:
            entries = sorted((e for e in found if not e.name.startswith(".")), key=lambda e: e.name)
    except OSError as error:
        raise FileError(
            f"cannot read the folder {folder}: {error.strerror}; check the path and its permissions"
        ) from error
    for entry in entries:
        name, path = prefix + entry.name, Path(entry.path)
        if entry.is_dir():
            if entry.is_symlink():
                raise FileError(
                    f"{path} is a link to a folder, and such links are not followed; put the folder in its place"
                )
            yield from _below(path, f"{name}/", wanted, top)
        elif wanted(name):
            if entry.is_symlink() and not path.resolve().is_relative_to(top):
                raise FileError(f"{path} is a link that leads out of the folder; put the file in its place")
            yield name, path


def read_file(path: Path, largest: int) -> bytes:
    """Read a whole file that must not be larger than expected.

    Raises
    ------
    FileError
        If it cannot be read, is no file or is larger.
    """
    try:
        if not path.is_file():
            raise FileError(f"{path} is missing or no file; get the whole data set again")
        if (size := path.stat().st_size) > largest:
            raise FileError(f"{path} has {size} bytes; {largest} are expected at most; get it again")
        return path.read_bytes()
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror}; check its permissions") from error
