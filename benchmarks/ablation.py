r"""Ablations of a method: one change at a time, all on the same folds, each against the reference.

Every entry of a plan is trained and read out as by ``myow bench --protocol cv --rows train --readouts class``. Folds, seeds and
draws of labels are the same for all entries, so that differences to the first one, the reference, are paired.

    MYOW_DATA=folder python benchmarks/ablation.py chewie-1 [--context 0,0] [--plan ablation] [--folds 5] [--seeds 1] \
        [--labels all,1,5] [--draws 5] [--only NAME,NAME] [--jobs 2] [--out benchmarks/ablation] [--markdown]

Plans are lists in ``ablation.json`` (or --plans FILE) of entries {"group": ..., "name": ..., "method": ..., "settings": {"k": "3"}};
what is not set is the method's default. In plan "augmentation", each group that is called like a parameter becomes a column of a
figure. --only takes names of entries or groups; the reference always runs.

Each fit is a line of ``rows.jsonl`` in --out, for all plans, recordings and contexts. Fits that are there are not done again, and
entries that come to the same parameters, such as a default written out, share one. A line counts only if all parameters, those
left at their defaults too, and the version are the same; after other changes to the code, use another folder.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import myow
from myow.datasets import load_recording
from myow.errors import DataError, FileError, MyowError, unknown_name
from myow.evaluation.bench import Bench
from myow.evaluation.bench_jobs import Done, Job, carry_out
from myow.evaluation.bench_summary import RowsFile
from myow.evaluation.statistics import compare
from myow.figures import style
from myow.figures.training import DASHES
from myow.io.files import make_folder, writing
from myow.methods import make_method, method_class
from myow.settings import parse_settings

FOLDER = Path(__file__).parent
KEPT = (
    "dataset", "checksum", "method", "settings", "fold", "folds", "seed", "context", "target", "draws",
    "n_train", "n_valid", "n_test", "seconds", "version", "torch", "machine", "error",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One change to what the reference is."""

    group: str
    name: str
    method: str
    settings: Mapping[str, str]

    def describe(self) -> str:
        """Method and settings as one writes them."""
        return " ".join([self.method, *(f"{k}={v}" for k, v in self.settings.items())])


@dataclass(frozen=True)
class Found:
    """What came of an entry: accuracies over (seed, fold) by number of labels, or why there are none."""

    entry: Entry
    parameters: Mapping[str, Any]
    scores: Mapping[str, np.ndarray[Any, Any]]
    share: float
    seconds: float
    error: str | None


def read_plan(path: Path, name: str) -> list[Entry]:
    """Read one plan of a file; its first entry is the reference."""
    try:
        plans = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise FileError(f"cannot read plans from {path}: {error}") from error
    if name not in plans:
        raise unknown_name("plan", name, plans)
    known = [f.name for f in fields(Entry)]
    for entry in plans[name]:
        if sorted(entry) != sorted(known):
            raise DataError(f"an entry of plan '{name}' has {', '.join(entry)}; it must have {', '.join(known)}")
    entries = [Entry(**entry) for entry in plans[name]]
    names = [entry.name for entry in entries]
    twice = sorted({n for n in names if names.count(n) > 1 or "," in n})
    if not entries or twice:
        raise DataError(f"plan '{name}' must have entries, each with a name of its own without commas; see {twice}")
    return entries


def choose(entries: Sequence[Entry], only: str) -> list[Entry]:
    """Return the reference and the entries that are named, or whose group is."""
    wanted = [word.strip() for word in only.split(",") if word.strip()]
    for word in wanted:
        if not any(word in (e.name, e.group) for e in entries):
            raise unknown_name("entry", word, [e.name for e in entries])
    return [e for i, e in enumerate(entries) if i == 0 or not wanted or e.name in wanted or e.group in wanted]


