"""Spike times that are in memory, in all the shapes that they have: counts are those of numpy.histogram, trial by trial."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import myow
from myow import Recording
from myow.errors import DataError, FileError

SPANS = np.array([[0.0, 0.4], [1.0, 1.3]])
TRAINS = {"a": [0.05, 0.12, 0.33, 0.35, 1.05], "b": [0.15, 0.16, 1.25]}
COUNTS = [[1, 0], [1, 2], [0, 0], [2, 0], [1, 0], [0, 0], [0, 1]]


def histograms(trains, spans, width):
    """Counts, (T, N), of each trial cut into whole bins from its start."""
    rows = []
    for start, stop in spans:
        edges = start + width * np.arange(int(np.floor((stop - start) / width + 1e-6)) + 1)
        inside = [np.asarray(train)[(np.asarray(train) >= start) & (np.asarray(train) < edges[-1])] for train in trains]
        rows.append(np.stack([np.histogram(train, edges)[0] for train in inside], axis=1))
    return np.concatenate(rows)


@st.composite
def sessions(draw):
    """Spike times off the edges of bins (odd milliseconds, bins of even ones), and trials with gaps."""
    width = draw(st.sampled_from([0.01, 0.02, 0.1]))
    n = draw(st.integers(1, 4))
    lengths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=5))
    gaps = draw(st.lists(st.integers(0, 5), min_size=len(lengths), max_size=len(lengths)))
    spans, now = [], 0.0
    for length, gap in zip(lengths, gaps, strict=True):
        start = now + gap * width
        now = start + length * width
        spans.append((start, now))
    # Each spike lies inside of some trial, or nothing would say that both clocks are one.
    trains = []
    for _ in range(n):
        places = draw(st.lists(st.tuples(st.integers(0, len(spans) - 1), st.floats(0.01, 0.98)), max_size=40))
        times = [spans[k][0] + share * (spans[k][1] - spans[k][0]) for k, share in places]
        trains.append(np.sort([t for t in times if abs((t / width) % 1 - 0.5) < 0.49]))
    return trains, np.array(spans), width


@given(sessions())
@settings(max_examples=60, deadline=None)
def test_counts_are_those_of_histograms_trial_by_trial_in_every_shape(drawn):
    trains, spans, width = drawn
    known = histograms(trains, spans, width)
    table = {"start": spans[:, 0], "stop": spans[:, 1], "number": np.arange(len(spans))}
    names = [f"n{i}" for i in range(len(trains))]
    times, owners = np.concatenate(trains), np.repeat(names, [len(t) for t in trains])
    shapes = [
        (trains, None),
        (dict(zip(names, trains, strict=True)), None),
        (pd.DataFrame({"unit_id": names, "spike_times": trains}), None),
    ]
    if len(times):
        shapes += [((times, owners), names), (pd.DataFrame({"time": times, "unit": owners}), names)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for spikes, units in shapes:
            rec = Recording.from_spikes(spikes, table, bin_size=width, units=units)
            np.testing.assert_array_equal(rec.counts, known)
            np.testing.assert_array_equal(rec.labels["number"], rec.segments)
            assert rec.times[0] == pytest.approx(spans[0, 0])


def by_pynapple():
    import pynapple as nap

    return nap.TsGroup({i: nap.Ts(t) for i, t in enumerate(TRAINS.values())}, time_support=nap.IntervalSet(0, 2))


def by_neo():
    import neo
    import quantities as pq

    return [neo.SpikeTrain(np.array(train) * 1000 * pq.ms, t_stop=2 * pq.s) for train in TRAINS.values()]


TIMES = np.array([*TRAINS["a"], *TRAINS["b"]])
SPIKES = {
    "list": list(TRAINS.values()),
    "tuple of arrays": tuple(np.array(t) for t in TRAINS.values()),
    "array of arrays": np.array([np.array(t) for t in TRAINS.values()], dtype=object),
    "dict": TRAINS,
    "series": {k: pd.Series(v, index=range(5, 5 + len(v))) for k, v in TRAINS.items()},
    "columns": {k: np.array(v)[:, None] for k, v in TRAINS.items()},
    "times and names": (TIMES, ["a"] * 5 + ["b"] * 3),
    "times and numbers": (TIMES, np.array([7] * 5 + [12] * 3)),
    "times and numbers in a list": [TIMES, np.array([7] * 5 + [12] * 3)],
    "times and whole floats": (TIMES, np.array([7.0] * 5 + [12.0] * 3)),
    "times and categories": (TIMES, pd.Categorical(["a"] * 5 + ["b"] * 3)),
    "times and numbers in columns": (TIMES[:, None], np.array([7] * 5 + [12] * 3)[:, None]),
    "series of trains": pd.Series(TRAINS),
    "long table": pd.DataFrame({"timestamps": TIMES, "cluster_id": [7] * 5 + [12] * 3}),
    "table of trains": pd.DataFrame({"spike_times": list(TRAINS.values())}, index=pd.Index(["a", "b"], name="unit")),
    "pynapple": by_pynapple,
    "neo": by_neo,
}


@pytest.mark.parametrize("shape", SPIKES)
def test_spikes_in_every_shape_give_the_counts(shape):
    spikes = SPIKES[shape]() if callable(SPIKES[shape]) else SPIKES[shape]
    rec = Recording.from_spikes(spikes, SPANS, bin_size=0.1, name="day")
    assert rec.counts.tolist() == COUNTS
    assert rec.segments.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert rec.name == "day"
    assert "2 units" in rec.source["used"]


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ("list", ("unit0", "unit1")),
        ("dict", ("a", "b")),
        ("times and numbers", ("7", "12")),
        ("times and whole floats", ("7", "12")),
        ("times and categories", ("a", "b")),
        ("table of trains", ("a", "b")),
    ],
)
def test_names_of_units_survive(shape, names):
    assert Recording.from_spikes(SPIKES[shape], SPANS, bin_size=0.1).units == names


def test_units_names_those_of_a_list_and_all_of_a_pair_and_chooses_among_named_ones():
    trains = list(TRAINS.values())
    assert Recording.from_spikes(trains, SPANS, bin_size=0.1, units=["x", "y"]).units == ("x", "y")
    assert Recording.from_spikes(TRAINS, SPANS, bin_size=0.1, units=["b"]).counts.tolist() == [[r[1]] for r in COUNTS]
    assert Recording.from_spikes(trains, SPANS, bin_size=0.1, units=[False, True]).units == ("unit1",)
    pair = (TIMES, np.array([1] * 5 + [3] * 3))
    rec = Recording.from_spikes(pair, SPANS, bin_size=0.1, units=range(5))
    assert rec.units == ("0", "1", "2", "3", "4")
    assert rec.counts[:, [1, 3]].tolist() == COUNTS
    assert not rec.counts[:, [0, 2, 4]].any()
    assert "3 units without a spike: 0, 2, 4" in rec.source["used"]


def intervals():
    import pynapple as nap

    return nap.IntervalSet(SPANS[:, 0], SPANS[:, 1], metadata={"side": ["left", "right"]})


START, STOP, SIDE = SPANS[:, 0], SPANS[:, 1], ["left", "right"]
TRIALS = {
    "dict": {"start": START, "stop": STOP, "side": SIDE},
    "frame": pd.DataFrame({"start_time": START, "stop_time": STOP, "side": SIDE}),
    "capitals": pd.DataFrame({"Start": START, "End": STOP, "side": SIDE}),
    "categories": pd.DataFrame({"t_start": START, "t_end": STOP, "side": pd.Categorical(SIDE)}),
    "index": pd.DataFrame({"start": START, "end": STOP}, index=pd.Index(SIDE, name="side")),
    "filtered": pd.DataFrame({"start": START, "end": STOP, "side": SIDE}, index=[4, 9]),
    "onset": {"onset": START, "duration": STOP - START, "side": SIDE},
    "both": pd.DataFrame({"start": START, "stop": STOP, "duration": STOP - START, "onset": START + 0.1, "side": SIDE}),
    "camels": {"startTime": START, "endTime": STOP, "side": SIDE},
    "words": pd.DataFrame({"Trial Onset": START, "Trial Duration": STOP - START, "side": SIDE}),
    "timedelta": pd.DataFrame({"start": pd.to_timedelta(START, "s"), "end": pd.to_timedelta(STOP, "s"), "side": SIDE}),
    "struct": np.array(
        list(zip(START, STOP, SIDE, strict=True)), dtype=[("start", "f8"), ("stop", "f8"), ("side", "U5")]
    ),
    "intervals": intervals,
}


@pytest.mark.parametrize("shape", TRIALS)
def test_trials_in_every_shape_give_segments_and_labels(shape):
    trials = TRIALS[shape]() if callable(TRIALS[shape]) else TRIALS[shape]
    rec = Recording.from_spikes(TRAINS, trials, bin_size=0.1)
    assert rec.counts.tolist() == COUNTS
    assert rec.labels["side"].tolist() == ["left"] * 4 + ["right"] * 3


def test_trials_are_pairs_of_times_or_all_starts_and_all_stops():
    spans = np.array([[0.0, 0.4], [1.0, 1.3], [1.3, 1.4]])
    for trials in (spans, spans.tolist(), (spans[:, 0], spans[:, 1]), {"start": spans[:, 0], "stop": spans[:, 1]}):
        assert Recording.from_spikes(TRAINS, trials, bin_size=0.1).n_segments == 3
    with pytest.raises(DataError, match="two trials, or two starts and two stops"):
        Recording.from_spikes(TRAINS, ([0.0, 0.4], [1.0, 1.3]), bin_size=0.1)


def test_without_trials_it_is_the_whole_from_the_first_spike_to_the_last():
    rec = Recording.from_spikes({"a": [0.05, 0.25], "b": [0.15]}, bin_size=0.1)
    assert rec.counts.tolist() == [[1, 0], [0, 1], [1, 0]]


def test_vectors_numbers_and_missing_values_in_columns_of_trials():
    trials = {"start": START, "stop": STOP, "target": [[1.0, 2.0], [3.0, 4.0]], "n": [3, 5], "speed": [0.5, np.nan]}
    rec = Recording.from_spikes(TRAINS, trials, bin_size=0.1)
    assert rec.labels["target"][[0, 6]].tolist() == [[1, 2], [3, 4]]
    assert rec.labels["n"].dtype.kind == "i"
    assert "speed" not in rec.labels
    assert "speed: no value in 1 of 2 segments" in rec.source["skipped"]
    masked = {"start": START, "stop": STOP, "n": np.ma.array([3, 5], mask=[True, False])}
    assert "n" not in Recording.from_spikes(TRAINS, masked, bin_size=0.1).labels


def test_signals_are_averaged_in_each_bin():
    clock = np.arange(0.005, 2, 0.01)
    hand = np.stack([np.floor(clock * 10), -np.floor(clock * 10)], axis=1)
    known = [0, 1, 2, 3, 10, 11, 12]
    for signal in ((clock, hand), [clock, hand], pd.DataFrame(hand, index=clock, columns=["x", "y"])):
        rec = Recording.from_spikes(TRAINS, SPANS, bin_size=0.1, signals={"hand": signal})
        np.testing.assert_allclose(rec.labels["hand"], np.stack([known, np.negative(known)], axis=1), atol=1e-6)
    rec = Recording.from_spikes(TRAINS, SPANS, bin_size=0.1, signals={"x": pd.Series(hand[:, 0], index=clock)})
    np.testing.assert_allclose(rec.labels["x"], known, atol=1e-6)
    with pytest.warns(UserWarning, match="signal x: no value in 3 of 7 bins; it is left out"):
        rec = Recording.from_spikes(TRAINS, SPANS, bin_size=0.1, signals={"x": (clock[clock < 1], hand[clock < 1])})
    assert not rec.labels


@pytest.mark.parametrize(
    ("spikes", "more", "said"),
    [
        ([], {}, "spikes are empty"),
        ({}, {}, "spikes are empty"),
        ("spikes", {}, "spikes are a str"),
        (np.ones((5, 2)), {}, "array of shape .5, 2.*Recording.counts"),
        ({"a": [0.1, np.nan]}, {}, r"unit a has 1 times that are NaN or infinite; leave them out"),
        ([[0.1, 0.2], ["x"]], {}, "unit unit1: values of shape"),
        ([[[0.1, 0.2], [0.3, 0.4]]], {}, "lists a trial are put together"),
        ([[0.5, 1.5], [1, 2]], {}, "may be two units, or times and units"),
        (([0.1, 0.2], [1.0, 2.0]), {}, "may be two units, or times and units"),
        ({"a": np.arange(0, 30000, 1000)}, {}, "samples or milliseconds"),
        ({"a": [0.1], 3: [0.1], "3": [0.2]}, {}, "two units have one name"),
        (TRAINS, {"units": ["c"]}, "no unit 'c'|unknown unit 'c'|c"),
        (TRAINS, {"bin_size": 0}, "above 0"),
        (TRAINS, {"trials": {"start": START}}, "one must be called start"),
        (TRAINS, {"trials": {"start": START, "stop": STOP[:1]}}, "differ in length .start 2, stop 1"),
        (TRAINS, {"trials": {"start": START, "stop": ["x", "y"]}}, "no numbers of seconds"),
        (TRAINS, {"trials": {"start": START, "start_time": START + 1, "stop": STOP}}, "may both be meant, and differ"),
        (TRAINS, {"trials": STOP}, "starts and stops in s"),
        (TRAINS, {"trials": np.empty((0, 2))}, "starts and stops in s|no trial"),
        (TRAINS, {"trials": SPANS[:, ::-1]}, "every trial stops before it starts"),
        (TRAINS, {"signals": {"x": [1, 2, 3]}}, "must be .times, values"),
        (TRAINS, {"signals": {"x": ([0, 1], [1, 2, 3])}}, "a row a time"),
        (TRAINS, {"signals": {"x": ([1, 0], [1, 2])}}, "do not rise"),
        (TRAINS, {"signals": {"x": ([0, 1], ["a", "b"])}}, "give numbers"),
        (pd.DataFrame({"time": [0.1], "x": [1]}), {}, "unit of each spike"),
        (pd.DataFrame({"when": [0.1], "unit": [1]}), {}, "times of spikes must be in one called"),
        (pd.DataFrame({"time": [0.1, 0.5, 0.2], "unit": 1, "trial": [0, 0, 1]}), {}, "a clock of its own"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(spikes, more, said):
    with pytest.raises((DataError, myow.errors.UnknownNameError), match=said) as caught:
        Recording.from_spikes(spikes, **{"bin_size": 0.1, "trials": SPANS, **more})
    assert "\n" not in str(caught.value)


def test_masked_spike_times_are_missing():
    masked = np.ma.array([0.05, 0.12, 0.33], mask=[False, True, False])
    rec = Recording.from_spikes({"a": masked}, [[0.0, 0.4]], bin_size=0.1)
    assert rec.counts.ravel().tolist() == [1, 0, 0, 1]


# read


def test_read_takes_arrays_and_frames():
    counts = np.array(COUNTS)
    rec = myow.read(counts, bin_size=0.1, segments=[0] * 4 + [1] * 3)
    assert rec.counts.tolist() == COUNTS
    assert rec.n_segments == 2
    assert myow.read(counts / 2, bin_size=0.1, kind="continuous").kind == "continuous"
    frame = pd.DataFrame(counts, columns=["unit_a", "unit_b"]).assign(side=pd.Categorical(["l"] * 4 + ["r"] * 3))
    rec = myow.read(frame, bin_size=0.1)
    assert rec.counts.tolist() == COUNTS
    assert rec.labels["side"].tolist() == ["l"] * 4 + ["r"] * 3
    assert myow.read(pd.DataFrame(counts), bin_size=0.1).counts.tolist() == COUNTS
    assert myow.read(pd.DataFrame(counts, columns=["x", "y"]), units=["x", "y"], bin_size=0.1).units == ("x", "y")
    trains = SPIKES["table of trains"].assign(quality=["good", "mua"])
    rec = myow.read(trains, bin_size=0.1, segments=SPANS, units="quality=good")
    assert rec.counts.ravel().tolist() == [row[0] for row in COUNTS]
    long = pd.DataFrame({"time": TIMES, "unit": ["a"] * 5 + ["b"] * 3, "trial": [0] * 4 + [1] + [0, 0, 1]})
    assert myow.read(long, bin_size=0.1).units == ("a", "b")


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (np.array([0.1, 0.2]), "from_spikes"),
        (np.ones((2, 3, 4)), "segments="),
        (np.ma.array([[1, 2]], mask=[[True, False]]), "masked"),
        ([[1, 2]], "from_spikes"),
        ("https://example.org/a.nwb", "https://example.org/a.nwb is an address"),
    ],
)
def test_what_read_does_not_take_is_said(thing, said):
    with pytest.raises((DataError, FileError), match=said) as caught:
        myow.read(thing, bin_size=0.1)
    assert "\n" not in str(caught.value)
