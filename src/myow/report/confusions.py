"""Figure: which classes each method confuses, a small matrix a method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from ..bench.published import grouped_methods, method_name
from ..errors import DataError
from . import style

__all__ = ["draw"]

COLUMNS = 5
SHADES = "Blues"
MOST_NAMED = 12  # beyond that names would cover each other


@style.context()
def draw(
    matrices: Mapping[str, tuple[Sequence[object], ArrayLike]],
    dataset: str,
    *,
    target: str = "",
    circumstances: str = "",
) -> Figure:
    """Draw a grid of confusion matrices; colour is the share of the true class.

    Parameters
    ----------
    matrices : mapping of str to (sequence, array_like)
        By method: the C classes, and counts of test rows, shape (C, C), by true class (row) and predicted class (column).
    dataset : str
        For the title.
    target : str, optional
        What the classes are of, for the axes.
    circumstances : str, optional
        Track and readout, for the line beneath the title.

    Returns
    -------
    Figure
        To be saved with `style.save`.

    Raises
    ------
    DataError
        If there is no matrix, or one is not square with a name a class and counts of 0 or more that are not all zero.
    """
    if not matrices:
        raise DataError("there is no confusion matrix to draw; give at least one method's")
    order = [m for _, members in grouped_methods((m, False) for m in matrices) for m in members]
    checked = {m: _checked(m, *matrices[m]) for m in order}
    across = min(COLUMNS, len(order))
    down = math.ceil(len(order) / across)
    sizes = [len(classes) for classes, _ in matrices.values()]
    longest = max((len(c) for m in order for c in _names(matrices[m][0])), default=0) * 0.075
    left, right, top, gap, head = 0.38 + longest, 0.95, 0.5, 0.14, 0.42  # inches
    side = min((style.WIDTH - left - right - gap * (across - 1)) / across, 2.4)
    turned = longest > 0.9 * side / min(MOST_NAMED, max(sizes))
    below = 0.38 + (longest if turned else 0.14)
    figure = style.new_figure(top + down * (side + head) + (down - 1) * 0.04 + below, layout=None)
    height, width = figure.get_figheight(), figure.get_figwidth()
    for i, method in enumerate(order):
        column, row = i % across, i // across
        from_top = top + (row + 1) * (side + head) + row * 0.04
        axes = figure.add_axes(
            ((left + column * (side + gap)) / width, 1 - from_top / height, side / width, side / height)
        )
        _panel(axes, method, matrices[method][0], checked[method], turned)
        axes.tick_params(length=0, pad=2, labelbottom=i + across >= len(order), labelleft=column == 0)
    what = style.shorten(target, 16)
    figure.text(
        (left + 0.5 * (across * (side + gap) - gap)) / width, 0.12 / height, f"predicted {what}".strip(), ha="center"
    )
    figure.text(0.1 / width, (below + height - top) / 2 / height, f"true {what}".strip(), rotation=90, va="center")
    grid_right = (left + across * (side + gap) - gap) / width
    bar_axes = figure.add_axes(
        (grid_right + 0.16 / width, 1 - (top + head + side) / height, 0.1 / width, side / height)
    )
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), matplotlib.colormaps[SHADES]), cax=bar_axes, ticks=[0, 0.5, 1]
    )
    bar.outline.set_visible(False)
    bar_axes.tick_params(labelsize=7.5, length=2)
    bar_axes.set_ylabel("share of the true class", fontsize=8)
    figure.text(
        0.015, 1 - 0.2 / height, f"{style.shorten(dataset, 40)}: which classes are taken for which", fontsize=10
    )
    figure.text(0.015, 1 - 0.38 / height, circumstances, fontsize=8, color=style.MUTED)
    return figure


def _checked(method: str, classes: Sequence[object], counts: ArrayLike) -> NDArray[np.float64]:
    matrix = np.asarray(counts, dtype=np.float64)
    n = len(classes)
    if n == 0 or matrix.shape != (n, n):
        raise DataError(f"counts of {method} have shape {matrix.shape} for {n} classes; give (classes, classes)")
    if not (np.isfinite(matrix).all() and (matrix >= 0).all() and matrix.any()):
        raise DataError(f"confusion counts of {method} must be finite, 0 or more, and not all zero")
    return matrix


def _panel(axes: Axes, method: str, classes: Sequence[object], matrix: NDArray[np.float64], turned: bool) -> None:
    """One matrix with its names and, above it, the method and its accuracy."""
    support = matrix.sum(axis=1, keepdims=True)
    axes.imshow(matrix / np.where(support > 0, support, 1), cmap=SHADES, vmin=0, vmax=1)
    for k in range(1, len(classes)):
        axes.axhline(k - 0.5, color="white", linewidth=0.6)
        axes.axvline(k - 0.5, color="white", linewidth=0.6)
    accuracy = float(np.trace(matrix) / matrix.sum())
    look: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
    axes.annotate(style.shorten(method_name(method), 19), (0, 1), xytext=(0, 13), fontsize=8.5, **look)
    axes.annotate(f"accuracy {accuracy:.2f}", (0, 1), xytext=(0, 3.5), fontsize=7.5, color=style.MUTED, **look)
    names = _names(classes)
    small = 7.5 if len(classes) <= 8 else 6.5
    axes.set_xticks(range(len(names)), names, fontsize=small, rotation=90 if turned else 0)
    axes.set_yticks(range(len(names)), names, fontsize=small)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _names(classes: Sequence[object]) -> list[str]:
    """Names for the edge of a matrix; none where there are too many to stand beside each other."""
    return [style.shorten(c, 9) for c in classes] if len(classes) <= MOST_NAMED else []
