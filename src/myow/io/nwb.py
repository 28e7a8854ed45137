"""NWB files (Neurodata Without Borders)."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from ..errors import DataError, FileError, need
from .binned import bin_session
from .session import OF_SESSIONS, Intervals, Notes, Options, Session, Signal, Units, as_text, constant, describe
from .untrusted import check_dataset, open_hdf5, parsing

__all__ = ["OPTIONS", "opened", "read"]

NOT_OF_UNITS = (
    "spike_times",
    "obs_intervals",
    "electrodes",
    "electrode_group",
    "waveforms",
    "waveform_mean",
    "waveform_sd",
)
IMAGES = ("ImageSeries", "ImageMaskSeries", "OpticalSeries", "TwoPhotonSeries", "OnePhotonSeries", "IndexSeries")


def _session_of(nwb: Any, source: dict[str, str], name: str, notes: Notes) -> Session:
    """Return what a pynwb ``NWBFile`` that is open holds."""
    series, tables, sorted_ = _walk(nwb)
    events = {title: one for title, one in series.items() if _is_event(one)}
    for title in ("trials", "epochs", "invalid_times"):
        if getattr(nwb, title, None) is not None:
            tables = {title: getattr(nwb, title), **{k: v for k, v in tables.items() if k != title}}
    intervals = {title: _intervals(table, notes) for title, table in tables.items() if len(table)}
    invalid = intervals.pop("invalid_times", None)
    described = {
        "identifier": nwb.identifier,
        "session": nwb.session_description,
        "licence": getattr(nwb, "license", None),
        "citation": "; ".join(nwb.related_publications or ()),
    }
    return Session(
        name=name,
        source=source | {k: str(v) for k, v in described.items() if v},
        units=_all_units(nwb.units, sorted_, notes),
        intervals={k: intervals[k] for k in sorted(intervals, key=lambda k: (k != "trials", k != "epochs"))},
        events={title: _clock(one) for title, one in events.items()},
        signals=_signals({k: v for k, v in series.items() if k not in events}, notes),
        invalid=None if invalid is None else invalid.spans(),
    )


def _walk(nwb: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return all time series, tables of intervals and of units by name; names that come twice get that of what holds them before."""
    places = [nwb.acquisition, nwb.stimulus, nwb.analysis, nwb.processing, nwb.intervals or {}]
    found = [pair for place in places for thing in place.values() for pair in _inside(thing, None)]
    shared = [thing.name for thing, _ in found]
    series: dict[str, Any] = {}
    tables: dict[str, Any] = {}
    units: dict[str, Any] = {}
    for thing, holder in sorted(found, key=lambda pair: (pair[0].name, pair[1] or "")):
        name = thing.name if shared.count(thing.name) == 1 or holder is None else f"{holder}.{thing.name}"
        kept = tables if _is_a(thing, "TimeIntervals") else units if _is_a(thing, "Units") else series
        kept[name if kept is not units or holder is None else f"{holder}/{thing.name}"] = thing
    return series, tables, units


def _inside(thing: Any, holder: str | None) -> Iterator[tuple[Any, str | None]]:
    if _is_a(thing, "TimeSeries", "TimeIntervals", "Units") or _is_event(thing):
        yield thing, holder
    elif not _is_a(thing, "DynamicTable"):
        for child in getattr(thing, "children", ()):
            yield from _inside(child, thing.name)


def _is_a(thing: Any, *names: str) -> bool:
    return any(c.__name__ in names for c in type(thing).__mro__)


def _is_event(thing: Any) -> bool:
    if _is_a(thing, "AnnotationSeries", "Events", "LabeledEvents"):
        return True
    return _is_a(thing, "TimeSeries") and _is_a(thing.parent, "BehavioralEvents") and thing.timestamps is not None


def _clock(thing: Any) -> Callable[[], NDArray[np.float64]]:
    return lambda: np.asarray(_values(thing.timestamps), dtype=np.float64)


def _signals(series: dict[str, Any], notes: Notes) -> dict[str, Signal]:
    found = {}
    for name, one in series.items():
        problem = _unusable(one)
        if problem:
            notes.skipped.append(f"{name}: {problem}")
        else:
            found[name] = _signal(name, one, notes)
    return found


