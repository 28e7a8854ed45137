"""BYOL (Grill et al. 2020) on images."""

from __future__ import annotations

from dataclasses import dataclass

from ..estimators.image_bootstrap import ImageBootstrapEstimator
from ..graphs.bootstrap import Bootstrap

__all__ = ["ImageBYOL"]


@dataclass(kw_only=True, eq=False, repr=False)
class ImageBYOL(ImageBootstrapEstimator):
    r"""Learn by predicting, from one view of an image, what an averaged network makes of another.

    With online networks f, g, q and target networks f', g' (a moving average), and views x, x' of an image, the loss is
    :math:`1 - \cos(q(g(f(x))), g'(f'(x')))`. The embedding is f(x).

    All parameters are keyword arguments, described in `myow.estimators.image_bootstrap.ImageBootstrapEstimator` and
    `myow.estimators.images.ImageEstimator`.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, size=(8, 8, 8, 3), dtype=np.uint8)
    >>> ImageBYOL(width=1, epochs=1, batch_size=4, random_state=0).fit(images).transform(images).shape
    (8, 8)
    """

    def build(self, n_features: int) -> Bootstrap:
        """Build online, target and predictor networks for images of `n_features` channels."""
        encoder, dim = self.make_encoder()
        return Bootstrap(encoder, n_features, dim, **self.bootstrap_settings())
