"""Multilayer perceptrons: the one building block of encoders, projectors and predictors."""

from __future__ import annotations

from torch import nn

from ..errors import unknown_name
from .repeatable import BatchNorm, PReLU

__all__ = ["ACTIVATIONS", "perceptron"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "prelu": PReLU, "gelu": nn.GELU}


def perceptron(widths: tuple[int, ...], activation: str = "relu") -> nn.Sequential:
    """Stack linear layers with batch norm and an activation after each but the last.

    Parameters
    ----------
    widths : tuple of int
        Input, hidden and output widths; one width alone gives the identity.
    activation : {"relu", "prelu", "gelu"}, optional
        What follows each batch norm.

    Returns
    -------
    nn.Sequential
        From shape (B, widths[0]) to (B, widths[-1]).

    Raises
    ------
    UnknownNameError
        If there is no such activation.
    """
    if activation not in ACTIVATIONS:
        raise unknown_name("activation", activation, ACTIVATIONS)
    layers: list[nn.Module] = []
    for i, (n_in, n_out) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        last = i == len(widths) - 2
        # A batch norm that follows cancels a bias, so only the last layer has one.
        layers.append(nn.Linear(n_in, n_out, bias=last))
        if not last:
            layers += [BatchNorm(n_out), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers)
