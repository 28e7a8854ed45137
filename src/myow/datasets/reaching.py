"""Monkeys reach to one of eight targets: two animals, two sessions each, primary motor cortex.

=========  ======  ======  ====================  ==========================
name       trials  units   moving bins of 0.1 s  file
=========  ======  ======  ====================  ==========================
chewie-1   159     174     895                   full-chewie-10032013
chewie-2   180     155     835                   full-chewie-12192013
mihi-1     209     187     1082                  full-mihi-03032014
mihi-2     215     172     from the raw file     full-mihi-03062014
=========  ======  ======  ====================  ==========================

Citation: Dyer et al., A cryptography-based approach for movement decoding, Nature Biomedical Engineering 1, 967 (2017).
Published with the code of MYOW (github.com/nerdslab/myow-neuro) under Apache-2.0.

Labels: ``direction`` 0..7 (cyclic), and where they were recorded ``position`` (cm), ``velocity`` (cm/s),
``acceleration`` (cm/s2) and ``force`` (as published), two columns each, averaged in the bin. Segments are trials in
recording order. Bins in which the hand is slow are left out, so bins of a trial may have gaps.

``source="nwb"`` reads a session from the file published as DANDI 000688 instead; see `myow.datasets.reaching`.

The binned files were made by the authors; they counted a spike that falls on an edge in both bins. Binning from a raw
file is done here with half-open bins, so that the two may differ by such a spike.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.binning import average_samples, count_spikes, make_bins
from ..data.recording import Recording
from ..data.splits import Split
from ..errors import DataError, FileError, SettingError, unknown_name
from ..io.binned import bin_session
from ..io.download import PublishedFile, fetch, locate
from ..io.mat import END, START, TARGET, read_raw
from ..io.nwb import opened
from ..io.session import Notes, Session
from ..io.untrusted import load_pickle
from .card import Card

__all__ = ["CARDS", "FILES", "load", "load_nwb"]

DANDISET = "https://dandiarchive.org/dandiset/000688"
FILES = {
    "chewie-1": "sub-C_ses-CO-20131003_behavior+ecephys.nwb",
    "chewie-2": "sub-C_ses-CO-20131219_behavior+ecephys.nwb",
    "mihi-1": "sub-M_ses-CO-20140303_behavior+ecephys.nwb",
    "mihi-2": "sub-M_ses-CO-20140306_behavior+ecephys.nwb",
}
MOVEMENT = {"velocity": "Velocity", "position": "Position", "acceleration": "Acceleration"}


def load_nwb(name: str, bin_size: float, speed_threshold: float) -> Recording:
    """Load a session from its NWB file.

    Parameters
    ----------
    name : str
        One of `FILES`.
    bin_size : float
        Width of a bin in s.
    speed_threshold : float
        Keep the bins in which the mean velocity is faster than this, in cm/s.

    Returns
    -------
    Recording
        Segments are numbered by the rows of the table of trials; ``direction`` as in the authors' files, 0 upwards and on
        clockwise.

    Raises
    ------
    FileError
        If it is not at hand or damaged.
    DataError
        If it is not laid out as expected.
    """
    path = locate(PublishedFile(FILES[name], DANDISET))
    if path is None:
        raise FileError(
            f"{FILES[name]} is not at hand; get it from {DANDISET} and let MYOW_DATA name the folder it is in"
        )
    notes = Notes()
    with opened(path, notes) as session:
        try:
            rows, spans, direction = _reaches(session, bin_size)
            found = {
                label: session.find_signal(holder) for label, holder in MOVEMENT.items() if _holds(session, holder)
            }
            if "velocity" not in found:
                raise DataError("there is no velocity, by which moving bins are chosen; get the published file")
            known = session.units.columns if session.units is not None else {}
            units = "region=M1" if "region" in known and "M1" in set(known["region"]()) else None
            binned = bin_session(
                session,
                notes,
                bin_size=bin_size,
                segments=spans,
                units=units,
                labels=list(found.values()),
                name=name,
            )
            return _moving(
                binned, {k: binned.labels[v] for k, v in found.items()}, rows, direction, speed_threshold, notes
            )
        except DataError as error:
            raise DataError(f"{path}: {error}") from None


def _holds(session: Session, holder: str) -> bool:
    return sum(signal.within == holder for signal in session.signals.values()) == 1


def _reaches(session: Session, bin_size: float) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the rows of rewarded trials, their starts and ends in whole bins, and the target of every trial."""
    trials = session.intervals.get("trials")
    wanted = ("target_dir", "go_cue_time", "result")
    if trials is None or any(column not in trials.columns for column in wanted):
        raise DataError(f"there is no table of trials with {', '.join(wanted)}; get the published file")
    angle, cue = (np.asarray(trials.columns[c](), dtype=np.float64) for c in wanted[:2])
    stop = trials.spans()[:, 1]
    if angle.ndim != 1 or cue.ndim != 1:
        raise DataError("target_dir and go_cue_time must be one number a trial; get the published file")
    with np.errstate(invalid="ignore"):
        rows = np.flatnonzero(
            (trials.columns["result"]().astype(str) == "R") & np.isfinite(angle) & np.isfinite(cue) & (stop > cue)
        )
    if not rows.size:
        raise DataError("no trial was rewarded and has a go cue and a target; get the published file")
    turn = (np.pi / 2 - angle) / (np.pi / 4)  # the authors count from straight up and clockwise
    if not (np.abs(turn[rows] - np.rint(turn[rows])) < 0.05).all():
        raise DataError("target_dir must be multiples of 45 degrees, in radians; get the published file")
    steps = np.ceil((stop[rows] - cue[rows]) / bin_size - 1e-6)
    direction = np.zeros(len(angle), dtype=np.int64)
    direction[rows] = np.rint(turn[rows]).astype(np.int64) % 8
    return rows, np.stack([cue[rows], cue[rows] + steps * bin_size], axis=1), direction


