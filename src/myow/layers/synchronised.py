"""Batch norm over the batches of all processes together."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..errors import SettingError
from ..processes import Processes, current

__all__ = ["SynchronisedBatchNorm", "synchronise_batch_norm"]


class _Normalise(torch.autograd.Function):
    """As in `myow.layers.repeatable`, but the gradient of x takes sums over all processes, which have `count` values a channel.

    Gradients of weight and bias are this process's part, as those of every other parameter.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, normed: Tensor, scale: Tensor, weight: Tensor, bias: Tensor, count: Tensor, here: Processes
    ) -> Tensor:
        ctx.save_for_backward(normed, scale, weight, count)
        ctx.here = here
        return torch.addcmul(_by_channel(bias, x), normed, _by_channel(weight, x))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        normed, scale, weight, count = ctx.saved_tensors
        own = torch.stack([_sum(grad), _sum(grad * normed)])
        mean, along = ctx.here.total_values(own) / count
        through = grad - _by_channel(mean, grad) - normed * _by_channel(along, grad)
        return through.mul_(_by_channel(weight * scale, grad)), None, None, own[1], own[0], None, None


class SynchronisedBatchNorm(nn.SyncBatchNorm):
    """Batch norm whose statistics in training, and their gradients, are those of all processes' rows together.

    On GPUs this is torch's own; torch has none for CPUs. In evaluation, and for one process, it is plain batch norm.
    """

    process_group = None  # all processes
    momentum: float | None
    num_batches_tracked: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Normalise rows of shape (B, C, ...), channel by channel."""
        here = current()
        if here.alone or not self.training or x.device.type != "cpu":
            return super().forward(x)
        self._check_input_dim(x)
        wide = x.to(torch.promote_types(x.dtype, torch.float32))  # sums in half precision would lose too much
        with torch.no_grad():  # `_Normalise` knows the gradient of all of this
            own_count = wide.new_tensor([x.numel() // x.shape[1]])
            total, count = torch.split(here.total_values(torch.cat([_sum(wide), own_count])), [x.shape[1], 1])
            if count < 2:
                raise SettingError("a batch of one value per channel has no variance; take a larger batch")
            mean = total / count
            normed = wide - _by_channel(mean, x)
            # A second exchange, since the difference of large squares and large means would lose what it looks for.
            variance = here.total_values(_sum(normed.square())) / count
            self._remember(mean, variance * (count / (count - 1)))
            scale = (variance + self.eps).rsqrt_()
            normed.mul_(_by_channel(scale, x))
        weight = torch.ones_like(scale) if self.weight is None else self.weight.to(wide.dtype)
        bias = torch.zeros_like(scale) if self.bias is None else self.bias.to(wide.dtype)
        normalised: Tensor = _Normalise.apply(wide, normed, scale, weight, bias, count, here)  # type: ignore[no-untyped-call]
        return normalised.to(x.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if not self.track_running_stats or self.running_mean is None or self.running_var is None:
            return
        self.num_batches_tracked.add_(1)
        part = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), part)
        self.running_var.lerp_(variance.to(self.running_var.dtype), part)


def synchronise_batch_norm(module: nn.Module) -> nn.Module:
    """Let every batch norm in a module take its statistics over all processes.

    Parameters
    ----------
    module : Module
        Changed in place. Parameters, buffers and their names stay, and so does what an optimizer holds of them.

    Returns
    -------
    Module
        The same; unchanged if this process is alone.
    """
    if not current().alone:
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
                # The state of the two kinds is the same, so that nothing need be copied, nor replaced where it is held.
                layer.__class__ = SynchronisedBatchNorm  # type: ignore[assignment]
    return module


def _by_channel(values: Tensor, x: Tensor) -> Tensor:
    """Shape one value for each channel so that it meets x."""
    return values.view(-1, *[1] * (x.ndim - 2))


def _sum(x: Tensor) -> Tensor:
    """Sum over all but the channels."""
    return x.sum(dim=[d for d in range(x.ndim) if d != 1])
