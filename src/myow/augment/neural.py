"""Augmentations of population activity: lost units, Gaussian noise, pepper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["NeuralAugment", "kept_units"]


def kept_units(x: Tensor, highest: float, apply: float, generator: torch.Generator, *, shared: bool) -> Tensor:
    """Choose the units that every sample keeps (neuron dropout, Azabou et al. 2021).

    Each sample draws its own rate p ~ U(0, `highest`) and loses each unit with probability p. A unit is lost in all
    bins of a context window at once, as if its electrode had failed.

    Parameters
    ----------
    x : Tensor, shape (V, B, W, N)
        V views of B samples: windows of W bins and N units.
    highest : float
        Upper end of the rate of lost units, in [0, 1].
    apply : float
        Share of samples that lose any.
    generator : torch.Generator
        Source of randomness.
    shared : bool
        Whether the V views of a sample lose the same units.

    Returns
    -------
    Tensor of bool, shape (V or 1, B, 1, N)
    """
    n_views, batch, _, n_units = x.shape
    masks = 1 if shared else n_views
    rate = highest * torch.rand((masks, batch, 1, 1), generator=generator, device=x.device)
    if apply < 1:
        rate = rate * (torch.rand(rate.shape, generator=generator, device=x.device) < apply)
    return torch.rand((masks, batch, 1, n_units), generator=generator, device=x.device) >= rate


@dataclass(frozen=True)
class NeuralAugment:
    """Lose units, add noise and pepper, and scale: from transformed counts to network input.

    Parameters
    ----------
    dropout, dropout_apply : float
        Upper end of the share of lost units, and the share of samples treated; see `kept_units`.
    dropout_to : {"mean", "silence"}
        What a lost unit shows: its mean over the training rows, which tells nothing, or no spike, which the network may
        mistake for a low rate. Kept units are not rescaled.
    noise, noise_to : float, {"bin", "window"}
        Deviation of Gaussian noise in each bin; or in the mean of the window's W bins, for which each bin gets sqrt(W)
        times as much.
    noise_unit : {"input", "change"}
        What `noise` counts in: the scaled input; or what changes in it from bin to bin, which has to be looked up in the
        rows first, see `myow.graphs.paired_views.augment_of`.
    noise_hz, noise_apply : float
        Deviation of further noise in Hz, on inputs that are rates, and the share of samples that get it.
    pepper, pepper_hz, pepper_apply : float
        Probability that a unit's rate is raised, by how many Hz, and the share of samples treated.
    shared_mask : bool
        Whether all views of a sample lose the same units.
    """

    dropout: float = 0.0
    dropout_apply: float = 1.0
    dropout_to: str = "mean"
    noise: float = 0.0
    noise_to: str = "bin"
    noise_unit: str = "input"
    noise_hz: float = 0.0
    noise_apply: float = 1.0
    pepper: float = 0.0
    pepper_hz: float = 0.0
    pepper_apply: float = 1.0
    shared_mask: bool = False

    def __call__(self, x: Tensor, scaling: Callable[[Tensor], Tensor], generator: torch.Generator) -> Tensor:
        """Turn transformed windows of shape (V, B, W, N), 0 being silence, into scaled views of the same shape."""
        kept = None
        if self.dropout > 0 and self.dropout_apply > 0:
            kept = kept_units(x, self.dropout, self.dropout_apply, generator, shared=self.shared_mask)
        if kept is not None and self.dropout_to == "silence":
            x = x * kept
        if self.noise_hz > 0:
            jitter = torch.randn(x.shape, generator=generator, device=x.device) * self.noise_hz
            x = x + jitter * _some(x, self.noise_apply, generator)
        if self.pepper > 0:
            raised = torch.rand(x.shape, generator=generator, device=x.device) < self.pepper
            x = x + self.pepper_hz * raised * _some(x, self.pepper_apply, generator)
        x = scaling(x)
        if kept is not None and self.dropout_to == "mean":
            x = x * kept
        if self.noise > 0:
            bins = x.shape[2] if self.noise_to == "window" else 1
            x = x + self.noise * bins**0.5 * torch.randn(x.shape, generator=generator, device=x.device)
        return x


def _some(x: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Choose a share of the samples: a mask of shape (V, B, 1, 1)."""
    return torch.rand((*x.shape[:2], 1, 1), generator=generator, device=x.device) < share
