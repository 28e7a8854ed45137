"""What an embedding is worth, always beside what takes no learning at all."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from ..data.recording import Recording
from ..errors import SettingError
from ..methods import method_name
from ..methods.baselines import PCA, Raw, Untrained
from ..methods.recordings import RecordingEstimator
from ..probe import Labelled, majority_rate
from ..probe.readouts import Scaling
from .decoding import Fitted, decode, default_readout, find_target, has_classes

__all__ = ["evaluate"]


def evaluate(
    model: RecordingEstimator,
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
    model : RecordingEstimator
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
    check_is_fitted(model, "network_")
    if draws < 1:
        raise SettingError(f"draws is {draws}; it must be 1 or more")
    target = find_target((train, valid, test), target)
    readout = readout or default_readout(train, target)
    known = train if seen is None else seen
    context = (int(model.context[0]), int(model.context[1]))
    raw, components = Raw(context=context).fit(known), PCA(context=context).fit(known)
    untrained = _untrained(model, context).fit(known)

    def trained(labelled: Labelled | None) -> RecordingEstimator:
        if labelled is None or not model.uses_labels:
            return model
        # With few labels, what learns from labels learns anew, from those alone.
        again: RecordingEstimator = clone(model).set_params(random_state=model.seed_)
        return again.fit(train, train.labels[target], labelled=labelled.rows)

    # One common scale keeps the geometry that standardising each unit destroys; with few labels it is the stronger row.
    rows: dict[str, tuple[Fitted, Scaling | None]] = {
        "": (trained, None),
        "raw": (lambda _: raw, "each"),
        "raw_common": (lambda _: raw, "common"),
        "pca": (lambda _: components, "each"),
        "pca_common": (lambda _: components, "common"),
        "untrained": (lambda _: untrained, None),
    }
    # Readouts are hundreds of tiny fits: more than one thread only makes them wait for each other.
    with threadpool_limits(1):
        compared = {
            name: decode(
                fitted,
                (train, valid, test),
                target=target,
                readout=readout,
                labels=labels,
                draws=draws,
                seed=random_state,
                scaling=scaling,
            )
            for name, (fitted, scaling) in rows.items()
        }
    y_train, y_test = train.labels[target], test.labels[target]
    about = {
        "dataset": train.name,
        "method": method_name(type(model)),
        "target": target,
        "readout": readout,
        "labels": labels,
        "context": list(context),
        "rows": "train" if seen is None else "all",
        "majority": majority_rate(y_train, y_test) if has_classes(y_train, readout) else None,
    }
    result = about | compared.pop("")
    return result | {name: about | {"method": name} | scores for name, scores in compared.items()}


def _untrained(model: RecordingEstimator, context: tuple[int, int]) -> RecordingEstimator:
    """Return the model's own encoder with its first weights; a plain one for a model that has none."""
    shared = ("input", "scale", "encoder", "hidden", "dim", "activation", "device")
    settings = {k: getattr(model, k) for k in shared} if hasattr(model, "encoder") else {}
    return Untrained(context=context, random_state=model.seed_, **settings)
