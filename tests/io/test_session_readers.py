"""Spike times and intervals into recordings: counted by hand, from files that each format's own library wrote."""

import datetime
import tracemalloc
from functools import partial

import numpy as np
import pytest
from command import SMALL
from command import myow as command
from hypothesis import given, settings
from hypothesis import strategies as st
from spike_files import (
    COUNTS,
    DIRECTION,
    SEGMENTS,
    TIMES,
    TRAINS,
    TRIALS,
    neo_block,
    nwb_file,
    pynapple_group,
    write_neo,
    write_nwb,
)

import myow
from myow.errors import DataError, FileError, SettingError, UnknownNameError
from myow.io.binned import bin_session
from myow.io.session import Intervals, Notes, Session, Signal, Units, constant


def session(trains=TRAINS, **parts):
    names = tuple(f"u{i}" for i in range(len(trains)))
    return Session("made", units=Units(names, lambda i: np.asarray(trains[i], dtype=float)), **parts)


def signal(times, values, **more):
    values = np.asarray(values, dtype=float).reshape(len(times), -1)
    names = tuple(f"s{i}" for i in range(values.shape[1]))
    return Signal(len(times), names, lambda a, b: values[a:b], clock=constant(times), role="behaviour", **more)


def trials(**columns):
    return {"trials": Intervals(4, constant(TRIALS), {k: constant(v) for k, v in columns.items()})}


@pytest.fixture(scope="module")
def nwb_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("nwb") / "day.nwb"
    write_nwb(path)
    return path


def check_counts(rec):
    assert rec.counts.T.tolist() == COUNTS
    np.testing.assert_allclose(rec.times, TIMES, atol=1e-9)
    assert rec.segments.tolist() == SEGMENTS
    assert rec.kind == "counts"


# Counted by hand, whatever the format.


def test_unordered_and_overlapping_intervals_each_count_their_own_spikes():
    notes = Notes()
    rec = bin_session(session(intervals=trials(target_dir=DIRECTION)), notes, bin_size=0.1)
    check_counts(rec)
    assert rec.labels["target_dir"].tolist() == [3, 3, 1, 1, 1, 1, 2, 2]
    assert "intervals 1 and 2 overlap by 0.2 s: what lies there is in both" in notes.used
    assert "1 of 4 segments (3): shorter than a bin of 0.1 s" in notes.skipped


def test_the_same_is_read_from_files_and_objects_of_every_library(nwb_path, tmp_path):
    write_neo(tmp_path / "day.mat")
    for rec in (
        myow.read(nwb_path, bin_size=0.1),
        myow.read(nwb_file(), bin_size=0.1),
        myow.read(neo_block(), bin_size=0.1),
        myow.read(neo_block().segments[0], bin_size=0.1),
        myow.read(tmp_path / "day.mat", format="neo", bin_size=0.1),
    ):
        check_counts(rec)
        given = rec.labels.get("target_dir", rec.labels.get("label"))  # Neo's .mat keeps no arrays of annotations
        assert given.tolist() in ([3, 3, 1, 1, 1, 1, 2, 2], ["a", "a", "b", "b", "b", "b", "c", "c"])
    # pynapple's intervals are always in order and apart, so there they are given as an array.
    group = pynapple_group()
    group.save(str(tmp_path / "group.npz"))
    for source in (group, {"units": group}, tmp_path / "group.npz"):
        check_counts(myow.read(source, bin_size=0.1, segments=TRIALS))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), width=st.sampled_from([0.02, 0.1, 0.25]))
def test_counts_agree_with_a_plain_loop(seed, width):
    rng = np.random.default_rng(seed)
    starts = np.round(rng.uniform(0, 8, 5), 2)
    spans = np.stack([starts, starts + np.round(rng.uniform(width, 1.0, 5), 2) + width], axis=1)
    trains = [np.round(rng.uniform(0, 10, 40), 2) for _ in range(3)]  # many fall on edges
    rec = bin_session(session(trains), Notes(), bin_size=width, segments=spans)
    for row in range(len(rec)):
        low = round(rec.times[row], 9)
        for unit, train in enumerate(trains):
            assert rec.counts[row, unit] == sum(low <= s < round(low + width, 9) for s in np.round(train, 9))
    assert rec.segments[np.r_[True, np.diff(rec.segments) != 0]].tolist() == list(range(5))