def jobs_of(entry: Entry, recording: myow.Recording, options: argparse.Namespace) -> list[Job]:
    """Jobs of the bench, by seed and fold, with every parameter written out: defaults may change."""
    estimator = method_class(entry.method)
    bench = Bench(
        datasets=[options.dataset],
        methods=[entry.method],
        protocol="cv",
        contexts=[parse_settings(estimator, [f"context={options.context}"])["context"]],
        rows="train",
        readouts=["class"],
        labels=options.labels.split(","),
        folds=options.folds,
        seeds=options.seeds,
        draws=options.draws,
        settings=[f"{entry.method}.{key}={value}" for key, value in entry.settings.items()],
    )
    parameters = make_method(entry.method, **bench.settings_of(entry.method)).get_params()
    for name in ("context", "random_state", "device"):  # the bench's own
        del parameters[name]
    return [replace(job, settings=parameters) for job in bench.jobs(options.dataset, recording)]


def key_of(job: Job) -> str:
    """What a line must agree in to be used again."""
    return f"{job.key}-{myow.__version__}"


def line_of(done: Done) -> dict[str, Any]:
    """Shorten the bench's row: controls and confusions are not looked at here."""
    accuracy = {score["labels"]: score["accuracy"] for score in done.row["scores"] if score["control"] is None}
    return {"key": key_of(done.job), **{name: done.row.get(name) for name in KEPT}, "accuracy": accuracy}


def carry_out_left(jobs: Sequence[Job], file: RowsFile, n_jobs: int) -> dict[str, dict[str, Any]]:
    """Do what the file does not hold, and return its lines by key. What failed is tried again."""
    with file.locked():
        held = {line["key"] for line in file.read() if line["error"] is None}
        left = list({key_of(job): job for job in jobs if key_of(job) not in held}.values())
        for n, done in enumerate(carry_out(left, n_jobs=n_jobs, backend="loky"), 1):
            line = line_of(done)
            file.append(line)
            told = line["error"] or ", ".join(f"{labels}: {value:.3f}" for labels, value in line["accuracy"].items())
            print(f"{n}/{len(left)} {done.job.describe()}  {told}", file=sys.stderr, flush=True)
        return {line["key"]: line for line in file.read()}


def gather(entry: Entry, jobs: Sequence[Job], lines: Mapping[str, Mapping[str, Any]]) -> Found:
    """Take together the lines of one entry, in the order of its jobs."""
    own = [lines[key_of(job)] for job in jobs]
    errors = [line["error"] for line in own if line["error"] is not None]
    if errors:
        return Found(entry, jobs[0].settings, {}, np.nan, np.nan, errors[0])
    scores = {labels: np.array([line["accuracy"][labels] for line in own]) for _, labels in jobs[0].tasks}
    share = float(np.mean([line["n_test"] / (line["n_train"] + line["n_valid"]) for line in own]))
    seconds = float(np.median([line["seconds"] for line in own]))  # the first fit of a process takes longer
    return Found(entry, jobs[0].settings, scores, share, seconds, None)


def table(results: Sequence[Found]) -> str:
    """Accuracies and paired differences to the first entry, in Markdown."""
    reference = results[0]
    if reference.error:
        raise DataError(f"the reference, {reference.entry.name}, failed: {reference.error}")
    labels = list(reference.scores)
    heading = ["group", "name", "settings", *(f"labels: {n}" for n in labels), *(f"difference, {n}" for n in labels)]
    rows = [[*heading, "fit (s)"]]
    for found in results:
        if found.error:
            figures = ["failed"] + ["–"] * (2 * len(labels))
        else:
            figures = [f"{v.mean():.3f} ± {v.std(ddof=1):.3f}" for v in found.scores.values()]
            figures += [_difference(found, reference, n) for n in labels] + [f"{found.seconds:.1f}"]
        rows.append([found.entry.group, found.entry.name, f"`{found.entry.describe()}`", *figures])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    padded.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    failed = [f"\n{found.entry.name} failed: {found.error}" for found in results if found.error]
    return "\n".join(padded + failed) + "\n"


def _difference(found: Found, reference: Found, labels: str) -> str:
    if found.entry.method == reference.entry.method and found.parameters == reference.parameters:
        return "the reference"
    c = compare(found.scores[labels] - reference.scores[labels], found.share)
    return f"{c.difference:+.3f} [{c.low:+.3f}, {c.high:+.3f}]"


AUGMENTATIONS = {
    "dropout": ("neuron dropout", "highest share of lost units"),
    "noise": ("Gaussian noise", "deviation, in units that noise_unit names"),
    "positives": ("temporal positives", "bins to either side"),
}
"""Title and axis of an augmentation, by the parameter that sets its strength; others are called by that."""

