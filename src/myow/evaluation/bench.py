"""The bench: methods on recordings, split by split, a row a fit."""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..data.recording import Recording
from ..datasets import card_of, load_recording
from ..errors import FileError, SettingError, unknown_name
from ..io.files import make_folder, write_arrays, writing
from ..methods import method_class, method_names
from ..methods.decoders import DecoderEstimator
from ..version import __version__
from .bench_jobs import PROTOCOLS, Done, Job, Task, carry_out, check_owned, settings_of
from .bench_summary import RowsFile, fit_row
from .decode import default_readout, find_target, why_not_semi_supervised
from .readouts import check_classifier, parse_reading, reading_name, readout_name

__all__ = ["Bench", "run_bench"]

Report = Callable[[Done, int, int], None]
"""Callback that gets each finished job, how many are done and of how many."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Comparison of methods on recordings; the parameters are those of ``myow bench``.

    Parameters
    ----------
    datasets : sequence of str
        Names or files of recordings.
    methods : sequence of str
        Identifiers. Default: all.
    protocol : {"released", "cv"}
        How rows are parted.
    contexts : sequence of tuple of int
        Bins (before, after) around each row; each is a track of its own.
    rows : {"train", "all"}
        Rows that encoders see without labels.
    readouts : sequence of str
        Those that do not suit a recording's label are left out there.
    labels : sequence of str
        "all", or numbers of labelled segments (minutes) per class.
    classifier : {"logistic", "lda", "auto"}
        What classifies in readout "class", as of `myow.evaluate`. Rows name the readout "class-lda" or "class-auto".
    semi_supervised : bool
        Whether, for each number of labels, readout "class" is fitted once more, on unlabelled training segments too, as of
        `myow.evaluate`. Rows name it "class-semi". Recordings whose label changes inside segments are left out with a warning,
        and so are decoders, which name classes themselves.
    folds, seeds, draws : int
        Folds (protocol "cv"), repetitions with a seed each, and random choices of labelled segments.
    settings : sequence of str
        ``key=value`` for every method that has the parameter, or ``method.key=value`` for one.
    load : sequence of str
        Options of the recordings, ``key=value``.
    target : str, optional
        Label to read out, of all recordings. Default: that of the dataset's card, else the first.
    retry : bool
        Whether failed fits are tried again.
    """

    datasets: Sequence[str]
    methods: Sequence[str] = ()
    protocol: str = "released"
    contexts: Sequence[tuple[int, int]] = ((0, 0),)
    rows: str = "train"
    readouts: Sequence[str] = ("angle", "class")
    labels: Sequence[str] = ("all",)
    folds: int = 5
    seeds: int = 1
    draws: int = 5
    settings: Sequence[str] = ()
    load: Sequence[str] = ()
    classifier: str = "logistic"
    semi_supervised: bool = False
    target: str | None = None
    retry: bool = False

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise unknown_name("protocol", self.protocol, PROTOCOLS)
        if self.rows not in ("train", "all"):
            raise unknown_name("rows", self.rows, ("train", "all"))
        for name in ("folds", "seeds", "draws"):
            least = 2 if name == "folds" else 1
            if getattr(self, name) < least:
                raise SettingError(f"{name} is {getattr(self, name)}; it must be {least} or more")
        readouts = [readout_name(readout) for readout in self.readouts]
        object.__setattr__(self, "readouts", list(dict.fromkeys(readouts)))
        check_classifier(self.classifier, "class")
        if "class" not in readouts and (self.semi_supervised or self.classifier != "logistic"):
            raise SettingError(
                f"classifiers and semi-supervised learning are for readout 'class', and readouts are {', '.join(readouts)}; "
                "use --readouts class"
            )
        for text in self.labels:
            if text != "all" and not (text.isdecimal() and int(text) > 0):
                raise SettingError(f"labels are '{text}'; write all, or numbers of 1 or more such as 1,2,5,10")
        if self.semi_supervised and set(self.labels) <= {"all"}:
            raise SettingError("with all labels no segment is unlabelled; write numbers too, such as --labels 1,2,5")
        for method in self.methods:
            method_class(method)
        check_owned(self.settings, method_class, method_names(), reserved=("context", "random_state", "device"))

    def names(self) -> list[str]:
        """Methods to compare."""
        return list(self.methods) or method_names()

    def settings_of(self, method: str) -> dict[str, Any]:
        """Parameters of one method that differ from its defaults."""
        return settings_of(self.settings, method, method_class(method))

    def jobs(self, dataset: str, recording: Recording) -> Iterator[Job]:
        """All jobs on one recording."""
        card = card_of(dataset)
        target = find_target([recording], self.target or (card.target if card else None))
        tasks = self._tasks(recording, target)
        if not tasks:
            raise SettingError(
                f"none of the readouts {', '.join(self.readouts)} suits label '{target}' of {dataset}; "
                f"use --readouts {default_readout(recording, target)}"
            )
        checksum = recording.digest()
        folds = self.folds if self.protocol == "cv" else 1
        for seed in range(self.seeds):
            for context in self.contexts:
                for fold in range(folds):
                    for method in self.names():
                        own = tasks
                        if issubclass(method_class(method), DecoderEstimator):
                            own = tuple(dict.fromkeys((_without_options(task), labels) for task, labels in tasks))
                        yield Job(
                            dataset=dataset,
                            load=tuple(self.load),
                            checksum=checksum,
                            method=method,
                            settings=self.settings_of(method),
                            protocol=self.protocol,
                            fold=fold,
                            folds=folds,
                            seed=seed,
                            context=context,
                            rows=self.rows,
                            target=target,
                            tasks=own,
                            draws=self.draws,
                        )

    def _tasks(self, recording: Recording, target: str) -> tuple[Task, ...]:
        values = recording.labels[target]
        real = values.dtype.kind == "f" or values.ndim == 2
        suits = {
            "angle": target in recording.periods,
            "class": not real,
            "knn": not real,
            "continuous": values.dtype.kind in "iuf",
        }
        tasks = []
        for readout in (r for r in self.readouts if suits[r]):
            of_classes = readout == "class"
            name = reading_name(readout, self.classifier if of_classes else "logistic")
            tasks += [(name, labels) for labels in self.labels]
            if not (of_classes and self.semi_supervised):
                continue
            if why := why_not_semi_supervised(recording, target, readout):
                warnings.warn(f"{recording.name or 'the recording'}: {why}", UserWarning, stacklevel=2)
                continue
            name = reading_name(readout, self.classifier, True)
            tasks += [(name, labels) for labels in self.labels if labels != "all"]
        return tuple(tasks)


