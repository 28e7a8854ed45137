"""Parameters that MYOW and its twin without mining share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..graphs.mined_bootstrap import MinedBootstrap
from ..graphs.mining_settings import MiningSettings
from .bootstrap import BootstrapEstimator

__all__ = ["MinedEstimator"]


@dataclass(kw_only=True, eq=False, repr=False)
class MinedEstimator(MiningSettings, BootstrapEstimator):
    """Settings of mining on top of those of online and target networks.

    Parameters
    ----------
    mine_sessions : {"all", "within", "across"}, optional
        Where there are several sessions: whether an anchor mines from all of them, from its own, or from the others.
    **others
        See `myow.graphs.mining_settings.MiningSettings` and `myow.estimators.bootstrap.BootstrapEstimator`.
    """

    mine_sessions: Literal["all", "within", "across"] = "all"

    def build(self, n_features: int) -> MinedBootstrap:
        """Build the networks for `n_features` units."""
        encoder = self.make_encoder(n_features)
        return MinedBootstrap(
            encoder,
            n_features,
            self.dim,
            mining=self,
            batch_size=self.batch_size,
            mine_sessions=self.mine_sessions,
            **self.bootstrap_settings(),
        )
