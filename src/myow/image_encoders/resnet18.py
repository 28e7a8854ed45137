"""ResNet-18 for small images: 8 basic blocks, a representation of 8 times the width."""

from __future__ import annotations

from ._resnet import ResNet, basic

__all__ = ["Encoder"]


class Encoder(ResNet):
    """ResNet-18 (He et al. 2016) with the small-image stem.

    No branch starts at 0: neither the published MYOW nor BYOL's own code (whose residual networks are Haiku's) does so
    with basic blocks.

    Parameters
    ----------
    width : int
        Channels of the first stage; 64 is the standard, with 11,168,832 weights and 512 dimensions.
    """

    def __init__(self, width: int) -> None:
        super().__init__(basic, (2, 2, 2, 2), width, expansion=1, zero_init=False)
