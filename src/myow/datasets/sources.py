"""Recordings and images by the name of a dataset, or from a file or folder, as the command line names them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import datasets, io
from ..data.images import Images
from ..data.recording import Recording
from ..errors import FileError, SettingError, unknown_name
from ..io.image_folder import holds_images, read_image_folder
from ..settings import parse_pairs

__all__ = ["card_of", "inspect_file", "is_images", "load_images", "load_recording"]


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
    names = [card.name for card in datasets.cards()]
    if data in names:
        recording: Recording = datasets.load(data, **options)
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
    names = [card.name for card in datasets.cards("images")]
    if data in names:
        images: Images = datasets.load(data, **options)
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
    if data in [card.name for card in datasets.cards("images")]:
        return True
    return card_of(data) is None and holds_images(data)


def card_of(data: str) -> datasets.Card | None:
    """Return the card of a dataset; None for a file."""
    return next((card for card in datasets.cards() if card.name == data), None)


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
