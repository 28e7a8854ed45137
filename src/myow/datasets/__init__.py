"""Recordings and images by name, one file a family; or from a file or folder, as the command line names them."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, overload

from .. import io
from ..data.images import Images
from ..data.recording import Recording
from ..errors import FileError, SettingError, unknown_name
from ..io.image_folder import holds_images, read_image_folder
from ..settings import parse_pairs
from .card import Card, ImageCard

__all__ = [
    "FAMILIES",
    "Card",
    "ImageCard",
    "card",
    "card_of",
    "cards",
    "inspect_file",
    "is_images",
    "load",
    "load_images",
    "load_recording",
]


FAMILIES = ("cifar", "reaching", "rodent", "simulated", "tiny_imagenet")
"""Modules of this package with ``CARDS``, one card a recording or set of images, and ``load(name, **options)``, or ``LOADERS`` by name."""


def _families() -> list[ModuleType]:
    return [importlib.import_module(f"{__name__}.{name}") for name in FAMILIES]


@overload
def cards(data: Literal["recording"] = ...) -> list[Card]: ...
@overload
def cards(data: Literal["images"]) -> list[ImageCard]: ...
def cards(data: Literal["recording", "images"] = "recording") -> list[Card] | list[ImageCard]:
    """Return the cards of all recordings, or of all sets of images, by family."""
    return [card for family in _families() for card in family.CARDS if card.data == data]


def card(name: str) -> Card:
    """Return the card of a recording.

    Raises
    ------
    UnknownNameError
        If there is nothing of that name; the nearest is offered.
    SettingError
        If it names images.
    """
    found = _find(name)[1]
    if not isinstance(found, Card):
        raise SettingError(f"{name} names images; a recording is needed here: {', '.join(c.name for c in cards())}")
    return found


def _find(name: str) -> tuple[ModuleType, Card | ImageCard]:
    every = [(family, card) for family in _families() for card in family.CARDS]
    for family, found in every:
        if found.name == name:
            return family, found
    raise unknown_name("dataset", name, [card.name for _, card in every])


def load(name: str, **options: Any) -> Any:
    """Load a recording, or a set of images, by name.

    What is published is read from its files: found in the folder that ``MYOW_DATA`` names, else in the cache, else downloaded, and
    verified by checksum; images are read from an unpacked folder too. Simulated recordings are made from their ``seed``.

    Parameters
    ----------
    name : str
        As ``myow datasets`` lists it.
    **options
        Those of the family, such as ``bin_size`` and ``speed_threshold`` of the reaching recordings; see the ``load``
        of its module.

    Returns
    -------
    Recording or Images
        As the name says.

    Raises
    ------
    UnknownNameError
        If there is no such dataset, or it has no such option.
    SettingError
        If an option's value cannot be had.
    FileError
        If a published file is missing and cannot be downloaded, or was altered.

    Examples
    --------
    >>> load("simulated-reach", n_trials=16, seed=1).n_segments
    16
    """
    family, _ = _find(name)
    loader = family.LOADERS[name] if hasattr(family, "LOADERS") else family.load
    known = [p.name for p in inspect.signature(loader).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {name}", option, known)
    return loader(name, **options)


def load_recording(data: str, load: Sequence[str] = ()) -> Recording:
    """Load a recording by the name of a dataset, or from a file.

    Parameters
    ----------
    data : str
        Name or path.
    load : sequence of str, optional
        Options of the dataset or reader, ``key=value``. With ``stored=1`` the counts of a file stay on disk, and the
        options are those of `myow.open_recording`.

    Raises
    ------
    UnknownNameError
        If it is neither a dataset nor a file that exists.
    SettingError
        If it names images.
    """
    options = _options(load)
    names = [card.name for card in cards()]
    if data in names:
        recording: Recording = _named(data, options)
        return recording
    if is_images(data):
        raise SettingError(f"{data} holds images; a recording is needed here: a file, or one of {', '.join(names)}")
    if Path(data).exists():
        if options.pop("stored", 0):
            known = inspect.signature(io.open_recording).parameters
            for option in options:
                if option not in known or option == "path":
                    raise unknown_name("option of stored files", option, [name for name in known if name != "path"])
            return io.open_recording(data, **options)
        return io.read(data, **options)
    if _is_path(data):
        raise FileError(f"there is no file {data}; check the path")
    raise unknown_name("dataset or file", data, names)


def inspect_file(file: str, load: Sequence[str] = ()) -> io.Inspection:
    """Describe a file and what reading it with these options, ``key=value``, would use."""
    return io.inspect(file, **_options(load))


def load_images(data: str, load: Sequence[str] = ()) -> Images:
    """Load images by the name of a dataset, or from a folder.

    Parameters
    ----------
    data : str
        Name or path.
    load : sequence of str, optional
        Options of the dataset or of `myow.io.image_folder.read_image_folder`, ``key=value``.

    Raises
    ------
    UnknownNameError
        If it is neither a dataset of images nor a folder that exists, or there is no such option.
    SettingError
        If it names a recording.
    """
    options = _options(load)
    names = [card.name for card in cards("images")]
    if data in names:
        images: Images = _named(data, options)
        return images
    if card_of(data) is not None or Path(data).is_file():
        raise SettingError(
            f"{data} is no folder of images; images are needed here: a folder, or one of {', '.join(names)}"
        )
    if Path(data).is_dir():
        known = [p.name for p in inspect.signature(read_image_folder).parameters.values() if p.kind is p.KEYWORD_ONLY]
        for option in options:
            if option not in known:
                raise unknown_name("option of a folder of images", option, known)
        return read_image_folder(data, **options)
    if _is_path(data):
        raise FileError(f"there is no folder {data}; check the path")
    raise unknown_name("dataset of images, or folder,", data, names)


def is_images(data: str) -> bool:
    """Whether it is the name of a dataset of images, or a folder that holds images."""
    if data in [card.name for card in cards("images")]:
        return True
    return card_of(data) is None and holds_images(data)


def card_of(data: str) -> Card | None:
    """Return the card of a dataset; None for a file."""
    return next((card for card in cards() if card.name == data), None)


def _named(name: str, options: dict[str, Any]) -> Any:
    return load(name, **options)


def _is_path(data: str) -> bool:
    return bool(Path(data).suffix) or os.sep in data


def _options(load: Sequence[str]) -> dict[str, Any]:
    return {k: _number(v) for k, v in parse_pairs(load).items()}


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
