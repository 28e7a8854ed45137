"""What is known of a recording before it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..data.split import Split
from ..disk.published import PublishedFile, locate

__all__ = ["Card"]


@dataclass(frozen=True)
class Card:
    """A recording's entry in ``myow datasets``.

    Parameters
    ----------
    name : str
        What to ask for.
    kind : str
        ``"published"``: recorded by others, read from their files; ``"simulated"``: made here from a seed.
    units, segments : int
        Of the recording as it loads by default.
    bins : int or None
        Likewise; None where it is known only once the file is at hand.
    bin_size : float
        Width of a bin in s.
    licence, citation : str
        Terms of the data and the paper to cite.
    target : str
        The label that readouts predict by default.
    readout : str
        The readout that fits it: ``"angle"``, ``"class"``, ...
    split : Split, optional
        The released rule. None: there is none, use the generic one.
    files : tuple of PublishedFile, optional
        All that loading with default options reads; none: the recording is embedded.
    fallback : tuple of PublishedFile, optional
        What serves as well where `files` are missing.
    """

    name: str
    kind: str
    units: int
    bins: int | None
    bin_size: float
    segments: int
    licence: str
    citation: str
    target: str
    readout: str
    split: Split | None = None
    files: tuple[PublishedFile, ...] = ()
    fallback: tuple[PublishedFile, ...] = ()

    data: ClassVar[str] = "recording"

    @property
    def available(self) -> bool:
        """Whether it loads without a download: embedded, or its files are in ``MYOW_DATA`` or the cache."""
        choices = [self.files, *([self.fallback] if self.fallback else [])]
        return any(all(locate(file) is not None for file in files) for files in choices)

    def describe(self) -> dict[str, Any]:
        """Return what ``myow datasets --json`` prints of it."""
        keys = ("name", "data", "kind", "units", "bins", "bin_size", "segments", "available", "licence", "citation")
        return {key: getattr(self, key) for key in keys}
