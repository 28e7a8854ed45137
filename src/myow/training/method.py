"""What the loop asks of a method, what it is told, and whom it tells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from ..layers.inputs import Scaling
from ..views.windows import TrainingRows

__all__ = ["NO_STEPS", "Method", "Plan", "Watcher"]


class Method(nn.Module, ABC):
    """What a method gives the loop: its graph, what it compares, and its loss.

    Parameters
    ----------
    n_units : int
        Units of the recordings; their scaling is part of the graph, so that it is saved and exported with it.
    """

    capturable: bool = False
    """Whether its steps may be captured as a CUDA graph: those of one `phase` do the same operations on the same shapes, wait
    for no number from the device, and take by `myow.training.progress.number` what follows progress."""

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

    def phase(self, progress: float) -> Hashable:
        """Tell apart steps that do not do the same operations; asked before each step that may be a replay."""
        return None

    def replayed(self, progress: float) -> None:
        """Keep up with a step that was replayed, in which no Python ran: change what it would have changed on the CPU."""

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
    """How long and how fast to train; see `myow.estimators.recordings.Estimator` for the parameters."""

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
    cuda_graph: bool | Literal["auto"] = False

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
