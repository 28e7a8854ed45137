"""What the command line does, as functions: train into a folder, evaluate it, embed with it, draw it."""

from __future__ import annotations

import hashlib
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from .bench.fit import Done
from .data.recording import Recording
from .data.split import Split, split_rows
from .datasets import cards
from .disk.storage import make_folder, write_json, writing
from .errors import FileError, SettingError, unknown_name
from .estimators.embedding import embed
from .estimators.learner import Learner
from .estimators.stream import one_session
from .evaluation.decoding import find_target
from .evaluation.recordings import evaluate
from .methods import method_class
from .presets import preset as preset_settings
from .run_card import write_run_card
from .run_folder import Parts, Run, RunFolder, generic_split
from .run_sessions import own_parts, sessions_of
from .settings import parse_pairs, parse_settings
from .sources import card_of, load_recording
from .training.method import Watcher
from .training.monitor import ProgressBar, TensorBoard
from .version import __version__
from .writers import check_options, write

__all__ = ["bench_run", "draw_run", "embed_run", "evaluate_run", "train_run"]

SPLITS = ("released", "random", "time")


def choose_split(name: str | None, seed: int, data: str, recording: Recording) -> tuple[str, Split]:
    """Return the name and the rule of the split: the released one where there is one, else random.

    Where there are too few segments for a random split, it is by time, and its name says so.

    Raises
    ------
    SettingError
        If a released split is asked for and there is none.
    UnknownNameError
        If there is no split of that name.
    """
    if name is not None and name not in SPLITS:
        raise unknown_name("split", name, SPLITS)
    card = card_of(data)
    published = card.split if card else None
    if name == "released" and published is None:
        raise SettingError(f"{data} has no released split; use --split random or --split time")
    if name in (None, "released") and published is not None:
        return "released", published
    if name == "time":
        return "time", Split((0.8, 0.1, 0.1), by="time")
    rule = generic_split(recording, seed)
    return "time" if rule.by == "time" else "random", rule


def chosen_settings(estimator: type[Learner], preset: str | None, settings: Sequence[str]) -> dict[str, Any]:
    """Return the parameters that a preset and texts, ``key=value``, ask for; the texts decide.

    Raises
    ------
    SettingError
        If one is unknown, does not fit, or has an option of its own.
    """
    chosen = preset_settings(preset, estimator) if preset else {}
    given = parse_settings(estimator, settings)
    for key, option in (("random_state", "--seed"), ("device", "--device")):
        if key in given:
            raise SettingError(f"{key} is not set with --set; use {option}")
    if "steps" in given and "epochs" not in given:
        chosen.pop("epochs", None)  # a preset's epochs would decide in place of the steps asked for
    return chosen | given


def train_run(
    data: str,
    out: Path,
    *,
    method: str = "myow",
    preset: str | None = None,
    settings: Sequence[str] = (),
    rows: str = "train",
    split: str | None = None,
    split_seed: int = 0,
    target: str | None = None,
    seed: int = 0,
    device: str = "auto",
    load: Sequence[str] = (),
    resume: bool = False,
    tensorboard: bool = False,
    progress: bool = True,
) -> str:
    """Train a method on a recording into a folder; the parameters are those of ``myow train``.

    Returns
    -------
    str
        One line that says what was done.
    """
    if rows not in ("train", "all"):
        raise unknown_name("rows", rows, ("train", "all"))
    estimator = method_class(method)
    chosen = chosen_settings(estimator, preset, settings)
    model = estimator(**chosen | {"random_state": seed, "device": device})
    recording = load_recording(data, load)
    split_name, rule = choose_split(split, split_seed, data, recording)
    if split == "random" and split_name == "time":
        raise SettingError(
            f"a random split deals out segments, and {data} has {recording.n_segments}; use --split time, or leave it out"
        )
    parts = split_rows(recording, rule)
    if estimator.uses_labels:
        if rows == "all":
            raise SettingError(f"{method} learns from labels, so it must not see those of test rows; use --rows train")
        card = card_of(data)
        target = find_target([recording], target or (card.target if card else None))
    elif target is not None:
        raise SettingError(f"{method} learns without labels; leave --target out, or name it to 'myow evaluate'")
    defaults = {f.name: f.default for f in fields(estimator)}
    run = Run(
        data=data,
        load=list(load),
        method=method,
        settings={k: v for k, v in chosen.items() if v != defaults[k]} | {"random_state": seed},
        rows=rows,
        split=split_name,
        split_seed=split_seed,
        parts=Run.describe_parts(parts),
        target=target,
        recording={"name": recording.name or data, "digest": recording.digest(), **recording.source},
    )
    watchers: list[Watcher] = [ProgressBar(f"{method} on {recording.name or data}")] if progress else []
    if tensorboard:
        watchers.append(TensorBoard(make_folder(out / "tensorboard")))
    taken = recording if rows == "all" else recording.select(parts[0])
    folder = RunFolder(out)
    replaced = "" if resume or not folder.holds_run() else " (an earlier run was replaced)"
    finished, before = folder.train(run, model, taken, resume=resume, watchers=watchers)
    write_run_card(folder, finished)
    if before and before == finished.n_steps_:
        return f"{folder.model_path}: nothing to do, all {before} steps were done"
    done = f"{finished.n_steps_} steps" if finished.n_steps_ else "learnt without steps"
    return f"{folder.model_path}: {method}, {done} on {len(taken)} bins of {run.recording['name']}{replaced}"


