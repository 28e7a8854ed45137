"""Evaluation of an embedding beside raw counts, components and an untrained encoder."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from ..data.recording import Recording, warn_if_odd
from ..data.splits import Labelled, constant_label, fold_rows
from ..errors import DataError, SettingError
from ..methods import method_name
from ..methods.baselines import PCA, Raw, Untrained
from ..methods.recordings import RecordingEstimator
from ..training.rows import most_fitted
from .decode import Fitted, decode, default_readout, find_target, has_classes, why_not_semi_supervised
from .metrics import majority_rate
from .readouts import Scaling, check_classifier, readout_name
from .result import (
    BASELINES,
    CONTROL_WORDS,
    LEVEL,
    Evaluation,
    difference_of,
    headline_of,
    interval_over,
    mean_of_tries,
    over_folds,
    range_of_difference,
    verdict,
)
from .statistics import control, corrected_interval, paired_interval, resampling_blocks

__all__ = ["evaluate"]


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
    classifier: str = "logistic",
    semi_supervised: bool = False,
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
        Default: "class" for whole numbers and names, "angle" for cyclic real numbers, else "continuous". Other names are
        "circular", "classification" and "regression".
    labels : int, optional
        Labelled segments per class, of which the rows of that class are labelled; minutes per class where there is one
        segment. Default: all.
    draws : int, optional
        Random choices of those segments to average over.
    classifier : {"logistic", "lda", "auto"}, optional
        What classifies, for readout "class": logistic regression; linear discriminant analysis, its covariance shrunk by the
        Ledoit-Wolf rule; or the better one of the two, on validation rows, with `labels` by cross-validation of the labelled
        segments, where there is one a class the second.
    semi_supervised : bool, optional
        With `labels`: whether the readout learns from unlabelled training segments too, whose class it infers first; for
        readout "class" of a label that is the same in all bins of a segment. Validation and test rows take no part. See
        `myow.evaluation.readouts.fit_readout_semi_supervised`. With all labels nothing is unlabelled, and it changes nothing.
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
        many, for readouts and principal components; else there are no such keys. "classifier" and "semi_supervised" are there where
        they were asked for, and "classifiers", how many draws took which, with "auto".
        "differences": for each baseline the paired "difference" (embedding minus baseline), its interval "low" and "high",
        which holds at 95 % for all baselines together (Bonferroni; None of parts with fewer than 8 test segments or blocks), and "verdict"; "verdict", the same in words;
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
    how: dict[str, Any] = {"labels": labels, "draws": draws, "seed": random_state}
    how |= {"classifier": classifier, "semi_supervised": semi_supervised}
    if valid is not None and test is not None:
        if cv is not None:
            raise SettingError(f"cv={cv} parts a whole recording, and these are parts already; give one or the other")
        check_is_fitted(model, "network_")
        target = find_target((recording, valid, test), target)
        how["readout"] = _checked_readout(recording, target, readout, classifier, semi_supervised)
        _warn_of_few(recording, test, target, how["readout"])
        parts = (recording, valid, test)
        result = _of_parts(model, parts, seen, target=target, controls=CONTROLS if controls else 0, **how)
        return _finished(result | {"transductive": _saw(model, parts, seen)})
    if seen is not None:
        raise SettingError(
            "seen says what a fitted model saw besides training rows; of a whole recording use refit=False"
        )
    target = find_target((recording,), target)
    how["readout"] = _checked_readout(recording, target, readout, classifier, semi_supervised)
    _warn_of_few(recording, recording, target, how["readout"])
    return _finished(_cross_validate(model, recording, FOLDS if cv is None else cv, target, refit, controls, how))


FOLDS = 5
CONTROLS = 5  # times that labels are exchanged, of three parts; once a fold of a whole recording

Parts = tuple[Recording, Recording, Recording]


def _checked_readout(train: Recording, target: str, readout: str | None, classifier: str, semi_supervised: bool) -> str:
    """Return the readout's own name, once it is clear that it can be had with these options."""
    name = readout_name(readout or default_readout(train, target))
    check_classifier(classifier, name)
    if semi_supervised and (why := why_not_semi_supervised(train, target, name)):
        raise DataError(why)
    return name


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
            corrected_interval(gained, share, LEVEL, within=range_of_difference(key)),
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
    classifier: str,
    semi_supervised: bool,
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
    how |= {"classifier": classifier, "semi_supervised": semi_supervised}
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
    about |= {"classifier": classifier} if classifier != "logistic" else {}
    about |= {"semi_supervised": True} if semi_supervised else {}
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
                level=LEVEL,
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
        listed = ", ".join(f"{value}: {n}" for value, n in list(few.items())[:5])
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
