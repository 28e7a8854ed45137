"""Cards of the datasets: what each is, and where its files are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..data.splits import Split
from ..io.download import PublishedFile, fetch, locate
from ..io.files import files_below, read_file
from ..io.untrusted import read_archive

__all__ = ["Card", "ImageCard", "find", "locate_folder", "members", "source"]


@dataclass(frozen=True)
class Card:
    """A recording's entry in ``myow datasets``.

    Parameters
    ----------
    name : str
        What to ask for.
    kind : str
        ``"published"``: recorded by others, read from their files; ``"simulated"``: made here from a seed.
    units, segments : int
        Of the recording as it loads by default.
    bins : int or None
        Likewise; None where it is known only once the file is at hand.
    bin_size : float
        Width of a bin in s.
    licence, citation : str
        Terms of the data and the paper to cite.
    target : str
        The label that readouts predict by default.
    readout : str
        The readout that fits it: ``"angle"``, ``"class"``, ...
    split : Split, optional
        The released rule. None: there is none, use the generic one.
    files : tuple of PublishedFile, optional
        All that loading with default options reads; none: the recording is embedded.
    fallback : tuple of PublishedFile, optional
        What serves as well where `files` are missing.
    """

    name: str
    kind: str
    units: int
    bins: int | None
    bin_size: float
    segments: int
    licence: str
    citation: str
    target: str
    readout: str
    split: Split | None = None
    files: tuple[PublishedFile, ...] = ()
    fallback: tuple[PublishedFile, ...] = ()

    data: ClassVar[str] = "recording"

    @property
    def available(self) -> bool:
        """Whether it loads without a download: embedded, or its files are in ``MYOW_DATA`` or the cache."""
        choices = [self.files, *([self.fallback] if self.fallback else [])]
        return any(all(locate(file) is not None for file in files) for files in choices)

    def describe(self) -> dict[str, Any]:
        """Return what ``myow datasets --json`` prints of it."""
        keys = ("name", "data", "kind", "units", "bins", "bin_size", "segments", "available", "licence", "citation")
        return {key: getattr(self, key) for key in keys}


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


def find(card: ImageCard) -> Path:
    """Return the unpacked folder below ``MYOW_DATA``, else the archive: found, or downloaded, and verified.

    Raises
    ------
    FileError
        If there is neither and the archive cannot be downloaded, or it was altered.
    """
    return locate_folder(card.folder) or fetch(card.archive)


def members(
    card: ImageCard, place: Path, wanted: Callable[[str], bool], *, largest: int, total: int
) -> Iterator[tuple[str, bytes]]:
    """Read files of a published set.

    Parameters
    ----------
    card : ImageCard
        The set.
    place : Path
        As `find` returned it.
    wanted : callable
        Says of a name inside the folder, such as ``train/a.JPEG``, whether to read that file.
    largest, total : int
        Bytes of the largest file, and of all in the archive, that are expected at most.

    Yields
    ------
    name : str
        Inside the folder. The order is that of the names, except in a .tar.gz.
    content : bytes

    Raises
    ------
    FileError
        If the folder or archive is damaged or refused.
    """
    if place.is_dir():
        for name, path in files_below(place, wanted):
            yield name, read_file(path, largest)
        return
    prefix = f"{card.folder}/"

    def inside(name: str) -> bool:
        return name.startswith(prefix) and wanted(name.removeprefix(prefix))

    for name, content in read_archive(place, inside, largest=largest, total=total):
        yield name.removeprefix(prefix), content


def source(card: ImageCard, place: Path) -> dict[str, str]:
    """Return where the images come from, for `myow.data.images.Images`."""
    rest = {"licence": card.licence, "citation": card.citation, "url": card.archive.url}
    if place.is_dir():
        return {"folder": card.folder, **rest}
    kind, checksum = card.archive.checksum
    return {"file": card.archive.name, kind: checksum, **rest}
