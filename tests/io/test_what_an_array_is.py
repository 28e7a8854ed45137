"""Which axis of an array is time, which lists are spike times, and where units are: turned where it is certain, else refused."""

import datetime

import h5py
import numpy as np
import pytest
import xarray as xr
from matlab_files import WRITERS, cells
from pynwb import NWBHDF5IO, NWBFile
from pynwb.misc import Units
from pynwb.ophys import DfOverF, ImageSegmentation, OpticalChannel, RoiResponseSeries
from scipy.io import savemat

import myow
from myow.errors import DataError, FileError

# NWB.


def nwb_file():
    return NWBFile("s", "s", datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))


def save(nwb, path):
    with NWBHDF5IO(path, "w") as io:
        io.write(nwb)
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("clock", [{"rate": 30.0}, {"timestamps": np.arange(300) / 30}])
@pytest.mark.parametrize("turn", [False, True])
def test_cells_by_frames_are_turned_where_the_table_of_cells_or_the_times_say_so(tmp_path, clock, turn):
    nwb, values = nwb_file(), np.random.default_rng(0).normal(size=(300, 5))
    channel = OpticalChannel(name="o", description="d", emission_lambda=500.0)
    plane = nwb.create_imaging_plane(
        name="p",
        optical_channel=channel,
        description="d",
        device=nwb.create_device("d"),
        excitation_lambda=600.0,
        indicator="G",
        location="V1",
        imaging_rate=30.0,
    )
    module, segmentation = nwb.create_processing_module("ophys", "o"), ImageSegmentation()
    rois = segmentation.create_plane_segmentation(name="ps", description="d", imaging_plane=plane)
    for i in range(5):
        rois.add_roi(pixel_mask=[(i, i, 1.0)])
    module.add(segmentation)
    region = rois.create_roi_table_region(region=list(range(5)), description="all")
    module.add(DfOverF(roi_response_series=RoiResponseSeries(name="dff", data=values, unit="a", rois=region, **clock)))
    path = save(nwb, tmp_path / "s.nwb")
    if turn:  # as older programs wrote it; pynwb refuses to write it now
        with h5py.File(path, "a") as file:
            series = file["processing/ophys/DfOverF/dff"]
            attributes = dict(series["data"].attrs)
            del series["data"]
            series["data"] = values.T
            series["data"].attrs.update(attributes)
    rec = myow.read(path, bin_size=1 / 30)
    np.testing.assert_allclose(rec.counts, values, rtol=1e-6)
    assert ("turned to 300 samples of 5 columns" in rec.source["used"]) == turn


def sorted_units(name, *trains):
    units = Units(name=name, description="sorted")
    for train in trains:
        units.add_unit(spike_times=train)
    return units


def test_units_in_a_processing_module_are_found(tmp_path):
    nwb = nwb_file()
    module = nwb.create_processing_module("ecephys", "e")
    module.add(sorted_units("probe_a", [0.05, 0.15, 0.25]))
    rec = myow.read(save(nwb, tmp_path / "a.nwb"), bin_size=0.1)
    assert rec.counts.ravel().tolist() == [1, 1, 1]
    assert "units of ecephys/probe_a" in rec.source["used"]

    nwb = nwb_file()
    module = nwb.create_processing_module("ecephys", "e")
    module.add(sorted_units("probe_a", [0.05, 0.15, 0.25]))
    module.add(sorted_units("probe_b", [0.05], [0.15, 0.16, 0.25]))
    path = save(nwb, tmp_path / "b.nwb")
    with pytest.raises(DataError, match=r"units in ecephys/probe_a, ecephys/probe_b; say whose with units='table="):
        myow.read(path, bin_size=0.1)
    rec = myow.read(path, bin_size=0.1, units="table=ecephys/probe_b")
    assert rec.counts.T.tolist() == [[1, 0, 0], [0, 2, 1]]
    assert myow.read(path, bin_size=0.1, units="table=ecephys/probe_a|ecephys/probe_b").n_units == 3