def test_many_spikes_in_a_bin_are_not_cut_off():
    rec = bin_session(session([np.full(300, 0.05), np.full(70_000, 0.05)]), Notes(), bin_size=0.1, segments=[[0, 0.1]])
    assert rec.counts.tolist() == [[300, 70_000]]


def test_without_intervals_the_whole_is_one_segment_from_the_first_thing_to_the_last():
    rec = bin_session(session([[0.31, 0.75], [0.9]]), Notes(), bin_size=0.1)
    np.testing.assert_allclose(rec.times, np.arange(3, 10) / 10)
    assert rec.counts.T.tolist() == [[1, 0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0, 1]]
    assert rec.n_segments == 1
    whole = bin_session(session(intervals=trials()), Notes(), bin_size=0.1, segments="whole")
    assert (whole.n_segments, whole.counts.sum()) == (1, sum(map(len, TRAINS)))


def test_bins_that_were_not_recorded_or_are_invalid_are_left_out():
    notes = Notes()
    rec = bin_session(
        session(support=np.array([[0.1, 0.6]]), invalid=np.array([[0.35, 0.36]])),
        notes,
        bin_size=0.1,
        segments=[[0, 0.7]],
    )
    np.testing.assert_allclose(rec.times, [0.1, 0.2, 0.4, 0.5])
    assert rec.bins.tolist() == [0, 1, 3, 4]
    assert any("outside of what was recorded" in entry for entry in notes.skipped)
    assert any("marked as invalid" in entry for entry in notes.skipped)


# Windows.


def test_windows_around_a_column_skip_trials_without_a_time():
    notes = Notes()
    table = trials(cue=[5.1, np.nan, 0.3, 1.0], target_dir=DIRECTION)
    rec = bin_session(session(intervals=table), notes, bin_size=0.1, align="cue", window="0.1,0.1")
    np.testing.assert_allclose(rec.times, [5.0, 5.1, 0.2, 0.3, 0.9, 1.0])
    assert rec.counts.T.tolist() == [[1, 0, 0, 2, 0, 0], [0, 0, 1, 0, 0, 0], [0, 1, 0, 0, 0, 0]]
    assert rec.segments.tolist() == [0, 0, 2, 2, 3, 3]
    assert rec.labels["target_dir"].tolist() == [3, 3, 2, 2, 0, 0]
    assert "1 of 4 trials: cue is NaN" in notes.skipped


def test_windows_around_events_take_the_labels_of_the_trial_they_are_in():
    notes = Notes()
    made = session(intervals=trials(target_dir=DIRECTION), events={"tone": constant([5.1, 0.1, 3.0, 0.3])})
    rec = bin_session(made, notes, bin_size=0.1, align="tone", window=(0, 0.1))
    np.testing.assert_allclose(rec.times, [5.1, 0.1, 0.3])
    assert rec.labels["target_dir"].tolist() == [3, 1, 1]  # 0.3 s is in trials 1 and 2: the first counts
    assert "1 of 4 tone: not inside any of trials" in notes.skipped
    every = bin_session(made, Notes(), bin_size=0.1, segments="whole", align="tone", window=(0, 0.1))
    assert len(every) == 4
    assert len(bin_session(made, Notes(), bin_size=0.1, segments="whole", align=[0.1, 0.2], window=(0, 0.1))) == 2


