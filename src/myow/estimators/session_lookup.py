"""Which of the sessions that a model was trained on a recording is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..data.recording import Recording
from ..data.sessions import described, named_recordings
from ..errors import DataError, SettingError

__all__ = ["find_session", "listed", "matching"]

Known = Mapping[str, Mapping[str, Any]]


def listed(sessions: Known) -> str:
    """Say which sessions there are and what each was trained on, in one line."""
    return "; ".join(f"{name} ({_units(about)} in bins of {about['bin_size']:g} s)" for name, about in sessions.items())


def _units(about: Mapping[str, Any]) -> str:
    names = about["units"]
    shown = "" if not names else f" {names[0]}" if len(names) == 1 else f" {names[0]} to {names[-1]}"
    return f"{about['n_units']} units{shown}"


def find_session(recording: Recording, sessions: Known, session: str | None) -> str:
    """Return the name of the session that a recording's units are of.

    Parameters
    ----------
    recording : Recording
        Rows of one session.
    sessions : mapping
        As `myow.data.sessions.described` says of each, by name.
    session : str, optional
        The name asked for. Default: the session with the recording's checksum; else the one with its name and units;
        for a recording without a name the one with its units.

    Raises
    ------
    DataError
        If no session or several fit, or the one asked for has other units; the text says what each was trained on.
    """
    own = described(recording)
    title = recording.name or "this recording"
    if session is not None:
        if session not in sessions:
            raise DataError(f"there is no session '{session}'; the model was trained on {listed(sessions)}")
        if sessions[session]["n_units"] != own["n_units"]:
            raise DataError(
                f"session {session} was trained on {_units(sessions[session])}, but {title} has {own['n_units']}; "
                f"choose another of {listed(sessions)}, or learn a read-in for it with adapt"
            )
        return session
    same = [name for name, about in sessions.items() if about["digest"] == own["digest"]]
    if len(same) == 1:
        return same[0]
    fit = [
        name
        for name, about in sessions.items()
        if (about["n_units"], about["units"]) == (own["n_units"], own["units"])
        and (not recording.name or recording.name in (name, about["recording"]))
    ]
    if len(fit) == 1:
        return fit[0]
    said = f"several sessions fit {title} ({', '.join(fit)})" if fit else f"no session fits {title}"
    raise DataError(
        f"{said}, which has {_units(own)}; the model was trained on {listed(sessions)}: name one with session=..., or learn "
        "a read-in with adapt"
    )


def matching(given: Any, sessions: Known) -> dict[str, Recording]:
    """Return recordings of sessions that were trained on, by the names that the model knows them by.

    Raises
    ------
    DataError, SettingError
        If something is no recording, or is of no session.
    """
    if isinstance(given, Recording):
        given = [given]
    named = named_recordings(given)
    if named is None:
        if len(given):
            raise SettingError(f"with_ holds a {type(given[0]).__name__}; it takes recordings that were trained on")
        return {}
    found = {}
    for name, recording in named.items():
        asked = name if isinstance(given, Mapping) else None
        found[find_session(recording, sessions, asked)] = recording
    return found
