"""Graph of the methods that learn without gradients."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..training.method import Method
from ..views.windows import TrainingRows

__all__ = ["ClosedForm"]


class ClosedForm(Method):
    """Graph of a method without gradients: what it learns, it learns in `bind`, and there is no loss.

    Parameters
    ----------
    n_units : int
        Units N of the recordings.
    """

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Take the rows, shape (B,), as they are."""
        return rows

    def loss(self, views: Tensor, progress: float) -> dict[str, Tensor]:
        """Refuse: nothing here is trained step by step."""
        raise NotImplementedError(f"{type(self).__name__} learns without gradients and has no loss; plan no steps")

    def features(self, x: Tensor) -> Tensor:
        """Scale transformed windows of shape (B, W, N) and lay their bins side by side, shape (B, W * N)."""
        scaled: Tensor = self.scaling(x)
        return scaled.flatten(1)

    def training_features(self, data: TrainingRows, rows: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Features of some training rows, or of all T, in double precision; shape (R, W * N)."""
        index = np.arange(len(data)) if rows is None else rows
        data.fit_at_once(len(index), 8, type(self).__name__.removesuffix("Graph"))
        features = self.features(data.gather(torch.from_numpy(index).to(data.device)))
        return features.double().cpu().numpy()
