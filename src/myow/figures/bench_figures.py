"""Figures of the bench."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ..errors import DataError, FileError
from ..evaluation.bench_summary import Cell, Track
from ..evaluation.published import GROUPS, PUBLISHED, grouped_methods, method_name, published_beside
from . import bench_sections, decoding, embedding, style
from .style import capital, file_word, readout_title, save_numbered

__all__ = ["draw_bench", "draw_dots", "draw_unlabelled", "figures_of"]

ACROSS = {1: 1, 2: 2, 4: 2}  # panels side by side, three where not said
ROW = 0.185  # inches of one method
TOP, HEAD, BELOW = 0.42, 0.36, 0.78  # inches: title of the figure, of a panel, and axis with key
LOOKS = dict(zip(GROUPS, ((style.ACCENT, "o"), (style.CLASSES[1], "D"), (style.INK, "s")), strict=True))
DASHED = (0, (4, 3))


@style.context()
def draw_dots(cells: Sequence[Cell], track: Track, readout: str, labels: str, *, metric: str | None = None) -> Figure:
    """Draw the means of all methods with their intervals.

    Parameters
    ----------
    cells : sequence of Cell
        From `summarise`; those of other tracks, readouts and controls are passed over.
    track : Track
        Which track; tracks are never mixed in one figure.
    readout : str
        "angle", "class", "continuous" or "knn".
    labels : str
        "all", or how many labelled segments per class.
    metric : str, optional
        Default: "r2" for continuous readouts, else "accuracy".

    Returns
    -------
    Figure
        To be saved with `style.save`. Rows are methods; raw counts' mean is a thin line through the panel, the majority
        rate a dashed one, the poster's figure a hollow ring.

    Raises
    ------
    DataError
        If no cell is of this track, readout, number of labels and metric.
    """
    metric = metric or ("r2" if readout == "continuous" else "accuracy")
    wanted = (track, readout, labels, metric, None)
    chosen = [c for c in cells if (c.track, c.readout, c.labels, c.metric, c.control) == wanted]
    if not chosen:
        raise DataError(f"no {metric} of a {readout} readout with labels {labels} in {track}; draw one that was run")
    known = {name: place for place, name in enumerate(PUBLISHED)}
    datasets = sorted({c.dataset for c in chosen}, key=lambda d: (known.get(d, len(known)), d))
    groups = grouped_methods((c.method, c.uses_labels) for c in chosen)
    places = _places(groups)
    poster = {
        (c.dataset, c.method): found
        for c in chosen
        if (found := published_beside(c.dataset, c.method, readout=readout, labels=labels, metric=metric)) is not None
    }

    across = ACROSS.get(len(datasets), 3)
    down = math.ceil(len(datasets) / across)
    lowest_place = max(places.values())
    tall = ROW * (lowest_place + 1.4)
    figure = style.new_figure(TOP + down * (tall + HEAD) + BELOW, layout=None)
    height = figure.get_figheight()
    left, right, gap = 0.195, 0.98, 0.03
    wide = (right - left - gap * (across - 1)) / across
    limits = _limits(chosen, list(poster.values()))
    for i, dataset in enumerate(datasets):
        column, row = i % across, i // across
        bottom = 1 - (TOP + (row + 1) * (tall + HEAD)) / height
        axes = figure.add_axes((left + column * (wide + gap), bottom, wide, tall / height))
        here = [c for c in chosen if c.dataset == dataset]
        _panel(axes, here, groups, places, {m: v for (d, m), v in poster.items() if d == dataset})
        axes.set_title(style.shorten(dataset, 26), pad=4)
        axes.set_xlim(limits)
        axes.set_xticks(_ticks(*limits))
        axes.set_ylim(lowest_place + 0.7, -0.7)
        _names(axes, places, shown=column == 0)
        axes.tick_params(axis="x", labelbottom=i + across >= len(datasets), length=2)
    _key(figure, groups, chosen, bool(poster))
    measure = metric.replace("_", " ") if metric != "r2" else "R²"
    fitted = "all training labels" if labels == "all" else f"{labels} labelled {_unit(chosen, labels)} per class"
    figure.text(0.015, 1 - 0.2 / height, f"{capital(measure)}: {readout_title(readout)}, {fitted}", fontsize=10)
    figure.text(0.015, 1 - 0.38 / height, track.describe(), fontsize=8, color=style.MUTED)
    return figure


WITH: Any = "-"
WITHOUT: Any = (0, (1.2, 1.4))
YARDSTICKS = {"myow": style.ACCENT, "raw": style.INK, "pca": style.CLASSES[1]}


def _plain(readout: str) -> str:
    """Name the readout that learns from labelled rows alone, where this one does not; else ""."""
    name, options = readout.partition("-")[0], readout.split("-")[1:]
    return "-".join([name, *(o for o in options if o != "semi")]) if "semi" in options else ""


@style.context()
def draw_unlabelled(cells: Sequence[Cell], track: Track, readout: str) -> Figure:
    """Draw accuracy against labelled segments, with unlabelled training segments and without, beside raw counts and components.

    Parameters
    ----------
    cells : sequence of Cell
        From `summarise`; those of other tracks, readouts, methods and controls are passed over.
    track : Track
        Which track; tracks are never mixed in one figure.
    readout : str
        One that learns from unlabelled segments too, such as "class-semi"; the one without is drawn dotted.

    Returns
    -------
    Figure
        To be saved with `style.save`. With all labels nothing is unlabelled, and both lines end in one point. Bands are the 95 %
        intervals of the solid lines.

    Raises
    ------
    DataError
        If the readout is none of these, or no cell is of this track and readout.
    """
    plain = _plain(readout)
    wanted = (track, "accuracy", None)
    chosen = [c for c in cells if (c.track, c.metric, c.control) == wanted and c.method in YARDSTICKS]
    solid, dotted = ([c for c in chosen if c.readout == name] for name in (readout, plain))
    if not plain or not solid:
        raise DataError(
            f"no accuracy of readout '{readout}' with unlabelled segments in {track}; run a bench with --semi-supervised"
        )
    ends = [c for c in dotted if c.labels == "all"]
    known = {name: place for place, name in enumerate(PUBLISHED)}
    datasets = sorted({c.dataset for c in solid}, key=lambda d: (known.get(d, len(known)), d))
    across = ACROSS.get(len(datasets), 3)
    down = math.ceil(len(datasets) / across)
    figure = style.new_figure(0.75 + 2.75 * down)
    panels = figure.subplots(down, across, sharey=True, squeeze=False)
    for axes, dataset in zip(panels.flat, datasets, strict=False):
        lines = [
            ([c for c in [*group, *(ends if style_ is WITH else ())] if c.dataset == dataset], style_)
            for group, style_ in ((solid, WITH), (dotted, WITHOUT))
        ]
        ordered = sorted({c.labels for line, _ in lines for c in line}, key=bench_sections.label_order)
        for method, colour in YARDSTICKS.items():
            for line, dash in lines:
                own = sorted((c for c in line if c.method == method), key=lambda c: ordered.index(c.labels))
                x = [ordered.index(c.labels) for c in own]
                axes.plot(x, [c.mean for c in own], marker="o", markersize=3.5, color=colour, linestyle=dash)
                banded = [(at, c.low, c.high) for at, c in zip(x, own, strict=True) if None not in (c.low, c.high)]
                if dash is WITH and banded:
                    at, low, high = (np.array(values, dtype=np.float64) for values in zip(*banded, strict=True))
                    axes.fill_between(at, low, high, color=colour, alpha=0.12, linewidth=0)
        axes.set_xticks(range(len(ordered)), ordered)
        axes.set_title(style.shorten(dataset, 26), pad=4)
        axes.grid(axis="y", color=style.FAINT, linewidth=0.6)
        axes.set_axisbelow(True)
    for axes in panels[-1]:
        axes.set_xlabel("labelled segments per class", fontsize=8.5)
    for axes in panels[:, 0]:
        axes.set_ylabel("accuracy")
    for axes in list(panels.flat)[len(datasets) :]:
        axes.set_axis_off()
    handles = [
        Line2D([], [], color=colour, marker="o", markersize=3.5, label=method_name(method))
        for method, colour in YARDSTICKS.items()
        if any(c.method == method for c in solid)
    ]
    handles += [
        Line2D([], [], color=style.MUTED, linestyle=dash, label=f"{word} unlabelled segments")
        for dash, word in ((WITH, "with"), (WITHOUT, "without"))
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=5, columnspacing=1.6, handlelength=2.2)
    said = f"What unlabelled segments are worth: {readout_title(plain)}"
    figure.suptitle(f"{said}\n{track.describe()}", x=0.015, ha="left", fontsize=9.5)
    return figure


def _places(groups: Sequence[tuple[str, Sequence[str]]]) -> dict[str, float]:
    """Height of each method's row, with some air between groups."""
    places: dict[str, float] = {}
    at = 0.0
    for _, members in groups:
        for method in members:
            places[method] = at
            at += 1
        at += 0.5
    return places