LOOKS: Mapping[bool, Mapping[str, Any]] = {
    True: {"color": style.ACCENT, "marker": "o", "zorder": 4},
    False: {"color": style.CLASSES[1], "marker": "s", "zorder": 3},
}
NAMES = {True: "with mining", False: "without mining"}


@dataclass(frozen=True)
class Point:
    """Scores of one strength of one augmentation.

    Parameters
    ----------
    augmentation : str or None
        The parameter that sets its strength; None where there is no augmentation at all.
    strength : float
        Its value.
    mining : bool
        Whether views were mined.
    labels : str
        "all", or how many labels a class.
    scores : sequence of float
        Accuracies, one a fold.
    """

    augmentation: str | None
    strength: float
    mining: bool
    labels: str
    scores: Sequence[float]


@style.context()
def draw_augmentation_curves(
    points: Sequence[Point], *, defaults: Mapping[str, float] | None = None, name: str = ""
) -> Figure:
    """Draw a column for each augmentation and a row for each number of labels.

    Parameters
    ----------
    points : sequence of Point
        In any order; columns and rows follow it. Points of no augmentation at all become horizontal lines.
    defaults : mapping of str to float, optional
        Strengths to be marked, by augmentation.
    name : str, optional
        What was trained on what, for the title.

    Returns
    -------
    Figure
        To be saved with `style.save`. Lines are means over folds, bands a standard deviation to either side.

    Raises
    ------
    DataError
        If no point has an augmentation, or a score is missing or not finite.
    """
    columns = list(dict.fromkeys(p.augmentation for p in points if p.augmentation is not None))
    if not columns:
        raise DataError("no point has an augmentation; there is nothing to draw")
    for p in points:
        if not len(p.scores) or not np.isfinite(p.scores).all():
            raise DataError(
                f"{p.augmentation or 'no augmentation'} {p.strength:g} has scores {p.scores}; all must be finite"
            )
    rows = list(dict.fromkeys(p.labels for p in points))
    figure = style.new_figure(1.35 + 1.9 * len(rows))
    figure.suptitle(
        f"{style.shorten(name or 'accuracy', 60)}: strength of augmentation", x=0.012, ha="left", fontsize=10
    )
    grid = figure.subplots(len(rows), len(columns), squeeze=False, sharex="col", sharey="row")
    for labels, line in zip(rows, grid, strict=True):
        for column, axes in zip(columns, line, strict=True):
            _panel(axes, [p for p in points if p.labels == labels], column, (defaults or {}).get(column))
        line[0].set_ylabel(f"accuracy, {labels} label{'' if labels == '1' else 's'}")
    for column, first, last in zip(columns, grid[0], grid[-1], strict=True):
        title, axis = AUGMENTATIONS.get(column, (column.replace("_", " "), "strength"))
        first.set_title(style.shorten(title, 60 // len(columns)))
        last.set_xlabel(axis)
    _key(figure, points, marked=bool(defaults))
    return figure


def _panel(axes: Axes, points: Sequence[Point], column: str, default: float | None) -> None:
    if default is not None:
        axes.axvline(default, color=style.FAINT, linewidth=5, zorder=0)
    for mining, look in LOOKS.items():
        # A strength that is the default may come twice, by name and as the default: the same scores.
        found = {p.strength: np.asarray(p.scores) for p in points if (p.augmentation, p.mining) == (column, mining)}
        x = sorted(found)
        mean = np.array([found[s].mean() for s in x])
        apart = np.array([found[s].std(ddof=min(1, len(found[s]) - 1)) for s in x])
        if x:
            axes.fill_between(x, mean - apart, mean + apart, color=look["color"], alpha=0.13, linewidth=0)
            axes.plot(x, mean, markersize=4.5, **look)
        for p in points:
            if (p.augmentation, p.mining) == (None, mining):
                axes.axhline(float(np.mean(p.scores)), color=look["color"], linewidth=1.0, linestyle=DASHES, zorder=2)
    axes.set_xticks(sorted({p.strength for p in points if p.augmentation == column}))
    axes.grid(axis="y", color=style.FAINT, linewidth=0.6)
    axes.set_axisbelow(True)


def _key(figure: Figure, points: Sequence[Point], *, marked: bool) -> None:
    handles = []
    for mining, look in LOOKS.items():
        if any(p.augmentation is not None and p.mining == mining for p in points):
            handles.append(Line2D([], [], markersize=4.5, label=NAMES[mining], **look))
        if any(p.augmentation is None and p.mining == mining for p in points):
            plain = {"color": look["color"], "linewidth": 1.0, "linestyle": DASHES}
            handles.append(Line2D([], [], label=f"no augmentation, {NAMES[mining]}", **plain))
    if marked:
        handles.append(Line2D([], [], color=style.FAINT, linewidth=5, label="default"))
    folds = max(len(p.scores) for p in points)
    figure.legend(
        handles=handles, loc="outside lower left", ncols=3, handlelength=2.4, columnspacing=1.6, alignment="left",
        title=f"Line and band: mean and standard deviation over {folds} fits." if folds > 1 else None, title_fontsize=8.5,
    )  # fmt: skip


def points(results: Sequence[Found]) -> list[Point]:
    """Points of the figure: groups that are called like a parameter, and what has no augmentation at all."""
    good = [found for found in results if not found.error]
    columns = [group for group in dict.fromkeys(f.entry.group for f in good) if group in good[0].parameters]
    shown = []
    for found in good:
        group: str | None = found.entry.group
        if group not in found.parameters:
            if not columns or any(strength(found.parameters[column]) for column in columns):
                continue
            group = None
        mining = found.parameters.get("mined_weight", 0) > 0
        value = strength(found.parameters[group]) if group else 0.0
        shown += [Point(group, value, mining, labels, v.tolist()) for labels, v in found.scores.items()]
    return shown


def strength(value: Any) -> float:
    """Turn a parameter into a number; a range such as (-2, 2) is as strong as its farther end."""
    return float(max(abs(v) for v in value) if isinstance(value, tuple) else value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--context", default="0,0", help="bins before and after, such as 2,2")
    parser.add_argument("--plan", default="ablation", help="which plan of the file")
    parser.add_argument("--plans", type=Path, default=FOLDER / "ablation.json", help="file of plans")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--labels", default="all,1,5", help="all, or labelled segments (minutes) per class")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--only", default="", help="entries or groups, separated by commas")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--out", type=Path, default=FOLDER / "ablation", help="folder of rows.jsonl, tables and figures"
    )
    parser.add_argument("--markdown", action="store_true", help="write the table there too")
    options = parser.parse_args()
    try:
        entries = choose(read_plan(options.plans, options.plan), options.only)
        recording = load_recording(options.dataset)
        jobs = {entry.name: jobs_of(entry, recording, options) for entry in entries}
        file = RowsFile(make_folder(options.out) / "rows.jsonl")
        lines = carry_out_left([job for own in jobs.values() for job in own], file, options.jobs)
        results = [gather(entry, jobs[entry.name], lines) for entry in entries]
        about = f"{Path(options.dataset).name}, context {options.context}"
        command = shlex.join(["python", "benchmarks/ablation.py", *sys.argv[1:]])
        text = (
            f"# Plan {options.plan} on {about}\n\nClass readout, encoder trained on training rows, {options.folds} folds, "
            f"{options.seeds} seed{'s' if options.seeds > 1 else ''}, {options.draws} draws of labels; myow {myow.__version__}\n\n"
            f"    {command}\n\n{table(results)}\n"
            f"Accuracy: mean ± standard deviation over folds. Difference to {entries[0].name}: mean over folds and 95 % corrected "
            "resampled interval.\n"
        )
        print(text, end="")
        stem = f"{options.plan}-{Path(options.dataset).name}-{options.context.replace(',', '-')}"
        if options.markdown:
            with writing(options.out / f"{stem}.md") as part:
                part.write_text(text)
        shown = points(results) if options.plan == "augmentation" else []
        if any(point.augmentation for point in shown):
            columns = {p.augmentation for p in shown if p.augmentation}
            defaults = {column: strength(results[0].parameters[column]) for column in columns}
            style.save(draw_augmentation_curves(shown, defaults=defaults, name=about), options.out / f"{stem}.png")
    except MyowError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
