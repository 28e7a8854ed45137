"""TS: temporal shuffling (Banville et al. 2019, 2021), which tells rows in order from rows out of order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..estimators.trained import TrainedEstimator
from ..graphs.time_contrast import TimeContrast
from ..views.contexts import draw_between, draw_far

__all__ = ["TS"]


@dataclass(kw_only=True, eq=False, repr=False)
class TS(TrainedEstimator):
    r"""Learn by telling from three rows whether the second was recorded between the others.

    Rows t < t'' are of one segment and :math:`t'' - t \le \tau_{pos}`. In order is a middle row with t < t' < t''; out of
    order is one outside, at least :math:`\tau_{neg}` before t or after t''. With an encoder h and a linear layer w, b,
    and d the differences :math:`|h(x_t) - h(x_{t'})|` and :math:`|h(x_{t'}) - h(x_{t''})|` side by side, the loss is
    :math:`\log(1 + \exp(-s\,(w \cdot d + b)))`, with s = 1 for triplets in order and s = -1 for as many others. As in the
    paper, half of all triplets are mirrored in time.

    A middle row out of order is of the same segment too, as in the paper, where a recording is one segment. If the
    segment holds none far enough, as in short trials, it comes from anywhere in the other segments, which is the case for
    trials of about equal length with the default `tau_neg`; ``tau_neg=1`` keeps it inside wherever it can be. In a
    single segment too short for that, the first two rows of a triplet in order change places. Segments without three rows
    within `tau_pos` are left out.

    Parameters
    ----------
    tau_pos : int, optional
        Bins from the first to the last row of a triplet, at most; 2 or more. Default: two thirds of the median segment,
        or an eighth of a single segment; 10 at most.
    tau_neg : int, optional
        Bins from a middle row out of order to the other two, at least; 1 or more. Default: four times `tau_pos`, but in a
        single segment no more than half of it.
    **others
        See `myow.estimators.trained.TrainedEstimator`.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> TS(steps=5, dim=4, random_state=0).fit(counts).transform(counts).shape
    (60, 4)
    """

    tau_pos: int | None = None
    tau_neg: int | None = None

    def build(self, n_features: int) -> TSGraph:
        """Build encoder and classifier for `n_features` units."""
        return TSGraph(
            self.make_encoder(n_features), n_features, 2 * self.dim, tau_pos=self.tau_pos, tau_neg=self.tau_neg, least=2
        )


class TSGraph(TimeContrast):
    """The graph of TS."""

    needs = "a segment needs three rows within tau_pos"

    def anchors(self) -> Tensor:
        """Rows that two more follow soon."""
        return self.near[:, 1] >= torch.arange(len(self.data), device=self.near.device) + 2

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Draw triplets that begin at rows, shape (B,): shape (3, B), of which the first B // 2 are in order."""
        first = self.replace_unusable(rows, generator)
        last = draw_between(first + 2, self.near[first, 1], generator)
        middle = draw_between(first + 1, last - 1, generator)
        not_far = torch.stack([self.not_far[first, 0], self.not_far[last, 1]], dim=1)
        far = draw_far(not_far, self.segment[first], len(self.data), generator)
        nowhere = far == len(self.data)
        in_order = torch.arange(len(rows), device=rows.device) < len(rows) // 2
        shuffled = torch.where(nowhere, torch.stack([middle, first, last]), torch.stack([first, far, last]))
        triplets = torch.where(in_order, torch.stack([first, middle, last]), shuffled)
        mirrored = torch.rand(len(rows), generator=generator, device=rows.device) < 0.5
        return torch.where(mirrored, triplets.flip(0), triplets)

    def logits(self, rows: Tensor) -> Tensor:
        """Log odds that the second of rows (3, B) lies between the others, shape (B,)."""
        earlier, later = self.represent(rows).diff(dim=0).abs()
        odds: Tensor = self.classifier(torch.cat([earlier, later], dim=1)).squeeze(1)
        return odds

    def loss(self, views: Tensor, progress: float) -> dict[str, Tensor]:
        """Return the logistic loss of triplets, shape (3, B)."""
        odds = self.logits(views)
        in_order = (torch.arange(len(odds), device=odds.device) < len(odds) // 2).to(odds.dtype)
        return {"loss": F.binary_cross_entropy_with_logits(odds, in_order)}
