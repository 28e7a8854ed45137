"""What is known of a set of images before it is loaded, and where it is found."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..disk.published import PublishedFile, locate

__all__ = ["ImageCard", "locate_folder"]


@dataclass(frozen=True)
class ImageCard:
    """The entry of a set of images in ``myow datasets``.

    Parameters
    ----------
    name : str
        What to ask for.
    train, test : int
        Images of the official parts.
    size : tuple of int
        Height and width in pixels.
    classes : int
        Number of classes of the label "class".
    licence, citation : str
        Terms of the images and the paper to cite.
    archive : PublishedFile
        The published archive.
    folder : str
        The folder that the archive unpacks to.
    """

    name: str
    train: int
    test: int
    size: tuple[int, int]
    classes: int
    licence: str
    citation: str
    archive: PublishedFile
    folder: str

    data: ClassVar[str] = "images"
    kind: ClassVar[str] = "published"
    target: ClassVar[str] = "class"

    @property
    def available(self) -> bool:
        """Whether it loads without a download."""
        return locate_folder(self.folder) is not None or locate(self.archive) is not None

    def describe(self) -> dict[str, Any]:
        """Return what ``myow datasets --json`` prints of it."""
        keys = ("name", "data", "kind", "train", "test", "size", "classes", "available", "licence", "citation")
        return {key: getattr(self, key) for key in keys}


def locate_folder(name: str) -> Path | None:
    """Find an unpacked folder by its name: the one that ``MYOW_DATA`` names, or one below it."""
    if not (top := os.environ.get("MYOW_DATA")):
        return None
    if Path(top).name == name and Path(top).is_dir():
        return Path(top)
    for parent, folders, _ in os.walk(top):
        folders.sort()  # the same folder is found on every machine
        if name in folders:
            return Path(parent) / name
    return None
