"""Figures of a bench on images: how training went, and what came of it."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..disk.storage import make_folder
from ..errors import DataError
from ..training.callbacks import read_metrics
from . import image_dots, style
from .curves import DASHES, MEASURES, check_metrics, line, panel_figure, panel_title, series
from .geometry import NOTES
from .image_groups import Row, groups
from .learning_curves import loss_terms

__all__ = ["Training", "draw", "draw_curves"]

Metrics = Sequence[Mapping[str, Any]]
Training = tuple[Metrics, float]
"""Lines of metrics.jsonl, and how many epochs a step is."""

LINES: Sequence[Any] = ("-", (0, (1, 1.2)), (0, (4, 1.6)), (0, (4, 1.5, 1, 1.5)))
COLOURS = style.CLASSES[:-1]  # the palest is for areas, not for thin lines


def draw_curves(out: Path, rows: Sequence[Row]) -> list[Path]:
    """Draw learning curves and accuracies of a bench on images into its subfolder ``figures``.

    Parameters
    ----------
    out : Path
        Folder of the bench, with the metrics of each training in ``runs``; trainings without are passed over.
    rows : sequence of mapping
        Lines of its rows.jsonl.

    Returns
    -------
    list of Path
        ``curves_{dataset}_{encoder}.png`` and ``accuracy_{dataset}_{encoder}.png``. Where widths or subsets differ, each has
        a figure, numbered ``~2`` and so on behind its name.

    Raises
    ------
    FileError
        If a picture cannot be written.
    """
    paths: list[Path] = []
    for stem, figure in _pictures(out, rows):
        again = sum(p.stem == stem or p.stem.startswith(f"{stem}~") for p in paths)
        path = make_folder(out / "figures") / f"{stem}{f'~{again + 1}' if again else ''}.png"
        style.save(figure, path)
        paths.append(path)
    return paths


def _pictures(out: Path, rows: Sequence[Row]) -> Iterator[tuple[str, Figure]]:
    for group, methods in groups(rows).items():
        curves = {name: found for name, of in methods.items() if (found := list(_trainings(out, of)))}
        if curves:
            yield f"curves_{group.stem}", draw(curves, name=group.title, subset=group.subset)
        if any(row["scores"] for of in methods.values() for row in of):
            yield f"accuracy_{group.stem}", image_dots.draw(group, methods)


def _trainings(out: Path, rows: Sequence[Row]) -> Iterator[Training]:
    for row in rows:
        for path in sorted((out / "runs").glob(f"*-{glob.escape(row['key'])}/metrics.jsonl")):
            metrics = read_metrics(path)
            if metrics and row["steps"]:
                yield metrics, row["epochs"] / row["steps"]


@style.context()
def draw(trainings: Mapping[str, Sequence[Training]], *, name: str = "", subset: str = "") -> Figure:
    """Draw losses and the shape of the embedding over epochs, a colour a method, a line a training.

    Parameters
    ----------
    trainings : mapping of str to sequence of Training
        By method.
    name : str, optional
        What was trained on what, for the title.
    subset : str, optional
        Which images, where these are not all.

    Returns
    -------
    Figure
        To be saved with `style.save`.

    Raises
    ------
    DataError
        If there is no training, or its metrics cannot be drawn.
    """
    if not any(trainings.values()):
        raise DataError("there is no training to draw; give the metrics of one at least")
    for runs in trainings.values():
        for metrics, _ in runs:
            check_metrics(metrics)
    colours = {method: COLOURS[i % len(COLOURS)] for i, method in enumerate(trainings)}
    panels: list[Callable[[Axes], None]] = [
        partial(_losses, runs=runs, method=method, colour=colours[method]) for method, runs in trainings.items()
    ]
    every = [metrics for runs in trainings.values() for metrics, _ in runs]
    measured = [key for key in MEASURES if any(series(metrics, key)[0] for metrics in every)]
    panels += [partial(_measure, trainings=trainings, key=key, colours=colours) for key in measured]
    several = max(len(runs) for runs in trainings.values()) > 1
    said = ["Losses of different methods measure different things.", "A colour a method."] if len(trainings) > 1 else []
    said += ["A line a seed."] if several else []
    notes = ["The shape of the embedding is that of up to 512 training images, not augmented.", " ".join(said)]
    notes += [f"{subset[:1].upper() + subset[1:]}."] if subset else []
    return panel_figure(
        panels, title=f"{style.shorten(name or 'images', 60)}: training", note="\n".join(filter(None, notes))
    )


def _losses(axes: Axes, *, runs: Sequence[Training], method: str, colour: str) -> None:
    terms = loss_terms([row for metrics, _ in runs for row in metrics])
    for metrics, epochs in runs:
        for i, term in enumerate(terms):
            steps, values = series(metrics, term)
            if steps:
                look = {"linestyle": LINES[i % len(LINES)], "linewidth": 1.6 if i == 0 else 1.1}
                line(axes, [s * epochs for s in steps], values, color=colour, **look)
    if len(terms) > 1:
        axes.legend(
            handles=[
                Line2D([], [], color=colour, linestyle=LINES[i % len(LINES)], linewidth=1.2, label=t.replace("_", " "))
                for i, t in enumerate(terms)
            ],
            handlelength=2.4,
        )
    axes.margins(y=0.08)
    _epoch_axis(axes, runs)
    panel_title(axes, style.shorten(method, 30), "loss" + (" and its terms" if len(terms) > 1 else ""))
    axes.set_title(style.shorten(method, 30), pad=18, color=colour)  # which is the key to the other panels


def _measure(axes: Axes, *, trainings: Mapping[str, Sequence[Training]], key: str, colours: Mapping[str, str]) -> None:
    """Draw all methods; every measure has 0 at one end, which means something."""
    low = high = 0.0
    for method, runs in trainings.items():
        for metrics, epochs in runs:
            steps, values = series(metrics, key)
            if steps:
                line(axes, [s * epochs for s in steps], values, color=colours[method], linewidth=1.3)
                low, high = min(low, *values), max(high, *values)
    room = 0.08 * (high - low) or 1.0
    axes.set_ylim(low - (room if low < 0 else 0), high + (room if high > 0 else 0))
    if low < 0 < high:
        axes.axhline(0, color=style.MUTED, linewidth=0.8, linestyle=DASHES)
    _epoch_axis(axes, [run for runs in trainings.values() for run in runs])
    panel_title(axes, key.replace("_", " "), NOTES[key])


def _epoch_axis(axes: Axes, runs: Sequence[Training]) -> None:
    last = max(metrics[-1]["step"] * epochs for metrics, epochs in runs)
    axes.set_xlim(0, last)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel("epoch")
