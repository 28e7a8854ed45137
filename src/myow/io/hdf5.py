"""HDF5 files (.h5, .hdf5): datasets by path, and attributes such as ``bin_size``.

``/session/counts`` is found as "session/counts", or as "counts" if nothing else is called so. Attributes of the file, of the
group of the counts and of the counts themselves count as arrays; ``period`` on a label says that it is cyclic. A group of 1-d
datasets, or a dataset of lists, is spike times. Columns of tables are called "trials/start". What the names mean is in
`myow.io.named_arrays` and `myow.io.array_session`.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from .array_session import read_arrays
from .named_arrays import PERIOD, TRAINS, Arrays, Field, Titles, add_cells, at_hand
from .session import OF_ARRAYS, OWNERS, TIMES, TRIALS, Notes, Options, as_text, plain_name, split_bound
from .untrusted import open_hdf5, read_dataset

__all__ = ["OPTIONS", "read"]


HONOURED = ("bin_size", "bin_width", "kind", "name", "source", "units")


OPTIONS = (*OF_ARRAYS, "spikes", "transpose")
"""Options that this format has; `myow.read` describes them."""


def read(path: Path, notes: Notes, options: Options) -> Recording:
    """Read an HDF5 file.

    Examples
    --------
    >>> import tempfile, pathlib, h5py
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "session.h5"
    >>> with h5py.File(path, "w") as file:
    ...     file["session/counts"] = [[0, 1], [2, 0]]
    ...     file["session"].attrs["bin_size"] = 0.1
    >>> read(path, Notes(), Options()).bin_size
    0.1
    """
    notes.format = "HDF5"
    with open_hdf5(path) as file:
        arrays = Arrays({})
        _add_group(arrays, "", file, notes)
        _gather(arrays, notes, options)
        return read_arrays(arrays, notes, options, Titles(path.stem, path.name))


def _add_group(arrays: Arrays, path: str, group: Any, notes: Notes) -> None:
    """Add what stands in a group and below; groups that links lead back to are not entered again."""
    todo, seen = [(path, group)], set()
    while todo:
        path, group = todo.pop(0)
        if group.id in seen:
            continue
        seen.add(group.id)
        _add_attributes(arrays, path, group)
        things = [(key, group.get(key)) for key in group]
        lines = [(key, thing) for key, thing in things if _is_line(thing)]
        if path and lines and len(lines) == len(things) and _are_units(path, lines):
            cells = [_field(thing) for _, thing in lines]
            add_cells(arrays, path.rstrip("/"), cells, notes, names=[key for key, _ in lines])
            continue
        for key, thing in things:
            if thing is None:
                notes.skipped.append(f"{path}{key}: a link that leads nowhere")
            elif hasattr(thing, "keys"):
                todo.append((f"{path}{key}/", thing))
            else:
                _add_dataset(arrays, path + key, thing, notes)


NUMBERED = re.compile(r"(trial|segment|unit|neuron|cell|cluster)s?[_ -]?(\d+)", flags=re.IGNORECASE)


def _gather(arrays: Arrays, notes: Notes, options: Options) -> None:
    """Put together what is stored in a group or dataset for each trial or unit, such as trial0/spikes, trial1/spikes."""
    found: dict[str, dict[int, str]] = {}
    alone: dict[str, bool] = {}
    for name in arrays.fields:
        parts = name.split("/")
        for place, part in enumerate(parts):
            match = NUMBERED.fullmatch(part)
            if match:
                last = place == len(parts) - 1 and place > 0
                title = "/".join([*parts[:place], *([] if last else [match[1].lower()]), *parts[place + 1 :]])
                alone[title] = last
                found.setdefault(title, {})[int(match[2])] = name
                break
    asked = {str(one).strip("/") for one in (options.counts, options.spikes) if one is not None}
    for title, members in found.items():
        names = [members[number] for number in sorted(members)]
        if len(names) < 2 or title in arrays.fields or title in arrays.trains or asked & set(names):
            continue
        cells = [arrays.fields.pop(name) for name in names]
        add_cells(
            arrays, title, cells, notes, names=[name.rpartition("/")[2] for name in names] if alone[title] else ()
        )
        notes.found.append(f"{title}, put together from {names[0]} to {names[-1]}")


def _is_line(thing: Any) -> bool:
    return (
        thing is not None and not hasattr(thing, "keys") and len(thing.shape or ()) == 1 and thing.dtype.kind in "iuf"
    )


def _are_units(path: str, lines: list[tuple[str, Any]]) -> bool:
    """Whether datasets of a group are the spike times of units: by the name of the group, or since their lengths differ.

    Not if they have names that mean something by themselves, or are called after trials.
    """
    known = ("count", *TIMES, *OWNERS, *TRIALS)
    if any(plain_name(key) in known or key.endswith(("_times", "_start")) or split_bound(key)[0] for key, _ in lines):
        return False
    numbered = [NUMBERED.fullmatch(key) for key, _ in lines]
    if any(match and match[1].lower() in ("trial", "segment") for match in numbered):
        return False
    title = path.rstrip("/").rpartition("/")[2].lower()
    named = title in TRAINS and (
        title != "units" or all(match or key.isdigit() for match, (key, _) in zip(numbered, lines, strict=True))
    )
    return named or len({thing.shape for _, thing in lines}) > 1


def _add_attributes(arrays: Arrays, path: str, thing: Any) -> None:
    """Add what attributes say, unless an array of that name says it."""
    for key in thing.attrs:
        if key in HONOURED or key.startswith(PERIOD):
            value = np.asarray(thing.attrs[key])
            if value.dtype.kind == "O":
                value = np.array([str(one) for one in value.ravel()]).reshape(value.shape)
            arrays.fields.setdefault(path + key, at_hand(value))


def _add_dataset(arrays: Arrays, path: str, dataset: Any, notes: Notes) -> None:
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
                field = Field(dataset.shape, str(kind), partial(_read, dataset, column))
                arrays.fields[f"{path}/{column}"] = field
            else:
                notes.skipped.append(f"{path}/{column}: neither numbers nor texts")
    elif dataset.dtype.kind == "O" and len(dataset.shape) == 1 and not _is_text(dataset):
        add_cells(arrays, path, [at_hand(cell) for cell in read_dataset(dataset)], notes)
    else:
        arrays.fields[path] = _field(dataset)


def _field(dataset: Any) -> Field:
    return Field(dataset.shape, str(dataset.dtype), partial(_read, dataset, None))


def _is_text(dataset: Any) -> bool:
    return (dataset.dtype.metadata or {}).get("vlen") in (str, bytes)


def _read(dataset: Any, column: str | None) -> NDArray[Any]:
    array = read_dataset(dataset, column)
    return array if array.dtype.kind != "O" else np.array(list(map(as_text, array.ravel()))).reshape(array.shape)
