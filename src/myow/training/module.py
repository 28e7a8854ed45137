"""Contract between the training loop and what it trains: the module's five calls, and the configuration of a training."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from ..errors import SettingError, unknown_name
from ..nn.scaling import Scaling
from ..settings import read_fields
from .optim import OPTIMIZERS, SCHEDULES
from .rows import TrainingRows

__all__ = ["ClosedForm", "TrainingConfig", "TrainingModule", "default_steps"]


class TrainingModule(nn.Module, ABC):
    """Network with its loss, as the training loop sees it.

    The loop calls `prepare` once, then for each batch `make_views` and `loss`, and `after_step` behind each step of the
    optimizer; `embed` maps rows to the embedding at any time. `release` ends the training.

    Parameters
    ----------
    n_units : int
        Units of the recordings; their scaling is part of the network, so that it is saved and exported with it.
    """

    static: bool = False
    """Whether batches of one `kind_of_batch` go through the same operations on the same shapes, and none of them asks the
    device for a number."""

    def __init__(self, n_units: int) -> None:
        super().__init__()
        self.scaling = Scaling(n_units)
        self.now: dict[str, Tensor] = {}  # the numbers of `scheduled`, as 0-dim tensors on the device
        self._written: dict[str, float] = {}
        self.steps_done = 0  # kept by the loop, with what was measured last, however training ends
        self.measured: dict[str, float] = {}

    def prepare(self, data: TrainingRows) -> None:
        """Take the training rows that `make_views` looks up, and learn what takes no gradient; called once before training."""
        self.data = data

    @abstractmethod
    def make_views(self, rows: Tensor, generator: torch.Generator) -> Any:
        """Make the views of a batch of rows, shape (B,)."""

    @abstractmethod
    def loss(self, views: Any) -> dict[str, Tensor]:
        """Return every term of the loss, and their sum as "loss"; integer tensors are traces, not terms."""

    def forward(self, views: Any) -> dict[str, Tensor]:
        """Return what `loss` returns."""
        return self.loss(views)

    def after_step(self) -> None:
        """Do what follows an optimizer step, such as moving averages."""

    @abstractmethod
    def embed(self, x: Tensor) -> Tensor:
        """Map transformed windows of shape (B, W, N) to the embedding, shape (B, D)."""

    def release(self) -> None:
        """Let go of the training rows, and of what `prepare` derived from them, so that they are not saved or copied."""
        del self.data
        self.now, self._written = {}, {}

    # Numbers and kinds of steps that change over training.

    def scheduled(self, progress: float) -> dict[str, float]:
        """Return the numbers that follow the share of training done, such as the weight of a term, by name."""
        return {}

    def kind_of_batch(self, progress: float) -> Hashable:
        """Decide what the next batch needs, such as whether views are mined, and name it; called once a batch."""
        return None

    def set_progress(self, progress: float) -> None:
        """Write the numbers of `scheduled` into `now`, where `loss` and `after_step` read them."""
        for name, value in self.scheduled(progress).items():
            if name not in self.now:
                self.now[name] = torch.full((), value, device=self.scaling.mean.device)
            elif self._written[name] != value:  # most numbers stay for long, and each costs a GPU a kernel
                self.now[name].fill_(value)
            self._written[name] = value


class ClosedForm(TrainingModule):
    """Module of a method without gradients: what it learns, it learns in `prepare`."""

    def make_views(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Take the rows, shape (B,), as they are."""
        return rows

    def loss(self, views: Tensor) -> dict[str, Tensor]:
        """Refuse: nothing here is trained step by step."""
        raise NotImplementedError(f"{type(self).__name__} learns without gradients and has no loss; train no steps")


