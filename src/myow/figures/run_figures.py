"""Every figure that the contents of a run folder allow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..data.images import Images
from ..data.recording import Recording
from ..evaluation.mined import neighbour_statistics
from ..evaluation.readouts import reading_name
from ..methods.images import ImageEstimator
from ..methods.recordings import RecordingEstimator
from ..methods.runs import RunFolder
from ..nn.neighbours import default_gap
from ..training.callbacks import read_metrics
from . import decoding, embedding, images, mined, style, training
from .style import save

__all__ = ["candidates_per_step", "draw_evaluations", "draw_images", "draw_training", "label_to_colour_by"]

MOST_ROWS = 200_000
"""Rows that are embedded to be drawn; ten times as many as there are marks in a figure."""
MOST_IMAGES = 2000  # on a CPU some seconds for a large encoder, and more than the figure has room for

Named = Iterator[tuple[str, Figure]]
"""Figures by the stem of their file."""


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
        Where metrics, mined and neighbouring pairs lie, and where figures go.
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
        ``embedding_2d.png`` and ``embedding_3d.png``; ``learning_curves.png`` and ``geometry.png`` if there are metrics;
        ``mined_views.png`` if anything was mined.
    """
    return _save_all(folder, _training(folder, model, recording, trained_on, test, target))


