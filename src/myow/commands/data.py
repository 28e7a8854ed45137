"""Commands that look at data: what can be named, and what a file holds."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from .options import AsJson, LoadOptions

__all__ = ["datasets", "inspect"]


def datasets(as_json: AsJson = False) -> None:
    """List the recordings and images that can be named."""
    from ..datasets import cards
    from ..report.tables import print_cards

    found = [card.describe() for card in cards()] + [card.describe() for card in cards("images")]
    if as_json:
        print(json.dumps(found))
    else:
        print_cards(found)


def inspect(
    file: Annotated[str, typer.Argument(help="A file of any format that can be read.", show_default=False)],
    load: LoadOptions = [],  # noqa: B006  (typer copies it)
    as_json: AsJson = False,
) -> None:
    """Say what a file holds, and what would be used and skipped, without training."""
    from ..sources import inspect_file

    found = inspect_file(file, load)
    print(json.dumps(found.describe()) if as_json else found)
