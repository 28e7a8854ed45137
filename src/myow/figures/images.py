"""Figures of image embeddings and their accuracy."""

from __future__ import annotations

import glob
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from ..data.images import Images
from ..errors import DataError
from ..evaluation.bench_images import published_image
from ..evaluation.published import METHOD_NAMES, method_name
from ..training.callbacks import read_metrics
from . import style
from .embedding import project, put
from .style import MARKERS, Colouring, add_key, capital, colour_by, file_word, save_numbered
from .training import DASHES, MEASURES, NOTES, check_metrics, loss_terms, panel_figure, panel_title, series, show_zero
from .training import draw_line as line

__all__ = [
    "Group",
    "Row",
    "Training",
    "draw_curves",
    "draw_image_curves",
    "draw_image_dots",
    "draw_image_map",
    "figures_of",
    "groups",
]

Row = Mapping[str, Any]


class Group(NamedTuple):
    """Conditions that trainings must share to be compared."""

    dataset: str
    encoder: str
    width: int
    subset: str

    @property
    def title(self) -> str:
        """Title of the group."""
        encoder = "an encoder of one's own" if self.encoder == "own" else f"{self.encoder} of width {self.width}"
        return f"{Path(self.dataset).name}, {encoder}"

    @property
    def stem(self) -> str:
        """Part of a file's name."""
        return "_".join(file_word(word) for word in (Path(self.dataset).name, self.encoder))


def groups(rows: Sequence[Row]) -> dict[Group, dict[str, list[Row]]]:
    """Sort the trainings that succeeded.

    Parameters
    ----------
    rows : sequence of mapping
        Lines of rows.jsonl; of several with one key the last counts.

    Returns
    -------
    dict of Group to dict of str to list of row
        By name, in the order of `METHOD_NAMES`, trainings that differ in their seed alone. Where a method was trained with
        several settings, its name says those in which they differ.
    """
    good = [row for row in {row["key"]: row for row in rows}.values() if not row["error"]]
    rank = {method: place for place, method in enumerate(METHOD_NAMES)}
    found: dict[Group, dict[str, list[Row]]] = {}
    for row in sorted(good, key=lambda r: (rank.get(r["method"], len(rank)), r["method"])):
        group = _group(row)
        rivals = [r["settings"] for r in good if _group(r) == group and r["method"] == row["method"]]
        found.setdefault(group, {}).setdefault(_name(row, rivals), []).append(row)
    return found


def _group(row: Row) -> Group:
    return Group(row["dataset"], row["encoder"], row["width"], row["subset"])


def _name(row: Row, rivals: Sequence[Mapping[str, Any]]) -> str:
    keys = sorted({k for settings in rivals for k in settings})
    differing = [k for k in keys if len({json.dumps(s.get(k)) for s in rivals}) > 1]
    said = ", ".join(f"{k} {row['settings'].get(k, 'default')}" for k in differing)
    return method_name(row["method"]) + (f" ({said})" if said else "")


Metrics = Sequence[Mapping[str, Any]]
Training = tuple[Metrics, float]
"""Lines of metrics.jsonl, and how many epochs a step is."""

LINES: Sequence[Any] = ("-", (0, (1, 1.2)), (0, (4, 1.6)), (0, (4, 1.5, 1, 1.5)))
COLOURS = style.CLASSES[:-1]  # the palest is for areas, not for thin lines


def draw_curves(out: Path, rows: Sequence[Row]) -> list[Path]:
    """Draw learning curves and accuracies of a bench on images into its subfolder ``figures``.

    Parameters
    ----------
    out : Path
        Folder of the bench, with the metrics of each training in ``runs``; trainings without are passed over.
    rows : sequence of mapping
        Lines of its rows.jsonl.

    Returns
    -------
    list of Path
        ``curves_{dataset}_{encoder}.png`` and ``accuracy_{dataset}_{encoder}.png``. Where widths or subsets differ, each has
        a figure, numbered ``~2`` and so on behind its name.

    Raises
    ------
    FileError
        If a figure cannot be written.
    """
    return save_numbered(out, figures_of(out, rows))


def figures_of(out: Path, rows: Sequence[Row]) -> Iterator[tuple[str, Figure]]:
    """Yield the figures of `draw_curves` by the stem of their file."""
    for group, methods in groups(rows).items():
        curves = {name: found for name, of in methods.items() if (found := list(_trainings(out, of)))}
        if curves:
            yield f"curves_{group.stem}", draw_image_curves(curves, name=group.title, subset=group.subset)
        if any(row["scores"] for of in methods.values() for row in of):
            yield f"accuracy_{group.stem}", draw_image_dots(group, methods)