def test_a_column_of_several_times_gives_several_segments():
    table = trials(cues=[[5.0, 5.1], [0.1, np.nan], [0.2, 0.3], [np.nan, np.nan]], target_dir=DIRECTION)
    rec = bin_session(session(intervals=table), Notes(), bin_size=0.1, align="cues", window="0,0.1")
    np.testing.assert_allclose(rec.times, [5.0, 5.1, 0.1, 0.2, 0.3])
    assert rec.labels["target_dir"].tolist() == [3, 3, 1, 2, 2]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"segments": "trails"}, UnknownNameError, "did you mean 'trials'"),
        ({"segments": [0, 1]}, DataError, r"must be \(n, 2\)"),
        ({"segments": [["a", "b"]]}, DataError, "name of a table"),
        ({"segments": [[np.nan, 1]]}, DataError, "no interval that can be used"),
        ({"segments": [[0, 0.05]]}, DataError, "shorter than a bin"),
        ({"segments": [[0, 1e15]]}, DataError, "more than fit in memory"),
        ({"align": "cue"}, SettingError, "go together"),
        ({"window": "0.1,0.1"}, SettingError, "go together"),
        ({"align": "cue", "window": "-0.1,0.2"}, SettingError, "not negative"),
        ({"align": "cue", "window": "0,0"}, SettingError, "not negative"),
        ({"align": "cue", "window": "0.2"}, SettingError, "before and after"),
        ({"align": "target_di", "window": "0,1"}, UnknownNameError, "did you mean 'target_dir'"),
        ({"align": "word", "window": "0,1"}, DataError, "holds no times"),
        ({"align": [np.nan], "window": "0,1"}, DataError, "no time"),
        ({"units": "colour=red"}, UnknownNameError, "column of units 'colour'"),
        ({"units": "u9"}, UnknownNameError, "unknown unit 'u9'. Choices: u0, u1, u2"),
        ({"units": 9}, DataError, "they are 0 to 2"),
        ({"units": []}, DataError, "holds no unit"),
        ({"units": [[0], [1, 2]]}, DataError, "units must be"),
        ({"labels": "target_dri"}, UnknownNameError, "did you mean 'target_dir'"),
        ({"labels": "odd"}, DataError, "odd cannot be a label"),
        ({"signal": "hand"}, UnknownNameError, "unknown signal"),
        ({"bin_size": -1}, DataError, "above 0"),
        ({"bin_size": None}, DataError, "width of a bin is missing"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(options, error, said):
    odd = np.array([{}, [], 1, "x"], dtype=object)
    table = trials(target_dir=DIRECTION, cue=[5.1, 0.1, 0.3, 1.0], word=["a"] * 4, odd=odd)
    with pytest.raises(error, match=said) as caught:
        bin_session(session(intervals=table), Notes(), **({"bin_size": 0.1} | options))
    assert "\n" not in str(caught.value)


# Units.


@pytest.mark.parametrize(
    ("choice", "kept"),
    [
        ("quality=good", [0, 2]),
        ("quality=good,region=M1|PMd", [0, 2]),
        ("region=PMd,quality=good", [2]),
        ("region=M1|PMd", [0, 1, 2]),
        ("unit2,unit0", [0, 2]),
        ("1", [1]),
        (1, [1]),
        ([2, 0], [0, 2]),
        ([True, False, False], [0]),
    ],
)
def test_units_are_selected_by_columns_names_and_indices(nwb_path, choice, kept):
    rec = myow.read(nwb_path, bin_size=0.1, units=choice)
    assert rec.units == tuple(f"unit{i}" for i in kept)
    assert rec.counts.T.tolist() == [COUNTS[i] for i in kept]


def test_a_selection_that_fits_no_unit_lists_what_there_is(nwb_path):
    with pytest.raises(DataError, match=r"no unit has region=V1; its values are M1, PMd"):
        myow.read(nwb_path, bin_size=0.1, units="region=V1")
    with pytest.raises(DataError, match="no unit has all of"):
        myow.read(nwb_path, bin_size=0.1, units="region=M1,quality=mua")


def test_numbers_match_whatever_their_type():
    made = session()
    units = Units(
        made.units.names, made.units.train, {"shank": constant([1.0, 2.0, 1.0]), "ok": constant([True, False, True])}
    )
    for choice in ("shank=1", "ok=true", "ok=True"):
        rec = bin_session(Session("x", units=units), Notes(), bin_size=0.1, units=choice)
        assert rec.units == ("u0", "u2")


def test_only_trains_that_are_used_are_read():
    asked = []
    units = Units(("a", "b", "c"), lambda i: asked.append(i) or np.array([0.05]))
    bin_session(Session("x", units=units), Notes(), bin_size=0.1, units="b", segments=[[0, 0.1]])
    assert asked == [1]


# Labels.


def test_by_default_a_label_that_lacks_values_is_skipped_and_by_name_the_rows_are():
    columns = {"target_dir": [3, np.nan, 2, 0], "text": ["a", None, "b", "c"], "go_time": [1.0, 2.0, 3.0, 4.0]}
    table = trials(**{k: np.array(v, dtype=object if k == "text" else None) for k, v in columns.items()})
    notes = Notes()
    rec = bin_session(session(intervals=table), notes, bin_size=0.1)
    assert not rec.labels
    assert len(rec) == 8
    assert "target_dir: no value in 1 of 3 segments; labels=target_dir leaves those out instead" in notes.skipped
    assert any(entry.startswith("go_time: a time") for entry in notes.skipped)
    rec = bin_session(session(intervals=table), notes, bin_size=0.1, labels="target_dir,text,go_time")
    assert rec.segments.tolist() == [0, 0, 2, 2]
    assert rec.labels["target_dir"].tolist() == [3, 3, 2, 2]
    assert rec.labels["text"].tolist() == ["a", "a", "b", "b"]
    assert rec.labels["go_time"].tolist() == [1, 1, 3, 3]
    assert not bin_session(session(intervals=trials(target_dir=DIRECTION)), notes, bin_size=0.1, labels="none").labels


def test_behaviour_is_averaged_in_each_bin_and_reads_only_samples_inside():
    asked = []
    times = np.arange(0, 10, 0.05)
    values = np.column_stack([times * 100, -times])

    def rows(low, high):
        asked.append((low, high))
        return values[low:high]

    hand = Signal(200, ("x", "y"), rows, start=0.0, rate=20.0, role="behaviour", unit="cm")
    rec = bin_session(session(signals={"hand": hand}), Notes(), bin_size=0.1, segments=[[5.0, 5.2], [0.0, 0.1]])
    np.testing.assert_allclose(rec.labels["hand"], [[502.5, -5.025], [512.5, -5.125], [2.5, -0.025]], rtol=1e-6)
    assert len(asked) == 2
    assert all(high - low <= 8 for low, high in asked)


def test_blocks_of_a_long_signal_give_the_same_averages(monkeypatch):
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(0, 10, 500))
    made = session(signals={"s": signal(times, rng.normal(size=(500, 2)))})
    whole = bin_session(made, Notes(), bin_size=0.1, segments=[[0, 10]], labels="s")
    monkeypatch.setattr("myow.io.binned.BLOCK", 40)
    parts = bin_session(made, Notes(), bin_size=0.1, segments=[[0, 10]], labels="s")
    np.testing.assert_allclose(whole.labels["s"], parts.labels["s"], rtol=1e-6)


