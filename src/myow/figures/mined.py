"""Figures of mined views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from ..data.images import Images
from ..evaluation.mined import mined_statistics
from . import style
from .embedding import put
from .training import DASHES, panel_figure, panel_title, share_panel, step_axis
from .training import draw_line as line

__all__ = [
    "Chosen",
    "choose_examples",
    "draw_mined_images",
    "draw_mined_views",
    "draw_rasters",
    "label_matrix",
    "unit_order",
]

Numbers = dict[str, NDArray[Any]]

DISTANCES = {
    "time_distance": ("time apart", "seconds"),
    "time_in_segment_distance": ("time since segment start", "difference in seconds"),
    "segment_distance": ("segments apart", "segments"),
}


@style.context()
def draw_mined_views(
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
        _view_panels(numbers, label_name, period),
        title=f"{style.shorten(name or 'mined views', 60)}: views mined during training",
        note=f"{note}\nLine and band: median and middle half of the pairs.",
    )


def _view_panels(numbers: Numbers, label_name: str, period: float | None) -> list[Callable[[Axes], None]]:
    panels: list[Callable[[Axes], None]] = []
    if "same_label" in numbers:
        title = f"same {style.shorten(label_name, 20)}"
        panels.append(partial(share_panel, numbers=numbers, key="same_label", title=title))
    if "label_difference" in numbers and period is not None:
        panels.append(partial(_difference, numbers=numbers, period=period, label_name=label_name))
    if "segment_distance" in numbers:
        panels.append(partial(share_panel, numbers=numbers, key="same_segment", title="same segment"))
    panels.append(partial(share_panel, numbers=numbers, key="distinct", title="distinct views", of="share of anchors"))
    panels += [partial(_distance, numbers=numbers, key=key) for key in DISTANCES if key in numbers]
    return panels


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


@dataclass(frozen=True)
class Chosen:
    """Some anchors with what was mined for them, over training.

    Parameters
    ----------
    at : list of int, length S
        Records that are shown, by their place.
    anchor, view : ndarray of int, shape (S, E)
        Rows of the training recording; a view of -1 where none was found.
    """

    at: list[int]
    anchor: NDArray[np.int64]
    view: NDArray[np.int64]


def choose_examples(
    steps: ArrayLike,
    anchors: Sequence[ArrayLike],
    mined: Sequence[ArrayLike],
    label: ArrayLike | None = None,
    *,
    most_steps: int = 12,
    most: int = 8,
) -> Chosen:
    """Choose anchors to show: spread evenly over labels, not by how well they fared, and the same ones at each step if possible.

    Parameters
    ----------
    steps, anchors, mined
        As in `mined_statistics`.
    label : array_like, shape (T,), optional
        Label of each training row.
    most_steps, most : int, optional
        Steps and anchors to choose.

    Returns
    -------
    Chosen
        Places of the records, and their anchors and views.
    """
    at = [int(i) for i in _evenly(len(np.asarray(steps)), most_steps)]
    anchor, view = ([np.asarray(of[i], dtype=np.int64) for i in at] for of in (anchors, mined))
    common = np.unique(anchor[0])
    for rows in anchor[1:]:
        common = np.intersect1d(common, rows)
    value = None if label is None else np.asarray(label)

    def some(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        ordered = rows if value is None else rows[np.argsort(value[rows], kind="stable")]
        place = (np.arange(most) + 0.5) * len(ordered) / most
        return ordered[np.minimum(place.astype(np.int64), len(ordered) - 1)]

    of_all = some(common) if len(common) >= most else None
    chosen = [some(np.unique(rows)) if of_all is None else of_all for rows in anchor]
    found = []
    for rows, own, mined_rows in zip(chosen, anchor, view, strict=True):
        order = np.argsort(own, kind="stable")
        found.append(mined_rows[order[np.searchsorted(own[order], rows)]])
    return Chosen(at, np.stack(chosen), np.stack(found))


def label_matrix(
    label: ArrayLike, anchors: Sequence[ArrayLike], mined: Sequence[ArrayLike], at: Sequence[int], *, most: int = 16
) -> tuple[list[Any], NDArray[np.int64]] | None:
    """Count anchors by their label (row) and the label of what was mined (column), shape (S, C, C); None of many labels."""
    classes, code = np.unique(np.asarray(label), return_inverse=True)
    n = len(classes)
    if not 2 <= n <= most:
        return None
    counts = np.zeros((len(at), n, n), dtype=np.int64)
    for i, record in enumerate(at):
        anchor, view = np.asarray(anchors[record]), np.asarray(mined[record])
        np.add.at(counts[i], (code[anchor[view >= 0]], code[view[view >= 0]]), 1)
    return classes.tolist(), counts


def unit_order(counts: NDArray[Any], label: ArrayLike | None) -> NDArray[np.int64]:
    """Return units in the order of the label that they prefer, so that a raster shows what belongs together; else by how much they fire."""
    mean = counts.mean(axis=0)
    classes, code = (None, None) if label is None else np.unique(np.asarray(label), return_inverse=True)
    if classes is None or not 2 <= len(classes) <= MOST_CLASSES:
        return np.argsort(-mean, kind="stable")
    by_class = np.stack([counts[code == i].mean(axis=0) for i in range(len(classes))])
    best = by_class.argmax(axis=0)
    depth = by_class.max(axis=0) - mean
    return np.lexsort((-depth, best))


MOST_CLASSES = 40


@style.context()
def draw_rasters(
    shown: Sequence[tuple[str, Sequence[str], NDArray[np.uint8], NDArray[np.uint8]]], *, bin_size: float, centre: int
) -> Figure:
    """Draw the activity around anchors beside that around what was mined for them, and the difference.

    Parameters
    ----------
    shown : sequence of (str, (str, str), ndarray, ndarray)
        When, what anchor and view are, and their activity, shape (bins, units) each; 255 stands for bins outside of the trial.
    bin_size : float
        Width of a bin in seconds.
    centre : int
        Place of the bin itself among those shown.

    Returns
    -------
    Figure
    """
    figure = style.new_figure(0.5 + 1.25 * len(shown), width=7.2)
    panels = figure.subplots(len(shown), 3, squeeze=False)
    for row, (when, words, anchor, view) in zip(panels, shown, strict=True):
        one, other = (np.ma.masked_equal(part, 255).astype(np.float64).T for part in (anchor, view))
        top = max(float(one.max()), float(other.max()), 1.0)
        ends = -(centre + 0.5) * bin_size, (len(anchor) - centre - 0.5) * bin_size
        where: dict[str, Any] = {"aspect": "auto", "interpolation": "nearest", "extent": (*ends, len(one), 0)}
        titles = f"{when}: anchor, {words[0]}", f"mined, {words[1]}", "mined minus anchor"
        for axes, values, title in zip(row, (one, other, other - one), titles, strict=True):
            low, shades = (-top, "PuOr") if values is not one and values is not other else (0.0, "Greys")
            axes.imshow(values, vmin=low, vmax=top, cmap=shades, **where)
            axes.axvline(0, color=style.ACCENT, linewidth=0.6)
            axes.set_title(style.shorten(title, 40), fontsize=8)
            axes.set_yticks([])
        row[0].set_ylabel("units")
    for axes in panels[-1]:
        axes.set_xlabel("seconds from the bin")
    return figure


STEPS, ANCHORS, VIEWS = 5, 4, 2
# Inches.
SIDE, NARROW, WIDE = 0.41, 0.03, 0.07  # an image, and the gaps between views and before what was mined
LEFT, EACH = 0.15, 1.94  # margin, and from one anchor to the next
HEADING, NAMES, AIR = 0.22, 0.15, 0.1
TOP, CAPTIONS, PANELS, NOTE = 0.36, 0.2, 2.35, 0.56

SAME: dict[str, Any] = {"edgecolor": style.ACCENT, "linewidth": 1.8}
OTHER: dict[str, Any] = {"edgecolor": style.CLASSES[1], "linewidth": 1.2, "linestyle": (0, (2, 1.2))}


@dataclass(frozen=True)
class Shown:
    """Some anchors of a step, their views, and what was mined for them."""

    step: int
    anchor: NDArray[np.int64]
    mined: NDArray[np.int64]
    views: NDArray[np.float32]


@style.context()
def draw_mined_images(
    images: Images,
    steps: ArrayLike,
    anchors: Sequence[ArrayLike],
    mined: Sequence[ArrayLike],
    *,
    augment: Callable[[torch.Tensor, torch.Generator], torch.Tensor],
    pool: int | None = None,
    name: str = "",
) -> Figure:
    """Draw anchors of some steps with two augmented views and the image mined for each, and statistics of all pairs.

    Parameters
    ----------
    images : Images
        What was trained on. If there are labels, frames say whether a mined image has the anchor's class, the first label.
    steps : array_like of int, shape (S,)
        When pairs were recorded.
    anchors, mined : sequence of S array_like of int, each of shape (M,)
        Rows of the images; a mined row of -1 marks an anchor that found none, which is left out.
    augment : callable
        Makes views from images (n, H, W, 3) in [0, 1] and a generator.
    pool : int, optional
        Images that the candidates of a step are. Default: all of them.
    name : str, optional
        What was trained, for the title.

    Returns
    -------
    Figure
        To be saved with `style.save`. Steps are evenly chosen among those at which anything was mined, anchors evenly from
        the batch, not picked by hand.

    Raises
    ------
    DataError
        If shapes disagree, a row is outside the images, or nothing was mined at any step.
    """
    numbers = [
        mined_statistics(
            steps, anchors, mined, segments=images.groups, times=images.times, label=images.labels.get(label), pool=pool
        )
        for label in images.labels or [""]
    ]
    shown = _choose(images, numbers[0]["step"], np.asarray(steps), anchors, mined, augment)
    label = next(iter(images.labels), None)

    each = HEADING + SIDE + AIR + (NAMES if label else 0)
    grid = CAPTIONS + each * len(shown)
    top = TOP + (0.2 if label else 0)
    height = top + grid + PANELS + NOTE
    figure = style.new_figure(height, layout=None)
    figure.text(0.015, 1 - 0.22 / height, f"{style.shorten(name or 'images', 60)}: mined images", fontsize=10)
    if label:
        _key(figure, label, height)
    axes = figure.add_axes((0, (PANELS + NOTE) / height, 1, grid / height))
    axes.set_axis_off()
    axes.set_xlim(0, style.WIDTH)
    axes.set_ylim(0, grid)
    _captions(axes, grid, min(ANCHORS, max(len(s.anchor) for s in shown)))
    for i, block in enumerate(shown):
        _block(axes, grid - CAPTIONS - i * each, block, images, label, numbers[0])
    _image_panels(figure, height, numbers, list(images.labels), [s.step for s in shown])
    figure.text(0.015, 0.12 / height, _note(images, pool), fontsize=8, color=style.MUTED)
    return figure


def _choose(
    images: Images,
    found: NDArray[np.int64],
    steps: NDArray[np.int64],
    anchors: Sequence[ArrayLike],
    mined: Sequence[ArrayLike],
    augment: Callable[[torch.Tensor, torch.Generator], torch.Tensor],
) -> list[Shown]:
    """Choose steps and anchors, evenly spaced; an image stands once in its step though each of its views mines."""
    generator = torch.Generator().manual_seed(0)
    chosen = []
    for step in found[_evenly(len(found), STEPS)]:
        record = int(np.flatnonzero(steps == step)[0])
        a, m = np.asarray(anchors[record], dtype=np.int64), np.asarray(mined[record], dtype=np.int64)
        a, m = a[m >= 0], m[m >= 0]
        first = np.sort(np.unique(a, return_index=True)[1])
        taken = first[_evenly(len(first), ANCHORS)]
        x = torch.from_numpy(images.gather(a[taken]).astype(np.float32) / 255)
        views = [augment(x, generator).clamp(0, 1).numpy() for _ in range(VIEWS)]
        chosen.append(Shown(int(step), a[taken], m[taken], np.stack(views, axis=1)))
    return chosen


def _evenly(n: int, most: int) -> NDArray[np.int64]:
    """At most so many of n places, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))


