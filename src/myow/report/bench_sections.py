"""What the tables of a bench hold: a table a track, readout and number of labels, with methods as rows, recordings as columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..bench.published import DAGGER, PUBLISHED_READOUT, grouped_methods, method_name, published_beside
from ..bench.summary import Cell, Track

__all__ = ["Column", "Section", "in_order", "label_order", "readout_order", "sections"]

READOUTS = ("angle", "class", "continuous", "knn")


@dataclass(frozen=True)
class Column:
    """One metric of one recording."""

    dataset: str
    metric: str
    title: str
    missing: bool = False
    """Whether the recording is not at hand."""


@dataclass(frozen=True)
class Section:
    """One table: cells of one track, readout and number of labels, by method, recording and metric."""

    track: Track
    readout: str
    labels: str
    columns: Sequence[Column]
    cells: Mapping[tuple[str, str, str], Cell]

    def groups(self) -> list[tuple[str, list[str]]]:
        """Return the methods, by group."""
        return grouped_methods((c.method, c.uses_labels) for c in self.cells.values())

    def at(self, method: str, column: Column) -> Cell | None:
        """Return what stands in a place, None if nothing was run."""
        return self.cells.get((method, column.dataset, column.metric))

    def poster(self, method: str, column: Column) -> float | None:
        """Return the published figure that measures the same."""
        return published_beside(
            column.dataset, method, readout=self.readout, labels=self.labels, metric=column.metric
        )  # fmt: skip

    def most_fits(self, column: Column) -> int:
        """Return the number of fits of the method that has most."""
        return max((c.n for (_, d, m), c in self.cells.items() if (d, m) == (column.dataset, column.metric)), default=0)

    def name(self, method: str) -> str:
        """Return a method's name, with a dagger if it learns from labels."""
        uses = any(c.uses_labels for (m, _, _), c in self.cells.items() if m == method)
        return f"{method_name(method)} {DAGGER}" if uses else method_name(method)

    def majorities(self) -> list[float | None]:
        """Return the accuracy of always saying the commonest class, a value a column; None beside other metrics."""
        said: list[float | None] = []
        for column in self.columns:
            rates = [
                c.majority for (_, d, m), c in self.cells.items()
                if d == column.dataset and m == column.metric == "accuracy" and c.majority is not None
            ]  # fmt: skip
            said.append(sum(rates) / len(rates) if rates else None)
        return said

    def title(self) -> str:
        """Say which readout and how many labels; units of labels with their recordings where they differ."""
        units: dict[str, list[str]] = {}
        for cell in self.cells.values():
            datasets = units.setdefault(cell.label_unit or "segment", [])
            if cell.dataset not in datasets:
                datasets.append(cell.dataset)
        if self.labels == "all":
            return f"{self.readout} readout, all training labels"
        plural = "" if self.labels == "1" else "s"
        words = [f"{unit}{plural}" + (f" ({', '.join(d)})" if len(units) > 1 else "") for unit, d in units.items()]
        return f"{self.readout} readout, {self.labels} labelled {' or '.join(words)} per class"


def label_order(labels: str) -> tuple[float, str]:
    """Key that sorts numbers of labels: "1", "2", "10", then "all"."""
    return (float(labels) if labels.isdecimal() else math.inf, labels)


def readout_order(readout: str) -> tuple[int, str]:
    """Key that sorts readouts: those we know in their order, then others by name."""
    return (READOUTS.index(readout) if readout in READOUTS else len(READOUTS), readout)


def in_order(cells: Sequence[Cell], datasets: Sequence[str], missing: Mapping[str, str]) -> list[str]:
    """Return the requested recordings, then those without data, then others in the cells by name, each once."""
    return list(dict.fromkeys([*datasets, *missing, *sorted({c.dataset for c in cells})]))


def sections(
    cells: Sequence[Cell],
    datasets: Sequence[str] = (),
    missing: Mapping[str, str] | None = None,
    periods: Mapping[str, float | None] | None = None,
) -> Iterator[Section]:
    """Sort cells into tables; controls are left out.

    Parameters
    ----------
    cells, datasets, missing, periods
        As for `bench_markdown.markdown`.

    Yields
    ------
    Section
        By track, then readout, then number of labels: all of them first, then the fewest.
    """
    real = [c for c in cells if c.control is None]
    there = {c.dataset for c in real}
    order = in_order(real, datasets, missing or {})
    cyclic = {c.dataset for c in real if c.readout == "angle"}
    for name, period in (periods or {}).items():
        (cyclic.discard if period is None or math.isnan(period) else cyclic.add)(name)

    def place(key: tuple[Track, str, str]) -> tuple[Track, tuple[int, str], bool, tuple[float, str]]:
        return key[0], readout_order(key[1]), key[2] != "all", label_order(key[2])

    for key in sorted({(c.track, c.readout, c.labels) for c in real}, key=place):
        chosen = {(c.method, c.dataset, c.metric): c for c in real if (c.track, c.readout, c.labels) == key}
        columns: list[Column] = []
        for name in order:
            metrics = {m for _, d, m in chosen if d == name}
            columns += _columns(name, key[1], metrics, there=name in there, cyclic=name in cyclic)
        yield Section(*key, columns, chosen)


def _columns(name: str, readout: str, metrics: set[str], *, there: bool, cyclic: bool) -> list[Column]:
    """Columns of one recording; states, whose classes differ in size, have weighted F1 beside the accuracy."""
    metric = "r2" if readout == "continuous" else "accuracy"
    if not there:  # a column all the same, but not among angles where sleep has none
        among_angles = readout == "angle" and PUBLISHED_READOUT.get(name) == "class"
        return [] if among_angles else [Column(name, metric, name, missing=True)]
    if readout == "class" and not cyclic and {"accuracy", "weighted_f1"} <= metrics:
        return [Column(name, "accuracy", f"{name} accuracy"), Column(name, "weighted_f1", f"{name} weighted F1")]
    return [Column(name, metric, name)] if metric in metrics else []
