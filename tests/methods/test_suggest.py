"""What is suggested follows from the width of a bin, the length of segments, the rows and the spikes, and from no label."""

import numpy as np
import pytest
from command import myow as command

import myow


def made(n_bins=600, length=10, rate=1.0, width=0.1, kind="counts"):
    counts = np.random.default_rng(0).poisson(rate, size=(n_bins, 20))
    segments = np.arange(n_bins) // length
    return myow.Recording(counts, bin_size=width, segments=segments, kind=kind, labels={"a": np.arange(n_bins)})


@pytest.mark.parametrize(
    ("given", "context", "steps", "positives", "width"),
    [
        ({}, (2, 2), 1200, (-2, 2), 0.1),
        ({"length": 3}, (1, 1), 1200, (-2, 2), 0.1),
        ({"length": 1}, (0, 0), 1200, (-2, 2), 0.1),
        ({"n_bins": 9000}, (2, 2), 1800, (-2, 2), 0.1),
        ({"width": 60.0}, (0, 0), 1200, (0, 0), 60.0),
        ({"width": 0.02, "length": 300, "n_bins": 3000}, (10, 10), 1470, (-2, 2), 0.02),
        ({"rate": 0.1, "length": 100}, (1, 1), 1200, (-2, 2), 0.3),
        ({"rate": 0.1, "kind": "continuous"}, (2, 2), 1200, (-2, 2), 0.1),
    ],
)
def test_a_suggestion_follows_from_what_it_looks_at(given, context, steps, positives, width):
    recording = made(**given)
    found = myow.suggest(recording)
    assert (found.context, found.steps, found.positives) == (context, steps, positives)
    assert found.bin_size == pytest.approx(width)
    assert found.why
    assert myow.suggest(recording.select(slice(None))) == found
    if width == recording.bin_size:
        assert myow.MYOW(context=context).training_config(len(recording)).steps == steps


def test_inspect_says_it_too(tmp_path):
    np.savez(tmp_path / "a.npz", counts=made().counts, bin_size=0.1, segments=made().segments)
    called = command("inspect", tmp_path / "a.npz")
    assert f"suggested: {myow.suggest(made())}" in called.out
