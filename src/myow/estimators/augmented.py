"""Parameters of the methods that learn from augmented views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..augment.neural import NeuralAugment
from ..errors import SettingError, unknown_name
from .trained import TrainedEstimator

__all__ = ["AugmentedEstimator"]


@dataclass(kw_only=True, eq=False, repr=False)
class AugmentedEstimator(TrainedEstimator):
    """Settings of augmentation.

    Parameters
    ----------
    dropout, dropout_apply : float, optional
        Neuron dropout: upper end of the share of lost units, and the share of samples treated.
    dropout_to : {"mean", "silence"}, optional
        What a lost unit shows: its mean over the training rows, or no spike.
    noise : float, optional
        Deviation of Gaussian noise.
    noise_unit : {"input", "change"}, optional
        What it counts in: the scaled input, or what changes in it from one bin to the next
        (`myow.graphs.paired_views.augment_of`), so that a recording in which states last gets less.
    noise_to : {"bin", "window"}, optional
        Whether that is the deviation in each bin; or in the mean over the window's W bins, for which each bin gets
        sqrt(W) times as much.
    noise_hz, noise_apply : float, optional
        Deviation of further noise in Hz, on ``input="rate"``, and the share of samples that get it.
    pepper, pepper_hz, pepper_apply : float, optional
        Probability that a unit's rate is raised, by how many Hz, and the share of samples; on ``input="rate"``.
    augment : callable, optional
        An augmentation of one's own in place of all of the above: called with transformed windows, shape (V, B, W, N),
        and a `torch.Generator`; returns the same shape.
    **others
        See `myow.estimators.trained.TrainedEstimator`.
    """

    dropout: float = 0.4
    dropout_apply: float = 1.0
    dropout_to: Literal["mean", "silence"] = "mean"
    noise: float = 1.0
    noise_unit: Literal["input", "change"] = "input"
    noise_to: Literal["bin", "window"] = "bin"
    noise_hz: float = 0.0
    noise_apply: float = 1.0
    pepper: float = 0.0
    pepper_hz: float = 0.0
    pepper_apply: float = 1.0
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None

    def make_augment(self, *, shared_mask: bool = False) -> NeuralAugment | Callable[[Tensor, torch.Generator], Tensor]:
        """Build the augmentation that the settings ask for.

        Parameters
        ----------
        shared_mask : bool, optional
            Whether all views of a sample lose the same units.

        Raises
        ------
        SettingError
            If a setting is out of its range or does not fit the input.
        """
        for name in ("dropout", "dropout_apply", "noise_apply", "pepper", "pepper_apply"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingError(f"{name} is {getattr(self, name)}; it must lie between 0 and 1")
        if self.dropout_to not in ("mean", "silence"):
            raise unknown_name("dropout_to", self.dropout_to, ("mean", "silence"))
        if self.noise_unit not in ("input", "change"):
            raise unknown_name("noise_unit", self.noise_unit, ("input", "change"))
        if self.noise_to not in ("bin", "window"):
            raise unknown_name("noise_to", self.noise_to, ("bin", "window"))
        for name in ("noise", "noise_hz", "pepper_hz"):
            if getattr(self, name) < 0:
                raise SettingError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        if (self.noise_hz or self.pepper) and self.input != "rate":
            raise SettingError("noise_hz and pepper are in Hz: use them with input='rate', or use noise")
        return self.augment or NeuralAugment(
            dropout=self.dropout,
            dropout_apply=self.dropout_apply,
            dropout_to=self.dropout_to,
            noise=self.noise,
            noise_to=self.noise_to,
            noise_unit=self.noise_unit,
            noise_hz=self.noise_hz,
            noise_apply=self.noise_apply,
            pepper=self.pepper,
            pepper_hz=self.pepper_hz,
            pepper_apply=self.pepper_apply,
            shared_mask=shared_mask,
        )
