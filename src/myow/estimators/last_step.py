"""How far training came, interrupted or not, and what was measured last."""

from __future__ import annotations

from collections.abc import Mapping

import torch

__all__ = ["LastStep"]


class LastStep:
    """A watcher that remembers."""

    done = 0
    metrics: Mapping[str, float] = {}  # replaced, not changed

    def begin(self, step: int, total: int) -> None:
        """Training starts or continues."""
        self.done = step

    def step(self, step: int) -> None:
        """One step more is done."""
        self.done = step

    def record(self, step: int, metrics: Mapping[str, float], traces: Mapping[str, torch.Tensor]) -> None:
        """Numbers were measured."""
        self.metrics = {"step": step, **metrics}

    def end(self) -> None:
        """Training is over, finished or not."""
