"""What a command says when it is stopped."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

__all__ = ["stopped"]


@contextmanager
def stopped(kept: str) -> Iterator[None]:
    """End with exit code 130 and a line that says what was kept: that of the interrupt, if it says so itself."""
    try:
        yield
    except KeyboardInterrupt as stop:
        print(str(stop) or kept, file=sys.stderr)
        raise typer.Exit(130) from None
