"""Contents of a file of spike times in one form, whatever the format, and the choice of units, segments and signals."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from ..errors import DataError, SettingError, unknown_name
from ..settings import split_names

__all__ = [
    "FEW",
    "OF_ARRAYS",
    "OF_SESSIONS",
    "OWNERS",
    "STARTS",
    "STOPS",
    "TIMES",
    "TRIALS",
    "WHOLE",
    "Chosen",
    "Columns",
    "Inspection",
    "Intervals",
    "Notes",
    "Options",
    "Session",
    "Signal",
    "Units",
    "as_text",
    "choose_bounds",
    "choose_segments",
    "choose_units",
    "constant",
    "describe",
    "names_of",
    "plain_name",
    "samples_a_second",
    "split_bound",
]


@dataclass
class Notes:
    """Notes of a reader; each entry is a short phrase.

    Parameters
    ----------
    format : str
        What the file is, such as "NWB 2.9".
    found, used, skipped : list of str
        What it holds (with shapes and units), what went into the recording, and what did not and why.
    """

    format: str = ""
    found: list[str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def provenance(self) -> dict[str, str]:
        """Return what the recording's ``source`` keeps of it."""
        kept = {"format": self.format, "used": "; ".join(self.used), "skipped": "; ".join(self.skipped) or "nothing"}
        return {key: value for key, value in kept.items() if value}


@dataclass(frozen=True)
class Inspection:
    """Contents of a file, and what reading makes of them, without training.

    Parameters
    ----------
    name : str
        File, or kind of object.
    notes : Notes
        What was found, used and skipped.
    recording : Recording or None
        What reading gives; None where more has to be said first.
    problem : str
        What is missing or wrong where there is no recording.
    """

    name: str
    notes: Notes
    recording: Recording | None = None
    problem: str = ""

    def describe(self) -> dict[str, object]:
        """Return it as what JSON can hold."""
        return {
            "name": self.name,
            "format": self.notes.format,
            "found": list(self.notes.found),
            "used": list(self.notes.used),
            "skipped": list(self.notes.skipped),
            "recording": None if self.recording is None else self.recording.summary(),
            "problem": self.problem,
        }

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.notes.format}"]
        for title, entries in (("found", self.notes.found), ("used", self.notes.used), ("skipped", self.notes.skipped)):
            lines += [f"  {title}:", *(f"    {entry}" for entry in entries or ["nothing"])]
        lines.append(self.recording.summary() if self.recording is not None else f"no recording yet: {self.problem}")
        return "\n".join(lines)


OF_SESSIONS = ("bin_size", "signal", "segments", "align", "window", "units", "labels", "name")
"""Options of formats of spike times and signals."""
OF_ARRAYS = (
    "bin_size",
    "counts",
    "segments",
    "align",
    "window",
    "times",
    "kind",
    "units",
    "labels",
    "name",
    "sampling_rate",
)
"""Options of formats of named arrays."""


