"""Parameters that MYOW and its twin without mining share."""

from __future__ import annotations

from dataclasses import dataclass

from ..graphs.mined_bootstrap import MinedBootstrap, MiningSettings
from .bootstrap import BootstrapEstimator

__all__ = ["MinedEstimator"]


@dataclass(kw_only=True, eq=False, repr=False)
class MinedEstimator(MiningSettings, BootstrapEstimator):
    """Settings of mining on top of those of online and target networks.

    Parameters
    ----------
    **others
        See `myow.graphs.mined_bootstrap.MiningSettings` and `myow.estimators.bootstrap.BootstrapEstimator`.
    """

    def build(self, n_features: int) -> MinedBootstrap:
        """Build the networks for `n_features` units."""
        encoder = self.make_encoder(n_features)
        return MinedBootstrap(
            encoder, n_features, self.dim, mining=self, batch_size=self.batch_size, **self.bootstrap_settings()
        )
