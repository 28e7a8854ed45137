"""Which units and which intervals of a session are meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SettingError, unknown_name
from ..settings import split_names
from ._notes import Notes
from ._session import Columns, Session

__all__ = ["WHOLE", "Chosen", "choose_segments", "choose_units", "names_of"]

WHOLE = "whole"


def names_of(value: Any) -> list[str]:
    """Return names given as a list, or as one text with commas.

    Examples
    --------
    >>> names_of("a, b"), names_of(["a"]), names_of(3)
    (['a', 'b'], ['a'], ['3'])
    """
    if isinstance(value, str):
        return split_names(value)
    return [str(v) for v in value] if isinstance(value, (list, tuple)) else [str(value)]


def choose_units(choice: Any, names: Sequence[str], columns: Columns, notes: Notes) -> NDArray[np.int64]:
    """Return the indices of the units that are meant, in the order of the file.

    Parameters
    ----------
    choice : str, sequence or None
        ``"quality=good,region=M1|PMd"``, names, indices, or a mask; None means all of them.
    names : sequence of str
        Of all units.
    columns : mapping
        What is known of them.
    notes : Notes
        What is left out is said here.

    Raises
    ------
    UnknownNameError
        If there is no such column or unit.
    DataError
        If no unit is left.
    """
    n = len(names)
    if choice is None:
        return np.arange(n)
    if isinstance(choice, str) and "=" in choice:
        kept = np.ones(n, dtype=bool)
        for part in choice.split(","):
            column, _, wanted = (text.strip() for text in part.partition("="))
            if column not in columns:
                raise unknown_name("column of units", column, columns)
            values = [_text(v) for v in columns[column]()]
            matches = np.isin(values, [_text(w.strip()) for w in wanted.split("|")])
            if not matches.any():
                raise DataError(
                    f"no unit has {column}={wanted}; its values are {', '.join(sorted(set(values))[:12]) or 'none'}"
                )
            kept &= matches
        if not kept.any():
            raise DataError(f"no unit has all of {choice}; ask for less")
        index = np.flatnonzero(kept)
    else:
        try:
            array = np.asarray(names_of(choice) if isinstance(choice, str) else choice)
        except ValueError:
            raise DataError("units must be names, indices, a mask, or text such as quality=good") from None
        if array.dtype.kind == "b" and array.shape == (n,):
            index = np.flatnonzero(array)
        else:
            index = np.unique([_position(one, names) for one in np.atleast_1d(array).tolist()]).astype(np.int64)
        if not index.size:
            raise DataError("the selection holds no unit; choose at least one")
    if len(index) < n:
        notes.skipped.append(f"{n - len(index)} of {n} units, which were not asked for")
    return index


def _text(value: Any) -> str:
    """Return a value as text in which 1, 1.0 and "1" are the same."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, (bool, np.bool_)) or str(value).lower() in ("true", "false"):
        return str(value).lower()
    try:
        return f"{float(value):.12g}"
    except (TypeError, ValueError):
        return str(value)


def _position(one: Any, names: Sequence[str]) -> int:
    if str(one) in names:
        return list(names).index(str(one))
    try:
        position = int(one)
    except (TypeError, ValueError):
        raise unknown_name("unit", str(one), names) from None
    if not 0 <= position < len(names):
        raise DataError(f"there is no unit {position}; they are 0 to {len(names) - 1}")
    return position


class Chosen(NamedTuple):
    """Intervals that become segments, before they are cut into bins."""

    spans: NDArray[np.float64]
    """Start and end in s, shape (n, 2)."""
    rows: NDArray[np.int64]
    """Row of the table each comes from, shape (n,); -1 where it comes from none."""
    numbers: NDArray[np.int64]
    """Number that the segment will have, shape (n,)."""
    columns: Columns
    """Columns of the table."""
    title: str
    """What they are called."""


