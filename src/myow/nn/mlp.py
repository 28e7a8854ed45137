"""Multilayer perceptrons, and the encoders of recordings that are made of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import unknown_name

__all__ = ["ACTIVATIONS", "ENCODERS", "MLPEncoder", "PooledEncoder", "ResidualEncoder", "build_encoder", "perceptron"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "prelu": nn.PReLU, "gelu": nn.GELU}


def perceptron(widths: tuple[int, ...], activation: str = "relu", *, batch_norm: bool = True) -> nn.Sequential:
    """Stack linear layers with batch norm and an activation after each but the last.

    Parameters
    ----------
    widths : tuple of int
        Input, hidden and output widths; one width alone gives the identity.
    activation : {"relu", "prelu", "gelu"}, optional
        Activation behind each batch norm.
    batch_norm : bool, optional
        Whether hidden layers are normalised. Without it they have a bias.

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
        # A batch norm that follows cancels a bias.
        layers.append(nn.Linear(n_in, n_out, bias=last or not batch_norm))
        if not last:
            layers += [*([nn.BatchNorm1d(n_out)] if batch_norm else []), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers)


class MLPEncoder(nn.Module):
    """Flatten the context window, then a perceptron; each bin of the window has weights of its own.

    Parameters
    ----------
    n_bins, n_units : int
        Shape of a window.
    hidden : tuple of int
        Widths of the hidden layers.
    dim : int
        Dimension of the representation.
    activation : str
        Activation of the hidden layers.
    """

    def __init__(self, n_bins: int, n_units: int, hidden: tuple[int, ...], dim: int, activation: str) -> None:
        super().__init__()
        self.layers = perceptron((n_bins * n_units, *hidden, dim), activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map windows of shape (B, W, N) to representations of shape (B, D)."""
        y: Tensor = self.layers(x.flatten(1))
        return y


class PooledEncoder(nn.Module):
    """Average the context window, then a perceptron; with a window of one bin it is a plain perceptron.

    Averaging keeps the number of weights independent of the window, which is what short recordings need.

    Parameters
    ----------
    n_bins, n_units, hidden, dim, activation
        As of `MLPEncoder`.
    """

    def __init__(self, n_bins: int, n_units: int, hidden: tuple[int, ...], dim: int, activation: str) -> None:
        super().__init__()
        self.layers = perceptron((n_units, *hidden, dim), activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map windows of shape (B, W, N) to representations of shape (B, D)."""
        y: Tensor = self.layers(x.mean(dim=1))
        return y


class ResidualEncoder(nn.Module):
    """Flatten the context window, then a linear map and a perceptron beside it, added up: y = W x + g(x).

    Training begins with the principal components of the windows, since W begins with their axes, once `begin` has them, and g
    with zeros. What a linear readout of all labels needs is then there from the start and need not be learnt; g and W learn
    what views share.

    Parameters
    ----------
    n_bins, n_units, hidden, dim, activation
        As of `MLPEncoder`.
    """

    def __init__(self, n_bins: int, n_units: int, hidden: tuple[int, ...], dim: int, activation: str) -> None:
        super().__init__()
        self.path = nn.Linear(n_bins * n_units, dim, bias=False)
        self.layers = perceptron((n_bins * n_units, *hidden, dim), activation)
        last = self.layers[-1]
        with torch.no_grad():
            for parameter in last.parameters():
                parameter.zero_()
            # Until axes are known, or where read-ins have found them: each input averaged over the window.
            n = min(dim, n_units)
            start = torch.zeros(dim, n_bins, n_units)
            start[range(n), :, range(n)] = n_bins**-0.5
            self.path.weight.copy_(start.flatten(1))

    @torch.no_grad()
    def begin(self, axes: Tensor) -> None:
        """Set the linear map to principal axes, shape (at most dim, W N); further dimensions begin with zeros."""
        self.path.weight.zero_()
        self.path.weight[: len(axes)] = axes.to(self.path.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map windows of shape (B, W, N) to representations of shape (B, D)."""
        flat = x.flatten(1)
        y: Tensor = self.path(flat) + self.layers(flat)
        return y


ENCODERS: dict[str, type[MLPEncoder] | type[PooledEncoder] | type[ResidualEncoder]] = {
    "mlp": MLPEncoder,
    "pooled": PooledEncoder,
    "residual": ResidualEncoder,
}
"""Encoders of recordings by name."""


def build_encoder(
    name: str, n_bins: int, n_units: int, hidden: tuple[int, ...], dim: int, activation: str
) -> nn.Module:
    """Build an encoder from windows of shape (B, n_bins, n_units) to representations of shape (B, dim).

    Parameters
    ----------
    name : {"mlp", "pooled", "residual"}
        Which of `ENCODERS`.
    n_bins, n_units, hidden, dim, activation
        As of `MLPEncoder`.

    Raises
    ------
    UnknownNameError
        If there is no such encoder.
    """
    if name not in ENCODERS:
        raise unknown_name("encoder", name, ENCODERS)
    return ENCODERS[name](n_bins, n_units, hidden, dim, activation)
