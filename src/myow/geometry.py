"""Shape of an embedding: how close pairs lie, how evenly rows spread, how many dimensions they use, who is whose neighbour."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .errors import DataError
from .mining.exact import nearest

__all__ = ["alignment", "effective_rank", "hubness", "neighbours", "uniformity"]


def alignment(first: Tensor, second: Tensor) -> float:
    r"""Mean squared distance of pairs on the unit sphere, :math:`|u - v|^2` (Wang and Isola 2020, with exponent 2).

    Parameters
    ----------
    first, second : Tensor, shape (B, D)
        The two of each pair; their lengths do not matter.

    Returns
    -------
    float
        From 0 (each pair points one way) to 4.

    Raises
    ------
    DataError
        If there is no pair.
    """
    if not len(first):
        raise DataError("alignment is a mean over pairs, and there is none; give at least one")
    apart = F.normalize(first, dim=1) - F.normalize(second, dim=1)
    return float(apart.square().sum(dim=1).mean())


def uniformity(z: Tensor, t: float = 2.0) -> float:
    r"""How evenly rows cover the unit sphere: :math:`\log` of the mean :math:`e^{-t |u - v|^2}` (Wang and Isola 2020).

    Parameters
    ----------
    z : Tensor, shape (T, D)
        Rows; their lengths do not matter. The mean is over all pairs of two different rows.
    t : float, optional
        Sharpness of the kernel, above 0.

    Returns
    -------
    float
        0 where all rows point one way (or there is only one), lower the more evenly they spread; never below -4 t.
    """
    if len(z) < 2:
        return 0.0
    return float(torch.pdist(F.normalize(z, dim=1)).square().mul(-t).exp().mean().log())


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


def neighbours(z: Tensor, k: int, excluded: Tensor) -> Tensor:
    """Find the k nearest admissible other rows of each row by cosine similarity.

    Parameters
    ----------
    z : Tensor, shape (T, D)
        Rows.
    k : int
        How many to find, from 1 to T.
    excluded : Tensor of bool, shape (T, T)
        Pairs that may not be found; each row's own place is to be among them.

    Returns
    -------
    Tensor of int64, shape (T, k)
        Rows, the nearest first; -1 where no admissible row was left.

    Raises
    ------
    SettingError
        If k is below 1 or above T.
    """
    index, similarity = nearest(z, z, k, excluded)
    return torch.where(torch.isfinite(similarity), index, -1)


def hubness(index: Tensor, n_rows: int) -> float:
    r"""Skewness of how often each row is among the others' k nearest, :math:`S_{N_k}` of Radovanovic et al. (2010).

    With :math:`N` the number of lists that hold a row, :math:`E[(N - \mu)^3] / \sigma^3` over all rows.

    Parameters
    ----------
    index : Tensor of int64, shape (T, k)
        As `neighbours` returns it; -1 counts for no row.
    n_rows : int
        Rows that could have been found.

    Returns
    -------
    float
        0 where all rows are found equally often; the more the few are found by the many, the higher.
    """
    count = torch.bincount(index[index >= 0], minlength=n_rows).double()
    if count.min() == count.max():
        return 0.0
    centred = count - count.mean()
    return float(centred.pow(3).mean() / centred.square().mean().pow(1.5))
