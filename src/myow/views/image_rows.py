"""Images held on the device as bytes, and looked up as what networks see."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.images import Images
from ..data.targets import Targets
from ..layers.inputs import Scaling
from .windows import TrainingRows, shared

__all__ = ["ImageRows", "bytes_of", "learn_scaling"]


class ImageRows(TrainingRows):
    """Images as rows of training: bytes until a batch is looked up.

    Bytes take a quarter of the room of floats: all of CIFAR is 184 MB, so that it lives on the device and no worker has to
    load anything.

    Parameters
    ----------
    data : Images
        T images. Each is a group of its own, so that "elsewhere" means any other image.
    device : torch.device
        Where to keep them.
    targets : Targets, optional
        Labels of some rows, for a method that learns from them.
    """

    def __init__(self, data: Images, device: torch.device, targets: Targets | None = None) -> None:
        super().__init__(data, bytes_of(data), (0, 0), device, targets)

    def inside(self, rows: Tensor) -> Tensor:
        """Return the rows as they are: an image has no window."""
        return rows

    def gather(self, rows: Tensor) -> Tensor:
        """Return some images: indices of shape (...,) become values in [0, 1] of shape (..., H, W, C)."""
        pixels = self.values.index_select(0, rows.flatten()).view(*rows.shape, *self.values.shape[1:])
        return pixels.float().div_(255)


def bytes_of(images: Images) -> Tensor:
    """Return the pixels as a tensor that shares their memory; it must not be written to."""
    return shared(images.pixels)


def learn_scaling(scaling: Scaling, pixels: Tensor) -> None:
    """Learn mean and deviation of each channel, in units of the values in [0, 1], from bytes of shape (T, H, W, C).

    The sums are those of whole numbers, counted value by value, so that they are exact and no float copy is made.
    """
    levels = torch.arange(256, dtype=torch.float64) / 255
    for channel in range(pixels.shape[-1]):
        seen = torch.zeros(256, dtype=torch.int64)
        for part in torch.split(pixels[..., channel], 4096):
            seen += torch.bincount(part.flatten().int(), minlength=256).cpu()
        share = seen.double() / seen.sum()
        mean = (share * levels).sum()
        variance = (share * (levels - mean).square()).sum()
        scaling.mean[channel] = mean
        # A channel without variation, as in images of one colour, stays as it is.
        scaling.deviation[channel] = variance.sqrt() if variance > 0 else 1.0
