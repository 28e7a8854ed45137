"""What is said of the tables of a bench: how to read all of them, what is particular to one, and numbers as text."""

from __future__ import annotations

from collections.abc import Sequence

from ..bench.published import DAGGER, method_name
from ..bench.summary import YARDSTICKS, Cell
from ..probe.compare import SIGNIFICANCE
from .bench_sections import Section

__all__ = [
    "ABSENT", "MAJORITY", "NO_DATA", "against_others", "capital", "fits", "how_to_read", "interval", "number", "particulars", "short_of_fits",
    "untested",
]  # fmt: skip

MEASURES = {
    "angle": "accuracy (within 22.5° of the true direction)",
    "class": "accuracy",
    "continuous": "R²",
    "knn": "accuracy of nearest neighbours",
}
NO_DATA = "data not at hand"
"""In a column whose recording is missing."""
ABSENT = "\N{EN DASH}"
"""Where a method has no figure."""
MAJORITY = "majority class"
"""Name of the row of majority rates."""


def how_to_read(tables: Sequence[Section], verdicts: str) -> list[str]:
    """Say what holds for all tables; of signs and words only those that occur.

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
    """Say what one table measures, over how many fits, and whether it tests nothing, in sentences without markup."""
    measured = [capital(MEASURES.get(table.readout, "accuracy")), fits(table)]
    said = [", ".join(words for words in measured if words) + "."]
    return said if _is_tested(table) else [*said, "Against raw counts: not tested: one split."]


def fits(table: Section) -> str:
    """Say how many fits the figures of a table are means of, with the recordings where that differs; "" without figures."""
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
    """Say that a method was not tested against raw counts though others of the table are; "" if it was."""
    return "not tested" if _is_tested(table) and cell.method != "raw" and "raw" not in cell.against else ""


def short_of_fits(table: Section, cell: Cell) -> str:
    """Say how many fits a figure is the mean of if others of its column have more, else ""."""
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


def capital(text: str) -> str:
    """Return the text with its first letter a capital, the others as they are."""
    return text[:1].upper() + text[1:]
