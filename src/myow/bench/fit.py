"""Do one job: fit, read out, and say all of it in one row. This is what a worker runs."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ..data.recording import Recording
from ..device import cpu_threads, describe_machine
from ..errors import FileError
from ..evaluation.decoding import decode, has_classes
from ..methods import make_method, method_class
from ..methods.base import plain
from ..methods.decoders import DecoderEstimator
from ..methods.recordings import RecordingEstimator
from ..probe import Labelled, majority_rate
from ..sources import card_of, load_recording
from ..version import __version__
from .controls import CONTROLS, control
from .jobs import Job
from .memory import peak_memory, reset_peak
from .protocols import part_rows

__all__ = ["Done", "describe", "run_job"]

MOST_POINTS = 400
"""Test rows that are kept for a picture of the embedding."""

Parts = tuple[Recording, Recording, Recording]


@dataclass(frozen=True)
class Done:
    """What came of a job: its row, and test rows of the embedding in two dimensions for a picture, if they are wanted."""

    job: Job
    row: dict[str, Any]
    points: dict[str, NDArray[Any]] = field(default_factory=dict)


def run_job(job: Job) -> Done:
    """Fit a method and read it out; an error becomes part of the row.

    Parameters
    ----------
    job : Job
        What to do.

    Returns
    -------
    Done
    """
    row = describe(job)
    points: dict[str, NDArray[Any]] = {}
    reset_peak()
    try:
        with cpu_threads(1), threadpool_limits(1):
            found, points = _run(job)
        row |= found
    except Exception as error:  # whatever it is, the other jobs go on
        row |= {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"}
    return Done(job, row | {"peak_memory_mb": round(peak_memory(), 1)}, points)


def describe(job: Job) -> dict[str, Any]:
    """Return what a row says of its job, before anything came of it."""
    estimator = method_class(job.method)
    return {
        "key": job.key,
        "fit_key": job.fit_key,
        "dataset": job.dataset,
        "checksum": job.checksum,
        "method": job.method,
        "settings": {k: plain(v) for k, v in job.settings.items()},
        "uses_labels": estimator.uses_labels,
        "protocol": job.protocol,
        "fold": job.fold,
        "folds": job.folds,
        "seed": job.seed,
        "context": list(job.context),
        "rows": job.rows,
        "target": job.target,
        "tasks": [list(task) for task in job.tasks],
        "draws": job.draws,
        "version": __version__,
        "torch": torch.__version__,
        "machine": describe_machine(),
        "error": None,
        "scores": [],
    }


@functools.lru_cache(maxsize=4)
def _load(dataset: str, load: tuple[str, ...]) -> Recording:
    return load_recording(dataset, load)


def _run(job: Job) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    recording = _load(job.dataset, job.load)
    if recording.digest() != job.checksum:
        raise FileError(f"{job.dataset} has other values here than where the bench was started; use the same file")
    card = card_of(job.dataset)
    parts = part_rows(
        recording,
        card.split if card else None,
        protocol=job.protocol,
        target=job.target,
        fold=job.fold,
        folds=job.folds,
        seed=job.seed,
    )
    fits = _Fits(job, recording, parts)
    scores = [fits.score(readout, labels) for readout, labels in job.tasks]
    if ("class", "all") in job.tasks and has_classes(recording.labels[job.target], "class"):
        for how in CONTROLS:
            false = control(recording, job.target, how, seed=job.seed, fold=job.fold, folds=job.folds)
            scores.append(_Fits(job, false, parts, fits.model).score("class", "all", how))
    train, valid, test = fits.parts
    found = {
        "period": recording.periods.get(job.target),
        "n_train": len(train),
        "n_valid": len(valid),
        "n_test": len(test),
        "seconds": round(fits.first, 3),
        "readout_seconds": round(time.perf_counter() - fits.began - fits.fitting, 3),
        "fits": fits.count,
        "machine": fits.machine,
        "scores": scores,
    }
    return found, _points(fits.fitted(None), test, job.target) if job.fold == 0 else {}


class _Fits:
    """The estimator of a job, fitted when it is asked for; again for every draw of labels if it learns from labels."""

    def __init__(
        self,
        job: Job,
        recording: Recording,
        rows: tuple[NDArray[np.int64], ...],
        model: RecordingEstimator | None = None,
    ) -> None:
        self.job = job
        self.recording = recording
        self.rows = rows
        train, valid, test = (recording.select(part) for part in rows)
        self.parts: Parts = (train, valid, test)
        self.kind = method_class(job.method)
        self.model = model
        self.began = time.perf_counter()
        self.first, self.fitting, self.count = 0.0, 0.0, 0
        self.machine = describe_machine()
        self.with_labels: dict[bytes, RecordingEstimator] = {}

    def score(self, readout: str, labels: str, control: str | None = None) -> dict[str, Any]:
        """Score one way of reading out; controls keep the readout's fixed strength, since there is nothing to find."""
        target = self.job.target
        result = decode(
            self.fitted,
            self.parts,
            target=target,
            readout=readout,
            labels=None if labels == "all" else int(labels),
            draws=self.job.draws,
            seed=self.job.seed,
            choose=control is None,
        )
        y_train, y_test = self.parts[0].labels[target], self.parts[2].labels[target]
        classes = has_classes(y_train, readout)
        about = {
            "readout": readout,
            "labels": labels,
            "control": control,
            "majority": majority_rate(y_train, y_test) if classes else None,
            "n_classes": len(np.unique(y_train)) if classes else None,
        }
        if labels != "all" or control is not None:
            result.pop("confusion", None)
        return about | {k: _rounded(v) for k, v in result.items()}

    def fitted(self, labelled: Labelled | None) -> RecordingEstimator:
        """Return the estimator for some labelled training rows, or for all."""
        if not self.kind.uses_labels:
            if self.model is None:
                self.model = self._fit(self._seen(), None, None)
            return self.model
        key = b"all" if labelled is None else labelled.rows.tobytes()
        if key not in self.with_labels:  # readouts share their draws
            chosen = np.arange(len(self.rows[0])) if labelled is None else labelled.rows
            self.with_labels[key] = self._fit_labelled(chosen, all_labels=labelled is None)
        return self.with_labels[key]

    def _seen(self) -> Recording:
        return self.recording if self.job.rows == "all" else self.parts[0]

    def _fit_labelled(self, chosen: NDArray[np.int64], *, all_labels: bool) -> RecordingEstimator:
        labelled = self.rows[0][chosen]
        seen = self.rows[0]
        if all_labels and issubclass(self.kind, DecoderEstimator):
            # As a readout is fitted on training and validation rows once its strength is chosen, so is a decoder.
            labelled = seen = np.sort(np.concatenate(self.rows[:2]))
        if self.job.rows == "all":
            seen = np.arange(len(self.recording))
        known = self.recording.select(seen)
        return self._fit(known, known.labels[self.job.target], np.isin(seen, labelled))

    def _fit(self, known: Recording, labels: Any, labelled: NDArray[np.bool_] | None) -> RecordingEstimator:
        model = make_method(
            self.job.method, **dict(self.job.settings) | {"context": self.job.context, "random_state": self.job.seed}
        )
        start = time.perf_counter()
        model.fit(known, labels, labelled=labelled)
        took = time.perf_counter() - start
        self.first = took if self.count == 0 else self.first
        self.fitting += took
        self.count += 1
        self.machine = describe_machine(model.network_.scaling.mean.device)
        return model


def _points(model: RecordingEstimator, test: Recording, target: str) -> dict[str, NDArray[Any]]:
    """First two principal components of the embedding of some test rows, with their labels."""
    some = np.unique(np.linspace(0, len(test) - 1, min(len(test), MOST_POINTS)).astype(int))
    z = model.transform(test)[some].astype(np.float64)
    u, s, _ = np.linalg.svd(z - z.mean(axis=0), full_matrices=False)
    plane = np.zeros((len(z), 2))
    plane[:, : min(2, u.shape[1])] = (u * s)[:, :2]
    return {
        "z": plane,
        "label": test.labels[target][some],
        "period": np.float64(test.periods.get(target, np.nan)),
    }


def _rounded(value: Any) -> Any:
    """Six digits are more than any of these figures is worth, and keep the file small."""
    if isinstance(value, float):
        return round(value, 6)
    return [_rounded(v) for v in value] if isinstance(value, list) else value
