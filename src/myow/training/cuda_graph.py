"""A whole training step recorded as one CUDA graph, for each kind of step once, then replayed.

A small network's step is some hundred tiny operations, and a GPU finishes each sooner than Python can ask for the next. A
graph asks for all of them at once. No Python runs in a replay, so what changes from step to step is written into
tensors before it: the batch's rows, the learning rate, and the module's scheduled numbers. All else happens between replays.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor

from ..errors import SettingError, TrainingError
from .distributed import current
from .module import TrainingConfig, TrainingModule
from .rows import BatchStream, ImageRows, TrainingRows

__all__ = ["CapturedStep", "CudaGraphs", "Recorder", "Run", "captured_step", "is_captured"]

Run = Callable[[], dict[str, Tensor]]
"""Does something on the device, and returns tensors that it left there."""

REHEARSALS = 3  # before a capture, as torch advises: libraries set themselves up, and memory is found


class Steps(Protocol):
    """Interface of a step, as `myow.training.loop.Step` has it."""

    module: TrainingModule
    optimizer: torch.optim.Optimizer
    stream: BatchStream
    config: TrainingConfig

    def __call__(self, progress: float, rate: float) -> dict[str, Tensor]:
        """Take the next step."""
        ...

    def on(self, batches: Iterable[Tensor]) -> dict[str, Tensor]:
        """Take a step on some batches."""
        ...

    def set_rate(self, rate: float | Tensor) -> None:
        """Set the learning rate."""
        ...


class Recorder(Protocol):
    """Interface of what records a step; `CudaGraphs` does so on a GPU."""

    def rehearse(self, run: Run, *, check: bool) -> None:
        """Run a step as it will be recorded; with `check`, refuse what could not be."""
        ...

    def record(self, run: Run) -> Run:
        """Record a step, and return what does again all that it does on the device, with the tensors it returned then."""
        ...


def is_captured(config: TrainingConfig, module: TrainingModule, data: TrainingRows) -> bool:
    """Decide whether steps are to be recorded and replayed.

    Raises
    ------
    SettingError
        If that was asked for and cannot be.
    """
    if config.cuda_graph is False:
        return False
    device = data.device
    reason = None
    if device.type != "cuda":
        reason = f"a CUDA graph needs a GPU and the device is {device}; use device='cuda' or"
    elif current().size > 1:
        reason = (
            f"{current().size} processes exchange gradients in every step, which a graph cannot; use one process or"
        )
    elif config.accumulate > 1:
        reason = f"a graph holds one batch and accumulate is {config.accumulate}; use accumulate=1 or"
    elif not module.static:
        reason = f"the steps of {type(module).__name__} are not made to be recorded; use"
    if config.cuda_graph is True and reason is not None:
        raise SettingError(f"cuda_graph is True, but {reason} cuda_graph='auto'")
    # Rows of several sessions, or on disk, are looked up by what the device is asked for.
    return reason is None and (config.cuda_graph is True or type(data) in (TrainingRows, ImageRows))


def captured_step(step: Steps) -> CapturedStep:
    """Return what takes the loop's steps by recording and replaying them."""
    generator = step.stream.generator
    rate = torch.zeros((), dtype=torch.float32, device=generator.device)
    return CapturedStep(step, CudaGraphs(generator), rate, required=step.config.cuda_graph is True)


