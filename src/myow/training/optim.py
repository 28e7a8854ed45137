"""Optimizers, schedules and moving averages."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from ..errors import unknown_name

__all__ = [
    "LARS",
    "OPTIMIZERS",
    "SCHEDULES",
    "build_optimizer",
    "learning_rate",
    "parameter_groups",
    "ramp",
    "update_ema",
]

OPTIMIZERS = ("adamw", "lars", "sgd")
SCHEDULES = ("constant", "cosine")
_UNDECAYED = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.PReLU)


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Divide trainable parameters into weights, which decay, and the rest.

    Biases and the parameters of normalisation and PReLU layers, told by the type of the module that holds them and not
    by their names, neither decay nor (with LARS) get a trust ratio.

    Parameters
    ----------
    module : nn.Module
        Whose parameters are to be trained.
    weight_decay : float
        Decay of the first group.

    Returns
    -------
    list of dict
        Two parameter groups; either may be empty.
    """
    weights: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for owner in module.modules():
        for name, parameter in owner.named_parameters(recurse=False):
            if parameter.requires_grad:
                (rest if name == "bias" or isinstance(owner, _UNDECAYED) else weights).append(parameter)
    return [
        {"params": weights, "weight_decay": weight_decay, "adapt": True},
        {"params": rest, "weight_decay": 0.0, "adapt": False},
    ]


class _Uncompiled(torch.optim.Optimizer):
    """Optimizer whose methods are torch's own, without the wrappers that import torch's compiler: almost a second a process."""

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)


class _AdamW(_Uncompiled, torch.optim.AdamW):
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


class _SGD(_Uncompiled, torch.optim.SGD):
    step = torch.no_grad()(inspect.unwrap(torch.optim.SGD.step))


