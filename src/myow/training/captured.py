"""A whole training step as one CUDA graph: recorded once for each kind of step, then replayed.

A small network's step is some hundred tiny operations, and a GPU finishes each sooner than Python can ask for the next. A
graph asks for all of them at once. No Python runs in a replay, so what changes from step to step is written into
tensors before it: the batch's rows, the learning rate, and the numbers that follow progress. All else happens between replays.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from typing import Protocol

import torch
from torch import Tensor

from ..errors import SettingError, TrainingError
from ..processes import current
from ..views.windows import TrainingRows
from .cuda_graphs import CudaGraphs, Run
from .method import Method, Plan
from .progress import Numbers
from .step import Step

__all__ = ["CapturedStep", "Recorder", "is_captured", "make_step"]

REHEARSALS = 3  # before a capture, as torch advises: libraries set themselves up, and memory is found


class Recorder(Protocol):
    """What records a step. `myow.training.cuda_graphs.CudaGraphs` does so on a GPU."""

    def rehearse(self, run: Run, *, check: bool) -> None:
        """Run a step as it will be recorded; with `check`, refuse what could not be."""
        ...

    def record(self, run: Run) -> Run:
        """Record a step, and return what does again all that it does on the device, with the tensors it returned then."""
        ...


def is_captured(plan: Plan, method: Method, data: TrainingRows) -> bool:
    """Decide whether steps are to be recorded and replayed.

    Raises
    ------
    SettingError
        If that was asked for and cannot be.
    """
    if plan.cuda_graph is False:
        return False
    device = data.device
    reason = None
    if device.type != "cuda":
        reason = f"a CUDA graph needs a GPU and the device is {device}; use device='cuda' or"
    elif not current().alone:
        reason = (
            f"{current().size} processes exchange gradients in every step, which a graph cannot; use one process or"
        )
    elif plan.accumulate > 1:
        reason = f"a graph holds one batch and accumulate is {plan.accumulate}; use accumulate=1 or"
    elif not method.capturable:
        reason = f"the steps of {type(method).__name__} are not made to be recorded; use"
    if plan.cuda_graph is True and reason is not None:
        raise SettingError(f"cuda_graph is True, but {reason} cuda_graph='auto'")
    # Other rows, such as images, are looked up in other ways, and their encoders keep a GPU busy without a graph.
    return reason is None and (plan.cuda_graph is True or type(data) is TrainingRows)


def make_step(step: Step, captured: bool) -> Step | CapturedStep:
    """Return what takes the loop's steps: the step itself, or what records and replays it."""
    if not captured:
        return step
    generator = step.stream.generator
    rate = torch.zeros((), dtype=torch.float32, device=generator.device)
    return CapturedStep(step, CudaGraphs(generator), rate, required=step.plan.cuda_graph is True)


class CapturedStep:
    """Takes steps as `Step` does, by replays of what was recorded of the first step of each phase.

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

    def __init__(self, step: Step, recorder: Recorder, rate: Tensor, *, required: bool) -> None:
        self.step = step
        self.recorder = recorder
        self.rate = rate
        self.required = required
        device = step.stream.generator.device
        self.rows = torch.zeros(step.stream.batch_size, dtype=torch.int64, device=device)
        self.recorded: dict[Hashable, tuple[Numbers, Run]] = {}
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
        self.rows.copy_(step.stream.next())
        self.rate.fill_(rate)
        phase = step.method.phase(progress)
        if phase not in self.recorded:
            try:
                self.recorded[phase] = self._record(progress)
            except Exception as error:  # of any kind: code of one's own may be among it
                self._give_up(error)
                return step.on([self.rows], progress)
        numbers, replay = self.recorded[phase]
        numbers.write(progress)
        terms = replay()
        step.method.replayed(progress)
        return terms

    def _record(self, progress: float) -> tuple[Numbers, Run]:
        """Record the step that comes next, and leave everything as if it had not been taken."""
        step, numbers = self.step, Numbers(self.rows.device)
        step.set_rate(self.rate)

        def run() -> dict[str, Tensor]:
            terms = step.on([self.rows], numbers.start(progress))
            return {k: v.detach() for k, v in terms.items()}

        kept = _Kept(step)
        groups = [g for g in step.optimizer.param_groups if "capturable" in g]
        try:
            for i in range(REHEARSALS):
                self.recorder.rehearse(run, check=i > 0)
                kept.put_back()
            for group in groups:  # AdamW wants to be told, and warns if it is told and then not captured
                group["capturable"] = True
            return numbers, self.recorder.record(run)
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

    def __init__(self, step: Step) -> None:
        self._step = step
        self._copies = {id(t): (t, t.detach().clone()) for t in self._tensors()}
        self._random = step.stream.generator.get_state()

    def _tensors(self) -> list[Tensor]:
        held = [v for state in self._step.optimizer.state.values() for v in state.values() if isinstance(v, Tensor)]
        return [*self._step.method.parameters(), *self._step.method.buffers(), *held]

    @torch.no_grad()
    def put_back(self) -> None:
        """Put all of it back, in place."""
        for tensor in self._tensors():
            if id(tensor) in self._copies:
                tensor.copy_(self._copies[id(tensor)][1])
            else:
                tensor.zero_()  # what an optimizer holds of a parameter begins as zero
        self._step.stream.generator.set_state(self._random)
