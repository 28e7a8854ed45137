"""Which images train, which choose, which test."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SettingError

__all__ = ["TEST_SHARE", "draw_parts"]

TEST_SHARE = 0.2  # of images that come without a test part


def draw_parts(
    classes: NDArray[np.int64] | None, test: NDArray[np.bool_], seed: int, valid: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Draw training, validation and test rows; see `myow.data.images.Images.parts`.

    Parameters
    ----------
    classes : ndarray of int, shape (T,), or None
        Class of each image, by which is stratified.
    test : ndarray of bool, shape (T,)
        The official test part; where it is empty, one is drawn.
    seed : int
        Seed of what is drawn.
    valid : float
        Share of the training images that validation takes.

    Examples
    --------
    >>> [part.size for part in draw_parts(None, np.arange(100) >= 90, seed=0, valid=0.1)]
    [81, 9, 10]
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise SettingError(f"seed is {seed!r}; it must be a whole number of 0 or more")
    if not 0 <= valid < 1:
        raise SettingError(f"valid is {valid}; it must be 0 or more and below 1")
    rng = np.random.default_rng(seed)
    strata = np.zeros(len(test), dtype=np.int64) if classes is None else classes
    tests, left = np.flatnonzero(test), np.flatnonzero(~test)
    if tests.size == 0:
        tests, left = _take(left, strata, TEST_SHARE, rng)
    if left.size == 0:
        raise DataError(f"all {len(test)} images are of the test part, so that none is left to train on")
    chosen, left = _take(left, strata, valid, rng) if valid > 0 else (left[:0], left)
    return left, chosen, tests


def _take(
    rows: NDArray[np.int64], strata: NDArray[np.int64], share: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw a share of the rows, in each stratum as nearly as whole images allow; return what was drawn and what is left."""
    _, inverse, counts = np.unique(strata[rows], return_inverse=True, return_counts=True)
    wanted = max(1, round(share * len(rows)))
    if wanted >= len(rows):
        raise DataError(f"{len(rows)} image(s) cannot be parted; at least {wanted + 1} are needed")
    # Whole images first; what rounding left over goes, at random, to strata that have an image to spare.
    quota = np.floor(counts * (wanted / len(rows)) + 1e-9).astype(np.int64)
    for stratum in _spare(quota, counts, wanted - int(quota.sum()), rng):
        quota[stratum] += 1
    order = rng.permutation(len(rows))
    order = order[np.argsort(inverse[order], kind="stable")]
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    taken = np.zeros(len(rows), dtype=bool)
    taken[order] = place < np.repeat(quota, counts)
    return rows[taken], rows[~taken]


def _spare(quota: NDArray[np.int64], counts: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[Any]:
    """Choose `n` strata; those that would be left without an image come last."""
    order = rng.permutation(len(counts))
    return order[np.argsort(counts[order] - quota[order] <= 1, kind="stable")][:n]
