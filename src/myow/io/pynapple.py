"""Pynapple objects and files."""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.binning import Bins
from ..data.recording import Recording
from ..errors import DataError, FileError
from .binned import bin_session
from .files import npy_header
from .guard import GIB, parsing
from .npz import holds_pynapple
from .session import Intervals, Notes, Session, Signal, Units, constant, describe
from .untrusted import ArrayStandIn, DtypeStandIn, admit_arrays, unpickle

__all__ = ["Piece", "piece_of", "read", "read_pieces", "takes"]

KINDS = ("TsGroup", "TsdFrame", "TsdTensor", "Tsd", "Ts", "IntervalSet")
LIMIT = 4 * GIB  # bytes of all arrays of a file


@dataclass(frozen=True)
class Piece:
    """An object of pynapple.

    Parameters
    ----------
    kind : str
        Its class.
    support : ndarray, shape (n, 2)
        Its time support in s; of an IntervalSet the intervals themselves.
    times, values : ndarray, shapes (S,) and (S, D)
        Of a series; of a TsGroup the times of all its units.
    member : ndarray of int, shape (S,)
        Of a TsGroup, the unit of each time.
    names : tuple of str
        Of units or columns.
    columns, support_columns : dict
        Metadata, and that of the time support.
    """

    kind: str
    support: NDArray[np.float64]
    times: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    values: NDArray[Any] = field(default_factory=lambda: np.empty((0, 1)))
    member: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()
    columns: dict[str, NDArray[Any]] = field(default_factory=dict)
    support_columns: dict[str, NDArray[Any]] = field(default_factory=dict)

    def train(self, unit: int) -> NDArray[np.float64]:
        """Return the times of a unit in s."""
        return self.times if self.member is None else self.times[self.member == unit]


def piece_of(thing: Any) -> Piece:
    """Take an object of pynapple apart.

    Raises
    ------
    DataError
        If it is of a class that makes no recording.
    """
    kind = type(thing).__name__
    if kind not in KINDS:
        raise DataError(f"a {type(thing).__module__}.{kind} makes no recording; give one of {', '.join(KINDS)}")
    columns = {str(k): np.asarray(thing.get_info(k)) for k in getattr(thing, "metadata_columns", ())}
    if kind == "IntervalSet":
        return Piece(kind, np.asarray(thing.values, dtype=np.float64), columns=columns)
    limits = thing.time_support
    more: dict[str, Any] = {
        "support": np.asarray(limits.values, dtype=np.float64),
        "support_columns": {str(k): np.asarray(limits.get_info(k)) for k in limits.metadata_columns},
    }
    if kind == "TsGroup":
        keys = list(thing.index)
        trains = [np.asarray(thing[key].t, dtype=np.float64) for key in keys]
        member = np.repeat(np.arange(len(trains)), [len(t) for t in trains])
        times = np.concatenate([np.empty(0), *trains])
        names = tuple(str(k) for k in keys)
        return Piece(kind, times=times, member=member, names=names, columns=columns, **more)
    if kind == "Ts":
        return Piece(kind, times=np.asarray(thing.t, dtype=np.float64), names=("unit0",), **more)
    values = np.asarray(thing.values)
    titles = [str(c) for c in thing.columns] if kind == "TsdFrame" else []
    return _series(kind, np.asarray(thing.t, dtype=np.float64), values, titles, columns, more)


def _series(kind: str, times: Any, values: NDArray[Any], names: list[str], columns: Any, more: Any) -> Piece:
    if times.ndim != 1 or values.ndim < 1 or len(values) != len(times) or 0 in values.shape[1:]:
        raise DataError(f"values of shape {values.shape} have times of shape {times.shape}; give one time a row")
    flat = values.reshape(len(values), -1) if len(values) else values.reshape(0, 1)
    fitting = len(names) == flat.shape[1]
    default = [kind.lower() + (str(i) if flat.shape[1] > 1 else "") for i in range(flat.shape[1])]
    return Piece(kind, times=times, values=flat, names=tuple(names if fitting else default), columns=columns, **more)


