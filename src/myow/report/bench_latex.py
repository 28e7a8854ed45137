r"""Tables of a bench as LaTeX, to print: a table a track, readout and number of labels, then the controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, repeat

from ..bench.published import DAGGER
from ..bench.summary import Cell
from .bench_controls import ABOUT_CONTROLS, ControlTable, control_tables
from .bench_latex_grid import HEAD, escape, grid, small
from .bench_sections import Column, Section, in_order, sections
from .bench_words import (
    ABSENT,
    MAJORITY,
    NO_DATA,
    against_others,
    capital,
    fits,
    how_to_read,
    interval,
    number,
    particulars,
    short_of_fits,
    untested,
)

__all__ = ["latex"]

VERDICTS = "+ is better, \N{MINUS SIGN} is worse, and no sign is no difference shown"
SIGNS = {"better": "$^{+}$", "worse": "$^{-}$"}
ABOVE = "$^{!}$"


def latex(
    cells: Sequence[Cell],
    *,
    datasets: Sequence[str] = (),
    missing: Mapping[str, str] | None = None,
    periods: Mapping[str, float | None] | None = None,
) -> str:
    r"""Write the tables of a bench as LaTeX.

    Parameters
    ----------
    cells, datasets, missing, periods : optional
        As for `bench_markdown.markdown`.

    Returns
    -------
    str
        To be read by ``\input``; comments on top say which packages that needs. Fourteen methods on eight recordings fill
        a landscape page. Behind a mean stands + where the method is better than raw counts and - where it is worse, and
        ! where a control is above chance.
    """
    tables = list(sections(cells, datasets, missing, periods))
    said = " ".join(["How to read:", *how_to_read(tables, VERDICTS)])
    false = control_tables(cells, in_order([c for c in cells if c.control], datasets, {}))
    return "\n".join([
        HEAD,
        *map(_result, tables, chain([said], repeat(""))),
        *map(_control, false, chain([ABOUT_CONTROLS], repeat(""))),
    ])  # fmt: skip


def _result(table: Section, note: str) -> str:
    """A table of results, with what MYOW is compared with beneath, then a note."""
    legend = particulars(table)
    if any("raw" in c.against for c in table.cells.values()):
        legend.append("+ better, \N{MINUS SIGN} worse than raw counts.")
    rows = {m: [_entry(table, m, c) for c in table.columns] for _, members in table.groups() for m in members}
    majorities = ["" if m is None else number(m) for m in table.majorities()]
    last = (MAJORITY, majorities if any(majorities) else [])
    return grid(table, _caption(table.title(), table, legend), rows, last, [*against_others(table), note])


def _entry(table: Section, method: str, column: Column) -> list[str]:
    """Lines of one cell: mean with sign and interval; in small print what else there is to say."""
    if column.missing:
        return [small(NO_DATA)]
    cell = table.at(method, column)
    if cell is None:
        return [escape(ABSENT)]
    sign = SIGNS.get(cell.against["raw"].verdict, "") if "raw" in cell.against else ""
    poster = table.poster(method, column)
    said = "" if poster is None else f"(poster {number(poster)})"
    beneath = [untested(table, cell), short_of_fits(table, cell), said]
    return [_figure(cell, sign), *(small(text) for text in beneath if text)]


def _control(table: ControlTable, note: str) -> str:
    """A table of controls, with chance as its last row, and a note beneath."""
    section = table.section
    legend = [
        f"{capital(table.metric.replace('_', ' '))}, {fits(section)}.",
        "! above chance: look for a leak; no sign: at chance.",
    ]
    rows = {
        m: [_control_entry(table, m, c) for c in section.columns] for _, members in section.groups() for m in members
    }
    chances = [number(chance) for chance in table.chances()]
    title = f"labels {table.kind}: {section.title()}"
    return grid(section, _caption(title, section, legend), rows, ("chance", chances), [note])


def _control_entry(table: ControlTable, method: str, column: Column) -> list[str]:
    found = table.controls.get((method, column.dataset))
    if found is None:
        return [escape(ABSENT)]
    beneath = ["" if interval(found.cell) else "no interval", short_of_fits(table.section, found.cell)]
    return [_figure(found.cell, ABOVE if found.is_above else ""), *(small(text) for text in beneath if text)]


def _caption(title: str, table: Section, legend: Sequence[str]) -> str:
    """Title, track and legend, to which the dagger's is added."""
    dagger = [f"{DAGGER} learns from labels."] if any(c.uses_labels for c in table.cells.values()) else []
    return f"{capital(title)}; {table.track.describe()}. {' '.join([*legend, *dagger])}"


def _figure(cell: Cell, sign: str) -> str:
    said = small(_minus(interval(cell))) if interval(cell) else ""
    return f"{escape(_minus(number(cell.mean)))}{sign} {said}".strip()


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
