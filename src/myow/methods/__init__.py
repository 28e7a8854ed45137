"""Methods by name. A name is what the command line takes and what a model file says; where a class lies follows from nothing."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ..errors import unknown_name

if TYPE_CHECKING:
    from .base import Learner
    from .images import ImageEstimator
    from .recordings import RecordingEstimator

__all__ = [
    "IMAGE_METHODS",
    "METHODS",
    "VARIANTS",
    "image_method_class",
    "image_method_names",
    "make_method",
    "method_class",
    "method_name",
    "method_names",
]

METHODS = {
    "autoencoder": "autoencoder.Autoencoder",
    "byol": "byol.BYOL",
    "fa": "baselines.FA",
    "lda": "decoders.LDA",
    "myow": "myow.MYOW",
    "pca": "baselines.PCA",
    "pivae": "pivae.PiVAE",
    "poisson-nb": "decoders.PoissonNB",
    "raw": "baselines.Raw",
    "rp": "time_contrast.RP",
    "simclr": "simclr.SimCLR",
    "supervised": "supervised.Supervised",
    "ts": "time_contrast.TS",
    "untrained": "baselines.Untrained",
}
"""Methods for recordings: module of this package, and class. They are imported when they are asked for."""

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {"unmined": ("myow", {"mined_weight": 0.0})}
"""Settings of methods that have a name, and a row of every table, of their own."""

IMAGE_METHODS = {"byol": "images.ImageBYOL", "myow": "images.ImageMYOW", "simclr": "images.ImageSimCLR"}
"""Methods for images."""


def method_names() -> list[str]:
    """Return the names of all methods and variants, as the command line takes them."""
    return sorted([*METHODS, *VARIANTS])


def method_class(name: str) -> type[RecordingEstimator]:
    """Return the class of a method, or the one that a variant is of.

    Raises
    ------
    UnknownNameError
        If there is no such method.
    """
    if name not in method_names():
        raise unknown_name("method", name, method_names())
    found: type[RecordingEstimator] = _found(METHODS[VARIANTS[name][0] if name in VARIANTS else name])
    return found


def make_method(name: str, **settings: Any) -> RecordingEstimator:
    """Make an estimator of a method, or of a variant with its settings.

    Raises
    ------
    UnknownNameError
        If there is no such method.
    """
    estimator = method_class(name)
    return estimator(**(VARIANTS[name][1] if name in VARIANTS else {}) | settings)


def method_name(kind: type[Learner]) -> str:
    """Return the name of the method that a class is, or is derived from.

    Examples
    --------
    >>> method_name(method_class("poisson-nb"))
    'poisson-nb'
    """
    names = {place.split(".")[1]: name for table in (METHODS, IMAGE_METHODS) for name, place in table.items()}
    return next((names[base.__name__] for base in kind.__mro__ if base.__name__ in names), kind.__name__.lower())


def image_method_names() -> list[str]:
    """Return the names of all methods for images, as the command line takes them."""
    return sorted(IMAGE_METHODS)


def image_method_class(name: str) -> type[ImageEstimator]:
    """Return the class of a method for images.

    Raises
    ------
    UnknownNameError
        If there is no such method.
    """
    if name not in IMAGE_METHODS:
        raise unknown_name("method for images", name, image_method_names())
    found: type[ImageEstimator] = _found(IMAGE_METHODS[name])
    return found


def _found(place: str) -> Any:
    module, kind = place.split(".")
    return getattr(importlib.import_module(f"{__name__}.{module}"), kind)
