"""SimCLR (Chen et al. 2020) on images, for which it was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import SettingError
from ..estimators.images import ImageEstimator
from ..graphs.contrast import Contrast
from ..layers.perceptron import perceptron
from ..views.image_views import shared

__all__ = ["ImageSimCLR"]


@dataclass(kw_only=True, eq=False, repr=False)
class ImageSimCLR(ImageEstimator):
    """Learn by finding each view's partner among all other views of the batch (`myow.losses.nt_xent`).

    The embedding is that of the encoder, below the projector.

    Parameters
    ----------
    temperature : float, optional
        The lower, the more the nearest negatives weigh.
    projector : tuple of int, optional
        Hidden and output widths of the projector.
    **others
        See `myow.estimators.images.ImageEstimator`.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, size=(8, 8, 8, 3), dtype=np.uint8)
    >>> ImageSimCLR(width=1, epochs=1, batch_size=4, random_state=0).fit(images).transform(images).shape
    (8, 8)
    """

    optimizer: Literal["adamw", "lars", "sgd"] = "sgd"
    learning_rate: float = 0.06
    weight_decay: float = 5e-4
    warmup: float = 0.05
    temperature: float = 0.5
    projector: tuple[int, ...] = (2048, 128)

    def build(self, n_features: int) -> Contrast:
        """Build encoder and projector for images of `n_features` channels."""
        if not self.temperature > 0:
            raise SettingError(f"temperature is {self.temperature}; it must be above 0")
        encoder, dim = self.make_encoder()
        widths = (dim, *self.projector)
        if any(width < 1 for width in widths) or widths[-1] < 2:
            raise SettingError(f"projector is {self.projector}; it must be widths of 1 or more, the last 2 or more")
        return Contrast(
            encoder,
            n_features,
            perceptron(widths),
            self.temperature,
            positives=(0, 0),
            augment=shared(self.make_augment()),
            unit_norm=False,
        )
