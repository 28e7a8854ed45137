"""Learn representations of neural population activity without labels, and see how well they decode.

The names below load when they are first used, so that importing `myow` is quick. Every method in `myow.methods` is
here too, under the name of its class: `myow.MYOW`, `myow.BYOL`, ...; those that learn from images are `myow.ImageMYOW`,
`myow.ImageBYOL`, ...
"""

from __future__ import annotations

import importlib
from typing import Any

from .version import __version__ as __version__

_HOMES = {
    "Embedding": "data.embedding",
    "Evaluation": "evaluation.result",
    "Images": "data.images",
    "Recording": "data.recording",
    "consistency": "evaluation.stability",
    "embed": "methods.deploy",
    "evaluate": "evaluation.evaluate",
    "evaluate_images": "evaluation.images",
    "importance": "evaluation.stability",
    "load": "datasets",
    "load_model": "methods.loading",
    "pull_from_hub": "methods.runs",
    "push_to_hub": "methods.runs",
    "inspect": "io",
    "open_recording": "io",
    "read": "io",
    "report": "figures.report",
    "suggest": "methods.recordings",
    "read_embedding": "io.embeddings",
    "write": "io.embeddings",
    "write_stored": "io.on_disk",
}


def _homes() -> dict[str, str]:
    from .methods import IMAGE_METHODS, METHODS

    places = [place.split(".") for table in (METHODS, IMAGE_METHODS) for place in table.values()]
    return _HOMES | {kind: f"methods.{module}" for module, kind in places} | {"Unmined": "methods.myow"}


def __getattr__(name: str) -> Any:
    if name == "plot":
        return importlib.import_module(".plot", __name__)
    home = _HOMES.get(name) or (None if name.startswith("_") else _homes().get(name))
    if home is None:
        raise AttributeError(f"module 'myow' has no attribute '{name}'")
    return getattr(importlib.import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*_homes(), "__version__", "plot"])
