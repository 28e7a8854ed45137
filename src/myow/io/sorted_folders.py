"""Folders of spike sorters (Kilosort, phy) and of suite2p."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.binning import Bins
from ..data.recording import Recording
from ..errors import DataError, FileError
from .binned import bin_session
from .session import OF_SESSIONS, WHOLE, Columns, Notes, Options, Session, Signal, Units, constant, describe
from .untrusted import ArrayStandIn, DtypeStandIn, Function, admit_arrays, parsing, unpickle

__all__ = ["OPTIONS", "PHY", "holds", "read"]

PHY = ("spike_times.npy", "spike_clusters.npy")
TEMPLATES = "spike_templates.npy"  # clusters as Kilosort found them, where nobody curated
SUITE2P = ("F.npy", "Fneu.npy", "spks.npy")
QUALITY = ("group", "KSLabel")
OPTIONS = OF_SESSIONS
"""Options that this format has; `myow.read` describes them."""


def holds(folder: Path) -> bool:
    """Whether a folder holds what a spike sorter or suite2p wrote."""
    return _is_phy(folder) or bool(_planes(folder))


def _is_phy(folder: Path) -> bool:
    return (folder / PHY[0]).is_file() and any((folder / name).is_file() for name in (PHY[1], TEMPLATES))


def _planes(folder: Path) -> list[Path]:
    """Return the folders of planes: this one, or those in it."""
    places = [folder, *sorted(folder.glob("plane*")), *sorted(folder.glob("suite2p/plane*"))]
    return [one for one in places if (one / "iscell.npy").is_file() and any((one / name).is_file() for name in SUITE2P)]


def read(path: Path, notes: Notes, options: Options) -> Recording:
    """Read a folder of Kilosort or phy (good units unless ``units`` says otherwise), or of suite2p (cells).

    Of suite2p, deconvolved events are read unless ``signal`` says otherwise, a bin a frame where `bin_size` is not given.
    """
    with parsing(path, "folder of a spike sorter or suite2p"):
        if _is_phy(path):
            return _read_phy(path, notes, options)
        planes = _planes(path)
        if not planes:
            raise FileError(
                f"{path} holds neither {' and '.join(PHY)} (Kilosort, phy) nor F.npy and iscell.npy (suite2p)"
            )
        if len(planes) > 1:
            names = ", ".join(str(one.relative_to(path)) for one in planes)
            raise DataError(f"{path} holds several planes, {names}; give the folder of one")
        return _read_suite2p(planes[0], path, notes, options)


def _load(path: Path) -> NDArray[Any]:
    """Open an array of numbers; it is read where it is used."""
    with parsing(path, ".npy file"):
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype.kind not in "iuf":
        raise DataError(f"{path} holds {array.dtype}; it must hold numbers")
    return array


# Kilosort, phy.


def _read_phy(path: Path, notes: Notes, options: Options) -> Recording:
    notes.format = "folder of Kilosort or phy"
    clusters_in = next(name for name in (PHY[1], TEMPLATES) if (path / name).is_file())
    times, clusters = (np.asarray(_load(path / name)).ravel() for name in (PHY[0], clusters_in))
    if len(times) != len(clusters) or not len(times):
        raise DataError(f"{PHY[0]} has {len(times)} spikes, but {clusters_in} {len(clusters)}; they must have one each")
    if clusters.dtype.kind == "f":
        raise DataError(f"{clusters_in} holds {clusters.dtype}; it must hold whole numbers, the cluster of each spike")
    seconds = _seconds(path, times, notes)
    order = np.argsort(clusters, kind="stable")
    ids, first = np.unique(clusters[order], return_index=True)
    parts = np.split(order, first[1:])
    columns, choice = _clusters(path, ids, options.units, notes)
    notes.used.append(f"{PHY[0]} and {clusters_in}")
    names = tuple(str(one) for one in ids.tolist())
    session = Session(
        name=path.resolve().name,
        source={"file": path.name},
        units=Units(names, lambda i: seconds[parts[i]], columns),
    )
    describe(session, notes)
    return bin_session(session, notes, **replace(options, units=choice).binning())


def _seconds(path: Path, times: NDArray[Any], notes: Notes) -> NDArray[np.float64]:
    """Return spike times in s, of samples by the sampling rate in params.py."""
    if times.dtype.kind == "f" and not np.array_equal(times, np.rint(times)):
        notes.used.append(f"{PHY[0]} as seconds: they are not whole numbers, as samples are")
        return times.astype(np.float64)
    rate = _sampling_rate(path / "params.py")
    notes.used.append(f"{PHY[0]} as samples, {rate:g} a second by params.py")
    return times.astype(np.float64) / rate


def _sampling_rate(path: Path) -> float:
    """Read ``sample_rate = 30000.`` without running the file."""
    if not path.is_file():
        raise DataError(
            f"{PHY[0]} holds samples, and there is no params.py beside it that says how many make a second; write the line "
            "sample_rate = 30000. (or what it was) into params.py"
        )
    try:
        tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
    except (SyntaxError, ValueError):
        raise DataError(f"{path} is no Python file; it must have a line such as sample_rate = 30000.") from None
    for line in tree.body:
        if isinstance(line, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "sample_rate" for t in line.targets
        ):
            value = line.value.value if isinstance(line.value, ast.Constant) else None
            if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < np.inf:
                return float(value)
    raise DataError(f"{path} does not say the sampling rate in a line such as sample_rate = 30000.; add one")


def _clusters(path: Path, ids: NDArray[Any], asked: Any, notes: Notes) -> tuple[Columns, Any]:
    """Return what tables say of the clusters, and the units that are meant: good ones, where it is known and none are named."""
    found: dict[str, NDArray[Any]] = {}
    files = [*path.glob("cluster_*.tsv"), *path.glob("cluster_*.csv")]
    for file in sorted(
        files, key=lambda one: (one.stem != "cluster_info", one.name)
    ):  # the special ones come last and count
        table = pd.read_csv(file, sep=None, engine="python", encoding="utf-8-sig")
        key = next((name for name in ("cluster_id", "id") if name in table.columns), None)
        if key is None or table[key].duplicated().any():
            notes.skipped.append(f"{file.name}: it has no column cluster_id with a row a cluster")
            continue
        table = table.set_index(key)
        for name in table.columns:
            found[str(name)] = table[name].reindex(ids).to_numpy()
    for name in QUALITY:
        if name in found:
            found[name] = np.array(
                ["unsorted" if pd.isna(one) else str(one).strip() for one in found[name]], dtype=object
            )
    columns = {name: constant(values) for name, values in found.items()}
    if asked is not None:
        return columns, asked
    known = next((name for name in QUALITY if name in found and set(found[name]) != {"unsorted"}), None)
    if known is None:
        notes.used.append(f"all {len(ids)} clusters: no cluster_group.tsv or cluster_KSLabel.tsv says which are good")
        return columns, None
    if "good" not in found[known]:
        said = ", ".join(f"{(found[known] == one).sum()} {one}" for one in sorted(set(found[known])))
        raise DataError(f"no cluster is good by {known} ({said}); say which are meant, such as units={known}=mua")
    notes.used.append(f"clusters with {known}=good; units={known}=good|mua takes others too")
    return columns, f"{known}=good"


# suite2p.


def _read_suite2p(plane: Path, path: Path, notes: Notes, options: Options) -> Recording:
    notes.format = "folder of suite2p"
    arrays = {Path(name).stem: _load(plane / name) for name in SUITE2P if (plane / name).is_file()}
    flags = np.asarray(_load(plane / "iscell.npy"))
    flags = flags.reshape(len(flags), -1)
    shapes = {name: array.shape for name, array in arrays.items()}
    first = next(iter(shapes.values()))
    if len(set(shapes.values())) > 1 or len(first) != 2 or len(flags) != first[0]:
        said = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise DataError(f"{plane}: {said} and iscell of {len(flags)} rows do not fit; each must have a row a cell")
    known = _frame_rate(plane / "ops.npy")
    width = options.bin_size if options.bin_size is not None or known is None else 1 / known
    if width is None:
        raise DataError(
            "ops.npy does not say the frame rate; give bin_size in seconds, the time from one frame to the next"
        )
    rate = known or 1 / float(width)
    if known is None:
        notes.used.append(f"frames of {width:g} s each, the bin_size given: ops.npy does not say their rate")
    columns = {"iscell": constant(flags[:, 0].astype(np.int64))}
    if flags.shape[1] > 1:
        columns["probability"] = constant(flags[:, 1])
    names = tuple(str(i) for i in range(first[0]))
    chosen = options.signal or ("spks" if "spks" in arrays else "F")
    signals = {name: _signal(array, names, rate, name == chosen, columns) for name, array in arrays.items()}
    session = Session(name=path.resolve().name, source={"file": path.name}, signals=signals)
    describe(session, notes)
    units = options.units
    if units is None:
        if not flags[:, 0].any():
            raise DataError("iscell.npy marks no ROI as a cell; say which are meant, such as units=iscell=0|1")
        units = "iscell=1"
        notes.used.append("ROIs with iscell=1; units=iscell=0|1 takes all")
    if options.signal is None:
        others = ", ".join(name for name in signals if name != chosen)
        notes.used.append(f"{chosen}.npy" + (f"; signal=NAME takes another: {others}" if others else ""))
    laid = None
    whole = options.segments is None or (isinstance(options.segments, str) and options.segments == WHOLE)
    if whole and options.align is None and abs(float(width) * rate - 1) < 1e-6:
        edges = np.arange(first[1] + 1) / rate
        laid = Bins(edges[:-1], edges[1:], np.zeros(first[1], dtype=np.int64), np.arange(first[1]))
        notes.used.append(f"bins of {width:g} s, one a frame")
    options = replace(options, bin_size=width, units=units, signal=chosen)
    return bin_session(session, notes, laid=laid, **options.binning())


def _signal(array: NDArray[Any], names: tuple[str, ...], rate: float, chosen: bool, columns: Columns) -> Signal:
    rows: Callable[[int, int], NDArray[Any]] = partial(_frames, array)
    role: Any = "activity" if chosen else "other"
    # A sample stands in the middle of its frame, so that rounding moves none into the next bin.
    return Signal(array.shape[1], names, rows, start=0.5 / rate, rate=rate, role=role, columns=columns)


def _frames(array: NDArray[Any], low: int, high: int) -> NDArray[Any]:
    return np.asarray(array[:, low:high]).T


class _Dtype(DtypeStandIn):
    known = DtypeStandIn.known + r"|[US]\d{1,6}|O8?"


class _Array(ArrayStandIn):
    def __setstate__(self, state: Any) -> None:
        if not isinstance(state[4], list):
            super().__setstate__(state)
        else:
            self.values = np.empty(len(state[4]), dtype=object)
            self.values[:] = state[4]


def _scalar(kind: Any, raw: Any = b"") -> Any:
    if not (isinstance(kind, _Dtype) and isinstance(raw, bytes)):
        raise pickle.UnpicklingError("a number has no type or no bytes")
    return np.frombuffer(raw, dtype=np.dtype(kind.order + kind.code))[0]


# Of suite2p's settings, only numbers are looked at: dates and paths become nothing.
_ADMITTED: Any = {
    **admit_arrays(_Dtype, _Array),
    ("numpy.core.multiarray", "scalar"): Function(_scalar),
    ("numpy._core.multiarray", "scalar"): Function(_scalar),
    **{
        (module, name): Function(lambda *_: None)
        for module, name in (
            ("datetime", "datetime"),
            *((module, f"{kind}Path") for module in ("pathlib", "pathlib._local") for kind in ("Posix", "Windows")),
        )
    },
}


def _frame_rate(path: Path) -> float | None:
    """Return the frame rate that suite2p's settings name, read without running what is in them; None where they cannot be."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            (np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0)(file)
            held = unpickle(file.read(), str(path), _ADMITTED)
        held = held.values if isinstance(held, _Array) else held
        held = np.asarray(held, dtype=object).item()
        rate = float(held["fs"])
    except (FileError, pickle.UnpicklingError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        return None
    return rate if 0 < rate < np.inf else None
