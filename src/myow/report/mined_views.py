"""Figure: what mined views share with their anchors over training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from . import style
from .mined_statistics import mined_statistics

__all__ = ["draw", "mined_statistics"]

Numbers = dict[str, NDArray[np.float64]]

DASHES = (0, (4, 3))
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
    name: str = "",
    label_name: str = "label",
) -> Figure:
    """Draw how mined views relate to their anchors: label, segment and time, each beside chance.

    Parameters
    ----------
    steps, anchors, mined, segments, times, label, period, gap
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
        steps, anchors, mined, segments=segments, times=times, label=label, period=period, gap=gap
    )
    panels = _panels(numbers, label_name, period)
    columns = min(len(panels), 3) if len(panels) != 4 else 2
    lines = -(-len(panels) // columns)
    figure = style.new_figure(0.75 + 2.5 * lines)
    figure.suptitle(
        f"{style.shorten(name or 'mined views', 60)}: views mined during training", x=0.012, ha="left", fontsize=10
    )
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel, ax in zip(panels, axes, strict=False):
        panel(ax)
    for spare in axes[len(panels) :]:
        spare.set_axis_off()
    note = "Chance: a view drawn uniformly from all rows that the anchor may mine. Line and band: median and middle half of the pairs."
    figure.supxlabel(note, x=0.012, ha="left", fontsize=8, color=style.MUTED)
    return figure


def _panels(numbers: Numbers, label_name: str, period: float | None) -> list[Callable[[Axes], None]]:
    panels: list[Callable[[Axes], None]] = []
    if "same_label" in numbers:
        title = f"same {style.shorten(label_name, 20)}"
        panels.append(partial(_share, numbers=numbers, key="same_label", title=title))
    if "label_difference" in numbers and period is not None:
        panels.append(partial(_difference, numbers=numbers, period=period, label_name=label_name))
    if "segment_distance" in numbers:
        title = "same segment"
        panels.append(partial(_share, numbers=numbers, key="same_segment", title=title))
    panels += [partial(_distance, numbers=numbers, key=key) for key in DISTANCES if key in numbers]
    return panels


def _line(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], **look: object) -> None:
    axes.plot(x, y, marker="o" if len(x) == 1 else "", markersize=4, clip_on=False, **look)  # type: ignore[arg-type]


def _steps(axes: Axes, step: NDArray[np.float64]) -> None:
    low, high = float(step.min()), float(step.max())
    axes.set_xlim((low, high) if high > low else (low - 1, high + 1))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_xlabel("training step")


def _chance(axes: Axes, title: str, expected: str | None) -> None:
    """Write a panel's title, and beneath it what the dashed line is: there no curve can run through the words."""
    axes.set_title(title, pad=18)
    if expected is not None:
        axes.annotate(
            f"dashed: chance{expected}", (0, 1), xycoords="axes fraction", xytext=(0, 6), textcoords="offset points",
            fontsize=8, color=style.MUTED,
        )  # fmt: skip


def _share(axes: Axes, *, numbers: Numbers, key: str, title: str) -> None:
    step, chance = numbers["step"], numbers.get(f"{key}_chance")
    axes.set_ylim(0, 1)
    if chance is not None:
        axes.axhline(chance.mean(), color=style.MUTED, linewidth=1, linestyle=DASHES, clip_on=False)
    _line(axes, step, numbers[key], color=style.ACCENT)
    _steps(axes, step)
    axes.set_ylabel("share of views")
    _chance(axes, title, None if chance is None else f" {chance.mean():.2f}")


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
    _line(axes, step, middle, color=style.ACCENT)
    axes.set_ylim(0, top * 1.08 if top > 0 else 1.0)
    _steps(axes, step)
    axes.set_ylabel(unit)
    _chance(axes, title, None if chance is None else f", median {chance[1]:.3g}")


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
    _chance(axes, f"difference at step {int(numbers['step'][-1])}", None if chance is None else "")
