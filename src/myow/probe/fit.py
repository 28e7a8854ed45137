"""Choose a readout's strength and fit it; test rows have no way in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from .labelled import Labelled
from .readouts import Readout, Scaling, readout_class

__all__ = ["fit_readout", "fit_readout_few"]

MAX_FOLDS = 5


def fit_readout(
    readout: str,
    z_train: ArrayLike,
    y_train: ArrayLike,
    z_valid: ArrayLike,
    y_valid: ArrayLike,
    *,
    period: float | None = None,
    scaling: Scaling = "each",
) -> Readout:
    """Choose the strength on validation rows, then fit on training and validation rows together.

    Parameters
    ----------
    readout : {"angle", "class", "continuous", "knn"}
        Which readout.
    z_train, z_valid : array_like, shapes (T, D) and (V, D)
        Embedding.
    y_train, y_valid : array_like, shapes (T,) and (V,), or (T, d) and (V, d)
        Labels.
    period : float, optional
        Label value of a full turn; readout "angle" needs it.
    scaling : {"each", "common"}, optional
        How features are scaled; see `Readout`.

    Returns
    -------
    Readout
        Fitted, with its `strength` and `n_train_`.

    Raises
    ------
    UnknownNameError
        If there is no such readout.
    DataError
        If labels do not suit it, or validation rows have a class that training rows lack.
    """
    kind = readout_class(readout)
    if len(np.asarray(y_valid)) == 0:
        raise DataError("there are no validation rows to choose the readout on; split off some")
    merits = []
    for strength in kind.grid:
        tried = kind(strength, period=period, scaling=scaling).fit(z_train, y_train)
        require_known(tried, y_valid, "validation")
        merits.append(tried.merit(z_valid, y_valid))
    return kind(_best(kind, merits), period=period, scaling=scaling).fit(
        np.concatenate([np.asarray(z_train), np.asarray(z_valid)]),
        np.concatenate([np.asarray(y_train), np.asarray(y_valid)]),
    )


def fit_readout_few(
    readout: str,
    z: ArrayLike,
    y: ArrayLike,
    labelled: Labelled,
    *,
    period: float | None = None,
    scaling: Scaling = "each",
) -> Readout:
    """Fit on a few labelled rows; the choice of the strength uses those rows alone.

    With two or more labelled segments (or stretches) per class the strength is chosen by cross-validation inside them,
    in up to five folds that keep segments whole and hold every class. With one, there is nothing to choose on, and
    the readout's fixed `default` is used.

    Parameters
    ----------
    readout : {"angle", "class", "continuous", "knn"}
        Which readout.
    z : array_like, shape (T, D)
        Embedding.
    y : array_like, shape (T,) or (T, d)
        Labels; only those of labelled rows are read.
    labelled : Labelled
        From `draw_labelled`.
    period, scaling
        As in `fit_readout`.

    Returns
    -------
    Readout
        Fitted on the labelled rows.

    Raises
    ------
    UnknownNameError
        If there is no such readout.
    DataError
        If labels do not suit it.
    """
    kind = readout_class(readout)
    z, y = np.asarray(z)[labelled.rows], np.asarray(y)[labelled.rows]
    n_folds = min(MAX_FOLDS, labelled.n_parts)
    strength = kind.default
    if n_folds > 1:
        merits = [
            sum(
                _coarse(kind(s, period=period, scaling=scaling)).fit(z[~held], y[~held]).merit(z[held], y[held])
                for held in _folds(labelled, n_folds)
            )
            for s in kind.grid
        ]
        strength = _best(kind, merits)
    return kind(strength, period=period, scaling=scaling).fit(z, y)


def _coarse(readout: Readout) -> Readout:
    # Fifty fits decide on one number; half the time is enough for that.
    readout.tolerance = 1e-3
    return readout


def _best(kind: type[Readout], merits: list[float]) -> float:
    # On few rows many strengths tie, at 100 % for one; the tied one nearest the default is the least surprising.
    far = np.abs(np.log(np.array(kind.grid) / kind.default))
    return kind.grid[int(np.lexsort((far, -np.array(merits)))[0])]


def _folds(labelled: Labelled, n_folds: int) -> list[NDArray[np.bool_]]:
    # Parts are numbered inside each class, so every fold holds, and leaves, at least one of each class.
    return [labelled.parts % n_folds == fold for fold in range(n_folds)]


def require_known(readout: Readout, y: ArrayLike, where: str) -> None:
    """Raise DataError if rows have a class that the readout was never shown.

    Parameters
    ----------
    readout : Readout
        Fitted.
    y : array_like, shape (T,)
        Labels of the rows to predict.
    where : str
        What those rows are called in the message.
    """
    classes: NDArray[Any] | None = getattr(readout, "classes_", None)
    if classes is None:
        return
    missing = np.setdiff1d(np.asarray(y), classes)
    if missing.size:
        raise DataError(
            f"a label missing from the training split: {', '.join(str(v) for v in missing)} occurs in {where} rows only; "
            f"training rows have {', '.join(str(v) for v in classes)}. Split by another seed or rule"
        )
