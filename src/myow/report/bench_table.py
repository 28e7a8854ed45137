"""Tables of a bench: Markdown to read, CSV to compute with, LaTeX to print."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..bench.published import (
    DAGGER,
    PUBLISHED_READOUT,
    grouped_methods,
    method_name,
    published_beside,
)
from ..bench.summary import Cell, Track

__all__ = ["csv_text", "label_order", "latex", "markdown", "readout_order"]

READOUTS = ("angle", "class", "continuous", "knn")
MEASURES = {
    "angle": "accuracy (within 22.5° of the true direction)",
    "class": "accuracy",
    "continuous": "R²",
    "knn": "accuracy of nearest neighbours",
}
NO_DATA = "data not at hand"
ABSENT = "\N{EN DASH}"
MAJORITY = "majority class"
ABOUT = ("command", "version", "machine", "fits", "minutes")
_COMPARISON = ("difference", "low", "high", "p", "p_adjusted", "n", "verdict")


@dataclass(frozen=True)
class _Column:
    dataset: str
    metric: str
    title: str
    missing: bool = False


@dataclass(frozen=True)
class _Section:
    """One table: cells of one track, readout and number of labels, by method and column."""

    track: Track
    readout: str
    labels: str
    columns: Sequence[_Column]
    cells: Mapping[tuple[str, str, str], Cell]

    def groups(self) -> list[tuple[str, list[str]]]:
        return grouped_methods((c.method, c.uses_labels) for c in self.cells.values())

    def at(self, method: str, column: _Column) -> Cell | None:
        return self.cells.get((method, column.dataset, column.metric))

    def poster(self, method: str, column: _Column) -> float | None:
        return published_beside(
            column.dataset, method, readout=self.readout, labels=self.labels, metric=column.metric
        )  # fmt: skip

    def has_poster(self) -> bool:
        return any(self.poster(m, c) is not None for _, members in self.groups() for m in members for c in self.columns)

    def most_fits(self, column: _Column) -> int:
        return max((c.n for (_, d, m), c in self.cells.items() if (d, m) == (column.dataset, column.metric)), default=0)

    def title(self) -> str:
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

    A section a track, readout and number of labels; then controls, and fits that failed.

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
    lines = ["# Bench", "", *_about(about or {}, missing)]
    track: Track | None = None
    for section in _sections(cells, datasets, missing, periods):
        if section.track != track:
            track = section.track
            lines += [f"## {_capital(track.describe())}", ""]
        lines += [f"### {_capital(section.title())}", "", *_notes(section), ""]
        lines += [*_markdown_table(section), ""]
        against = _against_byol(section)
        lines += [against, ""] if against else []
    lines += ["## Controls", "", *_controls(cells), "", "## Failed fits", "", *_failures(failures), ""]
    return "\n".join(lines)


def csv_text(cells: Sequence[Cell]) -> str:
    """Write every cell as a line of CSV, controls included.

    Parameters
    ----------
    cells : sequence of Cell
        From `bench.summary.summarise`.

    Returns
    -------
    str
        With a header; empty where there is no value. Columns that begin with "raw" and "byol" compare with those methods,
        "poster" is the published figure from another split.
    """
    file = io.StringIO()
    others = ("raw", "byol")
    header = [
        "protocol", "before", "after", "rows", "dataset", "method", "name", "uses_labels", "readout", "labels",
        "label_unit", "metric", "control", "mean", "low", "high", "deviation", "n", "majority", "n_classes",
        *(f"{other}_{field}" for other in others for field in _COMPARISON), "poster",
    ]  # fmt: skip
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    for c in cells:
        compared: list[Any] = []
        for other in others:
            found = c.against.get(other)
            compared += [None] * len(_COMPARISON) if found is None else [getattr(found, f) for f in _COMPARISON]
        poster = None
        if c.control is None:
            poster = published_beside(c.dataset, c.method, readout=c.readout, labels=c.labels, metric=c.metric)
        before, after = c.track.context
        writer.writerow([
            c.track.protocol, before, after, c.track.rows, c.dataset, c.method, method_name(c.method), c.uses_labels,
            c.readout, c.labels, c.label_unit, c.metric, c.control, c.mean, c.low, c.high, c.deviation, c.n, c.majority,
            c.n_classes, *compared, poster,
        ])  # fmt: skip
    return file.getvalue()


def latex(
    cells: Sequence[Cell],
    *,
    datasets: Sequence[str] = (),
    missing: Mapping[str, str] | None = None,
    periods: Mapping[str, float | None] | None = None,
) -> str:
    r"""Write the tables of a bench as LaTeX, to be read by ``\input`` in a document that loads booktabs.

    Parameters
    ----------
    cells, datasets, missing, periods : optional
        As for `markdown`.

    Returns
    -------
    str
        A table a section. Behind a mean stands + where the method is better than raw counts and - where it is worse.
    """
    lines = [r"% needs \usepackage{booktabs} in the preamble"]
    for section in _sections(cells, datasets, dict(missing or {}), periods):
        caption = f"{_capital(section.title())}; {section.track.describe()}. " + " ".join(_notes(section, brief=True))
        lines += [
            "",
            r"\begin{table}[p]",
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{_escape(caption)}}}",
            rf"\begin{{tabular}}{{@{{}}l{'c' * len(section.columns)}@{{}}}}",
            r"\toprule",
            _row("method", *(_escape(c.title) for c in section.columns)),
        ]
        for group, members in section.groups():
            lines += [r"\midrule", _row(rf"\emph{{{group}}}", *[""] * len(section.columns))]
            for method in members:
                lines += _latex_method(section, method)
        majorities = _majorities(section)
        if majorities:
            lines += [r"\midrule", _row(MAJORITY, *(_escape(m) for m in majorities))]
        lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


# What belongs into which table.


def _sections(
    cells: Sequence[Cell],
    datasets: Sequence[str],
    missing: Mapping[str, str],
    periods: Mapping[str, float | None] | None,
) -> Iterable[_Section]:
    real = [c for c in cells if c.control is None]
    order = list(dict.fromkeys([*datasets, *missing, *sorted({c.dataset for c in real})]))
    cyclic = {c.dataset for c in real if c.readout == "angle"}
    for name, period in (periods or {}).items():
        (cyclic.discard if period is None or math.isnan(period) else cyclic.add)(name)
    there = {c.dataset for c in real}

    def place(key: tuple[Track, str, str]) -> tuple[Track, tuple[int, str], bool, tuple[float, str]]:
        return key[0], readout_order(key[1]), key[2] != "all", label_order(key[2])

    for track, readout, labels in sorted({(c.track, c.readout, c.labels) for c in real}, key=place):
        chosen = {
            (c.method, c.dataset, c.metric): c
            for c in real
            if (c.track, c.readout, c.labels) == (track, readout, labels)
        }
        metric = "r2" if readout == "continuous" else "accuracy"
        columns: list[_Column] = []
        for name in order:
            metrics = {m for _, d, m in chosen if d == name}
            if name not in there:  # a column all the same, but not among angles where sleep has none
                if readout != "angle" or PUBLISHED_READOUT.get(name) != "class":
                    columns.append(_Column(name, metric, name, missing=True))
            elif readout == "class" and name not in cyclic and {"accuracy", "weighted_f1"} <= metrics:
                columns.append(_Column(name, "accuracy", f"{name} accuracy"))
                columns.append(_Column(name, "weighted_f1", f"{name} weighted F1"))
            elif metric in metrics:
                columns.append(_Column(name, metric, name))
        yield _Section(track, readout, labels, columns, chosen)


def _majorities(section: _Section) -> list[str]:
    """Majority rate of each column as text; nothing at all where no column has one."""
    said = []
    for column in section.columns:
        rates = [
            c.majority for (_, d, m), c in section.cells.items()
            if d == column.dataset and m == column.metric == "accuracy" and c.majority is not None
        ]  # fmt: skip
        said.append(_number(sum(rates) / len(rates)) if rates else "")
    return said if any(said) else []


def _name(section: _Section, method: str) -> str:
    uses = any(c.uses_labels for (m, _, _), c in section.cells.items() if m == method)
    return f"{method_name(method)} {DAGGER}" if uses else method_name(method)


# What is said of the tables.


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


def _notes(section: _Section, *, brief: bool = False) -> list[str]:
    """Sentences that explain a table; brief for LaTeX, where signs stand for verdicts."""
    once = section.track.protocol == "released"
    measure = MEASURES.get(section.readout, "accuracy")
    notes = [f"{_capital(measure)}: mean over fits, with 95 % interval."]
    if once:
        notes.append("Against raw counts: not tested: one split. The interval is a bootstrap over test segments.")
    elif brief:
        notes.append("+ better, - worse than raw counts (adjusted p < 0.05); no sign: no difference shown.")
    else:
        notes.append("Beneath: against raw counts, paired by split and seed, adjusted p < 0.05.")
    if any(c.uses_labels for c in section.cells.values()):
        notes.append(f"{DAGGER} learns from labels.")
    if section.has_poster():
        notes.append(
            "(poster): the published figure, of single bins and from another split; beside ours, not against it."
        )
    return notes if brief else [_plain(" ".join(notes))]


def _against_byol(section: _Section) -> str:
    """One sentence: MYOW against BYOL, column by column."""
    present = {m for m, _, _ in section.cells}
    if not {"myow", "byol"} <= present:
        return ""
    if section.track.protocol == "released":
        return "MYOW against BYOL: not tested: one split."
    said = []
    for column in section.columns:
        cell = section.at("myow", column)
        found = None if cell is None else cell.against.get("byol")
        if found is not None:
            said.append(
                f"{_plain(column.title)} {found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}], "
                f"adjusted p {_probability(found.p_adjusted)}, {found.verdict}"
            )
    return f"MYOW against BYOL: {'; '.join(said)}." if said else "MYOW against BYOL: not tested: fewer than two pairs."


# Markdown.


def _markdown_table(section: _Section) -> list[str]:
    width = len(section.columns)
    lines = _head("method", *(_plain(c.title) for c in section.columns))
    for group, members in section.groups():
        lines.append(_line(f"**{group}**", *[""] * width))
        for method in members:
            entries = ["<br>".join(_entry(section, method, column)) for column in section.columns]
            lines.append(_line(_plain(_name(section, method)), *entries))
    majorities = _majorities(section)
    return [*lines, _line(MAJORITY, *majorities)] if majorities else lines


def _entry(section: _Section, method: str, column: _Column) -> list[str]:
    """Lines of one cell: mean with interval, verdict, fits if some are missing, the poster's figure."""
    if column.missing:
        return [NO_DATA]
    cell = section.at(method, column)
    if cell is None:
        return [ABSENT]
    lines = [_number(cell.mean) + _interval(cell)]
    if section.track.protocol != "released" and method != "raw":
        lines.append(cell.against["raw"].verdict if "raw" in cell.against else "not tested")
    if cell.n < section.most_fits(column):
        lines.append(f"{cell.n} of {section.most_fits(column)} fits")
    poster = section.poster(method, column)
    return lines if poster is None else [*lines, f"(poster {_number(poster)})"]


