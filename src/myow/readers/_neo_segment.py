"""What a Segment of Neo holds, as a session in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ._guard import GIB
from ._session import Intervals, Session, Signal, Units, constant

__all__ = ["session_of"]

LIMIT = 4 * GIB  # bytes of a signal


def session_of(segment: Any, name: str, source: dict[str, str]) -> Session:
    """Return what a Segment holds; what is lazy stays so until it is used.

    Parameters
    ----------
    segment : neo.Segment
        Of objects, or of Neo's proxies for them.
    name : str
        Name of the recording.
    source : dict of str to str
        Where it comes from.

    Returns
    -------
    Session
    """
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


def _seconds(quantity: Any) -> float:
    return float(quantity.rescale("s").magnitude)


def _times(thing: Any) -> Callable[[], NDArray[np.float64]]:
    return lambda: np.asarray(_loaded(thing).times.rescale("s").magnitude, dtype=np.float64)


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

    def train(unit: int) -> NDArray[np.float64]:
        return np.asarray(_loaded(trains[unit]).times.rescale("s").magnitude, dtype=np.float64)

    return Units(tuple(name for name, _ in _titled(trains, "unit")), train, columns)


def _intervals(epoch: Any) -> Intervals:
    epoch = _loaded(epoch)
    starts = np.asarray(epoch.times.rescale("s").magnitude, dtype=np.float64)
    lengths = np.asarray(epoch.durations.rescale("s").magnitude, dtype=np.float64)
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
        start=_seconds(one.t_start) if even else 0.0,
        rate=float(one.sampling_rate.rescale("Hz").magnitude) if even else 1.0,
        unit=one.units.dimensionality.string,
        role=role,
    )
