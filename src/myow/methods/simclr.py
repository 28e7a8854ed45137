"""SimCLR: a simple framework for contrastive learning (Chen et al. 2020), with positives close in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import SettingError
from ..estimators.view import ViewEstimator
from ..graphs.contrast import Contrast
from ..layers.perceptron import perceptron

__all__ = ["SimCLR"]


@dataclass(kw_only=True, eq=False, repr=False)
class SimCLR(ViewEstimator):
    r"""Learn by finding each view's partner among all other views of the batch.

    With an encoder f, a projector g, and unit vectors :math:`z_i = g(f(x_i)) / |g(f(x_i))|` of the 2B views of B rows
    and of their temporal positives, the loss is the mean over i of
    :math:`-\log \exp(z_i \cdot z_{j(i)} / \tau) / \sum_{k \ne i} \exp(z_i \cdot z_k / \tau)`, where j(i) is the other
    view of the same row (NT-Xent). Gradients go through both views. The embedding is f(x), below the projector.

    Chen et al. (2020) draw both views from one image; here, as for BYOL, one of them is of a row close in time. Rows of a
    batch that are close to each other in time are negatives none the less, as in the paper every other sample is.

    Parameters
    ----------
    temperature : float, optional
        :math:`\tau`: the lower, the more the nearest negatives weigh.
    projector : tuple of int, optional
        Hidden and output widths of the projector g; empty for the identity.
    **others
        See `myow.estimators.view.ViewEstimator` and `myow.estimators.trained.TrainedEstimator`.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> SimCLR(steps=5, dim=4, random_state=0).fit(counts).transform(counts).shape
    (60, 4)
    """

    hidden: tuple[int, ...] = (256, 256)
    dim: int = 32
    steps: int = 300
    learning_rate: float = 4e-3
    dropout: float = 0.8
    noise_unit: Literal["input", "change"] = "input"
    noise_to: Literal["bin", "window"] = "bin"
    positives: tuple[int, int] = (-8, 8)
    temperature: float = 0.5
    projector: tuple[int, ...] = (128, 64)

    def build(self, n_features: int) -> Contrast:
        """Build encoder and projector for `n_features` units."""
        if not self.temperature > 0:
            raise SettingError(f"temperature is {self.temperature}; it must be above 0")
        if any(width < 1 for width in self.projector):
            raise SettingError(f"projector is {self.projector}; it must be widths of 1 or more")
        widths = (self.dim, *self.projector)
        if widths[-1] < 2:
            raise SettingError("the projection has 1 dimension, where directions teach nothing; use 2 or more")
        projector = perceptron(widths, self.activation)
        return Contrast(self.make_encoder(n_features), n_features, projector, self.temperature, **self.view_settings())
