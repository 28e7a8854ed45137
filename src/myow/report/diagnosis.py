"""Figure: what variants of a method mine, and the shape of their embeddings, over training, laid over each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from . import style
from .curves import DASHES, panel_figure, panel_title, step_axis
from .geometry import NOTES

__all__ = ["QUANTITIES", "draw"]

QUANTITIES = {
    "mined_same_label": ("mined views: same {label}", "share of views; dashed: chance"),
    "neighbour_same_label": ("neighbours: same {label}", "share of rows; dashed: chance"),
    "distinct": ("distinct mined views", "share of anchors; dashed: chance"),
    "time_distance": ("time from anchor to view", "median, in seconds; dashed: chance"),
    **{key: (key.replace("_", " "), note) for key, note in NOTES.items()},
}
"""Title and note of each panel, by the name of what it shows."""

SHARES = ("mined_same_label", "neighbour_same_label", "distinct")

Curves = Mapping[str, tuple[ArrayLike, ArrayLike]]


@style.context()
def draw(variants: Mapping[str, Curves], *, name: str = "", label_name: str = "label") -> Figure:
    """Draw how variants compare over training.

    Parameters
    ----------
    variants : mapping
        For each variant, by the name of a quantity (`QUANTITIES`, or one of them with ``_chance`` behind it), the steps (R,) of
        its records and the values (n, R) of n seeds. A variant may lack any of them, as one that mines nothing does.
    name : str, optional
        What was trained, for the title.
    label_name : str, optional
        What the label is.

    Returns
    -------
    Figure
        To be saved with `style.save`. Lines are means over seeds, bands a standard deviation to either side.

    Raises
    ------
    DataError
        If there is nothing to draw, shapes disagree, or a value is not finite.
    """
    curves = {variant: {k: _curve(variant, k, *c) for k, c in given.items()} for variant, given in variants.items()}
    panels: list[Callable[[Axes], None]] = [
        partial(_panel, key=key, curves=curves, label_name=label_name)
        for key in QUANTITIES
        if any(key in found for found in curves.values())
    ]
    if not panels:
        raise DataError(f"no variant has any of {', '.join(QUANTITIES)}; there is nothing to draw")
    panels.append(partial(_key, names=list(curves)))
    seeds = max(len(values) for found in curves.values() for _, values in found.values())
    return panel_figure(
        panels,
        title=f"{style.shorten(name or 'variants', 80)}: during training",
        note=f"Line and band: mean and standard deviation over {seeds} seeds." if seeds > 1 else "",
    )


def _curve(
    variant: str, key: str, steps: ArrayLike, values: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if y.ndim != 2 or y.shape[1:] != x.shape or not y.size:
        raise DataError(f"{key} of '{variant}' has steps of shape {x.shape} and values {y.shape}; give (R,) and (n, R)")
    if not np.isfinite(y).all():
        raise DataError(f"{key} of '{variant}' holds a value that is not finite")
    return x, y


def _look(place: int) -> dict[str, Any]:
    """Colour of a variant by its place; the pale last colour is left out, and a second round is dotted."""
    colours = style.CLASSES[:-1]
    return {"color": colours[place % len(colours)], "linestyle": "-" if place < len(colours) else (0, (1, 1.2))}


def _panel(
    axes: Axes,
    *,
    key: str,
    curves: Mapping[str, Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]],
    label_name: str,
) -> None:
    ends: list[float] = []
    for place, found in enumerate(curves.values()):
        look = _look(place)
        if f"{key}_chance" in found:
            steps, chance = found[f"{key}_chance"]
            axes.plot(steps, chance.mean(axis=0), color=look["color"], linewidth=0.8, linestyle=DASHES)
        if key not in found:
            continue
        steps, values = found[key]
        mean, apart = values.mean(axis=0), values.std(axis=0, ddof=1 if len(values) > 1 else 0)
        axes.fill_between(steps, mean - apart, mean + apart, color=look["color"], alpha=0.15, linewidth=0)
        axes.plot(steps, mean, marker="o" if len(steps) == 1 else "", markersize=4, **look)
        ends += [float(steps[0]), float(steps[-1])]
    if key in SHARES:
        axes.set_ylim(0, 1)
    elif axes.get_ylim()[0] >= 0:
        axes.set_ylim(bottom=0)
    step_axis(axes, ends)
    title, note = QUANTITIES[key]
    panel_title(axes, title.format(label=style.shorten(label_name, 14)), note)


def _key(axes: Axes, *, names: list[str]) -> None:
    axes.set_axis_off()
    lines = [Line2D([], [], **_look(place)) for place in range(len(names))]
    axes.legend(lines, [style.shorten(n, 30) for n in names], loc="upper left", borderaxespad=0, handlelength=1.8)
