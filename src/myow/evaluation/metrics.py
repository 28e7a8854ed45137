"""Metrics of decoding performance."""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from sklearn import metrics

from ..errors import DataError, SettingError

__all__ = [
    "ANGLE_TOLERANCE",
    "DELTA_TOLERANCE",
    "METRICS",
    "Counted",
    "ImageScores",
    "accuracy",
    "angular_error",
    "balanced_accuracy",
    "confusion_matrix",
    "majority_rate",
    "r2",
    "score_images",
    "weighted_f1",
    "wilson_interval",
]

METRICS = ("accuracy", "delta_accuracy", "balanced_accuracy", "weighted_f1", "r2")
"""Metrics that a score may hold."""
ANGLE_TOLERANCE = np.pi / 8
"""Half the spacing of eight targets: nearer to the true target than to its neighbours."""
DELTA_TOLERANCE = 3 * np.pi / 16
"""The wider tolerance of the released evaluation."""


def accuracy(true: ArrayLike, predicted: ArrayLike) -> float:
    """Share of rows whose predicted label is the true one.

    Parameters
    ----------
    true, predicted : array_like, shape (T,)
        Labels: numbers or strings.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    DataError
        If there is no row or the shapes differ; so for every function here.

    Examples
    --------
    >>> accuracy([0, 1, 1, 2], [0, 1, 2, 2])
    0.75
    """
    t, p = _pair(true, predicted)
    return float(metrics.accuracy_score(t, p))


def balanced_accuracy(true: ArrayLike, predicted: ArrayLike) -> float:
    """Recall of each class, averaged over the classes present among the true labels.

    Parameters
    ----------
    true, predicted : array_like, shape (T,)
        Labels; a class that is only predicted counts as an error, not as a class.

    Returns
    -------
    float
        Between 0 and 1.
    """
    t, p = _pair(true, predicted)
    # Not balanced_accuracy_score, which warns of a class that is only predicted.
    return float(metrics.recall_score(t, p, labels=np.unique(t), average="macro", zero_division=0))


def weighted_f1(true: ArrayLike, predicted: ArrayLike) -> float:
    """F1 of each class, averaged with its share of the true labels as weight.

    Parameters
    ----------
    true, predicted : array_like, shape (T,)
        Labels.

    Returns
    -------
    float
        Between 0 and 1.
    """
    t, p = _pair(true, predicted)
    return float(metrics.f1_score(t, p, average="weighted", zero_division=0))


def angular_error(true: ArrayLike, predicted: ArrayLike) -> NDArray[np.float64]:
    """Distance on the circle, in radians.

    Parameters
    ----------
    true, predicted : array_like, shape (T,)
        Angles in radians, any number of turns.

    Returns
    -------
    ndarray, shape (T,)
        Between 0 and pi.

    Examples
    --------
    >>> angular_error([0.0], [2 * np.pi - 0.25]).round(6).tolist()
    [0.25]
    """
    t, p = _pair(true, predicted)
    wrapped = np.mod(p.astype(np.float64) - t + np.pi, 2 * np.pi) - np.pi
    return np.asarray(np.abs(wrapped))


def r2(true: ArrayLike, predicted: ArrayLike) -> float:
    """Explained share of the variance, all columns together (each weighs by its variance).

    Parameters
    ----------
    true, predicted : array_like, shape (T,) or (T, d)
        Values.

    Returns
    -------
    float
        1 at best; 0 for the mean of the true values; may be negative.

    Raises
    ------
    DataError
        If the true values do not vary, so that there is nothing to explain.
    """
    t, p = (v.astype(np.float64) for v in _pair(true, predicted))
    mean = t.mean(axis=0)
    if not (t - mean).any():
        raise DataError(f"the target has one value in all {len(t)} rows; R2 needs a target that varies")
    return float(metrics.r2_score((t - mean).ravel(), (p - mean).ravel()))


def confusion_matrix(true: ArrayLike, predicted: ArrayLike, classes: ArrayLike) -> NDArray[np.int64]:
    """Count rows by true (down) and predicted (across) class.

    Parameters
    ----------
    true, predicted : array_like, shape (T,)
        Labels, all of them among `classes`.
    classes : array_like, shape (C,)
        Order of rows and columns.

    Returns
    -------
    ndarray of int, shape (C, C)
        Its sum is T.

    Raises
    ------
    DataError
        If a label is not among `classes`.
    """
    t, p = _pair(true, predicted)
    names = np.asarray(classes)
    stray = np.setdiff1d(np.concatenate([t, p]), names)
    if stray.size:
        raise DataError(f"label {stray[0]!s} is not among the classes {[str(c) for c in names]}; name every class")
    return np.asarray(metrics.confusion_matrix(t, p, labels=names), dtype=np.int64)