def _unusable(one: Any) -> str:
    """Return why a series cannot be averaged in bins; "" if it can."""
    shape = _shape(one.data)
    if _is_a(one, *IMAGES):
        return f"a series of images ({type(one).__name__}), which is no signal"
    if not shape or 0 in shape:
        return "no samples"
    if getattr(one.data, "dtype", np.asarray(one.data[:1]).dtype).kind not in "iufb":
        return "its samples are no numbers"
    if one.timestamps is not None:
        times, at = _shape(one.timestamps), 1 if _turned(one) else 0
        return "" if times == shape[at : at + 1] else f"{shape[at]} samples, but times of shape {times}"
    return "" if one.rate and np.isfinite(one.rate) and one.rate > 0 else "neither times nor a rate"


def _cells(one: Any) -> Any:
    """Return what says which cell or electrode each column of a series is of, if anything does."""
    rois = getattr(one, "rois", None)
    return rois if rois is not None else getattr(one, "electrodes", None)


def _turned(one: Any) -> bool:
    """Whether samples are stored as (columns, samples): where its table of cells and its times fit only that."""
    shape, cells = _shape(one.data), _cells(one)
    if len(shape) != 2 or shape[0] == shape[1]:
        return False
    times = _shape(one.timestamps)[:1]
    if times and times[0] in shape:
        return bool(times[0] == shape[1])
    held = None if cells is None or times else _shape(cells.data)[:1]
    if held and held[0] in shape:
        return bool(held[0] == shape[0])
    return _is_a(one, "SpatialSeries") and not times and shape[0] <= 3 < shape[1]  # x, y and z at most


def _signal(name: str, one: Any, notes: Notes) -> Signal:
    shape, turned = _shape(one.data), _turned(one)
    if turned:
        shape = shape[::-1]
        notes.used.append(
            f"{name}: stored as {shape[::-1]}, which is turned to {shape[0]} samples of {shape[1]} columns"
        )
    width = int(np.prod(shape[1:], dtype=np.int64))
    holder = one.parent
    scale, offset = (1.0 if one.conversion is None else float(one.conversion)), float(one.offset or 0.0)
    each = getattr(one, "channel_conversion", None)

    def rows(low: int, high: int) -> NDArray[np.float64]:
        stored = _values(one.data, low, high, axis=1).T if turned else _values(one.data, low, high)
        values = stored.astype(np.float64).reshape(high - low, width)
        return values * (scale * np.asarray(_values(each)) if each is not None else scale) + offset

    module: Any = holder if _is_a(holder, "ProcessingModule") else getattr(holder, "parent", None)
    behaves = (
        _is_a(one, "SpatialSeries")
        or _is_a(holder, "BehavioralTimeSeries", "Position", "CompassDirection")
        or (_is_a(module, "ProcessingModule") and module.name.startswith("behav"))
    )
    acts = _is_a(one, "RoiResponseSeries", "DecompositionSeries")
    cells = _cells(one)
    if cells is not None and _shape(cells.data) != (width,):
        notes.skipped.append(f"{name}: its table names {len(cells.data)} cells for {width} columns, so it is not used")
    return Signal(
        n_samples=int(shape[0]),
        names=tuple(f"{name}{i}" for i in range(width)) if width > 1 else (name,),
        rows=rows,
        clock=_clock(one) if one.timestamps is not None else None,
        start=float(one.starting_time or 0.0),
        rate=float(one.rate or 1.0),
        unit=str(one.unit or ""),
        role="activity" if acts else "behaviour" if behaves else "other",
        within=getattr(holder, "name", "") or "",
        columns=_region_columns(cells, None) if cells is not None and _shape(cells.data) == (width,) else {},
    )


def _intervals(table: Any, notes: Notes) -> Intervals:
    def spans() -> NDArray[np.float64]:
        ends = [np.asarray(_values(table[key].data), dtype=np.float64) for key in ("start_time", "stop_time")]
        if ends[0].shape != ends[1].shape or ends[0].shape != (len(table),):
            raise FileError(f"table {table.name} has {len(table)} rows, {ends[0].size} starts and {ends[1].size} ends")
        return np.stack(ends, axis=1)

    names = [c for c in table.colnames if c not in ("start_time", "stop_time")]
    plain = [c for c in names if not _ragged(table[c])]
    notes.skipped += [f"{table.name}.{c}: not one value an interval" for c in names if c not in plain]
    return Intervals(len(table), spans, {c: _column(table[c], len(table)) for c in plain})


def _ragged(column: Any) -> bool:
    return _is_a(column, "VectorIndex", "DynamicTableRegion") or _shape(column.data)[1:2] == (0,)


