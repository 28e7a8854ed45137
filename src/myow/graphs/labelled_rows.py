"""Graph of the methods that learn from labels: batches of labelled rows, and of no others."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import DataError
from ..training.method import Method
from ..views.windows import TrainingRows

__all__ = ["LabelledRows"]


class LabelledRows(Method):
    """Graph that learns from the labelled ones among the training rows.

    Parameters
    ----------
    n_units : int
        Units of the recordings.
    n_targets : int
        Classes, or columns of real-valued labels.
    classes : bool
        Whether labels are classes. Columns of real numbers are standardised, by labelled rows alone.
    """

    target_mean: Tensor
    target_deviation: Tensor

    def __init__(self, n_units: int, n_targets: int, *, classes: bool) -> None:
        super().__init__(n_units)
        self.classes = classes
        if not classes:
            self.register_buffer("target_mean", torch.zeros(n_targets))
            self.register_buffer("target_deviation", torch.ones(n_targets))

    def bind(self, data: TrainingRows) -> None:
        """Take the labelled rows and their labels: classes, shape (R,), or standardised columns, shape (R, d)."""
        super().bind(data)
        if data.targets is None:
            raise DataError("these rows come without labels, and this method learns from labels; give y to fit")
        self.labelled = torch.from_numpy(data.targets.rows).to(data.device)
        values = torch.from_numpy(data.targets.values)
        if not self.classes:
            deviation, mean = torch.std_mean(values.double(), dim=0, correction=0)
            self.target_mean.copy_(mean)
            # A column that never varies is all noise once it is divided by its rounding errors.
            self.target_deviation.copy_(torch.where(deviation > 1e-6 * mean.abs(), deviation, torch.ones_like(mean)))
            values = self.standardise(values.to(data.device))
        self.targets = values.to(data.device)

    def unbind(self) -> None:
        """Let go of the labels too."""
        super().unbind()
        del self.labelled, self.targets

    def pick(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Turn a batch of any rows, shape (B,), into labelled rows, shape (B,), and their targets.

        A pass over all T rows goes round the R labelled ones a whole number of times; what is left of it falls on some
        at random, so that in the long run each is seen equally often.
        """
        many = len(self.labelled)
        whole = len(self.data) // many * many
        index = rows % many
        if whole < len(self.data):
            chance = torch.randint(many, rows.shape, generator=generator, device=rows.device)
            index = torch.where(rows < whole, index, chance)
        return self.labelled[index], self.targets[index]

    def standardise(self, values: Tensor) -> Tensor:
        """From label units, shape (..., d), to columns of mean 0 and deviation 1."""
        return (values - self.target_mean) / self.target_deviation

    def restore(self, standardised: Tensor) -> Tensor:
        """Back to label units, shape (..., d)."""
        return standardised * self.target_deviation + self.target_mean
