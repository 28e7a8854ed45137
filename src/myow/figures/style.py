"""Style of all figures: sizes, colours, and how labels are coloured."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, SettingError
from ..evaluation.mined import check_label
from ..evaluation.result import BASELINES as BASELINES
from ..evaluation.result import readout_title as readout_title
from ..io.files import make_folder, writing

__all__ = [
    "ACCENT",
    "CLASSES",
    "DPI",
    "FAINT",
    "INK",
    "MUTED",
    "WIDTH",
    "Colouring",
    "add_key",
    "add_legend",
    "capital",
    "colour_by",
    "context",
    "cyclic_map",
    "degrees_of",
    "end_labels",
    "file_word",
    "in_degrees",
    "new_figure",
    "readout_title",
    "save",
    "save_numbered",
    "sequential_map",
    "shorten",
]

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
    "text.parse_math": False,  # names of labels and units are foreign, and a dollar in them is a dollar
    "savefig.facecolor": "white",
}


@contextlib.contextmanager
def context() -> Iterator[None]:
    """Draw in this style; afterwards matplotlib's settings are what they were. Also serves as a decorator.

    It starts from matplotlib's defaults, so that a figure does not depend on the settings of whoever draws it.
    """
    with matplotlib.style.context(["default", _SETTINGS]):
        yield


class Drawn(Figure):
    """A figure that a notebook shows by itself, also where pyplot is not imported."""

    def _repr_png_(self) -> bytes:
        held = io.BytesIO()
        with context():
            self.savefig(held, format="png", dpi=DPI)
        return held.getvalue()


def new_figure(height: float, *, width: float = WIDTH, layout: Any = "constrained") -> Figure:
    """Make a figure outside pyplot, so that it is freed with its last reference.

    Parameters
    ----------
    height, width : float
        In inches.
    layout : optional
        Layout engine of matplotlib; None to place axes by hand.
    """
    figure = Drawn(figsize=(width, height), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(w_pad=0.1, h_pad=0.08)  # inches of air around axes
    return figure


FORMATS = ("png", "pdf", "svg")


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure, whole or not at all.

    Parameters
    ----------
    figure : Figure
        From one of the ``draw`` functions.
    path : path-like
        Where to, as .png, .pdf or .svg; a file that is there is replaced.

    Raises
    ------
    SettingError
        If the name has another ending.
    FileError
        If the folder is missing, may not be written, or is full.
    """
    # Ticks and texts are made late, while the figure is rendered, so the style must hold here too.
    ending = Path(path).suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        raise SettingError(f"{path} ends in none of {', '.join(f'.{one}' for one in FORMATS)}; name one")
    about: dict[str, Any] = {}
    if ending != "png":  # without the day, so that the same figure is the same file
        about["metadata"] = {"Date": None} if ending == "svg" else {"CreationDate": None}
    with context(), writing(path) as part:
        figure.savefig(part, format=ending, dpi=DPI, **about)


