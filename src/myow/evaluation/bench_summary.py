"""Rows of the bench: their file, their shape, and their summary."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError, FileError
from ..io.files import append_line, locked, remove_leftovers, whole_lines
from ..io.untrusted import NUMBER, each, mapping, misfit, optional, whole
from .metrics import METRICS
from .published import METHOD_NAMES
from .readouts import READOUTS
from .statistics import Comparison, adjust, compare, corrected_interval, range_of

__all__ = [
    "CONTROLS",
    "METRICS",
    "YARDSTICKS",
    "Cell",
    "RowsFile",
    "Track",
    "failures",
    "fit_row",
    "image_row",
    "summarise",
]

CONTROLS = ("permuted", "shifted")
"""Ways to destroy labels, so that nothing should be found."""
YARDSTICKS: Mapping[str, tuple[str, ...]] = {"raw": (), "myow": ("raw", "byol", "unmined")}
"""Methods that a method is compared with; those not named are compared with raw counts."""


@dataclass(frozen=True, order=True)
class Track:
    """Conditions that must agree between results that stand beside each other."""

    protocol: str
    """"released", one split and several seeds, or "cv", folds that each seed deals anew."""
    context: tuple[int, int]
    """Bins before and after each bin that are seen with it."""
    rows: str
    """"train" if encoders were trained on training rows, "all" if on every row, without labels."""

    def describe(self) -> str:
        """Return the conditions in words.

        Examples
        --------
        >>> Track("cv", (0, 0), "train").describe()
        'single bins, encoder trained on training rows, cross-validation by trial or stretch of time'
        """
        before, after = self.context
        seen = (
            f"windows of {before + after + 1} bins ({before} before, {after} after)"
            if before or after
            else "single bins"
        )
        rows = {"train": "training rows", "all": "all rows, those of the test included"}.get(self.rows, self.rows)
        protocol = {"cv": "cross-validation by trial or stretch of time", "released": "the released split"}
        return f"{seen}, encoder trained on {rows}, {protocol.get(self.protocol, self.protocol)}"


@dataclass(frozen=True)
class Cell:
    """One entry of a table: a metric of a method on a recording, over all its fits."""

    track: Track
    dataset: str
    method: str
    readout: str
    labels: str
    """"all", or how many labelled segments or minutes a class."""
    metric: str
    control: str | None
    """How labels were destroyed, so that nothing should be found; None for the real ones."""
    label_unit: str | None
    mean: float
    low: float | None
    """Lower end of the mean's 95 % interval."""
    high: float | None
    deviation: float | None
    """Deviation over fits, None for a single one."""
    n: int
    """Number of fits."""
    uses_labels: bool
    majority: float | None
    """Accuracy of always saying the commonest training label."""
    n_classes: int | None
    against: Mapping[str, Comparison]
    """Comparisons by the method compared with; those that cannot be made are absent."""


class _Family(NamedTuple):
    """Contents of one table; the comparisons of each of its columns are adjusted together."""

    track: Track
    readout: str
    labels: str
    metric: str
    control: str | None


class _Fit(NamedTuple):
    """Contribution of one fit to one cell."""

    key: str
    value: float
    share: float  # test rows over all others
    uses_labels: bool
    interval: Sequence[float] | None
    majority: float | None
    n_classes: int | None
    label_unit: str | None


Place = tuple[str, str]  # dataset and method
Fits = dict[tuple[int, int], _Fit]  # by fold and seed


