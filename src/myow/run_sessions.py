"""What a run on several sessions says of each of them, and which rows of each it was trained on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from .errors import FileError
from .run_description import Parts, Run
from .settings import split_names

__all__ = ["SessionOfRun", "joined_parts", "own_parts", "session_names", "sessions_of", "told"]


@dataclass(frozen=True)
class SessionOfRun:
    """One session of a run.

    Parameters
    ----------
    data : str
        Name of a published or simulated recording, or path of a file.
    name : str
        What the model calls it.
    digest : str
        Checksum of the whole recording.
    rows : int
        Rows of the whole recording.
    """

    data: str
    name: str
    digest: str
    rows: int


def session_names(data: str) -> list[str]:
    """Part names of recordings at commas; a file whose own name holds one stays whole."""
    return [data] if Path(data).exists() else split_names(data)


def told(sessions: Sequence[SessionOfRun]) -> dict[str, str]:
    """Describe the recordings of a run, as `myow.run_description.Run` keeps them."""
    all_of_them = "".join(f"{session.name}\n{session.digest}\n" for session in sessions)
    return {
        "name": ", ".join(session.name for session in sessions),
        "digest": hashlib.sha256(all_of_them.encode()).hexdigest(),
        "sessions": json.dumps([asdict(session) for session in sessions]),
    }


def sessions_of(run: Run) -> list[SessionOfRun]:
    """Return the sessions that a run was trained on; none if it is of one recording.

    Raises
    ------
    FileError
        If their description is damaged.
    """
    try:
        found = [SessionOfRun(**about) for about in json.loads(run.recording.get("sessions", "[]"))]
        for session in found:
            if not all(type(getattr(session, f.name)).__name__ == f.type for f in fields(session)):
                raise TypeError(f"{session!r:.60} is no session")
    except (ValueError, TypeError, RecursionError) as error:
        raise FileError(f"the run's description of its sessions is damaged ({error}); train again") from error
    return found


def joined_parts(parts: Sequence[Parts], lengths: Sequence[int]) -> Parts:
    """Join the three parts of each session, whose rows count on from those of the sessions before it."""
    starts = np.cumsum([0, *lengths[:-1]])
    return tuple(
        np.concatenate([own[i] + start for own, start in zip(parts, starts, strict=True)]) for i in range(len(parts[0]))
    )


def own_parts(run: Run, digest: str) -> Parts | None:
    """Return the rows of the three parts of the session with this checksum, counted from its own first row."""
    start = 0
    for session in sessions_of(run):
        if session.digest == digest:
            rows = run.rows_of_parts()
            return tuple(part[(part >= start) & (part < start + session.rows)] - start for part in rows)
        start += session.rows
    return None
