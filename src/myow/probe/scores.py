"""Score a fitted readout on rows that decided nothing."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike

from ..errors import DataError
from . import metrics
from .fit import require_known
from .intervals import interval_of_mean, interval_of_r2, resampling_blocks
from .readouts import Angle, Readout

__all__ = ["Scores", "majority_rate", "score_predictions", "score_readout"]


class Scores(TypedDict):
    """Figures of one readout; None where a figure is not meant.

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


def score_readout(
    readout: Readout,
    z: ArrayLike,
    y: ArrayLike,
    *,
    groups: ArrayLike,
    bins: ArrayLike,
    bin_size: float,
    block: float | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Scores:
    """Score a fitted readout on test rows.

    Parameters
    ----------
    readout : Readout
        Fitted.
    z : array_like, shape (T, D)
        Embedding of the test rows.
    y : array_like, shape (T,) or (T, d)
        Their labels.
    groups, bins, bin_size, block, resamples, seed
        As in `score_predictions`.

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
    return score_predictions(
        readout,
        readout.predict(z),
        true,
        n_train=readout.n_train_,
        groups=groups,
        bins=bins,
        bin_size=bin_size,
        block=block,
        resamples=resamples,
        seed=seed,
    )


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
        Seconds of a block of time, where there is one segment; see `intervals.resampling_blocks`.
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
    scores = Scores(
        accuracy=None,
        delta_accuracy=None,
        balanced_accuracy=None,
        weighted_f1=None,
        r2=None,
        interval=None,
        n_train=n_train,
        n_test=len(true),
    )
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
