"""A perceptron over all bins of the window side by side."""

from __future__ import annotations

from torch import Tensor, nn

from ..layers.perceptron import perceptron

__all__ = ["Encoder"]


class Encoder(nn.Module):
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
