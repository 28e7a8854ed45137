"""Factor analysis: what units share, apart from the noise that each has for itself (Spearman 1904)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from sklearn import decomposition
from threadpoolctl import threadpool_limits
from torch import Tensor

from ..errors import SettingError
from ..estimators.recordings import Estimator
from ..graphs.closed_form import ClosedForm
from ..views.windows import TrainingRows

__all__ = ["FA"]


@dataclass(kw_only=True, eq=False, repr=False)
class FA(Estimator):
    r"""Infer a few factors that explain what features have in common.

    Features x are those of `Raw`: transformed and scaled values of each row's window, bins side by side. The model is
    :math:`x = \mu + W z + e` with :math:`z \sim N(0, I)` and noise of a variance of its own in each feature,
    :math:`e \sim N(0, \Psi)` with a diagonal :math:`\Psi` (Barber 2012, 21.2.2, as scikit-learn fits it). The embedding
    is the factors' posterior mean, :math:`(I + W^T \Psi^{-1} W)^{-1} W^T \Psi^{-1} (x - \mu)`.

    Parameters
    ----------
    dim : int, optional
        Factors D. Where rows or features allow fewer (training rows less one, or features that vary), the columns beyond
        them are zero.
    tol : float, optional
        Iterations stop when the log-likelihood rises by less than this, in nats a row.
    max_iter : int, optional
        And after so many; scikit-learn then warns.
    least_noise : float, optional
        Least noise variance that the embedding takes any feature to have, as a share of the mean variance of features.
    **others
        See `myow.estimators.recordings.Estimator`.

    Notes
    -----
    With fewer rows than features, as with a wide context window, the likelihood can grow without bound while the noise of
    a feature shrinks to nothing (a Heywood case). scikit-learn keeps the noise above 1e-12, and the fit ends there. Units
    that hardly fire end there too; but for `least_noise`, a single spike of theirs would outshout all else in a row.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> FA(dim=2).fit(counts).transform(counts).shape
    (60, 2)
    """

    dim: int = 10
    tol: float = 1e-2
    max_iter: int = 200
    least_noise: float = 0.01

    readout_scaling: ClassVar[Literal["each", "common"]] = "common"

    def build(self, n_features: int) -> FAGraph:
        """Build empty factors for `n_features` units."""
        if self.dim < 1 or self.max_iter < 1 or not self.tol >= 0:
            raise SettingError(
                f"dim is {self.dim}, max_iter {self.max_iter} and tol {self.tol}; they must be 1, 1 and 0 or more"
            )
        if not 0 <= self.least_noise < 1:
            raise SettingError(f"least_noise is {self.least_noise}; it must be a share from 0 to below 1")
        window = sum(self._context()) + 1
        return FAGraph(n_features, window, self.dim, self.tol, self.max_iter, self.least_noise)

    @property
    def n_iter_(self) -> int:
        """Iterations of the fit."""
        return int(self.method_.get_buffer("n_iter"))


class FAGraph(ClosedForm):
    """The graph of factor analysis.

    Parameters
    ----------
    n_units : int
        Units N of the recordings.
    window : int
        Bins W of the context window.
    dim : int
        Factors D.
    tol, max_iter, least_noise
        As of `FA`.
    """

    mean: Tensor
    inference: Tensor
    n_iter: Tensor

    def __init__(self, n_units: int, window: int, dim: int, tol: float, max_iter: int, least_noise: float) -> None:
        super().__init__(n_units)
        self.tol = tol
        self.max_iter = max_iter
        self.least_noise = least_noise
        self.register_buffer("mean", torch.zeros(window * n_units))
        self.register_buffer("inference", torch.zeros(window * n_units, dim))
        self.register_buffer("n_iter", torch.zeros((), dtype=torch.int64))

    def bind(self, data: TrainingRows) -> None:
        """Learn the factors from all training rows."""
        super().bind(data)
        features = self.training_features(data)
        variance, mean = features.var(axis=0), features.mean(axis=0)
        # A feature that is silent here has no noise, and would outshout all others where it is not.
        active = np.flatnonzero(variance > 1e-12 * (variance + mean**2))
        n = min(self.inference.shape[1], len(features) - 1, len(active))
        model = decomposition.FactorAnalysis(
            n, tol=self.tol * len(features), max_iter=self.max_iter, svd_method="lapack"
        )
        with threadpool_limits(1):  # the same bits on a busy machine
            model.fit(features[:, active])
            noise = np.maximum(model.noise_variance_, self.least_noise * variance[active].mean())
            weighted = model.components_ / noise
            inference = np.linalg.solve(np.eye(n) + weighted @ model.components_.T, weighted)
        self.mean.copy_(torch.from_numpy(mean))
        self.inference.zero_()
        self.inference[torch.from_numpy(active), :n] = torch.from_numpy(inference.T).to(self.inference)
        self.n_iter.fill_(model.n_iter_)

    def embed(self, x: Tensor) -> Tensor:
        """Posterior mean of the factors of transformed windows, shape (B, W, N); shape (B, dim)."""
        return (self.features(x) - self.mean) @ self.inference
