"""NumPy archives (.npz): arrays by name, the simplest way to bring a recording along.

=================  ==================================================================================
``counts``         (T, N), spike counts, or any signal with ``kind`` "continuous"
``bin_size``       number of seconds; may be given when reading instead
``segments``       (T,), optional
``times``          (T,) in s, optional
``kind``           "counts" or "continuous", optional
``units``          (N,) names, optional
``name``           optional
``source``         where it comes from, as a JSON object in a string, optional
``period_LABEL``   value of a full turn of the cyclic label LABEL, optional
any other name     a label: T values or T rows
=================  ==================================================================================
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from ..disk.storage import writing
from ..errors import DataError, FileError
from ._notes import Notes

__all__ = ["SUFFIXES", "read", "write_npz"]

SUFFIXES = (".npz",)

RESERVED = ("counts", "bin_size", "segments", "times", "kind", "units", "name", "source")
PERIOD = "period_"


def read(path: Path, notes: Notes, *, bin_size: float | None = None, name: str | None = None) -> Recording:
    """Read an .npz file.

    Parameters
    ----------
    path : Path
        The file; its arrays are described above.
    notes : Notes
        What was found, used and skipped.
    bin_size : float, optional
        Width of a bin in s, where the file does not say.
    name : str, optional
        Name of the recording. Default: that in the file, else the file's.

    Returns
    -------
    Recording

    Raises
    ------
    FileError
        If the file is no whole .npz archive or holds Python objects.
    DataError
        If an array is missing, has the wrong shape or holds values that cannot be.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "session.npz"
    >>> np.savez(path, counts=[[0, 1], [2, 0]], bin_size=0.1, direction=[3, 3], period_direction=8)
    >>> read(path, Notes()).labels["direction"].tolist()
    [3, 3]
    """
    arrays = _arrays(path)
    notes.format = "NumPy archive"
    notes.found += [f"{key} {array.shape} {array.dtype}" for key, array in arrays.items()]
    if "counts" not in arrays:
        raise DataError(
            f"{path} has no array 'counts', only {', '.join(sorted(arrays)) or 'nothing'}; store counts (T, N)"
        )
    counts = arrays["counts"]
    n_bins = len(counts) if counts.ndim else 0
    width = _scalar(path, arrays, "bin_size", None)
    if width is None and bin_size is None:
        raise DataError(f"{path} has no 'bin_size'; store it, or give bin_size in seconds")
    if width is not None and bin_size is not None and width != bin_size:
        raise DataError(f"{path} has bin_size {width}, but {bin_size} was given; leave one out")
    labels, periods = {}, {}
    for key, array in arrays.items():
        if key in RESERVED:
            continue
        if array.ndim == 0 and key.startswith(PERIOD):
            periods[key.removeprefix(PERIOD)] = array.item()
        elif array.ndim in (1, 2) and len(array) == n_bins:
            labels[key] = array
        else:
            raise DataError(
                f"{path}: '{key}' has shape {array.shape}, which is no label of {n_bins} bins; give it one row a bin or leave it out"
            )
    notes.used += list(arrays)  # there is nothing that is left out without an error
    try:
        return Recording(
            counts,
            bin_size=width if bin_size is None else bin_size,
            times=arrays.get("times"),  # type: ignore[arg-type]
            segments=arrays.get("segments"),  # type: ignore[arg-type]
            labels=labels,
            kind=_scalar(path, arrays, "kind", "counts"),
            periods=periods,
            units=arrays["units"].ravel().tolist() if "units" in arrays else (),
            name=name if name is not None else str(_scalar(path, arrays, "name", path.stem)),
            source=_source(path, arrays),
        )
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def write_npz(path: str | os.PathLike[str], recording: Recording) -> None:
    """Write a recording as .npz, whole or not at all; `read` gives it back.

    Parameters
    ----------
    path : path-like
        Must end in .npz.
    recording : Recording
        What to write.

    Raises
    ------
    FileError
        If it cannot be written or does not end in .npz.
    DataError
        If a label has a name that the format needs, such as "counts".
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise FileError(f"{path} must end in .npz")
    taken = [name for name in recording.labels if name in RESERVED]
    if taken:
        raise DataError(f"a label is called '{taken[0]}', which an .npz file needs for itself; rename it")
    arrays: dict[str, Any] = {key: getattr(recording, key) for key in RESERVED if key != "source"}
    arrays |= {"source": json.dumps(dict(recording.source))} if recording.source else {}
    arrays |= recording.labels
    arrays |= {PERIOD + label: period for label, period in recording.periods.items()}
    # Not np.savez: it takes arrays as keywords, so that a label called "file" would be an error.
    with writing(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, value in arrays.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(value), allow_pickle=False)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except OSError as error:
        if error.errno is not None:
            raise FileError(f"cannot read {path}: {error.strerror or error}; check the path") from None
        raise _damaged(path, error) from None
    except Exception as error:  # damaged bytes can fail in zip, zlib, the header's parser or anywhere else
        if "Object arrays" in str(error):
            raise FileError(
                f"{path} holds an array of Python objects, which could run code; store plain numbers"
            ) from None
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> FileError:
    reason = " ".join(str(error).split())[:80]
    return FileError(
        f"{path} is no whole .npz archive ({type(error).__name__}: {reason}); write it again with numpy.savez"
    )


def _scalar(path: Path, arrays: dict[str, NDArray[Any]], key: str, default: Any) -> Any:
    if key not in arrays:
        return default
    if arrays[key].size != 1:
        raise DataError(f"{path}: '{key}' has shape {arrays[key].shape}; it must be a single value")
    return arrays[key].item()


def _source(path: Path, arrays: dict[str, NDArray[Any]]) -> dict[str, str]:
    found = {"file": path.name}
    try:
        stored = json.loads(str(_scalar(path, arrays, "source", "{}")))
        return {**found, **{str(k): str(v) for k, v in stored.items()}}
    except (ValueError, AttributeError):
        raise DataError(f"{path}: 'source' must be a JSON object in a string; leave it out") from None