def test_a_bin_without_samples_of_a_behaviour():
    notes = Notes()
    made = session(signals={"s": signal([0.0, 0.05, 0.2, 0.25], [1.0, 3.0, 5.0, np.nan])})
    rec = bin_session(made, notes, bin_size=0.1, segments=[[0, 0.3]])
    assert (len(rec), dict(rec.labels)) == (3, {})
    assert "s: no value in 1 of 3 bins; labels=s leaves those out instead" in notes.skipped
    rec = bin_session(made, notes, bin_size=0.1, segments=[[0, 0.3]], labels="s")
    assert rec.labels["s"].tolist() == [2.0, 5.0]  # the sample that is NaN does not count
    np.testing.assert_allclose(rec.times, [0.0, 0.2])


def test_a_signal_whose_times_do_not_rise_is_no_label():
    notes = Notes()
    made = session(signals={"s": signal([0.0, 0.2, 0.1], [1.0, 2.0, 3.0])})
    assert not bin_session(made, notes, bin_size=0.1, segments=[[0, 0.3]]).labels
    assert "s: its times are not finite or do not rise" in notes.skipped
    with pytest.raises(DataError, match="do not rise"):
        bin_session(made, notes, bin_size=0.1, segments=[[0, 0.3]], signal="s")


# Continuous signals in place of spikes.


def test_a_continuous_signal_in_place_of_spikes():
    notes = Notes()
    values = [[1, 10, np.nan], [3, 20, np.nan], [7, 0, np.nan], [9, np.nan, np.nan]]
    made = session(signals={"dff": signal([0.0, 0.05, 0.1, 0.3], values)})
    rec = bin_session(made, notes, bin_size=0.1, segments=[[0, 0.4]], signal="dff")
    assert rec.kind == "continuous"
    assert rec.counts.tolist() == [[2, 15], [7, 0]]
    assert rec.units == ("s0", "s1")
    assert "1 of 3 columns of dff: no finite sample" in notes.skipped
    assert "2 of 4 bins: no sample of dff" in notes.skipped


