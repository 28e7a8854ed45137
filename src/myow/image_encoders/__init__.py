"""Encoders of images, one a file; the file's name is the name to ask for."""

from __future__ import annotations

import importlib
import pkgutil

from torch import nn

from ..errors import SettingError, unknown_name

__all__ = ["ImageEncoder", "build_image_encoder", "image_encoder_names"]


class ImageEncoder(nn.Module):
    """A network from images of shape (B, H, W, 3) to representations of shape (B, dim)."""

    dim: int


def image_encoder_names() -> list[str]:
    """Names of the image encoders."""
    return [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]


def build_image_encoder(name: str, width: int = 64) -> ImageEncoder:
    """Build an encoder from images of shape (B, H, W, 3) to representations of shape (B, dim).

    Parameters
    ----------
    name : str
        The name of a file in this folder, whose ``Encoder`` class is called.
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
    if name not in image_encoder_names():
        raise unknown_name("image encoder", name, image_encoder_names())
    if width < 1:
        raise SettingError(f"width is {width}; an image encoder needs 1 channel or more (64 is the standard)")
    module = importlib.import_module(f"{__name__}.{name}")
    encoder: ImageEncoder = module.Encoder(width)
    return encoder
