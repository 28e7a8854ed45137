"""Figure: images, their augmented views and the images that were mined for them, over training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from ..data.images import Images
from . import style
from .curves import DASHES, line, panel_title, step_axis
from .mined_statistics import mined_statistics
from .thumbnails import put

__all__ = ["draw"]

STEPS, ANCHORS, VIEWS = 5, 4, 2
# Inches.
SIDE, NARROW, WIDE = 0.41, 0.03, 0.07  # a picture, and the gaps between views and before what was mined
LEFT, EACH = 0.15, 1.94  # margin, and from one anchor to the next
HEADING, NAMES, AIR = 0.22, 0.15, 0.1
TOP, CAPTIONS, PANELS, NOTE = 0.36, 0.2, 2.35, 0.56

SAME: dict[str, Any] = {"edgecolor": style.ACCENT, "linewidth": 1.8}
OTHER: dict[str, Any] = {"edgecolor": style.CLASSES[1], "linewidth": 1.2, "linestyle": (0, (2, 1.2))}

Numbers = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Shown:
    """Some anchors of a step, their views, and what was mined for them."""

    step: int
    anchor: NDArray[np.int64]
    mined: NDArray[np.int64]
    views: NDArray[np.float32]


@style.context()
def draw(
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
        the batch: nobody looked for those that mine well.

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
    _panels(figure, height, numbers, list(images.labels), [s.step for s in shown])
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
    """Some steps and anchors, evenly spaced; an image stands once in its step though each of its views mines."""
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


def _panels(figure: Figure, height: float, numbers: list[Numbers], labels: list[str], shown: list[int]) -> None:
    """How often the class is the anchor's, for each label, and how many different images are mined."""
    panels = [("same_label", f"same {style.shorten(label, 20)}", "share of mined images") for label in labels]
    panels.append(("distinct", "different images mined", "images per anchor"))
    wide, apart = (style.WIDTH - 0.85) / len(panels), 0.75
    for i, (key, title, of) in enumerate(panels):
        place = (0.65 + i * wide, NOTE + 0.5, wide - (apart if i < len(panels) - 1 else 0.0), PANELS - 1.1)
        axes = figure.add_axes(
            (place[0] / style.WIDTH, place[1] / height, place[2] / style.WIDTH, place[3] / height),
        )
        _share(axes, numbers[min(i, len(numbers) - 1)], key, title, of, shown)


def _share(axes: Axes, numbers: Numbers, key: str, title: str, of: str, shown: list[int]) -> None:
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
    third = [f"{images.subset[:1].upper() + images.subset[1:]}."] if images.subset else []
    return "\n".join([first, second, *third])
