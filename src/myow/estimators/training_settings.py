"""Settings of training by gradients, whatever the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import SettingError
from ..training.method import Plan

__all__ = ["TrainingSettings"]


@dataclass(kw_only=True, eq=False, repr=False)
class TrainingSettings:
    """How long and how fast to train.

    Parameters
    ----------
    steps : int, optional
        Training steps.
    epochs : int, optional
        Passes over the rows; if given, it decides in place of `steps`.
    batch_size : int, optional
        Anchors per batch, over all processes.
    accumulate : int, optional
        Batches whose gradients are averaged for one step, where memory holds no larger batch.
    optimizer : {"adamw", "lars", "sgd"}, optional
        Which optimizer.
    learning_rate, weight_decay, momentum : float, optional
        Its settings; `momentum` is that of LARS and SGD.
    warmup : float, optional
        Share of training over which the learning rate rises from 0.
    schedule : {"cosine", "constant"}, optional
        Learning rate after the warm-up.
    cuda_graph : bool or "auto", optional
        Whether a whole step is captured as one CUDA graph, which a small network gains much from; "auto": on a GPU, for
        recordings. The numbers are the same up to rounding. Images may have it with True.
    """

    steps: int = 600
    epochs: int | None = None
    batch_size: int = 256
    accumulate: int = 1
    optimizer: Literal["adamw", "lars", "sgd"] = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 1e-5
    momentum: float = 0.9
    warmup: float = 0.02
    schedule: Literal["cosine", "constant"] = "cosine"
    cuda_graph: bool | Literal["auto"] = "auto"

    def plan(self, n_rows: int) -> Plan:
        """Say how long and how fast to train on so many rows.

        Raises
        ------
        SettingError
            If a setting is out of its range.
        """
        for name in ("steps", "batch_size", "accumulate"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if self.batch_size < 2:
            raise SettingError("batch_size is 1; batch norm needs 2 or more")
        if self.epochs is not None and self.epochs < 1:
            raise SettingError(f"epochs is {self.epochs}; it must be 1 or more")
        if not self.learning_rate > 0 or not self.weight_decay >= 0 or not 0 <= self.momentum < 1:
            raise SettingError(
                f"learning_rate is {self.learning_rate}, weight_decay {self.weight_decay} and momentum {self.momentum}; "
                "they must be above 0, 0 or more, and from 0 to below 1"
            )
        if not 0 <= self.warmup < 1:
            raise SettingError(f"warmup is {self.warmup}; it must be a share of training, from 0 to below 1")
        if self.cuda_graph not in (True, False, "auto"):
            raise SettingError(f"cuda_graph is {self.cuda_graph!r}; it must be True, False or 'auto'")
        batch = min(self.batch_size, n_rows)
        steps = self.steps if self.epochs is None else max(1, round(self.epochs * n_rows / (batch * self.accumulate)))
        return Plan(
            steps=steps,
            batch_size=batch,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            warmup=self.warmup,
            schedule=self.schedule,
            record_every=max(1, steps // 40),
            checkpoint_every=max(1, min(steps // 10, 200)),
            accumulate=self.accumulate,
            cuda_graph="auto" if self.cuda_graph == "auto" else bool(self.cuda_graph),
        )
