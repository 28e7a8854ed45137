"""Readouts of embeddings, fitted on few or all labels."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from ..data.splits import Labelled
from ..errors import DataError, SettingError, unknown_name
from . import metrics
from .metrics import accuracy, angular_error
from .statistics import name_segments

__all__ = [
    "CLASSIFIERS",
    "READOUTS",
    "Angle",
    "Class",
    "Continuous",
    "Discriminant",
    "Neighbours",
    "Readout",
    "Scaling",
    "check_classifier",
    "fit_readout",
    "fit_readout_few",
    "fit_readout_semi_supervised",
    "nearest_classes",
    "parse_reading",
    "reading_name",
    "readout_class",
    "readout_kinds",
    "readout_name",
    "row_merits",
]

Scaling = Literal["each", "common"]

# Half-decades from strong to weak. The weight of |W|^2 is strength times D, so that a strength means the same for wide
# and narrow embeddings (to double every column changes nothing), and it stands against the SUM of the losses over
# rows: a prior that more rows outweigh. Grid and defaults were chosen on Chewie-1 alone.
_PENALTIES = tuple(float(a) for a in 10.0 ** np.arange(1.5, -4.6, -0.5))


class Readout(ABC):
    """Linear or nearest-neighbour decoder with one hyperparameter.

    Parameters
    ----------
    strength : float, optional
        The hyperparameter: weight of the squared coefficients over D (linear readouts), or number of neighbours. Default: `default`.
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
    """Metric that the interval is of."""
    tolerance = 1e-4
    """Tolerance at which an iterative fit stops; while strengths are tried out it may be coarser."""

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

    def linear(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Weights (D, K) and offsets (K,) of the fitted readout's K outputs, for an embedding as it is; None if not linear.

        Outputs are scores of the classes, predictions, or cosine and sine of an angle.
        """
        return None

    def _unscaled(
        self, weights: NDArray[np.float64], offset: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Turn weights of scaled features into those of features as they are."""
        plain = weights / self._scale[:, None]
        return plain, offset - self._mean @ plain

    @abstractmethod
    def _fit(self, x: NDArray[np.float64], y: NDArray[Any]) -> None: ...

    @abstractmethod
    def _predict(self, x: NDArray[np.float64]) -> NDArray[Any]: ...


class _OfClasses(Readout):
    """Base of the readouts of classes."""

    headline = "accuracy"
    classifier: ClassVar[str]
    """What classifies, of readout "class"."""
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
    classifier = "logistic"
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

    def linear(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:  # noqa: D102
        weights, offset = self._model.coef_.T, self._model.intercept_
        if len(self.classes_) == 2:  # one score, of the second class
            weights, offset = np.column_stack([0 * weights, weights]), np.array([0.0, offset[0]])
        return self._unscaled(weights if self._span is None else self._span @ weights, offset)


class Discriminant(_OfClasses):
    """Linear discriminant analysis with one covariance for all classes, shrunk by the Ledoit-Wolf rule.

    The rule sets the shrinkage, so that no strength is left to choose. A class's prior is its share of the fitted rows.
    """

    name = "class"
    classifier = "lda"
    grid = (1.0,)
    default = 1.0

    def _fit(self, x: NDArray[np.float64], y: NDArray[Any]) -> None:
        from ..methods.decoders import discriminants  # figures, which need the names of readouts, do without torch

        index = np.searchsorted(self.classes_, y)
        self._weights, self._bias = discriminants(x, index, np.bincount(index) / len(index))

    def _predict(self, x: NDArray[np.float64]) -> NDArray[Any]:
        return np.asarray(self.classes_[(x @ self._weights + self._bias).argmax(axis=1)])


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

    def linear(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """See `Readout.linear`."""
        weights = np.atleast_2d(self._model.coef_).T
        return self._unscaled(weights, np.atleast_1d(self._model.intercept_))


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


ALIASES: Mapping[str, str] = MappingProxyType(
    {"classification": "class", "regression": "continuous", "circular": "angle"}
)
CLASSIFIERS: Mapping[str, tuple[type[Class] | type[Discriminant], ...]] = MappingProxyType(
    {"logistic": (Class,), "lda": (Discriminant,), "auto": (Discriminant, Class)}
)
"""What may classify in readout "class"; rows that choose the strength choose among several too, the first if they cannot tell."""
SEMI = "semi"


def readout_name(name: str) -> str:
    """Return the name of a readout, given that or an alias; an unknown one raises `UnknownNameError` with the choices."""
    name = ALIASES.get(name, name)
    if name not in READOUTS:
        raise unknown_name("readout", name, READOUTS)
    return name


def readout_class(name: str) -> type[Readout]:
    """Return the readout of that name or alias; an unknown one raises `UnknownNameError` with the choices."""
    return READOUTS[readout_name(name)]


def check_classifier(classifier: str, readout: str) -> None:
    """Raise SettingError if there is no such classifier, or the readout does not classify by one."""
    if classifier not in CLASSIFIERS:
        raise unknown_name("classifier", classifier, CLASSIFIERS)
    if classifier != "logistic" and readout_name(readout) != "class":
        raise SettingError(f"classifier '{classifier}' is for readout 'class', and this is '{readout}'; leave it out")


def reading_name(readout: str, classifier: str = "logistic", semi_supervised: bool = False) -> str:
    """Return one word for a readout and its options, as rows and files of results name it.

    Examples
    --------
    >>> reading_name("class"), reading_name("class", "auto", True)
    ('class', 'class-auto-semi')
    """
    parts = [readout_name(readout), *([] if classifier == "logistic" else [classifier])]
    return "-".join([*parts, *([SEMI] if semi_supervised else [])])


def parse_reading(name: str) -> tuple[str, str, bool]:
    """Return readout, classifier and whether it is semi-supervised; the inverse of `reading_name`.

    Examples
    --------
    >>> parse_reading("class-semi")
    ('class', 'logistic', True)
    """
    readout, *options = name.split("-")
    semi_supervised = SEMI in options
    classifier = next((option for option in options if option != SEMI), "logistic")
    check_classifier(classifier, readout)
    if reading_name(readout, classifier, semi_supervised) != name:
        raise unknown_name("readout", name, READOUTS)
    return readout, classifier, semi_supervised


def readout_kinds(readout: str, classifier: str = "logistic") -> tuple[type[Readout], ...]:
    """Return what may be fitted, given a readout and a classifier; the first where nothing can be chosen."""
    check_classifier(classifier, readout)
    kind = readout_class(readout)
    return CLASSIFIERS[classifier] if kind is Class else (kind,)


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


def row_merits(readout: Readout, y: ArrayLike, predicted: ArrayLike) -> NDArray[np.float64]:
    """Return what each row adds to the headline: a hit or a miss, or its squared error."""
    true, found = readout.check(y), readout.check(predicted)
    if readout.headline == "r2":
        return np.asarray(((true - found) ** 2).reshape(len(true), -1).sum(axis=1))
    if isinstance(readout, Angle):
        error = metrics.angular_error(readout.radians(true), readout.radians(found))
        return np.asarray(error < metrics.ANGLE_TOLERANCE, dtype=np.float64)
    return np.asarray(true == found, dtype=np.float64)


def nearest_classes(predicted: NDArray[Any], names: NDArray[Any], period: float | None) -> NDArray[Any]:
    """Return predicted classes; an angle counts as the class nearest to it on the circle."""
    if predicted.dtype.kind != "f" or period is None:
        return predicted
    away = np.abs((predicted[:, None] - names + period / 2) % period - period / 2)
    nearest: NDArray[Any] = names[away.argmin(axis=1)]
    return nearest


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
    classifier: str = "logistic",
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
    classifier : {"logistic", "lda", "auto"}, optional
        What classifies, for readout "class": logistic regression, linear discriminant analysis with a shrunk covariance, or the
        one of these that is better on validation rows.

    Returns
    -------
    Readout
        Fitted, with its `strength` and `n_train_`.

    Raises
    ------
    UnknownNameError
        If there is no such readout or classifier.
    DataError
        If labels do not suit it, or validation rows have a class that training rows lack.
    """
    if len(np.asarray(y_valid)) == 0:
        raise DataError("there are no validation rows to choose the readout on; split off some")
    candidates = [(kind, strength) for kind in readout_kinds(readout, classifier) for strength in kind.grid]
    merits = []
    for kind, strength in candidates:
        tried = kind(strength, period=period, scaling=scaling).fit(z_train, y_train)
        require_known(tried, y_valid, "validation")
        merits.append(tried.merit(z_valid, y_valid))
    kind, strength = _best(candidates, merits)
    return kind(strength, period=period, scaling=scaling).fit(
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
    classifier: str = "logistic",
) -> Readout:
    """Fit on a few labelled rows; the choice of the strength uses those rows alone.

    With two or more labelled segments (or stretches) per class the strength is chosen by cross-validation inside them,
    in up to five folds that keep segments whole and hold every class. With one, there is nothing to choose on, and
    the readout's fixed `default` is used, and "lda" of classifier "auto", which was the better one on few rows of Chewie-1.

    Parameters
    ----------
    readout : {"angle", "class", "continuous", "knn"}
        Which readout.
    z : array_like, shape (T, D)
        Embedding.
    y : array_like, shape (T,) or (T, d)
        Labels; only those of labelled rows are read.
    labelled : Labelled
        From `myow.data.splits.draw_labelled`.
    period, scaling, classifier
        As in `fit_readout`.

    Returns
    -------
    Readout
        Fitted on the labelled rows.

    Raises
    ------
    UnknownNameError
        If there is no such readout or classifier.
    DataError
        If labels do not suit it.
    """
    kinds = readout_kinds(readout, classifier)
    candidates = [(kind, strength) for kind in kinds for strength in kind.grid]
    z, y = np.asarray(z)[labelled.rows], np.asarray(y)[labelled.rows]
    return _cross_validated(candidates, z, y, labelled, period=period, scaling=scaling)


Candidate = tuple[type[Readout], float]


def _cross_validated(
    candidates: Sequence[Candidate], z: NDArray[Any], y: NDArray[Any], labelled: Labelled, **options: Any
) -> Readout:
    """Fit the best candidate by folds of whole segments; of one segment a class the first of them, with its default."""
    kind, strength = candidates[0][0], candidates[0][0].default
    n_folds = min(MAX_FOLDS, labelled.n_parts)
    if n_folds > 1 and len(candidates) > 1:
        merits = [
            sum(
                _coarse(kind(strength, **options)).fit(z[~held], y[~held]).merit(z[held], y[held])
                for held in _folds(labelled, n_folds)
            )
            for kind, strength in candidates
        ]
        kind, strength = _best(candidates, merits)
    return kind(strength, **options).fit(z, y)


COMPONENTS = 16
"""Principal components of the embedding in which unlabelled segments are named."""


def fit_readout_semi_supervised(
    z: ArrayLike,
    y: ArrayLike,
    segments: ArrayLike,
    labelled: Labelled,
    *,
    scaling: Scaling = "each",
    classifier: str = "logistic",
) -> Readout:
    """Fit a readout of classes on a few labelled segments and on unlabelled ones, whose class is inferred first.

    For labels that are the same in all rows of a segment. The first 16 principal components of the scaled rows go to
    `myow.evaluation.statistics.name_segments`, a Gaussian mixture with a component a class that is begun at the labelled rows.
    The class that it finds likeliest for a segment then counts as the label of all its rows, and a readout of class is
    fitted on all rows with its fixed default; of classifier "auto" the better one by cross-validation over segments, labelled
    and named ones together. Without unlabelled segments this is `fit_readout_few`.

    Parameters
    ----------
    z : array_like, shape (T, D)
        Embedding of training rows, labelled or not. Rows of the test have no place here.
    y : array_like, shape (T,)
        Labels; only those of labelled rows are read.
    segments : array_like of int, shape (T,)
        Segment of each row; one with a labelled row is labelled.
    labelled : Labelled
        From `myow.data.splits.draw_labelled`.
    scaling, classifier
        As in `fit_readout`.

    Returns
    -------
    Readout
        Fitted on all rows.

    Raises
    ------
    UnknownNameError
        If there is no such classifier.
    DataError
        If labels do not suit it, or a segment has labels of two classes.
    """
    kinds = readout_kinds("class", classifier)
    x, segment = _features(z), np.unique(np.asarray(segments), return_inverse=True)[1]
    names, index = np.unique(kinds[0]().check(np.asarray(y)[labelled.rows]), return_inverse=True)
    given = np.full(len(x), -1)
    given[labelled.rows] = index
    mean, scale = _moments(x, scaling)
    scaled = (x - mean) / scale
    all_labelled = len(np.unique(segment[labelled.rows])) == segment.max() + 1
    if all_labelled or len(names) < 2 or not scaled.any():
        return fit_readout_few("class", z, y, labelled, scaling=scaling, classifier=classifier)
    components = PCA(min(COMPONENTS, *x.shape), random_state=0).fit(scaled)
    held = components.explained_variance_ > 1e-10 * components.explained_variance_.max()
    share = name_segments(components.transform(scaled)[:, held], segment, given)
    named = share.argmax(axis=1)
    # Segments are numbered inside their class, as those that are drawn are.
    order = np.argsort(named, kind="stable")
    counts = np.bincount(named)
    part = np.empty(len(named), dtype=np.int64)
    part[order] = np.arange(len(named)) - np.repeat(np.cumsum(counts) - counts, counts)
    every = Labelled(np.arange(len(x)), part[segment], int(counts.min()))
    candidates = [(kind, kind.default) for kind in kinds]
    return _cross_validated(candidates, x, names[named[segment]], every, scaling=scaling)


def _coarse(readout: Readout) -> Readout:
    # Fifty fits decide on one number; half the time is enough for that.
    readout.tolerance = 1e-3
    return readout


def _best(candidates: Sequence[Candidate], merits: Sequence[float]) -> Candidate:
    # On few rows many strengths tie, at 100 % for one; the tied one nearest the default is the least surprising.
    order = list(dict.fromkeys(kind for kind, _ in candidates))
    keys = [
        (-merit, order.index(kind), abs(np.log(strength / kind.default)))
        for (kind, strength), merit in zip(candidates, merits, strict=True)
    ]
    return candidates[min(range(len(keys)), key=keys.__getitem__)]


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
