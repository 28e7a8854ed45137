"""Images with labels and official test images, and their parts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, SettingError
from .recording import frozen

__all__ = ["TEST_SHARE", "Images", "draw_parts"]

FIRST = "class"
MOST_CLASSES = 100_000


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """T colour images of one size, valid by construction and read-only; fulfils `myow.data.rows.Rows`.

    Parameters
    ----------
    pixels : array_like of uint8, shape (T, H, W, 3)
        Red, green and blue. A read-only array is taken as it is, so that large sets are not copied; any other is copied.
    labels : mapping of str to array_like of int, shape (T,), optional
        Numbers of classes, counted from 0. Where there are labels, one of them is "class", and it comes first.
    test : array_like of bool, shape (T,), optional
        Which images are of the official test part. Default: none.
    class_names : mapping of str to sequence of str, optional
        Names of the classes of each label. Default: their numbers.
    name : str, optional
        Name of the set.
    source : mapping of str to str, optional
        Where the images come from: file, checksum, licence, citation.
    official : tuple of int, optional
        Training and test images of the official set, if there is one.
    loaded : tuple of int, optional
        Training and test images of the set that these are a selection of. Default: of these.

    Raises
    ------
    DataError
        If a shape, type or value is not as described.

    Examples
    --------
    >>> images = Images(np.zeros((3, 8, 8, 3), dtype=np.uint8), labels={"class": [0, 1, 0]}, test=[False, False, True])
    >>> len(images), images.size, images.class_names["class"]
    (3, (8, 8), ('0', '1'))
    """

    pixels: NDArray[np.uint8]
    labels: Mapping[str, NDArray[np.int64]] = field(default_factory=dict, kw_only=True)
    test: NDArray[np.bool_] = field(default=None, kw_only=True)  # type: ignore[arg-type]
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict, kw_only=True)
    name: str = field(default="", kw_only=True)
    source: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    official: tuple[int, int] | None = field(default=None, kw_only=True)
    loaded: tuple[int, int] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        pixels = _pixels(self.pixels)
        test = _test(self.test, len(pixels))
        if self.labels and FIRST not in self.labels:
            raise DataError(f"labels are {', '.join(self.labels)}; one of them must be '{FIRST}'")
        order = sorted(self.labels, key=lambda label: label != FIRST)
        labels = {label: _label(label, self.labels[label], len(pixels)) for label in order}
        for label in self.class_names:
            if label not in labels:
                raise DataError(f"class_names names '{label}', which is not among the labels {order}")
        n_test = int(test.sum())
        loaded = self.loaded or (len(pixels) - n_test, n_test)
        if self.official is not None and any(n > most for n, most in zip(loaded, self.official, strict=True)):
            raise DataError(
                f"there are {loaded} training and test images, more than {self.official} of the official set"
            )
        checked = {
            "pixels": pixels,
            "test": test,
            "labels": MappingProxyType(labels),
            "class_names": MappingProxyType({k: _names(k, v, self.class_names.get(k)) for k, v in labels.items()}),
            "source": MappingProxyType(dict(self.source)),
            "loaded": loaded,
        }
        for key, value in checked.items():
            object.__setattr__(self, key, value)

    # What training sees: the `Rows` protocol.

    def __len__(self) -> int:
        return int(self.pixels.shape[0])

    @cached_property
    def times(self) -> NDArray[np.float64]:
        """Number of each image, shape (T,): images have no time, only an order."""
        return frozen(np.arange(len(self), dtype=np.float64))

    @cached_property
    def bins(self) -> NDArray[np.int64]:
        """Position inside the group, shape (T,): always 0."""
        return frozen(np.zeros(len(self), dtype=np.int64))

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """Group of each image, shape (T,): every image is a group of its own."""
        return frozen(np.arange(len(self), dtype=np.int64))

    def gather(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of `rows`, shape (len(rows), H, W, 3)."""
        return self.pixels[rows]

    # Shape and content.

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[2])

    @property
    def subset(self) -> str:
        """Part of the official set that was loaded, in words; "" if it was all of it, or if there is no official set."""
        if self.official is None or self.loaded is None or self.loaded == self.official:
            return ""
        (train, test), (all_train, all_test) = self.loaded, self.official
        return f"subset: {train} of {all_train} training and {test} of {all_test} test images"

    def __repr__(self) -> str:
        height, width = self.size
        subset = f", {self.subset}" if self.subset else ""
        return (
            f"Images({self.name or 'unnamed'}: {len(self)} of {height} x {width} pixels, {self.test.sum()} for testing, "
            f"labels: {', '.join(self.labels) or 'none'}{subset})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        keep = {k: getattr(self, k) for k in self.__dataclass_fields__ if k != "pixels"}
        keep |= {k: dict(keep[k]) for k in ("labels", "class_names", "source")}
        return _rebuild, (self.pixels, keep)

    def digest(self) -> str:
        """Return a checksum of pixels, labels and official parts: of all that training and the drawing of parts see."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        sha = hashlib.sha256(f"images {self.pixels.shape} {list(self.labels)}".encode())
        for array in (self.pixels, self.test, *self.labels.values()):
            sha.update(np.ascontiguousarray(array).data)
        return sha.hexdigest()

    # Parts of it.

    def select(self, rows: ArrayLike) -> Images:
        """Keep some images, in their order.

        Parameters
        ----------
        rows : array_like of int or bool
            Indices (rising) or a mask of length T.

        Returns
        -------
        Images
            With the labels of those images; `subset` goes on to speak of the set as it was loaded.

        Raises
        ------
        DataError
            If no image is left, or the rows do not rise.
        """
        array = np.asarray(rows)
        if array.size == 0:
            raise DataError("the selection holds no image; choose at least one")
        try:
            index = np.arange(len(self))[array]
        except IndexError as error:
            raise DataError(f"cannot select by these rows ({error}); give indices or a mask of {len(self)}") from None
        if index.ndim != 1 or index.size == 0 or (np.diff(index) <= 0).any():
            raise DataError(
                "the rows to select must be one list that rises, with at least one; sort them, drop repeats"
            )
        labels = {k: v[index] for k, v in self.labels.items()}
        return replace(self, pixels=frozen(self.pixels[index]), test=self.test[index], labels=labels)

    def parts(self, seed: int, valid: float = 0.1) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of a training, a validation and a test part, each rising.

        The test part is the official one. Validation is drawn at random from the rest, by the first label if there are
        labels, so that every class keeps its share. Where there is no official test part, a fifth of all images is drawn
        as one in the same way, before validation is: it depends on the seed alone.

        Parameters
        ----------
        seed : int
            Seed of what is drawn.
        valid : float, optional
            Share of the training images that validation takes, 0 or more and below 1; above 0 it takes one at least.

        Returns
        -------
        tuple of ndarray of int
            Disjoint; together they hold every image.

        Raises
        ------
        SettingError
            If `valid` is out of range or the seed is no whole number of 0 or more.
        DataError
            If there are too few images.
        """
        return draw_parts(self.labels.get(FIRST), self.test, seed, valid)


def _rebuild(pixels: NDArray[np.uint8], rest: dict[str, Any]) -> Images:
    return Images(frozen(pixels), **rest)


def _pixels(values: ArrayLike) -> NDArray[np.uint8]:
    try:
        array = np.asarray(values)
    except ValueError:
        raise DataError("images differ in shape; resize them to one size") from None
    if array.ndim != 4 or array.shape[-1] != 3 or 0 in array.shape:
        raise DataError(
            f"pixels have shape {array.shape}; they must be (images, height, width, 3) with at least one image"
        )
    if array.dtype != np.uint8:
        raise DataError(f"pixels are of type {array.dtype}; they must be bytes, 0 to 255 (uint8)")
    return frozen(array.copy()) if array.flags.writeable else array


def _test(values: ArrayLike | None, n: int) -> NDArray[np.bool_]:
    array = np.zeros(n, dtype=bool) if values is None else np.array(values)
    if array.shape != (n,) or array.dtype != bool:
        raise DataError(
            f"test has shape {array.shape} and type {array.dtype}, but there are {n} images; give True or False for each"
        )
    return frozen(array)


def _label(name: str, values: ArrayLike, n: int) -> NDArray[np.int64]:
    array = np.array(values)
    if array.shape != (n,) or array.dtype.kind not in "iu":
        raise DataError(
            f"label '{name}' has shape {array.shape} and type {array.dtype}, but there are {n} images; "
            "give the whole number of a class for each"
        )
    low, high = array.min(), array.max()
    if low < 0 or high >= MOST_CLASSES:
        raise DataError(f"label '{name}' holds {low if low < 0 else high}; classes are counted from 0, without gaps")
    return frozen(array.astype(np.int64))


def _names(label: str, values: NDArray[np.int64], names: Any) -> tuple[str, ...]:
    top = int(values.max())
    named = tuple(str(n) for n in (range(top + 1) if names is None else names))
    if top >= len(named):
        row = int(values.argmax())
        raise DataError(
            f"label '{label}' is {top} at image {row}, but there are {len(named)} classes: 0 to {len(named) - 1}"
        )
    return named


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
