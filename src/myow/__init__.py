"""Learn representations of neural population activity without labels, and measure what they are worth.

The names below load when they are first used, so that importing `myow` is quick. Every method in `myow.methods` is
here too, under the name of its class: `myow.MYOW`, `myow.BYOL`, ... Those in `myow.image_methods`, which learn from
images, are `myow.ImageMYOW`, `myow.ImageBYOL`, ...
"""

from __future__ import annotations

import importlib
from typing import Any

from .version import __version__ as __version__

_HOMES = {
    "Embedding": "data.embedding",
    "Images": "data.images",
    "Recording": "data.recording",
    "embed": "estimators.embedding",
    "evaluate": "evaluation.recordings",
    "evaluate_images": "evaluation.images",
    "load": "datasets",
    "load_model": "loading",
    "pull_from_hub": "hub",
    "push_to_hub": "hub",
    "inspect": "readers",
    "open_recording": "readers",
    "read": "readers",
    "read_embedding": "writers",
    "write": "writers",
    "write_stored": "disk.stored_file",
}


def _method_homes() -> dict[str, str]:
    from .image_methods import image_method_names
    from .methods import method_names

    homes = {name.replace("-", ""): f"methods.{name.replace('-', '_')}" for name in method_names()}
    return homes | {
        f"image{name.replace('-', '')}": f"image_methods.{name.replace('-', '_')}" for name in image_method_names()
    }


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
