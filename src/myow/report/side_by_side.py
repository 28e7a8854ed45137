"""Figure: the embeddings of all methods side by side, coloured by the same label."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from ..bench.published import grouped_methods, method_name
from ..errors import DataError
from . import style
from .colouring import MARKERS, Colouring, add_key, check_label, colour_by

__all__ = ["draw"]

COLUMNS = 4
MOST_ROWS = 3_000  # in a small panel more marks only cover each other


@style.context()
def draw(
    points: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    period: float | None,
    dataset: str,
    label_name: str = "label",
    circumstances: str = "",
) -> Figure:
    """Draw a grid of embeddings.

    Parameters
    ----------
    points : mapping of str to (array_like, array_like)
        By method: coordinates in the plane, shape (P, 2), and the label of each row, shape (P,). Rows may differ between
        methods.
    period : float or None
        Value of the label that is a full turn.
    dataset : str
        For the title.
    label_name : str, optional
        Title of the colour key.
    circumstances : str, optional
        Track, for the line beneath the title.

    Returns
    -------
    Figure
        To be saved with `style.save`. Each panel has a scale of its own: only shape and order mean anything.

    Raises
    ------
    DataError
        If there is no embedding, shapes disagree, values are not finite, or a label cannot be coloured.
    """
    if not points:
        raise DataError("there is no embedding to draw; give at least one method's")
    order = [m for _, members in grouped_methods((m, False) for m in points) for m in members]
    planes: dict[str, NDArray[np.float64]] = {}
    labels: list[NDArray[np.generic]] = []
    for method in order:
        z = np.asarray(points[method][0], dtype=np.float64)
        if z.ndim != 2 or z.shape[1] != 2 or not len(z):
            raise DataError(f"the points of {method} have shape {z.shape}; give at least one row of two coordinates")
        if not np.isfinite(z).all():
            raise DataError(
                f"the points of {method} hold NaN or infinite values; leave the method out or train it again"
            )
        planes[method] = z
        labels.append(check_label(points[method][1], len(z)))
    # One colouring for all, so that a colour means the same in each panel whatever classes a method's rows hold.
    together = np.concatenate(labels)
    colouring = colour_by(together, len(together), period)
    parts = np.split(np.arange(len(together)), np.cumsum([len(z) for z in planes.values()])[:-1])

    across = min(COLUMNS, len(order))
    down = math.ceil(len(order) / across)
    left, right, top, gap, head = 0.12, 1.75, 0.45, 0.14, 0.26
    side = min((style.WIDTH - left - right - gap * (across - 1)) / across, 2.8)
    figure = style.new_figure(max(top + down * (side + head) + (down - 1) * 0.06 + 0.14, 2.6), layout=None)
    height, width = figure.get_figheight(), figure.get_figwidth()
    for i, (method, rows) in enumerate(zip(order, parts, strict=True)):
        from_top = top + (i // across + 1) * (side + head) + (i // across) * 0.06
        axes = figure.add_axes(
            ((left + i % across * (side + gap)) / width, 1 - from_top / height, side / width, side / height)
        )
        _panel(axes, planes[method], colouring, rows)
        axes.set_title(
            style.shorten(method_name(method), 24),
            fontsize=9,
            pad=3,
            fontweight="bold" if method == "myow" else "normal",
        )
    key = (left + across * (side + gap) + 0.2) / width
    room = min(2.2, height - top - head)
    add_key(figure, colouring, (key, 1 - (top + head + room) / height, 1.35 / width, room / height), label_name)
    figure.text(0.015, 1 - 0.2 / height, f"{style.shorten(dataset, 40)}: embeddings, first two components", fontsize=10)
    figure.text(0.015, 1 - 0.38 / height, circumstances, fontsize=8, color=style.MUTED)
    return figure


def _panel(axes: Axes, z: NDArray[np.float64], colouring: Colouring, rows: NDArray[np.int64]) -> None:
    # A fixed shuffle, so that no class lies on top because it comes last.
    shown = np.random.default_rng(0).permutation(len(z))[:MOST_ROWS]
    area = float(np.clip(2_500 / len(shown), 2.0, 12))
    opacity = float(np.clip(1_200 / len(shown), 0.45, 0.9))
    for mark, marker in enumerate(MARKERS):
        chosen = shown[colouring.marks[rows[shown]] == mark]
        if len(chosen):
            axes.scatter(
                z[chosen, 0],
                z[chosen, 1],
                s=area,
                c=colouring.colours[rows[chosen]],
                marker=marker,
                alpha=opacity,
                linewidths=0,
            )
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(style.FAINT)
