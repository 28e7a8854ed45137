"""Features and classes of images, checked once; what of them a readout may know; and the scale it sees them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ..errors import DataError, SettingError

__all__ = ["Features", "Known", "Labels", "Part", "check_parts", "draw_images", "known_few", "known_whole", "scaled"]

MAX_FOLDS = 5

Part: TypeAlias = tuple[ArrayLike, ArrayLike]
Features: TypeAlias = NDArray[np.float32]
Labels: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Known:
    """All that a readout may know."""

    features: Features
    """Shape (T, D)."""
    labels: Labels
    """Shape (T,)."""
    held: tuple[NDArray[np.bool_], ...]
    """Rows that are held out, one mask after the other, to choose settings on; none if there is nothing to choose on."""


def check_parts(parts: Mapping[str, Part]) -> list[tuple[Features, Labels]]:
    """Return features as float32 and labels as int64, fit to be compared.

    Parameters
    ----------
    parts : mapping of str to tuple of array_like
        Features, shape (T, D), and classes, shape (T,), under the name of the part. Training rows come first.

    Returns
    -------
    list of tuple of ndarray

    Raises
    ------
    DataError
        If a part is empty, of the wrong shape or type, or not finite; if columns differ; if there is one class only; or
        if a part has a class that training rows lack.
    """
    checked: list[tuple[Features, Labels]] = []
    for name, (features, labels) in parts.items():
        x, y = np.asarray(features), np.asarray(labels)
        if x.ndim != 2 or 0 in x.shape or x.dtype.kind not in "fiub":
            raise DataError(
                f"the {name} features are {x.dtype} of shape {x.shape}; they must be numbers of shape (images, features), "
                "with at least one of each"
            )
        if y.shape != x.shape[:1] or y.dtype.kind not in "iu":
            raise DataError(
                f"the {name} labels are {y.dtype} of shape {y.shape}; give one class, a whole number, to each of "
                f"{len(x)} images"
            )
        with np.errstate(over="ignore"):
            x = x.astype(np.float32, copy=False)
        if not np.isfinite(x).all():
            row = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
            raise DataError(f"{name} row {row} has features that are NaN, infinite or too large for float32")
        first, classes = checked[0] if checked else (x, y)
        if x.shape[1] != first.shape[1]:
            raise DataError(
                f"the {name} rows have {x.shape[1]} features, the training rows {first.shape[1]}; give the same to all"
            )
        missing = np.setdiff1d(y, classes)
        if missing.size:
            raise DataError(
                f"a label missing from the training rows: {', '.join(str(v) for v in missing)} occurs in {name} rows only; "
                "split anew, by class"
            )
        checked.append((x, y.astype(np.int64)))
    only = np.unique(checked[0][1])
    if len(only) < 2:
        raise DataError(f"all training rows have the label {only[0]}; a readout needs two classes or more")
    return checked


def known_whole(train: tuple[Features, Labels], valid: tuple[Features, Labels]) -> Known:
    """Let a readout know training and validation rows, and choose its settings on the latter."""
    x, y = np.concatenate([train[0], valid[0]]), np.concatenate([train[1], valid[1]])
    return Known(x, y, (np.arange(len(y)) >= len(train[1]),))


def known_few(train: tuple[Features, Labels], n: int, rng: np.random.Generator) -> Known:
    """Let a readout know n training rows per class, and choose its settings among them.

    Rows are held out in up to five folds that hold every class, and leave every class; so with n = 1 there are none.
    """
    rows = draw_images(train[1], n, rng)
    fold = np.repeat(np.arange(n) % MAX_FOLDS, rows.shape[1])
    held = tuple(fold == f for f in range(min(MAX_FOLDS, n))) if n > 1 else ()
    return Known(train[0][rows.ravel()], train[1][rows.ravel()], held)


def draw_images(y: ArrayLike, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw n rows of each class without replacement.

    Parameters
    ----------
    y : array_like of int, shape (T,)
        Classes.
    n : int
        How many of each.
    rng : numpy.random.Generator
        Source of the draw.

    Returns
    -------
    ndarray of int64, shape (n, C)
        Rows, one column a class.

    Raises
    ------
    SettingError
        If n is below 1.
    DataError
        If a class has too few; the text says how many.
    """
    labels = np.asarray(y)
    if n < 1:
        raise SettingError(f"labels is {n}; it must be 1 or more per class")
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < n:
        raise DataError(
            f"{n} labelled images per class were asked for, but label {classes[counts.argmin()]} has {counts.min()} among the "
            "training rows; ask for fewer"
        )
    return np.stack([rng.permutation(np.flatnonzero(labels == c))[:n] for c in classes], axis=1)


def scaled(x: Features, queries: Features, device: torch.device) -> tuple[Tensor, Tensor]:
    """Centre rows by the mean of `x`, and divide them by one number: the root of the mean squared length of `x`, centred.

    So settings mean the same for 3072 pixels and for 512 features of any scale, and the geometry between rows is kept,
    which standardising each column would change. Centring matters to neighbours by cosine: an offset common to all rows
    hides the angles between them.

    Parameters
    ----------
    x : ndarray of float32, shape (T, D)
        Rows to fit on.
    queries : ndarray of float32, shape (Q, D)
        Rows to predict.
    device : torch.device
        Where the result lies.

    Returns
    -------
    tuple of Tensor
        Both, scaled.
    """
    mean = x.mean(axis=0, dtype=np.float64).astype(np.float32)
    rows, others = x - mean, queries - mean
    # Squares are taken of numbers up to 1, lest those of large or tiny features leave float32.
    peak = max(rows.max(), -rows.min()) or np.float32(1)
    rows /= peak
    length = np.float32(np.sqrt(np.einsum("td,td->t", rows, rows).mean(dtype=np.float64))) or np.float32(1)
    rows /= length
    others /= peak
    others /= length
    return torch.from_numpy(rows).to(device), torch.from_numpy(others).to(device)
