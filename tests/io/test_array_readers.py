"""Formats that hold arrays: what each format's own library wrote comes back, as counted by hand."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
import xarray as xr
from command import myow as command
from hypothesis import given, settings
from hypothesis import strategies as st
from matlab_files import WRITERS, cells, stamp
from scipy.io import savemat
from scipy.sparse import csc_array
from spike_files import COUNTS as SPIKE_COUNTS
from spike_files import DIRECTION, SEGMENTS, TIMES, TRAINS, TRIALS
from test_datasets import session

import myow
from myow.errors import DataError, FileError, SettingError, UnknownNameError

COUNTS = np.array([[0, 2], [1, 0], [3, 1], [0, 0]])


def skipped(source, **options):
    return "; ".join(myow.inspect(source, **options).notes.skipped)


# Named arrays, whatever the format.


def arrays(**changes):
    kept = {
        "counts": COUNTS,
        "bin_size": 0.1,
        "segments": np.array([0, 0, 1, 1]),
        "direction": np.array([3, 3, 7, 7]),
        "velocity": np.arange(8.0).reshape(4, 2),
    }
    return {key: value for key, value in (kept | changes).items() if value is not None}


def write_npz(path, content):
    np.savez(path, **content)


def write_h5(path, content):
    with h5py.File(path, "w") as file:
        for key, value in content.items():
            file[key] = value


def write_nc(path, content):
    dims = {"counts": ("time", "unit"), "velocity": ("time", "xy"), "rates": ("time", "unit"), "quality": ("unit",)}
    of = {key: (dims.get(key, ("time",)), value) for key, value in content.items() if np.ndim(value)}
    xr.Dataset(of, attrs={k: v for k, v in content.items() if not np.ndim(v)}).to_netcdf(path, engine="h5netcdf")


FORMATS = {
    "npz": (".npz", write_npz),
    "v5": (".mat", WRITERS["v5"]),
    "v7.3": (".mat", WRITERS["v7.3"]),
    "hdf5": (".h5", write_h5),
    "xarray": (".nc", write_nc),
}


@pytest.fixture(params=FORMATS)
def save(request, tmp_path):
    suffix, write = FORMATS[request.param]

    def save(**changes):
        path = tmp_path / f"session{suffix}"
        write(path, arrays(**changes))
        return path

    return save


def test_counts_with_segments_and_labels(save):
    rec = myow.read(save())
    np.testing.assert_array_equal(rec.counts, COUNTS)
    assert rec.bin_size == 0.1
    assert rec.segments.tolist() == [0, 0, 1, 1]
    assert rec.labels["direction"].tolist() == [3, 3, 7, 7]
    np.testing.assert_array_equal(rec.labels["velocity"], np.arange(8).reshape(4, 2))
    assert set(rec.labels) == {"direction", "velocity"}
    assert (rec.name, rec.source["file"].partition(".")[0]) == ("session", "session")


def test_other_names_and_some_labels(save):
    path = save(counts=None, rates=COUNTS / 2, segments=None, where=np.array([5, 5, 5, 6]))
    rec = myow.read(path, counts="rates", kind="continuous", segments="where", labels="velocity", name="mine")
    assert rec.kind == "continuous"
    np.testing.assert_array_equal(rec.counts, COUNTS / 2)
    assert rec.segments.tolist() == [5, 5, 5, 6]
    assert (set(rec.labels), rec.name) == ({"velocity"}, "mine")
    assert "direction: a label that was not asked for" in skipped(
        path, counts="rates", kind="continuous", segments="where", labels="velocity"
    )
    assert myow.read(path, counts="rates", kind="continuous", labels="none", segments="whole").n_segments == 1


def test_units_are_selected_by_what_is_known_of_them(save):
    path = save(quality=np.array([1.0, 2.0]), counts=np.column_stack([COUNTS, COUNTS])[:, :2])
    rec = myow.read(path, units="quality=2")
    np.testing.assert_array_equal(rec.counts, COUNTS[:, 1:])
    assert rec.units == ("unit1",)
    assert "1 of 2 units" in skipped(path, units="quality=2")
    assert "units=quality=VALUE selects by it" in skipped(path)
    with pytest.raises(UnknownNameError, match="did you mean 'quality'"):
        myow.read(path, units="qualty=2")


def test_rows_in_windows_around_events(save):
    times = np.array([1.0, 1.1, 1.2, 1.3, 5.0, 5.1, 5.2, 5.3])
    path = save(
        counts=np.arange(16).reshape(8, 2),
        times=times,
        segments=None,
        direction=np.arange(8),
        velocity=None,
    )
    rec = myow.read(path, align=[5.1, 1.1, 9.0], window="0.1,0.2")
    assert rec.counts[:, 0].tolist() == [8, 10, 12, 0, 2, 4]
    np.testing.assert_allclose(rec.times, [5.0, 5.1, 5.2, 1.0, 1.1, 1.2])
    assert rec.segments.tolist() == [0, 0, 0, 1, 1, 1]
    assert rec.labels["direction"].tolist() == [4, 5, 6, 0, 1, 2]
    assert "1 of 3 segments: no bin starts in them" in rec.source["skipped"]
    spans = np.array([[1.15, 5.05], [1.0, 1.2]])  # overlapping: the bin of 1.15 to 1.2 starts before the first of them
    assert myow.read(path, segments=spans).counts[:, 1].tolist() == [5, 7, 9, 1, 3]


def test_what_is_missing_is_said(save):
    with pytest.raises(DataError, match=r"session\.\w+: there is no 'bin_size'"):
        myow.read(save(bin_size=None))
    with pytest.raises(DataError, match=r"bin_size 0\.1, but 0\.2"):
        myow.read(save(), bin_size=0.2)
    with pytest.raises(UnknownNameError, match="direction"):
        myow.read(save(), labels="directoin")
    with pytest.raises(UnknownNameError, match="did you mean 'segments'"):
        myow.read(save(), segments="segment")
    found = myow.inspect(save(counts=None))
    assert found.recording is None
    assert "'counts'" in found.problem


def test_the_command_line_says_the_same(save):
    path = save(counts=None, rates=COUNTS / 2)
    words = ["--data", "counts=rates", "--data", "kind=continuous", "--data", "labels=direction"]
    told = command("inspect", path, *words, "--json").json()
    assert told["recording"].startswith("session: 2 units, 4 bins")
    assert any(entry.startswith("rates") for entry in told["found"])
    assert "direction" in " ".join(told["used"])
    assert "velocity" in " ".join(told["skipped"])


@settings(max_examples=6, deadline=None)
@given(n_bins=st.integers(1, 9), n_units=st.integers(2, 5), seed=st.integers(0, 99))
@pytest.mark.parametrize("form", FORMATS)
def test_any_shape_comes_back(tmp_path_factory, form, n_bins, n_units, seed):
    rng = np.random.default_rng(seed)
    suffix, write = FORMATS[form]
    path = tmp_path_factory.mktemp("shapes") / f"a{suffix}"
    segments = np.sort(rng.integers(0, 3, n_bins))
    counts, hand = rng.poisson(3.0, (n_bins, n_units)), rng.normal(size=(n_bins, 2))
    write(path, {"counts": counts, "segments": segments, "velocity": hand})
    rec = myow.read(path, bin_size=0.02)
    np.testing.assert_array_equal(rec.counts, counts)
    np.testing.assert_array_equal(rec.segments, segments)
    if n_bins > 1:  # of a single bin and two units, two numbers may belong to either
        np.testing.assert_array_equal(rec.labels["velocity"], hand)


@pytest.mark.parametrize("form", ["npz", "v5", "v7.3", "hdf5"])
def test_units_by_bins(tmp_path, form):
    suffix, write = FORMATS[form]
    path = tmp_path / f"a{suffix}"
    write(path, {"counts": COUNTS.T, "times": np.arange(4) / 10, "bin_size": 0.1})
    told = myow.read(path)  # as the times say
    np.testing.assert_array_equal(told.counts, COUNTS)
    assert "stored as (2, 4), which is turned" in told.source["used"]
    with pytest.raises(DataError, match="times have shape"):
        myow.read(path, transpose="false")
    for yes in (True, "true", 1):
        np.testing.assert_array_equal(myow.read(path, transpose=yes).counts, COUNTS)
    with pytest.raises(DataError, match="true or false"):
        myow.read(path, transpose="perhaps")


# Spike times with starts and stops of trials, as counted in spike_files.


def spikes_mat(version):
    def write(path):
        content = {"spikes": cells(*map(np.array, TRAINS)), "trial_start": TRIALS[:, 0], "trial_stop": TRIALS[:, 1]}
        content |= {"direction": np.array(DIRECTION), "unit_quality": cells("good", "mua", "good")}
        WRITERS[version](path, content | {"cue_times": np.array([5.1, 0.3]), "note": "by hand"})

    return write


def spikes_h5(path):
    with h5py.File(path, "w") as file:
        for name, train in zip("abc", TRAINS, strict=True):
            file[f"spikes/{name}"] = np.array(train)
        file["trials/start"], file["trials/stop"] = TRIALS.T
        file["trials/direction"] = DIRECTION
        file["unit_quality"] = ["good", "mua", "good"]
        file["cue_times"] = [5.1, 0.3]
        file["note"] = "by hand"


def spikes_lists(path):
    with h5py.File(path, "w") as file:
        lists = file.create_dataset("spike_times", (3,), dtype=h5py.vlen_dtype(float))
        for unit, train in enumerate(TRAINS):
            lists[unit] = np.array(train)
        rows = [(*span, direction) for span, direction in zip(TRIALS, DIRECTION, strict=True)]
        file["trials"] = np.array(rows, dtype=[("start", float), ("stop", float), ("direction", int)])
        file["unit_quality"] = np.array([b"good", b"mua", b"good"])
        file["cue_times"] = [5.1, 0.3]
        file["note"] = "by hand"


def spikes_pairs(path):
    order = np.argsort(np.concatenate(TRAINS), kind="stable")
    with h5py.File(path, "w") as file:
        file["spike_times"] = np.concatenate(TRAINS)[order]
        file["spike_clusters"] = np.repeat([4, 7, 9], [len(train) for train in TRAINS])[order]
        file["trials"] = TRIALS
        file["direction"] = DIRECTION
        file["unit_quality"] = ["good", "mua", "good"]
        file["cue_times"] = [5.1, 0.3]
        file["note"] = "by hand"


SPIKES = {
    "v5.mat": spikes_mat("v5"),
    "v7.3.mat": spikes_mat("v7.3"),
    "group.h5": spikes_h5,
    "lists.h5": spikes_lists,
    "pairs.h5": spikes_pairs,
}


@pytest.mark.parametrize("name", SPIKES)
def test_spike_times_are_counted_inside_each_trial(tmp_path, name):
    SPIKES[name](tmp_path / name)
    rec = myow.read(tmp_path / name, bin_size=0.1)
    assert rec.counts.T.tolist() == SPIKE_COUNTS
    np.testing.assert_allclose(rec.times, TIMES)
    assert rec.segments.tolist() == SEGMENTS
    assert rec.labels["direction"].tolist() == [DIRECTION[trial] for trial in SEGMENTS]
    assert "shorter than a bin" in rec.source["skipped"]
    assert "note: what it belongs to is not known" in rec.source["skipped"]
    good = myow.read(tmp_path / name, bin_size=0.1, units="unit_quality=good")
    assert good.counts.T.tolist() == [SPIKE_COUNTS[0], SPIKE_COUNTS[2]]
    around = myow.read(tmp_path / name, bin_size=0.1, align="cue_times", window="0.1,0.1", segments="whole")
    np.testing.assert_allclose(around.times, [5.0, 5.1, 0.2, 0.3])


def test_a_signal_with_times_of_its_own_is_averaged(tmp_path):
    times = np.array([0.0, 0.05, 0.1, 0.31])
    content = {"spikes": cells(*map(np.array, TRAINS)), "hand": np.array([[1.0, 1], [3, 1], [5, 1], [7, 1]])}
    content |= {"hand_times": times, "trials": np.array([[0.0, 0.2], [0.3, 0.4]]), "odd": np.ones((3, 5))}
    savemat(tmp_path / "a.mat", content)
    rec = myow.read(tmp_path / "a.mat", bin_size=0.1)
    np.testing.assert_allclose(rec.labels["hand"], [[2, 1], [5, 1], [7, 1]])
    assert "odd: what it belongs to" in rec.source["skipped"]


# What is MATLAB's own.


@pytest.mark.parametrize("version", WRITERS)
def test_structs_cells_and_text(tmp_path, version):
    content = {
        "data": {"counts": COUNTS, "state": cells("wake", "wake", "nap", "nap"), "bin_size": 0.1, "name": "day 1"},
        "extra": {"counts": np.ones((3, 3))},
        "units": cells("a", "b"),
    }
    WRITERS[version](tmp_path / "a.mat", content)
    rec = myow.read(tmp_path / "a.mat", counts="data.counts")
    np.testing.assert_array_equal(rec.counts, COUNTS)
    assert rec.labels["state"].tolist() == ["wake", "wake", "nap", "nap"]
    assert (rec.name, rec.units, rec.bin_size) == ("day 1", ("a", "b"), 0.1)
    with pytest.raises(DataError, match=r"several arrays are called 'counts': data\.counts, extra\.counts"):
        myow.read(tmp_path / "a.mat", counts="counts", bin_size=0.1)


@pytest.mark.parametrize("version", WRITERS)
def test_a_cell_of_matrices_is_a_segment_each(tmp_path, version):
    content = {"counts": cells(COUNTS[:3], COUNTS[3:]), "hand": cells(np.eye(3, 2), np.zeros((1, 2)))}
    WRITERS[version](tmp_path / "a.mat", content)
    rec = myow.read(tmp_path / "a.mat", bin_size=0.1)
    np.testing.assert_array_equal(rec.counts, COUNTS)
    assert rec.segments.tolist() == [0, 0, 0, 1]
    np.testing.assert_array_equal(rec.labels["hand"], np.vstack([np.eye(3, 2), np.zeros((1, 2))]))


def test_sparse_counts_and_compressed_files(tmp_path):
    savemat(tmp_path / "a.mat", {"counts": csc_array(COUNTS), "bin_size": 0.1}, do_compression=True)
    np.testing.assert_array_equal(myow.read(tmp_path / "a.mat").counts, COUNTS)
    with h5py.File(tmp_path / "b.mat", "w", userblock_size=512) as file:
        group, matrix = file.create_group("counts"), csc_array(COUNTS)
        group.attrs["MATLAB_sparse"] = np.uint64(4)
        group["data"], group["ir"], group["jc"] = matrix.data, matrix.indices, matrix.indptr
    stamp(tmp_path / "b.mat")
    np.testing.assert_array_equal(myow.read(tmp_path / "b.mat", bin_size=0.1).counts, COUNTS)


@pytest.mark.parametrize("version", WRITERS)
def test_a_raw_reaching_session(tmp_path, version):
    WRITERS[version](tmp_path / "raw.mat", session())
    rec = myow.read(tmp_path / "raw.mat", bin_size=0.1)
    # Trial 0 from 1.0 to 1.4 s, trial 1 from 2.0 to 2.25 s, of which two whole bins.
    np.testing.assert_allclose(rec.times, [1.0, 1.1, 1.2, 1.3, 2.0, 2.1])
    assert rec.counts.T.tolist() == [[0, 1, 2, 1, 1, 0], [0, 1, 0, 0, 0, 0]]
    assert rec.labels["direction"].tolist() == [5, 5, 5, 5, 2, 2]
    np.testing.assert_allclose(rec.labels["velocity"], [[1, 0]] + [[6, 8]] * 5)
    assert (set(rec.labels), dict(rec.periods)) == ({"direction", "velocity", "position"}, {"direction": 8})
    assert "force: zeros throughout" in rec.source["skipped"]
    assert "raw reaching session" in rec.source["format"]
    assert myow.read(tmp_path / "raw.mat", bin_size=0.1, labels="direction").labels.keys() == {"direction"}


def test_what_is_a_matlab_file_its_bytes_say(tmp_path):
    WRITERS["v7.3"](tmp_path / "a.mat", arrays())
    assert myow.read(tmp_path / "a.mat").source["format"] == "MATLAB 7.3"
    WRITERS["v5"](tmp_path / "a.mat", arrays())
    assert myow.read(tmp_path / "a.mat").source["format"] == "MATLAB 5"
    savemat(tmp_path / "a.mat", {"counts": COUNTS}, format="4")
    rec = myow.read(tmp_path / "a.mat", bin_size=0.1)
    assert (rec.source["format"], rec.counts.tolist()) == ("MATLAB 4", COUNTS.tolist())


def test_lists_of_one_and_arrays_of_one_column_keep_their_axes(tmp_path):
    for version, write in WRITERS.items():
        path = tmp_path / f"{version}.mat"
        write(path, {"counts": COUNTS[:, :1], "bin_size": 0.1, "direction": np.array([3, 3, 7, 7])})
        assert myow.read(path).counts.tolist() == COUNTS[:, :1].tolist()
        write(path, {"spikes": cells(np.array(TRAINS[0])), "trial_start": TRIALS[:, 0], "trial_stop": TRIALS[:, 1]})
        assert myow.read(path, bin_size=0.1).counts.T.tolist() == SPIKE_COUNTS[:1]
        write(path, {"data": {"counts": COUNTS[:, :1], "bin_size": 0.1}})
        assert myow.read(path).counts.tolist() == COUNTS[:, :1].tolist()


def test_labels_in_a_struct_come_in_the_same_order_in_every_process(tmp_path):
    labels = {name: np.array([3, 3, 7, 7]) for name in "hgfedcba"}
    WRITERS["v7.3"](tmp_path / "a.mat", {"data": {"counts": COUNTS, "bin_size": 0.1} | labels})
    program = "import myow, sys; print(*myow.read(sys.argv[1]).labels)"
    for seed in "12":
        call = [sys.executable, "-c", program, tmp_path / "a.mat"]
        told = subprocess.run(
            call, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert told.stdout.split() == list("abcdefgh")


def test_version_5_needs_no_extra_and_version_7_3_asks_for_one(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymatreader", None)
    WRITERS["v5"](tmp_path / "a.mat", arrays())
    assert myow.read(tmp_path / "a.mat").n_units == 2
    WRITERS["v7.3"](tmp_path / "a.mat", arrays())
    with pytest.raises(SettingError, match=r"needs pymatreader.*pip install 'myow\[mat\]'"):
        myow.read(tmp_path / "a.mat")


# What is HDF5's own.


def test_paths_attributes_and_links(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["session/counts"] = COUNTS
        file["session/counts"].attrs["bin_size"] = 0.1
        file["session/direction"] = [3, 3, 7, 7]
        file["session/direction"].attrs["period"] = 8
        file["session/region"] = ["M1", "PMd"]
        file.attrs["name"] = "day 1"
        file["session/again"] = file["session"]  # a circle
        file["session/gone"] = h5py.SoftLink("/nowhere")
        file["empty"] = h5py.Empty("f8")
    rec = myow.read(tmp_path / "a.hdf5", counts="/session/counts", units="region=PMd")
    np.testing.assert_array_equal(rec.counts, COUNTS[:, 1:])
    assert (rec.bin_size, rec.name, dict(rec.periods)) == (0.1, "day 1", {"direction": 8})
    said = skipped(tmp_path / "a.hdf5")
    assert "session/gone: a link that leads nowhere" in said
    assert "empty: it is empty" in said


def test_rows_without_a_segment_or_label_are_left_out(tmp_path):
    write_h5(tmp_path / "a.h5", arrays(trial=[np.nan, 4, 4, 9], segments=None, speed=[1, 2, np.nan, 4]))
    rec = myow.read(tmp_path / "a.h5")
    assert (rec.segments.tolist(), "speed" in rec.labels) == ([4, 4, 9], False)
    np.testing.assert_allclose(rec.times, [0.1, 0.2, 0.3])
    assert "1 of 4 rows: no number in trial" in rec.source["skipped"]
    assert "labels=speed leaves those out" in rec.source["skipped"]
    rec = myow.read(tmp_path / "a.h5", labels="speed")
    assert (rec.segments.tolist(), rec.labels["speed"].tolist()) == ([4, 9], [2, 4])


# What is xarray's own.


def frame():
    coords = {
        "time": np.arange(4) / 10 + 5,
        "unit": ["a", "b"],
        "region": ("unit", ["M1", "PMd"]),
        "segment": ("time", [0, 0, 1, 1]),
        "direction": ("time", [3, 3, 7, 7], {"period": 8}),
    }
    return xr.DataArray(COUNTS, dims=("time", "unit"), coords=coords, attrs={"bin_size": 0.1}, name="rates")


@pytest.mark.parametrize("turn", [lambda a: a, lambda a: a.T, lambda a: a.to_dataset(), lambda a: a.T.to_dataset()])
def test_dimensions_in_any_order(turn):
    rec = myow.read(turn(frame()), bin_size=0.1 if isinstance(turn(frame()), xr.Dataset) else None)
    np.testing.assert_array_equal(rec.counts, COUNTS)
    np.testing.assert_allclose(rec.times, [5.0, 5.1, 5.2, 5.3])
    assert (rec.segments.tolist(), rec.units) == ([0, 0, 1, 1], ("a", "b"))
    assert (rec.labels["direction"].tolist(), dict(rec.periods)) == ([3, 3, 7, 7], {"direction": 8})
    assert myow.read(turn(frame()), bin_size=0.1, units="region=M1").units == ("a",)


def test_a_third_dimension_is_segments(tmp_path):
    trials = np.arange(24).reshape(3, 4, 2)
    coords = {"trial": [5, 3, 4], "time": ("time", np.arange(4) * 100, {"units": "ms"}), "target": ("trial", [1, 2, 0])}
    array = xr.DataArray(trials, dims=("trial", "time", "unit"), coords=coords)
    array.transpose("unit", "time", "trial").rename("x").to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    for source in (array, tmp_path / "a.nc"):
        rec = myow.read(source, bin_size=0.1)
        np.testing.assert_array_equal(rec.counts, trials.reshape(12, 2))
        assert rec.segments.tolist() == np.repeat([5, 3, 4], 4).tolist()
        np.testing.assert_allclose(rec.times, np.tile([0, 0.1, 0.2, 0.3], 3))
        assert rec.labels["target"].tolist() == np.repeat([1, 2, 0], 4).tolist()


def test_xarray_objects_that_make_no_recording():
    with pytest.raises(DataError, match=r"dimensions \(x\)"):
        myow.read(xr.DataArray([1, 2], dims="x"), bin_size=0.1)
    with pytest.raises(DataError, match="no variable 'counts', only a, b"):
        myow.read(xr.Dataset({"a": ("time", [1]), "b": ("time", [2])}), bin_size=0.1)
    with pytest.raises(DataError, match=r"the object: there is no 'bin_size'.* probably bin_size=0\.1"):
        myow.read(frame().assign_attrs(bin_size=None).drop_attrs())


def test_a_classic_file_is_refused_with_a_way_out(tmp_path):
    frame().to_dataset().drop_vars(["unit", "region"]).to_netcdf(tmp_path / "a.nc", engine="scipy")
    with pytest.raises(FileError, match="classic format; write it with engine='h5netcdf'"):
        myow.read(tmp_path / "a.nc", bin_size=0.1)
