"""Pynapple objects and files."""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.binning import Bins, frame_bins
from ..data.recording import Recording
from ..errors import DataError, FileError
from .binned import bin_session
from .files import npy_header, read_member
from .session import OF_SESSIONS, Columns, Intervals, Notes, Options, Session, Signal, Units, constant, describe
from .untrusted import GIB, ArrayStandIn, DtypeStandIn, admit_arrays, parsing, unpickle

__all__ = ["OPTIONS", "read"]

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


def _piece_of(thing: Any) -> Piece:
    """Take an object of pynapple apart."""
    kind = type(thing).__name__
    if kind not in KINDS:
        raise DataError(f"a {type(thing).__module__}.{kind} makes no recording; give one of {', '.join(KINDS)}")
    columns = {str(k): np.asarray(thing.get_info(k)) for k in getattr(thing, "metadata_columns", ())}
    if kind == "IntervalSet":
        return Piece(kind, np.asarray(thing.values, dtype=np.float64), columns=columns)
    limits = thing.time_support
    more = {str(k): np.asarray(limits.get_info(k)) for k in limits.metadata_columns}
    piece = Piece(kind, np.asarray(limits.values, dtype=np.float64), columns=columns, support_columns=more)
    if kind == "TsGroup":
        trains = {str(key): np.asarray(thing[key].t, dtype=np.float64) for key in thing.index}
        member = np.repeat(np.arange(len(trains)), [len(train) for train in trains.values()])
        times = np.concatenate([np.empty(0), *trains.values()])
        return replace(piece, times=times, member=member, names=tuple(trains))
    piece = replace(piece, times=np.asarray(thing.t, dtype=np.float64))
    titles = [str(c) for c in thing.columns] if kind == "TsdFrame" else []
    return _with_values(piece, None if kind == "Ts" else np.asarray(thing.values), titles)


def _with_values(piece: Piece, values: NDArray[Any] | None, names: list[str]) -> Piece:
    if values is None:
        return replace(piece, names=("unit0",))
    shape = piece.times.shape
    if len(shape) != 1 or values.ndim < 1 or len(values) != shape[0] or 0 in values.shape[1:]:
        raise DataError(f"values of shape {values.shape} have times of shape {shape}; give one time a row")
    flat = values.reshape(len(values), -1) if len(values) else values.reshape(0, 1)
    if len(names) != flat.shape[1]:
        names = [piece.kind.lower() + (str(i) if flat.shape[1] > 1 else "") for i in range(flat.shape[1])]
    return replace(piece, values=flat, names=tuple(names))


def _read_piece(path: Path, notes: Notes) -> Piece:
    """Read what an object of pynapple saved."""
    arrays = _arrays(path)
    kind = str(arrays["type"].ravel()[0])
    if kind not in KINDS:
        raise FileError(f"{path} holds a {kind}, which is none of {', '.join(KINDS)}")
    notes.format = f"pynapple {kind}, saved"
    support = np.stack([np.asarray(arrays[k], dtype=np.float64) for k in ("start", "end")], axis=1)
    stored = arrays["_metadata"].item() if "_metadata" in arrays else {}
    piece = Piece(kind, support, columns={str(k): np.asarray(v) for k, v in stored.items()})
    if kind == "IntervalSet":
        return piece
    piece = replace(piece, times=np.asarray(arrays["t"], dtype=np.float64))
    if kind == "TsGroup":
        keys, index = arrays["keys"], arrays["index"]
        if index.shape != piece.times.shape or not np.isin(index, keys).all():
            raise FileError(
                f"{path}: {len(piece.times)} spike times do not fit {len(index)} numbers of units; it was altered"
            )
        order = np.argsort(keys, kind="stable")
        columns = {k: v for k, v in piece.columns.items() if len(v) == len(keys)}
        member = order[np.searchsorted(keys[order], index)]
        return replace(piece, member=member, names=tuple(str(k) for k in keys), columns=columns)
    titles = [str(c) for c in arrays["columns"].ravel()] if "columns" in arrays else []
    return _with_values(piece, None if kind == "Ts" else arrays["d"], titles)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    found = {}
    with zipfile.ZipFile(path) as archive:
        if sum(info.file_size for info in archive.infolist()) > LIMIT:
            raise FileError(f"{path} expands to more than {LIMIT // GIB} GiB; it was altered, or save less into it")
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            with archive.open(info) as file:
                if npy_header(file, info)[2].kind == "O":
                    found[name] = unpickle(file.read(), str(path), _ADMITTED, finish=_plain)
                else:
                    found[name] = read_member(archive, info)
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


