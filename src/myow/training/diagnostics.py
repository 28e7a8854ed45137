"""Diagnostics of a training, none of which changes it: the shape of the embedding, and whether it is still a number."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..data.rows import group_runs
from ..errors import DataError, TrainingError
from ..nn.neighbours import default_gap, excluded_pairs, excluded_ranges, nearest
from .module import TrainingModule
from .rows import TrainingRows

__all__ = [
    "Diagnostics",
    "alignment",
    "effective_rank",
    "finite_terms",
    "hubness",
    "neighbours",
    "recognition",
    "uniformity",
]

MOST_ROWS = 512  # what looks at all pairs of them takes some milliseconds, little beside the steps between two records
K = 10
PAIRS, OTHERS = 2000, 256  # rows that recognition compares, and with how many


class Diagnostics:
    """Measures the embedding of some training rows, always the same ones, without augmentation.

    Parameters
    ----------
    data : TrainingRows
        Of them at most 512 are taken, evenly spaced. What they may count as neighbours is looked up once: rows of other
        segments where there are two or more, else rows further away than `myow.nn.neighbours.default_gap`, as by MYOW's default.
    """

    def __init__(self, data: TrainingRows) -> None:
        self._data = data
        n = min(len(data), MOST_ROWS)
        self.rows = torch.arange(n, device=data.device) * (len(data) - 1) // max(n - 1, 1)
        groups, times = data.data.groups, data.data.times
        how = "segment" if len(group_runs(groups)[0]) > 1 else "time"
        ranges = excluded_ranges(groups, times, how=how, gap=default_gap(times))
        self._excluded = excluded_pairs(self.rows, self.rows, torch.from_numpy(ranges).to(data.device))
        goes_on = data.groups[1:] == data.groups[:-1]
        has_after, has_before = F.pad(goes_on, (0, 1))[self.rows], F.pad(goes_on, (1, 0))[self.rows]
        self._paired = has_after | has_before
        self._partner = torch.where(has_after, self.rows + 1, self.rows - 1)[self._paired]

    def __call__(
        self, module: TrainingModule, terms: Mapping[str, Tensor], step: int
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Measure a module after a step.

        Parameters
        ----------
        module : TrainingModule
            In training; it is put back into it.
        terms : mapping of str to Tensor
            What its loss returned: numbers are terms, integer tensors are traces.
        step : int
            For messages.

        Returns
        -------
        metrics : dict of str to float
            The terms, ``effective_rank``, ``uniformity``, ``hubness`` of the 10 nearest neighbours, and ``alignment`` of each
            row with the one after it in its segment, or else before it, unless no segment has two rows.
        traces : dict of str to Tensor
            The traces, and ``neighbour_pairs`` (S, 2): each of the S rows, and the nearest of the others that it may count
            as a neighbour, or -1.

        Raises
        ------
        TrainingError
            If a term or the embedding is no longer finite, or the embedding has collapsed to a point.
        """
        metrics = finite_terms(terms, step)
        traces = {k: v.detach().cpu() for k, v in terms.items() if not v.is_floating_point()}
        z, next_to = self._embed(module)
        _check_embedding(z, step)
        metrics["effective_rank"] = effective_rank(z)
        if len(self._partner):
            metrics["alignment"] = alignment(z[self._paired], next_to)
        metrics["uniformity"] = uniformity(z)
        nearest = neighbours(z, min(K, len(z)), self._excluded)
        metrics["hubness"] = hubness(nearest, len(z))
        first = nearest[:, 0]
        traces["neighbour_pairs"] = torch.stack([self.rows, torch.where(first < 0, -1, self.rows[first])], dim=1).cpu()
        return metrics, traces

    @torch.no_grad()
    def _embed(self, module: TrainingModule) -> tuple[Tensor, Tensor]:
        """Embed the rows, and the rows that they are compared with."""
        module.eval()  # running statistics are read, not moved
        z = module.embed(self._data.gather(torch.cat([self.rows, self._partner])))
        module.train()
        return z[: len(self.rows)], z[len(self.rows) :]


def finite_terms(terms: Mapping[str, Tensor], step: int) -> dict[str, float]:
    """Return the terms of a loss as numbers.

    Raises
    ------
    TrainingError
        If one is not finite.
    """
    numbers = {k: float(v.detach()) for k, v in terms.items() if v.is_floating_point()}
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise TrainingError(f"{name} became {value} at step {step}; lower learning_rate or check the input's scale")
    return numbers


def _check_embedding(z: Tensor, step: int) -> None:
    if not bool(torch.isfinite(z).all()):
        raise TrainingError(f"the embedding is no longer finite at step {step}; lower learning_rate")
    # Unit vectors that all point one way are the collapse that methods without negatives can fall into.
    spread = 1 - float(F.normalize(z, dim=1).mean(dim=0).norm())
    if spread < 1e-5 and len(z) > 1:
        raise TrainingError(
            f"the embedding collapsed to one point by step {step}; lower learning_rate, raise target_momentum or weaken augmentation"
        )


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
    r"""Uniformity, how evenly rows cover the unit sphere: :math:`\log` of the mean :math:`e^{-t |u - v|^2}` (Wang and Isola 2020).

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


def recognition(z: NDArray[np.float32], groups: NDArray[np.int64], lag: int) -> float:
    """Measure without labels how well rows are told by what lies near them in time: a share, 0.5 by chance.

    For each row and the one `lag` rows later in the same group (half a group later, where that is less), the share of rows of
    other groups that are less like it by the cosine. A representation that has collapsed is at chance; noise that a
    whole segment shares counts as signal, which is why the segments must be ones that were not trained on.

    Parameters
    ----------
    z : ndarray, shape (T, D)
        Embedding of rows that were not trained on.
    groups : ndarray of int, shape (T,)
        Segment of each row; those of a group follow each other.
    lag : int
        Rows that lie between.

    Returns
    -------
    float
        NaN if there is no pair, or no other group.
    """
    starts, lengths = group_runs(groups)
    lags = np.clip(lengths // 2, 1, lag)
    first = np.concatenate([np.arange(s, s + n - d) for s, n, d in zip(starts, lengths, lags, strict=True)])
    if len(starts) < 2 or not len(first):
        return float("nan")
    number = np.repeat(np.arange(len(starts)), lengths)
    first = first[np.unique(np.linspace(0, len(first) - 1, PAIRS).astype(np.int64))]
    second = first + lags[number[first]]
    unit = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
    some = np.unique(np.linspace(0, len(z) - 1, OTHERS).astype(np.int64))
    near = (unit[first] * unit[second]).sum(axis=1, keepdims=True)
    others = unit[first] @ unit[some].T
    foreign = number[first][:, None] != number[some]
    won = (near > others) + 0.5 * (near == others)
    return float((won * foreign).sum() / foreign.sum())
