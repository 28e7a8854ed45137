"""Figures of training: losses and the geometry of the embedding."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ..errors import DataError
from . import style

__all__ = [
    "DASHES",
    "MEASURES",
    "NOTES",
    "check_metrics",
    "draw_geometry",
    "draw_learning_curves",
    "draw_line",
    "loss_terms",
    "panel_figure",
    "panel_title",
    "series",
    "share_panel",
    "show_zero",
    "step_axis",
]

Rows = Sequence[Mapping[str, Any]]

NOTES = {
    "alignment": "squared distance to the next bin",
    "uniformity": "lower: more even; 0: one point",
    "effective_rank": "dimensions in use",
    "hubness": "0: all are near equally often",
}
"""Meaning of each measure, in few words."""


@style.context()
def draw_geometry(
    rows: Rows,
    *,
    neighbours: Mapping[str, NDArray[Any]] | None = None,
    name: str = "",
    label_name: str = "label",
) -> Figure:
    """Draw alignment, uniformity, effective rank and hubness, and how often nearest neighbours share a label.

    Parameters
    ----------
    rows : sequence of mapping
        Lines of metrics.jsonl: ``step`` and any of `MEASURES`.
    neighbours : mapping of str to ndarray, optional
        Of `neighbour_statistics`; drawn if a label was compared.
    name : str, optional
        What was trained, for the title.
    label_name : str, optional
        What the label is.

    Returns
    -------
    Figure
        To be saved with `style.save`.

    Raises
    ------
    DataError
        If there is no row, a row has no step, a value is not finite, or nothing of the embedding was measured.
    """
    check_metrics(rows)
    panels: list[Callable[[Axes], None]] = [
        partial(_measure, rows=rows, key=key) for key in MEASURES if series(rows, key)[0]
    ]
    if neighbours is not None and "same_label" in neighbours:
        title = f"same {style.shorten(label_name, 20)}"
        panels.append(partial(share_panel, numbers=neighbours, key="same_label", title=title, of="share of neighbours"))
    if not panels:
        raise DataError(f"no row holds any of {', '.join(MEASURES)}; there is nothing of the embedding to draw")
    return panel_figure(
        panels,
        title=f"{style.shorten(name or 'embedding', 60)}: geometry during training",
        note="Of up to 512 training rows, not augmented. Nearest neighbours are of other segments or, in one segment, far in time.",
    )


def _measure(axes: Axes, *, rows: Rows, key: str) -> None:
    x, y = series(rows, key)
    draw_line(axes, x, y, color=style.ACCENT)
    # All of them have 0 at one end, which means something.
    show_zero(axes, min(0.0, *y), max(0.0, *y))
    step_axis(axes, x)
    panel_title(axes, key.replace("_", " "), NOTES[key])


def share_panel(
    axes: Axes, *, numbers: Mapping[str, NDArray[Any]], key: str, title: str, of: str = "share of views"
) -> None:
    """Draw a share of `mined_statistics` over training, beside chance where there is one."""
    step, chance = numbers["step"], numbers.get(f"{key}_chance")
    axes.set_ylim(0, 1)
    if chance is not None:
        axes.axhline(chance.mean(), color=style.MUTED, linewidth=1, linestyle=DASHES, clip_on=False)
    draw_line(axes, step, numbers[key], color=style.ACCENT)
    step_axis(axes, step)
    axes.set_ylabel(of)
    panel_title(axes, title, "" if chance is None else f"dashed: chance {chance.mean():.2f}")


def show_zero(axes: Axes, low: float, high: float) -> None:
    """Set limits for values from low to high, 0 between them, with a line at 0 if it is inside."""
    room = 0.08 * (high - low) or 1.0
    axes.set_ylim(low - (room if low < 0 else 0), high + (room if high > 0 else 0))
    if low < 0 < high:
        axes.axhline(0, color=style.MUTED, linewidth=0.8, linestyle=DASHES)


MEASURES = ("alignment", "uniformity", "effective_rank", "hubness")
"""Metrics that say what shape the embedding has; see `myow.training.measure.Measure`."""

DASHES = (0, (4, 3))

Numbers = Sequence[float] | NDArray[Any]


def check_metrics(rows: Sequence[Mapping[str, Any]]) -> None:
    """Refuse lines of metrics that cannot be drawn.

    Raises
    ------
    DataError
        If there is no row, a row has no step, or a value is not finite.
    """
    if not rows:
        raise DataError("there are no metrics to draw; train for at least one step")
    for row in rows:
        if "step" not in row:
            raise DataError(
                f"a row of metrics has no 'step' (it has {sorted(row)}); each row must say where it belongs"
            )
        for key, value in row.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise DataError(f"{key} is {value} at step {row['step']}; only finite numbers can be drawn")


def series(rows: Sequence[Mapping[str, Any]], key: str) -> tuple[list[float], list[float]]:
    """Steps at which a metric was recorded, and its values."""
    pairs = [(float(r["step"]), float(r[key])) for r in rows if r.get(key) is not None]
    return [p[0] for p in pairs], [p[1] for p in pairs]


def draw_line(axes: Axes, x: Numbers, y: Numbers, **look: Any) -> None:
    """Draw a line, or a dot where there is one record."""
    axes.plot(x, y, marker="o" if len(x) == 1 else "", markersize=4, clip_on=False, **look)


def step_axis(axes: Axes, steps: Numbers, *, ticks: int = 4) -> None:
    """Let the axis below run from the first record to the last."""
    low, high = float(min(steps)), float(max(steps))
    axes.set_xlim((low, high) if high > low else (low - 1, high + 1))
    axes.xaxis.set_major_locator(MaxNLocator(ticks, integer=True))
    axes.set_xlabel("training step")


def panel_figure(panels: Sequence[Callable[[Axes], None]], *, title: str, note: str = "") -> Figure:
    """Draw small panels side by side, at most three in a line, with a title above all and a note below."""
    columns = min(len(panels), 3) if len(panels) != 4 else 2
    lines = -(-len(panels) // columns)
    figure = style.new_figure(0.75 + 2.5 * lines)
    figure.suptitle(title, x=0.012, ha="left", fontsize=10)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel, ax in zip(panels, axes, strict=False):
        panel(ax)
    for spare in axes[len(panels) :]:
        spare.set_axis_off()
    if note:
        figure.supxlabel(note, x=0.012, ha="left", fontsize=8, color=style.MUTED)
    return figure


def panel_title(axes: Axes, text: str, note: str = "") -> None:
    """Write a panel's title, and a note beneath it: there no curve can run through the words."""
    axes.set_title(text, pad=18)
    if note:
        axes.annotate(
            note, (0, 1), xycoords="axes fraction", xytext=(0, 6), textcoords="offset points",
            fontsize=8, color=style.MUTED,
        )  # fmt: skip


