"""Decoders: methods that learn in closed form from labels, and name a class themselves."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits
from torch import Tensor

from ..data.targets import Targets
from ..errors import DataError, unknown_name
from ..graphs.closed_form import ClosedForm
from ..probe.metrics import accuracy
from ..views.windows import TrainingRows
from .recordings import Estimator

__all__ = ["DecoderEstimator", "LinearDecoder"]

PRIORS = ("data", "uniform")


@dataclass(kw_only=True, eq=False, repr=False)
class DecoderEstimator(Estimator):
    """Base of the decoders: the embedding is what is believed of each class, and `predict` names the likeliest.

    `transform` gives the log posterior of each class in the order of ``classes_``, shape (T, C), up to a constant that all
    classes of a row share.

    Parameters
    ----------
    class_prior : {"data", "uniform"}, optional
        How likely each class is before a row is seen: its share of the labelled rows, or 1/C.
    **others
        See `myow.estimators.recordings.Estimator`.
    """

    class_prior: Literal["data", "uniform"] = "data"

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
        check_is_fitted(self, "method_")
        names: NDArray[Any] = np.asarray(self.classes_)[self.transform(X).argmax(axis=1)]
        return names

    def score(self, X: Any, y: Any = None) -> float:
        """Say how often `predict` is right.

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
        return super().score(X) if y is None else accuracy(np.asarray(y), self.predict(X))

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


class LinearDecoder(ClosedForm):
    """Graph of a decoder whose log posteriors are linear in the features.

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

    def bind(self, data: TrainingRows) -> None:
        """Learn weights and bias from the labelled rows, and from no others."""
        super().bind(data)
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
