"""One line for whatever goes wrong in a foreign file, and no more memory than its bytes can need."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, FileError, MyowError, need

__all__ = ["GIB", "MIB", "check_dataset", "most_bytes", "open_hdf5", "parsing", "read_dataset"]

GIB = 1 << 30
MIB = 1 << 20
DEFLATE = 1032  # what a byte can hold at most: deflate packs 258 bytes into two bits


@contextlib.contextmanager
def parsing(path: Path, what: str) -> Iterator[None]:
    """Turn whatever is raised inside, unless it is ours, into a `FileError` of one line.

    A parser that is given damaged bytes can fail anywhere and in any way.

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


def most_bytes(path: Path) -> int:
    """Return how many bytes the arrays of a file may take in memory: it is compressed at most a hundredfold, or small."""
    return max(4 * GIB, 100 * path.stat().st_size)


@contextlib.contextmanager
def open_hdf5(path: Path, what: str = "HDF5 file", *, extra: str = "hdf5") -> Iterator[Any]:
    """Open an HDF5 file for reading, once it is known to stand alone.

    Whatever is raised while it is open is turned into `FileError`, as by `parsing`. A damaged file may crash HDF5 itself.

    Raises
    ------
    FileError
        If it is damaged, or leads to another file (external links, external storage, virtual datasets).
    """
    h5py = need("h5py", extra, f"reading {path.suffix or 'HDF5'} files")

    def link_elsewhere(name: str, link: Any) -> str | None:
        return f"{name} is a link to another file" if isinstance(link, h5py.ExternalLink) else None

    def values_elsewhere(name: str, thing: Any) -> str | None:
        elsewhere = isinstance(thing, h5py.Dataset) and (thing.external or thing.is_virtual)
        return f"{name} keeps its values in another file" if elsewhere else None

    with parsing(path, what), h5py.File(path, "r") as file:
        where = file.visititems_links(link_elsewhere) or file.visititems(values_elsewhere)
        if where:
            raise FileError(f"{path}: {' '.join(where.split())}, which is not read; copy it into one file")
        yield file


def read_dataset(dataset: Any, column: str | None = None) -> NDArray[Any]:
    """Read a dataset, or a column of one.

    Raises
    ------
    FileError, DataError
        As `check_dataset`.
    """
    check_dataset(dataset, most_bytes(Path(dataset.file.filename)))
    return np.asarray(dataset[()] if column is None else dataset.fields(column)[()])


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


def _bytes(size: int) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024  # type: ignore[assignment]
    return ""
