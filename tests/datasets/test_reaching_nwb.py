"""The reaching sessions from NWB files made in the structure of DANDI 000688, counted by hand as the raw ones are."""

import datetime

import numpy as np
import pytest

import myow
from myow.datasets.reaching import FILES
from myow.errors import DataError, FileError, UnknownNameError


def write(path, velocity=True, angles=(np.pi / 2 - 5 * np.pi / 4, 0.0), result="R"):
    """An aborted trial and two rewarded ones; go cues at 1.0 and 2.0 s, ends at 1.4 and 2.25 s; M1 and PMd."""
    from pynwb import NWBHDF5IO, NWBFile, TimeSeries
    from pynwb.behavior import BehavioralTimeSeries, Position, SpatialSeries

    day = datetime.datetime(2014, 3, 6, tzinfo=datetime.UTC)
    nwb = NWBFile("Monkey M performing center out reaching task.", "made-up", day, session_id="sub-M_ses-CO-20140306")
    for region in ("M1", "PMd"):
        array = nwb.create_device(f"electrode_array_{region}")
        group = nwb.create_electrode_group(f"electrode_group_{region}", "96-electrode Utah array", region, array)
        nwb.add_electrode(group=group, location=region)
    for train, electrode in (
        ([0.5, 1.1, 1.2, 1.25, 1.3, 1.4, 2.0, 2.29, 2.3], 0),
        ([1.15], 0),
        ([1.15, 2.05], 1),
    ):
        nwb.add_unit(spike_times=np.array(train), electrodes=[electrode])
    for column in ("target_on_time", "go_cue_time", "target_dir", "target_id", "result"):
        nwb.add_trial_column(column, column)
    nan = np.nan
    for start, cue, stop, angle, target, ended in (
        (0.2, nan, 0.6, nan, nan, "A"),
        (0.8, 1.0, 1.4, angles[0], 5.0, result),
        (1.8, 2.0, 2.25, angles[1], 2.0, result),
    ):
        nwb.add_trial(
            start_time=start,
            stop_time=stop,
            target_on_time=start + 0.1,
            go_cue_time=cue,
            target_dir=angle,
            target_id=target,
            result=ended,
        )
    time = np.round(np.arange(0.0, 3.0, 0.02), 9)
    fast = ((time >= 1.1) & (time < 1.4)) | (time >= 2.0)
    behaviour = nwb.create_processing_module("behavior", "Processed Behavioral data")
    place = np.column_stack([time * 10, -time])
    position = SpatialSeries(name="cursor_pos", data=place, timestamps=time, reference_frame="screen", unit="cm")
    behaviour.add(Position(spatial_series=position))
    for holder, name, values, unit in (
        ("Velocity", "cursor_vel", np.where(fast[:, None], [6.0, 8.0], [1.0, 0.0]), "cm/s"),
        ("Acceleration", "cursor_acc", np.zeros((len(time), 2)), "cm/s^2"),
    ):
        if velocity or holder != "Velocity":
            series = TimeSeries(name=name, data=values, timestamps=position, unit=unit)
            behaviour.add(BehavioralTimeSeries(name=holder, time_series=series))
    with NWBHDF5IO(path, "w") as file:
        file.write(nwb)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MYOW_DATA", str(tmp_path))
    return tmp_path


def test_a_session_is_binned_as_counted_by_hand(folder):
    write(folder / FILES["mihi-2"])
    rec = myow.load("mihi-2", source="nwb")
    # Trial 1: the bin from 1.0 is slow. Trial 2: its last bin reaches past the end, to 2.3.
    np.testing.assert_allclose(rec.times, [1.1, 1.2, 1.3, 2.0, 2.1, 2.2])
    assert rec.segments.tolist() == [1, 1, 1, 2, 2, 2]
    assert rec.counts.T.tolist() == [[1, 2, 1, 1, 0, 1], [1, 0, 0, 0, 0, 0]]  # the unit in PMd is left out
    assert rec.labels["direction"].tolist() == [5, 5, 5, 2, 2, 2]
    np.testing.assert_allclose(rec.labels["velocity"], [[6, 8]] * 6)
    np.testing.assert_allclose(rec.labels["position"][0], [11.4, -1.14], rtol=1e-5)
    assert set(rec.labels) == {"direction", "velocity", "position"}  # zeros of acceleration are no measurement
    assert (rec.name, dict(rec.periods)) == ("mihi-2", {"direction": 8})
    assert rec.source["file"] == FILES["mihi-2"]
    assert "1 of 7 bins: not faster than 5 cm/s" in rec.source["skipped"]
    assert len(myow.load("mihi-2", source="nwb", bin_size=0.2, speed_threshold=0)) == 4


@pytest.mark.parametrize("name", FILES)
def test_every_session_is_found_by_the_name_of_its_file(folder, name):
    with pytest.raises(FileError, match="000688"):
        myow.load(name, source="nwb")
    write(folder / FILES[name])
    assert len(myow.load(name, source="nwb")) == 6


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"velocity": False}, "no velocity"),
        ({"angles": (0.3, 0.0)}, "multiples of 45 degrees"),
        ({"result": "F"}, "no trial was rewarded"),
    ],
)
def test_a_session_that_does_not_fit_is_refused(folder, made, said):
    write(folder / FILES["mihi-2"], **made)
    with pytest.raises(DataError, match=said) as caught:
        myow.load("mihi-2", source="nwb")
    assert "\n" not in str(caught.value)


def test_thresholds_and_sources_that_cannot_be_had(folder):
    write(folder / FILES["mihi-2"])
    with pytest.raises(DataError, match="choose a lower one"):
        myow.load("mihi-2", source="nwb", speed_threshold=50)
    with pytest.raises(UnknownNameError, match="did you mean 'nwb'"):
        myow.load("mihi-2", source="nbw")
