"""How published images are found and read: from the unpacked folder, else from the archive.

A folder that was unpacked beside its archive goes first: it was put there on purpose, perhaps as a subset, and it needs no
decompression. Only an archive can be verified by its checksum; what is read from a folder is checked for shape, type
and range alone, and counted, so that a subset is called one (`myow.data.images.Images.subset`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..disk.archives import read_archive
from ..disk.folder_files import files_below, read_file
from ..disk.published import fetch
from .image_card import ImageCard, locate_folder

__all__ = ["find", "members", "source"]


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
