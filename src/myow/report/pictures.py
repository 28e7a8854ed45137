"""Every picture that the contents of a run folder allow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..estimator import Estimator
from ..methods.myow import default_gap
from ..monitor import read_metrics
from ..recording import Recording
from ..run_folder import RunFolder
from . import confusion, embedding, learning_curves, mined_views, worth
from .style import save

__all__ = ["draw_evaluations", "draw_training", "picture_label"]


def draw_training(
    folder: RunFolder,
    model: Estimator,
    recording: Recording,
    trained_on: Recording,
    test: NDArray[np.int64],
    target: str | None,
) -> list[Path]:
    """Draw what training left: the embedding in two and three dimensions, learning curves, mined views.

    Parameters
    ----------
    folder : RunFolder
        Where metrics and mined pairs lie, and where pictures go.
    model : Estimator
        The trained model.
    recording, trained_on : Recording
        All rows, and those that the encoder was trained on.
    test : ndarray of int
        Rows that are held out; they are drawn stronger.
    target : str or None
        Label to colour by.

    Returns
    -------
    list of Path
    """
    name = f"{type(model).__name__} on {recording.name or folder.path.name}"
    pictures: dict[str, Figure] = {}
    z = model.transform(recording)
    held_out = np.isin(np.arange(len(recording)), test)
    label = None if target is None else recording.labels[target]
    period = recording.periods.get(target or "")
    for dimensions in (2, 3):
        if min(z.shape) >= dimensions:
            pictures[f"embedding_{dimensions}d"] = embedding.draw(
                z,
                label,
                dimensions=2 if dimensions == 2 else 3,
                period=period,
                part=held_out,
                name=name,
                label_name=target or "label",
            )
    if folder.metrics.exists() and read_metrics(folder.metrics):  # a method without steps has none
        pictures["learning_curves"] = learning_curves.draw(read_metrics(folder.metrics), name=name)
    if folder.mined.exists():
        with np.load(folder.mined) as pairs:
            pictures["mined_views"] = mined_views.draw(
                pairs["step"],
                pairs["anchor"],
                pairs["mined"],
                segments=trained_on.segments,
                times=trained_on.times,
                label=None if target is None else trained_on.labels[target],
                period=period,
                gap=default_gap(trained_on.times, getattr(model, "exclude_gap", None))
                if trained_on.n_segments == 1
                else None,
                name=name,
                label_name=target or "label",
            )
    return _save_all(folder.path, pictures)


def draw_evaluations(folder: RunFolder) -> list[Path]:
    """Draw the evaluations that lie in a run folder: worth beside the baselines, and confusion matrices.

    Parameters
    ----------
    folder : RunFolder
        Where evaluations lie, and where pictures go.

    Returns
    -------
    list of Path
    """
    pictures: dict[str, Figure] = {}
    for path in sorted(folder.path.glob("evaluation_*.json")):
        result = json.loads(path.read_text())
        which = path.stem.removeprefix("evaluation_")
        pictures[f"worth_{which}"] = worth.draw(result)
        if "confusion" in result:
            pictures[f"confusion_{which}"] = confusion.draw(
                result["confusion"]["counts"],
                result["confusion"]["classes"],
                dataset=result["dataset"],
                target=result["target"],
                readout=result["readout"],
                labels=result["labels"],
                label_unit=result["label_unit"] or "segment",
                accuracy=result["accuracy"] if result["readout"] != "angle" else None,
                interval=result["interval"] if result["readout"] != "angle" else None,
            )
    return _save_all(folder.path, pictures)


def _save_all(folder: Path, pictures: dict[str, Figure]) -> list[Path]:
    paths = [folder / f"{name}.png" for name in pictures]
    for path, figure in zip(paths, pictures.values(), strict=True):
        save(figure, path)
    return paths


def picture_label(recording: Recording, preferred: Sequence[str]) -> str | None:
    """Return the label to colour by: the first preferred one there is, else the first with one value a row."""
    plain = [name for name, values in recording.labels.items() if values.ndim == 1]
    return next((name for name in [*preferred, *plain] if name in plain), None)
