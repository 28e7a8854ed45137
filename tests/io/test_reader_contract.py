"""What every reader keeps to: one recording, written in each format by its own library, comes back the same."""

import datetime
import importlib
import inspect
import re
import subprocess
import sys

import numpy as np
import pytest
from command import myow as command
from matlab_files import write_mat5

import myow
from myow import Recording
from myow.errors import DataError, FileError, UnknownNameError
from myow.io import FORMATS, suffixes

RNG = np.random.default_rng(0)
KNOWN = Recording(
    RNG.poisson(2.0, (12, 3)),
    bin_size=0.1,
    times=np.concatenate([start + np.arange(4) / 10 for start in (0.0, 2.0, 1.0)]),
    segments=np.repeat([0, 1, 2], 4),
    labels={"direction": np.repeat([3, 1, 2], 4)},
    units=["a", "b", "c"],
)
SPANS = np.array([[0.0, 0.4], [2.0, 2.4], [1.0, 1.4]])


def trains():
    """Spike times of each unit, in the middle of bins, that make the known counts."""
    return [np.sort(np.repeat(KNOWN.times + 0.05, KNOWN.counts[:, unit])) for unit in range(KNOWN.n_units)]


def write_npz(path):
    arrays = {"counts": KNOWN.counts, "times": KNOWN.times, "segments": KNOWN.segments, "bin_size": 0.1}
    np.savez(path, **arrays, units=list(KNOWN.units), direction=KNOWN.labels["direction"])
    return {}


