"""Figures of decoding performance: dots, confusion matrices, curves over labels."""

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
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from ..evaluation.bench_summary import Cell, Track
from ..evaluation.published import GROUPS, PUBLISHED, grouped_methods, method_name
from ..evaluation.result import BASELINES, CONTROL_WORDS
from . import style
from .bench_sections import label_order

__all__ = [
    "draw_along",
    "draw_confusion",
    "draw_confusions",
    "draw_decoding",
    "draw_few_labels",
    "draw_importance",
    "draw_label_curves",
]

MEANING = {"angle": "accuracy (within 22.5°)", "continuous": "R²"}


@style.context()
def draw_decoding(result: Mapping[str, Any]) -> Figure:
    """Draw one evaluation as dots with their 95 % intervals.

    Parameters
    ----------
    result : mapping
        As `myow.evaluate` returns it: the figures of the embedding, and under ``raw``, ``pca`` and ``untrained`` mappings with
        the same keys; a baseline may be missing, and so may controls. Continuous readouts are shown by R², all others by accuracy.

    Returns
    -------
    Figure
        To be saved with `style.save`.

    Raises
    ------
    DataError
        If the result lacks the figure that its readout is judged by.
    """
    readout = str(result.get("readout", ""))
    key = "r2" if readout == "continuous" else "accuracy"
    if result.get(key) is None:
        raise DataError(f"the evaluation holds no {key}, which a {readout or 'nameless'} readout is judged by")
    rows = [(f"{style.shorten(result.get('method', 'trained'), 18)} embedding", result)]
    rows += [
        (title, result[name]) for name, title in BASELINES.items() if (result.get(name) or {}).get(key) is not None
    ]
    false = result.get("controls") or {}
    rows += [(f"{CONTROL_WORDS[how]}", scores) for how, scores in false.items() if scores.get(key) is not None]

    figure = style.new_figure(1.45 + 0.36 * len(rows), layout=None)
    height = figure.get_figheight()
    axes = figure.add_axes((0.2, 0.5 / height, 0.57, 1 - 1.25 / height))
    majority = result.get("majority") if key == "accuracy" else 0.0
    if majority is not None:
        axes.axvline(majority, color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        words = f"majority {majority:.2f}" if key == "accuracy" else "mean of the target"
        axes.annotate(
            words, (majority, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 2), textcoords="offset points",
            ha="center", va="bottom", fontsize=8, color=style.MUTED,
        )  # fmt: skip
    lowest = min(_evaluation_row(axes, i, title, scores, key) for i, (title, scores) in enumerate(rows))
    axes.set_xlim(min(0.0, lowest - 0.05) if key == "r2" else 0.0, 1.0)
    axes.set_ylim(len(rows) - 0.5, -0.6)
    axes.set_yticks(range(len(rows)), [title for title, _ in rows])
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.tick_params(axis="y", length=0, labelsize=9)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=style.FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(f"{MEANING.get(readout, 'accuracy')}, with 95 % interval")
    figure.text(0.015, 1 - 0.24 / height, _title(result), fontsize=10)
    figure.text(0.015, 1 - 0.44 / height, _circumstances(result), fontsize=8, color=style.MUTED)
    return figure


def _evaluation_row(axes: Axes, place: int, title: str, scores: Mapping[str, Any], key: str) -> float:
    """Draw one row and return its lowest value."""
    value = float(scores[key])
    interval = scores.get("interval")
    first = place == 0
    colour = style.ACCENT if first else style.MUTED
    written = f"{value:.3f}"
    if interval is not None:
        axes.plot(interval, [place, place], color=colour, linewidth=2.2 if first else 1.6, clip_on=False, zorder=2)
        written += f"  [{interval[0]:.3f}, {interval[1]:.3f}]"
    written = written.replace("-", "\N{MINUS SIGN}")
    axes.plot([value], [place], "o", color=colour, markersize=8 if first else 6.5, clip_on=False, zorder=3)
    axes.annotate(
        written, (1.0, place), xycoords=("axes fraction", "data"), xytext=(10, 0), textcoords="offset points",
        va="center", color=style.INK, fontweight="bold" if first else "normal", fontsize=8.5, annotation_clip=False,
    )  # fmt: skip
    return min(value, *interval) if interval is not None else value


def _title(result: Mapping[str, Any]) -> str:
    options = {key: result[key] for key in ("classifier", "semi_supervised") if key in result}
    readout = style.readout_title(str(result.get("readout", "")), **options)
    return f"{style.shorten(result.get('dataset') or 'recording', 40)}: {style.shorten(result.get('target', ''))}, {readout}"


def _circumstances(result: Mapping[str, Any]) -> str:
    said = []
    if result.get("rows"):
        said.append(f"encoder trained without labels on {'all' if result['rows'] == 'all' else 'training'} rows")
    if result.get("labels"):
        said.append(f"{result['labels']} labelled per class")
    if result.get("n_train"):
        said.append(f"readout fitted on {result['n_train']} bins")
    if result.get("n_test"):
        folds = f" of {result['folds']} folds" if result.get("folds") else ""
        said.append(f"tested on {result['n_test']} bins{folds}")
    return ", ".join(said)


MOST_WRITTEN = 16  # beyond that the counts would not fit into their cells


@style.context()
def draw_confusion(
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
    period: float | None = None,
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
    period : float, optional
        Value of a class that is a full turn: classes are then shown in degrees.

    Returns
    -------
    Figure
        To be saved with `style.save`.

    Raises
    ------
    DataError
        If the counts are not a square matrix of finite numbers from 0 up with a name a class, or are all zero.
    """
    matrix, n = _checked(counts, classes), len(classes)
    support = matrix.sum(axis=1)
    share = matrix / np.where(support > 0, support, 1)[:, None]

    if period is not None:
        classes, target = style.degrees_of(classes, period), style.in_degrees(target or "label")
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
    what = ", ".join(
        p for p in (style.shorten(dataset, 30), style.readout_title(readout) if readout else "", fitted) if p
    )
    axes.set_title(f"{what}\naccuracy {value:.3f}{within}")
    return figure


COLUMNS = 5
SHADES = "Blues"
MOST_NAMED = 12  # beyond that names would cover each other


@style.context()
def draw_confusions(
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
    checked = {m: _checked(matrices[m][1], matrices[m][0], f" of {m}") for m in order}
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
        _confusion_panel(axes, method, matrices[method][0], checked[method], turned)
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


def _checked(counts: ArrayLike, classes: Sequence[object], of: str = "") -> NDArray[np.float64]:
    matrix, n = np.asarray(counts, dtype=np.float64), len(classes)
    if n == 0 or matrix.shape != (n, n):
        raise DataError(f"counts{of} have shape {matrix.shape} for {n} class names; they must be (classes, classes)")
    if not (np.isfinite(matrix).all() and (matrix >= 0).all() and matrix.any()):
        raise DataError(f"confusion counts{of} must be finite, 0 or more, and not all zero")
    return matrix


def _confusion_panel(
    axes: Axes, method: str, classes: Sequence[object], matrix: NDArray[np.float64], turned: bool
) -> None:
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


ACROSS = {1: 1, 2: 2, 4: 2}  # panels side by side, three where not said
BANDS = ("myow", "raw")
# The two that MYOW is to be judged by are dark; all others are thin, their group told by the dash.
STRONG: Mapping[str, Mapping[str, Any]] = {
    "myow": {"color": style.ACCENT, "linewidth": 3.0, "zorder": 6, "markersize": 5.5},
    "unmined": {
        "color": style.ACCENT,
        "linewidth": 1.4,
        "zorder": 5,
        "markersize": 3,
        "linestyle": (0, (6, 1.2, 1.2, 1.2)),
    },
    "raw": {"color": style.INK, "linewidth": 1.8, "zorder": 5, "markersize": 4},
    "poisson-nb": {"color": style.INK, "linewidth": 1.8, "zorder": 5, "markersize": 4, "linestyle": (0, (4, 1.6))},
}
DASHES: Mapping[str, Any] = {GROUPS[0]: "-", GROUPS[1]: (0, (4, 1.6)), GROUPS[2]: (0, (1, 1.4))}
HUES = {
    GROUPS[0]: (*style.CLASSES[1:6], "#999999"),
    GROUPS[1]: ("#7b3294", "#8c564b", "#5e7f00", "#999999"),
    GROUPS[2]: ("#767676", "#a6a6a6", "#c0a080"),
}


@style.context()
def draw_label_curves(cells: Sequence[Cell], track: Track, readout: str) -> Figure:
    """Draw accuracy (R² of continuous readouts) against the number of labels.

    Parameters
    ----------
    cells : sequence of Cell
        From `summarise`; those of other tracks, readouts and controls are passed over.
    track : Track
        Which track; tracks are never mixed in one figure.
    readout : str
        "angle", "class", "continuous" or "knn".

    Returns
    -------
    Figure
        To be saved with `style.save`. Numbers of labels stand at equal distances; bands are the 95 % intervals of MYOW and
        of raw counts. Panels that count labels in the same unit share their limits.

    Raises
    ------
    DataError
        If no cell is of this track and readout.
    """
    metric = "r2" if readout == "continuous" else "accuracy"
    wanted = (track, readout, metric, None)
    chosen = [c for c in cells if (c.track, c.readout, c.metric, c.control) == wanted]
    if not chosen:
        raise DataError(f"no {metric} of a {readout} readout in {track}; draw one that was run")
    known = {name: place for place, name in enumerate(PUBLISHED)}
    datasets = sorted({c.dataset for c in chosen}, key=lambda d: (known.get(d, len(known)), d))
    directed = {c.dataset for c in cells if c.readout == "angle"}
    groups = grouped_methods((c.method, c.uses_labels) for c in chosen)
    looks = _looks(groups, _coloured(chosen))
    units = {d: next((c.label_unit for c in chosen if c.dataset == d and c.label_unit), "segment") for d in datasets}

    across = ACROSS.get(len(datasets), 3)
    down = math.ceil(len(datasets) / across)
    key_rows = max(len(members) for _, members in groups) + 1
    below = 0.3 + 0.175 * key_rows
    tall, apart = (2.1, 0.78) if across > 1 else (3.0, 0.78)
    figure = style.new_figure(0.45 + down * (tall + apart) + below, layout=None)
    height = figure.get_figheight()
    left, right, gap = 0.07, 0.985, 0.065
    wide = (right - left - gap * (across - 1)) / across
    for i, dataset in enumerate(datasets):
        column, row = i % across, i // across
        bottom = 1 - (0.45 + (row + 1) * (tall + apart) - 0.5) / height
        axes = figure.add_axes((left + column * (wide + gap), bottom, wide, tall / height))
        ordered = sorted({c.labels for c in chosen if units[c.dataset] == units[dataset]}, key=label_order)
        _curve_panel(axes, [c for c in chosen if c.dataset == dataset], ordered, looks)
        axes.set_ylim(_limits([c for c in chosen if units[c.dataset] == units[dataset]]))
        axes.set_title(style.shorten(dataset, 26), pad=5)
        axes.set_xlabel(_meaning(units[dataset], dataset in directed), fontsize=8.5)
        if column == 0:
            axes.set_ylabel("R²" if metric == "r2" else "accuracy")
    _key(figure, groups, looks, below)
    figure.text(
        0.015, 1 - 0.2 / height, f"What the {style.readout_title(readout)} reaches with few labels", fontsize=10
    )
    figure.text(0.015, 1 - 0.38 / height, track.describe(), fontsize=8, color=style.MUTED)
    return figure


MOST_COLOURED = 5
GREY = "#c9c9c9"


def _coloured(cells: Sequence[Cell]) -> list[str]:
    """Methods whose lines are in colour: what MYOW is judged by, then the best of the others, five in all."""
    means: dict[str, list[float]] = {}
    for cell in cells:
        means.setdefault(cell.method, []).append(cell.mean)
    order = sorted(means, key=lambda m: (m not in STRONG, list(STRONG).index(m) if m in STRONG else -np.mean(means[m])))
    return order[:MOST_COLOURED]


def _looks(groups: Sequence[tuple[str, Sequence[str]]], coloured: Sequence[str]) -> dict[str, dict[str, Any]]:
    looks: dict[str, dict[str, Any]] = {}
    for group, members in groups:
        plain = [m for m in members if m not in STRONG]
        for place, method in enumerate(plain):
            hue = HUES[group][place % len(HUES[group])] if method in coloured else GREY
            thin = {
                "color": hue,
                "linewidth": 1.5 if method in coloured else 0.9,
                "zorder": 3 if method in coloured else 2,
            }
            thin["markersize"] = 2.6
            looks[method] = thin | {"linestyle": DASHES[group]}
        looks |= {method: dict(STRONG[method]) for method in members if method in STRONG}
    return looks


def _curve_panel(
    axes: Axes, cells: Sequence[Cell], ordered: Sequence[str], looks: Mapping[str, Mapping[str, Any]]
) -> None:
    place = {labels: i for i, labels in enumerate(ordered)}
    for method, look in looks.items():
        line = sorted((c for c in cells if c.method == method), key=lambda c: place[c.labels])
        if not line:
            continue
        x = [place[c.labels] for c in line]
        axes.plot(x, [c.mean for c in line], marker="o", **look)
        banded = [c for c in line if c.low is not None and c.high is not None]
        if method in BANDS and banded:
            axes.fill_between(
                [place[c.labels] for c in banded], [float(c.low or 0) for c in banded], [float(c.high or 0) for c in banded],
                color=look["color"], alpha=0.14, linewidth=0, zorder=2,
            )  # fmt: skip
    axes.set_xticks(range(len(ordered)), ordered)
    axes.set_xlim(-0.2, max(len(ordered) - 1, 0.4) + 0.2)
    axes.grid(axis="y", color=style.FAINT, linewidth=0.6)
    axes.set_axisbelow(True)


def _limits(cells: Sequence[Cell]) -> tuple[float, float]:
    values = [v for c in cells for v in (c.mean, *((c.low, c.high) if c.method in BANDS else ())) if v is not None]
    low, high = min(values), max(values)
    margin = max(0.05 * (high - low), 0.05 - (high - low) / 2)  # one tenth at least, so that ticks stay short
    return low - margin, high + margin


def _meaning(unit: str, directed: bool) -> str:
    if unit == "minute":
        return "labelled minutes per state"
    return "labelled trials per direction" if directed and unit == "segment" else f"labelled {unit}s per class"


def _key(
    figure: Figure,
    groups: Sequence[tuple[str, Sequence[str]]],
    looks: Mapping[str, Mapping[str, Any]],
    below: float,
) -> None:
    """Three lists side by side, a group each."""
    for i, (group, members) in enumerate(groups):
        handles = [Line2D([], [], marker="o", **looks[m], label=style.shorten(method_name(m), 24)) for m in members]
        figure.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(0.07 + 0.32 * i, (below - 0.12) / figure.get_figheight()),
            title=group, alignment="left", borderaxespad=0, handlelength=2.6, labelspacing=0.25, title_fontsize=8.5,
            fontsize=8.5,
        )  # fmt: skip


MOST_UNITS = 20


@style.context()
def draw_importance(
    units: Sequence[str],
    permutation: ArrayLike,
    spread: ArrayLike,
    gradient: ArrayLike,
    *,
    target: str = "",
    metric: str = "accuracy",
    score: float | None = None,
) -> Figure:
    """Draw the units that a readout rests on most, by permutation and by gradient.

    Parameters
    ----------
    units : sequence of str, length N
        Their names, the one that carries most first.
    permutation, spread, gradient : array_like, shape (N,)
        As `myow.importance` measures them; without a gradient, NaN.
    target : str, optional
        What was read out.
    metric : {"accuracy", "r2"}, optional
        Of what the loss is.
    score : float, optional
        With all units as they are.

    Returns
    -------
    Figure
        To be saved with `style.save`.

    Raises
    ------
    DataError
        If there is no unit, or not one number for each.
    """
    loss, deviation, slope = (np.asarray(one, dtype=np.float64) for one in (permutation, spread, gradient))
    if not len(units) or not loss.shape == deviation.shape == slope.shape == (len(units),):
        raise DataError(
            f"there are {len(units)} units and {loss.shape} losses; give one number for each of one or more"
        )
    n = min(len(units), MOST_UNITS)
    with_slope = bool(np.isfinite(slope).all())
    figure = style.new_figure(1.15 + 0.2 * n, width=style.WIDTH if with_slope else 5.4)
    panels = figure.subplots(1, 2 if with_slope else 1, sharey=True, squeeze=False)[0]
    place = np.arange(n)
    panels[0].barh(place, loss[:n], xerr=deviation[:n], color=style.ACCENT, height=0.7, ecolor=style.MUTED)
    name = "R²" if metric == "r2" else "accuracy"
    panels[0].set_xlabel(f"loss of {name} when exchanged")
    if with_slope:
        panels[1].barh(place, slope[:n], color=style.MUTED, height=0.7)
        panels[1].set_xlabel("change of the output for one deviation")
    panels[0].set_yticks(place, [style.shorten(unit, 18) for unit in units[:n]])
    panels[0].set_ylim(n - 0.4, -0.6)
    for axes, title in zip(panels, ("permutation", "gradient"), strict=False):
        axes.axvline(0, color=style.MUTED, linewidth=0.7)
        axes.set_title(title)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=style.FAINT, linewidth=0.6)
        axes.set_axisbelow(True)
    reached = "" if score is None else f" ({name} {score:.3f})"
    some = f"{n} of {len(units)} units" if n < len(units) else f"{n} units"
    figure.suptitle(
        f"which units carry {style.shorten(target) or 'the readout'}{reached}: {some}", x=0.012, ha="left", fontsize=10
    )
    return figure


@style.context()
def draw_few_labels(results: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw evaluations of one label against the number of labelled segments: the embedding, and each baseline.

    Parameters
    ----------
    results : sequence of mapping
        As `myow.evaluate` returns them, of one target and readout, with different `labels`.

    Returns
    -------
    Figure
        To be saved with `style.save`. Bands are 95 % intervals of the embedding.

    Raises
    ------
    DataError
        If there are fewer than two, or they are of different targets or readouts.
    """
    if len({(one.get("target"), one.get("readout")) for one in results}) != 1 or len(results) < 2:
        raise DataError("a label curve takes two or more evaluations of one target and readout, with different labels")
    ordered = sorted(results, key=lambda one: math.inf if one["labels"] is None else one["labels"])
    first = ordered[0]
    key = "r2" if first["readout"] == "continuous" else "accuracy"
    figure = style.new_figure(3.9, layout=None)
    axes = figure.add_axes((0.075, 0.14, 0.69, 0.7))
    x = list(range(len(ordered)))
    ends = {}
    for name, title in {"": f"{first['method']} embedding", **BASELINES}.items():
        rows = [one if not name else one.get(name) or {} for one in ordered]
        if any(row.get(key) is None for row in rows):
            continue
        y = [float(row[key]) for row in rows]
        look = CURVES.get(name, {"color": style.MUTED, "linewidth": 1.0, "linestyle": (0, (4, 1.6))})
        axes.plot(x, y, marker="o", markersize=4, **look)
        ends[title] = (y[-1], str(look["color"]))
        if not name and all(row.get("interval") for row in rows):
            axes.fill_between(
                x, *np.array([row["interval"] for row in rows]).T, color=look["color"], alpha=0.14, linewidth=0
            )
    axes.set_xticks(x, ["all" if one["labels"] is None else str(one["labels"]) for one in ordered])
    unit = next((one["label_unit"] for one in ordered if one.get("label_unit")), "segment")
    axes.set_xlabel(f"labelled {unit}s per class")
    axes.set_ylabel(MEANING.get(str(first["readout"]), "accuracy"))
    axes.grid(axis="y", color=style.FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    style.end_labels(axes, ends, 24)
    figure.text(0.015, 0.94, f"{_title(first)}, with few labels", fontsize=10)
    return figure


CURVES: Mapping[str, Mapping[str, Any]] = {
    "": {"color": style.ACCENT, "linewidth": 2.6, "zorder": 5},
    "raw": {"color": style.INK, "linewidth": 1.6, "zorder": 4},
    "pca": {"color": style.CLASSES[1], "linewidth": 1.6, "zorder": 4},
    "untrained": {"color": style.CLASSES[2], "linewidth": 1.6, "zorder": 4},
}


@style.context()
def draw_along(merits: ArrayLike, bins: ArrayLike, bin_size: float, *, metric: str = "accuracy") -> Figure:
    """Draw how well bins are read along the trial: mean over trials with its 95 % interval.

    Parameters
    ----------
    merits : array_like, shape (T,)
        Of each test row: hit or miss, or the squared error.
    bins : array_like of int, shape (T,)
        Place of each row in its segment.
    bin_size : float
        Width of a bin in seconds.
    metric : {"accuracy", "r2"}, optional
        What the readout is judged by; of "r2" the root of the mean squared error is drawn.

    Returns
    -------
    Figure
        To be saved with `style.save`. Places that fewer than five trials reach are left out.
    """
    merit, place = np.asarray(merits, dtype=np.float64), np.asarray(bins)
    found = []
    for at in np.unique(place)[:2000]:
        own = merit[place == at]
        if len(own) >= 5:
            half = 1.96 * own.std(ddof=1) / math.sqrt(len(own))
            found.append((at * bin_size, own.mean(), own.mean() - half, own.mean() + half))
    figure = style.new_figure(2.6, width=5.6)
    axes = figure.add_subplot()
    time, *lines = np.array(found).reshape(-1, 4).T
    mean, low, high = (np.sqrt(np.maximum(line, 0)) for line in lines) if metric == "r2" else lines
    axes.fill_between(time, low, high, color=style.ACCENT, alpha=0.18, linewidth=0)
    axes.plot(time, mean, color=style.ACCENT, marker="o", markersize=3)
    axes.set_ylim(0, 1.02 if metric != "r2" else None)
    axes.set_xlabel("seconds since the start of the trial")
    axes.set_ylabel("root mean squared error" if metric == "r2" else "share read correctly")
    axes.grid(axis="y", color=style.FAINT, linewidth=0.6)
    return figure
