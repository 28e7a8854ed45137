"""Figure: how the shape of the embedding changes during training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..errors import DataError
from . import style
from .curves import DASHES, MEASURES, check_metrics, line, panel_figure, panel_title, series, step_axis

__all__ = ["NOTES", "draw"]

Rows = Sequence[Mapping[str, Any]]

NOTES = {
    "alignment": "squared distance to the next bin",
    "uniformity": "lower: more even; 0: one point",
    "effective_rank": "dimensions in use",
    "hubness": "0: all are near equally often",
}
"""What each measure says, in few words."""


@style.context()
def draw(
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
        Lines of metrics.jsonl: ``step`` and any of `curves.MEASURES`.
    neighbours : mapping of str to ndarray, optional
        Of `mined_statistics.neighbour_statistics`; drawn if a label was compared.
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
        panels.append(partial(_same_label, numbers=neighbours, label_name=label_name))
    if not panels:
        raise DataError(f"no row holds any of {', '.join(MEASURES)}; there is nothing of the embedding to draw")
    return panel_figure(
        panels,
        title=f"{style.shorten(name or 'embedding', 60)}: geometry during training",
        note="Of up to 512 training rows, not augmented. Nearest neighbours are of other segments or, in one segment, far in time.",
    )


def _measure(axes: Axes, *, rows: Rows, key: str) -> None:
    x, y = series(rows, key)
    line(axes, x, y, color=style.ACCENT)
    # All of them have 0 at one end, which means something.
    low, high = min(0.0, *y), max(0.0, *y)
    room = 0.08 * (high - low) or 1.0
    axes.set_ylim(low - (room if low < 0 else 0), high + (room if high > 0 else 0))
    if low < 0 < high:
        axes.axhline(0, color=style.MUTED, linewidth=0.8, linestyle=DASHES)
    step_axis(axes, x)
    panel_title(axes, key.replace("_", " "), NOTES[key])


def _same_label(axes: Axes, *, numbers: Mapping[str, NDArray[Any]], label_name: str) -> None:
    step, chance = numbers["step"], numbers.get("same_label_chance")
    axes.set_ylim(0, 1)
    if chance is not None:
        axes.axhline(chance.mean(), color=style.MUTED, linewidth=1, linestyle=DASHES)
    line(axes, step, numbers["same_label"], color=style.ACCENT)
    step_axis(axes, step)
    axes.set_ylabel("share of neighbours")
    note = "" if chance is None else f"dashed: chance {chance.mean():.2f}"
    panel_title(axes, f"same {style.shorten(label_name, 20)}", note)
