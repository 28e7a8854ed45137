"""Embeddings in files."""

from __future__ import annotations

import csv
import inspect
import json
import os
import re
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.embedding import Embedding
from ..errors import DataError, FileError, need, unknown_name
from .files import read_arrays, write_arrays, write_json, writing
from .untrusted import most_bytes, parsing

__all__ = [
    "beside",
    "check_options",
    "encoded",
    "json_object",
    "labels_to_tsds",
    "ordered_spans",
    "plain_name",
    "read_embedding",
    "restored",
    "to_pandas",
    "to_pynapple",
    "to_xarray",
    "write",
]

LABEL = "label_"


def beside(embedding: Embedding) -> dict[str, Any]:
    """Return all but the arrays, in what JSON can hold."""
    return {
        "bin_size": embedding.bin_size,
        "name": embedding.name,
        "dimensions": list(embedding.dimensions),
        "periods": dict(embedding.periods),
        "provenance": dict(embedding.provenance),
    }


def json_object(path: Path, text: Any, what: str) -> dict[str, Any]:
    """Read a JSON object from a text.

    Raises
    ------
    FileError
        If it is none.
    """
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise FileError(f"{path}: {what} is no JSON object; it was altered, or not written by myow")
    return found


def restored(
    path: Path, about: Mapping[str, Any], z: Any, times: Any, segments: Any, labels: Mapping[str, Any]
) -> Embedding:
    """Put an embedding together again.

    Raises
    ------
    DataError
        If the parts make none; the text names the file.
    """
    held = {
        key: about[key]
        for key in ("bin_size", "name", "dimensions", "periods", "provenance")
        if about.get(key) is not None
    }
    for key, kind in (("dimensions", list), ("periods", dict), ("provenance", dict)):
        if not isinstance(held.get(key, kind()), kind):
            raise DataError(f"{path}: {key} is a {type(held[key]).__name__}, not a {kind.__name__}; it was altered")
    if "bin_size" not in held:
        raise DataError(f"{path} does not say how wide a bin is, so it holds no embedding; write it with myow.write")
    try:
        return Embedding(z, times=times, segments=segments, labels=labels, **held)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def encoded(name: str) -> str:
    """Return a name without the characters that HDF5 and NWB keep for themselves.

    Examples
    --------
    >>> encoded("50 % of a/b"), plain_name(encoded("50 % of a/b"))
    ('50 %25 of a%2Fb', '50 % of a/b')
    """
    return re.sub(r"[/\\:%.\x00-\x1f]", lambda found: f"%{ord(found[0]):02X}", name)


