"""Runs: folders that hold a trained model, its settings, metrics and results; and models on the Hub."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..data.images import Images
from ..data.recording import Recording
from ..data.splits import Split, constant_label
from ..errors import FileError, SettingError, unknown_name
from ..io.download import CARD, MODEL, push
from ..io.download import pull as pull_from_hub
from ..io.files import Held, locked, make_folder, remove, remove_leftovers, write_json, writing
from ..settings import split_names
from ..training.callbacks import Callback, MetricsFile, PairsFile, read_metrics
from ..training.checkpoint import CHECKPOINT, LOCK
from ..training.distributed import current
from ..version import __version__
from .base import Learner
from .loading import load_model

__all__ = [
    "OFFICIAL",
    "Parts",
    "Run",
    "RunFolder",
    "SessionOfRun",
    "generic_split",
    "joined_parts",
    "own_parts",
    "pull_from_hub",
    "push_to_hub",
    "run_card",
    "session_names",
    "session_of",
    "sessions_of",
    "told",
    "write_run_card",
]

Parts = tuple[NDArray[np.int64], ...]

OFFICIAL = "official"
"""Name of the split of images: the published test part, and validation images drawn from the training part."""

MOST_ROWS = 1 << 27  # a day of bins of 1 ms is 86 million


@dataclass(frozen=True)
class Run:
    """Description of a run, as its folder keeps it.

    Parameters
    ----------
    data : str
        Name of a published or simulated recording, or path of a file.
    load : sequence of str
        Options it was loaded with, ``key=value``.
    method : str
        Identifier of the method.
    settings : mapping
        Parameters of the estimator that differ from its defaults, and the seed.
    rows : {"train", "all"}
        Rows that the encoder was trained on, without labels.
    split : {"released", "random", "time", "official"}
        How the rows were parted.
    split_seed : int
        Seed of a random split.
    parts : mapping
        The rows themselves, as ranges such as "0-6,13-20" under "train", "valid" and "test": labels that are edited later
        cannot move rows from one part to another.
    recording : mapping
        Name, checksum and origin of the recording.
    target : str or None
        Label that the method learnt from; None if it learns without.
    version : str
        Version of this package.
    """

    data: str
    load: Sequence[str]
    method: str
    settings: Mapping[str, Any]
    rows: str
    split: str
    split_seed: int
    parts: Mapping[str, str]
    recording: Mapping[str, str]
    target: str | None = None
    version: str = field(default=__version__)

    @classmethod
    def from_json(cls, content: Any) -> Self:
        """Take what was read from a file, which may be anything.

        Raises
        ------
        ValueError, TypeError, KeyError
            If it is no description of a run.
        """
        if not isinstance(content, dict):
            raise TypeError(f"it is a {type(content).__name__}, no object")
        run = cls(**content)
        for name in (f.name for f in fields(cls)):
            value = getattr(run, name)
            if not _FITS[name](value):
                raise ValueError(f"{name} is {value!r:.60}")
        for name in _PARTS:
            _ends(run.parts[name])
        run.recording["digest"]  # it is there
        return run

    @property
    def of_images(self) -> bool:
        """Whether it learnt from images, which come with an official split."""
        return self.split == OFFICIAL

    @staticmethod
    def describe_parts(parts: Parts) -> dict[str, str]:
        """Write the rows of the three parts as ranges."""
        return dict(zip(_PARTS, map(_to_ranges, parts), strict=True))

    def rows_of_parts(self) -> Parts:
        """Return the rows of the three parts."""
        return tuple(_from_ranges(self.parts[name]) for name in _PARTS)


_PARTS = ("train", "valid", "test")


def _to_ranges(rows: NDArray[np.int64]) -> str:
    runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
    return ",".join(f"{run[0]}-{run[-1]}" for run in runs)


def _from_ranges(text: str) -> NDArray[np.int64]:
    return np.concatenate([np.arange(first, last + 1) for first, last in _ends(text)])


def _ends(text: str) -> list[tuple[int, int]]:
    """Return first and last row of each range; a few characters could stand for any number of rows."""
    ends = []
    for piece in text.split(","):
        first, last = (int(number) for number in piece.split("-"))
        ends.append((first, last))
    if not all(0 <= first <= last for first, last in ends) or sum(last + 1 - first for first, last in ends) > MOST_ROWS:
        raise ValueError(f"rows are {text!r:.60}")
    return ends


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_text, value.values()))


_FITS = {
    "data": _text,
    "load": lambda value: isinstance(value, list) and all(map(_text, value)),
    "method": _text,
    "settings": lambda value: isinstance(value, dict),
    "rows": lambda value: value in ("train", "all"),
    "split": _text,
    "split_seed": lambda value: type(value) is int and value >= 0,
    "parts": _texts,
    "recording": _texts,
    "target": lambda value: value is None or _text(value),
    "version": _text,
}
"""What each part of a description must be."""


@dataclass(frozen=True)
class SessionOfRun:
    """One session of a run.

    Parameters
    ----------
    data : str
        Name of a published or simulated recording, or path of a file.
    name : str
        What the model calls it.
    digest : str
        Checksum of the whole recording.
    rows : int
        Rows of the whole recording.
    """

    data: str
    name: str
    digest: str
    rows: int


def session_names(data: str) -> list[str]:
    """Part names of recordings at commas; a file whose own name holds one stays whole."""
    return [data] if Path(data).exists() else split_names(data)


def told(sessions: Sequence[SessionOfRun]) -> dict[str, str]:
    """Describe the recordings of a run, as `myow.methods.runs.Run` keeps them."""
    all_of_them = "".join(f"{session.name}\n{session.digest}\n" for session in sessions)
    return {
        "name": ", ".join(session.name for session in sessions),
        "digest": hashlib.sha256(all_of_them.encode()).hexdigest(),
        "sessions": json.dumps([asdict(session) for session in sessions]),
    }


def sessions_of(run: Run) -> list[SessionOfRun]:
    """Return the sessions that a run was trained on; none if it is of one recording.

    Raises
    ------
    FileError
        If their description is damaged.
    """
    try:
        found = [SessionOfRun(**about) for about in json.loads(run.recording.get("sessions", "[]"))]
        for session in found:
            if not all(type(getattr(session, f.name)).__name__ == f.type for f in fields(session)):
                raise TypeError(f"{session!r:.60} is no session")
    except (ValueError, TypeError, RecursionError) as error:
        raise FileError(f"the run's description of its sessions is damaged ({error}); train again") from error
    return found


def session_of(run: Run, session: str | None, path: Path) -> SessionOfRun | None:
    """Return the session of a run that is asked for by name or recording, else the first; None of a run of one recording.

    Raises
    ------
    SettingError
        If one is named and the run learnt from one recording.
    UnknownNameError
        If there is no such session.
    """
    sessions = sessions_of(run)
    if session is None:
        return sessions[0] if sessions else None
    if not sessions:
        raise SettingError(f"{path} learnt from one recording, and session is '{session}'; leave it out")
    for one in sessions:
        if session in (one.name, one.data):
            return one
    raise unknown_name("session", session, [one.name for one in sessions])


def joined_parts(parts: Sequence[Parts], lengths: Sequence[int]) -> Parts:
    """Join the three parts of each session, whose rows count on from those of the sessions before it."""
    starts = np.cumsum([0, *lengths[:-1]])
    return tuple(
        np.concatenate([own[i] + start for own, start in zip(parts, starts, strict=True)]) for i in range(len(parts[0]))
    )


def own_parts(run: Run, digest: str) -> Parts | None:
    """Return the rows of the three parts of the session with this checksum, counted from its own first row."""
    start = 0
    for session in sessions_of(run):
        if session.digest == digest:
            rows = run.rows_of_parts()
            return tuple(part[(part >= start) & (part < start + session.rows)] - start for part in rows)
        start += session.rows
    return None


# Of a training run; those of an evaluation carry its name.
FIGURES = ("embedding_2d", "embedding_3d", "learning_curves", "geometry", "mined_views", "mined_images")


class RunFolder:
    """Files of one run.

    Parameters
    ----------
    path : path-like
        The folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.metrics = self.path / "metrics.jsonl"
        self.mined = self.path / "mined.npz"
        self.neighbours = self.path / "neighbour_pairs.npz"
        self.checkpoint = self.path / CHECKPOINT
        self.model_path = self.path / "model.myow"
        self.card = self.path / "model_card.md"
        self.demo = self.path / "demo.json"
        self.report = self.path / "report.html"
        self._about = self.path / "run.json"

    def train(
        self,
        run: Run,
        model: Learner,
        rows: Recording | Images | Mapping[str, Recording],
        *,
        resume: bool,
        callbacks: Sequence[Callback] = (),
    ) -> tuple[Learner, int]:
        """Train a model, and write everything that a later evaluation needs.

        What an earlier run left is removed when training begins, not before: settings that cannot work cost nothing.

        Parameters
        ----------
        run : Run
            What is about to be trained.
        model : Learner
            Not yet fitted.
        rows : Recording, Images or mapping of str to Recording
            The rows to train on; of several sessions by name.
        resume : bool
            Whether to go on from what the folder holds.
        callbacks : sequence of Callback, optional
            Who is told besides the folder's own files.

        Returns
        -------
        Learner
            Fitted. After an interrupt it is written as far as it came, then the interrupt goes on.
        int
            Steps that had been done before; equal to the steps of the model if there was nothing to do.

        Raises
        ------
        FileError
            If the folder cannot be written, or another process is training into it.
        SettingError
            If it holds a run with other settings, rows or split and `resume` is set.
        KeyboardInterrupt
            If training is interrupted; its text says what was kept.
        """
        labels = None if run.target is None or isinstance(rows, Mapping) else rows.labels[run.target]

        def fit(told: Sequence[Callback]) -> None:
            model.fit(rows, labels, folder=self.path, resume=resume, callbacks=told)

        pairs = PairsFile(self.mined, "mined"), PairsFile(self.neighbours, "neighbour")
        return model, self.learn(run, model, fit, resume=resume, callbacks=[*pairs, *callbacks], keeps_part=True)

    def learn(
        self,
        run: Run,
        model: Learner,
        act: Callable[[Sequence[Callback]], None],
        *,
        resume: bool,
        callbacks: Sequence[Callback],
        keeps_part: bool,
    ) -> int:
        """Let a model learn in this folder, alone, and keep it; `train` and the adaptation to a session share this.

        Parameters
        ----------
        run, model, resume, callbacks
            As for `train`.
        act : callable
            What learns, given who is to be told; it checkpoints into this folder.
        keeps_part : bool
            Whether a model that was stopped is kept as far as it came. Of several processes the first keeps it.

        Returns
        -------
        int
            Steps that had been done before.
        """
        make_folder(self.path)
        first = current().is_first  # of several processes one writes
        with ExitStack() as stack:
            held = stack.enter_context(locked(self.path / LOCK, "another training")) if first else None
            if held:
                remove_leftovers(self.path)
            if resume and self.holds_run():
                self._refuse_other(run)
            beginning = _Beginning(self, held)
            try:
                act([beginning, MetricsFile(self.metrics), *callbacks] if first else [])
                if first:
                    self.keep(run, model)
            except KeyboardInterrupt:
                if not keeps_part or not getattr(model, "n_steps_", 0) or not first:
                    raise
                self.keep(run, model)
                raise KeyboardInterrupt(
                    f"stopped after {model.n_steps_} steps; {self.model_path} can be used as it is, --resume goes on"
                ) from None
            except FileError as error:
                if not (beginning.began and self.checkpoint.exists()):
                    raise
                raise FileError(f"{error}; the last checkpoint is whole, --resume goes on from there") from error
        return beginning.step_

    def keep(self, run: Run, model: Learner) -> None:
        """Write a fitted model, and what was trained."""
        if not model.metrics_ and self.metrics.exists():  # every step was done before
            last = read_metrics(self.metrics)[-1:]
            model.metrics_ = {"training": {k: v for k, v in last[0].items() if k != "seconds"}} if last else {}
        model.save(self.model_path, run=asdict(run))
        write_json(self._about, asdict(run))

    def holds_run(self) -> bool:
        """Whether a run was kept here."""
        return self._about.exists()

    def clear(self, *, results_only: bool) -> None:
        """Remove the files of a run, or only what was measured of its model; no file of anyone else."""
        gone = [self.card, self.demo, self.report, *(self.path / f"{name}.png" for name in FIGURES)]
        for path in self.path.glob("evaluation_*.json"):
            which = path.stem.removeprefix("evaluation_")
            gone += [path, self.path / f"worth_{which}.png", self.path / f"confusion_{which}.png"]
        if not results_only:
            gone += [self._about, self.model_path, self.mined, self.neighbours, self.metrics]
        remove(*gone)

    def _refuse_other(self, run: Run) -> None:
        held = self.read()
        pairs = {
            "rows": (held.rows, run.rows),
            "split": (dict(held.parts), dict(run.parts)),
            "data": (held.recording["digest"], run.recording["digest"]),
        }
        other = [name for name, (old, new) in pairs.items() if old != new]
        if other:
            raise SettingError(
                f"{self.path} holds a run with other {', '.join(other)}; use the same to resume, or another folder"
            )

    def read(self) -> Run:
        """Read what was trained.

        Raises
        ------
        FileError
            If this is not a run folder, or its description is damaged.
        """
        try:
            return Run.from_json(json.loads(self._about.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise FileError(self._why_none()) from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            why = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise FileError(f"{self._about} is damaged ({why}); train again") from error

    def _why_none(self) -> str:
        """Say why there is no run here, and where one may be."""
        yet, why, do = "", "it has no run.json", "train into it first"
        if self.checkpoint.exists():
            yet, do = " yet", "go on with --resume"
        elif not self.path.exists():
            why = "there is no such folder"
        elif self.path.is_dir() and (inside := sorted(path.parent for path in self.path.glob("*/run.json"))):
            do = f"runs in it: {', '.join(map(str, inside[:5]))}{', ...' if len(inside) > 5 else ''}"
        return f"{self.path} is not a run folder{yet} ({why}); {do}"

    def model(self, device: str = "auto") -> Any:
        """Load the trained model."""
        return load_model(self.model_path, device=device)


class _Beginning:
    """A callback that clears away what is about to be replaced, remembers where training began, and looks after the folder."""

    step_ = 0
    began = False
    shows_progress = True  # whoever trains into a folder says whether a bar is wanted

    def __init__(self, folder: RunFolder, held: Held | None) -> None:
        self._folder, self._held = folder, held

    def begin(self, step: int, total: int) -> None:
        self.step_, self.began = step, True
        if step < total or total == 0:  # a run that goes on keeps its model until there is a better one
            self._folder.clear(results_only=step > 0)

    def step(self, step: int) -> None:
        if self._held:  # a checkpoint may follow
            self._held.check()

    def record(self, step: int, metrics: Mapping[str, float], traces: Mapping[str, Tensor]) -> None:
        self.step(step)  # other callbacks write after this one

    def end(self) -> None:
        pass


def generic_split(recording: Recording, seed: int) -> Split:
    """Return the rule for a recording that came with none: 80/10/10 at random by segment.

    It is stratified by the first label that is constant in each segment and comes back in others, if there is one (a
    trial's number does not). A recording with fewer than
    ten segments is split by time in recording order, since whole segments would be too coarse.

    Parameters
    ----------
    recording : Recording
        What to split.
    seed : int
        Seed of the order of segments.

    Returns
    -------
    Split
    """
    if recording.n_segments < 10:
        return Split((0.8, 0.1, 0.1), by="time")
    for name, values in recording.labels.items():
        constant = constant_label(recording, name) if values.dtype.kind in "iubU" else None
        if constant is not None and len(np.unique(constant)) <= recording.n_segments // 2:
            return Split((0.8, 0.1, 0.1), random_state=seed, stratify=name)
    return Split((0.8, 0.1, 0.1), random_state=seed)


def run_card(folder: RunFolder, model: Learner | None = None) -> str:
    """Describe the model of a run in Markdown.

    Parameters
    ----------
    folder : RunFolder
        The run.
    model : Learner, optional
        Its model, if it is at hand.

    Raises
    ------
    FileError
        If the folder holds no run, or its files are damaged.
    """
    folder.read()
    model = model or folder.model("cpu")
    return model.card(evaluations=_evaluations(folder.path))


def write_run_card(folder: RunFolder, model: Learner | None = None) -> Path:
    """Write the card of a run into its folder, whole or not at all."""
    text = run_card(folder, model)
    with writing(folder.card) as part:
        part.write_text(text, encoding="utf-8")
    return folder.card


def _evaluations(folder: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(folder.glob("evaluation_*.json")):
        try:
            evaluation = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(evaluation, dict):
                raise TypeError("it is no JSON object")
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise FileError(f"{path} is damaged ({error}); evaluate the run again") from error
        found.append(evaluation)
    return found


# The Hub reads this from the top of a card; tags are how people find a model.
FRONT = """---
library_name: myow
tags:
- neuroscience
- neural-population-activity
- self-supervised-learning
- {method}
---

"""


def push_to_hub(
    model: Learner | str | os.PathLike[str],
    repo: str,
    *,
    private: bool = True,
    revision: str | None = None,
    message: str = "",
    token: str | None = None,
) -> str:
    """Share a model: its file, and its card as the repository's README, in one commit.

    What is uploaded names the recording it was trained on, its units and its settings, and holds none of its values.

    Parameters
    ----------
    model : Learner or path-like
        A fitted model, or the folder of a run, whose evaluations then stand in the card.
    repo : str
        ``user/name``; made if there is none.
    private : bool, optional
        Whether a repository that is made is private.
    revision : str, optional
        Branch to write to. Default: ``main``.
    message : str, optional
        Of the commit.
    token : str, optional
        Default: that which huggingface_hub was logged in with.

    Returns
    -------
    str
        Where it now is, with the commit behind it: ``hf://user/name@commit``, as `myow.load_model` takes it.

    Raises
    ------
    FileError
        If the repository may not be written or the Hub cannot be reached.
    SettingError
        If there is nothing to share, or the extra ``hub`` is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(model, Learner):
            file = Path(folder) / MODEL
            model.save(file)
            card, name = model.card(), type(model).__name__
        elif isinstance(model, (str, os.PathLike)):
            run = RunFolder(Path(model))
            file, name = run.model_path, run.read().method
            card = run_card(run)
        else:
            raise SettingError(f"a {type(model).__name__} cannot be shared; give a fitted model or the folder of a run")
        files: dict[str, Any] = {MODEL: file, CARD: (FRONT.format(method=name.lower()) + card).encode()}
        commit = push(
            repo, files, message=message or f"{name} by myow", private=private, revision=revision, token=token
        )
    return f"hf://{repo.removeprefix('hf://').partition('@')[0]}@{commit}"
