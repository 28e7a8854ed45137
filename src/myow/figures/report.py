"""Report of runs: what was learnt, in one page; its panels are collected here, and `page` writes them."""

from __future__ import annotations

import json
import math
import os
import platform
import shlex
import warnings
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.colors import to_hex
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ..data.recording import Recording
from ..data.rows import group_runs, oddities
from ..datasets import card_of, load_recording
from ..errors import FileError, MyowError, SettingError
from ..evaluation.evaluate import decode, default_readout, evaluate
from ..evaluation.mined import mined_statistics
from ..evaluation.result import BASELINES, CONTROL_WORDS, YARDSTICKS, Evaluation, headline_of
from ..evaluation.stability import consistency, importance
from ..methods.base import Learner
from ..methods.card import AZABOU, methods_paragraph
from ..methods.decoders import PoissonNB
from ..methods.deploy import embed, one_session
from ..methods.runs import Run, RunFolder, own_parts, sessions_of
from ..nn.neighbours import default_gap
from ..training.callbacks import read_metrics
from ..version import __version__
from . import decoding, embedding, mined, run_figures, style, training
from .page import (
    Packed,
    Report,
    as_json,
    coloured,
    levels,
    nearest,
    picture,
    put_activity,
    put_label,
    put_plane,
    render,
    svg,
)

__all__ = ["report"]

MOST_BINS = 100_000  # that the explorer shows
MOST_NEAR = 5_000  # up to which neighbours are found in all dimensions
MOST_LABELS = 12
PARTS = ("training", "validation", "test", "none of the three")
PANELS = {
    "verdict": "Verdict",
    "data": "Your data",
    "explorer": "Explorer",
    "mined": "Mined views",
    "decoding": "Decoding",
    "units": "Units",
    "training": "Training",
    "stability": "Stability",
    "settings": "Settings",
    "methods": "Methods",
}
ALWAYS = ("verdict", "explorer", "units", "stability", "methods")
RASTER = 7  # bins before and after an anchor that are shown
MOST_UNITS = 150  # rows of a raster