def _moving(
    binned: Recording,
    movement: dict[str, NDArray[np.float64]],
    rows: NDArray[np.int64],
    direction: NDArray[np.int64],
    threshold: float,
    notes: Notes,
) -> Recording:
    velocity = np.asarray(movement["velocity"])
    if velocity.ndim != 2 or velocity.shape[1] != 2:
        raise DataError(f"velocity has shape {velocity.shape}; it must be two columns")
    trial = rows[binned.segments]
    speed = np.linalg.norm(velocity, axis=1)
    kept = np.flatnonzero(speed > threshold)
    if not kept.size:
        raise DataError(f"no bin is faster than speed_threshold={threshold:g}; choose a lower one")
    notes.skipped.append(f"{len(speed) - len(kept)} of {len(speed)} bins: not faster than {threshold:g} cm/s")
    # Zeros are no measurement: they stand for what was not recorded.
    labels = {"direction": direction[trial], **{k: v for k, v in movement.items() if np.any(v)}}
    source = {**binned.source, **notes.provenance(), "url": DANDISET}
    moved = replace(binned, segments=trial, labels=labels, periods={"direction": 8}, source=source)
    return moved.select(kept)


LICENCE = "Apache-2.0"
CITATION = "Dyer et al., Nature Biomedical Engineering 1:967 (2017)"
ADDRESS = (
    "https://raw.githubusercontent.com/nerdslab/myow-neuro/6aa684bbbdaecea644db24000a5ce6ff3c033b84/data/mihi-chewie"
)
BIN_SIZE, SPEED_THRESHOLD = 0.1, 5.0

SESSIONS = {
    "chewie-1": "full-chewie-10032013",
    "chewie-2": "full-chewie-12192013",
    "mihi-1": "full-mihi-03032014",
    "mihi-2": "full-mihi-03062014",
}


def _binned(name: str, bin_size: float, threshold: float, sha256: str) -> PublishedFile:
    file = f"{SESSIONS[name]}-bin{bin_size:.2f}-vel_thresh{threshold:.2f}.pkl"
    return PublishedFile(file, f"{ADDRESS}/processed/{file}", sha256=sha256, licence=LICENCE, citation=CITATION)


def _session(name: str, git_blob: str) -> PublishedFile:
    file = f"{SESSIONS[name]}.mat"
    return PublishedFile(file, f"{ADDRESS}/raw/{file}", git_blob=git_blob, licence=LICENCE, citation=CITATION)


