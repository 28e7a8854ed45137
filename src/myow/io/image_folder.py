"""Folders of image files."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np

from ..data.images import Images
from ..data.recording import frozen
from ..errors import DataError, FileError, SettingError
from .files import files_below, read_file

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

__all__ = ["decode", "holds_images", "read_image_folder"]

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


def decode(content: bytes, where: str, *, upright: bool = False) -> PilImage:
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


TRAIN, TEST, VALID = "train", "test", ("val", "valid")
LARGEST = 1 << 30  # bytes of a file


def holds_images(folder: str | os.PathLike[str]) -> bool:
    """Whether there is an image in the folder or in its subfolders."""
    folder = Path(folder)
    return folder.is_dir() and next(files_below(folder, is_image_name), None) is not None


def read_image_folder(folder: str | os.PathLike[str], *, size: int = 32) -> Images:
    """Read all images of a folder, laid out as described above.

    Parameters
    ----------
    folder : path-like
        The folder.
    size : int, optional
        Height and width to which every image is brought: the shorter side is resized, then the centre is cropped.

    Returns
    -------
    Images
        Named by the folder; classes are numbered in the order of their names; images in the order of theirs, those of the
        test part last.

    Raises
    ------
    SettingError
        If `size` is no whole number from 1 to 1024.
    FileError
        If there is no image, one is damaged (which is named) or links lead out of the folder.
    DataError
        If the layout is none of the three, or a class of the test part has no images to train on.
    """
    from PIL import Image, ImageOps

    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= 1024:
        raise SettingError(f"size is {size!r}; it must be a whole number of pixels from 1 to 1024")
    folder = Path(folder)
    if not folder.is_dir():
        raise FileError(f"there is no folder {folder}; check the path")
    found = dict(files_below(folder, is_image_name))
    if not found:
        raise FileError(f"{folder} holds no images, neither itself nor in subfolders; check the path")
    train, test = _parts(folder, list(found))
    classes = _classes(folder, [*train.values(), *test.values()])
    unseen = sorted(set(test.values()) - set(train.values()))
    if unseen:
        raise DataError(
            f"{folder}: the test part has a class '{unseen[0]}', which has no images to train on; correct its name"
        )
    names = [*train, *test]
    pixels = np.empty((len(names), size, size, 3), dtype=np.uint8)
    for row, name in enumerate(names):
        image = decode(read_file(found[name], LARGEST), str(found[name]), upright=True)
        # The shorter side is resized, then the centre is cropped.
        pixels[row] = np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC))
    number = {name: i for i, name in enumerate(classes)}
    labels = {"class": np.array([number[c] for c in (*train.values(), *test.values())])} if classes else {}
    return Images(
        frozen(pixels),
        labels=labels,
        test=np.arange(len(names)) >= len(train),
        class_names={"class": classes} if classes else {},
        name=folder.resolve().name,
        source={"folder": str(folder)},
    )


def _parts(folder: Path, names: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the class of each image to train on and to test with; "" is no class."""
    tops = {name.split("/")[0] for name in names if "/" in name}
    if TRAIN not in tops:
        if tops and tops <= {TEST, *VALID}:
            raise DataError(
                f"{folder} has images in {', '.join(sorted(tops))} but none in {TRAIN}; add those to train on"
            )
        return {name: _class(name) for name in names}, {}
    others = sorted(name for name in names if name.split("/")[0] not in (TRAIN, TEST, *VALID))
    if others:
        raise DataError(
            f"{folder} has a folder '{TRAIN}', but '{others[0]}' is not in it or in '{TEST}'; move it there"
        )
    tested = (TEST,) if TEST in tops else VALID
    train: dict[str, str] = {}
    test: dict[str, str] = {}
    for name in names:
        part, _, inside = name.partition("/")
        (test if part in tested else train)[name] = _class(inside)
    return train, test


def _class(name: str) -> str:
    return name.split("/")[0] if "/" in name else ""


def _classes(folder: Path, found: list[str]) -> tuple[str, ...]:
    """Return the names of the classes, none if no image has one."""
    classes = sorted(set(found))
    if classes == [""]:
        return ()
    if "" in classes:
        raise DataError(
            f"{folder} holds images both in folders of classes, such as '{classes[1]}', and beside them; move them into one"
        )
    return tuple(classes)
