"""Figure: how accuracy depends on the strength of each augmentation, with mined views and without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..errors import DataError
from . import style
from .curves import DASHES

__all__ = ["Point", "draw"]

WORDS = {
    "dropout": ("neuron dropout", "highest share of lost units"),
    "noise": ("Gaussian noise", "deviation, in units that noise_unit names"),
    "positives": ("temporal positives", "bins to either side"),
}
"""Title and axis of an augmentation, by the parameter that sets its strength; others are called by that."""

LOOKS: Mapping[bool, Mapping[str, Any]] = {
    True: {"color": style.ACCENT, "marker": "o", "zorder": 4},
    False: {"color": style.CLASSES[1], "marker": "s", "zorder": 3},
}
NAMES = {True: "with mining", False: "without mining"}


@dataclass(frozen=True)
class Point:
    """Scores of one strength of one augmentation.

    Parameters
    ----------
    augmentation : str or None
        The parameter that sets its strength; None where there is no augmentation at all.
    strength : float
        Its value.
    mining : bool
        Whether views were mined.
    labels : str
        "all", or how many labels a class.
    scores : sequence of float
        Accuracies, one a fold.
    """

    augmentation: str | None
    strength: float
    mining: bool
    labels: str
    scores: Sequence[float]


@style.context()
def draw(points: Sequence[Point], *, defaults: Mapping[str, float] | None = None, name: str = "") -> Figure:
    """Draw a column for each augmentation and a row for each number of labels.

    Parameters
    ----------
    points : sequence of Point
        In any order; columns and rows follow it. Points of no augmentation at all become horizontal lines.
    defaults : mapping of str to float, optional
        Strengths to be marked, by augmentation.
    name : str, optional
        What was trained on what, for the title.

    Returns
    -------
    Figure
        To be saved with `style.save`. Lines are means over folds, bands a standard deviation to either side.

    Raises
    ------
    DataError
        If no point has an augmentation, or a score is missing or not finite.
    """
    columns = list(dict.fromkeys(p.augmentation for p in points if p.augmentation is not None))
    if not columns:
        raise DataError("no point has an augmentation; there is nothing to draw")
    for p in points:
        if not len(p.scores) or not np.isfinite(p.scores).all():
            raise DataError(
                f"{p.augmentation or 'no augmentation'} {p.strength:g} has scores {p.scores}; all must be finite"
            )
    rows = list(dict.fromkeys(p.labels for p in points))
    figure = style.new_figure(1.35 + 1.9 * len(rows))
    figure.suptitle(
        f"{style.shorten(name or 'accuracy', 60)}: strength of augmentation", x=0.012, ha="left", fontsize=10
    )
    grid = figure.subplots(len(rows), len(columns), squeeze=False, sharex="col", sharey="row")
    for labels, line in zip(rows, grid, strict=True):
        for column, axes in zip(columns, line, strict=True):
            _panel(axes, [p for p in points if p.labels == labels], column, (defaults or {}).get(column))
        line[0].set_ylabel(f"accuracy, {labels} label{'' if labels == '1' else 's'}")
    for column, first, last in zip(columns, grid[0], grid[-1], strict=True):
        title, axis = WORDS.get(column, (column.replace("_", " "), "strength"))
        first.set_title(style.shorten(title, 60 // len(columns)))
        last.set_xlabel(axis)
    _key(figure, points, marked=bool(defaults))
    return figure


def _panel(axes: Axes, points: Sequence[Point], column: str, default: float | None) -> None:
    if default is not None:
        axes.axvline(default, color=style.FAINT, linewidth=5, zorder=0)
    for mining, look in LOOKS.items():
        # A strength that is the default may come twice, by name and as the default: the same scores.
        found = {p.strength: np.asarray(p.scores) for p in points if (p.augmentation, p.mining) == (column, mining)}
        x = sorted(found)
        mean = np.array([found[s].mean() for s in x])
        apart = np.array([found[s].std(ddof=min(1, len(found[s]) - 1)) for s in x])
        if x:
            axes.fill_between(x, mean - apart, mean + apart, color=look["color"], alpha=0.13, linewidth=0)
            axes.plot(x, mean, markersize=4.5, **look)
        for p in points:
            if (p.augmentation, p.mining) == (None, mining):
                axes.axhline(float(np.mean(p.scores)), color=look["color"], linewidth=1.0, linestyle=DASHES, zorder=2)
    axes.set_xticks(sorted({p.strength for p in points if p.augmentation == column}))
    axes.grid(axis="y", color=style.FAINT, linewidth=0.6)
    axes.set_axisbelow(True)


def _key(figure: Figure, points: Sequence[Point], *, marked: bool) -> None:
    handles = []
    for mining, look in LOOKS.items():
        if any(p.augmentation is not None and p.mining == mining for p in points):
            handles.append(Line2D([], [], markersize=4.5, label=NAMES[mining], **look))
        if any(p.augmentation is None and p.mining == mining for p in points):
            plain = {"color": look["color"], "linewidth": 1.0, "linestyle": DASHES}
            handles.append(Line2D([], [], label=f"no augmentation, {NAMES[mining]}", **plain))
    if marked:
        handles.append(Line2D([], [], color=style.FAINT, linewidth=5, label="default"))
    folds = max(len(p.scores) for p in points)
    figure.legend(
        handles=handles, loc="outside lower left", ncols=3, handlelength=2.4, columnspacing=1.6, alignment="left",
        title=f"Line and band: mean and standard deviation over {folds} fits." if folds > 1 else None, title_fontsize=8.5,
    )  # fmt: skip
