"""Tables of what is read out of images: one run in the terminal, a bench in Markdown beside the poster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ..bench.published_images import published_image
from .image_groups import Group, Row, groups

__all__ = ["image_table", "print_image_evaluation"]

FEATURES = {"raw": "raw pixels", "untrained": "untrained encoder"}
READOUTS = {"linear": "linear readout", "knn": "k-NN"}


def print_image_evaluation(result: Mapping[str, Any]) -> None:
    """Print an evaluation: the embedding and what it is compared with, a row each."""
    few = "all labels" if result["labels"] is None else f"{result['labels']} labelled per class"
    table = Table(
        title=f"{result['dataset']}{_subset(result['subset'])}: {result['target']}, {few}, {result['n_test']} test images, "
        f"{result['steps']} steps",
        title_justify="left",
    )
    table.add_column("")
    for title in READOUTS.values():
        table.add_column(title, justify="right")
        table.add_column("95 % interval", justify="right")
    named = {f"{result['method']} embedding": "embedding"} | {title: name for name, title in FEATURES.items()}
    for title, name in named.items():
        cells = []
        for readout in READOUTS:
            found = result[name][readout]
            low, high = found["interval"]
            cells += [f"{found['accuracy']:.3f}", f"{low:.3f} to {high:.3f}"]
        table.add_row(title, *cells)
    table.add_row("majority class", f"{result['embedding']['knn']['majority']:.3f}", "", "", "")
    Console(width=110).print(table)


def image_table(rows: Sequence[Row]) -> str:
    """Write the table of a bench in Markdown, one for each readout and number of labels.

    Parameters
    ----------
    rows : sequence of mapping
        Lines of the rows.jsonl of `myow bench --protocol images`.

    Returns
    -------
    str
        Means over seeds with their standard deviation, the epochs that were run, and the poster's figures beside ours
        where encoder and dataset are the same. What failed stands at the end.
    """
    found = groups(rows)
    every = [row for methods in found.values() for own in methods.values() for row in own]
    labels = sorted({n for row in every for n in row["scores"]}, key=lambda n: float("inf") if n == "all" else int(n))
    lines = ["# Images", ""]
    if every:
        lines += [
            "Accuracy on the test images, mean ± standard deviation over seeds. Readouts are chosen on validation images drawn from the "
            "training part; test images are looked at once. The poster's figures are of ResNets of width 64 trained for 800 epochs on "
            "the official sets, read out linearly; they stand beside ours, not against them.",
            "",
        ]
    for n in labels:
        for readout, title in READOUTS.items():
            few = "all labels" if n == "all" else f"{n} labelled images per class"
            lines += [f"## {title[0].upper() + title[1:]}, {few}", "", *_table(found, readout, n), ""]
    failed = [row for row in rows if row["error"]]
    said = [f"- {row['method']} on {row['dataset']}, seed {row['seed']}: {row['error']}" for row in failed]
    return "\n".join([*lines, "## Failed", "", *(said or ["None."]), ""])


def _table(found: Mapping[Group, Mapping[str, Sequence[Row]]], readout: str, n: str) -> list[str]:
    columns = {
        group: {name: own for name, mine in methods.items() if (own := [row for row in mine if n in row["scores"]])}
        for group, methods in found.items()
    }
    columns = {group: methods for group, methods in columns.items() if methods}
    titles = [f"{group.title}{_subset(group.subset)}" for group in columns]
    lines = ["| method | " + " | ".join(titles) + " |", "|---" * (len(columns) + 1) + "|"]
    for name in dict.fromkeys(name for methods in columns.values() for name in methods):
        cells = [_trained(methods.get(name, []), group, readout, n) for group, methods in columns.items()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for feature, title in FEATURES.items():
        # All methods have the same of these for the same seed; each seed counts once.
        by_seed = [
            {row["seed"]: row["scores"][n][feature][readout]["accuracy"] for own in methods.values() for row in own}
            for methods in columns.values()
        ]
        lines.append(f"| {title} | " + " | ".join(_cell(list(values.values())) for values in by_seed) + " |")
    majority = [
        next(iter(methods.values()))[0]["scores"][n]["embedding"][readout]["majority"] for methods in columns.values()
    ]
    lines.append("| majority class | " + " | ".join(f"{value:.3f}" for value in majority) + " |")
    return lines


def _trained(rows: Sequence[Row], group: Group, readout: str, n: str) -> str:
    """A method's figure, how long it was trained with how many seeds, and the poster's figure where it measures the same."""
    if not rows:
        return "–"
    epochs = sorted({f"{row['epochs']:g}" for row in rows})
    seeds = f"{len(rows)} seed{'s' if len(rows) > 1 else ''}"
    cell = _cell([row["scores"][n]["embedding"][readout]["accuracy"] for row in rows])
    poster = published_image(group.encoder, group.dataset, rows[0]["method"])
    beside = f"<br>(poster {poster:.3f})" if poster is not None and readout == "linear" and n == "all" else ""
    return f"{cell} ({' or '.join(epochs)} epochs, {seeds}){beside}"


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "–"
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"


def _subset(text: str) -> str:
    return f" ({text})" if text else ""