def _captions(axes: Axes, top: float, columns: int) -> None:
    look: dict[str, Any] = {"fontsize": 7.5, "color": style.MUTED, "ha": "center", "va": "top"}
    for i in range(columns):
        left = LEFT + i * EACH
        axes.text(left + SIDE / 2, top, "image", **look)
        axes.text(left + 2 * SIDE + 1.5 * NARROW, top, "augmented", **look)
        axes.text(left + 3.5 * SIDE + 2 * NARROW + WIDE, top, "mined", **look)


def _block(axes: Axes, top: float, block: Shown, images: Images, label: str | None, numbers: Numbers) -> None:
    axes.text(LEFT, top - 0.02, f"step {block.step:,}", fontsize=9, va="top")
    if label:
        share = float(numbers["same_label"][numbers["step"] == block.step][0])
        axes.text(
            LEFT + EACH, top - 0.03, f"of all mined images at this step {100 * share:.0f} % have the anchor's {label}",
            fontsize=8, color=style.MUTED, va="top",
        )  # fmt: skip
    y = top - HEADING
    for i, (anchor, found, views) in enumerate(zip(block.anchor, block.mined, block.views, strict=True)):
        x = LEFT + i * EACH
        put(axes, images.pixels[anchor], x, y, SIDE)
        for j, view in enumerate(views, 1):
            put(axes, view, x + j * (SIDE + NARROW), y, SIDE)
        right = x + 3 * SIDE + 2 * NARROW + WIDE
        if label is None:
            put(axes, images.pixels[found], right, y, SIDE)
            continue
        names, codes = images.class_names[label], images.labels[label]
        same = codes[anchor] == codes[found]
        put(axes, images.pixels[found], right, y, SIDE, **(SAME if same else OTHER))
        below: dict[str, Any] = {"fontsize": 6.5, "va": "top"}
        axes.text(x, y - SIDE - 0.035, style.shorten(names[codes[anchor]], 15), ha="left", **below)
        axes.text(
            right + SIDE, y - SIDE - 0.035, style.shorten(names[codes[found]], 15), ha="right",
            color=(SAME if same else OTHER)["edgecolor"], **below,
        )  # fmt: skip


