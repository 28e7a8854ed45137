"""Tables of the bench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, repeat, zip_longest
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment
from rich.console import Console
from rich.table import Table

from ..evaluation.bench_images import published_image
from ..evaluation.bench_summary import YARDSTICKS, Cell, Track
from ..evaluation.published import DAGGER, method_name, published_beside
from .bench_sections import (
    ABOUT_CONTROLS,
    ABSENT,
    MAJORITY,
    NO_DATA,
    Column,
    ControlTable,
    Section,
    against_others,
    control_tables,
    controls,
    fits,
    how_to_read,
    in_order,
    interval,
    number,
    particulars,
    sections,
    short_of_fits,
    untested,
)
from .images import Group, Row, groups
from .style import capital

__all__ = ["HEAD", "csv_text", "image_table", "latex", "markdown", "print_image_evaluation"]

OTHERS = YARDSTICKS["myow"]
COMPARISON = ("difference", "low", "high", "p", "p_adjusted", "n", "verdict")
HEADER = (
    "protocol", "before", "after", "rows", "dataset", "method", "name", "uses_labels", "readout", "labels", "label_unit",
    "metric", "control", "mean", "low", "high", "deviation", "n", "majority", "n_classes",
    *(f"{other}_{field}" for other in OTHERS for field in COMPARISON), "poster",
)  # fmt: skip


def csv_text(cells: Sequence[Cell]) -> str:
    """Write every cell as a line of CSV, controls included.

    Parameters
    ----------
    cells : sequence of Cell
        From `summarise`.

    Returns
    -------
    str
        With a header; empty where there is no value. Columns that begin with "raw", "byol" and "unmined" compare with those
        methods; their "p_adjusted" is adjusted (Holm) for the comparisons of the column that the cell stands in. "poster" is the
        published figure from another split.
    """
    return str(pd.DataFrame([_flat(c) for c in cells], columns=HEADER, dtype=object).to_csv(index=False))


def _flat(cell: Cell) -> dict[str, Any]:
    before, after = cell.track.context
    track = {"protocol": cell.track.protocol, "before": before, "after": after, "rows": cell.track.rows}
    against = {
        f"{other}_{field}": getattr(found, field) for other, found in cell.against.items() for field in COMPARISON
    }
    what = {"readout": cell.readout, "labels": cell.labels, "metric": cell.metric}
    poster = published_beside(cell.dataset, cell.method, **what) if cell.control is None else None
    return vars(cell) | track | against | {"name": method_name(cell.method), "poster": poster}


HEAD = r"""% Tables of a bench, to be read by \input. The preamble needs \usepackage{booktabs,caption,graphicx}.
% Made for landscape pages: \usepackage[landscape,margin=2cm]{geometry}. A table that is too big for its page is shrunk.
\providecommand{\benchfit}[1]{\sbox0{#1}%
  \ifdim\wd0>\linewidth\sbox0{\resizebox{\linewidth}{!}{\usebox0}}\fi
  \ifdim\dimexpr\ht0+\dp0\relax>.7\textheight\sbox0{\resizebox*{!}{.7\textheight}{\usebox0}}\fi
  \usebox0}
"""
"""Stands on top of the file."""
_MEANING = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "±": r"$\pm$", "²": "$^2$",
    "°": r"$^\circ$", "π": r"$\pi$", DAGGER: r"$\dagger$", "\N{MINUS SIGN}": "$-$", "\N{EN DASH}": "--",
    "[": "{[}", "*": "{*}",  # behind the end of a row they would be taken for its options
}  # fmt: skip


def _grid(
    table: Section,
    caption: str,
    rows: Mapping[str, Sequence[Sequence[str]]],
    last: tuple[str, Sequence[str]],
    notes: Sequence[str],
) -> str:
    """Lay out a table in LaTeX, no float: those that wait for text between them overflow when there is none.

    Rows hold, by method, the lines of each column's entry; these and the entries of the last row are LaTeX, all else is text.
    """
    return _GRID.render(
        caption=caption,
        titles=[c.title for c in table.columns],
        groups=[
            (group, [zip_longest([_escape(table.name(m))], *rows[m], fillvalue="") for m in members])
            for group, members in table.groups()
        ],
        last=last,
        notes=[note for note in notes if note],
    )


def _small(text: str) -> str:
    """Return text without markup in small print."""
    return rf"{{\scriptsize {_escape(text)}}}"


def _escape(text: str) -> str:
    """Return text without markup on one line, in which no character means anything to LaTeX."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return "".join(_MEANING.get(character, character) for character in line)


# LaTeX is full of braces and percent signs, so a template marks its own parts otherwise.
_LATEX = Environment(
    block_start_string="<%", block_end_string="%>", variable_start_string="<<", variable_end_string=">>",
    comment_start_string="<#", comment_end_string="#>", trim_blocks=True, keep_trailing_newline=True, autoescape=False,
)  # fmt: skip
_LATEX.filters |= {"escape": _escape, "row": lambda entries: " & ".join(entries) + r" \\"}
_GRID = _LATEX.from_string(
    r"""\noindent\begin{minipage}{\linewidth}
\centering\footnotesize\setlength{\tabcolsep}{4pt}
\captionof{table}{<< caption | escape >>}
\benchfit{\begin{tabular}{@{}l<< "l" * (titles | length) >>@{}}
\toprule
<< (["method"] + titles | map("escape") | list) | row >>
<% for group, methods in groups %>
\midrule
<< (["\\emph{" ~ group ~ "}"] + [""] * (titles | length)) | row >>
<% for lines in methods %><% for line in lines %>
<< line | row >>
<% endfor %><% endfor %><% endfor %>
<% if last[1] %>
\midrule
<< ([last[0] | escape] + last[1]) | row >>
<% endif %>
\bottomrule\end{tabular}}
<% for note in notes %>
\par\smallskip\parbox{\linewidth}{\scriptsize << note | escape >>}
<% endfor %>
\end{minipage}\par\bigskip
"""
)


SIGN_MEANING = "+ is better, \N{MINUS SIGN} is worse, and no sign is no difference shown"
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
        As for `markdown`.

    Returns
    -------
    str
        To be read by ``\input``; comments on top say which packages that needs. Fourteen methods on eight recordings fill
        a landscape page. Behind a mean stands + where the method is better than raw counts and - where it is worse, and
        ! where a control is above chance.
    """
    tables = list(sections(cells, datasets, missing, periods))
    said = " ".join(["How to read:", *how_to_read(tables, SIGN_MEANING)])
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
    rows = {m: [_latex_entry(table, m, c) for c in table.columns] for _, members in table.groups() for m in members}
    majorities = ["" if m is None else number(m) for m in table.majorities()]
    last = (MAJORITY, majorities if any(majorities) else [])
    return _grid(table, _caption(table.title(), table, legend), rows, last, [*against_others(table), note])


def _latex_entry(table: Section, method: str, column: Column) -> list[str]:
    """Lines of one cell: mean with sign and interval; in small print what else there is to say."""
    if column.missing:
        return [_small(NO_DATA)]
    cell = table.at(method, column)
    if cell is None:
        return [_escape(ABSENT)]
    sign = SIGNS.get(cell.against["raw"].verdict, "") if "raw" in cell.against else ""
    poster = table.poster(method, column)
    said = "" if poster is None else f"(poster {number(poster)})"
    beneath = [untested(table, cell), short_of_fits(table, cell), said]
    return [_figure(cell, sign), *(_small(text) for text in beneath if text)]


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
    return _grid(section, _caption(title, section, legend), rows, ("chance", chances), [note])


def _control_entry(table: ControlTable, method: str, column: Column) -> list[str]:
    found = table.controls.get((method, column.dataset))
    if found is None:
        return [_escape(ABSENT)]
    beneath = ["" if interval(found.cell) else "no interval", short_of_fits(table.section, found.cell)]
    return [_figure(found.cell, ABOVE if found.is_above else ""), *(_small(text) for text in beneath if text)]


def _caption(title: str, table: Section, legend: Sequence[str]) -> str:
    """Title, track and legend, to which the dagger's is added."""
    dagger = [f"{DAGGER} learns from labels."] if any(c.uses_labels for c in table.cells.values()) else []
    return f"{capital(title)}; {table.track.describe()}. {' '.join([*legend, *dagger])}"


def _figure(cell: Cell, sign: str) -> str:
    said = _small(_minus(interval(cell))) if interval(cell) else ""
    return f"{_escape(_minus(number(cell.mean)))}{sign} {said}".strip()


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


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
        From `summarise`.
    datasets : sequence of str, optional
        Requested datasets, in the order of the columns; those in the cells that are not named come behind.
    missing : mapping of str to str, optional
        Requested datasets without data, and why; each has its column all the same.
    failures : sequence of mapping, optional
        Rows with an error, from `failures`.
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
        lines += [*_markdown_table(section), ""]
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


def _markdown_table(section: Section) -> list[str]:
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


FEATURES = {"raw": "raw pixels", "untrained": "untrained encoder"}
READOUTS = {"linear": "linear readout", "knn": "k-NN"}


def print_image_evaluation(result: Mapping[str, Any]) -> None:
    """Print an evaluation: the embedding and what it is compared with, a row each."""
    few = "all labels" if result["labels"] is None else f"{result['labels']} labelled per class"
    table = Table(
        title=f"{result['dataset']}{_subset(result['subset'])}: {result['target']}, {few}, {result['n_test']} test images, "
        f"{result['steps']} steps",
        title_justify="left",
    )
    table.add_column("")
    for title in READOUTS.values():
        table.add_column(title, justify="right")
        table.add_column("95 % interval", justify="right")
    named = {f"{result['method']} embedding": "embedding"} | {title: name for name, title in FEATURES.items()}
    for title, name in named.items():
        cells = []
        for readout in READOUTS:
            found = result[name][readout]
            low, high = found["interval"]
            cells += [f"{found['accuracy']:.3f}", f"{low:.3f} to {high:.3f}"]
        table.add_row(title, *cells)
    table.add_row("majority class", f"{result['embedding']['knn']['majority']:.3f}", "", "", "")
    Console(width=110).print(table)


def image_table(rows: Sequence[Row]) -> str:
    """Write the table of a bench in Markdown, one for each readout and number of labels.

    Parameters
    ----------
    rows : sequence of mapping
        Lines of the rows.jsonl of `myow bench --protocol images`.

    Returns
    -------
    str
        Means over seeds with their standard deviation, the epochs that were run, and the poster's figures beside ours
        where encoder and dataset are the same. What failed stands at the end.
    """
    found = groups(rows)
    every = [row for methods in found.values() for own in methods.values() for row in own]
    labels = sorted({n for row in every for n in row["scores"]}, key=lambda n: float("inf") if n == "all" else int(n))
    lines = ["# Images", ""]
    if every:
        lines += [
            "Accuracy on the test images, mean ± standard deviation over seeds. Readouts are chosen on validation images drawn from the "
            "training part; test images are looked at once. The poster's figures are of ResNets of width 64 trained for 800 epochs on "
            "the official sets, read out linearly; they stand beside ours, not against them.",
            "",
        ]
    for n in labels:
        for readout, title in READOUTS.items():
            few = "all labels" if n == "all" else f"{n} labelled images per class"
            lines += [f"## {title[0].upper() + title[1:]}, {few}", "", *_table(found, readout, n), ""]
    failed = [row for row in rows if row["error"]]
    said = [f"- {row['method']} on {row['dataset']}, seed {row['seed']}: {row['error']}" for row in failed]
    return "\n".join([*lines, "## Failed", "", *(said or ["None."]), ""])


def _table(found: Mapping[Group, Mapping[str, Sequence[Row]]], readout: str, n: str) -> list[str]:
    columns = {
        group: {name: own for name, mine in methods.items() if (own := [row for row in mine if n in row["scores"]])}
        for group, methods in found.items()
    }
    columns = {group: methods for group, methods in columns.items() if methods}
    titles = [f"{group.title}{_subset(group.subset)}" for group in columns]
    lines = _head("method", *titles, words=True)
    for name in dict.fromkeys(name for methods in columns.values() for name in methods):
        cells = [_trained(methods.get(name, []), group, readout, n) for group, methods in columns.items()]
        lines.append(_line(name, *cells))
    for feature, title in FEATURES.items():
        # All methods have the same of these for the same seed; each seed counts once.
        by_seed = [
            {row["seed"]: row["scores"][n][feature][readout]["accuracy"] for own in methods.values() for row in own}
            for methods in columns.values()
        ]
        lines.append(_line(title, *(_cell(list(values.values())) for values in by_seed)))
    majority = [
        next(iter(methods.values()))[0]["scores"][n]["embedding"][readout]["majority"] for methods in columns.values()
    ]
    return [*lines, _line(MAJORITY, *map(number, majority))]


def _trained(rows: Sequence[Row], group: Group, readout: str, n: str) -> str:
    """A method's figure, how long it was trained with how many seeds, and the poster's figure where it measures the same."""
    if not rows:
        return "–"
    epochs = sorted({f"{row['epochs']:g}" for row in rows})
    seeds = f"{len(rows)} seed{'s' if len(rows) > 1 else ''}"
    cell = _cell([row["scores"][n]["embedding"][readout]["accuracy"] for row in rows])
    poster = published_image(group.encoder, group.dataset, rows[0]["method"])
    beside = f"<br>(poster {poster:.3f})" if poster is not None and readout == "linear" and n == "all" else ""
    return f"{cell} ({' or '.join(epochs)} epochs, {seeds}){beside}"


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "–"
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"


def _subset(text: str) -> str:
    return f" ({text})" if text else ""
