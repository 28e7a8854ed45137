"""Time, bins and values come out right: edges within rounding, clocks, jitter, angles, outliers, precision."""

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

import myow
from myow.data.binning import average_samples, frame_bins, make_bins
from myow.errors import DataError
from myow.io.binned import bin_session
from myow.io.session import Intervals, Notes, Session, Signal, Units, constant

nap = pytest.importorskip("pynapple")

REGULAR = np.arange(0.05, 10, 0.1)


def session(trains=(REGULAR,), observed=None, **parts):
    names = tuple(f"u{i}" for i in range(len(trains)))
    watch = None if observed is None else (lambda i: np.asarray(observed[i], dtype=float))
    units = Units(names, lambda i: np.asarray(trains[i], dtype=float), observed=watch)
    return Session("made", units=units, **parts)


def trials(starts, stops):
    return {"trials": Intervals(len(starts), constant(np.stack([starts, stops], axis=1).astype(float)))}


def signal(times, values, **more):
    values = np.asarray(values).reshape(len(times), -1)
    names = tuple(f"s{i}" for i in range(values.shape[1]))
    return Signal(len(times), names, lambda a, b: values[a:b], clock=constant(times), **({"role": "behaviour"} | more))


def group(support=(0, 10)):
    return nap.TsGroup({0: nap.Ts(REGULAR)}, time_support=nap.IntervalSet(*support))


# Edges of bins.


@pytest.mark.parametrize("width", [0.1, 1.0])
def test_trials_of_pynapple_that_touch_keep_all_their_bins(width):
    units, touching = group(), nap.IntervalSet(np.arange(10), np.arange(1, 11))
    own = np.asarray(units.count(width, touching))
    rec = myow.read({"units": units, "trials": touching}, bin_size=width)
    assert (len(rec), rec.counts.sum(), rec.n_segments) == (len(own), own.sum(), 10)
    inside = myow.read(units.restrict(touching), bin_size=width)
    assert (len(inside), inside.source["skipped"]) == (len(own), "nothing")


@pytest.mark.parametrize(("end", "n"), [(1.0 - 1.9e-6, 10), (1.0 - 2.1e-6, 9), (1.0, 10), (1.0 + 1e-6, 10)])
def test_an_end_within_two_microseconds_of_an_edge_is_that_edge(end, n):
    assert len(make_bins([[0.0, end]], 0.1).starts) == n


def test_the_slack_is_a_hundredth_of_a_bin_at_most():
    assert len(make_bins([[0.0, 1e-4 - 1e-6]], 1e-5).starts) == 9
    assert len(make_bins([[0.0, 1e-4 - 0.9e-7]], 1e-5).starts) == 10


def test_what_is_left_of_a_segment_is_said_with_its_spikes():
    notes = Notes()
    rec = bin_session(session(intervals=trials([0, 5], [1.25, 6.25])), notes, bin_size=0.5)
    assert len(rec) == 4
    assert "0.5 s at the ends of 2 of 2 segments: less than a bin of 0.5 s each" in notes.skipped
    within = int(((REGULAR % 5 >= 1.0) & (REGULAR % 5 < 1.25)).sum())
    assert f"{within} of 100 spikes: in segments, but in none of their whole bins" in notes.skipped
    assert f"{100 - within - int(rec.counts.sum())} of 100 spikes: in no segment" in notes.skipped


# Clocks.


@pytest.mark.parametrize(("spikes", "intervals"), [(30_000, 1), (1, 1000), (1000, 1), (1, 30_000), (1e6, 1), (1, 1e6)])
@pytest.mark.parametrize("how", [{}, {"segments": "trials"}])
def test_spikes_and_trials_on_different_clocks_are_refused_with_both_ranges(spikes, intervals, how):
    made = session(
        [REGULAR * spikes], intervals=trials(np.arange(0, 10, 2) * intervals, np.arange(1.5, 10, 2) * intervals)
    )
    with pytest.raises(DataError, match=r"bring both to seconds|are its times in seconds") as caught:
        bin_session(made, Notes(), bin_size=0.1, **how)
    assert f"{REGULAR[0] * spikes:g}" in str(caught.value)
    assert f"{9.5 * intervals:g}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_clocks_are_compared_before_millions_of_bins_are_laid(monkeypatch):
    laid = []
    monkeypatch.setattr("myow.io.binned.make_bins", lambda *_: laid.append(1))
    made = session([REGULAR], intervals=trials(np.arange(0, 10, 2) * 1e6, np.arange(1.5, 10, 2) * 1e6))
    with pytest.raises(DataError, match="are its times in seconds"):
        bin_session(made, Notes(), bin_size=0.1)
    assert not laid


