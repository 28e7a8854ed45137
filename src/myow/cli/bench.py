"""Comparisons of methods, as functions of paths and names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets import cards
from ..errors import SettingError
from ..evaluation.bench_jobs import Done
from ..io.files import writing
from ..training.callbacks import ProgressBar
from ..version import __version__

__all__ = ["bench_images_run", "bench_run"]


def bench_run(
    out: Path,
    *,
    datasets: Sequence[str] = (),
    contexts: Sequence[str] = ("0,0",),
    n_jobs: int = 1,
    backend: str = "loky",
    progress: bool = True,
    **options: Any,
) -> dict[str, Any]:
    """Compare methods on recordings into a folder; the parameters are those of ``myow bench``.

    Parameters
    ----------
    out : Path
        Folder to write to; what it holds already is not done again.
    datasets : sequence of str, optional
        Names or files. Default: every recording that can be named.
    contexts : sequence of str, optional
        Windows, "before,after" each.
    n_jobs, backend
        See `myow.evaluation.bench.run_bench`.
    progress : bool, optional
        Whether to print a line a fit on stderr.
    **options
        See `myow.evaluation.bench.Bench`.

    Returns
    -------
    dict
        "table" (Markdown), "added" and "failed" (fits), "missing" (recordings not at hand), "cells" (the table's figures) and
        "files".
    """
    from ..evaluation.bench import Bench, run_bench
    from ..evaluation.bench_summary import failures, summarise
    from ..figures import bench_tables
    from ..figures.bench_figures import draw_bench

    names = list(datasets) or [card.name for card in cards()]
    bench = Bench(datasets=names, contexts=[_window(c) for c in contexts], **options)
    outcome = run_bench(bench, out, n_jobs=n_jobs, backend=backend, report=_report if progress else None)
    cells, failed = summarise(outcome.rows), failures(outcome.rows)
    columns = [*dict.fromkeys([*names, *(row["dataset"] for row in outcome.rows)])]
    periods = {row["dataset"]: row.get("period") for row in outcome.rows if not row["error"]}
    about = {
        "version": __version__,
        "fits": f"{len(outcome.rows)} ({len(failed)} failed)",
        "machine": ", ".join(sorted({f"{row['machine']}, torch {row['torch']}" for row in outcome.rows})),
        "minutes": outcome.minutes,
    }
    table = bench_tables.markdown(
        cells, datasets=columns, missing=outcome.missing, failures=failed, about=about, periods=periods
    )
    written = {
        "table.md": table,
        "table.csv": bench_tables.csv_text(cells),
        "table.tex": bench_tables.latex(cells, datasets=columns, missing=outcome.missing, periods=periods),
    }
    for file, text in written.items():
        with writing(out / file) as part:
            part.write_text(text, encoding="utf-8")
    pictures = draw_bench(out, outcome.rows, cells)
    return {
        "table": table,
        "added": outcome.added,
        "failed": len(failed),
        "missing": outcome.missing,
        "cells": [asdict(cell) for cell in cells],
        "files": [str(out / "rows.jsonl"), *(str(out / file) for file in written), *map(str, pictures)],
    }


def bench_images_run(
    out: Path, *, datasets: Sequence[str] = (), progress: bool = True, **options: Any
) -> dict[str, Any]:
    """Compare methods on images into a folder; the parameters are those of ``myow bench --protocol images``.

    Parameters
    ----------
    out : Path
        Folder to write to; what it holds already is not done again, what was interrupted goes on.
    datasets : sequence of str, optional
        Names of image datasets, or folders. Default: every dataset of images that is at hand.
    progress : bool, optional
        Whether to show how training goes, and a line a training, on stderr.
    **options
        See `myow.evaluation.bench_images.ImageBench`.

    Returns
    -------
    dict
        "table" (Markdown), "rows", "failed" (how many) and "files".
    """
    from ..evaluation.bench_images import ImageBench, run_image_bench
    from ..figures.bench_tables import image_table
    from ..figures.images import draw_curves

    names = list(datasets) or [card.name for card in cards("images") if card.available]
    if not names:
        raise SettingError(
            "no dataset of images is at hand; name one with --datasets, and let MYOW_DATA name its folder"
        )
    bench = ImageBench(datasets=names, **options)
    rows = run_image_bench(
        bench, out, report=_report_images if progress else None, watch=ProgressBar if progress else None
    )
    table = image_table(rows)
    with writing(out / "table.md") as part:
        part.write_text(table, encoding="utf-8")
    pictures = draw_curves(out, rows)
    return {
        "table": table,
        "rows": rows,
        "failed": sum(bool(row["error"]) for row in rows),
        "files": [str(out / name) for name in ("rows.jsonl", "table.md")] + [str(path) for path in pictures],
    }


def _window(text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise SettingError(f"context is '{text}'; write bins before and after, such as 2,2")
    return int(parts[0]), int(parts[1])


def _report(done: Done, n: int, total: int) -> None:
    """Print the result of a job on stderr."""
    row = done.row
    shown = [
        f"{s['readout']} {s['labels']}: {s['per_draw'] and np.mean(s['per_draw']):.3f}"
        for s in row["scores"]
        if not s["control"]
    ]
    result = row["error"] or ", ".join(shown)
    seconds = f"{row['seconds']:.1f} s" if not row["error"] else "failed"
    print(f"[{n}/{total}] {done.job.describe()}: {result} ({seconds})", file=sys.stderr, flush=True)


def _report_images(row: dict[str, Any], n: int, total: int) -> None:
    """Print the result of a training on stderr."""
    shown = [
        f"{labels}: linear {found['embedding']['linear']['accuracy']:.3f}, k-NN {found['embedding']['knn']['accuracy']:.3f}"
        for labels, found in row["scores"].items()
    ]
    print(
        f"[{n}/{total}] {row['method']} on {row['dataset']}, seed {row['seed']}: {row['error'] or '; '.join(shown)}",
        file=sys.stderr,
        flush=True,
    )
