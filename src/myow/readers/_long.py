"""A table with a row a spike: which unit, when, and in which trial."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.binning import make_bins
from ..data.checks import check_bin_size
from ..errors import DataError
from ._binned import MISSING_WIDTH
from ._fields import Field, at_hand
from ._labels import plain_values
from ._notes import Notes

__all__ = ["bin_spikes", "is_long"]

UNITS = ("unit", "unit_id", "neuron", "cluster")
TIMES = ("time", "times", "spike_time", "spike_times")
TRIALS = ("trial", "trials", "segment", "segments", "trial_id")
STARTS, STOPS = ("trial_start", "start"), ("trial_stop", "trial_end", "stop", "end")
MOST = 1 << 30  # bins times units


def is_long(columns: dict[str, Field]) -> bool:
    """Whether a table has a row a spike."""
    return _first(columns, UNITS) is not None and _first(columns, TIMES) is not None


def _first(columns: dict[str, Field], known: tuple[str, ...]) -> str | None:
    return next((name for name in known if name in columns), None)


def bin_spikes(
    columns: dict[str, Field], bin_size: float | None, times: str | None, trials: str | None, notes: Notes
) -> dict[str, Field]:
    """Count spikes in half-open bins inside their trials, which may overlap: a spike counts in the trial it is listed under.

    A trial lasts from ``trial_start`` to ``trial_stop``; without these columns from the bin of its first spike to that of its last.

    Raises
    ------
    DataError
        If the width of a bin is missing, or nothing can be counted.
    """
    if bin_size is None:
        raise DataError(MISSING_WIDTH)
    width = check_bin_size(bin_size)
    names = {
        "unit": _first(columns, UNITS),
        "time": times or _first(columns, TIMES),
        "trial": trials or _first(columns, TRIALS),
        "start": _first(columns, STARTS),
        "stop": _first(columns, STOPS),
    }
    owner, there = plain_values(columns[str(names["unit"])].read())
    when = _numbers(columns, str(names["time"]))
    there = there & np.isfinite(when)
    trial: NDArray[Any] = np.zeros(len(when), dtype=np.int64)
    if names["trial"] is not None:
        trial, present = plain_values(columns[names["trial"]].read())
        there = there & present
    if not there.any():
        raise DataError("no row has a unit, a time and a trial")
    if not there.all():
        notes.skipped.append(f"{(~there).sum()} of {len(there)} rows: no unit, time or trial")
    owner, when, trial = owner[there], np.round(when[there], 9), trial[there]
    units, unit = np.unique(owner, return_inverse=True)
    numbers, first, member = np.unique(trial, return_index=True, return_inverse=True)
    order = np.argsort(first)  # trials in the order in which they come
    member = np.argsort(order)[member.ravel()]
    numbers, first = numbers[order], first[order]
    if names["start"] is not None and names["stop"] is not None:
        spans = np.stack([_numbers(columns, str(names[end]))[there][first] for end in ("start", "stop")], axis=1)
    else:
        low, high = np.full(len(first), np.inf), np.full(len(first), -np.inf)
        np.minimum.at(low, member, when)
        np.maximum.at(high, member, when)
        spans = np.stack([np.floor(low / width + 1e-6), np.floor(high / width + 1e-6) + 1], axis=1) * width
        notes.used.append(
            "from the bin of the first spike of a trial to that of the last: no trial_start and trial_stop"
        )
    if not np.isfinite(spans).all() or (spans[:, 1] - spans[:, 0]).sum() / width * len(units) > MOST:
        raise DataError(f"trials last up to {np.diff(spans).max():g} s, more bins of {width:g} s than fit in memory")
    bins = make_bins(spans, width)
    if not len(bins.starts):
        raise DataError(f"every trial is shorter than a bin of {width:g} s; choose a smaller bin_size")
    counts = np.zeros((len(bins.starts), len(units)), dtype=np.int32)
    edges = np.searchsorted(bins.interval, np.arange(len(spans) + 1))
    spikes = np.argsort(member, kind="stable")
    parts = np.split(spikes, np.searchsorted(member[spikes], np.arange(1, len(spans))))
    for part, a, b in zip(parts, edges[:-1], edges[1:], strict=True):
        at = np.searchsorted(bins.starts[a:b], when[part], side="right") - 1
        inside = (at >= 0) & (when[part] < bins.ends[a:b][at]) if b > a else np.zeros(len(part), dtype=bool)
        np.add.at(counts, (a + at[inside], unit.ravel()[part][inside]), 1)
    outside = len(when) - int(counts.sum())
    if outside:
        notes.skipped.append(f"{outside} of {len(when)} spikes: outside of their trial, or in its last part of a bin")
    notes.used.append(f"{len(when) - outside} spikes, counted in bins of {width:g} s")
    found = {"counts": at_hand(counts), "units": at_hand(units.astype(np.str_)), "times": at_hand(bins.starts)}
    found["segments"] = at_hand(numbers[bins.interval])
    said = set(names.values())
    for name, column in columns.items():
        if name not in said:
            _add_label(found, name, column, there, first, member, bins.interval, notes)
    return found


def _numbers(columns: dict[str, Field], name: str) -> NDArray[np.float64]:
    if not columns[name].is_number:
        raise DataError(f"{name} holds no numbers of seconds")
    return columns[name].read().astype(np.float64)


def _add_label(
    found: dict[str, Field],
    name: str,
    column: Field,
    there: NDArray[np.bool_],
    first: NDArray[np.int64],
    member: NDArray[np.int64],
    interval: NDArray[np.int64],
    notes: Notes,
) -> None:
    """Add what is the same for all spikes of each trial."""
    values = column.read()[there]
    if np.array_equal(values, values[first][member]):
        found[name] = at_hand(values[first][interval])
    else:
        notes.skipped.append(f"{name}: it differs inside of a trial")
