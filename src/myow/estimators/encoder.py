"""Parameters of the methods whose embedding is made by an encoder network."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from ..encoders import build_encoder
from ..errors import SettingError
from .recordings import Estimator

__all__ = ["EncoderEstimator"]


@dataclass(kw_only=True, eq=False, repr=False)
class EncoderEstimator(Estimator):
    """Settings of the encoder.

    Parameters
    ----------
    encoder : str, nn.Module or callable, optional
        Name of an encoder family; or an encoder of one's own, from windows (B, W, N) to representations (B, dim), or a
        callable that makes one from (W, N).
    hidden : tuple of int, optional
        Widths of the encoder's hidden layers.
    dim : int, optional
        Dimension D of the representation.
    activation : {"relu", "prelu", "gelu"}, optional
        Activation of all perceptrons.
    **others
        See `myow.estimators.recordings.Estimator`.
    """

    encoder: str | nn.Module | Callable[[int, int], nn.Module] = "pooled"
    hidden: tuple[int, ...] = (128, 128)
    dim: int = 128
    activation: Literal["relu", "prelu", "gelu"] = "relu"

    def make_encoder(self, n_units: int) -> nn.Module:
        """Build the encoder that the settings ask for.

        Raises
        ------
        SettingError
            If a width is not positive, or an encoder of one's own does not give shape (B, dim).
        """
        window = sum(self._context()) + 1
        if isinstance(self.encoder, str):
            if self.dim < 1 or any(width < 1 for width in self.hidden):
                raise SettingError(f"hidden {self.hidden} and dim {self.dim} must be widths of 1 or more")
            return build_encoder(self.encoder, window, n_units, tuple(self.hidden), self.dim, self.activation)
        # A copy: fitting must not change what was passed to the constructor.
        encoder = copy.deepcopy(self.encoder) if isinstance(self.encoder, nn.Module) else self.encoder(window, n_units)
        with torch.no_grad():
            encoder.eval()  # this look must not move running statistics
            shape = tuple(encoder(torch.zeros(2, window, n_units)).shape)
        if shape != (2, self.dim):
            raise SettingError(
                f"the encoder turns windows of shape (2, {window}, {n_units}) into {shape}; it must give (2, dim) = (2, {self.dim})"
            )
        return encoder
