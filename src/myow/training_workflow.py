"""What every training by the command line does, whatever it learns from: watched, into a folder, with a card, and a line at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from .data.images import Images
from .data.recording import Recording
from .disk.storage import make_folder
from .errors import SettingError
from .methods.base import Learner
from .methods.presets import preset as preset_settings
from .run_card import write_run_card
from .run_folder import Run, RunFolder
from .settings import parse_settings
from .training.callbacks import Callback, ProgressBar, TensorBoard
from .training.distributed import current

__all__ = ["chosen_settings", "own_settings", "train_into"]


def chosen_settings(estimator: type[Learner], preset: str | None, settings: Sequence[str]) -> dict[str, Any]:
    """Return the parameters that a preset and texts, ``key=value``, ask for; the texts decide.

    Raises
    ------
    SettingError
        If one is unknown, does not fit, or has an option of its own.
    """
    chosen = preset_settings(preset, estimator) if preset else {}
    given = parse_settings(estimator, settings)
    for key, option in (("random_state", "--seed"), ("device", "--device")):
        if key in given:
            raise SettingError(f"{key} is not set with --set; use {option}")
    if "steps" in given and "epochs" not in given:
        chosen["epochs"] = None  # the epochs of a default or preset would decide in place of the steps asked for
    return chosen | given


def own_settings(estimator: type[Learner], chosen: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return what a run keeps of its settings: those that differ from the defaults, and the seed."""
    defaults = {f.name: f.default for f in fields(estimator)}
    return {k: v for k, v in chosen.items() if v != defaults[k]} | {"random_state": seed}


def train_into(
    out: Path,
    run: Run,
    model: Learner,
    rows: Recording | Images | Mapping[str, Recording],
    *,
    learnt_from: str,
    resume: bool,
    tensorboard: bool,
    progress: bool,
) -> str:
    """Train a model into a folder, and describe it there.

    Parameters
    ----------
    out : Path
        The folder.
    run : Run
        What is about to be trained.
    model : Learner
        Not yet fitted.
    rows : Recording, Images or mapping of str to Recording
        The rows to train on.
    learnt_from : str
        What they are, in words.
    resume, tensorboard, progress : bool
        As in ``myow train``.

    Returns
    -------
    str
        One line that says what was done; "" in all processes but the first.
    """
    world = current()
    callbacks: list[Callback] = []
    if progress and world.is_first:
        callbacks.append(ProgressBar(f"{run.method} on {run.recording['name']}"))
    if tensorboard and world.is_first:
        callbacks.append(TensorBoard(make_folder(out / "tensorboard")))
    folder = RunFolder(out)
    replaced = "" if resume or not folder.holds_run() else " (an earlier run was replaced)"
    finished, before = folder.train(run, model, rows, resume=resume, callbacks=callbacks)
    if not world.is_first:
        return ""
    write_run_card(folder, finished)
    if before and before == finished.n_steps_:
        return f"{folder.model_path}: nothing to do, all {before} steps were done"
    processes = f" by {world.size} processes" if world.size > 1 else ""
    done = f"{finished.n_steps_} steps{processes}" if finished.n_steps_ else "learnt without steps"
    return f"{folder.model_path}: {run.method}, {done} on {learnt_from}{replaced}"
