"""The labels that a method may learn from: those of some rows, and no others."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

__all__ = ["Targets", "read_targets"]


@dataclass(frozen=True)
class Targets:
    """Labels of some rows.

    Parameters
    ----------
    rows : ndarray of int64, shape (R,)
        Labelled rows, rising.
    values : ndarray, shape (R,) or (R, d)
        Index of each one's class, int64; or real numbers, float32.
    classes : ndarray, shape (C,), or None
        The classes, sorted; None where labels are real numbers.
    """

    rows: NDArray[np.int64]
    values: NDArray[Any]
    classes: NDArray[Any] | None

    @property
    def n_targets(self) -> int:
        """Number of classes C, or of columns d."""
        return int(self.values.shape[1]) if self.classes is None else len(self.classes)

    def digest(self) -> str:
        """Return a checksum of labelled rows and labels."""
        sha = hashlib.sha256(repr(None if self.classes is None else self.classes.tolist()).encode())
        for array in (self.rows, self.values):
            sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()


def read_targets(y: Any, labelled: Any, n_rows: int) -> Targets:
    """Take the labels of the labelled rows; no other label is looked at.

    Parameters
    ----------
    y : array_like, shape (T,) or (T, d)
        Labels: whole numbers, truth values and names are classes; real numbers and several columns are not.
    labelled : array_like of int or bool, or None
        Rows, as indices or a mask of length T; None for all.
    n_rows : int
        Rows T.

    Returns
    -------
    Targets

    Raises
    ------
    DataError
        If there is not a label a row, no row is labelled, or a label that is used is not finite.

    Examples
    --------
    >>> found = read_targets(["b", "?", "a", "b"], [0, 2, 3], 4)
    >>> found.classes.tolist(), found.values.tolist()
    (['a', 'b'], [1, 0, 1])
    """
    labels = np.asarray(y)
    if labels.ndim not in (1, 2) or len(labels) != n_rows:
        raise DataError(f"the labels have shape {labels.shape} for {n_rows} rows; give one label a row")
    try:
        rows = np.arange(n_rows) if labelled is None else np.unique(np.arange(n_rows)[np.asarray(labelled)])
    except IndexError as error:
        raise DataError(f"cannot tell the labelled rows ({error}); give indices or a mask of {n_rows} rows") from None
    if not rows.size:
        raise DataError("no row is labelled; this method learns from labels, give some")
    used = labels[rows]
    if used.dtype.kind == "O":  # a column of names of a data frame, say
        used = np.array(used.tolist())
    if used.ndim == 1 and used.dtype.kind != "f":
        if used.dtype.kind not in "iubU":
            raise DataError(f"Unknown label type {used.dtype}; give whole numbers, names or real numbers")
        classes, index = np.unique(used, return_inverse=True)
        return Targets(rows, index.astype(np.int64), classes)
    values = used.reshape(len(rows), -1).astype(np.float32)
    if not np.isfinite(values).all():
        raise DataError("a label is NaN or infinite; leave its row out with labelled=")
    return Targets(rows, values, None)
