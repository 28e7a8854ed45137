"""What the command line does, as functions: train into a folder, evaluate it, embed with it, draw it."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .data.recording import Recording
from .data.split import Split, split_rows
from .disk.storage import write_json
from .errors import FileError, SettingError, unknown_name
from .evaluation.decoding import find_target
from .evaluation.recordings import evaluate
from .methods import make_method, method_class
from .methods.deploy import one_session
from .methods.embed import embed
from .run_card import write_run_card
from .run_folder import Parts, Run, RunFolder, generic_split
from .run_sessions import own_parts, sessions_of
from .settings import parse_pairs
from .sources import card_of, load_recording
from .training_workflow import chosen_settings, own_settings, train_into
from .writers import check_options, write

__all__ = ["draw_run", "embed_run", "evaluate_run", "train_run"]

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
    model = make_method(method, **chosen | {"random_state": seed, "device": device})
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
    run = Run(
        data=data,
        load=list(load),
        method=method,
        settings=own_settings(estimator, chosen, seed),
        rows=rows,
        split=split_name,
        split_seed=split_seed,
        parts=Run.describe_parts(parts),
        target=target,
        recording={"name": recording.name or data, "digest": recording.digest(), **recording.source},
    )
    taken = recording if rows == "all" else recording.select(parts[0])
    return train_into(
        out,
        run,
        model,
        taken,
        learnt_from=f"{len(taken)} bins of {run.recording['name']}",
        resume=resume,
        tensorboard=tensorboard,
        progress=progress,
    )


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
