"""Two augmented views of each row, one of them close in time: what methods compare that learn from pairs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..augment.neural import NeuralAugment
from ..layers.inputs import Scaling
from ..layers.sessions import SessionScaling, read_in_encoders
from ..processes import current
from ..training.method import Method
from ..views.lookup import LookedUpRows
from ..views.session_rows import SessionRows, spread_rows
from ..views.windows import TrainingRows, positive_ranges, sample_positives

__all__ = ["Augment", "Pair", "PairedViews", "augment_of", "augmented", "change", "mostly_new"]

MOST_PAIRS = 50_000  # of adjacent bins that tell how much changes between them
MOST_VALUES = 1 << 22  # that are looked up from disk at a time

Augment = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Pair:
    """Two views of each sample of a batch.

    Parameters
    ----------
    rows : Tensor of int64, shape (2, B)
        Rows that the views were made from: anchors and their positives.
    x : Tensor, shape (2, B, W, N)
        Augmented and scaled windows.
    """

    rows: Tensor
    x: Tensor


class PairedViews(Method):
    """Graph that compares two views of each row.

    Parameters
    ----------
    n_units : int
        Units of the recordings.
    positives : tuple of int
        Offsets (earliest, latest) in bins of the temporal positive.
    augment : NeuralAugment or callable
        How views are made; a callable gets transformed windows (V, B, W, N) and a generator, and its result is scaled.
    unit_norm : bool
        Whether embeddings have unit length.
    scaling : SessionScaling, optional
        That of several sessions, in place of one for all rows.
    """

    capturable: bool = True

    def __init__(
        self,
        n_units: int,
        *,
        positives: tuple[int, int],
        augment: NeuralAugment | Augment,
        unit_norm: bool,
        scaling: SessionScaling | None = None,
    ) -> None:
        super().__init__(n_units)
        if scaling is not None:
            self.scaling = scaling
        self.unit_norm = unit_norm
        self.positives = positives
        self.augment = augment

    def bind(self, data: TrainingRows) -> None:
        """Look up, once, which rows may be each row's positive."""
        super().bind(data)
        ranges = positive_ranges(data.data, *self.positives).astype(np.int32)  # half the room, of millions of rows
        self.ranges = torch.from_numpy(ranges).to(data.device)
        self.augmenting = augment_of(data, self.augment, self.scaling)

    def unbind(self) -> None:
        """Let go of the rows and of the ranges made from them; a graph with read-ins keeps some representations."""
        for encoder in list(read_in_encoders(self))[:1]:
            with torch.no_grad():
                encoder.seen.copy_(encoder(self.scaling(self.data.gather(spread_rows(self.data, len(encoder.seen))))))
        super().unbind()
        del self.ranges, self.augmenting

    def pair(self, rows: Tensor, generator: torch.Generator) -> Pair:
        """Pair every row with a positive and augment both; of several processes each does so with its share of the rows."""
        pair = torch.stack([rows, sample_positives(rows, self.ranges, generator)])[:, current().share(len(rows))]
        return Pair(pair, self.view(self.data.gather(pair), generator))

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Map scaled windows of shape (B, W, N) to representations, shape (B, dim)."""

    def embed(self, x: Tensor) -> Tensor:
        """Encode transformed windows of shape (B, W, N), shape (B, dim)."""
        y = self.encode(self.scaling(x))
        return F.normalize(y, dim=1) if self.unit_norm else y

    def view(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment and scale windows of shape (V, B, W, N)."""
        return augmented(x, self.augmenting, self.scaling, generator)


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


def mostly_new(data: TrainingRows, scaling: Scaling) -> bool:
    """Whether more than half of the scaled input's variance is new in every bin; of several sessions, in most of them."""
    if isinstance(data, SessionRows) and isinstance(scaling, SessionScaling):
        votes = [mostly_new(part, scaling.of(i)) for i, part in zip(data.numbers, data.parts, strict=True)]
        return 2 * sum(votes) > len(votes)
    level = change(data, scaling)
    some = torch.arange(0, len(data), -(-len(data) // _at_once(data, scaling)), device=data.device)
    variance = (data.look_up(some).var(dim=0, correction=0) / scaling.deviation.square()).mean()
    return level is not None and level**2 > 0.5 * float(variance)


def augment_of(data: TrainingRows, augment: NeuralAugment | Augment, scaling: Scaling) -> NeuralAugment | Augment:
    """Return the augmentation of these rows: `noise` that counts in what changes, in units of the scaled input.

    Where no two bins are adjacent, the scaled input is what it counts in.
    """
    if not isinstance(augment, NeuralAugment) or augment.noise_unit == "input" or not augment.noise:
        return augment
    level = change(data, scaling)
    return replace(augment, noise=augment.noise * (1.0 if level is None else level), noise_unit="input")
