"""Models shared through the Hugging Face Hub, as a file and a card."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from .disk.hub import CARD, MODEL, push
from .disk.hub import pull as pull_from_hub
from .errors import SettingError
from .methods.base import Learner
from .run_card import run_card
from .run_folder import RunFolder

__all__ = ["pull_from_hub", "push_to_hub"]

# The Hub reads this from the top of a card; tags are how people find a model.
FRONT = """---
library_name: myow
tags:
- neuroscience
- neural-population-activity
- self-supervised-learning
- {method}
---

"""


def push_to_hub(
    model: Learner | str | os.PathLike[str],
    repo: str,
    *,
    private: bool = True,
    revision: str | None = None,
    message: str = "",
    token: str | None = None,
) -> str:
    """Share a model: its file, and its card as the repository's README, in one commit.

    What is uploaded names the recording it was trained on, its units and its settings, and holds none of its values.

    Parameters
    ----------
    model : Learner or path-like
        A fitted model, or the folder of a run, whose evaluations then stand in the card.
    repo : str
        ``user/name``; made if there is none.
    private : bool, optional
        Whether a repository that is made is private.
    revision : str, optional
        Branch to write to. Default: ``main``.
    message : str, optional
        Of the commit.
    token : str, optional
        Default: that which huggingface_hub was logged in with.

    Returns
    -------
    str
        Where it now is, with the commit behind it: ``hf://user/name@commit``, as `myow.load_model` takes it.

    Raises
    ------
    FileError
        If the repository may not be written or the Hub cannot be reached.
    SettingError
        If there is nothing to share, or the extra ``hub`` is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(model, Learner):
            file = Path(folder) / MODEL
            model.save(file)
            card, name = model.card(), type(model).__name__
        elif isinstance(model, (str, os.PathLike)):
            run = RunFolder(Path(model))
            file, name = run.model_path, run.read().method
            card = run_card(run)
        else:
            raise SettingError(f"a {type(model).__name__} cannot be shared; give a fitted model or the folder of a run")
        files: dict[str, Any] = {MODEL: file, CARD: (FRONT.format(method=name.lower()) + card).encode()}
        commit = push(
            repo, files, message=message or f"{name} by myow", private=private, revision=revision, token=token
        )
    return f"hf://{repo.removeprefix('hf://').partition('@')[0]}@{commit}"
