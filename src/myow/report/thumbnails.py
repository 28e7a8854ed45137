"""Small pictures at places of a figure, with a frame that means something."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

__all__ = ["put"]


def put(axes: Axes, picture: NDArray[Any], x: float, y: float, side: float, **frame: Any) -> None:
    """Draw an image into a square of which x and y are the left upper corner, in units of the axes; it is not stretched.

    Parameters
    ----------
    axes : Axes
        With limits already set, and as many inches to a unit across as up.
    picture : ndarray, shape (H, W, 3)
        Bytes, or numbers in [0, 1].
    x, y, side : float
        The square.
    **frame
        Look of a `Rectangle` around the image; none is drawn without.
    """
    height, width = picture.shape[:2]
    tall, wide = side * height / max(height, width), side * width / max(height, width)
    left, top = x + (side - wide) / 2, y - (side - tall) / 2
    axes.imshow(picture, extent=(left, left + wide, top - tall, top), aspect="auto", zorder=2)
    if frame:
        axes.add_patch(Rectangle((left, top - tall), wide, tall, fill=False, zorder=3, **frame))
