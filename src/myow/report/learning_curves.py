"""Figure: how the terms of the loss went during training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import style
from .curves import MEASURES, check_metrics, line, series, step_axis

__all__ = ["draw", "loss_terms"]

# Everything else that a method reports is a term of its loss.
NOT_A_TERM = ("step", "seconds", "learning_rate", *MEASURES)


def loss_terms(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the terms that occur in any row, the total first, the others in order of appearance."""
    found = dict.fromkeys(
        k for row in rows for k, v in row.items() if k not in NOT_A_TERM and isinstance(v, int | float)
    )
    return sorted(found, key=lambda k: k != "loss")


@style.context()
def draw(rows: Sequence[Mapping[str, Any]], *, name: str = "") -> Figure:
    """Draw learning curves of any method.

    Parameters
    ----------
    rows : sequence of mapping
        Lines of metrics.jsonl: ``step`` and any of ``loss``, its terms, ``learning_rate``. A term may be missing from some
        rows, as a mined term is before mining begins. What measures the embedding is left to `report.geometry`.
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
            line(axes, x, y, color=colour, zorder=3 if term == "loss" else 2)
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
