"""RP: pairs against a slow loop, and a classifier that works on rows that training has not seen."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import bins_of, recordings
from tiny import SMALL, Notes, reach, sleep

import myow
from myow import RP
from myow.errors import DataError, SettingError
from myow.training.rows import TrainingRows

SETTINGS = {k: v for k, v in SMALL.items() if k != "predictor"}
CPU = torch.device("cpu")


def prepared(network, rec):
    """Prepare a network for rows, as training does; the values matter to no draw."""
    network.prepare(TrainingRows(rec, torch.from_numpy(np.sqrt(rec.counts)).float(), (0, 0), CPU))
    return network


@given(rec=recordings(), tau_pos=st.integers(1, 5), more=st.integers(1, 5), seed=st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_pairs_equal_a_loop(rec, tau_pos, more, seed):
    bins, tau_neg, n = bins_of(rec), tau_pos + more, len(rec)
    near, far = {}, {}
    for i in range(n):
        own = [j for j in range(n) if rec.segments[j] == rec.segments[i]]
        near[i] = [j for j in own if j != i and abs(bins[j] - bins[i]) <= tau_pos]
        far[i] = [j for j in own if abs(bins[j] - bins[i]) >= tau_neg] or [j for j in range(n) if j not in own]
    usable = [i for i in range(n) if near[i] and far[i]]
    network = RP(**SETTINGS, tau_pos=tau_pos, tau_neg=tau_neg).build(1)
    if not usable:
        with pytest.raises(DataError, match=r"no row can be compared: .* longest segment has \d+ rows"):
            prepared(network, rec)
        return
    prepared(network, rec)
    assert network.usable.nonzero().squeeze(1).tolist() == usable
    rows = torch.arange(n).repeat(8)
    drawn = network.make_views(rows, torch.Generator().manual_seed(seed))
    assert drawn.shape == (3, 8 * n)
    for row, anchor, close, distant in zip(rows.tolist(), *drawn.tolist(), strict=True):
        assert anchor == row if row in usable else anchor in usable
        assert close in near[anchor]
        assert distant in far[anchor]


def test_every_pair_is_drawn_equally_often():
    rec = sleep(12)
    network = prepared(RP(**SETTINGS, tau_pos=2, tau_neg=4).build(8), rec)
    _, near, far = network.make_views(torch.full((8000,), 5), torch.Generator().manual_seed(0))
    for drawn, allowed in ((near, [3, 4, 6, 7]), (far, [0, 1, 9, 10, 11])):
        counts = np.bincount(drawn.numpy(), minlength=12)
        assert np.flatnonzero(counts).tolist() == allowed
        np.testing.assert_allclose(counts[allowed], 8000 / len(allowed), rtol=0.15)


def test_short_trials_take_negatives_from_other_trials_and_a_long_segment_its_own():
    trials = reach(length=6)
    network = prepared(RP(**SETTINGS).build(10), trials)
    anchor, near, far = network.make_views(torch.arange(48), torch.Generator().manual_seed(0)).numpy()
    assert (trials.segments[anchor] == trials.segments[near]).all()
    assert (trials.segments[anchor] != trials.segments[far]).all()
    network = prepared(RP(**SETTINGS).build(8), sleep(200))
    anchor, near, far = network.make_views(torch.arange(200), torch.Generator().manual_seed(0)).numpy()
    assert np.abs(anchor - near).max() == 10
    assert np.abs(anchor - far).min() >= 40


def test_the_loss_written_out():
    rec = reach()
    network = prepared(RP(**SETTINGS).build(10), rec).train()
    rows = network.make_views(torch.arange(20), torch.Generator().manual_seed(0))
    y = network.encoder(network.scaling(network.data.values[rows.flatten(), None])).view(3, 20, 6).detach().numpy()
    w, b = (p.detach().numpy() for p in network.classifier.parameters())
    near, far = (np.abs(y[0] - other) @ w[0] + b for other in y[1:])
    expected = np.concatenate([np.log1p(np.exp(-near)), np.log1p(np.exp(far))]).mean()
    assert float(network.loss(rows)["loss"].detach()) == pytest.approx(expected, rel=1e-5)


def test_gradients_reach_encoder_and_classifier():
    network = prepared(RP(**SETTINGS).build(10), reach()).train()
    network.loss(network.make_views(torch.arange(20), torch.Generator().manual_seed(0)))["loss"].backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in network.parameters() if p.ndim == 2)


def test_the_loss_falls_and_held_out_pairs_are_told_apart():
    rec = myow.load("simulated-sleep", n_bins=3000)
    train, test = rec.select(np.arange(2000)), rec.select(np.arange(2000, 3000))
    notes = Notes()
    settings = {"steps": 150, "batch_size": 128, "hidden": (32,), "dim": 16, "random_state": 0, "device": "cpu"}
    model = RP(**settings, tau_pos=5, tau_neg=100).fit(train, callbacks=[notes])
    losses = [m["loss"] for m in notes.metrics]
    assert np.mean(losses[-5:]) < losses[0] - 0.05
    network = prepared(model.network_, test)
    with torch.no_grad():
        near, far = network.logits(network.make_views(torch.arange(1000), torch.Generator().manual_seed(0)))
    assert (float((near > 0).float().mean()) + float((far < 0).float().mean())) / 2 > 0.6


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"tau_pos": 0}, "tau_pos is 0; it must be 1 or more bins"),
        ({"tau_neg": 0}, "tau_neg is 0; it must be 1 or more bins"),
        ({"tau_pos": 3, "tau_neg": 3}, "tau_neg is 3; it must be more than tau_pos, which is 3 bins"),
    ],
)
def test_wrong_settings_are_named(wrong, text):
    with pytest.raises(SettingError, match=text):
        RP(**SETTINGS, **wrong).fit(reach())


def test_a_recording_without_pairs_is_refused():
    apart = myow.Recording(np.arange(6).reshape(3, 2), bin_size=0.1, segments=[0, 1, 2])
    with pytest.raises(DataError, match=r"another one near it.*longest segment has 1 rows"):
        RP(**SETTINGS).fit(apart)
