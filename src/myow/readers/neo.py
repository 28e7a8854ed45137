"""Neo: a Segment or a Block of Segments with SpikeTrains, and through Neo the files of many acquisition systems.

SpikeTrains are units, selected by their annotations; Epochs are intervals, Events are events; AnalogSignals and
IrregularlySampledSignals are signals. Each Segment of a Block has a clock of its own and is binned by itself; its
annotations become labels. All are converted to seconds.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.recording import Recording
from ..errors import DataError, FileError, MyowError, unknown_name
from ..extras import need
from ._binned import MISSING_WIDTH, bin_session
from ._guard import parsing
from ._mat5_scan import scan
from ._neo_segment import session_of
from ._notes import Notes
from ._rehearsal import rehearse
from ._session import describe

__all__ = ["SUFFIXES", "read", "reads", "takes"]

SUFFIXES: tuple[str, ...] = ()  # those that Neo knows and no other reader has; see `reads`
REFUSED = ("PickleIO",)  # a pickle can run code
UNSAID = (".txt",)  # an ending that says nothing of the format; Neo reads such a file where it is asked to


def takes(thing: Any) -> bool:
    """Whether it is a Block or Segment of Neo."""
    return any(c.__name__ in ("Block", "Segment") and c.__module__.startswith("neo.") for c in type(thing).__mro__)


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
    io: str | None = None,
) -> Recording:
    """Read Neo's objects, or a file that Neo can read.

    Parameters
    ----------
    source : Block, Segment or Path
        What to read.
    notes : Notes
        What was found, used and skipped.
    bin_size : float
        Width of a bin in s.
    segments : str or array_like, optional
        Name of an Epoch, "segments" for Neo's own, or starts and ends in s, (n, 2). Default: the Epoch called "trials", else
        Neo's own.
    align, window : optional
        Event, or times in s, and "before,after" in s: a segment is then a window around each.
    units : optional
        "quality=good" by annotations of the SpikeTrains, names, indices or a mask. Default: all.
    labels : str or sequence of str, optional
        Annotations of the Segments, labels of an Epoch, and signals; "none" for none.
    signal : str, optional
        Bin this signal in place of spikes.
    name : str, optional
        Name of the recording.
    io : str, optional
        Class in ``neo.io`` that reads the file, where its ending fits several.

    Returns
    -------
    Recording

    Raises
    ------
    FileError
        If Neo cannot read the file.
    DataError, UnknownNameError, SettingError
        If it makes no recording, or the choices cannot be met.
    """
    neo = need("neo", "neo", "reading with Neo")
    options: dict[str, Any] = {"bin_size": bin_size, "segments": segments, "align": align, "window": window}
    options |= {"units": units, "labels": labels, "signal": signal}
    if isinstance(source, Path):
        with _opened(neo, source, io, notes) as block:
            return _recording(block, source.name, name or source.stem, notes, options)
    notes.format = f"Neo {type(source).__name__}"
    with parsing(Path("the object"), "Neo object"):
        return _recording(source, "", name or source.name or "", notes, options)


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
            if path.suffix.lower() == ".mat":
                scan(path)  # scipy believes what such a file says
            read_all = functools.partial(_read_all, choice, path)
            rehearse(path, "file that Neo reads", read_all)
            try:
                block = read_all()
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


def _recording(source: Any, file: str, name: str, notes: Notes, options: dict[str, Any]) -> Recording:
    parts = list(source.segments) if hasattr(source, "segments") else [source]
    if not parts:
        raise DataError("the Block holds no Segment; there is nothing to read")
    sessions = [session_of(part, name, {"file": file} if file else {}) for part in parts]
    if len(parts) > 1:
        notes.found.append(f"{len(parts)} Segments, of which the first holds:")
    describe(sessions[0], notes)
    if options["bin_size"] is None:
        raise DataError(MISSING_WIDTH)
    if len(parts) == 1:
        return bin_session(sessions[0], notes, name=name, **options)
    recordings, last = [], None
    for number, session in enumerate(sessions):
        own = Notes()
        try:
            recordings.append(bin_session(session, own, name=name, **options))
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
