"""Tables (CSV, Parquet) by pandas: a row a bin, or a row a count."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..data.recording import Recording
from ..errors import DataError, FileError, need, unknown_name
from .array_session import bin_spikes, is_long, read_arrays
from .guard import most_bytes, parsing
from .named_arrays import LONGEST, PERIOD, Arrays, Field, Titles, at_hand
from .session import OF_ARRAYS, Notes, Options, names_of

__all__ = ["METADATA", "OPTIONS", "read"]

MISSING = ("", "na", "n/a", "nan", "null", "none")
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
        columns = [_typed(frame[i]) for i in range(len(names))]
    return _fields(path, names, columns, notes)


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
        while first.startswith("#") or (above and first in ("\n", "\r\n")):
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


def _typed(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of texts as numbers, where all but missing values are."""
    if column.dtype.kind in "iufb":
        return column
    texts = column.map(str, na_action="ignore")
    known = texts.mask(texts.str.strip().str.lower().isin(MISSING))
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


OPTIONS = tuple(option for option in OF_ARRAYS if option != "counts")
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
        if is_long(columns) and not _counted(columns):
            given = options.bin_size if options.bin_size is not None else width
            trial = options.segments if isinstance(options.segments, str) and options.segments in columns else None
            fields |= bin_spikes(columns, given, options.times, trial, notes, options.sampling_rate)
            options = replace(options, times=None, segments=options.segments if trial is None else None)
        else:
            if options.bin_size is None and "bin_size" not in fields:
                fields |= _guessed(columns, options.times, notes)
            fields |= _wide(columns, options.units, kept.get("units"))
            options = replace(options, units=None)
        return read_arrays(Arrays(fields), notes, options, titles)


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
    name = next((one for one in ((times,) if times else ("times", "time")) if one in columns), None)
    if name is None or not columns[name].is_number:
        return {}
    steps = np.diff(columns[name].read().astype(np.float64))
    steps = steps[steps > 0]  # a new segment may start anywhere
    width = float(f"{np.median(steps):.9g}") if steps.size else 0.0
    if not width or (steps < 0.99 * width).any():
        return {}
    notes.used.append(
        f"bins of {width:g} s: {name} says so, as its rows are that far apart; bin_size=SECONDS says otherwise"
    )
    return {"bin_size": at_hand(width)}


def _counted(columns: dict[str, Field]) -> list[str]:
    """Return columns whose names say that they are units."""
    found = [name for name in columns if re.fullmatch(r"unit.*\d", name) or name.startswith(COUNTS)]
    return found or [name for name in columns if name.startswith("unit") and name not in ("unit", "unit_id")]


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
                f"no column is called unit... or counts_..., only {listed or 'none'}; say which are units: units=a,b,c or units='n*'"
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
