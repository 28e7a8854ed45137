"""Tables in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from .style import BASELINES

__all__ = ["print_cards", "print_evaluation"]

_COLUMNS = {
    "accuracy": "accuracy",
    "delta_accuracy": "within 3π/16",
    "balanced_accuracy": "balanced",
    "weighted_f1": "weighted F1",
    "r2": "R²",
}


def print_evaluation(result: Mapping[str, Any]) -> None:
    """Print an evaluation: the embedding and what it is compared with, a row each."""
    few = "all labels" if result["labels"] is None else f"{result['labels']} labelled per class"
    table = Table(
        title=f"{result['dataset']}: {result['target']}, readout {result['readout']}, {few}, {result['n_test']} test bins",
        title_justify="left",
    )
    shown = [key for key in _COLUMNS if result[key] is not None]
    table.add_column("")
    for key in shown:
        table.add_column(_COLUMNS[key], justify="right")
    table.add_column("95 % interval", justify="right")
    rows = {f"{result['method']} embedding": result}
    rows |= {title: result[name] for name, title in BASELINES.items()}
    for name, row in rows.items():
        interval = "" if row["interval"] is None else f"{row['interval'][0]:.3f} to {row['interval'][1]:.3f}"
        table.add_row(name, *(f"{row[key]:.3f}" for key in shown), interval)
    if result["majority"] is not None and "accuracy" in shown:
        table.add_row("majority class", f"{result['majority']:.3f}", *[""] * (len(shown) - 1), "")
    Console(width=110).print(table)


def print_cards(cards: Sequence[Mapping[str, Any]]) -> None:
    """Print what there is to load: a table of recordings and one of images."""
    recordings, images = Table(), Table()
    for name in ("name", "kind", "units", "bins", "bin size (s)", "segments", "available", "licence"):
        recordings.add_column(name)
    for name in ("name", "kind", "training", "test", "pixels", "classes", "available", "licence"):
        images.add_column(name)
    for card in cards:
        ends = "yes" if card["available"] else "no", card["licence"]
        if card["data"] == "images":
            counts = (str(card[key]) for key in ("train", "test"))
            size = " x ".join(map(str, card["size"]))
            images.add_row(card["name"], card["kind"], *counts, size, str(card["classes"]), *ends)
        else:
            bins = "unknown" if card["bins"] is None else str(card["bins"])
            shape = (str(card["units"]), bins, f"{card['bin_size']:g}", str(card["segments"]))
            recordings.add_row(card["name"], card["kind"], *shape, *ends)
    console = Console(width=110)
    for title, table in (("recordings", recordings), ("images", images)):
        if table.row_count:
            table.title, table.title_justify = title, "left"
            console.print(table)
