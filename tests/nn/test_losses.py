"""Losses against formulas written out in NumPy."""

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from myow.nn.losses import (
    cosine_loss,
    gaussian_divergence,
    gaussian_nll,
    gaussian_product,
    masked_mean,
    nt_xent,
    poisson_nll,
)


def test_cosine_loss_is_half_the_squared_distance_of_unit_vectors():
    rng = np.random.default_rng(0)
    p, t = rng.normal(size=(20, 7)), rng.normal(size=(20, 7))
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (p, t)]
    expected = ((unit[0] - unit[1]) ** 2).sum(axis=1) / 2
    found = cosine_loss(torch.from_numpy(p), torch.from_numpy(t))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_cosine_loss_knows_direction_only():
    p = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    t = torch.tensor([[3.0, 0.0], [0.0, 2.0], [-5.0, 0.0]])
    assert cosine_loss(p, t).tolist() == [0.0, 1.0, 2.0]


def test_cosine_loss_of_a_zero_vector_is_a_number():
    p = torch.zeros(1, 3, requires_grad=True)
    loss = cosine_loss(p, torch.ones(1, 3))
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(p.grad).all()


def test_masked_mean_leaves_out_what_the_mask_does():
    values = torch.tensor([1.0, 10.0, 3.0], requires_grad=True)
    mean = masked_mean(values, torch.tensor([True, False, True]))
    assert float(mean.detach()) == 2.0
    mean.backward()
    assert values.grad.tolist() == [0.5, 0.0, 0.5]


def test_masked_mean_of_nothing_is_zero():
    assert float(masked_mean(torch.ones(3), torch.zeros(3, dtype=torch.bool))) == 0.0


def slow_nt_xent(first, second, temperature):
    views = [v / np.linalg.norm(v) for v in (*first, *second)]
    losses = []
    for i, view in enumerate(views):
        others = {k: np.exp(view @ views[k] / temperature) for k in range(len(views)) if k != i}
        losses.append(-np.log(others[(i + len(first)) % len(views)] / sum(others.values())))
    return losses


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("batch", [1, 2, 9])
def test_nt_xent_against_a_loop(batch, temperature):
    first, second = np.random.default_rng(batch).normal(size=(2, batch, 5)) * 3
    found = nt_xent(torch.from_numpy(first), torch.from_numpy(second), temperature)
    np.testing.assert_allclose(found.numpy(), slow_nt_xent(first, second, temperature), rtol=1e-10, atol=1e-12)


def test_nt_xent_of_partners_that_agree_and_of_a_batch_that_is_one_point():
    axes = torch.eye(4, dtype=torch.float64)
    agree = nt_xent(axes, 7 * axes, 0.5)  # length means nothing; six others at right angles
    np.testing.assert_allclose(agree.numpy(), np.log(1 + 6 * np.exp(-2)), rtol=1e-12)
    np.testing.assert_allclose(nt_xent(torch.ones(4, 3), torch.ones(4, 3), 0.1).numpy(), np.log(7), rtol=1e-5)


def test_gradients_of_nt_xent_go_through_both_sides():
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(5, 3, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(lambda a, b: nt_xent(a, b, 0.5), (first, second))
    grads = torch.autograd.grad(nt_xent(first, second, 0.5).mean(), (first, second))
    assert all((g.abs().sum(dim=1) > 0).all() for g in grads)


def test_poisson_nll_against_scipy():
    rng = np.random.default_rng(0)
    rates, counts = rng.uniform(0.1, 5, size=(6, 4)), rng.poisson(2.0, size=(6, 4))
    found = poisson_nll(torch.from_numpy(np.log(rates)), torch.from_numpy(counts))
    expected = (-stats.poisson.logpmf(counts, rates) - special.gammaln(counts + 1)).mean(axis=1)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_poisson_nll_is_least_at_the_count():
    counts = torch.tensor([[3.0]])
    best, *others = (float(poisson_nll(torch.tensor([[rate]]).log(), counts)) for rate in (3.0, 2.9, 3.1))
    assert best < min(others)


def two_gaussians(shape=(6, 3)):
    rng = np.random.default_rng(0)
    return [torch.from_numpy(a) for a in (rng.normal(size=(4, *shape)) * np.array([2, 1, 2, 1])[:, None, None])]


def test_gaussian_nll_against_scipy():
    mean, log_variance, x, _ = two_gaussians()
    log_p = stats.norm.logpdf(x.numpy(), mean.numpy(), np.exp(log_variance.numpy() / 2))
    expected = -(log_p + np.log(2 * np.pi) / 2).mean(axis=1)
    np.testing.assert_allclose(gaussian_nll(mean, log_variance, x), expected, rtol=1e-12)
    one = gaussian_nll(mean, log_variance[0], x)
    np.testing.assert_allclose(one, gaussian_nll(mean, log_variance[:1].expand(6, 3), x), rtol=1e-12)


def test_gaussian_product_is_the_product_of_densities():
    parts = two_gaussians()
    mean, log_variance = gaussian_product(*parts)
    at = np.linspace(-9, 9, 7)[:, None, None]

    def log_density(mean, log_variance):
        return stats.norm.logpdf(at, mean.numpy(), np.exp(log_variance.numpy() / 2))

    apart = log_density(*parts[:2]) + log_density(*parts[2:]) - log_density(mean, log_variance)
    np.testing.assert_allclose(apart, np.broadcast_to(apart[:1], apart.shape), rtol=1e-9, atol=1e-9)


def test_gaussian_product_does_not_depend_on_order_and_heeds_the_sure():
    parts = two_gaussians()
    for found, swapped in zip(gaussian_product(*parts), gaussian_product(*parts[2:], *parts[:2]), strict=True):
        np.testing.assert_allclose(found, swapped, rtol=1e-12)
    mean, log_variance = gaussian_product(
        torch.tensor([[3.0]]), torch.tensor([[-60.0]]), torch.tensor([[9.0]]), torch.tensor([[60.0]])
    )
    assert (float(mean), float(log_variance)) == (3.0, -60.0)


def test_gaussian_divergence_against_an_integral():
    parts = two_gaussians((4, 2))
    found = gaussian_divergence(*parts)
    mean, log_variance, other_mean, other_log_variance = (a.numpy() for a in parts)
    deviation, other_deviation = np.exp(log_variance / 2), np.exp(other_log_variance / 2)
    for row in range(4):
        total = 0.0
        for column in range(2):
            p = stats.norm(mean[row, column], deviation[row, column])
            q = stats.norm(other_mean[row, column], other_deviation[row, column])
            ends = p.mean() - 12 * p.std(), p.mean() + 12 * p.std()
            total += integrate.quad(lambda z, p=p, q=q: p.pdf(z) * (p.logpdf(z) - q.logpdf(z)), *ends)[0]
        assert float(found[row]) == pytest.approx(total, rel=1e-6)


def test_gaussian_divergence_is_zero_of_the_same_and_never_below():
    mean, log_variance, *_ = parts = two_gaussians((50, 4))
    np.testing.assert_allclose(gaussian_divergence(mean, log_variance, mean, log_variance), 0, atol=1e-12)
    assert (gaussian_divergence(*parts) > 0).all()