def _without_options(reading: str) -> str:
    """Return the readout alone: a decoder names classes itself, so that no option changes what it says."""
    return parse_reading(reading)[0]


@dataclass(frozen=True)
class Outcome:
    """Outcome of a bench: all rows of the folder, recordings that could not be had and why, fits added, minutes in all."""

    rows: list[dict[str, Any]]
    missing: dict[str, str]
    added: int
    minutes: float


def run_bench(
    bench: Bench, out: Path, *, n_jobs: int = 1, backend: str = "loky", report: Report | None = None
) -> Outcome:
    """Carry out what the folder does not hold yet.

    Parameters
    ----------
    bench : Bench
        What to compare.
    out : Path
        Folder of ``rows.jsonl``.
    n_jobs : int, optional
        Workers.
    backend : {"loky", "ray", "dask"}, optional
        joblib backend that does the jobs.
    report : callable, optional
        Gets each finished job, how many are done and of how many.

    Returns
    -------
    Outcome

    Raises
    ------
    SettingError
        If the folder holds rows of another version, which must not be mixed with this one's.
    FileError
        If the folder cannot be written or another bench is at work in it.
    """
    file = RowsFile(make_folder(out) / "rows.jsonl", fit_row)
    with file.locked():
        rows = file.read()
        other = sorted({row["version"] for row in rows} - {__version__})
        if other:
            raise SettingError(
                f"{out} holds rows of version {', '.join(other)}, this is {__version__}; use another folder"
            )
        planned, missing = _plan(bench)
        _refuse_mixture(planned, rows, out)
        jobs = _left(planned, rows, retry=bench.retry)
        start = time.monotonic()
        try:
            for n, done in enumerate(carry_out(jobs, n_jobs=n_jobs, backend=backend), 1):
                if done.points:
                    _keep_points(out, done)
                file.append(done.row)
                if report is not None:
                    report(done, n, len(jobs))
        finally:
            if jobs:
                with contextlib.suppress(FileError):  # it must not hide what stopped the bench
                    _add_minutes(out, (time.monotonic() - start) / 60)
        return Outcome(file.read(), missing, len(jobs), _minutes(out))


def _plan(bench: Bench) -> tuple[list[Job], dict[str, str]]:
    planned: list[Job] = []
    missing: dict[str, str] = {}
    for dataset in bench.datasets:
        try:
            recording = load_recording(dataset, bench.load)
        except FileError as error:
            if card_of(dataset) is None:
                raise
            missing[dataset] = str(error)
            continue
        planned += bench.jobs(dataset, recording)
    return planned, missing


def _refuse_mixture(planned: Sequence[Job], rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Refuse to add fits that would stand in one table with fits of other settings."""
    held = {_place(row): row for row in rows}
    for job in planned:
        row = held.get(_place({**asdict(job), "context": list(job.context)}))
        if row is not None and row["fit_key"] != job.fit_key:
            pairs = {
                name: (row[name], asdict(job)[name]) for name in ("settings", "draws", "folds", "checksum", "target")
            }
            other = [f"{name} {old} where this has {new}" for name, (old, new) in pairs.items() if old != new]
            raise SettingError(
                f"{out} holds fits of {job.method} on {job.dataset} with {'; '.join(other)}; use another folder"
            )


def _place(row: Mapping[str, Any]) -> str:
    """Place of a fit in the tables."""
    names = ("dataset", "method", "protocol", "fold", "seed", "context", "rows")
    return repr([row[name] for name in names])


def _left(planned: Sequence[Job], rows: Sequence[Mapping[str, Any]], *, retry: bool) -> list[Job]:
    """Leave out tasks that some row of the same fit holds already."""
    held: dict[str, set[Task]] = {}
    for row in rows:
        if not (retry and row["error"]):
            held.setdefault(row["fit_key"], set()).update((r, n) for r, n in row["tasks"])
    left = []
    for job in planned:
        tasks = tuple(t for t in job.tasks if t not in held.get(job.fit_key, ()))
        if tasks:
            left.append(job.only(tasks))
    return left


def _keep_points(out: Path, done: Done) -> None:
    job = done.job
    before, after = job.context
    folder = make_folder(out / "embeddings")
    dataset = Path(job.dataset).name
    write_arrays(folder / f"{dataset}__{job.method}__{before}-{after}__{job.rows}.npz", done.points)


def _add_minutes(out: Path, minutes: float) -> None:
    """Add to the time that the folder has taken in all, however often it was interrupted."""
    with writing(out / "minutes.txt") as part:
        part.write_text(f"{_minutes(out) + minutes:.2f}\n")


def _minutes(out: Path) -> float:
    try:
        minutes = float((out / "minutes.txt").read_text())
    except (OSError, ValueError):
        return 0.0
    return minutes if math.isfinite(minutes) else 0.0