def test_most_spikes_beyond_all_trials_are_refused_unless_the_trials_are_named():
    made = session([np.arange(0.05, 40, 0.1)], intervals=trials([0, 5], [4, 9]))
    with pytest.raises(DataError, match=r"310 spikes beyond all of them.*segments=trials"):
        bin_session(made, Notes(), bin_size=0.1)
    notes = Notes()
    assert bin_session(made, notes, bin_size=0.1, segments="trials").counts.sum() == 80
    assert "320 of 400 spikes: in no segment" in notes.skipped


def test_a_short_choice_of_a_long_recording_is_no_other_clock():
    made = session([np.arange(0.05, 4000, 0.1)], events={"cue": constant([5.0, 9.0])})
    assert len(bin_session(made, Notes(), bin_size=0.1, segments=[[0, 4]])) == 40
    assert len(bin_session(made, Notes(), bin_size=0.1, align="cue", window="0,0.2")) == 4
    with pytest.raises(DataError, match="no spike in any of them"):
        bin_session(made, Notes(), bin_size=0.1, segments=[[5000, 5001]])


def test_time_before_the_first_and_after_the_last_spike_is_said():
    notes = Notes()
    bin_session(session([REGULAR + 20]), notes, bin_size=1.0, segments=[[0, 40]])
    assert any(
        "30 of 40 bins before the first spike (20.05 s) or after the last (29.95 s)" in one for one in notes.used
    )
    notes = Notes()
    bin_session(session(), notes, bin_size=1.0, segments=[[0, 10]])
    assert not any("before the first" in one for one in notes.used)


def test_units_that_were_not_observed_all_the_time_are_said_and_what_none_observed_is_left_out():
    notes = Notes()
    made = session([REGULAR, REGULAR[REGULAR > 5]], observed=[[[0, 10]], [[5, 10]]])
    rec = bin_session(made, notes, bin_size=0.1, segments=[[0, 12]])
    assert len(rec) == 100
    assert "20 of 120 bins: no unit was observed" in notes.skipped
    assert any(
        "1 of 2 units were not observed" in one and "u1 (50 bins between 0 and 5 s)" in one for one in notes.skipped
    )
    with pytest.raises(DataError, match="no unit was observed in any bin"):
        bin_session(made, Notes(), bin_size=0.1, segments=[[20, 22]])


@pytest.mark.parametrize("how", [{}, {"segments": [[0, 1]]}])
def test_a_spike_time_that_is_nan_names_its_unit(how):
    made = session([[0.1, 0.2], [0.3], [0.1, np.nan, 0.3]])
    with pytest.raises(DataError, match=r"u2 has 1 of 3 spike times that are NaN or infinite, the first at place 1"):
        bin_session(made, Notes(), bin_size=0.1, **how)
    assert len(bin_session(made, Notes(), bin_size=0.1, units="u0,u1", **how))


# Frames.


