"""Tables (.csv, .tsv, .parquet): a row a bin, or a row a spike.

===========================  ============================================================================================
``unit0``, ``counts_a``      counts of a unit; others by ``units="a,b,c"`` or ``units="n*"``
``time``, ``times``          start of the bin in s
``segment``, ``trial``, ...  the segment of each row; the first found of segments, segment, trials and trial
``bin_size``                 width of a bin in s, the same in each row
``velocity_0, velocity_1``   a label of two columns, ``velocity``
any other column             a label
``unit`` beside ``time``     a row a spike, counted inside its ``trial``, from ``trial_start`` to ``trial_stop``
===========================  ============================================================================================
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from ..errors import DataError, unknown_name
from ._array_labels import PERIOD
from ._array_roles import Options, Titles
from ._array_session import read_arrays
from ._choices import names_of
from ._csv import read_csv
from ._fields import Arrays, Field, at_hand
from ._guard import parsing
from ._long import bin_spikes, is_long
from ._notes import Notes
from ._parquet import open_parquet, parquet_columns

__all__ = ["SUFFIXES", "read"]

SUFFIXES = (".csv", ".tsv", ".parquet")

COUNTS = "counts_"


def read(
    path: Path,
    notes: Notes,
    *,
    bin_size: float | None = None,
    units: Any = None,
    segments: Any = None,
    times: str | None = None,
    kind: str | None = None,
    labels: Any = None,
    name: str | None = None,
    align: Any = None,
    window: Any = None,
) -> Recording:
    r"""Read a table.

    Parameters
    ----------
    path : Path
        The file; what its columns mean is described above.
    notes : Notes
        What was found, used and skipped.
    bin_size : float, optional
        Width of a bin in s, where the file does not say.
    units : str or sequence of str, optional
        Columns that are units, "a,b,c", or a pattern for their names, "n*"; where a row is a spike, names of units.
    segments : str or array_like, optional
        Column of segments, "whole", a number a bin, or starts and ends in s, (n, 2).
    times : str, optional
        Column of times.
    kind : {"counts", "continuous"}, optional
        Default: as the file says, else counts.
    labels : str or sequence of str, optional
        Labels to keep; "none" for none. Default: all that have a value in every row. Rows without a value of one that is named are
        left out.
    name : str, optional
        Name of the recording. Default: the file's.
    align, window : optional
        Times in s, and "before,after" in s: a segment is then a window around each.

    Returns
    -------
    Recording

    Raises
    ------
    FileError
        If the file is damaged or no table.
    DataError, UnknownNameError, SettingError
        If its contents make no recording, or the options cannot be met.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "session.csv"
    >>> _ = path.write_text("trial,unit0,unit1,direction\n0,0,1,3\n0,2,0,3\n")
    >>> read(path, Notes(), bin_size=0.1).counts.tolist()
    [[0, 1], [2, 0]]
    """
    with _columns(path, notes) as (columns, kept), parsing(path, "table"):
        rows = next(iter(columns.values())).shape[0] if columns else 0
        notes.found.append(f"{rows} rows of {len(columns)} columns: {', '.join(columns)[:300]}")
        fields = _from_metadata(kept)
        width = _constant(path, columns, notes)
        fields |= {"bin_size": at_hand(width)} if width is not None else {}
        titles = Titles(path.stem, path.name)
        chosen = None
        try:
            long = is_long(columns) and not _counted(columns)
            if long:
                given = bin_size if bin_size is not None else width
                trial = segments if isinstance(segments, str) and segments in columns else None
                fields |= bin_spikes(columns, given, times, trial, notes)
                times, chosen = None, units
                segments = None if trial is not None else segments
            else:
                fields |= _wide(columns, units, kept.get("units"))
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        options = Options(bin_size, None, segments, times, kind, chosen, labels, name, False, None, align, window)
        return read_arrays(Arrays(fields), notes, options, titles, path)


@contextlib.contextmanager
def _columns(path: Path, notes: Notes) -> Iterator[tuple[dict[str, Field], dict[str, Any]]]:
    """Open a table; give its columns, and what it says beside them."""
    if path.suffix.lower() == ".parquet":
        notes.format = "Parquet"
        with open_parquet(path) as file:
            yield parquet_columns(path, file, notes)
    else:
        notes.format = "CSV"
        yield read_csv(path, notes), {}


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
    n_rows = columns[names[0]].shape[0]
    found = {
        "counts": Field((n_rows, len(names)), columns[names[0]].dtype, lambda: _stack([columns[n] for n in names])),
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


def _stack(columns: list[Field]) -> NDArray[Any]:
    parts = [column.read() for column in columns]
    values = np.empty((len(parts[0]), len(parts)), dtype=np.result_type(*parts))
    for number, part in enumerate(parts):
        values[:, number] = part
    return values


def _joined(columns: list[Field]) -> Field:
    return Field((columns[0].shape[0], len(columns)), columns[0].dtype, lambda: _stack(columns))


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
