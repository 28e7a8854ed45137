"""Tables of a bench: Markdown to read, CSV to compute with, LaTeX to print."""

from __future__ import annotations

from .bench_csv import csv_text
from .bench_latex import latex
from .bench_markdown import markdown

__all__ = ["csv_text", "latex", "markdown"]