# Files.


def read_pieces(path: Path, notes: Notes) -> dict[str, Piece]:
    """Read what an object of pynapple saved.

    Raises
    ------
    FileError
        If it is no whole file of pynapple, too large, or holds Python objects other than names and metadata.
    """
    with parsing(path, "pynapple file"):
        arrays = _arrays(path)
        kind = str(arrays["type"].ravel()[0])
        if kind not in KINDS:
            raise FileError(f"{path} holds a {kind}, which is none of {', '.join(KINDS)}")
        notes.format = f"pynapple {kind}, saved"
        support = np.stack([np.asarray(arrays[k], dtype=np.float64) for k in ("start", "end")], axis=1)
        stored = arrays["_metadata"].item() if "_metadata" in arrays else {}
        columns = {str(k): np.asarray(v) for k, v in stored.items()}
        if kind == "IntervalSet":
            return {path.stem: Piece(kind, support, columns=columns)}
        times = np.asarray(arrays["t"], dtype=np.float64)
        if kind == "TsGroup":
            keys, index = arrays["keys"], arrays["index"]
            if index.shape != times.shape or not np.isin(index, keys).all():
                raise FileError(
                    f"{path}: {len(times)} spike times do not fit {len(index)} numbers of units; it was altered"
                )
            order = np.argsort(keys, kind="stable")
            member = order[np.searchsorted(keys[order], index)]
            names = tuple(str(k) for k in keys)
            columns = {k: v for k, v in columns.items() if len(v) == len(keys)}
            return {path.stem: Piece(kind, support, times, member=member, names=names, columns=columns)}
        if kind == "Ts":
            return {path.stem: Piece(kind, support, times, names=("unit0",))}
        titles = [str(c) for c in arrays["columns"].ravel()] if "columns" in arrays else []
        return {path.stem: _series(kind, times, arrays["d"], titles, columns, {"support": support})}


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    found = {}
    with zipfile.ZipFile(path) as archive:
        if sum(info.file_size for info in archive.infolist()) > LIMIT:
            raise FileError(f"{path} expands to more than {LIMIT // GIB} GiB; it was altered, or save less into it")
        for info in archive.infolist():
            content = io.BytesIO(archive.read(info))
            shape, _, dtype = npy_header(content)
            name = info.filename.removesuffix(".npy")
            if dtype.kind == "O":
                found[name] = unpickle(content.read(), str(path), _ADMITTED, finish=_plain)
            else:
                if math.prod(shape) * max(dtype.itemsize, 1) > info.file_size - content.tell():
                    raise FileError(
                        f"{path}: {info.filename} promises {shape} of {dtype}, more than it holds; it was altered"
                    )
                content.seek(0)
                found[name] = np.lib.format.read_array(content, allow_pickle=False)
    return found


# Arrays of objects: names of columns, and a dict of metadata. They are built from their parts here, so that no code is run.


class _Dtype(DtypeStandIn):
    known = DtypeStandIn.known + r"|[US]\d{1,6}|O8?"


class _Array(ArrayStandIn):
    def __setstate__(self, state: Any) -> None:
        shape, by_columns, raw = state[1], state[3], state[4]
        if not isinstance(raw, list):
            super().__setstate__(state)
            return
        values = np.empty(len(raw), dtype=object)
        values[:] = raw
        self.values = values.reshape(shape, order="F" if by_columns else "C")


_ADMITTED = admit_arrays(_Dtype, _Array)


def _plain(value: Any) -> NDArray[Any]:
    """Return an array in which there is nothing but plain values."""
    if not isinstance(value, _Array):
        raise pickle.UnpicklingError(f"it holds a {type(value).__name__}, no array")
    if value.values.dtype.kind == "O":
        value.values[...] = np.vectorize(_simple, otypes=[object])(value.values) if value.values.size else value.values
    return value.values


