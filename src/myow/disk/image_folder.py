"""A folder of one's own images, in any of three layouts.

=============================  =====================================================================
``CLASS/IMAGE``                classes are named by subfolders; no test part, so that one is drawn
``train/CLASS/IMAGE`` and      the same, with a test part. Without ``test``, ``val`` or ``valid`` is
``test/CLASS/IMAGE``           the test part; with it, their images join those to train on, from
                               which validation is drawn at random
``IMAGE``                      no labels; the same inside ``train`` and ``test``
=============================  =====================================================================

Subfolders of a class are searched too. Files whose ending is not that of an image, and what is hidden, are passed over.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..data.checks import frozen
from ..data.images import Images
from ..errors import DataError, FileError, SettingError
from .folder_files import files_below, read_file
from .image_decoding import decode, fitted, is_image_name

__all__ = ["holds_images", "read_image_folder"]

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
        pixels[row] = fitted(image, size)
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
