"""Principal components of raw activity (Pearson 1901)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from sklearn import decomposition
from threadpoolctl import threadpool_limits
from torch import Tensor

from ..errors import SettingError
from ..estimators.recordings import Estimator
from ..graphs.closed_form import ClosedForm
from ..views.windows import TrainingRows

__all__ = ["PCA"]


@dataclass(kw_only=True, eq=False, repr=False)
class PCA(Estimator):
    """Project on the directions in which the training rows vary most.

    Features are those of `Raw`: transformed and scaled values of each row's window, bins side by side. The components are
    scikit-learn's, from a full singular value decomposition, so that nothing is drawn at random.

    Parameters
    ----------
    dim : int, optional
        Components D. Where rows or features allow fewer (there are no more than training rows less one, or than
        directions in which anything varies), the columns beyond them are zero.
    **others
        See `myow.estimators.recordings.Estimator`.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> PCA(dim=4).fit(counts).transform(counts).shape
    (60, 4)
    """

    dim: int = 6

    readout_scaling: ClassVar[Literal["each", "common"]] = "common"

    def build(self, n_features: int) -> PCAGraph:
        """Build an empty projection for `n_features` units."""
        if self.dim < 1:
            raise SettingError(f"dim is {self.dim}; it must be 1 or more components")
        return PCAGraph(n_features, sum(self._context()) + 1, self.dim)


class PCAGraph(ClosedForm):
    """The graph of principal components.

    Parameters
    ----------
    n_units : int
        Units N of the recordings.
    window : int
        Bins W of the context window.
    dim : int
        Components D.
    """

    mean: Tensor
    components: Tensor

    def __init__(self, n_units: int, window: int, dim: int) -> None:
        super().__init__(n_units)
        self.register_buffer("mean", torch.zeros(window * n_units))
        self.register_buffer("components", torch.zeros(window * n_units, dim))

    def bind(self, data: TrainingRows) -> None:
        """Learn mean and components from all training rows."""
        super().bind(data)
        features = self.training_features(data)
        n = min(self.components.shape[1], *features.shape)
        with threadpool_limits(1):  # the same bits on a busy machine
            found = decomposition.PCA(n, svd_solver="full").fit(features)
        # Where nothing varies any more, rounding alone would choose the direction.
        n = int((found.singular_values_ > 1e-6 * found.singular_values_[0]).sum())
        self.mean.copy_(torch.from_numpy(found.mean_))
        self.components.zero_()
        self.components[:, :n] = torch.from_numpy(found.components_[:n].T).to(self.components)

    def embed(self, x: Tensor) -> Tensor:
        """Project transformed windows of shape (B, W, N), shape (B, dim)."""
        return (self.features(x) - self.mean) @ self.components
