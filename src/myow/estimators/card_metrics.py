"""What was measured of a model, as Markdown. It may come from a file, so nothing of it is taken for granted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["evaluation_table", "shown", "table", "training_lines"]

MOST = 200  # characters of one value
CONTROLS = {"raw": "raw", "pca": "principal components", "untrained": "untrained encoder"}


def shown(value: Any) -> str:
    """One value on one line, without what Markdown would take for a table's edge."""
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = " ".join(text.replace("|", "/").replace("`", "'").replace("<", "&lt;").split())
    return text if len(text) <= MOST else text[: MOST - 3] + "..."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of text as a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def training_lines(metrics: Any) -> list[str]:
    """What was measured last while it trained; nothing for a method without steps."""
    if not isinstance(metrics, Mapping) or not metrics:
        return []
    step = metrics.get("step")
    rest = [[shown(name), shown(value)] for name, value in metrics.items() if name != "step"]
    return [f"Last in training, at step {shown(step)}, of training rows:", table(["metric", "value"], rest)]


def evaluation_table(evaluations: Sequence[Mapping[str, Any]]) -> str:
    """What was read out, beside what takes no learning; accuracy, or R2 of real-valued labels."""
    rows = [row for found in evaluations for row in (_images(found) if "embedding" in found else [_recording(found)])]
    if not rows:
        return "Nothing was read out of it yet: `myow evaluate` says what it is worth."
    head = ["label", "readout", "labels", "score", "embedding (95 %)", *CONTROLS.values(), "majority", "test rows"]
    return table(head, rows)


def _recording(found: Mapping[str, Any]) -> list[str]:
    score = "r2" if found.get("readout") == "continuous" else "accuracy"
    unit = found.get("label_unit")
    labels = "all" if found.get("labels") is None else f"{shown(found['labels'])} {shown(unit)}s a class"
    return [
        shown(found.get("target")),
        shown(found.get("readout")),
        labels,
        "R2" if score == "r2" else score,
        _with_interval(found, score),
        *(_number(_part(found, name).get(score)) for name in CONTROLS),
        _number(found.get("majority")),
        shown(found.get("n_test")),
    ]


def _images(found: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for readout in _part(found, "embedding"):
        own = _part(_part(found, "embedding"), readout)
        controls = (_number(_part(_part(found, name), readout).get("accuracy")) for name in CONTROLS)
        labels = "all" if found.get("labels") is None else f"{shown(found['labels'])} a class"
        label = [shown(found.get("target")), shown(readout), labels, "accuracy", _with_interval(own, "accuracy")]
        rows.append([*label, *controls, _number(own.get("majority")), shown(own.get("n_test"))])
    return rows


def _with_interval(found: Mapping[str, Any], score: str) -> str:
    interval = found.get("interval")
    ends = [_number(end) for end in interval] if isinstance(interval, (list, tuple)) and len(interval) == 2 else []
    return _number(found.get(score)) + (f" ({ends[0]} to {ends[1]})" if ends else "")


def _part(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = found.get(name)
    return part if isinstance(part, Mapping) else {}


def _number(value: Any) -> str:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return f"{value:.3f}" if good else ""
