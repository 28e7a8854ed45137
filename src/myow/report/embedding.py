"""Figure: the embedding in two or three dimensions, coloured by a label."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from . import style
from .colouring import MARKERS, Colouring, add_key, colour_by

__all__ = ["draw", "project"]

MOST_ROWS = 20_000  # beyond that marks only cover each other


def project(z: ArrayLike, dimensions: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Project an embedding onto its first principal components.

    Parameters
    ----------
    z : array_like, shape (T, D)
        The embedding.
    dimensions : int
        How many components; where D is smaller, the others are zero.

    Returns
    -------
    coordinates : ndarray, shape (T, dimensions)
        Centred. The sign of a component, which is arbitrary, makes its largest weight positive.
    share : ndarray, shape (dimensions,)
        Share of the variance that each explains; zero if nothing varies.

    Raises
    ------
    DataError
        If the embedding is not a finite matrix with at least one row and column.
    """
    array = np.asarray(z, dtype=np.float64)
    if array.ndim != 2 or 0 in array.shape:
        raise DataError(f"the embedding has shape {array.shape}; it must be (rows, dimensions) with at least one each")
    if not np.isfinite(array).all():
        raise DataError("the embedding holds NaN or infinite values; train again, perhaps with a lower learning rate")
    centred = array - array.mean(axis=0)
    variance, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    variance, axes = np.maximum(variance[::-1], 0), axes[:, ::-1]
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    kept = min(dimensions, array.shape[1])
    coordinates = np.zeros((len(array), dimensions))
    share = np.zeros(dimensions)
    coordinates[:, :kept] = centred @ axes[:, :kept]
    if variance.sum() > 0:
        share[:kept] = variance[:kept] / variance.sum()
    return coordinates, share


@style.context()
def draw(
    z: ArrayLike,
    label: ArrayLike | None = None,
    *,
    dimensions: Literal[2, 3] = 2,
    period: float | None = None,
    part: ArrayLike | None = None,
    name: str = "",
    label_name: str = "label",
) -> Figure:
    """Draw an embedding as points.

    Parameters
    ----------
    z : array_like, shape (T, D)
        The embedding.
    label : array_like, shape (T,), optional
        What to colour by; without it all points look alike.
    dimensions : {2, 3}, optional
        How many principal components to show.
    period : float, optional
        Value that is a full turn, for a cyclic label.
    part : array_like of bool, shape (T,), optional
        True for held-out rows, which are drawn stronger than the others.
    name : str, optional
        What the embedding is of, for the title.
    label_name : str, optional
        Title of the colour key.

    Returns
    -------
    Figure
        To be saved with `style.save`.

    Raises
    ------
    DataError
        If shapes disagree or values are not finite.
    """
    coordinates, share = project(z, dimensions)
    n_rows = len(coordinates)
    held_out = None if part is None else np.asarray(part, dtype=bool)
    if held_out is not None and held_out.shape != (n_rows,):
        raise DataError(f"part has shape {held_out.shape}, but there are {n_rows} rows; give one truth value a row")
    colouring = colour_by(label, n_rows, period)

    figure = style.new_figure(5.4, layout=None)
    axes: Any
    if dimensions == 2:
        axes = figure.add_axes((0.085, 0.105, 0.69, 0.815))
        axes.set_aspect("equal", adjustable="datalim")
        axes.axhline(0, color=style.FAINT, linewidth=0.7, zorder=0)
        axes.axvline(0, color=style.FAINT, linewidth=0.7, zorder=0)
    else:
        axes = figure.add_axes((0.0, 0.0, 0.78, 0.96), projection="3d")
        _prepare_space(axes, coordinates)
    _points(axes, coordinates, colouring, held_out)
    for setter, i in zip((axes.set_xlabel, axes.set_ylabel, getattr(axes, "set_zlabel", None)), range(3), strict=True):
        if setter is not None and i < dimensions:
            setter(f"component {i + 1} ({100 * share[i]:.0f} % of variance)")

    add_key(figure, colouring, (0.81, 0.32, 0.17, 0.6), label_name)
    if held_out is not None:
        _part_key(figure)
    shown = f"{n_rows:,} bins" if n_rows <= MOST_ROWS else f"{MOST_ROWS:,} of {n_rows:,} bins"
    figure.text(0.03, 0.955, f"{style.shorten(name or 'embedding', 60)}: {shown}, principal components", fontsize=10)
    return figure


def _sizes(n_rows: int) -> tuple[float, float]:
    """Area of a mark in square points, and opacity: large and solid for few rows, small and sheer for many."""
    return float(np.clip(12_000 / max(n_rows, 1), 5, 28)), float(np.clip(1_500 / max(n_rows, 1), 0.35, 0.85))


def _points(
    axes: Any, coordinates: NDArray[np.float64], colouring: Colouring, held_out: NDArray[np.bool_] | None
) -> None:
    # A fixed shuffle, so that no class lies on top because it comes last.
    order = np.random.default_rng(0).permutation(len(coordinates))[:MOST_ROWS]
    area, opacity = _sizes(len(order))
    colours = colouring.colours.copy()
    layers = [(np.ones(len(coordinates), dtype=bool), area, opacity)]
    if held_out is not None:
        layers = [(~held_out, area * 0.6, opacity * 0.5), (held_out, area * 1.5, 1.0)]
    space = {"depthshade": False} if coordinates.shape[1] == 3 else {}
    for layer, (chosen, size, alpha) in enumerate(layers):
        for mark, marker in enumerate(MARKERS):
            rows = order[chosen[order] & (colouring.marks[order] == mark)]
            if not len(rows):
                continue
            colours[rows, 3] = alpha
            edge: dict[str, Any] = {"linewidths": 0} if layer == 0 else {"linewidths": 0.4, "edgecolors": "white"}
            axes.scatter(
                *coordinates[rows].T, s=size, c=colours[rows], marker=marker, zorder=2 + layer, **edge, **space
            )


def _prepare_space(axes: Any, coordinates: NDArray[np.float64]) -> None:
    """Equal scales on all three axes, light panes, and no ticks: only relative distance means anything here."""
    reach = np.ptp(coordinates, axis=0)
    reach = np.maximum(reach, 0.6 * max(float(reach.max()), 1e-12))  # a flat box has no room for its labels
    middle = (coordinates.max(axis=0) + coordinates.min(axis=0)) / 2
    for axis, limits, m, r in zip(
        (axes.xaxis, axes.yaxis, axes.zaxis), (axes.set_xlim, axes.set_ylim, axes.set_zlim), middle, reach, strict=True
    ):
        limits(m - 0.53 * r, m + 0.53 * r)
        axis.set_pane_color((0.97, 0.97, 0.97, 1.0))
        axis.line.set_color(style.MUTED)
        axis.set_major_locator(MaxNLocator(4))
        axis.set_ticklabels([])
        axis._axinfo["grid"].update(color="#e2e2e2", linewidth=0.6)  # there is no public way to colour a 3-D grid
        axis.labelpad = -8
    axes.tick_params(length=0)
    axes.set_box_aspect(reach, zoom=1.0)
    axes.view_init(elev=22, azim=-58)


def _part_key(figure: Figure) -> None:
    handles = [
        Line2D([], [], linestyle="", marker="o", color=style.MUTED, markersize=6, label="held-out bins"),
        Line2D([], [], linestyle="", marker="o", color=style.MUTED, alpha=0.45, markersize=3.5, label="training bins"),
    ]
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.81, 0.1), borderaxespad=0, handletextpad=0.3)
