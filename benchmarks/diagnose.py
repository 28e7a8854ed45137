r"""Mined views, shape of the embedding during training, and final decoding performance of variants of a method.

Each variant is trained without labels on the training rows of a random 70/20/10 split (by time where there are few segments),
with the same splits and seeds for all. Labels are used afterwards: to say how often mined views and nearest neighbours share
their anchor's label, and for the class readout on validation rows, as in ``search.py``. Test rows are never looked at.

    MYOW_DATA=folder python benchmarks/diagnose.py chewie-1 --variant default --variant "off: mined_weight=0" \
        --variant "batch: pool=batch" [--method myow] [--context 2,2] [--seeds 3] [--jobs 1] [--out FILE.png] [--json FILE]

In the table, what is recorded over training is the mean of its last tenth. A variant is a name, a colon, and settings key=value with blanks between them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

import myow
from myow import datasets
from myow.data.splits import split_rows
from myow.errors import DataError, MyowError, SettingError
from myow.evaluation.decode import decode
from myow.evaluation.mined import mined_statistics, neighbour_statistics
from myow.figures import style
from myow.figures.run_figures import candidates_per_step
from myow.figures.training import DASHES, MEASURES, NOTES, panel_figure, panel_title, step_axis
from myow.methods import make_method, method_class
from myow.methods.runs import generic_split
from myow.nn.neighbours import default_gap
from myow.settings import parse_settings

LABELS = (1, 5, None)
DRAWS = 3
QUARTILES = ("lower quartile", "median", "upper quartile")


QUANTITIES = {
    "mined_same_label": ("mined views: same {label}", "share of views; dashed: chance"),
    "neighbour_same_label": ("neighbours: same {label}", "share of rows; dashed: chance"),
    "distinct": ("distinct mined views", "share of anchors; dashed: chance"),
    "time_distance": ("time from anchor to view", "median, in seconds; dashed: chance"),
    **{key: (key.replace("_", " "), note) for key, note in NOTES.items()},
}
"""Title and note of each panel, by the name of what it shows."""

SHARES = ("mined_same_label", "neighbour_same_label", "distinct")

Curves = Mapping[str, tuple[ArrayLike, ArrayLike]]


@style.context()
def draw_diagnosis(variants: Mapping[str, Curves], *, name: str = "", label_name: str = "label") -> Figure:
    """Draw how variants compare over training.

    Parameters
    ----------
    variants : mapping
        For each variant, by the name of a quantity (`QUANTITIES`, or one of them with ``_chance`` behind it), the steps (R,) of
        its records and the values (n, R) of n seeds. A variant may lack any of them, as one that mines nothing does.
    name : str, optional
        What was trained, for the title.
    label_name : str, optional
        What the label is.

    Returns
    -------
    Figure
        To be saved with `style.save`. Lines are means over seeds, bands a standard deviation to either side.

    Raises
    ------
    DataError
        If there is nothing to draw, shapes disagree, or a value is not finite.
    """
    curves = {variant: {k: _curve(variant, k, *c) for k, c in given.items()} for variant, given in variants.items()}
    panels: list[Callable[[Axes], None]] = [
        partial(_panel, key=key, curves=curves, label_name=label_name)
        for key in QUANTITIES
        if any(key in found for found in curves.values())
    ]
    if not panels:
        raise DataError(f"no variant has any of {', '.join(QUANTITIES)}; there is nothing to draw")
    panels.append(partial(_key, names=list(curves)))
    seeds = max(len(values) for found in curves.values() for _, values in found.values())
    return panel_figure(
        panels,
        title=f"{style.shorten(name or 'variants', 80)}: during training",
        note=f"Line and band: mean and standard deviation over {seeds} seeds." if seeds > 1 else "",
    )


def _curve(
    variant: str, key: str, steps: ArrayLike, values: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if y.ndim != 2 or y.shape[1:] != x.shape or not y.size:
        raise DataError(f"{key} of '{variant}' has steps of shape {x.shape} and values {y.shape}; give (R,) and (n, R)")
    if not np.isfinite(y).all():
        raise DataError(f"{key} of '{variant}' holds a value that is not finite")
    return x, y


def _look(place: int) -> dict[str, Any]:
    """Colour of a variant by its place; the pale last colour is left out, and a second round is dotted."""
    colours = style.CLASSES[:-1]
    return {"color": colours[place % len(colours)], "linestyle": "-" if place < len(colours) else (0, (1, 1.2))}


def _panel(
    axes: Axes,
    *,
    key: str,
    curves: Mapping[str, Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]],
    label_name: str,
) -> None:
    ends: list[float] = []
    for place, found in enumerate(curves.values()):
        look = _look(place)
        if f"{key}_chance" in found:
            steps, chance = found[f"{key}_chance"]
            axes.plot(steps, chance.mean(axis=0), color=look["color"], linewidth=0.8, linestyle=DASHES)
        if key not in found:
            continue
        steps, values = found[key]
        mean, apart = values.mean(axis=0), values.std(axis=0, ddof=1 if len(values) > 1 else 0)
        axes.fill_between(steps, mean - apart, mean + apart, color=look["color"], alpha=0.15, linewidth=0)
        axes.plot(steps, mean, marker="o" if len(steps) == 1 else "", markersize=4, **look)
        ends += [float(steps[0]), float(steps[-1])]
    if key in SHARES:
        axes.set_ylim(0, 1)
    elif axes.get_ylim()[0] >= 0:
        axes.set_ylim(bottom=0)
    step_axis(axes, ends)
    title, note = QUANTITIES[key]
    panel_title(axes, title.format(label=style.shorten(label_name, 14)), note)


def _key(axes: Axes, *, names: list[str]) -> None:
    axes.set_axis_off()
    lines = [Line2D([], [], **_look(place)) for place in range(len(names))]
    axes.legend(lines, [style.shorten(n, 30) for n in names], loc="upper left", borderaxespad=0, handlelength=1.8)


class Records:
    """A callback that keeps what is recorded."""

    def __init__(self) -> None:
        self.metrics: list[dict[str, float]] = []
        self.pairs: dict[str, list[tuple[int, Any]]] = {"mined_pairs": [], "neighbour_pairs": []}

    def begin(self, step: int, total: int) -> None: ...

    def step(self, step: int) -> None: ...

    def end(self) -> None: ...

    def record(self, step: int, metrics: Mapping[str, float], traces: Mapping[str, Any]) -> None:
        self.metrics.append({"step": step, **metrics})
        for name, kept in self.pairs.items():
            if name in traces:
                kept.append((step, traces[name].numpy()))


def one_fit(options: argparse.Namespace, given: Sequence[str], seed: int) -> dict[str, Any]:
    """Train one variant with one seed: {"curves": {quantity: (steps, values)}, "end": {quantity: value}}."""
    recording, card = myow.load(options.dataset), datasets.card(options.dataset)
    rule = replace(generic_split(recording, seed), fractions=(0.7, 0.2, 0.1))
    train, valid, _ = (recording.select(rows) for rows in split_rows(recording, rule))
    context = [f"context={options.context}"] if options.context else []
    chosen = parse_settings(method_class(options.method), [*context, *given])
    model = make_method(options.method, **chosen | {"random_state": seed})
    records = Records()
    with threadpool_limits(1):
        start = time.perf_counter()
        model.fit(train, callbacks=[records])
        seconds = time.perf_counter() - start
        if not records.metrics:
            raise SettingError(f"{options.method} has no steps, so that nothing can be followed over training")
        curves = {
            key: ([m["step"] for m in records.metrics if key in m], [m[key] for m in records.metrics if key in m])
            for key in MEASURES
            if any(key in m for m in records.metrics)
        }
        end = {key: last_tenth(values) for key, (_, values) in curves.items()}
        for found in (_neighbours(records, train, card.target), _mined(records, train, card.target, model)):
            curves |= found[0]
            end |= found[1]
        for labels in LABELS:
            end[f"accuracy, {labels or 'all'} labels"] = decode(
                lambda _: model,
                (train, valid, valid),
                target=card.target,
                readout="class",
                labels=labels,
                draws=DRAWS,
                seed=seed,
                choose=labels is not None,  # with all labels a strength would be chosen on the rows that are scored
            )["accuracy"]
    return {"curves": curves, "end": end | {"seconds of training": seconds}}


def _mined(records: Records, train: myow.Recording, target: str, model: Any) -> tuple[dict[str, Any], dict[str, float]]:
    pairs = records.pairs["mined_pairs"]
    if not any((p[:, 1] >= 0).any() for _, p in pairs):
        return {}, {}
    found = mined_statistics(
        [step for step, _ in pairs],
        [p[:, 0] for _, p in pairs],
        [p[:, 1] for _, p in pairs],
        segments=train.segments,
        times=train.times,
        label=train.labels[target],
        gap=default_gap(train.times, getattr(model, "exclude_gap", None)) if train.n_segments == 1 else None,
        pool=candidates_per_step(model),
    )
    steps = found["step"].tolist()
    time_key = "time_distance" if "time_distance" in found else "time_in_segment_distance"
    curves = {"time_distance": (steps, found[time_key][:, 1].tolist())}
    if f"{time_key}_chance" in found:
        curves["time_distance_chance"] = (steps, [float(found[f"{time_key}_chance"][1])] * len(steps))
    for name, key in (("mined_same_label", "same_label"), ("distinct", "distinct")):
        curves |= {f"{name}{c}": (steps, found[f"{key}{c}"].tolist()) for c in ("", "_chance") if f"{key}{c}" in found}
    end = {k: last_tenth(values) for k, (_, values) in curves.items() if not k.startswith("time")}
    quartiles = zip(QUARTILES, found[time_key].T.tolist(), strict=True)
    return curves, end | {f"time distance, {name} (s)": last_tenth(values) for name, values in quartiles}


def _neighbours(records: Records, train: myow.Recording, target: str) -> tuple[dict[str, Any], dict[str, float]]:
    pairs = records.pairs["neighbour_pairs"]
    if not any((p[:, 1] >= 0).any() for _, p in pairs):
        return {}, {}
    found = neighbour_statistics(
        [step for step, _ in pairs],
        pairs[0][1][:, 0],
        [p[:, 1] for _, p in pairs],
        segments=train.segments,
        times=train.times,
        label=train.labels[target],
        gap=default_gap(train.times) if train.n_segments == 1 else None,
    )
    steps = found["step"].tolist()
    curves = {
        f"neighbour_same_label{c}": (steps, found[f"same_label{c}"].tolist())
        for c in ("", "_chance")
        if f"same_label{c}" in found
    }
    return curves, {key: last_tenth(values) for key, (_, values) in curves.items()}


def last_tenth(values: Sequence[float]) -> float:
    """Mean of the last tenth of the records, at least of one: a record holds few anchors."""
    return float(np.mean(values[-max(1, len(values) // 10) :]))


def over_seeds(fits: Sequence[Mapping[str, Any]]) -> dict[str, tuple[list[int], list[list[float]]]]:
    """Curves of one variant: steps that all seeds have, and the values (n, R) there."""
    curves = {}
    for key in fits[0]["curves"]:
        by_step = [dict(zip(*fit["curves"].get(key, ([], [])), strict=True)) for fit in fits]
        steps = sorted(set.intersection(*(set(found) for found in by_step)))
        if steps:
            curves[key] = (steps, [[found[step] for step in steps] for found in by_step])
    return curves


def table(fits: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Quantities at the end by variant, mean ± deviation over seeds."""
    rows = list(dict.fromkeys(key for found in fits.values() for fit in found for key in fit["end"]))
    order = [r for r in rows if not r.startswith(("accuracy", "seconds"))]
    order += [r for r in rows if r.startswith("accuracy")] + [r for r in rows if r.startswith("seconds")]
    width, cell = max(map(len, rows)) + 2, max(16, *(len(name) + 2 for name in fits))
    lines = [" " * width + "".join(f"{name:>{cell}}" for name in fits)]
    for row in order:
        shown = ""
        for found in fits.values():
            values = [fit["end"][row] for fit in found if row in fit["end"]]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
            shown += f"{f'{np.mean(values):.3f}{spread}' if values else '-':>{cell}}"
        lines.append(f"{row.replace('_', ' '):{width}}{shown}")
    return "\n".join(lines)


