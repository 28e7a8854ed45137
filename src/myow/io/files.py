"""Files written whole or not at all: text, JSON, arrays, appended lines, locks and folders."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import math
import os
import re
import tempfile
import threading
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock
import numpy as np
from numpy.lib import format as npy
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError

from ..errors import FileError

__all__ = [
    "Held",
    "append_line",
    "files_below",
    "locked",
    "make_folder",
    "npy_header",
    "read_arrays",
    "read_file",
    "read_member",
    "remove",
    "remove_leftovers",
    "whole_lines",
    "write_arrays",
    "write_json",
    "writing",
]

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
        why = " ".join(str(getattr(error, "strerror", None) or error).split())  # HDF5 says it in several lines
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
    top = folder.resolve()

    def refuse(error: OSError) -> None:
        raise FileError(
            f"cannot read the folder {error.filename}: {error.strerror}; check the path and its permissions"
        ) from error

    found = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [one for one in folders if not one.startswith(".")]
        for path in (Path(parent, one) for one in folders):
            if path.is_symlink():
                raise FileError(
                    f"{path} is a link to a folder, and such links are not followed; put the folder in its place"
                )
        found += [Path(parent, one) for one in names if not one.startswith(".")]
    for path in sorted(found):
        name = path.relative_to(folder).as_posix()
        if wanted(name):
            if path.is_symlink() and not path.resolve().is_relative_to(top):
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


BLOCK = 1 << 16  # bytes


def whole_lines(path: Path) -> bytes:
    """Return the file up to its last line's end; nothing if there is no file.

    Raises
    ------
    FileError
        If it cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}; check its permissions") from error
    return content[: content.rfind(b"\n") + 1]


def append_line(path: Path, line: str) -> None:
    """Add a line and sync it; a line without an end, which a crash left, is removed first.

    Parameters
    ----------
    path : Path
        The file; it need not exist.
    line : str
        Without a line's end.

    Raises
    ------
    FileError
        If it cannot be written; the file then ends with its last whole line.
    """
    content = line.encode() + b"\n"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            end = _end_of_lines(handle)
            os.ftruncate(handle, end)
            os.lseek(handle, end, os.SEEK_SET)
            try:
                written = os.write(handle, content)  # one call, so that no other writer's line falls into this one
                if written < len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, end)
                raise
        finally:
            os.close(handle)
    except OSError as error:
        raise FileError(
            f"cannot write {path}: {error.strerror or error}; check that the folder exists, may be written and has room"
        ) from error


def _end_of_lines(handle: int) -> int:
    """Return where the last line's end is, searched from the end of the file."""
    end = os.lseek(handle, 0, os.SEEK_END)
    while end:
        first = max(0, end - BLOCK)
        os.lseek(handle, first, os.SEEK_SET)
        found = os.read(handle, end - first).rfind(b"\n")
        if found >= 0:
            return first + found + 1
        end = first
    return 0


_ours: dict[tuple[str, int, int], Held] = {}
"""Locks held here: by path, process (a forked one gets a copy of this) and thread."""


