"""Residual networks for small images: the parts, and how they are put together."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import ImageEncoder

__all__ = ["ResNet", "basic", "bottleneck"]


def _convolve(n_in: int, n_out: int, kernel: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    # The batch norm that follows would cancel a bias.
    return nn.Conv2d(n_in, n_out, kernel, stride, padding=kernel // 2, bias=False), nn.BatchNorm2d(n_out)


def basic(n_in: int, width: int, stride: int) -> nn.Sequential:
    """Two 3x3 convolutions, from `n_in` channels to `width`."""
    return nn.Sequential(*_convolve(n_in, width, 3, stride), nn.ReLU(inplace=True), *_convolve(width, width, 3))


def bottleneck(n_in: int, width: int, stride: int) -> nn.Sequential:
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
        `basic` or `bottleneck`.
    blocks : tuple of int
        Blocks of each stage; stages after the first halve the image and double the channels.
    width : int
        Channels of the stem and of the first stage's 3x3 convolutions.
    expansion : int
        A block's output channels in units of its width: 1, or 4 with `bottleneck`.
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
