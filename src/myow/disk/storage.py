"""Writing that appears whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from ..errors import FileError

__all__ = ["make_folder", "remove", "remove_leftovers", "write_json", "writing"]

# Behind a hidden file's name, followed by the process and random letters; tells what a crash left from files of others.
HALF = ".half-"


@contextlib.contextmanager
def writing(path: str | os.PathLike[str], *, lasting: bool = True) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it is synced and renamed, on failure removed.

    Parameters
    ----------
    path : path-like
        Where the finished file is to stand.
    lasting : bool, optional
        Whether its name is synced too, so that a power cut right afterwards cannot bring the old file back.

    Yields
    ------
    Path
        Where to write meanwhile, with the same suffix.

    Raises
    ------
    FileError
        If the folder cannot be written or the disk is full; nothing half-written stays.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
    >>> with writing(target) as part:
    ...     _ = part.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path = Path(path)
    part: Path | None = None
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem[:40]}{HALF}{os.getpid()}-", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
        part = Path(name)
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.chmod(0o666 & ~_umask())
        part.replace(path)
        part = None
        if lasting:
            _sync_folder(path.parent)
    except (OSError, SafetensorError) as error:  # safetensors wraps the system's errors in its own
        if isinstance(error, FileError):
            raise
        why = getattr(error, "strerror", None) or error
        raise FileError(
            f"cannot write {path}: {why}; check that the folder exists, may be written and has room"
        ) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Sync the names in a folder; a system that cannot do so is not asked twice."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write `content` as indented JSON, whole or not at all."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    with writing(path) as part:
        part.write_text(text, encoding="utf-8")


def remove(*paths: Path) -> None:
    """Remove files; one that is not there is no error.

    Raises
    ------
    FileError
        If one cannot be removed.
    """
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise FileError(
                f"cannot remove {path}: {error.strerror or error}; check the folder's permissions"
            ) from error


def remove_leftovers(folder: Path) -> None:
    """Remove what processes had half written when they were killed; what a process here is still writing stays."""
    if os.name != "posix":  # where to ask after a process may end it
        return
    half = re.compile(rf"\..{{0,40}}{re.escape(HALF)}(\d+)-[a-z0-9_]{{8}}(\..*)?")
    with contextlib.suppress(OSError):  # the next one to come will do
        for path in folder.iterdir():
            found = half.fullmatch(path.name)
            if found and path.is_file() and not _runs(int(found[1])):
                path.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except PermissionError:  # it is someone else's
        return True
    except (OSError, OverflowError):
        return False
    return True


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Create a folder if need be and make sure that it can be written.

    Raises
    ------
    FileError
        If it is a file, or cannot be created or written.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise FileError(
            f"cannot write to folder {path}: {error.strerror or error}; choose another or free it"
        ) from error
    return path
