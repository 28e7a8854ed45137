"""Image files into colour pixels; what is damaged, too large or of an odd kind is refused by name."""

from __future__ import annotations

import io
import warnings
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, FileError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["decode", "fitted", "is_image_name"]

# Formats that need no other program to decode, with the endings of their files.
FORMATS = {
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "PPM": (".ppm", ".pgm", ".pnm", ".pbm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
MOST_PIXELS = 1 << 26
# Bit depths that turn into 8-bit colours without loss of scale. Others, such as 16-bit grey, would be cut off.
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV")


def is_image_name(name: str) -> bool:
    """Whether a file's ending is that of an image.

    Examples
    --------
    >>> is_image_name("a/B.JPEG"), is_image_name("labels.csv")
    (True, False)
    """
    return PurePath(name).suffix.lower() in SUFFIXES


def decode(content: bytes, where: str, *, upright: bool = False) -> Image:
    """Decode an image file to 8-bit colours; grey becomes colour, transparency is dropped, an animation gives its first frame.

    Parameters
    ----------
    content : bytes
        The file.
    where : str
        Its name, for the error's text.
    upright : bool, optional
        Whether to turn it as the camera was held, where the file says so.

    Raises
    ------
    FileError
        If it is damaged, of another format or larger than 64 million pixels.
    DataError
        If its values are not of 8 bits.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit, below, is stricter
            image = Image.open(io.BytesIO(content), formats=tuple(FORMATS))
            mode, (width, height) = image.mode, image.size
            if width * height > MOST_PIXELS:
                raise FileError(
                    f"{where} has {width} x {height} pixels; {MOST_PIXELS} in all are the most that is read"
                )
            if mode in MODES:
                return (ImageOps.exif_transpose(image) if upright else image).convert("RGB")
    except FileError:
        raise
    except Exception as error:  # damaged bytes can make a decoder fail in any way at all
        reason = " ".join(str(error).split("<")[0].split())[:80] or type(error).__name__
        raise FileError(f"{where} is no whole image ({reason}); mend or delete it") from error
    raise DataError(f"{where} holds values of kind '{mode}', which are not of 8 bits; save it with 8 bits per channel")


def fitted(image: Image, size: int) -> NDArray[np.uint8]:
    """Resize the shorter side of an image and crop it about the centre.

    Parameters
    ----------
    image : Image
        Of any size.
    size : int
        Height and width to bring it to.

    Returns
    -------
    ndarray of uint8, shape (size, size, 3)
    """
    from PIL import Image, ImageOps

    return np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC))