def choose_segments(session: Session, segments: Any, align: Any, window: Any, notes: Notes) -> Chosen | None:
    """Return the intervals that are meant; None means the whole of what was recorded.

    Parameters
    ----------
    session : Session
        What there is.
    segments : str, array_like of shape (n, 2) or None
        Name of a table, ``"whole"``, or starts and ends in s. None means trials, or the only table.
    align : str, array_like or None
        Column of times in that table, name of events, or times in s.
    window : str, pair of float or None
        Seconds before and after.
    notes : Notes
        Intervals that cannot be used are said here.

    Raises
    ------
    UnknownNameError, SettingError, DataError
        If there are none such, or the choices contradict each other.
    """
    chosen = _table(session, segments)
    if (align is None) != (window is None):
        raise SettingError("align and window go together: align='go_cue', window='0.2,0.5' (seconds before and after)")
    if align is not None:
        chosen = _around(session, chosen, align, _window(window), notes)
    if chosen is None:
        return None
    low, high = chosen.spans.T
    bad = ~(np.isfinite(low) & np.isfinite(high) & (high >= low))
    if bad.any():
        which = _some(chosen.numbers[bad])
        notes.skipped.append(f"{which} of {chosen.title}: no start, no end, or an end before the start")
    if bad.all():
        raise DataError(f"{chosen.title} holds no interval that can be used; choose other segments")
    return chosen._replace(spans=chosen.spans[~bad], rows=chosen.rows[~bad], numbers=chosen.numbers[~bad])


def _table(session: Session, segments: Any) -> Chosen | None:
    tables = session.intervals
    if segments is None:
        only = next(iter(tables)) if len(tables) == 1 else WHOLE
        segments = session.default or ("trials" if "trials" in tables else only)
    if isinstance(segments, str):
        if segments in tables:
            table = tables[segments]
            return Chosen(table.spans(), np.arange(table.n), np.arange(table.n), table.columns, segments)
        if segments == WHOLE:
            return None
        raise unknown_name("table of intervals", segments, [*tables, WHOLE])
    try:
        spans = np.asarray(segments, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("segments must be the name of a table of intervals, or an array (n, 2) of seconds") from None
    if spans.ndim != 2 or spans.shape[1] != 2 or not len(spans):
        raise DataError(f"segments have shape {spans.shape}; they must be (n, 2), a start and an end each")
    return Chosen(spans, np.full(len(spans), -1), np.arange(len(spans)), {}, "segments")


def _window(window: Any) -> tuple[float, float]:
    parts = names_of(window)
    try:
        before, after = (float(part) for part in parts)
    except ValueError:
        raise SettingError(f"window is {window!r}; give seconds before and after, such as 0.2,0.5") from None
    if not (np.isfinite([before, after]).all() and before >= 0 and after >= 0 and before + after > 0):
        raise SettingError(
            f"window is {window!r}; seconds before and after are not negative: 0.2,0.5 starts 0.2 s before"
        )
    return before, after


def _around(session: Session, table: Chosen | None, align: Any, window: tuple[float, float], notes: Notes) -> Chosen:
    """Return windows around events."""
    title = str(align) if isinstance(align, str) else "events"
    if isinstance(align, str) and table is not None and align in table.columns:
        times, rows = _column_of_times(table, align)
        numbered = len(times) == len(table.rows)
    elif not isinstance(align, str) or align in session.events:
        try:
            times = np.asarray(session.events[align]() if isinstance(align, str) else align, dtype=np.float64).ravel()
        except (TypeError, ValueError):
            raise DataError("the times to align by are no numbers of seconds") from None
        rows, numbered = np.full(len(times), -1), False
        if table is not None:
            for row, (low, high) in reversed(list(zip(table.rows, table.spans, strict=True))):  # the first one counts
                rows[(low <= times) & (times < high)] = row
            outside = np.isfinite(times) & (rows < 0)
            if outside.any():
                notes.skipped.append(f"{outside.sum()} of {len(times)} {title}: not inside any of {table.title}")
            times, rows = times[~outside], rows[~outside]
    else:
        raise unknown_name("event", align, [*(table.columns if table else ()), *session.events])
    missing = ~np.isfinite(times)
    if missing.any():
        notes.skipped.append(f"{missing.sum()} of {len(times)} {table.title if table else title}: {title} is NaN")
    times, rows = times[~missing], rows[~missing]
    if not times.size:
        raise DataError(f"no time of {title} is left to align by; choose another")
    before, after = window
    spans = np.stack([times - before, times + after], axis=1)
    words = f"{before:g} s before to {after:g} s after {title}"
    numbers = rows if numbered else np.arange(len(times))
    return Chosen(spans, rows, numbers, table.columns if table else {}, words)


def _column_of_times(table: Chosen, name: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the times in a column, of which each interval may have several, and the row of each."""
    try:
        times = np.asarray(table.columns[name](), dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"column {name} of {table.title} holds no times; choose another to align by") from None
    times = times.reshape(len(times), -1)
    return times.ravel(), np.repeat(table.rows, times.shape[1])


def _some(numbers: NDArray[np.int64]) -> str:
    shown = ", ".join(str(n) for n in numbers[:5])
    return f"interval{'s' if len(numbers) > 1 else ''} {shown}{', ...' if len(numbers) > 5 else ''}"
