"""Report of runs: what was learnt, in one page; its panels are collected here, and `page` writes them."""

from __future__ import annotations

import json
import math
import os
import platform
import shlex
import warnings
import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ..data.recording import Recording
from ..datasets import load_images
from ..errors import FileError, MyowError, SettingError
from ..evaluation.bench_summary import RowsFile, summarise
from ..evaluation.mined import mined_statistics
from ..evaluation.result import Evaluation, headline_of, labels_of, sentences_of
from ..evaluation.stability import consistency, importance
from ..methods.base import Learner
from ..methods.card import AZABOU
from ..methods.deploy import embed
from ..methods.runs import RunFolder, sessions_of
from ..nn.neighbours import default_gap
from ..training.callbacks import read_metrics
from ..version import __version__
from . import bench_figures, decoding, images, mined, run_figures, training
from .page import (
    Packed,
    Report,
    as_json,
    data_of,
    explorer,
    levels,
    picture,
    render,
    still_of,
    svg,
    table_of,
)
from .run_figures import OpenRun
from .style import degrees_of

__all__ = ["report"]

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
    *runs: str | os.PathLike[str] | Learner | Recording | Mapping[str, Any],
    session: str | None = None,
    out: str | os.PathLike[str] | None = None,
    open: bool = False,
    full: bool = False,
    activity: bool = True,
) -> Report:
    """Tell in one HTML page what runs learnt: verdict, data, an explorer, mined views, decoding, training, provenance.

    The page needs no network, no server and nothing beside it. A notebook shows it by itself.

    Parameters
    ----------
    *runs : path-like, or a model and a recording
        Folders that ``myow train``, ``myow demo`` or ``myow bench`` wrote. The first is told about; of several, the agreement of
        their embeddings is measured. Or a fitted model, a recording that it can embed and what `myow.evaluate` returned, none or
        several; what only a training's folder records is left out.
    session : str, optional
        Of a run or model of several sessions: the one shown. Default: the first; of a model the one that fits.
    out : path-like, optional
        File to write.
    open : bool, optional
        Whether to show that file in the browser.
    full : bool, optional
        Whether to compute what takes longer: an evaluation if there is none (of a model in Python by cross-validation), controls, and
        the importance of every unit.
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
        If no run is given, a model without a recording, or `open` without `out`.

    Examples
    --------
    >>> import myow
    >>> myow.report("runs/demo", out="demo.html")  # doctest: +SKIP
    >>> myow.report(model, rec, found, out="mine.html")  # doctest: +SKIP
    """
    if not runs:
        raise SettingError(
            "a report is of one or more runs; name their folders, or give a fitted model and a recording"
        )
    if open and out is None:
        raise SettingError("open shows the file that was written; say where with out")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what is odd of the recording stands on the page
        content = _content(runs, session, full=full, activity=activity)
    page = Report(render(**content), str(content["title"]))
    if out is not None:
        page.save(Path(out))
        if open:
            webbrowser.open(Path(out).resolve().as_uri())
    return page


def _content(runs: Sequence[Any], session: str | None, *, full: bool, activity: bool) -> dict[str, Any]:
    if isinstance(runs[0], Learner):
        return _of_run(_model_at_hand(*runs, session=session), (), full=full, activity=activity)
    for run in runs:
        if not isinstance(run, (str, os.PathLike)):
            raise SettingError(
                f"a {type(run).__name__} is no run; name folders, or give a fitted model, then its recording and its evaluations"
            )
    paths = [Path(run) for run in runs]
    folder = RunFolder(paths[0])
    of_bench = not folder.holds_run() and (paths[0] / "rows.jsonl").exists()
    if session is not None and (of_bench or (folder.holds_run() and folder.read().of_images)):
        raise SettingError(f"{paths[0]} holds no sessions of recordings, and session is '{session}'; leave it out")
    if of_bench:
        return _of_bench(paths[0])
    if folder.holds_run() and folder.read().of_images:
        return _of_images(folder)
    return _of_run(OpenRun.read(paths[0], session), paths, full=full, activity=activity)


