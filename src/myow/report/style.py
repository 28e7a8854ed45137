"""How every figure looks, and how it becomes a file."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from ..disk.storage import writing

__all__ = [
    "ACCENT", "CLASSES", "DPI", "FAINT", "INK", "MUTED", "WIDTH",
    "context", "cyclic_map", "end_labels", "new_figure", "save", "sequential_map", "shorten",
]  # fmt: skip

DPI = 150
WIDTH = 8.0  # inches: 1200 pixels, the width of a README

INK = "#222222"
MUTED = "#767676"  # the lightest grey that still reads as text on white (contrast 4.5 to 1)
FAINT = "#d9d9d9"
ACCENT = "#0072b2"

# Okabe and Ito's colours, told apart with any kind of colour vision; the ones that are pale on white come last.
CLASSES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555", "#f0e442")

_SETTINGS: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "text.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@contextlib.contextmanager
def context() -> Iterator[None]:
    """Draw in this style; afterwards matplotlib's settings are what they were. Also serves as a decorator.

    It starts from matplotlib's defaults, so that a picture does not depend on the settings of whoever draws it.
    """
    with matplotlib.style.context(["default", _SETTINGS]):
        yield


def new_figure(height: float, *, width: float = WIDTH, layout: Any = "constrained") -> Figure:
    """Make a figure that is known to nobody but the caller, so that it is freed with its last reference.

    Parameters
    ----------
    height, width : float
        In inches.
    layout : optional
        Layout engine of matplotlib; None to place axes by hand.
    """
    figure = Figure(figsize=(width, height), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(w_pad=0.1, h_pad=0.08)  # inches of air around axes
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG, whole or not at all.

    Parameters
    ----------
    figure : Figure
        From one of the ``draw`` functions.
    path : path-like
        Where to; a file that is there is replaced.

    Raises
    ------
    FileError
        If the folder is missing, may not be written, or is full.
    """
    # Ticks and texts are made late, while the figure is rendered, so the style must hold here too.
    with context(), writing(path) as part:
        figure.savefig(part, format="png", dpi=DPI)


@functools.cache
def cyclic_map() -> Colormap:
    r"""Return the map for directions and phases: its ends meet, and equal angles look equally far apart.

    It is the ellipse :math:`L = 0.6 + 0.2 \cos t,\ a = 0.12 \cos(t + \pi/4),\ b = 0.13 \sin t` in Oklab (Ottosson 2020,
    whose matrices lead to sRGB), walked at constant speed. Lightness and the yellow-blue axis, which colour-blind
    readers see too, are enough to tell any two angles apart; the lightest colour still stands out from white.
    """
    fine = np.linspace(0, 2 * np.pi, 4097)
    lab = np.stack([0.6 + 0.2 * np.cos(fine), 0.12 * np.cos(fine + np.pi / 4), 0.13 * np.sin(fine)], axis=1)
    walked = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(lab, axis=0), axis=1)))
    even = np.linspace(0, walked[-1], 513)[:-1]
    t = np.interp(even, walked, fine)
    return ListedColormap(_srgb(0.6 + 0.2 * np.cos(t), 0.12 * np.cos(t + np.pi / 4), 0.13 * np.sin(t)), name="turn")


def _srgb(lightness: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    to_cones = np.array(
        [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip((np.stack([lightness, a, b], axis=1) @ to_cones.T) ** 3 @ to_rgb.T, 0, 1)
    return np.asarray(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))


def sequential_map() -> Colormap:
    """Return the map for quantities: dark to bright, without the pale yellow end that is lost on white."""
    viridis = matplotlib.colormaps["viridis"]
    return ListedColormap(viridis(np.linspace(0, 0.93, 256)), name="quantity")


def shorten(text: object, length: int = 24) -> str:
    """Cut the middle out of a long name, so that it cannot push a figure apart; names often differ at their ends."""
    text = str(text)
    head, tail = length // 2, length - length // 2 - 1
    return text if len(text) <= length else f"{text[:head]}\N{HORIZONTAL ELLIPSIS}{text[-tail:]}"


def end_labels(axes: Axes, labels: dict[str, tuple[float, str]]) -> None:
    """Name lines at their right end, moved apart where they would overlap.

    Parameters
    ----------
    axes : Axes
        With its limits and its place in the figure already set.
    labels : dict of str to (float, str)
        Height of each line's end in data units, and its colour.
    """
    low, high = axes.get_ylim()
    figure = axes.get_figure()
    inches = axes.get_position().height * (figure.get_figheight() if isinstance(figure, Figure) else 3.0)
    apart = 0.16 / inches  # one line of text, as a share of the axes
    order = sorted(labels, key=lambda k: labels[k][0])
    wanted = np.array([(labels[k][0] - low) / (high - low) for k in order])
    # The stack keeps its order: push up from below, then shift it so that it stays centred on the lines.
    placed = wanted.copy()
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + apart)
    placed += max(float(np.mean(wanted - placed)), -float(placed[0])) if len(placed) else 0.0
    for name, place in zip(order, placed, strict=True):
        axes.annotate(
            shorten(name, 18),
            (1.0, float(place)),
            xycoords="axes fraction",
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            color=labels[name][1],
            annotation_clip=False,
        )
