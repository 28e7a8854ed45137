"""Augmentations of population activity: lost units, Gaussian noise, pepper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ..errors import SettingError, unknown_name
from ..nn.read_in import SessionScaling
from ..nn.scaling import Scaling
from ..settings import read_fields
from .rows import LookedUpRows, SessionRows, TrainingRows

__all__ = ["Augment", "NeuralAugment", "augment_of", "augmented", "change", "kept_units"]

MOST_PAIRS = 50_000  # of adjacent bins that tell how much changes between them
MOST_VALUES = 1 << 22  # that are looked up from disk at a time

Augment = Callable[[Tensor, torch.Generator], Tensor]


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
        rows first, see `augment_of`.
    noise_hz, noise_apply : float
        Deviation of further noise in Hz, on inputs that are rates, and the share of samples that get it.
    pepper, pepper_hz, pepper_apply : float
        Probability that a unit's rate is raised, by how many Hz, and the share of samples treated.
    shared_mask : bool
        Whether all views of a sample lose the same units.

    Raises
    ------
    SettingError
        If a setting is out of its range.
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

    def __post_init__(self) -> None:
        for name in ("dropout", "dropout_apply", "noise_apply", "pepper", "pepper_apply"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingError(f"{name} is {getattr(self, name)}; it must lie between 0 and 1")
        for name, choices in (
            ("dropout_to", ("mean", "silence")),
            ("noise_unit", ("input", "change")),
            ("noise_to", ("bin", "window")),
        ):
            if getattr(self, name) not in choices:
                raise unknown_name(name, getattr(self, name), choices)
        for name in ("noise", "noise_hz", "pepper_hz"):
            if getattr(self, name) < 0:
                raise SettingError(f"{name} is {getattr(self, name)}; it must be 0 or more")

    @classmethod
    def from_settings(cls, settings: Any) -> Self | Augment:
        """Read the attributes of the same names of an estimator, whose own `augment` stands in place of all of them."""
        augment = read_fields(cls, settings)
        if (augment.noise_hz or augment.pepper) and settings.input != "rate":
            raise SettingError("noise_hz and pepper are in Hz: use them with input='rate', or use noise")
        own: Augment | None = settings.augment
        return own or augment

    @property
    def scales_first(self) -> bool:
        """Whether nothing is done to windows before they are scaled, so that whole rows may be scaled once instead."""
        return self.dropout_to == "mean" and not self.noise_hz and not self.pepper

    def __call__(self, x: Tensor, scaling: Callable[[Tensor], Tensor] | None, generator: torch.Generator) -> Tensor:
        """Turn transformed windows of shape (V, B, W, N), 0 being silence, into scaled views of the same shape.

        Without `scaling`, windows are scaled already, and are written to.
        """
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
        x = x if scaling is None else scaling(x)
        if kept is not None and self.dropout_to == "mean":
            x = x.mul_(kept)
        if self.noise > 0:
            bins = x.shape[2] if self.noise_to == "window" else 1
            add_noise(x, self.noise * bins**0.5, generator)
        return x


def add_noise(x: Tensor, deviation: float, generator: torch.Generator) -> None:
    """Add Gaussian noise to views of shape (V, B, W, N), in place.

    Each number is drawn once for two views: a sample's noise in the second half of the views is that of the sample before
    it in the first half, with the other sign. So all noise is Gaussian, the views of a sample have noise that is independent,
    and half as much is drawn, which costs more than all else that is done to windows.
    """
    half = (len(x) + 1) // 2
    noise = torch.randn((half, *x.shape[1:]), generator=generator, device=x.device)
    x[:half].add_(noise, alpha=deviation)
    others = noise[: len(x) - half]
    x[half:, 1:].sub_(others[:, :-1], alpha=deviation)
    x[half:, :1].sub_(others[:, -1:], alpha=deviation)


def _some(x: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Choose a share of the samples: a mask of shape (V, B, 1, 1)."""
    return torch.rand((*x.shape[:2], 1, 1), generator=generator, device=x.device) < share


def augmented(x: Tensor, augment: NeuralAugment | Augment, scaling: Scaling, generator: torch.Generator) -> Tensor:
    """Augment and scale windows of shape (V, B, W, N); an augmentation of one's own sees them before they are scaled."""
    if isinstance(scaling, SessionScaling):
        return scaling.apart(x, lambda units, scale: _augmented(units, augment, scale, generator))
    return _augmented(x, augment, scaling, generator)


def _augmented(
    x: Tensor, augment: NeuralAugment | Augment, scale: Callable[[Tensor], Tensor], generator: torch.Generator
) -> Tensor:
    if isinstance(augment, NeuralAugment):
        return augment(x, scale, generator)
    return scale(augment(x, generator))


def change(data: TrainingRows, scaling: Scaling) -> float | None:
    r"""Deviation of what changes in the scaled input from bin to bin, or None where no two bins are adjacent.

    That is :math:`\sqrt{E (x_{t+1} - x_t)^2 / 2}`, the mean over units and adjacent bins of a segment (the mean square
    successive difference of von Neumann 1941): the deviation of what is new in every bin, spike noise above all, without
    what lasts. Of several sessions it is the mean square over all of them that counts.
    """
    if isinstance(data, SessionRows) and isinstance(scaling, SessionScaling):
        levels = [change(part, scaling.of(i)) for i, part in zip(data.numbers, data.parts, strict=True)]
        known = [level**2 for level in levels if level is not None]
        return float(np.sqrt(np.mean(known))) if known else None
    adjacent = np.flatnonzero((np.diff(data.data.groups) == 0) & (np.diff(data.data.bins) == 1))
    if not len(adjacent):
        return None
    some = torch.from_numpy(adjacent[:: 1 + len(adjacent) // MOST_PAIRS]).to(data.device)
    squares = []
    for part in torch.split(some, _at_once(data, scaling)):
        step = (data.look_up(part + 1) - data.look_up(part)) / scaling.deviation
        squares.append(step.double().square().mean() * (len(part) / len(some)))
    return float(torch.stack(squares).sum().div(2).sqrt())


def _at_once(data: TrainingRows, scaling: Scaling) -> int:
    """Rows that are looked at in one go: all that there are, unless they are on disk."""
    return max(1, MOST_VALUES // len(scaling.mean)) if isinstance(data, LookedUpRows) else len(data)


def augment_of(data: TrainingRows, augment: NeuralAugment | Augment, scaling: Scaling) -> NeuralAugment | Augment:
    """Return the augmentation of these rows: `noise` that counts in what changes, in units of the scaled input.

    Where no two bins are adjacent, the scaled input is what it counts in.
    """
    if not isinstance(augment, NeuralAugment) or augment.noise_unit == "input" or not augment.noise:
        return augment
    level = change(data, scaling)
    return replace(augment, noise=augment.noise * (1.0 if level is None else level), noise_unit="input")
