"""Losses against formulas written out in NumPy."""

import numpy as np
import pytest
import torch

from myow.losses import cosine_loss, effective_rank, masked_mean


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


def test_effective_rank_against_numpy():
    x = np.random.default_rng(0).normal(size=(50, 6)) * [5, 3, 1, 0.5, 0.1, 0.01]
    s = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    p = s / s.sum()
    assert effective_rank(torch.from_numpy(x)) == pytest.approx(np.exp(-(p * np.log(p)).sum()))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_effective_rank_of_equal_directions_is_their_number(n):
    axes = torch.eye(5)[:n]
    assert effective_rank(torch.cat([axes, -axes]) * 3 + 100) == pytest.approx(n, abs=1e-3)


def test_effective_rank_of_one_point_is_zero():
    assert effective_rank(torch.full((10, 4), 0.3)) == 0.0
