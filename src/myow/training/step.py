"""One training step: gradients of a batch, or of several, an optimizer's step, and what follows it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ..errors import TrainingError
from ..processes import current
from ..views.batches import BatchStream
from .method import Method, Plan

__all__ = ["Step"]


class Step:
    """Takes steps, each as Python that asks for one operation after the other.

    Parameters
    ----------
    method : Method
        What to train, in place; it is bound to its rows.
    optimizer : Optimizer
        Over its parameters.
    stream : BatchStream
        Where batches come from; its generator is the only source of randomness.
    plan : Plan
        Batches a step, and the precision.
    """

    def __init__(self, method: Method, optimizer: torch.optim.Optimizer, stream: BatchStream, plan: Plan) -> None:
        self.method = method
        self.optimizer = optimizer
        self.stream = stream
        self.plan = plan

    def __call__(self, progress: float, rate: float) -> dict[str, Tensor]:
        """Take the next step, at a share of training done and a learning rate; returns the terms of the last batch's loss."""
        self.set_rate(rate)
        return self.on((self.stream.next() for _ in range(self.plan.accumulate)), progress)

    def on(self, batches: Iterable[Tensor], progress: float) -> dict[str, Tensor]:
        """Take a step on as many batches as are accumulated, at the learning rate that is set."""
        self.optimizer.zero_grad(set_to_none=True)
        for rows in batches:
            terms = self._gradients(rows, progress)
        current().average_gradients(self.method.parameters())
        self.optimizer.step()
        self.method.after_step(progress)
        return terms

    def set_rate(self, rate: float | Tensor) -> None:
        """Set the learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _gradients(self, rows: Tensor, progress: float) -> dict[str, Tensor]:
        """Add the gradients of a batch to those that are there, and return the terms of its loss."""
        plan = self.plan
        try:
            views = self.method.draw(rows, self.stream.generator)
            with torch.autocast(rows.device.type, torch.bfloat16, enabled=plan.bfloat16(rows.device)):
                terms = self.method.loss(views, progress)
            (terms["loss"] / plan.accumulate).backward()  # type: ignore[no-untyped-call]
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not _is_memory(error):
                raise
            raise TrainingError(
                f"a batch of {plan.batch_size} does not fit into the memory of {rows.device}; use batch_size="
                f"{max(2, plan.batch_size // 2)} and accumulate={plan.accumulate * 2}, which takes as many for each step"
            ) from None
        return terms


def _is_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
