"""The encoder before it has learnt anything: what its shape alone is worth."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ..estimators.encoder import EncoderEstimator
from ..graphs.closed_form import ClosedForm

__all__ = ["Untrained"]


@dataclass(kw_only=True, eq=False, repr=False)
class Untrained(EncoderEstimator):
    """Embed with the encoder's first weights, which `random_state` draws.

    Only the scaling of the input is learnt from the rows. With the same settings and seed this is the network that the
    trained methods start from.

    Parameters
    ----------
    **others
        See `myow.estimators.encoder.EncoderEstimator` and `myow.estimators.recordings.Estimator`.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> Untrained(dim=4, random_state=0).fit(counts).transform(counts).shape
    (60, 4)
    """

    dim: int = 64  # as MYOW's

    def build(self, n_features: int) -> UntrainedGraph:
        """Build the encoder for `n_features` units."""
        return UntrainedGraph(self.make_encoder(n_features), n_features)


class UntrainedGraph(ClosedForm):
    """The graph of an encoder that is not trained.

    Parameters
    ----------
    encoder : nn.Module
        From windows (B, W, N) to representations.
    n_units : int
        Units N of the recordings.
    """

    def __init__(self, encoder: nn.Module, n_units: int) -> None:
        super().__init__(n_units)
        self.encoder = encoder

    def embed(self, x: Tensor) -> Tensor:
        """Encode transformed windows of shape (B, W, N), shape (B, dim)."""
        y: Tensor = self.encoder(self.scaling(x))
        return y
