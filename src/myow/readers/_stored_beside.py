"""What stands beside counts that stay in an HDF5 file: bin width, times, segments, labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, unknown_name
from ._choices import names_of
from ._guard import GIB, check_dataset
from ._notes import Notes

__all__ = ["datasets_of", "read_beside"]

PERIOD = "period_"
SCALARS = ("bin_size", "kind", "name", "source")
MOST_LISTED = 10


def datasets_of(file: Any) -> dict[str, Any]:
    """Return all datasets of an open HDF5 file by their path, without a leading slash."""
    found: dict[str, Any] = {}
    file.visititems(lambda key, thing: found.update({key: thing}) if hasattr(thing, "dtype") else None)
    return found


def read_beside(
    path: Path, found: dict[str, Any], key: str, labels: str | Sequence[str] | None, notes: Notes
) -> dict[str, Any]:
    """Read what is known of the rows and columns of a matrix.

    Parameters
    ----------
    path : Path
        The file, for messages.
    found : dict
        Its datasets.
    key : str
        Path of the matrix; what stands in its group is looked at.
    labels : str, sequence of str or None
        Labels to read; None for all, "none" for none.
    notes : Notes
        What was used and skipped is said here.

    Returns
    -------
    dict
        Arguments of `myow.Recording`, as far as they are known.

    Raises
    ------
    DataError
        If something has a shape or value that cannot be.
    UnknownNameError
        If there is no such label.
    """
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
        about["source"] = _source(path, about["source"])
    for name in ("times", "segments"):
        if name in here:
            about[name] = take(name)
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
        texts = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.ravel()]
        return np.array(texts).reshape(values.shape)
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


def _source(path: Path, text: Any) -> dict[str, str]:
    try:
        return {str(k): str(v) for k, v in json.loads(str(text)).items()}
    except (ValueError, AttributeError):
        raise DataError(f"{path}: 'source' must be a JSON object in a string") from None
