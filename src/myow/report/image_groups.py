"""Which trainings of a bench on images stand in one figure, and what each is called there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..bench.published import METHOD_NAMES, method_name

__all__ = ["Group", "Row", "groups"]

Row = Mapping[str, Any]


class Group(NamedTuple):
    """What trainings must have in common to be compared."""

    dataset: str
    encoder: str
    width: int
    subset: str

    @property
    def title(self) -> str:
        """What it is, for people."""
        encoder = "an encoder of one's own" if self.encoder == "own" else f"{self.encoder} of width {self.width}"
        return f"{Path(self.dataset).name}, {encoder}"

    @property
    def stem(self) -> str:
        """Part of a file's name: a word that came from a file may not lead out of the folder, nor be endless."""
        words = (re.sub(r"[^A-Za-z0-9._-]", "-", word) for word in (Path(self.dataset).name, self.encoder))
        return "_".join(word.lstrip(".")[:60] or "-" for word in words)


def groups(rows: Sequence[Row]) -> dict[Group, dict[str, list[Row]]]:
    """Sort the trainings that succeeded.

    Parameters
    ----------
    rows : sequence of mapping
        Lines of rows.jsonl; of several with one key the last counts.

    Returns
    -------
    dict of Group to dict of str to list of row
        By name, in the order of `METHOD_NAMES`, trainings that differ in their seed alone. Where a method was trained with
        several settings, its name says those in which they differ.
    """
    good = [row for row in {row["key"]: row for row in rows}.values() if not row["error"]]
    rank = {method: place for place, method in enumerate(METHOD_NAMES)}
    found: dict[Group, dict[str, list[Row]]] = {}
    for row in sorted(good, key=lambda r: (rank.get(r["method"], len(rank)), r["method"])):
        group = _group(row)
        rivals = [r["settings"] for r in good if _group(r) == group and r["method"] == row["method"]]
        found.setdefault(group, {}).setdefault(_name(row, rivals), []).append(row)
    return found


def _group(row: Row) -> Group:
    return Group(row["dataset"], row["encoder"], row["width"], row["subset"])


def _name(row: Row, rivals: Sequence[Mapping[str, Any]]) -> str:
    keys = sorted({k for settings in rivals for k in settings})
    differing = [k for k in keys if len({json.dumps(s.get(k)) for s in rivals}) > 1]
    said = ", ".join(f"{k} {row['settings'].get(k, 'default')}" for k in differing)
    return method_name(row["method"]) + (f" ({said})" if said else "")
