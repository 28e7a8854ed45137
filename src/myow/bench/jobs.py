"""What a bench has to do: one job a fit, each with everything that decides its outcome."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

__all__ = ["Job", "Task"]

Task = tuple[str, str]
"""A readout, and the labels it may use: "all" or a number."""


@dataclass(frozen=True)
class Job:
    """One method, fitted once on one split of one recording, and read out in one or more ways.

    Parameters
    ----------
    dataset : str
        Name or file of the recording.
    load : tuple of str
        Options it is loaded with, ``key=value``.
    checksum : str
        Of the recording; a worker that finds other values refuses.
    method : str
        Identifier.
    settings : mapping
        Parameters that differ from the method's defaults.
    protocol : {"released", "cv"}
        How rows are parted.
    fold, folds : int
        Which split of how many.
    seed : int
        Of the fit, and of the deal of folds.
    context : tuple of int
        Bins (before, after) around each row.
    rows : {"train", "all"}
        Rows that the encoder sees without labels.
    target : str
        Label to read out.
    tasks : tuple of (str, str)
        Readouts and labels.
    draws : int
        Random choices of labelled segments to average over.
    """

    dataset: str
    load: tuple[str, ...]
    checksum: str
    method: str
    settings: Mapping[str, Any]
    protocol: str
    fold: int
    folds: int
    seed: int
    context: tuple[int, int]
    rows: str
    target: str
    tasks: tuple[Task, ...]
    draws: int

    @property
    def fit_key(self) -> str:
        """What is fitted, whatever is then read out of it."""
        return _digest({k: v for k, v in asdict(self).items() if k not in ("tasks", "load")})

    @property
    def key(self) -> str:
        """What is fitted and read out: no two lines of a finished bench share it."""
        return _digest({"fit": self.fit_key, "tasks": sorted(self.tasks)})

    def only(self, tasks: tuple[Task, ...]) -> Job:
        """Return the same job with fewer tasks."""
        return replace(self, tasks=tasks)

    def describe(self) -> str:
        """Return a few words for a progress line."""
        window = "" if self.context == (0, 0) else f", context {self.context[0]},{self.context[1]}"
        return f"{self.dataset} {self.method}, fold {self.fold + 1}/{self.folds}, seed {self.seed}{window}"


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
