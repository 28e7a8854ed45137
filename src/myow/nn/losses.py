"""Losses as pure functions of tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "cosine_loss",
    "gaussian_divergence",
    "gaussian_nll",
    "gaussian_product",
    "masked_mean",
    "nt_xent",
    "poisson_nll",
    "sliced_distance",
]


def cosine_loss(prediction: Tensor, target: Tensor) -> Tensor:
    r"""Half the squared distance of unit vectors, :math:`1 - \cos(p, t)` (Grill et al. 2020, eq. 2, halved as released).

    Parameters
    ----------
    prediction, target : Tensor, shape (B, D)
        Predicted and target projections; the target is expected to carry no gradient.

    Returns
    -------
    Tensor, shape (B,)
        Between 0 (same direction) and 2.
    """
    return 1 - F.cosine_similarity(prediction, target, dim=1)


def masked_mean(values: Tensor, mask: Tensor, everyone: Tensor | None = None) -> Tensor:
    """Mean of the values, shape (B,), where the mask holds; 0 where it holds nowhere.

    Parameters
    ----------
    values, mask : Tensor, shape (B,)
        Values, and which of them count.
    everyone : Tensor, shape (R * B,), optional
        Masks of all R processes that share a batch: the mean of what they return is then the mean over the whole batch.
    """
    everyone = mask if everyone is None else everyone
    return (values * mask).sum() * (len(everyone) // len(mask)) / everyone.sum().clamp(min=1)


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    r"""Cross-entropy of finding each view's partner among all other views of the batch (NT-Xent, Chen et al. 2020, eq. 1).

    With unit vectors :math:`z_i` of the 2B views, and :math:`j(i)` the other view of the same sample,
    :math:`-\log \exp(z_i \cdot z_{j(i)} / \tau) / \sum_{k \ne i} \exp(z_i \cdot z_k / \tau)`.

    Parameters
    ----------
    first, second : Tensor, shape (B, Z)
        Projections of both views of B samples; gradients go through both.
    temperature : float
        :math:`\tau`, above 0.

    Returns
    -------
    Tensor, shape (2 * B,)
        Of the first views, then of the second.
    """
    z = F.normalize(torch.cat([first, second]), dim=1)
    similarity = z @ z.T / temperature
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    partner = torch.arange(len(z), device=z.device).roll(len(first))
    return F.cross_entropy(similarity.masked_fill(itself, float("-inf")), partner, reduction="none")


def poisson_nll(log_rate: Tensor, counts: Tensor) -> Tensor:
    r"""Negative log-likelihood of Poisson counts, :math:`e^l - c\,l`, less :math:`\log c!`, which no network can change.

    Parameters
    ----------
    log_rate, counts : Tensor, shape (B, N)
        Logarithm l of the expected count, and the count c.

    Returns
    -------
    Tensor, shape (B,)
        Mean over the N units.
    """
    return (log_rate.exp() - counts * log_rate).mean(dim=1)


def gaussian_nll(mean: Tensor, log_variance: Tensor, x: Tensor) -> Tensor:
    r"""Negative log-likelihood of Gaussian values, :math:`((x - m)^2 / v + \log v) / 2`, less :math:`\log(2 \pi) / 2`.

    Parameters
    ----------
    mean, x : Tensor, shape (B, N)
        Expected value m, and the value x.
    log_variance : Tensor, shape (B, N) or (N,)
        Logarithm of the variance v.

    Returns
    -------
    Tensor, shape (B,)
        Mean over the N units.
    """
    return ((x - mean).square() * (-log_variance).exp() + log_variance).mean(dim=1) / 2


def gaussian_product(
    mean: Tensor, log_variance: Tensor, other_mean: Tensor, other_log_variance: Tensor
) -> tuple[Tensor, Tensor]:
    r"""Product of two Gaussian densities, scaled to be one: precisions add up, and means weigh by them.

    :math:`1/v = 1/v_1 + 1/v_2` and :math:`m = v (m_1 / v_1 + m_2 / v_2)`, in each of D independent dimensions.

    Parameters
    ----------
    mean, log_variance, other_mean, other_log_variance : Tensor, shape (B, D)
        Of the two.

    Returns
    -------
    mean, log_variance : Tensor, shape (B, D)
    """
    share = torch.sigmoid(other_log_variance - log_variance)  # of the precision
    product = log_variance + other_log_variance - torch.logaddexp(log_variance, other_log_variance)
    return torch.lerp(other_mean, mean, share), product


def gaussian_divergence(mean: Tensor, log_variance: Tensor, other_mean: Tensor, other_log_variance: Tensor) -> Tensor:
    r"""Kullback-Leibler divergence of a Gaussian from another (Kingma and Welling 2014, appendix B, for any other).

    Sum over D independent dimensions of :math:`(v_1 / v_2 + (m_1 - m_2)^2 / v_2 - 1 - \log(v_1 / v_2)) / 2`.

    Parameters
    ----------
    mean, log_variance, other_mean, other_log_variance : Tensor, shape (B, D)
        Of the first, over which the expectation is taken, and of the other.

    Returns
    -------
    Tensor, shape (B,)
        0 or more.
    """
    ratio = log_variance - other_log_variance
    squared = (mean - other_mean).square() * (-other_log_variance).exp()
    return (ratio.exp() + squared - 1 - ratio).sum(dim=1) / 2


def sliced_distance(x: Tensor, y: Tensor, directions: Tensor, levels: int = 99) -> Tensor:
    r"""Squared sliced Wasserstein distance of two sets of points (Rabin et al. 2012), by quantiles along directions.

    Mean over directions u and levels q of :math:`(Q_q(x \cdot u) - Q_q(y \cdot u))^2`: 0 for points of one distribution,
    whichever row stands beside which.

    Parameters
    ----------
    x, y : Tensor, shape (A, D) and (B, D)
        The points.
    directions : Tensor, shape (D, P)
        Unit vectors.
    levels : int, optional
        Quantiles, evenly spaced from 0.01 to 0.99.

    Returns
    -------
    Tensor, scalar
    """
    q = torch.linspace(0.01, 0.99, levels, dtype=x.dtype, device=x.device)
    return (torch.quantile(x @ directions, q, dim=0) - torch.quantile(y @ directions, q, dim=0)).square().mean()
