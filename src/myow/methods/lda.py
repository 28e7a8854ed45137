"""Linear discriminant analysis with a shrunk covariance (Fisher 1936; Ledoit and Wolf 2004)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from ..estimators.decoder import DecoderEstimator, LinearDecoder

__all__ = ["LDA"]


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
    **others
        See `myow.estimators.decoder.DecoderEstimator` and `myow.estimators.recordings.Estimator`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> side = np.repeat(["left", "right"], 30)
    >>> counts = rng.poisson(np.where(side[:, None] == "left", 1.0, 6.0), size=(60, 8))
    >>> LDA().fit(counts, side).predict(counts[[0, 59]]).tolist()
    ['left', 'right']
    """

    def build(self, n_features: int) -> LDAGraph:
        """Build empty discriminants of `n_features` units."""
        return LDAGraph(n_features, sum(self._context()) + 1, self.n_targets_, self.class_prior)


class LDAGraph(LinearDecoder):
    """The graph of linear discriminant analysis; see `myow.estimators.decoder.LinearDecoder` for the parameters."""

    def solve(
        self, features: NDArray[np.float64], index: NDArray[np.int64], prior: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Learn the discriminants of features, shape (R, W * N)."""
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
