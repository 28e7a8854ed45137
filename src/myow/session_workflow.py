"""What the command line does with several sessions: train on them into a folder, and adapt a run to one that comes later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .data.recording import Recording
from .data.split import split_rows
from .errors import SettingError, unknown_name
from .methods import make_method, method_class
from .methods.multisession import MultiSessionEstimator
from .run_card import write_run_card
from .run_description import Parts, Run
from .run_folder import RunFolder
from .run_sessions import SessionOfRun, joined_parts, session_names, sessions_of, told
from .sources import load_recording
from .training.callbacks import Callback, ProgressBar
from .training_workflow import chosen_settings, own_settings, train_into
from .version import __version__
from .workflow import choose_split

__all__ = ["adapt_run", "train_sessions_run"]


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
    tensorboard: bool = False,
    progress: bool = True,
) -> str:
    """Train a method on several recordings, ``a,b``, into a folder; the parameters are those of ``myow train``.

    Returns
    -------
    str
        One line that says what was done.
    """
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
    rows: str = "train",
    load: Sequence[str] = (),
    device: str = "auto",
    resume: bool = False,
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
        model.adapt(taken, name=name, with_=known, steps=steps, folder=out, resume=resume, callbacks=told)

    callbacks = [ProgressBar(f"read-in of {name}")] if progress else []
    folder.learn(_with_session(run, session, parts), model, adapt, resume=resume, callbacks=callbacks, keeps_part=False)
    write_run_card(folder, model)
    return (
        f"{folder.model_path}: a read-in of {len(taken)} bins of {name}, beside {', '.join(list(model.sessions_)[:-1])}"
    )


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
