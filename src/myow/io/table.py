"""Tables (CSV, Parquet) by pandas: a row a bin, or a row a count."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.binning import count_by_trial, make_bins
from ..data.recording import Recording, check_bin_size
from ..errors import DataError, FileError, need, unknown_name
from .array_session import read_arrays
from .binned import MISSING_WIDTH, bin_session
from .named_arrays import LONGEST, PERIOD, Arrays, Field, Titles, at_hand
from .session import (
    OF_ARRAYS,
    OWNERS,
    TIMES,
    TRIALS,
    Notes,
    Options,
    Session,
    choose_bounds,
    describe,
    names_of,
    plain_name,
    samples_a_second,
)
from .spikes import check_clock, check_units, find_column, units_by_owner
from .untrusted import most_bytes, parsing

__all__ = ["METADATA", "OPTIONS", "read"]

UNCLEAR = r"\s*[+-]?[\d.,]*\d\s*"
DECIMAL = r"\s*[+-]?\d*,?\d+([eE][+-]?\d+)?\s*"
MISSING = ("", "na", "n/a", "nan", "null", "none", "#n/a", "#nv", "#value!", "#wert!", "#div/0!", "#num!", "#ref!")
METADATA = b"myow"
"""Key of what a Parquet file may say beside its columns, as JSON: bin_size, kind, name, periods, source, units."""


def _read_csv(path: Path, notes: Notes) -> dict[str, Field]:
    """Return the columns of a table whose first line names them; commas, semicolons or tabs part them."""
    with parsing(path, "CSV file"):
        names, delimiter, above = _check_rows(path, notes)
        frame = pd.read_csv(
            path,
            sep=delimiter,
            header=0,
            skiprows=above,
            names=range(len(names)),
            index_col=False,
            encoding="utf-8-sig",
            keep_default_na=False,
            na_values=[""],
            low_memory=False,
        )
        typed = [_typed(frame[i], names[i], delimiter, notes) for i in range(len(names))]
    known = [(name, column) for name, column in zip(names, typed, strict=True) if column is not None]
    return _fields(path, [name for name, _ in known], [column for _, column in known], notes)


def _check_rows(path: Path, notes: Notes) -> tuple[list[str], str, int]:
    """Return names of columns, what parts cells, and lines of comment above, once every row is known to have as many cells.

    Pandas fills up short rows.
    """
    with path.open("rb") as raw:
        raw.seek(max(path.stat().st_size - 1, 0))
        if raw.read(1) not in (b"\n", b"\r", b""):
            raise FileError(f"{path}: the last line has no end; if it was not cut short, end it")
    with path.open(encoding="utf-8-sig", newline="") as file:
        above, first = 0, file.readline()
        while first.startswith(("#", "sep=")) or (above and first in ("\n", "\r\n")):
            above, comment, first = above + 1, first, file.readline()
        delimiter = max(",;\t", key=first.count)
        cells = [cell.strip() for cell in first.split(delimiter)]
        if above and comment.count(delimiter) == len(cells) - 1 and all(map(_is_number, cells)):
            above, first = above - 1, comment  # names behind a #, as numpy.savetxt writes them
        if above:
            notes.skipped.append(
                f"{above} lines of comment at the top" if above > 1 else "a line of comment at the top"
            )
        file.seek(0)
        for _ in range(above):
            file.readline()
        rows = (row for row in csv.reader(file, delimiter=delimiter, strict=True) if row)
        names = [name.strip() for name in next(rows, [])]
        if first.startswith("#"):
            names[0] = names[0].lstrip("# ")
        if not any(names):
            raise FileError(f"{path} has no names of columns; its first line must name them")
        if all(map(_is_number, names)):
            if names != [str(i) for i in range(len(names))] or len(names) < 3:  # which pandas writes
                raise DataError(
                    f"{path}: the first line holds numbers, {', '.join(names[:3])}..., where names of columns are expected; add a "
                    "line of names, such as time,unit0,unit1"
                )
            notes.used.append(f"the first line, 0 to {len(names) - 1}, as names of columns")
        number = 0
        for number, row in enumerate(rows, start=1):
            if len(row) != len(names):
                raise FileError(
                    f"{path}: row {number} has {len(row)} cells, but there are {len(names)} columns; "
                    "it was cut short or altered"
                )
        if not number:
            raise DataError(f"{path} holds names of columns, but no row below them")
    if len(names) == 1 and len(names[0].split()) > 1:
        raise DataError(
            f"{path} has one column, called {names[0]!r}; cells are parted by commas, semicolons or tabs, not by spaces"
        )
    return names, delimiter, above


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _typed(column: pd.Series[Any], name: str, delimiter: str, notes: Notes) -> pd.Series[Any] | None:
    """Return a column of texts as numbers, where all but missing values are; beside semicolons, decimals may have commas."""
    if column.dtype.kind in "iufb":
        return column
    texts = column.map(str, na_action="ignore")
    known = texts.mask(texts.str.strip().str.lower().isin(MISSING))
    if delimiter != "," and known.notna().any() and known.dropna().str.fullmatch(DECIMAL).all():
        notes.used.append(f"{name}: commas in its numbers are decimal points")
        known = known.str.replace(",", ".", regex=False)
    elif known.notna().any() and known.dropna().str.fullmatch(UNCLEAR).all() and known.dropna().str.contains(",").any():
        notes.skipped.append(f"{name}: numbers with commas, such as {known.dropna().iloc[0]}; write decimal points")
        return None
    numbers = pd.to_numeric(known, errors="coerce")
    return numbers if numbers.notna().equals(known.notna()) else texts


def _read_parquet(path: Path, notes: Notes) -> tuple[dict[str, Field], dict[str, Any]]:
    """Return the columns of a Parquet file, and what `METADATA` says."""
    parquet = need("pyarrow.parquet", "parquet", "reading .parquet files")
    with parsing(path, "Parquet file"), parquet.ParquetFile(path, page_checksum_verification=True) as file:
        n, names = file.metadata.num_rows, file.schema_arrow.names
        # Equal values take next to no bytes, so that rows cannot be held against the size of the file.
        if n * len(names) * 8 > most_bytes(path):
            raise FileError(
                f"{path} promises {n} rows of {len(names)} columns, more than fit in memory; read less of it"
            )
        frame = file.read().to_pandas(ignore_metadata=True)
        kept = (file.schema_arrow.metadata or {}).get(METADATA, b"{}")
    try:
        about = json.loads(kept)
    except (ValueError, RecursionError):
        about = {}
    columns = [frame.iloc[:, i] for i in range(len(names))]
    return _fields(path, names, columns, notes), about if isinstance(about, dict) else {}


def _of_frame(frame: Any, path: Path, notes: Notes, options: Options) -> tuple[dict[str, Field], Options]:
    """Return the columns of a DataFrame, a named index among them; if columns have numbers for names, all are units."""
    if options.units is None and len(frame.columns) and all(isinstance(c, (int, np.integer)) for c in frame.columns):
        options = replace(options, units=[str(name) for name in frame.columns])
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    columns = [frame.iloc[:, i] for i in range(frame.shape[1])]
    columns = [one.astype(object) if isinstance(one.dtype, pd.CategoricalDtype) else one for one in columns]
    return _fields(path, [str(name) for name in frame.columns], columns, notes), options


def _fields(path: Path, names: list[str], columns: list[Any], notes: Notes) -> dict[str, Field]:
    """Return columns of numbers and of texts; of texts, None stands where there is none."""
    found: dict[str, Field] = {}
    columns = _seconds(names, columns, notes)
    for number, (name, values) in enumerate(zip(names, columns, strict=True)):
        if name in found:
            raise DataError(f"{path} has several columns called {name}; rename them")
        if values.dtype.kind not in "iufb":
            values = values.astype(object).where(values.notna(), None)
        if not name:
            notes.skipped.append(f"column {number}: it has no name")
        elif name.startswith("__index_level_"):
            notes.skipped.append(f"{name}: the numbers of the rows")
        elif values.dtype != object:
            found[name] = at_hand(values.to_numpy())
        elif not all(value is None or isinstance(value, (str, bool)) for value in values):
            notes.skipped.append(f"{name}: neither numbers nor texts")
        elif max((len(value) for value in values if isinstance(value, str)), default=0) > LONGEST:
            notes.skipped.append(f"{name}: texts longer than {LONGEST} characters")
        else:
            found[name] = at_hand(values.to_numpy())
    return found


def _seconds(names: list[str], columns: list[Any], notes: Notes) -> list[Any]:
    """Return columns in which dates are seconds since the earliest of them, and durations are seconds."""
    dates = [i for i, values in enumerate(columns) if values.dtype.kind == "M"]
    first = min((columns[i].min() for i in dates if columns[i].notna().any()), default=None)
    for i, values in enumerate(columns):
        if values.dtype.kind == "m" or (i in dates and first is not None):
            columns[i] = (values - first if i in dates else values).dt.total_seconds()
            notes.used.append(f"{names[i]}: {f'dates, in s since {first}' if i in dates else 'durations, in s'}")
    return columns


COUNTS = "counts_"
UNIT = re.compile(r"unit[ _.-]?([a-z]?\d+|[a-z])", flags=re.IGNORECASE)


COUNTED = ("count", "spikecount", "nspike", "numspike", "spike")


OPTIONS = OF_ARRAYS
"""Options that this format has; `myow.read` describes them."""


def read(path: Any, notes: Notes, options: Options) -> Recording:
    r"""Read a table: a file, or a DataFrame of pandas.

    Where a row is a bin, ``units`` names columns, or is a pattern for their names such as "n*".

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "session.csv"
    >>> _ = path.write_text("trial,unit0,unit1,direction\n0,0,1,3\n0,2,0,3\n")
    >>> read(path, Notes(), Options(bin_size=0.1)).counts.tolist()
    [[0, 1], [2, 0]]
    """
    kept: dict[str, Any] = {}
    titles = Titles("") if isinstance(path, pd.DataFrame) else Titles(path.stem, path.name)
    if isinstance(path, pd.DataFrame):
        frame, path, notes.format = path, Path("the table"), "pandas DataFrame"
        columns, options = _of_frame(frame, path, notes, options)
    elif path.suffix.lower() == ".parquet":
        notes.format = "Parquet"
        columns, kept = _read_parquet(path, notes)
    else:
        notes.format = "CSV"
        columns = _read_csv(path, notes)
    with parsing(path, "table"):
        rows = next(iter(columns.values())).shape[0] if columns else 0
        notes.found.append(f"{rows} rows of {len(columns)} columns: {', '.join(columns)[:300]}")
        fields = _from_metadata(kept)
        width = _constant(path, columns, notes)
        fields |= {"bin_size": at_hand(width)} if width is not None else {}
        roles = _find_roles(columns, options)
        if roles is None:
            if options.counts is not None:
                raise DataError("counts names a column where a row is a bin and a unit; elsewhere give units=a,b,c")
            if options.bin_size is None and "bin_size" not in fields:
                fields |= _guessed(columns, options.times, notes)
            fields |= _wide(columns, options.units, kept.get("units"))
            return read_arrays(Arrays(fields), notes, replace(options, units=None), titles)
        given = options.bin_size if options.bin_size is not None else width
        rows = _whole_rows(roles, options, notes)
        if roles.counts is not None:
            fields |= _pivot(rows, roles, given, notes)
            if given is None and "bin_size" not in fields:
                fields |= _guessed(fields, "times", notes)
        elif given is None:
            raise DataError(MISSING_WIDTH)
        elif options.align is not None or roles.segments is not None:
            return _bin_session(rows, roles, check_bin_size(given), notes, options, titles)
        else:
            fields |= _bin_trials(rows, roles, check_bin_size(given), notes)
        options = replace(options, times=None, segments=roles.segments, counts=None)
        return read_arrays(Arrays(fields), notes, options, titles)


class _Roles(NamedTuple):
    """Columns of a table with a row a spike, or a row a bin and unit: their names, None where there is none."""

    frame: Any
    unit: str
    time: str
    trial: str | None
    counts: str | None
    bounds: tuple[Any, Any, Any]
    """Start of a trial, its end, or how long it lasts."""
    segments: Any
    """What the user says of segments, if that is no column."""

    def rest(self) -> list[str]:
        """Return the names of all other columns."""
        used = (self.unit, self.time, self.trial, self.counts, *(self.bounds if self.counts is None else ()))
        return [name for name in self.frame if name not in used]


def _find_roles(columns: dict[str, Field], options: Options) -> _Roles | None:
    """Return the columns of a table with a row a spike or a row a bin and unit; None of one with a row a bin."""
    if _counted(columns) or _are_columns(options.units, columns):
        return None
    frame = pd.DataFrame({name: column.read() for name, column in columns.items()})
    unit, time = find_column(frame, OWNERS), options.times or find_column(frame, TIMES)
    if unit is None or time not in frame:
        return None
    named = isinstance(options.segments, str) and options.segments in frame
    segments = None if named or (isinstance(options.segments, str) and not options.segments) else options.segments
    start, stop, length = choose_bounds(partial(find_column, frame))
    bounds = (start, stop, length) if start is not None and (stop or length) is not None else (None, None, None)
    trial = options.segments if named else find_column(frame, TRIALS)
    return _Roles(frame, unit, time, trial, options.counts or find_column(frame, COUNTED), bounds, segments)


def _whole_rows(roles: _Roles, options: Options, notes: Notes) -> Any:
    """Return the rows that have a unit, a time in s and a trial.

    Raises
    ------
    DataError
        If there is none, or times are numbers of samples and nobody says how many there are in a second.
    """
    frame, known = roles.frame, [roles.unit, roles.time, *([roles.trial] if roles.trial else [])]
    for name in (roles.time, *(one for one in (roles.counts, *roles.bounds) if one)):
        if name not in frame:
            raise unknown_name("column", name, list(frame))
        if frame[name].dtype.kind not in "iufb":
            raise DataError(f"{name} holds no numbers{'' if name == roles.counts else ' of seconds'}")
    there = frame[known].replace([np.inf, -np.inf], np.nan).notna().all(axis=1)
    if not there.any():
        raise DataError("no row has a unit, a time and a trial")
    if not there.all():
        notes.skipped.append(f"{(~there).sum()} of {len(there)} rows: no unit, time or trial")
    rows = frame[there].reset_index(drop=True)
    # A bin of a second or more may well count events that are known to the second.
    fine = roles.counts is None and (options.bin_size or 0) < 1
    rate = samples_a_second(str(roles.time), [rows[roles.time].to_numpy()] if fine else [], options.sampling_rate)
    scaled = [roles.time, *(one for one in roles.bounds if one)]
    rows[scaled] = np.round(rows[scaled].astype(np.float64) / rate, 9)
    said = "a row a spike" if roles.counts is None else f"a row a bin and unit, of which {roles.counts} is the count"
    notes.used.append(f"{roles.time} and {roles.unit}: {said}")
    check_units(rows, roles.unit)
    if roles.counts is None:
        _refuse_values(rows, roles)
    return rows


def _refuse_values(rows: Any, roles: _Roles) -> None:
    """Refuse a table in which each unit has a row at each time beside a number, which are no spikes."""
    keys = [roles.unit, roles.time, *([roles.trial] if roles.trial else [])]
    each = rows.groupby(keys[1:]).size()
    numbers = [name for name in roles.rest() if rows[name].dtype.kind in "iuf"]
    others = [name for name in numbers if (rows.groupby(keys[1:])[name].nunique() > 1).any()]  # of a unit, not of a bin
    crossed = len(each) > 1 and each.min() == each.max() == rows[roles.unit].nunique() > 1
    if crossed and others and not rows.duplicated(keys).any():
        raise DataError(
            f"each of the {rows[roles.unit].nunique()} units has a row at each of {len(each)} times, so these are no spikes, of "
            f"which a row would be one; name the column of counts, such as counts={others[0]} (kind=continuous if they are no counts)"
        )


def _trials_of(rows: Any, roles: _Roles) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the trial of each row, by its place among all, and what they are called, in the order in which they come."""
    if roles.trial is not None:
        codes, trials = pd.factorize(rows[roles.trial])
        return codes, np.asarray(trials)
    codes = np.zeros(len(rows), dtype=np.int64)
    if roles.bounds[0] is not None and roles.counts is None:  # trials that have no name
        of_bounds = [one for one in roles.bounds if one]
        codes = rows.groupby(of_bounds, sort=False, dropna=False).ngroup().to_numpy()
    return codes, np.arange(codes.max() + 1)


