"""Parameters that BYOL and MYOW share where they learn from images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..views.image_views import shared
from .bootstrap_settings import BootstrapSettings
from .images import ImageEstimator

__all__ = ["ImageBootstrapEstimator"]


@dataclass(kw_only=True, eq=False, repr=False)
class ImageBootstrapEstimator(BootstrapSettings, ImageEstimator):
    """Settings of online and target networks; the widths and the optimizer are those of the release for images.

    Parameters
    ----------
    **others
        See `myow.estimators.bootstrap_settings.BootstrapSettings` and `myow.estimators.images.ImageEstimator`.
    """

    optimizer: Literal["adamw", "lars", "sgd"] = "sgd"
    learning_rate: float = 0.06
    weight_decay: float = 5e-4
    warmup: float = 0.05
    projector: tuple[int, ...] = (4096, 256)
    predictor: int = 4096
    target_momentum: float = 0.98
    target_schedule: Literal["constant", "cosine"] = "cosine"

    def bootstrap_settings(self) -> dict[str, Any]:
        """Keyword arguments of `myow.graphs.bootstrap.Bootstrap`."""
        return {
            **self.network_settings(),
            "positives": (0, 0),
            "augment": shared(self.make_augment()),
            "unit_norm": False,
            "activation": "relu",
            "embedding": "representation",
        }
