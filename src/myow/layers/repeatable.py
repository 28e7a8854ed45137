"""Layers that give the same bits on one thread and on many.

Torch sums a batch norm's statistics, and the gradient of PReLU's single slope, in as many pieces as there are threads;
the rounding differs, and training amplifies it. Sums over one axis only, column by column, do not depend on threads.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["BatchNorm", "PReLU"]


class _Normalise(torch.autograd.Function):
    r"""From x of shape (B, C), :math:`w (x - \mu) / \sqrt{\sigma^2 + \epsilon} + b`, and its gradients.

    Source: Ioffe and Szegedy 2015, algorithm 1 and the gradients below it.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, normed: Tensor, scale: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(normed, weight * scale)
        return torch.addcmul(bias, normed, weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        normed, factor = ctx.saved_tensors
        for_bias = grad.sum(dim=0)
        for_weight = (grad * normed).sum(dim=0)
        share = -1 / len(grad)
        through = torch.addcmul(grad, normed, for_weight, value=share).add_(for_bias, alpha=share).mul_(factor)
        return through, None, None, for_weight, for_bias


class BatchNorm(nn.BatchNorm1d):
    """Batch norm over rows of shape (B, C), as in torch but repeatable whatever the number of threads.

    Parameters
    ----------
    num_features : int
        Width C.
    """

    momentum: float
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Normalise by the batch in training, by the running statistics otherwise."""
        other = x.device.type != "cpu" or x.dtype != self.running_mean.dtype  # such as bfloat16 under autocast
        if not self.training or other or len(x) < 2:
            return super().forward(x)
        with torch.no_grad():  # `_Normalise` knows the gradient of all of this
            mean = x.mean(dim=0)
            centred = x - mean
            variance = centred.square().mean(dim=0)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (len(x) / (len(x) - 1)), self.momentum)
            self.num_batches_tracked.add_(1)
            scale = (variance + self.eps).rsqrt_()
            normed = centred.mul_(scale)
        normalised: Tensor = _Normalise.apply(x, normed, scale, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return normalised


class PReLU(nn.PReLU):
    """PReLU with one slope, as in torch but repeatable whatever the number of threads."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to rows of shape (B, C)."""
        # Two ReLUs, since the gradient of torch's own PReLU takes several times as long on a CPU.
        return F.relu(x) - self.weight.expand(x.shape[1]) * F.relu(-x)