def test_dff_events_band_power_and_lfp_of_nwb(tmp_path):
    from pynwb import TimeSeries
    from pynwb.ecephys import LFP, ElectricalSeries
    from pynwb.misc import DecompositionSeries
    from pynwb.ophys import DfOverF, Fluorescence, ImageSegmentation, OpticalChannel, RoiResponseSeries

    nwb = nwb_file()
    plane = nwb.create_imaging_plane(
        name="plane",
        optical_channel=OpticalChannel(name="c", description="x", emission_lambda=500.0),
        description="x",
        device=nwb.create_device("scope"),
        excitation_lambda=600.0,
        indicator="GCaMP",
        location="V1",
    )
    cells = ImageSegmentation()
    segmentation = cells.create_plane_segmentation("cells", plane, name="cells")
    segmentation.add_column("accepted", "by hand")
    for good in (True, False, True):
        segmentation.add_roi(image_mask=np.ones((2, 2)), accepted=good)
    ophys = nwb.create_processing_module("ophys", "imaging")
    ophys.add(cells)
    rois = segmentation.create_roi_table_region("all", region=[0, 1, 2])
    trace = np.arange(180.0).reshape(60, 3)
    ophys.add(
        DfOverF(roi_response_series=RoiResponseSeries(name="traces", data=trace, rois=rois, unit="n.a.", rate=10.0))
    )
    ophys.add(
        Fluorescence(
            roi_response_series=RoiResponseSeries(name="events", data=trace % 2, rois=rois, unit="n.a.", rate=10.0)
        )
    )
    region = nwb.create_electrode_table_region([0, 1], "both")
    volts = ElectricalSeries(
        name="lfp",
        data=np.arange(120).reshape(60, 2),
        electrodes=region,
        rate=10.0,
        conversion=0.001,
        channel_conversion=[1.0, 2.0],
    )
    ecephys = nwb.create_processing_module("ecephys", "fields")
    ecephys.add(LFP(electrical_series=volts))
    bands = DecompositionSeries(
        name="power",
        data=np.arange(240.0).reshape(60, 2, 2),
        metric="power",
        unit="V2",
        rate=10.0,
        source_timeseries=volts,
    )
    for band, limits in (("theta", (4.0, 8.0)), ("gamma", (30.0, 80.0))):
        bands.add_band(band_name=band, band_limits=limits, band_mean=0.0, band_stdev=1.0)
    ecephys.add(bands)
    nwb.add_acquisition(TimeSeries(name="words", data=["a", "b"], rate=1.0, unit="none"))
    write_nwb(tmp_path / "x.nwb", nwb)

    rows = [50, 51, 0, 1, 2, 3, 2, 3]  # at 10 Hz a bin of 0.1 s holds one sample
    for name, expected in (
        ("DfOverF", trace),
        ("traces", trace),
        ("events", trace % 2),
        ("power", np.arange(240.0).reshape(60, 4)),
        ("lfp", np.arange(120).reshape(60, 2) * [0.001, 0.002]),
    ):
        rec = myow.read(tmp_path / "x.nwb", bin_size=0.1, signal=name)
        np.testing.assert_allclose(rec.counts, expected[rows], rtol=1e-6)
        assert rec.kind == "continuous"
        assert rec.labels["target_dir"].tolist() == [3, 3, 1, 1, 1, 1, 2, 2]
    rec = myow.read(tmp_path / "x.nwb", bin_size=0.1, signal="traces", units="accepted=True")
    np.testing.assert_allclose(rec.counts, trace[rows][:, [0, 2]])
    rec = myow.read(tmp_path / "x.nwb", bin_size=0.1, signal="lfp", units="region=PMd")
    assert rec.n_units == 1
    found = myow.inspect(tmp_path / "x.nwb", bin_size=0.1)
    assert any("words" in entry for entry in found.notes.skipped)


# NWB.


