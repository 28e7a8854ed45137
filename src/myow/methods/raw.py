"""Raw activity: what any representation has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from ..estimators.recordings import Estimator
from ..graphs.closed_form import ClosedForm

__all__ = ["Raw"]


@dataclass(kw_only=True, eq=False, repr=False)
class Raw(Estimator):
    """Learn nothing: the transformed values of each row's window, bins side by side.

    With the default `input` these are square roots of counts, whose Poisson noise is about equally large at every rate.
    A readout scales them by one common deviation, which keeps units that seldom fire small and reads more from few labels
    than units of one deviation each. The dimension D is the window's width times the number of units.

    Parameters
    ----------
    **others
        See `myow.estimators.recordings.Estimator`.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> Raw(context=(1, 1)).fit(counts).transform(counts).shape
    (60, 24)
    """

    readout_scaling: ClassVar[Literal["each", "common"]] = "common"

    def build(self, n_features: int) -> RawGraph:
        """Build the scaling of `n_features` units."""
        return RawGraph(n_features)


class RawGraph(ClosedForm):
    """The graph of raw activity: scaling alone."""

    def embed(self, x: Tensor) -> Tensor:
        """Lay the scaled bins of transformed windows, shape (B, W, N), side by side; shape (B, W * N)."""
        return self.features(x)
