"""Recordings and images by name, one file a family."""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType
from typing import Any, Literal, overload

from ..errors import SettingError, unknown_name
from .card import Card, ImageCard

__all__ = ["FAMILIES", "Card", "ImageCard", "card", "cards", "load"]


FAMILIES = ("cifar", "reaching", "rodent", "simulated_reach", "simulated_sleep", "tiny_imagenet")
"""Modules of this package with ``CARDS``, one card a recording or set of images, and ``load(name, **options)``."""


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
    known = [p.name for p in inspect.signature(family.load).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {name}", option, known)
    return family.load(name, **options)
