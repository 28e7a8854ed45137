"""The four reaching sessions from their published NWB files, DANDI 000688.

Citation: Perich, Miller, Azabou and Dyer, Long-term recordings of motor and premotor cortical spiking activity during
reaching in monkeys, DANDI Archive, doi 10.48324/dandi.000688.

Written against the format as others describe it and tested on files made in that structure: no published file was at hand.
Its units were sorted for that release and need not be those of the authors' files; where it holds premotor units too,
only those of M1 are read. What is kept are rewarded trials from the go cue to the end, in bins of which the last may reach past the
end, and of these the bins in which the hand is fast, as from the raw files.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from ..disk.published import PublishedFile, locate
from ..errors import DataError, FileError
from ..readers._binned import bin_session
from ..readers._notes import Notes
from ..readers._session import Session
from ..readers.nwb import opened

__all__ = ["FILES", "load_nwb"]

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
