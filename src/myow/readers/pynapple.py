"""Pynapple: a TsGroup, TsdFrame, Tsd or TsdTensor with its time support, a dict of them, or what they ``save`` (.npz).

=====================  =============================================================================================
TsGroup                units; metadata such as ``region`` select among them; its time support makes segments
TsdFrame, Tsd, ...     alone: the recording, counts if they are whole numbers; in a dict beside a TsGroup: labels
IntervalSet            in a dict, or as ``segments``: intervals, whose metadata become labels
Ts                     in a dict: events
=====================  =============================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..data.binning import Bins
from ..data.recording import Recording
from ..errors import DataError
from ._binned import bin_session
from ._guard import parsing
from ._notes import Notes
from ._pynapple_pieces import Piece, holds_pynapple, piece_of, read_pieces
from ._session import Intervals, Session, Signal, Units, constant, describe

__all__ = ["SUFFIXES", "read", "takes"]

SUFFIXES: tuple[str, ...] = ()  # .npz is NumPy's; a file that pynapple saved is known by what it holds


def takes(thing: Any) -> bool:
    """Whether it is an object of pynapple, a dict of such, or an .npz file that pynapple saved."""
    if isinstance(thing, Path):
        return thing.suffix.lower() == ".npz" and holds_pynapple(thing)
    if type(thing) is dict:
        return bool(thing) and all(_is_ours(value) for value in thing.values())
    return _is_ours(thing)


def _is_ours(thing: Any) -> bool:
    return any(c.__module__.split(".")[0] == "pynapple" for c in type(thing).__mro__)


def read(
    source: Any,
    notes: Notes,
    *,
    bin_size: float | None = None,
    segments: Any = None,
    align: Any = None,
    window: Any = None,
    units: Any = None,
    labels: Any = None,
    signal: str | None = None,
    name: str | None = None,
) -> Recording:
    """Read pynapple's objects, or a file that one of them saved.

    Parameters
    ----------
    source : object, dict or Path
        A TsGroup, TsdFrame, Tsd or TsdTensor; a dict of such, of IntervalSets and of Ts, by name; an .npz file; or what
        pynapple loads from an NWB file.
    notes : Notes
        What was found, used and skipped.
    bin_size : float, optional
        Width of a bin in s. A TsdFrame alone may do without: each of its samples is then a bin.
    segments : str, IntervalSet or array_like, optional
        Name of an IntervalSet in the dict, an IntervalSet, "whole", or starts and ends in s, (n, 2). Default: the
        IntervalSet called "trials", or the only one, or the time support.
    align, window : optional
        Events (a Ts in the dict) or times in s, and "before,after" in s: a segment is a window around each.
    units : optional
        "region=M1|PMd" by the metadata, keys of the TsGroup, or a mask. Default: all.
    labels : str or sequence of str, optional
        Metadata of the intervals, and frames in the dict; "none" for none.
    signal : str, optional
        Bin this frame in place of the TsGroup.
    name : str, optional
        Name of the recording.

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
