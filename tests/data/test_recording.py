"""Recording through its public face."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myow import Recording
from myow.data import recording
from myow.errors import DataError, SettingError


def make(n_segments=10, length=4, units=3, seed=0, **more):
    rng = np.random.default_rng(seed)
    n = n_segments * length
    trial = np.repeat(np.arange(n_segments), length)
    labels = {"direction": trial % 2, "velocity": rng.normal(size=(n, 2)), "speed": rng.normal(size=n)}
    return Recording(
        rng.poisson(1.0, (n, units)), bin_size=0.1, segments=trial, labels=labels, periods={"direction": 8}, **more
    )


# Construction.


def test_defaults_lay_bins_end_to_end_in_one_segment():
    rec = Recording([[0, 2], [1, 0], [3, 1]], bin_size=0.5)
    assert rec.times.tolist() == [0.0, 0.5, 1.0]
    assert rec.segments.tolist() == [0, 0, 0]
    assert (len(rec), rec.n_units, rec.n_segments, rec.duration) == (3, 2, 1, 1.5)
    assert rec.units == ("unit0", "unit1")


def test_counts_take_the_least_room_and_keep_their_values():
    assert Recording([[0.0, 255.0]], bin_size=1).counts.dtype == np.uint8
    assert Recording([[0, 256]], bin_size=1).counts.dtype == np.uint16
    big = Recording([[0, 70_000]], bin_size=1)
    assert big.counts.tolist() == [[0, 70_000]]


def test_continuous_signals_may_be_negative_and_broken():
    rec = Recording([[-1.5, 0.25]], bin_size=0.1, kind="continuous")
    assert rec.counts.dtype == np.float32
    assert rec.counts.tolist() == [[-1.5, 0.25]]


@pytest.mark.parametrize(
    ("counts", "more", "said"),
    [
        ([[0, np.nan]], {}, "nan at bin 0, unit 1"),
        ([[0, 1], [np.inf, 1]], {}, "inf at bin 1, unit 0"),
        ([[0, 1], [0, -1]], {}, "-1 at bin 1, unit 1"),
        ([[0, 1.5]], {}, "1.5 at bin 0, unit 1"),
        ([["a", "b"]], {}, "real numbers"),
        ([[1j, 0]], {}, "real numbers"),
        ([[None, 0]], {}, "real numbers"),
        ([[0, 1], [2]], {}, "ragged"),
        ([0, 1], {}, r"shape \(2,\)"),
        (np.zeros((2, 2, 2)), {}, r"shape \(2, 2, 2\)"),
        (np.zeros((0, 2)), {}, r"shape \(0, 2\)"),
        (np.zeros((2, 0)), {}, r"shape \(2, 0\)"),
        ([[np.nan]], {"kind": "continuous"}, "nan at bin 0"),
        ([[1]], {"kind": "spikes"}, "'counts' or 'continuous'"),
        ([[1]], {"bin_size": 0}, "above 0"),
        ([[1]], {"bin_size": np.nan}, "above 0"),
        ([[1]], {"bin_size": "wide"}, "number of seconds"),
        ([[1], [1]], {"segments": [0]}, r"segments have shape \(1,\), but there are 2 bins"),
        ([[1], [1], [1]], {"segments": [0, 1, 0]}, "segment 0 comes back"),
        ([[1], [1]], {"segments": [0, 0.5]}, "whole numbers"),
        ([[1], [1]], {"segments": [0, np.inf]}, "whole numbers"),
        ([[1], [1]], {"segments": ["a", "b"]}, "whole numbers"),
        ([[1], [1]], {"times": [0.0]}, "times have shape"),
        ([[1], [1]], {"times": [0.0, np.nan]}, "finite"),
        ([[1], [1]], {"times": [0.1, 0.0]}, "must rise"),
        ([[1], [1]], {"times": [0.0, 0.05]}, "must rise by at least the bin width"),
        ([[1], [1]], {"labels": {"y": [1]}}, "label 'y' has shape"),
        ([[1], [1]], {"labels": {"y": [1, np.nan]}}, "label 'y' holds NaN"),
        ([[1], [1]], {"labels": {"y": [1, None]}}, "no value in 1 of 2"),
        ([[1], [1]], {"labels": {"y": [1j, 0]}}, "complex128"),
        ([[1], [1]], {"labels": {"y": [[1], [1, 2]]}}, "ragged"),
        ([[1], [1]], {"labels": {"y": np.zeros((2, 1, 1))}}, "label 'y' has shape"),
        ([[1]], {"periods": {"y": 8}}, "not among the labels"),
        ([[1]], {"labels": {"y": [1]}, "periods": {"y": 0}}, "above 0"),
        ([[1, 2]], {"units": ["a"]}, "names 1 units"),
    ],
)
def test_bad_input_is_refused_in_one_line(counts, more, said):
    with pytest.raises(DataError, match=said) as caught:
        Recording(counts, **{"bin_size": 0.1, **more})
    assert "\n" not in str(caught.value)


def test_times_may_restart_at_a_new_segment():
    rec = Recording([[1], [1], [1]], bin_size=0.1, segments=[5, 5, 2], times=[1.0, 1.1, 0.0])
    assert rec.n_segments == 2


def test_it_is_read_only_and_apart_from_the_arrays_given():
    counts, y, t = np.ones((2, 2), dtype=int), np.array([0, 1]), np.array([0.0, 1.0])
    rec = Recording(counts, bin_size=0.1, times=t, labels={"y": y})
    counts[:], y[:], t[:] = 7, 7, 7
    assert rec.counts.tolist() == [[1, 1], [1, 1]]
    assert rec.labels["y"].tolist() == [0, 1]
    assert rec.times.tolist() == [0.0, 1.0]
    for array in (rec.counts, rec.times, rec.segments, rec.labels["y"], rec.bins):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(AttributeError):
        rec.bin_size = 1.0
    with pytest.raises(TypeError):
        rec.labels["y"] = y


def test_counts_are_copied_unless_nobody_can_write_to_them():
    rec = make()
    assert np.shares_memory(replace(rec, name="other").counts, rec.counts)
    part = Recording(rec.counts[:8], bin_size=0.1)  # which must not keep the whole alive
    assert not np.shares_memory(part.counts, rec.counts)
    mine = np.ones((2, 2), dtype=np.uint8)
    shown = mine.view()
    shown.flags.writeable = False
    rec = Recording(shown, bin_size=0.1)
    mine[:] = 7
    assert rec.counts.tolist() == [[1, 1], [1, 1]]
    assert mine.flags.writeable


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(np.nan, "hold nan"), (-1.0, "hold -1.0"), (0.5, r"hold 0\.5")],
)
def test_values_are_checked_in_blocks_and_the_first_wrong_one_of_all_is_named(monkeypatch, wrong, said):
    monkeypatch.setattr(recording, "BLOCK", 6)  # two rows of three units
    counts = np.ones((9, 3))
    counts[5, 2] = counts[8, 0] = wrong
    with pytest.raises(DataError, match=rf"counts {said} at bin 5, unit 2 \(2 such in all\)"):
        Recording(counts, bin_size=0.1)


def test_bins_count_whole_widths_since_the_segment_began_across_gaps():
    times = [0.3, 0.4, 0.7, 5.0, 5.2]
    rec = Recording(np.ones((5, 1)), bin_size=0.1, segments=[0, 0, 0, 1, 1], times=times)
    assert rec.bins.tolist() == [0, 1, 4, 0, 2]


def test_pickling_keeps_everything_and_stays_read_only():
    rec = make(name="a", source={"file": "x"})
    back = pickle.loads(pickle.dumps(rec))
    assert back.digest() == rec.digest()
    assert back.name == "a"
    assert dict(back.source) == {"file": "x"}
    assert dict(back.periods) == {"direction": 8.0}
    np.testing.assert_array_equal(back.labels["velocity"], rec.labels["velocity"])
    assert not back.counts.flags.writeable


def test_digest_depends_on_what_training_sees_alone():
    base = Recording([[1, 2], [3, 4]], bin_size=0.1)
    assert base.digest() == Recording([[1, 2], [3, 4]], bin_size=0.1, labels={"y": [0, 1]}, name="b").digest()
    others = [
        Recording([[1, 2], [3, 5]], bin_size=0.1),
        Recording([[1, 2], [3, 4]], bin_size=0.1, times=[0, 1]),
        Recording([[1, 2], [3, 4]], bin_size=0.1, segments=[0, 1]),
        Recording([[1, 2], [3, 4]], bin_size=0.2, times=[0, 1]),
    ]
    assert len({base.digest(), *(r.digest() for r in others)}) == 5


def test_summary_says_what_there_is():
    text = make(name="tiny").summary()
    assert "tiny: 3 units, 40 bins of 0.1 s (4 s)" in text
    assert "segments: 10, 4 to 4 bins" in text
    assert "label direction: 2 values (0: 20, 1: 20)" in text
    assert "label velocity: continuous, 2 column(s)" in text
    assert "constant units: 1" in Recording([[0, 1], [0, 2]], bin_size=1).summary()


# Parts.


def test_select_keeps_rows_with_all_that_belongs_to_them():
    rec = make()
    part = rec.select([1, 5, 6])
    np.testing.assert_array_equal(part.counts, rec.counts[[1, 5, 6]])
    np.testing.assert_array_equal(part.times, rec.times[[1, 5, 6]])
    np.testing.assert_array_equal(part.labels["velocity"], rec.labels["velocity"][[1, 5, 6]])
    assert part.segments.tolist() == [0, 1, 1]
    assert len(rec.select(rec.segments == 3)) == 4
    assert rec.select(slice(0, 8)).n_segments == 2


def test_select_segments_and_units():
    rec = make()
    assert np.unique(rec.select_segments([2, 7]).segments).tolist() == [2, 7]
    part = rec.select_units([2, 0])
    np.testing.assert_array_equal(part.counts, rec.counts[:, [2, 0]])
    assert part.units == ("unit2", "unit0")
    assert rec.select_units([False, True, False]).units == ("unit1",)


@pytest.mark.parametrize(
    "rows", [[], slice(0, 0), [4, 1], [1, 1], [99], np.zeros(40, bool), np.ones(3, bool), [0.5], 3, [[0], [1]]]
)
def test_impossible_selections_are_refused(rows):
    with pytest.raises(DataError, match="select"):
        make().select(rows)


def test_impossible_units_are_refused():
    for units in ([], [3], [True]):
        with pytest.raises(DataError, match="unit"):
            make().select_units(units)
    with pytest.raises(DataError, match="no row"):
        make().select_segments([99])


def test_concatenate_keeps_segments_apart_and_shared_labels():
    a, b = make(seed=0, name="a"), make(n_segments=3, seed=1, name="b")
    b = Recording(b.counts, bin_size=0.1, segments=b.segments, labels={"direction": b.labels["direction"]}, name="b")
    both = Recording.concatenate([a, b])
    assert both.name == "a+b"
    assert both.n_segments == 13
    assert set(both.labels) == {"direction"}
    assert dict(both.periods) == {"direction": 8.0}
    np.testing.assert_array_equal(both.counts, np.vstack([a.counts, b.counts]))


def test_concatenate_refuses_what_does_not_fit():
    a = make()
    for other in (
        make(units=4),
        Recording(a.counts, bin_size=0.2),
        Recording(a.counts, bin_size=0.1, kind="continuous"),
    ):
        with pytest.raises(DataError, match="must agree"):
            Recording.concatenate([a, other])
    with pytest.raises(DataError, match="at least one"):
        Recording.concatenate([])


# Splits.


def test_split_by_segment_follows_recording_order():
    train, valid, test = make().split(0.8, 0.1, 0.1)
    assert np.unique(train.segments).tolist() == list(range(8))
    assert np.unique(valid.segments).tolist() == [8]
    assert np.unique(test.segments).tolist() == [9]


def test_split_by_time_cuts_stretches_of_rows():
    parts = Recording(np.arange(100)[:, None], bin_size=4.0).split(0.7, 0.1, 0.2, by="time")
    assert [p.counts.ravel().tolist() for p in parts] == [
        list(range(70)), list(range(70, 80)), list(range(80, 100))
    ]  # fmt: skip


def test_a_gap_is_left_out_between_stretches():
    rec = Recording(np.arange(100)[:, None], bin_size=0.1)
    first, second = rec.split(0.5, 0.5, by="time", gap=0.3)
    assert first.counts.ravel().tolist() == list(range(50))
    assert second.counts[0, 0] == 53  # bins 50, 51 and 52 are the gap


def test_a_clock_that_restarts_loses_no_rows_to_the_gap():
    both = Recording.concatenate([make(), make(seed=1)])
    first, second = both.split(0.5, 0.5, by="time")
    assert len(first) + len(second) == len(both)


def test_random_split_depends_on_the_seed_alone():
    rec = make(n_segments=40)
    a, b, c = (rec.split(0.8, 0.2, random_state=s)[1].segments.tolist() for s in (1, 1, 2))
    assert a == b
    assert a != c


def test_stratified_split_shares_each_class():
    rec = make(n_segments=40)
    for seed in range(10):
        for part, size in zip(
            rec.split(0.8, 0.1, 0.1, stratify="direction", random_state=seed), (32, 4, 4), strict=True
        ):
            assert part.n_segments == size
            share = np.bincount(part.labels["direction"], minlength=2) / len(part)
            assert abs(share[0] - 0.5) <= 0.26


@pytest.mark.parametrize(
    ("fractions", "more", "error"),
    [
        ((0.5, 0.6), {}, SettingError),
        ((), {}, SettingError),
        ((1.2, -0.2), {}, SettingError),
        ((0.5, 0.5), {"by": "trial"}, SettingError),
        ((0.5, 0.5), {"by": "time", "random_state": 0}, SettingError),
        ((0.5, 0.5), {"gap": 1.0}, SettingError),
        ((0.5, 0.5), {"by": "time", "gap": -1.0}, SettingError),
        ((0.5, 0.5), {"stratify": "direction"}, SettingError),
        ((0.5, 0.5), {"stratify": "speed", "random_state": 0}, DataError),
        ((0.95, 0.04, 0.01), {}, DataError),
        ((0.5, 0.5), {"by": "time", "gap": 100.0}, DataError),
    ],
)
def test_impossible_splits_are_refused(fractions, more, error):
    with pytest.raises(error):
        make().split(*fractions, **more)


@settings(max_examples=60, deadline=None)
@given(
    n_segments=st.integers(30, 80),
    length=st.integers(1, 4),
    weights=st.lists(st.integers(2, 9), min_size=2, max_size=4),
    rule=st.sampled_from(["order", "random", "stratified", "time"]),
    seed=st.integers(0, 2**16),
)
def test_splits_are_disjoint_and_cover(n_segments, length, weights, rule, seed):
    rec = make(n_segments=n_segments, length=length)
    fractions = np.array(weights) / sum(weights)
    more = {
        "order": {},
        "random": {"random_state": seed},
        "stratified": {"random_state": seed, "stratify": "direction"},
        "time": {"by": "time"},
    }[rule]
    parts = rec.split(*fractions.tolist(), **more)
    rows = np.concatenate([p.times for p in parts])
    np.testing.assert_array_equal(np.sort(rows), rec.times)  # each row once
    if rule != "time":
        segments = [set(p.segments.tolist()) for p in parts]
        assert sum(map(len, segments)) == n_segments  # no segment is in two parts
    unit = len(rec) if rule == "time" else n_segments
    for part, fraction in zip(parts, fractions, strict=True):
        size = len(part) if rule == "time" else part.n_segments
        assert abs(size - fraction * unit) < 2.5