def plain_name(name: str) -> str:
    """Return a name as it was before `encoded`."""
    return re.sub(r"%([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), name)


PERIOD = "period_"


def _write_npz(path: Path, embedding: Embedding) -> None:
    arrays: dict[str, Any] = {"z": embedding.z, "times": embedding.times, "segments": embedding.segments}
    arrays |= {"bin_size": embedding.bin_size, "dimensions": embedding.dimensions, "name": embedding.name}
    arrays |= {"provenance": json.dumps(dict(embedding.provenance))}
    arrays |= {LABEL + name: values for name, values in embedding.labels.items()}
    arrays |= {PERIOD + name: period for name, period in embedding.periods.items()}
    write_arrays(path, arrays)


def _read_npz(path: Path) -> Embedding:
    with parsing(path, ".npz archive"):
        arrays = read_arrays(path, limit=most_bytes(path))
        missing = [name for name in ("z", "times", "segments", "bin_size") if name not in arrays]
        if missing:
            raise FileError(f"{path} holds no embedding: it has no '{missing[0]}'; write it with myow.write")
        about: dict[str, Any] = {
            key: arrays[key].tolist() for key in ("bin_size", "dimensions", "name") if key in arrays
        }
        if "provenance" in arrays:
            about["provenance"] = json_object(path, arrays["provenance"].item(), "provenance")
        about["periods"] = {k.removeprefix(PERIOD): v.item() for k, v in arrays.items() if k.startswith(PERIOD)}
        labels = {k.removeprefix(LABEL): v for k, v in arrays.items() if k.startswith(LABEL)}
        return restored(path, about, arrays["z"], arrays["times"], arrays["segments"], labels)


SLACK = 0.01  # of a bin: rounding of stored times


def ordered_spans(embedding: Embedding) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return which segments come when: positions of the segments by their start, and their starts and ends in s, (n, 2).

    Where an end lies behind the next start by no more than rounding, it is that start.
    """
    order = np.argsort(embedding.spans[:, 0], kind="stable")
    spans = embedding.spans[order]
    late = spans[:-1, 1] - spans[1:, 0]
    spans[:-1, 1] -= np.where((late > 0) & (late <= SLACK * embedding.bin_size), late, 0.0)
    return order, spans


WRITTEN = (".csv", ".nc", ".npz", ".nwb", ".parquet")
"""Endings of the files that an embedding can be written to; those in `READ` can be read as one again."""
READ = (".npz", ".nwb")


def write(path: str | os.PathLike[str], embedding: Embedding, **options: Any) -> Path:
    """Write an embedding, whole or not at all; the ending says how.

    Parameters
    ----------
    path : path-like
        Ends in .npz or .nwb, which `read_embedding` reads again with all that belongs to it; or in .csv, .parquet
        (`to_pandas`) or .nc (`to_xarray`) for other programs. Beside ``z.csv``, ``z.csv.json`` says what a table cannot:
        bin width, periods, and where the embedding came from.
    embedding : Embedding
        As `myow.embed` makes it.
    **options
        Those of NWB files; see `myow.io.nwb_embedding.write`. Other formats have none.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileError
        If it cannot be written or has another ending.
    DataError
        If the format cannot hold it.
    UnknownNameError
        If the format has no such option.
    SettingError
        If the package that writes the format is not installed.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> embedding = Embedding([[0.5, 1.0], [0.25, 2.0]], bin_size=0.1, labels={"direction": [3, 5]})
    >>> path = write(pathlib.Path(tempfile.mkdtemp()) / "z.npz", embedding)
    >>> read_embedding(path).labels["direction"].tolist()
    [3, 5]
    """
    path = Path(path)
    check_options(path, options)
    if not isinstance(embedding, Embedding):
        raise DataError(f"a {type(embedding).__name__} is no Embedding; make one with myow.embed(model, recording)")
    match path.suffix.lower():
        case ".npz":
            _write_npz(path, embedding)
        case ".nwb":
            from .nwb_embedding import write as write_nwb

            write_nwb(path, embedding, **options)
        case ".csv":
            with writing(path) as part:
                to_pandas(embedding).to_csv(part, index=False, quoting=csv.QUOTE_NONNUMERIC)
            write_json(path.with_name(f"{path.name}.json"), beside(embedding))
        case ".parquet":
            need("pyarrow", "parquet", "writing .parquet files")
            with writing(path) as part:
                to_pandas(embedding).to_parquet(part, engine="pyarrow", index=False)
        case _:
            need("h5netcdf", "xarray", "writing .nc files")
            content = to_xarray(embedding).to_netcdf(engine="h5netcdf")  # in memory: on a full disk HDF5 crashes
            with writing(path) as part:
                part.write_bytes(content)
    return path


def read_embedding(path: str | os.PathLike[str], **options: Any) -> Embedding:
    """Read an embedding that `write` wrote.

    Parameters
    ----------
    path : path-like
        The file; its ending says how.
    **options
        Those of NWB files; see `myow.io.nwb_embedding.read`.

    Returns
    -------
    Embedding
        As it was written.

    Raises
    ------
    FileError
        If the file is missing, damaged, or holds no embedding.
    DataError
        If what it holds is no embedding.
    UnknownNameError
        If the format has no such option.
    SettingError
        If the package that reads the format is not installed.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in READ:
        raise FileError(f"{path} cannot be read as an embedding: its name must end in {' or '.join(READ)}")
    _refuse_unknown(ending, "read", options)
    if not path.is_file():
        raise FileError(f"there is no file {path}; check the path")
    if ending == ".npz":
        return _read_npz(path)
    from .nwb_embedding import read

    return read(path, **options)


def check_options(path: Path, options: dict[str, Any]) -> None:
    """Refuse an ending, or options of `write`, that cannot be; before there is anything to write.

    Raises
    ------
    FileError, UnknownNameError
        As `write`.
    """
    if path.suffix.lower() not in WRITTEN:
        raise FileError(f"{path} cannot be written: its name must end in {', '.join(WRITTEN)}")
    _refuse_unknown(path.suffix.lower(), "write", options)


def _refuse_unknown(ending: str, does: str, options: dict[str, Any]) -> None:
    """Refuse options that `myow.io.nwb_embedding` does not take; other formats have none."""
    known: list[str] = []
    if ending == ".nwb":
        from . import nwb_embedding

        parameters = inspect.signature(getattr(nwb_embedding, does)).parameters.values()
        known = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {ending} files", option, known)


def to_pandas(embedding: Embedding) -> pd.DataFrame:
    """Return an embedding as a table: a row a bin.

    Parameters
    ----------
    embedding : Embedding
        What to return.

    Returns
    -------
    pandas.DataFrame
        Columns ``time`` (start of the bin in s), ``segment``, one a dimension, and labels: ``label_NAME``, or
        ``label_NAME_0``, ``label_NAME_1``, ... of one with several columns. ``attrs`` holds bin width, name, periods and provenance.

    Raises
    ------
    DataError
        If two columns would have the same name.

    Examples
    --------
    >>> to_pandas(Embedding([[0.5, 1.0], [0.25, 2.0]], bin_size=0.1)).columns.tolist()
    ['time', 'segment', 'z0', 'z1']
    """
    pairs = [("time", embedding.times), ("segment", embedding.segments)]
    pairs += zip(embedding.dimensions, embedding.z.T, strict=True)
    for name, values in embedding.labels.items():
        if values.ndim == 1:
            pairs.append((LABEL + name, values))
        else:
            pairs += [(f"{LABEL}{name}_{i}", column) for i, column in enumerate(values.T)]
    twice = sorted(name for name, n in Counter(name for name, _ in pairs).items() if n > 1)
    if twice:
        raise DataError(f"there would be several columns called '{twice[0]}'; rename the label or the dimension")
    frame = pd.DataFrame(dict(pairs))
    frame.attrs = beside(embedding)
    return frame


def to_xarray(embedding: Embedding) -> Any:
    """Return an embedding as an xarray ``Dataset``.

    Parameters
    ----------
    embedding : Embedding
        What to return.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    SettingError
        If xarray is not installed.

    Examples
    --------
    >>> dataset = to_xarray(Embedding([[0.5, 1.0], [0.25, 2.0]], bin_size=0.1))
    >>> dict(dataset.z.sizes)
    {'time': 2, 'dimension': 2}
    """
    xarray = need("xarray", "xarray", "making xarray objects")
    coords = {
        "time": (("time",), embedding.times, {"long_name": "start of the bin", "units": "s"}),
        "segment": (("time",), embedding.segments),
        "dimension": (("dimension",), np.array(embedding.dimensions)),
    }
    variables: dict[str, Any] = {"z": (("time", "dimension"), embedding.z)}
    for name, values in embedding.labels.items():
        dims = ("time", f"column_{encoded(name)}")[: values.ndim]
        period = {"period": embedding.periods[name]} if name in embedding.periods else {}
        variables[LABEL + encoded(name)] = (dims, values, period)
    attributes = {"bin_size": embedding.bin_size, "name": embedding.name}
    attributes["provenance"] = json.dumps(dict(embedding.provenance))
    return xarray.Dataset(variables, coords=coords, attrs=attributes)


def to_pynapple(embedding: Embedding) -> Any:
    """Return an embedding as a pynapple ``TsdFrame`` with its time support.

    Parameters
    ----------
    embedding : Embedding
        What to return.

    Returns
    -------
    pynapple.TsdFrame
        Columns are the dimensions.

    Raises
    ------
    DataError
        If segments overlap in time.
    SettingError
        If pynapple is not installed.

    Examples
    --------
    >>> frame = to_pynapple(Embedding([[0.5], [0.25], [2.0]], bin_size=0.1, segments=[4, 4, 7]))
    >>> frame.t.round(3).tolist(), frame.time_support["segment"].tolist()
    ([0.05, 0.15, 0.25], [4, 7])
    """
    nap = need("pynapple", "pynapple", "making pynapple objects")
    return _framed(nap, embedding, nap.TsdFrame, embedding.z, columns=list(embedding.dimensions))


def labels_to_tsds(embedding: Embedding) -> dict[str, Any]:
    """Return the labels that are numbers as pynapple objects, with the times and the time support of `to_pynapple`.

    Parameters
    ----------
    embedding : Embedding
        Whose labels.

    Returns
    -------
    dict
        ``Tsd``, or ``TsdFrame`` of a label of several columns, by name.

    Raises
    ------
    DataError, SettingError
        As `to_pynapple`.
    """
    nap = need("pynapple", "pynapple", "making pynapple objects")
    kinds = {1: nap.Tsd, 2: nap.TsdFrame}
    numbers = {name: values for name, values in embedding.labels.items() if values.dtype.kind in "biuf"}
    return {name: _framed(nap, embedding, kinds[values.ndim], values) for name, values in numbers.items()}


def _framed(nap: Any, embedding: Embedding, kind: Any, values: NDArray[Any], **options: Any) -> Any:
    order, spans = ordered_spans(embedding)
    over = np.flatnonzero(spans[:-1, 1] > spans[1:, 0])
    first, lengths = embedding.runs
    numbers = embedding.segments[first][order]
    if over.size:
        one, other = numbers[over[0]], numbers[over[0] + 1]
        raise DataError(
            f"segments {one} and {other} overlap in time ({over.size} such in all), and pynapple has one clock; select segments "
            "that do not, or take to_xarray"
        )
    rows = np.concatenate([np.arange(first[i], first[i] + lengths[i]) for i in order])
    metadata = {"segment": numbers} | {
        LABEL + name: held[first][order]
        for name, held in embedding.labels.items()
        if held.ndim == 1 and np.array_equal(held, np.repeat(held[first], lengths))
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about epochs that touch, and names of metadata that are no attributes
        support = nap.IntervalSet(spans[:, 0], spans[:, 1], metadata=metadata)
        found = kind(t=embedding.times[rows] + embedding.bin_size / 2, d=values[rows], time_support=support, **options)
    if len(found) != len(embedding) or len(support) != len(spans):
        raise DataError(
            f"bins of {embedding.bin_size:g} s are too narrow for pynapple, which keeps times to a microsecond or less"
        )
    return found
