"""Neo objects, and through Neo the files of recording systems."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from ..errors import DataError, FileError, MyowError, need, unknown_name
from .binned import MISSING_WIDTH, bin_session
from .session import OF_SESSIONS, Intervals, Notes, Options, Session, Signal, Units, constant, describe
from .untrusted import GIB, parsing

__all__ = ["OPTIONS", "read", "reads"]

LIMIT = 4 * GIB  # bytes of a signal


def _session_of(segment: Any, name: str, source: dict[str, str]) -> Session:
    """Return what a Segment of objects, or of Neo's proxies for them, holds; what is lazy stays so until it is used."""
    trains = list(segment.spiketrains)
    support = np.array([[_seconds(segment.t_start), _seconds(segment.t_stop)]])
    annotations = {k: constant([v]) for k, v in segment.annotations.items() if _plain(v)}
    intervals = {"segments": Intervals(1, constant(support), annotations)}
    for title, epoch in _titled(segment.epochs, "epoch"):
        intervals[title] = _intervals(epoch)
    sampled = [*segment.analogsignals, *segment.irregularlysampledsignals]
    role = "activity" if not trains and len(sampled) == 1 else "other"
    return Session(
        name=name,
        source=source,
        units=_units(trains),
        intervals=intervals,
        events={title: _times(event) for title, event in _titled(segment.events, "event")},
        signals={title: _signal(title, one, role) for title, one in _titled(sampled, "signal")},
        support=support,
        default="trials" if "trials" in intervals else "segments",
    )


def _loaded(thing: Any) -> Any:
    """Return the object of a proxy."""
    return thing.load() if hasattr(thing, "load") else thing


def _seconds(quantity: Any) -> NDArray[np.float64]:
    return np.asarray(quantity.rescale("s").magnitude, dtype=np.float64)


def _times(thing: Any) -> Callable[[], NDArray[np.float64]]:
    return lambda: _seconds(_loaded(thing).times)


def _plain(value: Any) -> bool:
    return isinstance(value, (str, bool, int, float, np.number, np.bool_))


def _titled(things: Iterable[Any], kind: str) -> list[tuple[str, Any]]:
    """Return things with names that differ."""
    listed = list(things)
    names = [str(thing.name) if thing.name else f"{kind}{i}" for i, thing in enumerate(listed)]
    return [
        (n if names.count(n) == 1 else f"{n}.{i}", thing)
        for i, (n, thing) in enumerate(zip(names, listed, strict=True))
    ]


def _units(trains: list[Any]) -> Units | None:
    if not trains:
        return None
    keys = [key for key, value in trains[0].annotations.items() if _plain(value)]
    shared = [key for key in keys if all(key in train.annotations for train in trains)]
    columns = {key: constant([train.annotations[key] for train in trains]) for key in shared}

    def observed(unit: int) -> NDArray[np.float64]:
        return np.array([[_seconds(trains[unit].t_start), _seconds(trains[unit].t_stop)]], dtype=np.float64)

    names = tuple(name for name, _ in _titled(trains, "unit"))
    return Units(names, lambda unit: _times(trains[unit])(), columns, observed)


def _intervals(epoch: Any) -> Intervals:
    epoch = _loaded(epoch)
    starts, lengths = _seconds(epoch.times), _seconds(epoch.durations)
    columns = {str(k): constant(v) for k, v in epoch.array_annotations.items() if len(np.atleast_1d(v)) == len(starts)}
    if len(epoch.labels) == len(starts) and len(starts):
        columns["label"] = constant(np.asarray(epoch.labels).astype(str))
    return Intervals(len(starts), constant(np.stack([starts, starts + lengths], axis=1)), columns)


def _signal(name: str, one: Any, role: Any) -> Signal:
    shape = tuple(one.shape)
    width = int(np.prod(shape[1:], dtype=np.int64))

    def rows(low: int, high: int) -> NDArray[np.float64]:
        if hasattr(one, "load") and shape[0] * width * 8 > LIMIT:
            raise DataError(f"signal {name} of shape {shape} is larger than {LIMIT // GIB} GiB; read less of it")
        return np.asarray(_loaded(one).magnitude[low:high], dtype=np.float64).reshape(high - low, width)

    even = hasattr(one, "sampling_rate") and one.sampling_rate is not None
    return Signal(
        n_samples=int(shape[0]),
        names=tuple(f"{name}{i}" for i in range(width)) if width > 1 else (name,),
        rows=rows,
        clock=None if even else _times(one),
        start=float(_seconds(one.t_start)) if even else 0.0,
        rate=float(one.sampling_rate.rescale("Hz").magnitude) if even else 1.0,
        unit=one.units.dimensionality.string,
        role=role,
    )