def _is_ours(thing: Any) -> bool:
    return any(c.__module__.split(".")[0] == "pynapple" for c in type(thing).__mro__)


OPTIONS = OF_SESSIONS
"""Options that this format has; `myow.read` describes them."""


def read(source: Any, notes: Notes, options: Options) -> Recording:
    """Read pynapple's objects, or a file that one of them saved.

    That is a TsGroup, TsdFrame, Tsd or TsdTensor; a dict of such, of IntervalSets and of Ts, by name; or what pynapple loads from
    an NWB file. A TsdFrame alone needs no ``bin_size``: each of its samples is then a bin. ``segments`` may be an IntervalSet.

    Examples
    --------
    >>> import pynapple as nap
    >>> spikes = {0: nap.Ts([0.0, 0.1, 0.25]), 1: nap.Ts([0.3, 0.35])}
    >>> group = nap.TsGroup(spikes, time_support=nap.IntervalSet(0, 0.4))
    >>> read(group, Notes(), Options(bin_size=0.2)).counts.tolist()
    [[2, 0], [1, 2]]
    """
    if type(source).__name__ == "NWBFile":
        from . import nwb

        return nwb.read(source.nwb, notes, options)
    where = source if isinstance(source, Path) else Path("the object")
    with parsing(where, "pynapple file" if isinstance(source, Path) else "pynapple object"):
        if isinstance(source, Path):
            pieces = {source.stem: _read_piece(source, notes)}
        else:
            things = source if type(source) is dict else {type(source).__name__: source}
            notes.format = f"pynapple {'objects' if things is source else type(source).__name__}"
            pieces = {str(key): _piece_of(value) for key, value in things.items()}
        if options.segments is not None and _is_ours(options.segments):
            pieces["segments"], options = _piece_of(options.segments), replace(options, segments="segments")
        session = _session(pieces, source)
        describe(session, notes)
        laid = None
        only = [k for k, s in session.signals.items() if s.role == "activity"]
        given = (session.units, options.bin_size, options.segments, options.align)
        if len(only) == 1 and all(one is None for one in given):
            width, laid = _own_bins(pieces[only[0]])
            options = replace(options, bin_size=width)
            notes.used.append(f"bins of {width:g} s, one a sample")
        return bin_session(session, notes, laid=laid, **options.binning())


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
    units = Units(base.names, base.train, _constants(base.columns)) if groups or alone else None
    role = "behaviour" if units is not None else "activity"
    support = base.support if units is not None else _covered(base)
    intervals = {k: Intervals(len(p.support), constant(p.support), _constants(p.columns)) for k, p in named.items()}
    intervals["time_support"] = Intervals(len(support), constant(support), _constants(base.support_columns))
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


def _constants(columns: dict[str, NDArray[Any]]) -> Columns:
    return {name: constant(values) for name, values in columns.items()}


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
        columns=_constants(piece.columns),
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
        apart = np.diff(piece.times)
        mean = float(np.round(apart[apart < 1.5 * step].mean(), 9)) if step > 0 else 0.0
        even = frame_bins(piece.times, _covered(piece), mean) if mean > 0 else None
        if even is not None:
            return mean, even
        raise DataError("samples come at uneven times, so that they are no bins; give bin_size in seconds")
    return step, Bins(starts, ends, interval, np.arange(len(starts)) - first)