def test_labels_of_nwb_honour_conversion_offset_and_times(nwb_path):
    rec = myow.read(nwb_path, bin_size=0.1)
    rows = np.array([50, 51, 0, 1, 2, 3, 2, 3])
    np.testing.assert_allclose(rec.labels["hand"], np.stack([2 * rows, 2 * rows + 1], axis=1) * 0.5 + 1)
    assert rec.labels["result"].tolist() == ["R"] * 8
    assert "speed" not in rec.labels
    named = myow.read(nwb_path, bin_size=0.1, labels="speed")
    assert named.labels["speed"].tolist() == [50, 0, 1, 2, 3, 2, 3]
    assert named.source["file"] == "day.nwb"
    assert "speed" in rec.source["skipped"]


def test_what_was_found_used_and_skipped_is_said_without_and_with_a_width(nwb_path):
    found = myow.inspect(nwb_path)
    assert found.recording is None
    assert "bin_size" in found.problem
    text = " ".join(found.notes.found)
    for part in ("3 units", "4 intervals trials", "target_dir", "signal hand: 60 samples at 10 Hz", "cm/s", "voltage"):
        assert part in text
    found = myow.inspect(nwb_path, bin_size=0.1)
    skipped = " ".join(found.notes.skipped)
    assert "voltage" in skipped
    assert "go_cue_time" in skipped
    assert "3 units, spikes counted in bins of 0.1 s" in found.notes.used


def test_invalid_times_and_other_tables_of_nwb(tmp_path):
    from pynwb.epoch import TimeIntervals

    nwb = nwb_file()
    nwb.add_invalid_time_interval(start_time=5.0, stop_time=5.05)
    sleep = TimeIntervals(name="sleep", description="states")
    sleep.add_column("state", "x")
    sleep.add_interval(start_time=0.0, stop_time=0.2, state="rem")
    nwb.add_time_intervals(sleep)
    write_nwb(tmp_path / "x.nwb", nwb)
    rec = myow.read(tmp_path / "x.nwb", bin_size=0.1)
    np.testing.assert_allclose(rec.times, TIMES[1:])
    rec = myow.read(tmp_path / "x.nwb", bin_size=0.1, segments="sleep")
    assert rec.counts.T.tolist() == [[1, 1], [0, 2], [1, 0]]
    assert rec.labels["state"].tolist() == ["rem", "rem"]


# Pynapple.


def test_a_group_with_time_support_metadata_and_missing_parts():
    import pynapple as nap

    support = nap.IntervalSet([0.0, 5.0], [0.4, 5.2], metadata={"block": ["a", "b"]})
    group = pynapple_group(time_support=support)
    rec = myow.read(group, bin_size=0.1)
    # The spike on the end belongs to no bin.
    assert rec.counts.T.tolist() == [[1, 1, 0, 2, 1, 0], [0, 2, 1, 0, 0, 0], [1, 0, 0, 0, 0, 1]]
    assert rec.segments.tolist() == [0, 0, 0, 0, 1, 1]
    assert rec.labels["block"].tolist() == ["a"] * 4 + ["b"] * 2
    partly = myow.read(group, bin_size=0.1, segments=[[0.3, 0.6]])
    np.testing.assert_allclose(partly.times, [0.3])
    named = myow.read(group, bin_size=0.1, segments=nap.IntervalSet(0.1, 0.3, metadata={"side": ["left"]}))
    assert named.labels["side"].tolist() == ["left", "left"]
    assert named.counts.T.tolist() == [[1, 0], [2, 1], [0, 0]]
    assert myow.read(group, bin_size=0.1, units="region=PMd").units == ("1", "2")


def test_a_dict_of_pynapple_objects_is_a_session():
    import pynapple as nap

    parts = {
        "units": pynapple_group(),
        "trials": nap.IntervalSet([0.0, 5.0], [0.2, 5.2], metadata={"target_dir": [1, 3]}),
        "hand": nap.TsdFrame(
            t=np.arange(60) / 10, d=np.arange(120.0).reshape(60, 2), time_support=nap.IntervalSet(0, 6)
        ),
        "cue": nap.Ts([0.1, 5.1]),
    }
    rec = myow.read(parts, bin_size=0.1)
    assert rec.labels["target_dir"].tolist() == [1, 1, 3, 3]
    assert rec.labels["hand"][:, 0].tolist() == [0, 2, 100, 102]
    np.testing.assert_allclose(myow.read(parts, bin_size=0.1, align="cue", window="0,0.1").times, [0.1, 5.1])
    with pytest.raises(DataError, match="several TsGroups"):
        myow.read({"a": parts["units"], "b": parts["units"]}, bin_size=0.1)
    with pytest.raises(DataError, match="no TsGroup"):
        myow.read(parts["trials"], bin_size=0.1)


