"""Figure: images where their embedding puts them, in the plane of its first two principal components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from ..data.images import Images
from ..errors import DataError
from . import style
from .colouring import MARKERS, Colouring, add_key, colour_by
from .embedding import project
from .thumbnails import put

__all__ = ["draw"]

MOST_CLASSES = 20  # of more the colours could not be told apart, nor all be named
# Inches: a square, and the place of the axes, which are as tall as the embedding is wide and tall.
SIDE = 0.29
LEFT, BELOW, ABOVE, LOWEST, TALLEST = 0.72, 0.95, 0.5, 3.2, 6.2
ALONE, BESIDE_KEY = 7.1, 5.5


@style.context()
def draw(images: Images, z: ArrayLike, *, name: str = "", total: int | None = None) -> Figure:
    """Draw images as small pictures that do not cover each other.

    The plane is cut into squares, and in each the image that lies nearest to its middle is drawn there. Of the embedding
    only directions count, as for mining and nearest neighbours: its rows are scaled to unit length.

    Parameters
    ----------
    images : Images
        What is drawn; frames are coloured by the first label of at most 20 classes, if there is one.
    z : array_like, shape (T, D)
        Their embedding.
    name : str, optional
        What the embedding is of, for the title.
    total : int, optional
        Of how many images these are a selection. Default: it is none.

    Returns
    -------
    Figure
        To be saved with `style.save`.

    Raises
    ------
    DataError
        If the embedding is no finite matrix, or has another number of rows.
    """
    coordinates, share = project(_unit(z), 2)
    if len(coordinates) != len(images):
        raise DataError(
            f"the embedding has {len(coordinates)} rows, but there are {len(images)} images; give a row each"
        )
    label = next((k for k, v in images.labels.items() if len(np.unique(v)) <= MOST_CLASSES), None)
    named = None if label is None else np.asarray(images.class_names[label])[images.labels[label]]
    colouring = colour_by(named, len(images))

    plane = _Plane.of(coordinates, ALONE if label is None else BESIDE_KEY)
    height = BELOW + plane.tall + ABOVE
    figure = style.new_figure(height, layout=None)
    axes = figure.add_axes((LEFT / style.WIDTH, BELOW / height, plane.wide / style.WIDTH, plane.tall / height))
    axes.set_xlim(plane.middle[0] - plane.wide / 2 * plane.scale, plane.middle[0] + plane.wide / 2 * plane.scale)
    axes.set_ylim(plane.middle[1] - plane.tall / 2 * plane.scale, plane.middle[1] + plane.tall / 2 * plane.scale)
    rows, corners = plane.squares(coordinates)
    for row, corner in zip(rows.tolist(), corners.tolist(), strict=True):
        _picture(axes, images.pixels[row], corner, plane.scale, colouring, row)
    for setter, i in ((axes.set_xlabel, 0), (axes.set_ylabel, 1)):
        setter(f"component {i + 1} ({100 * share[i]:.0f} % of variance)")
    if label is not None:
        below = (BELOW + plane.tall - 3.0) / height
        add_key(figure, colouring, (0.81, below, 0.18, 3.0 / height), label)
    number = f"{len(images):,} images" if total in (None, len(images)) else f"{len(images):,} of {total:,} images"
    figure.text(0.015, 1 - 0.22 / height, f"{style.shorten(name or 'embedding', 60)}: {number}", fontsize=10)
    notes = [
        f"{len(rows)} are shown: of those in a square the one nearest to its middle. Rows are scaled to unit length."
    ]
    notes += [f"{images.subset[:1].upper() + images.subset[1:]}."] if images.subset else []
    figure.text(0.015, 0.12 / height, "\n".join(notes), fontsize=8, color=style.MUTED)
    return figure


def _unit(z: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(z, dtype=np.float64)
    if array.ndim != 2 or not np.isfinite(array).all():
        return array  # which `project` refuses
    length = np.linalg.norm(array, axis=1, keepdims=True)
    return np.asarray(array / np.where(length > 0, length, 1.0))


@dataclass(frozen=True)
class _Plane:
    """The part of the plane that is drawn: its middle, its width and height in inches, and how much of it an inch is."""

    middle: NDArray[np.float64]
    wide: float
    tall: float
    scale: float

    @classmethod
    def of(cls, coordinates: NDArray[np.float64], wide: float) -> _Plane:
        low, high = coordinates.min(axis=0), coordinates.max(axis=0)
        reach = high - low
        scale = float(max(reach[0] / (wide - 2 * SIDE), reach[1] / (TALLEST - 2 * SIDE))) or 1.0
        return cls((low + high) / 2, wide, max(LOWEST, float(reach[1]) / scale + 2 * SIDE), scale)

    def squares(self, coordinates: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Rows to draw, shape (n,), and the left upper corners of their squares, shape (n, 2)."""
        side = SIDE * self.scale
        places = coordinates - self.middle
        square = np.rint(places / side).astype(np.int64)
        apart = np.linalg.norm(places - square * side, axis=1)
        order = np.lexsort((apart, square[:, 1], square[:, 0]))
        kept = order[np.append(True, (np.diff(square[order], axis=0) != 0).any(axis=1))]
        return kept, self.middle + (square[kept] + np.array([-0.5, 0.5])) * side


def _picture(
    axes: Axes, picture: NDArray[np.uint8], corner: list[float], scale: float, colouring: Colouring, row: int
) -> None:
    left, top = corner
    side = 0.86 * SIDE * scale  # some air, so that frames do not touch
    left, top = left + 0.07 * SIDE * scale, top - 0.07 * SIDE * scale
    if colouring.kind == "none":
        put(axes, picture, left, top, side)
        return
    colour = colouring.colours[row]
    put(axes, picture, left, top, side, edgecolor=colour, linewidth=1.3)
    if colouring.marks.any():  # there are more classes than colours, so a frame does not tell all
        axes.plot(
            [left + side], [top - side], MARKERS[colouring.marks[row]], color=colour, markersize=4.6,
            markeredgecolor="white", markeredgewidth=0.5, zorder=4, clip_on=False,
        )  # fmt: skip