def summarise(rows: Sequence[Mapping[str, Any]]) -> list[Cell]:
    """Average rows over fits, and compare methods on the splits that both were fitted on.

    Over several splits (protocol "cv"), the interval is the corrected resampled t interval of the mean. On a single
    split it is the mean over seeds of the rows' own bootstrap intervals, which only a readout's headline has. Every
    method is compared with "raw", and "myow" with "byol" and "unmined" too, over two or more splits. Each p is adjusted, by Holm's
    step-down, for all comparisons of its column: one recording, track, readout, number of labels, metric and control, all
    methods.

    Parameters
    ----------
    rows : sequence of mapping
        Lines of rows.jsonl. Of several with one key the last counts. Rows with an error are left out.

    Returns
    -------
    list of Cell
        By table, then by recording in order of appearance, then by method.

    Raises
    ------
    DataError
        If a row lacks a field or has a figure that is no number, or rows that would be averaged or compared do not belong
        together: other settings, target, folds or content of the recording, or the same fold and seed twice.
    """
    good = [row for row in _latest(rows) if row["error"] is None]
    first: dict[tuple[Any, ...], Any] = {}
    tables: dict[_Family, dict[Place, Fits]] = {}
    for row in good:
        try:
            _check_that_it_belongs(row, first)
            _sort_in(row, tables)
        except KeyError as missing:
            raise DataError(f"row {row['key']} has no {missing}; was it written by another version of myow?") from None
    datasets = list(dict.fromkeys(str(row["dataset"]) for row in good))
    cells: list[Cell] = []
    for family in sorted(tables, key=_order_of_family):
        table = tables[family]
        places = sorted(table, key=lambda place: (datasets.index(place[0]), _rank(place[1], METHOD_NAMES)))
        cells += _compared(table, [_cell(family, place, table[place]) for place in places])
    return cells


