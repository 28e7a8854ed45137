"""RP: relative positioning (Banville et al. 2019, 2021), which tells rows close in time from rows far apart."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import SettingError
from ..estimators.trained import TrainedEstimator
from ..graphs.time_contrast import TimeContrast
from ..views.contexts import draw_far, draw_outside

__all__ = ["RP"]


@dataclass(kw_only=True, eq=False, repr=False)
class RP(TrainedEstimator):
    r"""Learn by telling from two rows whether they are close in time or far apart.

    Rows t and t' are a positive pair if they are of one segment and :math:`|t - t'| \le \tau_{pos}`, a negative one if
    :math:`|t - t'| \ge \tau_{neg}`. With an encoder h and a linear layer w, b, the loss is
    :math:`\log(1 + \exp(-s\,(w \cdot |h(x_t) - h(x_{t'})| + b)))`, with s = 1 for positives and s = -1 for negatives, of
    which there are as many.

    Negatives are of the same segment too, as in the paper, where a recording is one segment. A row whose segment holds
    nothing far enough, as in short trials, finds its negatives anywhere in the other segments; with the default
    `tau_neg` that is the case for trials of about equal length. A row is never paired with itself.

    Parameters
    ----------
    tau_pos : int, optional
        Bins between the rows of a positive pair, at most. Default: two thirds of the median segment, or an eighth of a
        single segment; 10 at most.
    tau_neg : int, optional
        Bins between the rows of a negative pair, at least; more than `tau_pos`. Default: four times `tau_pos`, but in a
        single segment no more than half of it.
    **others
        See `myow.estimators.trained.TrainedEstimator`.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> RP(steps=5, dim=4, random_state=0).fit(counts).transform(counts).shape
    (60, 4)
    """

    tau_pos: int | None = None
    tau_neg: int | None = None

    def build(self, n_features: int) -> RPGraph:
        """Build encoder and classifier for `n_features` units."""
        if self.tau_pos is not None and self.tau_neg is not None and self.tau_neg <= self.tau_pos:
            raise SettingError(f"tau_neg is {self.tau_neg}; it must be more than tau_pos, which is {self.tau_pos} bins")
        return RPGraph(
            self.make_encoder(n_features), n_features, self.dim, tau_pos=self.tau_pos, tau_neg=self.tau_neg, least=1
        )


class RPGraph(TimeContrast):
    """The graph of RP."""

    needs = "a row needs another one near it, and one far from it or in another segment"

    def anchors(self) -> Tensor:
        """Rows with another one near, and one far away."""
        own = self.segment[:, 1] - self.segment[:, 0] + 1
        far = (self.not_far != self.segment).any(dim=1) | (own < len(self.data))
        return (self.near[:, 1] > self.near[:, 0]) & far

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Draw for each row, shape (B,), a near and a far one: anchors, near and far rows, shape (3, B)."""
        rows = self.replace_unusable(rows, generator)
        near = draw_outside(self.near[rows], torch.stack([rows, rows], dim=1), generator)
        far = draw_far(self.not_far[rows], self.segment[rows], len(self.data), generator)
        return torch.stack([rows, near, far])

    def logits(self, rows: Tensor) -> Tensor:
        """Log odds that the second and the third of rows (3, B) are near the first, shape (2, B)."""
        anchor, *others = self.represent(rows)
        odds: Tensor = self.classifier((torch.stack(others) - anchor).abs()).squeeze(-1)
        return odds

    def loss(self, views: Tensor, progress: float) -> dict[str, Tensor]:
        """Return the logistic loss of rows, shape (3, B)."""
        odds = self.logits(views)
        is_near = torch.zeros_like(odds)
        is_near[0] = 1
        return {"loss": F.binary_cross_entropy_with_logits(odds, is_near)}
