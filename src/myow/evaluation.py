"""What an embedding is worth, always beside what takes no learning at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from .baselines import Components, raw_features
from .errors import DataError, SettingError, unknown_name
from .estimator import Estimator
from .probe import draw_labelled, fit_readout, fit_readout_few, majority_rate, score_readout
from .probe.metrics import confusion_matrix
from .probe.readouts import Scaling
from .recording import Recording
from .split import constant_label

__all__ = ["evaluate"]

Features = Callable[[Recording], NDArray[Any]]
_AVERAGED = ("accuracy", "delta_accuracy", "balanced_accuracy", "weighted_f1", "r2")


def evaluate(
    model: Estimator,
    train: Recording,
    valid: Recording,
    test: Recording,
    *,
    target: str | None = None,
    readout: str | None = None,
    labels: int | None = None,
    draws: int = 10,
    seen: Recording | None = None,
    random_state: int = 0,
) -> dict[str, Any]:
    """Read a label out of an embedding, of raw counts, of principal components and of an untrained encoder.

    The readout's strength is chosen on validation rows, then it is fitted on training and validation rows; test rows
    decide nothing. With `labels`, everything, the choice included, uses a few labelled training segments alone, the same
    for every row of the comparison.

    Parameters
    ----------
    model : Estimator
        Fitted.
    train, valid, test : Recording
        Three parts of a recording.
    target : str, optional
        Label to read out. Default: the first.
    readout : {"angle", "class", "continuous", "knn"}, optional
        Default: "class" for whole numbers and names, "angle" for cyclic real numbers, else "continuous".
    labels : int, optional
        Labelled segments per class, or minutes per class where there is one segment. Default: all.
    draws : int, optional
        Random choices of those segments to average over.
    seen : Recording, optional
        Rows that the encoder was trained on, if more than `train`; principal components are learnt from the same.
    random_state : int, optional
        Seed of the draws and of the bootstrap.

    Returns
    -------
    dict
        "dataset", "method", "target", "readout", "labels", "label_unit" ("segment" or "minute", None without `labels`);
        "n_train", "n_test"; "accuracy", "delta_accuracy",
        "balanced_accuracy", "weighted_f1", "r2" (None where not meant); "interval" (95 %, bootstrap over test segments or
        blocks of time, of R2 for "continuous", else of the accuracy; with `labels` the mean over draws); "spread"
        (deviation of the headline over draws, None without `labels`); "raw", "pca" and "untrained", with the same keys and
        the same readout, which standardises each feature; "raw_common" and "pca_common", where one common deviation
        scales all features instead;
        "majority", the accuracy of the commonest training label; "confusion", counts with the classes in order, where
        there are classes.

    Raises
    ------
    DataError, SettingError
        If the target or readout cannot be used on these rows.
    """
    check_is_fitted(model, "method_")
    if draws < 1:
        raise SettingError(f"draws is {draws}; it must be 1 or more")
    target = _target((train, valid, test), target)
    readout = readout or _default_readout(train, target)
    context = (int(model.context[0]), int(model.context[1]))
    known = train if seen is None else seen
    components = Components(known, context)
    untrained = clone(model).set_params(random_state=model.seed_).initialise(known)

    def raw(recording: Recording) -> NDArray[np.float64]:
        return raw_features(recording, context)

    # One common scale keeps the geometry that standardising each unit destroys; with few labels it is the stronger row.
    rows: dict[str, tuple[Features, Scaling]] = {
        "": (model.transform, "each"),
        "raw": (raw, "each"),
        "raw_common": (raw, "common"),
        "pca": (components.transform, "each"),
        "pca_common": (components.transform, "common"),
        "untrained": (untrained.transform, "each"),
    }
    # Readouts are hundreds of tiny fits: more than one thread only makes them wait for each other.
    with threadpool_limits(1):
        compared = {
            name: _read_out(features, scaling, (train, valid, test), target, readout, labels, draws, random_state)
            for name, (features, scaling) in rows.items()
        }
    y_train, y_test = train.labels[target], test.labels[target]
    about = {
        "dataset": train.name,
        "method": type(model).__module__.rsplit(".", 1)[-1].replace("_", "-"),
        "target": target,
        "readout": readout,
        "labels": labels,
        "context": list(context),
        "rows": "train" if seen is None else "all",
        "majority": majority_rate(y_train, y_test) if _has_classes(y_train, readout) else None,
    }
    result = about | compared.pop("")
    return result | {name: about | {"method": name} | scores for name, scores in compared.items()}


def _target(parts: Sequence[Recording], target: str | None) -> str:
    if not parts[0].labels:
        raise DataError(f"{parts[0]!r} has no label to read out; add labels to the recording")
    target = next(iter(parts[0].labels)) if target is None else target
    for part in parts:
        if target not in part.labels:
            raise unknown_name("label", target, part.labels)
    return target


def _has_classes(values: NDArray[Any], readout: str) -> bool:
    """Whether labels are classes to this readout; whole real numbers are, but to an angle they are angles."""
    return values.ndim == 1 and readout != "continuous" and (values.dtype.kind != "f" or readout != "angle")


def _default_readout(train: Recording, target: str) -> str:
    values = train.labels[target]
    if values.ndim == 1 and values.dtype.kind != "f":
        return "class"
    return "angle" if target in train.periods else "continuous"


def _read_out(
    features: Features,
    scaling: Scaling,
    parts: Sequence[Recording],
    target: str,
    readout: str,
    labels: int | None,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """Scores of one row of the comparison."""
    train, valid, test = parts
    period = train.periods.get(target)
    z_train, z_test = features(train), features(test)
    y_train, y_test = train.labels[target], test.labels[target]
    if labels is None:
        fitted = [
            fit_readout(
                readout, z_train, y_train, features(valid), valid.labels[target], period=period, scaling=scaling
            )
        ]
    else:
        rng = np.random.default_rng(seed)
        classes = y_train if _has_classes(y_train, readout) else _classes_to_draw_from(train, target)
        drawn = [
            draw_labelled(classes, train.segments, labels, rng, bins=train.bins, bin_size=train.bin_size)
            for _ in range(draws)
        ]
        fitted = [fit_readout_few(readout, z_train, y_train, d, period=period, scaling=scaling) for d in drawn]
    scores: list[dict[str, Any]] = [
        dict(score_readout(f, z_test, y_test, groups=test.segments, bins=test.bins, bin_size=test.bin_size, seed=seed))
        for f in fitted
    ]
    headline = "r2" if scores[0]["accuracy"] is None else "accuracy"
    result: dict[str, Any] = {k: _mean([s[k] for s in scores]) for k in _AVERAGED}
    intervals = [s["interval"] for s in scores if s["interval"] is not None]
    result["interval"] = np.mean(intervals, axis=0).tolist() if intervals else None
    result["spread"] = None if labels is None else float(np.std([s[headline] for s in scores], ddof=min(1, draws - 1)))
    result["label_unit"] = None if labels is None else drawn[0].unit
    result["n_train"] = round(float(np.mean([s["n_train"] for s in scores])))
    result["n_test"] = scores[0]["n_test"]
    if _has_classes(y_test, readout):
        names = np.unique(np.concatenate([y_train, y_test]))
        counts = sum(confusion_matrix(y_test, _classes(f.predict(z_test), names, period), names) for f in fitted)
        result["confusion"] = {"classes": names.tolist(), "counts": np.asarray(counts).tolist()}
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


def _classes(predicted: NDArray[Any], names: NDArray[Any], period: float | None) -> NDArray[Any]:
    """Predicted classes; an angle counts as the class nearest to it on the circle."""
    if predicted.dtype.kind != "f" or period is None:
        return predicted
    away = np.abs((predicted[:, None] - names + period / 2) % period - period / 2)
    nearest: NDArray[Any] = names[away.argmin(axis=1)]
    return nearest


def _mean(values: list[float | None]) -> float | None:
    present = [v for v in values if v is not None]
    return float(np.mean(present)) if present else None
