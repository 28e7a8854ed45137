r"""A table of a bench in LaTeX: caption, titles, methods by group, a last row, each entry of one or more lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from ..bench.published import DAGGER
from .bench_sections import Section

__all__ = ["HEAD", "escape", "grid", "small"]

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


def grid(
    table: Section,
    caption: str,
    rows: Mapping[str, Sequence[Sequence[str]]],
    last: tuple[str, Sequence[str]],
    notes: Sequence[str] = (),
) -> str:
    """Lay out a table.

    Parameters
    ----------
    table : Section
        Gives the titles of the columns, and the methods by group.
    caption : str
        Text above, without markup.
    rows : mapping of str to sequence of sequence of str
        Method -> column -> lines of the entry, in LaTeX.
    last : (str, sequence of str)
        Name of the last row, without markup, and an entry a column in LaTeX; no entries, no row.
    notes : sequence of str, optional
        Paragraphs beneath, in small print, without markup; those that are empty are left out.

    Returns
    -------
    str
        LaTeX. It is not a float: those that wait for text between them overflow when there is none.
    """
    lines = [
        r"\noindent\begin{minipage}{\linewidth}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\captionof{{table}}{{{escape(caption)}}}",
        rf"\benchfit{{\begin{{tabular}}{{@{{}}l{'l' * len(table.columns)}@{{}}}}",
        r"\toprule",
        _row("method", *(escape(c.title) for c in table.columns)),
    ]
    for group, members in table.groups():
        lines += [r"\midrule", _row(rf"\emph{{{group}}}", *[""] * len(table.columns))]
        for method in members:
            name, *beneath = zip_longest([escape(table.name(method))], *rows[method], fillvalue="")
            lines += [_row(*name), *(_row(*entries) for entries in beneath)]
    if last[1]:
        lines += [r"\midrule", _row(escape(last[0]), *last[1])]
    lines.append(r"\bottomrule\end{tabular}}")
    lines += [rf"\par\smallskip\parbox{{\linewidth}}{{\scriptsize {escape(note)}}}" for note in notes if note]
    return "\n".join([*lines, r"\end{minipage}\par\bigskip", ""])


def small(text: str) -> str:
    """Return text without markup in small print."""
    return rf"{{\scriptsize {escape(text)}}}"


def escape(text: str) -> str:
    """Return text without markup on one line, in which no character means anything to LaTeX."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return "".join(_MEANING.get(character, character) for character in line)


def _row(*entries: str) -> str:
    return " & ".join(entries) + r" \\"