def report(
    *runs: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    open: bool = False,  # noqa: A002  (as the option is called)
    full: bool = False,
    activity: bool = True,
) -> Report:
    """Tell in one HTML page what runs learnt: verdict, data, an explorer, mined views, decoding, training, provenance.

    The page needs no network, no server and nothing beside it. A notebook shows it by itself.

    Parameters
    ----------
    *runs : path-like
        Folders that ``myow train``, ``myow demo`` or ``myow bench`` wrote. The first is told about; of several, the agreement of
        their embeddings is measured.
    out : path-like, optional
        File to write.
    open : bool, optional
        Whether to show that file in the browser.
    full : bool, optional
        Whether to compute what takes longer: an evaluation if there is none, controls, and the importance of every unit.
    activity : bool, optional
        Whether counts are shown. Without, neither counts nor rates of single units are in the file; positions in an embedding,
        and in the plane of principal components, are.

    Returns
    -------
    Report
        With `html`, `save` and a view for notebooks.

    Raises
    ------
    FileError
        If a folder holds no run, or its recording is not at hand.
    SettingError
        If no run is given, or `open` without `out`.

    Examples
    --------
    >>> import myow
    >>> myow.report("runs/demo", out="demo.html")  # doctest: +SKIP
    """
    if not runs:
        raise SettingError("a report is of one or more runs; name their folders")
    if open and out is None:
        raise SettingError("open shows the file that was written; say where with out")
    paths = [Path(run) for run in runs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what is odd of the recording stands on the page
        content = _content(paths, full=full, activity=activity)
    page = Report(render(**content), str(content["title"]))
    if out is not None:
        page.save(out)
        if open:
            webbrowser.open(Path(out).resolve().as_uri())
    return page


def _content(paths: Sequence[Path], *, full: bool, activity: bool) -> dict[str, Any]:
    found = _OfRun.read(paths[0])
    arrays = Packed()
    content: dict[str, Any] = {
        "sections": [],
        "title": f"{found.method} on {found.name}",
        "kind": "run",
        "version": __version__,
        "activity": activity,
        "full": full,
        "spec": {},
        **dict.fromkeys(("data", "still", "units", "stability", "mined"), None),
    }
    if full:
        found.evaluate()
    content["verdicts"] = [_verdict(one) for one in found.evaluations]
    content["warnings"] = found.warnings()
    content["data"] = _data(found, activity)
    content["spec"] = _explorer(found, arrays, activity)
    content["still"] = _still(found)
    content["mined"] = _mined(found, content["spec"], arrays, activity)
    content["decoding"] = _decoding(found)
    content["units"] = _units(found, full)
    content["training"] = _training(found)
    content["stability"] = _stability(paths)
    content["settings"] = _settings(found)
    content["paragraph"] = found.paragraph()
    content["cite"] = found.cite()
    content["spec"] = as_json(content["spec"] | {"arrays": arrays.about})
    content["blob"] = arrays.text()
    content["panels"] = [(key, name) for key, name in PANELS.items() if key in ALWAYS or content[key]]
    return content


@dataclass
class _OfRun:
    """A run, with its model and the recording that it was trained on."""

    path: Path
    folder: RunFolder
    run: Run
    model: Any
    recording: Recording
    parts: tuple[NDArray[np.int64], ...]
    session: str = ""
    evaluations: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> _OfRun:
        folder = RunFolder(path)
        run = folder.read()
        if run.of_images:
            raise SettingError(f"{path} learnt from images; a report of it is not made yet")
        model, sessions = folder.model("cpu"), sessions_of(run)
        recording = load_recording(sessions[0].data if sessions else run.data, run.load)
        digest = sessions[0].digest if sessions else run.recording["digest"]
        if recording.digest() != digest:
            raise FileError(f"{run.data} is not the recording that {path} was trained on (its checksum differs)")
        parts = own_parts(run, digest) if sessions else run.rows_of_parts()
        name = sessions[0].name if sessions else ""
        if len(sessions) > 1:
            model = one_session(model, name, "a report")
        return cls(path, folder, run, model, recording, parts or (), name, _evaluations(folder, run))

    @property
    def method(self) -> str:
        return str(self.run.method).upper() if self.run.method in ("myow", "byol", "pca", "fa") else self.run.method

    @property
    def name(self) -> str:
        return self.recording.name or self.path.resolve().name

    @property
    def several(self) -> bool:
        return len(sessions_of(self.run)) > 1

    @cached_property
    def target(self) -> str | None:
        """The label that was read out, else one to colour by."""
        first = next((str(one["target"]) for one in self.evaluations if one["target"] in self.recording.labels), None)
        card = card_of(self.run.data)
        return first or run_figures.label_to_colour_by(self.recording, [card.target] if card and card.target else [])

    @cached_property
    def shown(self) -> NDArray[np.int64]:
        """Rows that the explorer shows."""
        return np.arange(0, len(self.recording), -(-len(self.recording) // MOST_BINS))

    @cached_property
    def trained_rows(self) -> NDArray[np.int64]:
        return np.arange(len(self.recording)) if self.run.rows == "all" else self.parts[0]

    @cached_property
    def in_parts(self) -> tuple[Recording, Recording, Recording]:
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
        if not self.recording.labels or self.several:
            return
        first = next((one for one in self.evaluations if one["labels"] is None), {"target": self.target, "readout": None})
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
        if first is None or self.model.uses_labels or self.several:
            return {}
        predictions: list[NDArray[Any]] = []
        merits: list[NDArray[np.float64]] = []
        how = {"target": str(first["target"]), "readout": str(first["readout"])}
        with threadpool_limits(1):
            decode(lambda _: self.model, self.in_parts, predictions=predictions, rows=merits, **how)
        return {**how, "values": predictions[0], "merits": merits[0], "key": headline_of(how["readout"])}

    def naive_bayes(self, found: Mapping[str, Any]) -> dict[str, Any] | None:
        """Score naive Bayes with the labels of an evaluation; None where it cannot be used."""
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
        said = list(oddities(self.recording))
        if not self.evaluations:
            command = shlex.join(["myow", "evaluate", str(self.path)])
            said.append(f"Nothing was read out yet, so the page says nothing of how well labels are decoded: {command}")
        if self.run.rows == "all":
            said.append("The encoder was trained on all bins, test bins too, without labels: scores are transductive.")
        test = self.recording.select(self.parts[2])
        if test.n_segments < 10 and self.recording.n_segments > 1:
            said.append(f"There are {test.n_segments} test trials; intervals over so few are rough.")
        if self.several:
            said.append(f"The run learnt from {len(sessions_of(self.run))} sessions; this page shows {self.session}.")
        if len(self.shown) < len(self.recording):
            said.append(
                f"The explorer shows {len(self.shown):,} of {len(self.recording):,} bins, evenly spaced; numbers are of all."
            )
        return said

    def paragraph(self) -> str:
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
            "parts": [len(rows) for rows in self.parts],
            "split": split.get(self.run.split, "Rows were parted"),
            "rows": self.run.rows,
        }
        return methods_paragraph(self.model, about, self.evaluations)

    def cite(self) -> dict[str, str]:
        data = str(self.recording.source.get("citation", "")) or "not given by the recording's file"
        return {"Method": AZABOU, "Data": data, "Software": f"myow {self.run.version}, see its CITATION.cff."}


def _evaluations(folder: RunFolder, run: Run) -> list[dict[str, Any]]:
    """Read evaluations, those with all labels first."""
    found = []
    for path in sorted(folder.path.glob("evaluation_*.json")):
        try:
            one = json.loads(path.read_text(encoding="utf-8"))
            if {"target", "readout", "labels", "differences", "raw"} <= one.keys():
                found.append(one)
        except (OSError, ValueError, AttributeError) as error:
            raise FileError(f"{path} is damaged ({error}); evaluate the run again") from error
    return sorted(found, key=lambda one: (one["labels"] is not None, one["labels"] or 0))


def _number(value: float | None, name: str, sign: bool = False) -> dict[str, Any]:
    """Return a number to show, and which number of the evaluation it is."""
    text = "not known" if value is None else f"{value:{'+' if sign else ''}.3f}".replace("-", "\N{MINUS SIGN}")
    return {"text": text, "value": value, "name": name}


def _verdict(found: Mapping[str, Any]) -> dict[str, Any]:
    """Say in sentences what an evaluation shows: pieces of text, and numbers that say which of the evaluation they are."""
    key = headline_of(str(found["readout"]))
    score = "R²" if key == "r2" else "accuracy"
    few = "all labels" if found["labels"] is None else f"{found['labels']} labelled {found['label_unit']}s per class"
    few = few.replace("1 labelled segments", "1 labelled segment").replace("1 labelled minutes", "1 labelled minute")
    low, high = found.get("interval") or (None, None)
    first: list[Any] = [f"From {few}, {found['target']} is read from the embedding with {score} "]
    first.append(_number(found[key], key))
    if low is not None:
        first += [" (95 % interval ", _number(low, "interval.0"), " to ", _number(high, "interval.1"), ")"]
    first.append(f" on {found['n_test']:,} test bins.")
    sentences = [first]
    for words, rows in YARDSTICKS.items():
        name = max(rows, key=lambda row: found[row][key])
        difference = found["differences"][name]
        where = f"differences.{name}"
        value, ends = difference["difference"], (difference["low"], difference["high"])
        own = [" (", _number(found[name][key], f"{name}.{key}"), ")"]
        if ends[0] is None:
            sentences.append([f"Beside {words}", *own, " nothing is shown, since there is one block to test on."])
            continue
        within = [
            _number(value, f"{where}.difference", True),
            ", interval ",
            _number(ends[0], f"{where}.low", True),
            " to ",
            _number(ends[1], f"{where}.high", True),
        ]
        opening = {"better": "Better than ", "worse": "Worse than "}.get(difference["verdict"], "No difference shown from ")
        sentences.append([f"{opening}{words}", *own, ": paired difference ", *within, "."])
    further = [sentences.pop()]
    for how, scores in (found.get("controls") or {}).items():
        where = "between trials" if how == "exchanged" else "in time"
        further.append(
            [f"Control, {CONTROL_WORDS[how]} {where}: {score} ", _number(scores[key], f"controls.{how}.{key}"), "."]
        )
    if found.get("majority") is not None and key == "accuracy":
        further.append(["Always the commonest label: ", _number(found["majority"], "majority"), "."])
    if found.get("transductive"):
        further.append(["Transductive: the encoder was trained on the test bins too."])
    return {"heading": few, "sentences": sentences, "further": further}


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    return {"head": list(head), "rows": [[str(cell) for cell in row] for row in rows]}


def _data(found: _OfRun, activity: bool) -> dict[str, Any]:
    rec = found.recording
    some = np.arange(0, len(rec), -(-len(rec) * rec.n_units // (1 << 25)))
    mean = rec.gather(some).mean(axis=0)
    lengths = rec.segment_lengths
    facts = [
        ("bins", f"{len(rec):,} of {rec.bin_size:g} s, {rec.duration:,.0f} s in all"),
        ("units", f"{rec.n_units:,}"),
        ("trials", f"{rec.n_segments:,}, of {lengths.min():,} to {lengths.max():,} bins (median {np.median(lengths):g})"),
        ("array of the embedding", f"{len(rec):,} bins by {found.z.shape[1]} dimensions"),
    ]
    if rec.kind == "counts":
        rate = mean / rec.bin_size
        low, middle, high = np.quantile(rate, (0.25, 0.5, 0.75))
        facts.append(("rates", f"median {middle:.2f} Hz, middle half {low:.2f} to {high:.2f} Hz, highest {rate.max():.1f} Hz"))
        facts.append(("silent units", f"{int((mean == 0).sum()):,}"))
    facts += [(key, str(value)) for key, value in rec.source.items() if key in ("used", "skipped", "notes", "file")]
    labels = []
    for name, values in rec.labels.items():
        if values.ndim == 1 and values.dtype.kind in "iubU":
            classes, code = np.unique(values, return_inverse=True)
            for i, value in list(enumerate(classes.tolist()))[:20]:
                own = code == i
                inside = [len(np.unique(rec.segments[own & (found.part == part)])) for part in range(3)]
                labels.append([name, value, f"{own.sum():,}", *(f"{n:,}" for n in inside)])
            if len(classes) > 20:
                labels.append([name, f"and {len(classes) - 20:,} more values", *[""] * 4])
        else:
            numbers = values.astype(np.float64)
            labels.append([name, f"{numbers.min():.4g} to {numbers.max():.4g}", f"{len(values):,}", "", "", ""])
    heads, _ = group_runs(found.part)
    ends = np.append(heads[1:], len(rec))
    spans = [[int(found.part[a]), int(a), int(b)] for a, b in zip(heads, ends, strict=True)]
    every = -(-len(spans) // 1500)
    counts = [[title, f"{(found.part == i).sum():,}"] for i, title in enumerate(PARTS) if (found.part == i).any()]
    bars = None
    if activity and rec.kind == "counts":
        shares, edges = np.histogram(np.log10(np.maximum(mean / rec.bin_size, 1e-2)), bins=20)
        bars = {"n": shares.tolist(), "low": f"{10 ** edges[0]:.2g} Hz", "high": f"{10 ** edges[-1]:.2g} Hz"}
    return {
        "facts": facts,
        "labels": _table(["label", "value", "bins", "training trials", "validation trials", "test trials"], labels),
        "spans": spans[::every],
        "n": len(rec),
        "counts": counts,
        "bars": bars,
        "split": found.run.split,
    }


def _explorer(found: _OfRun, arrays: Packed, activity: bool) -> dict[str, Any]:
    rec, rows = found.recording, found.shown
    n = len(rows)
    counts = rec.gather(rows)
    scaled = np.sqrt(counts.astype(np.float32)) if rec.kind == "counts" else counts.astype(np.float32)
    scaled = (scaled - scaled.mean(axis=0)) / np.maximum(scaled.std(axis=0), 1e-6)
    bits = 12 if n > 20_000 else 14
    views = [
        {"title": found.method, **put_plane(found.z, arrays, "ours", bits)},
        {"title": "raw counts" if rec.kind == "counts" else "signals", **put_plane(counts, arrays, "raw", min(bits, 10))},
        {"title": "components", **put_plane(scaled, arrays, "components", min(bits, 10))},
    ]
    runs = np.cumsum(np.append(0, np.diff(rec.segments[rows]) != 0))
    heads, _ = group_runs(runs)
    arrays.add_rising("segment", heads)
    arrays.add_rising("time", np.rint((rec.times[rows] - rec.times[0]) / rec.bin_size * 16))
    arrays.add("part", found.part[rows])
    labels = []
    for name, values in rec.labels.items():
        columns = [values] if values.ndim == 1 else list(values.T)
        for i, column in enumerate(columns):
            about = coloured(name if len(columns) == 1 else f"{name} {i + 1}", column[rows], rec.periods.get(name))
            if about is not None and len(labels) < MOST_LABELS:
                labels.append(put_label(about, arrays, f"label{len(labels)}"))
    spec: dict[str, Any] = {
        "n": n,
        "total": len(rec),
        "views": views,
        "labels": labels,
        "target": found.target,
        "bin": rec.bin_size,
        "start": float(rec.times[0]),
        "segments": rec.segments[rows][heads].tolist(),
        "parts": PARTS,
        "thinned": n < len(rec),
        "palette": style.CLASSES,
        "cyclic": [to_hex(colour) for colour in style.cyclic_map()(np.linspace(0, 1, 64, endpoint=False))],
        "ramp": [to_hex(colour) for colour in matplotlib.colormaps["viridis"](np.linspace(0, 1, 64))],
    }
    if found.predicted:
        spec["prediction"] = _put_predictions(found, arrays)
    if n <= MOST_NEAR and n > 10:
        spec["near"] = True
        arrays.add("near", nearest(found.z, runs, min(3, n - 1)))
    if activity:
        spec["activity"] = put_activity(rec, counts, arrays)
    return spec


def _put_predictions(found: _OfRun, arrays: Packed) -> dict[str, Any]:
    """Put what is predicted of each test row, and its error, into the page."""
    said, rec, rows = found.predicted, found.recording, found.shown
    where = np.full(len(rec), -1)
    where[found.parts[2]] = np.arange(len(found.parts[2]))
    at = where[rows]
    here, values, merits = at >= 0, said["values"], said["merits"]
    about: dict[str, Any] = {"target": said["target"], "readout": said["readout"]}
    if said["key"] == "accuracy":
        arrays.add("hit", np.where(here, merits[at] > 0.5, 2))
        about["error"] = "classes"
    else:
        arrays.add_scaled("hit", np.where(here, np.sqrt(merits[at]), 0), missing=~here)
        about["error"] = "continuous"
    if values.ndim == 1 and values.dtype.kind in "iubU":
        names, codes = np.unique(values, return_inverse=True)
        arrays.add("predicted", np.where(here, codes[at], len(names)))
        period = rec.periods.get(said["target"])
        about["values"] = [f"{360 * v / period:.0f}°" if period else str(v) for v in names.tolist()]
    elif values.ndim == 1:
        arrays.add_scaled("predicted", np.where(here, values[at], 0), missing=~here)
    return about


def _still(found: _OfRun) -> dict[str, Any]:
    """Draw the embedding beside raw counts and components, for readers without a script."""
    rec, rows = found.recording, found.shown[:: -(-len(found.shown) // 20_000)]
    every = -(-len(found.shown) // 20_000)
    counts = rec.gather(rows).astype(np.float64)
    scaled = np.sqrt(counts) if rec.kind == "counts" else counts
    panels = {
        "embedding": found.z[::every],
        "raw counts" if rec.kind == "counts" else "signals": counts,
        "components": (scaled - scaled.mean(axis=0)) / np.maximum(scaled.std(axis=0), 1e-6),
    }
    target = found.target
    label = None if target is None or rec.labels[target].ndim > 1 else rec.labels[target][rows]
    figure = embedding.draw_beside(
        panels, label, period=rec.periods.get(target or ""), name=found.name, label_name=target or "label"
    )
    alt = f"Points of the embedding, of raw counts and of components, coloured by {target or 'nothing'}."
    return {"picture": picture(figure, alt)}


# Mined views.


def _mined(found: _OfRun, spec: dict[str, Any], arrays: Packed, activity: bool) -> dict[str, Any] | None:
    if not found.folder.mined.exists() or found.several:
        return None
    with np.load(found.folder.mined) as file:
        steps, anchors, views = file["step"], file["anchor"], file["mined"]
    if not (views >= 0).any():
        return None
    rec, rows = found.recording, found.trained_rows
    trained = rec.select(rows)
    target = found.target
    label = None if target is None or rec.labels[target].ndim > 1 else trained.labels[target]
    period = rec.periods.get(target or "")
    gap = default_gap(trained.times, getattr(found.model, "exclude_gap", None)) if trained.n_segments == 1 else None
    place = {"segments": trained.segments, "times": trained.times, "label": label, "period": period, "gap": gap}
    pool = run_figures.candidates_per_step(found.model)
    numbers = mined_statistics(steps, anchors, views, pool=pool, **place)
    figure = mined.draw_mined_views(
        steps, anchors, views, pool=pool, name=f"{found.method} on {found.name}", label_name=target or "label", **place
    )
    chosen = mined.choose_examples(steps, anchors, views, label)
    said = _mined_words(numbers, target)
    content = {"figure": svg(figure, f"Mined views over training. {said}"), "said": said, "target": target, "still": None}
    spec["mined"] = {
        "steps": [int(steps[i]) for i in chosen.at],
        "anchors": rows[chosen.anchor].tolist(),
        "views": np.where(chosen.view >= 0, rows[chosen.view], -1).tolist(),
        "about": [_about(rec, int(row), target) for row in np.unique(rows[np.append(chosen.anchor, chosen.view)])],
        "shares": _shares(numbers, [int(steps[i]) for i in chosen.at]),
        "target": target if label is not None else None,
    }
    if label is not None and (matrix := mined.label_matrix(label, anchors, views, chosen.at)) is not None:
        classes, counts = matrix
        names = [f"{360 * float(c) / period:.0f}°" for c in classes] if period else [str(c) for c in classes]
        spec["mined"]["matrix"] = {"names": names, "counts": counts.tolist()}
    if activity:
        content["still"] = _rasters(found, chosen, spec["mined"], arrays, target)
    return content


def _about(rec: Recording, row: int, target: str | None) -> dict[str, Any]:
    value = None if target is None or rec.labels[target].ndim > 1 else rec.labels[target][row].item()
    period = rec.periods.get(target or "")
    written = f"{value:.4g}" if isinstance(value, float) else str(value)
    shown = "" if value is None else f"{360 * value / period:.0f}°" if period else written
    return {
        "row": row,
        "segment": int(rec.segments[row]),
        "time": float(rec.times[row]),
        "since": float(rec.bins[row] * rec.bin_size),
        "label": shown,
    }


def _mined_words(numbers: Mapping[str, NDArray[Any]], target: str | None) -> str:
    if "same_label" not in numbers or target is None:
        return f"At the last step {100 * numbers['found'][-1]:.0f} % of anchors found a view."
    share, step = numbers["same_label"], numbers["step"]
    said = f"At step {step[-1]} {100 * share[-1]:.0f} % of mined views share their anchor's {target}"
    if "same_label_chance" in numbers:
        said += f"; drawn at random, {100 * numbers['same_label_chance'][-1]:.0f} % would"
    return f"{said}. At step {step[0]} it was {100 * share[0]:.0f} %. No label was used to mine."


def _shares(numbers: Mapping[str, NDArray[Any]], steps: Sequence[int]) -> list[dict[str, Any]]:
    at = {int(step): i for i, step in enumerate(numbers["step"])}
    found = []
    for step in steps:
        i = at.get(step)
        keys = ("same_label", "same_label_chance", "found")
        found.append({key: float(numbers[key][i]) for key in keys if i is not None and key in numbers})
    return found


def _rasters(
    found: _OfRun, chosen: mined.Examples, about: dict[str, Any], arrays: Packed, target: str | None
) -> Markup | None:
    """Put the activity around anchors and their views into the page, and draw some of it for readers without a script."""
    rec, rows = found.recording, found.trained_rows
    some = np.arange(0, len(rec), -(-len(rec) // 5000))
    counts = rec.gather(some).astype(np.float64)
    units = np.argsort(-counts.var(axis=0), kind="stable")[:MOST_UNITS]
    label = None if target is None or rec.labels[target].ndim > 1 else rec.labels[target][some]
    units = units[mined.unit_order(counts[:, units], label)]
    low, high = float(counts.min()), float(counts.max())
    all_rows = np.unique(rows[np.append(chosen.anchor, chosen.view[chosen.view >= 0])])
    window = np.full((len(all_rows), 2 * RASTER + 1, len(units)), 255, dtype=np.uint8)
    for i, row in enumerate(all_rows):
        near = np.arange(max(0, row - RASTER), min(len(rec), row + RASTER + 1))
        near = near[rec.segments[near] == rec.segments[row]]
        window[i, near - row + RASTER] = levels(rec, rec.gather(near)[:, units], low, high)
    arrays.add("rasters", window)
    about |= {"raster_rows": all_rows.tolist(), "width": 2 * RASTER + 1, "units": [rec.units[i] for i in units]}
    about |= {"of": rec.n_units, "bin": rec.bin_size}
    at = {int(row): i for i, row in enumerate(all_rows)}
    names = {one["row"]: one for one in about["about"]}
    drawn = []
    for step in sorted({0, len(chosen.at) - 1}):
        for j in range(min(3, chosen.anchor.shape[1])):
            a, b = int(rows[chosen.anchor[step, j]]), int(chosen.view[step, j])
            if b >= 0:
                b = int(rows[b])
                words = [f"trial {names[r]['segment']}" + (f", {names[r]['label']}" if names[r]["label"] else "") for r in (a, b)]
                drawn.append((f"step {about['steps'][step]}", words, window[at[a]], window[at[b]]))
    if not drawn:
        return None
    figure = mined.draw_rasters(drawn, bin_size=rec.bin_size)
    return picture(figure, "Activity around anchors, around the views mined for them, and the difference.")


# Decoding, units, training, stability, provenance.


def _decoding(found: _OfRun) -> dict[str, Any] | None:
    if not found.evaluations:
        return None
    blocks: list[dict[str, Any]] = []
    curves: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in found.evaluations:
        key = headline_of(str(one["readout"]))
        curves.setdefault((str(one["target"]), str(one["readout"])), []).append(one)
        shown = Evaluation(one)
        head, *rows = shown._words()
        bayes = None if found.several or one["target"] not in found.recording.labels else found.naive_bayes(one)
        if bayes is not None:
            interval = bayes["interval"]
            ends = "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
            rows.append(["naive Bayes (Poisson, of counts)", f"{bayes[key]:.3f}", ends, ""])
        block: dict[str, Any] = {"heading": shown._heading(), "table": _table(head, rows)}
        block["figure"] = svg(decoding.draw_decoding(one), f"Scores with intervals. {one.get('verdict', '')}")
        block["confusion"] = None
        if "confusion" in one and one["labels"] is None and len(one["confusion"]["classes"]) <= 40:
            figure = decoding.draw_confusion(
                one["confusion"]["counts"],
                one["confusion"]["classes"],
                **{name: one[name] for name in ("dataset", "target", "readout", "labels")},
                label_unit=one["label_unit"] or "segment",
                period=one.get("period"),
            )
            block["confusion"] = svg(figure, f"Which {one['target']} is taken for which.", themed=False)
        blocks.append(block)
    few = [
        svg(decoding.draw_few_labels(of), f"Score against the number of labels: {target}.")
        for (target, _), of in curves.items()
        if len(of) > 1
    ]
    along = None
    if found.predicted and found.in_parts[2].n_segments >= 5:
        said, test = found.predicted, found.in_parts[2]
        figure = decoding.draw_along(said["merits"], test.bins, test.bin_size, metric=said["key"])
        along = svg(figure, "Score along the trial.")
    return {"blocks": blocks, "few": few, "along": along}


def _units(found: _OfRun, full: bool) -> dict[str, Any] | None:
    """Measure what the readout owes to each unit: of a few hundred test bins, or of more."""
    first = next((one for one in found.evaluations if one["labels"] is None), None)
    rec = found.recording
    if first is None or found.several or found.model.uses_labels or (rec.n_units > 250 and not full):
        return None
    how: dict[str, Any] = {"rows": 1000, "repeats": 5} if full else {"rows": 250, "repeats": 2}
    for rows in (found.in_parts[2], rec):
        try:
            measured = importance(found.model, rows, str(first["target"]), readout=str(first["readout"]), **how)
        except MyowError:
            continue
        name = "R²" if measured.metric == "r2" else "accuracy"
        table = measured.to_frame().head(20)
        listed = [[unit, f"{row.permutation:+.4f}", f"{row.spread:.4f}"] for unit, row in table.iterrows()]
        return {
            "figure": svg(measured.plot(), f"Units that carry {first['target']} most, with spread."),
            "table": _table(["unit", f"loss of {name}", "spread over repeats"], listed),
            "rows": min(how["rows"], len(rows)),
            "where": "test bins" if rows is not rec else "bins of all parts",
            "repeats": how["repeats"],
        }
    return None


def _training(found: _OfRun) -> list[dict[str, Any]]:
    metrics = read_metrics(found.folder.metrics) if found.folder.metrics.exists() else []
    if not metrics:
        return []
    last = metrics[-1]
    curves = training.draw_learning_curves(metrics, name=f"{found.method} on {found.name}")
    charts = [
        {
            "figure": svg(curves, f"Loss over {last['step']:,} steps; it ends at {last.get('loss', math.nan):.3f}."),
            "read": "The loss should fall and then level off. It is about how well one view predicts another, and says nothing of labels; "
            "a loss of zero early on would mean that all bins fall on one point.",
        }
    ]
    if any(key in last for key in training.MEASURES):
        near = None
        if not found.several and found.folder.neighbours.exists() and found.target is not None:
            trained = found.recording.select(found.trained_rows)
            label = trained.labels[found.target]
            gap = default_gap(trained.times) if trained.n_segments == 1 else None
            if label.ndim == 1:
                near = run_figures._neighbours(
                    found.folder, segments=trained.segments, times=trained.times, label=label, gap=gap
                )
        figure = training.draw_geometry(metrics, neighbours=near, name=found.name, label_name=found.target or "label")
        charts.append(
            {
                "figure": svg(figure, "Geometry of the embedding over training."),
                "read": "Alignment is the distance of a bin to the next one: lower is smoother. Uniformity says how evenly the sphere is "
                "filled; at 0 all is one point. The effective rank counts dimensions in use; a fall to 1 or 2 is a collapse. Hubness far "
                "above 1 means that few bins are everyone's neighbours.",
            }
        )
    return charts


def _stability(paths: Sequence[Path]) -> dict[str, Any] | None:
    """Measure how well the embeddings of several runs agree."""
    if len(paths) < 2:
        return None
    embedded, names, digests, rows = [], [], [], []
    for path in paths:
        one = _OfRun.read(path)
        embedded.append(embed(one.model, one.recording))
        names.append(path.resolve().name)
        digests.append(one.recording.digest())
        for found in one.evaluations:
            key = headline_of(str(found["readout"]))
            few = "all" if found["labels"] is None else found["labels"]
            low, high = found.get("interval") or (math.nan, math.nan)
            seed = one.run.settings.get("random_state", "")
            rows.append([names[-1], one.method, seed, found["target"], few, f"{found[key]:.3f}", f"{low:.3f} to {high:.3f}"])
    names = [f"{name} ({i + 1})" if names.count(name) > 1 else name for i, name in enumerate(names)]
    target = _OfRun.read(paths[0]).target
    head = ["run", "method", "seed", "label", "labels per class", "score", "95 % interval"]
    about: dict[str, Any] = {"figure": None, "said": "", "table": _table(head, rows) if rows else None}
    try:
        found = consistency(*embedded, names=names, by=None if len(set(digests)) == 1 else target)
    except MyowError as error:
        return about | {"said": f"Their agreement could not be measured: {error}"}
    about["figure"] = svg(found.plot(), f"Agreement of {len(names)} embeddings.", themed=False)
    about["said"] = (
        f"Mean R² {found.mean:.3f}, lowest {found.lowest:.3f}, of {found.compared}. 1 is perfect agreement up to a linear map, 0 is none."
    )
    return about


def _settings(found: _OfRun) -> dict[str, Any]:
    import torch

    run = found.run
    words = ["myow", "train", run.data, "--out", str(found.path), "--method", run.method, "--split", run.split]
    words += ["--split-seed", str(run.split_seed), "--rows", run.rows, "--seed", str(run.settings.get("random_state", 0))]
    words += [] if run.target is None else ["--target", run.target]
    for name, value in run.settings.items():
        if name == "context":
            words += ["--context", ",".join(map(str, value))]
        elif name != "random_state":
            written = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            words += ["--set", f"{name}={written}"]
    for option in run.load:
        words += ["--data", option]
    params = found.model.get_params() if isinstance(found.model, Learner) else {}
    table = [[name, "a Python object" if callable(value) else value] for name, value in sorted(params.items())]
    facts = [
        ("run", found.path.resolve().name),
        ("myow", f"{run.version}; this page {__version__}"),
        ("Python", platform.python_version()),
        ("torch", torch.__version__),
        ("numpy", np.__version__),
        ("seed", str(getattr(found.model, "seed_", ""))),
        ("steps", f"{getattr(found.model, 'n_steps_', 0):,}"),
        ("split", f"{run.split}, seed {run.split_seed}"),
        ("recording", found.name),
        ("SHA-256 of the recording", found.recording.digest()),
    ]
    facts += [(key, str(value)) for key, value in run.recording.items() if key not in ("name", "digest", "sessions")]
    return {"command": shlex.join(words), "facts": facts, "table": _table(["setting", "value"], table)}
