"""The card of a run: that of its model, with what the model was evaluated to be worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .disk.storage import writing
from .errors import FileError
from .methods.base import Learner
from .run_folder import RunFolder

__all__ = ["run_card", "write_run_card"]


def run_card(folder: RunFolder, model: Learner | None = None) -> str:
    """Describe the model of a run in Markdown.

    Parameters
    ----------
    folder : RunFolder
        The run.
    model : Learner, optional
        Its model, if it is at hand.

    Raises
    ------
    FileError
        If the folder holds no run, or its files are damaged.
    """
    folder.read()
    model = model or folder.model("cpu")
    return model.card(evaluations=_evaluations(folder.path))


def write_run_card(folder: RunFolder, model: Learner | None = None) -> Path:
    """Write the card of a run into its folder, whole or not at all."""
    text = run_card(folder, model)
    with writing(folder.card) as part:
        part.write_text(text, encoding="utf-8")
    return folder.card


def _evaluations(folder: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(folder.glob("evaluation_*.json")):
        try:
            evaluation = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(evaluation, dict):
                raise TypeError("it is no JSON object")
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise FileError(f"{path} is damaged ({error}); evaluate the run again") from error
        found.append(evaluation)
    return found
