"""Figure: how the terms of the loss, and the rank of the embedding, went during training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..errors import DataError
from . import style

__all__ = ["draw", "loss_terms"]

# Everything else that a method reports is a term of its loss.
NOT_A_TERM = ("step", "seconds", "learning_rate", "effective_rank")


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
        Lines of metrics.jsonl: ``step`` and any of ``loss``, its terms, ``learning_rate``, ``effective_rank``. A term may be
        missing from some rows, as a mined term is before mining begins.
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

    terms = loss_terms(rows)
    has_rank = any("effective_rank" in row for row in rows)
    has_rate = any("learning_rate" in row for row in rows)
    figure = style.new_figure(3.2, layout=None)
    span = (0.075, 0.36) if has_rank else (0.075, 0.78)
    upper = figure.add_axes((span[0], 0.36, span[1], 0.48) if has_rate else (span[0], 0.16, span[1], 0.68))
    lowest = upper
    if has_rate:
        lowest = figure.add_axes((span[0], 0.16, span[1], 0.11), sharex=upper)
        _rate(lowest, rows)
        upper.tick_params(labelbottom=False)
    _losses(upper, rows, terms)
    _steps(lowest, rows)
    if has_rank:
        axes = figure.add_axes((0.645, 0.16, 0.32, 0.68))
        _rank(axes, rows)
        _steps(axes, rows)
    figure.text(0.015, 0.935, style.shorten(name or "training", 70), fontsize=10)
    return figure


def _series(rows: Sequence[Mapping[str, Any]], key: str) -> tuple[list[float], list[float]]:
    pairs = [(float(r["step"]), float(r[key])) for r in rows if r.get(key) is not None]
    return [p[0] for p in pairs], [p[1] for p in pairs]


def _line(axes: Axes, x: list[float], y: list[float], **look: Any) -> None:
    axes.plot(x, y, marker="o" if len(x) == 1 else "", markersize=4, clip_on=False, **look)  # one record is a dot


def _losses(axes: Axes, rows: Sequence[Mapping[str, Any]], terms: list[str]) -> None:
    ends = {}
    others = [c for c in style.CLASSES if c != style.CLASSES[-1]]  # the palest is for areas, not for thin lines
    for i, term in enumerate(terms):
        colour = style.INK if term == "loss" else others[i % len(others)]
        x, y = _series(rows, term)
        if x:
            _line(axes, x, y, color=colour, zorder=3 if term == "loss" else 2)
            ends[term.replace("_", " ")] = (y[-1], colour)
    axes.margins(y=0.08)
    axes.set_title("loss and its terms" if len(terms) > 1 else "loss")
    if ends:
        style.end_labels(axes, ends)


def _rate(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    x, y = _series(rows, "learning_rate")
    axes.fill_between(x, y, color=style.FAINT, linewidth=0)
    axes.plot(x, y, color=style.MUTED, linewidth=0.8, marker="o" if len(x) == 1 else "", markersize=3)
    top = max(y) if max(y) > 0 else 1.0
    axes.set_ylim(0, top * 1.05)
    axes.set_yticks([0, top], ["0", f"{top:.1g}"])
    axes.annotate(
        "learning rate", (1, 0.5), xycoords="axes fraction", xytext=(5, 0), textcoords="offset points",
        va="center", color=style.MUTED, annotation_clip=False,
    )  # fmt: skip


def _rank(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    x, y = _series(rows, "effective_rank")
    _line(axes, x, y, color=style.ACCENT)
    axes.set_ylim(0, max(*y, 1.0, 2.0) * 1.12)
    axes.axhline(1, color=style.MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.annotate(
        "1: one dimension is left", (0.99, 1), xycoords=("axes fraction", "data"), xytext=(0, 2),
        textcoords="offset points", ha="right", va="bottom", fontsize=7.5, color=style.MUTED,
    )  # fmt: skip
    axes.set_title("effective rank (dimensions)")


def _steps(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    steps = [float(r["step"]) for r in rows]
    low, high = min(steps), max(steps)
    axes.set_xlim((low, high) if high > low else (low - 1, high + 1))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("training step")
