"""MYOW (Azabou et al. 2021) on images: BYOL that also predicts other images, mined in representation space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..augment.image import ImageAugment
from ..estimators.image_bootstrap import ImageBootstrapEstimator
from ..graphs.mined_bootstrap import MinedBootstrap
from ..graphs.mining_settings import MiningSettings

__all__ = ["ImageMYOW"]


@dataclass(kw_only=True, eq=False, repr=False)
class ImageMYOW(ImageBootstrapEstimator):
    r"""Learn by predicting another view of an image, and mined views: near neighbours among other images.

    On top of BYOL's loss L, the online representation of each view looks up its k nearest target representations among
    candidates that are never of its own image; one of them is chosen at random and predicted through a second projector
    cascaded on the first. The total is :math:`(1 - a) L + a L_m`, with a rising to `mined_weight`. Candidates are
    shown to the target network through a milder transform than the views that are compared.

    Parameters
    ----------
    k : int, optional
        Neighbours to choose from.
    pool : {"queue", "sample", "batch"}, optional
        Candidates: the last `pool_size` representations that the target network made of the batches' images, kept in a
        queue; `pool_size` other images, drawn and encoded anew each step; or the target's views of the batch.
    pool_size : int, optional
        See `pool`.
    mining_crop, mining_flip : tuple of float and float, optional
        The milder transform of candidates: share of the area, and probability to be mirrored.
    mined_anchor : {"view", "row"}, optional
        Whether an image looks up and predicts from its augmented view, or from one made by the milder transform, encoded
        once more.
    views, layout, mined_projector, mined_predictor, mined_weight, mined_start, mined_ramp
        See `myow.graphs.mining_settings.MiningSettings`.
    **others
        See `myow.estimators.image_bootstrap.ImageBootstrapEstimator` and `myow.estimators.images.ImageEstimator`.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, size=(8, 8, 8, 3), dtype=np.uint8)
    >>> ImageMYOW(width=1, epochs=2, batch_size=4, pool_size=8, random_state=0).fit(images).transform(images).shape
    (8, 8)
    """

    k: int = 1
    pool: Literal["queue", "sample", "batch"] = "queue"
    pool_size: int = 2048
    mining_crop: tuple[float, float] = (0.8, 1.0)
    mining_flip: float = 0.5
    views: int = 1
    mined_anchor: Literal["view", "row"] = "view"
    layout: Literal["cascaded", "parallel", "single"] = "cascaded"
    mined_projector: tuple[int, ...] = (1024, 64)
    mined_predictor: int = 1024
    mined_weight: float = 0.5
    mined_start: float = 0.125
    mined_ramp: float = 0.0125

    def build(self, n_features: int) -> MinedBootstrap:
        """Build the networks for images of `n_features` channels."""
        encoder, dim = self.make_encoder()
        mining = MiningSettings(
            k=self.k,
            pool=self.pool,
            pool_size=self.pool_size,
            key_bins=0,
            exclude="segment",  # an image is a segment of its own
            views=self.views,
            mined_anchor=self.mined_anchor,
            layout=self.layout,
            mined_projector=tuple(self.mined_projector),
            mined_predictor=self.mined_predictor,
            mined_weight=self.mined_weight,
            mined_start=self.mined_start,
            mined_ramp=self.mined_ramp,
        )
        milder = ImageAugment(crop=self.mining_crop, flip=self.mining_flip, jitter=0.0, grey=0.0, solarise=0.0)
        return MinedBootstrap(
            encoder,
            n_features,
            dim,
            mining=mining,
            batch_size=self.batch_size,
            milder=milder,
            **self.bootstrap_settings(),
        )
