"""Something that reads a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Loader"]


@dataclass
class Loader:
    """Something that reads a file.

    Parameters
    ----------
    suffix : str
        Ending of its files.
    kind : str
        Container, of those that `fuzz_cases.CHANGES` knows.
    seeds : sequence of (bytes, callable)
        Valid files, and what reads each, given a path.
    name : str, optional
        What the file must be called. Default: anything with the ending.
    writes : bool, optional
        Whether it may write beside the file, since that is what it is for.
    foreign : bool, optional
        Whether a compiled library of others parses the file, which may crash, hang or swell on damaged bytes.
    """

    suffix: str
    kind: str
    seeds: Sequence[tuple[bytes, Callable[[Path], Any]]]
    name: str = ""
    writes: bool = False
    foreign: bool = False

    @property
    def file(self) -> str:
        """What a file is called where it is read."""
        return self.name or f"case{self.suffix}"
