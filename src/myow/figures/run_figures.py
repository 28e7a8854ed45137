"""Every figure that the contents of a run folder allow."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from ..data.images import Images
from ..data.recording import Recording
from ..data.rows import oddities
from ..datasets import card_of, load_recording
from ..errors import FileError, MyowError, SettingError
from ..evaluation.decode import decode
from ..evaluation.evaluate import evaluate
from ..evaluation.mined import neighbour_statistics
from ..evaluation.readouts import reading_name
from ..evaluation.result import headline_of
from ..methods import method_name
from ..methods.base import Learner
from ..methods.card import AZABOU, methods_paragraph
from ..methods.decoders import PoissonNB
from ..methods.deploy import one_session
from ..methods.images import ImageEstimator
from ..methods.multisession import find_session
from ..methods.recordings import RecordingEstimator
from ..methods.runs import Run, RunFolder, own_parts, session_of, sessions_of
from ..nn.neighbours import default_gap
from ..training.callbacks import read_metrics
from . import decoding, embedding, images, mined, style, training
from .style import save

__all__ = [
    "MOST_BINS",
    "OpenRun",
    "candidates_per_step",
    "draw_evaluations",
    "draw_images",
    "draw_training",
    "image_training",
    "label_to_colour_by",
    "neighbours_of",
    "read_evaluations",
]

MOST_BINS = 100_000
"""Bins that an explorer shows."""

MOST_VALUES = 1 << 25  # of these bins' activity, which is held in memory a few times over while a page is made

MOST_ROWS = 200_000
"""Rows that are embedded to be drawn; ten times as many as there are marks in a figure."""
MOST_IMAGES = 2000  # on a CPU some seconds for a large encoder, and more than the figure has room for

Named = Iterator[tuple[str, Figure]]
"""Figures by the stem of their file."""


def draw_training(
    folder: RunFolder,
    model: RecordingEstimator,
    recording: Recording,
    trained_on: Recording,
    test: NDArray[np.int64],
    target: str | None,
) -> list[Path]:
    """Draw what training left: the embedding in two and three dimensions, its geometry, learning curves, mined views.

    Parameters
    ----------
    folder : RunFolder
        Where metrics, mined and neighbouring pairs lie, and where figures go.
    model : RecordingEstimator
        The trained model.
    recording, trained_on : Recording
        All rows, and those that the encoder was trained on.
    test : ndarray of int
        Rows that are held out; they are drawn stronger.
    target : str or None
        Label to colour by.

    Returns
    -------
    list of Path
        ``embedding_2d.png`` and ``embedding_3d.png``; ``learning_curves.png`` and ``geometry.png`` if there are metrics;
        ``mined_views.png`` if anything was mined.
    """
    return _save_all(folder, _training(folder, model, recording, trained_on, test, target))


def _training(
    folder: RunFolder,
    model: RecordingEstimator,
    recording: Recording,
    trained_on: Recording,
    test: NDArray[np.int64],
    target: str | None,
) -> Named:
    name = f"{type(model).__name__} on {recording.name or folder.path.name}"
    # Of a recording that is too long to embed for a figure, evenly spaced rows.
    every = -(-len(recording) // MOST_ROWS)
    shown = np.arange(0, len(recording), every)
    z = np.concatenate(list(model.transform_blocks(recording, rows=shown)))
    period = recording.periods.get(target or "")
    label_name = target or "label"
    for dimensions in (2, 3):
        if min(z.shape) >= dimensions:
            yield (
                f"embedding_{dimensions}d",
                embedding.draw_embedding(
                    z,
                    None if target is None else recording.labels[target][shown],
                    dimensions=2 if dimensions == 2 else 3,
                    period=period,
                    part=np.isin(shown, test),
                    name=name if every == 1 else f"{name}, one bin in {every}",
                    label_name=label_name,
                ),
            )
    place: dict[str, Any] = {
        "segments": trained_on.segments,
        "times": trained_on.times,
        "label": None if target is None else trained_on.labels[target],
    }
    one_segment = trained_on.n_segments == 1
    metrics = read_metrics(folder.metrics) if folder.metrics.exists() else []
    if metrics:  # a method without steps has none
        yield "learning_curves", training.draw_learning_curves(metrics, name=name)
        near = neighbours_of(folder, gap=default_gap(trained_on.times) if one_segment else None, **place)
        yield "geometry", training.draw_geometry(metrics, neighbours=near, name=name, label_name=label_name)
    if folder.mined.exists():
        gap = default_gap(trained_on.times, getattr(model, "exclude_gap", None)) if one_segment else None
        with np.load(folder.mined) as file:
            pairs = file["step"], file["anchor"], file["mined"]
        pool = candidates_per_step(model)
        yield (
            "mined_views",
            mined.draw_mined_views(
                *pairs, **place, period=period, gap=gap, pool=pool, name=name, label_name=label_name
            ),
        )


def neighbours_of(folder: RunFolder, **place: Any) -> dict[str, NDArray[Any]] | None:
    """Return what nearest neighbours have in common, if any were recorded."""
    if not folder.neighbours.exists():
        return None
    with np.load(folder.neighbours) as pairs:
        step, anchor, neighbour = pairs["step"], pairs["anchor"], pairs["neighbour"]
    return neighbour_statistics(step, anchor[0], neighbour, **place) if (neighbour >= 0).any() else None


def candidates_per_step(model: RecordingEstimator | ImageEstimator) -> int | None:
    """Return how many rows or images a mining method chooses from at a step, its queue once full; None if all, or if it mines none."""
    settings = model.get_params()
    match settings.get("pool"):
        case "sample" | "recording" | "queue":
            return int(settings["pool_size"])
        case "batch":
            return int(settings["batch_size"]) * (2 if settings["symmetric"] else 1)
    return None


def draw_evaluations(folder: RunFolder) -> list[Path]:
    """Draw the evaluations that lie in a run folder: decoding performance beside the baselines, and confusion matrices.

    Parameters
    ----------
    folder : RunFolder
        Where evaluations lie, and where figures go.

    Returns
    -------
    list of Path
        ``worth_{which}.png`` and ``confusion_{which}.png`` of each ``evaluation_{which}.json``.
    """
    return _save_all(folder, _evaluations(folder))


def _evaluations(folder: RunFolder) -> Named:
    for path in sorted(folder.path.glob("evaluation_*.json")):
        result = json.loads(path.read_text())
        which = path.stem.removeprefix("evaluation_")
        yield f"worth_{which}", decoding.draw_decoding(result)
        if "confusion" in result:
            of_classes = result["readout"] != "angle"
            yield (
                f"confusion_{which}",
                decoding.draw_confusion(
                    result["confusion"]["counts"],
                    result["confusion"]["classes"],
                    **{key: result[key] for key in ("dataset", "target", "labels")},
                    readout=reading_name(
                        result["readout"], result.get("classifier", "logistic"), result.get("semi_supervised", False)
                    ),
                    label_unit=result["label_unit"] or "segment",
                    accuracy=result["accuracy"] if of_classes else None,
                    interval=result["interval"] if of_classes else None,
                    period=result.get("period"),
                ),
            )


def _save_all(folder: RunFolder, figures: Named) -> list[Path]:
    """Save figures one at a time: each is freed once it is written."""
    paths = []
    for stem, figure in figures:
        paths.append(folder.path / f"{stem}.png")
        save(figure, paths[-1])
    return paths


def label_to_colour_by(recording: Recording, preferred: Sequence[str]) -> str | None:
    """Return the label to colour by: the first preferred one there is, else the first with one value a row."""
    plain = [name for name, values in recording.labels.items() if values.ndim == 1]
    return next((name for name in [*preferred, *plain] if name in plain), None)


def draw_images(folder: RunFolder, model: ImageEstimator, train: Images, test: Images) -> list[Path]:
    """Draw what training left: test images where the embedding puts them, learning curves, geometry, mined images.

    Parameters
    ----------
    folder : RunFolder
        Where metrics, mined and neighbouring pairs lie, and where figures go.
    model : ImageEstimator
        The trained model.
    train, test : Images
        What it was trained on, and held-out images.

    Returns
    -------
    list of Path
        ``embedding_2d.png``; ``learning_curves.png`` and ``geometry.png`` if there are metrics; ``mined_images.png`` if
        anything was mined.
    """
    return _save_all(folder, image_training(folder, model, train, test))


def image_training(folder: RunFolder, model: ImageEstimator, train: Images, test: Images) -> Named:
    """Yield the figures of `draw_images` by the stem of their file."""
    name = f"{type(model).__name__} on {train.name or folder.path.name}"
    some = np.unique(np.linspace(0, len(test) - 1, min(len(test), MOST_IMAGES)).round().astype(np.int64))
    taken = test.select(some)
    yield "embedding_2d", images.draw_image_map(taken, model.transform(taken), name=f"{name}, test", total=len(test))
    metrics = read_metrics(folder.metrics) if folder.metrics.exists() else []
    if metrics:
        yield "learning_curves", training.draw_learning_curves(metrics, name=name)
        label = next(iter(train.labels), None)
        place = {"segments": train.groups, "times": train.times}
        near = None if label is None else neighbours_of(folder, **place, label=train.labels[label])
        figure = training.draw_geometry(metrics, neighbours=near, name=name, label_name=label or "label")
        # In place of the note on segments, of which images have none.
        note = "Of up to 512 training images, not augmented."
        figure.supxlabel(note, x=0.012, ha="left", fontsize=8, color=style.MUTED)
        yield "geometry", figure
    if folder.mined.exists():
        with np.load(folder.mined) as file:
            pairs = file["step"], file["anchor"], file["mined"]
        if (pairs[2] >= 0).any():
            augment, pool = model.make_augment(), candidates_per_step(model)
            yield "mined_images", mined.draw_mined_images(train, *pairs, augment=augment, pool=pool, name=name)


@dataclass
class OpenRun:
    """A model with a recording, as the folder of a run keeps them or as they are in Python."""

    folder: RunFolder | None
    """Where its training is recorded; None of a model that was fitted in Python."""
    run: Run
    model: Any
    recording: Recording
    parts: tuple[NDArray[np.int64], ...]
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    session: str = ""
    sessions: Sequence[str] = ()
    """All that the model learnt from; none of a model of one recording."""

    @classmethod
    def read(cls, path: Path, session: str | None = None) -> OpenRun:
        """Read a run of a recording, or of several sessions, of which the one asked for is opened, else the first.

        Raises
        ------
        FileError
            If the folder holds no run, or its recording is not at hand.
        SettingError
            If it learnt from images, or a session is asked for and it has none.
        UnknownNameError
            If it has no such session.
        """
        folder = RunFolder(path)
        run = folder.read()
        if run.of_images:
            raise SettingError(f"{path} learnt from images, and this is of recordings")
        model, chosen = folder.model("cpu"), session_of(run, session, path)
        recording = load_recording(chosen.data if chosen else run.data, run.load)
        digest = chosen.digest if chosen else run.recording["digest"]
        if recording.digest() != digest:
            which = chosen.data if chosen else run.data
            raise FileError(f"{which} is not the recording that {path} was trained on (its checksum differs)")
        parts = own_parts(run, digest) if chosen else run.rows_of_parts()
        evaluations = read_evaluations(folder)
        if chosen is None:
            return cls(folder, run, model, recording, parts or (), evaluations)
        model = one_session(model, chosen.name, "a report")
        own = [one for one in evaluations if one.get("session") == chosen.name]
        names = [one.name for one in sessions_of(run)]
        return cls(folder, run, model, recording, parts or (), own, chosen.name, names)

    @classmethod
    def of_model(
        cls, model: Learner, recording: Recording, evaluations: Sequence[Mapping[str, Any]], session: str | None = None
    ) -> OpenRun:
        """Take a fitted model, a recording that it can embed, and what was read out of it.

        Raises
        ------
        DataError, SettingError
            If the model does not learn from recordings, is not fitted, or has several sessions of which none fits.
        """
        check_is_fitted(model, "network_")
        sessions = getattr(model, "sessions_", {})
        if len(sessions) > 1:
            session = find_session(recording, sessions, session)
        one = one_session(model, session, "a report")
        digest, none = recording.digest(), np.arange(0)
        saw = any(about.get("digest") == digest for about in model.trained_on_)
        run = Run(
            data=recording.name,
            load=[],
            method=method_name(type(model)),
            settings={"random_state": one.seed_},
            rows="train",
            split="",
            split_seed=0,
            parts={},
            recording={"name": recording.name, "digest": digest},
            version=model.version_,
        )
        parts = (np.arange(len(recording)) if saw else none, none, none)
        found = [dict(evaluation) for evaluation in evaluations]
        return cls(None, run, one, recording, parts, found, session or "", list(sessions))

    @property
    def method(self) -> str:
        """Name of the method, as it is written in prose."""
        return str(self.run.method).upper() if self.run.method in ("myow", "byol", "pca", "fa") else self.run.method

    @property
    def name(self) -> str:
        """Name of the recording."""
        return self.recording.name or (self.folder.path.resolve().name if self.folder else "a recording")

    @property
    def several(self) -> bool:
        """Whether it learnt from several sessions."""
        return len(self.sessions) > 1

    @property
    def _path(self) -> str:
        return str(self.folder.path) if self.folder else ""

    @cached_property
    def target(self) -> str | None:
        """The label that was read out, else one to colour by."""
        first = next((str(one["target"]) for one in self.evaluations if one["target"] in self.recording.labels), None)
        card = card_of(self.run.data)
        return first or label_to_colour_by(self.recording, [card.target] if card and card.target else [])

    @cached_property
    def shown(self) -> NDArray[np.int64]:
        """Rows that the explorer shows."""
        n = len(self.recording)
        return np.arange(0, n, max(-(-n // MOST_BINS), -(-n * self.recording.n_units // MOST_VALUES)))

    @cached_property
    def trained_rows(self) -> NDArray[np.int64]:
        """Rows that the encoder was trained on."""
        return np.arange(len(self.recording)) if self.run.rows == "all" else self.parts[0]

    @cached_property
    def in_parts(self) -> tuple[Recording, Recording, Recording]:
        """Training, validation and test rows."""
        one, two, three = (self.recording.select(rows) for rows in self.parts)
        return one, two, three

    @cached_property
    def part(self) -> NDArray[np.int64]:
        """Part of each row, by its place in `PARTS`."""
        code = np.full(len(self.recording), 3)
        for i, rows in enumerate(self.parts):
            code[rows] = i
        return code

    @cached_property
    def z(self) -> NDArray[np.float32]:
        """Embedding of the rows shown."""
        return np.concatenate(list(self.model.transform_blocks(self.recording, rows=self.shown)))

    def evaluate(self) -> None:
        """Evaluate what was not yet, and add controls to what was read out with all labels."""
        if not self.recording.labels or (self.folder is None and self.evaluations):
            return
        if self.folder is None:  # which bins it saw may not be known: clones of it see none of the test bins
            how: dict[str, Any] = {"target": self.target, "controls": True, "refit": not self.several}
            self.evaluations = [evaluate(self.model, self.recording, **how).to_dict()]
            return
        first = next(
            (one for one in self.evaluations if one["labels"] is None and not one.get("folds")),
            {"target": self.target, "readout": None},
        )
        found = evaluate(
            self.model,
            *self.in_parts,
            target=first["target"],
            readout=first["readout"],
            seen=self.recording if self.run.rows == "all" else None,
            controls=True,
        )
        self.evaluations = [found.to_dict(), *(one for one in self.evaluations if one is not first)]

    @cached_property
    def predicted(self) -> dict[str, Any]:
        """What the readout with all labels says of each test row, and how far it is right; {} if nothing was read out."""
        first = next((one for one in self.evaluations if one["labels"] is None), None)
        if first is None or self.model.uses_labels or self.folder is None:
            return {}
        predictions: list[NDArray[Any]] = []
        merits: list[NDArray[np.float64]] = []
        how = {"target": str(first["target"]), "readout": str(first["readout"])}
        with threadpool_limits(1):
            decode(
                lambda _: self.model,
                self.in_parts,
                target=how["target"],
                readout=how["readout"],
                predictions=predictions,
                rows=merits,
            )
        return {**how, "values": predictions[0], "merits": merits[0], "key": headline_of(how["readout"])}

    def naive_bayes(self, found: Mapping[str, Any]) -> dict[str, Any] | None:
        """Score naive Bayes with the labels of an evaluation; None where it cannot be used."""
        if found.get("folds") or self.folder is None:
            return None
        train = self.in_parts[0]
        if found["readout"] not in ("class", "knn") or self.recording.kind != "counts" or len(train) > 50_000:
            return None
        y = train.labels[str(found["target"])]
        try:
            with threadpool_limits(1):
                return decode(
                    lambda some: PoissonNB(context=self.model.context).fit(
                        train, y, labelled=None if some is None else some.rows
                    ),
                    self.in_parts,
                    target=str(found["target"]),
                    readout=str(found["readout"]),
                    labels=found["labels"],
                    draws=len(found["per_draw"]),
                )
        except MyowError:
            return None

    def warnings(self) -> list[str]:
        """Return what a reader should keep in mind, a sentence each."""
        said = list(oddities(self.recording))
        if self.several:
            said.append(self._of_sessions())
        if self.folder is None:
            said.append(
                "The page was made of a model and a recording in Python. How the model was trained is not recorded, so learning "
                "curves, mined views, the split and what is predicted of each bin are left out."
            )
            saw = len(self.parts[0])
            said.append(
                "The encoder was trained on all of these bins."
                if saw
                else "Which of these bins the encoder was trained on is not known."
            )
        if not self.evaluations:
            words = ["myow", "evaluate", self._path, *([self.session] if self.several else [])]
            how = shlex.join(words) if self.folder else "give what myow.evaluate returned, or full=True"
            said.append(f"Nothing was read out yet, so the page says nothing of how well labels are decoded: {how}")
        if self.run.rows == "all":
            said.append("The encoder was trained on all bins, test bins too, without labels: scores are transductive.")
        n_test = len(np.unique(self.recording.segments[self.parts[2]]))
        if 0 < n_test < 10 and self.recording.n_segments > 1:
            said.append(f"There are {n_test} test trials; intervals over so few are rough.")
        if len(self.shown) < len(self.recording):
            said.append(
                f"The explorer shows {len(self.shown):,} of {len(self.recording):,} bins, evenly spaced; numbers are of all."
            )
        return said

    def _of_sessions(self) -> str:
        """Say which of several sessions the page shows, and how to see another."""
        others = [name for name in self.sessions if name != self.session]
        said = (
            f"The model learnt from {len(self.sessions)} sessions. This page shows {self.session}; {', '.join(others)} "
            f"{'is' if len(others) == 1 else 'are'} not shown"
        )
        if self.folder is None:
            return f"{said}."
        if self.folder.mined.exists():
            said += ", nor are mined views, which are of all sessions together"
        return f"{said}. {shlex.join(['myow', 'report', self._path, '--session', others[0]])} shows another."

    def paragraph(self) -> str:
        """Return what was done, for the methods section of a paper."""
        rec = self.recording
        unit = "Spike counts" if rec.kind == "counts" else "Signals"
        split = {
            "random": "Trials were dealt at random to three parts",
            "time": "The recording was parted in time",
            "released": "The parts are those of the released split",
        }
        about = {
            "recording": f"{unit} of {rec.n_units:,} units ({self.name}) were taken in {len(rec):,} bins of {rec.bin_size:g} s, in "
            f"{rec.n_segments:,} {'trials' if rec.n_segments > 1 else 'segment'}.",
            "parts": [len(rows) for rows in self.parts] if self.run.split else None,
            "split": split.get(self.run.split, "Rows were parted"),
            "rows": self.run.rows,
        }
        return methods_paragraph(self.model, about, self.evaluations)

    def cite(self) -> dict[str, str]:
        """Return what to cite: method, data and software."""
        data = str(self.recording.source.get("citation", "")) or "not given by the recording's file"
        return {"Method": AZABOU, "Data": data, "Software": f"myow {self.run.version}, see its CITATION.cff."}


def read_evaluations(folder: RunFolder) -> list[dict[str, Any]]:
    """Read evaluations, those with all labels first, and of the run's own model before those of folds."""
    found = []
    for path in sorted(folder.path.glob("evaluation_*.json")):
        try:
            one = json.loads(path.read_text(encoding="utf-8"))
            if {"target", "readout", "labels", "differences", "raw"} <= one.keys():
                found.append(one)
        except (OSError, ValueError, AttributeError) as error:
            raise FileError(f"{path} is damaged ({error}); evaluate the run again") from error
    return sorted(found, key=lambda one: (one["labels"] is not None, one["labels"] or 0, one.get("folds", 0)))