def _model_at_hand(model: Learner, *rest: Any, session: str | None) -> OpenRun:
    if not rest or not isinstance(rest[0], Recording):
        raise SettingError("a report of a model is of a recording too, which it embeds: myow.report(model, recording)")
    for found in rest[1:]:
        if not (isinstance(found, Mapping) and {"target", "readout", "labels", "differences", "raw"} <= found.keys()):
            raise SettingError(
                f"after the recording come evaluations, as myow.evaluate returns them, and here is a {type(found).__name__}"
            )
    return OpenRun.of_model(model, rest[0], rest[1:], session)


def _of_run(found: OpenRun, paths: Sequence[Path], *, full: bool, activity: bool) -> dict[str, Any]:
    arrays = Packed()
    content: dict[str, Any] = {
        "sections": [],
        "title": f"{found.method} on {found.name}",
        "kind": "run",
        "version": __version__,
        "activity": activity,
        "full": full,
        "in_python": found.folder is None,
        "spec": {},
        **dict.fromkeys(("data", "still", "units", "stability", "mined"), None),
    }
    if full:
        found.evaluate()
    content["verdicts"] = [{"heading": _circumstances(one), **sentences_of(one)} for one in found.evaluations]
    content["warnings"] = found.warnings()
    content["data"] = data_of(found, activity)
    content["spec"] = explorer(found, arrays, activity)
    if content["spec"]["left_out"]:
        left_out = ", ".join(content["spec"]["left_out"][:20])
        content["warnings"].append(f"For want of room these labels are no colours of the explorer: {left_out}.")
    content["still"] = still_of(found)
    content["mined"] = _mined(found, content["spec"], arrays, activity)
    content["decoding"] = _decoding(found)
    content["units"] = _units(found, full)
    content["training"] = _training(found)
    content["stability"] = _stability(paths, found.session)
    content["settings"] = _settings(found)
    content["paragraph"] = found.paragraph()
    content["cite"] = found.cite()
    content["spec"] = as_json(content["spec"] | {"arrays": arrays.about})
    content["blob"] = arrays.text()
    content["panels"] = [(key, name) for key, name in PANELS.items() if key in ALWAYS or content[key]]
    return content


def _circumstances(found: Mapping[str, Any]) -> str:
    folds = f", {found['folds']} folds trained anew" if found.get("folds") else ""
    return f"{labels_of(found)}{folds}"


# Mined views.


def _mined(found: OpenRun, spec: dict[str, Any], arrays: Packed, activity: bool) -> dict[str, Any] | None:
    if found.folder is None or found.several or not found.folder.mined.exists():
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
    place: dict[str, Any] = {
        "segments": trained.segments,
        "times": trained.times,
        "label": label,
        "period": period,
        "gap": gap,
    }
    pool = run_figures.candidates_per_step(found.model)
    numbers = mined_statistics(steps, anchors, views, pool=pool, **place)
    figure = mined.draw_mined_views(
        steps, anchors, views, pool=pool, name=f"{found.method} on {found.name}", label_name=target or "label", **place
    )
    chosen = mined.choose_examples(steps, anchors, views, label)
    said = _mined_words(numbers, target)
    content = {
        "figure": svg(figure, f"Mined views over training. {said}"),
        "said": said,
        "trials": rec.n_segments > 1,
        "target": target,
        "still": None,
    }
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
        names = degrees_of(classes, period) if period else [str(c) for c in classes]
        spec["mined"]["matrix"] = {"names": names, "counts": counts.tolist()}
    if activity:
        content["still"] = _rasters(found, chosen, spec["mined"], arrays, target)
    return content