def variant(text: str) -> tuple[str, list[str]]:
    """Read ``name: key=value key=value``."""
    name, _, settings = text.partition(":")
    if not name.strip() or "=" in name:
        raise SettingError(f"variant '{text}' has no name; write it as 'name: key=value key=value'")
    return name.strip(), settings.split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--variant", action="append", default=[], help="name: key=value key=value")
    parser.add_argument("--method", default="myow")
    parser.add_argument("--context", default="", help="bins before and after, such as 2,2, for all variants")
    parser.add_argument("--seeds", type=int, default=3, help="of split and training, 0, 1, ...")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="figure, .png")
    parser.add_argument("--json", type=Path, help="all numbers")
    options = parser.parse_args()
    try:
        if method_class(options.method).uses_labels:
            raise SettingError(f"{options.method} learns from labels; what it mines would not be without them")
        variants = [variant(text) for text in options.variant or ["default"]]
        names = [name for name, _ in variants]
        if len(set(names)) < len(names):
            raise DataError(f"variants are called {', '.join(names)}; give each a name of its own")
        jobs = [(settings, seed) for _, settings in variants for seed in range(options.seeds)]
        done = Parallel(n_jobs=options.jobs)(delayed(one_fit)(options, *job) for job in jobs)
        fits = {name: done[i * options.seeds : (i + 1) * options.seeds] for i, name in enumerate(names)}
        about = f"{options.method} on {options.dataset}" + (f", context {options.context}" if options.context else "")
        print(f"{about}, {options.seeds} seeds, myow {myow.__version__}; mean ± standard deviation at the end\n")
        print(table(fits))
        if options.out:
            curves = {name: over_seeds(found) for name, found in fits.items()}
            target = datasets.card(options.dataset).target
            style.save(draw_diagnosis(curves, name=about, label_name=target), options.out)
        if options.json:
            settings = dict(variants)
            numbers = {name: {"settings": settings[name], "fits": found} for name, found in fits.items()}
            options.json.write_text(json.dumps({"about": about, "variants": numbers}, indent=1) + "\n")
    except MyowError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