def test_nwb_files_of_which_nothing_can_be_read(tmp_path):
    with pytest.raises(DataError, match="neither units with spike times nor signals"):
        myow.read(save(nwb_file(), tmp_path / "a.nwb"))
    with h5py.File(tmp_path / "old.nwb", "w") as file:
        file["nwb_version"] = b"NWB-1.0.6"
    with pytest.raises(FileError, match=r"is NWB-1\.0\.6; only NWB 2 is read: convert it"):
        myow.read(tmp_path / "old.nwb", bin_size=0.1)


# Lists of trials, units x time and time x units.


def of(**columns):
    """A list of structs, one a trial."""
    n = len(next(iter(columns.values())))
    array = np.zeros((1, n), dtype=[(key, "O") for key in columns])
    for key, values in columns.items():
        for i in range(n):
            array[0, i][key] = values[i]
    return array


def trials(lengths, n_units=3, turned=True):
    rng = np.random.default_rng(0)
    made = [rng.poisson(1, (n, n_units)).astype(np.float64) for n in lengths]
    return made, [one.T if turned else one for one in made]


@pytest.mark.parametrize("version", WRITERS)
def test_trials_of_units_by_time_are_turned_where_their_lengths_say_so(tmp_path, version):
    made, stored = trials([10, 12, 11])
    hand = [np.stack([np.arange(n), -np.arange(n)]).astype(float) for n in (10, 12, 11)]
    speed = [np.arange(n) / 2 for n in (10, 12, 11)]
    content = {"trial": of(spikes=stored, trialId=[4, 5, 6], hand=hand, speed=speed)}
    WRITERS[version](tmp_path / "a.mat", content)
    for options in ({}, {"transpose": True}):
        rec = myow.read(tmp_path / "a.mat", counts="trial.spikes", bin_size=0.02, **options)
        np.testing.assert_array_equal(rec.counts, np.concatenate(made))
        assert rec.segment_lengths.tolist() == [10, 12, 11]
        assert rec.labels["trialId"].tolist() == np.repeat([4, 5, 6], [10, 12, 11]).tolist()
        np.testing.assert_array_equal(rec.labels["hand"], np.concatenate(hand, axis=1).T)
        np.testing.assert_array_equal(rec.labels["speed"], np.concatenate(speed))
        assert "turned to (bins, units)" in rec.source["used"]


@pytest.mark.parametrize("version", WRITERS)
def test_trials_of_one_length_are_turned_by_what_is_beside_them_or_refused(tmp_path, version):
    made, stored = trials([7, 7])
    WRITERS[version](tmp_path / "a.mat", {"counts": cells(*stored)})
    with pytest.raises(DataError, match=r"each piece of counts has shape \(3, 7\); .*transpose=true"):
        myow.read(tmp_path / "a.mat", bin_size=0.1)
    whole = np.concatenate(made)
    rec = myow.read(tmp_path / "a.mat", bin_size=0.1, transpose=True)
    np.testing.assert_array_equal(rec.counts, whole)
    as_stored = myow.read(tmp_path / "a.mat", bin_size=0.1, transpose=False)
    np.testing.assert_array_equal(as_stored.counts, np.concatenate(stored))
    WRITERS[version](tmp_path / "a.mat", {"counts": cells(*stored), "hand": cells(np.ones((2, 7)), np.zeros((2, 7)))})
    rec = myow.read(tmp_path / "a.mat", bin_size=0.1)
    np.testing.assert_array_equal(rec.counts, whole)
    assert rec.labels["hand"].shape == (14, 2)
    assert "turned" in rec.source["used"]
    WRITERS[version](tmp_path / "a.mat", {"counts": cells(*stored), "units": cells("a", "b", "c")})
    rec = myow.read(tmp_path / "a.mat", bin_size=0.1)
    np.testing.assert_array_equal(rec.counts, whole)
    assert rec.units == ("a", "b", "c")
    made, stored = trials([7, 7], turned=False)
    WRITERS[version](tmp_path / "a.mat", {"counts": cells(*stored)})
    np.testing.assert_array_equal(myow.read(tmp_path / "a.mat", bin_size=0.1).counts, whole)