class LARS(_Uncompiled):
    r"""SGD with momentum whose step on each weight is scaled to the weight's norm (You et al. 2017).

    With gradient g, decay :math:`\lambda`, trust coefficient :math:`\eta` and momentum :math:`\mu`:
    :math:`d = g + \lambda w`, :math:`d \leftarrow \eta \|w\| / \|d\| \; d` (groups with ``adapt`` only, and where both
    norms are above 0), :math:`m \leftarrow \mu m + d`, :math:`w \leftarrow w - \mathrm{lr}\, m`.

    Parameters
    ----------
    params : iterable
        Parameters or groups; a group's ``adapt`` (default True) says whether it gets a trust ratio.
    lr : float
        Learning rate. A group's ``lr`` may later become a scalar tensor, which is never waited for.
    momentum, weight_decay, trust : float, optional
        :math:`\mu`, :math:`\lambda` and :math:`\eta`.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        *,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust: float = 1e-3,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust, "adapt": True}
        super().__init__(params, defaults)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step; `closure`, if given, is called first with gradients enabled and its loss returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            held = [p for p in group["params"] if p.grad is not None]
            if not held:
                continue
            change = [p.grad for p in held]
            if group["weight_decay"]:
                change = list(torch._foreach_add(change, held, alpha=group["weight_decay"]))
            if group["adapt"]:
                norms = torch.stack(torch._foreach_norm(held))
                steps = torch.stack(torch._foreach_norm(change))
                ratio = torch.where((norms > 0) & (steps > 0), group["trust"] * norms / steps, torch.ones_like(norms))
                change = list(torch._foreach_mul(change, list(ratio)))
            rate = group["lr"]
            for p in held:
                if "momentum_buffer" not in self.state[p]:
                    self.state[p]["momentum_buffer"] = torch.zeros_like(p)
            velocity = [self.state[p]["momentum_buffer"] for p in held]
            torch._foreach_mul_(velocity, group["momentum"])
            torch._foreach_add_(velocity, change)
            if isinstance(rate, Tensor):
                torch._foreach_addcmul_(held, velocity, _spread(rate, held), value=-1)
            else:
                torch._foreach_add_(held, velocity, alpha=-rate)
        return loss


def build_optimizer(
    name: str,
    module: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    momentum: float,
    captured: bool = False,
) -> torch.optim.Optimizer:
    """Make the optimizer called `name` over a module's parameters, grouped by `parameter_groups`.

    One whose steps are captured as a CUDA graph does the same sums, and takes its learning rate from a tensor.

    Raises
    ------
    UnknownNameError
        If there is no such optimizer.
    """
    groups = [g for g in parameter_groups(module, weight_decay) if g["params"]]
    match name:
        case "adamw":
            return _AdamW(groups, lr=learning_rate, fused=True)
        case "sgd" if all(p.is_cuda for g in groups for p in g["params"]):
            return _fused_sgd(groups, learning_rate, momentum)
        case "sgd" if captured:  # on a CPU, torch's own asks the tensor for its number
            return LARS([g | {"adapt": False} for g in groups], lr=learning_rate, momentum=momentum)
        case "sgd":
            return _SGD(groups, lr=learning_rate, momentum=momentum, foreach=True)
        case "lars":
            return LARS(groups, lr=learning_rate, momentum=momentum)
    raise unknown_name("optimizer", name, OPTIMIZERS)


def _fused_sgd(groups: list[dict[str, Any]], rate: float, momentum: float) -> torch.optim.SGD:
    """Make torch's SGD in one pass over the weights, which on a GPU takes its rate from a tensor there without asking for it.

    Velocities begin as zeros, which is what torch makes of them at the first gradient: it refuses a step in which some parameters
    have one and others get their first gradient, as mined projectors do where mining begins.
    """
    optimizer = _SGD(groups, lr=rate, momentum=momentum, fused=True)
    if momentum:
        for group in optimizer.param_groups:
            for p in group["params"]:
                optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p)
    return optimizer


def learning_rate(progress: float, base: float, *, warmup: float, schedule: str) -> float:
    """Learning rate at a share of training done, linear from 0 during warm-up, then constant or a half cosine to 0.

    Parameters
    ----------
    progress : float
        Share of steps done, in [0, 1).
    base : float
        Highest learning rate.
    warmup : float
        Share of training spent warming up.
    schedule : {"cosine", "constant"}
        What follows.

    Returns
    -------
    float
    """
    if schedule not in SCHEDULES:
        raise unknown_name("schedule", schedule, SCHEDULES)
    if progress < warmup:
        return base * progress / warmup
    if schedule == "constant":
        return base
    return base * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2


def ramp(progress: float, start: float, length: float) -> float:
    """Rise linearly from 0 at `start` to 1 at ``start + length``, all in shares of training."""
    if progress < start:
        return 0.0
    return 1.0 if length <= 0 else min(1.0, (progress - start) / length)


@torch.no_grad()
def update_ema(target: Sequence[Tensor], online: Sequence[Tensor], share: Tensor) -> None:
    r"""Move a moving average a share of the way to what it follows, in place: :math:`t \leftarrow t + s (o - t)`.

    Parameters
    ----------
    target, online : sequence of Tensor
        Parameters of the average, and those that it follows.
    share : Tensor, scalar
        s; 1 less the momentum.
    """
    if share.device.type == "cpu":
        torch._foreach_lerp_(list(target), list(online), float(share))
    else:  # a GPU is not asked for the number
        torch._foreach_lerp_(list(target), list(online), _spread(share, target))


def _spread(value: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Fill tensors of given shapes with a scalar tensor's value: operations on many tensors at once want equal shapes.

    All show the same memory, as long as the longest of them, which one operation fills; they are for reading.
    """
    kinds = {t.dtype for t in like}
    filled = {kind: value.to(kind).repeat(max(t.numel() for t in like if t.dtype == kind)) for kind in kinds}
    return [filled[t.dtype].as_strided(t.size(), t.stride()) for t in like]
