"""Decoders: methods that learn in closed form from labels, and name a class themselves."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits
from torch import Tensor

from ..data.recording import Recording
from ..data.targets import Targets
from ..errors import DataError, SettingError, unknown_name
from ..training.rows import TrainingRows
from .baselines import ClosedFormFeatures
from .recordings import RecordingEstimator

__all__ = ["LDA", "DecoderEstimator", "LinearDecoder", "PoissonNB", "discriminants"]

PRIORS = ("data", "uniform")


class DecoderEstimator(RecordingEstimator):
    """Base of the decoders: the embedding is what is believed of each class, and `predict` names the likeliest.

    `transform` gives the log posterior of each class in the order of ``classes_``, shape (T, C), up to a constant that all
    classes of a row share.
    """

    class_prior: Literal["data", "uniform"]

    uses_labels: ClassVar[bool] = True

    def predict(self, X: Any) -> NDArray[Any]:
        """Name the likeliest class of each row.

        Parameters
        ----------
        X : Recording or array_like, shape (T, N)
            Rows of the same units as in training.

        Returns
        -------
        ndarray, shape (T,)
            Of ``classes_``; of equally likely ones the first.

        Raises
        ------
        DataError
            If the number of units, the bin width or the values do not fit.
        """
        check_is_fitted(self, "network_")
        names: NDArray[Any] = np.asarray(self.classes_)[self.transform(X).argmax(axis=1)]
        return names

    def score(self, X: Any, y: Any = None) -> float:
        """Return the accuracy of `predict`.

        Parameters
        ----------
        X : Recording or array_like, shape (T, N)
            Rows.
        y : array_like, shape (T,), optional
            A class of each row.

        Returns
        -------
        float
            Accuracy; without labels the share of dimensions in use, as of every method.
        """
        return super().score(X) if y is None else float(accuracy_score(np.asarray(y), self.predict(X)))

    def _read_labels(self, y: Any, labelled: Any, n_rows: int) -> Targets | None:
        if self.class_prior not in PRIORS:
            raise unknown_name("class_prior", str(self.class_prior), PRIORS)
        targets = super()._read_labels(y, labelled, n_rows)
        if targets is None:
            return None
        name, classes = type(self).__name__, targets.classes
        if classes is None:
            index, classes = _whole_numbers(np.asarray(y)[targets.rows], name)
            targets = Targets(targets.rows, index, classes)
        if len(classes) < 2:
            raise DataError(
                f"all labelled rows have the label {classes[0]!s}; {name} needs rows of two classes or more"
            )
        self.classes_, self.n_targets_ = classes, len(classes)
        return targets


def _whole_numbers(labels: NDArray[Any], name: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Take real numbers that are whole for classes, as a readout of classes does."""
    if labels.ndim != 1 or not np.array_equal(labels, np.rint(labels)):
        raise DataError(
            f"the labels are real numbers of shape {labels.shape}, but {name} decodes classes; give one whole number or name a row"
        )
    classes, index = np.unique(labels, return_inverse=True)
    return index.astype(np.int64), classes