def _trainings(out: Path, rows: Sequence[Row]) -> Iterator[Training]:
    for row in rows:
        for path in sorted((out / "runs").glob(f"*-{glob.escape(row['key'])}/metrics.jsonl")):
            metrics = read_metrics(path)
            if metrics and row["steps"]:
                yield metrics, row["epochs"] / row["steps"]


@style.context()
def draw_image_curves(trainings: Mapping[str, Sequence[Training]], *, name: str = "", subset: str = "") -> Figure:
    """Draw losses and the shape of the embedding over epochs, a colour a method, a line a training.

    Parameters
    ----------
    trainings : mapping of str to sequence of Training
        By method.
    name : str, optional
        What was trained on what, for the title.
    subset : str, optional
        Which images, where these are not all.

    Returns
    -------
    Figure
        To be saved with `style.save`.

    Raises
    ------
    DataError
        If there is no training, or its metrics cannot be drawn.
    """
    if not any(trainings.values()):
        raise DataError("there is no training to draw; give the metrics of one at least")
    for runs in trainings.values():
        for metrics, _ in runs:
            check_metrics(metrics)
    colours = {method: COLOURS[i % len(COLOURS)] for i, method in enumerate(trainings)}
    panels: list[Callable[[Axes], None]] = [
        partial(_losses, runs=runs, method=method, colour=colours[method]) for method, runs in trainings.items()
    ]
    every = [metrics for runs in trainings.values() for metrics, _ in runs]
    measured = [key for key in MEASURES if any(series(metrics, key)[0] for metrics in every)]
    panels += [partial(_measure, trainings=trainings, key=key, colours=colours) for key in measured]
    several = max(len(runs) for runs in trainings.values()) > 1
    said = ["Losses of different methods measure different things.", "A colour a method."] if len(trainings) > 1 else []
    said += ["A line a seed."] if several else []
    notes = ["The shape of the embedding is that of up to 512 training images, not augmented.", " ".join(said)]
    notes += [f"{capital(subset)}."] if subset else []
    return panel_figure(
        panels, title=f"{style.shorten(name or 'images', 60)}: training", note="\n".join(filter(None, notes))
    )


def _losses(axes: Axes, *, runs: Sequence[Training], method: str, colour: str) -> None:
    terms = loss_terms([row for metrics, _ in runs for row in metrics])
    for metrics, epochs in runs:
        for i, term in enumerate(terms):
            steps, values = series(metrics, term)
            if steps:
                look = {"linestyle": LINES[i % len(LINES)], "linewidth": 1.6 if i == 0 else 1.1}
                line(axes, [s * epochs for s in steps], values, color=colour, **look)
    if len(terms) > 1:
        axes.legend(
            handles=[
                Line2D([], [], color=colour, linestyle=LINES[i % len(LINES)], linewidth=1.2, label=t.replace("_", " "))
                for i, t in enumerate(terms)
            ],
            handlelength=2.4,
        )
    axes.margins(y=0.08)
    _epoch_axis(axes, runs)
    panel_title(axes, style.shorten(method, 30), "loss" + (" and its terms" if len(terms) > 1 else ""))
    axes.set_title(style.shorten(method, 30), pad=18, color=colour)  # which is the key to the other panels


def _measure(axes: Axes, *, trainings: Mapping[str, Sequence[Training]], key: str, colours: Mapping[str, str]) -> None:
    """Draw all methods; every measure has 0 at one end, which means something."""
    low = high = 0.0
    for method, runs in trainings.items():
        for metrics, epochs in runs:
            steps, values = series(metrics, key)
            if steps:
                line(axes, [s * epochs for s in steps], values, color=colours[method], linewidth=1.3)
                low, high = min(low, *values), max(high, *values)
    show_zero(axes, low, high)
    _epoch_axis(axes, [run for runs in trainings.values() for run in runs])
    panel_title(axes, key.replace("_", " "), NOTES[key])


def _epoch_axis(axes: Axes, runs: Sequence[Training]) -> None:
    last = max(metrics[-1]["step"] * epochs for metrics, epochs in runs)
    axes.set_xlim(0, last)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel("epoch")


READOUTS = {"linear": "linear readout", "knn": "k-NN"}
BASELINES = {"raw": "raw pixels", "untrained": "untrained encoder"}
ROW, HEAD, TOP, FOOT = (
    0.27,
    0.5,
    0.42,
    1.14,
)  # inches: a method, a panel's title and axis, the figure's title, its key
NAMES_WIDTH = 0.215  # of the width, for the names of methods

RING: dict[str, Any] = {
    "linestyle": "",
    "marker": "o",
    "markersize": 7,
    "markerfacecolor": "none",
    "markeredgecolor": style.MUTED,
    "markeredgewidth": 1.0,
}