# Published variants by name, bin width in s and speed threshold.
BINNED = {
    (name, bin_size, threshold): _binned(name, bin_size, threshold, sha256)
    for name, bin_size, threshold, sha256 in (
        ("chewie-1", 0.1, 5.0, "2bf23f43a2f8e5f7794e9d1e3604c1dd8b222edca6b9980dcb9605ad12997adb"),
        ("chewie-1", 0.1, 0.0, "d3c38319c0fd66b794a9480dcf8030e1e73c9b976913af09fa6e1bdf20a13888"),
        ("chewie-1", 0.05, 5.0, "ac4bdce8129fe64414a084efbf777a310d5ba926b19cf27c4e490ff8bb0a230c"),
        ("chewie-2", 0.1, 5.0, "62057a140c8c0e660b8cca2515317d583f83d2e362d04b166c789ba57aeca9b3"),
        ("mihi-1", 0.1, 5.0, "aa53dffd7c7fea6787843221f2d4d01881befbc4c53a655fa9989cd5c837f729"),
    )
}

RAW = {
    "chewie-1": _session("chewie-1", "f78a14943b10fed3872c25eaa0e1276f350cb2aa"),
    "chewie-2": _session("chewie-2", "ce4525da8d32da2fa98af2d5b651786631896d64"),
    "mihi-1": _session("mihi-1", "870c373be1f9438b78875a94497c8463edea3fad"),
    "mihi-2": _session("mihi-2", "ca7f14f54fc0d40a9420f37d7a4f6efeb86ed763"),
}


def _card(name: str, units: int, bins: int | None, segments: int) -> Card:
    binned = BINNED.get((name, BIN_SIZE, SPEED_THRESHOLD))
    return Card(
        name=name,
        kind="published",
        units=units,
        bins=bins,
        bin_size=BIN_SIZE,
        segments=segments,
        licence=LICENCE,
        citation=CITATION,
        target="direction",
        readout="angle",
        split=Split((0.8, 0.1, 0.1)),
        files=(binned or RAW[name],),
        fallback=(RAW[name],) if binned else (),
    )


CARDS = (
    _card("chewie-1", 174, 895, 159),
    _card("chewie-2", 155, 835, 180),
    _card("mihi-1", 187, 1082, 209),
    _card("mihi-2", 172, None, 215),
)


def load(
    name: str, *, bin_size: float = BIN_SIZE, speed_threshold: float = SPEED_THRESHOLD, source: str = "published"
) -> Recording:
    """Load a session.

    Parameters
    ----------
    name : str
        One of the cards.
    bin_size : float, optional
        Width of a bin in s.
    speed_threshold : float, optional
        Keep the bins in which the mean velocity is faster than this, in cm/s.
    source : {"published", "nwb"}, optional
        The authors' files, or the session's NWB file of DANDI 000688, looked for in the folder that ``MYOW_DATA`` names.

    Returns
    -------
    Recording
        Times: a raw session has its own clock. The binned files do not say when a trial began, so there trials are
        laid end to end, each from the bin after the last kept bin of the one before; inside a trial times are exact.

    Raises
    ------
    SettingError
        If the combination is not published and no raw session is at hand to bin.
    FileError, DataError
        If a file is missing, altered or not laid out as expected.
    """
    width, threshold = _number("bin_size", bin_size), _number("speed_threshold", speed_threshold)
    if width == 0:
        raise SettingError("bin_size is 0; it must be a number of seconds above 0")
    if source == "nwb":
        return load_nwb(name, width, threshold)
    if source != "published":
        raise unknown_name("source", str(source), ("published", "nwb"))
    binned, raw = BINNED.get((name, width, threshold)), RAW[name]
    if binned is not None and (locate(binned) is not None or locate(raw) is None):
        path = fetch(binned)
        return _from_trials(path, name, width, _source(binned))
    variants = [key[1:] for key in BINNED if key[0] == name]
    if variants and locate(raw) is None:
        listed = "; ".join(f"bin_size={w:g}, speed_threshold={t:g}" for w, t in variants)
        raise SettingError(
            f"{name} is not published with bin_size={width:g}, speed_threshold={threshold:g}; published are: {listed}. "
            f"Others can be binned from {raw.name}, found through MYOW_DATA, to be had at {raw.url}"
        )
    return _from_session(fetch(raw), name, width, threshold, _source(raw))


