"""Figure: what mined views share with their anchors over training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from . import style
from .curves import DASHES, line, panel_figure, panel_title, step_axis
from .mined_statistics import mined_statistics

__all__ = ["draw", "mined_statistics"]

Numbers = dict[str, NDArray[np.float64]]

DISTANCES = {
    "time_distance": ("time apart", "seconds"),
    "time_in_segment_distance": ("time since segment start", "difference in seconds"),
    "segment_distance": ("segments apart", "segments"),
}


@style.context()
def draw(
    steps: ArrayLike,
    anchors: Sequence[ArrayLike],
    mined: Sequence[ArrayLike],
    *,
    segments: ArrayLike,
    times: ArrayLike,
    label: ArrayLike | None = None,
    period: float | None = None,
    gap: float | None = None,
    pool: int | None = None,
    name: str = "",
    label_name: str = "label",
) -> Figure:
    """Draw how mined views relate to their anchors: label, segment, time, and how many rows are mined, each beside chance.

    Parameters
    ----------
    steps, anchors, mined, segments, times, label, period, gap, pool
        As in `mined_statistics`.
    name : str, optional
        What was trained, for the title.
    label_name : str, optional
        What the label is.

    Returns
    -------
    Figure
        To be saved with `style.save`.

    Raises
    ------
    DataError
        As `mined_statistics` does.
    """
    numbers = mined_statistics(
        steps, anchors, mined, segments=segments, times=times, label=label, period=period, gap=gap, pool=pool
    )
    note = "Chance: a view drawn uniformly from all rows that the anchor may mine"
    note += "." if pool is None else f"; for distinct views, from {pool} rows drawn at random."
    return panel_figure(
        _panels(numbers, label_name, period),
        title=f"{style.shorten(name or 'mined views', 60)}: views mined during training",
        note=f"{note}\nLine and band: median and middle half of the pairs.",
    )


def _panels(numbers: Numbers, label_name: str, period: float | None) -> list[Callable[[Axes], None]]:
    panels: list[Callable[[Axes], None]] = []
    if "same_label" in numbers:
        title = f"same {style.shorten(label_name, 20)}"
        panels.append(partial(_share, numbers=numbers, key="same_label", title=title))
    if "label_difference" in numbers and period is not None:
        panels.append(partial(_difference, numbers=numbers, period=period, label_name=label_name))
    if "segment_distance" in numbers:
        panels.append(partial(_share, numbers=numbers, key="same_segment", title="same segment"))
    panels.append(partial(_share, numbers=numbers, key="distinct", title="distinct views", of="share of anchors"))
    panels += [partial(_distance, numbers=numbers, key=key) for key in DISTANCES if key in numbers]
    return panels


def _share(axes: Axes, *, numbers: Numbers, key: str, title: str, of: str = "share of views") -> None:
    step, chance = numbers["step"], numbers.get(f"{key}_chance")
    axes.set_ylim(0, 1)
    if chance is not None:
        axes.axhline(chance.mean(), color=style.MUTED, linewidth=1, linestyle=DASHES, clip_on=False)
    line(axes, step, numbers[key], color=style.ACCENT)
    step_axis(axes, step)
    axes.set_ylabel(of)
    panel_title(axes, title, "" if chance is None else f"dashed: chance {chance.mean():.2f}")


def _distance(axes: Axes, *, numbers: Numbers, key: str) -> None:
    title, unit = DISTANCES[key]
    chance = numbers.get(f"{key}_chance")
    longest = float(numbers[key].max())
    scale = 1.0
    if unit == "seconds" and longest >= 300:
        unit, scale = ("hours", 3600.0) if longest >= 7200 else ("minutes", 60.0)
    step, (low, middle, high) = numbers["step"], numbers[key].T / scale
    chance = None if chance is None else chance / scale
    top = longest / scale
    if chance is not None:
        top = max(top, float(chance[1]))
        axes.axhline(chance[1], color=style.MUTED, linewidth=1, linestyle=DASHES)
    if len(step) == 1:
        axes.vlines(step, low, high, color=style.ACCENT, alpha=0.3, linewidth=6)
    else:
        axes.fill_between(step, low, high, color=style.ACCENT, alpha=0.18, linewidth=0)
    line(axes, step, middle, color=style.ACCENT)
    axes.set_ylim(0, top * 1.08 if top > 0 else 1.0)
    step_axis(axes, step)
    axes.set_ylabel(unit)
    panel_title(axes, title, "" if chance is None else f"dashed: chance, median {chance[1]:.3g}")


def _difference(axes: Axes, *, numbers: Numbers, period: float, label_name: str) -> None:
    degrees = numbers["label_difference"] * 360 / period
    width = 360 / len(degrees)
    axes.bar(degrees, numbers["label_difference_share"], width=width * 0.82, color=style.ACCENT)
    chance = numbers.get("label_difference_chance")
    if chance is not None:
        edges = np.append(degrees - width / 2, degrees[-1] + width / 2)
        axes.stairs(chance, edges, color=style.MUTED, linewidth=1, linestyle=DASHES, baseline=None)
    axes.set_xticks([-90, 0, 90, 180], ["\N{MINUS SIGN}90°", "0°", "90°", "180°"])
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"{style.shorten(label_name, 16)} of view minus anchor")
    axes.set_ylabel("share of views")
    panel_title(axes, f"difference at step {int(numbers['step'][-1])}", "" if chance is None else "dashed: chance")