def grid(n_units, n_trials, make):
    array = np.empty((n_units, n_trials), dtype=object)
    for unit in range(n_units):
        for trial in range(n_trials):
            array[unit, trial] = np.asarray(make(unit, trial), dtype=np.float64)
    return array


def test_units_by_trials_of_counts(tmp_path):
    made, _ = trials([4, 5], n_units=3)
    cell = grid(3, 2, lambda unit, trial: made[trial][:, unit])
    for stored in (cell, cell.T):  # lengths say which axis is trials
        savemat(tmp_path / "a.mat", {"binned": stored})
        rec = myow.read(tmp_path / "a.mat", counts="binned", bin_size=0.1)
        np.testing.assert_array_equal(rec.counts, np.concatenate(made))
        assert rec.segment_lengths.tolist() == [4, 5]
    assert "counts of 3 units x 2 trials" in rec.source["used"]
    with pytest.raises(DataError, match="'binned' is there, but it is a list of units and trials"):
        myow.read(tmp_path / "a.mat", bin_size=0.1)


SPIKES = [[[0.05, 0.15], [0.35]], [[], [0.05, 0.06, 0.12]], [[], []]]  # units, trials


@pytest.mark.parametrize("shift", [0.0, 10.0])
def test_units_by_trials_of_spike_times_with_trials(tmp_path, shift):
    cell = grid(3, 2, lambda unit, trial: np.array(SPIKES[unit][trial]) + shift * (trial + 1))
    starts = np.array([10.0, 20.0])
    content = {"spikes": cell, "trial_start": starts, "trial_stop": starts + 0.4, "direction": [3, 5]}
    savemat(tmp_path / "a.mat", content)
    rec = myow.read(tmp_path / "a.mat", bin_size=0.1)
    assert rec.counts.T.tolist() == [[1, 1, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 2, 1, 0, 0], [0] * 8]
    assert rec.labels["direction"].tolist() == [3] * 4 + [5] * 4
    assert ("of one clock" if shift else "from the start of each trial") in rec.source["used"]


@pytest.mark.parametrize("nested", [False, True])
def test_units_by_trials_of_spike_times_without_trials(tmp_path, nested):
    cell = grid(3, 2, lambda unit, trial: SPIKES[unit][trial])
    content = {"spikes": cell} if not nested else {"trial": of(spikes=[cell[:, 0], cell[:, 1]], target=[7, 8])}
    savemat(tmp_path / "a.mat", content)
    rec = myow.read(tmp_path / "a.mat", bin_size=0.1)
    assert rec.counts.T.tolist() == [[1, 1, 0, 0, 0, 1], [0, 0, 2, 1, 0, 0], [0] * 6]
    assert rec.segments.tolist() == [0, 0, 1, 1, 1, 1]
    assert "3 units x 2 trials" in rec.source["used"]
    if nested:
        assert rec.labels["target"].tolist() == [7, 7, 8, 8, 8, 8]


def test_nested_lists_and_objects_are_said(tmp_path):
    deep = cells(grid(1, 1, lambda *_: [1.0]), grid(1, 1, lambda *_: [2.0]))
    savemat(tmp_path / "a.mat", {"spikes": deep})
    with pytest.raises(DataError, match="'spikes' is there, but it is a list of lists"):
        myow.read(tmp_path / "a.mat", bin_size=0.1)
    with pytest.raises(DataError, match="'spikes' is there, but"):
        myow.read(tmp_path / "a.mat", bin_size=0.1, spikes="spikes")
    assert any("spikes: it is a list of lists" in one for one in myow.inspect(tmp_path / "a.mat").notes.skipped)
    savemat(tmp_path / "b.mat", {"trials": cells(np.ones((3, 4)), np.ones((2, 5)))})
    with pytest.raises(DataError, match=r"'trials' is there, but its matrices \(3, 4\), \(2, 5\) share neither"):
        myow.read(tmp_path / "b.mat", bin_size=0.1, counts="trials")


