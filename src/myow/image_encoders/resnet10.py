"""ResNet-10 for small images at half their size: about a tenth of ResNet-18's work, for CPUs."""

from __future__ import annotations

from ._resnet import ResNet, basic

__all__ = ["Encoder"]


class Encoder(ResNet):
    """ResNet-10: one basic block a stage, behind a 3x3 stem that halves the image; a representation of 8 times the width.

    Parameters
    ----------
    width : int
        Channels of the first stage; 64 would have 4,898,112 weights.
    """

    def __init__(self, width: int) -> None:
        super().__init__(basic, (1, 1, 1, 1), width, expansion=1, zero_init=False, stem_stride=2)