def _limits(cells: Sequence[Cell], poster: Sequence[float]) -> tuple[float, float]:
    """Range of the shared axis: all that is drawn, with a margin, and inside 0 to 1 where it is a share."""
    values = [v for c in cells for v in (c.mean, c.low, c.high, c.majority if c.metric == "accuracy" else None)]
    numbers = [v for v in [*values, *poster] if v is not None and math.isfinite(v)]
    low, high = min(numbers, default=0.0), max(numbers, default=1.0)
    margin = max(0.04 * (high - low), 0.01)
    low, high = low - margin, high + margin
    return (low, high) if cells[0].metric == "r2" else (max(low, 0.0), min(high, 1.0 + margin))


def _ticks(low: float, high: float) -> list[float]:
    """Ticks that keep away from the ends, where their labels would meet those of the next panel."""
    air = 0.02 * (high - low)
    return [
        float(t) for t in MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high) if low + air <= t <= high - air
    ]


def _panel(
    axes: Axes,
    cells: Sequence[Cell],
    groups: Sequence[tuple[str, Sequence[str]]],
    places: dict[str, float],
    poster: dict[str, float],
) -> None:
    look = {method: LOOKS[group] for group, members in groups for method in members}
    majority = next((c.majority for c in cells if c.metric == "accuracy" and c.majority is not None), None)
    if majority is not None:
        axes.axvline(majority, color=style.MUTED, linewidth=0.9, linestyle=DASHED, zorder=1)
    for cell in cells:
        colour, marker = look[cell.method]
        at = places[cell.method]
        if cell.method == "raw":
            axes.axvline(cell.mean, color=style.INK, linewidth=0.7, zorder=1)
        if cell.low is not None and cell.high is not None:
            axes.plot([cell.low, cell.high], [at, at], color=colour, linewidth=1.5, zorder=2)
        axes.plot([cell.mean], [at], marker, color=colour, markersize=5 if marker == "o" else 4.2, zorder=3)
        if cell.method in poster:
            axes.plot(
                [poster[cell.method]], [at], "o", markersize=6.5, markerfacecolor="none", markeredgecolor=style.MUTED,
                markeredgewidth=0.9, zorder=4, clip_on=False,
            )  # fmt: skip
    axes.grid(axis="x", color=style.FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)