def _simple(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) if isinstance(v, _Array) else _simple(v) for k, v in value.items()}
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    raise pickle.UnpicklingError(f"it holds a {type(value).__name__}")


def takes(thing: Any) -> bool:
    """Whether it is an object of pynapple, a dict of such, or an .npz file that pynapple saved."""
    if isinstance(thing, Path):
        return thing.suffix.lower() == ".npz" and holds_pynapple(thing)
    if type(thing) is dict:
        return bool(thing) and all(_is_ours(value) for value in thing.values())
    return _is_ours(thing)


def _is_ours(thing: Any) -> bool:
    return any(c.__module__.split(".")[0] == "pynapple" for c in type(thing).__mro__)


OPTIONS = tuple(["bin_size", "signal", "segments", "align", "window", "units", "labels", "name"])


def read(source: Any, notes: Notes, options: Options) -> Recording:
    """Read pynapple's objects, or a file that one of them saved.

    A TsdFrame alone needs no ``bin_size``: each of its samples is then a bin. ``segments`` may be an IntervalSet.

    Parameters
    ----------
    source : object, dict or Path
        A TsGroup, TsdFrame, Tsd or TsdTensor; a dict of such, of IntervalSets and of Ts, by name; an .npz file; or what
        pynapple loads from an NWB file.
    notes : Notes
        What was found, used and skipped.
    options : Options
        Those in `OPTIONS`.

    Returns
    -------
    Recording

    Raises
    ------
    FileError
        If a file is damaged or asks for code to be run.
    DataError, UnknownNameError, SettingError
        If it makes no recording, or the choices cannot be met.

    Examples
    --------
    >>> import pynapple as nap
    >>> spikes = {0: nap.Ts([0.0, 0.1, 0.25]), 1: nap.Ts([0.3, 0.35])}
    >>> group = nap.TsGroup(spikes, time_support=nap.IntervalSet(0, 0.4))
    >>> read(group, Notes(), bin_size=0.2).counts.tolist()
    [[2, 0], [1, 2]]
    """
    options: dict[str, Any] = {"align": align, "window": window, "units": units, "labels": labels, "signal": signal}
    options["name"] = name
    if type(source).__name__ == "NWBFile":
        from . import nwb

        return nwb.read(source.nwb, notes, bin_size=bin_size, segments=segments, **options)
    where = source if isinstance(source, Path) else Path("the object")
    with parsing(where, "pynapple file" if isinstance(source, Path) else "pynapple object"):
        pieces = read_pieces(source, notes) if isinstance(source, Path) else _pieces(source, notes)
        if segments is not None and _is_ours(segments):
            pieces["segments"], segments = piece_of(segments), "segments"
        session = _session(pieces, source)
        describe(session, notes)
        laid = None
        only = [k for k, s in session.signals.items() if s.role == "activity"]
        if bin_size is None and session.units is None and len(only) == 1 and segments is None and align is None:
            bin_size, laid = _own_bins(pieces[only[0]])
            notes.used.append(f"bins of {bin_size:g} s, one a sample")
        return bin_session(session, notes, bin_size=bin_size, segments=segments, laid=laid, **options)


def _pieces(source: Any, notes: Notes) -> dict[str, Piece]:
    notes.format = f"pynapple {type(source).__name__ if type(source) is not dict else 'objects'}"
    things: Mapping[str, Any] = source if type(source) is dict else {type(source).__name__: source}
    return {str(key): piece_of(value) for key, value in things.items()}


