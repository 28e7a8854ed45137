"""A training run as a folder: what was trained on what, how rows were split, and the model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from .data.images import Images
from .data.recording import Recording
from .data.split import Split, constant_label
from .disk.lock import Held, locked
from .disk.storage import make_folder, remove, remove_leftovers, write_json
from .errors import FileError, SettingError
from .methods.base import Learner
from .methods.loading import load_model
from .run_description import OFFICIAL, Parts, Run
from .training.callbacks import Callback, MetricsFile, PairsFile, read_metrics
from .training.checkpoint import CHECKPOINT, LOCK
from .training.distributed import current

__all__ = ["OFFICIAL", "Parts", "Run", "RunFolder", "generic_split"]

# Of a training run; those of an evaluation carry its name.
PICTURES = ("embedding_2d", "embedding_3d", "learning_curves", "geometry", "mined_views", "mined_images")


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
        gone = [self.card, *(self.path / f"{name}.png" for name in PICTURES)]
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
            yet, do = (" yet", "go on with --resume") if self.checkpoint.exists() else ("", "train into it first")
            raise FileError(f"{self.path} is not a run folder{yet} (it has no run.json); {do}") from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            why = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise FileError(f"{self._about} is damaged ({why}); train again") from error

    def model(self, device: str = "auto") -> Any:
        """Load the trained model."""
        return load_model(self.model_path, device=device)


class _Beginning:
    """A watcher that clears away what is about to be replaced, remembers where training began, and looks after the folder."""

    step_ = 0
    began = False

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
