"""How well a label is decoded from an estimator's rows: readouts fitted, on few or all labels, and scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.recording import Recording
from ..data.rows import group_runs
from ..data.splits import Labelled, constant_label, draw_labelled
from ..errors import DataError, SettingError, unknown_name
from ..methods import method_name
from ..methods.decoders import DecoderEstimator
from ..methods.recordings import RecordingEstimator
from ..training.rows import most_fitted
from . import metrics
from .metrics import confusion_matrix
from .readouts import (
    Angle,
    Class,
    Continuous,
    Readout,
    Scaling,
    check_classifier,
    fit_readout,
    fit_readout_few,
    fit_readout_semi_supervised,
    nearest_classes,
    readout_class,
    readout_kinds,
    readout_name,
    require_known,
    row_merits,
)
from .result import mean_interval, mean_of
from .statistics import interval_of_mean, interval_of_r2, resampling_blocks

__all__ = [
    "Fitted",
    "Scores",
    "cross_validated_score",
    "decode",
    "default_readout",
    "find_target",
    "has_classes",
    "score_predictions",
    "score_readout",
    "why_not_semi_supervised",
]


class Scores(TypedDict):
    """Scores of one readout; None where a score is not meant.

    `interval` is the 95 % bootstrap interval, low and high, of the readout's headline: `r2` for "continuous", else
    `accuracy`. For "angle", `accuracy` is within pi/8 and `delta_accuracy` within 3 pi/16.
    """

    accuracy: float | None
    delta_accuracy: float | None
    balanced_accuracy: float | None
    weighted_f1: float | None
    r2: float | None
    interval: list[float] | None
    n_train: int
    n_test: int


def score_readout(readout: Readout, z: ArrayLike, y: ArrayLike, **where: Any) -> Scores:
    """Score a fitted readout on test rows.

    Parameters
    ----------
    readout : Readout
        Fitted.
    z : array_like, shape (T, D)
        Embedding of the test rows.
    y : array_like, shape (T,) or (T, d)
        Their labels.
    **where
        `groups`, `bins`, `bin_size` and the options of `score_predictions`.

    Returns
    -------
    Scores
        Plain numbers, ready for JSON.

    Raises
    ------
    DataError
        If the labels do not suit the readout, a class was missing from the rows it was fitted on, or the target of a
        continuous readout does not vary.
    """
    true = readout.check(y)
    require_known(readout, true, "test")
    return score_predictions(readout, readout.predict(z), true, n_train=readout.n_train_, **where)


def score_predictions(
    readout: Readout,
    predicted: ArrayLike,
    y: ArrayLike,
    *,
    n_train: int,
    groups: ArrayLike,
    bins: ArrayLike,
    bin_size: float,
    block: float | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Scores:
    """Score what was predicted for test rows, by a readout or by a decoder of its own.

    Parameters
    ----------
    readout : Readout
        By whose figures to judge; it need not be fitted.
    predicted, y : array_like, shape (T,) or (T, d)
        Predictions and labels, in the units of the labels.
    n_train : int
        Rows that the predictions were learnt from.
    groups, bins : array_like of int, shape (T,)
        Segment of each row, and its position there in whole bins.
    bin_size : float
        Width of a bin in seconds.
    block : float, optional
        Seconds of a block of time, where there is one segment; see `resampling_blocks`.
    resamples, seed : int, optional
        Of the bootstrap.

    Returns
    -------
    Scores

    Raises
    ------
    DataError
        If labels or predictions do not suit the readout.
    """
    true, predicted = readout.check(y), readout.check(predicted)
    if predicted.shape != true.shape:
        raise DataError(f"predictions have shape {predicted.shape}, labels {true.shape}; give one label a row")
    scores: Scores = {
        "accuracy": None, "delta_accuracy": None, "balanced_accuracy": None, "weighted_f1": None, "r2": None,
        "interval": None, "n_train": n_train, "n_test": len(true),
    }  # fmt: skip
    blocks = resampling_blocks(groups, bins=bins, bin_size=bin_size, block=block)
    if readout.headline == "r2":
        scores["r2"] = metrics.r2(true, predicted)
        interval = interval_of_r2(true, predicted, blocks, resamples=resamples, seed=seed)
    else:
        if isinstance(readout, Angle):
            error = metrics.angular_error(readout.radians(true), readout.radians(predicted))
            hits = error < metrics.ANGLE_TOLERANCE
            scores["delta_accuracy"] = float((error < metrics.DELTA_TOLERANCE).mean())
        else:
            hits = true == predicted
            scores["balanced_accuracy"] = metrics.balanced_accuracy(true, predicted)
            scores["weighted_f1"] = metrics.weighted_f1(true, predicted)
        scores["accuracy"] = float(hits.mean())
        interval = interval_of_mean(hits, blocks, resamples=resamples, seed=seed)
    scores["interval"] = None if interval is None else list(interval)
    return scores


Fitted = Callable[[Labelled | None], RecordingEstimator]
"""Gives the estimator to be judged, for the labelled training rows or None for all: the same one if it learns no labels."""


def find_target(parts: Sequence[Recording], target: str | None) -> str:
    """Return the label to read out: the one named, else the first.

    Raises
    ------
    DataError, UnknownNameError
        If there is no label, or none of that name.
    """
    if not parts[0].labels:
        raise DataError(f"{parts[0]!r} has no label to read out; add labels to the recording")
    target = next(iter(parts[0].labels)) if target is None else target
    for part in parts:
        if target not in part.labels:
            raise unknown_name("label", target, part.labels)
    return target


def has_classes(values: NDArray[Any], readout: str) -> bool:
    """Whether labels are classes to this readout; whole real numbers are, but to an angle they are angles."""
    return values.ndim == 1 and readout != "continuous" and (values.dtype.kind != "f" or readout != "angle")


def default_readout(recording: Recording, target: str) -> str:
    """Return the readout that fits a label: "class", "angle" or "continuous"."""
    values = recording.labels[target]
    if values.ndim == 1 and values.dtype.kind != "f":
        return "class"
    return "angle" if target in recording.periods else "continuous"


def decode(
    fitted: Fitted,
    parts: tuple[Recording, Recording, Recording],
    *,
    target: str,
    readout: str,
    labels: int | None = None,
    draws: int = 10,
    seed: int = 0,
    scaling: Scaling | None = None,
    choose: bool = True,
    classifier: str = "logistic",
    semi_supervised: bool = False,
    predictions: list[NDArray[Any]] | None = None,
    rows: list[NDArray[np.float64]] | None = None,
) -> dict[str, Any]:
    """Score one estimator on one label.

    With all labels, a readout's strength is chosen on validation rows, then it is fitted on training and validation rows.
    With a few, everything, the choice included, uses the labelled training rows alone. An estimator that is a decoder
    decides itself.

    Of more rows than `most_fitted` allows for, a readout is fitted on so many evenly spaced ones (and one of each class, so
    that none is lost), and test rows are embedded and scored a block at a time, all of them.

    Parameters
    ----------
    fitted : callable
        From labelled rows, or None, to the estimator.
    parts : tuple of Recording
        Training, validation and test rows.
    target, readout : str
        What to read, and how.
    labels : int, optional
        Labelled segments per class, of which the rows of that class are labelled; minutes per class where there is one
        segment. Default: all.
    draws : int, optional
        Random choices of those to average over.
    seed : int, optional
        Of the draws and the bootstrap; equal for all that is compared.
    scaling : {"each", "common"}, optional
        How the readout scales features. Default: as the estimator asks for.
    choose : bool, optional
        Whether a strength is chosen; if not, the readout keeps its fixed default.
    classifier, semi_supervised
        As of `evaluate`.
    predictions : list, optional
        Takes what was predicted for the test rows, a draw an entry.
    rows : list, optional
        Takes what each test row adds to the headline, shape (T,), mean over draws: hit or miss, or the squared error.

    Returns
    -------
    dict
        The numbers of `Scores`, means over draws; "per_draw", the headline of each; "spread", its deviation;
        "label_unit"; "confusion", summed over draws, where there are classes; "readout_rows", how many rows were "used" of
        how many, where that is not all of them; "classifiers", how many draws took which, where `classifier` is "auto".

    Raises
    ------
    DataError, SettingError
        If the target or readout cannot be used on these rows.
    """
    train, _, test = parts
    readout = readout_name(readout)
    check_classifier(classifier, readout)
    if semi_supervised and (why := why_not_semi_supervised(train, target, readout)):
        raise DataError(why)
    period = train.periods.get(target)
    y_train, y_test = train.labels[target], test.labels[target]
    drawn: list[Labelled | None] = [None]
    if labels is not None:
        rng = np.random.default_rng(seed)
        classes = y_train if has_classes(y_train, readout) else _classes_to_draw_from(train, target)
        drawn = [
            draw_labelled(classes, train.segments, labels, rng, bins=train.bins, bin_size=train.bin_size)
            for _ in range(draws)
        ]
    by_rule = readout_class(readout)(period=period)
    place: dict[str, Any] = {
        "groups": test.segments, "bins": test.bins, "bin_size": test.bin_size, "seed": seed,
    }  # fmt: skip
    scores: list[dict[str, Any]] = []
    predictions = [] if predictions is None else predictions
    there: list[int] = []
    taken: list[str] = []
    for chosen in drawn:
        estimator = fitted(chosen)
        if isinstance(estimator, DecoderEstimator):
            if semi_supervised or classifier != "logistic":
                raise SettingError(
                    f"{method_name(type(estimator))} names classes itself, with no readout; leave semi_supervised and classifier out"
                )
            predicted = estimator.predict(test)
            scores.append(dict(score_predictions(by_rule, predicted, y_test, n_train=estimator.n_labelled_, **place)))
        else:
            by = scaling or estimator.readout_scaling
            most = most_fitted((sum(estimator.context) + 1) * train.n_units)
            if semi_supervised and chosen is not None:
                reader, n_rows = _fit_semi_supervised(estimator, train, target, chosen, by, classifier, most)
            else:
                reader, n_rows = _fit(estimator, parts, target, readout, chosen, by, choose, classifier, most)
            there.append(n_rows)
            taken.append(getattr(reader, "classifier", ""))
            if len(test) > most:
                require_known(reader, y_test, "test")
                predicted = np.concatenate([reader.predict(z) for z in estimator.transform_blocks(test)])
                scores.append(dict(score_predictions(reader, predicted, y_test, n_train=reader.n_train_, **place)))
            else:
                z_test = estimator.transform(test)
                scores.append(dict(score_readout(reader, z_test, y_test, **place)))
                predicted = reader.predict(z_test)
        predictions.append(predicted)
    result = _average(scores, by_rule.headline)
    if there and result["n_train"] < round(float(np.mean(there))):
        result["readout_rows"] = {"used": result["n_train"], "of": round(float(np.mean(there)))}
    if classifier == "auto":
        result["classifiers"] = {name: taken.count(name) for name in sorted(set(taken))}
    result["spread"] = (
        None if labels is None else float(np.std(result["per_draw"], ddof=min(1, len(result["per_draw"]) - 1)))
    )
    result["label_unit"] = None if drawn[0] is None else drawn[0].unit
    if rows is not None:
        rows.append(np.mean([row_merits(by_rule, y_test, predicted) for predicted in predictions], axis=0))
    if has_classes(y_test, readout):
        names = np.unique(np.concatenate([y_train, y_test]))
        counts = sum(confusion_matrix(y_test, nearest_classes(p, names, period), names) for p in predictions)
        result["confusion"] = {"classes": names.tolist(), "counts": np.asarray(counts).tolist()}
    return result


def _fit(
    estimator: RecordingEstimator,
    parts: tuple[Recording, Recording, Recording],
    target: str,
    readout: str,
    labelled: Labelled | None,
    scaling: Scaling,
    choose: bool,
    classifier: str,
    most: int,
) -> tuple[Readout, int]:
    """Fit a readout on so many rows at most; return it, and how many there were."""
    train, valid, _ = parts
    period = train.periods.get(target)
    y, y_valid = train.labels[target], valid.labels[target]
    options: dict[str, Any] = {"period": period, "scaling": scaling, "classifier": classifier}
    by_default = readout_kinds(readout, classifier)[0](period=period, scaling=scaling)
    if labelled is not None:
        there = len(labelled.rows)
        if len(train) <= most:
            z = estimator.transform(train)
        else:
            some = _spread(y[labelled.rows], readout, most)
            rows = labelled.rows[some]
            labelled = replace(labelled, rows=np.arange(len(rows)), parts=labelled.parts[some])
            z, y = _embed(estimator, train, rows), y[rows]
        if not choose:
            return by_default.fit(z[labelled.rows], y[labelled.rows]), there
        return fit_readout_few(readout, z, y, labelled, **options), there
    there = len(train) + len(valid) * choose
    rows = _spread(y, readout, len(train) * min(most, there) // there)
    z, y = _embed(estimator, train, rows), y[rows]
    if not choose:
        return by_default.fit(z, y), there
    rows = _spread(y_valid, readout, -(-len(valid) * min(most, there) // there))
    z_valid, y_valid = _embed(estimator, valid, rows), y_valid[rows]
    return fit_readout(readout, z, y, z_valid, y_valid, **options), there


def _fit_semi_supervised(
    estimator: RecordingEstimator,
    train: Recording,
    target: str,
    labelled: Labelled,
    scaling: Scaling,
    classifier: str,
    most: int,
) -> tuple[Readout, int]:
    """Fit a readout on labelled and unlabelled training rows, so many at most; return it, and how many there were."""
    rows = np.arange(len(train))
    if len(train) > most:
        # No more than half of the rows are labelled ones, and labels do not choose the others.
        some = _spread(train.labels[target][labelled.rows], "class", most // 2)
        labelled = replace(labelled, rows=labelled.rows[some], parts=labelled.parts[some])
        others = max(1, most - len(labelled.rows))
        rows = np.union1d(np.arange(others) * len(train) // others, labelled.rows)
        labelled = replace(labelled, rows=np.searchsorted(rows, labelled.rows))
    z, y = _embed(estimator, train, rows), train.labels[target][rows]
    reader = fit_readout_semi_supervised(z, y, train.segments[rows], labelled, scaling=scaling, classifier=classifier)
    return reader, len(train)


def why_not_semi_supervised(train: Recording, target: str, readout: str) -> str:
    """Say why unlabelled segments cannot help to read out a label; "" if they can.

    Parameters
    ----------
    train : Recording
        Training rows.
    target, readout : str
        What to read, and how.

    Returns
    -------
    str
    """
    if readout_name(readout) != "class":
        return f"semi-supervised learning is of classes, and the readout is '{readout}'; use readout 'class', or leave it out"
    if constant_label(train, target) is None:
        values = train.labels[target]
        heads, lengths = group_runs(train.segments)
        mixed = [bool((values[h : h + n] != values[h]).any()) for h, n in zip(heads, lengths, strict=True)]
        return (
            f"label '{target}' changes inside {sum(mixed)} of {len(mixed)} training segments, first in segment "
            f"{train.segments[heads[mixed.index(True)]]}; semi-supervised learning needs one that is the same in all bins of "
            "a segment, such as the direction of a reach; choose another label, or leave it out"
        )
    if train.n_segments < 2:
        return (
            f"the recording has one training segment; semi-supervised learning of '{target}' needs a segment of each class "
            "and unlabelled ones besides; give the recording segments, or leave it out"
        )
    return ""


def _spread(y: NDArray[Any], readout: str, most: int) -> NDArray[np.int64]:
    """Return at most so many rows, evenly spaced, and besides these the first row of each class."""
    if len(y) <= most:
        return np.arange(len(y))
    rows = np.arange(most) * len(y) // most
    return np.union1d(rows, np.unique(y, return_index=True)[1]) if has_classes(y, readout) else rows


def _embed(estimator: RecordingEstimator, part: Recording, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Embed some rows, each with its whole context window."""
    if len(rows) == len(part):
        return estimator.transform(part)
    return np.concatenate(list(estimator.transform_blocks(part, rows=rows)))


