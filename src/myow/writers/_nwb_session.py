"""A new NWB file around an embedding, with what NWB asks of every session."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..data.embedding import Embedding
from ..errors import SettingError
from ..extras import need

__all__ = ["new_file"]

NOT_KNOWN = datetime(1970, 1, 1, tzinfo=UTC)
# As NWB writes an animal of any kind, of any age.
SUBJECT = {
    "subject_id": "unknown",
    "species": "http://purl.obolibrary.org/obo/NCBITaxon_33208",
    "sex": "U",
    "age": "P0D/",
}


def new_file(embedding: Embedding, about: Mapping[str, Any]) -> Any:
    """Return a pynwb ``NWBFile`` without data.

    Parameters
    ----------
    embedding : Embedding
        What it will hold.
    about : mapping
        "session_start_time", and "subject_id", "species", "sex" and "age" of the subject; None where not known.

    Raises
    ------
    SettingError
        If the time cannot be read.
    """
    pynwb = need("pynwb", "nwb", "writing .nwb files")
    start = _start(about["session_start_time"])
    when = " When the session began is not known; 1970 stands for that." if start == NOT_KNOWN else ""
    subject = {key: about[key] or default for key, default in SUBJECT.items()}
    unknown = ", ".join(key for key in SUBJECT if not about[key])
    whose = {"description": f"Not known: {unknown}."} if unknown else {}
    return pynwb.NWBFile(
        session_description=f"Embedding of {embedding.name or 'a recording'}, without what was recorded.{when}",
        identifier=embedding.digest(),
        session_start_time=start,
        subject=pynwb.file.Subject(**subject, **whose),
    )


def _start(given: Any) -> datetime:
    if given is None:
        return NOT_KNOWN
    try:
        start = given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
    except ValueError:
        start = None
    if start is None or start.tzinfo is None:
        raise SettingError(
            f"session_start_time is '{given}'; it must be such as 2020-01-31T12:00:00+01:00, with a time zone"
        )
    return start