def _column(column: Any, n: int) -> Callable[[], NDArray[Any]]:
    def load() -> NDArray[Any]:
        values = np.asarray(_values(column.data))
        if len(values) != n:
            raise FileError(f"column {column.name} has {len(values)} values for {n} rows")
        return values

    return load


def _all_units(table: Any, others: Mapping[str, Any], notes: Notes) -> Units | None:
    """Return the units of the file's own table, else those of the tables in processing modules."""
    units = _units(table, notes)
    if units is not None:
        notes.skipped += [f"{title}: more units, beside the file's own" for title, one in others.items() if len(one)]
        return units
    found = {title: held for title, one in others.items() if (held := _units(one, notes)) is not None}
    if found:
        notes.used.append(f"units of {' and '.join(found)}")
    return next(iter(found.values())) if len(found) < 2 and found else _several(found) if found else None


def _several(tables: Mapping[str, Units]) -> Units:
    """Return units of several tables, which may be the same cells twice: their column ``table`` says whose each is."""
    places = [(title, i) for title, units in tables.items() for i in range(len(units.names))]
    shared = set.intersection(*(set(units.columns) for units in tables.values()))

    def column(name: str) -> Callable[[], NDArray[Any]]:
        return lambda: np.concatenate([np.asarray(units.columns[name]()) for units in tables.values()])

    def observed(unit: int) -> NDArray[np.float64] | None:
        read = tables[places[unit][0]].observed
        return None if read is None else read(places[unit][1])

    return Units(
        tuple(f"{title}/{tables[title].names[i]}" for title, i in places),
        lambda unit: tables[places[unit][0]].train(places[unit][1]),
        {name: column(name) for name in sorted(shared)} | {TABLE: constant([title for title, _ in places])},
        observed,
    )


TABLE = "table"


def _check(session: Session, options: Options) -> None:
    """Refuse a file of which nothing can be binned, or in which it is not clear what.

    Raises
    ------
    DataError
        If it is such.
    """
    if session.units is None and not session.signals:
        raise DataError("it holds neither units with spike times nor signals, so there is nothing to bin")
    asked = isinstance(options.units, str) and f"{TABLE}=" in options.units
    if session.units is not None and TABLE in session.units.columns and options.signal is None and not asked:
        titles = list(dict.fromkeys(map(str, session.units.columns[TABLE]())))
        if len(titles) > 1:
            raise DataError(
                f"there are units in {', '.join(titles)}; say whose with units='{TABLE}={titles[0]}', "
                f"or of all with units='{TABLE}={'|'.join(titles)}'"
            )


def _units(table: Any, notes: Notes) -> Units | None:
    if table is None or not len(table) or "spike_times" not in table.colnames:
        return None
    index = table["spike_times"]
    n = len(table)
    ends = np.asarray(_values(index.data), dtype=np.int64)
    stored = _shape(index.target.data)
    # Offsets of a damaged file may point anywhere.
    if ends.shape != (n,) or (np.diff(ends, prepend=0) < 0).any() or len(stored) != 1 or ends[-1] > stored[0]:
        raise FileError(
            f"the index of spike times does not fit {n} units with {stored} spike times; the file was altered"
        )
    starts = np.concatenate([[0], ends[:-1]])
    plain = [c for c in table.colnames if c not in NOT_OF_UNITS and not _ragged(table[c])]
    columns = _electrodes(table, n) | {c: _column(table[c], n) for c in plain}
    names = tuple(f"unit{i}" for i in _values(table.id.data))
    for key in ("unit_name", "name"):
        if key in columns:
            named = tuple(str(v) for v in columns[key]())
            names = named if len(set(named)) == n else names

    def train(unit: int) -> NDArray[np.float64]:
        return np.asarray(_values(index.target.data, int(starts[unit]), int(ends[unit])), dtype=np.float64)

    used = {"spike_times", "electrodes", "electrode_group", *columns} | {"obs_intervals"} & set(table.colnames)
    notes.skipped += [f"units.{c}: not one value a unit" for c in table.colnames if c not in used]
    return Units(names, train, columns, _observed(table) if "obs_intervals" in used else None)


def _observed(table: Any) -> Callable[[int], NDArray[np.float64] | None]:
    def observed(unit: int) -> NDArray[np.float64] | None:
        spans = np.asarray(table["obs_intervals"][unit], dtype=np.float64)
        return spans.reshape(-1, 2) if spans.size and spans.size % 2 == 0 else None

    return observed