def failures(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the rows whose fit failed.

    Parameters
    ----------
    rows : sequence of mapping
        Lines of rows.jsonl. Of several with one key the last counts, so that a fit that worked later did not fail.

    Returns
    -------
    list of mapping
        In order of appearance.
    """
    return [row for row in _latest(rows) if row["error"] is not None]


def _latest(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    latest: dict[str, Mapping[str, Any]] = {}
    for number, row in enumerate(rows, start=1):
        if "key" not in row or "error" not in row:
            raise DataError(f"row {number} has no 'key' or no 'error'; give the lines of a rows.jsonl of myow bench")
        latest[row["key"]] = row
    return list(latest.values())


def _track(row: Mapping[str, Any]) -> Track:
    before, after = row["context"]
    return Track(str(row["protocol"]), (int(before), int(after)), str(row["rows"]))


def _check_that_it_belongs(row: Mapping[str, Any], first: dict[tuple[Any, ...], Any]) -> None:
    """Refuse a row of a recording with other content, target or folds than the first, or of a method with other settings."""
    track, dataset, method = _track(row), row["dataset"], row["method"]
    shared = [(dataset, name, row[name]) for name in ("checksum", "target", "period", "folds")]
    for who, name, value in [*shared, (f"{method} on {dataset}", "settings", row["settings"])]:
        known = first.setdefault((track, who, name), value)
        if known != value:
            raise DataError(
                f"rows of {who} ({track.describe()}) have {name} {known} and {value}; "
                "they cannot stand in one table, summarise them apart"
            )


def _sort_in(row: Mapping[str, Any], tables: dict[_Family, dict[Place, Fits]]) -> None:
    split = (int(row["fold"]), int(row["seed"]))
    share = row["n_test"] / (row["n_train"] + row["n_valid"])
    for score in row["scores"]:
        said = (row["uses_labels"], *(score[k] for k in ("interval", "majority", "n_classes", "label_unit")))
        for metric in METRICS:
            if score[metric] is None:
                continue
            family = _Family(_track(row), score["readout"], str(score["labels"]), metric, score["control"])
            fits = tables.setdefault(family, {}).setdefault((row["dataset"], row["method"]), {})
            if split in fits:
                raise DataError(
                    f"fold {split[0]} of seed {split[1]} of {row['method']} on {row['dataset']} is there twice "
                    f"(rows {fits[split].key} and {row['key']}, readout {family.readout}, labels {family.labels}); leave one out"
                )
            if not np.isfinite(score[metric]):
                raise DataError(
                    f"row {row['key']} has {metric} {score[metric]}; a figure that is not meant must be null"
                )
            fits[split] = _Fit(row["key"], float(score[metric]), share, *said)


def _cell(family: _Family, place: Place, fits: Fits) -> Cell:
    values = np.array([fit.value for fit in fits.values()])
    low, high = _interval(family, list(fits.values()))
    majority = [fit.majority for fit in fits.values() if fit.majority is not None]
    n_classes = [fit.n_classes for fit in fits.values() if fit.n_classes is not None]
    first = next(iter(fits.values()))
    return Cell(
        track=family.track,
        dataset=place[0],
        method=place[1],
        readout=family.readout,
        labels=family.labels,
        metric=family.metric,
        control=family.control,
        label_unit=first.label_unit,
        mean=float(values.mean()),
        low=low,
        high=high,
        deviation=float(values.std(ddof=1)) if len(values) > 1 else None,
        n=len(values),
        uses_labels=bool(first.uses_labels),
        majority=float(np.mean(majority)) if majority else None,
        n_classes=max(n_classes) if n_classes else None,
        against={},
    )


def _interval(family: _Family, fits: Sequence[_Fit]) -> tuple[float | None, float | None]:
    if family.track.protocol == "cv" and len(fits) > 1:
        return corrected_interval([fit.value for fit in fits], _share(fits), within=range_of(family.metric))
    headline = READOUTS[family.readout].headline if family.readout in READOUTS else "accuracy"
    own = [fit.interval for fit in fits if fit.interval is not None]
    if family.metric != headline or not own:
        return None, None
    low, high = np.mean(own, axis=0)
    return float(low), float(high)


def _share(fits: Iterable[_Fit]) -> float:
    return float(np.mean([fit.share for fit in fits]))


def _compared(table: Mapping[Place, Fits], cells: Sequence[Cell]) -> list[Cell]:
    """Fill in the comparisons of one table."""
    found: dict[tuple[int, str], Comparison] = {}
    for i, cell in enumerate(cells):
        if cell.track.protocol != "cv":
            continue
        ours = table[cell.dataset, cell.method]
        for other in YARDSTICKS.get(cell.method, ("raw",)):
            theirs = table.get((cell.dataset, other), {})
            pairs = [split for split in ours if split in theirs]
            if len(pairs) > 1:
                differences = [ours[split].value - theirs[split].value for split in pairs]
                found[i, other] = compare(differences, _share(ours[split] for split in pairs))
    adjusted: dict[tuple[int, str], Comparison] = {}
    for dataset in {cell.dataset for cell in cells}:  # a column is what a reader looks down for the best
        column = [place for place in found if cells[place[0]].dataset == dataset]
        adjusted |= zip(column, adjust([found[place] for place in column]), strict=True)
    return [
        replace(cell, against={other: comparison for (j, other), comparison in adjusted.items() if j == i})
        for i, cell in enumerate(cells)
    ]


def _order_of_family(family: _Family) -> tuple[Any, ...]:
    few = family.labels != "all"
    number = float(family.labels) if family.labels.isdecimal() else np.inf
    return (
        family.track,
        _rank(family.readout, READOUTS),
        (few, number if few else 0.0, family.labels),
        _rank(family.control, (None, *CONTROLS)),
        METRICS.index(family.metric),
    )


def _rank(name: str | None, known: Iterable[str | None]) -> tuple[int, str]:
    """Order by a list; what is not on it comes last, by name."""
    order = list(known)
    return (order.index(name), "") if name in order else (len(order), str(name))


_SAID = {"key": str, "dataset": str, "checksum": str, "method": str, "settings": dict, "seed": whole(), "version": str,
         "torch": str, "machine": str, "error": optional(str)}  # fmt: skip
_JOB = _SAID | {
    "fit_key": str,
    "uses_labels": bool,
    "protocol": str,
    "fold": whole(),
    "folds": whole(1),
    "context": each(whole(), whole()),
    "rows": str,
    "target": str,
    "tasks": [each(str, str)],
    "draws": whole(1),
    "scores": list,
}
_CONFUSION = {"classes": list, "counts": [[NUMBER]]}
_SCORE = {
    "readout": str,
    "labels": str,
    "control": optional(str),
    "majority": optional(NUMBER),
    "n_classes": optional(whole(1)),
    "label_unit": optional(str),
    "interval": optional(each(NUMBER, NUMBER)),
    **dict.fromkeys(METRICS, optional(NUMBER)),
}
_FITTED = {
    "period": optional(NUMBER),
    "n_train": whole(1),
    "n_valid": whole(),
    "n_test": whole(1),
    "seconds": NUMBER,
    "scores": [_SCORE],
}

IMAGE_READOUT_NAMES = {"linear", "knn"}
_FOUND = mapping({"accuracy": NUMBER, "majority": NUMBER, "interval": each(NUMBER, NUMBER)})
_IMAGES = _SAID | {
    "subset": str,
    "encoder": str,
    "width": whole(1),
    "tasks": [str],
    "readout_epochs": whole(1),
    "scores": dict,
}
_TRAINED = {"steps": whole(), "epochs": NUMBER, "scores": mapping(mapping(_FOUND))}


def fit_row(row: Any) -> str:
    """Describe what is wrong with a row of a bench of recordings; "" if nothing is."""
    wrong = misfit(row, _JOB) or ("" if row["error"] is not None else misfit(row, _FITTED))
    if wrong:
        return wrong
    for score in row["scores"]:
        confusion = score.get("confusion") if isinstance(score, dict) else None
        if confusion is not None and (inner := misfit(confusion, _CONFUSION)):
            return f"confusion: {inner}"
        if confusion is not None and {len(confusion["classes"])} != {
            len(confusion["counts"]),
            *map(len, confusion["counts"]),
        }:
            return "confusion is no square of its classes"
    return ""


def image_row(row: Any) -> str:
    """Describe what is wrong with a row of a bench of images; "" if nothing is."""
    wrong = misfit(row, _IMAGES) or ("" if row["error"] is not None else misfit(row, _TRAINED))
    if wrong:
        return wrong
    for labels, found in row["scores"].items():
        if not (labels == "all" or labels.isdecimal()):
            return f"scores hold {labels!r:.20}"
        for of in ("embedding", "raw", "untrained"):
            if of not in found or not set(found[of]) >= IMAGE_READOUT_NAMES:
                return f"scores.{labels} lack a readout of {of}"
    return ""


class RowsFile:
    """A file of rows that survives being interrupted at any moment.

    A line is handed to the system in one write and synced. A line that was cut off none the less has no line end, and is
    removed before the next one is written.

    Parameters
    ----------
    path : Path
        The file; it need not exist.
    wrong : callable, optional
        Says what is wrong with a row, "" if nothing is; see `myow.evaluation.bench_summary`. Default: it must have a key.
    """

    def __init__(self, path: Path, wrong: Callable[[Any], str] = lambda row: misfit(row, {"key": str})) -> None:
        self.path, self.wrong = path, wrong

    def read(self) -> list[dict[str, Any]]:
        """Return all whole rows; of several with one key the last, in the place of the first.

        Raises
        ------
        FileError
            If the file cannot be read or a whole line of it is no row.
        """
        rows: dict[str, dict[str, Any]] = {}
        for number, line in enumerate(whole_lines(self.path).splitlines(), 1):
            try:
                row = json.loads(line)
                why = self.wrong(row).strip()
            except (ValueError, RecursionError) as error:
                why = str(error).splitlines()[0]
            if why:
                raise FileError(f"line {number} of {self.path} is not a row ({why:.80}); remove that line")
            rows[row["key"]] = row
        return list(rows.values())

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row.

        Raises
        ------
        FileError
            If it cannot be written; the file then ends with the last whole row.
        """
        append_line(self.path, json.dumps(row, allow_nan=False))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second bench out of the same folder for a while, and clear away what one that was killed left half written.

        Raises
        ------
        FileError
            If another one is at work there.
        """
        with locked(self.path.with_suffix(".lock"), "another bench"):
            for folder in (self.path.parent, self.path.parent / "embeddings", self.path.parent / "figures"):
                remove_leftovers(folder)
            yield