@pytest.mark.parametrize("jitter", [0, 1e-7, 1e-5, 1e-3, "tenth", "uniform"])
@pytest.mark.parametrize("pace", [1.0, 1.002])
def test_frames_whose_times_jitter_stay_a_bin_each(jitter, pace):
    rng = np.random.default_rng(1)
    n = 3000
    noise = {"tenth": rng.normal(0, 0.1, n) / 30, "uniform": rng.uniform(-0.1, 0.1, n) / 30}
    moved = noise[jitter] if isinstance(jitter, str) else rng.normal(0, 1, n) * jitter
    times = np.arange(n) / 30 * pace + moved + 100
    values = rng.normal(size=(n, 4))
    dff = signal(times, values, role="activity")
    made = Session("made", signals={"dff": dff, "frame": signal(times, np.arange(n))})
    rec = bin_session(made, Notes(), bin_size=1 / 30, signal="dff", labels="frame")
    assert abs(len(rec) - n) <= (1 if pace == 1 else 8)
    if jitter:
        assert len(rec) == n
        np.testing.assert_array_equal(rec.labels["frame"], np.arange(n))
        np.testing.assert_allclose(rec.counts, values, rtol=1e-6)
        assert np.abs(rec.times - times).max() < 1 / 30
    frame = nap.TsdFrame(t=times, d=values)
    for more in ({}, {"bin_size": 1 / 30}):
        assert abs(len(myow.read(frame, **more)) - n) <= (8 if pace != 1 else 1)


def test_frames_that_jitter_keep_to_their_trials_and_pauses():
    rng = np.random.default_rng(0)
    times = np.concatenate([np.arange(100), np.arange(150.4, 250)]) * 0.1 + rng.uniform(-0.01, 0.01, 200)
    bins = frame_bins(times, [[0.95, 2.95], [9.0, 16.0]], 0.1)
    assert bins is not None
    assert np.bincount(bins.interval).tolist() == [20, int(((times >= 9) & (times < 16)).sum())]
    assert (np.diff(bins.starts)[np.diff(bins.interval) == 0] > 0.099).all()
    assert frame_bins(np.sort(rng.uniform(0, 10, 100)), [[0, 10]], 0.1) is None


# Values.


def test_one_absurd_sample_stays_in_its_bin():
    times = np.arange(0, 10, 0.01)
    values = times.copy()
    values[100] = 1e20
    means, n = average_samples(times, values[:, None], make_bins([[0, 10], [2, 3]], 0.1))
    expected = np.concatenate([values.reshape(-1, 10).mean(1), values.reshape(-1, 10).mean(1)[20:30]])
    np.testing.assert_allclose(means.ravel(), expected, rtol=1e-12)
    assert (n == 10).all()
    for odd in (1e20, 9.96921e36):
        x = times.copy()
        x[100] = odd
        rec = myow.read({"units": group(), "x": nap.Tsd(times, x)}, bin_size=0.1)
        np.testing.assert_allclose(rec.labels["x"].ravel()[[5, 20, 80]], [0.545, 2.045, 8.045])


def circular_error(found, expected, turn):
    return np.abs((found - expected + turn / 2) % turn - turn / 2).max()


@pytest.mark.parametrize(
    ("turn", "low", "more"),
    [
        (2 * np.pi, 0, {"unit": "radians"}),
        (2 * np.pi, -np.pi, {"unit": "rad"}),
        (360, 0, {"unit": "degrees"}),
        (360, -180, {"unit": "deg"}),
        (2 * np.pi, 0, {}),
        (360, -180, {}),
        (360, 0, {"unit": "n/a", "within": "CompassDirection"}),
        (8, 0, {"period": 8}),
    ],
)
def test_angles_are_averaged_as_angles(turn, low, more):
    times = np.arange(0, 10, 0.01)
    angle = low + (turn * times / 2 + turn / 3) % turn
    notes = Notes()
    rec = bin_session(session(signals={"hd": signal(times, angle, **more)}), notes, bin_size=0.1, segments=[[0, 10]])
    phases = np.exp(2j * np.pi * angle / turn).reshape(-1, 10).mean(1)
    assert circular_error(rec.labels["hd"], np.angle(phases) * turn / (2 * np.pi), turn) < 1e-6 * turn
    assert rec.periods == {"hd": pytest.approx(turn)}
    assert rec.labels["hd"].min() >= low
    assert rec.labels["hd"].max() < low + turn
    assert any(one.startswith("hd: averaged as an angle") for one in notes.used)


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (20 + 10 * np.sin(np.arange(1000) / 50), "degrees"),  # a knee
        (np.arange(1000) / 20, "radians"),  # unwrapped
        (np.arange(1000) % 200, "cm"),
        (np.random.default_rng(0).uniform(0, 6.28, 1000), ""),
        (np.random.default_rng(0).normal(size=1000), "rad"),
    ],
)
def test_what_is_no_angle_is_averaged_as_a_number(values, unit):
    times = np.arange(0, 10, 0.01)
    made = session(signals={"x": signal(times, values, unit=unit)})
    rec = bin_session(made, Notes(), bin_size=0.1, segments=[[0, 10]])
    np.testing.assert_allclose(rec.labels["x"], values.reshape(-1, 10).mean(1))
    assert not rec.periods


