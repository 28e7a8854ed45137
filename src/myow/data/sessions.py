"""Several recordings as one set of rows, and what identifies the data that a model was trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .images import Images
from .recording import Recording
from .rows import Rows, group_runs

__all__ = ["Sessions", "described", "identify", "match_units", "named_recordings"]


class Sessions:
    """Recordings of one bin width and kind, each with units of its own; what training sees of them: the `Rows` protocol.

    Segments are numbered anew, so that no two sessions share one. Labels stay where they are: rows of several sessions
    have none.

    Parameters
    ----------
    recordings : mapping of str to Recording
        The sessions by name, in order.

    Raises
    ------
    DataError
        If there is none, or bin widths or kinds differ.
    """

    labels: Mapping[str, NDArray[Any]] = {}

    def __init__(self, recordings: Mapping[str, Recording]) -> None:
        if not recordings:
            raise DataError("there is no session to learn from; give at least one recording")
        self.recordings = dict(recordings)
        names, parts = list(recordings), list(recordings.values())
        for name, other in recordings.items():
            if other.kind != parts[0].kind or not np.isclose(other.bin_size, parts[0].bin_size):
                raise DataError(
                    f"session {names[0]} holds {parts[0].kind} in bins of {parts[0].bin_size:g} s, but {name} {other.kind} "
                    f"in bins of {other.bin_size:g} s; sessions share kind and bin width"
                )
        self.lengths = [len(part) for part in parts]
        self.times = np.concatenate([part.times for part in parts])
        self.bins = np.concatenate([part.bins for part in parts])
        groups, before = [], 0
        for part in parts:
            _, lengths = group_runs(part.segments)
            groups.append(np.repeat(np.arange(len(lengths)), lengths) + before)
            before += len(lengths)
        self.groups = np.concatenate(groups)
        self.of = np.repeat(np.arange(len(parts)), self.lengths)
        """Which of the recordings each row is of, shape (T,)."""

    def __len__(self) -> int:
        return len(self.groups)

    def gather(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the values of some rows, padded with zeros to the widest session, shape (len(rows), N)."""
        widest = max(part.n_units for part in self.recordings.values())
        starts = np.cumsum(self.lengths) - self.lengths
        values = np.zeros((len(rows), widest), dtype=next(iter(self.recordings.values())).counts.dtype)
        for number, (start, part) in enumerate(zip(starts, self.recordings.values(), strict=True)):
            mine = self.of[rows] == number
            values[mine, : part.n_units] = part.gather(rows[mine] - start)
        return values

    def digest(self) -> str:
        """Return a checksum of what training sees: names, values, times and segments of every session, in order."""
        sha = hashlib.sha256()
        for name, part in self.recordings.items():
            sha.update(f"{name}\n{part.digest()}\n".encode())
        return sha.hexdigest()


def named_recordings(X: Any) -> dict[str, Recording] | None:
    """Return several recordings by name, or None for anything that is not several recordings.

    Parameters
    ----------
    X : Any
        A list or tuple of recordings, which keep their names (those without one are called "session1", ...); or a mapping
        from names to recordings.

    Raises
    ------
    DataError
        If recordings stand among other things, or two have the same name.
    """
    if isinstance(X, Mapping) and not hasattr(X, "shape"):  # some sparse matrices are mappings
        items = [(str(name), part) for name, part in X.items()]
    elif isinstance(X, Sequence) and any(isinstance(part, Recording) for part in X):
        items = [(getattr(part, "name", "") or f"session{i + 1}", part) for i, part in enumerate(X)]
    else:
        return None
    for name, part in items:
        if not isinstance(part, Recording):
            raise DataError(f"session {name} is a {type(part).__name__}; every session must be a Recording")
    names = [name for name, _ in items]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"two sessions are called {twice[0]}; give a mapping from names to recordings to tell them apart"
        )
    return dict(items)


def described(recording: Recording) -> dict[str, Any]:
    """Say, in what JSON can hold, which units a session has and which recording it is; names made up for units are left out."""
    return {
        "recording": recording.name,
        "n_units": recording.n_units,
        "units": _own_names(recording),
        "bin_size": recording.bin_size,
        "rows": len(recording),
        "digest": recording.digest(),
    }


def match_units(recording: Recording, n_units: int, names: Sequence[str]) -> Recording:
    """Put units that have names into the order that a model was trained on.

    Parameters
    ----------
    recording : Recording
        Rows to embed.
    n_units : int
        Number of units trained on.
    names : sequence of str
        Their names; none where they were made up.

    Returns
    -------
    Recording
        The same rows with those units, in that order. Where either side has no names of its own, units are taken by position.

    Raises
    ------
    DataError
        If a unit that was trained on is missing.
    """
    given = list(recording.units)
    known = list(names) or _made_up_names(n_units)
    if given == known or not _own_names(recording) or (not names and set(given) != set(known)):
        return recording
    missing = [name for name in known if name not in given]
    if missing:
        raise DataError(
            f"{recording.name or 'this recording'} has no unit called {', '.join(missing[:5])}"
            f"{' and others' if len(missing) > 5 else ''}, which the model was trained on; its units are {', '.join(given[:5])}"
            f"{', ...' if len(given) > 5 else ''}: give it the same units, or learn a read-in for these with adapt"
        )
    return recording.select_units([given.index(name) for name in known])


def identify(data: Rows) -> list[dict[str, Any]]:
    """Describe training rows, one entry a recording or set of images.

    Parameters
    ----------
    data : Rows
        What was trained on.

    Returns
    -------
    list of dict
        "name", "kind" ("counts", "continuous", "images"), "rows", "digest" (SHA-256 of what training sees) and "source" (file,
        licence, citation). Of a recording also "n_units", "units" (their names; none where they were made up), "bin_size" in s and
        "segments"; of images "size" (height, width).

    Examples
    --------
    >>> about = identify(Recording([[0, 2], [1, 0]], bin_size=0.1, name="a"))[0]
    >>> about["name"], about["n_units"], about["rows"], about["bin_size"]
    ('a', 2, 2, 0.1)
    """
    if isinstance(data, Sessions):
        return [{**_recording(part), "name": name} for name, part in data.recordings.items()]
    if isinstance(data, Recording):
        return [_recording(data)]
    if isinstance(data, Images):
        own = {"name": data.name, "kind": "images", "size": list(data.size)}
        return [own | {"rows": len(data), "digest": data.digest(), "source": _texts(data.source)}]
    return [{"name": "", "kind": "", "rows": len(data), "source": {}}]


def _made_up_names(n_units: int) -> list[str]:
    return [f"unit{i}" for i in range(n_units)]


def _own_names(recording: Recording) -> list[str]:
    """Names of the units; none where `Recording` made them up."""
    names = list(recording.units)
    return [] if names == _made_up_names(len(names)) else names


def _recording(data: Recording) -> dict[str, Any]:
    return {
        "name": data.name,
        "kind": data.kind,
        "n_units": data.n_units,
        "units": _own_names(data),
        "bin_size": data.bin_size,
        "rows": len(data),
        "segments": data.n_segments,
        "digest": data.digest(),
        "source": _texts(data.source),
    }


def _texts(source: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in source.items()}
