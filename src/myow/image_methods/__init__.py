"""Methods for images, one file each; the file's name is the name to ask for."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from ..errors import unknown_name

if TYPE_CHECKING:
    from ..estimators.images import ImageEstimator

__all__ = ["image_method_class", "image_method_names"]


def image_method_names() -> list[str]:
    """Identifiers of all methods for images, as the command line takes them."""
    return [m.name.replace("_", "-") for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]


def image_method_class(name: str) -> type[ImageEstimator]:
    """Return the estimator class of a method for images.

    Raises
    ------
    UnknownNameError
        If there is no such method.
    """
    if name not in image_method_names():
        raise unknown_name("method for images", name, image_method_names())
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    estimator: type[ImageEstimator] = getattr(module, module.__all__[0])
    return estimator