def _training(
    folder: RunFolder,
    model: RecordingEstimator,
    recording: Recording,
    trained_on: Recording,
    test: NDArray[np.int64],
    target: str | None,
) -> Named:
    name = f"{type(model).__name__} on {recording.name or folder.path.name}"
    # Of a recording that is too long to embed for a figure, evenly spaced rows.
    every = -(-len(recording) // MOST_ROWS)
    shown = np.arange(0, len(recording), every)
    z = np.concatenate(list(model.transform_blocks(recording, rows=shown)))
    period = recording.periods.get(target or "")
    label_name = target or "label"
    for dimensions in (2, 3):
        if min(z.shape) >= dimensions:
            yield (
                f"embedding_{dimensions}d",
                embedding.draw_embedding(
                    z,
                    None if target is None else recording.labels[target][shown],
                    dimensions=2 if dimensions == 2 else 3,
                    period=period,
                    part=np.isin(shown, test),
                    name=name if every == 1 else f"{name}, one bin in {every}",
                    label_name=label_name,
                ),
            )
    place: dict[str, Any] = {
        "segments": trained_on.segments,
        "times": trained_on.times,
        "label": None if target is None else trained_on.labels[target],
    }
    one_segment = trained_on.n_segments == 1
    metrics = read_metrics(folder.metrics) if folder.metrics.exists() else []
    if metrics:  # a method without steps has none
        yield "learning_curves", training.draw_learning_curves(metrics, name=name)
        near = _neighbours(folder, gap=default_gap(trained_on.times) if one_segment else None, **place)
        yield "geometry", training.draw_geometry(metrics, neighbours=near, name=name, label_name=label_name)
    if folder.mined.exists():
        gap = default_gap(trained_on.times, getattr(model, "exclude_gap", None)) if one_segment else None
        with np.load(folder.mined) as file:
            pairs = file["step"], file["anchor"], file["mined"]
        pool = candidates_per_step(model)
        yield (
            "mined_views",
            mined.draw_mined_views(
                *pairs, **place, period=period, gap=gap, pool=pool, name=name, label_name=label_name
            ),
        )


def _neighbours(folder: RunFolder, **place: Any) -> dict[str, NDArray[Any]] | None:
    """Return what nearest neighbours have in common, if any were recorded."""
    if not folder.neighbours.exists():
        return None
    with np.load(folder.neighbours) as pairs:
        step, anchor, neighbour = pairs["step"], pairs["anchor"], pairs["neighbour"]
    return neighbour_statistics(step, anchor[0], neighbour, **place) if (neighbour >= 0).any() else None


def candidates_per_step(model: RecordingEstimator | ImageEstimator) -> int | None:
    """Return how many rows or images a mining method chooses from at a step, its queue once full; None if all, or if it mines none."""
    settings = model.get_params()
    match settings.get("pool"):
        case "sample" | "recording" | "queue":
            return int(settings["pool_size"])
        case "batch":
            return int(settings["batch_size"]) * (2 if settings["symmetric"] else 1)
    return None


def draw_evaluations(folder: RunFolder) -> list[Path]:
    """Draw the evaluations that lie in a run folder: decoding performance beside the baselines, and confusion matrices.

    Parameters
    ----------
    folder : RunFolder
        Where evaluations lie, and where figures go.

    Returns
    -------
    list of Path
        ``worth_{which}.png`` and ``confusion_{which}.png`` of each ``evaluation_{which}.json``.
    """
    return _save_all(folder, _evaluations(folder))


def _evaluations(folder: RunFolder) -> Named:
    for path in sorted(folder.path.glob("evaluation_*.json")):
        result = json.loads(path.read_text())
        which = path.stem.removeprefix("evaluation_")
        yield f"worth_{which}", decoding.draw_decoding(result)
        if "confusion" in result:
            of_classes = result["readout"] != "angle"
            yield (
                f"confusion_{which}",
                decoding.draw_confusion(
                    result["confusion"]["counts"],
                    result["confusion"]["classes"],
                    **{key: result[key] for key in ("dataset", "target", "labels")},
                    readout=reading_name(
                        result["readout"], result.get("classifier", "logistic"), result.get("semi_supervised", False)
                    ),
                    label_unit=result["label_unit"] or "segment",
                    accuracy=result["accuracy"] if of_classes else None,
                    interval=result["interval"] if of_classes else None,
                    period=result.get("period"),
                ),
            )


def _save_all(folder: RunFolder, figures: Named) -> list[Path]:
    """Save figures one at a time: each is freed once it is written."""
    paths = []
    for stem, figure in figures:
        paths.append(folder.path / f"{stem}.png")
        save(figure, paths[-1])
    return paths


def label_to_colour_by(recording: Recording, preferred: Sequence[str]) -> str | None:
    """Return the label to colour by: the first preferred one there is, else the first with one value a row."""
    plain = [name for name, values in recording.labels.items() if values.ndim == 1]
    return next((name for name in [*preferred, *plain] if name in plain), None)


def draw_images(folder: RunFolder, model: ImageEstimator, train: Images, test: Images) -> list[Path]:
    """Draw what training left: test images where the embedding puts them, learning curves, geometry, mined images.

    Parameters
    ----------
    folder : RunFolder
        Where metrics, mined and neighbouring pairs lie, and where figures go.
    model : ImageEstimator
        The trained model.
    train, test : Images
        What it was trained on, and held-out images.

    Returns
    -------
    list of Path
        ``embedding_2d.png``; ``learning_curves.png`` and ``geometry.png`` if there are metrics; ``mined_images.png`` if
        anything was mined.
    """
    return _save_all(folder, _image_training(folder, model, train, test))


def _image_training(folder: RunFolder, model: ImageEstimator, train: Images, test: Images) -> Named:
    name = f"{type(model).__name__} on {train.name or folder.path.name}"
    some = np.unique(np.linspace(0, len(test) - 1, min(len(test), MOST_IMAGES)).round().astype(np.int64))
    taken = test.select(some)
    yield "embedding_2d", images.draw_image_map(taken, model.transform(taken), name=f"{name}, test", total=len(test))
    metrics = read_metrics(folder.metrics) if folder.metrics.exists() else []
    if metrics:
        yield "learning_curves", training.draw_learning_curves(metrics, name=name)
        label = next(iter(train.labels), None)
        place = {"segments": train.groups, "times": train.times}
        near = None if label is None else _neighbours(folder, **place, label=train.labels[label])
        figure = training.draw_geometry(metrics, neighbours=near, name=name, label_name=label or "label")
        # In place of the note on segments, of which images have none.
        note = "Of up to 512 training images, not augmented."
        figure.supxlabel(note, x=0.012, ha="left", fontsize=8, color=style.MUTED)
        yield "geometry", figure
    if folder.mined.exists():
        with np.load(folder.mined) as file:
            pairs = file["step"], file["anchor"], file["mined"]
        if (pairs[2] >= 0).any():
            augment, pool = model.make_augment(), candidates_per_step(model)
            yield "mined_images", mined.draw_mined_images(train, *pairs, augment=augment, pool=pool, name=name)
