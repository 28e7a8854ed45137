"""Rows of binned arrays inside intervals, or in windows around events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..data.binning import Bins
from ..data.recording import Recording
from ..errors import DataError
from ._array_roles import Options, Roles, Titles
from ._array_tables import Table, find_events, with_columns
from ._arrays import read_binned
from ._choices import choose_segments, names_of
from ._fields import Arrays
from ._labels import choose_labels
from ._notes import Notes
from ._session import Session

__all__ = ["read_windows"]


def read_windows(
    arrays: Arrays, roles: Roles, tables: dict[str, Table], notes: Notes, options: Options, titles: Titles
) -> Recording:
    """Keep the bins that start inside of the intervals that are meant, each of which is a segment; they may overlap.

    Raises
    ------
    DataError, UnknownNameError, SettingError
        If there are none such, or no bin starts in any.
    """
    apart = set[str]().union(*(table.pieces for table in tables.values()))
    rows = arrays.fields[roles.counts].shape if roles.counts else ()
    of_bins = {key for key in arrays.fields if arrays.rows(key) in rows[:1]} | {roles.counts, *roles.names.values()}
    held = apart | {str(key) for key in of_bins}
    before = set(held)
    session = Session(
        name=titles.name,
        intervals={name: with_columns(arrays, table, held) for name, table in tables.items()},
        events=find_events(arrays, options.align, held),
    )
    asked = None if options.labels in (None, "none") else names_of(options.labels)
    of_table = {column for table in session.intervals.values() for column in table.columns}
    inner = options.labels if asked is None else [name for name in asked if name not in of_table] or "none"
    chosen = choose_segments(session, options.segments, options.align, options.window, notes)
    whole = read_binned(
        arrays,
        roles,
        notes,
        replace(options, segments="whole", align=None, window=None, labels=inner),
        titles,
        apart=apart | (held - before),
    )
    if chosen is None:
        raise DataError("there are no intervals; give segments=NAME, or align=NAME window=0.2,0.5")
    found = [np.flatnonzero((whole.times >= low - 1e-9) & (whole.times < high - 1e-9)) for low, high in chosen.spans]
    found = [index[np.argsort(whole.times[index], kind="stable")] for index in found]
    lengths = [len(index) for index in found]
    index, interval = np.concatenate(found), np.repeat(np.arange(len(found)), lengths)
    if not index.size:
        raise DataError(f"no bin starts inside of {chosen.title}; are times and intervals on one clock?")
    if 0 in lengths:
        notes.skipped.append(f"{lengths.count(0)} of {len(lengths)} segments: no bin starts in them")
    notes.used.append(f"{len(lengths) - lengths.count(0)} of {len(lengths)} intervals as segments: {chosen.title}")
    step = np.arange(len(index)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    bins = Bins(whole.times[index], whole.times[index] + whole.bin_size, interval, step)
    outer = "none" if options.labels in ("", "none") else asked and ([n for n in asked if n in of_table] or "none")
    labels, kept = choose_labels(session, chosen, bins, outer, "", notes)
    # Bins without a label that was asked for are gone: the rest are found again by segment and place in it.
    there = np.isin(interval * (step.max() + 1) + step, kept.interval * (step.max() + 1) + kept.step)
    index = index[there]
    return replace(
        whole,
        counts=whole.counts[index],
        times=whole.times[index],
        segments=chosen.numbers[kept.interval],
        labels={**{name: values[index] for name, values in whole.labels.items()}, **labels},
    )
