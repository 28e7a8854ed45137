"""Figure: what the embedding is worth beside raw counts, principal components and an untrained encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import DataError
from . import BASELINES, style

__all__ = ["draw"]

MEANING = {"angle": "accuracy (within 22.5°)", "continuous": "R²"}


@style.context()
def draw(result: Mapping[str, Any]) -> Figure:
    """Draw one evaluation as dots with their 95 % intervals.

    Parameters
    ----------
    result : mapping
        As `myow.evaluate` returns it: the figures of the embedding, and under ``raw``, ``pca`` and ``untrained`` mappings with
        the same keys; a baseline may be missing. Continuous readouts are shown by R², all others by accuracy.

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
    lowest = min(_row(axes, i, title, scores, key) for i, (title, scores) in enumerate(rows))
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


def _row(axes: Axes, place: int, title: str, scores: Mapping[str, Any], key: str) -> float:
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
    target, readout = result.get("target", ""), result.get("readout", "")
    return f"{style.shorten(result.get('dataset') or 'recording', 40)}: {style.shorten(target)}, {readout} readout"


def _circumstances(result: Mapping[str, Any]) -> str:
    said = []
    if result.get("rows"):
        said.append(f"encoder trained without labels on {'all' if result['rows'] == 'all' else 'training'} rows")
    if result.get("labels"):
        said.append(f"{result['labels']} labelled per class")
    if result.get("n_train"):
        said.append(f"readout fitted on {result['n_train']} bins")
    if result.get("n_test"):
        said.append(f"tested on {result['n_test']} bins")
    return ", ".join(said)