def default_steps(n_rows: int, n_sessions: int = 1) -> int:
    """Return the steps that a training needs, from its rows and sessions.

    1,200 for up to two thousand rows, and as the square root of the rows for more, up to 1,800: more rows hold more to learn, but also
    show it more often. Several sessions need the steps of each, since a batch holds rows of all.

    Parameters
    ----------
    n_rows : int
        Rows that are trained on, of all sessions.
    n_sessions : int, optional
        Sessions that they are of.

    Returns
    -------
    int

    Examples
    --------
    >>> [default_steps(rows) for rows in (500, 3000, 1_000_000)], default_steps(3000, 3)
    ([1200, 1470, 1800], 3600)
    """
    each = n_rows / n_sessions
    return n_sessions * round(1200 * min(1.5, max(1.0, math.sqrt(each / 2000))))


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Length, pace and optimizer of a training.

    Parameters
    ----------
    steps, epochs : int
        Training steps; or passes over the rows, which decide if they are given.
    batch_size, accumulate : int
        Anchors per batch, and batches whose gradients are averaged for one step.
    optimizer : {"adamw", "lars", "sgd"}
        Name of the optimizer.
    learning_rate, weight_decay, momentum : float
        Its settings.
    warmup : float
        Share of training over which the learning rate rises from 0.
    schedule : {"cosine", "constant"}
        Learning rate after the warm-up.
    cuda_graph : bool or "auto"
        Whether a step is recorded once and replayed on a GPU.
    compile : bool or "auto"
        Whether `torch.compile` fuses the operations of networks and loss.
    precision : {"auto", "float32", "bfloat16"}
        Of the networks' products.

    Raises
    ------
    SettingError
        If a setting is out of its range.
    """

    steps: int
    batch_size: int
    optimizer: str
    learning_rate: float
    weight_decay: float
    momentum: float
    warmup: float
    schedule: str
    epochs: int | None = None
    accumulate: int = 1
    cuda_graph: bool | Literal["auto"] = "auto"
    compile: bool | Literal["auto"] = False
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "epochs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingError(f"{name} is {value}; it must be 1 or more")
        if self.batch_size < 2:
            raise SettingError("batch_size is 1; batch norm needs 2 or more")
        if not self.learning_rate > 0 or not self.weight_decay >= 0 or not 0 <= self.momentum < 1:
            raise SettingError(
                f"learning_rate is {self.learning_rate}, weight_decay {self.weight_decay} and momentum {self.momentum}; "
                "they must be above 0, 0 or more, and from 0 to below 1"
            )
        if not 0 <= self.warmup < 1:
            raise SettingError(f"warmup is {self.warmup}; it must be a share of training, from 0 to below 1")
        for name in ("cuda_graph", "compile"):
            if getattr(self, name) not in (True, False, "auto"):
                raise SettingError(f"{name} is {getattr(self, name)!r}; it must be True, False or 'auto'")
        for name, choices in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("precision", ("auto", "float32", "bfloat16")),
        ):
            if getattr(self, name) not in choices:
                raise unknown_name(name, getattr(self, name), choices)

    @classmethod
    def from_settings(cls, settings: Any, n_rows: int, n_sessions: int = 1, **fixed: Any) -> Self:
        """Read the attributes of the same names, of an estimator say, but for those given, for a training on so many rows."""
        steps = settings.steps if settings.steps is not None else default_steps(n_rows, n_sessions)
        config = read_fields(cls, settings, steps=steps, **fixed)
        batch = min(config.batch_size, n_rows)
        steps = config.steps
        if config.epochs is not None:
            steps = max(1, round(config.epochs * n_rows / (batch * config.accumulate)))
        return replace(config, steps=steps, epochs=None, batch_size=batch)

    @property
    def record_every(self) -> int:
        """Steps between two records of metrics."""
        return max(1, self.steps // 40)

    @property
    def checkpoint_every(self) -> int:
        """Steps between two checkpoints."""
        return max(1, min(self.steps // 10, 200))

    def bfloat16(self, device: torch.device) -> bool:
        """Whether products are made in bfloat16 on a device."""
        return self.precision == "bfloat16" or (self.precision == "auto" and device.type == "cuda")
