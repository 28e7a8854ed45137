"""Settings that all methods for images have, and what they do with images."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..augment.image import ImageAugment
from ..data.images import Images
from ..data.targets import Targets
from ..errors import DataError, SettingError, unknown_name
from ..image_encoders import build_image_encoder
from ..training.method import Method, Plan
from ..views.image_rows import ImageRows, learn_scaling
from ..views.windows import TrainingRows
from .learner import Learner
from .training_settings import TrainingSettings

__all__ = ["ImageEstimator"]


@dataclass(kw_only=True, eq=False, repr=False)
class ImageEstimator(TrainingSettings, Learner):
    """Base of all methods that learn from images.

    Fitted, it also holds the images' height and width as ``size_``, their name as ``images_``.

    Parameters
    ----------
    encoder : str, nn.Module or callable, optional
        Name of an encoder, see `myow.image_encoders`; or an encoder of one's own, from images (B, H, W, 3) to representations
        (B, D), or a callable that makes one.
    width : int, optional
        Channels of a named encoder's first stage; 64 is the published one.
    crop : tuple of float, optional
        Least and largest share of an image's area that a view shows.
    flip, jitter, grey, solarise : float, optional
        Probability that a view is mirrored, that its colours are changed, that it is grey, and that it is solarised.
    brightness, contrast, saturation, hue : float, optional
        How much they are changed at most.
    augment : callable, optional
        An augmentation of one's own in place of all of these: called with images (..., H, W, 3) in [0, 1] and a
        `torch.Generator`; returns the same shape. On one process only.
    precision : {"auto", "float32", "bfloat16"}, optional
        Of the networks' products while training; "auto": bfloat16 on a GPU. What is mined, and the loss, are of float32.
    compile : bool, optional
        Whether `torch.compile` makes the encoder faster, after some minutes of its own; needs a C++ compiler.
    threads : int, optional
        CPU threads while fitting; None for as many as torch is set to. Convolutions gain from them, though their sums
        then depend on the number.
    **others
        See `myow.estimators.training_settings.TrainingSettings` and `myow.estimators.learner.Learner`.
    """

    encoder: str | nn.Module | Callable[[], nn.Module] = "resnet18"
    width: int = 64
    epochs: int | None = 200
    crop: tuple[float, float] = (0.2, 1.0)
    flip: float = 0.5
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    grey: float = 0.2
    solarise: float = 0.0
    augment: Callable[[torch.Tensor, torch.Generator], torch.Tensor] | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool = False
    threads: int | None = None

    learns_from: ClassVar[str] = "images"
    learnt: ClassVar[tuple[str, ...]] = (*Learner.learnt, "size_", "images_")
    at_once: ClassVar[int] = 512

    def make_encoder(self) -> tuple[nn.Module, int]:
        """Build the encoder that the settings ask for, and say the dimension of what it gives.

        Raises
        ------
        SettingError
            If an encoder of one's own does not give shape (B, D).
        """
        if isinstance(self.encoder, str):
            encoder: nn.Module = build_image_encoder(self.encoder, self.width)
        else:
            # A copy: fitting must not change what was passed to the constructor.
            encoder = copy.deepcopy(self.encoder) if isinstance(self.encoder, nn.Module) else self.encoder()
        height, width = self.size_
        with torch.no_grad():
            encoder.eval()  # this look must not move running statistics
            shape = tuple(encoder(torch.zeros(2, height, width, 3)).shape)
        if len(shape) != 2 or shape[0] != 2:
            raise SettingError(
                f"the encoder turns images of shape (2, {height}, {width}, 3) into {shape}; it must give (2, D)"
            )
        if self.compile:
            encoder.compile()
        return encoder, shape[1]

    def make_augment(self) -> ImageAugment | Callable[[torch.Tensor, torch.Generator], torch.Tensor]:
        """Build the augmentation that the settings ask for."""
        return self.augment or ImageAugment(
            crop=self.crop,
            flip=self.flip,
            jitter=self.jitter,
            brightness=self.brightness,
            contrast=self.contrast,
            saturation=self.saturation,
            hue=self.hue,
            grey=self.grey,
            solarise=self.solarise,
        )

    def plan(self, n_rows: int) -> Plan:
        """Say how long, how fast and in which precision to train on so many images."""
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise unknown_name("precision", self.precision, ("auto", "float32", "bfloat16"))
        return replace(super().plan(n_rows), precision=self.precision)

    # Inner workings.

    def _n_dimensions(self) -> int:
        window = torch.zeros(1, *self.size_, 3, device=self.method_.scaling.mean.device)
        with torch.inference_mode():
            return int(self.method_.embed(window).shape[1])

    def _take(self, X: Any, *, reset: bool) -> Images:
        images: Images = X if isinstance(X, Images) else _as_images(X, type(self).__name__)
        if reset:
            if len(images) < 2:
                raise DataError("there is 1 image; training needs two or more")
            self.n_features_in_ = 3
            self.size_ = images.size
            self.images_ = images.name
        elif images.size != tuple(self.size_):
            names = f" ({self.images_})" if self.images_ else ""
            raise DataError(
                f"the model was trained on images of {_by(self.size_)} pixels{names}, but {images.name or 'these'} have "
                f"{_by(images.size)}; resize them"
            )
        return images

    def _hold(self, data: Images, device: torch.device, targets: Targets | None = None) -> ImageRows:
        return ImageRows(data, device, targets)

    def _learn_scaling(self, method: Method, rows: TrainingRows) -> None:
        learn_scaling(method.scaling, rows.values)


def _by(size: Any) -> str:
    return f"{size[0]} x {size[1]}"


def _as_images(X: Any, name: str) -> Images:
    """Take an array of bytes for images."""
    values: NDArray[Any] = np.asarray(X)
    if values.ndim != 4 or values.shape[-1] != 3 or values.dtype != np.uint8:
        raise DataError(
            f"{name} learns from images, and this has shape {values.shape} and type {values.dtype}; give Images, or bytes "
            "(uint8) of shape (T, H, W, 3)"
        )
    return Images(values)
