"""What the figures of numbers over training share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ..errors import DataError
from . import style

__all__ = ["DASHES", "MEASURES", "check_metrics", "line", "panel_figure", "panel_title", "series", "step_axis"]

MEASURES = ("alignment", "uniformity", "effective_rank", "hubness")
"""Metrics that say what shape the embedding has; see `myow.training.measure.Measure`."""

DASHES = (0, (4, 3))

Numbers = Sequence[float] | NDArray[Any]


def check_metrics(rows: Sequence[Mapping[str, Any]]) -> None:
    """Refuse lines of metrics that cannot be drawn.

    Raises
    ------
    DataError
        If there is no row, a row has no step, or a value is not finite.
    """
    if not rows:
        raise DataError("there are no metrics to draw; train for at least one step")
    for row in rows:
        if "step" not in row:
            raise DataError(
                f"a row of metrics has no 'step' (it has {sorted(row)}); each row must say where it belongs"
            )
        for key, value in row.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise DataError(f"{key} is {value} at step {row['step']}; only finite numbers can be drawn")


def series(rows: Sequence[Mapping[str, Any]], key: str) -> tuple[list[float], list[float]]:
    """Steps at which a metric was recorded, and its values."""
    pairs = [(float(r["step"]), float(r[key])) for r in rows if r.get(key) is not None]
    return [p[0] for p in pairs], [p[1] for p in pairs]


def line(axes: Axes, x: Numbers, y: Numbers, **look: Any) -> None:
    """Draw a line, or a dot where there is one record."""
    axes.plot(x, y, marker="o" if len(x) == 1 else "", markersize=4, clip_on=False, **look)


def step_axis(axes: Axes, steps: Numbers, *, ticks: int = 4) -> None:
    """Let the axis below run from the first record to the last."""
    low, high = float(min(steps)), float(max(steps))
    axes.set_xlim((low, high) if high > low else (low - 1, high + 1))
    axes.xaxis.set_major_locator(MaxNLocator(ticks, integer=True))
    axes.set_xlabel("training step")


def panel_figure(panels: Sequence[Callable[[Axes], None]], *, title: str, note: str = "") -> Figure:
    """Draw small panels side by side, at most three in a line, with a title above all and a note below."""
    columns = min(len(panels), 3) if len(panels) != 4 else 2
    lines = -(-len(panels) // columns)
    figure = style.new_figure(0.75 + 2.5 * lines)
    figure.suptitle(title, x=0.012, ha="left", fontsize=10)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel, ax in zip(panels, axes, strict=False):
        panel(ax)
    for spare in axes[len(panels) :]:
        spare.set_axis_off()
    if note:
        figure.supxlabel(note, x=0.012, ha="left", fontsize=8, color=style.MUTED)
    return figure


def panel_title(axes: Axes, text: str, note: str = "") -> None:
    """Write a panel's title, and a note beneath it: there no curve can run through the words."""
    axes.set_title(text, pad=18)
    if note:
        axes.annotate(
            note, (0, 1), xycoords="axes fraction", xytext=(0, 6), textcoords="offset points",
            fontsize=8, color=style.MUTED,
        )  # fmt: skip
