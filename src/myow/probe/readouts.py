"""Readouts: small decoders that say what can be read from an embedding, all with the same few calls."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from ..errors import DataError, SettingError, unknown_name
from .metrics import accuracy, angular_error

__all__ = ["READOUTS", "Angle", "Class", "Continuous", "Neighbours", "Readout", "Scaling", "readout_class"]

Scaling = Literal["each", "common"]

# Half-decades from strong to weak. The weight of |W|^2 is strength times D, so that a strength means the same for wide
# and narrow embeddings (to double every column changes nothing), and it stands against the SUM of the losses over
# rows: a prior that more rows outweigh. Grid and defaults were chosen on Chewie-1 alone.
_PENALTIES = tuple(float(a) for a in 10.0 ** np.arange(1.5, -4.6, -0.5))


class Readout(ABC):
    """A decoder with one dial.

    Parameters
    ----------
    strength : float, optional
        The dial: weight of the squared coefficients over D (linear readouts), or number of neighbours. Default: `default`.
    period : float, optional
        Label value of a full turn, for readouts of an angle: 8 for directions 0 to 7.
    scaling : {"each", "common"}, optional
        Features are centred and divided by the deviation of each, or by one common deviation. Both are taken from
        the fitted rows. ``"each"`` is the convention, and raises the noise of features that seldom vary.

    Attributes
    ----------
    n_train_ : int
        Rows that it was fitted on.
    """

    name: ClassVar[str]
    grid: ClassVar[tuple[float, ...]]
    """Strengths to choose from."""
    default: ClassVar[float]
    """Strength where too little is labelled to choose one; of several that are equally good, the nearest to it is taken."""
    headline: ClassVar[Literal["accuracy", "r2"]]
    """The figure that the interval is of."""
    tolerance = 1e-4
    """When an iterative fit is done; while strengths are tried out it may be coarser."""

    def __init__(
        self, strength: float | None = None, *, period: float | None = None, scaling: Scaling = "each"
    ) -> None:
        if scaling not in ("each", "common"):
            raise unknown_name("scaling", str(scaling), ["each", "common"])
        self.strength = self.default if strength is None else strength
        self.period = period
        self.scaling = scaling

    def fit(self, z: ArrayLike, y: ArrayLike) -> Readout:
        """Fit on rows and their labels.

        Parameters
        ----------
        z : array_like, shape (T, D)
            Embedding.
        y : array_like, shape (T,) or (T, d)
            Labels.

        Returns
        -------
        Readout
            Itself.

        Raises
        ------
        DataError
            If shapes disagree, values are not finite, or the labels do not suit the readout.
        """
        x = _features(z)
        target = self.check(y)
        if len(target) != len(x):
            raise DataError(f"the embedding has {len(x)} rows, the labels {len(target)}; give one label a row")
        self._mean, self._scale = _moments(x, self.scaling)
        self._fit((x - self._mean) / self._scale, target)
        self.n_train_ = len(x)
        return self

    def predict(self, z: ArrayLike) -> NDArray[Any]:
        """Return the predicted label of each row, in the units of the labels; shape (T,) or (T, d)."""
        x = _features(z)
        if x.shape[1] != len(self._mean):
            raise DataError(f"the embedding has {x.shape[1]} columns; the readout was fitted on {len(self._mean)}")
        return self._predict((x - self._mean) / self._scale)

    @abstractmethod
    def check(self, y: ArrayLike) -> NDArray[Any]:
        """Return the labels as an array; raise DataError if this readout cannot be of such labels."""

    @abstractmethod
    def merit(self, z: ArrayLike, y: ArrayLike) -> float:
        """Return what is maximised when the strength is chosen, on rows that were not fitted."""

    @abstractmethod
    def _fit(self, x: NDArray[np.float64], y: NDArray[Any]) -> None: ...

    @abstractmethod
    def _predict(self, x: NDArray[np.float64]) -> NDArray[Any]: ...


class _OfClasses(Readout):
    """What readouts of classes share."""

    headline = "accuracy"
    classes_: NDArray[Any]
    """Classes among the fitted rows, sorted."""

    def check(self, y: ArrayLike) -> NDArray[Any]:
        labels = np.asarray(y)
        if labels.ndim != 1 or labels.size == 0:
            raise DataError(f"the labels have shape {labels.shape}; readout '{self.name}' needs one class a row")
        if labels.dtype.kind == "f" and not np.array_equal(labels, np.rint(labels)):
            raise DataError(
                f"the labels are real numbers; readout '{self.name}' needs classes; try 'continuous' or 'angle'"
            )
        return labels

    def fit(self, z: ArrayLike, y: ArrayLike) -> Readout:
        self.classes_ = np.unique(self.check(y))
        if len(self.classes_) < 2:
            raise DataError(
                f"all training rows have the label {self.classes_[0]!s}; a readout needs two classes or more"
            )
        return super().fit(z, y)

    def merit(self, z: ArrayLike, y: ArrayLike) -> float:
        return accuracy(self.check(y), self.predict(z))


class Class(_OfClasses):
    """Multinomial logistic regression."""

    name = "class"
    grid = _PENALTIES[:10]  # weaker ones gain nothing on Chewie-1, and take most of the time
    default = 10.0**-1

    def _fit(self, x: NDArray[np.float64], y: NDArray[Any]) -> None:
        model = LogisticRegression(C=1 / (self.strength * x.shape[1]), tol=self.tolerance, max_iter=1000)
        # The penalised solution lies in the span of the rows: where they are few, solve there, with far fewer columns.
        self._span = np.linalg.qr(x.T)[0] if x.shape[0] < x.shape[1] else None
        x = x if self._span is None else x @ self._span
        # A weakly penalised fit that runs into the limit is merely stopped early: validation rows judge it as it is.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._model = model.fit(x, y)

    def _predict(self, x: NDArray[np.float64]) -> NDArray[Any]:
        return np.asarray(self._model.predict(x if self._span is None else x @ self._span))


class Neighbours(_OfClasses):
    """Vote of the k nearest fitted rows by cosine; a tied vote goes to the nearer class.

    Rows are centred first, so that an offset common to all of them does not hide the angles between them.
    """

    name = "knn"
    grid = (65.0, 45.0, 25.0, 15.0, 9.0, 5.0, 3.0, 1.0)
    default = 9.0

    def _fit(self, x: NDArray[np.float64], y: NDArray[Any]) -> None:
        self._rows = _unit_length(x)
        self._hot = (y[:, None] == self.classes_).astype(np.float64)

    def _predict(self, x: NDArray[np.float64]) -> NDArray[Any]:
        k = min(int(self.strength), len(self._rows))
        winners = [self._vote(_unit_length(x[i : i + 512]), k) for i in range(0, len(x), 512)]
        return np.asarray(self.classes_[np.concatenate(winners)])

    def _vote(self, x: NDArray[np.float64], k: int) -> NDArray[np.int64]:
        cosine = x @ self._rows.T
        near = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
        # Similarities in [0, 1] that sum to at most k, scaled below one vote: they break ties and nothing else.
        closeness = (1 + np.take_along_axis(cosine, near, axis=1)) / (4 * k)
        return np.asarray(((1 + closeness)[:, :, None] * self._hot[near]).sum(axis=1).argmax(axis=1))


class Continuous(Readout):
    """Ridge regression to one or more real targets.

    Targets need no scaling: a ridge prediction scales with its target, column by column.
    """

    name = "continuous"
    headline: ClassVar[Literal["accuracy", "r2"]] = "r2"
    grid = _PENALTIES
    default = 1.0

    def check(self, y: ArrayLike) -> NDArray[Any]:  # noqa: D102
        target = np.asarray(y)
        if target.dtype.kind not in "iufb" or target.ndim not in (1, 2) or target.size == 0:
            raise DataError(
                f"the labels are {target.dtype} of shape {target.shape}; readout '{self.name}' needs numbers, (T,) or (T, d)"
            )
        if not np.isfinite(target).all():
            raise DataError("the labels hold NaN or infinite values; leave those rows out")
        return target.astype(np.float64)

    def merit(self, z: ArrayLike, y: ArrayLike) -> float:  # noqa: D102
        # Ordered as R2 is, and defined where the target happens to be constant.
        return -float(((self.check(y) - self.predict(z)) ** 2).sum())

    def _fit(self, x: NDArray[np.float64], y: NDArray[Any]) -> None:
        self._model = Ridge(alpha=self.strength * x.shape[1], solver="cholesky").fit(x, y)

    def _predict(self, x: NDArray[np.float64]) -> NDArray[Any]:
        return np.asarray(self._model.predict(x))


class Angle(Continuous):
    """Ridge regression to (cos, sin) of the angle ``2 pi y / period``; predictions lie in [0, period)."""

    name = "angle"
    headline = "accuracy"

    @property
    def turn(self) -> float:
        """Label value of a full turn."""
        if self.period is None or not self.period > 0:
            raise SettingError(
                f"the period is {self.period}; readout 'angle' needs the label value of a full turn, above 0"
            )
        return self.period

    def check(self, y: ArrayLike) -> NDArray[Any]:  # noqa: D102
        target = super().check(y)
        if target.ndim != 1:
            raise DataError(f"the labels have shape {target.shape}; readout 'angle' needs one angle a row")
        return target

    def radians(self, y: ArrayLike) -> NDArray[np.float64]:
        """Turn labels into angles."""
        return np.asarray(2 * np.pi / self.turn * self.check(y))

    def merit(self, z: ArrayLike, y: ArrayLike) -> float:  # noqa: D102
        # The mean cosine is smoother than accuracy on few rows, and unlike squared error ignores the length.
        return float(np.cos(angular_error(self.radians(y), self.radians(self.predict(z)))).mean())

    def _fit(self, x: NDArray[np.float64], y: NDArray[Any]) -> None:
        angle = self.radians(y)
        super()._fit(x, np.column_stack([np.cos(angle), np.sin(angle)]))

    def _predict(self, x: NDArray[np.float64]) -> NDArray[Any]:
        cos, sin = super()._predict(x).T
        share = np.mod(np.arctan2(sin, cos) / (2 * np.pi), 1.0)
        return np.where(share < 1.0, share, 0.0) * self.turn  # a tiny negative angle rounds up to a whole turn


READOUTS: Mapping[str, type[Readout]] = MappingProxyType({c.name: c for c in (Angle, Class, Continuous, Neighbours)})


def readout_class(name: str) -> type[Readout]:
    """Return the readout of that name; an unknown one raises `UnknownNameError` with the choices."""
    if name not in READOUTS:
        raise unknown_name("readout", name, READOUTS)
    return READOUTS[name]


def _features(z: ArrayLike) -> NDArray[np.float64]:
    x = np.asarray(z, dtype=np.float64)
    if x.ndim != 2 or 0 in x.shape:
        raise DataError(f"the embedding has shape {x.shape}; it must be (rows, dimensions) with at least one of each")
    if not np.isfinite(x).all():
        raise DataError("the embedding holds NaN or infinite values; a readout needs finite ones")
    return x


def _moments(x: NDArray[np.float64], scaling: Scaling) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    # A constant column comes out of rounding with a deviation that is tiny, not 0; dividing by it would make noise.
    constant = (deviation <= 1e-6 * deviation.max()) | (deviation <= 1e-10 * np.abs(mean))
    if constant.all():
        return mean, np.ones_like(deviation)
    if scaling == "common":
        return mean, np.full_like(deviation, np.sqrt(np.mean(deviation**2)))
    return mean, np.where(constant, 1.0, deviation)


def _unit_length(x: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(length > 0, length, 1.0))
