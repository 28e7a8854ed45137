"""NWB files (Neurodata Without Borders)."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from ..errors import FileError, need
from .binned import bin_session
from .guard import check_dataset, open_hdf5, parsing
from .session import OF_SESSIONS, Intervals, Notes, Options, Session, Signal, Units, constant, describe

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
    series, tables = _walk(nwb)
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
        units=_units(nwb.units, notes),
        intervals={k: intervals[k] for k in sorted(intervals, key=lambda k: (k != "trials", k != "epochs"))},
        events={title: _clock(one) for title, one in events.items()},
        signals=_signals({k: v for k, v in series.items() if k not in events}, notes),
        invalid=None if invalid is None else invalid.spans(),
    )


def _walk(nwb: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return all time series and tables of intervals by name; names that come twice get that of what holds them before."""
    places = [nwb.acquisition, nwb.stimulus, nwb.analysis, nwb.processing, nwb.intervals or {}]
    found = [pair for place in places for thing in place.values() for pair in _inside(thing, None)]
    shared = [thing.name for thing, _ in found]
    series: dict[str, Any] = {}
    tables: dict[str, Any] = {}
    for thing, holder in sorted(found, key=lambda pair: (pair[0].name, pair[1] or "")):
        name = thing.name if shared.count(thing.name) == 1 or holder is None else f"{holder}.{thing.name}"
        (tables if _is_a(thing, "TimeIntervals") else series)[name] = thing
    return series, tables


def _inside(thing: Any, holder: str | None) -> Iterator[tuple[Any, str | None]]:
    if _is_a(thing, "TimeSeries", "TimeIntervals") or _is_event(thing):
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
            found[name] = _signal(name, one)
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
        times = _shape(one.timestamps)
        return "" if times == shape[:1] else f"{shape[0]} samples, but times of shape {times}"
    return "" if one.rate and np.isfinite(one.rate) and one.rate > 0 else "neither times nor a rate"


def _signal(name: str, one: Any) -> Signal:
    shape = _shape(one.data)
    width = int(np.prod(shape[1:], dtype=np.int64))
    holder = one.parent
    scale, offset = (1.0 if one.conversion is None else float(one.conversion)), float(one.offset or 0.0)
    each = getattr(one, "channel_conversion", None)

    def rows(low: int, high: int) -> NDArray[np.float64]:
        values = _values(one.data, low, high).astype(np.float64).reshape(high - low, width)
        return values * (scale * np.asarray(_values(each)) if each is not None else scale) + offset

    module: Any = holder if _is_a(holder, "ProcessingModule") else getattr(holder, "parent", None)
    behaves = (
        _is_a(one, "SpatialSeries")
        or _is_a(holder, "BehavioralTimeSeries", "Position", "CompassDirection")
        or (_is_a(module, "ProcessingModule") and module.name.startswith("behav"))
    )
    acts = _is_a(one, "RoiResponseSeries", "DecompositionSeries")
    cells = getattr(one, "rois", None) if getattr(one, "rois", None) is not None else getattr(one, "electrodes", None)
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

    used = {"spike_times", "electrodes", "electrode_group", *columns}
    notes.skipped += [f"units.{c}: not one value a unit" for c in table.colnames if c not in used]
    return Units(names, train, columns)


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


def _values(data: Any, low: int = 0, high: int | None = None) -> NDArray[Any]:
    """Read some rows, of a dataset after it is known to be as small as it says."""
    if hasattr(data, "id") and hasattr(data, "chunks"):
        check_dataset(data, rows=None if high is None else high - low)
    values = np.asarray(data[low:high])
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
            return bin_session(session, notes, **options.binning())
    with opened(source, notes) as session:
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
        if version is None:
            raise FileError(f"{path} is HDF5, but no NWB file: it has no nwb_version; give format='hdf5'")
        notes.format = f"NWB {version.decode() if isinstance(version, bytes) else version}"
        with pynwb.NWBHDF5IO(file=file, mode="r", load_namespaces=True) as reader:
            session = _session_of(reader.read(), {"file": path.name}, path.stem, notes)
            describe(session, notes)
            yield session
