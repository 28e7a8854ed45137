"""Residual networks for small images (He et al. 2016)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import SettingError, unknown_name

__all__ = ["IMAGE_ENCODERS", "ImageEncoder", "ResNet", "build_image_encoder", "resnet10", "resnet18", "resnet50"]


class ImageEncoder(nn.Module):
    """Network from images of shape (B, H, W, 3) to representations of shape (B, dim)."""

    dim: int


def _convolve(n_in: int, n_out: int, kernel: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    # The batch norm that follows would cancel a bias.
    return nn.Conv2d(n_in, n_out, kernel, stride, padding=kernel // 2, bias=False), nn.BatchNorm2d(n_out)


def _basic(n_in: int, width: int, stride: int) -> nn.Sequential:
    """Two 3x3 convolutions, from `n_in` channels to `width`."""
    return nn.Sequential(*_convolve(n_in, width, 3, stride), nn.ReLU(inplace=True), *_convolve(width, width, 3))


def _bottleneck(n_in: int, width: int, stride: int) -> nn.Sequential:
    """A 3x3 convolution between two of 1x1, from `n_in` channels to 4 times `width`; the middle one strides."""
    return nn.Sequential(
        *_convolve(n_in, width, 1),
        nn.ReLU(inplace=True),
        *_convolve(width, width, 3, stride),
        nn.ReLU(inplace=True),
        *_convolve(width, 4 * width, 1),
    )


class _Thin(nn.Module):
    """Keep every `stride`-th row and column.

    Before a 1x1 convolution this is the same as a stride, which oneDNN gets wrong: with channels last and fewer channels
    than a register holds, the weights' gradient is wrong, or the process crashes or hangs (oneDNN's issue 6035).
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, :: self.stride, :: self.stride]


class _Residual(nn.Module):
    """Add a branch to its input, which is projected where their shapes differ."""

    def __init__(self, branch: nn.Sequential, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.branch = branch
        same = n_in == n_out and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(_Thin(stride), *_convolve(n_in, n_out, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.branch(x) + self.shortcut(x), inplace=True)


class ResNet(ImageEncoder):
    """ResNet (He et al. 2016) with the small-image stem: a 3x3 convolution, by default without stride, and no pooling after it.

    Parameters
    ----------
    branch : callable
        `_basic` or `_bottleneck`.
    blocks : tuple of int
        Blocks of each stage; stages after the first halve the image and double the channels.
    width : int
        Channels of the stem and of the first stage's 3x3 convolutions.
    expansion : int
        A block's output channels in units of its width: 1, or 4 with `_bottleneck`.
    zero_init : bool
        Whether the scale of each branch's last batch norm starts at 0, so that every block starts as its shortcut
        (Goyal et al. 2017).
    stem_stride : int, optional
        2 for maps of half the image's size from the first stage on, which take a quarter of the time.
    """

    def __init__(
        self,
        branch: Callable[[int, int, int], nn.Sequential],
        blocks: tuple[int, ...],
        width: int,
        *,
        expansion: int,
        zero_init: bool,
        stem_stride: int = 1,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_convolve(3, width, 3, stem_stride), nn.ReLU(inplace=True)]
        n_in = width
        for stage, n_blocks in enumerate(blocks):
            inner = width * 2**stage
            for block in range(n_blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(_Residual(branch(n_in, inner, stride), n_in, inner * expansion, stride))
                n_in = inner * expansion
        self.layers = nn.Sequential(*layers)
        self.dim = n_in
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, _Residual) and zero_init:
                nn.init.zeros_(module.branch[-1].get_parameter("weight"))

    def forward(self, x: Tensor) -> Tensor:
        """Map images of shape (B, H, W, 3) to representations of shape (B, dim): the mean over the last maps."""
        # Seen as (B, 3, H, W), such images are what torch calls channels_last, the faster layout; it stays until the end.
        y: Tensor = self.layers(x.permute(0, 3, 1, 2))
        return torch.mean(y, dim=(2, 3))


def resnet10(width: int) -> ResNet:
    """ResNet-10 for CPUs: one basic block a stage, behind a stem that halves the image; about a tenth of ResNet-18's work.

    Parameters
    ----------
    width : int
        Channels of the first stage; 64 would have 4,898,112 weights. The representation has 8 times as many dimensions.
    """
    return ResNet(_basic, (1, 1, 1, 1), width, expansion=1, zero_init=False, stem_stride=2)


def resnet18(width: int) -> ResNet:
    """ResNet-18: 8 basic blocks.

    No branch starts at 0: neither the published MYOW nor BYOL's own code (whose residual networks are Haiku's) does so
    with basic blocks.

    Parameters
    ----------
    width : int
        Channels of the first stage; 64 is the standard, with 11,168,832 weights and 512 dimensions.
    """
    return ResNet(_basic, (2, 2, 2, 2), width, expansion=1, zero_init=False)


def resnet50(width: int) -> ResNet:
    """ResNet-50: 16 bottleneck blocks, whose 3x3 convolutions stride.

    Branches start at 0, as bottleneck blocks do in BYOL's own code (whose residual networks are Haiku's).

    Parameters
    ----------
    width : int
        Channels of the first stage's 3x3 convolutions; 64 is the standard, with 23,500,352 weights and 2048 dimensions.
    """
    return ResNet(_bottleneck, (3, 4, 6, 3), width, expansion=4, zero_init=True)


IMAGE_ENCODERS: dict[str, Callable[[int], ImageEncoder]] = {
    "resnet10": resnet10,
    "resnet18": resnet18,
    "resnet50": resnet50,
}
"""Encoders of images by name."""


def build_image_encoder(name: str, width: int = 64) -> ImageEncoder:
    """Build an encoder from images of shape (B, H, W, 3) to representations of shape (B, dim).

    Parameters
    ----------
    name : {"resnet10", "resnet18", "resnet50"}
        Which of `IMAGE_ENCODERS`.
    width : int, optional
        Channels of the first convolution, from which all others follow; 64 is the standard network.

    Returns
    -------
    ImageEncoder
        Its ``dim`` is the dimension of the representation.

    Raises
    ------
    UnknownNameError
        If there is no such encoder.
    SettingError
        If the width is below 1.
    """
    if name not in IMAGE_ENCODERS:
        raise unknown_name("image encoder", name, IMAGE_ENCODERS)
    if width < 1:
        raise SettingError(f"width is {width}; an image encoder needs 1 channel or more (64 is the standard)")
    return IMAGE_ENCODERS[name](width)
