"""A training run as a folder: what was trained on what, how rows were split, and the model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .data.images import Images
from .data.recording import Recording
from .data.split import Split, constant_label
from .disk.storage import make_folder, write_json
from .errors import FileError, SettingError
from .estimators.learner import Learner
from .loading import load_model
from .processes import current
from .training.method import Watcher
from .training.monitor import MetricsFile, PairsFile
from .version import __version__

__all__ = ["OFFICIAL", "Parts", "Run", "RunFolder", "generic_split"]

Parts = tuple[NDArray[np.int64], ...]

OFFICIAL = "official"
"""Name of the split of images: the published test part, and validation images drawn from the training part."""

# Of a training run; those of an evaluation carry its name.
PICTURES = ("embedding_2d", "embedding_3d", "learning_curves", "geometry", "mined_views", "mined_images")


@dataclass(frozen=True)
class Run:
    """What a run folder says of itself.

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
    ends = [piece.split("-") for piece in text.split(",")]
    return np.concatenate([np.arange(int(first), int(last) + 1) for first, last in ends])


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
        self.model_path = self.path / "model.myow"
        self._about = self.path / "run.json"

    def train(
        self, run: Run, model: Learner, rows: Recording | Images, *, resume: bool, watchers: Sequence[Watcher] = ()
    ) -> tuple[Learner, int]:
        """Train a model, and write everything that a later evaluation needs.

        What an earlier run left is removed when training begins, not before: settings that cannot work cost nothing.

        Parameters
        ----------
        run : Run
            What is about to be trained.
        model : Learner
            Not yet fitted.
        rows : Recording or Images
            The rows to train on.
        resume : bool
            Whether to go on from what the folder holds.
        watchers : sequence of Watcher, optional
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
            If the folder cannot be written.
        SettingError
            If it holds a run with other settings, rows or split and `resume` is set.
        KeyboardInterrupt
            If training is interrupted; its text says what was kept.
        """
        make_folder(self.path)
        if resume and self.holds_run():
            self._refuse_other(run)
        beginning = _Beginning(self)
        pairs = PairsFile(self.mined, "mined"), PairsFile(self.neighbours, "neighbour")
        first = current().is_first  # of several processes one writes
        watching: list[Watcher] = [beginning, MetricsFile(self.metrics), *pairs, *watchers] if first else []
        try:
            labels = None if run.target is None else rows.labels[run.target]
            model.fit(rows, labels, folder=self.path, resume=resume, watchers=watching)
        except KeyboardInterrupt:
            if not getattr(model, "n_steps_", 0) or not first:
                raise
            self._keep(run, model)
            raise KeyboardInterrupt(
                f"stopped after {model.n_steps_} steps; {self.model_path} can be used as it is, --resume goes on"
            ) from None
        if first:
            self._keep(run, model)
        return model, beginning.step_

    def _keep(self, run: Run, model: Learner) -> None:
        model.save(self.model_path, run=asdict(run))
        write_json(self._about, asdict(run))

    def holds_run(self) -> bool:
        """Whether a run was kept here."""
        return self._about.exists()

    def clear(self, *, results_only: bool) -> None:
        """Remove the files of a run, or only what was measured of its model; no file of anyone else."""
        gone = [self.path / f"{name}.png" for name in PICTURES]
        for path in self.path.glob("evaluation_*.json"):
            which = path.stem.removeprefix("evaluation_")
            gone += [path, self.path / f"worth_{which}.png", self.path / f"confusion_{which}.png"]
        if not results_only:
            gone += [self._about, self.model_path, self.mined, self.neighbours, self.metrics]
        for path in gone:
            path.unlink(missing_ok=True)

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
            run = Run(**json.loads(self._about.read_text()))
            run.rows_of_parts(), run.recording["digest"]  # both are there and whole
        except FileNotFoundError:
            raise FileError(f"{self.path} is not a run folder (it has no run.json); train into it first") from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise FileError(f"{self._about} is damaged ({error}); train again") from error
        return run

    def model(self, device: str = "auto") -> Any:
        """Load the trained model."""
        return load_model(self.model_path, device=device)


class _Beginning:
    """A watcher that clears away what is about to be replaced, and remembers where training began."""

    step_ = 0

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def begin(self, step: int, total: int) -> None:
        self.step_ = step
        if step < total or total == 0:  # a run that goes on keeps its model until there is a better one
            self._folder.clear(results_only=step > 0)

    def step(self, step: int) -> None:
        pass

    def record(self, step: int, metrics: Mapping[str, float], traces: Mapping[str, Tensor]) -> None:
        pass

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