def _electrodes(table: Any, n: int) -> dict[str, Callable[[], NDArray[Any]]]:
    """Return where each unit was recorded: columns of its first electrode, or of its group."""
    if "electrodes" in table.colnames:
        column = table["electrodes"]
        if not _is_a(column, "VectorIndex"):
            return _region_columns(column, None)
        ends = np.asarray(_values(column.data), dtype=np.int64)
        first = np.concatenate([[0], ends[:-1]])
        # A unit without an electrode has no region.
        return _region_columns(column.target, np.where(ends > first, first, -1)) if len(ends) == n else {}
    if "electrode_group" in table.colnames:
        groups = [table["electrode_group"][i] for i in range(n)]
        return {"region": constant([str(g.location) for g in groups]), "group": constant([str(g.name) for g in groups])}
    return {}


def _region_columns(region: Any, first: NDArray[np.int64] | None) -> dict[str, Callable[[], NDArray[Any]]]:
    """Return columns of the table that a region points into, by the rows that it points at."""
    renamed = {"location": "region", "group_name": "group"}

    def pick(name: str) -> Callable[[], NDArray[Any]]:
        def load() -> NDArray[Any]:
            values = np.asarray(_values(region.table[name].data))
            rows = np.asarray(_values(region.data), dtype=np.int64)
            if first is not None:
                rows = np.where(first >= 0, rows[np.minimum(first, len(rows) - 1)], -1)
            if values.dtype.kind == "f":
                return np.where(rows >= 0, values[rows], np.nan)
            return np.where(rows >= 0, np.asarray(values)[rows].astype(str), "")

        return load

    skipped = ("group", "image_mask", "pixel_mask", "voxel_mask")
    names = [c for c in region.table.colnames if c not in skipped and not _ragged(region.table[c])]
    return {renamed.get(name, name): pick(name) for name in names}


def _shape(data: Any) -> tuple[int, ...]:
    return () if data is None else np.shape(data)


def _values(data: Any, low: int = 0, high: int | None = None, axis: int = 0) -> NDArray[Any]:
    """Read some rows or columns, of a dataset after it is known to be as small as it says."""
    if hasattr(data, "id") and hasattr(data, "chunks"):
        rows = None if high is None else high - low
        check_dataset(data, rows=rows if not axis or rows is None else -(-rows * data.shape[0] // data.shape[1]))
    values = np.asarray(data[low:high] if not axis else data[:, low:high])
    return values.astype(str) if values.dtype.kind == "S" else values


OPTIONS = OF_SESSIONS
"""Options that this format has; `myow.read` describes them."""


def read(source: Any, notes: Notes, options: Options) -> Recording:
    """Read an NWB file, or a pynwb ``NWBFile`` that is open.

    The ``region`` of a unit is the location of its electrodes.
    """
    if not isinstance(source, Path):
        notes.format = "NWB object"
        with parsing(Path(str(source.identifier)), "NWB object"):
            session = _session_of(source, {}, str(source.identifier), notes)
            describe(session, notes)
            _check(session, options)
            return bin_session(session, notes, **options.binning())
    with opened(source, notes) as session:
        _check(session, options)
        return bin_session(session, notes, **options.binning())


@contextlib.contextmanager
def opened(path: Path, notes: Notes) -> Iterator[Session]:
    """Open a file as a session, of which nothing but the structure is read until it is asked for.

    Raises
    ------
    FileError
        If it is no whole NWB file, or leads to other files; also for what is raised while it is open.
    """
    pynwb = need("pynwb", "nwb", "reading .nwb files")
    with open_hdf5(path, "NWB file", extra="nwb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pynwb's, about versions of schemas; what matters is in the notes
        version = file.attrs.get("nwb_version")
        if version is None and "nwb_version" in file:
            old = as_text(np.asarray(file["nwb_version"][()]).item())[:40]
            raise FileError(
                f"{path} is {old}; only NWB 2 is read: convert it, or give format='hdf5' and names of its arrays"
            )
        if version is None:
            raise FileError(f"{path} is HDF5, but no NWB file: it has no nwb_version; give format='hdf5'")
        notes.format = f"NWB {version.decode() if isinstance(version, bytes) else version}"
        with pynwb.NWBHDF5IO(file=file, mode="r", load_namespaces=True) as reader:
            session = _session_of(reader.read(), {"file": path.name}, path.stem, notes)
            describe(session, notes)
            yield session
