"""SimCLR: the views of BYOL, both of which learn from each other, and projections that the embedding leaves out."""

import numpy as np
import pytest
import torch
from tiny import SMALL, Notes, reach
from torch import nn

import myow
from myow import BYOL, SimCLR
from myow.errors import SettingError
from myow.evaluation.decode import cross_validated_score
from myow.nn.losses import nt_xent

SETTINGS = {k: v for k, v in SMALL.items() if k != "predictor"} | {"projector": (9, 5)}


def prepared(estimator, rec):
    _, rows = estimator._initialise(rec)
    network = estimator.network_.train()
    network.prepare(rows)
    return network


@pytest.fixture
def network():
    return prepared(SimCLR(**SETTINGS), reach())


def test_widths_of_the_projector():
    def widths(module):
        return [(m.in_features, m.out_features) for m in module.modules() if isinstance(m, nn.Linear)]

    assert widths(SimCLR(**SETTINGS).build(10).projector) == [(6, 9), (9, 5)]
    assert widths(SimCLR(**SETTINGS | {"projector": ()}).build(10).projector) == []


def test_the_views_are_those_of_byol(network):
    same = {name: getattr(SimCLR(), name) for name in ("positives", "noise", "dropout", "noise_unit", "noise_to")}
    other = prepared(BYOL(**SMALL, **same), reach())
    mine, theirs = (n.make_views(torch.arange(20), torch.Generator().manual_seed(5)) for n in (network, other))
    assert torch.equal(mine.rows, theirs.rows)
    assert torch.equal(mine.x, theirs.x)
    assert (mine.rows[0] != mine.rows[1]).any()


def test_the_loss_written_out(network):
    views = network.make_views(torch.arange(20), torch.Generator().manual_seed(0))
    z = network.projector(network.encoder(torch.cat([views.x[0], views.x[1]])))
    expected = nt_xent(z[:20], z[20:], 0.5).mean()
    terms = network.loss(views)
    torch.testing.assert_close(terms["loss"], expected)
    assert set(terms) == {"loss"}


def test_the_temperature_reaches_the_loss(network):
    views = network.make_views(torch.arange(20), torch.Generator().manual_seed(0))
    found = float(network.loss(views)["loss"].detach())
    sharper = prepared(SimCLR(**SETTINGS, temperature=0.1), reach())
    assert found != pytest.approx(float(sharper.loss(views)["loss"].detach()))


def test_gradients_go_through_both_views_to_encoder_and_projector(network):
    views = network.make_views(torch.arange(20), torch.Generator().manual_seed(0))
    views.x.requires_grad_()
    network.loss(views)["loss"].backward()
    assert (views.x.grad.abs().sum(dim=(1, 2, 3)) > 0).all()
    for module in (network.encoder, network.projector):
        assert all(p.grad is not None and bool(p.grad.any()) for p in module.parameters() if p.ndim == 2)


def test_the_embedding_is_below_the_projector(network):
    network.eval()
    x = network.data.gather(torch.arange(7))
    torch.testing.assert_close(network.embed(x), network.encoder(network.scaling(x)))
    before = network.embed(x)
    nn.init.zeros_(network.projector[0].weight)
    assert torch.equal(network.embed(x), before)


def test_the_loss_falls_and_the_embedding_beats_an_untrained_encoder():
    rec = myow.load("simulated-reach", n_trials=96)
    notes = Notes()
    settings = {"steps": 120, "batch_size": 128, "hidden": (64,), "dim": 32, "random_state": 0, "device": "cpu"}
    model = SimCLR(**settings).fit(rec, callbacks=[notes])
    losses = [m["loss"] for m in notes.metrics]
    assert np.mean(losses[-5:]) < losses[0] - 0.3
    trained, untrained = (
        cross_validated_score(m.transform(rec), rec.labels["direction"], groups=rec.segments)
        for m in (model, SimCLR(**settings).initialise(rec))
    )
    assert trained > untrained + 0.1


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"temperature": 0.0}, "temperature is 0.0; it must be above 0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"projector": (9, 0)}, r"projector is \(9, 0\)"),
        ({"projector": (9, 1)}, "the projection has 1 dimension"),
        ({"noise": -1.0}, "noise is -1"),
        ({"positives": (1, 2)}, "positives are"),
    ],
)
def test_wrong_settings_are_named(wrong, text):
    with pytest.raises(SettingError, match=text):
        SimCLR(**SETTINGS | wrong).fit(reach())
