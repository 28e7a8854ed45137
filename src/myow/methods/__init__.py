"""Methods, one file each; the file's name is the name to ask for."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from ..errors import unknown_name

if TYPE_CHECKING:
    from ..estimators.recordings import Estimator

__all__ = ["method_class", "method_names"]


def method_names() -> list[str]:
    """Identifiers of all methods, as the command line takes them."""
    return [m.name.replace("_", "-") for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]


def method_class(name: str) -> type[Estimator]:
    """Return the estimator class of a method.

    Raises
    ------
    UnknownNameError
        If there is no such method.
    """
    if name not in method_names():
        raise unknown_name("method", name, method_names())
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    estimator: type[Estimator] = getattr(module, module.__all__[0])
    return estimator