def file_word(word: str) -> str:
    """Return part of a file's name: a word that came from a file may not lead out of the folder, nor be endless."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", word).lstrip(".")[:60] or "-"


def save_numbered(folder: Path, figures: Iterable[tuple[str, Figure]]) -> list[Path]:
    """Write figures as PNG into the subfolder ``figures``, one at a time, so that each is freed once it is written.

    Parameters
    ----------
    folder : Path
        It is made if there is a figure to write.
    figures : iterable of (str, Figure)
        Stem of each file's name; of several with one stem the others are numbered ``~2`` and so on.

    Returns
    -------
    list of Path

    Raises
    ------
    FileError
        If a figure cannot be written.
    """
    paths: list[Path] = []
    for stem, figure in figures:
        again = sum(p.stem == stem or p.stem.startswith(f"{stem}~") for p in paths)
        paths.append(make_folder(folder / "figures") / f"{stem}{f'~{again + 1}' if again else ''}.png")
        save(figure, paths[-1])
    return paths


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


def capital(text: str) -> str:
    """Return the text with its first letter a capital, the others as they are."""
    return text[:1].upper() + text[1:]


def end_labels(axes: Axes, labels: dict[str, tuple[float, str]], length: int = 18) -> None:
    """Name lines at their right end, moved apart where they would overlap.

    Parameters
    ----------
    axes : Axes
        With its limits and its place in the figure already set.
    labels : dict of str to (float, str)
        Height of each line's end in data units, and its colour.
    length : int, optional
        Characters that there is room for.
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
            shorten(name, length),
            (1.0, float(place)),
            xycoords="axes fraction",
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            color=labels[name][1],
            annotation_clip=False,
        )


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
        return Colouring("none", np.tile(to_rgba(ACCENT), (n_rows, 1)), marks, ())
    array = check_label(label, n_rows)
    found, code = np.unique(array, return_inverse=True)
    if period is not None:
        if array.dtype.kind not in "iuf":
            raise DataError(f"a cyclic label must be numbers, but this one is of type {array.dtype}")
        turns = np.mod(array / period, 1.0)
        few = np.unique(np.mod(found / period, 1.0))
        return Colouring("cyclic", cyclic_map()(turns), marks, few.tolist() if len(few) <= 16 else ())
    whole = array.dtype.kind in "biu" or (array.dtype.kind == "f" and np.array_equal(found, np.rint(found)))
    if array.dtype.kind in "US" or (whole and len(found) <= MOST_NUMBERED):
        palette = np.array([to_rgba(c) for c in CLASSES])
        names = [f"{v:g}" if array.dtype.kind == "f" else str(v) for v in found.tolist()]
        return Colouring("classes", palette[code % len(palette)], code // len(palette) % len(MARKERS), names)
    low, high = float(found[0]), float(found[-1])
    shade = (array.astype(np.float64) - low) / (high - low) if high > low else np.full(n_rows, 0.5)
    return Colouring("continuous", sequential_map()(shade), marks, (low, high))


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
    title = in_degrees(name) if colouring.kind == "cyclic" else shorten(name, 18)
    if colouring.kind == "classes":
        _list(figure, colouring, (left, bottom + height), title)
    elif colouring.kind == "cyclic":
        side = width * 0.78 * figure.get_figwidth()
        tall = side / figure.get_figheight()
        _wheel(
            figure,
            colouring.values,
            (left + width * 0.11, bottom + height - tall - 0.594 / figure.get_figheight(), width * 0.78, tall),
            title,
        )
    elif colouring.kind == "continuous":
        axes = figure.add_axes((left, bottom + height * 0.45, width * 0.12, height * 0.5))
        low, high = colouring.values
        limits = Normalize(low, high) if high > low else Normalize(low - 0.5, high + 0.5)
        bar = figure.colorbar(ScalarMappable(limits, sequential_map()), cax=axes)
        bar.outline.set_visible(False)
        axes.set_title(title)


def add_legend(axes: Axes, colouring: Colouring, name: str) -> None:
    """Explain the colours inside axes that belong to someone else: a legend, or a colour bar beside them."""
    if colouring.kind == "continuous" or (colouring.kind == "cyclic" and not colouring.values):
        turning = colouring.kind == "cyclic"
        low, high = (0.0, 360.0) if turning else colouring.values
        scale = ScalarMappable(
            Normalize(low, high if high > low else low + 1), cyclic_map() if turning else sequential_map()
        )
        bar = axes.figure.colorbar(scale, ax=axes, label=in_degrees(name) if turning else shorten(name))
        bar.outline.set_visible(False)
    elif colouring.kind != "none":
        cyclic = colouring.kind == "cyclic"
        shown = list(colouring.values)[:MOST_LISTED]
        names = degrees_of(shown, 1.0) if cyclic else [shorten(one, 16) for one in shown]
        colours = cyclic_map()(np.asarray(shown)) if cyclic else [CLASSES[i % len(CLASSES)] for i in range(len(shown))]
        handles = [
            Line2D(
                [], [], linestyle="", color=colour, label=word, marker=MARKERS[0 if cyclic else i // len(CLASSES) % 4]
            )
            for i, (word, colour) in enumerate(zip(names, colours, strict=True))
        ]
        axes.legend(handles=handles, title=in_degrees(name) if cyclic else shorten(name), handletextpad=0.3)


def in_degrees(name: str) -> str:
    """Return the name of a cyclic label as figures show it, whatever its value of a full turn."""
    return f"{shorten(name, 18)} in degrees"


def degrees_of(values: Iterable[Any], period: float) -> list[str]:
    """Return values of a cyclic label as angles, to a tenth of a degree; the report's script writes them alike.

    Examples
    --------
    >>> degrees_of([0, 1, 1.5, 2 / 7], period=8)
    ['0°', '45°', '67.5°', '12.9°']
    """
    return [f"{round(360 * float(value) / period, 1):g}°" for value in values]


def _list(figure: Figure, colouring: Colouring, corner: tuple[float, float], title: str) -> None:
    shown = list(colouring.values)[:MOST_LISTED]
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=MARKERS[i // len(CLASSES) % len(MARKERS)],
            color=CLASSES[i % len(CLASSES)],
            label=shorten(v, 16),
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
    if len(title) > 22:  # as wide as the key
        title = title.replace(" in degrees", "\nin degrees")
    axes: Any = figure.add_axes(box, projection="polar")
    if turns:
        centres = np.asarray(turns)
        gap = np.diff(np.append(np.sort(centres), np.min(centres) + 1)).min() if len(centres) > 1 else 0.25
        width = min(float(gap), 0.25) * 2 * np.pi
    else:
        centres = np.arange(180) / 180
        width = 2 * np.pi / 180 * 1.05  # a little overlap hides the seams
    edge: dict[str, Any] = {"edgecolor": "white", "linewidth": 1.0} if turns else {"linewidth": 0}
    axes.bar(centres * 2 * np.pi, 0.45, width=width, bottom=0.55, color=cyclic_map()(centres), **edge)
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
    figure.text(
        box[0] + box[2] / 2,
        box[1] + box[3] + 0.27 / figure.get_figheight(),
        title,
        ha="center",
        va="bottom",
        fontsize=9.5,
    )
