"""Figures of embeddings, trainings and evaluations: each function returns a matplotlib Figure, to be saved as PNG, PDF or SVG.

``figure.savefig("figure.pdf")`` saves one; a notebook shows it by itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from .data.embedding import Embedding
from .data.recording import Recording
from .errors import DataError, FileError, unknown_name
from .evaluation.stability import Consistency, Importance
from .figures import style
from .figures.decoding import draw_confusion, draw_decoding, draw_few_labels, draw_label_curves
from .figures.embedding import axis_title, draw_beside, draw_plane, project
from .figures.mined import draw_mined_views
from .figures.training import draw_learning_curves
from .methods.runs import RunFolder
from .nn.neighbours import default_gap
from .nn.scaling import moments, transform_values
from .training.callbacks import read_metrics

__all__ = [
    "confusion",
    "consistency",
    "decoding",
    "embedding",
    "importance",
    "label_curve",
    "label_curves",
    "mined_views",
    "training",
]

label_curves = draw_label_curves
"""Label curves of a bench, whose cells `myow.evaluation.bench_summary.summarise` gives."""


def embedding(
    z: Embedding | ArrayLike,
    rec: Recording | None = None,
    *,
    color: str | ArrayLike | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw an embedding as points, beside raw counts and principal components of the same bins.

    Each is shown in the plane in which it is widest. What an embedding adds is seen only beside what was there before.

    Parameters
    ----------
    z : Embedding or array_like, shape (T, D)
        The embedding.
    rec : Recording, optional
        What was embedded; without it nothing stands beside the embedding.
    color : str or array_like, shape (T,), optional
        Label to colour by, of the recording or the embedding, or values. Default: the first label.
    ax : matplotlib.axes.Axes, optional
        Where to draw the embedding alone, in a figure of your own.

    Returns
    -------
    Figure
        A new one, or the one that `ax` is in.

    Raises
    ------
    DataError
        If shapes disagree, values are not finite, or the label cannot be coloured.
    UnknownNameError
        If there is no label of that name.
    """
    values = np.asarray(z.z if isinstance(z, Embedding) else z)
    if rec is not None and len(values) != len(rec):
        raise DataError(
            f"the embedding has {len(values)} rows, but {rec!r} {len(rec)}; give those that belong together"
        )
    label, label_name, period = _label_of(color, rec if rec is not None else z)
    name = (rec.name if rec is not None else "") or getattr(z, "name", "")
    if ax is None:
        panels: dict[str, ArrayLike] = {"embedding": values}
        if rec is not None:
            panels |= {"raw counts" if rec.kind == "counts" else "signals": _raw(rec), "components": _scaled(rec)}
        return draw_beside(panels, label, period=period, name=name, label_name=label_name)
    plane, share = project(values, 2)
    colouring = style.colour_by(label, len(values), period)
    draw_plane(ax, plane, colouring)
    ax.tick_params(labelleft=False, labelbottom=False)  # only distances beside each other mean anything
    ax.set_xlabel(axis_title(0, share[0]))
    ax.set_ylabel(axis_title(1, share[1]))
    style.add_legend(ax, colouring, label_name)
    figure = ax.get_figure(root=True)
    if figure is None:
        raise DataError("the axes belong to no figure; make them with figure.subplots()")
    return figure


def _label_of(color: Any, source: Any) -> tuple[Any, str, float | None]:
    """Return values to colour by, their name, and the value of a full turn."""
    labels: Mapping[str, NDArray[Any]] = getattr(source, "labels", {})
    if color is None:
        color = next((name for name, values in labels.items() if values.ndim == 1), None)
        if color is None:
            return None, "", None
    if isinstance(color, str):
        if color not in labels:
            raise unknown_name("label", color, labels)
        return labels[color], color, source.periods.get(color)
    return color, "label", None


def _raw(rec: Recording) -> NDArray[Any]:
    return np.asarray(rec.gather(np.arange(len(rec))), dtype=np.float64)


def _scaled(rec: Recording) -> NDArray[Any]:
    """Square roots of counts, each unit over its deviation."""
    import torch

    values = transform_values(torch.from_numpy(_raw(rec)), "sqrt" if rec.kind == "counts" else "none", rec.bin_size)
    variance, mean = moments([values])
    return ((values - mean) / variance.sqrt().clamp_min(1e-12)).numpy()


