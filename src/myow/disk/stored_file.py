"""Writing a recording a block at a time, as a file that is trained on without being loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.checks import check_bin_size, check_label, check_segments, check_times, check_values
from ..errors import DataError, FileError
from ..extras import need
from .storage import writing

__all__ = ["write_stored"]

SUFFIXES = (".h5", ".hdf5")
RESERVED = ("counts", "bin_size", "segments", "times", "kind", "units", "name", "source")
PERIOD = "period_"


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
