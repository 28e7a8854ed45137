"""All figures of a bench as CSV, to compute with."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from ..bench.published import method_name, published_beside
from ..bench.summary import YARDSTICKS, Cell

__all__ = ["csv_text"]

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
        From `bench.summary.summarise`.

    Returns
    -------
    str
        With a header; empty where there is no value. Columns that begin with "raw", "byol" and "unmined" compare with those
        methods; their "p_adjusted" is adjusted (Holm) for the comparisons of the column that the cell stands in. "poster" is the
        published figure from another split.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADER)
    for c in cells:
        compared: list[Any] = []
        for other in OTHERS:
            found = c.against.get(other)
            compared += [None] * len(COMPARISON) if found is None else [getattr(found, f) for f in COMPARISON]
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
