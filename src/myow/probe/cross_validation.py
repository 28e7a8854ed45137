"""One figure for an embedding and labels, without a split: cross-validated on the rows at hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..errors import DataError
from . import metrics
from .readouts import Class, Continuous

__all__ = ["cross_validated_score"]

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
