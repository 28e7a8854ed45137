"""Every picture that a run folder on images allows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..data.images import Images
from ..methods.images import ImageEstimator
from ..run_folder import RunFolder
from ..training.callbacks import read_metrics
from . import geometry, image_map, learning_curves, mined_images, style
from .mined_statistics import neighbour_statistics
from .style import save

__all__ = ["candidates_at_a_step", "draw_images"]

MOST_IMAGES = 2000  # on a CPU some seconds for a large encoder, and more than the figure has room for


def draw_images(folder: RunFolder, model: ImageEstimator, train: Images, test: Images) -> list[Path]:
    """Draw what training left: test images where the embedding puts them, learning curves, geometry, mined images.

    Parameters
    ----------
    folder : RunFolder
        Where metrics, mined and neighbouring pairs lie, and where pictures go.
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
    paths = []
    for stem, figure in _pictures(folder, model, train, test):  # one at a time: each is freed once it is written
        path = folder.path / f"{stem}.png"
        save(figure, path)
        paths.append(path)
    return paths


def _pictures(folder: RunFolder, model: ImageEstimator, train: Images, test: Images) -> Iterator[tuple[str, Figure]]:
    name = f"{type(model).__name__} on {train.name or folder.path.name}"
    some = np.unique(np.linspace(0, len(test) - 1, min(len(test), MOST_IMAGES)).round().astype(np.int64))
    taken = test.select(some)
    yield "embedding_2d", image_map.draw(taken, model.transform(taken), name=f"{name}, test", total=len(test))
    metrics = read_metrics(folder.metrics) if folder.metrics.exists() else []
    if metrics:
        yield "learning_curves", learning_curves.draw(metrics, name=name)
        yield "geometry", _geometry(folder, metrics, train, name)
    if folder.mined.exists():
        with np.load(folder.mined) as pairs:
            step, anchor, mined = pairs["step"], pairs["anchor"], pairs["mined"]
        if (mined >= 0).any():
            yield (
                "mined_images",
                mined_images.draw(
                    train,
                    step,
                    anchor,
                    mined,
                    augment=model.make_augment(),
                    pool=candidates_at_a_step(model),
                    name=name,
                ),
            )


def _geometry(folder: RunFolder, metrics: list[dict[str, float]], train: Images, name: str) -> Figure:
    label = next(iter(train.labels), None)
    near = None
    if label is not None and folder.neighbours.exists():
        with np.load(folder.neighbours) as pairs:
            step, anchor, neighbour = pairs["step"], pairs["anchor"], pairs["neighbour"]
        if (neighbour >= 0).any():
            near = neighbour_statistics(
                step, anchor[0], neighbour, segments=train.groups, times=train.times, label=train.labels[label]
            )
    figure = geometry.draw(metrics, neighbours=near, name=name, label_name=label or "label")
    # In place of the note on segments, of which images have none.
    figure.supxlabel("Of up to 512 training images, not augmented.", x=0.012, ha="left", fontsize=8, color=style.MUTED)
    return figure


def candidates_at_a_step(model: ImageEstimator) -> int | None:
    """How many images a mining method has to choose from at a step, once its queue is full; None if it mines none."""
    settings = model.get_params()
    match settings.get("pool"):
        case "queue" | "sample":
            return int(settings["pool_size"])
        case "batch":
            return int(settings["batch_size"]) * (2 if settings["symmetric"] else 1)
    return None
