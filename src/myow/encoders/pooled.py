"""A perceptron over the mean of the window."""

from __future__ import annotations

from torch import Tensor, nn

from ..layers.perceptron import perceptron

__all__ = ["Encoder"]


class Encoder(nn.Module):
    """Average the context window, then a perceptron; with a window of one bin it is a plain perceptron.

    Averaging keeps the number of weights independent of the window, which is what short recordings need.

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
        self.layers = perceptron((n_units, *hidden, dim), activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map windows of shape (B, W, N) to representations of shape (B, D)."""
        y: Tensor = self.layers(x.mean(dim=1))
        return y