class Held:
    """A lock that this process holds.

    Parameters
    ----------
    path : Path
        The lock's file.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._state = path, path.stat()

    def check(self) -> None:
        """Make sure that the folder is still the one that was locked.

        Raises
        ------
        FileError
            If it was removed or another one took its place, which someone else may have locked.
        """
        try:
            same = os.path.samestat(self._path.stat(), self._state)
        except OSError:
            same = False
        if not same:
            raise FileError(
                f"{self._path.parent} was removed or replaced while it was written to; nothing more is written there"
            )


@contextlib.contextmanager
def locked(path: Path, who: str, *, again: bool = False) -> Iterator[Held]:
    """Keep other processes out for a while.

    The file stays, empty; what counts is the system's lock on it, which ends with the process. So nothing has to be removed
    after a crash. Whoever only reads need not ask.

    Parameters
    ----------
    path : Path
        The lock's file, in the folder that is to be kept.
    who : str
        What the other one is, such as "another bench".
    again : bool, optional
        Whether the thread that holds it already may have it once more.

    Yields
    ------
    Held

    Raises
    ------
    FileError
        If another process holds it, or the file cannot be made.
    """
    me = (os.path.realpath(path), os.getpid(), threading.get_ident())
    if again and me in _ours:
        yield _ours[me]
        return
    lock = filelock.FileLock(path)
    try:
        path.touch()
        held = Held(path)
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror}; choose another folder or free it") from error
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise FileError(f"{who} is writing to {path.parent}; wait for it, or use another folder") from None
    except (
        OSError,
        NotImplementedError,
    ) as error:  # some network file systems know no locks, and are used all the same
        why = getattr(error, "strerror", None) or error
        warnings.warn(f"{path.parent} cannot be locked ({why}); see to it that nothing else writes there", stacklevel=3)
    _ours[me] = held
    try:
        yield held
    finally:
        del _ours[me]
        lock.release()


LIMIT = 4 << 30  # bytes
SUFFIX = ".npy"


def write_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, ArrayLike], *, packed: bool = True, lasting: bool = True
) -> None:
    """Write arrays as .npz; `numpy.load` reads it.

    Unlike `numpy.savez` it takes any name, and does not mind the clock: a zip archive has no word for a year before 1980,
    where a clock without a battery may stand.

    Parameters
    ----------
    path : path-like
        The file.
    arrays : mapping of str to array_like
        What to write; no Python objects.
    packed : bool, optional
        Whether to compress it, which takes far longer than writing.
    lasting : bool, optional
        As for `myow.io.files.writing`.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with writing(path, lasting=lasting) as part, zipfile.ZipFile(part, "w", method) as archive:
        for name, values in arrays.items():
            member = zipfile.ZipInfo(name + SUFFIX)  # dated 1980
            member.compress_type = method
            with archive.open(member, "w", force_zip64=True) as file:
                npy.write_array(file, np.asanyarray(values), allow_pickle=False)


def read_arrays(path: Path, *, limit: int = LIMIT) -> dict[str, NDArray[Any]]:
    """Read all arrays of a .npz file.

    Parameters
    ----------
    path : Path
        The file.
    limit : int, optional
        Bytes that they may take.

    Raises
    ------
    FileError
        If it is missing, damaged, larger, or holds Python objects, which could run code.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.npz"
    >>> write_arrays(path, {"step": [1, 2]})
    >>> read_arrays(path)["step"].tolist()
    [1, 2]
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > limit:
                raise ValueError(f"it claims to hold more than {limit} bytes")
            return {member.filename.removesuffix(SUFFIX): read_member(archive, member) for member in members}
    except Exception as error:  # damaged bytes can fail in zip, zlib, the header's parser or anywhere else
        why = " ".join(str(error).split())[:80] or type(error).__name__
        raise FileError(f"{path} is damaged ({why}); remove it and go on") from error


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """Read an array of an archive, which takes no more memory than its bytes; of Python objects it raises `ValueError`."""
    with archive.open(member) as file:
        content = io.BytesIO(file.read(member.file_size))
    shape, by_columns, dtype = npy_header(content, member)
    if dtype.hasobject:
        raise ValueError(f"{member.filename} holds Python objects")
    values = np.frombuffer(content.getbuffer()[content.tell() :], dtype=dtype)
    return values.reshape(shape, order="F" if by_columns else "C")


def npy_header(file: Any, member: zipfile.ZipInfo) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of a member that is open: shape, whether columns come first, and type; the numbers follow it.

    Raises
    ------
    ValueError
        If it promises more numbers than the member holds.
    """
    header = npy.read_array_header_1_0 if npy.read_magic(file) == (1, 0) else npy.read_array_header_2_0
    shape, by_columns, dtype = header(file)
    if not dtype.hasobject and math.prod(shape) * max(dtype.itemsize, 1) > member.file_size - file.tell():
        raise ValueError(f"{member.filename} promises {shape} of {dtype}, more than it holds")
    return shape, by_columns, dtype