class CapturedStep:
    """Takes steps as `Step` does, by replays of what was recorded of the first step of each kind.

    Parameters
    ----------
    step : Step
        The step to record; one batch a step.
    recorder : Recorder
        Who records it.
    rate : Tensor, scalar
        Where the learning rate is written, on the device.
    required : bool
        Whether a step that cannot be recorded is an error. If not, there is a warning, and all further steps run as Python.
    """

    def __init__(self, step: Steps, recorder: Recorder, rate: Tensor, *, required: bool) -> None:
        self.step = step
        self.recorder = recorder
        self.rate = rate
        self.required = required
        device = step.stream.generator.device
        self.rows = torch.zeros(step.stream.batch_size, dtype=torch.int64, device=device)
        self.recorded: dict[Hashable, Run] = {}
        self.given_up = False

    def __call__(self, progress: float, rate: float) -> dict[str, Tensor]:
        """Take the next step, at a share of training done and a learning rate.

        Raises
        ------
        SettingError
            If the step cannot be recorded and has to be.
        """
        step = self.step
        if self.given_up:
            return step(progress, rate)
        step.module.set_progress(progress)
        kind = step.module.kind_of_batch(progress)
        self.rows.copy_(step.stream.next())
        self.rate.fill_(rate)
        if kind not in self.recorded:
            try:
                self.recorded[kind] = self._record()
            except Exception as error:  # of any kind: code of one's own may be among it
                self._give_up(error)
                return step.on([self.rows])
        return self.recorded[kind]()

    def _record(self) -> Run:
        """Record the step that comes next, and leave everything as if it had not been taken."""
        step = self.step
        step.set_rate(self.rate)

        def run() -> dict[str, Tensor]:
            return {k: v.detach() for k, v in step.on([self.rows]).items()}

        kept = _Kept(step)
        groups = [g for g in step.optimizer.param_groups if "capturable" in g]
        try:
            for i in range(REHEARSALS):
                self.recorder.rehearse(run, check=i > 0)
                kept.put_back()
            for group in groups:  # AdamW wants to be told, and warns if it is told and then not captured
                group["capturable"] = True
            return self.recorder.record(run)
        finally:
            kept.put_back()
            for group in groups:
                group["capturable"] = False

    def _give_up(self, error: Exception) -> None:
        if self.required and isinstance(error, TrainingError):  # too little memory
            raise error
        why = (str(error) or type(error).__name__).splitlines()[0]
        said = f"the training step cannot be recorded as a CUDA graph ({why})"
        if self.required:
            raise SettingError(
                f"{said}; use cuda_graph='auto', or an augmentation and encoder that never wait"
            ) from error
        warnings.warn(
            f"{said}, and goes on without, more slowly; cuda_graph=False says so", RuntimeWarning, stacklevel=2
        )
        self.given_up = True
        self.recorded.clear()


class _Kept:
    """All that a step changes: weights, buffers, what the optimizer holds, and the generator."""

    def __init__(self, step: Steps) -> None:
        self._step = step
        self._copies = {id(t): (t, t.detach().clone()) for t in self._tensors()}
        self._random = step.stream.generator.get_state()

    def _tensors(self) -> list[Tensor]:
        held = [v for state in self._step.optimizer.state.values() for v in state.values() if isinstance(v, Tensor)]
        return [*self._step.module.parameters(), *self._step.module.buffers(), *held]

    @torch.no_grad()
    def put_back(self) -> None:
        """Put all of it back, in place."""
        for tensor in self._tensors():
            if id(tensor) in self._copies:
                tensor.copy_(self._copies[id(tensor)][1])
            else:
                tensor.zero_()  # what an optimizer holds of a parameter begins as zero
        self._step.stream.generator.set_state(self._random)


class CudaGraphs:
    """Records runs as CUDA graphs. Replays may come in any order, one at a time: nothing in the pool outlives the next one.

    Parameters
    ----------
    generator : torch.Generator
        Source of randomness, on the GPU; a replay draws from it what the run would have drawn.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator
        self._device = generator.device
        with torch.cuda.device(self._device):
            self._pool = torch.cuda.graph_pool_handle()
            self._side = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def rehearse(self, run: Run, *, check: bool) -> None:
        """Run on the side stream; with `check`, what waits for the GPU is an error, as it would be in a capture."""
        with torch.cuda.device(self._device):
            here = torch.cuda.current_stream()
            self._side.wait_stream(here)
            try:
                with torch.cuda.stream(self._side), _no_waiting(check):
                    run()
            finally:
                here.wait_stream(self._side)

    def record(self, run: Run) -> Run:
        """Capture a run, which does nothing yet."""
        with torch.cuda.device(self._device):
            graph = torch.cuda.CUDAGraph()
            graph.register_generator_state(self._generator)
            here, random = torch.cuda.current_stream(), self._generator.get_state()
            try:
                with torch.cuda.graph(graph, pool=self._pool, stream=self._side):
                    terms = run()
            except BaseException:
                torch.cuda.set_stream(here)  # a capture that fails at its end does not come back from its own stream
                self._recover(random)
                raise

        def replay() -> dict[str, Tensor]:
            graph.replay()
            return terms

        return replay

    def _recover(self, random: Tensor) -> None:
        """Give generators a state of their own again: some versions of torch leave the old one unusable by a failed capture."""
        default = torch.cuda.default_generators[torch.cuda.current_device()]
        for generator, state in ((self._generator, random), (default, default.get_state())):
            fresh = torch.Generator(self._device)
            fresh.set_state(state)
            generator.graphsafe_set_state(fresh)


@contextmanager
def _no_waiting(check: bool) -> Iterator[None]:
    """Make an error of every operation that waits for the GPU; a capture that meets one is much harder to come back from."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Ss]ynchronization debug mode.*")
        torch.cuda.set_sync_debug_mode("error" if check else before)
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
