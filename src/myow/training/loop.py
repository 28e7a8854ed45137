"""The training loop."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ..device import compiler_lacks
from ..errors import SettingError, TrainingError
from .callbacks import Callback
from .checkpoint import Checkpoint
from .cuda_graph import captured_step, is_captured
from .diagnostics import Diagnostics, finite_terms
from .distributed import current, mean_terms, same_buffers, wrap
from .module import TrainingConfig, TrainingModule
from .optim import build_optimizer, learning_rate
from .rows import BatchStream, ImageRows, TrainingRows, batches_of

__all__ = ["Forward", "Step", "train"]

WORTH_COMPILING = 2_000_000
"""Images that a training sees, from which on `compile="auto"` compiles: fewer are over before that has paid for itself."""


def train(
    module: TrainingModule,
    data: TrainingRows,
    config: TrainingConfig | None,
    generator: torch.Generator,
    callbacks: Sequence[Callback] = (),
    checkpoint: Checkpoint | None = None,
) -> int:
    """Train a module on rows.

    Parameters
    ----------
    module : TrainingModule
        What to train, in place.
    data : TrainingRows
        The rows.
    config : TrainingConfig or None
        Steps, batch size, optimizer; of several processes each takes its share of every batch. None for a module that
        learns all that it learns in `prepare`.
    generator : torch.Generator
        The only source of randomness, on the device of the rows.
    callbacks : sequence of Callback, optional
        Told how training goes.
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
    module.prepare(data)
    module.train()
    done = 0
    if config is None:  # there may be no parameter that an optimizer would take
        for callback in callbacks:
            callback.begin(0, 0)
        _end(module, callbacks)
        return 0
    captured = is_captured(config, module, data)
    forward = Forward(wrap(module), config, data)
    optimizer = build_optimizer(
        config.optimizer,
        module,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        momentum=config.momentum,
        captured=captured,
    )
    stream = batches_of(data, config.batch_size, generator)
    diagnostics = Diagnostics(data)
    done = module.steps_done = checkpoint.restore(module, optimizer, stream) if checkpoint else 0
    step = Step(module, forward, optimizer, stream, config)
    take = captured_step(step) if captured else step
    for callback in callbacks:
        callback.begin(done, config.steps)
    try:
        for number in range(done, config.steps):
            progress = number / config.steps
            rate = learning_rate(progress, config.learning_rate, warmup=config.warmup, schedule=config.schedule)
            terms = take(progress, rate)
            done = module.steps_done = number + 1
            if done % config.record_every == 0 or done in (1, config.steps):
                metrics, traces = diagnostics(module, mean_terms(terms), done)
                module.measured = {"step": done, **metrics, "learning_rate": rate}
                for callback in callbacks:
                    callback.record(done, metrics | {"learning_rate": rate}, traces)
            for callback in callbacks:
                callback.step(done)
            if checkpoint and current().is_first and (done % config.checkpoint_every == 0 or done == config.steps):
                finite_terms(terms, done)  # no broken state is kept
                checkpoint.save(module, optimizer, stream, done)
        same_buffers(module)
    finally:
        # An interrupted step may be half done, so a stop of any kind leaves the last whole checkpoint as it is.
        _end(module, callbacks)
    return done


def _end(module: TrainingModule, callbacks: Sequence[Callback]) -> None:
    for callback in callbacks:
        callback.end()
    module.eval()
    module.release()


