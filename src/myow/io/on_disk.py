"""Recordings whose counts stay on disk: rows are read when they are asked for."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.recording import (
    Recording,
    check_bin_size,
    check_index,
    check_label,
    check_segments,
    check_times,
    check_values,
)
from ..errors import DataError, FileError, need, unknown_name
from .files import writing
from .named_arrays import PERIOD, RESERVED
from .session import Notes, as_text, names_of
from .untrusted import GIB, check_dataset, open_hdf5, parsing

__all__ = ["BLOCK", "RowFile", "StoredCounts", "StoredRecording", "open_recording", "write_stored"]


BLOCK = 1 << 22
"""Values that are read at a time where all are looked at."""


class RowFile(Protocol):
    """A matrix in a file, of which some rows can be read."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    path: str

    def read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return some rows, which rise; shape (len(rows), N)."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class StoredCounts:
    """Some rows and columns of a matrix in a file; `StoredRecording` has one in place of an array.

    ``counts[10:20]`` and ``numpy.asarray(counts)`` read values into memory; nothing else does.

    Parameters
    ----------
    file : RowFile
        The matrix.
    dtype : numpy.dtype
        Type that values have once they are read.
    rows : slice or ndarray of int64, optional
        Rows of the file, rising. Default: all.
    columns : ndarray of int64, optional
        Columns of the file. Default: all.
    """

    ndim = 2

    def __init__(
        self,
        file: RowFile,
        dtype: np.dtype[Any],
        rows: slice | NDArray[np.int64] | None = None,
        columns: NDArray[np.int64] | None = None,
    ) -> None:
        self.file = file
        self.dtype = dtype
        self._of = slice(0, file.shape[0]) if rows is None else rows
        self._columns = columns
        n_rows = self._of.stop - self._of.start if isinstance(self._of, slice) else len(self._of)
        self.shape: tuple[int, int] = (n_rows, file.shape[1] if columns is None else len(columns))

    @classmethod
    def checked(cls, file: RowFile, kind: str) -> Self:
        """Read a file once, a block at a time, and learn the smallest type that holds its values.

        Raises
        ------
        DataError
            If a count is negative or not whole, or a signal is not finite.
        FileError
            If the file is damaged.
        """
        return cls(file, cls(file, file.dtype).smallest(kind))

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        return self.gather(check_index(rows, len(self), "row"))

    def gather(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Read some rows, in any order and any number of times, shape (len(rows), N); each is read once."""
        wanted = rows + self._of.start if isinstance(self._of, slice) else self._of[rows]
        if (np.diff(wanted) > 0).all():
            return self._read(wanted)
        rising, place = np.unique(wanted, return_inverse=True)
        return self._read(rising)[place]

    def _read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        values = self.file.read(rows)
        if self._columns is not None:
            values = values[:, self._columns]
        return values.astype(self.dtype, copy=False)

    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Go once through all rows, in order: the first row of each block and its values."""
        many = max(1, BLOCK // self.file.shape[1])
        for start in range(0, len(self), many):
            yield start, self.gather(np.arange(start, min(start + many, len(self))))

    def smallest(self, kind: str) -> np.dtype[Any]:
        """Return the smallest type that holds all values, as `Recording` would choose it; see `checked` for errors."""
        dtype = np.dtype(np.uint8)
        for start, block in self.blocks():
            if kind == "counts" and block.dtype == np.uint8:  # no value of these can be wrong, and all have been read
                continue
            try:
                found = check_values(block, kind).dtype
            except DataError as error:
                raise DataError(f"{self.file.path}, in the bins from {start} on: {error}") from None
            dtype = found if found.itemsize > dtype.itemsize else dtype
        return dtype

    def part(self, rows: NDArray[np.int64]) -> StoredCounts:
        """Keep some rows, which rise; nothing is read."""
        if rows[-1] - rows[0] == len(rows) - 1 and isinstance(self._of, slice):
            first = self._of.start + int(rows[0])
            return StoredCounts(self.file, self.dtype, slice(first, first + len(rows)), self._columns)
        of = rows + self._of.start if isinstance(self._of, slice) else self._of[rows]
        return StoredCounts(self.file, self.dtype, of, self._columns)

    def columns(self, columns: NDArray[np.int64]) -> StoredCounts:
        """Keep some columns; nothing is read."""
        columns = columns if self._columns is None else self._columns[columns]
        return StoredCounts(self.file, self.dtype, self._of, columns)

    def min(self) -> Any:
        """Lowest of all values."""
        return min(block.min() for _, block in self.blocks())


@dataclass(frozen=True, eq=False, repr=False)
class StoredRecording(Recording):
    """A `Recording` whose counts stay in a file, as `myow.open_recording` gives it; it trains and embeds like any other.

    Times, segments and labels are in memory. Parts that `select`, `select_units` and `split` return read from the same
    file, which `close` closes for all of them. Checksum and weights are those of the same recording in memory.

    Parameters
    ----------
    counts : StoredCounts
        The values, checked.
    **others
        See `myow.Recording`.
    """

    def _checked(self, counts: ArrayLike) -> NDArray[Any]:
        if not isinstance(counts, StoredCounts):
            raise DataError(
                f"a stored recording reads its counts from a file, and was given a {type(counts).__name__}; make a "
                "Recording of it, or open the file with myow.open_recording"
            )
        return counts  # type: ignore[return-value]

    @property
    def stored(self) -> StoredCounts:
        """`counts`, as the type that it has here."""
        counts: Any = self.counts
        found: StoredCounts = counts
        return found

    def _rows(self, index: NDArray[np.int64]) -> NDArray[Any]:
        return self.stored.part(index)  # type: ignore[return-value]

    def _columns(self, index: NDArray[np.int64]) -> NDArray[Any]:
        return self.stored.columns(index)  # type: ignore[return-value]

    def gather(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Read the values of some rows, shape (len(rows), N)."""
        return self.stored.gather(np.asarray(rows))

    def close(self) -> None:
        """Close the file, for all parts of the recording."""
        self.stored.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def digest(self) -> str:
        """Return a checksum of what training sees, that of the same recording in memory; the file is read once for it."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        counts = self.stored
        dtype = counts.smallest(self.kind) if counts.dtype.itemsize > 1 else counts.dtype  # a part may need less
        sha = hashlib.sha256(f"{self.kind} {self.bin_size!r} {counts.shape} {dtype}".encode())
        for _, block in counts.blocks():
            sha.update(np.ascontiguousarray(block.astype(dtype, copy=False)).data)
        for array in (self.times, self.segments):
            sha.update(np.ascontiguousarray(array).data)
        return sha.hexdigest()

    def _activity(self) -> tuple[float, int]:
        total, lowest, highest = 0.0, [], []
        for _, block in self.stored.blocks():
            total += float(block.sum(dtype=np.float64))
            lowest.append(block.min(axis=0))
            highest.append(block.max(axis=0))
        constant = np.min(lowest, axis=0) == np.max(highest, axis=0)
        return total / (len(self) * self.n_units), int(constant.sum())


class RawRows:
    """Rows that lie one after the other in a file, as in .npy and in contiguous HDF5 datasets.

    They are read by offset, not mapped into memory: pages of a map that have been touched count as the program's own.

    Parameters
    ----------
    path : str
        The file.
    offset : int
        Where the first row begins, in bytes.
    shape : tuple of int
        Rows and columns.
    dtype : numpy.dtype
        Type of the values, byte order included.
    """

    def __init__(self, path: str, offset: int, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
        self.path, self.offset, self.shape, self.dtype = path, offset, shape, dtype
        self._width = shape[1] * dtype.itemsize
        self._lock = threading.Lock()
        try:
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115  (it stays open for as long as rows are read)
            size = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise FileError(f"cannot read {path}: {error.strerror or error}; check the path") from None
        if offset < 0 or offset + shape[0] * self._width > size:
            raise FileError(
                f"{path} has {size} bytes, but its values of shape {shape} would end at byte "
                f"{offset + shape[0] * self._width}; it was truncated or altered"
            )

    def read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return some rows, which rise; shape (len(rows), N). Neighbours are read in one go."""
        values = np.empty((len(rows), self.shape[1]), self.dtype)
        room = values.view(np.uint8).reshape(-1).data
        begin = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
        end = np.append(begin, len(rows))[1:] * self._width
        places = self.offset + rows[begin] * self._width
        with self._lock:
            for first, last, place in zip((begin * self._width).tolist(), end.tolist(), places.tolist(), strict=True):
                self._read_into(room[first:last], place)
        return values

    def _read_into(self, room: memoryview, place: int) -> None:
        if self._file.closed:
            raise FileError(f"{self.path} was closed; open it again to read more of it")
        try:
            self._file.seek(place)
            while len(room):
                n = self._file.readinto(room)
                if not n:
                    raise FileError(f"{self.path} became shorter while it was read; write it again")
                room = room[n:]
        except OSError as error:
            if isinstance(error, FileError):
                raise
            raise FileError(f"cannot read {self.path}: {error.strerror or error}; check the disk") from None

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return RawRows, (self.path, self.offset, self.shape, self.dtype)


class PackedRows:
    """Rows of an HDF5 dataset in chunks, which may be compressed: a chunk is unpacked for every row that is asked for.

    Parameters
    ----------
    path : str
        The file, which `myow.io.untrusted.open_hdf5` has opened.
    name : str
        Path of the dataset inside of it.
    """

    def __init__(self, path: str, name: str) -> None:
        self.path, self.name = path, name
        h5py = need("h5py", "hdf5", "reading HDF5 files")
        with parsing(Path(path), "HDF5 file"):
            self._file = h5py.File(path, "r", rdcc_nbytes=1 << 25)
            self._values = self._file[name]
            self.shape: tuple[int, int] = (int(self._values.shape[0]), int(self._values.shape[1]))
            self.dtype: np.dtype[Any] = self._values.dtype
            self._chunk = int(self._values.chunks[0]) if self._values.chunks else 1 << 10

    def read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return some rows, which rise; shape (len(rows), N). Of each chunk, what lies between two of them is read too."""
        if not self._file:
            raise FileError(f"{self.path} was closed; open it again to read more of it")
        values = np.empty((len(rows), self.shape[1]), self.dtype)
        cuts = np.flatnonzero(np.diff(rows // self._chunk)) + 1
        with parsing(Path(self.path), "HDF5 file"):
            for some in np.split(np.arange(len(rows)), cuts):
                if len(some):
                    first, last = rows[some[0]], rows[some[-1]]
                    values[some] = self._values[first : last + 1][rows[some] - first]
        return values

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return PackedRows, (self.path, self.name)


SUFFIXES = (".h5", ".hdf5")


def write_stored(
    path: str | os.PathLike[str],
    blocks: Iterable[ArrayLike],
    *,
    n_bins: int,
    bin_size: float,
    times: ArrayLike | None = None,
    segments: ArrayLike | None = None,
    labels: Mapping[str, ArrayLike] | None = None,
    kind: str = "counts",
    dtype: str = "uint8",
    periods: Mapping[str, float] | None = None,
    units: Sequence[str] = (),
    name: str = "",
    source: Mapping[str, str] | None = None,
) -> None:
    """Write counts that come in blocks as HDF5, whole or not at all; `myow.open_recording` and `myow.read` read it.

    The counts are one piece, not compressed, so that any row is read at once. No more than a block is held in memory.

    Parameters
    ----------
    path : path-like
        Must end in .h5 or .hdf5.
    blocks : iterable of array_like, each of shape (B, N)
        Rows in order; B may differ.
    n_bins : int
        Rows T of all blocks.
    bin_size : float
        Width of a bin in s.
    times, segments, labels, kind, periods, units, name, source
        As of `myow.Recording`.
    dtype : str, optional
        Type of whole numbers that holds all counts; signals are float32.

    Raises
    ------
    DataError
        If the blocks hold more or fewer rows or other columns than they should, or values that cannot be.
    FileError
        If the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise FileError(f"{path} must end in {' or '.join(SUFFIXES)}")
    h5py = need("h5py", "hdf5", "writing HDF5 files")
    wanted = np.dtype(np.float32 if kind == "continuous" else dtype)
    beside: dict[str, Any] = {"bin_size": check_bin_size(bin_size), "kind": kind, "name": name}
    of_bins = check_segments(segments, n_bins)
    beside |= {} if segments is None else {"segments": of_bins}
    beside |= {} if times is None else {"times": check_times(times, of_bins, bin_size)}
    beside |= {"units": list(units)} if len(units) else {}
    beside |= {"source": json.dumps(dict(source))} if source else {}
    for label, values in (labels or {}).items():
        if label in RESERVED or "/" in label:
            raise DataError(f"a label is called '{label}', which cannot stand in the file; rename it")
        beside[label] = check_label(label, values, n_bins)
    beside |= {PERIOD + label: float(period) for label, period in (periods or {}).items()}
    with writing(path) as part:
        try:
            with h5py.File(part, "w") as file:
                _write_blocks(file, blocks, n_bins, kind, wanted)
                for key, value in beside.items():
                    texts = isinstance(value, list) or getattr(value, "dtype", np.dtype(int)).kind == "U"
                    file[key] = np.array(value, dtype=h5py.string_dtype()) if texts else value
        except RuntimeError as error:  # as h5py calls it when the disk is full while it closes
            raise OSError(str(error)) from error


def _write_blocks(file: Any, blocks: Iterable[ArrayLike], n_bins: int, kind: str, wanted: np.dtype[Any]) -> None:
    written, counts = 0, None
    for block in blocks:
        values: NDArray[Any] = check_values(block, kind)
        if wanted.kind in "iu" and values.max() > np.iinfo(wanted).max:
            raise DataError(
                f"the bins from {written} on hold a count of {values.max()}; give a wider dtype than {wanted}"
            )
        if counts is None:
            counts = file.create_dataset("counts", (n_bins, values.shape[1]), wanted)
        if values.shape[1] != counts.shape[1] or written + len(values) > n_bins:
            raise DataError(
                f"a block has shape {values.shape} after {written} of {n_bins} bins of {counts.shape[1]} units; blocks must "
                "have the same units and n_bins rows in all"
            )
        counts[written : written + len(values)] = values
        written += len(values)
    if written < n_bins or counts is None:
        raise DataError(f"the blocks hold {written} bins, but n_bins is {n_bins}; give the number that they hold")


SCALARS = ("bin_size", "kind", "name", "source")


def _beside(
    path: Path, found: dict[str, Any], key: str, labels: str | Sequence[str] | None, notes: Notes
) -> dict[str, Any]:
    """Read what is known of the rows and columns of a matrix."""
    n_rows, n_units = found[key].shape
    group = key.rpartition("/")[0]
    here = {k.rpartition("/")[2]: d for k, d in found.items() if k.rpartition("/")[0] == group and k != key}
    about: dict[str, Any] = {}
    used = {key}

    def take(name: str) -> NDArray[Any]:
        used.add(f"{group}/{name}".lstrip("/"))
        return _values(here[name])

    for name in SCALARS:
        if name in here:
            about[name] = _scalar(path, name, take(name))
    if "source" in about:
        try:
            about["source"] = {str(k): str(v) for k, v in json.loads(str(about["source"])).items()}
        except (ValueError, AttributeError):
            raise DataError(f"{path}: 'source' must be a JSON object in a string") from None
    about |= {name: take(name) for name in ("times", "segments") if name in here}
    if "units" in here:
        about["units"] = [str(unit) for unit in take("units").ravel()[: n_units + 1]]
    about |= _clock(path, here, n_rows, about, take)
    rows = {k: d for k, d in here.items() if len(d.shape or ()) in (1, 2) and d.shape[0] == n_rows}
    known = [k for k in rows if k not in (*SCALARS, "times", "segments", "units", "timestamps")]
    wanted = known if labels is None else [name for name in names_of(labels) if name != "none"]
    for name in wanted:
        if name not in known:
            raise unknown_name(f"label of {path}", name, known)
    about["labels"] = {name: take(name) for name in wanted}
    periods = {name: here.get(PERIOD + name) for name in wanted}
    about["periods"] = {name: _number(path, PERIOD + name, take) for name, held in periods.items() if held is not None}
    notes.used += sorted(used - {key})
    unused = [k for k in found if k not in used]
    more = [f"and {len(unused) - MOST_LISTED} more"] if len(unused) > MOST_LISTED else []
    notes.skipped += [*unused[:MOST_LISTED], *more]
    return about


def _clock(path: Path, here: dict[str, Any], n_rows: int, about: dict[str, Any], take: Any) -> dict[str, Any]:
    """Bin width and times as NWB stores them: a start with a rate in Hz, or a time stamp a row."""
    if "timestamps" in here and "times" not in about:
        times = take("timestamps")
        if times.ndim != 1 or len(times) != n_rows or times.dtype.kind not in "iuf":
            raise DataError(f"{path}: timestamps have shape {times.shape}, but there are {n_rows} rows; give one a row")
        width = {} if "bin_size" in about or n_rows < 2 else {"bin_size": float(np.median(np.diff(times)))}
        return {"times": times, **width}
    if "starting_time" not in here or "bin_size" in about:
        return {}
    try:
        rate = float(here["starting_time"].attrs.get("rate", np.nan))
    except (TypeError, ValueError):
        rate = np.nan
    if not (np.isfinite(rate) and rate > 0):
        raise DataError(f"{path}: starting_time has no rate in Hz above 0; give bin_size in seconds")
    start = _number(path, "starting_time", take)
    found: dict[str, Any] = {"bin_size": 1 / rate}
    return found if "times" in about else found | {"times": start + np.arange(n_rows) / rate}


def _values(dataset: Any) -> NDArray[Any]:
    check_dataset(dataset, GIB)
    values = np.asarray(dataset[()])
    if values.dtype.kind == "O":  # texts of any length come as bytes
        return np.array(list(map(as_text, values.ravel()))).reshape(values.shape)
    return np.char.decode(values, "utf-8", "replace") if values.dtype.kind == "S" else values


def _scalar(path: Path, name: str, values: NDArray[Any]) -> Any:
    if values.size != 1:
        raise DataError(f"{path}: '{name}' has shape {values.shape}; it must be a single value")
    return values.ravel()[0].item()


def _number(path: Path, name: str, take: Any) -> float:
    value = _scalar(path, name, take(name))
    if isinstance(value, str) or not np.isfinite(value):
        raise DataError(f"{path}: '{name}' is {value!r}; it must be a finite number")
    return float(value)


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
        found: dict[str, Any] = {}  # all datasets by their path, without a leading slash
        file.visititems(lambda key, thing: found.update({key: thing}) if hasattr(thing, "dtype") else None)
        key = _matrix(path, found, counts)
        dataset = found[key]
        _check_matrix(f"{path}: {key}", dataset.shape, dataset.dtype)
        check_dataset(dataset, GIB, rows=dataset.chunks[0] if dataset.chunks else 1)
        notes.format = "HDF5, counts on disk"
        notes.used.append(f"{key} {dataset.shape} {dataset.dtype}")
        about = _beside(path, found, key, labels, notes)
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