def _pair(true: ArrayLike, predicted: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    t, p = np.asarray(true), np.asarray(predicted)
    if t.shape != p.shape or t.size == 0:
        raise DataError(f"true labels have shape {t.shape}, predicted {p.shape}; they must agree and hold a row")
    return t, p


class Counted(TypedDict):
    """Counts and shares on test images."""

    accuracy: float
    """Share of test images whose class is right, averaged over draws of labelled images; without `labels` there is one."""
    interval: list[float]
    """Its 95 % Wilson interval over test images. It says how far other test images would move the figure, not other seeds
    of the encoder, nor other labelled images (see `spread`)."""
    spread: float | None
    """Deviation of the accuracy over draws; None where there is one."""
    accuracies: list[float]
    """One a draw."""
    n_test: int
    """Test images."""
    classes: list[int]
    """Labels, sorted."""
    confusion: list[list[int]]
    """Test images by true (down) and predicted (across) class, summed over draws."""


class ImageScores(Counted):
    """Figures of one readout of frozen features; plain numbers, ready for JSON."""

    majority: float
    """Accuracy of always saying the commonest training label."""
    validation_accuracy: float | None
    """Accuracy of the chosen settings on the rows they were chosen on, averaged over draws, and flattered by the choice; None
    where there was nothing to choose on."""
    settings: list[dict[str, Any]]
    """Chosen settings, one a draw."""
    labels: int | None
    """Labelled images per class; None for all."""
    n_train: int
    """Training rows whose labels were used, in each draw."""
    n_valid: int
    """Validation rows whose labels were used; the readout that is scored was fitted on both."""


def wilson_interval(rate: float, n: int, level: float = 0.95) -> tuple[float, float]:
    r"""Interval of a share of n independent hits or misses.

    .. math:: \frac{p + z^2 / 2n \pm z \sqrt{p (1 - p) / n + z^2 / 4n^2}}{1 + z^2 / n}

    It stays inside [0, 1] and covers well near the ends: Wilson, Journal of the American Statistical Association 22, 1927;
    Brown, Cai and DasGupta, Statistical Science 16, 2001. The mean of n values BETWEEN 0 and 1 varies at most as much as
    that of hits and misses, so that for such a mean the interval is wide rather than narrow.

    Parameters
    ----------
    rate : float
        The share p, in [0, 1].
    n : int
        Of how many.
    level : float, optional
        Coverage.

    Returns
    -------
    tuple of float
        Low and high.

    Raises
    ------
    SettingError
        If the level is not between 0 and 1.
    DataError
        If the share is outside [0, 1], or n below 1.

    Examples
    --------
    >>> low, high = wilson_interval(0.9, 1000)
    >>> round(low, 4), round(high, 4)
    (0.8798, 0.9171)
    """
    if not 0 < level < 1:
        raise SettingError(f"the level is {level}; it must lie between 0 and 1")
    if not (0 <= rate <= 1 and n >= 1):
        raise DataError(f"the share is {rate} of {n}; it must lie in [0, 1], of 1 or more")
    z2 = float(ndtri((1 + level) / 2)) ** 2
    centre = rate + z2 / (2 * n)
    reach = float(np.sqrt(z2 * (rate * (1 - rate) / n + z2 / (4 * n**2))))
    low, high = (centre - reach) / (1 + z2 / n), (centre + reach) / (1 + z2 / n)
    return max(0.0, low), min(1.0, high)  # rounding may step over the ends


def score_images(predicted: NDArray[np.int64], true: ArrayLike, classes: ArrayLike) -> Counted:
    """Compare predictions of one or more draws with the labels of the test images.

    Parameters
    ----------
    predicted : ndarray, shape (R, T)
        Labels, one row a draw.
    true : array_like, shape (T,)
        Labels.
    classes : array_like of int, shape (C,)
        All labels there are.

    Returns
    -------
    Counted
    """
    labels, names = np.asarray(true), np.asarray(classes)
    accuracies = [accuracy(labels, p) for p in predicted]
    mean = float(np.mean(accuracies))
    return Counted(
        accuracy=mean,
        interval=list(wilson_interval(mean, len(labels))),
        spread=float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None,
        accuracies=accuracies,
        n_test=len(labels),
        classes=names.tolist(),
        confusion=np.sum([confusion_matrix(labels, p, names) for p in predicted], axis=0).tolist(),
    )


def majority_rate(y_train: ArrayLike, y_test: ArrayLike) -> float:
    """Accuracy on test rows of always saying the commonest training label (the smallest, if tied).

    Parameters
    ----------
    y_train, y_test : array_like, shapes (T,) and (S,)
        Classes.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    DataError
        If either is empty.

    Examples
    --------
    >>> majority_rate(["wake", "wake", "rem"], ["wake", "rem"])
    0.5
    """
    train, test = np.asarray(y_train), np.asarray(y_test)
    if not train.size or not test.size:
        raise DataError(f"there are {train.size} training and {test.size} test labels; both must hold one or more")
    values, counts = np.unique(train, return_counts=True)
    return float((test == values[counts.argmax()]).mean())
