"""Read a label out of an embedding, or let a decoder say it, and score that on rows which decided nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from ..data.split import constant_label
from ..errors import DataError, unknown_name
from ..methods.decoders import DecoderEstimator
from ..methods.recordings import RecordingEstimator
from ..probe import (
    Labelled,
    Readout,
    draw_labelled,
    fit_readout,
    fit_readout_few,
    readout_class,
    score_predictions,
    score_readout,
)
from ..probe.metrics import confusion_matrix
from ..probe.readouts import Scaling

__all__ = ["Fitted", "decode", "default_readout", "find_target", "has_classes"]

Fitted = Callable[[Labelled | None], RecordingEstimator]
"""Gives the estimator to be judged, for the labelled training rows or None for all: the same one if it learns no labels."""

FIGURES = ("accuracy", "delta_accuracy", "balanced_accuracy", "weighted_f1", "r2")


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
) -> dict[str, Any]:
    """Score one estimator on one label.

    With all labels, a readout's strength is chosen on validation rows, then it is fitted on training and validation rows.
    With a few, everything, the choice included, uses the labelled training rows alone. An estimator that is a decoder
    decides itself.

    Parameters
    ----------
    fitted : callable
        From labelled rows, or None, to the estimator.
    parts : tuple of Recording
        Training, validation and test rows.
    target, readout : str
        What to read, and how.
    labels : int, optional
        Labelled segments per class, or minutes per class where there is one segment. Default: all.
    draws : int, optional
        Random choices of those to average over.
    seed : int, optional
        Of the draws and the bootstrap; equal for all that is compared.
    scaling : {"each", "common"}, optional
        How the readout scales features. Default: as the estimator asks for.
    choose : bool, optional
        Whether a strength is chosen; if not, the readout keeps its fixed default.

    Returns
    -------
    dict
        The figures of `probe.Scores`, means over draws; "per_draw", the headline of each; "spread", its deviation;
        "label_unit"; "confusion", summed over draws, where there are classes.

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
    judge = readout_class(readout)(period=period)
    place: dict[str, Any] = {
        "groups": test.segments, "bins": test.bins, "bin_size": test.bin_size, "seed": seed,
    }  # fmt: skip
    scores: list[dict[str, Any]] = []
    predictions = []
    for chosen in drawn:
        estimator = fitted(chosen)
        if isinstance(estimator, DecoderEstimator):
            predicted = estimator.predict(test)
            scores.append(dict(score_predictions(judge, predicted, y_test, n_train=estimator.n_labelled_, **place)))
        else:
            by = scaling or estimator.readout_scaling
            reader = _fit(estimator, parts, target, readout, chosen, by, choose)
            z_test = estimator.transform(test)
            scores.append(dict(score_readout(reader, z_test, y_test, **place)))
            predicted = reader.predict(z_test)
        predictions.append(predicted)
    result = _average(scores, judge.headline)
    result["spread"] = (
        None if labels is None else float(np.std(result["per_draw"], ddof=min(1, len(result["per_draw"]) - 1)))
    )
    result["label_unit"] = None if drawn[0] is None else drawn[0].unit
    if has_classes(y_test, readout):
        names = np.unique(np.concatenate([y_train, y_test]))
        counts = sum(confusion_matrix(y_test, _classes(p, names, period), names) for p in predictions)
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
) -> Readout:
    train, valid, _ = parts
    period = train.periods.get(target)
    z, y = estimator.transform(train), train.labels[target]
    if not choose:
        return readout_class(readout)(period=period, scaling=scaling).fit(z, y)
    if labelled is not None:
        return fit_readout_few(readout, z, y, labelled, period=period, scaling=scaling)
    z_valid, y_valid = estimator.transform(valid), valid.labels[target]
    return fit_readout(readout, z, y, z_valid, y_valid, period=period, scaling=scaling)


def _average(scores: list[dict[str, Any]], headline: str) -> dict[str, Any]:
    result: dict[str, Any] = {k: _mean([s[k] for s in scores]) for k in FIGURES}
    intervals = [s["interval"] for s in scores if s["interval"] is not None]
    result["interval"] = np.mean(intervals, axis=0).tolist() if intervals else None
    result["per_draw"] = [s[headline] for s in scores]
    result["n_train"] = round(float(np.mean([s["n_train"] for s in scores])))
    result["n_test"] = scores[0]["n_test"]
    return result


def _mean(values: list[float | None]) -> float | None:
    present = [v for v in values if v is not None]
    return float(np.mean(present)) if present else None


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


def _classes(predicted: NDArray[Any], names: NDArray[Any], period: float | None) -> NDArray[Any]:
    """Predicted classes; an angle counts as the class nearest to it on the circle."""
    if predicted.dtype.kind != "f" or period is None:
        return predicted
    away = np.abs((predicted[:, None] - names + period / 2) % period - period / 2)
    nearest: NDArray[Any] = names[away.argmin(axis=1)]
    return nearest