def _key(figure: Figure, label: str, height: float) -> None:
    handles = [
        Line2D([], [], color=SAME["edgecolor"], linewidth=1.8, label=f"the anchor's {label}"),
        Line2D([], [], color=OTHER["edgecolor"], linewidth=1.2, linestyle=OTHER["linestyle"], label=f"another {label}"),
    ]
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.015, 1 - 0.29 / height), ncols=2, borderaxespad=0,
        borderpad=0, fontsize=8, handlelength=1.8, columnspacing=1.5,
    )  # fmt: skip


def _image_panels(figure: Figure, height: float, numbers: list[Numbers], labels: list[str], shown: list[int]) -> None:
    """Draw how often the class is the anchor's, for each label, and how many different images are mined."""
    panels = [("same_label", f"same {style.shorten(label, 20)}", "share of mined images") for label in labels]
    panels.append(("distinct", "different images mined", "images per anchor"))
    wide, apart = (style.WIDTH - 0.85) / len(panels), 0.75
    for i, (key, title, of) in enumerate(panels):
        place = (0.65 + i * wide, NOTE + 0.5, wide - (apart if i < len(panels) - 1 else 0.0), PANELS - 1.1)
        axes = figure.add_axes(
            (place[0] / style.WIDTH, place[1] / height, place[2] / style.WIDTH, place[3] / height),
        )
        _image_share(axes, numbers[min(i, len(numbers) - 1)], key, title, of, shown)


