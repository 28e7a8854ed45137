"""Sections of the bench's report: tables, controls, and the words beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..evaluation.bench_summary import YARDSTICKS, Cell, Track
from ..evaluation.published import DAGGER, PUBLISHED_READOUT, grouped_methods, method_name, published_beside
from ..evaluation.statistics import SIGNIFICANCE
from .style import capital, readout_title

__all__ = [
    "ABOUT_CONTROLS",
    "ABSENT",
    "MAJORITY",
    "NO_DATA",
    "Column",
    "Control",
    "ControlTable",
    "Section",
    "against_others",
    "control_tables",
    "controls",
    "fits",
    "how_to_read",
    "in_order",
    "interval",
    "label_order",
    "number",
    "particulars",
    "readout_order",
    "sections",
    "short_of_fits",
    "untested",
]

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
        """Name the readout and the number of labels; units of labels with their recordings where they differ."""
        units: dict[str, list[str]] = {}
        for cell in self.cells.values():
            datasets = units.setdefault(cell.label_unit or "segment", [])
            if cell.dataset not in datasets:
                datasets.append(cell.dataset)
        readout = readout_title(self.readout)
        if self.labels == "all":
            return f"{readout}, all training labels"
        plural = "" if self.labels == "1" else "s"
        words = [f"{unit}{plural}" + (f" ({', '.join(d)})" if len(units) > 1 else "") for unit, d in units.items()]
        return f"{readout}, {self.labels} labelled {' or '.join(words)} per class"


def label_order(labels: str) -> tuple[float, str]:
    """Key that sorts numbers of labels: "1", "2", "10", then "all"."""
    return (float(labels) if labels.isdecimal() else math.inf, labels)


def readout_order(readout: str) -> tuple[int, str]:
    """Key that sorts readouts: those we know in their order, then others by name."""
    kind = readout.partition("-")[0]
    return (READOUTS.index(kind) if kind in READOUTS else len(READOUTS), readout)


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
        As for `bench_tables.markdown`.

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
    if readout.partition("-")[0] == "class" and not cyclic and {"accuracy", "weighted_f1"} <= metrics:
        return [Column(name, "accuracy", f"{name} accuracy"), Column(name, "weighted_f1", f"{name} weighted F1")]
    return [Column(name, metric, name)] if metric in metrics else []


ABOUT_CONTROLS = (
    "Labels that were permuted, or shifted in time. A readout that finds them none the less has seen what it should not. "
    "Intervals are not adjusted: about one control in forty lies above chance by luck."
)


@dataclass(frozen=True)
class Control:
    """One control of one method, by the figure that it is judged by."""

    cell: Cell
    chance: float
    """Score of a readout that knows nothing."""

    @property
    def verdict(self) -> str:
        """Position of the interval above or at chance, in words."""
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
    """How labels were destroyed."""
    metric: str
    section: Section
    controls: Mapping[tuple[str, str], Control]
    """Controls by method and recording."""

    def chances(self) -> list[float]:
        """Return what a readout that knows nothing reaches, a value a column: the mean over methods."""
        values = [[c.chance for (_, d), c in self.controls.items() if d == k.dataset] for k in self.section.columns]
        return [sum(v) / len(v) for v in values]


def controls(cells: Sequence[Cell]) -> list[Control]:
    """Choose each control's figure: balanced accuracy where there is one, else accuracy or R².

    Parameters
    ----------
    cells : sequence of Cell
        From `summarise`; those that are no control are left out.

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
    """Return the score of chance, None for metrics that controls are not judged by."""
    if cell.metric == "balanced_accuracy":
        return None if not cell.n_classes else 1 / cell.n_classes
    if cell.metric == "r2":
        return 0.0
    return cell.majority if cell.metric == "accuracy" else None


MEASURES = {
    "angle": "accuracy (within 22.5° of the true direction)",
    "class": "accuracy",
    "continuous": "R²",
    "knn": "accuracy of nearest neighbours",
}
NO_DATA = "data not at hand"
"""Entry of a column whose recording is missing."""
ABSENT = "\N{EN DASH}"
"""Entry of a method that has no result."""
MAJORITY = "majority class"
"""Name of the row of majority rates."""


