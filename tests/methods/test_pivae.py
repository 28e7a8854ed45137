"""pi-VAE: its bound, its flow, whose labels it reads, and that latents are recovered without labels."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from tiny import SMALL, Notes, reach
from torch.distributions import Independent, Normal, Poisson, kl_divergence

import myow
from myow import PiVAE, Recording
from myow.errors import DataError, SettingError
from myow.methods.pivae import Coupling, InjectiveFlow
from myow.training.windows import windows

SETTINGS = {k: v for k, v in SMALL.items() if k != "predictor"} | {"dim": 3}
NAMES = np.array(["east", "north", "south", "west"])
KINDS = ["class", "real", "columns"]


def labels(rec, kind):
    direction = rec.labels["direction"]
    angle = direction * np.pi / 2
    return {"class": NAMES[direction], "real": rec.times * 7.0, "columns": 50 * np.c_[np.cos(angle), np.sin(angle)]}[
        kind
    ]


def prepared(estimator, rec, y, labelled=None):
    _, rows = estimator._initialise(rec, y, labelled)
    network = estimator.network_.train()
    network.prepare(rows)
    return network


def signal():
    rec = reach()
    return Recording(rec.counts - 1.5, bin_size=0.1, segments=rec.segments, labels=rec.labels, kind="continuous")


# The bound.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("context", [(0, 0), (1, 2)])
@pytest.mark.parametrize("rec", [reach(drop=0.2), signal()], ids=["counts", "signal"])
def test_the_loss_is_the_evidence_bound_of_torch_distributions(rec, context, kind):
    network = prepared(PiVAE(**SETTINGS, context=context), rec, labels(rec, kind))
    views = network.make_views(torch.arange(30), torch.Generator().manual_seed(0))
    terms = {k: float(v.detach()) for k, v in network.loss(views).items()}
    with torch.no_grad():
        x = network.scaling(network.data.gather(views.rows))
        (m1, v1), (m2, v2) = network.posterior(x), network.label_prior(views.targets)
        v1, v2 = v1.exp(), v2.exp()
        mean, variance = (m1 / v1 + m2 / v2) / (1 / v1 + 1 / v2), 1 / (1 / v1 + 1 / v2)
        posterior = Independent(Normal(mean, variance.sqrt()), 1)
        divergence = kl_divergence(posterior, Independent(Normal(m2, v2.sqrt()), 1)).mean()
        given = network.decoder(mean + variance.sqrt() * views.noise)
        if rec.kind == "counts":
            c = torch.from_numpy(rec.counts[windows(rec, *context)][views.rows.numpy()]).float().flatten(1)
            log_p = (Poisson(torch.nn.functional.softplus(given) + 1e-6).log_prob(c) + torch.lgamma(c + 1)).sum(dim=1)
        else:
            log_p = (Normal(given, 1.0).log_prob(x.flatten(1)) + np.log(2 * np.pi) / 2).sum(dim=1)
    assert terms["divergence"] == pytest.approx(float(divergence), rel=1e-4)
    assert terms["reconstruction"] == pytest.approx(-float(log_p.mean()), rel=1e-4, abs=1e-4)
    assert terms["loss"] == pytest.approx(terms["divergence"] + terms["reconstruction"], rel=1e-6)


def test_noise_belongs_to_the_views_and_is_standard():
    rec = reach()
    network = prepared(PiVAE(**SETTINGS), rec, labels(rec, "class"))
    first, same = (network.make_views(torch.arange(96), torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first.noise, same.noise)
    other = network.make_views(torch.arange(96), torch.Generator().manual_seed(4))
    assert not torch.equal(first.noise, other.noise)
    assert float(network.loss(first)["loss"].detach()) != float(network.loss(other)["loss"].detach())
    assert float(first.noise.std()) == pytest.approx(1, abs=0.15)


def test_a_prior_for_each_class_and_one_that_follows_real_numbers():
    rec = reach()
    table = prepared(PiVAE(**SETTINGS), rec, labels(rec, "class"))
    mean, log_variance = table.label_prior(torch.tensor([0, 1, 2, 3, 0]))
    assert mean.shape == log_variance.shape == (5, 3)
    assert torch.equal(mean[0], mean[4])
    assert len(torch.unique(mean, dim=0)) == 4
    curve = prepared(PiVAE(**SETTINGS), rec, labels(rec, "columns"))
    mean, _ = curve.label_prior(curve.standardise(torch.tensor([[50.0, 0.0], [49.0, 1.0], [-50.0, 0.0]])))
    assert (mean[0] - mean[1]).norm() < (mean[0] - mean[2]).norm() / 10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rec", [reach(), signal()], ids=["counts", "signal"])
def test_gradients_reach_every_part_and_are_finite_far_out(rec, kind):
    network = prepared(PiVAE(**SETTINGS), rec, labels(rec, kind))
    with torch.no_grad():
        for module in (network.log_variances, network.prior):
            for p in module.parameters():
                p.mul_(30)
    network.loss(network.make_views(torch.arange(40), torch.Generator().manual_seed(0)))["loss"].backward()
    for name, p in network.named_parameters():
        assert p.grad is not None, name
        assert bool(torch.isfinite(p.grad).all()), name
        assert p.ndim < 2 or bool(p.grad.any()), name
    for log_variance in (
        network.posterior(torch.randn(9, 1, 10) * 1e6)[1],
        network.label_prior(network.targets[:9])[1],
    ):
        assert float(log_variance.detach().abs().max()) <= 8


def test_training_begins_from_the_mean_rates_also_of_silent_units():
    counts = reach().counts.copy()
    counts[:, 3] = 0
    rec = Recording(counts, bin_size=0.1)
    network = prepared(PiVAE(**SETTINGS), rec, labels(reach(), "class"))
    rates = torch.nn.functional.softplus(network.decoder.bias.detach()).numpy()
    np.testing.assert_allclose(rates, counts.mean(axis=0) + 1 / len(counts), rtol=1e-4)
    assert np.isfinite(PiVAE(**SETTINGS).fit(rec, labels(reach(), "class")).transform(rec)).all()


# The flow.


@pytest.mark.parametrize("width", [2, 3, 8, 41])
def test_a_coupling_keeps_volume_and_can_be_undone(width):
    torch.manual_seed(0)
    coupling = Coupling(width).double()
    x = 3 * torch.randn(5, width, dtype=torch.float64)
    for row in x:
        jacobian = torch.autograd.functional.jacobian(lambda v: coupling(v[None])[0], row)
        assert abs(float(torch.linalg.det(jacobian))) == pytest.approx(1, rel=1e-9)
    with torch.no_grad():
        y = coupling(x)
        moved, kept = y[:, : -coupling.kept], y[:, -coupling.kept :]
        stretch, shift = coupling.network(kept).chunk(2, dim=1)
        stretch = 0.1 * stretch.tanh()
        back = (moved - shift) / (stretch - stretch.mean(dim=1, keepdim=True)).exp()
    np.testing.assert_allclose(torch.cat([kept, back], dim=1).numpy(), x.numpy(), atol=1e-12)


@pytest.mark.parametrize(("dim", "n_outputs", "blocks"), [(1, 2, 1), (2, 30, 2), (4, 9, 0), (3, 4, 3)])
def test_the_flow_is_injective(dim, n_outputs, blocks):
    torch.manual_seed(1)
    flow = InjectiveFlow(dim, n_outputs, blocks).double()
    z = 3 * torch.randn(40, dim, dtype=torch.float64)
    for row in z[:5]:  # everywhere of full rank
        jacobian = torch.autograd.functional.jacobian(lambda v: flow(v[None])[0], row)
        assert int(torch.linalg.matrix_rank(jacobian)) == dim
    given = flow(z).detach()
    assert given.shape == (40, n_outputs)
    apart = torch.cdist(given, given) + torch.eye(40)
    assert float(apart.min()) > 0.1 * float((torch.cdist(z, z) + 10 * torch.eye(40)).min())


@pytest.mark.parametrize("n_outputs", [1, 2, 3])
def test_as_many_dimensions_as_units_or_more_still_give_rows(n_outputs):
    assert InjectiveFlow(3, n_outputs, 2)(torch.zeros(5, 3)).shape == (5, n_outputs)


def test_orders_are_permutations_that_travel_with_the_weights(tmp_path):
    rec = reach()
    model = PiVAE(**SETTINGS).fit(rec, labels(rec, "class"))
    orders = [model.network_.decoder.get_buffer(f"order{i}") for i in range(2)]
    assert all(torch.equal(order.sort().values, torch.arange(10)) for order in orders)
    assert not torch.equal(*orders)
    model.save(tmp_path / "a.myow")
    decoder = myow.load_model(tmp_path / "a.myow", device="cpu").network_.decoder
    z = torch.randn(6, 3)
    assert torch.equal(decoder(z), model.network_.decoder(z))


# What is recovered.


def simulate(kind, n=2500, n_units=40, seed=0):
    """Latents around a centre for each class, or along a circle; rates are a smooth curved function of them."""
    rng = np.random.default_rng(seed)
    if kind == "discrete":
        of = rng.integers(5, size=n)
        u = np.array(list("abcde"))[of]
        mean, variance = rng.uniform(-3, 3, (5, 2))[of], rng.uniform(0.3, 1.5, (5, 2))[of]
    else:
        angle = rng.uniform(0, 2 * np.pi, n)
        u = np.c_[np.cos(angle), np.sin(angle)]
        mean, variance = 2 * u, 0.1 + 0.3 * np.abs(u[:, ::-1])
    z = mean + np.sqrt(variance) * rng.normal(size=(n, 2))
    inner, bias, outer = 0.7 * rng.normal(size=(2, 20)), rng.normal(size=20), rng.normal(size=(20, n_units))
    rates = np.exp(1 + 1.5 * np.tanh(z @ inner + bias) @ outer / np.sqrt(20))
    return rng.poisson(rates), u, z


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["discrete", "continuous"])
def test_latents_are_recovered_up_to_an_affine_map_and_without_labels(kind):
    counts, u, z = simulate(kind)
    train, test = slice(0, 2000), slice(2000, None)
    settings = {"dim": 2, "hidden": (64, 64), "steps": 600, "random_state": 0, "device": "cpu"}
    model = PiVAE(**settings).fit(counts[train], u[train])

    def recovered(model):
        affine = LinearRegression().fit(model.transform(counts[train]), z[train])
        return affine.score(model.transform(counts[test]), z[test])

    found = recovered(model)
    assert found > 0.8
    assert found > recovered(PiVAE(**settings).initialise(counts[train], u[train])) + 0.4
    # Rates come close to the counts of rows that were never seen, nearer than each unit's mean.
    with torch.no_grad():
        rates = torch.nn.functional.softplus(model.network_.decoder(torch.from_numpy(model.transform(counts[test]))))
    wrong = ((rates.numpy() - counts[test]) ** 2).sum()
    assert wrong < 0.5 * ((counts[train].mean(axis=0) - counts[test]) ** 2).sum()


@pytest.mark.slow
def test_the_prior_learns_where_the_classes_lie():
    counts, u, z = simulate("discrete")
    model = PiVAE(dim=2, hidden=(64, 64), steps=600, random_state=0, device="cpu").fit(counts, u)
    centres = np.array([z[u == name].mean(axis=0) for name in "abcde"])
    with torch.no_grad():
        learnt, _ = model.network_.label_prior(torch.arange(5))
    affine = LinearRegression().fit(model.transform(counts), z)
    rest = ((affine.predict(learnt.numpy()) - centres) ** 2).sum()
    assert rest < 0.2 * ((centres - centres.mean(axis=0)) ** 2).sum()


def test_every_term_is_told_and_the_bound_gets_tighter():
    rec, notes = reach(n_segments=30), Notes()
    PiVAE(**SETTINGS | {"steps": 100}).fit(rec, labels(rec, "class"), callbacks=[notes])
    assert {"reconstruction", "divergence", "loss"} <= notes.metrics[0].keys()
    assert all(m["divergence"] >= 0 for m in notes.metrics)
    losses = [m["loss"] for m in notes.metrics]
    assert np.mean(losses[-5:]) < np.mean(losses[:3])


# Labels.


@pytest.mark.parametrize("kind", KINDS)
def test_a_label_outside_the_budget_changes_no_bit(kind):
    rec = reach(drop=0.2)
    y = labels(rec, kind)
    labelled = np.random.default_rng(1).random(len(rec)) < 0.4
    poisoned = y.copy().astype("U9") if kind == "class" else y.copy()
    poisoned[~labelled] = "elsewhere" if kind == "class" else np.inf
    clean, same = (PiVAE(**SETTINGS).fit(rec, given, labelled=labelled).transform(rec) for given in (y, poisoned))
    assert np.array_equal(clean, same)


def test_one_label_of_each_class_or_one_class_alone_is_enough_to_run():
    rec = reach()
    y = labels(rec, "class")
    for labelled in ([np.flatnonzero(y == name)[0] for name in NAMES], y == "west"):
        model = PiVAE(**SETTINGS).fit(rec, y, labelled=labelled)
        assert np.isfinite(model.transform(rec)).all()
        assert model.n_targets_ == len(model.classes_)
    with pytest.raises(DataError, match="requires y to be passed"):
        PiVAE(**SETTINGS).fit(rec)


def test_labels_all_alike_and_one_labelled_row_stay_finite():
    rec = reach()
    assert np.isfinite(PiVAE(**SETTINGS).fit(rec, np.full(96, 0.1)).transform(rec)).all()
    assert np.isfinite(PiVAE(**SETTINGS).fit(rec, rec.times * 1.0, labelled=[5]).transform(rec)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_models_survive_files_and_pickles_and_hold_no_rows(kind, tmp_path):
    rec = reach()
    model = PiVAE(**SETTINGS).fit(rec, labels(rec, kind))
    model.save(tmp_path / "a.myow")
    for again in (myow.load_model(tmp_path / "a.myow", device="cpu"), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(again.transform(rec), model.transform(rec))
        assert again.n_targets_ == model.n_targets_
        assert again.classes_.tolist() == NAMES.tolist() if kind == "class" else again.classes_ is None
    assert not {"data", "counts", "labelled", "targets"} & vars(model.network_).keys()


@pytest.mark.parametrize("kind", KINDS)
def test_resuming_gives_the_same_bits_and_other_labels_are_refused(kind, tmp_path):
    rec = reach()
    y = labels(rec, kind)
    whole = PiVAE(**SETTINGS).fit_transform(rec, y)
    with pytest.raises(RuntimeError, match="stopped by the test"):
        PiVAE(**SETTINGS).fit(rec, y, folder=tmp_path, callbacks=[Notes(fail_at=7)])
    with pytest.raises(SettingError, match="other labels"):
        PiVAE(**SETTINGS).fit(rec, y[::-1], folder=tmp_path, resume=True)
    assert np.array_equal(PiVAE(**SETTINGS).fit(rec, y, folder=tmp_path, resume=True).transform(rec), whole)


def test_blocks_are_counted():
    rec = reach()
    assert len(PiVAE(**SETTINGS, blocks=3).initialise(rec, labels(rec, "class")).network_.decoder.couplings) == 3
    with pytest.raises(SettingError, match="blocks is -1"):
        PiVAE(**SETTINGS, blocks=-1).fit(rec, labels(rec, "class"))
