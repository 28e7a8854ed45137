"""Commands that train: into a folder, from one recording or several."""

from __future__ import annotations

import hashlib
import re
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..data.images import Images
from ..data.recording import Recording
from ..data.splits import Split, split_rows
from ..datasets import card_of, load_recording
from ..errors import FileError, SettingError, unknown_name
from ..io.files import make_folder, write_json
from ..methods import make_method, method_class
from ..methods.base import Learner
from ..methods.deploy import embed, one_session
from ..methods.multisession import MultiSessionEstimator
from ..methods.presets import preset as preset_settings
from ..methods.runs import (
    Parts,
    Run,
    RunFolder,
    SessionOfRun,
    generic_split,
    joined_parts,
    own_parts,
    session_names,
    sessions_of,
    told,
    write_run_card,
)
from ..settings import parse_pairs, parse_settings
from ..training.callbacks import Callback, ProgressBar, TensorBoard
from ..training.distributed import current
from ..version import __version__

__all__ = [
    "Trained",
    "adapt_run",
    "chosen_settings",
    "draw_run",
    "embed_run",
    "evaluate_run",
    "own_settings",
    "refuse_earlier",
    "train_into",
    "train_run",
    "train_sessions_run",
]


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
        chosen["epochs"] = None  # the epochs of a default or preset would decide in place of the steps asked for
    return chosen | given