@pytest.mark.parametrize(
    "make", [lambda t: 1.7e9 + t, lambda t: 3e8 + 100 * t, lambda t: (2**40 + 100 * t).astype("i8")]
)
def test_averaged_labels_keep_their_digits(make):
    times = np.arange(0, 10, 0.01)
    rec = myow.read({"units": group(), "x": nap.Tsd(times, make(times))}, bin_size=0.1)
    assert len(np.unique(rec.labels["x"])) == 100
    single = bin_session(
        session(signals={"x": signal(times, times.astype(np.float32))}), Notes(), bin_size=0.1, segments=[[0, 10]]
    )
    assert single.labels["x"].dtype == np.float32


# Widths of bins.


@pytest.mark.parametrize(("step", "width"), [(100, 0.1), (0.1, 0.02), (0.1, 0.08), (0.02, 0.002)])
@pytest.mark.parametrize("ending", ["csv", "parquet", "npz", "h5"])
def test_a_width_smaller_than_every_step_of_the_times_is_refused(tmp_path, step, width, ending):
    counts, path = np.random.default_rng(0).poisson(1, (50, 3)), tmp_path / f"a.{ending}"
    times, trial = np.arange(50) * step, np.repeat([0, 1], 25)
    table = pd.DataFrame(counts, columns=["unit0", "unit1", "unit2"]).assign(time=times, trial=trial)
    if ending == "csv":
        table.to_csv(path, index=False)
    elif ending == "parquet":
        table.to_parquet(path)
    elif ending == "npz":
        np.savez(path, counts=counts, times=times, segments=trial)
    else:
        with h5py.File(path, "w") as file:
            file["counts"], file["times"], file["segments"] = counts, times, trial
    with pytest.raises(DataError, match=rf"bin_size is {width:g} s, but times are {step:g} s apart or more"):
        myow.read(path, bin_size=width)
    assert len(myow.read(path, bin_size=step)) == 50


def test_a_width_smaller_than_the_frames_of_a_signal_is_refused():
    dff = signal(np.arange(0, 10, 0.1), np.random.default_rng(0).normal(size=(100, 2)), role="activity")
    with pytest.raises(DataError, match=r"bin_size is 0.02 s, but times are 0.1 s apart"):
        bin_session(Session("made", signals={"dff": dff}), Notes(), bin_size=0.02)


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_dates_are_seconds_and_keep_their_gap(tmp_path, zone):
    stamps = pd.date_range("2024-01-01", periods=25, freq="100ms", tz=zone)
    table = pd.DataFrame(np.random.default_rng(0).poisson(1, (50, 2)), columns=["unit0", "unit1"])
    table.assign(time=stamps.append(stamps + pd.Timedelta("1h"))).to_parquet(tmp_path / "a.parquet")
    rec = myow.read(tmp_path / "a.parquet", bin_size=0.1)
    assert np.unique(np.diff(rec.bins)).tolist() == [1, 35976]
    assert "time: dates, in s since 2024-01-01" in rec.source["used"]


# Samples for seconds, and digits of signals.


@pytest.mark.parametrize("shape", [(-1,), (-1, 1), (1, -1)])
@pytest.mark.parametrize("kind", ["u8", "i4", "f8"])
def test_whole_spike_times_beside_cluster_ids_are_samples(tmp_path, shape, kind):
    times = np.sort(np.random.default_rng(0).integers(0, 10 * 30000, 400)).astype(kind)
    with h5py.File(tmp_path / "ks.h5", "w") as file:
        file["spike_times"], file["spike_clusters"] = times.reshape(shape), np.arange(400) % 5
    with pytest.raises(DataError, match=r"whole numbers from \d+ to \d+.*sampling_rate=30000"):
        myow.read(tmp_path / "ks.h5", bin_size=0.1)
    rec = myow.read(tmp_path / "ks.h5", bin_size=0.1, sampling_rate=30000)
    assert (rec.n_units, rec.counts.sum()) == (5, 400)
    assert abs(rec.duration - 10) < 0.3
    with pytest.raises(DataError, match="samples a second above 0"):
        myow.read(tmp_path / "ks.h5", bin_size=0.1, sampling_rate="fast")


