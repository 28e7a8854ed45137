"""Embeddings in NWB files."""

from __future__ import annotations

import contextlib
import heapq
import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.embedding import Embedding
from ..errors import DataError, FileError, MyowError, SettingError, need, unknown_name
from .embeddings import (
    LABEL,
    beside,
    encoded,
    json_object,
    ordered_spans,
    plain_name,
    restored,
)
from .files import writing
from .untrusted import MIB, open_hdf5, read_dataset

__all__ = ["read", "write"]


def _lanes_of(spans: NDArray[np.float64]) -> NDArray[np.int64]:
    """Deal spans (n, 2), by start, out to as few lanes as there have to be, so that none overlap in a lane; all get about as many.

    Examples
    --------
    >>> _lanes_of(np.array([[0.0, 1.0], [0.5, 1.5], [1.0, 2.0], [2.0, 3.0]])).tolist()
    [0, 1, 0, 1]
    """
    edges = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])  # an end goes before a start
    number = int(np.cumsum([step for _, step in edges]).max())
    free = [(-np.inf, lane) for lane in range(number)]  # that which has been free for longest comes next
    lanes = np.empty(len(spans), dtype=np.int64)
    for place, (_, end) in enumerate(spans):
        lanes[place] = heapq.heappop(free)[1]
        heapq.heappush(free, (end, int(lanes[place])))
    return lanes


NOT_KNOWN = datetime(1970, 1, 1, tzinfo=UTC)
# As NWB writes an animal of any kind, of any age.
SUBJECT = {
    "subject_id": "unknown",
    "species": "http://purl.obolibrary.org/obo/NCBITaxon_33208",
    "sex": "U",
    "age": "P0D/",
}


def _new_file(embedding: Embedding, about: Mapping[str, Any]) -> Any:
    """Return a pynwb ``NWBFile`` without data; what `about` says of the subject is None where not known."""
    pynwb = need("pynwb", "nwb", "writing .nwb files")
    start = _start(about["session_start_time"])
    when = " When the session began is not known; 1970 stands for that." if start == NOT_KNOWN else ""
    subject = {key: about[key] or default for key, default in SUBJECT.items()}
    unknown = ", ".join(key for key in SUBJECT if not about[key])
    whose = {"description": f"Not known: {unknown}."} if unknown else {}
    return pynwb.NWBFile(
        session_description=f"Embedding of {embedding.name or 'a recording'}, without what was recorded.{when}",
        identifier=embedding.digest(),
        session_start_time=start,
        subject=pynwb.file.Subject(**subject, **whose),
    )


def _start(given: Any) -> datetime:
    if given is None:
        return NOT_KNOWN
    try:
        start = given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
    except ValueError:
        start = None
    if start is None or start.tzinfo is None:
        raise SettingError(
            f"session_start_time is '{given}'; it must be such as 2020-01-31T12:00:00+01:00, with a time zone"
        )
    return start


MODULE = "myow"
MOST_LANES = 16
MOST_TEXT = 4 << 30  # bytes of a label of text
ROOM = 8 * MIB  # for what stands beside the arrays; a schema of NWB takes less than one
UNEVEN = 1e-9  # s; what nwbinspector takes for regular