def own_settings(estimator: type[Learner], chosen: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return what a run keeps of its settings: those that differ from the defaults, and the seed."""
    defaults = {f.name: f.default for f in fields(estimator)}
    return {k: v for k, v in chosen.items() if v != defaults[k]} | {"random_state": seed}


@dataclass(frozen=True)
class Trained:
    """What a training did, and what it had at hand: what is drawn next need not be read again."""

    message: str
    """One line that says what was done; "" in all processes but the first."""
    model: Any = None
    """The fitted model."""
    recording: Recording | None = None
    """All of the recording that it was trained on."""


def refuse_earlier(out: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse a folder that holds a run, unless it was said what is to become of it.

    Raises
    ------
    SettingError
        If there is one, or what a training that was killed left of one.
    """
    folder = RunFolder(out)
    if resume and overwrite:
        raise SettingError("--resume goes on with a run and --overwrite replaces it; give one of them")
    if not (resume or overwrite) and (folder.holds_run() or folder.checkpoint.exists()):
        raise SettingError(
            f"{out} holds a run already; add --resume to go on with it or --overwrite to replace it, or name another folder"
        )


def train_into(
    out: Path,
    run: Run,
    model: Learner,
    rows: Recording | Images | Mapping[str, Recording],
    *,
    learnt_from: str,
    resume: bool,
    tensorboard: bool,
    progress: bool,
) -> Trained:
    """Train a model into a folder, and describe it there.

    Parameters
    ----------
    out : Path
        The folder.
    run : Run
        What is about to be trained.
    model : Learner
        Not yet fitted.
    rows : Recording, Images or mapping of str to Recording
        The rows to train on.
    learnt_from : str
        What they are, in words.
    resume, tensorboard, progress : bool
        As in ``myow train``.

    Returns
    -------
    Trained
    """
    world = current()
    callbacks: list[Callback] = []
    if progress and world.is_first:
        callbacks.append(ProgressBar(f"{run.method} on {run.recording['name']}"))
    if tensorboard and world.is_first:
        callbacks.append(TensorBoard(make_folder(out / "tensorboard")))
    folder = RunFolder(out)
    replaced = "" if resume or not folder.holds_run() else " (an earlier run was replaced)"
    began = time.monotonic()
    finished, before = folder.train(run, model, rows, resume=resume, callbacks=callbacks)
    if not world.is_first:
        return Trained("")
    took = _duration(time.monotonic() - began)
    write_run_card(folder, finished)
    if before and before == finished.n_steps_:
        return Trained(f"{folder.model_path}: nothing to do, all {before} steps were done", finished)
    processes = f" by {world.size} processes" if world.size > 1 else ""
    done = f"{finished.n_steps_} steps{processes}" if finished.n_steps_ else "learnt without steps"
    return Trained(
        f"{folder.model_path}: {run.method}, {done} on {learnt_from} in {took}{replaced}",
        finished,
    )


def _duration(seconds: float) -> str:
    """Write a time in words.

    Examples
    --------
    >>> [_duration(seconds) for seconds in (0.31, 14.2, 200, 7300)]
    ['0.3 s', '14 s', '3 min 20 s', '2 h 1 min']
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


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
    overwrite: bool = False,
    tensorboard: bool = False,
    progress: bool = True,
    shares: tuple[float, ...] | None = None,
) -> Trained:
    """Train a method on a recording into a folder; the parameters are those of ``myow train``.

    Parameters
    ----------
    shares : tuple of float, optional
        Of the rows, for training, validation and test, in place of those that the split has.

    Returns
    -------
    Trained
    """
    refuse_earlier(out, resume=resume, overwrite=overwrite)
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
    parts = split_rows(recording, rule if shares is None else replace(rule, fractions=shares))
    if estimator.uses_labels:
        if rows == "all":
            raise SettingError(f"{method} learns from labels, so it must not see those of test rows; use --rows train")
        from ..evaluation.decode import find_target

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
    trained = train_into(
        out,
        run,
        model,
        taken,
        learnt_from=f"{len(taken)} bins of {run.recording['name']}",
        resume=resume,
        tensorboard=tensorboard,
        progress=progress,
    )
    return replace(trained, recording=recording)


def evaluate_run(
    out: Path,
    data: str | None = None,
    *,
    target: str | None = None,
    readout: str | None = None,
    labels: int | None = None,
    classifier: str = "logistic",
    semi_supervised: bool = False,
    load: Sequence[str] = (),
    session: str | None = None,
    cv: int | None = None,
    verbose: bool = False,
    draws: int = 10,
    draw: bool = True,
) -> dict[str, Any]:
    """Evaluate a trained run; the parameters are those of ``myow evaluate``.

    Parameters
    ----------
    verbose : bool, optional
        Whether the fits of ``cv`` show how far they are.
    draws : int, optional
        Random choices of the labelled segments.
    draw : bool, optional
        Whether figures of all of the run's evaluations are drawn.

    Returns
    -------
    dict
        As `myow.evaluate` returns it, with "session" where the run learnt from several. Where the run's own recording was
        used it is written into the folder too, and drawn.

    Raises
    ------
    SettingError
        If ``cv`` is asked of a run of several sessions.
    """
    from ..evaluation.evaluate import evaluate
    from ..evaluation.readouts import reading_name

    folder = RunFolder(out)
    run = folder.read()
    if cv is not None and sessions_of(run):
        raise SettingError(
            f"{out} learnt from several sessions, and --cv refits the method on the segments of one recording; leave --cv "
            "out, or train on that recording alone"
        )
    recording, parts, own = _recording_and_parts(run, out, data, load)
    card = card_of(data or run.data)
    if card is not None:
        target = target or card.target
        readout = readout or (card.readout if target == card.target else None)
    model = folder.model()
    if session is not None:
        model = one_session(model, session, "an evaluation")
    how: dict[str, Any] = {"target": target, "readout": readout, "labels": labels, "draws": draws}
    how |= {"classifier": classifier, "semi_supervised": semi_supervised}
    if cv is not None:
        result = evaluate(model.set_params(verbose=verbose), recording, cv=cv, **how)
    else:
        result = evaluate(
            model,
            *(recording.select(rows) for rows in parts),
            seen=recording if own and run.rows == "all" else None,
            **how,
        )
    # Folds are refitted on their own training segments, whatever the run's encoder saw.
    about = {"dataset": recording.name or (data or run.data), "rows": run.rows if cv is None else "train"}
    for row in (result, *(value for value in result.values() if isinstance(value, dict) and "dataset" in value)):
        row |= about
    of = next((one.name for one in sessions_of(run) if one.digest == recording.digest()), "") if own else ""
    if of:
        result["session"] = of
    if own:
        reading = reading_name(result["readout"], classifier, semi_supervised)
        which = "_".join(
            [*([of] if of else []), str(result["target"]), reading, *([] if labels is None else [str(labels)])]
        )
        which += "" if cv is None else f"_cv{cv}"
        # A label's name comes from a file: it must not lead out of the folder.
        write_json(folder.path / f"evaluation_{re.sub(r'[^A-Za-z0-9.-]+', '_', which)}.json", result)
        if draw:
            from ..figures import run_figures

            run_figures.draw_evaluations(folder)
        write_run_card(folder)
    return result


def _recording_and_parts(
    run: Run, out: Path, data: str | None = None, load: Sequence[str] = ()
) -> tuple[Recording, Parts, bool]:
    """Load a run's own recording or one of its sessions with the split stored at training, or another one, split by the same rule.

    Also returned is whether it is the run's own.
    """
    sessions = sessions_of(run)
    if sessions and data is None:
        raise SettingError(f"{out} learnt from several sessions; name the one: {', '.join(s.data for s in sessions)}")
    wanted = data or run.data
    for session in sessions:
        if wanted in (session.data, session.name):
            wanted, load = session.data, load or run.load
            break
    recording = load_recording(wanted, load or (run.load if wanted == run.data else ()))
    of_session = own_parts(run, recording.digest()) if sessions else None
    if of_session is not None:
        return recording, of_session, True
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
    from ..io.embeddings import check_options, write

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


def draw_run(out: Path, trained: Trained | None = None) -> list[Path]:
    """Draw every figure that the contents of a run folder allow.

    Parameters
    ----------
    out : Path
        The folder.
    trained : Trained, optional
        The training that has just ended there; else its model and recording are read again.

    Returns
    -------
    list of Path
        The PNG files.
    """
    from ..figures import run_figures

    folder = RunFolder(out)
    run = folder.read()
    if trained is None or trained.recording is None:
        recording, parts, _ = _recording_and_parts(run, out)
        model = folder.model("cpu")
    else:
        recording, parts, model = trained.recording, run.rows_of_parts(), trained.model
    seen = recording if run.rows == "all" else recording.select(parts[0])
    card = card_of(run.data)
    target = run_figures.label_to_colour_by(recording, [card.target] if card else [])
    drawn = run_figures.draw_training(folder, model, recording, seen, parts[-1], target)
    return drawn + run_figures.draw_evaluations(folder)


def train_sessions_run(
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
    overwrite: bool = False,
    tensorboard: bool = False,
    progress: bool = True,
) -> Trained:
    """Train a method on several recordings, ``a,b``, into a folder; the parameters are those of ``myow train``.

    Returns
    -------
    Trained
    """
    refuse_earlier(out, resume=resume, overwrite=overwrite)
    if rows not in ("train", "all"):
        raise unknown_name("rows", rows, ("train", "all"))
    estimator = method_class(method)
    if not issubclass(estimator, MultiSessionEstimator):
        raise SettingError(f"{method} learns from one recording; myow, unmined, byol and simclr learn from several")
    if target is not None:
        raise SettingError(f"{method} learns without labels; leave --target out, or name it to 'myow evaluate'")
    chosen = chosen_settings(estimator, preset, settings)
    names = session_names(data)
    recordings = [load_recording(name, load) for name in names]
    sessions = [
        SessionOfRun(data=name, name=part.name or name, digest=part.digest(), rows=len(part))
        for name, part in zip(names, recordings, strict=True)
    ]
    rules = [choose_split(split, split_seed, name, part) for name, part in zip(names, recordings, strict=True)]
    parts = [split_rows(part, rule) for part, (_, rule) in zip(recordings, rules, strict=True)]
    model = make_method(method, **chosen | {"random_state": seed, "device": device})
    run = Run(
        data=data,
        load=list(load),
        method=method,
        settings=own_settings(estimator, chosen, seed),
        rows=rows,
        split=rules[0][0],
        split_seed=split_seed,
        parts=Run.describe_parts(joined_parts(parts, [len(part) for part in recordings])),
        recording=told(sessions),
    )
    taken = {
        session.name: _taken(part, own, rows) for session, part, own in zip(sessions, recordings, parts, strict=True)
    }
    if len(taken) < len(sessions):
        raise SettingError(f"two of {data} have the same name; name each recording once")
    return train_into(
        out,
        run,
        model,
        taken,
        learnt_from=", ".join(f"{len(part)} bins of {name}" for name, part in taken.items()),
        resume=resume,
        tensorboard=tensorboard,
        progress=progress,
    )


def adapt_run(
    trained: Path,
    data: str,
    out: Path,
    *,
    name: str | None = None,
    with_: str = "",
    steps: int | None = None,
    unfreeze: str = "read_in",
    rows: str = "train",
    load: Sequence[str] = (),
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> str:
    """Learn a read-in for one more recording, and write the model that has it as a run of its own.

    The parameters are those of ``myow adapt``.

    Returns
    -------
    str
        One line that says what was done.
    """
    if rows not in ("train", "all"):
        raise unknown_name("rows", rows, ("train", "all"))
    if out.resolve() == trained.resolve():
        raise SettingError(f"--out is {out}, the run itself, which stays as it is; choose another folder")
    refuse_earlier(out, resume=resume, overwrite=overwrite)
    source, folder = RunFolder(trained), RunFolder(out)
    run = source.read()
    model = None if run.of_images else source.model(device)
    if not isinstance(model, MultiSessionEstimator):
        raise SettingError(
            f"{trained} holds {run.method}, which learns from one recording; there is no read-in to adapt"
        )
    recording = load_recording(data, load)
    name = name or recording.name or data
    rule = choose_split(None if run.split == "released" else run.split, run.split_seed, data, recording)[1]
    parts = split_rows(recording, rule)
    known = [load_recording(other, run.load) for other in session_names(with_)] if with_ else []
    session = SessionOfRun(data=data, name=name, digest=recording.digest(), rows=len(recording))
    taken = _taken(recording, parts, rows)

    def adapt(told: Sequence[Callback]) -> None:
        model.adapt(
            taken, name=name, with_=known, steps=steps, unfreeze=unfreeze, folder=out, resume=resume, callbacks=told
        )

    callbacks = [ProgressBar(f"read-in of {name}")] if progress else []
    folder.learn(_with_session(run, session, parts), model, adapt, resume=resume, callbacks=callbacks, keeps_part=False)
    write_run_card(folder, model)
    found = model.trained_on_[-1].get("recognition", {})
    said = "".join(f"; held-out segments, {word.replace('_', '-')}: {value:.3f}" for word, value in found.items())
    return f"{folder.model_path}: a read-in of {len(taken)} bins of {name}, beside {', '.join(list(model.sessions_)[:-1])}{said}"


def _taken(recording: Recording, parts: Parts, rows: str) -> Recording:
    return recording if rows == "all" else recording.select(parts[0])


def _with_session(run: Run, session: SessionOfRun, parts: Parts) -> Run:
    """Describe a run that has one session more."""
    before = sessions_of(run)
    lengths = [s.rows for s in before]
    if not before:  # the run of one recording with a read-in
        own = run.rows_of_parts()
        lengths = [max(int(part.max()) for part in own) + 1]
        before = [SessionOfRun(run.data, run.recording["name"], run.recording["digest"], lengths[0])]
    joined = joined_parts([run.rows_of_parts(), parts], [sum(lengths), session.rows])
    about: dict[str, Any] = {
        "data": ",".join([*(s.data for s in before), session.data]),
        "parts": Run.describe_parts(joined),
        "recording": told([*before, session]),
        "version": __version__,
    }
    return replace(run, **about)