# Lists of vectors.


def test_a_list_is_spike_times_by_its_name_or_its_values_only(tmp_path):
    trains, tables = ([0.05, 0.15, 0.35], [0.1, 0.12]), {"trial_start": [0.0], "trial_stop": [0.4]}
    path = tmp_path / "a.mat"
    savemat(path, {"sorted": cells(*map(np.array, trains))} | tables)  # they rise inside of trials
    rec = myow.read(path, bin_size=0.1)
    assert rec.counts.T.tolist() == [[1, 1, 0, 1], [0, 2, 0, 0]]
    assert "sorted: taken for spike times" in rec.source["used"]
    odd = {
        "not rising": {"rates": cells(np.array([0.3, 0.1, 0.2]), np.array([0.1, 0.05]))} | tables,
        "elsewhere": {"rates": cells(np.array([30.1, 30.2, 40.0]), np.array([31.0, 32.5]))} | tables,
        "clocks": {"clock": cells(np.arange(9) / 30, np.arange(7) / 30)} | tables,
        "nothing beside them": {"reaction": cells(np.array([0.25, 0.31, 0.4]))},
    }
    for content in odd.values():
        savemat(path, content)
        with pytest.raises(DataError, match=r"nothing says that lists of numbers.*spikes=NAME"):
            myow.read(path, bin_size=0.1)
        assert myow.read(path, bin_size=0.1, spikes=next(iter(content)), segments="whole").n_units > 0
    savemat(path, {"spikes": cells(np.array([0, 2, 0, 1, 0, 3, 1.0]))})
    with pytest.raises(DataError, match="do not rise, as spike times do"):
        myow.read(path, bin_size=0.1)


# Matrices and what is beside them.


def test_transpose_turns_labels_along_and_without_it_they_hint(tmp_path):
    rng = np.random.default_rng(0)
    counts, hand, speed = rng.poisson(1, (50, 7)), rng.normal(size=(50, 2)), rng.normal(size=50)
    savemat(tmp_path / "a.mat", {"spikes": counts.T, "hand": hand.T, "speed": speed})
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["spikes"], file["hand"], file["speed"] = counts.T, hand.T, speed
    for path in (tmp_path / "a.mat", tmp_path / "a.h5"):
        rec = myow.read(path, counts="spikes", bin_size=0.05, transpose=True)
        np.testing.assert_array_equal(rec.counts, counts)
        np.testing.assert_array_equal(rec.labels["hand"], hand)
        np.testing.assert_array_equal(rec.labels["speed"], speed)
        assert "hand: stored as (2, 50), which is turned" in rec.source["used"]
        with pytest.raises(
            DataError, match=r"shape \(7, 50\), but after hand, speed its second axis is time; .*transpose=true"
        ):
            myow.read(path, counts="spikes", bin_size=0.05)
        assert len(myow.read(path, counts="spikes", bin_size=0.05, transpose=False)) == 7
    np.savez(tmp_path / "a.npz", counts=counts, hand=hand.T)  # counts are right, the label is not
    np.testing.assert_array_equal(myow.read(tmp_path / "a.npz", bin_size=0.05).labels["hand"], hand)


@pytest.mark.parametrize("beside", [{"segments": np.repeat([0, 1], 25)}, {"units": np.arange(7)}])
def test_counts_are_turned_by_segments_and_names_of_units(tmp_path, beside):
    counts = np.random.default_rng(0).poisson(1, (50, 7))
    np.savez(tmp_path / "a.npz", counts=counts.T, **beside)
    rec = myow.read(tmp_path / "a.npz", bin_size=0.05)
    np.testing.assert_array_equal(rec.counts, counts)
    assert "stored as (7, 50), which is turned" in rec.source["used"]