class Step:
    """One training step: gradients of a batch or of several, the optimizer's step, and what follows it.

    Parameters
    ----------
    module : TrainingModule
        What to train, in place; it is prepared for its rows.
    forward : Forward
        What calls the module, compiled or not, and averages gradients over processes.
    optimizer : Optimizer
        Over its parameters.
    stream : BatchStream
        Where batches come from; its generator is the only source of randomness.
    config : TrainingConfig
        Batches a step, and the precision.
    """

    def __init__(
        self,
        module: TrainingModule,
        forward: Forward,
        optimizer: torch.optim.Optimizer,
        stream: BatchStream,
        config: TrainingConfig,
    ) -> None:
        self.module = module
        self.forward = forward
        self.optimizer = optimizer
        self.stream = stream
        self.config = config

    def __call__(self, progress: float, rate: float) -> dict[str, Tensor]:
        """Take the next step, at a share of training done and a learning rate; returns the terms of the last batch's loss."""
        self.set_rate(rate)
        self.module.set_progress(progress)
        return self.on(self._batches(progress))

    def _batches(self, progress: float) -> Iterator[Tensor]:
        for _ in range(self.config.accumulate):
            self.module.kind_of_batch(progress)
            yield self.stream.next()

    def on(self, batches: Iterable[Tensor]) -> dict[str, Tensor]:
        """Take a step on as many batches as are accumulated, at the learning rate that is set."""
        self.optimizer.zero_grad(set_to_none=True)
        for rows in batches:
            terms = self._gradients(rows)
        self.optimizer.step()
        self.module.after_step()
        return terms

    def set_rate(self, rate: float | Tensor) -> None:
        """Set the learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _gradients(self, rows: Tensor) -> dict[str, Tensor]:
        """Add the gradients of a batch to those that are there, and return the terms of its loss."""
        config = self.config
        try:
            views = self.module.make_views(rows, self.stream.generator)
            try:
                terms = self._terms(views, rows.device)
            except Exception as error:
                if _is_memory(error) or not self.forward.gives_up(error):
                    raise
                self.optimizer.zero_grad(set_to_none=True)
                terms = self._terms(views, rows.device)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not _is_memory(error):
                raise
            raise TrainingError(
                f"a batch of {config.batch_size} does not fit into the memory of {rows.device}; use batch_size="
                f"{max(2, config.batch_size // 2)} and accumulate={config.accumulate * 2}, which takes as many for each step"
            ) from None
        return terms

    def _terms(self, views: Any, device: torch.device) -> dict[str, Tensor]:
        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.bfloat16(device)):
            terms = self.forward(views)
        (terms["loss"] / self.config.accumulate).backward()  # type: ignore[no-untyped-call]
        return terms


class Forward:
    """Calls a module on a batch's views: as it is, or as `torch.compile` makes it.

    Networks and loss are compiled as one, for each kind of batch once; what measures and embeds is not, so that no batch of another
    size is compiled for. The module itself stays as it is, and with it all names of weights.

    Parameters
    ----------
    module : nn.Module
        What to call.
    config : TrainingConfig
        Whether to compile. "auto" does so on a GPU for a long training on one process.
    data : TrainingRows
        The rows, on the module's device.

    Raises
    ------
    SettingError
        If it has to be compiled, and cannot be.
    """

    def __init__(self, module: torch.nn.Module, config: TrainingConfig, data: TrainingRows) -> None:
        self._module = module
        self._required = config.compile is True
        self.compiled = _is_compiled(config, data)
        # What is not one graph would be compiled in parts that pass through Python: not unasked.
        self._call = torch.compile(module, dynamic=False, fullgraph=not self._required) if self.compiled else module

    def __call__(self, views: Any) -> dict[str, Tensor]:
        """Return the terms of the loss."""
        terms: dict[str, Tensor]
        with warnings.catch_warnings() if self.compiled else contextlib.nullcontext():
            if self.compiled:  # torch advises products of lower precision, which is another setting
                warnings.filterwarnings("ignore", message="TensorFloat32 tensor cores")
            terms = self._call(views)
        return terms

    def gives_up(self, error: Exception) -> bool:
        """Go on without compiling, after an error that this may be the cause of.

        Raises
        ------
        SettingError
            If the compiler failed and had to succeed.
        """
        if not self.compiled:
            return False
        if self._required:
            if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor", "triton")):
                return False
            why = (str(error) or type(error).__name__).splitlines()[0]
            raise SettingError(f"the training step cannot be compiled ({why}); use compile=False") from error
        self.compiled, self._call = False, self._module
        return True


def _is_compiled(config: TrainingConfig, data: TrainingRows) -> bool:
    """Decide whether networks and loss are compiled; refuse to where that was asked for and cannot be."""
    if config.compile is True:
        if type(data) not in (TrainingRows, ImageRows):
            raise SettingError(
                "compile is True, but rows of several sessions or on disk are looked up in Python; use compile=False"
            )
        lacks = compiler_lacks(data.device)
        if lacks is not None:
            raise SettingError(f"compile is True, but {lacks} is not found; install it, or use compile=False")
        return True
    if config.compile is False or data.device.type != "cuda" or current().size > 1 or config.accumulate > 1:
        return False
    return config.steps * config.batch_size >= WORTH_COMPILING and compiler_lacks(data.device) is None


def _is_memory(error: Exception) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)
