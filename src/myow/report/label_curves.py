"""Figure: what each method reaches with few labels, a panel a dataset."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..bench.published import GROUPS, PUBLISHED, grouped_methods, method_name
from ..bench.summary import Cell, Track
from ..errors import DataError
from . import style
from .bench_sections import label_order

__all__ = ["draw"]

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
def draw(cells: Sequence[Cell], track: Track, readout: str) -> Figure:
    """Draw accuracy (R² of continuous readouts) against the number of labels.

    Parameters
    ----------
    cells : sequence of Cell
        From `bench.summary.summarise`; those of other tracks, readouts and controls are passed over.
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
    looks = _looks(groups)
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
        _panel(axes, [c for c in chosen if c.dataset == dataset], ordered, looks)
        axes.set_ylim(_limits([c for c in chosen if units[c.dataset] == units[dataset]]))
        axes.set_title(style.shorten(dataset, 26), pad=5)
        axes.set_xlabel(_meaning(units[dataset], dataset in directed), fontsize=8.5)
        if column == 0:
            axes.set_ylabel("R²" if metric == "r2" else "accuracy")
    _key(figure, groups, looks, below)
    figure.text(0.015, 1 - 0.2 / height, f"What the {readout} readout reaches with few labels", fontsize=10)
    figure.text(0.015, 1 - 0.38 / height, track.describe(), fontsize=8, color=style.MUTED)
    return figure


def _looks(groups: Sequence[tuple[str, Sequence[str]]]) -> dict[str, dict[str, Any]]:
    looks: dict[str, dict[str, Any]] = {}
    for group, members in groups:
        plain = [m for m in members if m not in STRONG]
        for place, method in enumerate(plain):
            hue = HUES[group][place % len(HUES[group])]
            thin = {"color": hue, "linewidth": 1.6 if method == "byol" else 1.1, "zorder": 3, "markersize": 2.6}
            looks[method] = thin | {"linestyle": DASHES[group]}
        looks |= {method: dict(STRONG[method]) for method in members if method in STRONG}
    return looks


def _panel(axes: Axes, cells: Sequence[Cell], ordered: Sequence[str], looks: Mapping[str, Mapping[str, Any]]) -> None:
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
