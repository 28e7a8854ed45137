"""An embedding as objects of NWB: series, segments, bins; see `myow.writers.nwb`. They are read back as plain HDF5."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.embedding import Embedding
from ..errors import DataError, FileError
from ..extras import need
from ..readers._fields import Allowance
from ._about import LABEL, as_texts, beside, encoded, json_object, plain_name, restored
from ._lanes import lanes_of, ordered_spans

__all__ = ["MODULE", "add_parts", "read_parts"]

MODULE = "myow"
MOST_LANES = 16
UNEVEN = 1e-9  # s; what nwbinspector takes for regular


def add_parts(nwb: Any, embedding: Embedding, name: str) -> None:
    """Add an embedding to a pynwb ``NWBFile``.

    Parameters
    ----------
    nwb : pynwb.NWBFile
        What to add to.
    embedding : Embedding
        What to add.
    name : str
        Name of the series.

    Raises
    ------
    DataError
        If it holds one of that name, or times are not those of one clock.
    """
    base = need("pynwb.base", "nwb", "writing .nwb files")
    order, spans = ordered_spans(embedding)
    lanes = _checked_lanes(spans)
    names = [name] + [f"{name}_{i}" for i in range(2, lanes.max() + 2)]
    module = nwb.processing.get(MODULE) or nwb.create_processing_module(MODULE, "Embeddings of neural activity.")
    taken = [one for one in (*names, f"{name}_segments", f"{name}_bins") if one in module.data_interfaces]
    if taken:
        raise DataError(f"the file holds '{taken[0]}' already; give this embedding another name with name=")

    first, lengths = embedding.runs
    series: list[Any] = []
    rows: list[NDArray[np.int64]] = []
    references: list[Any] = [None] * len(order)
    for lane, title in enumerate(names):
        place = 0
        mine = np.flatnonzero(lanes == lane)
        rows.append(np.concatenate([np.arange(first[i], first[i] + lengths[i]) for i in order[mine]]))
        series.append(_series(base, embedding, title, rows[-1], name, names))
        for which in mine:
            references[which] = base.TimeSeriesReference(place, int(lengths[order[which]]), series[-1])
            place += int(lengths[order[which]])
    module.add([*series, _segments(name, embedding.segments[first][order], spans, references)])
    module.add(_bins(name, embedding, np.concatenate(rows), names))


def _segments(name: str, numbers: NDArray[np.int64], spans: NDArray[np.float64], references: list[Any]) -> Any:
    core = need("hdmf.common", "nwb", "writing .nwb files")
    base = need("pynwb.base", "nwb", "writing .nwb files")
    where = base.TimeSeriesReferenceVectorData(name="timeseries", description="rows of the segment", data=references)
    return need("pynwb.epoch", "nwb", "writing .nwb files").TimeIntervals(
        name=f"{name}_segments",
        description=f"Segments of {name}: what was embedded apart from the rest. They end with their last bin.",
        columns=[
            core.VectorData(name="start_time", description="start of the first bin in s", data=spans[:, 0]),
            core.VectorData(name="stop_time", description="end of the last bin in s", data=spans[:, 1]),
            core.VectorData(name="segment", description="number of the segment", data=numbers),
            where,
            core.VectorIndex(name="timeseries_index", data=np.arange(1, len(numbers) + 1), target=where),
        ],
    )


def _bins(name: str, embedding: Embedding, rows: NDArray[np.int64], names: list[str]) -> Any:
    core = need("hdmf.common", "nwb", "writing .nwb files")
    described = {
        "time": ("start of the bin in s", embedding.times),
        "segment": ("number of the segment", embedding.segments),
        "row": ("row of the bin in the recording that was embedded", np.arange(len(embedding))),
    }
    described |= {LABEL + encoded(k): (f"label {k} of the bin", values) for k, values in embedding.labels.items()}
    columns = [
        core.VectorData(
            name=key, description=about, data=values[rows].tolist() if values.dtype.kind == "U" else values[rows]
        )
        for key, (about, values) in described.items()
    ]
    whole = f"Bins of {name}, in the order of the rows of {', '.join(names)}."
    return core.DynamicTable(name=f"{name}_bins", description=whole, columns=columns)


def _checked_lanes(spans: NDArray[np.float64]) -> NDArray[np.int64]:
    if len(spans) > 1 and (spans[:, 0] == spans[0, 0]).all():
        raise DataError(
            f"all {len(spans)} segments start at {spans[0, 0]:g} s, and NWB has one clock a session; give times of that clock, or "
            "use another format"
        )
    lanes = lanes_of(spans)
    if lanes.max() >= MOST_LANES:
        raise DataError(
            f"{lanes.max() + 1} segments overlap in time, and NWB has one clock a session; give times of that clock, or use another "
            "format"
        )
    return lanes


def _series(base: Any, embedding: Embedding, title: str, rows: NDArray[np.int64], name: str, names: list[str]) -> Any:
    times = embedding.times[rows]
    steps = np.diff(times)
    clock: dict[str, Any] = {"timestamps": times}
    if len(rows) > 2 and np.ptp(steps) < UNEVEN:
        clock = {"starting_time": float(times[0]), "rate": float(1 / steps.mean())}
    made = {key: embedding.provenance.get(key) for key in ("method", "software")}
    about = beside(embedding) | {"series": names, "rows": len(embedding)}
    return base.TimeSeries(
        name=title,
        description=(
            f"Embedding of {embedding.name or 'a recording'}{' by ' + made['method'] if made['method'] else ''}"
            f"{' with ' + made['software'] if made['software'] else ''}: a row a bin of {embedding.bin_size:g} s. Times are starts of "
            f"bins; {name}_bins has them exact, {name}_segments says which rows belong together. Dimensions, which have no unit: "
            f"{', '.join(embedding.dimensions)}."
        ),
        comments=json.dumps(about, allow_nan=False) if title == name else f"see {name}",
        data=embedding.z[rows],
        unit="a.u.",
        **clock,
    )


def read_parts(path: Path, module: Any, name: str, allowed: Allowance) -> Embedding:
    """Read an embedding from the group of a processing module.

    Parameters
    ----------
    path : Path
        The file, for the errors' text.
    module : h5py.Group
        The processing module.
    name : str
        Name of the series.
    allowed : Allowance
        How much may be read.

    Raises
    ------
    FileError, DataError
        If it is damaged.
    """
    bins = module[f"{name}_bins"]
    about = json_object(path, module[name].attrs.get("comments"), f"comments of {name}")
    names = about.get("series")
    if not isinstance(names, list) or not 0 < len(names) <= MOST_LANES:
        raise FileError(f"{path}: {name} does not say which series hold it; it was altered")
    z = np.concatenate([allowed.read(module[str(one)]["data"]) for one in names])
    rows = allowed.read(bins["row"])
    if len(z) != len(rows) or not np.array_equal(np.sort(rows), np.arange(len(rows))):
        raise FileError(f"{path}: {name} has {len(z)} rows and {name}_bins numbers {len(rows)}; it was altered")
    back = np.argsort(rows)
    labels = {}
    for key in bins:
        if key.startswith(LABEL):
            labels[plain_name(key).removeprefix(LABEL)] = _values(path, allowed.read(bins[key]))[back]
    return restored(path, about, z[back], allowed.read(bins["time"])[back], allowed.read(bins["segment"])[back], labels)


def _values(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    """Return texts, which come as bytes, as texts."""
    if values.dtype.kind != "O":
        return values
    return as_texts(path, [text.decode() for text in values.ravel()]).reshape(values.shape)
