"""Decoding on recordings of many kinds, beside what takes no learning: rows, a table, a figure, and one test over recordings.

    MYOW_DATA=FOLDER python benchmarks/panel.py --out FOLDER [--recordings a,b] [--methods a,b] [--folds 3] [--seeds 1]
        [--labels 1,2,5,all] [--single] [--set KEY=VALUE] [--jobs 1] [--outside cebra-time,cebra-behavior,umap] [--linear]

FOLDER holds ``panel/NAME.npz`` (docs/worth.md says what they are and how to make them) and the published recordings; what is
missing is left out and said. Every recording is benched by `myow.evaluation.bench` into a folder of its own, so that a run that was
stopped goes on. Methods of other libraries (``--outside``: CEBRA by time, CEBRA by the label, which uses labels, and UMAP; their packages
are not dependencies of ours) are fitted on the same folds, read out in the same way, and kept in ``outside.jsonl``. Settings were searched on the recordings marked "tuned", on parts of their training rows; the others only
confirm. A figure of a recording is the mean over folds and seeds; the test takes one difference a recording.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import ttest_1samp, wilcoxon
from sklearn.linear_model import Ridge

from myow import MYOW, Raw, Recording
from myow.datasets import load_recording
from myow.errors import MyowError
from myow.evaluation.bench import Bench, run_bench
from myow.evaluation.bench_jobs import part_rows
from myow.evaluation.decode import decode


@dataclass(frozen=True)
class Entry:
    """A recording of the panel: its class label, labels to regress, and a window that fits its trials."""

    target: str
    window: tuple[int, int]
    continuous: tuple[str, ...] = ()
    tuned: bool = False
    file: bool = True


PANEL = {
    "shenoy_reach": Entry("direction", (2, 2), tuned=True),
    "rat_ca1_track": Entry("place", (2, 2), ("position", "speed"), tuned=True),
    "rat_m1_taps": Entry("phase", (2, 2), tuned=True),
    "sleep_day1": Entry("state", (0, 0), tuned=True),
    "monkey_it_objects": Entry("object", (1, 1), tuned=True),
    "chewie-1": Entry("direction", (2, 2), tuned=True, file=False),
    "simulated-reach": Entry("direction", (2, 2), ("latent",), tuned=True, file=False),
    "rat_ofc_odour": Entry("epoch", (2, 2)),
    "mouse_ca1_calcium": Entry("place", (2, 2), ("position",)),
    "fly_compass": Entry("sector", (2, 2), ("heading",)),
    "chewie-2": Entry("direction", (2, 2), file=False),
    "mihi-1": Entry("direction", (2, 2), file=False),
    "mouse-ca1": Entry("state", (2, 2), file=False),
}
METHODS = ("raw", "pca", "poisson-nb", "lda", "byol", "simclr", "myow", "unmined")
UNLEARNT = ("raw", "pca")
SETTINGS = ("pca.dim=16",)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of rows, table and figure")
    parser.add_argument("--recordings", default=",".join(PANEL), help="names, a,b")
    parser.add_argument("--methods", default=",".join(METHODS), help="identifiers, a,b")
    parser.add_argument("--folds", type=int, default=3, help="folds by segment")
    parser.add_argument("--seeds", type=int, default=1, help="repetitions, which deal the folds anew")
    parser.add_argument("--labels", default="1,2,5,all", help="labelled segments a class, a,b")
    parser.add_argument("--single", action="store_true", help="single bins in place of windows")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE or METHOD.KEY=VALUE")
    parser.add_argument("--jobs", type=int, default=1, help="fits at a time")
    parser.add_argument("--outside", default="", help=f"methods of other libraries, a,b, of {', '.join(OUTSIDE)}")
    parser.add_argument("--linear", action="store_true", help="count linear dimensions of MYOW's embedding instead")
    options = parser.parse_args()
    unknown = [name for name in options.recordings.split(",") if name not in PANEL]
    if unknown:
        parser.error(f"{', '.join(unknown)}: no recording of the panel; choices: {', '.join(PANEL)}")
    if options.linear:
        print(
            "| recording | linear dimensions | median R² | 1 label: all dimensions, without | all labels |\n"
            + "|---" * 5
            + "|"
        )
    rows = []
    for name in options.recordings.split(","):
        try:
            if options.linear:
                print(linear(name, options), flush=True)
                continue
            rows += bench(name, options)
            for method in filter(None, options.outside.split(",")):
                rows += outside(name, method, options)
        except MyowError as error:
            print(f"{name}: left out, {error}", flush=True)
    if options.linear:
        return
    if not rows:
        parser.error("no recording was at hand; let MYOW_DATA name their folder")
    cells = means(rows)
    text = table(cells) + "\n\n" + tests(cells)
    (options.out / "table.md").write_text(text + "\n")
    (options.out / "cells.json").write_text(json.dumps([[*key, value] for key, value in cells.items()]))
    draw(cells, options.out)
    print(text)


def place(name: str) -> str:
    """Return what names a recording to the bench."""
    return str(Path(os.environ.get("MYOW_DATA", ".")) / "panel" / f"{name}.npz") if PANEL[name].file else name


def bench(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Bench one recording on its class label, and on the labels to regress; return the rows."""
    entry, found = PANEL[name], []
    context = (0, 0) if options.single else entry.window
    kind = load_recording(place(name)).kind
    methods = [m for m in options.methods.split(",") if kind == "counts" or m != "poisson-nb"]
    for target, readout in [(entry.target, "class"), *((one, "continuous") for one in entry.continuous)]:
        some = methods if readout == "class" else [m for m in methods if m not in ("poisson-nb", "lda")]
        plan = Bench(
            datasets=[place(name)],
            methods=some,
            protocol="cv",
            contexts=[context],
            readouts=[readout],
            labels=options.labels.split(","),
            folds=options.folds,
            seeds=options.seeds,
            settings=[*SETTINGS, *options.set],
            target=target,
        )
        outcome = run_bench(plan, options.out / f"{name}-{target}", n_jobs=options.jobs, report=say)
        found += [row | {"recording": name} for row in outcome.rows]
    return found


