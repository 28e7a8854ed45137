"""Figure: accuracies of a bench on images, a dot a seed, beside what needs no learning and what the poster printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..bench.published_images import published_image
from ..errors import DataError
from . import style
from .curves import DASHES
from .image_groups import Group, Row

__all__ = ["draw"]

READOUTS = {"linear": "linear readout", "knn": "k-NN"}
BASELINES = {"raw": "raw pixels", "untrained": "untrained encoder"}
ROW, HEAD, TOP, BELOW = 0.27, 0.5, 0.42, 1.14  # inches: a method, a panel's title and axis, the figure's title, its key
LEFT = 0.215  # of the width, for the names of methods

RING: dict[str, Any] = {
    "linestyle": "",
    "marker": "o",
    "markersize": 7,
    "markerfacecolor": "none",
    "markeredgecolor": style.MUTED,
    "markeredgewidth": 1.0,
}

Dot = tuple[float, float, float]
"""Accuracy of a seed, and its interval."""


@style.context()
def draw(group: Group, methods: Mapping[str, Sequence[Row]]) -> Figure:
    """Draw what each method reaches by both readouts, for every number of labels.

    Parameters
    ----------
    group : Group
        What was trained on what.
    methods : mapping of str to sequence of row
        Rows of the bench by the method's name; see `image_groups.groups`.

    Returns
    -------
    Figure
        To be saved with `style.save`.

    Raises
    ------
    DataError
        If nothing was read out.
    """
    every = [row for rows in methods.values() for row in rows]
    labels = sorted({n for row in every for n in row["scores"]}, key=lambda n: np.inf if n == "all" else int(n))
    if not labels:
        raise DataError("no row holds a score; there is nothing to draw")
    panels = {(n, readout): _dots(methods, n, readout) for n in labels for readout in READOUTS}
    places = {name: i for i, name in enumerate([*methods, *BASELINES.values()])}
    tall = ROW * len(places)
    height = TOP + len(labels) * (tall + HEAD) + BELOW
    figure = style.new_figure(height, layout=None)
    left, right, gap = LEFT, 0.94, 0.075
    wide = (right - left - gap) / 2
    poster = False
    for i, n in enumerate(labels):
        limits = _limits([panels[n, readout] for readout in READOUTS], group, methods, every, n)
        for j, readout in enumerate(READOUTS):
            bottom = 1 - (TOP + (i + 1) * (tall + HEAD) - 0.2) / height
            axes = figure.add_axes((left + j * (wide + gap), bottom, wide, tall / height))
            found = _poster(group, methods) if (n, readout) == ("all", "linear") else {}
            poster = poster or bool(found)
            _panel(axes, panels[n, readout], places, found, _majority(every, n), limits, named=j == 0)
            fitted = "all labels" if n == "all" else f"{n} labelled image{'' if n == '1' else 's'} per class"
            axes.set_title(f"{READOUTS[readout]}, {fitted}", pad=5)
    _key(figure, poster)
    figure.text(0.015, 1 - 0.22 / height, f"{style.shorten(group.title, 70)}: accuracy on test images", fontsize=10)
    for line, text in enumerate(reversed(_notes(group, methods, poster))):
        figure.text(0.015, (0.12 + 0.16 * line) / height, text, fontsize=8, color=style.MUTED)
    return figure


def _dots(methods: Mapping[str, Sequence[Row]], n: str, readout: str) -> dict[str, list[Dot]]:
    """Accuracies by name; those of baselines, which all methods share, once a seed."""

    def dot(row: Row, features: str) -> Dot:
        found: Mapping[str, Any] = row["scores"][n][features][readout]
        low, high = found["interval"]
        return found["accuracy"], low, high

    read = {name: [row for row in rows if n in row["scores"]] for name, rows in methods.items()}
    dots = {name: [dot(row, "embedding") for row in rows] for name, rows in read.items()}
    for features, title in BASELINES.items():
        by_seed = {row["seed"]: dot(row, features) for rows in read.values() for row in rows}
        dots[title] = [by_seed[seed] for seed in sorted(by_seed)]
    return dots


def _majority(rows: Sequence[Row], n: str) -> float:
    return float(next(row["scores"][n]["embedding"]["knn"]["majority"] for row in rows if n in row["scores"]))


def _poster(group: Group, methods: Mapping[str, Sequence[Row]]) -> dict[str, float]:
    found = {name: published_image(group.encoder, group.dataset, rows[0]["method"]) for name, rows in methods.items()}
    return {name: value for name, value in found.items() if value is not None}


def _limits(
    panels: Sequence[dict[str, list[Dot]]],
    group: Group,
    methods: Mapping[str, Sequence[Row]],
    rows: Sequence[Row],
    n: str,
) -> tuple[float, float]:
    """Range that both readouts share: all that is drawn, with a margin, inside 0 to 1."""
    values = [v for dots in panels for found in dots.values() for dot in found for v in dot]
    values += [_majority(rows, n), *(_poster(group, methods).values() if n == "all" else ())]
    margin = max(0.05 * (max(values) - min(values)), 0.01)
    return max(min(values) - margin, 0.0), min(max(values) + margin, 1.0)


def _panel(
    axes: Axes,
    dots: Mapping[str, Sequence[Dot]],
    places: Mapping[str, int],
    poster: Mapping[str, float],
    majority: float,
    limits: tuple[float, float],
    *,
    named: bool,
) -> None:
    axes.set_xlim(limits)
    axes.set_ylim(len(places) - 0.4, -0.6)
    axes.axvline(majority, color=style.MUTED, linewidth=0.9, linestyle=DASHES, zorder=1)
    for name, at in places.items():
        colour = style.INK if name in BASELINES.values() else style.ACCENT
        found = dots.get(name, [])
        # Seeds stand below each other, so that equal ones are seen.
        heights = at + (np.arange(len(found)) - (len(found) - 1) / 2) * min(0.16, 0.6 / max(len(found), 1))
        for (accuracy, low, high), y in zip(found, heights, strict=True):
            axes.plot([low, high], [y, y], color=colour, linewidth=1, alpha=0.35, zorder=2)
            axes.plot([accuracy], [y], "o", color=colour, markersize=3.6, zorder=3)
        if found:
            mean = float(np.mean([dot[0] for dot in found]))
            axes.plot([mean, mean], [at - 0.34, at + 0.34], color=colour, linewidth=1.6, zorder=4)
            axes.annotate(
                f"{mean:.3f}", (1, at), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points",
                va="center", fontsize=8, color=colour, annotation_clip=False,
            )  # fmt: skip
        if name in poster:
            axes.plot([poster[name]], [at], **RING, zorder=5, clip_on=False)
    axes.set_yticks(list(places.values()), [style.shorten(name, 22) for name in places])
    axes.tick_params(axis="y", length=0, labelleft=named, labelsize=8.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.grid(axis="x", color=style.FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)


def _key(figure: Figure, poster: bool) -> None:
    handles = [
        Line2D([], [], color=style.ACCENT, marker="o", markersize=3.6, linewidth=1, label="a seed, 95 % interval"),
        Line2D([], [], color=style.ACCENT, marker="|", markersize=9, markeredgewidth=1.6, linestyle="", label="mean"),
        Line2D([], [], color=style.MUTED, linewidth=0.9, linestyle=DASHES, label="majority class"),
    ]
    if poster:
        handles.append(Line2D([], [], **RING, label="poster"))
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(LEFT, 0.78 / figure.get_figheight()), ncols=4,
        borderaxespad=0, borderpad=0, columnspacing=2.0, handlelength=1.8,
    )  # fmt: skip


def _notes(group: Group, methods: Mapping[str, Sequence[Row]], poster: bool) -> list[str]:
    """How long was trained, on what, and what the poster's figures are of."""
    epochs = {name: sorted({row["epochs"] for row in rows}) for name, rows in methods.items()}
    every = sorted({n for of in epochs.values() for n in of})
    if len(every) > 1 and len(epochs) <= 4:
        trained = "; ".join(f"{style.shorten(name)} {' or '.join(f'{n:g}' for n in of)}" for name, of in epochs.items())
    else:
        trained = " to ".join(f"{n:g}" for n in dict.fromkeys((every[0], every[-1])))
    first = f"Epochs: {style.shorten(trained, 110)}."
    second = "Readouts are chosen on validation images from the training part."
    if poster:
        second += " The poster trained width 64 for 800 epochs on the official sets."
    return [first, *([f"{group.subset[:1].upper() + group.subset[1:]}."] if group.subset else []), second]