def _image_share(axes: Axes, numbers: Numbers, key: str, title: str, of: str, shown: list[int]) -> None:
    step, share, chance = numbers["step"], numbers[key], numbers.get(f"{key}_chance")
    top = float(share.max())
    if chance is not None:
        top = max(top, float(chance.mean()))
        axes.axhline(chance.mean(), color=style.MUTED, linewidth=1, linestyle=DASHES)
    line(axes, step, share, color=style.ACCENT)
    above = np.isin(step, shown)
    axes.plot(step[above], share[above], "o", color=style.ACCENT, markersize=4, clip_on=False)
    axes.set_ylim(0, min(1.0, 1.12 * top) if top > 0 else 1.0)
    step_axis(axes, step)
    axes.set_ylabel(of)
    panel_title(axes, title, "" if chance is None else f"dashed: chance {chance.mean():.2g}")


def _note(images: Images, pool: int | None) -> str:
    first = "Anchors are evenly spaced in their batch, not picked by hand; dots are the steps shown."
    if images.labels:
        first += " Training saw no label."
    second = "Chance: an image drawn uniformly from all others"
    second += "." if pool is None or pool >= len(images) else f"; for different images, from {pool:,} drawn at random."
    third = [f"{style.capital(images.subset)}."] if images.subset else []
    return "\n".join([first, second, *third])
