"""Evaluation of an embedding beside raw counts, components and an untrained encoder."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from ..data.recording import Recording, warn_if_odd
from ..data.splits import constant_label, fold_rows
from ..errors import DataError, SettingError, unknown_name
from ..methods import method_name
from ..methods.baselines import PCA, Raw, Untrained
from ..methods.decoders import DecoderEstimator
from ..methods.recordings import RecordingEstimator
from ..training.rows import most_fitted
from . import metrics
from .metrics import confusion_matrix, majority_rate
from .readouts import (
    Angle,
    Labelled,
    Readout,
    Scaling,
    draw_labelled,
    fit_readout,
    fit_readout_few,
    nearest_classes,
    readout_class,
    require_known,
    row_merits,
)
from .result import (
    BASELINES,
    CONTROL_WORDS,
    Evaluation,
    difference_of,
    headline_of,
    interval_over,
    mean_of,
    mean_of_tries,
    over_folds,
    range_of_difference,
    verdict,
)
from .statistics import (
    control,
    corrected_interval,
    interval_of_mean,
    interval_of_r2,
    paired_interval,
    resampling_blocks,
)

__all__ = [
    "Fitted",
    "Scores",
    "decode",
    "default_readout",
    "evaluate",
    "find_target",
    "has_classes",
    "majority_rate",
    "score_predictions",
    "score_readout",
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
    predictions : list, optional
        Takes what was predicted for the test rows, a draw an entry.
    rows : list, optional
        Takes what each test row adds to the headline, shape (T,), mean over draws: hit or miss, or the squared error.

    Returns
    -------
    dict
        The numbers of `Scores`, means over draws; "per_draw", the headline of each; "spread", its deviation;
        "label_unit"; "confusion", summed over draws, where there are classes; "readout_rows", how many rows were "used" of
        how many, where that is not all of them.

    Raises
    ------
    DataError, SettingError
        If the target or readout cannot be used on these rows.
    """
    train, _, test = parts
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
    for chosen in drawn:
        estimator = fitted(chosen)
        if isinstance(estimator, DecoderEstimator):
            predicted = estimator.predict(test)
            scores.append(dict(score_predictions(by_rule, predicted, y_test, n_train=estimator.n_labelled_, **place)))
        else:
            by = scaling or estimator.readout_scaling
            most = most_fitted((sum(estimator.context) + 1) * train.n_units)
            reader, n_rows = _fit(estimator, parts, target, readout, chosen, by, choose, most)
            there.append(n_rows)
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
    most: int,
) -> tuple[Readout, int]:
    """Fit a readout on so many rows at most; return it, and how many there were."""
    train, valid, _ = parts
    period = train.periods.get(target)
    y, y_valid = train.labels[target], valid.labels[target]
    if choose and labelled is not None:
        there = len(labelled.rows)
        if len(train) <= most:
            z = estimator.transform(train)
        else:
            some = _spread(y[labelled.rows], readout, most)
            rows = labelled.rows[some]
            labelled = replace(labelled, rows=np.arange(len(rows)), parts=labelled.parts[some])
            z, y = _embed(estimator, train, rows), y[rows]
        return fit_readout_few(readout, z, y, labelled, period=period, scaling=scaling), there
    there = len(train) + len(valid) * choose
    rows = _spread(y, readout, len(train) * min(most, there) // there)
    z, y = _embed(estimator, train, rows), y[rows]
    if not choose:
        return readout_class(readout)(period=period, scaling=scaling).fit(z, y), there
    rows = _spread(y_valid, readout, -(-len(valid) * min(most, there) // there))
    z_valid, y_valid = _embed(estimator, valid, rows), y_valid[rows]
    return fit_readout(readout, z, y, z_valid, y_valid, period=period, scaling=scaling), there


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
    intervals = [s["interval"] for s in scores if s["interval"] is not None]
    result["interval"] = np.mean(intervals, axis=0).tolist() if intervals else None
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


def evaluate(
    model: RecordingEstimator,
    recording: Recording,
    valid: Recording | None = None,
    test: Recording | None = None,
    *,
    target: str | None = None,
    readout: str | None = None,
    labels: int | None = None,
    draws: int = 10,
    seen: Recording | None = None,
    cv: int | None = None,
    refit: bool = True,
    controls: bool = False,
    random_state: int = 0,
) -> Evaluation:
    """Read a label out of an embedding, of raw counts, of principal components and of an untrained encoder.

    Of one recording, segments are dealt to folds, stratified by the label where it is constant inside segments. In each fold a
    clone of the model learns from the training segments alone, and test segments decide nothing. Of three parts, the
    model is taken as it is fitted.

    The readout's strength is chosen on validation rows, then it is fitted on training and validation rows; test rows
    decide nothing. With `labels`, everything, the choice included, uses a few labelled training segments alone, the same
    for every row of the comparison.

    Of large recordings, readouts are fitted on 20,000 evenly spaced training and validation rows, the same for every row of
    the comparison, and principal components on 20,000 training rows; on fewer where the context windows of so many hold more
    than 67 million values. All test rows are scored.

    Parameters
    ----------
    model : RecordingEstimator
        Fitted, if it is not refitted here.
    recording : Recording
        The whole, to be cross-validated; or its training part, with `valid` and `test`.
    valid, test : Recording, optional
        The other two parts.
    target : str, optional
        Label to read out. Default: the first.
    readout : {"angle", "class", "continuous", "knn"}, optional
        Default: "class" for whole numbers and names, "angle" for cyclic real numbers, else "continuous".
    labels : int, optional
        Labelled segments per class, of which the rows of that class are labelled; minutes per class where there is one
        segment. Default: all.
    draws : int, optional
        Random choices of those segments to average over.
    seen : Recording, optional
        Of three parts: rows that the encoder was trained on, if more than the training part; principal components are
        learnt from the same.
    cv : int, optional
        Number of folds of a whole recording. Default: 5. There are none of three parts.
    refit : bool, optional
        Whether a clone is fitted in each fold. If not, the fitted model embeds all folds; it is said to be transductive if it
        was trained on these rows, and baselines then learn from all of them too.
    controls : bool, optional
        Whether the same is done with labels that do not belong to the activity: exchanged between segments, and shifted in
        time. What is read out then is not in the activity.
    random_state : int, optional
        Seed of folds, draws, controls and the bootstrap.

    Returns
    -------
    Evaluation
        A mapping, shown as a table with a verdict; it has `to_frame`, `to_dict` and `plot`. Its keys:
        "dataset", "method", "target", "readout", "period" (the label value of a full turn, or None), "labels", "label_unit" ("segment" or "minute", None without `labels`);
        "n_train", "n_test"; "accuracy", "delta_accuracy",
        "balanced_accuracy", "weighted_f1", "r2" (None where not meant); "interval" (95 %, bootstrap over test segments or
        blocks of time, of R2 for "continuous", else of the accuracy; with `labels` the mean over draws; of folds the
        corrected resampled t interval, which ends where an accuracy does); "spread"
        (deviation of the headline over draws, None without `labels`); "raw", "pca" and "untrained", with the same keys and
        the same readout, which standardises each feature; "raw_common" and "pca_common", where one common deviation
        scales all features instead;
        "majority", the accuracy of the commonest training label; "confusion", counts with the classes in order, where
        there are classes. Where not all rows were fitted on, "readout_rows" and "pca_rows" say how many were "used" "of" how
        many, for readouts and principal components; else there are no such keys.
        "differences": for each baseline the paired "difference" (embedding minus baseline), its interval "low" and "high",
        which holds at 95 % for all baselines together (Bonferroni), and "verdict"; "verdict", the same in words;
        "transductive": whether the encoder was trained on test rows, None if that cannot be told; with folds "folds", their
        number, and "per_fold", the headline of each; with `controls` "controls", the scores under "exchanged" and "shifted".

    Raises
    ------
    DataError, SettingError
        If the target or readout cannot be used on these rows.
    """
    if draws < 1:
        raise SettingError(f"draws is {draws}; it must be 1 or more")
    if (valid is None) != (test is None):
        raise SettingError("give one recording, or all three of training, validation and test rows")
    how: dict[str, Any] = {"readout": readout, "labels": labels, "draws": draws, "seed": random_state}
    if valid is not None and test is not None:
        if cv is not None:
            raise SettingError(f"cv={cv} parts a whole recording, and these are parts already; give one or the other")
        check_is_fitted(model, "network_")
        target = find_target((recording, valid, test), target)
        how["readout"] = readout or default_readout(recording, target)
        _warn_of_few(recording, test, target, how["readout"])
        parts = (recording, valid, test)
        result = _of_parts(model, parts, seen, target=target, controls=CONTROLS if controls else 0, **how)
        return _finished(result | {"transductive": _saw(model, parts, seen)})
    if seen is not None:
        raise SettingError(
            "seen says what a fitted model saw besides training rows; of a whole recording use refit=False"
        )
    target = find_target((recording,), target)
    how["readout"] = readout or default_readout(recording, target)
    _warn_of_few(recording, recording, target, how["readout"])
    return _finished(_cross_validate(model, recording, cv or FOLDS, target, refit, controls, how))


FOLDS = 5
CONTROLS = 5  # times that labels are exchanged, of three parts; once a fold of a whole recording

Parts = tuple[Recording, Recording, Recording]


def _finished(result: dict[str, Any]) -> Evaluation:
    return Evaluation(result | {"verdict": verdict(result)})


def _saw(model: RecordingEstimator, parts: Parts, seen: Recording | None) -> bool | None:
    """Whether a fitted model was trained on test rows, as far as checksums tell."""
    trained = {about.get("digest") for about in model.trained_on_}
    if seen is not None or parts[2].digest() in trained:
        return True
    return False if trained == {parts[0].digest()} else None


def _cross_validate(
    model: RecordingEstimator, whole: Recording, cv: int, target: str, refit: bool, controls: bool, how: dict[str, Any]
) -> dict[str, Any]:
    """Evaluate each fold, and put the folds together."""
    warn_if_odd(whole)
    if not refit:
        check_is_fitted(model, "network_")
    constant = whole.n_segments > 1 and constant_label(whole, target) is not None
    stratify = target if constant and has_classes(whole.labels[target], how["readout"]) else None
    found: list[dict[str, Any]] = []
    for train, valid, test in fold_rows(whole, cv, seed=how["seed"], stratify=stratify, gap=None):
        parts = whole.select(train), whole.select(valid), whole.select(test)
        fitted = model
        if refit:
            fitted = clone(model)
            if hasattr(model, "seed_"):
                fitted.set_params(random_state=model.seed_)
            fitted.fit(parts[0], parts[0].labels[target] if model.uses_labels else None)
        number = len(found)
        found.append(
            _of_parts(
                fitted,
                parts,
                None if refit else whole,
                target=target,
                controls=1 if controls else 0,
                number=number,
                **how,
            )
        )
    result = over_folds(found)
    key = headline_of(how["readout"])
    share = float(np.mean([one["n_test"] / one["n_train"] for one in found]))
    result |= {name: over_folds([one[name] for one in found], share, key) for name in BASELINES}
    result |= {"interval": interval_over([one[key] for one in found], share, key), "folds": len(found)}
    result["differences"] = {
        name: difference_of(
            float(np.mean(gained := [one[key] - one[name][key] for one in found])),
            corrected_interval(gained, share, 1 - 0.05 / len(BASELINES), within=range_of_difference(key)),
        )
        for name in BASELINES
    }
    if controls:
        result["controls"] = {
            name: over_folds([one["controls"][name] for one in found], share, key) for name in CONTROL_WORDS
        }
    trained = {about.get("digest") for about in getattr(model, "trained_on_", [])}
    result["transductive"] = False if refit else True if whole.digest() in trained else None
    return result


def _of_parts(
    model: RecordingEstimator,
    parts: Parts,
    seen: Recording | None,
    *,
    target: str,
    readout: str,
    labels: int | None,
    draws: int,
    seed: int,
    controls: int = 0,
    number: int = 0,
) -> dict[str, Any]:
    """Score a fitted model and the baselines on one split, and compare them row by row."""
    train, _, test = parts
    known = train if seen is None else seen
    context = (int(model.context[0]), int(model.context[1]))
    raw, components = Raw(context=context).fit(known), PCA(context=context).fit(known)
    untrained = _untrained(model, context).fit(known)

    def trained(labelled: Labelled | None, of: Recording = train) -> RecordingEstimator:
        if not model.uses_labels or (labelled is None and of is train):
            return model
        # With few labels, or false ones, what learns from labels learns anew, from those alone.
        again: RecordingEstimator = clone(model).set_params(random_state=model.seed_)
        return again.fit(of, of.labels[target], labelled=None if labelled is None else labelled.rows)

    # One common scale keeps the geometry that standardising each unit destroys; with few labels it is the stronger row.
    rows: dict[str, tuple[Fitted, Scaling | None]] = {
        "": (trained, None),
        "raw": (lambda _: raw, "each"),
        "raw_common": (lambda _: raw, "common"),
        "pca": (lambda _: components, "each"),
        "pca_common": (lambda _: components, "common"),
        "untrained": (lambda _: untrained, model.readout_scaling),
    }
    how: dict[str, Any] = {"target": target, "readout": readout, "labels": labels, "draws": draws, "seed": seed}
    by_row: list[NDArray[np.float64]] = []
    # Readouts are hundreds of tiny fits: more than one thread only makes them wait for each other.
    with threadpool_limits(1):
        compared = {
            name: decode(fitted, parts, scaling=scaling, rows=by_row, **how) for name, (fitted, scaling) in rows.items()
        }
        false: dict[str, Any] = {}
        for name, kind in zip(CONTROL_WORDS, ("permuted", "shifted"), strict=True) if controls else ():
            tries = []
            for i in range(number, number + controls):
                a, b, c = (control(part, target, kind, seed=seed, fold=i, folds=number + controls) for part in parts)
                tries.append(decode(partial(trained, of=a), (a, b, c), choose=False, **how))
            false[name] = mean_of_tries(tries)
    y_train, y_test = train.labels[target], test.labels[target]
    about: dict[str, Any] = {
        "dataset": train.name,
        "method": method_name(type(model)),
        "target": target,
        "readout": readout,
        "period": train.periods.get(target),
        "labels": labels,
        "context": list(context),
        "rows": "train" if seen is None else "all",
        "majority": majority_rate(y_train, y_test) if has_classes(y_train, readout) else None,
    }
    most = most_fitted((sum(context) + 1) * known.n_units)
    if len(known) > most:
        about["pca_rows"] = {"used": most, "of": len(known)}
    key = headline_of(readout)
    blocks = resampling_blocks(test.segments, bins=test.bins, bin_size=test.bin_size)
    differences = {
        name: difference_of(
            compared[""][key] - compared[name][key],
            paired_interval(
                by_row[0],
                theirs,
                blocks,
                true=y_test if key == "r2" else None,
                level=1 - 0.05 / len(BASELINES),
                seed=seed,
            ),
        )
        for name, theirs in zip(BASELINES, by_row[1:], strict=True)
    }
    result = about | compared.pop("") | {"differences": differences}
    result |= {name: about | {"method": name} | scores for name, scores in compared.items()}
    return result | ({"controls": {name: about | scores for name, scores in false.items()}} if controls else {})


FEW = 3  # segments


def _warn_of_few(train: Recording, test: Recording, target: str, readout: str) -> None:
    """Warn where a class has so few test segments that its score says little."""
    values = test.labels[target]
    if test.n_segments < 2 or not has_classes(values, readout):
        return
    number = {
        value: len(np.unique(test.segments[values == value])) for value in np.unique(train.labels[target]).tolist()
    }
    if few := {value: n for value, n in number.items() if n < FEW}:
        listed = ", ".join(f"{value} {n}" for value, n in list(few.items())[:5])
        warnings.warn(
            f"{test.name or 'the recording'}: {len(few)} of {len(number)} classes of {target} have fewer than {FEW} test segments "
            f"({listed}); scores are rough, so use more data, fewer classes or several splits",
            UserWarning,
            stacklevel=3,
        )


def _untrained(model: RecordingEstimator, context: tuple[int, int]) -> RecordingEstimator:
    """Return the model's own encoder with its first weights; a plain one for a model that has none."""
    shared = ("input", "scale", "encoder", "hidden", "dim", "activation", "device")
    settings = {k: getattr(model, k) for k in shared} if hasattr(model, "encoder") else {}
    return Untrained(context=context, random_state=model.seed_, **settings)
