"""Losses: pure functions of tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["cosine_loss", "effective_rank", "masked_mean"]


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


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of the values, shape (B,), where the mask holds; 0 where it holds nowhere."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


def effective_rank(embedding: Tensor) -> float:
    r"""Number of dimensions an embedding really uses: :math:`\exp(-\sum p_i \log p_i)` (Roy and Vetterli 2007).

    Parameters
    ----------
    embedding : Tensor, shape (T, D)
        Rows; they are centred first. :math:`p_i` are the singular values over their sum.

    Returns
    -------
    float
        From 1 to min(T, D); 0 if all rows are the same.
    """
    embedding = embedding.double()  # before centring, whose rounding would look like a dimension
    values = torch.linalg.svdvals(embedding - embedding.mean(dim=0))
    total = float(values.sum())
    if total <= 1e-12 * max(1.0, float(embedding.abs().max())):
        return 0.0
    share = values[values > 0] / total
    return float(torch.exp(-(share * share.log()).sum()))