def _names(axes: Axes, places: dict[str, float], *, shown: bool) -> None:
    axes.set_yticks(list(places.values()), [style.shorten(method_name(m), 20) for m in places])
    axes.tick_params(axis="y", length=0, labelleft=shown, labelsize=8.5)
    if shown and "myow" in places:
        axes.get_yticklabels()[list(places).index("myow")].set_fontweight("bold")


def _key(figure: Figure, groups: Sequence[tuple[str, Sequence[str]]], cells: Sequence[Cell], poster: bool) -> None:
    handles = [
        Line2D([], [], color=LOOKS[g][0], marker=LOOKS[g][1], markersize=5, linewidth=1.5, label=g) for g, _ in groups
    ]
    if any(c.method == "raw" for c in cells):
        handles.append(Line2D([], [], color=style.INK, linewidth=0.7, label="raw counts' mean"))
    if any(c.majority is not None and c.metric == "accuracy" for c in cells):
        handles.append(Line2D([], [], color=style.MUTED, linewidth=0.9, linestyle=DASHED, label="majority class"))
    if poster:
        ring = Line2D(
            [], [], linestyle="", marker="o", markersize=6.5, markerfacecolor="none", label="poster, another split"
        )
        ring.set_markeredgecolor(style.MUTED)
        handles.append(ring)
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.19, 0.08 / figure.get_figheight()), ncols=3,
        borderaxespad=0, columnspacing=2.0, handlelength=1.8,
    )  # fmt: skip


