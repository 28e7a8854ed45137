"""Every picture that the contents of a run folder allow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..data.recording import Recording
from ..methods.recordings import RecordingEstimator
from ..nn.neighbours import default_gap
from ..run_folder import RunFolder
from ..training.callbacks import read_metrics
from . import confusion, embedding, geometry, learning_curves, mined_views, worth
from .mined_statistics import neighbour_statistics
from .style import save

__all__ = ["candidates_per_step", "draw_evaluations", "draw_training", "picture_label"]

MOST_ROWS = 200_000
"""Rows that are embedded to be drawn; ten times as many as there are marks in a picture."""


def draw_training(
    folder: RunFolder,
    model: RecordingEstimator,
    recording: Recording,
    trained_on: Recording,
    test: NDArray[np.int64],
    target: str | None,
) -> list[Path]:
    """Draw what training left: the embedding in two and three dimensions, its geometry, learning curves, mined views.

    Parameters
    ----------
    folder : RunFolder
        Where metrics, mined and neighbouring pairs lie, and where pictures go.
    model : RecordingEstimator
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
    # Of a recording that is too long to embed for a picture, evenly spaced rows.
    every = -(-len(recording) // MOST_ROWS)
    shown = np.arange(0, len(recording), every)
    z = np.concatenate(list(model.transform_blocks(recording, rows=shown)))
    held_out = np.isin(shown, test)
    label = None if target is None else recording.labels[target][shown]
    period = recording.periods.get(target or "")
    for dimensions in (2, 3):
        if min(z.shape) >= dimensions:
            pictures[f"embedding_{dimensions}d"] = embedding.draw(
                z,
                label,
                dimensions=2 if dimensions == 2 else 3,
                period=period,
                part=held_out,
                name=name if every == 1 else f"{name}, one bin in {every}",
                label_name=target or "label",
            )
    place: dict[str, Any] = {
        "segments": trained_on.segments,
        "times": trained_on.times,
        "label": None if target is None else trained_on.labels[target],
    }
    one_segment = trained_on.n_segments == 1
    metrics = read_metrics(folder.metrics) if folder.metrics.exists() else []
    if metrics:  # a method without steps has none
        pictures["learning_curves"] = learning_curves.draw(metrics, name=name)
        gap = default_gap(trained_on.times) if one_segment else None
        near = _neighbours(folder, gap=gap, **place)
        pictures["geometry"] = geometry.draw(metrics, neighbours=near, name=name, label_name=target or "label")
    if folder.mined.exists():
        gap = default_gap(trained_on.times, getattr(model, "exclude_gap", None)) if one_segment else None
        with np.load(folder.mined) as pairs:
            pictures["mined_views"] = mined_views.draw(
                pairs["step"],
                pairs["anchor"],
                pairs["mined"],
                **place,
                period=period,
                gap=gap,
                pool=candidates_per_step(model),
                name=name,
                label_name=target or "label",
            )
    return _save_all(folder.path, pictures)


def _neighbours(folder: RunFolder, **place: Any) -> dict[str, NDArray[Any]] | None:
    """What nearest neighbours have in common, if any were recorded."""
    if not folder.neighbours.exists():
        return None
    with np.load(folder.neighbours) as pairs:
        step, anchor, neighbour = pairs["step"], pairs["anchor"], pairs["neighbour"]
    return neighbour_statistics(step, anchor[0], neighbour, **place) if (neighbour >= 0).any() else None


def candidates_per_step(model: RecordingEstimator) -> int | None:
    """How many rows a mining method has to choose from at a step; None if all, or if it mines none."""
    settings = model.get_params()
    match settings.get("pool"):
        case "sample" | "recording":
            return int(settings["pool_size"])
        case "batch":
            return int(settings["batch_size"]) * (2 if settings["symmetric"] else 1)
    return None


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