@pytest.mark.filterwarnings("ignore")
def test_frames_are_recordings_with_their_own_bins_or_wider_ones(tmp_path):
    import pynapple as nap

    support = nap.IntervalSet([0.0, 2.0], [0.9, 2.4])
    rng = np.random.default_rng(0)
    times = np.r_[np.arange(10), np.arange(20, 25)] / 10
    frame = nap.TsdFrame(t=times, d=rng.normal(size=(15, 2)), time_support=support, columns=["x", "y"])
    frame.save(str(tmp_path / "frame.npz"))
    for source in (frame, tmp_path / "frame.npz"):
        rec = myow.read(source)
        np.testing.assert_allclose(rec.counts, frame.values, rtol=1e-6)
        np.testing.assert_allclose(rec.times, times)
        assert (rec.bin_size, rec.kind, rec.units, rec.n_segments) == (0.1, "continuous", ("x", "y"), 2)
    wide = myow.read(frame, bin_size=0.5)
    np.testing.assert_allclose(wide.counts, [frame.values[a : a + 5].mean(axis=0) for a in (0, 5, 10)], rtol=1e-6)
    group = pynapple_group()
    counted = group.count(0.2)
    rec = myow.read(counted)
    assert rec.kind == "counts"
    assert rec.digest() == myow.read(group, bin_size=0.2).digest()
    assert myow.read(counted, bin_size=0.4).digest() == myow.read(group, bin_size=0.4).digest()
    one = myow.read(nap.Tsd(t=times, d=rng.normal(size=15), time_support=support))
    assert one.counts.shape == (15, 1)
    cube = myow.read(nap.TsdTensor(t=times, d=rng.normal(size=(15, 2, 3)), time_support=support))
    assert cube.counts.shape == (15, 6)
    with pytest.raises(DataError, match="uneven times"):
        myow.read(nap.Tsd(t=[0, 0.1, 0.15, 0.25, 0.35], d=np.ones(5)))


def test_metadata_saved_by_pynapple_run_no_code(tmp_path):
    path, trap = tmp_path / "group.npz", tmp_path / "trap"
    pynapple_group().save(str(path))
    assert myow.read(path, bin_size=0.1, segments=TRIALS, units="region=M1").units == ("0",)

    class Attack:
        def __reduce__(self):
            return trap.mkdir, ()

    with np.load(path, allow_pickle=True) as stored:
        arrays = dict(stored)
    np.savez(path, **arrays | {"_metadata": np.array({"region": Attack()}, dtype=object)})
    with pytest.raises(FileError, match="could run code"):
        myow.read(path, bin_size=0.1)
    assert not trap.exists()


def test_what_pynapple_loads_from_nwb_is_read_too(nwb_path):
    import pynapple as nap

    check_counts(myow.read(nap.load_file(str(nwb_path)), bin_size=0.1))


# Neo.


def test_segments_of_a_block_keep_their_own_clocks_and_annotations():
    import neo
    import quantities as pq

    block = neo.Block()
    for direction, train in ((5, [0, 150]), (2, [50, 250, 299])):
        part = neo.Segment(target_dir=direction)
        part.spiketrains.append(neo.SpikeTrain(np.array(train) * pq.ms, t_stop=300 * pq.ms, name="cell"))
        block.segments.append(part)
    rec = myow.read(block, bin_size=0.1)
    assert rec.counts.ravel().tolist() == [1, 1, 0, 1, 0, 2]
    np.testing.assert_allclose(rec.times, [0, 0.1, 0.2] * 2)
    assert rec.segments.tolist() == [0, 0, 0, 1, 1, 1]
    assert rec.labels["target_dir"].tolist() == [5, 5, 5, 2, 2, 2]
    block.segments[1].spiketrains.append(neo.SpikeTrain([1.0] * pq.ms, t_stop=300 * pq.ms, name="other"))
    with pytest.raises(DataError, match="different units"):
        myow.read(block, bin_size=0.1)
    assert myow.read(block, bin_size=0.1, units="cell").n_units == 1


