"""From a label to the colour of each row, and the key that explains the colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from . import style

__all__ = ["Colouring", "add_key", "check_label", "colour_by"]

Box = tuple[float, float, float, float]
MARKERS = ("o", "s", "^", "D")  # classes beyond the palette take the same colours with another mark
MOST_NUMBERED = 12  # more different whole numbers than these are a quantity, not classes
MOST_LISTED = 20


@dataclass(frozen=True)
class Colouring:
    """Colour of each row, and what the colours mean.

    Parameters
    ----------
    kind : {"none", "classes", "cyclic", "continuous"}
        Which key belongs to it.
    colours : ndarray, shape (T, 4)
        Red, green, blue and opacity of each row.
    marks : ndarray of int, shape (T,)
        Which of `MARKERS` each row takes.
    values : sequence
        The classes in order; the angles in turns of a cyclic label with few of them; or lowest and highest value.
    """

    kind: Literal["none", "classes", "cyclic", "continuous"]
    colours: NDArray[np.float64]
    marks: NDArray[np.int64]
    values: Sequence[Any]


def check_label(label: ArrayLike, n_rows: int) -> NDArray[Any]:
    """Return a label as an array of shape (T,).

    Raises
    ------
    DataError
        If it has several columns, another number of rows, or values that are not finite.
    """
    array = np.asarray(label)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (n_rows,):
        raise DataError(f"the label has shape {array.shape}, but there are {n_rows} rows; give one value a row")
    if array.dtype.kind not in "biufUS":
        raise DataError(f"the label is of type {array.dtype}; it must be numbers or strings")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError("the label holds NaN or infinite values; leave those rows out")
    return array


def colour_by(label: ArrayLike | None, n_rows: int, period: float | None = None) -> Colouring:
    """Choose colours for a label.

    Parameters
    ----------
    label : array_like, shape (T,), or None
        Strings and few whole numbers are classes; other numbers are a quantity; None colours all rows alike.
    n_rows : int
        Number of rows T.
    period : float, optional
        Value that is a full turn, for a label that is cyclic.

    Returns
    -------
    Colouring

    Raises
    ------
    DataError
        If the label cannot be coloured, or is said to be cyclic and is not made of numbers.
    """
    marks = np.zeros(n_rows, dtype=np.int64)
    if label is None:
        return Colouring("none", np.tile(to_rgba(style.ACCENT), (n_rows, 1)), marks, ())
    array = check_label(label, n_rows)
    found, code = np.unique(array, return_inverse=True)
    if period is not None:
        if array.dtype.kind not in "iuf":
            raise DataError(f"a cyclic label must be numbers, but this one is of type {array.dtype}")
        turns = np.mod(array / period, 1.0)
        few = np.unique(np.mod(found / period, 1.0))
        return Colouring("cyclic", style.cyclic_map()(turns), marks, few.tolist() if len(few) <= 16 else ())
    whole = array.dtype.kind in "biu" or (array.dtype.kind == "f" and np.array_equal(found, np.rint(found)))
    if array.dtype.kind in "US" or (whole and len(found) <= MOST_NUMBERED):
        palette = np.array([to_rgba(c) for c in style.CLASSES])
        names = [f"{v:g}" if array.dtype.kind == "f" else str(v) for v in found.tolist()]
        return Colouring("classes", palette[code % len(palette)], code // len(palette) % len(MARKERS), names)
    low, high = float(found[0]), float(found[-1])
    shade = (array.astype(np.float64) - low) / (high - low) if high > low else np.full(n_rows, 0.5)
    return Colouring("continuous", style.sequential_map()(shade), marks, (low, high))


def add_key(figure: Figure, colouring: Colouring, box: Box, name: str) -> None:
    """Explain the colours inside a box of the figure: a list, a wheel of directions or a colour bar.

    Parameters
    ----------
    figure : Figure
        With room in the box.
    colouring : Colouring
        What to explain; nothing is drawn for kind "none".
    box : tuple of float
        Left, bottom, width and height in figure coordinates; keys hang from its upper left corner.
    name : str
        Title of the key.
    """
    left, bottom, width, height = box
    title = style.shorten(name, 18)
    if colouring.kind == "classes":
        _list(figure, colouring, (left, bottom + height), title)
    elif colouring.kind == "cyclic":
        side = width * 0.78 * figure.get_figwidth()
        tall = side / figure.get_figheight()
        _wheel(
            figure, colouring.values, (left + width * 0.11, bottom + height - tall - 0.11, width * 0.78, tall), title
        )
    elif colouring.kind == "continuous":
        axes = figure.add_axes((left, bottom + height * 0.45, width * 0.12, height * 0.5))
        low, high = colouring.values
        limits = Normalize(low, high) if high > low else Normalize(low - 0.5, high + 0.5)
        bar = figure.colorbar(ScalarMappable(limits, style.sequential_map()), cax=axes)
        bar.outline.set_visible(False)
        axes.set_title(title)


def _list(figure: Figure, colouring: Colouring, corner: tuple[float, float], title: str) -> None:
    shown = list(colouring.values)[:MOST_LISTED]
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=MARKERS[i // len(style.CLASSES) % len(MARKERS)],
            color=style.CLASSES[i % len(style.CLASSES)],
            label=style.shorten(v, 16),
        )
        for i, v in enumerate(shown)
    ]
    if len(colouring.values) > len(shown):
        more = len(colouring.values) - len(shown)
        handles.append(Line2D([], [], linestyle="", marker="", label=f"and {more} more"))
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=corner,
        title=title,
        alignment="left",
        borderaxespad=0,
        handletextpad=0.3,
        title_fontsize=9.5,
    )


def _wheel(figure: Figure, turns: Sequence[float], box: Box, title: str) -> None:
    """Draw a ring on which 0 degrees points right and angles run against the clock, as directions are drawn in a plane."""
    axes: Any = figure.add_axes(box, projection="polar")
    if turns:
        centres = np.asarray(turns)
        gap = np.diff(np.append(np.sort(centres), np.min(centres) + 1)).min() if len(centres) > 1 else 0.25
        width = min(float(gap), 0.25) * 2 * np.pi
    else:
        centres = np.arange(180) / 180
        width = 2 * np.pi / 180 * 1.05  # a little overlap hides the seams
    edge: dict[str, Any] = {"edgecolor": "white", "linewidth": 1.0} if turns else {"linewidth": 0}
    axes.bar(centres * 2 * np.pi, 0.45, width=width, bottom=0.55, color=style.cyclic_map()(centres), **edge)
    for degrees in (0, 90, 180, 270):
        across, up = {
            0: ("left", "center"),
            90: ("center", "bottom"),
            180: ("right", "center"),
            270: ("center", "top"),
        }[degrees]
        axes.text(np.deg2rad(degrees), 1.1, f"{degrees}°", ha=across, va=up, fontsize=8)
    axes.set_ylim(0, 1)
    axes.set_axis_off()
    figure.text(box[0] + box[2] / 2, box[1] + box[3] + 0.05, title, ha="center", va="bottom", fontsize=9.5)
