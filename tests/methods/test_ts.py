"""TS: triplets against a slow loop, and a classifier that works on rows that training has not seen."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import bins_of, recordings
from tiny import SMALL, Notes, reach, sleep

import myow
from myow import TS
from myow.errors import DataError, SettingError
from myow.training.rows import TrainingRows

SETTINGS = {k: v for k, v in SMALL.items() if k != "predictor"}
CPU = torch.device("cpu")


def prepared(network, rec):
    """Prepare a network for rows, as training does; the values matter to no draw."""
    network.prepare(TrainingRows(rec, torch.from_numpy(np.sqrt(rec.counts)).float(), (0, 0), CPU))
    return network


def halves(rows):
    """Triplets in order and out of order, each with its ends in the order of time."""
    first, middle, last = rows.numpy()
    triplets = np.stack([np.minimum(first, last), middle, np.maximum(first, last)], axis=1)
    return triplets[: len(triplets) // 2], triplets[len(triplets) // 2 :]


@given(rec=recordings(), tau_pos=st.integers(2, 6), tau_neg=st.integers(1, 6), seed=st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_triplets_equal_a_loop(rec, tau_pos, tau_neg, seed):
    bins, n = bins_of(rec), len(rec)

    def ends(i, j, least):
        return rec.segments[i] == rec.segments[j] and j >= i + least and bins[j] - bins[i] <= tau_pos

    usable = [i for i in range(n) if any(ends(i, j, 2) for j in range(n))]
    network = TS(**SETTINGS, tau_pos=tau_pos, tau_neg=tau_neg).build(1)
    if not usable:
        with pytest.raises(DataError, match=r"a segment needs three rows within tau_pos"):
            prepared(network, rec)
        return
    prepared(network, rec)
    assert network.usable.nonzero().squeeze(1).tolist() == usable
    ordered, shuffled = halves(network.make_views(torch.arange(n).repeat(8), torch.Generator().manual_seed(seed)))
    assert len(ordered) == len(shuffled) == 4 * n
    for first, middle, last in ordered:
        assert ends(first, last, 2)
        assert first < middle < last
    for first, middle, last in shuffled:
        assert ends(first, last, 1)
        own = [j for j in range(n) if rec.segments[j] == rec.segments[first]]
        far = [j for j in own if bins[j] <= bins[first] - tau_neg or bins[j] >= bins[last] + tau_neg]
        if middle in own and middle not in far:  # no far row in the whole recording: the first two changed places
            assert len(own) == n
            assert middle < first
            assert ends(middle, last, 2)
            assert not [j for j in own if bins[j] <= bins[middle] - tau_neg or bins[j] >= bins[last] + tau_neg]
        else:
            assert middle in (far or [j for j in range(n) if j not in own])


def test_half_of_the_triplets_are_mirrored_and_as_many_are_out_of_order():
    network = prepared(TS(**SETTINGS, tau_pos=3, tau_neg=2).build(8), sleep(100))
    first, middle, last = network.make_views(torch.arange(100).repeat(20), torch.Generator().manual_seed(0)).numpy()
    assert np.mean(first > last) == pytest.approx(0.5, abs=0.04)
    between = (np.minimum(first, last) < middle) & (middle < np.maximum(first, last))
    assert between[:1000].all()
    assert not between[1000:].any()


def test_short_trials_take_far_rows_from_other_trials_unless_told_otherwise():
    rec = reach(length=6)
    for tau_neg, inside in ((None, False), (1, True)):
        network = prepared(TS(**SETTINGS, tau_pos=3, tau_neg=tau_neg).build(10), rec)
        _, shuffled = halves(network.make_views(torch.arange(48), torch.Generator().manual_seed(0)))
        same = rec.segments[shuffled[:, 1]] == rec.segments[shuffled[:, 0]]
        assert (same == inside).all()


def test_segments_too_short_for_a_triplet_are_left_out():
    rec = myow.Recording(np.arange(20).reshape(10, 2), bin_size=0.1, segments=[0, 0, 1, 1, 1, 1, 2, 3, 3, 3])
    network = prepared(TS(**SETTINGS).build(2), rec)
    ordered, shuffled = halves(network.make_views(torch.arange(10).repeat(9), torch.Generator().manual_seed(0)))
    assert set(rec.segments[ordered].flat) == {1, 3}
    assert set(rec.segments[shuffled[:, [0, 2]]].flat) == {1, 3}
    assert set(rec.segments[shuffled[:, 1]]) == {0, 1, 2, 3}
    with pytest.raises(DataError, match=r"three rows within tau_pos.*longest segment has 2 rows"):
        TS(**SETTINGS).fit(rec.select([0, 1, 2, 3, 6]))


def test_the_loss_written_out():
    network = prepared(TS(**SETTINGS).build(10), reach()).train()
    rows = network.make_views(torch.arange(20), torch.Generator().manual_seed(0))
    y = network.encoder(network.scaling(network.data.values[rows.flatten(), None])).view(3, 20, 6).detach().numpy()
    w, b = (p.detach().numpy() for p in network.classifier.parameters())
    odds = np.concatenate([np.abs(y[0] - y[1]), np.abs(y[1] - y[2])], axis=1) @ w[0] + b
    expected = np.log1p(np.exp(np.where(np.arange(20) < 10, -odds, odds))).mean()
    assert float(network.loss(rows)["loss"].detach()) == pytest.approx(expected, rel=1e-5)


def test_gradients_reach_encoder_and_classifier():
    network = prepared(TS(**SETTINGS).build(10), reach()).train()
    network.loss(network.make_views(torch.arange(20), torch.Generator().manual_seed(0)))["loss"].backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in network.parameters() if p.ndim == 2)


def test_the_loss_falls_and_held_out_triplets_are_told_apart():
    rec = myow.load("simulated-sleep", n_bins=3000)
    train, test = rec.select(np.arange(2000)), rec.select(np.arange(2000, 3000))
    notes = Notes()
    settings = {"steps": 150, "batch_size": 128, "hidden": (32,), "dim": 16, "random_state": 0, "device": "cpu"}
    model = TS(**settings, tau_pos=5, tau_neg=100).fit(train, callbacks=[notes])
    losses = [m["loss"] for m in notes.metrics]
    assert np.mean(losses[-5:]) < losses[0] - 0.05
    network = prepared(model.network_, test)
    with torch.no_grad():
        odds = network.logits(network.make_views(torch.arange(1000), torch.Generator().manual_seed(0)))
    assert float(torch.cat([odds[:500] > 0, odds[500:] < 0]).float().mean()) > 0.6


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"tau_pos": 1}, "tau_pos is 1; it must be 2 or more bins"),
        ({"tau_neg": 0}, "tau_neg is 0; it must be 1 or more bins"),
    ],
)
def test_wrong_settings_are_named(wrong, text):
    with pytest.raises(SettingError, match=text):
        TS(**SETTINGS, **wrong).fit(reach())