def _controls(cells: Sequence[Cell]) -> list[str]:
    best: dict[tuple[Any, ...], tuple[Cell, float]] = {}
    for cell in cells:
        chance = _chance(cell)
        if cell.control is None or chance is None:
            continue
        key = (cell.track, cell.dataset, cell.method, cell.readout, label_order(cell.labels), cell.control)
        if key not in best or cell.metric == "balanced_accuracy":
            best[key] = (cell, chance)
    if not best:
        return ["No control was run."]
    lines = [
        "Labels that were permuted, or shifted in time. A readout that finds them none the less has seen what it should not.",
    ]
    rank = {m: i for i, m in enumerate(m for _, ms in grouped_methods((k[2], False) for k in best) for m in ms)}
    track: Track | None = None
    for key in sorted(best, key=lambda k: (k[0], k[1], readout_order(k[3]), k[4], k[5], rank[k[2]])):
        cell, chance = best[key]
        if cell.track != track:
            track = cell.track
            lines += ["", f"### {_capital(track.describe())}", ""]
            lines += _head(
                "dataset", "method", "readout", "labels", "control", "measure", "mean", "chance", "verdict", words=True
            )
        if cell.low is None:
            verdict = "no interval to judge by"
        else:
            verdict = "at chance" if cell.low <= chance else "ABOVE CHANCE: look for a leak"
        lines.append(
            _line(
                _plain(cell.dataset), _plain(method_name(cell.method)), cell.readout, cell.labels, str(cell.control),
                cell.metric.replace("_", " "), _number(cell.mean) + _interval(cell), _number(chance), verdict,
            )
        )  # fmt: skip
    return lines


