"""The only training loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from .batches import BatchStream
from .checkpoint import Checkpoint
from .errors import TrainingError
from .inputs import Scaling
from .measure import Measure, finite_terms
from .optim import build_optimizer, learning_rate
from .processes import current
from .synchronised import synchronise_batch_norm
from .views import TrainingRows

__all__ = ["NO_STEPS", "Method", "Plan", "Watcher", "train"]


class Method(nn.Module, ABC):
    """What a method gives the loop: its graph, what it compares, and its loss.

    Parameters
    ----------
    n_units : int
        Units of the recordings; their scaling is part of the graph, so that it is saved and exported with it.
    """

    def __init__(self, n_units: int) -> None:
        super().__init__()
        self.scaling = Scaling(n_units)

    def bind(self, data: TrainingRows) -> None:
        """Take the training rows that `draw` will look up, and learn what takes no gradient; called once before training."""
        self.data = data

    @abstractmethod
    def draw(self, rows: Tensor, generator: torch.Generator) -> Any:
        """Make the views of a batch of rows, shape (B,)."""

    @abstractmethod
    def loss(self, views: Any, progress: float) -> dict[str, Tensor]:
        """Return every term of the loss, and their sum as "loss"; integer tensors are traces, not terms."""

    def after_step(self, progress: float) -> None:
        """Do what follows an optimizer step, such as moving averages."""

    @abstractmethod
    def embed(self, x: Tensor) -> Tensor:
        """Map transformed windows of shape (B, W, N) to the embedding, shape (B, D)."""

    def unbind(self) -> None:
        """Let go of the training rows, and of what `bind` derived from them, so that they are not saved or copied."""
        del self.data


class Watcher(Protocol):
    """Something that is told how training goes: a progress bar, a log file."""

    def begin(self, step: int, total: int) -> None:
        """Training starts or continues at `step` of `total`."""
        ...

    def step(self, step: int) -> None:
        """`step` steps are done."""
        ...

    def record(self, step: int, metrics: Mapping[str, float], traces: Mapping[str, Tensor]) -> None:
        """Numbers, and integer tensors, measured at `step`."""
        ...

    def end(self) -> None:
        """Training is over, finished or not."""
        ...


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train; see `myow.estimator.Estimator` for the parameters."""

    steps: int
    batch_size: int
    optimizer: str
    learning_rate: float
    weight_decay: float
    momentum: float
    warmup: float
    schedule: str
    record_every: int
    checkpoint_every: int
    accumulate: int = 1
    precision: str = "float32"

    def bfloat16(self, device: torch.device) -> bool:
        """Whether products are made in bfloat16 on a device."""
        return self.precision == "bfloat16" or (self.precision == "auto" and device.type == "cuda")


NO_STEPS = Plan(
    steps=0,
    batch_size=2,
    optimizer="adamw",
    learning_rate=1.0,
    weight_decay=0.0,
    momentum=0.0,
    warmup=0.0,
    schedule="constant",
    record_every=1,
    checkpoint_every=1,
)
"""Of a method that learns nothing by gradients: the loop binds it to its rows, where it may learn in closed form."""


def train(
    method: Method,
    data: TrainingRows,
    plan: Plan,
    generator: torch.Generator,
    watchers: Sequence[Watcher] = (),
    checkpoint: Checkpoint | None = None,
) -> int:
    """Train a method on rows.

    Parameters
    ----------
    method : Method
        What to train, in place.
    data : TrainingRows
        The rows.
    plan : Plan
        Steps, batch size, optimizer. Of several processes each takes its share of every batch, and the weights that come of
        it are those of one process.
    generator : torch.Generator
        The only source of randomness, on the device of the rows.
    watchers : sequence of Watcher, optional
        Who is told.
    checkpoint : Checkpoint, optional
        Where to save state now and then, and where to continue from if it holds any.

    Returns
    -------
    int
        Steps done in all.

    Raises
    ------
    TrainingError
        If the loss is no longer a number or the embedding has collapsed to a point.
    """
    method.bind(data)
    method.train()
    if plan.steps == 0:  # there may be no parameter that an optimizer would take
        return _untrained(method, watchers)
    world = current()
    synchronise_batch_norm(method)
    optimizer = build_optimizer(
        plan.optimizer,
        method,
        learning_rate=plan.learning_rate,
        weight_decay=plan.weight_decay,
        momentum=plan.momentum,
    )
    stream = BatchStream(len(data), plan.batch_size, generator)
    measure = Measure(data)
    done = checkpoint.restore(method, optimizer, stream) if checkpoint else 0
    for watcher in watchers:
        watcher.begin(done, plan.steps)
    try:
        for step in range(done, plan.steps):
            progress = step / plan.steps
            rate = learning_rate(progress, plan.learning_rate, warmup=plan.warmup, schedule=plan.schedule)
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad(set_to_none=True)
            for _ in range(plan.accumulate):
                terms = _gradients(method, stream.next(), generator, progress, plan)
            world.average_gradients(method.parameters())
            optimizer.step()
            method.after_step(progress)
            done = step + 1
            if done % plan.record_every == 0 or done in (1, plan.steps):
                metrics, traces = measure(method, _over_processes(terms), done)
                for watcher in watchers:
                    watcher.record(done, metrics | {"learning_rate": rate}, traces)
            for watcher in watchers:
                watcher.step(done)
            if checkpoint and world.is_first and (done % plan.checkpoint_every == 0 or done == plan.steps):
                finite_terms(terms, done)  # no broken state is kept
                checkpoint.save(method, optimizer, stream, done)
    finally:
        # An interrupted step may be half done, so a stop of any kind leaves the last whole checkpoint as it is.
        for watcher in watchers:
            watcher.end()
        method.eval()
        method.unbind()
    return done


def _gradients(
    method: Method, rows: Tensor, generator: torch.Generator, progress: float, plan: Plan
) -> dict[str, Tensor]:
    """Add the gradients of a batch to those that are there, and return the terms of its loss."""
    try:
        views = method.draw(rows, generator)
        with torch.autocast(rows.device.type, torch.bfloat16, enabled=plan.bfloat16(rows.device)):
            terms = method.loss(views, progress)
        (terms["loss"] / plan.accumulate).backward()  # type: ignore[no-untyped-call]
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _is_memory(error):
            raise
        raise TrainingError(
            f"a batch of {plan.batch_size} does not fit into the memory of {rows.device}; use batch_size="
            f"{max(2, plan.batch_size // 2)} and accumulate={plan.accumulate * 2}, which takes as many for each step"
        ) from None
    return terms


def _over_processes(terms: dict[str, Tensor]) -> dict[str, Tensor]:
    """Average the terms of a loss over processes; traces stay this one's."""
    world = current()
    return {k: world.total_values(v) / world.size if v.is_floating_point() else v for k, v in terms.items()}


def _is_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _untrained(method: Method, watchers: Sequence[Watcher]) -> int:
    for watcher in watchers:
        watcher.begin(0, 0)
        watcher.end()
    method.eval()
    method.unbind()
    return 0