def say(done: Any, number: int, total: int) -> None:
    """Print a line a fit."""
    row = done.row
    print(f"{number}/{total} {done.job.describe()}: {row['error'] or str(row.get('seconds')) + ' s'}", flush=True)


# Methods of other libraries.

CEBRA_STEPS = 3000
ARCHITECTURES = ("offset1-model", "offset5-model", "offset10-model")


class Outside:
    """What a readout asks of an estimator, for a method of another library."""

    context = (0, 0)
    readout_scaling = "common"

    def __init__(
        self, by: str | None, context: tuple[int, int], seed: int, choice: dict[str, Any] | None = None
    ) -> None:
        self.by, self.seed, self.choice = by, seed, choice
        self.raw = Raw(context=context)

    def transform(self, recording: Recording) -> NDArray[np.float32]:
        raise NotImplementedError

    def transform_blocks(
        self, recording: Recording, rows: NDArray[np.int64] | None = None
    ) -> Iterator[NDArray[np.float32]]:
        z = self.transform(recording)
        yield z if rows is None else z[rows]


class Cebra(Outside):
    """CEBRA, its offset model, input and dimensions chosen on validation rows of the first fold; `by` names the label it may use.

    CEBRA knows no segments while it learns: it takes rows as one series. Each segment is embedded on its own. By half as many steps
    as in the end, the input is chosen first (counts as they are, or roots of them, each unit scaled to one deviation), then the offset, then
    the dimensions. A positive is the bin after or before (`time_offsets` 1, CEBRA's default): 5 and 10 read far less.
    """

    def fit(self, train: Recording, valid: Recording, target: str, score: Callable[[Any], float]) -> Self:
        if self.choice is None:
            best = {"scaled": True, "model_architecture": ARCHITECTURES[0], "output_dimension": 32}
            reached: dict[str, float] = {}
            for others in (
                [{}, {"scaled": False}],
                [{"model_architecture": model} for model in ARCHITECTURES[1:]],
                [{"output_dimension": dim} for dim in (16, 64)],
            ):
                for choice in [best | other for other in others]:
                    reached[json.dumps(choice)] = score(self._fitted(train, target, choice, CEBRA_STEPS // 2))
                best = json.loads(max(reached, key=reached.__getitem__))
            self.choice = best
        fitted = self._fitted(train, target, self.choice, CEBRA_STEPS)
        self.model, self.choice = fitted.model, fitted.choice
        self.mean, self.deviation = fitted.mean, fitted.deviation
        return self

    def _fitted(self, train: Recording, target: str, choice: dict[str, Any], steps: int) -> Self:
        from cebra import CEBRA

        torch.manual_seed(self.seed)
        np.random.seed(self.seed)  # noqa: NPY002  (what CEBRA draws from)
        new = type(self)(self.by, (0, 0), self.seed, choice)
        values = _roots(train) if choice["scaled"] else np.asarray(train.counts, np.float32)
        new.mean = values.mean(axis=0) if choice["scaled"] else 0.0
        new.deviation = np.where(values.std(axis=0) > 0, values.std(axis=0), 1) if choice["scaled"] else 1.0
        new.model = CEBRA(
            batch_size=min(512, len(train) - 1),
            max_iterations=steps,
            time_offsets=1,
            conditional="time_delta" if self.by else "time",
            device="cpu",
            verbose=False,
            **{k: v for k, v in choice.items() if k != "scaled"},
        )
        labels = [train.labels[target]] if self.by else []
        new.model.fit(new._input(train), *labels)
        return new

    def _input(self, recording: Recording) -> NDArray[np.float32]:
        values = _roots(recording) if self.choice["scaled"] else np.asarray(recording.counts, np.float32)
        return ((values - self.mean) / self.deviation).astype(np.float32)

    def transform(self, recording: Recording) -> NDArray[np.float32]:
        values, starts = self._input(recording), np.flatnonzero(np.diff(recording.segments)) + 1
        # Ends are repeated, as CEBRA does it itself, so that a segment may be shorter than its window.
        padded = [np.pad(part, ((5, 5), (0, 0)), mode="edge") for part in np.split(values, starts)]
        return np.concatenate([self.model.transform(part)[5:-5] for part in padded])


class Umap(Outside):
    """UMAP of the windows that the methods of ours see: roots of counts, centred, one common deviation; 16 dimensions, else its defaults."""

    def fit(self, train: Recording, valid: Recording, target: str, score: Callable[[Any], float]) -> Self:
        from umap import UMAP

        x = self.raw.fit(train).transform(train)
        self.choice: dict[str, Any] = {}
        self.model = UMAP(n_components=min(16, x.shape[1]), random_state=self.seed).fit(x)
        return self

    def transform(self, recording: Recording) -> NDArray[np.float32]:
        return self.model.transform(self.raw.transform(recording))


OUTSIDE = {"cebra-time": (Cebra, False), "cebra-behavior": (Cebra, True), "umap": (Umap, False)}
"""Methods of other libraries, and whether they learn from the label."""


def _roots(recording: Recording) -> NDArray[np.float32]:
    values = np.asarray(recording.counts, np.float32)
    return np.sqrt(values) if recording.kind == "counts" else values


def outside(name: str, method: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Fit and read out a method of another library on the folds of the bench; rows that are there are not made again."""
    entry, path = PANEL[name], options.out / "outside.jsonl"
    known = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    context = (0, 0) if options.single else entry.window
    kind, uses_labels = OUTSIDE[method]
    recording = load_recording(place(name))
    numbers = [None if labels == "all" else int(labels) for labels in options.labels.split(",")]
    few = {numbers[0], numbers[-1]}  # what a choice is judged by
    found, choice = [], None
    for seed, fold in product(range(options.seeds), range(options.folds)):
        about = {"recording": name, "target": entry.target, "method": method, "seed": seed, "fold": fold,
                 "folds": options.folds, "context": list(context), "labels": options.labels}  # fmt: skip
        held = next((row for row in known if about.items() <= row.items()), None)
        if held is not None:
            found.append(held)
            choice = held["choice"]
            continue
        rows = part_rows(recording, None, protocol="cv", target=entry.target, fold=fold, folds=options.folds, seed=seed)
        train, valid, test = (recording.select(part) for part in rows)

        def score(model: Any, train: Recording = train, valid: Recording = valid) -> float:
            some = [
                decode(lambda _: model, (train, train, valid), target=entry.target, readout="class", labels=k, draws=3)
                for k in few
            ]
            return float(np.mean([one["balanced_accuracy"] for one in some]))

        start = time.perf_counter()
        model = kind(entry.target if uses_labels else None, context, seed, choice)
        model.fit(train, valid, entry.target, score)
        choice = model.choice
        scores = []
        for labels, k in zip(options.labels.split(","), numbers, strict=True):
            result = decode(
                lambda _, model=model: model, (train, valid, test), target=entry.target, readout="class", labels=k,
                draws=5, seed=seed,
            )  # fmt: skip
            scores.append(
                {
                    "readout": "class",
                    "labels": labels,
                    "control": None,
                    "balanced_accuracy": result["balanced_accuracy"],
                }
            )
        row = about | {"uses_labels": uses_labels, "choice": choice, "scores": scores}
        row["seconds"] = round(time.perf_counter() - start, 1)
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{name} {method}, fold {fold + 1}/{options.folds}: {row['seconds']} s, {choice}", flush=True)
        found.append(row)
    return found


class Kept(Outside):
    """Some dimensions of a fitted model's embedding."""

    def __init__(self, model: Any, kept: NDArray[np.bool_]) -> None:
        self.model, self.kept, self.context, self.readout_scaling = model, kept, model.context, model.readout_scaling

    def transform(self, recording: Recording) -> NDArray[np.float32]:
        return self.model.transform(recording)[:, self.kept]


def linear(name: str, options: argparse.Namespace) -> str:
    """Count the dimensions of MYOW's embedding that are linear in its input, and decode without them; returns a line of a table.

    A dimension counts as linear if a ridge regression from the window of scaled roots, fitted on the training rows of the first
    fold, explains 99 % of its variance on test rows.
    """
    entry = PANEL[name]
    recording, context = load_recording(place(name)), (0, 0) if options.single else entry.window
    rows = part_rows(recording, None, protocol="cv", target=entry.target, fold=0, folds=options.folds, seed=0)
    train, valid, test = (recording.select(part) for part in rows)
    model = MYOW(context=context, random_state=0).fit(train)
    raw = Raw(context=context).fit(train)
    straight = Ridge(1e-3).fit(raw.transform(train), model.transform(train)).predict(raw.transform(test))
    z = model.transform(test)
    explained = 1 - (z - straight).var(axis=0) / np.maximum(z.var(axis=0), 1e-12)
    kept = explained < 0.99
    scores = [
        decode(
            lambda _, of=of: of, (train, valid, test), target=entry.target, readout="class", labels=labels, draws=5
        )["balanced_accuracy"]
        for labels in (1, None)
        for of in (model, Kept(model, kept))
    ]  # fmt: skip
    values = " | ".join(f"{a:.3f}, {b:.3f}" for a, b in (scores[:2], scores[2:]))
    return f"| {name} | {(~kept).sum()} of {len(kept)} | {np.median(explained):.2f} | {values} |"


Cells = dict[tuple[str, str, str, str], float]


def means(rows: list[dict[str, Any]]) -> Cells:
    """Average over folds and seeds: by recording, target, method and labels."""
    found = defaultdict(list)
    for row in rows:
        for score in row["scores"]:
            if score.get("control") is None:
                value = score["balanced_accuracy"] if score["readout"] == "class" else score["r2"]
                found[row["recording"], row["target"], row["method"], str(score["labels"])].append(value)
    return {key: float(np.mean(values)) for key, values in found.items()}


def gains(cells: Cells, labels: str, of: str, over: tuple[str, ...]) -> dict[str, float]:
    """Return, by recording, by how much a method is above the best of some others on the class label."""
    found = {}
    for name, entry in PANEL.items():
        others = [cells[key] for m in over if (key := (name, entry.target, m, labels)) in cells]
        mine = cells.get((name, entry.target, of, labels))
        if mine is not None and others:
            found[name] = mine - max(others)
    return found


def table(cells: Cells) -> str:
    """Return a Markdown table: a row a recording, label and method, a column a number of labels."""
    labels = list(dict.fromkeys(key[3] for key in cells))
    lines = ["| recording | label | method | " + " | ".join(labels) + " |", "|---" * (3 + len(labels)) + "|"]
    for name, target, method in dict.fromkeys(key[:3] for key in cells):
        values = " | ".join(f"{cells.get((name, target, method, one), float('nan')):.3f}" for one in labels)
        lines.append(f"| {name}{' (tuned)' if PANEL[name].tuned else ''} | {target} | {method} | {values} |")
    return "\n".join(lines)


def tests(cells: Cells) -> str:
    """Return mean differences over recordings, apart for those that were tuned on, with one test over the others and over all."""
    lines = []
    for labels in dict.fromkeys(key[3] for key in cells):
        for of, over in (("myow", UNLEARNT), ("myow", ("byol", "unmined"))):
            found = gains(cells, labels, of, over)
            for title, names in (
                ("tuned on", [n for n in found if PANEL[n].tuned]),
                ("confirming", [n for n in found if not PANEL[n].tuned]),
                ("all", list(found)),
            ):
                values = np.array([found[n] for n in names])
                if len(values) < 3:
                    continue
                p, signed = ttest_1samp(values, 0).pvalue, wilcoxon(values).pvalue
                worst = names[int(values.argmin())]
                lines.append(
                    f"- {labels} labels, {of} over the better of {' and '.join(over)}, {title} ({len(values)}): "
                    f"{100 * values.mean():+.1f} points, worst {100 * values.min():+.1f} ({worst}); t test p {p:.3f}, signed ranks p {signed:.3f}"
                )
    return "\n".join(lines)


def draw(cells: Cells, out: Path) -> None:
    """Draw the gain over the better of raw counts and components, recordings down."""
    from matplotlib.figure import Figure

    labels = list(dict.fromkeys(key[3] for key in cells))
    names = list(gains(cells, labels[0], "myow", UNLEARNT))
    figure = Figure(figsize=(9, 0.34 * len(names) + 1.6), layout="constrained")
    axes = figure.subplots(1, len(labels), sharey=True, squeeze=False)[0]
    styles = {
        "myow": ("o", "#b3242a"),
        "unmined": ("s", "#8c8c8c"),
        "byol": ("^", "#3c6fa8"),
        "simclr": ("v", "#c99a2e"),
    }
    for axis, one in zip(axes, labels, strict=True):
        axis.axvline(0, color="black", linewidth=0.8)
        for method, (marker, colour) in reversed(styles.items()):  # MYOW on top
            found = gains(cells, one, method, UNLEARNT)
            axis.plot(
                [100 * found.get(n, np.nan) for n in names], range(len(names)), marker, color=colour, label=method
            )
        axis.set_title(
            "all labels" if one == "all" else f"{one} labelled segment{'s' * (one != '1')} a class", fontsize=9
        )
    axes[0].set_yticks(range(len(names)), [n + (" *" if PANEL[n].tuned else "") for n in names])
    axes[0].invert_yaxis()
    axes[-1].legend(fontsize=8, frameon=False)
    note = "balanced accuracy, points above the better of raw counts and components; labels are segments a class"
    figure.supxlabel(f"{note}\n* settings were searched on parts of its training rows", fontsize=8)
    figure.savefig(out / "gain.png", dpi=150)


if __name__ == "__main__":
    main()