def _add_parts(nwb: Any, embedding: Embedding, name: str) -> None:
    """Add an embedding to a pynwb ``NWBFile``, under the name of a series."""
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
    pynwb = need("pynwb", "nwb", "writing .nwb files")
    core = pynwb.core
    where = pynwb.base.TimeSeriesReferenceVectorData(
        name="timeseries", description="rows of the segment", data=references
    )
    return pynwb.epoch.TimeIntervals(
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
    lanes = _lanes_of(spans)
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


def _read_parts(path: Path, module: Any, name: str) -> Embedding:
    """Read an embedding from the group of a processing module, by the name of its series."""
    bins = module[f"{name}_bins"]
    about = json_object(path, module[name].attrs.get("comments"), f"comments of {name}")
    names = about.get("series")
    if not isinstance(names, list) or not 0 < len(names) <= MOST_LANES:
        raise FileError(f"{path}: {name} does not say which series hold it; it was altered")
    z = np.concatenate([read_dataset(module[str(one)]["data"]) for one in names])
    rows = read_dataset(bins["row"])
    if len(z) != len(rows) or not np.array_equal(np.sort(rows), np.arange(len(rows))):
        raise FileError(f"{path}: {name} has {len(z)} rows and {name}_bins numbers {len(rows)}; it was altered")
    back = np.argsort(rows)
    labels = {}
    for key in bins:
        if key.startswith(LABEL):
            labels[plain_name(key).removeprefix(LABEL)] = _values(path, read_dataset(bins[key]))[back]
    return restored(path, about, z[back], read_dataset(bins["time"])[back], read_dataset(bins["segment"])[back], labels)


def _values(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    """Return texts, which come as bytes, as texts."""
    if values.dtype.kind != "O":
        return values
    texts = [text.decode() for text in values.ravel()]
    longest = max(map(len, texts), default=0)
    if 4 * longest * len(texts) > MOST_TEXT:  # in an array each takes as much as the longest
        raise DataError(
            f"{path}: a label has {len(texts)} texts of up to {longest} characters, which is too much; refused"
        )
    return np.array(texts, dtype=np.str_).reshape(values.shape)


@contextlib.contextmanager
def _in_memory(path: Path) -> Iterator[Any]:
    """Give an HDF5 file that is in memory; it is written to the disk at the end, whole or not at all."""
    h5py = need("h5py", "nwb", f"writing {path.suffix} files")
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    with writing(path) as part:
        part.write_bytes(image)


def _reserve(part: Path, embedding: Embedding) -> None:
    """Make a file longer by more than an embedding takes; HDF5 writes there, and cuts off the rest when it closes the file."""
    labels = sum(values.nbytes + 16 * values.size for values in embedding.labels.values())  # texts have a place each
    left = ROOM + 2 * (embedding.z.nbytes + labels + 40 * len(embedding))
    with part.open("ab") as file:
        while left > 0:
            left -= file.write(bytes(min(left, MIB)))


def write(
    path: Path,
    embedding: Embedding,
    *,
    into: str | Path | None = None,
    name: str = "embedding",
    session_start_time: str | datetime | None = None,
    subject_id: str | None = None,
    species: str | None = None,
    sex: str | None = None,
    age: str | None = None,
) -> None:
    """Write an embedding as NWB.

    Parameters
    ----------
    path : Path
        The file.
    embedding : Embedding
        What to write.
    into : path-like, optional
        File of the session. It stays as it is; what is written is a copy of it with the embedding in it.
    name : str, optional
        Name of the series; a file can hold several embeddings.
    session_start_time : str or datetime, optional
        Of a new file: when time 0 was, such as "2020-01-31T12:00:00+01:00". Default: 1970, which stands for not known.
    subject_id, species, sex, age : str, optional
        Of a new file: as NWB wants them, such as "Macaca mulatta", "M", "P8Y". Default: what stands for not known.

    Raises
    ------
    FileError
        If `into` is missing, damaged, the file to write, or cannot be added to.
    DataError
        If times are not those of one clock, or the file holds an embedding of that name.
    """
    pynwb = need("pynwb", "nwb", "writing .nwb files")
    about = {
        "session_start_time": session_start_time,
        "subject_id": subject_id,
        "species": species,
        "sex": sex,
        "age": age,
    }
    given = [key for key, value in about.items() if value is not None]
    if into is not None and given:
        raise SettingError(f"{given[0]} is for a new file, and {into} has its own; leave it out")
    if not name.replace("_", "").isalnum():
        raise SettingError(f"name is '{name}'; it must be letters, digits and underscores")
    source = None if into is None else _source(Path(into), path)
    with _named(source or path), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pynwb's, about versions of schemas and order of axes
        if source is None:
            with _in_memory(path) as file:
                nwb = _new_file(embedding, about)
                _add_parts(nwb, embedding, name)
                pynwb.NWBHDF5IO(file=file, mode="w").write(nwb)
            return
        with writing(path) as part:
            shutil.copyfile(source, part)
            _reserve(part, embedding)
            with pynwb.NWBHDF5IO(part, "a") as io:
                nwb = io.read()
                _add_parts(nwb, embedding, name)
                io.write(nwb)


def read(path: Path, *, name: str | None = None) -> Embedding:
    """Read an embedding from NWB.

    Parameters
    ----------
    path : Path
        The file.
    name : str, optional
        Name of the series. Default: the only one.

    Returns
    -------
    Embedding
    """
    with open_hdf5(path, "NWB file", extra="nwb") as file:
        module = file.get(f"processing/{MODULE}")
        held = [] if module is None else [key for key in module if f"{key}_bins" in module]
        if not held:
            raise FileError(
                f"{path} holds no embedding: it has no processing module '{MODULE}' of one; write it with myow.write"
            )
        if name is None and len(held) > 1:
            raise DataError(f"{path} holds several embeddings, {', '.join(held)}; choose one with name=")
        if name is not None and name not in held:
            raise unknown_name(f"embedding of {path}", name, held)
        return _read_parts(path, module, name or held[0])


def _source(into: Path, path: Path) -> Path:
    """Return the file of a session, once it is known that it can be added to."""
    if not into.is_file():
        raise FileError(f"there is no file {into}; check the path")
    if path.exists() and path.samefile(into):
        raise FileError(f"{path} is the file of the session, which is left as it is; give the result another name")
    with open_hdf5(into, "NWB file", extra="nwb") as file:
        if "nwb_version" not in file.attrs:
            raise FileError(f"{into} is HDF5, but no NWB file: it has no nwb_version; give the NWB file of the session")
    return into


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Say of which file it is what pynwb raises, unless it is the disk's fault."""
    try:
        yield
    except (MyowError, OSError, RuntimeError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise FileError(
            f"pynwb cannot add an embedding to {path} ({type(error).__name__}: {reason}); check the file"
        ) from error