def test_values_of_units_do_not_make_many_units_look_turned(tmp_path):
    counts = np.random.default_rng(0).poisson(1, (20, 60))
    np.savez(tmp_path / "a.npz", counts=counts, region=np.repeat(["M1", "PMd"], 30), direction=np.arange(20))
    np.testing.assert_array_equal(myow.read(tmp_path / "a.npz", bin_size=0.05).counts, counts)


def test_one_value_a_segment_is_spread_over_its_bins(tmp_path):
    counts = np.random.default_rng(0).poisson(1, (20, 3))
    np.savez(tmp_path / "a.npz", counts=counts, segments=np.repeat([2, 5, 6, 9], 5), target=["a", "b", "a", "c"])
    rec = myow.read(tmp_path / "a.npz", bin_size=0.05)
    assert rec.labels["target"].tolist() == np.repeat(["a", "b", "a", "c"], 5).tolist()
    assert "target: one value a segment" in rec.source["used"]


def test_a_signal_stored_the_other_way_is_turned_by_its_times(tmp_path):
    content = {"spikes": cells(np.array([0.05, 0.15, 0.35])), "hand": np.array([[1.0, 3, 5, 7], [1, 1, 1, 1]])}
    savemat(tmp_path / "a.mat", content | {"hand_times": [0.0, 0.1, 0.2, 0.3], "trials": [[0.0, 0.4]]})
    rec = myow.read(tmp_path / "a.mat", bin_size=0.1)
    np.testing.assert_allclose(rec.labels["hand"], [[1, 1], [3, 1], [5, 1], [7, 1]])


