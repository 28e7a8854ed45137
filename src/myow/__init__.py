"""Learn representations of neural population activity without labels, and measure what they are worth.

The names below load when they are first used, so that importing `myow` is quick. Every method in `myow.methods` is
here too, under the name of its class: `myow.MYOW`, `myow.BYOL`, ...
"""

from __future__ import annotations

import importlib
from typing import Any

from .version import __version__ as __version__

_HOMES = {
    "Recording": "recording",
    "evaluate": "evaluation",
    "load": "datasets",
    "load_model": "loading",
    "read": "readers",
}


def _method_homes() -> dict[str, str]:
    from .methods import method_names

    return {name.replace("-", ""): f"methods.{name.replace('-', '_')}" for name in method_names()}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name) or _method_homes().get(name.lower())
    if home is not None and not name.startswith("_"):
        module = importlib.import_module(f".{home}", __name__)
        if name in module.__all__:
            return getattr(module, name)
    raise AttributeError(f"module 'myow' has no attribute '{name}'")


def __dir__() -> list[str]:
    methods = [importlib.import_module(f".{home}", __name__).__all__[0] for home in _method_homes().values()]
    return sorted([*_HOMES, *methods, "__version__"])