def evaluate_run(
    out: Path,
    data: str | None = None,
    *,
    target: str | None = None,
    readout: str | None = None,
    labels: int | None = None,
    load: Sequence[str] = (),
    session: str | None = None,
) -> dict[str, Any]:
    """Evaluate a trained run; the parameters are those of ``myow evaluate``.

    Returns
    -------
    dict
        As `myow.evaluate` returns it. Where the run's own recording was used it is written into the folder too, and drawn.
    """
    folder = RunFolder(out)
    run = folder.read()
    recording, parts, own = _recording_and_parts(run, out, data, load)
    card = card_of(data or run.data)
    if card is not None:
        target = target or card.target
        readout = readout or (card.readout if target == card.target else None)
    model = folder.model()
    result = evaluate(
        model if session is None else one_session(model, session, "an evaluation"),
        *(recording.select(rows) for rows in parts),
        target=target,
        readout=readout,
        labels=labels,
        seen=recording if own and run.rows == "all" else None,
    )
    about = {"dataset": recording.name or (data or run.data), "rows": run.rows}
    for row in (result, *(value for value in result.values() if isinstance(value, dict) and "dataset" in value)):
        row |= about
    if own:
        which = "_".join([str(result["target"]), str(result["readout"]), *([] if labels is None else [str(labels)])])
        # A label's name comes from a file: it must not lead out of the folder.
        write_json(folder.path / f"evaluation_{re.sub(r'[^A-Za-z0-9.-]+', '_', which)}.json", result)
        from .report import pictures

        pictures.draw_evaluations(folder)
        write_run_card(folder)
    return result


def _recording_and_parts(
    run: Run, out: Path, data: str | None = None, load: Sequence[str] = ()
) -> tuple[Recording, Parts, bool]:
    """Load a run's own recording with the split stored at training, or another one, split by the same rule."""
    sessions = sessions_of(run)
    if sessions and data is None:
        raise SettingError(f"{out} learnt from several sessions; name the one: {', '.join(s.data for s in sessions)}")
    wanted = data or run.data
    if any(wanted in (s.data, s.name) for s in sessions):
        load = load or run.load
    recording = load_recording(wanted, load or (run.load if wanted == run.data else ()))
    of_session = own_parts(run, recording.digest()) if sessions else None
    if of_session is not None:
        return recording, of_session, False
    if recording.digest() == run.recording["digest"]:
        return recording, run.rows_of_parts(), True
    if data is None:
        raise FileError(
            f"{run.data} is not the recording that {out} was trained on (its checksum differs); train again, or name the "
            "recording to evaluate on"
        )
    # "released" means each recording's own rule.
    name = None if run.split == "released" else run.split
    return recording, split_rows(recording, choose_split(name, run.split_seed, wanted, recording)[1]), False


def embed_run(
    out: Path,
    data: str,
    path: Path,
    *,
    load: Sequence[str] = (),
    device: str = "auto",
    options: Sequence[str] = (),
    session: str | None = None,
) -> tuple[int, ...]:
    """Write the embedding of a recording in the format that the ending of the path says; the parameters are those of ``myow embed``.

    Returns
    -------
    tuple of int
        The shape of ``z``.
    """
    chosen = parse_pairs(options)
    check_options(path, chosen)
    if path.exists() and Path(data).exists() and path.samefile(data):
        raise SettingError(f"--out is {path}, the recording itself; give the embedding another name")
    folder = RunFolder(out)
    run = folder.read()
    recording = load_recording(data, load or (run.load if data == run.data else ()))
    pairs = [*(("--data", one) for one in load), *(("--write", one) for one in options)]
    pairs += [] if session is None else [("--session", session)]
    words = ["myow", "embed", str(out), data, "--out", str(path), *(word for pair in pairs for word in pair)]
    with folder.model_path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    made = {"model": str(folder.model_path), "model_sha256": digest, "command": shlex.join(words)}
    embedding = embed(folder.model(device), recording, session=session, provenance=made)
    write(path, embedding, **chosen)
    return tuple(embedding.z.shape)