def test_a_file_without_counts_says_how_spike_times_are_stored(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["spikes/lgn/timestamps"], file["spikes/lgn/node_ids"] = np.arange(5.0), np.arange(5)
    with pytest.raises(DataError, match="spike_times beside spike_clusters"):
        myow.read(tmp_path / "a.h5", bin_size=0.1)


def test_values_of_few_units_hint_that_counts_are_turned(tmp_path):
    counts = np.random.default_rng(0).poisson(1, (50, 7))
    for name in ("region", "unit_names"):
        savemat(tmp_path / "a.mat", {"counts": counts.T, name: cells(*"abcdefg")})
        with pytest.raises(DataError, match=f"after {name} its second axis is time"):
            myow.read(tmp_path / "a.mat", bin_size=0.1)
        np.testing.assert_array_equal(myow.read(tmp_path / "a.mat", bin_size=0.1, transpose=True).counts, counts)


def test_three_axes_are_refused_with_a_way_out(tmp_path):
    savemat(tmp_path / "a.mat", {"counts": np.ones((5, 9, 4))})
    with pytest.raises(DataError, match=r"shape \(5, 9, 4\), three axes; store it as .* list of matrices"):
        myow.read(tmp_path / "a.mat", bin_size=0.1)


def test_names_and_indices_of_units_are_not_mixed(tmp_path):
    np.savez(tmp_path / "a.npz", counts=np.arange(12).reshape(4, 3), bin_size=0.1, units=["4", "7", "0"])
    assert myow.read(tmp_path / "a.npz", units=[4, 0]).units == ("4", "0")
    assert myow.read(tmp_path / "a.npz", units=[1, 2]).units == ("7", "0")
    for mixed in ([4, 1], ["7", 1], "7,2"):
        with pytest.raises(DataError, match="names or indices, not both"):
            myow.read(tmp_path / "a.npz", units=mixed)


def test_a_group_for_each_trial_or_unit_is_put_together(tmp_path):
    made, stored = trials([10, 12, 11] * 4)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for i, one in enumerate(stored):  # trial10 comes after trial9
            file[f"trial{i}/spikes"], file[f"trial{i}/target"] = one, i % 4
    rec = myow.read(tmp_path / "a.h5", counts="spikes", bin_size=0.1)
    np.testing.assert_array_equal(rec.counts, np.concatenate(made))
    assert rec.labels["target"].tolist() == np.repeat(np.arange(12) % 4, [10, 12, 11] * 4).tolist()
    one = myow.read(tmp_path / "a.h5", counts="trial1/spikes", bin_size=0.1, transpose=True)
    np.testing.assert_array_equal(one.counts, made[1])
    with h5py.File(tmp_path / "b.h5", "w") as file:
        for i, train in enumerate(([0.05, 0.15], [0.05, 0.06, 0.31])):
            file[f"unit_{i}/spike_times"] = train
    assert myow.read(tmp_path / "b.h5", bin_size=0.1).counts.T.tolist() == [[1, 1, 0, 0], [2, 0, 0, 1]]


def test_one_row_in_matlab_is_asked_about(tmp_path):
    savemat(tmp_path / "a.mat", {"counts": np.arange(9)})
    with pytest.raises(DataError, match=r"shape \(1, 9\), a single row; .*transpose=true"):
        myow.read(tmp_path / "a.mat", bin_size=0.1)
    assert myow.read(tmp_path / "a.mat", bin_size=0.1, transpose=True).counts.ravel().tolist() == list(range(9))


# Names by which trials, spikes and dimensions are known.

STARTS = [0.0, 1.0]
TRAINS = {"a": [0.05, 0.12, 1.05], "b": [0.15, 0.16, 1.11]}
IN_TRIALS = [[1, 0], [1, 2], [1, 0], [0, 1]]  # from 0 to 0.2 s and from 1.0 to 1.2 s
BOUNDS = [
    ("tStart", "tStop"),
    ("startTime", "endTime"),
    ("trial_start_time", "trial_stop_time"),
    ("onset", "offset"),
    ("onset", "duration"),
    ("trialStart", "trialEnd"),
]


def write(path, content):
    """Names with a point are in a struct or group."""
    if path.suffix == ".mat":
        nested = {}
        for name, values in content.items():
            group, _, last = name.rpartition(".")
            (nested.setdefault(group, {}) if group else nested)[last] = values
        savemat(path, nested)
        return path
    with h5py.File(path, "w") as file:
        for name, values in content.items():
            file[name.replace(".", "/")] = values
    return path


@pytest.mark.parametrize("names", BOUNDS)
@pytest.mark.parametrize("group", ["", "trials."])
@pytest.mark.parametrize("suffix", [".mat", ".h5"])
def test_trials_are_known_by_the_names_of_from_spikes(tmp_path, suffix, group, names):
    stops = [0.2, 0.2] if names[1] == "duration" else [0.2, 1.2]
    content = {f"{group}{names[0]}": STARTS, f"{group}{names[1]}": stops, f"{group}direction": [3, 5]}
    spikes = {"spikes": cells(*map(np.array, TRAINS.values()))} if suffix == ".mat" else None
    content |= spikes or {f"spikes.{name}": train for name, train in TRAINS.items()}
    rec = myow.read(write(tmp_path / f"a{suffix}", content), bin_size=0.1)
    assert (rec.counts.tolist(), rec.segments.tolist()) == (IN_TRIALS, [0, 0, 1, 1])
    assert (rec.labels["direction"].tolist(), set(rec.labels)) == ([3, 3, 5, 5], {"direction"})


def test_two_starts_that_differ_are_refused(tmp_path):
    content = {f"spikes.{name}": train for name, train in TRAINS.items()} | {"trials.start": STARTS}
    path = write(tmp_path / "a.h5", content | {"trials.stop": [0.2, 1.2], "trials.start_time": [0.05, 1.05]})
    with pytest.raises(DataError, match="trials/start and trials/start_time may both be meant, and differ"):
        myow.read(path, bin_size=0.1)


@pytest.mark.parametrize("owner", ["clusters", "unit_ids", "cluster_id", "neuron"])
@pytest.mark.parametrize("suffix", [".mat", ".h5"])
def test_times_of_all_spikes_in_a_group_beside_their_units(tmp_path, suffix, owner):
    content = {"spikes.times": [0.05, 0.12, 0.15], f"spikes.{owner}": [4, 2, 4]}
    rec = myow.read(write(tmp_path / f"a{suffix}", content), bin_size=0.1)
    assert (rec.counts.tolist(), rec.units) == ([[0, 1], [1, 1]], ("2", "4"))
    assert f"of the units in spikes{'.' if suffix == '.mat' else '/'}{owner}" in rec.source["used"]


def test_ragged_spike_times_with_an_index(tmp_path):
    content = {"units.spike_times": [0.05, 0.12, 0.15], "units.spike_times_index": [2, 2, 3]}
    content |= {"units.id": [7, 8, 9], "units.depth": [100.0, 200, 300]}
    path = write(tmp_path / "a.h5", content)
    rec = myow.read(path, bin_size=0.1)
    assert (rec.counts.T.tolist(), rec.units) == ([[1, 1], [0, 0], [0, 1]], ("7", "8", "9"))
    assert myow.read(path, bin_size=0.1, units="depth=300").units == ("9",)
    write(path, content | {"units.spike_times_index": [2, 2, 4]})
    with pytest.raises(DataError, match="spike_times_index does not end at 3, the number of units/spike_times"):
        myow.read(path, bin_size=0.1)


def test_a_group_of_spike_times_may_have_one_unit_or_units_with_equally_many(tmp_path):
    for title, trains in (("spikes", {"a": [0.05, 0.12]}), ("units", {"0": [0.05, 0.12], "1": [0.15, 0.16]})):
        path = write(tmp_path / "a.h5", {f"{title}.{name}": train for name, train in trains.items()})
        rec = myow.read(path, bin_size=0.1)
        assert rec.units == tuple(trains)
        assert rec.counts.T.tolist() == [[1, 1], [0, 2]][: len(trains)]
    path = write(tmp_path / "b.h5", {"units.depth": [0.1, 0.2], "units.snr": [1.0, 2.0]})
    with pytest.raises(DataError, match="no array 'counts'"):
        myow.read(path, bin_size=0.1)


def test_lists_of_trials_are_no_units(tmp_path):
    mat = tmp_path / "a.mat"
    savemat(mat, {"trial": of(spikes=[np.array([0.05, 0.12]), np.array([0.3])], target=[1, 2])})
    for path in (mat, write(tmp_path / "a.h5", {"spikes.trial0": [0.05, 0.12], "spikes.trial1": [0.3]})):
        with pytest.raises(DataError, match=r"holds one list a trial.*if each list is a unit, give spikes="):
            myow.read(path, bin_size=0.1)
    assert myow.read(mat, bin_size=0.1, spikes="trial.spikes").n_units == 2


def test_more_units_than_bins_are_asked_about_where_names_of_units_say_so(tmp_path):
    counts = np.random.default_rng(0).poisson(1, (50, 96))
    savemat(tmp_path / "a.mat", {"counts": cells(counts.T, counts.T), "unit_names": cells(*map(str, range(96)))})
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["counts"], file["region"], file["speed"] = counts.T, ["M1"] * 96, np.arange(50.0)
    for path in (tmp_path / "a.mat", tmp_path / "a.h5"):
        with pytest.raises(DataError, match=r"shape \(96, 50\).*its first axis is units; .*transpose=false"):
            myow.read(path, bin_size=0.1)
        rec = myow.read(path, bin_size=0.1, transpose=True)
        np.testing.assert_array_equal(rec.counts[:50], counts)
    with h5py.File(tmp_path / "b.h5", "w") as file:  # labels of bins beside a value a unit
        file["counts"], file["direction"], file["cluster"], file["fr"] = counts.T, *np.ones((2, 96)), np.arange(50)
    assert len(myow.read(tmp_path / "b.h5", bin_size=0.1)) == 96


@pytest.mark.parametrize("dims", [("neuron_id", "time_bin"), ("roi", "frame"), ("channel", "x"), ("neuronId", "tBin")])
def test_words_in_the_names_of_dimensions_say_what_they_are(dims):
    rec = myow.read(xr.DataArray([[1, 2, 0], [0, 1, 4]], dims=dims), bin_size=0.1)
    assert rec.counts.tolist() == [[1, 0], [2, 1], [0, 4]]


def test_dimensions_of_trials_and_of_unknown_names():
    counts = np.arange(12).reshape(2, 3, 2)
    places = {"time_bin": [0, 1, 2], "unit_id": ["a", "b"], "trial": [4, 5]}
    rec = myow.read(xr.DataArray(counts, dims=("trial", "time_bin", "unit_id"), coords=places), bin_size=0.1)
    np.testing.assert_array_equal(rec.counts, counts.reshape(6, 2))
    assert (rec.segments.tolist(), rec.units) == ([4, 4, 4, 5, 5, 5], ("a", "b"))
    assert "time_bin: numbers of bins, which are no times" in rec.source["skipped"]
    assert myow.read(xr.DataArray(counts[0]), bin_size=0.1).counts.tolist() == counts[0].tolist()
    for dims in (("x", "y"), ("trial", "time"), ("trial", "unit")):
        with pytest.raises(DataError, match=r"it must have one of time \(called .*rename them"):
            myow.read(xr.DataArray(counts[0], dims=dims), bin_size=0.1)


# NumPy archives.


def test_a_period_of_a_label_that_is_not_asked_for_is_left_out(tmp_path):
    known = {"counts": np.arange(8).reshape(4, 2), "bin_size": 0.1, "direction": [3, 3, 5, 5], "speed": np.arange(4.0)}
    np.savez(tmp_path / "a.npz", **known, period_direction=8)
    for labels, periods in (("none", {}), ("speed", {}), ("direction", {"direction": 8})):
        assert dict(myow.read(tmp_path / "a.npz", labels=labels).periods) == periods


def test_one_value_a_segment_of_two(tmp_path):
    known = {"counts": np.arange(12).reshape(4, 3), "bin_size": 0.1, "segments": [0, 0, 1, 1], "target": ["a", "b"]}
    np.savez(tmp_path / "a.npz", **known)
    assert myow.read(tmp_path / "a.npz").labels["target"].tolist() == ["a", "a", "b", "b"]


def test_runs_of_trials_are_segments_where_nothing_else_says_so(tmp_path):
    known = {"counts": np.arange(12).reshape(4, 3), "bin_size": 0.1}
    for name, trial in (("trial", [4, 4, 2, 2]), ("trials", [4.0, 4, 2, 2])):
        np.savez(tmp_path / "a.npz", **known, **{name: trial})
        rec = myow.read(tmp_path / "a.npz")
        assert (rec.segments.tolist(), set(rec.labels)) == ([4, 4, 2, 2], set())
        assert f"{name}: its runs of bins as segments; segments=whole says otherwise" in rec.source["used"]
        assert set(myow.read(tmp_path / "a.npz", segments="whole").labels) == {name}
    for more in ({"trial": [0, 1, 0, 1]}, {"trial": [4, 4, 2, 2], "segments": [0, 0, 0, 1]}):
        np.savez(tmp_path / "a.npz", **known, **more)
        rec = myow.read(tmp_path / "a.npz")
        assert rec.labels["trial"].tolist() == more["trial"]
        assert rec.segments.tolist() == more.get("segments", [0] * 4)


def test_a_matrix_of_trials_that_is_not_starts_and_stops_is_asked_about(tmp_path):
    spikes = {f"spikes.{name}": train for name, train in TRAINS.items()}
    path = write(tmp_path / "a.h5", spikes | {"trials": [[0.0, 0.2, 3], [1.0, 1.2, 5]]})
    with pytest.raises(DataError, match=r"trials has shape \(2, 3\), and may say when trials are; .*segments=whole"):
        myow.read(path, bin_size=0.1)
    assert myow.read(path, bin_size=0.1, segments="whole").n_segments == 1
    path = write(tmp_path / "b.h5", spikes | {"trialTimes": [[0.0, 0.2], [1.0, 1.2]]})
    assert myow.read(path, bin_size=0.1).counts.tolist() == IN_TRIALS
