"""Input of networks: a pointwise transform of counts, then a scaling learnt from training rows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..device import cpu_threads
from ..errors import DataError, unknown_name

__all__ = ["INPUTS", "SCALES", "Scaling", "moments", "transform_row", "transform_values"]

Input = Literal["auto", "sqrt", "anscombe", "rate", "none"]
Scale = Literal["common", "unit", "none"]
CACHED = 1 << 17  # numbers of a block that are looked at while they are in a processor's cache
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


def transform_row(values: NDArray[Any], how: str, bin_size: float) -> NDArray[np.float32]:
    """Transform a few values as `transform_values` does, without the time that waking torch's threads takes.

    Parameters
    ----------
    values : ndarray, shape (..., N)
    how, bin_size
        See `transform_values`.

    Returns
    -------
    ndarray of float32, shape (..., N)
    """
    row: NDArray[np.float32] = np.asarray(values, dtype=np.float32)
    match how:
        case "sqrt":
            return np.asarray(np.sqrt(row))
        case "anscombe":
            return np.asarray(2 * np.sqrt(row + np.float32(0.375)) - np.float32(math.sqrt(1.5)), dtype=np.float32)
        case "rate":
            return np.asarray(row / np.float32(bin_size))
        case "none":
            return row
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

    def fit(self, values: Tensor | Iterable[Tensor], how: str) -> None:
        """Learn mean and deviation, shape (N,), from training rows of shape (T, N), or from blocks of them.

        Raises
        ------
        DataError
            If no unit varies, so that there is nothing to learn from.
        """
        variance, mean = moments([values] if isinstance(values, Tensor) else values)
        active = variance > 1e-12 * (variance + mean.square())  # relative, since signals may be in volts
        if not bool(active.any()):
            raise DataError(f"all {len(mean)} units are constant (silent) in the training rows; check the counts")
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


def moments(blocks: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Variance and mean, shape (N,), of rows that come a block at a time, in double precision.

    Parameters
    ----------
    blocks : iterable of Tensor, each of shape (B, N)
        At least one.

    Returns
    -------
    variance, mean : Tensor of float64, shape (N,)
    """
    blocks = iter(blocks)
    first = next(blocks)
    variance, mean = torch.var_mean(first.double(), dim=0, correction=0)
    second = next(blocks, None)
    if second is None:
        return variance, mean
    # Sums of differences to the first block's mean: nothing large is subtracted in the end, whatever the signal's offset.
    around, n = mean, 0
    total, squares = torch.zeros_like(mean), torch.zeros_like(mean)
    with cpu_threads(1):  # a second one would wait for the first most of the time
        for block in itertools.chain([first, second], blocks):
            for part in torch.split(block, max(1, CACHED // block.shape[1])):
                apart = part.double() - around
                ones = apart.new_ones(len(apart))
                total += ones @ apart
                squares += ones @ apart.square_()
                n += len(apart)
    shift = total / n
    return squares / n - shift.square(), around + shift
