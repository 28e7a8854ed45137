"""Poisson naive Bayes: the decoder of spike counts that asks for the fewest labels (Zhang et al. 1998)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from ..errors import DataError, SettingError
from ..estimators.decoder import DecoderEstimator, LinearDecoder

__all__ = ["PoissonNB"]


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
    prior_count : float, optional
        The a above, in counts, above 0: how many the prior weighs as much as.
    input, scale : {"none"}
        Only counts as they are have a Poisson distribution.
    **others
        See `myow.estimators.decoder.DecoderEstimator` and `myow.estimators.recordings.Estimator`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> side = np.repeat(["left", "right"], 30)
    >>> counts = rng.poisson(np.where(side[:, None] == "left", 1.0, 6.0), size=(60, 8))
    >>> PoissonNB().fit(counts, side).predict(counts[[0, 59]]).tolist()
    ['left', 'right']
    """

    # Of 0.3 to 10, with all labels, five and one trial a direction, on Chewie-1 without its test rows; flat from 2 to 10.
    prior_count: float = 10.0
    input: Literal["auto", "sqrt", "anscombe", "rate", "none"] = "none"
    scale: Literal["common", "unit", "none"] = "none"

    def build(self, n_features: int) -> PoissonNBGraph:
        """Build empty rates of `n_features` units."""
        if not self.prior_count > 0:
            raise SettingError(f"prior_count is {self.prior_count}; it must be above 0 counts")
        if self.input != "none" or self.scale != "none":
            raise SettingError(
                f"input is '{self.input}' and scale '{self.scale}', but Poisson rates are of counts as they are; "
                "leave both 'none'"
            )
        window = sum(self._context()) + 1
        return PoissonNBGraph(n_features, window, self.n_targets_, self.class_prior, self.prior_count)

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
        """Say that values must be 0 or more."""
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags


class PoissonNBGraph(LinearDecoder):
    """The graph of Poisson naive Bayes.

    Parameters
    ----------
    n_units, window, n_classes, class_prior
        As of `myow.estimators.decoder.LinearDecoder`.
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