def _unit(cells: Sequence[Cell], labels: str) -> str:
    units = sorted({c.label_unit or "segment" for c in cells}, reverse=True)
    return " or ".join(f"{unit}{'' if labels == '1' else 's'}" for unit in units)


_EMBEDDING = re.compile(
    r"(?P<dataset>.+)__(?P<method>(?:(?!__).)+)__(?P<before>\d+)-(?P<after>\d+)__(?P<rows>(?:(?!__).)+)"
)

Matrix = tuple[list[Any], NDArray[np.float64]]
Plane = tuple[NDArray[np.float64], NDArray[Any]]


def draw_bench(folder: Path, rows: Sequence[Mapping[str, Any]], cells: Sequence[Cell]) -> list[Path]:
    """Draw dots, curves over labels, confusion matrices and embeddings into the subfolder ``figures``.

    Parameters
    ----------
    folder : Path
        Of a bench. Embeddings are read from ``embeddings/{dataset}__{method}__{before}-{after}__{rows}.npz``, which hold
        ``z`` (P, 2), ``label`` (P,) and ``period``, NaN for none.
    rows : sequence of mapping
        Lines of rows.jsonl; of several with one key the last counts.
    cells : sequence of Cell
        From `summarise`.

    Returns
    -------
    list of Path
        ``dots_{context}_{rows}_{readout}_{labels}.png``, ``labels_{context}_{rows}_{readout}.png``, ``unlabelled_{context}_{rows}_{readout}.png``,
        ``confusion_{dataset}_{context}_{rows}.png`` and ``embeddings_{dataset}_{context}_{rows}.png``. The protocol stands
        behind the first word where there are several.

    Raises
    ------
    FileError
        If a file of embeddings is damaged, or a figure cannot be written.
    """
    named = (("_".join(map(file_word, words)), figure) for words, figure in figures_of(folder, rows, cells))
    return save_numbered(folder, named)