def test_events_signals_and_units_of_neo():
    block = neo_block()
    rec = myow.read(block, bin_size=0.1, align="cue", window="0,0.1", units="quality=good")
    np.testing.assert_allclose(rec.times, [5.1, 0.3])
    assert rec.units == ("cell0", "cell2")
    assert rec.labels["label"].tolist() == ["a", "b"]
    rec = myow.read(block, bin_size=0.1, signal="lfp")
    np.testing.assert_allclose(rec.counts[:, 0], [100, 102, 0, 2, 4, 6, 4, 6])


def test_endings_that_only_neo_knows_go_to_neo(tmp_path):
    from neo.io import AsciiSignalIO

    path = tmp_path / "x.asc"
    AsciiSignalIO(str(path)).write_segment(neo_block().segments[0])
    with pytest.raises(DataError, match="name a signal to bin: Column 0, Column 1"):
        myow.read(path, bin_size=1)
    rec = myow.read(path, bin_size=2, signal="Column 0")  # the text says no rate, so that Neo takes 1 Hz
    assert rec.kind == "continuous"
    assert rec.counts.ravel().tolist() == list(range(1, 120, 4))
    assert "AsciiSignalIO" in rec.source["format"]
    assert myow.read(path, bin_size=2, signal="Column 0", io="AsciiSignalIO").digest() == rec.digest()
    with pytest.raises(UnknownNameError, match="did you mean 'AsciiSignalIO'"):
        myow.read(path, bin_size=2, io="AsciiSignal")


def test_pickles_are_not_read_through_neo(tmp_path):
    import pickle

    trap = tmp_path / "trap"

    class Attack:
        def __reduce__(self):
            return trap.mkdir, ()

    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(Attack()))
    for options in ({}, {"format": "neo"}, {"format": "neo", "io": "PickleIO"}):
        with pytest.raises((FileError, UnknownNameError)):
            myow.read(path, bin_size=0.1, **options)
    assert not trap.exists()


# The command line.


def test_inspect_and_train_from_the_command_line(tmp_path):
    from pynwb import NWBHDF5IO, NWBFile

    rng = np.random.default_rng(0)
    nwb = NWBFile("x", "x", datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
    for rate in (5, 20, 10):
        nwb.add_unit(spike_times=np.sort(rng.uniform(0, 20, rate * 20)))
    nwb.add_trial_column("target_dir", "x")
    for i in range(20):
        nwb.add_trial(start_time=float(i), stop_time=i + 0.8, target_dir=i % 4)
    with NWBHDF5IO(tmp_path / "day.nwb", "w") as file:
        file.write(nwb)
    asked = ("--data", "bin_size=0.1", "--data", "segments=trials")
    told = command("inspect", tmp_path / "day.nwb", *asked, "--json").json()
    assert told["recording"].startswith("day: 3 units, 160 bins of 0.1 s")
    assert "3 units with spike times" in told["found"][0]
    text = command("inspect", tmp_path / "day.nwb")
    assert (text.code, "the width of a bin is missing" in text.out) == (0, True)
    done = command("train", tmp_path / "day.nwb", "--out", tmp_path / "run", "--quiet", *asked, *SMALL)
    assert done.code == 0, done.err
    assert (tmp_path / "run").is_dir()
    wrong = command("train", tmp_path / "day.nwb", "--out", tmp_path / "other", *asked, "--data", "units=quality=good")
    assert "unknown column of units 'quality'" in wrong.error()


def test_reading_takes_little_more_memory_than_the_counts(tmp_path):
    """Counts of one byte each, without a copy of them in other types or the same."""
    from pynwb import NWBFile

    rng = np.random.default_rng(0)
    nwb = NWBFile("long", "long", datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
    for _ in range(300):
        nwb.add_unit(spike_times=np.append(np.sort(rng.random(200)) * 100, 100 - 1e-4))
    nwb.add_trial(start_time=0.0, stop_time=100.0)
    write_nwb(tmp_path / "long.nwb", nwb)
    read = partial(myow.inspect, tmp_path / "long.nwb", bin_size=0.001)
    assert read().recording.counts.shape == (100_000, 300)  # all is imported now
    tracemalloc.start()
    try:
        found = read().recording
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.counts.dtype == np.uint8
    assert found.counts.nbytes <= held <= most < 1.6 * found.counts.nbytes