def _average(scores: list[dict[str, Any]], headline: str) -> dict[str, Any]:
    result: dict[str, Any] = {k: mean_of([s[k] for s in scores]) for k in metrics.METRICS}
    result["interval"] = mean_interval(scores)
    result["per_draw"] = [s[headline] for s in scores]
    result["n_train"] = round(float(np.mean([s["n_train"] for s in scores])))
    result["n_test"] = scores[0]["n_test"]
    return result


def _classes_to_draw_from(train: Recording, target: str) -> NDArray[Any]:
    """Return the classes of which each gets n labelled segments.

    A target without classes takes those of another label that is constant in every segment, such as the direction of
    each reach; without one, n segments or minutes are drawn in all.
    """
    values = train.labels[target]
    if values.ndim == 1 and values.dtype.kind != "f":
        return values
    discrete = [name for name, v in train.labels.items() if v.ndim == 1 and v.dtype.kind != "f"]
    constant = [name for name in discrete if constant_label(train, name) is not None]
    return train.labels[constant[0]] if constant and train.n_segments > 1 else np.zeros(len(train), dtype=np.int64)


N_FOLDS = 5
BLOCKS_PER_FOLD = 4


def cross_validated_score(z: ArrayLike, y: ArrayLike, *, groups: ArrayLike | None = None) -> float:
    """Accuracy of a logistic readout of classes, or R2 of a ridge readout of real numbers, on rows left out in turn.

    Folds keep segments whole; without segments they are made of blocks of consecutive rows. The readout's strength is
    its fixed default, so that nothing is chosen on the rows that are scored.

    Parameters
    ----------
    z : array_like, shape (T, D)
        Embedding.
    y : array_like, shape (T,) or (T, d)
        Labels: whole numbers or strings are classes, real numbers or several columns are not.
    groups : array_like of int, shape (T,), optional
        Segment of each row.

    Returns
    -------
    float
        Of all rows together, each predicted by the readout that had not seen its fold.

    Raises
    ------
    DataError
        If there are too few rows or segments to leave some out, or the labels do not suit a readout.
    """
    x, target = np.asarray(z), np.asarray(y)
    if groups is None:
        part = np.arange(len(x)) * N_FOLDS * BLOCKS_PER_FOLD // max(1, len(x))
    else:
        part = np.unique(np.asarray(groups), return_inverse=True)[1]
    if len(target) != len(x) or len(part) != len(x):
        raise DataError(f"there are {len(x)} rows, {len(target)} labels and {len(part)} groups; give one of each a row")
    fold = np.unique(part, return_inverse=True)[1] % N_FOLDS
    if len(x) == 0 or fold.max() == 0:
        raise DataError(f"{len(x)} rows in one segment or block cannot be cross-validated; give two or more")
    kind = Class if target.ndim == 1 and target.dtype.kind != "f" else Continuous
    predicted = np.empty(target.shape, target.dtype if kind is Class else np.float64)
    for left_out in range(fold.max() + 1):
        held = fold == left_out
        predicted[held] = kind().fit(x[~held], target[~held]).predict(x[held])
    return metrics.accuracy(target, predicted) if kind is Class else metrics.r2(target, predicted)