def _number(option: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise SettingError(f"{option} is {value!r}; it must be a number") from None
    if not (np.isfinite(number) and number >= 0):
        raise SettingError(f"{option} is {number}; it must be finite and not negative")
    return round(number, 9)


def _source(file: PublishedFile) -> dict[str, str]:
    kind, checksum = file.checksum
    return {"file": file.name, kind: checksum, "licence": file.licence, "citation": file.citation, "url": file.url}


# The authors' binned files: a graph a trial.


def _from_trials(path: Path, name: str, width: float, source: dict[str, str]) -> Recording:
    content = load_pickle(path)
    names = {"x": "rates", "y": "direction", "timestep": "step"}
    names |= {"pos": "position", "vel": "velocity", "acc": "acceleration", "force": "force"}
    try:
        trials = [{new: np.asarray(trial[old]) for old, new in names.items()} for trial in content["data"]]
        joined = {key: np.concatenate([trial[key] for trial in trials]) for key in names.values()}
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} is not laid out as a list of trials ({error}); get the published file") from None
    lengths = [len(trial["step"]) for trial in trials]
    ends = np.array([trial["step"][-1] + 1 for trial in trials])
    starts = np.repeat(np.cumsum(ends) - ends, lengths)
    spikes = joined["rates"].astype(np.float64) * width
    counts = np.rint(spikes)
    if not np.abs(spikes - counts).max() <= 1e-3:  # NaN is not at most anything
        raise DataError(f"{path}: rates times {width:g} s are not whole numbers, so they are no spike counts")
    return _recording(
        counts,
        times=(starts + joined["step"]) * width,
        segments=np.repeat(np.arange(len(trials)), lengths),
        direction=joined["direction"],
        movement={k: joined[k] for k in ("position", "velocity", "acceleration", "force")},
        bin_size=width,
        name=name,
        source=source,
    )


# A raw session, as exported from Matlab.


def _from_session(path: Path, name: str, width: float, threshold: float, source: dict[str, str]) -> Recording:
    raw = read_raw(path)
    try:
        # The last bin of a trial may reach past its end, as in the published binning.
        bins = make_bins(raw.table[:, [START, END]], width, overhang=True)
        counts = count_spikes(raw.trains, bins)
        means = {k: average_samples(v[:, 0], v[:, 1:], bins) for k, v in raw.signals.items()}
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    if "velocity" not in means:
        raise DataError(f"{path} holds no velocity, by which moving bins are chosen; get the published file")
    velocity, sampled = means["velocity"]
    # A bin without a sample (the tracker stopped) has no speed and cannot count as moving.
    kept = np.flatnonzero((np.linalg.norm(velocity, axis=1) > threshold) & (sampled > 0))
    if kept.size == 0:
        raise DataError(f"{path}: no bin is faster than speed_threshold={threshold:g}; choose a lower one")
    # A signal with a pause cannot be a label, which has a value in every bin.
    movement = {k: mean[kept] for k, (mean, n) in means.items() if (n[kept] > 0).all()}
    target = raw.table[bins.interval[kept], TARGET]
    if not np.isin(target, np.arange(8)).all():
        raise DataError(f"{path}: targets are {np.unique(target)[:12].tolist()}; they must be 0 to 7")
    return _recording(
        counts[kept],
        times=bins.starts[kept],
        segments=bins.interval[kept],
        direction=target,
        movement=movement,
        bin_size=width,
        name=name,
        source=source,
    )


def _recording(
    counts: NDArray[Any],
    *,
    times: NDArray[np.float64],
    segments: NDArray[np.int64],
    direction: NDArray[Any],
    movement: dict[str, NDArray[Any]],
    bin_size: float,
    name: str,
    source: dict[str, str],
) -> Recording:
    # The files store zeros for what was not recorded (position and acceleration of Mihi-1); zeros are no measurement.
    recorded = {k: np.asarray(v, dtype=np.float32) for k, v in movement.items() if np.any(v)}
    return Recording(
        counts,
        bin_size=bin_size,
        times=times,
        segments=segments,
        labels={"direction": np.asarray(direction).astype(np.int64), **recorded},
        periods={"direction": 8},
        name=name,
        source=source,
    )
