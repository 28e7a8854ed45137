"""Jobs of the bench, and their execution on one or several processes."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed, parallel_config
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ..data.recording import Recording
from ..data.splits import Labelled, Split, constant_label, fold_rows, split_rows
from ..datasets import card_of, load_recording
from ..device import cpu_threads, describe_machine
from ..errors import FileError, SettingError, TrainingError, need, unknown_name
from ..methods import make_method, method_class
from ..methods.base import plain
from ..methods.decoders import DecoderEstimator
from ..methods.recordings import RecordingEstimator
from ..methods.runs import Parts, generic_split
from ..settings import parse_pairs, parse_settings
from ..version import __version__
from .bench_summary import CONTROLS
from .decode import decode, has_classes
from .metrics import majority_rate
from .readouts import parse_reading
from .statistics import control

__all__ = [
    "BACKENDS",
    "PROTOCOLS",
    "Done",
    "Job",
    "Task",
    "carry_out",
    "check_owned",
    "describe",
    "part_rows",
    "peak_memory",
    "reset_peak",
    "run_job",
    "settings_of",
]


def reset_peak() -> None:
    """Forget the peak so far, where the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # then the peak is that of the whole process


def peak_memory() -> float:
    """Return the peak of resident memory in MB, since `reset_peak` or the start of the process."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)


def check_owned(
    settings: Sequence[str],
    find: Callable[[str], type],
    methods: Sequence[str],
    *,
    kind: str = "method",
    reserved: Collection[str] = (),
) -> None:
    """Refuse settings that no method has.

    Parameters
    ----------
    settings : sequence of str
        As they were given.
    find : callable
        Returns the estimator class of a method.
    methods : sequence of str
        All there are.
    kind : str, optional
        What an error calls them.
    reserved : collection of str, optional
        Parameters that the bench sets itself.

    Raises
    ------
    SettingError
        If a method or parameter is unknown, or is the bench's own.
    """
    for key in parse_pairs(settings):
        method, dot, name = key.rpartition(".")
        if dot and method not in methods:
            raise unknown_name(kind, method, methods)
        if name in reserved:
            raise SettingError(f"{name} is not set with --set; use the bench's own options")
        known = {f.name for m in ([method] if dot else methods) for f in fields(find(m))}
        if name not in known:
            raise unknown_name("setting", name, sorted(known))


def settings_of(settings: Sequence[str], method: str, estimator: type) -> dict[str, Any]:
    """Return those of the settings that are meant for one method, as its parameters."""
    known = [f.name for f in fields(estimator)]
    pairs = []
    for key, value in parse_pairs(settings).items():
        owner, _, name = key.rpartition(".")
        if owner == method or (not owner and name in known):
            pairs.append(f"{name}={value}")
    return parse_settings(estimator, pairs)


Task = tuple[str, str]
"""A readout by `myow.evaluation.readouts.reading_name`, and the labels it may use: "all" or a number."""


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
        """Digest of the fit, whatever is then read out of it."""
        return _digest({k: v for k, v in asdict(self).items() if k not in ("tasks", "load")})

    @property
    def key(self) -> str:
        """Digest of the fit and its readouts: no two lines of a finished bench share it."""
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


PROTOCOLS = ("released", "cv")
GAP = 300.0
"""Seconds between parts of one long segment; most bouts of sleep are not much longer."""


def part_rows(
    recording: Recording, released: Split | None, *, protocol: str, target: str, fold: int, folds: int, seed: int
) -> Parts:
    """Return the training, validation and test rows of one split.

    Parameters
    ----------
    recording : Recording
        All rows.
    released : Split or None
        The published rule, if there is one.
    protocol : {"released", "cv"}
        The published rule (else 80/10/10 at random by segment, or in order of time); or folds by segment, or contiguous
        blocks of time with a gap where there is one segment.
    target : str
        Label whose classes are dealt evenly, if it is constant in each segment.
    fold, folds, seed : int
        Which of how many folds, and the seed of the deal.

    Returns
    -------
    tuple of ndarray of int
        Row indices, rising.

    Raises
    ------
    UnknownNameError, SettingError, DataError
        If there is no such protocol or fold, or a part would be empty.
    """
    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    if protocol == "released":
        return split_rows(recording, released or generic_split(recording, 0))
    if not 0 <= fold < folds:
        raise SettingError(f"fold is {fold}; it must be below the number of folds, {folds}")
    values = recording.labels[target]
    constant = constant_label(recording, target) if values.dtype.kind in "iubU" else None
    even = constant is not None and len(np.unique(constant)) <= recording.n_segments // 2
    # A gap must leave something of a short recording.
    gap = min(GAP, float(np.ptp(recording.times)) / (20 * folds))
    return fold_rows(recording, folds, seed=seed, gap=gap, stratify=target if even else None)[fold]


MOST_POINTS = 400
"""Test rows that are kept for a figure of the embedding."""

RowParts = tuple[Recording, Recording, Recording]


@dataclass(frozen=True)
class Done:
    """Result of a job: its row, and test rows of the embedding in two dimensions for a figure, if they are wanted."""

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
    """Return the part of a row that is known before the job is done."""
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
        self.parts: RowParts = (train, valid, test)
        self.kind = method_class(job.method)
        self.model = model
        self.began = time.perf_counter()
        self.first, self.fitting, self.count = 0.0, 0.0, 0
        self.machine = describe_machine()
        self.with_labels: dict[bytes, RecordingEstimator] = {}

    def score(self, reading: str, labels: str, control: str | None = None) -> dict[str, Any]:
        """Score one way of reading out; controls keep the readout's fixed strength, since there is nothing to find."""
        target = self.job.target
        readout, classifier, semi_supervised = parse_reading(reading)
        result = decode(
            self.fitted,
            self.parts,
            target=target,
            readout=readout,
            labels=None if labels == "all" else int(labels),
            draws=self.job.draws,
            seed=self.job.seed,
            choose=control is None,
            classifier=classifier,
            semi_supervised=semi_supervised,
        )
        y_train, y_test = self.parts[0].labels[target], self.parts[2].labels[target]
        classes = has_classes(y_train, readout)
        about = {
            "readout": reading,
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
        own = {"context": self.job.context, "random_state": self.job.seed, "verbose": False}
        model = make_method(self.job.method, **dict(self.job.settings) | own)
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
    """Round to six digits, more than any of these numbers needs; it keeps the file small."""
    if isinstance(value, float):
        return round(value, 6)
    return [_rounded(v) for v in value] if isinstance(value, list) else value


BACKENDS = ("loky", "ray", "dask")


def carry_out(jobs: Sequence[Job], *, n_jobs: int, backend: str) -> Iterator[Done]:
    """Do jobs with joblib, in any order, and yield each as soon as it is done; ray's come some at a time.

    Parameters
    ----------
    jobs : sequence of Job
        All different.
    n_jobs : int
        Workers; with one and loky, jobs are done in this process.
    backend : {"loky", "ray", "dask"}
        A ray or dask cluster is the one that ``RAY_ADDRESS`` or ``DASK_SCHEDULER_ADDRESS`` names; without, it is started on
        this machine.

    Yields
    ------
    Done

    Raises
    ------
    UnknownNameError
        If there is no such backend.
    SettingError
        If its package is not installed, or the number of jobs is not 1 or more.
    TrainingError
        If a worker died, for want of memory perhaps; an error of a job is in its row.
    """
    if backend not in BACKENDS:
        raise unknown_name("backend", backend, BACKENDS)
    if n_jobs < 1:
        raise SettingError(f"jobs is {n_jobs}; it must be 1 or more")
    if backend == "loky" and n_jobs == 1:
        yield from map(run_job, jobs)
        return
    # Ray's backend returns lists only: a few jobs at a time, so that their rows are kept.
    several = [jobs[i : i + 2 * n_jobs] for i in range(0, len(jobs), 2 * n_jobs)] if backend == "ray" else [jobs]
    return_as = "list" if backend == "ray" else "generator_unordered"
    cluster = contextlib.nullcontext() if backend == "loky" else {"ray": _ray, "dask": _dask}[backend](n_jobs)
    with cluster, parallel_config(backend=backend, n_jobs=n_jobs):
        try:
            for some in several:
                yield from Parallel(return_as=return_as, batch_size=1)(delayed(run_job)(job) for job in some)
        except Exception as error:  # errors of jobs are in their rows
            raise TrainingError(
                f"a worker of {backend} died ({type(error).__name__}), perhaps for want of memory; the rows done so far are "
                "kept; run the same command again, perhaps with fewer --jobs"
            ) from error


@contextlib.contextmanager
def _dask(n_jobs: int) -> Iterator[None]:
    dask, distributed = (need(name, "dask", "--backend dask") for name in ("dask", "distributed"))
    if dask.config.get("scheduler-address", None):
        with distributed.Client():
            yield
        return
    local = {"host": "127.0.0.1", "dashboard_address": None, "silence_logs": "ERROR"}
    with (
        distributed.LocalCluster(n_workers=n_jobs, threads_per_worker=1, **local) as cluster,
        distributed.Client(cluster),
    ):
        yield


@contextlib.contextmanager
def _ray(n_jobs: int) -> Iterator[None]:
    local = not os.environ.get("RAY_ADDRESS")
    if local:  # despite its name this decides, on Linux too, whether other machines can reach what ray starts
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        # Ray's workers stand back for every other process; on a busy machine they would hardly get a turn.
        os.environ.setdefault("RAY_worker_niceness", "0")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nor does it report to its makers
    ray = need("ray", "ray", "--backend ray")
    if local:
        ray.init(num_cpus=n_jobs, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    else:
        ray.init(log_to_driver=False)
    need("ray.util.joblib", "ray", "--backend ray").register_ray()
    try:
        yield
    finally:
        ray.shutdown()
