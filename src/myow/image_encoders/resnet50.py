"""ResNet-50 for small images: 16 bottleneck blocks, a representation of 32 times the width."""

from __future__ import annotations

from ._resnet import ResNet, bottleneck

__all__ = ["Encoder"]


class Encoder(ResNet):
    """ResNet-50 (He et al. 2016) with the small-image stem; the 3x3 convolutions stride.

    Branches start at 0, as bottleneck blocks do in BYOL's own code (whose residual networks are Haiku's).

    Parameters
    ----------
    width : int
        Channels of the first stage's 3x3 convolutions; 64 is the standard, with 23,500,352 weights and 2048 dimensions.
    """

    def __init__(self, width: int) -> None:
        super().__init__(bottleneck, (3, 4, 6, 3), width, expansion=4, zero_init=True)
