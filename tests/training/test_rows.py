"""Windows and positives against a slow loop: never across a segment's edge, adjacent in time and not in the file."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import bins_of, recordings

from myow import Recording
from myow.errors import DataError, SettingError
from myow.methods.paired_views import sample_positives
from myow.training.rows import TrainingRows
from myow.training.windows import positive_ranges, windows


@given(rec=recordings(), earliest=st.integers(-6, 0), latest=st.integers(0, 6))
@settings(max_examples=150, deadline=None)
def test_positives_equal_a_loop(rec, earliest, latest):
    bins, ranges = bins_of(rec), positive_ranges(rec, earliest, latest)
    assert ranges.shape == (len(rec), 2)
    for i in range(len(rec)):
        allowed = [
            j for j in range(len(rec)) if rec.segments[j] == rec.segments[i] and earliest <= bins[j] - bins[i] <= latest
        ]
        assert list(range(ranges[i, 0], ranges[i, 1] + 1)) == allowed
        assert i in allowed


@given(rec=recordings(), before=st.integers(0, 5), after=st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_windows_equal_a_loop(rec, before, after):
    bins = bins_of(rec)
    spans = [np.ptp(bins[rec.segments == s]) + 1 for s in np.unique(rec.segments)]
    if before + after + 1 > max(spans):
        with pytest.raises(DataError, match=f"window is {before + after + 1} bins wide, but the longest"):
            windows(rec, before, after)
        return
    found = windows(rec, before, after)
    assert found.shape == (len(rec), before + after + 1)
    for i in range(len(rec)):
        own = np.flatnonzero(rec.segments == rec.segments[i])
        for j, offset in enumerate(range(-before, after + 1)):
            distance = np.abs(bins[own] - (bins[i] + offset))
            assert found[i, j] in own[distance == distance.min()]


def test_a_window_by_hand():
    rec = Recording(np.zeros((6, 1), int), bin_size=1.0, times=[0, 1, 4, 5, 0, 1], segments=[0, 0, 0, 0, 1, 1])
    assert windows(rec, 1, 1).tolist() == [[0, 0, 1], [0, 1, 1], [2, 2, 3], [2, 3, 3], [4, 4, 5], [4, 5, 5]]
    assert positive_ranges(rec, -2, 2).tolist() == [[0, 1], [0, 1], [2, 3], [2, 3], [4, 5], [4, 5]]


def test_a_window_as_wide_as_the_longest_segment_is_allowed():
    rec = Recording(np.zeros((5, 1), int), bin_size=1.0, segments=[0, 0, 0, 1, 1])
    assert windows(rec, 1, 1)[3].tolist() == [3, 3, 4]
    with pytest.raises(DataError, match="4 bins wide, but the longest segment spans 3; choose a smaller context"):
        windows(rec, 2, 1)


def test_a_row_is_the_middle_of_its_own_window_even_if_times_jitter():
    rec = Recording(np.zeros((200, 1), int), bin_size=1.0, times=np.arange(200) * 0.992)
    assert (np.diff(rec.bins) == 0).any()  # two rows in one bin
    assert np.array_equal(windows(rec, 1, 2)[:, 1], np.arange(200))


@pytest.mark.parametrize(("before", "after"), [(-1, 0), (0, -1)])
def test_a_window_of_negative_width_is_refused(before, after):
    with pytest.raises(SettingError, match="context is"):
        windows(Recording([[1]], bin_size=1.0), before, after)


@pytest.mark.parametrize("offsets", [(1, 2), (-2, -1), (2, -2)])
def test_positives_must_include_the_row_itself(offsets):
    with pytest.raises(SettingError, match="positives are"):
        positive_ranges(Recording([[1]], bin_size=1.0), *offsets)


def test_positives_are_drawn_evenly_from_their_range():
    rec = Recording(np.zeros((12, 1), int), bin_size=1.0, segments=[0] * 7 + [1] * 5)
    ranges = torch.from_numpy(positive_ranges(rec, -2, 3))
    rows = torch.arange(12).repeat(3000)
    drawn = sample_positives(rows, ranges, torch.Generator().manual_seed(0))
    for row in range(12):
        first, last = ranges[row].tolist()
        counts = np.bincount(drawn[rows == row].numpy(), minlength=12)
        assert counts[first : last + 1].sum() == 3000
        np.testing.assert_allclose(counts[first : last + 1], 3000 / (last - first + 1), rtol=0.15)


def test_rows_are_looked_up_as_windows():
    rec = Recording(np.arange(10).reshape(5, 2), bin_size=1.0, segments=[0, 0, 0, 1, 1])
    values = torch.from_numpy(np.array(rec.counts)).float()
    device = torch.device("cpu")
    single = TrainingRows(rec, values, (0, 0), device)
    assert len(single) == 5
    assert single.gather(torch.tensor([4, 0])).tolist() == [[[8, 9]], [[0, 1]]]
    wide = TrainingRows(rec, values, (1, 1), device)
    assert wide.gather(torch.tensor([[2], [3]])).shape == (2, 1, 3, 2)
    assert wide.gather(torch.tensor([3]))[0].tolist() == [[6, 7], [6, 7], [8, 9]]