def write_nwb(path):
    from pynwb import NWBHDF5IO, NWBFile

    nwb = NWBFile("known", "known", datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
    nwb.add_unit_column("unit_name", "name")
    for name, train in zip(KNOWN.units, trains(), strict=True):
        nwb.add_unit(spike_times=train, unit_name=name)
    nwb.add_trial_column("direction", "of the target")
    for (start, stop), direction in zip(SPANS, KNOWN.labels["direction"][::4], strict=True):
        nwb.add_trial(start_time=start, stop_time=stop, direction=direction)
    with NWBHDF5IO(path, "w") as file:
        file.write(nwb)
    return {"bin_size": 0.1}


def write_pynapple(path):
    import pynapple as nap

    order = np.argsort(SPANS[:, 0])
    support = nap.IntervalSet(*SPANS[order].T)
    group = nap.TsGroup(dict(enumerate(map(nap.Ts, trains()))), time_support=support)
    group.save(str(path))
    return {"bin_size": 0.1, "segments": SPANS}


def write_neo(path):
    import neo
    import quantities as pq
    from neo.io import NeoMatlabIO

    segment = neo.Segment()
    for name, train in zip(KNOWN.units, trains(), strict=True):
        segment.spiketrains.append(neo.SpikeTrain(train * 1000 * pq.ms, t_stop=3 * pq.s, name=name))
    directions = [str(d) for d in KNOWN.labels["direction"][::4]]
    lengths = np.diff(SPANS).ravel()
    segment.epochs.append(neo.Epoch(SPANS[:, 0] * pq.s, lengths * pq.s, labels=directions, name="trials"))
    block = neo.Block(name="known")
    block.segments.append(segment)
    NeoMatlabIO(str(path)).write_block(block)
    return {"bin_size": 0.1, "format": "neo"}


def named_arrays():
    """The known recording as arrays by name."""
    arrays = {"counts": KNOWN.counts, "times": KNOWN.times, "segments": KNOWN.segments, "bin_size": 0.1}
    return arrays | {"direction": KNOWN.labels["direction"]}


def write_mat(path):
    write_mat5(path, named_arrays())
    return {}


def write_hdf5(path):
    import h5py

    with h5py.File(path, "w") as file:
        for name, values in named_arrays().items():
            file[name] = values
    return {}


def frame():
    import pandas as pd

    columns = {f"unit_{unit}": KNOWN.counts[:, i] for i, unit in enumerate(KNOWN.units)}
    rest = {"time": KNOWN.times, "segment": KNOWN.segments, "direction": KNOWN.labels["direction"]}
    return pd.DataFrame(columns | rest)


def write_csv(path):
    frame().to_csv(path, index=False)
    return {"bin_size": 0.1}


def write_tsv(path):
    frame().to_csv(path, index=False, sep="\t")
    return {"bin_size": 0.1}


def write_parquet(path):
    frame().to_parquet(path)
    return {"bin_size": 0.1}


def write_netcdf(path):
    import xarray as xr

    of = {"counts": (("time", "unit"), KNOWN.counts), "direction": ("time", KNOWN.labels["direction"])}
    places = {"time": KNOWN.times, "unit": list(KNOWN.units), "segment": ("time", KNOWN.segments)}
    xr.Dataset(of, coords=places, attrs={"bin_size": 0.1}).to_netcdf(path, engine="h5netcdf")
    return {}


# A writer for each ending that a reader names; it returns the options that reading needs.
WRITERS = {
    ".npz": write_npz,
    ".nwb": write_nwb,
    ".mat": write_mat,
    ".h5": write_hdf5,
    ".hdf5": write_hdf5,
    ".csv": write_csv,
    ".tsv": write_tsv,
    ".parquet": write_parquet,
    ".nc": write_netcdf,
}
# Formats whose files have an ending of another reader.
SHARED = {
    "pynapple.npz": write_pynapple,
    "neo.mat": write_neo,
}
CASES = {f"known{suffix}": writer for suffix, writer in WRITERS.items()} | SHARED


def check(rec):
    np.testing.assert_array_equal(rec.counts, KNOWN.counts)
    np.testing.assert_allclose(rec.times, KNOWN.times, atol=1e-9)
    np.testing.assert_array_equal(rec.segments, KNOWN.segments)
    assert rec.bin_size == pytest.approx(KNOWN.bin_size)
    assert rec.kind == "counts"
    for values in rec.labels.values():
        np.testing.assert_array_equal(values.astype(int), KNOWN.labels["direction"])


def test_every_ending_has_a_writer_here():
    assert set(suffixes()) == set(WRITERS), "give each ending of a reader a writer in the table above"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("formats")
    return {name: (folder / name, writer(folder / name)) for name, writer in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_what_was_written_comes_back(files, name):
    path, options = files[name]
    rec = myow.read(path, **options)
    check(rec)
    assert rec.source["format"]
    assert rec.source["used"]
    assert rec.name == path.stem
    assert rec.source["file"] == path.name
    assert bool(rec.labels) == (name != "pynapple.npz")  # which saves no metadata of the time support


@pytest.mark.parametrize("name", CASES)
def test_what_was_found_and_used_is_said(files, name):
    path, options = files[name]
    found = myow.inspect(path, **options)
    assert found.notes.format
    assert found.notes.found
    assert found.notes.used
    check(found.recording)
    told = command("inspect", path, *_words(options), "--json").json()
    assert told["found"] == list(found.notes.found)


def _words(options):
    """Options as the command line takes them; arrays have no such form."""
    return [word for k, v in options.items() if isinstance(v, (str, float)) for word in ("--data", f"{k}={v}")]


@pytest.mark.parametrize("name", CASES)
def test_an_unknown_option_lists_those_there_are(files, name):
    path, options = files[name]
    with pytest.raises(UnknownNameError, match="Choices: "):
        myow.read(path, **options, nonsense=1)


@pytest.mark.parametrize("name", CASES)
def test_a_truncated_file_is_refused_in_one_line(files, tmp_path, name):
    path, options = files[name]
    whole = path.read_bytes()
    for size in (0, 1, 7, len(whole) // 3, len(whole) // 2, len(whole) * 9 // 10):
        (tmp_path / name).write_bytes(whole[:size])
        with pytest.raises((FileError, DataError)) as caught:
            myow.read(tmp_path / name, **options)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", CASES)
def test_a_missing_file_is_said_to_be_missing(tmp_path, files, name):
    with pytest.raises(FileError, match="there is no file"):
        myow.read(tmp_path / name, **files[name][1])


# One set of options for all readers.


def test_every_option_of_every_reader_is_described_where_files_are_read():
    text = inspect.cleandoc(myow.read.__doc__).partition("\n\nReturns")[0]
    described = {name for line in re.findall(r"^(\w[\w, ]*) : ", text, flags=re.M) for name in line.split(", ")}
    known = {option for name in FORMATS for option in importlib.import_module(f"myow.io.{name}").OPTIONS}
    assert known == described - {"source", "format"}


@pytest.mark.parametrize("name", [name for name in CASES if name not in SHARED])
def test_reading_a_file_imports_the_module_of_its_format_alone(files, name):
    path, options = files[name]
    own = next(module for module, endings in FORMATS.items() if path.suffix in endings)
    program = "import myow, sys; myow.read(sys.argv[1], **eval(sys.argv[2])); print(*sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", program, path, repr(options)], capture_output=True, text=True, check=True
    )
    loaded = set(told.stdout.split())
    assert {module for module in FORMATS if f"myow.io.{module}" in loaded} == {own}
    assert not {"myow.methods", "myow.training", "myow.figures", "myow.evaluation"} & loaded