def _units_of(rows: Any, roles: _Roles) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the unit of each row, by its place among all, and their names."""
    try:
        codes, units = pd.factorize(rows[roles.unit], sort=True)
    except TypeError:
        raise DataError(f"{roles.unit} holds numbers and texts; units have either") from None
    whole = units.dtype.kind == "f" and (units == np.rint(units)).all()  # numbers beside a missing one
    return codes, np.asarray(units.astype(np.int64) if whole else units).astype(np.str_)


def _bin_trials(rows: Any, roles: _Roles, width: float, notes: Notes) -> dict[str, Field]:
    """Count spikes in half-open bins inside their trials, which may overlap: a spike counts in the trial it is listed under.

    A trial lasts from its start to its stop; without such columns from the bin of its first spike to that of its last.
    """
    (member, trials), (unit, units) = _trials_of(rows, roles), _units_of(rows, roles)
    when = rows[roles.time].to_numpy()
    spans: NDArray[Any] | None = None
    start, stop, length = roles.bounds
    if start is not None:
        ends = rows[stop] if stop is not None else rows[start] + rows[length]
        of_trials = pd.DataFrame({"start": rows[start], "stop": ends}).groupby(member)
        spans = of_trials.min().to_numpy()
        differ = (spans != of_trials.max().to_numpy()).any(axis=1)  # as missing ones do
        if differ.any():
            raise DataError(
                f"{start} or {stop or length} is missing or differs inside of trial {trials[np.argmax(differ)]}; give each trial one"
            )
        notes.used.append(f"trials from {start} to {stop or f'{start} + {length}'}")
    else:
        notes.used.append("from the bin of the first spike of a trial to that of the last: no start and stop of trials")
    counts, bins = count_by_trial(when, unit, member, len(units), width, spans)
    outside = len(when) - int(counts.sum())
    if spans is not None and 2 * outside > len(when):
        raise DataError(
            f"{outside} of {len(when)} spikes are outside of their trial: {roles.time} is between {when.min():g} and {when.max():g} s, "
            f"trials between {np.min(spans):g} and {np.max(spans):g} s; bring both to seconds on one clock"
        )
    if outside:
        notes.skipped.append(f"{outside} of {len(when)} spikes: outside of their trial, or in its last part of a bin")
    notes.used.append(f"{len(when) - outside} spikes, counted in bins of {width:g} s")
    segments = trials[bins.interval]
    found = {"counts": replace(at_hand(counts), axis="bins"), "units": at_hand(units), "times": at_hand(bins.starts)}
    return {**found, "segments": at_hand(segments), **_beside(rows, roles, member, bins.interval, unit, notes)}


def _pivot(rows: Any, roles: _Roles, width: float | None, notes: Notes) -> dict[str, Field]:
    """Return a row a bin of a table with a row a bin and unit, whose times are starts of bins.

    Raises
    ------
    DataError
        If two rows are of one bin and unit, or a bin lacks some of the units where a count of 0 has a row.
    """
    (member, trials), (unit, units) = _trials_of(rows, roles), _units_of(rows, roles)
    when, values = rows[roles.time].to_numpy(), rows[roles.counts].to_numpy()
    pairs = pd.DataFrame({"trial": member, "time": when, "unit": unit})
    if pairs.duplicated().any():
        row = int(np.argmax(pairs.duplicated()))
        raise DataError(
            f"unit {units[unit[row]]} has two rows at {when[row]:g} s{' in one trial' if roles.trial else ''}; give it one row "
            "a bin, and if each trial has a clock of its own, name the trial of each row in a column trial"
        )
    bins, at = np.unique(np.stack([member, when], axis=1), axis=0, return_inverse=True)
    at, of_bin, starts = at.ravel(), bins[:, 0].astype(np.int64), bins[:, 1]
    steps = np.diff(starts)[np.diff(of_bin) == 0]
    if (values > 0).all() and (values == np.rint(values)).all() and len(steps):  # where a count of 0 has no row
        step = float(steps.min()) if width is None else width
        low, high = (pairs.groupby("trial")["time"].agg(end).to_numpy() for end in ("min", "max"))
        place = (when - low[member]) / step
        if np.abs(place - np.rint(place)).max() < 0.01:
            laid = make_bins(np.stack([low, high + step], axis=1), step)
            at = np.searchsorted(laid.interval, member) + np.rint(place).astype(np.int64)
            starts, of_bin = laid.starts, laid.interval
    counts = np.zeros((len(starts), len(units)), dtype=values.dtype)
    counts[at, unit] = values
    lacking = counts.size - len(rows)
    if lacking and not ((values > 0).all() and (values == np.rint(values)).all()):
        raise DataError(
            f"{lacking} of {counts.size} pairs of a bin and a unit have no row, although counts of 0 have one; give each pair a row"
        )
    if lacking:
        notes.used.append(f"{lacking} of {counts.size} pairs of a bin and a unit have no row: counts of 0")
    segments = trials[of_bin]
    found = {"counts": replace(at_hand(counts), axis="bins"), "units": at_hand(units), "times": at_hand(starts)}
    whole = len(np.unique(at)) == len(starts)  # else labels are known of trials alone
    group, of_bin = (at, np.arange(len(starts))) if whole else (member, of_bin)
    return {**found, "segments": at_hand(segments), **_beside(rows, roles, group, of_bin, unit, notes)}


def _beside(
    rows: Any, roles: _Roles, group: NDArray[np.int64], of_bin: NDArray[np.int64], unit: NDArray[np.int64], notes: Notes
) -> dict[str, Field]:
    """Return columns that have one value a group of rows (a trial or bin) as labels, those that have one a unit as its values."""
    found: dict[str, Field] = {}
    for name in roles.rest():
        values = rows[name].to_numpy()
        if (rows[name].groupby(group).nunique(dropna=False) == 1).all():
            found[name] = replace(at_hand(values[np.unique(group, return_index=True)[1]][of_bin]), axis="bins")
        elif (rows[name].groupby(unit).nunique(dropna=False) == 1).all():
            found[name] = replace(at_hand(values[np.unique(unit, return_index=True)[1]]), axis="units")
        else:
            notes.skipped.append(f"{name}: it differs inside of a {'trial' if roles.counts is None else 'bin'}")
    return found


def _bin_session(rows: Any, roles: _Roles, width: float, notes: Notes, options: Options, titles: Titles) -> Recording:
    """Count spikes inside of the segments that the user gives, on the one clock of the table."""
    if roles.trial is not None:
        check_clock(rows, roles.time, roles.trial)
    units = units_by_owner(rows[roles.time].to_numpy(), rows[roles.unit], None, notes)
    skipped = [one for one in (*roles.rest(), roles.trial, *roles.bounds) if one]
    if skipped:
        notes.skipped.append(f"columns {', '.join(skipped)}: segments are given, so they are not of a trial")
    session = Session(titles.name, {"file": titles.file} if titles.file else {}, units)
    describe(session, notes)
    return bin_session(session, notes, **replace(options, bin_size=width, segments=roles.segments).binning())


def _from_metadata(kept: dict[str, Any]) -> dict[str, Field]:
    """Return what a Parquet file says beside its columns, as arrays."""
    known = {key: kept[key] for key in ("bin_size", "kind", "name") if isinstance(kept.get(key), (int, float, str))}
    found = {key: at_hand(value) for key, value in known.items()}
    if isinstance(kept.get("source"), dict):
        found["source"] = at_hand(json.dumps(kept["source"]))
    periods = kept.get("periods")
    for label, period in periods.items() if isinstance(periods, dict) else ():
        found[f"{PERIOD}{label}"] = at_hand(period)
    return found


def _constant(path: Path, columns: dict[str, Field], notes: Notes) -> float | None:
    """Take out a column of the width of bins, which is the same in each row."""
    column = columns.pop("bin_size", None)
    if column is None:
        return None
    values = np.unique(column.read())
    if len(values) != 1 or values.dtype.kind not in "iuf":
        raise DataError(f"{path}: bin_size differs from row to row or is no number; bins have one width")
    notes.found.append(f"bin_size {values[0]}")
    return float(values[0])


def _guessed(columns: dict[str, Field], times: str | None, notes: Notes) -> dict[str, Field]:
    """Return the width of bins that the times of the rows tell: their usual step, where all are of that or longer."""
    name = times or find_column(pd.DataFrame(columns=list(columns)), TIMES)
    if name not in columns or not columns[name].is_number:
        return {}
    steps = np.diff(columns[name].read().astype(np.float64))
    steps = steps[steps > 0]  # a new segment may start anywhere
    width = float(f"{np.median(steps):.9g}") if steps.size else 0.0
    if not width or (steps < 0.99 * width).any():
        return {}
    if width >= 10 and np.array_equal(steps, np.rint(steps)):
        raise DataError(
            f"{name} rises by {width:g} from row to row: seconds or milliseconds? if these are seconds, give bin_size={width:g}; "
            f"if they are milliseconds, divide {name} by 1000"
        )
    notes.used.append(
        f"bins of {width:g} s: {name} says so, as its rows are that far apart; bin_size=SECONDS says otherwise"
    )
    return {"bin_size": at_hand(width)}


def _counted(columns: dict[str, Field]) -> list[str]:
    """Return columns whose names say that they are units, such as unit3 and unit_a, and no property or sum of units."""
    found = [name for name in columns if UNIT.fullmatch(name) or name.startswith(COUNTS)]
    frame = pd.DataFrame(columns=list(columns))
    if not found and (find_column(frame, OWNERS) is None or find_column(frame, TIMES) is None):
        found = [name for name in columns if re.fullmatch(r"unit.*\d", name)]
    return [name for name in found if plain_name(name).removeprefix(COUNTS[:-1]) not in ("total", "sum", "all", "mean")]


def _are_columns(asked: Any, columns: dict[str, Field]) -> bool:
    """Whether the units that are asked for are columns, so that a row is a bin."""
    return isinstance(asked, (str, list, tuple)) and any(
        fnmatchcase(name, one) for one in names_of(asked) for name in columns
    )


def _wide(columns: dict[str, Field], asked: Any, kept: Any) -> dict[str, Field]:
    """Return a row a bin: counts of the units, and what is left."""
    names = _unit_columns(columns, asked, kept)
    bad = [name for name in names if not columns[name].is_number]
    if bad:
        raise DataError(f"column {bad[0]} holds no numbers, so it is no unit; choose others with units=a,b,c")
    found = {
        "counts": _joined([columns[name] for name in names]),
        "units": at_hand(np.array([name.removeprefix(COUNTS) for name in names])),
    }
    rest = {name: column for name, column in columns.items() if name not in names}
    for name, parts in _vectors(rest).items():
        found[name] = _joined([rest.pop(part) for part in parts])
    return found | rest


def _unit_columns(columns: dict[str, Field], asked: Any, kept: Any) -> list[str]:
    if asked is None:
        known = kept if isinstance(kept, list) else []
        names = [COUNTS + str(one) if COUNTS + str(one) in columns else str(one) for one in known]
        names = names if names and all(name in columns for name in names) else _counted(columns)
        if not names:
            listed = ", ".join(list(columns)[:20])
            if list(columns)[:2] == ["time", "segment"] and any(name.endswith("0") for name in columns):
                raise DataError(
                    f"columns {listed} are those of an embedding that myow wrote, not of a recording; pandas.read_csv reads it, "
                    "and units='NAME*' takes its columns for units"
                )
            raise DataError(
                f"no column is called unit... or counts_..., only {listed or 'none'}; say which are units: units=a,b,c or units='n*' (in a command --data units=a,b,c)"
            )
        return names
    chosen: list[str] = []
    for one in names_of(asked):
        fitting = [name for name in columns if fnmatchcase(name, one) or name == COUNTS + one]
        if not fitting:
            raise unknown_name("column", one, columns)
        chosen += [name for name in fitting if name not in chosen]
    return chosen


def _joined(columns: list[Field]) -> Field:
    shape = (columns[0].shape[0], len(columns))
    return Field(shape, columns[0].dtype, lambda: np.stack([column.read() for column in columns], axis=1))


def _vectors(columns: dict[str, Field]) -> dict[str, list[str]]:
    """Return labels whose columns are called NAME_0, NAME_1 and so on."""
    found: dict[str, dict[int, str]] = {}
    for name, column in columns.items():
        match = re.fullmatch(r"(.+)_(0|[1-9]\d{0,5})", name)
        if match and column.is_number:
            found.setdefault(match[1], {})[int(match[2])] = name
    return {
        name: [parts[i] for i in range(len(parts))]
        for name, parts in found.items()
        if len(parts) > 1 and set(parts) == set(range(len(parts))) and name not in columns
    }
