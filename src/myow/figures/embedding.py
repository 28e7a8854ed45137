"""Figures of embeddings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from ..evaluation.mined import check_label
from ..evaluation.published import grouped_methods, method_name
from . import style
from .style import MARKERS, Colouring, add_key, colour_by

__all__ = [
    "axis_title",
    "draw_beside",
    "draw_consistency",
    "draw_embedding",
    "draw_plane",
    "draw_side_by_side",
    "project",
    "put",
]

MOST_MARKS = 20_000  # beyond that marks only cover each other


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


def axis_title(place: int, share: float) -> str:
    """Title of an axis onto which `project` projects: a direction of the embedding, not a component of the data."""
    return f"embedding axis {place + 1} ({100 * share:.0f} % of variance)"


@style.context()
def draw_embedding(
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
        How many directions to show: those in which the embedding varies most.
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
            setter(axis_title(i, share[i]))

    add_key(figure, colouring, (0.81, 0.32, 0.17, 0.6), label_name)
    if held_out is not None:
        _part_key(figure)
    shown = f"{n_rows:,} bins" if n_rows <= MOST_MARKS else f"{MOST_MARKS:,} of {n_rows:,} bins"
    figure.text(
        0.03,
        0.955,
        f"{style.shorten(name or 'embedding', 60)}: {shown}, along its {'two' if dimensions == 2 else 'three'} widest axes",
        fontsize=10,
    )
    return figure


def _sizes(n_rows: int) -> tuple[float, float]:
    """Area of a mark in square points, and opacity: large and solid for few rows, small and sheer for many."""
    return float(np.clip(12_000 / max(n_rows, 1), 5, 28)), float(np.clip(1_500 / max(n_rows, 1), 0.35, 0.85))


def _points(
    axes: Any, coordinates: NDArray[np.float64], colouring: Colouring, held_out: NDArray[np.bool_] | None
) -> None:
    # A fixed shuffle, so that no class lies on top because it comes last.
    order = np.random.default_rng(0).permutation(len(coordinates))[:MOST_MARKS]
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


def put(axes: Axes, pixels: NDArray[Any], x: float, y: float, side: float, **frame: Any) -> None:
    """Draw an image into a square of which x and y are the left upper corner, in units of the axes; it is not stretched.

    Parameters
    ----------
    axes : Axes
        With limits already set, and as many inches to a unit across as up.
    pixels : ndarray, shape (H, W, 3)
        Bytes, or numbers in [0, 1].
    x, y, side : float
        The square.
    **frame
        Look of a `Rectangle` around the image; none is drawn without.
    """
    height, width = pixels.shape[:2]
    tall, wide = side * height / max(height, width), side * width / max(height, width)
    left, top = x + (side - wide) / 2, y - (side - tall) / 2
    axes.imshow(pixels, extent=(left, left + wide, top - tall, top), aspect="auto", zorder=2)
    if frame:
        axes.add_patch(Rectangle((left, top - tall), wide, tall, fill=False, zorder=3, **frame))


COLUMNS = 4
MOST_IN_A_PANEL = 3_000  # in a small panel more marks only cover each other


@style.context()
def draw_side_by_side(
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
    figure.text(
        0.015, 1 - 0.2 / height, f"{style.shorten(dataset, 40)}: embeddings, seen where each is widest", fontsize=10
    )
    figure.text(0.015, 1 - 0.38 / height, circumstances, fontsize=8, color=style.MUTED)
    return figure


def _panel(axes: Axes, z: NDArray[np.float64], colouring: Colouring, rows: NDArray[np.int64]) -> None:
    # A fixed shuffle, so that no class lies on top because it comes last.
    shown = np.random.default_rng(0).permutation(len(z))[:MOST_IN_A_PANEL]
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


@style.context()
def draw_beside(
    panels: Mapping[str, ArrayLike],
    label: ArrayLike | None = None,
    *,
    period: float | None = None,
    name: str = "",
    label_name: str = "label",
) -> Figure:
    """Draw an embedding beside others of the same rows, with one colouring: the first is ours.

    Parameters
    ----------
    panels : mapping of str to array_like, each of shape (T, D)
        Embeddings by title.
    label : array_like, shape (T,), optional
        What to colour by.
    period : float, optional
        Value that is a full turn, for a cyclic label.
    name : str, optional
        For the title.
    label_name : str, optional
        Title of the colour key.

    Returns
    -------
    Figure
        To be saved with `style.save`. Each panel has a scale of its own.

    Raises
    ------
    DataError
        If there is none, shapes disagree or values are not finite.
    """
    if not panels:
        raise DataError("there is no embedding to draw; give one")
    planes = {title: project(z, 2) for title, z in panels.items()}
    lengths = {len(plane) for plane, _ in planes.values()}
    if len(lengths) > 1:
        raise DataError(f"the embeddings have {sorted(lengths)} rows; give embeddings of the same rows")
    n_rows = lengths.pop()
    colouring = colour_by(label, n_rows, period)
    keyed = colouring.kind != "none"
    left, gap, top, below = 0.32, 0.36, 0.66, 0.42
    right = 1.8 if keyed else 0.15
    many = len(planes)
    side = min((style.WIDTH - left - right - gap * (many - 1)) / many, 4.6)
    figure = style.new_figure(max(top + side + below, 2.6 if keyed else 0.0), layout=None)
    height, width = figure.get_figheight(), style.WIDTH
    for i, (title, (plane, share)) in enumerate(planes.items()):
        axes = figure.add_axes(
            ((left + i * (side + gap)) / width, 1 - (top + side) / height, side / width, side / height)
        )
        draw_plane(axes, plane, colouring)
        axes.set_title(style.shorten(title, 30), fontweight="bold" if i == 0 else "normal", fontsize=9, pad=4)
        axes.set_xlabel(f"axis 1, {100 * share[0]:.0f} % of variance", fontsize=8)
        axes.set_ylabel(f"axis 2, {100 * share[1]:.0f} %", fontsize=8)
        axes.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
    if keyed:
        key = (left + many * (side + gap) - gap + 0.25) / width
        room = min(2.2, height - top)
        add_key(figure, colouring, (key, 1 - (top + room) / height, 1.35 / width, room / height), label_name)
    shown = f"{n_rows:,} bins" if n_rows <= MOST_MARKS else f"{MOST_MARKS:,} of {n_rows:,} bins"
    figure.text(0.015, 1 - 0.26 / height, f"{style.shorten(name or 'embedding', 50)}: {shown}", fontsize=10)
    return figure


def draw_plane(axes: Axes, plane: NDArray[np.float64], colouring: Colouring) -> None:
    """Draw points of a plane, which fill the axes at equal scales."""
    _points(axes, plane, colouring, None)
    axes.set_aspect("equal", adjustable="datalim")


@style.context()
def draw_consistency(r2: ArrayLike, names: Sequence[str], *, compared: str = "rows") -> Figure:
    """Draw how well each embedding predicts each other one, as a matrix.

    Parameters
    ----------
    r2 : array_like, shape (n, n)
        R2 of the column's embedding, predicted from the row's.
    names : sequence of str, length n
        The embeddings.
    compared : str, optional
        What was compared, for the title.

    Returns
    -------
    Figure
        To be saved with `style.save`.

    Raises
    ------
    DataError
        If there is not a finite number for each pair of names.
    """
    matrix, n = np.asarray(r2, dtype=np.float64), len(names)
    if n < 2 or matrix.shape != (n, n) or not np.isfinite(matrix).all():
        raise DataError(f"r2 has shape {matrix.shape} for {n} names; give a finite number for each pair of two or more")
    figure = style.new_figure(4.6, width=5.6)
    axes = figure.add_subplot()
    image = axes.imshow(np.clip(matrix, 0, 1), cmap="Blues", vmin=0, vmax=1)
    small = min(9.0, 4 + 30 / n)
    for i, j in np.ndindex(n, n):
        if i == j:
            axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor="white", edgecolor="none"))
        elif n <= 16:
            colour = "white" if matrix[i, j] > 0.65 else style.INK
            words = f"{matrix[i, j]:.2f}".replace("-", "\N{MINUS SIGN}")
            axes.text(j, i, words, ha="center", va="center", color=colour, fontsize=small)
    shown = [style.shorten(name, 14) for name in names]
    turned = max(map(len, shown)) * 0.085 > 3.4 / n
    axes.set_xticks(range(n), shown, rotation=90 if turned else 0, fontsize=small)
    axes.set_yticks(range(n), shown, fontsize=small)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel("predicted embedding")
    axes.set_ylabel("from embedding")
    bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=18, pad=0.02, label="R² on rows left out")
    bar.outline.set_visible(False)
    off = matrix[~np.eye(n, dtype=bool)]
    axes.set_title(
        f"linear agreement of embeddings ({compared} compared)\nmean R² {off.mean():.2f}, lowest {off.min():.2f}"
    )
    return figure
