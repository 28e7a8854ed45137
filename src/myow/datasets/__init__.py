"""Recordings by name, one file a family; a file here with ``CARDS`` and ``load`` is found by being here."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any

from ..errors import unknown_name
from ..recording import Recording
from .card import Card

__all__ = ["Card", "card", "cards", "load"]


def _families() -> list[ModuleType]:
    modules = [importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
    return [module for module in modules if hasattr(module, "CARDS")]


def cards() -> list[Card]:
    """Return the cards of all recordings, by family."""
    return [card for family in _families() for card in family.CARDS]


def card(name: str) -> Card:
    """Return the card of a recording.

    Raises
    ------
    UnknownNameError
        If there is none of that name; the nearest is offered.
    """
    return _find(name)[1]


def _find(name: str) -> tuple[ModuleType, Card]:
    for family in _families():
        for found in family.CARDS:
            if found.name == name:
                return family, found
    raise unknown_name("dataset", name, [c.name for c in cards()])


def load(name: str, **options: Any) -> Recording:
    """Load a recording by name.

    Published recordings are read from their files: found in the folder that ``MYOW_DATA`` names, else in the cache,
    else downloaded, and always verified by checksum. Simulated ones are made from their ``seed``.

    Parameters
    ----------
    name : str
        As ``myow datasets`` lists it.
    **options
        Those of the family, such as ``bin_size`` and ``speed_threshold`` of the reaching recordings; see the ``load``
        of its module.

    Returns
    -------
    Recording

    Raises
    ------
    UnknownNameError
        If there is no such recording, or it has no such option.
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
    recording: Recording = family.load(name, **options)
    return recording
