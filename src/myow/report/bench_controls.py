"""Controls of a bench, held against chance: labels that were permuted or shifted must not be found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..bench.published import grouped_methods
from ..bench.summary import Cell
from .bench_sections import Column, Section, label_order, readout_order

__all__ = ["ABOUT_CONTROLS", "Control", "ControlTable", "control_tables", "controls"]

ABOUT_CONTROLS = (
    "Labels that were permuted, or shifted in time. A readout that finds them none the less has seen what it should not. "
    "Intervals are not adjusted: about one control in forty lies above chance by luck."
)


@dataclass(frozen=True)
class Control:
    """One control of one method, by the figure that it is judged by."""

    cell: Cell
    chance: float
    """What a readout that knows nothing reaches."""

    @property
    def verdict(self) -> str:
        """Whether the whole interval lies above chance, in words."""
        if self.cell.low is None:
            return "no interval to judge by"
        return "ABOVE CHANCE: look for a leak" if self.is_above else "at chance"

    @property
    def is_above(self) -> bool:
        """Whether the whole interval lies above chance."""
        return self.cell.low is not None and self.cell.low > self.chance


@dataclass(frozen=True)
class ControlTable:
    """Controls of one kind that are judged by one metric, as a table with a column a recording."""

    kind: str
    """What was destroyed."""
    metric: str
    section: Section
    controls: Mapping[tuple[str, str], Control]
    """By method and recording."""

    def chances(self) -> list[float]:
        """Return what a readout that knows nothing reaches, a value a column: the mean over methods."""
        values = [[c.chance for (_, d), c in self.controls.items() if d == k.dataset] for k in self.section.columns]
        return [sum(v) / len(v) for v in values]


def controls(cells: Sequence[Cell]) -> list[Control]:
    """Choose each control's figure: balanced accuracy where there is one, else accuracy or R².

    Parameters
    ----------
    cells : sequence of Cell
        From `bench.summary.summarise`; those that are no control are left out.

    Returns
    -------
    list of Control
        By track, dataset, readout, number of labels and kind, then by method.
    """
    best: dict[tuple[Any, ...], Control] = {}
    for cell in cells:
        chance = _chance(cell)
        if cell.control is None or chance is None:
            continue
        key = (
            cell.track,
            cell.dataset,
            readout_order(cell.readout),
            label_order(cell.labels),
            cell.control,
            cell.method,
        )
        if key not in best or cell.metric == "balanced_accuracy":
            best[key] = Control(cell, chance)
    rank = {m: i for i, m in enumerate(m for _, ms in grouped_methods((k[-1], False) for k in best) for m in ms)}
    return [best[key] for key in sorted(best, key=lambda k: (*k[:-1], rank[k[-1]]))]


def control_tables(cells: Sequence[Cell], order: Sequence[str]) -> list[ControlTable]:
    """Sort controls into tables.

    Parameters
    ----------
    cells : sequence of Cell
        As for `controls`.
    order : sequence of str
        Recordings in the order of the columns; those without a control have none.

    Returns
    -------
    list of ControlTable
        By track, readout, number of labels, kind and metric.
    """
    together: dict[tuple[Any, ...], list[Control]] = {}
    for found in controls(cells):
        c = found.cell
        key = (c.track, readout_order(c.readout), label_order(c.labels), str(c.control), c.metric)
        together.setdefault(key, []).append(found)
    tables = []
    for key in sorted(together):
        members = {(c.cell.method, c.cell.dataset): c for c in together[key]}
        first = together[key][0].cell
        columns = [Column(d, first.metric, d) for d in order if any(d == of for _, of in members)]
        placed = {(c.method, c.dataset, c.metric): c for c in (m.cell for m in members.values())}
        section = Section(first.track, first.readout, first.labels, columns, placed)
        tables.append(ControlTable(str(first.control), first.metric, section, members))
    return tables


def _chance(cell: Cell) -> float | None:
    """None for figures that controls are not judged by."""
    if cell.metric == "balanced_accuracy":
        return None if not cell.n_classes else 1 / cell.n_classes
    if cell.metric == "r2":
        return 0.0
    return cell.majority if cell.metric == "accuracy" else None
