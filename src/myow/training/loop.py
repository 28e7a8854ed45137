"""The only training loop."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..layers.synchronised import synchronise_batch_norm
from ..processes import current
from ..views.session_rows import batches_of
from ..views.windows import TrainingRows
from .captured import is_captured, make_step
from .checkpoint import Checkpoint
from .measure import Measure, finite_terms
from .method import Method, Plan, Watcher
from .optim import build_optimizer, learning_rate
from .step import Step

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
    SettingError
        If steps have to be captured as a CUDA graph, and cannot be.
    """
    method.bind(data)
    method.train()
    if plan.steps == 0:  # there may be no parameter that an optimizer would take
        return _untrained(method, watchers)
    world = current()
    synchronise_batch_norm(method)
    captured = is_captured(plan, method, data)
    optimizer = build_optimizer(
        plan.optimizer,
        method,
        learning_rate=plan.learning_rate,
        weight_decay=plan.weight_decay,
        momentum=plan.momentum,
        captured=captured,
    )
    stream = batches_of(data, plan.batch_size, generator)
    measure = Measure(data)
    done = checkpoint.restore(method, optimizer, stream) if checkpoint else 0
    take = make_step(Step(method, optimizer, stream, plan), captured)
    for watcher in watchers:
        watcher.begin(done, plan.steps)
    try:
        for step in range(done, plan.steps):
            progress = step / plan.steps
            rate = learning_rate(progress, plan.learning_rate, warmup=plan.warmup, schedule=plan.schedule)
            terms = take(progress, rate)
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


def _over_processes(terms: dict[str, Tensor]) -> dict[str, Tensor]:
    """Average the terms of a loss over processes; traces stay this one's."""
    world = current()
    return {k: world.total_values(v) / world.size if v.is_floating_point() else v for k, v in terms.items()}


def _untrained(method: Method, watchers: Sequence[Watcher]) -> int:
    for watcher in watchers:
        watcher.begin(0, 0)
        watcher.end()
    method.eval()
    method.unbind()
    return 0
