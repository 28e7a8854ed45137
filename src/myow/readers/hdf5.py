"""HDF5 files (.h5, .hdf5): datasets by path, and attributes such as ``bin_size``.

``/session/counts`` is found as "session/counts", or as "counts" if nothing else is called so. Attributes of the file, of the
group of the counts and of the counts themselves count as arrays; ``period`` on a label says that it is cyclic. A group of 1-d
datasets, or a dataset of lists, is spike times. Columns of tables are called "trials/start". What the names mean is in
`myow.readers._arrays` and `myow.readers._array_session`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from ._array_labels import PERIOD
from ._array_roles import Options, Titles
from ._array_session import read_arrays
from ._fields import Allowance, Arrays, Field, add_cells, at_hand
from ._guard import open_hdf5
from ._notes import Notes

__all__ = ["SUFFIXES", "read"]

SUFFIXES = (".h5", ".hdf5")

HONOURED = ("bin_size", "bin_width", "kind", "name", "source", "units")


def read(
    path: Path,
    notes: Notes,
    *,
    bin_size: float | None = None,
    counts: str | None = None,
    segments: Any = None,
    times: str | None = None,
    kind: str | None = None,
    units: Any = None,
    labels: Any = None,
    name: str | None = None,
    transpose: Any = False,
    spikes: str | None = None,
    align: Any = None,
    window: Any = None,
) -> Recording:
    """Read an HDF5 file.

    Parameters
    ----------
    path : Path
        The file.
    notes : Notes
        What was found, used and skipped.
    bin_size : float, optional
        Width of a bin in s, where the file does not say.
    counts, times : str, optional
        Paths of datasets that are called otherwise, such as "/session/rates".
    segments : str or array_like, optional
        Path of the segment numbers, name of a table of intervals (``trials/start`` and ``trials/stop`` are "trials"),
        "whole", a number a bin, or starts and ends in s, (n, 2).
    kind : {"counts", "continuous"}, optional
        Default: as the file says, else counts.
    units : optional
        "quality=good,region=M1|PMd" by datasets of N values, names, indices or a mask. Default: all.
    labels : str or sequence of str, optional
        Labels to keep; "none" for none. Default: all that have a value in every bin. Bins without a value of one that is
        named are left out.
    name : str, optional
        Name of the recording. Default: that in the file, else the file's.
    transpose : bool, optional
        Whether counts are stored as (N, T).
    spikes : str, optional
        Path of the spike times.
    align, window : optional
        Path of a dataset of times, or times in s, and "before,after" in s: a segment is then a window around each.

    Returns
    -------
    Recording

    Raises
    ------
    FileError
        If the file is no whole HDF5 file, leads to other files, or promises more than it can hold.
    DataError, UnknownNameError, SettingError
        If its contents make no recording, or the options cannot be met.

    Examples
    --------
    >>> import tempfile, pathlib, h5py
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "session.h5"
    >>> with h5py.File(path, "w") as file:
    ...     file["session/counts"] = [[0, 1], [2, 0]]
    ...     file["session"].attrs["bin_size"] = 0.1
    >>> read(path, Notes()).bin_size
    0.1
    """
    options = Options(bin_size, counts, segments, times, kind, units, labels, name, transpose, spikes, align, window)
    notes.format = "HDF5"
    with open_hdf5(path, limit=1 << 29) as file:
        arrays = Arrays({})
        _add_group(arrays, "", file, Allowance(path), notes)
        return read_arrays(arrays, notes, options, Titles(path.stem, path.name), path)


def _add_group(arrays: Arrays, path: str, group: Any, allowed: Allowance, notes: Notes) -> None:
    """Add what stands in a group and below; groups that links lead back to are not entered again."""
    todo, seen = [(path, group)], set()
    while todo:
        path, group = todo.pop(0)
        if group.id in seen:
            continue
        seen.add(group.id)
        _add_attributes(arrays, path, group)
        things = [(key, _follow(group, key)) for key in group]
        lines = [(key, thing) for key, thing in things if _is_line(thing)]
        if path and len(lines) == len(things) and len({thing.shape for _, thing in lines}) > 1 and not _named(lines):
            cells = [_field(thing, allowed) for _, thing in lines]
            add_cells(arrays, path.rstrip("/"), cells, notes, names=[key for key, _ in lines])
            continue
        for key, thing in things:
            if thing is None:
                notes.skipped.append(f"{path}{key}: a link that leads nowhere")
            elif hasattr(thing, "keys"):
                todo.append((f"{path}{key}/", thing))
            else:
                _add_dataset(arrays, path + key, thing, allowed, notes)


def _follow(group: Any, key: str) -> Any:
    try:
        return group[key]
    except KeyError:
        return None


def _is_line(thing: Any) -> bool:
    return (
        thing is not None and not hasattr(thing, "keys") and len(thing.shape or ()) == 1 and thing.dtype.kind in "iuf"
    )


def _named(lines: list[tuple[str, Any]]) -> bool:
    """Whether datasets have names that mean something by themselves, so that they are no units."""
    known = ("counts", "spike_times", "times", "time", "start", "stop", "start_time", "stop_time", "segments")
    return any(key in known or key.endswith(("_times", "_start")) for key, _ in lines)


def _add_attributes(arrays: Arrays, path: str, thing: Any) -> None:
    """Add what attributes say, unless an array of that name says it."""
    for key in thing.attrs:
        if key in HONOURED or key.startswith(PERIOD):
            value = np.asarray(thing.attrs[key])
            if value.dtype.kind == "O":
                value = np.array([str(one) for one in value.ravel()]).reshape(value.shape)
            arrays.fields.setdefault(path + key, at_hand(value))


def _add_dataset(arrays: Arrays, path: str, dataset: Any, allowed: Allowance, notes: Notes) -> None:
    group, _, last = path.rpartition("/")
    group = f"{group}/" if group else ""
    if last == "counts":
        _add_attributes(arrays, group, dataset)
    elif "period" in dataset.attrs:
        arrays.fields.setdefault(group + PERIOD + last, at_hand(dataset.attrs["period"]))
    if dataset.shape is None:
        notes.skipped.append(f"{path}: it is empty")
    elif dataset.dtype.names:
        for column in dataset.dtype.names:
            kind = dataset.dtype[column]
            if kind.subdtype is None and kind.kind in "iufbS":
                field = Field(dataset.shape, str(kind), partial(_read, dataset, allowed, column))
                arrays.fields[f"{path}/{column}"] = field
            else:
                notes.skipped.append(f"{path}/{column}: neither numbers nor texts")
    elif dataset.dtype.kind == "O" and not _is_text(dataset) and len(dataset.shape) == 1:
        add_cells(arrays, path, [at_hand(cell) for cell in allowed.read(dataset)], notes)
    else:
        arrays.fields[path] = _field(dataset, allowed)


def _field(dataset: Any, allowed: Allowance) -> Field:
    return Field(dataset.shape, str(dataset.dtype), partial(_read, dataset, allowed, None))


def _is_text(dataset: Any) -> bool:
    return dataset.dtype.metadata is not None and dataset.dtype.metadata.get("vlen") in (str, bytes)


def _read(dataset: Any, allowed: Allowance, column: str | None) -> NDArray[Any]:
    array = allowed.read(dataset, column)
    if array.dtype.kind != "O":
        return array
    texts = [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in array.ravel()]
    return np.array(texts).reshape(array.shape)
