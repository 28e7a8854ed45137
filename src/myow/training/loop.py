"""The only training loop."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import TrainingError
from ..layers.synchronised import synchronise_batch_norm
from ..processes import current
from ..views.session_rows import batches_of
from ..views.windows import TrainingRows
from .checkpoint import Checkpoint
from .measure import Measure, finite_terms
from .method import Method, Plan, Watcher
from .optim import build_optimizer, learning_rate

__all__ = ["train"]


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
    stream = batches_of(data, plan.batch_size, generator)
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
