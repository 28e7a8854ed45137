"""Online and target networks that bootstrap each other (Grill et al. 2020): BYOL's graph, and what MYOW adds to."""

from __future__ import annotations

import copy
import math
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..augment.neural import NeuralAugment
from ..errors import SettingError, unknown_name
from ..layers.perceptron import perceptron
from ..layers.sessions import SessionScaling
from ..losses import cosine_loss
from ..training.optim import approach
from ..training.progress import number
from ..views.windows import TrainingRows
from .paired_views import Augment, PairedViews, mostly_new

__all__ = ["Bootstrap", "Tower", "frozen_copy", "target_momentum"]

M = TypeVar("M", bound=nn.Module)


class Tower(nn.Module):
    """An encoder and the projector on top of it."""

    def __init__(self, encoder: nn.Module, projector: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.projector = projector

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map windows (B, W, N) to representations (B, D) and projections (B, Z)."""
        y = self.encoder(x)
        return y, self.projector(y)


def frozen_copy(module: M) -> M:
    """Copy a module so that no gradient reaches the copy."""
    return copy.deepcopy(module).requires_grad_(False)


def target_momentum(progress: float, base: float, schedule: str) -> float:
    """Momentum of the moving average: constant, or a half cosine from `base` to 1 (Grill et al. 2020).

    Raises
    ------
    UnknownNameError
        If the schedule is neither "constant" nor "cosine".
    """
    if schedule == "constant":
        return base
    if schedule == "cosine":
        return 1 - (1 - base) * (1 + math.cos(math.pi * progress)) / 2
    raise unknown_name("target schedule", schedule, ("constant", "cosine"))


class Bootstrap(PairedViews):
    """Graph in which the online network predicts what the target network makes of another view.

    The target network is a moving average of the online one. Its batch-norm statistics are not averaged: run in training
    mode, it normalises by its own batches and keeps running statistics of its own activations, which are the ones that
    fit its own weights.

    Parameters
    ----------
    encoder : nn.Module
        From windows (B, W, N) to representations (B, dim).
    n_units, dim : int
        Units, and dimension of the representation.
    projector : tuple of int
        Hidden and output widths of the projector; empty for the identity.
    predictor : int
        Hidden width of the predictor.
    activation : str
        Activation of projector and predictor.
    positives, augment, unit_norm, scaling
        See `myow.graphs.paired_views.PairedViews`.
    momentum, momentum_schedule
        See `target_momentum`.
    symmetric : bool
        Whether each view predicts the other, or only the first the second.
    embedding : str
        "representation" or "prediction": which of them `embed` gives; "auto" decides by the rows that it is bound to.
    """

    predicts: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        n_units: int,
        dim: int,
        *,
        projector: tuple[int, ...],
        predictor: int,
        activation: str,
        positives: tuple[int, int],
        augment: NeuralAugment | Augment,
        unit_norm: bool,
        momentum: float,
        momentum_schedule: str,
        symmetric: bool,
        embedding: str,
        scaling: SessionScaling | None = None,
    ) -> None:
        super().__init__(n_units, positives=positives, augment=augment, unit_norm=unit_norm, scaling=scaling)
        if not 0 <= momentum <= 1:
            raise SettingError(f"target_momentum is {momentum}; it must lie between 0 and 1")
        target_momentum(0.0, momentum, momentum_schedule)  # an unknown schedule is refused now, not after a step
        self.projected = projector[-1] if projector else dim
        if self.projected < 2:
            raise SettingError("the projection has 1 dimension, where directions teach nothing; use 2 or more")
        self.online = Tower(encoder, perceptron((dim, *projector), activation))
        self.predictor = perceptron((self.projected, predictor, self.projected), activation)
        self.target = frozen_copy(self.online)
        self.momentum = momentum
        self.momentum_schedule = momentum_schedule
        self.symmetric = symmetric
        self.embedding = embedding
        if embedding == "auto":
            self.register_buffer("predicts", torch.zeros((), dtype=torch.bool))

    def bind(self, data: TrainingRows) -> None:
        """List, once, the parameters that the moving average ties together."""
        super().bind(data)
        if self.embedding == "auto":
            self.predicts.fill_(mostly_new(data, self.scaling))
        self._averaged = [list(t) for t in zip(*self.average_pairs(), strict=True)]

    def unbind(self) -> None:
        """Let go of the lists of parameters too."""
        super().unbind()
        del self._averaged

    def average_pairs(self) -> list[tuple[Tensor, Tensor]]:
        """Return the (target, online) parameters that the moving average ties together."""
        return list(zip(self.target.parameters(), self.online.parameters(), strict=True))

    def draw(self, rows: Tensor, generator: torch.Generator) -> Any:
        """Make two views of each row, shape (B,)."""
        return self.pair(rows, generator)

    def loss(self, views: Any, progress: float) -> dict[str, Tensor]:
        """Return the loss of predicting the other view."""
        loss, *_ = self.bootstrap(views.x)
        return {"loss": loss}

    def sides(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Split views (2, B, ...) into what the online and the target network get, each (S, B, ...), S being 1 or 2."""
        return (x, x.flip(0)) if self.symmetric else (x[:1], x[1:])

    def bootstrap(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Run both networks on views (2, B, W, N).

        Returns
        -------
        loss : Tensor, scalar
        y, z : Tensor, shape (S * B, ...)
            Online representations and projections.
        y_target, z_target : Tensor, shape (S * B, ...)
            Those of the target network, aligned with what the online side predicts; no gradient reaches them.
        """
        mine, theirs = self.sides(x)
        y, z = self.online(mine.flatten(0, 1))
        with torch.no_grad():
            y_target, z_target = self.target(theirs.flatten(0, 1))
        return cosine_loss(self.predictor(z), z_target).mean(), y, z, y_target, z_target

    def after_step(self, progress: float) -> None:
        """Move the target network towards the online one."""
        target, online = self._averaged
        approach(target, online, number(progress, self._share))

    def _share(self, progress: float) -> float:
        return 1 - target_momentum(progress, self.momentum, self.momentum_schedule)

    def encode(self, x: Tensor) -> Tensor:
        """Encode scaled windows of shape (B, W, N): representations (B, dim), or what is predicted from them."""
        y: Tensor = self.online.encoder(x)
        predicts = bool(self.predicts) if self.embedding == "auto" else self.embedding == "prediction"
        return self.predict(y) if predicts else y

    def predict(self, y: Tensor) -> Tensor:
        """Predict another view's projection, shape (B, Z), from representations (B, dim)."""
        z: Tensor = self.predictor(self.online.projector(y))
        return z