@dataclass(frozen=True)
class Options:
    """Options of the user, of which each format has some; `myow.read` describes them."""

    bin_size: float | None = None
    counts: str | None = None
    spikes: str | None = None
    signal: str | None = None
    segments: Any = None
    align: Any = None
    window: Any = None
    times: str | None = None
    kind: str | None = None
    units: Any = None
    labels: Any = None
    transpose: Any = None
    name: str | None = None
    io: str | None = None
    sampling_rate: float | None = None

    def binning(self) -> dict[str, Any]:
        """Return those that `myow.io.binned.bin_session` takes."""
        return {option: getattr(self, option) for option in OF_SESSIONS}


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
    observed : callable, optional
        Reads when the unit of an index was watched, starts and ends in s, shape (n, 2); None where it is not known.
    """

    names: tuple[str, ...]
    train: Callable[[int], NDArray[np.float64]]
    columns: Columns = field(default_factory=dict)
    observed: Callable[[int], NDArray[np.float64] | None] | None = None


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
    period : float, optional
        A full turn, in `unit`, where values are known to be angles; 0: unit and range tell.
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
    period: float = 0.0

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


WHOLE = "whole"

# Names by which columns and arrays are known in every format, as `plain_name` returns them.
TIMES = ("time", "spiketime", "timestamp", "t")
OWNERS: tuple[str, ...] = (
    "spikeunit",
    "spikecluster",
    "unit",
    "unitid",
    "neuron",
    "neuronid",
    "cluster",
    "clusterid",
    "cell",
    "cellid",
    "nodeid",
)
TRIALS = ("segment", "trial", "trialid", "trialnumber", "trialindex")
STARTS = (
    ("start", "starttime", "trialstart", "trialstarttime", "tstart"),
    ("onset", "onsettime", "trialonset", "begin"),
)
ENDS = ("stop", "stoptime", "trialstop", "trialstoptime", "tstop", "end", "endtime", "trialend", "trialendtime", "tend")
STOPS = (ENDS, ("duration", "trialduration", "length"), ("offset", "offsettime", "trialoffset"))
"""Ends of intervals; where there is none, how long they last; where that is not known either, their offsets."""


def plain_name(name: Any) -> str:
    """Return a name by which it is known: without capitals, spaces, underscores, hyphens, seconds and a plural's s.

    Examples
    --------
    >>> plain_name("startTimes"), plain_name("Spike Time (s)"), plain_name("t_start"), plain_name("start_s")
    ('starttime', 'spiketime', 'tstart', 'start')
    """
    return re.sub(r"[\s_-]|[(\[]s(ec(onds)?)?[)\]]", "", str(name).lower()).removesuffix("s")


def choose_bounds(find: Callable[[Sequence[str]], Any]) -> tuple[Any, Any, Any]:
    """Return what holds the starts of intervals, their ends, and, where there are none of these, how long they last.

    Parameters
    ----------
    find : callable
        Returns what is called by one of some names, None where nothing is.
    """
    start = next((one for one in map(find, STARTS) if one is not None), None)
    stop, length, last = map(find, STOPS)
    length = None if stop is not None else length
    return start, last if stop is None and length is None else stop, length


BOUNDS = {word for known in (*STARTS, *STOPS) for word in known}


def split_bound(name: str) -> tuple[str, str]:
    """Return which start or end of intervals a name is, as it is known, and what stands in front of that; "" where it is none.

    Examples
    --------
    >>> split_bound("go_startTime"), split_bound("tStart"), split_bound("trial_end"), split_bound("restart")
    (('starttime', 'go'), ('tstart', ''), ('end', 'trial'), ('', ''))
    """
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_")
    for i in range(len(parts)):
        word = plain_name("".join(parts[i:]))
        for lead in ("trial", ""):
            if word.startswith(lead) and word.removeprefix(lead) in BOUNDS:
                return word.removeprefix(lead), "_".join(parts[:i]) or lead
    return "", ""


FEW = 20  # spikes; fewer may all lie at whole seconds


def samples_a_second(what: str, times: Sequence[NDArray[Any]], sampling_rate: Any, few: int = FEW) -> float:
    """Return what spike times are divided by to be in seconds: 1, or `sampling_rate` where it is given.

    Raises
    ------
    DataError
        If `few` times or more are all whole numbers, and `sampling_rate` does not say how many there are in a second.
    """
    if sampling_rate is None:
        n = sum(len(one) for one in times)
        if n >= few and all(np.array_equal(one, np.rint(one)) for one in times):
            low, high = min(one.min() for one in times if len(one)), max(one.max() for one in times if len(one))
            raise DataError(
                f"{what} holds whole numbers from {low:g} to {high:g}, which are samples rather than seconds; give sampling_rate "
                "in Hz, such as sampling_rate=30000 (1000 if they are milliseconds, 1 if they are seconds)"
            )
        return 1.0
    try:
        rate = float(sampling_rate)
    except (TypeError, ValueError):
        rate = 0.0
    if not 0 < rate < np.inf:
        raise DataError(f"sampling_rate is {sampling_rate!r}; it must be a number of samples a second above 0")
    return rate


def as_text(value: Any) -> str:
    """Return a value as text, bytes as UTF-8 in which damage is marked."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


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
    """Return the indices of the units that `choice`, the option ``units``, means, in the order of the file.

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
            given = np.atleast_1d(array).tolist()
            known = [one for one in given if str(one) in names]
            other = next((one for one in given if one not in known and str(one).isdigit()), None)
            if known and other is not None:
                raise DataError(
                    f"units name {', '.join(map(str, known))[:80]}, but no unit is called {other}; "
                    f"give names or indices, not both (names: {', '.join(names)[:80]})"
                )
            index = np.unique([_position(one, names) for one in given]).astype(np.int64)
        if not index.size:
            raise DataError("the selection holds no unit; choose at least one")
    if len(index) < n:
        notes.skipped.append(f"{n - len(index)} of {n} units, which were not asked for")
    return index


def _text(value: Any) -> str:
    """Return a value as text in which 1, 1.0 and "1" are the same."""
    value = as_text(value) if isinstance(value, bytes) else value
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
    """Their name."""


def choose_segments(session: Session, segments: Any, align: Any, window: Any, notes: Notes) -> Chosen | None:
    """Return the intervals that the options mean; None means the whole of what was recorded.

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
