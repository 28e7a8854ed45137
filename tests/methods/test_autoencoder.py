"""The autoencoder: what it gives back, under which likelihood, and that counts are the recorded ones."""

import numpy as np
import pytest
import torch
from tiny import SMALL, Notes, reach
from torch import nn

import myow
from myow import Autoencoder
from myow.errors import SettingError, UnknownNameError
from myow.evaluation.decode import cross_validated_score
from myow.training.windows import windows

SETTINGS = {k: v for k, v in SMALL.items() if k != "predictor"} | {"likelihood": "auto"}


def bound(estimator, rec):
    _, rows = estimator._initialise(rec)
    graph = estimator.network_.train()
    graph.prepare(rows)
    return graph


def test_the_decoder_mirrors_the_encoder_and_gives_the_whole_window():
    def widths(module):
        return [(m.in_features, m.out_features) for m in module.modules() if isinstance(m, nn.Linear)]

    model = Autoencoder(**SETTINGS | {"hidden": (9, 7), "encoder": "mlp", "context": (1, 2)}).initialise(reach())
    assert widths(model.network_.encoder) == [(40, 9), (9, 7), (7, 6)]
    assert widths(model.network_.decoder) == [(6, 7), (7, 9), (9, 40)]


@pytest.mark.parametrize("how", ["auto", "anscombe", "rate", "none"])
@pytest.mark.parametrize("context", [(0, 0), (1, 2)])
def test_the_poisson_loss_is_of_the_recorded_counts_whatever_the_input(how, context):
    rec = reach(drop=0.2)
    graph = bound(Autoencoder(**SETTINGS, input=how, context=context), rec)
    rows = torch.tensor([3, 40, 7, 7])
    log_rate = graph.decoder(graph.encoder(graph.scaling(graph.data.gather(rows)))).detach().numpy().astype(float)
    counts = rec.counts[windows(rec, *context)][rows.numpy()].reshape(4, -1)
    expected = np.mean(np.exp(log_rate) - counts * log_rate)
    assert float(graph.loss(rows)["loss"].detach()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("context", [(0, 0), (1, 2)])
@pytest.mark.parametrize("kind", ["counts", "continuous"])
def test_the_gaussian_loss_is_of_the_scaled_window(kind, context):
    rec = reach()
    rec = myow.Recording(rec.counts - (kind == "continuous") * 1.5, bin_size=0.1, segments=rec.segments, kind=kind)
    likelihood = "gaussian" if kind == "counts" else "auto"
    graph = bound(Autoencoder(**SETTINGS | {"likelihood": likelihood}, context=context), rec)
    rows = torch.tensor([3, 40, 7, 7])
    given = graph.decoder(graph.encoder(graph.scaling(graph.data.gather(rows)))).detach()
    values = torch.from_numpy(rec.counts[windows(rec, *context)][rows.numpy()]).float()
    x = graph.scaling(values.sqrt() if kind == "counts" else values).flatten(1)
    expected = (given - x).square().mean()
    torch.testing.assert_close(graph.loss(rows)["loss"].detach(), expected)


def test_training_begins_from_the_mean_rates_also_of_silent_units():
    counts = reach().counts.copy()
    counts[:, 3] = 0
    graph = bound(Autoencoder(**SETTINGS, context=(1, 0)), myow.Recording(counts, bin_size=0.1))
    bias = graph.decoder[-1].bias.detach().exp().numpy()
    np.testing.assert_allclose(bias, np.tile(counts.mean(axis=0) + 1 / len(counts), 2), rtol=1e-5)


def test_gradients_reach_encoder_and_decoder():
    graph = bound(Autoencoder(**SETTINGS), reach())
    graph.loss(torch.arange(20))["loss"].backward()
    for module in (graph.encoder, graph.decoder):
        assert all(p.grad is not None and bool(p.grad.any()) for p in module.parameters() if p.ndim == 2)


def test_nothing_of_the_rows_is_kept():
    model = Autoencoder(**SETTINGS).fit(reach())
    assert not hasattr(model.network_, "counts")


@pytest.mark.parametrize("likelihood", ["poisson", "gaussian"])
def test_the_loss_falls_and_the_embedding_beats_an_untrained_encoder(likelihood):
    rec = myow.load("simulated-reach", n_trials=96)
    notes = Notes()
    settings = {"steps": 120, "batch_size": 128, "hidden": (64,), "dim": 16, "random_state": 0, "device": "cpu"}
    model = Autoencoder(**settings, likelihood=likelihood).fit(rec, callbacks=[notes])
    losses = [m["loss"] for m in notes.metrics]
    assert np.mean(losses[-5:]) < losses[0]
    trained, untrained = (
        cross_validated_score(m.transform(rec), rec.labels["direction"], groups=rec.segments)
        for m in (model, Autoencoder(**settings).initialise(rec))
    )
    assert trained > untrained + 0.1


def test_what_is_given_back_follows_the_tuning():
    """Counts of the four directions differ in their means, which the rates given back must come close to."""
    rec = reach(n_segments=40)
    model = Autoencoder(**SETTINGS | {"steps": 300, "learning_rate": 1e-2}).fit(rec)
    graph = model.network_
    values = torch.from_numpy(np.sqrt(rec.counts)).float()[:, None]
    with torch.no_grad():
        rates = graph.decoder(graph.embed(values)).exp().numpy()
    for direction in range(4):
        rows = rec.labels["direction"] == direction
        mean = rec.counts[rows].mean(axis=0)
        overall = np.abs(rec.counts.mean(axis=0) - mean).mean()
        assert np.abs(rates[rows].mean(axis=0) - mean).mean() < overall / 4


def test_poisson_is_refused_for_signals_and_unknown_names_are_told():
    signal = myow.Recording(reach().counts - 0.5, bin_size=0.1, kind="continuous")
    with pytest.raises(SettingError, match="likelihood='poisson' is of counts, but the recording is continuous"):
        Autoencoder(**SETTINGS | {"likelihood": "poisson"}).fit(signal)
    with pytest.raises(UnknownNameError, match="did you mean 'poisson'"):
        Autoencoder(**SETTINGS | {"likelihood": "poison"}).fit(reach())
