"""Figures of merit: pure functions of true and predicted labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError

__all__ = [
    "ANGLE_TOLERANCE",
    "DELTA_TOLERANCE",
    "accuracy",
    "angle_accuracy",
    "angular_error",
    "balanced_accuracy",
    "confusion_matrix",
    "delta_accuracy",
    "r2",
    "weighted_f1",
]

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
    return float((t == p).mean())


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
    _, index, count = np.unique(t, return_inverse=True, return_counts=True)
    return float((np.bincount(index, weights=t == p) / count).mean())


def weighted_f1(true: ArrayLike, predicted: ArrayLike) -> float:
    r"""F1 of each class, averaged with its share of the true labels as weight.

    .. math:: \sum_c \frac{n_c}{T} \frac{2 \, \mathrm{tp}_c}{n_c + \hat n_c}

    with :math:`n_c` true and :math:`\hat n_c` predicted rows of class c.

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
    classes, index, count = np.unique(t, return_inverse=True, return_counts=True)
    hits = np.bincount(index, weights=t == p)
    claimed = np.array([(p == c).sum() for c in classes])
    return float((count / len(t) * 2 * hits / (count + claimed)).sum())


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


def angle_accuracy(true: ArrayLike, predicted: ArrayLike) -> float:
    """Share of angles (radians) that are off by less than pi/8."""
    return float((angular_error(true, predicted) < ANGLE_TOLERANCE).mean())


def delta_accuracy(true: ArrayLike, predicted: ArrayLike) -> float:
    """Share of angles (radians) that are off by less than 3 pi/16."""
    return float((angular_error(true, predicted) < DELTA_TOLERANCE).mean())


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
    spread = ((t - t.mean(axis=0)) ** 2).sum()
    if spread <= 0:
        raise DataError(f"the target has one value in all {len(t)} rows; R2 needs a target that varies")
    return float(1 - ((t - p) ** 2).sum() / spread)


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
    order = np.argsort(names)
    row, column = (order[np.searchsorted(names, v, sorter=order)] for v in (t, p))
    flat = np.bincount(row * len(names) + column, minlength=len(names) ** 2)
    return flat.reshape(len(names), len(names)).astype(np.int64)


def _pair(true: ArrayLike, predicted: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    t, p = np.asarray(true), np.asarray(predicted)
    if t.shape != p.shape or t.size == 0:
        raise DataError(f"true labels have shape {t.shape}, predicted {p.shape}; they must agree and hold a row")
    return t, p
