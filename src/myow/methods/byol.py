"""BYOL: Bootstrap Your Own Latent (Grill et al. 2020), with positives close in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..estimators.bootstrap import BootstrapEstimator
from ..graphs.bootstrap import Bootstrap

__all__ = ["BYOL"]


@dataclass(kw_only=True, eq=False, repr=False)
class BYOL(BootstrapEstimator):
    r"""Learn by predicting, from one view of a row, what an averaged network makes of another.

    With online networks f, g, q and target networks f', g' (a moving average), and views x, x' of a row and of its
    temporal positive, the loss is :math:`1 - \cos(q(g(f(x))), g'(f'(x')))`.

    All parameters are keyword arguments, described in `myow.estimators.bootstrap.BootstrapEstimator`,
    `myow.estimators.view.ViewEstimator` and `myow.estimators.trained.TrainedEstimator`.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> BYOL(steps=5, dim=4, random_state=0).fit(counts).transform(counts).shape
    (60, 4)
    """

    unit_norm: bool = True
    embedding: Literal["auto", "representation", "prediction"] = "prediction"

    def build(self, n_features: int) -> Bootstrap:
        """Build online, target and predictor networks for `n_features` units."""
        return Bootstrap(self.make_encoder(n_features), n_features, self.dim, **self.bootstrap_settings())
