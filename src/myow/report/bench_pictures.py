"""Every picture that the contents of a bench folder allow."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..bench.summary import Cell, Track
from ..disk.storage import make_folder
from ..errors import FileError
from . import bench_dots, confusions, label_curves, side_by_side
from .style import save

__all__ = ["draw_bench"]

_EMBEDDING = re.compile(
    r"(?P<dataset>.+)__(?P<method>(?:(?!__).)+)__(?P<before>\d+)-(?P<after>\d+)__(?P<rows>(?:(?!__).)+)"
)

Matrix = tuple[list[Any], NDArray[np.float64]]
Plane = tuple[NDArray[np.float64], NDArray[Any]]


def draw_bench(folder: Path, rows: Sequence[Mapping[str, Any]], cells: Sequence[Cell]) -> list[Path]:
    """Draw dots, curves over labels, confusion matrices and embeddings into the subfolder ``figures``.

    Parameters
    ----------
    folder : Path
        Of a bench. Embeddings are read from ``embeddings/{dataset}__{method}__{before}-{after}__{rows}.npz``, which hold
        ``z`` (P, 2), ``label`` (P,) and ``period``, NaN for none.
    rows : sequence of mapping
        Lines of rows.jsonl; of several with one key the last counts.
    cells : sequence of Cell
        From `bench.summary.summarise`.

    Returns
    -------
    list of Path
        ``dots_{context}_{rows}_{readout}_{labels}.png``, ``labels_{context}_{rows}_{readout}.png``,
        ``confusion_{dataset}_{context}_{rows}.png`` and ``embeddings_{dataset}_{context}_{rows}.png``. The protocol stands
        behind the first word where there are several.

    Raises
    ------
    FileError
        If a file of embeddings is damaged, or a picture cannot be written.
    """
    figures = make_folder(folder / "figures")
    paths: list[Path] = []
    # One picture at a time: a bench may have dozens, and each is freed once it is written.
    for words, figure in _pictures(folder, rows, cells):
        stem = "_".join(_file_word(word) for word in words)
        again = sum(p.stem == stem or p.stem.startswith(f"{stem}~") for p in paths)
        path = figures / f"{stem}{f'~{again + 1}' if again else ''}.png"
        save(figure, path)
        paths.append(path)
    return paths


def _pictures(
    folder: Path, rows: Sequence[Mapping[str, Any]], cells: Sequence[Cell]
) -> Iterator[tuple[Sequence[str], Figure]]:
    real = [c for c in cells if c.control is None]
    kept = [row for row in {row["key"]: row for row in rows}.values() if not row.get("error")]
    several = len({c.track.protocol for c in real} | {str(row["protocol"]) for row in kept}) > 1
    runs = sorted({(c.track, c.readout) for c in real})
    for track, readout in runs:
        here = [c for c in real if (c.track, c.readout) == (track, readout)]
        headline = {c.labels for c in here if c.metric == ("r2" if readout == "continuous" else "accuracy")}
        for labels in sorted(headline):
            words = _words("dots", track, several)
            yield [*words, readout, labels], bench_dots.draw(cells, track, readout, labels)
        if len(headline) > 1:
            yield [*_words("labels", track, several), readout], label_curves.draw(cells, track, readout)
    for (track, dataset), (target, matrices) in _summed_confusions(kept).items():
        first, *others = _words("confusion", track, several)
        said = f"class readout, all training labels; {track.describe()}"
        yield [first, dataset, *others], confusions.draw(matrices, dataset, target=target, circumstances=said)
    targets = {Path(str(row["dataset"])).name: str(row.get("target") or "label") for row in kept}
    for (dataset, context, trained_on), (period, points) in _embeddings(folder / "embeddings").items():
        before, after = context
        bins = "single bins" if context == (0, 0) else f"windows of {before} bins before and {after} after"
        figure = side_by_side.draw(
            points,
            period=period,
            dataset=dataset,
            label_name=targets.get(dataset, "label"),
            circumstances=f"{bins}, encoder trained on {'all' if trained_on == 'all' else 'training'} rows",
        )
        yield ["embeddings", dataset, f"{before}-{after}", trained_on], figure


def _words(kind: str, track: Track, several: bool) -> list[str]:
    before, after = track.context
    return [kind, *([track.protocol] if several else []), f"{before}-{after}", track.rows]


def _file_word(word: str) -> str:
    """Part of a file's name: a word that came from a file may not lead out of the folder, nor be endless."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", word).lstrip(".")[:60] or "-"


def _summed_confusions(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[Track, str], tuple[str, dict[str, Matrix]]]:
    """Counts of the class readout with all labels, by track and dataset, summed over fits."""
    found: dict[tuple[Track, str], tuple[str, dict[str, Matrix]]] = {}
    for row in rows:
        before, after = row["context"]
        track = Track(str(row["protocol"]), (int(before), int(after)), str(row["rows"]))
        for score in row["scores"]:
            if score["readout"] != "class" or score["labels"] != "all" or score.get("control") is not None:
                continue
            if score.get("confusion") is None:
                continue
            _, matrices = found.setdefault((track, str(row["dataset"])), (str(row.get("target") or ""), {}))
            new = (list(score["confusion"]["classes"]), np.asarray(score["confusion"]["counts"], dtype=np.float64))
            method = str(row["method"])
            matrices[method] = _add(matrices[method], new) if method in matrices else new
    return dict(sorted(found.items(), key=lambda item: item[0]))


def _add(one: Matrix, other: Matrix) -> Matrix:
    """Add counts by the names of the classes: a fold may lack one."""
    if one[0] == other[0]:
        return one[0], one[1] + other[1]
    union = [*one[0], *(c for c in other[0] if c not in one[0])]
    classes = sorted(union, key=lambda c: (isinstance(c, str), c))
    total = np.zeros((len(classes), len(classes)))
    for names, counts in (one, other):
        at = [classes.index(c) for c in names]
        total[np.ix_(at, at)] += counts
    return classes, total


def _embeddings(folder: Path) -> dict[tuple[str, tuple[int, int], str], tuple[float | None, dict[str, Plane]]]:
    """Points by dataset, context and rows; each with the label's period and the methods' planes."""
    found: dict[tuple[str, tuple[int, int], str], tuple[float | None, dict[str, Plane]]] = {}
    # What begins with a dot is what an interrupted write left.
    for path in sorted(p for p in folder.glob("*.npz") if not p.name.startswith(".")):
        name = _EMBEDDING.fullmatch(path.stem)
        if name is None:
            raise FileError(
                f"{path.name} is no name of an embedding; expected dataset__method__before-after__rows.npz; rename or remove it"
            )
        key = (name["dataset"], (int(name["before"]), int(name["after"])), name["rows"])
        try:
            with np.load(path, allow_pickle=False) as file:
                z, label, period = np.asarray(file["z"], dtype=np.float64), file["label"], float(file["period"])
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise FileError(
                f"cannot read {path}: {error}; it must hold z, label and period; remove it and run again"
            ) from error
        _, points = found.setdefault(key, (None if math.isnan(period) else period, {}))
        points[name["method"]] = (z, label)
    return found
