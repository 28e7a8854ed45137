"""Parameters that BYOL and MYOW share where they learn from recordings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..errors import unknown_name
from .bootstrap_settings import BootstrapSettings
from .view import ViewEstimator

__all__ = ["BootstrapEstimator"]

EMBEDDINGS = ("auto", "representation", "prediction")


@dataclass(kw_only=True, eq=False, repr=False)
class BootstrapEstimator(BootstrapSettings, ViewEstimator):
    """Settings of online and target networks.

    Parameters
    ----------
    embedding : {"auto", "representation", "prediction"}, optional
        What `transform` gives: y = f(x); or what the predictor makes of it, the mined one where views are mined. A
        prediction is an average over what could have been seen: it holds less of the noise of this one bin, and less
        detail. "auto" takes it where more than half of the variance of the training rows is new in every bin
        (`myow.graphs.paired_views.mostly_new`), as in short bins of spikes.
    **others
        See `myow.estimators.bootstrap_settings.BootstrapSettings`, `myow.estimators.view.ViewEstimator` and `myow.estimators.trained.TrainedEstimator`.
    """

    dim: int = 64
    dropout: float = 0.6
    positives: tuple[int, int] = (-2, 2)
    embedding: Literal["auto", "representation", "prediction"] = "auto"

    def bootstrap_settings(self) -> dict[str, Any]:
        """Keyword arguments of `myow.graphs.bootstrap.Bootstrap`.

        Raises
        ------
        SettingError
            If an augmentation's setting is out of its range or does not fit the input.
        """
        if self.embedding not in EMBEDDINGS:
            raise unknown_name("embedding", self.embedding, EMBEDDINGS)
        return {
            **self.view_settings(),
            **self.network_settings(),
            "activation": self.activation,
            "embedding": self.embedding,
        }