def whole_times(tmp_path, what):
    """A file whose 600 spike times are whole numbers, 30,000 or 1,000 a second, over 10 s."""
    rate = 1000 if what == "units and trials" else 30000
    times = [np.sort(np.random.default_rng(i).integers(0, 10 * rate, 200)) for i in range(3)]
    if what == "table":
        table = pd.DataFrame({"time": np.concatenate(times), "unit": np.repeat([0, 1, 2], 200)})
        table.to_csv(tmp_path / "a.csv", index=False)
        return tmp_path / "a.csv", rate
    cells = np.empty((1, 3), dtype=object)
    cells[0] = times
    if what == "units and trials":  # on a clock that starts anew with each of ten trials
        cells = np.empty((3, 10), dtype=object)
        for i, train in enumerate(times):
            cells[i] = [(train[train // 1000 == trial] % 1000).astype(float) for trial in range(10)]
    savemat(tmp_path / "a.mat", {"spikes": cells})
    return tmp_path / "a.mat", rate


@pytest.mark.parametrize("what", ["table", "list of units", "units and trials"])
def test_whole_spike_times_in_tables_and_lists_are_samples_too(tmp_path, what):
    path, rate = whole_times(tmp_path, what)
    with pytest.raises(DataError, match=r"whole numbers from .* samples rather than seconds; give sampling_rate"):
        myow.read(path, bin_size=0.1)
    rec = myow.read(path, bin_size=0.1, sampling_rate=rate)
    assert rec.n_units == 3
    assert rec.counts.sum() == 600
    assert abs(rec.duration - 10) < 0.3


def test_a_turn_that_is_declared_beside_spike_times_makes_angles_of_a_signal(tmp_path):
    clock = np.arange(0, 30, 0.01)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["spikes/a"], file["spikes/b"] = REGULAR, REGULAR[1:]
        file["heading"], file["heading_times"], file["period_heading"] = (10 * clock + 3) % 8, clock, 8.0
    rec = myow.read(tmp_path / "a.h5", bin_size=0.1)
    away = (rec.labels["heading"] - (10 * (rec.times + 0.045) + 3) + 4) % 8 - 4
    assert dict(rec.periods) == {"heading": 8.0}
    assert np.abs(away).max() < 1e-6


def test_signals_keep_the_digits_that_vary_and_what_does_not_fit_is_refused():
    made = myow.Recording(1e8 + np.arange(200.0)[:, None] * np.ones((1, 2)), bin_size=0.1, kind="continuous")
    assert len(np.unique(made.counts[:, 0])) == 200
    usual = myow.Recording(np.random.default_rng(0).normal(size=(50, 2)), bin_size=0.1, kind="continuous")
    assert usual.counts.dtype == np.float32
    with pytest.raises(DataError, match=r"1e\+39 at bin 0, unit 0"):
        myow.Recording([[1e39, 1.0], [2e39, 2.0]], bin_size=0.1, kind="continuous")


def test_a_spike_train_of_neo_says_when_it_was_recorded():
    neo = pytest.importorskip("neo")
    segment = neo.Segment()
    segment.spiketrains.append(neo.SpikeTrain(REGULAR, units="s", t_start=0, t_stop=10, name="a"))
    segment.spiketrains.append(neo.SpikeTrain(REGULAR[50:], units="s", t_start=5, t_stop=10, name="b"))
    rec = myow.read(segment, bin_size=0.1)
    assert len(rec) == 100
    assert "1 of 2 units were not observed" in rec.source["skipped"]
    assert "b (50 bins between 0 and 5 s)" in rec.source["skipped"]
