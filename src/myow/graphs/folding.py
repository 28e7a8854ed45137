"""A trained graph as a few matrix products, where it is a plain chain of layers: what embeds bin by bin, or elsewhere."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import erf
from torch import Tensor, nn

from ..layers.inputs import Scaling
from ..training.method import Method

__all__ = ["Folded", "Layer", "fold"]

LEAST_NORM = 1e-12  # as torch's normalize has it
MOST_FEATURES = 4096  # of a window whose linear map is found by looking at each feature alone

Matrix = NDArray[np.float64]
Call = tuple[nn.Module, Tensor, Tensor]


@dataclass(frozen=True)
class Layer:
    """A linear map, shape (I, O), a bias, shape (O,), and what follows: "", "relu", "gelu" or "prelu" with its slope."""

    weight: Matrix
    bias: Matrix
    activation: str = ""
    slope: float = 0.0

    def __call__(self, x: Matrix) -> Matrix:
        """Map values of shape (..., I) to (..., O)."""
        # Not x @ weight, which asks other threads for help that takes longer to come than the product of one row does.
        x = np.einsum("...i,ij->...j", x, self.weight) + self.bias
        match self.activation:
            case "relu":
                return np.maximum(x, 0.0)
            case "prelu":
                return np.maximum(x, 0.0) + self.slope * np.minimum(x, 0.0)
            case "gelu":
                return np.asarray(x * (1 + erf(x / np.sqrt(2.0))) / 2)
        return x


@dataclass(frozen=True)
class Folded:
    """What a graph does to transformed windows: their mean, or all their bins side by side, then one layer after another.

    In double precision, so that folding adds no rounding to that of the graph.

    Parameters
    ----------
    pooled : bool
        Whether the window is averaged first.
    layers : tuple of Layer
        With the scaling of the input and batch norm folded in.
    unit_norm : bool
        Whether the result is scaled to unit length.
    """

    pooled: bool
    layers: tuple[Layer, ...]
    unit_norm: bool

    def __call__(self, windows: Matrix) -> Matrix:
        """Embed transformed windows, shape (..., W, N); shape (..., D)."""
        width, n_units = windows.shape[-2:]
        x = windows.sum(axis=-2) / width if self.pooled else windows.reshape(*windows.shape[:-2], width * n_units)
        for layer in self.layers:
            x = layer(x)
        if self.unit_norm:
            x = x / np.maximum(np.sqrt(np.square(x).sum(axis=-1, keepdims=True)), LEAST_NORM)
        return x


def fold(method: Method, n_bins: int, n_units: int) -> Folded | None:
    """Fold the embedding of a graph, in evaluation mode, into as few products as it takes.

    Parameters
    ----------
    method : Method
        A trained graph; it is copied, not changed.
    n_bins, n_units : int
        Shape (W, N) of its windows.

    Returns
    -------
    Folded or None
        None if the graph is no chain of the layers known here. What is returned was compared with the graph on windows
        drawn at random, so that a graph that does more than its layers show is never folded wrongly.
    """
    graph = deepcopy(method).cpu().double().eval()
    draw = np.random.default_rng(0).poisson(1.5, size=(16, n_bins, n_units)).astype(np.float64)
    with torch.inference_mode():
        calls, z = _watch(graph, torch.from_numpy(draw))
        chain = _chain(calls, n_bins) if len(calls) > 1 else _affine(graph, n_bins, n_units)
    if chain is None:
        return None
    folded = Folded(chain[0], chain[1], bool(getattr(graph, "unit_norm", False)))
    given = folded(draw)
    same = given.shape == z.shape and np.allclose(given, z, rtol=1e-9, atol=1e-9 * max(1.0, float(np.abs(z).max())))
    return folded if same else None


def _watch(graph: Method, x: Tensor) -> tuple[list[Call], Matrix]:
    """Embed windows, and list which layers were called with what."""
    calls: list[Call] = []

    def note(module: nn.Module, given: tuple[Any, ...], made: Any) -> None:
        calls.append((module, given[0], made))

    for module in graph.modules():
        if not any(True for _ in module.children()):
            module.register_forward_hook(note)
    z: Matrix = graph.embed(x).numpy()
    return calls, z


def _chain(calls: list[Call], n_bins: int) -> tuple[bool, tuple[Layer, ...]] | None:
    """Join linear steps up to the next activation; None where something else was called."""
    n_units = calls[0][1].shape[-1]
    weight, bias = np.eye(n_units), np.zeros(n_units)
    layers: list[Layer] = []
    apart, pooled = True, True
    for module, given, made in calls:
        if made is given:  # an identity
            continue
        step = _linear(module)
        if apart and given.ndim == 2:  # bins were brought together just before
            apart = False
            if given.shape[1] != len(bias):
                if layers or step is None or given.shape[1] != n_bins * len(bias):
                    return None
                # Each bin of the window has weights of its own, all of them behind the same steps.
                parts = np.split(step[0], n_bins)
                step = np.concatenate([weight @ part for part in parts]), sum(bias @ part for part in parts) + step[1]
                weight, bias, pooled = *step, False
                continue
        if step is not None:
            weight, bias = weight @ step[0], bias @ step[0] + step[1]
            continue
        kind, slope = _activation(module)
        if not kind or apart:
            return None
        layers.append(Layer(weight, bias, kind, slope))
        weight, bias = np.eye(len(bias)), np.zeros(len(bias))
    # Behind an activation that nothing follows, the last layer would do nothing.
    idle = bool(layers) and np.array_equal(weight, np.eye(len(bias))) and not bias.any()
    return (pooled or n_bins == 1), tuple(layers if idle else [*layers, Layer(weight, bias)])


def _linear(module: nn.Module) -> tuple[Matrix, Matrix] | None:
    """Weight (I, O) and bias (O,) of a linear step."""
    match module:
        case Scaling() if module.mean.ndim == 1:
            scale = 1 / module.deviation.numpy()
            return np.diag(scale), -module.mean.numpy() * scale
        case nn.Linear():
            bias = np.zeros(module.out_features) if module.bias is None else module.bias.numpy()
            return module.weight.numpy().T, bias
        case nn.BatchNorm1d(running_mean=Tensor() as mean, running_var=Tensor() as variance):
            scale = (module.weight / (variance + module.eps).sqrt()).numpy()
            return np.diag(scale), module.bias.numpy() - mean.numpy() * scale
    return None


def _activation(module: nn.Module) -> tuple[str, float]:
    match module:
        case nn.ReLU():
            return "relu", 0.0
        case nn.PReLU(num_parameters=1):
            return "prelu", float(module.weight)
        case nn.GELU(approximate="none"):
            return "gelu", 0.0
    return "", 0.0


def _affine(graph: Method, n_bins: int, n_units: int) -> tuple[bool, tuple[Layer, ...]] | None:
    """Take a graph without layers of its own for linear, and look at what it makes of each feature alone."""
    features = n_bins * n_units
    if features > MOST_FEATURES:
        return None
    bias = graph.embed(torch.zeros(1, n_bins, n_units, dtype=torch.float64)).numpy()
    weight = graph.embed(torch.eye(features, dtype=torch.float64).view(features, n_bins, n_units)).numpy() - bias
    return False, (Layer(weight, bias[0]),)