def _about(rec: Recording, row: int, target: str | None) -> dict[str, Any]:
    value = None if target is None or rec.labels[target].ndim > 1 else rec.labels[target][row].item()
    period = rec.periods.get(target or "")
    written = f"{value:.4g}" if isinstance(value, float) else str(value)
    shown = "" if value is None else degrees_of([value], period)[0] if period else written
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
    found: OpenRun, chosen: mined.Chosen, about: dict[str, Any], arrays: Packed, target: str | None
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
    used = np.flatnonzero((window[:, :, 0] < 255).any(axis=0))
    window = window[:, used[0] : used[-1] + 1]
    arrays.add("rasters", window)
    about |= {
        "raster_rows": all_rows.tolist(),
        "width": len(window[0]),
        "centre": RASTER - int(used[0]),
        "units": [rec.units[i] for i in units],
    }
    about |= {"of": rec.n_units, "bin": rec.bin_size}
    at = {int(row): i for i, row in enumerate(all_rows)}
    names = {one["row"]: one for one in about["about"]}
    drawn = []
    for step in sorted({0, len(chosen.at) - 1}):
        for j in range(0, chosen.anchor.shape[1], 4):
            a, b = int(rows[chosen.anchor[step, j]]), int(chosen.view[step, j])
            if b >= 0:
                b = int(rows[b])
                words = [
                    f"trial {names[r]['segment']}" + (f", {names[r]['label']}" if names[r]["label"] else "")
                    for r in (a, b)
                ]
                drawn.append((f"step {about['steps'][step]}", words, window[at[a]], window[at[b]]))
    if not drawn:
        return None
    figure = mined.draw_rasters(drawn, bin_size=rec.bin_size, centre=RASTER - int(used[0]))
    return picture(figure, "Activity around anchors, around the views mined for them, and the difference.")


# Decoding, units, training, stability, provenance.


def _decoding(found: OpenRun) -> dict[str, Any] | None:
    if not found.evaluations:
        return None
    blocks: list[dict[str, Any]] = []
    curves: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for one in found.evaluations:
        key = headline_of(str(one["readout"]))
        curves.setdefault((str(one["target"]), str(one["readout"]), one.get("folds", 0)), []).append(one)
        shown = Evaluation(one)
        head, *rows = shown._words()
        bayes = None if one["target"] not in found.recording.labels else found.naive_bayes(one)
        if bayes is not None:
            interval = bayes["interval"]
            ends = "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
            rows.append(["naive Bayes (Poisson, of counts)", f"{bayes[key]:.3f}", ends, ""])
        block: dict[str, Any] = {"heading": shown._heading(), "table": table_of(head, rows)}
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
        for (target, *_), of in curves.items()
        if len(of) > 1
    ]
    along = None
    if found.predicted and found.in_parts[2].n_segments >= 5:
        said, test = found.predicted, found.in_parts[2]
        figure = decoding.draw_along(said["merits"], test.bins, test.bin_size, metric=said["key"])
        along = svg(figure, "Score along the trial.")
    return {"blocks": blocks, "few": few, "along": along}


def _units(found: OpenRun, full: bool) -> dict[str, Any] | None:
    """Measure what the readout owes to each unit: of a few hundred test bins, or of more."""
    first = next((one for one in found.evaluations if one["labels"] is None), None)
    rec = found.recording
    if first is None or found.model.uses_labels or (rec.n_units > 250 and not full):
        return None
    how: dict[str, Any] = {"rows": 1000, "repeats": 5} if full else {"rows": 150, "repeats": 2}
    for rows in (*([found.in_parts[2]] if len(found.parts[2]) else []), rec):
        try:
            measured = importance(found.model, rows, str(first["target"]), readout=str(first["readout"]), **how)
        except MyowError:
            continue
        name = "R²" if measured.metric == "r2" else "accuracy"
        table = measured.to_frame().head(20)
        listed = [[unit, f"{row.permutation:+.4f}", f"{row.spread:.4f}"] for unit, row in table.iterrows()]
        return {
            "figure": svg(measured.plot(), f"Units that carry {first['target']} most, with spread."),
            "table": table_of(["unit", f"loss of {name}", "spread over repeats"], listed),
            "rows": min(how["rows"], len(rows)),
            "where": "test bins" if rows is not rec else "bins of all parts" if found.run.split else "bins",
            "repeats": how["repeats"],
        }
    return None


