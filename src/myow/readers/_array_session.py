"""From named arrays of spike times, trial starts and stops and sampled signals to a recording.

=========================================  =====================================================================
a list of 1-d arrays; or ``spike_times``   spike times of units in s
beside ``spike_units``, one unit each
``trial_start`` beside ``trial_stop``      intervals, called "trials"; so are ``trials`` of two columns, and
                                           ``trials/start`` beside ``trials/stop``
as many values as there are trials         a label, constant in each
``NAME`` beside ``NAME_times``             a signal, averaged in each bin; so is what has as many rows as ``times``
other 1-d arrays of times                  events, around which segments can be laid
=========================================  =====================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from ..errors import DataError, unknown_name
from ._array_labels import find_places
from ._array_roles import Options, Roles, Titles, read_name, read_roles, read_source, read_width
from ._array_tables import Table, find_events, find_tables, find_trains, pair_spikes, with_columns
from ._array_windows import read_windows
from ._arrays import read_binned
from ._binned import bin_session
from ._choices import WHOLE
from ._fields import Arrays
from ._notes import Notes
from ._session import Columns, Session, Signal, Units, describe

__all__ = ["read_arrays"]

CLOCKS = ("_times", "_time", "_timestamps", "_t")


def read_arrays(arrays: Arrays, notes: Notes, options: Options, titles: Titles, where: Path | str) -> Recording:
    """Make a recording of what a file holds: counts, or spike times with intervals.

    Raises
    ------
    DataError, UnknownNameError, SettingError
        If they make no recording, or the options cannot be met.
    """
    arrays.describe(notes)
    try:
        roles = read_roles(arrays, options, strict=titles.strict)
        paired = set() if titles.strict and roles.counts else pair_spikes(arrays)
        tables = find_tables(arrays)
        if options.spikes is not None or (roles.counts is None and arrays.trains):
            return _SpikeArrays(arrays, roles, options, titles, paired).read(tables, notes)
        named = isinstance(options.segments, str) and options.segments not in ("", WHOLE)
        if named and options.segments not in tables and roles.get("segments") is None:
            raise unknown_name("array or table of segments", options.segments, [*arrays.fields, *tables, WHOLE])
        if options.align is not None or _names_intervals(options.segments, tables):
            return read_windows(arrays, roles, tables, notes, options, titles)
        return read_binned(arrays, roles, notes, options, titles)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None


def _names_intervals(segments: Any, tables: dict[str, Table]) -> bool:
    if isinstance(segments, str):
        return segments in tables
    return segments is not None and np.ndim(segments) == 2


class _SpikeArrays:
    """Sorts arrays around spike times into a session; `used` holds the names of those that have a place in it."""

    def __init__(self, arrays: Arrays, roles: Roles, options: Options, titles: Titles, paired: set[str]) -> None:
        self.arrays, self.roles, self.options, self.titles = arrays, roles, options, titles
        self.used = paired | {
            roles.names[role] for role in ("bin_size", "kind", "name", "source") if role in roles.names
        }

    def read(self, tables: dict[str, Table], notes: Notes) -> Recording:
        """Bin it."""
        arrays, options = self.arrays, self.options
        spikes = find_trains(arrays, options.spikes)
        self.used |= {spikes}.union(*(table.pieces for table in tables.values()))
        places = find_places(arrays, spikes, self.used, -1, -1)
        self.used |= set(places.period_of.values())
        session = Session(
            name=read_name(arrays, self.roles, options, self.titles),
            source=read_source(arrays, self.roles, self.titles),
            signals=self._signals(),
            intervals={name: with_columns(arrays, table, self.used) for name, table in tables.items()},
            units=self._units(spikes),
            events=find_events(arrays, options.align, self.used),
        )
        describe(session, notes)
        width = read_width(arrays, self.roles, options)
        notes.skipped += [f"{key}: what it belongs to is not known" for key in arrays.fields if key not in self.used]
        others = [key for key in arrays.trains if key not in self.used]
        notes.skipped += [f"{key}: lists of numbers; spikes={key} counts them as spike times" for key in others]
        recording = bin_session(
            session,
            notes,
            bin_size=width,
            segments=options.segments,
            align=options.align,
            window=options.window,
            units=options.units,
            labels=options.labels,
        )
        return replace(recording, periods={k: v for k, v in places.periods.items() if k in recording.labels})

    def _signals(self) -> dict[str, Signal]:
        found = {}
        for key, one in self.arrays.fields.items():
            n, free = self.arrays.rows(key), key not in self.used and key != self.roles.get("times")
            if not (free and n and one.is_number and len(one.shape) in (1, 2)) or key.endswith(CLOCKS):
                continue
            clock = self._clock(key, n)
            if clock is not None:
                width = 1 if self.arrays.is_vector(key) else one.shape[1]
                self.used |= {key, clock}
                found[key] = Signal(
                    n_samples=n,
                    names=tuple(str(i) for i in range(width)),
                    rows=self._rows(key),
                    clock=self._times(clock),
                    role="behaviour",
                )
        return found

    def _clock(self, key: str, n: int) -> str | None:
        """Return the times of n samples: those of its own, or those of all."""
        known = [*(key + end for end in CLOCKS), self.roles.get("times") or ""]
        fields = self.arrays.fields
        fitting = (one for one in known if one in fields and fields[one].is_number and self.arrays.is_vector(one))
        return next((one for one in fitting if self.arrays.rows(one) == n), None)

    def _times(self, key: str) -> Callable[[], NDArray[np.float64]]:
        return lambda: self.arrays.values(key).astype(np.float64)

    def _rows(self, key: str) -> Callable[[int, int], NDArray[Any]]:
        whole = cache(partial(self.arrays.values, key))
        return lambda low, high: whole()[low:high]

    def _units(self, spikes: str) -> Units:
        """Return spike times with the arrays that have a value for each unit."""
        units = self.arrays.trains[spikes]
        named = self.roles.get("units")
        if named is not None and named not in self.used and self.arrays.fields[named].is_text:
            titles = self.arrays.values(named).ravel().tolist()
            if len(titles) == len(units.names):
                self.used.add(named)
                texts = [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in titles]
                units = replace(units, names=tuple(texts))
        columns: Columns = {}
        for key in self.arrays.fields:
            if key not in self.used and self.arrays.is_vector(key) and self.arrays.rows(key) == len(units.names):
                columns = {**columns, key.removeprefix(self.arrays.group(spikes)): partial(self.arrays.values, key)}
                self.used.add(key)
        return replace(units, columns=columns)