REFUSED = ("PickleIO",)  # a pickle can run code
UNSAID = (".txt",)  # an ending that says nothing of the format; Neo reads such a file where it is asked to


def reads(path: Path) -> bool:
    """Whether Neo is installed and knows files of this ending by it."""
    if path.suffix.lower() in UNSAID:
        return False
    try:
        import neo
    except ImportError:
        return False
    return bool(path.suffix) and bool(_formats(neo, path))


def _formats(neo: Any, path: Path) -> list[Any]:
    suffix = path.suffix[1:].lower()
    known = [io for io in neo.io.iolist if suffix in (e.lower() for e in io.extensions) and io.__name__ not in REFUSED]
    return [io for io in known if io.is_readable and io.mode != "dir"]


OPTIONS = (*OF_SESSIONS, "io")
"""Options that this format has; `myow.read` describes them."""


def read(source: Any, notes: Notes, options: Options) -> Recording:
    """Read Neo's objects, or a file that Neo can read.

    ``segments`` may be "segments" for Neo's own, which count by default where no Epoch is called "trials".
    """
    neo = need("neo", "neo", "reading with Neo")
    if isinstance(source, Path):
        with _opened(neo, source, options.io, notes) as block:
            return _recording(block, source.name, options.name or source.stem, notes, options)
    notes.format = f"Neo {type(source).__name__}"
    with parsing(Path("the object"), "Neo object"):
        return _recording(source, "", options.name or source.name or "", notes, options)


@contextlib.contextmanager
def _opened(neo: Any, path: Path, io: str | None, notes: Notes) -> Iterator[Any]:
    if io is not None:
        known = {c.__name__: c for c in neo.io.iolist if c.__name__ not in REFUSED}
        if io not in known:
            raise unknown_name("io of Neo", io, known)
        choices = [known[io]]
    else:
        choices = _formats(neo, path)
    failed: list[str] = []
    with parsing(path, "file that Neo reads"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for choice in choices:
            try:
                block = _read_all(choice, path)
            except MyowError:
                raise
            except Exception as error:  # of several readers of an ending all but one fail
                failed.append(f"{choice.__name__}: {type(error).__name__}: {' '.join(str(error).split())[:60]}")
                continue
            notes.format = f"{choice.name or choice.__name__}, read by neo.io.{choice.__name__}"
            yield block
            return
    why = "; ".join(failed) or "it knows no such ending; name a reader of neo.io, io=NAME"
    raise FileError(f"{path} cannot be read by Neo ({why})")


def _read_all(io: Any, path: Path) -> Any:
    """Return what a class of ``neo.io`` makes of a file, with values that are read later where it can."""
    lazy = {"lazy": True} if io.support_lazy else {}
    opened = io(str(path))
    whole = any(c.__name__ == "Block" for c in io.readable_objects)
    return opened.read_block(**lazy) if whole else opened.read_segment(**lazy)


def _recording(source: Any, file: str, name: str, notes: Notes, options: Options) -> Recording:
    options = replace(options, name=name)
    parts = list(source.segments) if hasattr(source, "segments") else [source]
    if not parts:
        raise DataError("the Block holds no Segment; there is nothing to read")
    sessions = [_session_of(part, name, {"file": file} if file else {}) for part in parts]
    if len(parts) > 1:
        notes.found.append(f"{len(parts)} Segments, of which the first holds:")
    describe(sessions[0], notes)
    if options.bin_size is None:
        raise DataError(MISSING_WIDTH)
    if len(parts) == 1:
        return bin_session(sessions[0], notes, **options.binning())
    recordings, last = [], None
    for number, session in enumerate(sessions):
        own = Notes()
        try:
            recordings.append(bin_session(session, own, **options.binning()))
        except DataError as error:  # a Segment may lie outside of what was asked for
            notes.skipped.append(f"Segment {number}: {error}")
            last = error
            continue
        notes.used += [entry for entry in own.used if entry not in notes.used]
        notes.skipped += [entry for entry in own.skipped if entry not in notes.skipped]
    if not recordings:
        raise DataError(str(last))
    names = {recording.units for recording in recordings}
    if len(names) > 1:
        sizes = sorted({recording.n_units for recording in recordings})
        raise DataError(
            f"the Segments have different units ({', '.join(map(str, sizes))} of them); select those that all have, or read Segments one by one"
        )
    every = set.intersection(*(set(recording.labels) for recording in recordings))
    for label in sorted(set.union(*(set(recording.labels) for recording in recordings)) - every):
        notes.skipped.append(f"{label}: not in every Segment")
    notes.used.append(f"{len(recordings)} of {len(parts)} Segments, each on its own clock")
    return replace(Recording.concatenate(recordings, name=name), source=recordings[0].source)
