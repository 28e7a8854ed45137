"""Statistics of mined views: counted by hand, and against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myow.errors import DataError
from myow.evaluation.mined import mined_statistics, neighbour_statistics

# Mined views. Rows 0, 1 | 2, 3, 4 | 5 of three segments.

HAND = {"segments": [7, 7, 3, 3, 3, 9], "times": [0.0, 1.0, 2.0, 3.0, 5.0, 9.0]}
HAND_LABEL = [0, 0, 0, 1, 1, 7]


def test_statistics_counted_by_hand():
    found = mined_statistics(
        [10, 20, 30],
        [[0, 2, 5, 1], [0, 1], [3, 3]],
        [[2, 5, 4, -1], [-1, -1], [4, 0]],
        **HAND,
        label=HAND_LABEL,
        period=8,
    )
    assert found["step"].tolist() == [10, 30]  # nothing was mined at step 20
    assert found["found"].tolist() == [0.75, 1.0]
    assert found["distinct"].tolist() == [1.0, 1.0]
    assert np.allclose(found["same_label"], [1 / 3, 1 / 2])  # 0-0, 0-7, 7-1; then 1-1, 1-0
    # Outside segment 7 one of 4 rows has label 0; outside 3, two of 3 have label 0 and none label 1; outside 9 none has 7.
    assert np.allclose(found["same_label_chance"], [(1 / 4 + 2 / 3 + 0) / 3, 0])
    assert found["same_segment"].tolist() == [0, 0.5]
    assert found["same_segment_chance"].tolist() == [0, 0]
    assert np.allclose(found["time_distance"], [np.quantile([2, 7, 4], [0.25, 0.5, 0.75]), [2.25, 2.5, 2.75]])
    assert np.allclose(found["segment_distance"], [[1, 1, 1], [0.25, 0.5, 0.75]])
    # Pairs across segments: six of segments 1-2, two of 1-3, three of 2-3, each seen from both sides.
    assert np.allclose(found["segment_distance_chance"], [1, 1, 1])
    apart = [2, 3, 5, 1, 2, 4, 9, 8, 7, 6, 4]
    assert np.allclose(found["time_distance_chance"], np.quantile(apart * 2, [0.25, 0.5, 0.75]))
    # At the last step the differences are 1-1 = 0 and 0-1 = -1.
    assert found["label_difference"].tolist() == [-3, -2, -1, 0, 1, 2, 3, 4]
    assert found["label_difference_share"].tolist() == [0, 0, 0.5, 0.5, 0, 0, 0, 0]
    assert np.isclose(found["label_difference_chance"].sum(), 1)


def test_differences_wrap_round():
    found = mined_statistics([1], [[5]], [[0]], **HAND, label=HAND_LABEL, period=8)
    assert dict(zip(found["label_difference"], found["label_difference_share"], strict=True))[1] == 1  # from 7 to 0


def test_clocks_that_start_anew_are_compared_within_segments():
    times = [10.0, 11.0, 0.0, 1.0, 3.0, 2.0]
    found = mined_statistics([1], [[1, 4]], [[3, 5]], segments=HAND["segments"], times=times)
    assert "time_distance" not in found
    assert found["time_in_segment_distance"].tolist() == [[0.75, 1.5, 2.25]]  # 1 against 1, 3 against 0


def test_one_segment_has_no_segment_distance_and_only_itself_is_barred():
    found = mined_statistics(
        [1], [[0, 1]], [[1, 3]], segments=[0] * 4, times=[0.0, 1, 2, 3], label=["a", "a", "b", "b"]
    )
    assert "segment_distance" not in found
    assert np.allclose(found["same_label_chance"], 1 / 3)
    assert found["same_segment"].tolist() == [1]
    gapped = mined_statistics(
        [1], [[0, 1]], [[2, 3]], segments=[0] * 4, times=[0.0, 1, 2, 3], label=["a", "a", "b", "a"], gap=1.0
    )
    assert np.allclose(gapped["same_label_chance"], (1 / 2 + 1) / 2)  # 0 may mine 2, 3; 1 may mine 3


def test_where_nothing_may_be_mined_there_is_no_chance():
    found = mined_statistics([1], [[0]], [[1]], segments=[0, 0], times=[0.0, 1.0], label=[1, 1], gap=5.0)
    assert not [k for k in found if k.endswith("chance")]
    assert all(np.isfinite(v).all() for v in found.values())


@settings(max_examples=25)
@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    gap=st.sampled_from([None, 0.0, 1.0]),
    seed=st.integers(0, 99),
)
def test_statistics_agree_with_brute_force(lengths, gap, seed):
    rng = np.random.default_rng(seed)
    segments = np.repeat(rng.permutation(len(lengths)), lengths)
    n = len(segments)
    times = np.cumsum(rng.integers(1, 3, n)).astype(float)
    label = rng.integers(0, 3, n)
    anchors, mined = rng.integers(0, n, 6), rng.integers(0, n, 6)
    found = mined_statistics([1], [anchors], [mined], segments=segments, times=times, label=label, gap=gap)

    def allowed(a):
        if gap is None:
            return [r for r in range(n) if (segments[r] != segments[a] if len(lengths) > 1 else r != a)]
        return [r for r in range(n) if segments[r] != segments[a] or abs(times[r] - times[a]) > gap]

    chance = [np.mean([label[r] == label[a] for r in allowed(a)]) for a in anchors if allowed(a)]
    own = [np.mean([segments[r] == segments[a] for r in allowed(a)]) for a in anchors if allowed(a)]
    if chance:
        assert np.isclose(found["same_label_chance"][0], np.mean(chance))
        assert np.isclose(found["same_segment_chance"][0], np.mean(own))
    assert np.isclose(found["same_label"][0], np.mean(label[anchors] == label[mined]))
    assert found["distinct"][0] == len(set(mined)) / 6
    drawing = [allowed(a) for a in anchors if allowed(a)]
    if drawing:
        hit = [1 - np.prod([1 - 1 / len(rows) for rows in drawing if r in rows]) for r in range(n)]
        assert np.isclose(found["distinct_chance"][0], sum(hit) / len(drawing))
    apart = [abs(times[r] - times[a]) for a in range(n) for r in allowed(a)]
    if apart:
        assert np.allclose(found["time_distance_chance"], np.quantile(apart, [0.25, 0.5, 0.75]))
    assert all(np.isfinite(v).all() for v in found.values())


def test_long_distances_are_sampled_and_stay_close(monkeypatch):
    n = 600
    given_ = {"segments": np.zeros(n), "times": np.arange(n) * 4.0}
    exact = mined_statistics([1], [[0]], [[9]], **given_)["time_distance_chance"]
    monkeypatch.setattr("myow.evaluation.mined.MOST_PAIRS", n * 60)
    sampled = mined_statistics([1], [[0]], [[9]], **given_)["time_distance_chance"]
    assert np.allclose(sampled, exact, rtol=0.05)


@pytest.mark.parametrize("pool", [3, 20, 60, 500])
def test_distinct_rows_expected_of_a_pool_agree_with_drawing(pool):
    rng = np.random.default_rng(pool)
    segments, anchors = np.repeat(np.arange(20), 3), rng.integers(0, 60, 40)
    found = mined_statistics([1], [anchors], [(anchors + 30) % 60], segments=segments, times=np.arange(60.0), pool=pool)

    def distinct():
        """Share of different rows over anchors that find one, if each draws from the same random candidates."""
        candidates = rng.permutation(60)[:pool]
        choices = [candidates[segments[candidates] != segments[a]] for a in anchors]
        return len({rng.choice(c) for c in choices if len(c)}) / sum(len(c) > 0 for c in choices)

    drawn = np.mean([distinct() for _ in range(400)])
    assert np.isclose(found["distinct_chance"][0], drawn, atol=0.02)


def test_one_row_mined_by_all_is_the_least_distinct():
    found = mined_statistics([1], [range(59)], [[59] * 59], segments=np.arange(60), times=np.arange(60.0))
    assert np.isclose(found["distinct"][0], 1 / 59)
    assert found["distinct_chance"][0] > 0.6


def test_neighbours_are_compared_among_the_rows_they_were_chosen_from():
    rows, near = [0, 3, 5], [[3, 5, -1], [5, 0, 3]]
    found = neighbour_statistics([1, 2], rows, near, **HAND, label=HAND_LABEL)
    assert found["step"].tolist() == [1, 2]
    assert found["same_label"].tolist() == [0, 0]  # labels 0, 1, 7
    times = np.asarray(HAND["times"])[rows]
    assert np.allclose(
        found["time_distance"][0], np.quantile([times[1] - times[0], times[2] - times[1]], [0.25, 0.5, 0.75])
    )
    same = neighbour_statistics([1], rows, [[3, 0, 0]], **HAND, label=["a", "b", "b", "a", "b", "b"])
    assert np.isclose(same["same_label"][0], 2 / 3)
    assert np.isclose(same["same_label_chance"][0], (1 / 2 + 1 / 2 + 0) / 3)  # each may choose the other two


@pytest.mark.parametrize(
    ("rows", "near", "words"),
    [
        ([0, 3], [[3, 1]], "is not one of the rows"),
        ([3, 0], [[3, 0]], "rows must rise"),
        ([0, 6], [[0, 0]], "inside the 6 rows"),
        ([], [[]], "rows must rise"),
        ([0, 3], [[-1, -1]], "nothing was mined"),
    ],
)
def test_neighbours_that_make_no_sense_are_refused(rows, near, words):
    with pytest.raises(DataError, match=words):
        neighbour_statistics([1], rows, near, **HAND)


def test_a_pool_without_rows_is_refused():
    with pytest.raises(DataError, match="pool is 0"):
        mined_statistics([1], [[0]], [[2]], **HAND, pool=0)


@pytest.mark.parametrize(
    ("steps", "anchors", "mined", "words"),
    [
        ([1, 2], [[0]], [[1]], "2 steps"),
        ([1], [[0, 1]], [[1]], "each anchor mines one row"),
        ([1], [[0]], [[6]], "outside the 6 rows"),
        ([1], [[-1]], [[0]], "outside the 6 rows"),
        ([1], [[0]], [[-1]], "nothing was mined"),
        ([], [], [], "nothing was mined"),
    ],
)
def test_pairs_that_make_no_sense_are_refused(steps, anchors, mined, words):
    with pytest.raises(DataError, match=words):
        mined_statistics(steps, anchors, mined, **HAND)