# Everything else that a method reports is a term of its loss.
NOT_A_TERM = ("step", "seconds", "learning_rate", *MEASURES)


def loss_terms(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the terms that occur in any row, the total first, the others in order of appearance."""
    found = dict.fromkeys(
        k for row in rows for k, v in row.items() if k not in NOT_A_TERM and isinstance(v, int | float)
    )
    return sorted(found, key=lambda k: k != "loss")


@style.context()
def draw_learning_curves(rows: Sequence[Mapping[str, Any]], *, name: str = "") -> Figure:
    """Draw learning curves of any method.

    Parameters
    ----------
    rows : sequence of mapping
        Lines of metrics.jsonl: ``step`` and any of ``loss``, its terms, ``learning_rate``. A term may be missing from some
        rows, as a mined term is before mining begins. What measures the embedding is left to `draw_geometry`.
    name : str, optional
        What was trained, for the title.

    Returns
    -------
    Figure
        To be saved with `style.save`.

    Raises
    ------
    DataError
        If there is no row, a row has no step, or a value is not finite.
    """
    check_metrics(rows)
    terms = loss_terms(rows)
    has_rate = any("learning_rate" in row for row in rows)
    figure = style.new_figure(3.2, layout=None)
    upper = figure.add_axes((0.075, 0.36, 0.78, 0.48) if has_rate else (0.075, 0.16, 0.78, 0.68))
    lowest = upper
    if has_rate:
        lowest = figure.add_axes((0.075, 0.16, 0.78, 0.11), sharex=upper)
        _rate(lowest, rows)
        upper.tick_params(labelbottom=False)
    _losses(upper, rows, terms)
    step_axis(lowest, [float(row["step"]) for row in rows], ticks=5)
    figure.text(0.015, 0.935, style.shorten(name or "training", 70), fontsize=10)
    return figure


def _losses(axes: Axes, rows: Sequence[Mapping[str, Any]], terms: list[str]) -> None:
    ends = {}
    others = [c for c in style.CLASSES if c != style.CLASSES[-1]]  # the palest is for areas, not for thin lines
    for i, term in enumerate(terms):
        colour = style.INK if term == "loss" else others[i % len(others)]
        x, y = series(rows, term)
        if x:
            draw_line(axes, x, y, color=colour, zorder=3 if term == "loss" else 2)
            ends[term.replace("_", " ")] = (y[-1], colour)
    axes.margins(y=0.08)
    axes.set_title("loss and its terms" if len(terms) > 1 else "loss")
    if ends:
        style.end_labels(axes, ends)


def _rate(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    x, y = series(rows, "learning_rate")
    axes.fill_between(x, y, color=style.FAINT, linewidth=0)
    axes.plot(x, y, color=style.MUTED, linewidth=0.8, marker="o" if len(x) == 1 else "", markersize=3)
    top = max(y) if max(y) > 0 else 1.0
    axes.set_ylim(0, top * 1.05)
    axes.set_yticks([0, top], ["0", f"{top:.1g}"])
    axes.annotate(
        "learning rate", (1, 0.5), xycoords="axes fraction", xytext=(5, 0), textcoords="offset points",
        va="center", color=style.MUTED, annotation_clip=False,
    )  # fmt: skip
