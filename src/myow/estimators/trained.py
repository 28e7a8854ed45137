"""Parameters of the methods for recordings whose encoder is trained by gradients."""

from __future__ import annotations

from dataclasses import dataclass

from .encoder import EncoderEstimator
from .training_settings import TrainingSettings

__all__ = ["TrainedEstimator"]


@dataclass(kw_only=True, eq=False, repr=False)
class TrainedEstimator(TrainingSettings, EncoderEstimator):
    """Settings of training on top of those of the encoder.

    Parameters
    ----------
    **others
        See `myow.estimators.training_settings.TrainingSettings`, `myow.estimators.encoder.EncoderEstimator` and
        `myow.estimators.recordings.Estimator`.
    """
