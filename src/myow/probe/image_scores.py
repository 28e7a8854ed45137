"""Figures of predictions for test images, each image judged by itself."""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from ..errors import DataError, SettingError
from . import metrics

__all__ = ["Counted", "ImageScores", "score_images", "wilson_interval"]


class Counted(TypedDict):
    """What is counted on test images."""

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
    """That of the chosen settings on the rows they were chosen on, averaged over draws, and flattered by the choice; None
    where there was nothing to choose on."""
    settings: list[dict[str, Any]]
    """Those chosen, one a draw."""
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
    accuracies = [metrics.accuracy(labels, p) for p in predicted]
    accuracy = float(np.mean(accuracies))
    return Counted(
        accuracy=accuracy,
        interval=list(wilson_interval(accuracy, len(labels))),
        spread=float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None,
        accuracies=accuracies,
        n_test=len(labels),
        classes=names.tolist(),
        confusion=np.sum([metrics.confusion_matrix(labels, p, names) for p in predicted], axis=0).tolist(),
    )