class LinearDecoder(ClosedFormFeatures):
    """Network of a decoder whose log posteriors are linear in the features.

    Parameters
    ----------
    n_units : int
        Units N of the recordings.
    window : int
        Bins W of the context window.
    n_classes : int
        Classes C.
    class_prior : {"data", "uniform"}
        As of `DecoderEstimator`.
    """

    weights: Tensor
    bias: Tensor

    def __init__(self, n_units: int, window: int, n_classes: int, class_prior: str) -> None:
        super().__init__(n_units)
        self.class_prior = class_prior
        self.register_buffer("weights", torch.zeros(window * n_units, n_classes))
        self.register_buffer("bias", torch.zeros(n_classes))

    def prepare(self, data: TrainingRows) -> None:
        """Learn weights and bias from the labelled rows, and from no others."""
        super().prepare(data)
        if data.targets is None:
            raise DataError("a decoder learns from labels, but there are none; give y")
        index = np.asarray(data.targets.values)
        counts = np.bincount(index, minlength=len(self.bias))
        prior = counts / counts.sum() if self.class_prior == "data" else np.full(len(counts), 1 / len(counts))
        # One thread: the same bits on a busy machine, and a small problem waits for no other core.
        with threadpool_limits(1):
            weights, bias = self.solve(self.training_features(data, data.targets.rows), index, prior)
        self.weights.copy_(torch.from_numpy(weights))
        self.bias.copy_(torch.from_numpy(bias))

    @abstractmethod
    def solve(
        self, features: NDArray[np.float64], index: NDArray[np.int64], prior: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Learn from labelled rows.

        Parameters
        ----------
        features : ndarray, shape (R, W * N)
            Their scaled windows, bins side by side.
        index : ndarray of int, shape (R,)
            Class of each; every class has a row.
        prior : ndarray, shape (C,)
            How likely each class is.

        Returns
        -------
        weights : ndarray, shape (W * N, C)
        bias : ndarray, shape (C,)
        """

    def embed(self, x: Tensor) -> Tensor:
        """Log posteriors of transformed windows of shape (B, W, N), up to a constant a row; shape (B, C)."""
        return self.features(x) @ self.weights + self.bias


@dataclass(kw_only=True, eq=False, repr=False)
class LDA(DecoderEstimator):
    r"""Take features for Gaussian, with a mean a class and one covariance for all.

    Features x are those of `Raw`: transformed and scaled values of each row's window, bins side by side. With the means
    :math:`\mu_k` and the covariance :math:`S` inside classes, the log posterior of class k is, up to a constant,
    :math:`\mu_k^T S^{-1} x - \mu_k^T S^{-1} \mu_k / 2 + \log p(k)`. S is the mean, weighted by the classes' priors, of each
    class's covariance, shrunk by the Ledoit-Wolf rule, as scikit-learn computes it (``solver="lsqr", shrinkage="auto"``).

    Where labelled rows do not vary inside any class, as with one row each, S is a multiple of the identity and the
    nearest mean wins.

    Parameters
    ----------
    context : tuple of int, default (0, 0)
        Bins (before, after) of the window that is seen around each bin. Widen it where a single bin holds few spikes;
        (before, 0) keeps the embedding causal, as a live stream needs it. Windows stop at the edges of a segment,
        where the nearest bin stands in for what is missing.
    class_prior : {"data", "uniform"}, default "data"
        Probability of each class before a row is seen: its share of the labelled rows, or 1/C. Choose "uniform" if
        test rows are balanced and labelled ones are not.
    input : {"auto", "sqrt", "anscombe", "rate", "none"}, default "auto"
        Transform of counts, see `myow.nn.scaling.transform_values`. "auto" takes the square root of counts, whose
        Poisson noise is then about equally large at every rate, and leaves signals as they are; the releases take
        "rate".
    scale : {"common", "unit", "none"}, default "common"
        Division after centring: by one common deviation, or by each unit's own. Keep "common" for counts, since
        "unit" blows up the noise of units that seldom fire; choose "unit" for signals of different units of
        measurement.
    random_state : int, RandomState or None, default None
        Seed of weights, batches and views. The same seed, threads and machine give the same embedding, bit by bit;
        None draws one, kept as ``seed_``.
    device : str, default "auto"
        Where to compute: "cpu", "cuda", ... "auto" takes a GPU if there is one.
    threads : int or None, default 1
        CPU threads while fitting; None for as many as torch is set to. Small networks gain little from a second
        thread, and take many times as long when another program wants its core. Bits may differ between numbers of
        threads.
    verbose : bool, default True
        Whether to say on standard error how fitting goes, once it has taken a second: device, steps and time left, as a bar in
        a terminal or notebook and as a line now and then elsewhere. It changes nothing that is learnt.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> side = np.repeat(["left", "right"], 30)
    >>> counts = rng.poisson(np.where(side[:, None] == "left", 1.0, 6.0), size=(60, 8))
    >>> LDA().fit(counts, side).predict(counts[[0, 59]]).tolist()
    ['left', 'right']
    """

    context: tuple[int, int] = (0, 0)
    class_prior: Literal["data", "uniform"] = "data"
    input: Literal["auto", "sqrt", "anscombe", "rate", "none"] = "auto"
    scale: Literal["common", "unit", "none"] = "common"
    random_state: int | None = None
    device: str = "auto"
    threads: int | None = 1
    verbose: bool = True

    def build(self, n_features: int) -> LDANetwork:
        """Build empty discriminants of `n_features` units."""
        return LDANetwork(n_features, self._window(), self.n_targets_, self.class_prior)


class LDANetwork(LinearDecoder):
    """Network of linear discriminant analysis; see `LinearDecoder` for the parameters."""

    def solve(
        self, features: NDArray[np.float64], index: NDArray[np.int64], prior: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Learn the discriminants of features, shape (R, W * N)."""
        return discriminants(features, index, prior)


def discriminants(
    features: NDArray[np.float64], index: NDArray[np.int64], prior: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Learn linear discriminants with one covariance for all classes, shrunk by the Ledoit-Wolf rule; see `LDA`.

    Parameters
    ----------
    features : ndarray, shape (R, F)
        Labelled rows.
    index : ndarray of int, shape (R,)
        Class of each; every class has a row.
    prior : ndarray, shape (C,)
        How likely each class is.

    Returns
    -------
    weights : ndarray, shape (F, C)
    bias : ndarray, shape (C,)
        Log posteriors are ``features @ weights + bias``, up to a constant a row.
    """
    means = np.stack([features[index == k].mean(axis=0) for k in range(len(prior))])
    if np.array_equal(features, means[index]):
        spread = float(features.var(axis=0).mean()) or 1.0
        return means.T / spread, np.log(prior) - (means**2).sum(axis=1) / (2 * spread)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=prior)
    with warnings.catch_warnings():
        # A class of one row says nothing of the covariance; the other classes do.
        warnings.filterwarnings("ignore", message="Only one sample available")
        model.fit(features, index)
    if len(prior) > 2:
        return model.coef_.T, model.intercept_
    # Of two classes there is one column, the difference of their log posteriors.
    sides = np.array([-0.5, 0.5])
    return model.coef_.T * sides, model.intercept_ * sides


@dataclass(kw_only=True, eq=False, repr=False)
class PoissonNB(DecoderEstimator):
    r"""Take units for independent given the class, each with a Poisson rate a class.

    A row's counts :math:`c_i`, those of its window side by side, so that each bin of the window has rates of its own,
    make a class k likely as :math:`\log p(k) + \sum_i c_i \log r_{ki} - r_{ki}`, up to a constant. Rates are estimated
    from the labelled rows: with the sum :math:`s_{ki}` of the counts in the :math:`n_k` rows of class k and the mean
    :math:`m_i` over all labelled rows, :math:`r_{ki} = (s_{ki} + a) / (n_k + a / m_i)`. That is the posterior mean under a
    Gamma prior of mean :math:`m_i` and shape a: rates of classes are thought to differ from the mean by a share of it,
    :math:`1 / \sqrt{a}`, that is the same for all units. Units that seldom fire, whose few counts say little, stay near
    their mean. A unit that is silent in all labelled rows decides nothing.

    Counts are taken as they are. A continuous recording is refused; an array may hold fractions of counts, but nothing
    negative.

    Parameters
    ----------
    context : tuple of int, default (0, 0)
        Bins (before, after) of the window that is seen around each bin. Widen it where a single bin holds few spikes;
        (before, 0) keeps the embedding causal, as a live stream needs it. Windows stop at the edges of a segment,
        where the nearest bin stands in for what is missing.
    class_prior : {"data", "uniform"}, default "data"
        Probability of each class before a row is seen: its share of the labelled rows, or 1/C. Choose "uniform" if
        test rows are balanced and labelled ones are not.
    prior_count : float, default 10.0
        Counts a that the prior of the rates weighs as much as, above 0. Raise it for fewer labelled rows; results are
        flat from about 2 to 10.
    input : {"auto", "sqrt", "anscombe", "rate", "none"}, default "none"
        Only "none" is taken: rates are of counts as they are. Leave it.
    scale : {"common", "unit", "none"}, default "none"
        Only "none" is taken: rates are of counts as they are. Leave it.
    random_state : int, RandomState or None, default None
        Seed of weights, batches and views. The same seed, threads and machine give the same embedding, bit by bit;
        None draws one, kept as ``seed_``.
    device : str, default "auto"
        Where to compute: "cpu", "cuda", ... "auto" takes a GPU if there is one.
    threads : int or None, default 1
        CPU threads while fitting; None for as many as torch is set to. Small networks gain little from a second
        thread, and take many times as long when another program wants its core. Bits may differ between numbers of
        threads.
    verbose : bool, default True
        Whether to say on standard error how fitting goes, once it has taken a second: device, steps and time left, as a bar in
        a terminal or notebook and as a line now and then elsewhere. It changes nothing that is learnt.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> side = np.repeat(["left", "right"], 30)
    >>> counts = rng.poisson(np.where(side[:, None] == "left", 1.0, 6.0), size=(60, 8))
    >>> PoissonNB().fit(counts, side).predict(counts[[0, 59]]).tolist()
    ['left', 'right']
    """

    context: tuple[int, int] = (0, 0)
    class_prior: Literal["data", "uniform"] = "data"
    prior_count: float = 10.0
    input: Literal["auto", "sqrt", "anscombe", "rate", "none"] = "none"
    scale: Literal["common", "unit", "none"] = "none"
    random_state: int | None = None
    device: str = "auto"
    threads: int | None = 1
    verbose: bool = True

    def build(self, n_features: int) -> PoissonNBNetwork:
        """Build empty rates of `n_features` units."""
        if not self.prior_count > 0:
            raise SettingError(f"prior_count is {self.prior_count}; it must be above 0 counts")
        if self.input != "none" or self.scale != "none":
            raise SettingError(
                f"input is '{self.input}' and scale '{self.scale}', but Poisson rates are of counts as they are; "
                "leave both 'none'"
            )
        window = self._window()
        return PoissonNBNetwork(n_features, window, self.n_targets_, self.class_prior, self.prior_count)

    def _as_recording(self, X: Any, *, reset: bool) -> Recording:
        if isinstance(X, Recording) and X.kind != "counts":
            raise DataError(
                f"PoissonNB is of counts, but the recording is {X.kind}; give it counts, or use LDA for signals"
            )
        recording = super()._as_recording(X, reset=reset)
        if recording.counts.min() < 0:
            raise DataError(
                f"Negative values in data passed to PoissonNB, down to {recording.counts.min():g}; it is of counts, "
                "use LDA for signals"
            )
        return recording

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that values must be 0 or more."""
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags


class PoissonNBNetwork(LinearDecoder):
    """Network of Poisson naive Bayes.

    Parameters
    ----------
    n_units, window, n_classes, class_prior
        As of `LinearDecoder`.
    prior_count : float
        Counts that the prior of the rates weighs as much as.
    """

    def __init__(self, n_units: int, window: int, n_classes: int, class_prior: str, prior_count: float) -> None:
        super().__init__(n_units, window, n_classes, class_prior)
        self.prior_count = prior_count

    def solve(
        self, features: NDArray[np.float64], index: NDArray[np.int64], prior: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Estimate rates from counts, shape (R, W * N): log rates are the weights, summed rates the bias."""
        member = (index == np.arange(len(prior))[:, None]).astype(np.float64)
        overall = features.mean(axis=0)
        active = overall > 0
        rows = self.prior_count / np.where(active, overall, 1.0)
        rates = (member @ features + self.prior_count) / (member.sum(axis=1)[:, None] + rows)
        rates[:, ~active] = 1.0  # the same for every class, so nothing is decided by it
        return np.log(rates).T, np.log(prior) - rates.sum(axis=1)
