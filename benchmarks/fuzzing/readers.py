"""Files of recordings to be fuzzed: one or more of each format, written by the format's own library."""

from __future__ import annotations

import datetime
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import myow
from myow.io import suffixes

__all__ = ["FOREIGN", "READERS", "read_with"]

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(2.0, (24, 4))
SEGMENTS = np.repeat(np.arange(4), 6)
DIRECTION = SEGMENTS % 2
TIMES = SEGMENTS * 2.0 + np.tile(np.arange(6) / 10, 4)
TRAINS = [np.sort(RNG.uniform(0, 8, size=60)) for _ in range(4)]
STARTS = np.arange(4) * 2.0
BINNED = {
    "counts": COUNTS,
    "bin_size": 0.1,
    "segments": SEGMENTS,
    "times": TIMES,
    "direction": DIRECTION,
    "period_direction": 2.0,
}
SPIKES: dict[str, Any] = {"bin_size": 0.1}

Seed = tuple[str, Callable[[Path], None], Mapping[str, Any]]
"""Name of the file, what writes it, and options to read it with."""

FOREIGN = ("hdf5", "mat", "mat73", "nwb", "nc", "neo")
"""Formats that compiled libraries parse, which may crash on damaged bytes."""


def _npz(path: Path) -> None:
    np.savez(path, **BINNED)


def _packed_npz(path: Path) -> None:
    np.savez_compressed(path, **BINNED, units=list("abcd"), quality=np.array([1, 1, 0, 1]), source='{"lab": "x"}')


def _csv(path: Path) -> None:
    rows = zip(TIMES, SEGMENTS, DIRECTION, *COUNTS.T, strict=True)
    path.write_text(
        "\n".join(["time,segment,direction,unit0,unit1,unit2,unit3", *(",".join(map(str, r)) for r in rows)]) + "\n"
    )


def _long_csv(path: Path) -> None:
    spikes = sorted((t, u) for u, train in enumerate(TRAINS) for t in train)
    path.write_text("\n".join(["time,unit,trial", *(f"{t:.4f},{u},{int(t // 2)}" for t, u in spikes)]) + "\n")


def _tsv(path: Path) -> None:
    _csv(path)
    path.write_text(path.read_text().replace(",", "\t"))