def figures_of(
    folder: Path, rows: Sequence[Mapping[str, Any]], cells: Sequence[Cell]
) -> Iterator[tuple[Sequence[str], Figure]]:
    """Yield the figures of `draw_bench`, each with the words of its name; the first says what it is."""
    real = [c for c in cells if c.control is None]
    kept = [row for row in {row["key"]: row for row in rows}.values() if not row.get("error")]
    several = len({c.track.protocol for c in real} | {str(row["protocol"]) for row in kept}) > 1
    runs = sorted({(c.track, c.readout) for c in real})
    for track, readout in runs:
        here = [c for c in real if (c.track, c.readout) == (track, readout)]
        headline = {c.labels for c in here if c.metric == ("r2" if readout == "continuous" else "accuracy")}
        for labels in sorted(headline):
            words = _words("dots", track, several)
            yield [*words, readout, labels], draw_dots(cells, track, readout, labels)
        if len(headline) > 1:
            yield [*_words("labels", track, several), readout], decoding.draw_label_curves(cells, track, readout)
        if _plain(readout) and any(c.method in YARDSTICKS for c in here):
            yield [*_words("unlabelled", track, several), readout], draw_unlabelled(cells, track, readout)
    for (track, dataset), (target, matrices) in _summed_confusions(kept).items():
        first, *others = _words("confusion", track, several)
        said = f"class readout, all training labels; {track.describe()}"
        yield [first, dataset, *others], decoding.draw_confusions(matrices, dataset, target=target, circumstances=said)
    targets = {Path(str(row["dataset"])).name: str(row.get("target") or "label") for row in kept}
    for (dataset, context, trained_on), (period, points) in _embeddings(folder / "embeddings").items():
        before, after = context
        bins = "single bins" if context == (0, 0) else f"windows of {before} bins before and {after} after"
        figure = embedding.draw_side_by_side(
            points,
            period=period,
            dataset=dataset,
            label_name=targets.get(dataset, "label"),
            circumstances=f"{bins}, encoder trained on {'all' if trained_on == 'all' else 'training'} rows",
        )
        yield ["embeddings", dataset, f"{before}-{after}", trained_on], figure


def _words(kind: str, track: Track, several: bool) -> list[str]:
    before, after = track.context
    return [kind, *([track.protocol] if several else []), f"{before}-{after}", track.rows]


def _summed_confusions(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[Track, str], tuple[str, dict[str, Matrix]]]:
    """Counts of the class readout with all labels, by track and dataset, summed over fits."""
    found: dict[tuple[Track, str], tuple[str, dict[str, Matrix]]] = {}
    for row in rows:
        before, after = row["context"]
        track = Track(str(row["protocol"]), (int(before), int(after)), str(row["rows"]))
        for score in row["scores"]:
            if score["readout"] != "class" or score["labels"] != "all" or score.get("control") is not None:
                continue
            if score.get("confusion") is None:
                continue
            _, matrices = found.setdefault((track, str(row["dataset"])), (str(row.get("target") or ""), {}))
            new = (list(score["confusion"]["classes"]), np.asarray(score["confusion"]["counts"], dtype=np.float64))
            method = str(row["method"])
            matrices[method] = _add(matrices[method], new) if method in matrices else new
    return dict(sorted(found.items(), key=lambda item: item[0]))


def _add(one: Matrix, other: Matrix) -> Matrix:
    """Add counts by the names of the classes: a fold may lack one."""
    if one[0] == other[0]:
        return one[0], one[1] + other[1]
    union = [*one[0], *(c for c in other[0] if c not in one[0])]
    classes = sorted(union, key=lambda c: (isinstance(c, str), c))
    total = np.zeros((len(classes), len(classes)))
    for names, counts in (one, other):
        at = [classes.index(c) for c in names]
        total[np.ix_(at, at)] += counts
    return classes, total


def _embeddings(folder: Path) -> dict[tuple[str, tuple[int, int], str], tuple[float | None, dict[str, Plane]]]:
    """Points by dataset, context and rows; each with the label's period and the methods' planes."""
    found: dict[tuple[str, tuple[int, int], str], tuple[float | None, dict[str, Plane]]] = {}
    # What begins with a dot is what an interrupted write left.
    for path in sorted(p for p in folder.glob("*.npz") if not p.name.startswith(".")):
        name = _EMBEDDING.fullmatch(path.stem)
        if name is None:
            raise FileError(
                f"{path.name} is no name of an embedding; expected dataset__method__before-after__rows.npz; rename or remove it"
            )
        key = (name["dataset"], (int(name["before"]), int(name["after"])), name["rows"])
        try:
            with np.load(path, allow_pickle=False) as file:
                z, label, period = np.asarray(file["z"], dtype=np.float64), file["label"], float(file["period"])
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise FileError(
                f"cannot read {path}: {error}; it must hold z, label and period; remove it and run again"
            ) from error
        _, points = found.setdefault(key, (None if math.isnan(period) else period, {}))
        points[name["method"]] = (z, label)
    return found
