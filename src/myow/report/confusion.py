"""Figure: which classes a readout takes for which."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ..errors import DataError
from . import style

__all__ = ["draw"]

MOST_WRITTEN = 16  # beyond that the counts would not fit into their cells


@style.context()
def draw(
    counts: ArrayLike,
    classes: Sequence[object],
    *,
    dataset: str = "",
    target: str = "",
    readout: str = "",
    labels: int | None = None,
    label_unit: str = "segment",
    accuracy: float | None = None,
    interval: Sequence[float] | None = None,
) -> Figure:
    """Draw a confusion matrix: colour is the share of the true class, the number in a cell its count of rows.

    Parameters
    ----------
    counts : array_like, shape (C, C)
        Test rows by true class (row) and predicted class (column).
    classes : sequence, length C
        Their names.
    dataset, target, readout : str, optional
        For the title.
    labels : int, optional
        Labelled segments (or other units) per class that the readout was fitted on; None for all.
    label_unit : str, optional
        What `labels` counts, in the singular: "segment", or "minute" where there is one segment.
    accuracy : float, optional
        For the title; by default the share of the counts that is on the diagonal.
    interval : sequence of two float, optional
        Its 95 % interval.

    Returns
    -------
    Figure
        To be saved with `style.save`.

    Raises
    ------
    DataError
        If the counts are not a square matrix of finite numbers from 0 up with a name a class, or are all zero.
    """
    matrix = np.asarray(counts, dtype=np.float64)
    n = len(classes)
    if matrix.shape != (n, n) or n == 0:
        raise DataError(f"counts have shape {matrix.shape} for {n} class names; they must be (classes, classes)")
    if not (np.isfinite(matrix).all() and (matrix >= 0).all() and matrix.any()):
        raise DataError("confusion counts must be finite, 0 or more, and not all zero")
    support = matrix.sum(axis=1)
    share = matrix / np.where(support > 0, support, 1)[:, None]

    names = [style.shorten(c, 14) for c in classes]
    # Names along the bottom are turned once they no longer fit side by side.
    room = 5.0 / n
    turned = max(len(c) for c in names) * 0.085 > room
    figure = style.new_figure(5.9, width=6.6)
    axes = figure.add_subplot()
    image = axes.imshow(share, cmap=matplotlib.colormaps["Blues"], vmin=0, vmax=1)
    for k in range(n + 1):
        axes.axhline(k - 0.5, color="white", linewidth=1)
        axes.axvline(k - 0.5, color="white", linewidth=1)
    if n <= MOST_WRITTEN:
        for i, j in np.argwhere(matrix > 0):
            text = f"{matrix[i, j]:.0f}" if matrix[i, j] == round(matrix[i, j]) else f"{matrix[i, j]:.1f}"
            colour = "white" if share[i, j] > 0.65 else style.INK
            axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=min(9.0, 5 + 30 / n))
    absent = [f"{c} (no rows)" if s == 0 else c for c, s in zip(names, support, strict=True)]
    small = min(8.0, 3 + 100 / n)
    axes.set_xticks(range(n), names, rotation=90 if turned else 0, fontsize=small)
    axes.set_yticks(range(n), absent, fontsize=small)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_xlabel(f"predicted {style.shorten(target)}".strip())
    axes.set_ylabel(f"true {style.shorten(target)}".strip())
    bar = figure.colorbar(image, ax=axes, shrink=0.5, aspect=18, pad=0.02, label="share of the true class")
    bar.outline.set_visible(False)

    value = float(np.trace(matrix) / matrix.sum()) if accuracy is None else accuracy
    within = "" if interval is None else f" (95 % interval {interval[0]:.3f} to {interval[1]:.3f})"
    fitted = "all training labels"
    if labels is not None:
        fitted = f"{labels} labelled {label_unit}{'' if labels == 1 else 's'} per class"
    what = ", ".join(p for p in (style.shorten(dataset, 30), f"{readout} readout" if readout else "", fitted) if p)
    axes.set_title(f"{what}\naccuracy {value:.3f}{within}")
    return figure
