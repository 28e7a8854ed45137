"""Parameters that BYOL and MYOW share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .errors import SettingError, unknown_name
from .view_estimator import ViewEstimator

__all__ = ["BootstrapEstimator"]

EMBEDDINGS = ("auto", "representation", "prediction")


@dataclass(kw_only=True, eq=False, repr=False)
class BootstrapEstimator(ViewEstimator):
    """Settings of online and target networks.

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
    embedding : {"auto", "representation", "prediction"}, optional
        What `transform` gives: y = f(x); or what the predictor makes of it, the mined one where views are mined. A
        prediction is an average over what could have been seen: it holds less of the noise of this one bin, and less
        detail. "auto" takes it where more than half of the variance of the training rows is new in every bin
        (`myow.paired_views.mostly_new`), as in short bins of spikes.
    **others
        See `myow.view_estimator.ViewEstimator` and `myow.trained_estimator.TrainedEstimator`.
    """

    dim: int = 64
    dropout: float = 0.6
    positives: tuple[int, int] = (-2, 2)
    projector: tuple[int, ...] = ()
    predictor: int = 256
    target_momentum: float = 0.95
    target_schedule: Literal["constant", "cosine"] = "constant"
    symmetric: bool = True
    embedding: Literal["auto", "representation", "prediction"] = "auto"

    def bootstrap_settings(self) -> dict[str, Any]:
        """Keyword arguments of `myow.bootstrap.Bootstrap`.

        Raises
        ------
        SettingError
            If an augmentation's setting is out of its range or does not fit the input.
        """
        if self.predictor < 1 or any(width < 1 for width in self.projector):
            raise SettingError(f"projector {self.projector} and predictor {self.predictor} must be widths of 1 or more")
        if self.embedding not in EMBEDDINGS:
            raise unknown_name("embedding", self.embedding, EMBEDDINGS)
        return self.view_settings() | {
            "projector": tuple(self.projector),
            "predictor": self.predictor,
            "activation": self.activation,
            "momentum": self.target_momentum,
            "momentum_schedule": self.target_schedule,
            "symmetric": self.symmetric,
            "embedding": self.embedding,
        }
