"""Encoders, one family a file; the file's name is the name to ask for."""

from __future__ import annotations

import importlib
import pkgutil

from torch import nn

from ..errors import unknown_name

__all__ = ["build_encoder", "encoder_names"]


def encoder_names() -> list[str]:
    """Names of the encoder families."""
    return [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]


def build_encoder(
    name: str, n_bins: int, n_units: int, hidden: tuple[int, ...], dim: int, activation: str
) -> nn.Module:
    """Build an encoder from windows of shape (B, n_bins, n_units) to representations of shape (B, dim).

    Parameters
    ----------
    name : str
        Family: the name of a file in this folder, whose ``Encoder`` class is called.
    n_bins, n_units : int
        Bins of the context window, and units.
    hidden : tuple of int
        Widths of the hidden layers.
    dim : int
        Dimension of the representation.
    activation : str
        See `myow.layers.perceptron.ACTIVATIONS`.

    Raises
    ------
    UnknownNameError
        If there is no such family.
    """
    if name not in encoder_names():
        raise unknown_name("encoder", name, encoder_names())
    module = importlib.import_module(f"{__name__}.{name}")
    encoder: nn.Module = module.Encoder(n_bins, n_units, hidden, dim, activation)
    return encoder
