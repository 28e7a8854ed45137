"""Contexts against slow loops: which rows are near and far, and that draws are even."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from strategies import bins_of, recordings

from myow import Recording
from myow.training.windows import choose_contexts, draw_between, draw_far, draw_outside, segment_ranges


@given(rec=recordings())
@settings(max_examples=50, deadline=None)
def test_segments_equal_a_loop(rec):
    for i, (first, last) in enumerate(segment_ranges(rec.segments)):
        assert list(range(first, last + 1)) == np.flatnonzero(rec.segments == rec.segments[i]).tolist()
    assert bins_of(rec).shape == (len(rec),)


def trials(lengths):
    return Recording(np.zeros((sum(lengths), 1), int), bin_size=1.0, segments=np.repeat(range(len(lengths)), lengths))


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([6] * 5, (4, 16)),  # trials of 0.6 s
        ([5, 6, 6, 7, 300], (4, 16)),
        ([100, 100], (10, 40)),
        ([10800], (10, 40)),  # a night in bins of 4 s
        ([40], (5, 20)),
        ([10], (1, 4)),
        ([3], (1, 2)),
        ([1, 1], (1, 4)),
    ],
)
def test_contexts_are_chosen_from_the_segments(lengths, expected):
    assert choose_contexts(trials(lengths), None, None, 1) == expected


def test_what_is_given_is_kept():
    rec = trials([6] * 5)
    assert choose_contexts(rec, 2, None, 1) == (2, 8)
    assert choose_contexts(rec, None, 3, 1) == (4, 3)
    assert choose_contexts(rec, np.int64(3), 9, 2) == (3, 9)
    assert choose_contexts(trials([3]), None, None, 2) == (2, 3)


def even(drawn, allowed):
    counts = np.bincount(drawn.numpy(), minlength=max(allowed) + 1)
    assert set(np.flatnonzero(counts)) == set(allowed)
    np.testing.assert_allclose(counts[list(allowed)], len(drawn) / len(allowed), rtol=0.15)


def test_draws_are_even_over_what_is_allowed():
    generator = torch.Generator().manual_seed(0)
    many = torch.ones(6000, 1, dtype=torch.int64)

    def runs(first, last):
        return many * torch.tensor([first, last])

    even(draw_between(many[:, 0] * 4, many[:, 0] * 8, generator), [4, 5, 6, 7, 8])
    even(draw_outside(runs(2, 8), runs(4, 6), generator), [2, 3, 7, 8])
    even(draw_outside(runs(2, 8), runs(2, 6), generator), [7, 8])
    even(draw_outside(runs(2, 8), runs(5, 8), generator), [2, 3, 4])
    even(draw_far(runs(4, 5), runs(3, 7), 12, generator), [3, 6, 7])
    even(draw_far(runs(3, 7), runs(3, 7), 12, generator), [0, 1, 2, 8, 9, 10, 11])
    even(draw_far(runs(0, 11), runs(0, 11), 12, generator), [12])
