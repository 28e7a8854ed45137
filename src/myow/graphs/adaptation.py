"""Learning a read-in for one more session of a trained graph of which nothing else moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..layers.inputs import Scaling
from ..layers.sessions import SessionScaling, read_in_encoders
from ..losses import sliced_distance
from ..training.method import Method
from ..views.windows import TrainingRows

__all__ = ["Adaptation", "alone", "grown"]

DIRECTIONS = 64  # along which representations are compared at every step


def grown(method: Method, scaling: Scaling, weight: Tensor) -> Method:
    """Copy a graph and give the copy one more session.

    Parameters
    ----------
    method : Method
        A graph whose encoders have read-ins.
    scaling : Scaling
        What the new session's rows taught.
    weight : Tensor, shape (width, N)
        The read-in that its training begins with.
    """
    method = deepcopy(method)
    device = method.scaling.mean.device
    encoders = list(read_in_encoders(method))
    old, n_units = method.scaling, [part.in_features for part in encoders[0].linear()]
    wider = SessionScaling([*n_units, weight.shape[1]])
    for number in range(len(n_units)):
        wider.put(number, old.of(number) if isinstance(old, SessionScaling) else old)
    wider.put(len(n_units), scaling)
    method.scaling = wider.to(device)
    for encoder in encoders:
        encoder.add(weight)
    return method


def alone(method: Method, number: int) -> Method:
    """Copy a graph of several sessions and keep one of them, whose rows need no padding and no number."""
    method = deepcopy(method)
    if isinstance(method.scaling, SessionScaling):
        method.scaling = method.scaling.of(number)
    for encoder in read_in_encoders(method):
        encoder.keep(number)
    return method


@dataclass(frozen=True)
class AdaptedViews:
    """What one step of adaptation needs besides weights.

    Parameters
    ----------
    views : Any
        What the trained graph draws.
    rows : Tensor of int64, shape (B,)
        Rows of the new session.
    directions : Tensor, shape (D, P)
        Unit vectors along which representations are compared.
    """

    views: Any
    rows: Tensor
    directions: Tensor


class Adaptation(Method):
    """Train the read-in of the newest session by the loss of a trained graph; everything else stays as it is, bit by bit.

    What is frozen cannot keep the read-in from showing it only what is easy to predict, such as nothing at all. So the
    new session's representations are drawn towards the distribution of those that the graph was trained on.

    Parameters
    ----------
    trained : Method
        The graph, from `grown`. Its networks run as after training: batch norm by the statistics that it learnt.
    align : float
        Weight of `myow.losses.sliced_distance` between the new representations and those trained on, in units of the
        latter's deviation.
    """

    def __init__(self, trained: Method, align: float) -> None:
        super().__init__(1)
        self.scaling = trained.scaling
        self.trained = trained
        trained.requires_grad_(False)
        # In lists, so that what is part of the graph is not registered a second time.
        self._encoders = list(read_in_encoders(trained))
        self._newest = [encoder.linear()[-1].weight for encoder in self._encoders]
        self._newest[0].requires_grad_(True)
        self._seen = [self._encoders[0].seen]
        deviation = self._seen[0].std(dim=0).mean()
        # A graph that was never trained has seen nothing to be likened to.
        self.align = align if float(deviation) > 0 else 0.0
        self._deviation = deviation

    def train(self, mode: bool = True) -> Self:
        """Change nothing below: what is frozen runs as it does when it embeds."""
        self.training = mode
        self.trained.eval()
        return self

    def bind(self, data: TrainingRows) -> None:
        """Bind the graph; what it would decide from these rows stays as it was decided in training."""
        super().bind(data)
        with _unchanged(self.trained):
            self.trained.bind(data)

    def unbind(self) -> None:
        """Let go of the rows."""
        super().unbind()
        with _unchanged(self.trained):
            self.trained.unbind()

    def draw(self, rows: Tensor, generator: torch.Generator) -> AdaptedViews:
        """Make the views of rows of the new session as in training, and draw directions."""
        shape = (self._seen[0].shape[1], DIRECTIONS)
        directions = torch.randn(shape, generator=generator, device=rows.device)
        return AdaptedViews(self.trained.draw(rows, generator), rows, directions / directions.norm(dim=0))

    def loss(self, views: AdaptedViews, progress: float) -> dict[str, Tensor]:
        """Return the loss of the trained graph, how far the representations are from those trained on, and their sum."""
        terms = self.trained.loss(views.views, 1.0)  # as at the end of training
        if self.align == 0:
            return terms
        y = self._encoders[0](self.scaling(self.data.gather(views.rows)))
        apart = sliced_distance(y / self._deviation, self._seen[0] / self._deviation, views.directions)
        return terms | {"loss": terms["loss"] + self.align * apart, "apart": apart}

    def after_step(self, progress: float) -> None:
        """Keep the averaged network's read-in of the new session where the online one is."""
        online, *averaged = self._newest
        for weight in averaged:
            weight.copy_(online.detach())

    def embed(self, x: Tensor) -> Tensor:
        """Embed transformed windows."""
        return self.trained.embed(x)


@contextmanager
def _unchanged(module: nn.Module) -> Iterator[None]:
    """Put all buffers that are there before and after back to what they were before."""
    kept = {name: buffer.clone() for name, buffer in module.named_buffers()}
    yield
    held = dict(module.named_buffers())
    for name, buffer in kept.items():
        if name in held:
            held[name].copy_(buffer)
