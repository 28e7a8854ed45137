"""What a file of spike times holds, in one form whatever the format: units, intervals, events and sampled signals.

Everything is read when it is asked for, so that a file of many gigabytes is opened for the few units that are wanted.
`myow.readers._binned` turns it into a recording.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, unknown_name
from ._notes import Notes

__all__ = ["Columns", "Intervals", "Session", "Signal", "Units", "constant", "describe"]

Columns = Mapping[str, Callable[[], NDArray[Any]]]
"""Columns of a table by name; each is read when it is called."""


def constant(values: Any) -> Callable[[], NDArray[Any]]:
    """Return a column that is at hand already."""
    array = np.asarray(values)
    return lambda: array


@dataclass(frozen=True)
class Units:
    """Spike trains.

    Parameters
    ----------
    names : tuple of str
        One a unit.
    train : callable
        Reads the spike times of the unit of an index, in s.
    columns : mapping
        What is known of the units, such as quality or region; each column has one value a unit.
    """

    names: tuple[str, ...]
    train: Callable[[int], NDArray[np.float64]]
    columns: Columns = field(default_factory=dict)


@dataclass(frozen=True)
class Intervals:
    """A table of intervals, such as trials.

    Parameters
    ----------
    n : int
        How many there are.
    spans : callable
        Reads their starts and ends in s, shape (n, 2).
    columns : mapping
        What is known of each; each column has n values or rows.
    """

    n: int
    spans: Callable[[], NDArray[np.float64]]
    columns: Columns = field(default_factory=dict)


@dataclass(frozen=True)
class Signal:
    """A sampled signal of S samples and D columns.

    Parameters
    ----------
    n_samples : int
        S.
    names : tuple of str
        Of the D columns.
    rows : callable
        Reads samples ``lo:hi``, shape (hi - lo, D), in `unit`.
    clock : callable, optional
        Reads the times of all samples in s, shape (S,). None: samples are even.
    start, rate : float, optional
        Time of the first sample in s and samples a second, where they are even.
    unit : str, optional
        Unit of measure.
    role : {"behaviour", "activity", "other"}, optional
        What it is used for when nobody says: a label, the recording itself where there are no spikes, or nothing.
    counts : bool, optional
        Whether samples are counts, which are added up in a bin rather than averaged.
    within : str, optional
        What holds it in the file, by which it may be named too.
    columns : mapping, optional
        What is known of its columns, such as the region of a cell.
    """

    n_samples: int
    names: tuple[str, ...]
    rows: Callable[[int, int], NDArray[Any]]
    clock: Callable[[], NDArray[np.float64]] | None = None
    start: float = 0.0
    rate: float = 1.0
    unit: str = ""
    role: Literal["behaviour", "activity", "other"] = "other"
    counts: bool = False
    within: str = ""
    columns: Columns = field(default_factory=dict)

    def times(self) -> NDArray[np.float64] | None:
        """Read the times of the samples; None where they are even.

        Raises
        ------
        DataError
            If they are not one finite, rising number a sample.
        """
        if self.clock is None:
            return None
        times = np.asarray(self.clock(), dtype=np.float64)
        if times.shape != (self.n_samples,):
            raise DataError(f"it has {self.n_samples} samples, but times of shape {times.shape}")
        if not np.isfinite(times).all() or (np.diff(times) < 0).any():
            raise DataError("its times are not finite or do not rise")
        return times

    def span(self) -> tuple[float, float]:
        """Return when the first sample begins and the last one ends, in s."""
        times = self.times()
        if times is None:
            return self.start, self.start + self.n_samples / self.rate
        step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        return float(times[0]), float(times[-1]) + step


@dataclass(frozen=True)
class Session:
    """All that a file or object of spike times and intervals holds.

    Parameters
    ----------
    name : str
        Of the recording, where no other is given.
    source : mapping of str to str
        Where it comes from, for the recording's ``source``.
    units : Units, optional
        Spike trains.
    intervals, events, signals : mapping
        Tables of intervals; readers of event times in s; sampled signals.
    support : ndarray of shape (n, 2), optional
        When something was recorded at all. None: it is not known.
    invalid : ndarray of shape (n, 2), optional
        When what was recorded is not to be used.
    default : str, optional
        The table that makes segments where none is named.
    """

    name: str
    source: Mapping[str, str] = field(default_factory=dict)
    units: Units | None = None
    intervals: Mapping[str, Intervals] = field(default_factory=dict)
    events: Mapping[str, Callable[[], NDArray[np.float64]]] = field(default_factory=dict)
    signals: Mapping[str, Signal] = field(default_factory=dict)
    support: NDArray[np.float64] | None = None
    invalid: NDArray[np.float64] | None = None
    default: str = ""

    def find_signal(self, name: str) -> str:
        """Return the name of a signal, given that or the name of what holds it alone.

        Raises
        ------
        UnknownNameError
            If there is no such signal.
        """
        if name in self.signals:
            return name
        held = [key for key, signal in self.signals.items() if signal.within == name]
        if len(held) == 1:
            return held[0]
        raise unknown_name("signal", name, self.signals)


def describe(session: Session, notes: Notes) -> None:
    """Say what a session holds."""
    if session.units is not None:
        notes.found.append(f"{len(session.units.names)} units with spike times{_listed(session.units.columns)}")
    for name, table in session.intervals.items():
        notes.found.append(f"{table.n} intervals {name}{_listed(table.columns)}")
    notes.found += [f"events {name}" for name in session.events]
    for name, signal in session.signals.items():
        width = f"{len(signal.names)} columns" if len(signal.names) > 1 else "1 column"
        pace = f" at {signal.rate:g} Hz" if signal.clock is None else ""
        unit = f" in {signal.unit}" if signal.unit else ""
        notes.found.append(f"signal {name}: {signal.n_samples} samples{pace}, {width}{unit}")


def _listed(columns: Columns) -> str:
    return f"; columns {', '.join(columns)}" if columns else ""