def decoding(evaluation: Mapping[str, Any]) -> Figure:
    """Draw decoding performance: the embedding beside raw counts, components and an untrained encoder, with intervals.

    Parameters
    ----------
    evaluation : Evaluation or mapping
        As `myow.evaluate` returns it; controls are drawn too if there are any.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If it lacks the metric that its readout is judged by.
    """
    return draw_decoding(evaluation)


def confusion(
    evaluation: Mapping[str, Any] | ArrayLike, classes: Sequence[object] | None = None, **options: Any
) -> Figure:
    """Draw which classes are taken for which.

    Parameters
    ----------
    evaluation : Evaluation, mapping, or array_like, shape (C, C)
        As `myow.evaluate` returns it; or counts by true class (row) and predicted class (column).
    classes : sequence, length C, optional
        Names, with bare counts.
    **options
        Those of `myow.figures.decoding.draw_confusion`, such as ``target="state"``.

    Returns
    -------
    Figure
        Classes that are angles are named in degrees.

    Raises
    ------
    DataError
        If there are no classes, or the counts are not a square matrix.
    """
    if not isinstance(evaluation, Mapping):
        matrix = np.asarray(evaluation)
        return draw_confusion(matrix, range(len(matrix)) if classes is None else classes, **options)
    if "confusion" not in evaluation:
        raise DataError(f"a {evaluation.get('readout')} readout has no classes to confuse; draw its decoding")
    of_classes = evaluation["readout"] != "angle"
    about: dict[str, Any] = {key: evaluation.get(key) for key in ("dataset", "target", "readout", "labels", "period")}
    about |= {"label_unit": evaluation.get("label_unit") or "segment"}
    about |= {key: evaluation.get(key) for key in ("accuracy", "interval")} if of_classes else {}
    return draw_confusion(evaluation["confusion"]["counts"], evaluation["confusion"]["classes"], **about | options)


def label_curve(evaluations: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw decoding performance against the number of labelled segments.

    Parameters
    ----------
    evaluations : sequence of Evaluation
        Two or more of one target and readout, with different `labels`.

    Returns
    -------
    Figure
        The embedding and its main baselines are in colour, the others grey.

    Raises
    ------
    DataError
        If there are fewer than two, or they are of different targets or readouts.
    """
    return draw_few_labels(evaluations)


def mined_views(
    pairs: str | os.PathLike[str], rec: Recording, *, color: str | None = None, gap: float | None = None
) -> Figure:
    """Draw how mined views relate to their anchors, beside chance: label, segment and time.

    Parameters
    ----------
    pairs : path-like
        Folder of a run of MYOW, or the file of mined pairs in it.
    rec : Recording
        The rows that were trained on.
    color : str, optional
        Label to compare. Default: the first.
    gap : float, optional
        Of one segment: seconds around an anchor in which nothing was mined. Default: that of MYOW.

    Returns
    -------
    Figure

    Raises
    ------
    FileError
        If there are no such pairs.
    UnknownNameError
        If there is no label of that name.
    """
    path = Path(pairs)
    path = RunFolder(path).mined if path.is_dir() else path
    if not path.is_file():
        raise FileError(f"{path} is not there; MYOW writes what it mines where a run is trained into a folder")
    label, label_name, period = _label_of(color, rec)
    with np.load(path) as file:
        found = file["step"], file["anchor"], file["mined"]
    if rec.n_segments == 1 and gap is None:
        gap = default_gap(rec.times)
    return draw_mined_views(
        *found, segments=rec.segments, times=rec.times, label=label, period=period, gap=gap, name=rec.name,
        label_name=label_name or "label",
    )  # fmt: skip


def training(metrics: str | os.PathLike[str] | Sequence[Mapping[str, Any]], *, name: str = "") -> Figure:
    """Draw learning curves: the loss, its terms, and the learning rate.

    Parameters
    ----------
    metrics : path-like or sequence of mapping
        Folder of a run, its file of metrics, or its lines.
    name : str, optional
        What was trained, for the title.

    Returns
    -------
    Figure

    Raises
    ------
    FileError
        If the file cannot be read.
    DataError
        If there are no metrics, or one is not finite.
    """
    if isinstance(metrics, (str, os.PathLike)):
        path = Path(metrics)
        metrics = read_metrics(RunFolder(path).metrics if path.is_dir() else path)
    return draw_learning_curves(metrics, name=name)


def consistency(found: Consistency) -> Figure:
    """Draw how well embeddings predict each other: `found` is what `myow.consistency` returned."""
    return found.plot()


def importance(found: Importance) -> Figure:
    """Draw the units that carry a readout: `found` is what `myow.importance` returned."""
    return found.plot()