Dot = tuple[float, float, float]
"""Accuracy of a seed, and its interval."""


@style.context()
def draw_image_dots(group: Group, methods: Mapping[str, Sequence[Row]]) -> Figure:
    """Draw what each method reaches by both readouts, for every number of labels.

    Parameters
    ----------
    group : Group
        What was trained on what.
    methods : mapping of str to sequence of row
        Rows of the bench by the method's name; see `groups`.

    Returns
    -------
    Figure
        To be saved with `style.save`.

    Raises
    ------
    DataError
        If nothing was read out.
    """
    every = [row for rows in methods.values() for row in rows]
    labels = sorted({n for row in every for n in row["scores"]}, key=lambda n: np.inf if n == "all" else int(n))
    if not labels:
        raise DataError("no row holds a score; there is nothing to draw")
    panels = {(n, readout): _dots(methods, n, readout) for n in labels for readout in READOUTS}
    places = {name: i for i, name in enumerate([*methods, *BASELINES.values()])}
    tall = ROW * len(places)
    height = TOP + len(labels) * (tall + HEAD) + FOOT
    figure = style.new_figure(height, layout=None)
    left, right, gap = NAMES_WIDTH, 0.94, 0.075
    wide = (right - left - gap) / 2
    poster = False
    for i, n in enumerate(labels):
        limits = _limits([panels[n, readout] for readout in READOUTS], group, methods, every, n)
        for j, readout in enumerate(READOUTS):
            bottom = 1 - (TOP + (i + 1) * (tall + HEAD) - 0.2) / height
            axes = figure.add_axes((left + j * (wide + gap), bottom, wide, tall / height))
            found = _poster(group, methods) if (n, readout) == ("all", "linear") else {}
            poster = poster or bool(found)
            _panel(axes, panels[n, readout], places, found, _majority(every, n), limits, named=j == 0)
            fitted = "all labels" if n == "all" else f"{n} labelled image{'' if n == '1' else 's'} per class"
            axes.set_title(f"{READOUTS[readout]}, {fitted}", pad=5)
    _key(figure, poster)
    figure.text(0.015, 1 - 0.22 / height, f"{style.shorten(group.title, 70)}: accuracy on test images", fontsize=10)
    for place, text in enumerate(reversed(_notes(group, methods, poster))):
        figure.text(0.015, (0.12 + 0.16 * place) / height, text, fontsize=8, color=style.MUTED)
    return figure


def _dots(methods: Mapping[str, Sequence[Row]], n: str, readout: str) -> dict[str, list[Dot]]:
    """Accuracies by name; those of baselines, which all methods share, once a seed."""

    def dot(row: Row, features: str) -> Dot:
        found: Mapping[str, Any] = row["scores"][n][features][readout]
        low, high = found["interval"]
        return found["accuracy"], low, high

    read = {name: [row for row in rows if n in row["scores"]] for name, rows in methods.items()}
    dots = {name: [dot(row, "embedding") for row in rows] for name, rows in read.items()}
    for features, title in BASELINES.items():
        by_seed = {row["seed"]: dot(row, features) for rows in read.values() for row in rows}
        dots[title] = [by_seed[seed] for seed in sorted(by_seed)]
    return dots


def _majority(rows: Sequence[Row], n: str) -> float:
    return float(next(row["scores"][n]["embedding"]["knn"]["majority"] for row in rows if n in row["scores"]))


def _poster(group: Group, methods: Mapping[str, Sequence[Row]]) -> dict[str, float]:
    found = {name: published_image(group.encoder, group.dataset, rows[0]["method"]) for name, rows in methods.items()}
    return {name: value for name, value in found.items() if value is not None}


def _limits(
    panels: Sequence[dict[str, list[Dot]]],
    group: Group,
    methods: Mapping[str, Sequence[Row]],
    rows: Sequence[Row],
    n: str,
) -> tuple[float, float]:
    """Range that both readouts share: all that is drawn, with a margin, inside 0 to 1."""
    values = [v for dots in panels for found in dots.values() for dot in found for v in dot]
    values += [_majority(rows, n), *(_poster(group, methods).values() if n == "all" else ())]
    margin = max(0.05 * (max(values) - min(values)), 0.01)
    return max(min(values) - margin, 0.0), min(max(values) + margin, 1.0)


