"""Tables of a bench as Markdown, to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..bench.published import method_name
from ..bench.summary import Cell, Track
from .bench_controls import ABOUT_CONTROLS, controls
from .bench_sections import Column, Section, sections
from .bench_words import (
    ABSENT,
    MAJORITY,
    NO_DATA,
    against_others,
    capital,
    how_to_read,
    interval,
    number,
    particulars,
    short_of_fits,
    untested,
)

__all__ = ["markdown"]

ABOUT = ("command", "version", "machine", "fits", "minutes")
VERDICTS = "Beneath it stands better, worse or no difference shown"


def markdown(
    cells: Sequence[Cell],
    *,
    datasets: Sequence[str] = (),
    missing: Mapping[str, str] | None = None,
    failures: Sequence[Mapping[str, Any]] = (),
    about: Mapping[str, Any] | None = None,
    periods: Mapping[str, float | None] | None = None,
) -> str:
    """Write the tables of a bench as Markdown.

    What was run and how to read it; a section a track, readout and number of labels; then controls, and fits that failed.

    Parameters
    ----------
    cells : sequence of Cell
        From `bench.summary.summarise`.
    datasets : sequence of str, optional
        Requested datasets, in the order of the columns; those in the cells that are not named come behind.
    missing : mapping of str to str, optional
        Requested datasets without data, and why; each has its column all the same.
    failures : sequence of mapping, optional
        Rows with an error, from `bench.summary.failures`.
    about : mapping, optional
        What to say on top: "command", "version", "machine", "fits", "minutes", and whatever else.
    periods : mapping of str to float or None, optional
        Full turn of each dataset's target; weighted F1 stands beside the accuracy of a target that has none. Default: a
        dataset with an angle readout has one.

    Returns
    -------
    str
        Ends with a newline.
    """
    missing = dict(missing or {})
    tables = list(sections(cells, datasets, missing, periods))
    lines = ["# Bench", "", *_about(about or {}, missing)]
    if tables:
        lines += ["## How to read", "", *(f"- {_plain(said)}" for said in how_to_read(tables, VERDICTS)), ""]
    track: Track | None = None
    for section in tables:
        if section.track != track:
            track = section.track
            lines += [f"## {capital(track.describe())}", ""]
        lines += [f"### {_plain(capital(section.title()))}", "", _plain(" ".join(particulars(section))), ""]
        lines += [*_table(section), ""]
        for sentence in against_others(section):
            lines += [_plain(sentence), ""]
    lines += ["## Controls", "", *_controls(cells), "", "## Failed fits", "", *_failures(failures), ""]
    return "\n".join(lines)


def _about(about: Mapping[str, Any], missing: Mapping[str, str]) -> list[str]:
    lines = []
    for key in [*(k for k in ABOUT if k in about), *(k for k in about if k not in ABOUT)]:
        value = about[key]
        text = f"{value:.1f}" if isinstance(value, float) else " ".join(str(value).split())
        lines.append(f"- {key}: " + (f"`{text}`" if key == "command" and "`" not in text else _plain(text)))
    for dataset, reason in missing.items():
        why = "" if reason.strip() in ("", NO_DATA) else f" ({_plain(reason)})"
        lines.append(f"- {_plain(dataset)}: {NO_DATA}{why}")
    return [*lines, ""] if lines else []


def _table(section: Section) -> list[str]:
    width = len(section.columns)
    lines = _head("method", *(_plain(c.title) for c in section.columns))
    for group, members in section.groups():
        lines.append(_line(f"**{group}**", *[""] * width))
        for method in members:
            entries = ["<br>".join(_entry(section, method, column)) for column in section.columns]
            lines.append(_line(_plain(section.name(method)), *entries))
    majorities = section.majorities()
    if any(m is not None for m in majorities):
        lines.append(_line(MAJORITY, *("" if m is None else number(m) for m in majorities)))
    return lines


def _entry(section: Section, method: str, column: Column) -> list[str]:
    """Lines of one cell: mean with interval, verdict, fits if some are missing, the poster's figure."""
    if column.missing:
        return [NO_DATA]
    cell = section.at(method, column)
    if cell is None:
        return [ABSENT]
    verdict = cell.against["raw"].verdict if "raw" in cell.against else untested(section, cell)
    poster = section.poster(method, column)
    lines = [_mean(cell), verdict, short_of_fits(section, cell), "" if poster is None else f"(poster {number(poster)})"]
    return [line for line in lines if line]


def _mean(cell: Cell) -> str:
    return f"{number(cell.mean)} {interval(cell)}".strip()


def _controls(cells: Sequence[Cell]) -> list[str]:
    found = controls(cells)
    if not found:
        return ["No control was run."]
    lines = [ABOUT_CONTROLS]
    track: Track | None = None
    for control in found:
        cell = control.cell
        if cell.track != track:
            track = cell.track
            lines += ["", f"### {capital(track.describe())}", ""]
            lines += _head(
                "dataset", "method", "readout", "labels", "control", "measure", "mean", "chance", "verdict", words=True
            )
        lines.append(
            _line(
                _plain(cell.dataset), _plain(method_name(cell.method)), cell.readout, cell.labels, str(cell.control),
                cell.metric.replace("_", " "), _mean(cell), number(control.chance), control.verdict,
            )
        )  # fmt: skip
    return lines


def _failures(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return ["No fit failed."]
    keys = ("dataset", "method", "context", "rows", "fold", "seed", "error")
    lines = _head(*keys, words=True)
    for row in rows:
        context = row.get("context")
        said = dict(row) | {"context": "" if context is None else " to ".join(f"{v}" for v in context)}
        lines.append(_line(*(_plain(said.get(key, "")) for key in keys)))
    return lines


def _head(*titles: str, words: bool = False) -> list[str]:
    """Titles and the line beneath them; columns of numbers stand to the right."""
    return [_line(*titles), _line("---", *["---" if words else "---:"] * (len(titles) - 1))]


def _line(*entries: str) -> str:
    return "| " + " | ".join(entries) + " |"


def _plain(text: object) -> str:
    """Text on one line that neither ends a cell nor is taken for markup."""
    said = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
    return said.replace("*", r"\*").replace("_", r"\_").replace("`", r"\`")
