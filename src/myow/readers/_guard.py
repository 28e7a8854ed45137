"""Damaged and hostile files: whatever goes wrong while bytes are parsed is one clear error, in bounded memory."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import DataError, FileError, MyowError
from ..extras import need
from ._rehearsal import out_of_memory, rehearse
from ._scales import check_scales

__all__ = ["GIB", "MIB", "check_dataset", "open_hdf5", "parsing"]

GIB = 1 << 30
MIB = 1 << 20
DEFLATE = 1032  # what a byte can hold at most: deflate packs 258 bytes into two bits
MANY = 1_000_000  # links in a file; more are no recording
TEXTS = 10_000  # texts of free length in one attribute


@contextlib.contextmanager
def parsing(path: Path, what: str) -> Iterator[None]:
    """Turn whatever is raised inside, unless it is ours, into a `FileError` of one line.

    Parameters
    ----------
    path : Path
        The file that is being parsed.
    what : str
        What it should be, such as ``"NWB file"``.

    Raises
    ------
    FileError
        In place of any `Exception`: a parser given damaged bytes can fail anywhere and in any way.

    Examples
    --------
    >>> with parsing(Path("a.nwb"), "NWB file"):
    ...     {}["units"]
    Traceback (most recent call last):
    myow.errors.FileError: a.nwb is no whole NWB file (KeyError: 'units'); it was truncated, altered or is of another kind
    """
    try:
        yield
    except MyowError:
        raise
    except (PermissionError, FileNotFoundError, IsADirectoryError) as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}; check the path and its permissions") from None
    except MemoryError:
        raise FileError(f"{path} needs more memory than there is; it was altered, or hold less of it") from None
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise FileError(
            f"{path} is no whole {what} ({type(error).__name__}: {reason}); it was truncated, altered or is of another kind"
        ) from None


@contextlib.contextmanager
def open_hdf5(path: Path, what: str = "HDF5 file", *, extra: str = "hdf5", limit: int = 4 * GIB) -> Iterator[Any]:
    """Open an HDF5 file for reading, once it is known to stand alone and to expand to no more than it may.

    Parameters
    ----------
    path : Path
        The file.
    what : str, optional
        What it should be; stands in the error.
    extra : str, optional
        The extra that installs what reads it.
    limit : int, optional
        Bytes that texts of free length may take in one dataset. Numbers are checked by `check_dataset` when they are read.

    Yields
    ------
    h5py.File
        Whatever is raised while it is open is turned into `FileError`, as by `parsing`.

    Raises
    ------
    FileError
        If it is damaged, leads to another file (external links, external storage, virtual datasets), or holds texts
        that take more than `limit`.
    """
    h5py = need("h5py", extra, f"reading {path.suffix or 'HDF5'} files")
    size = path.stat().st_size if path.is_file() else 0
    rehearse(path, what, lambda: _touch(h5py, path, limit), memory=GIB + 4 * size)
    with parsing(path, what), h5py.File(path, "r") as file:
        _walk(h5py, path, file, limit)
        yield file


def check_dataset(dataset: Any, limit: int = 4 * GIB, *, rows: int | None = None) -> None:
    """Refuse a dataset that would take more memory than it may, before it is read.

    Parameters
    ----------
    dataset : h5py.Dataset
        What is about to be read.
    limit : int, optional
        Bytes that may be read.
    rows : int, optional
        Rows that are about to be read, where not all are.

    Raises
    ------
    FileError
        If the stored bytes cannot hold what its shape promises.
    DataError
        If what is to be read is larger than `limit`.
    """
    where = f"{dataset.file.filename}: {dataset.name}"
    shape = dataset.shape or ()
    size = math.prod(shape) * dataset.dtype.itemsize
    chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    stored = dataset.id.get_storage_size()
    # A chunk is unpacked whole, however little of it is asked for.
    if max(size, chunk if dataset.chunks else 0) > DEFLATE * stored + MIB:
        raise FileError(
            f"{where} promises {_bytes(max(size, chunk))} of shape {shape}, which the {_bytes(stored)} stored cannot hold; refused"
        )
    if rows is not None and shape:
        size = size // max(shape[0], 1) * rows
    if size > limit:
        raise DataError(f"{where} would take {_bytes(size)} of memory; the limit is {_bytes(limit)}, read less of it")


def _touch(h5py: Any, path: Path, limit: int) -> None:
    """Make HDF5 do all that reading will make it do: open everything, read what is small and the ends of what is large."""
    with h5py.File(path, "r") as file:
        things = [file, *_walk(h5py, path, file, limit)]
        for thing in things:
            for name in thing.attrs:
                _try(functools.partial(thing.attrs.__getitem__, name))
            if isinstance(thing, h5py.Dataset):
                _try(functools.partial(_sample, thing, limit))


def _try(read: Callable[[], object]) -> None:
    try:
        read()
    except Exception as error:  # whoever reads it later says what is wrong with it
        if out_of_memory(error):
            raise MemoryError from None


def _sample(dataset: Any, limit: int) -> None:
    check_dataset(dataset, limit)
    if not dataset.shape or dataset.size * dataset.dtype.itemsize <= 16 * MIB:
        dataset[()]
    else:
        dataset[:1], dataset[-1:]


def _walk(h5py: Any, path: Path, file: Any, limit: int) -> list[Any]:
    """Look at every link once, without following those that lead elsewhere; return the groups and datasets."""
    things: list[Any] = []
    seen, todo, links = set(), [file], 0
    size = max(path.stat().st_size, 1)
    while todo:
        group = todo.pop()
        _check_attributes(h5py, path, group, size)
        for name in group:
            links += 1
            if links > MANY:
                raise FileError(f"{path} holds more than {MANY} links, which no recording needs; refused")
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise FileError(
                    f"{path}: {group.name}/{name} is a link to another file, {link.filename!r}, which is not followed; copy it into one file"
                )
            if not isinstance(link, h5py.HardLink):  # what a soft link leads to is met on its own path
                continue
            thing = group[name]
            token = h5py.h5o.get_info(thing.id).addr
            if token in seen:
                continue
            seen.add(token)
            things.append(thing)
            if isinstance(thing, h5py.Group):
                todo.append(thing)
            elif isinstance(thing, h5py.Dataset):
                _check_attributes(h5py, path, thing, size)
                check_scales(h5py, path, thing)
                _check_storage(h5py, path, thing, size, limit)
    return things


def _check_storage(h5py: Any, path: Path, dataset: Any, size: int, limit: int) -> None:
    if dataset.external or dataset.is_virtual:
        raise FileError(
            f"{path}: {dataset.name} keeps its values in another file, which is not read; copy them into one"
        )
    if not _free_length(h5py, dataset.dtype) or not dataset.shape or not dataset.size:
        return
    # Any number of elements may point at the same text. None is longer than the file, so few at a time fit.
    check_dataset(dataset, limit)
    total, step = 0, max(1, limit // size)
    cells = dataset.shape[0]
    row = max(dataset.size // cells, 1)
    if row * size > limit and row > TEXTS:
        raise FileError(f"{path}: {dataset.name} holds {row} texts in a row, which may take any memory; refused")
    for first in range(0, cells, max(1, step // row)):
        part = dataset[first : first + max(1, step // row)]
        total += sum(len(cell) for cell in part.ravel() if hasattr(cell, "__len__"))
        if total > limit:
            raise FileError(f"{path}: the texts of {dataset.name} take more than {_bytes(limit)}; refused")


def _check_attributes(h5py: Any, path: Path, thing: Any, size: int) -> None:
    for name in thing.attrs:
        attribute = thing.attrs.get_id(name)
        cells = math.prod(attribute.shape or ())
        if cells * attribute.dtype.itemsize > size:  # attributes are stored as they are
            raise FileError(
                f"{path}: attribute {name} of {thing.name} promises more than the file holds; it was altered"
            )
        if cells > TEXTS and _free_length(h5py, attribute.dtype):
            raise FileError(f"{path}: attribute {name} of {thing.name} holds more than {TEXTS} texts; refused")


def _free_length(h5py: Any, dtype: Any) -> bool:
    text = h5py.check_string_dtype(dtype)
    return (text is not None and text.length is None) or h5py.check_vlen_dtype(dtype) is not None


def _bytes(size: int) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024  # type: ignore[assignment]
    return ""
