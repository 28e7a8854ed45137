"""What is measured of a method now and then while it trains; nothing that is measured here changes training."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.rows import group_runs
from ..errors import TrainingError
from ..geometry import alignment, effective_rank, hubness, neighbours, uniformity
from ..mining.exact import default_gap, excluded_pairs, excluded_ranges
from ..views.windows import TrainingRows
from .method import Method

__all__ = ["Measure", "finite_terms"]

MOST_ROWS = 512  # what looks at all pairs of them takes some milliseconds, little beside the steps between two records
K = 10


class Measure:
    """Measures the embedding of some training rows, always the same ones, without augmentation.

    Parameters
    ----------
    data : TrainingRows
        Of them at most 512 are taken, evenly spaced. What they may count as neighbours is looked up once: rows of other
        segments where there are two or more, else rows further away than `mining.default_gap`, as by MYOW's default.
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
        self, method: Method, terms: Mapping[str, Tensor], step: int
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Measure a method after a step.

        Parameters
        ----------
        method : Method
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
        z, next_to = self._embed(method)
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
    def _embed(self, method: Method) -> tuple[Tensor, Tensor]:
        """Embed the rows, and the rows that they are compared with."""
        method.eval()  # running statistics are read, not moved
        z = method.embed(self._data.gather(torch.cat([self.rows, self._partner])))
        method.train()
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