def _panel(
    axes: Axes,
    dots: Mapping[str, Sequence[Dot]],
    places: Mapping[str, int],
    poster: Mapping[str, float],
    majority: float,
    limits: tuple[float, float],
    *,
    named: bool,
) -> None:
    axes.set_xlim(limits)
    axes.set_ylim(len(places) - 0.4, -0.6)
    axes.axvline(majority, color=style.MUTED, linewidth=0.9, linestyle=DASHES, zorder=1)
    for name, at in places.items():
        colour = style.INK if name in BASELINES.values() else style.ACCENT
        found = dots.get(name, [])
        # Seeds stand below each other, so that equal ones are seen.
        heights = at + (np.arange(len(found)) - (len(found) - 1) / 2) * min(0.16, 0.6 / max(len(found), 1))
        for (accuracy, low, high), y in zip(found, heights, strict=True):
            axes.plot([low, high], [y, y], color=colour, linewidth=1, alpha=0.35, zorder=2)
            axes.plot([accuracy], [y], "o", color=colour, markersize=3.6, zorder=3)
        if found:
            mean = float(np.mean([dot[0] for dot in found]))
            axes.plot([mean, mean], [at - 0.34, at + 0.34], color=colour, linewidth=1.6, zorder=4)
            axes.annotate(
                f"{mean:.3f}", (1, at), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points",
                va="center", fontsize=8, color=colour, annotation_clip=False,
            )  # fmt: skip
        if name in poster:
            axes.plot([poster[name]], [at], **RING, zorder=5, clip_on=False)
    axes.set_yticks(list(places.values()), [style.shorten(name, 22) for name in places])
    axes.tick_params(axis="y", length=0, labelleft=named, labelsize=8.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.grid(axis="x", color=style.FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)


def _key(figure: Figure, poster: bool) -> None:
    handles = [
        Line2D([], [], color=style.ACCENT, marker="o", markersize=3.6, linewidth=1, label="a seed, 95 % interval"),
        Line2D([], [], color=style.ACCENT, marker="|", markersize=9, markeredgewidth=1.6, linestyle="", label="mean"),
        Line2D([], [], color=style.MUTED, linewidth=0.9, linestyle=DASHES, label="majority class"),
    ]
    if poster:
        handles.append(Line2D([], [], **RING, label="poster"))
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(NAMES_WIDTH, 0.78 / figure.get_figheight()), ncols=4,
        borderaxespad=0, borderpad=0, columnspacing=2.0, handlelength=1.8,
    )  # fmt: skip


def _notes(group: Group, methods: Mapping[str, Sequence[Row]], poster: bool) -> list[str]:
    """Notes on epochs, images and the poster's results."""
    epochs = {name: sorted({row["epochs"] for row in rows}) for name, rows in methods.items()}
    every = sorted({n for of in epochs.values() for n in of})
    if len(every) > 1 and len(epochs) <= 4:
        trained = "; ".join(f"{style.shorten(name)} {' or '.join(f'{n:g}' for n in of)}" for name, of in epochs.items())
    else:
        trained = " to ".join(f"{n:g}" for n in dict.fromkeys((every[0], every[-1])))
    first = f"Epochs: {style.shorten(trained, 110)}."
    second = "Readouts are chosen on validation images from the training part."
    if poster:
        second += " The poster trained width 64 for 800 epochs on the official sets."
    return [first, *([f"{capital(group.subset)}."] if group.subset else []), second]


MOST_CLASSES = 20  # of more the colours could not be told apart, nor all be named
# Inches: a square, and the place of the axes, which are as tall as the embedding is wide and tall.
SIDE = 0.29
LEFT, BELOW, ABOVE, LOWEST, TALLEST = 0.72, 0.95, 0.5, 3.2, 6.2
ALONE, BESIDE_KEY = 7.1, 5.5


@style.context()
def draw_image_map(images: Images, z: ArrayLike, *, name: str = "", total: int | None = None) -> Figure:
    """Draw images as thumbnails that do not cover each other.

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
        _thumbnail(axes, images.pixels[row], corner, plane.scale, colouring, row)
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
    notes += [f"{capital(images.subset)}."] if images.subset else []
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


def _thumbnail(
    axes: Axes, pixels: NDArray[np.uint8], corner: list[float], scale: float, colouring: Colouring, row: int
) -> None:
    left, top = corner
    side = 0.86 * SIDE * scale  # some air, so that frames do not touch
    left, top = left + 0.07 * SIDE * scale, top - 0.07 * SIDE * scale
    if colouring.kind == "none":
        put(axes, pixels, left, top, side)
        return
    colour = colouring.colours[row]
    put(axes, pixels, left, top, side, edgecolor=colour, linewidth=1.3)
    if colouring.marks.any():  # there are more classes than colours, so a frame does not tell all
        axes.plot(
            [left + side], [top - side], MARKERS[colouring.marks[row]], color=colour, markersize=4.6,
            markeredgecolor="white", markeredgewidth=0.5, zorder=4, clip_on=False,
        )  # fmt: skip