def _parquet(path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {"time": TIMES, "segment": SEGMENTS, "direction": DIRECTION, "place": [f"p{d}" for d in DIRECTION]}
    parquet.write_table(pa.table(columns | {f"unit{i}": COUNTS[:, i] for i in range(4)}), path)


def _hdf5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for name, values in BINNED.items():
            if np.ndim(values):
                file.create_dataset(f"session/{name}", data=values, compression="gzip" if name == "counts" else None)
        file["session"].attrs["bin_size"] = 0.1
        file["session/counts"].attrs["units"] = list("abcd")


def _spike_hdf5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for unit, train in enumerate(TRAINS):
            file[f"spikes/unit{unit}"] = train
        file["trials/start"], file["trials/stop"], file["trials/direction"] = STARTS, STARTS + 1, np.arange(4) % 2


def _mat5(path: Path) -> None:
    from scipy.io import savemat

    savemat(path, {"data": {"counts": COUNTS, "segments": SEGMENTS, "direction": DIRECTION}, "bin_size": 0.1})


def _spike_mat5(path: Path) -> None:
    from scipy.io import savemat

    cells = np.empty(4, dtype=object)
    cells[:] = TRAINS
    savemat(path, {"spikes": cells, "trials": {"start": STARTS, "stop": STARTS + 1}}, do_compression=True)


def _mat73(path: Path) -> None:
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in (("counts", COUNTS), ("segments", SEGMENTS[:, None]), ("bin_size", np.array([[0.1]]))):
            file[name] = values.T.astype(np.float64)
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
        refs = file.create_group("#refs#")
        cells = file.create_dataset("spikes", (4, 1), dtype=h5py.ref_dtype)
        for n, train in enumerate(TRAINS):
            refs[f"c{n}"] = train[None]
            refs[f"c{n}"].attrs["MATLAB_class"] = np.bytes_("double")
            cells[n, 0] = refs[f"c{n}"].ref
        cells.attrs["MATLAB_class"] = np.bytes_("cell")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")


def _nwb(path: Path) -> None:
    from pynwb import NWBHDF5IO, NWBFile, TimeSeries

    nwb = NWBFile("a session", "known", datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
    nwb.add_unit_column("quality", "of the unit")
    for train in TRAINS:
        nwb.add_unit(spike_times=train, quality="good")
    nwb.add_trial_column("direction", "of the target")
    for n, start in enumerate(STARTS):
        nwb.add_trial(start_time=start, stop_time=start + 1, direction=n % 2)
    behaviour = nwb.create_processing_module("behavior", "movement")
    behaviour.add(TimeSeries(name="speed", data=RNG.normal(size=800), unit="m/s", rate=100.0))
    with NWBHDF5IO(path, "w") as file:
        file.write(nwb)


def _nc(path: Path) -> None:
    import xarray

    coords = {"time": TIMES, "unit": list("abcd"), "segment": ("time", SEGMENTS), "direction": ("time", DIRECTION)}
    data = xarray.DataArray(COUNTS, dims=("time", "unit"), coords=coords, name="counts", attrs={"bin_size": 0.1})
    data.to_netcdf(path, engine="h5netcdf")


def _pynapple(path: Path) -> None:
    import pynapple as nap

    support = nap.IntervalSet(STARTS, STARTS + 1)
    group = nap.TsGroup(dict(enumerate(map(nap.Ts, TRAINS))), time_support=support, metadata={"region": list("abab")})
    group.save(str(path))


def _neo(path: Path) -> None:
    import neo
    import quantities as pq
    from neo.io import NeoMatlabIO

    segment = neo.Segment()
    for train in TRAINS:
        segment.spiketrains.append(neo.SpikeTrain(train * pq.s, t_stop=9 * pq.s))
    segment.epochs.append(neo.Epoch(STARTS * pq.s, np.ones(4) * pq.s, labels=list("abab"), name="trials"))
    block = neo.Block(name="known")
    block.segments.append(segment)
    NeoMatlabIO(str(path)).write_block(block)


READERS: dict[str, tuple[str, str, list[Seed]]] = {
    "npz": (".npz", "zip", [("a", _npz, {}), ("b", _packed_npz, {}), ("pynapple", _pynapple, SPIKES)]),
    "csv": (".csv", "text", [("a", _csv, SPIKES), ("long", _long_csv, SPIKES)]),
    "tsv": (".tsv", "text", [("a", _tsv, SPIKES)]),
    "parquet": (".parquet", "bytes", [("a", _parquet, SPIKES)]),
    "hdf5": (".h5", "hdf5", [("a", _hdf5, {}), ("spikes", _spike_hdf5, SPIKES)]),
    "mat": (".mat", "bytes", [("a", _mat5, {}), ("spikes", _spike_mat5, SPIKES)]),
    "mat73": (".mat", "hdf5", [("a", _mat73, {})]),
    "nwb": (".nwb", "hdf5", [("a", _nwb, SPIKES)]),
    "nc": (".nc", "hdf5", [("a", _nc, {})]),
    "neo": (".mat", "bytes", [("a", _neo, SPIKES | {"format": "neo"})]),
}
"""By name: ending, container and seeds."""

NEEDS = {"parquet": "pyarrow", "hdf5": "h5py", "mat73": "pymatreader", "nwb": "pynwb", "nc": "h5netcdf", "neo": "neo"}
known = {suffix for name, (suffix, _, _) in READERS.items()} | {".hdf5"}
assert set(suffixes()) <= known, "write a seed for each ending that can be read"
READERS = {k: v for k, v in READERS.items() if k not in NEEDS or importlib.util.find_spec(NEEDS[k])}


def read_with(options: Mapping[str, Any]) -> Callable[[Path], None]:
    """Return what inspects a file, which reads it too, and says what was found."""

    def load(path: Path) -> None:
        found = myow.inspect(path, **options)
        str(found), found.describe()

    return load
