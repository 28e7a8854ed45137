"""Files that are trained on without being loaded: counts stay in HDF5 (NWB among it) or .npy, all else is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data.checks import check_bin_size
from ..data.stored import RowFile, StoredCounts, StoredRecording
from ..errors import DataError, FileError, unknown_name
from ._guard import GIB, check_dataset, open_hdf5, parsing
from ._notes import Notes
from ._row_files import PackedRows, RawRows
from ._stored_beside import datasets_of, read_beside

__all__ = ["open_recording"]

HDF5 = (".h5", ".hdf5", ".hdf", ".nwb", ".mat")
MOST_BINS = 1 << 27  # a month at 20 ms; what is kept of each bin in memory then takes some 5 GiB
MOST_LISTED = 10


def open_recording(
    path: str | os.PathLike[str],
    *,
    bin_size: float | None = None,
    counts: str | None = None,
    kind: str | None = None,
    labels: str | Sequence[str] | None = None,
    name: str | None = None,
) -> StoredRecording:
    """Open a file whose counts stay on disk; training and embedding read the rows that they need.

    All counts are looked at once, a block at a time, to see that they can be read and are what they should be. A matrix in
    one piece (.npy, or an HDF5 dataset that is neither in chunks nor compressed, as `myow.write_stored` makes it) is
    read fast; of one in chunks, whole chunks are unpacked for every batch.

    Parameters
    ----------
    path : path-like
        HDF5 (.h5, .hdf5, .nwb) or .npy. Beside the counts, in the same group, may stand ``bin_size``, ``times``, ``segments``,
        ``kind``, ``units``, ``name``, ``source``, labels of T rows under any other name, and ``period_LABEL``; or as in NWB
        ``starting_time`` with its ``rate``, or ``timestamps``.
    bin_size : float, optional
        Width of a bin in s, where the file does not say.
    counts : str, optional
        Path of the matrix (T, N) inside the file. Default: ``counts``, else the only matrix of numbers.
    kind : {"counts", "continuous"}, optional
        Default: what the file says, else counts.
    labels : str or sequence of str, optional
        Labels to read, such as "state,speed", or "none". They are held in memory. Default: all.
    name : str, optional
        Name of the recording. Default: that in the file, else the file's.

    Returns
    -------
    StoredRecording
        To be closed when done, or used in a ``with``.

    Raises
    ------
    FileError
        If the file is missing, damaged or of another kind.
    DataError
        If its contents make no recording.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(f"there is no file {path}; check the path")
    notes = Notes()
    if path.suffix.lower() == ".npy":
        file, about = _open_npy(path, notes)
    elif path.suffix.lower() in HDF5:
        file, about = _open_hdf5(path, counts, labels, notes)
    else:
        raise FileError(f"{path} cannot be trained on from disk: its ending must be .npy or one of {', '.join(HDF5)}")
    try:
        widths = [check_bin_size(w) for w in (about.pop("bin_size", None), bin_size) if w is not None]
        if not widths:
            raise DataError(f"{path} does not say how wide a bin is; give bin_size in seconds")
        if not np.isclose(widths[0], widths[-1]):
            raise DataError(f"{path} has bin_size {widths[0]}, but {bin_size} was given; leave one out")
        about["kind"] = str(kind or about.get("kind", "counts"))
        about["name"] = str(about.get("name", path.stem) if name is None else name)
        if file.shape[0] > MOST_BINS:
            raise DataError(
                f"{path} has {file.shape[0]} bins; at most {MOST_BINS} can be trained on, open a part of them"
            )
        about["source"] = {**about.get("source", {}), **notes.provenance()}
        held: Any = StoredCounts.checked(file, about["kind"])
        return StoredRecording(held, bin_size=widths[0], **about)
    except BaseException:
        file.close()
        raise


def _open_npy(path: Path, notes: Notes) -> tuple[RowFile, dict[str, Any]]:
    with parsing(path, ".npy file"):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        shape, dtype, offset, by_rows = array.shape, array.dtype, int(array.offset), bool(array.flags.c_contiguous)
    _check_matrix(str(path), shape, dtype)
    if not by_rows:
        raise DataError(f"{path} is stored column by column; save numpy.ascontiguousarray of it")
    notes.format = "NumPy array, on disk"
    notes.used.append(f"values {shape} {dtype}")
    return RawRows(str(path), offset, (shape[0], shape[1]), dtype), {}


def _open_hdf5(
    path: Path, counts: str | None, labels: str | Sequence[str] | None, notes: Notes
) -> tuple[RowFile, dict[str, Any]]:
    with open_hdf5(path) as file:
        found = datasets_of(file)
        key = _matrix(path, found, counts)
        dataset = found[key]
        _check_matrix(f"{path}: {key}", dataset.shape, dataset.dtype)
        check_dataset(dataset, GIB, rows=dataset.chunks[0] if dataset.chunks else 1)
        notes.format = "HDF5, counts on disk"
        notes.used.append(f"{key} {dataset.shape} {dataset.dtype}")
        about = read_beside(path, found, key, labels, notes)
        rows = _raw(path, dataset)
    return rows or PackedRows(str(path), key), about


def _raw(path: Path, dataset: Any) -> RawRows | None:
    """Find where the bytes of a dataset lie, if they lie in one piece; what is read there must be what HDF5 reads."""
    offset = dataset.id.get_offset()
    if offset is None:
        return None
    rows = RawRows(str(path), int(offset), dataset.shape, dataset.dtype)
    ends = sorted({0, dataset.shape[0] - 1})
    if rows.read(np.array(ends)).tobytes() == np.asarray(dataset[ends]).tobytes():
        return rows
    rows.close()
    return None


def _matrix(path: Path, found: dict[str, Any], counts: str | None) -> str:
    """Return the path of the matrix inside a file."""
    if counts is not None:
        counts = str(counts)
        if counts.strip("/") not in found:
            raise unknown_name(f"dataset of {path}", counts, list(found)[:MOST_LISTED])
        return counts.strip("/")
    if "counts" in found:
        return "counts"
    matrices = [key for key, d in found.items() if len(d.shape or ()) == 2 and d.dtype.kind in "iuf"]
    if len(matrices) != 1:
        listed = ", ".join(matrices[:MOST_LISTED]) or "none"
        raise DataError(f"{path} has no dataset 'counts', and of other matrices {listed}; say which with counts=NAME")
    return matrices[0]


def _check_matrix(where: str, shape: Any, dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "iufb":
        raise DataError(f"{where} holds {dtype}; it must be numbers")
    if len(shape or ()) != 2 or 0 in shape:
        raise DataError(f"{where} has shape {shape}; it must be (bins, units) with at least one of each")
