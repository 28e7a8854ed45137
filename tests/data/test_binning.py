"""Binning, counted by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myow.data.binning import average_samples, count_spikes, make_bins
from myow.errors import DataError


def test_bins_of_two_intervals_counted_by_hand():
    bins = make_bins([[1.0, 1.3], [5.0, 5.25]], 0.1)
    assert bins.starts.tolist() == [1.0, 1.1, 1.2, 5.0, 5.1]
    assert bins.ends.tolist() == [1.1, 1.2, 1.3, 5.1, 5.2]
    assert bins.interval.tolist() == [0, 0, 0, 1, 1]
    assert bins.step.tolist() == [0, 1, 2, 0, 1]
    over = make_bins([[1.0, 1.3], [5.0, 5.25]], 0.1, overhang=True)
    assert over.step.tolist() == [0, 1, 2, 0, 1, 2]
    assert over.ends[-1] == 5.3


def test_spikes_on_edges_are_counted_once_in_the_bin_that_starts_there():
    bins = make_bins([[0.0, 0.4]], 0.1)
    #        before, start, edge, edge (floats disagree with 3 x 0.1), inside, last edge
    trains = [[-0.001, 0.0, 0.1, 0.3, 0.35, 0.4], [], [0.25, 0.15, 0.15]]
    assert count_spikes(trains, bins).T.tolist() == [[1, 1, 0, 2], [0, 0, 0, 0], [0, 2, 1, 0]]


def test_spikes_between_intervals_are_not_counted():
    bins = make_bins([[0.0, 0.2], [1.0, 1.1]], 0.1)
    assert count_spikes([[0.05, 0.2, 0.5, 0.999, 1.0, 1.1]], bins).ravel().tolist() == [1, 0, 1]


def test_averages_by_hand_and_bins_without_samples():
    bins = make_bins([[0.0, 0.3]], 0.1)
    means, n = average_samples([0.0, 0.05, 0.2, 0.3], [[1, 10], [3, 20], [7, 0], [99, 99]], bins)
    assert means.tolist() == [[2, 15], [0, 0], [7, 0]]
    assert n.tolist() == [2, 0, 1]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), width=st.sampled_from([0.02, 0.05, 0.1, 0.25]))
def test_counts_agree_with_a_plain_loop(seed, width):
    rng = np.random.default_rng(seed)
    starts = np.cumsum(rng.uniform(0.5, 3.0, 4))
    spans = np.stack([starts, starts + rng.uniform(0, 0.5, 4)], axis=1)
    trains = [np.round(rng.uniform(0, 12, rng.integers(0, 80)), 2) for _ in range(3)]  # many fall on edges of others
    bins = make_bins(spans, width, overhang=True)
    counts = count_spikes(trains, bins)
    for t in range(len(bins.starts)):
        for n, train in enumerate(trains):
            assert counts[t, n] == sum(bins.starts[t] <= s < bins.ends[t] for s in train)


@pytest.mark.parametrize(
    "call",
    [
        lambda: make_bins([[0.0, 1.0]], 0.0),
        lambda: make_bins([[1.0, 0.0]], 0.1),
        lambda: make_bins([[0.0, np.nan]], 0.1),
        lambda: make_bins([0.0, 1.0], 0.1),
        lambda: count_spikes([[np.nan]], make_bins([[0, 1]], 0.1)),
        lambda: average_samples([0.0, 1.0], [[1.0]], make_bins([[0, 1]], 0.1)),
        lambda: average_samples([1.0, 0.0], [[1.0], [2.0]], make_bins([[0, 1]], 0.1)),
        lambda: average_samples([0.0], [[np.nan]], make_bins([[0, 1]], 0.1)),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(DataError):
        call()
