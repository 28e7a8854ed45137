"""From named arrays to a recording, whatever format they were stored in.

====================  ===================================================================================================
``counts``            (T, N), spike counts, or any signal with ``kind`` "continuous"
``bin_size``          number of seconds
``segments``          (T,); rows without one (NaN) are left out
``times``             (T,) in s
``kind``              "counts" or "continuous"
``units``             (N,) names
``name``, ``source``  of the recording; the latter as a JSON object in a string
``period_LABEL``      value of a full turn of the cyclic label LABEL
T values or rows      a label
N values              what is known of each unit, by which units can be selected
====================  ===================================================================================================

Spike times, tables of intervals and windows around events are in `myow.readers._array_session`.
"""

from __future__ import annotations

from collections.abc import Set
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.checks import check_bin_size
from ..data.recording import Recording
from ..errors import DataError
from ._array_labels import find_places, pick_labels, say_unused
from ._array_roles import Options, Roles, Titles, read_kind, read_name, read_source, read_width
from ._array_tables import find_tables
from ._choices import WHOLE, choose_units
from ._fields import Arrays, truth
from ._labels import plain_values
from ._notes import Notes
from ._session import Columns

__all__ = ["read_binned"]


def read_binned(
    arrays: Arrays, roles: Roles, notes: Notes, options: Options, titles: Titles, apart: Set[str] = frozenset()
) -> Recording:
    """Make a recording of arrays that have a row a bin; those named in `apart` have a place elsewhere.

    Raises
    ------
    DataError
        If the counts are missing, or an array has a wrong shape or values that cannot be.
    """
    if roles.counts is None:
        listed = ", ".join(sorted([*arrays.fields, *arrays.trains])[:20]) or "nothing"
        raise DataError(f"there is no array 'counts', only {listed}; store counts (T, N), or give counts=NAME")
    counts = arrays.fields[roles.counts].read()
    if truth("transpose", options.transpose):
        counts = counts.T
    n_bins, n_units = counts.shape if counts.ndim == 2 else (len(counts) if counts.ndim else 0, 0)
    width = read_width(arrays, roles, options)
    used = {
        roles.counts,
        *(roles.names[role] for role in ("bin_size", "kind", "name", "source") if role in roles.names),
    }
    times = _times(arrays, roles, counts.shape, used)
    segments, kept = _segments(arrays, roles, options, n_bins, used, notes, titles.strict)
    taken = {roles.counts, *roles.names.values(), *apart}
    places = find_places(arrays, roles.counts, taken, n_bins, n_units)
    labels = pick_labels(arrays, places, options.labels, n_bins, kept, notes, strict=titles.strict)
    periods = {name: value for name, value in places.periods.items() if titles.strict or name in labels}
    used |= {places.rows[name] for name in labels} | {places.period_of[name] for name in periods}
    units = _unit_names(arrays, roles, n_units, used)
    if options.units is not None:
        columns: Columns = {short: partial(arrays.values, key) for short, key in places.columns.items()}
        names = units or tuple(f"unit{i}" for i in range(n_units))
        chosen = choose_units(options.units, names, columns, notes)
        counts, units = counts[:, chosen], tuple(names[i] for i in chosen)
        asked = options.units if isinstance(options.units, str) else ""
        used |= {key for short, key in places.columns.items() if f"{short}=" in asked}
    if not kept.all():
        if not kept.any():
            raise DataError("no row is left that has a segment and every label; ask for fewer labels")
        counts, labels = counts[kept], {k: v[kept] for k, v in labels.items()}
        times = (np.arange(n_bins) * check_bin_size(width) if times is None else times)[kept]
        segments = None if segments is None else segments[kept]
    notes.used.append(f"{roles.counts}: {n_bins} bins of {n_units} units")
    notes.used += [f"labels {', '.join(labels)}"] if labels else []
    used |= apart
    notes.used += [key for key in arrays.fields if key in used - {roles.counts, *places.rows.values()}]
    tables = {key: name for name, table in find_tables(arrays).items() for key in table.pieces}
    say_unused(arrays, places, tables, used, notes)
    return Recording(
        counts,
        bin_size=width,
        times=times,  # type: ignore[arg-type]
        segments=segments,  # type: ignore[arg-type]
        labels=labels,
        kind=read_kind(arrays, roles, options),
        periods=periods,
        units=units,
        name=read_name(arrays, roles, options, titles),
        source=read_source(arrays, roles, titles),
    )


def _times(arrays: Arrays, roles: Roles, shape: tuple[int, ...], used: set[str]) -> NDArray[Any] | None:
    name = roles.get("times")
    if name is None:
        return None
    used.add(name)
    times = arrays.values(name)
    if len(shape) == 2 and times.ndim == 1 and len(times) == shape[1] != shape[0]:
        raise DataError(
            f"times have shape {times.shape}, but {roles.counts} has shape {shape}; if that is (units, bins), give transpose=true"
        )
    return times


def _segments(
    arrays: Arrays, roles: Roles, options: Options, n_bins: int, used: set[str], notes: Notes, strict: bool
) -> tuple[NDArray[Any] | None, NDArray[np.bool_]]:
    """Return the segment of each row, and which rows have one."""
    every = np.ones(n_bins, dtype=bool)
    if options.segments is not None and not isinstance(options.segments, str):
        return np.asarray(options.segments), every
    name = roles.get("segments")
    if options.segments == WHOLE:
        return None, every
    if name is None:
        lengths = arrays.fields[str(roles.counts)].lengths
        if not lengths:
            return None, every
        notes.used.append(f"{len(lengths)} pieces of {roles.counts} as segments")
        return np.repeat(np.arange(len(lengths)), lengths), every
    used.add(name)
    values = arrays.values(name)
    if strict or values.shape != (n_bins,) or values.dtype.kind in "iub":
        return values, every
    plain, present = plain_values(values)
    if plain.dtype.kind == "f" and (plain[present] == np.rint(plain[present])).all():
        numbers = np.where(present, plain, 0).astype(np.int64)
    else:  # names of trials: numbered as they come
        _, first, back = np.unique(plain, return_index=True, return_inverse=True)
        numbers = np.argsort(np.argsort(first))[back.ravel()]
        notes.used.append(f"{name}: {len(first)} names, numbered from 0 as they come")
    if not present.all():
        notes.skipped.append(f"{(~present).sum()} of {n_bins} rows: no number in {name}")
    return numbers, present


def _unit_names(arrays: Arrays, roles: Roles, n_units: int, used: set[str]) -> tuple[str, ...]:
    name = roles.get("units")
    if name is None:
        return ()
    used.add(name)
    values = [
        v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in arrays.values(name).ravel().tolist()
    ]
    if len(values) != n_units:
        raise DataError(f"{name} names {len(values)} units, but counts have {n_units} columns; give one name a column")
    return tuple(values)