def how_to_read(tables: Sequence[Section], verdicts: str) -> list[str]:
    """Explain the tables; of signs and words only those that occur.

    Parameters
    ----------
    tables : sequence of Section
        All tables of the page.
    verdicts : str
        How a table tells better, worse and no difference shown: the beginning of a sentence.

    Returns
    -------
    list of str
        Sentences, without markup.
    """
    tested = [t for t in tables if _is_tested(t)]
    places = [(t, m, c) for t in tables for _, ms in t.groups() for m in ms for c in t.columns if not c.missing]
    found = [(t, m, c, t.at(m, c)) for t, m, c in places]
    said = ["A figure is a mean over fits, with its 95 % interval in brackets."]
    if tested:
        said += [
            "Intervals are of the mean over overlapping splits (corrected resampled t) and are not adjusted.",
            f"{verdicts}: against raw counts, paired by split and seed; p below {SIGNIFICANCE}, adjusted (Holm) for the comparisons "
            "of the column.",
        ]
    others = {other for *_, c in found if c is not None for other in c.against} - {"raw"}
    if others:
        names = " and against ".join(method_name(m) for m in YARDSTICKS["myow"] if m in others)
        said.append(f"MYOW against {names} {'is' if len(others) == 1 else 'are'} among those comparisons.")
    if any(c is not None and untested(t, c) for t, _, _, c in found):
        said.append("Not tested: fewer than two fits on splits that raw counts were fitted on too.")
    if len(tested) < len(tables):
        said.append("On the released split the interval is a bootstrap over test segments, and nothing is tested.")
    if any(c is not None and short_of_fits(t, c) for t, _, _, c in found):
        said.append("n of N fits: another method of the column has N; those that are missing failed or were not run.")
    if any(c is None for *_, c in found):
        said.append(f"{ABSENT}: failed or was not run.")
    if any(cell.uses_labels for t in tables for cell in t.cells.values()):
        said.append(f"{DAGGER}: learns from labels.")
    if any(t.poster(m, c) is not None for t, m, c in places):
        said.append(
            "(poster): the published figure, of single bins and from another split; beside ours, not against it."
        )
    return said


def particulars(table: Section) -> list[str]:
    """Describe what one table measures, over how many fits, and whether it tests nothing, in sentences without markup."""
    measured = [capital(MEASURES.get(table.readout.partition("-")[0], "accuracy")), fits(table)]
    said = [", ".join(words for words in measured if words) + "."]
    return said if _is_tested(table) else [*said, "Against raw counts: not tested: one split."]


def fits(table: Section) -> str:
    """Name the number of fits that the entries of a table are means of, with the recordings where that differs; "" without figures."""
    datasets: dict[int, list[str]] = {}
    for column in (c for c in table.columns if not c.missing):
        named = datasets.setdefault(table.most_fits(column), [])
        if column.dataset not in named:
            named.append(column.dataset)
    if len(datasets) > 1:
        return "mean of " + " or ".join(f"{n} ({', '.join(named)})" for n, named in datasets.items()) + " fits"
    return "".join("one fit" if n == 1 else f"mean of {n} fits" for n in datasets)


def against_others(table: Section) -> list[str]:
    """Compare MYOW with what it is compared with beside raw counts, column by column, one sentence without markup each."""
    compared = [m for m in YARDSTICKS["myow"] if m != "raw" and {"myow", m} <= {name for name, _, _ in table.cells}]
    return [_against(table, other) for other in compared]


def _against(table: Section, other: str) -> str:
    name = f"MYOW against {method_name(other)}"
    if not _is_tested(table):
        return f"{name}: not tested: one split."
    said = []
    for column in table.columns:
        cell = table.at("myow", column)
        found = None if cell is None else cell.against.get(other)
        if found is not None:
            p = "below 0.001" if found.p_adjusted < 0.001 else f"{found.p_adjusted:.3f}"
            said.append(
                f"{column.title} {found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}], adjusted p {p}, {found.verdict}"
            )
    return f"{name}: {'; '.join(said)}." if said else f"{name}: not tested: fewer than two pairs."


def untested(table: Section, cell: Cell) -> str:
    """Note that a method was not tested against raw counts though others of the table are; "" if it was."""
    return "not tested" if _is_tested(table) and cell.method != "raw" and "raw" not in cell.against else ""


def short_of_fits(table: Section, cell: Cell) -> str:
    """Note how many fits an entry is the mean of if others of its column have more, else ""."""
    most = max(table.most_fits(c) for c in table.columns if (c.dataset, c.metric) == (cell.dataset, cell.metric))
    return f"{cell.n} of {most} fits" if cell.n < most else ""


def _is_tested(table: Section) -> bool:
    return table.track.protocol != "released"


def number(value: float) -> str:
    """Return a figure with three decimals."""
    return f"{value:.3f}"


def interval(cell: Cell) -> str:
    """Return "[low, high]", or "" where there is no interval."""
    return "" if cell.low is None or cell.high is None else f"[{number(cell.low)}, {number(cell.high)}]"