def _session(pieces: dict[str, Piece], source: Any) -> Session:
    groups = [k for k, p in pieces.items() if p.kind == "TsGroup"]
    alone = len(pieces) == 1 and next(iter(pieces.values())).kind == "Ts"
    if len(groups) > 1:
        raise DataError(f"there are several TsGroups, {', '.join(groups)}; give one")
    frames = {k: p for k, p in pieces.items() if p.kind in ("Tsd", "TsdFrame", "TsdTensor")}
    base = next((pieces[k] for k in groups), next(iter(pieces.values()) if alone else iter(frames.values()), None))
    if base is None:
        raise DataError("there is no TsGroup, TsdFrame or Tsd, which a recording is made of")
    named = {k: p for k, p in pieces.items() if p.kind == "IntervalSet"}
    units = None
    if groups or alone:
        held = base
        units = Units(held.names, held.train, {k: constant(v) for k, v in held.columns.items()})
    role = "behaviour" if units is not None else "activity"
    support = base.support if units is not None else _covered(base)
    intervals = {k: _intervals(p) for k, p in named.items()}
    intervals["time_support"] = Intervals(
        len(support), constant(support), {k: constant(v) for k, v in base.support_columns.items()}
    )
    obvious = "trials" if "trials" in named else next(iter(named)) if len(named) == 1 else "time_support"
    return Session(
        name=source.stem if isinstance(source, Path) else "",
        source={"file": source.name} if isinstance(source, Path) else {},
        units=units,
        intervals=intervals,
        events={k: constant(p.times) for k, p in pieces.items() if p.kind == "Ts" and not alone},
        signals={k: _signal(p, role) for k, p in frames.items()},
        support=support,
        default=obvious,
    )


def _intervals(piece: Piece) -> Intervals:
    return Intervals(len(piece.support), constant(piece.support), {k: constant(v) for k, v in piece.columns.items()})


def _signal(piece: Piece, role: Any) -> Signal:
    values = piece.values
    whole = values.dtype.kind in "iub" and (values.dtype.kind == "b" or not values.size or int(values.min()) >= 0)
    return Signal(
        n_samples=len(values),
        names=piece.names,
        rows=lambda low, high: values[low:high],
        clock=constant(piece.times),
        role=role,
        counts=whole and role == "activity",
        columns={k: constant(v) for k, v in piece.columns.items()},
    )


def _step(piece: Piece) -> float:
    if len(piece.times) < 2:
        raise DataError("a single sample does not say how wide a bin is; give bin_size in seconds")
    return float(np.round(np.median(np.diff(piece.times)), 9))


def _centred(piece: Piece, step: float) -> bool:
    """Whether samples stand in the middle of bins, as those that pynapple counted do."""
    first = np.searchsorted(piece.times, piece.support[:, 0])
    there = first < len(piece.times)
    lead = piece.times[first[there]] - piece.support[there, 0]
    return bool(lead.size and np.allclose(lead, step / 2, atol=1e-6, rtol=0))


def _covered(piece: Piece) -> Any:
    """Return the time support, which pynapple ends at the last sample, up to where that sample's bin ends."""
    support = np.array(piece.support, dtype=np.float64)
    if len(piece.times) < 2 or not len(support):
        return support
    step = _step(piece)
    last = np.searchsorted(piece.times, support[:, 1] + 1e-9) - 1
    ends = np.round(piece.times[np.maximum(last, 0)] + (step / 2 if _centred(piece, step) else step), 9)
    support[:, 1] = np.maximum(support[:, 1], ends)
    return support


def _own_bins(piece: Piece) -> tuple[float, Bins]:
    """Return bins of which each holds one sample."""
    step = _step(piece)
    starts = np.round(piece.times - (step / 2 if _centred(piece, step) else 0.0), 9)
    interval = np.searchsorted(piece.support[:, 0], piece.times + 1e-9, side="right") - 1
    same = np.diff(interval, append=-1) == 0
    ends = np.round(starts + step, 9)
    ends[same] = np.minimum(ends[same], np.append(starts[1:], np.inf)[same])
    first = np.searchsorted(interval, interval)
    if step <= 0 or (np.diff(starts) < 0.99 * step)[same[:-1]].any():
        raise DataError("samples come at uneven times, so that they are no bins; give bin_size in seconds")
    return step, Bins(starts, ends, interval, np.arange(len(starts)) - first)
