"""Augmented views of a batch of images of which each process makes its share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..augment.image import ImageAugment, ImageDraws
from ..errors import SettingError
from ..processes import current

__all__ = ["shared", "shared_draws"]

Augment = Callable[[Tensor, torch.Generator], Tensor]


def shared(augment: ImageAugment | Augment) -> Augment:
    """Return an augmentation of this process's share of a batch that is the one that a single process would make of it."""
    return _Shared(augment) if isinstance(augment, ImageAugment) else _Alone(augment)


def shared_draws(augment: ImageAugment, n: int, generator: torch.Generator) -> ImageDraws:
    """Draw for a batch of n images in all, and return the draws of this process's share."""
    return augment.draw(n, generator).select(torch.arange(n, device=generator.device)[current().share(n)])


@dataclass(frozen=True)
class _Shared:
    augment: ImageAugment

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment views (V, B, H, W, 3) of this process's images; every process draws for all of them alike."""
        views, mine = x.shape[:2]
        world = current()
        n = mine * world.size
        own = torch.arange(views * n, device=x.device).view(views, n)[:, world.share(n)].flatten()
        draws = self.augment.draw(views * n, generator).select(own)
        return self.augment.apply(x.flatten(0, 1), draws).view_as(x)


@dataclass(frozen=True)
class _Alone:
    augment: Augment

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment views, unless others make the rest of the batch."""
        if not current().alone:
            raise SettingError(
                "an augmentation of one's own cannot be shared between processes; use one process, or the named settings"
            )
        return self.augment(x, generator)
