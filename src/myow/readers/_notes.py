"""What a reader found in a file, what it used, and what it skipped and why."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..data.recording import Recording

__all__ = ["Inspection", "Notes"]


@dataclass
class Notes:
    """What a reader says while it reads; each entry is a short phrase.

    Parameters
    ----------
    format : str
        What the file is, such as "NWB 2.9".
    found, used, skipped : list of str
        What it holds (with shapes and units), what went into the recording, and what did not and why.
    """

    format: str = ""
    found: list[str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def provenance(self) -> dict[str, str]:
        """Return what the recording's ``source`` keeps of it."""
        kept = {"format": self.format, "used": "; ".join(self.used), "skipped": "; ".join(self.skipped)}
        return {key: value for key, value in kept.items() if value}


@dataclass(frozen=True)
class Inspection:
    """What a file holds and what reading it makes of it, without training.

    Parameters
    ----------
    name : str
        File, or kind of object.
    notes : Notes
        What was found, used and skipped.
    recording : Recording or None
        What reading gives; None where more has to be said first.
    problem : str
        What is missing or wrong where there is no recording.
    """

    name: str
    notes: Notes
    recording: Recording | None = None
    problem: str = ""

    def describe(self) -> dict[str, object]:
        """Return it as what JSON can hold."""
        return {
            "name": self.name,
            "format": self.notes.format,
            "found": list(self.notes.found),
            "used": list(self.notes.used),
            "skipped": list(self.notes.skipped),
            "recording": None if self.recording is None else self.recording.summary(),
            "problem": self.problem,
        }

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.notes.format}"]
        for title, entries in (("found", self.notes.found), ("used", self.notes.used), ("skipped", self.notes.skipped)):
            lines += [f"  {title}:", *(f"    {entry}" for entry in entries or ["nothing"])]
        lines.append(self.recording.summary() if self.recording is not None else f"no recording yet: {self.problem}")
        return "\n".join(lines)
