"""SimCLR's graph: each view's partner is to be found among all other views of the batch (Chen et al. 2020)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..losses import nt_xent
from ..processes import current
from .paired_views import Pair, PairedViews

__all__ = ["Contrast"]


class Contrast(PairedViews):
    """Graph of an encoder and a projector that tell views apart.

    Parameters
    ----------
    encoder, projector : nn.Module
        From windows (B, W, N) to representations, and from there to projections (B, Z).
    n_units : int
        Units of the recordings.
    temperature : float
        Of the loss.
    **views
        See `myow.graphs.paired_views.PairedViews`.
    """

    def __init__(
        self, encoder: nn.Module, n_units: int, projector: nn.Module, temperature: float, **views: Any
    ) -> None:
        super().__init__(n_units, **views)
        self.encoder = encoder
        self.projector = projector
        self.temperature = temperature

    def draw(self, rows: Tensor, generator: torch.Generator) -> Pair:
        """Make two views of each row, shape (B,)."""
        return self.pair(rows, generator)

    def loss(self, views: Pair, progress: float) -> dict[str, Tensor]:
        """Return the loss of finding each view's partner."""
        # Both views in one pass: were each normalised by its own batch, they could be told apart by that.
        projections = self.projector(self.encoder(views.x.flatten(0, 1))).chunk(2)
        first, second = (
            current().gather(z.float()) for z in projections
        )  # partners are told from all processes' views
        return {"loss": nt_xent(first, second, self.temperature).mean()}

    def encode(self, x: Tensor) -> Tensor:
        """Encode scaled windows of shape (B, W, N), shape (B, dim)."""
        y: Tensor = self.encoder(x)
        return y