def _training(found: OpenRun) -> list[dict[str, Any]]:
    if found.folder is None or not found.folder.metrics.exists():
        return []
    metrics = read_metrics(found.folder.metrics)
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
                near = run_figures.neighbours_of(
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


def _stability(paths: Sequence[Path], session: str) -> dict[str, Any] | None:
    """Measure how well the embeddings of several runs agree."""
    if len(paths) < 2:
        return None
    embedded, names, digests, rows, target = [], [], [], [], None
    for path in paths:
        names_of = [one.name for one in sessions_of(RunFolder(path).read())]
        one = OpenRun.read(path, session if session in names_of else None)
        target = target or one.target
        embedded.append(embed(one.model, one.recording))
        names.append(path.resolve().name)
        digests.append(one.recording.digest())
        for result in one.evaluations:
            key = headline_of(str(result["readout"]))
            few = "all" if result["labels"] is None else result["labels"]
            low, high = result.get("interval") or (math.nan, math.nan)
            seed = one.run.settings.get("random_state", "")
            rows.append(
                [names[-1], one.method, seed, result["target"], few, f"{result[key]:.3f}", f"{low:.3f} to {high:.3f}"]
            )
    names = [f"{name} ({i + 1})" if names.count(name) > 1 else name for i, name in enumerate(names)]
    head = ["run", "method", "seed", "label", "labels per class", "score", "95 % interval"]
    about: dict[str, Any] = {"figure": None, "said": "", "table": table_of(head, rows) if rows else None}
    try:
        found = consistency(*embedded, names=names, by=None if len(set(digests)) == 1 else target)
    except MyowError as error:
        return about | {"said": f"Their agreement could not be measured: {error}"}
    about["figure"] = svg(found.plot(), f"Agreement of {len(names)} embeddings.", themed=False)
    about["said"] = (
        f"Mean R² {found.mean:.3f}, lowest {found.lowest:.3f}, of {found.compared}. 1 is perfect agreement up to a linear map, 0 is none."
    )
    return about


def _settings(found: OpenRun) -> dict[str, Any]:
    run, folder = found.run, found.folder
    if folder is None:
        return _settings_at_hand(found)
    words = ["myow", "train", run.data, "--out", str(folder.path), "--method", run.method, "--split", run.split]
    words += [
        "--split-seed",
        str(run.split_seed),
        "--rows",
        run.rows,
        "--seed",
        str(run.settings.get("random_state", 0)),
    ]
    words += [] if run.target is None else ["--target", run.target]
    for name, value in run.settings.items():
        if name == "context":
            words += ["--context", ",".join(map(str, value))]
        elif name != "random_state":
            written = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            words += ["--set", f"{name}={written}"]
    for option in run.load:
        words += ["--data", option]
    if folder.demo.exists():  # its parts have other shares than those of a training
        seed = str(run.settings.get("random_state", 0))
        words = ["myow", "demo", "--dataset", run.data, "--out", str(folder.path), "--seed", seed]
    facts = [("run", folder.path.resolve().name), ("split", f"{run.split}, seed {run.split_seed}")]
    about = {key: value for key, value in run.recording.items() if key not in ("name", "digest", "sessions")}
    facts += [(f"{key} of the recording", str(value)) for key, value in about.items()]
    return {"command": shlex.join(words), **_made_with(found, facts)}


def _settings_at_hand(found: OpenRun) -> dict[str, Any]:
    written = " ".join(repr(found.model).split())
    facts = [(f"{key} of the recording", str(value)) for key, value in found.recording.source.items()]
    return {"command": f"myow.{written}.fit(recording)", **_made_with(found, facts)}


def _made_with(found: OpenRun, more: Sequence[tuple[str, str]]) -> dict[str, Any]:
    import torch

    model = found.model
    params = model.get_params() if isinstance(model, Learner) else {}
    table = [[name, "a Python object" if callable(value) else value] for name, value in sorted(params.items())]
    facts = [
        ("myow", f"{found.run.version}; this page {__version__}"),
        ("Python", platform.python_version()),
        ("torch", torch.__version__),
        ("numpy", np.__version__),
        ("seed", str(getattr(model, "seed_", ""))),
        ("steps", f"{getattr(model, 'n_steps_', 0):,}"),
        ("recording", found.name),
        ("SHA-256 of the recording", found.recording.digest()),
        *more,
    ]
    return {"facts": facts, "table": table_of(["setting", "value"], table)}


# Images and benches.


def _plain(title: str, sections: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the content of a page of sections, without an explorer."""
    there = [one for one in sections if one["charts"] or one["tables"] or one["said"]]
    empty: dict[str, Any] = dict.fromkeys(("data", "still", "mined", "decoding", "units", "training", "stability"))
    about = {"title": title, "kind": "sections", "version": __version__, "activity": True, "full": False}
    panels = [(one["id"], one["title"]) for one in there]
    return empty | about | {"sections": there, "panels": panels, "spec": as_json({"n": 0}), "blob": "", "verdicts": []}


def _section(
    name: str, title: str, *said: str, charts: Sequence[Any] = (), tables: Sequence[Any] = ()
) -> dict[str, Any]:
    return {"id": name, "title": title, "said": said, "charts": list(charts), "tables": list(tables)}


def _of_images(folder: RunFolder) -> dict[str, Any]:
    run, model = folder.read(), folder.model("cpu")
    pictures = load_images(run.data, run.load)
    if pictures.digest() != run.recording["digest"]:
        raise FileError(f"{run.data} holds other images than those that {folder.path} was trained on")
    train, valid, test = (pictures.select(rows) for rows in run.rows_of_parts())
    read = {
        "embedding_2d": "Test images where the embedding puts them: alike ones should lie together.",
        "learning_curves": "The loss should fall and then level off; it says nothing of labels.",
        "geometry": "An effective rank that falls to 1 or 2 is a collapse.",
        "mined_images": "Anchors with their views, and beside them what was mined, over training. A blue frame marks the same label, a dashed "
        "orange one another. The share of the same label should rise above chance.",
    }
    drawn = dict(run_figures.image_training(folder, model, train, test))
    charts = {
        name: (
            svg(one, read[name]) if name in ("learning_curves", "geometry") else picture(one, read[name], dpi=110),
            read[name],
        )
        for name, one in drawn.items()
    }
    said, tables = [], []
    for path in sorted(folder.path.glob("evaluation_images_*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        few = "all labels" if found["labels"] is None else f"{found['labels']} labelled images per class"
        rows = []
        for name, title in {
            "embedding": "embedding",
            "raw": "pixels",
            "pca": "components",
            "untrained": "untrained encoder",
        }.items():
            for readout, scores in (found.get(name) or {}).items():
                low, high = scores["interval"]
                rows.append([title, readout, f"{scores['accuracy']:.3f}", f"{low:.3f} to {high:.3f}"])
        tables.append(table_of([f"{found['target']}, {few}", "readout", "accuracy", "95 % interval"], rows))
        ours, raw = (found[name]["linear"] for name in ("embedding", "raw"))
        said.append(
            f"From {few}, {found['target']} is read from the embedding with accuracy {ours['accuracy']:.3f} (95 % interval "
            f"{ours['interval'][0]:.3f} to {ours['interval'][1]:.3f}) by a linear readout on {found['n_test']:,} test images; from pixels "
            f"with {raw['accuracy']:.3f} ({raw['interval'][0]:.3f} to {raw['interval'][1]:.3f})."
        )
    if not said:
        said = [f"Nothing was read out of the embedding yet: {shlex.join(['myow', 'evaluate', str(folder.path)])}"]
    parts = [[name, f"{len(part):,}"] for name, part in (("training", train), ("validation", valid), ("test", test))]
    table = [
        [name, "a Python object" if callable(value) else value] for name, value in sorted(model.get_params().items())
    ]
    sections = [
        _section("verdict", "Verdict", *said, tables=tables),
        _section("data", "Your images", tables=[table_of(["part", "images"], parts)]),
        _section("embedding", "Embedding", charts=[charts[key] for key in ("embedding_2d",) if key in charts]),
        _section("mined", "Mined images", charts=[charts[key] for key in ("mined_images",) if key in charts]),
        _section(
            "training", "Training", charts=[charts[key] for key in ("learning_curves", "geometry") if key in charts]
        ),
        _section(
            "settings",
            "Settings and provenance",
            tables=[
                table_of(["fact", ""], [["myow", run.version], *run.recording.items()]),
                table_of(["setting", "value"], table),
            ],
        ),
        _section("methods", "How to cite", AZABOU),
    ]
    return _plain(f"{type(model).__name__} on {run.recording['name']}", sections)


BENCH_CHARTS = {
    "dots": (
        "Scores",
        "Dots are means over fits, lines 95 % intervals; filled marks are ours, hollow ones published figures where there are any.",
    ),
    "accuracy": ("Scores", "Dots are means over seeds."),
    "unlabelled": (
        "Unlabelled segments",
        "Score of a readout that learns from unlabelled training segments too, beside one that does not.",
    ),
    "labels": ("Label curves", "Score against the number of labels: an embedding is worth most where labels are few."),
    "confusion": ("Confusion", "Rows are true, columns read out."),
    "embeddings": (
        "Embeddings",
        "Test bins of one fit of each method, with the same colours; each panel has a scale of its own.",
    ),
    "curves": ("Training", "Losses over training, and accuracy where it was followed."),
}


def _of_bench(path: Path) -> dict[str, Any]:
    rows = RowsFile(path / "rows.jsonl").read()
    if not rows:
        raise FileError(f"{path / 'rows.jsonl'} holds no fit yet; run the bench first")
    of_images = any(isinstance(row.get("scores"), dict) for row in rows)
    failed = sum(bool(row.get("error")) for row in rows)
    head = ["method", "on", "readout", "labels", "metric", "mean", "95 % interval", "fits"]
    cells: list[list[Any]] = []
    if of_images:
        for row in rows:
            for few, found in ({} if row["error"] else row["scores"]).items():
                for readout, scores in found["embedding"].items():
                    ends = "{:.3f} to {:.3f}".format(*scores["interval"])
                    where = [row["method"], row["dataset"], readout, few, "accuracy"]
                    cells.append([*where, f"{scores['accuracy']:.3f}", ends, f"seed {row['seed']}"])
        drawn = [(name.partition("_")[0], figure) for name, figure in images.figures_of(path, rows)]
    else:
        summed = summarise(rows)
        for cell in summed:
            if cell.control is None and cell.metric == headline_of(cell.readout):
                ends = "" if cell.low is None or cell.high is None else f"{cell.low:.3f} to {cell.high:.3f}"
                where = [cell.method, cell.dataset, cell.readout, cell.labels, cell.metric]
                cells.append([*where, f"{cell.mean:.3f}", ends, cell.n])
        drawn = [(str(words[0]), figure) for words, figure in bench_figures.figures_of(path, rows, summed)]
    by_title: dict[str, list[Any]] = {}
    for kind, figure in drawn:
        title, read = BENCH_CHARTS.get(kind, ("Figures", ""))
        by_title.setdefault(title, []).append(
            (svg(figure, f"{title}. {read}", themed=kind not in ("confusion", "embeddings")), read)
        )
    methods, data = (list(dict.fromkeys(str(row[key]) for row in rows)) for key in ("method", "dataset"))
    said = f"{len(rows)} fits of {len(methods)} methods on {len(data)} datasets; {failed} failed."
    said += " Intervals that overlap are no test; table.md holds the paired comparisons." if not of_images else ""
    order = [*dict.fromkeys(title for title, _ in BENCH_CHARTS.values()), "Figures"]
    sections = [
        _section(title.lower().replace(" ", "-"), title, charts=by_title[title]) for title in order if title in by_title
    ]
    sections.insert(1, _section("table", "Table", said, tables=[table_of(head, cells)]))
    facts = sorted({(str(row.get("machine", "")), str(row.get("torch", ""))) for row in rows})
    machines = table_of(["machine", "torch"], facts)
    sections.append(_section("provenance", "Provenance", f"myow {__version__} wrote this page.", tables=[machines]))
    return _plain(
        f"Comparison on {', '.join(Path(name).name for name in data[:4])}{' …' if len(data) > 4 else ''}", sections
    )
