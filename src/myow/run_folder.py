"""A training run as a folder: what was trained on what, how rows were split, and the model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import __version__
from .errors import FileError
from .estimator import Estimator
from .model_file import load_model
from .monitor import MetricsFile, MinedPairsFile
from .recording import Recording
from .split import Split, constant_label
from .storage import make_folder, write_json
from .train import Watcher

__all__ = ["Run", "RunFolder", "generic_split"]


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
    split : {"released", "random", "time"}
        How the rows were parted.
    split_seed : int
        Seed of a random split.
    recording : mapping
        Name, checksum and origin of the recording.
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
    recording: Mapping[str, str]
    version: str = field(default=__version__)


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
        self.model_path = self.path / "model.myow"
        self._about = self.path / "run.json"

    def train(
        self, run: Run, model: Estimator, rows: Recording, *, resume: bool, watchers: Sequence[Watcher] = ()
    ) -> Estimator:
        """Train a model, and write everything that a later evaluation needs.

        Parameters
        ----------
        run : Run
            What is about to be trained.
        model : Estimator
            Not yet fitted.
        rows : Recording
            The rows to train on.
        resume : bool
            Whether to go on from what the folder holds.
        watchers : sequence of Watcher, optional
            Who is told besides the folder's own files.

        Returns
        -------
        Estimator
            Fitted. After an interrupt it is written as far as it came, then the interrupt goes on.

        Raises
        ------
        FileError
            If the folder cannot be written.
        SettingError
            If it holds a run with other settings and `resume` is set.
        """
        make_folder(self.path)
        if not resume:
            # What an earlier run left must not be taken for this one's.
            for old in (
                self.model_path,
                self.mined,
                self.metrics,
                *self.path.glob("evaluation*.json"),
                *self.path.glob("*.png"),
            ):
                old.unlink(missing_ok=True)
        watching: list[Watcher] = [MetricsFile(self.metrics), MinedPairsFile(self.mined), *watchers]
        try:
            model.fit(rows, folder=self.path, resume=resume, watchers=watching)
        except KeyboardInterrupt:
            if getattr(model, "n_steps_", 0):
                self._keep(run, model)  # what was learnt so far can be used
            raise
        self._keep(run, model)
        return model

    def _keep(self, run: Run, model: Estimator) -> None:
        write_json(self._about, asdict(run))
        model.save(self.model_path, run=asdict(run))

    def read(self) -> Run:
        """Read what was trained.

        Raises
        ------
        FileError
            If this is not a run folder, or its description is damaged.
        """
        try:
            return Run(**json.loads(self._about.read_text()))
        except FileNotFoundError:
            raise FileError(f"{self.path} is not a run folder (it has no run.json); train into it first") from None
        except (OSError, ValueError, TypeError) as error:
            raise FileError(f"{self._about} is damaged ({error}); train again") from error

    def model(self, device: str = "auto") -> Estimator:
        """Load the trained model."""
        return load_model(self.model_path, device=device)


def generic_split(recording: Recording, seed: int) -> Split:
    """Return the rule for a recording that came with none: 80/10/10 at random by segment.

    It is stratified by the first label that is constant in each segment, if there is one. A recording with fewer than
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
    discrete = [name for name, values in recording.labels.items() if values.dtype.kind in "iubU"]
    stratify = next((name for name in discrete if constant_label(recording, name) is not None), None)
    return Split((0.8, 0.1, 0.1), random_state=seed, stratify=stratify)