def _chance(cell: Cell) -> float | None:
    """What a readout that knows nothing reaches; None for figures that controls are not judged by."""
    if cell.metric == "balanced_accuracy":
        return None if not cell.n_classes else 1 / cell.n_classes
    if cell.metric == "r2":
        return 0.0
    return cell.majority if cell.metric == "accuracy" else None


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


# LaTeX.


def _latex_method(section: _Section, method: str) -> list[str]:
    """Rows of one method: means with signs; intervals, and the poster's figures, in small print beneath."""
    means, intervals, posters = [], [], []
    for column in section.columns:
        cell = section.at(method, column)
        poster = None if column.missing else section.poster(method, column)
        verdict = "" if cell is None or "raw" not in cell.against else cell.against["raw"].verdict
        sign = {"better": "$^{+}$", "worse": "$^{-}$"}.get(verdict, "")
        means.append(NO_DATA if column.missing else "--" if cell is None else _minus(_number(cell.mean)) + sign)
        intervals.append("" if cell is None else _small(_minus(_interval(cell).strip())))
        posters.append("" if poster is None else _small(f"(poster {_number(poster)})"))
    lines = [_row(_escape(_name(section, method)), *means)]
    return lines + [_row("", *small) for small in (intervals, posters) if any(small)]


def _row(*entries: str) -> str:
    return " & ".join(entries) + r" \\"


def _small(text: str) -> str:
    return rf"{{\scriptsize {text}}}" if text else ""


def _minus(text: str) -> str:
    return text.replace("-", "$-$")


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "±": r"$\pm$", "²": "$^2$",
    "°": r"$^\circ$", "π": r"$\pi$", DAGGER: r"\dag{}", "\N{MINUS SIGN}": "$-$", ABSENT: "--",
}  # fmt: skip


def _escape(text: str) -> str:
    """Text in which no character means anything to LaTeX."""
    return "".join(_LATEX.get(character, character) for character in text)


# Numbers as text.


def _number(value: float) -> str:
    return f"{value:.3f}"


def _interval(cell: Cell) -> str:
    return "" if cell.low is None or cell.high is None else f" [{_number(cell.low)}, {_number(cell.high)}]"


def _probability(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
