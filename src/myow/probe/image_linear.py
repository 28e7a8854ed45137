"""A linear readout trained by SGD, many settings at once as one wide layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["STEPS", "Step", "train_and_predict", "train_heads"]

BATCH = 512
MOMENTUM = 0.9
DROPS = (6, 8)  # tenths of training after which the learning rate falls to a tenth
CHUNK = 4096


@dataclass(frozen=True)
class Step:
    """Settings of a linear readout."""

    learning_rate: float
    """Of SGD, for rows whose mean squared length is 1."""
    weight_decay: float
    """Of the weights; biases do not decay."""


STEPS = tuple(Step(rate, decay) for decay in (0.0, 1e-4) for rate in (1.0, 3.0, 0.3, 10.0, 0.1, 30.0, 100.0))
"""Settings to choose from, in order of preference; the range was set on rows of CIFAR-10's training part."""


def train_heads(
    x: Tensor, y: Tensor, settings: Sequence[Step], *, n_classes: int, epochs: int, seed: int
) -> tuple[Tensor, Tensor]:
    r"""Train one linear classifier for each setting, all on the same batches, as one layer of S C outputs.

    The recipe is that of the released evaluation: softmax cross-entropy, batches of 512, momentum 0.9, a learning rate
    that falls to a tenth at 60 % and at 80 % of the epochs. With the gradient g of a head's mean loss,
    :math:`v \leftarrow 0.9 v + g + \lambda w` and :math:`w \leftarrow w - \mathrm{lr}\, v`. Heads start at zero, so that
    the seed decides the order of the rows and nothing else.

    Parameters
    ----------
    x : Tensor, shape (T, D)
        Rows, centred, of mean squared length 1.
    y : Tensor of int64, shape (T,)
        Their classes, 0 to ``n_classes - 1``.
    settings : sequence of Step
        S settings.
    n_classes : int
        Number of classes C.
    epochs : int
        Passes over the rows. In each they are cut into batches of equal size, 512 at most.
    seed : int
        Of the order of the rows.

    Returns
    -------
    weight : Tensor, shape (D, S, C)
        Weights of each head.
    bias : Tensor, shape (S, C)
        Biases of each head.
    """
    shape = (len(settings), n_classes)
    columns = torch.tensor([[s.learning_rate, s.weight_decay] for s in settings], device=x.device)
    rate, decay = columns.repeat_interleave(n_classes, dim=0).unbind(1)
    weight, bias = x.new_zeros(x.shape[1], rate.numel()), x.new_zeros(rate.numel())
    weight_velocity, bias_velocity = torch.zeros_like(weight), torch.zeros_like(bias)
    generator = torch.Generator().manual_seed(seed)
    # A row's gradient is never longer than twice the row: too high a learning rate gives poor heads, not overflow.
    for epoch in range(epochs):
        slowed = rate * 0.1 ** sum(10 * epoch >= tenths * epochs for tenths in DROPS)
        order = torch.randperm(len(x), generator=generator).to(x.device)
        for rows in order.tensor_split(-(-len(x) // BATCH)):
            batch = x[rows]
            error = torch.addmm(bias, batch, weight).view(-1, *shape).softmax(dim=2)
            error[torch.arange(len(rows), device=x.device), :, y[rows]] -= 1
            error = error.view(len(rows), -1).div_(len(rows))
            weight_velocity.mul_(MOMENTUM).addmm_(batch.T, error).addcmul_(weight, decay)
            bias_velocity.mul_(MOMENTUM).add_(error.sum(dim=0))
            weight.addcmul_(weight_velocity, slowed, value=-1)
            bias.addcmul_(bias_velocity, slowed, value=-1)
    return weight.view(-1, *shape), bias.view(shape)


def train_and_predict(
    x: Tensor, y: Tensor, queries: Tensor, settings: Sequence[Step], *, n_classes: int, epochs: int, seed: int
) -> NDArray[np.int64]:
    """Return the class that each head of `train_heads` predicts for each of Q queries, shape (S, Q)."""
    weight, bias = train_heads(x, y, settings, n_classes=n_classes, epochs=epochs, seed=seed)
    flat, shift = weight.flatten(1), bias.flatten()
    # Some rows at a time: all scores of all heads together would take more room than the features.
    parts = [torch.addmm(shift, q, flat).view(-1, *bias.shape).argmax(dim=2) for q in torch.split(queries, CHUNK)]
    return np.asarray(torch.cat(parts).T.cpu().numpy())