def draw_run(out: Path) -> list[Path]:
    """Draw every picture that the contents of a run folder allow.

    Returns
    -------
    list of Path
        The PNG files.
    """
    from .report import pictures

    folder = RunFolder(out)
    run = folder.read()
    recording, parts, _ = _recording_and_parts(run, out)
    seen = recording if run.rows == "all" else recording.select(parts[0])
    card = card_of(run.data)
    target = pictures.picture_label(recording, [card.target] if card else [])
    drawn = pictures.draw_training(folder, folder.model("cpu"), recording, seen, parts[-1], target)
    return drawn + pictures.draw_evaluations(folder)


def bench_run(
    out: Path,
    *,
    datasets: Sequence[str] = (),
    contexts: Sequence[str] = ("0,0",),
    n_jobs: int = 1,
    backend: str = "loky",
    progress: bool = True,
    **options: Any,
) -> dict[str, Any]:
    """Compare methods on recordings into a folder; the parameters are those of ``myow bench``.

    Parameters
    ----------
    out : Path
        Folder to write to; what it holds already is not done again.
    datasets : sequence of str, optional
        Names or files. Default: every recording that can be named.
    contexts : sequence of str, optional
        Windows, "before,after" each.
    n_jobs, backend
        See `myow.bench.run.run_bench`.
    progress : bool, optional
        Whether to print a line a fit on stderr.
    **options
        See `myow.bench.run.Bench`.

    Returns
    -------
    dict
        "table" (Markdown), "added" and "failed" (fits), "missing" (recordings not at hand), "cells" (the table's figures) and
        "files".
    """
    from .bench.run import Bench, run_bench
    from .bench.summary import failures, summarise
    from .report import bench_tables
    from .report.bench_pictures import draw_bench

    names = list(datasets) or [card.name for card in cards()]
    bench = Bench(datasets=names, contexts=[_window(c) for c in contexts], **options)
    outcome = run_bench(bench, out, n_jobs=n_jobs, backend=backend, report=_report if progress else None)
    cells, failed = summarise(outcome.rows), failures(outcome.rows)
    columns = [*dict.fromkeys([*names, *(row["dataset"] for row in outcome.rows)])]
    periods = {row["dataset"]: row.get("period") for row in outcome.rows if not row["error"]}
    about = {
        "version": __version__,
        "fits": f"{len(outcome.rows)} ({len(failed)} failed)",
        "machine": ", ".join(sorted({f"{row['machine']}, torch {row['torch']}" for row in outcome.rows})),
        "minutes": outcome.minutes,
    }
    table = bench_tables.markdown(
        cells, datasets=columns, missing=outcome.missing, failures=failed, about=about, periods=periods
    )
    written = {
        "table.md": table,
        "table.csv": bench_tables.csv_text(cells),
        "table.tex": bench_tables.latex(cells, datasets=columns, missing=outcome.missing, periods=periods),
    }
    for file, text in written.items():
        with writing(out / file) as part:
            part.write_text(text, encoding="utf-8")
    pictures = draw_bench(out, outcome.rows, cells)
    return {
        "table": table,
        "added": outcome.added,
        "failed": len(failed),
        "missing": outcome.missing,
        "cells": [asdict(cell) for cell in cells],
        "files": [str(out / "rows.jsonl"), *(str(out / file) for file in written), *map(str, pictures)],
    }


def _window(text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise SettingError(f"context is '{text}'; write bins before and after, such as 2,2")
    return int(parts[0]), int(parts[1])


def _report(done: Done, n: int, total: int) -> None:
    """Say on stderr what came of a job."""
    row = done.row
    shown = [
        f"{s['readout']} {s['labels']}: {s['per_draw'] and np.mean(s['per_draw']):.3f}"
        for s in row["scores"]
        if not s["control"]
    ]
    result = row["error"] or ", ".join(shown)
    seconds = f"{row['seconds']:.1f} s" if not row["error"] else "failed"
    print(f"[{n}/{total}] {done.job.describe()}: {result} ({seconds})", file=sys.stderr, flush=True)
