"""From counts to what a network sees: a pointwise transform, then a scaling learnt from training rows."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from ..errors import DataError, unknown_name

__all__ = ["INPUTS", "SCALES", "Scaling", "transform_values"]

Input = Literal["auto", "sqrt", "anscombe", "rate", "none"]
Scale = Literal["common", "unit", "none"]
INPUTS = ("auto", "sqrt", "anscombe", "rate", "none")
SCALES = ("common", "unit", "none")


def transform_values(values: Tensor, how: str, bin_size: float) -> Tensor:
    r"""Transform counts value by value, so that silence (a count of 0) stays 0.

    Parameters
    ----------
    values : Tensor, shape (..., N)
        Counts, or a continuous signal with ``how="none"``.
    how : {"sqrt", "anscombe", "rate", "none"}
        :math:`\sqrt{x}`; :math:`2\sqrt{x + 3/8} - 2\sqrt{3/8}` (Anscombe 1948, shifted); counts over bin width in Hz;
        or nothing. The first two make the noise of Poisson counts about equally large at every rate.
    bin_size : float
        Width of a bin in seconds.

    Returns
    -------
    Tensor of float32, shape (..., N)

    Examples
    --------
    >>> transform_values(torch.tensor([[0, 4]]), "sqrt", 0.1)
    tensor([[0., 2.]])
    """
    values = values.to(torch.float32)
    match how:
        case "sqrt":
            return values.sqrt()
        case "anscombe":
            return 2 * (values + 0.375).sqrt() - math.sqrt(1.5)
        case "rate":
            return values / bin_size
        case "none":
            return values
    raise unknown_name("input transform", how, INPUTS)


class Scaling(nn.Module):
    """Centre every unit, then divide by one common deviation or by each unit's own.

    One common deviation keeps the geometry of transformed counts; dividing each unit by its own blows up the noise of
    units that seldom fire, and nearest neighbours suffer most from that.

    Parameters
    ----------
    n_units : int
        Number of units N.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, n_units: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_units))
        self.register_buffer("deviation", torch.ones(n_units))

    def fit(self, values: Tensor, how: str) -> None:
        """Learn mean and deviation, shape (N,), from training rows of shape (T, N).

        Raises
        ------
        DataError
            If no unit varies, so that there is nothing to learn from.
        """
        variance, mean = torch.var_mean(values.double(), dim=0, correction=0)
        active = variance > 1e-12 * (variance + mean.square())  # relative, since signals may be in volts
        if not bool(active.any()):
            raise DataError(f"all {values.shape[1]} units are constant (silent) in the training rows; check the counts")
        match how:
            case "common":
                deviation = variance.mean().sqrt().expand_as(mean)
            case "unit":
                deviation = torch.where(active, variance, torch.ones_like(variance)).sqrt()
            case "none":
                mean, deviation = torch.zeros_like(mean), torch.ones_like(mean)
            case _:
                raise unknown_name("scale", how, SCALES)
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)

    def forward(self, values: Tensor) -> Tensor:
        """Scale transformed values of shape (..., N)."""
        scaled: Tensor = (values - self.mean) / self.deviation
        return scaled
