"""Numbers that follow progress, for a step that runs as Python and for one that is recorded once and replayed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

__all__ = ["Numbers", "Recorded", "number"]

Rule = Callable[[float], float]


def number(progress: float, rule: Rule) -> float | Tensor:
    """Return what a rule makes of the share of training done.

    Parameters
    ----------
    progress : float
        As the loop gives it to a method.
    rule : callable
        From progress to a number.

    Returns
    -------
    float or Tensor, scalar
        A tensor where the step is recorded, since a number would stay what it was at the recording.
    """
    return progress.numbers.take(progress, rule) if isinstance(progress, Recorded) else rule(progress)


class Recorded(float):
    """Share of training done, as a step sees it that is recorded.

    Parameters
    ----------
    progress : float
        The share at the recording, which decides what kind of step it is.
    numbers : Numbers
        Where `number` keeps what changes later on.
    """

    numbers: Numbers

    def __new__(cls, progress: float, numbers: Numbers) -> Self:
        """Make a float that knows where its numbers are kept."""
        recorded = super().__new__(cls, progress)
        recorded.numbers = numbers
        return recorded


class Numbers:
    """Scalars on the device that a recorded step reads, and that are written anew before each replay.

    Parameters
    ----------
    device : torch.device
        Where they are kept.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._rules: list[Rule] = []
        self._next = 0
        self.held: list[Tensor] = []

    def start(self, progress: float) -> Recorded:
        """Begin a run of the step, in which the same numbers are asked for in the same order as in every other."""
        self._next = 0
        return Recorded(progress, self)

    def take(self, progress: float, rule: Rule) -> Tensor:
        """Return the next number's tensor, which the first run makes."""
        if self._next == len(self.held):
            self._rules.append(rule)
            self.held.append(torch.full((), rule(float(progress)), dtype=torch.float32, device=self._device))
        self._next += 1
        return self.held[self._next - 1]

    def write(self, progress: float) -> None:
        """Write all numbers anew."""
        for rule, held in zip(self._rules, self.held, strict=True):
            held.fill_(rule(progress))
