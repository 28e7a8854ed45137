"""Settings of online and target networks, whatever the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..errors import SettingError

__all__ = ["BootstrapSettings"]


@dataclass(kw_only=True, eq=False, repr=False)
class BootstrapSettings:
    """What predicts what, and how fast the target follows.

    Parameters
    ----------
    projector : tuple of int, optional
        Hidden and output widths of the projector; empty for the identity.
    predictor : int, optional
        Hidden width of the predictor.
    target_momentum : float, optional
        Momentum of the target network's moving average.
    target_schedule : {"constant", "cosine"}, optional
        Whether the momentum stays or rises to 1.
    symmetric : bool, optional
        Whether each view predicts the other.
    """

    projector: tuple[int, ...] = ()
    predictor: int = 256
    target_momentum: float = 0.95
    target_schedule: Literal["constant", "cosine"] = "constant"
    symmetric: bool = True

    def network_settings(self) -> dict[str, Any]:
        """Those keyword arguments of `myow.graphs.bootstrap.Bootstrap` that are named here.

        Raises
        ------
        SettingError
            If a width is not positive.
        """
        if self.predictor < 1 or any(width < 1 for width in self.projector):
            raise SettingError(f"projector {self.projector} and predictor {self.predictor} must be widths of 1 or more")
        return {
            "projector": tuple(self.projector),
            "predictor": self.predictor,
            "momentum": self.target_momentum,
            "momentum_schedule": self.target_schedule,
            "symmetric": self.symmetric,
        }
