"""An encoder and a linear classifier of how far apart or in which order rows are: what RP and TS share."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from ..errors import DataError, SettingError
from ..training.method import Method
from ..views.contexts import choose_contexts, segment_ranges
from ..views.windows import TrainingRows, positive_ranges

__all__ = ["TimeContrast"]


class TimeContrast(Method):
    """Graph whose classifier sees differences of representations, and whose labels come from time alone.

    Parameters
    ----------
    encoder : nn.Module
        From windows (B, W, N) to representations (B, D).
    n_units : int
        Units N of the recordings.
    width : int
        What the classifier sees of each sample: a multiple of D.
    tau_pos, tau_neg : int or None
        Bins that are near at most, and far at least; see `myow.views.contexts.choose_contexts` for None.
    least : int
        The smallest `tau_pos` that is of use.
    """

    def __init__(
        self, encoder: nn.Module, n_units: int, width: int, *, tau_pos: int | None, tau_neg: int | None, least: int
    ) -> None:
        super().__init__(n_units)
        if tau_pos is not None and tau_pos < least:
            raise SettingError(f"tau_pos is {tau_pos}; it must be {least} or more bins")
        if tau_neg is not None and tau_neg < 1:
            raise SettingError(f"tau_neg is {tau_neg}; it must be 1 or more bins")
        self.encoder = encoder
        self.classifier = nn.Linear(width, 1)
        self.given = (tau_pos, tau_neg)
        self.least = least

    def bind(self, data: TrainingRows) -> None:
        """Look up, once, what is near every row, and which rows can be compared with others."""
        super().bind(data)
        tau_pos, tau_neg = choose_contexts(data.data, *self.given, self.least)
        self.near = torch.from_numpy(positive_ranges(data.data, -tau_pos, tau_pos)).to(data.device)
        self.not_far = torch.from_numpy(positive_ranges(data.data, 1 - tau_neg, tau_neg - 1)).to(data.device)
        self.segment = torch.from_numpy(segment_ranges(data.data.groups)).to(data.device)
        self.usable = self.anchors()
        if not bool(self.usable.any()):
            longest = int((self.segment[:, 1] - self.segment[:, 0]).max()) + 1
            raise DataError(
                f"no row can be compared: {type(self).needs}, with tau_pos {tau_pos} and tau_neg {tau_neg} bins, but the "
                f"longest segment has {longest} rows; give longer segments or change tau_pos and tau_neg"
            )

    needs: str
    """What a recording must hold, to be told in an error."""

    @abstractmethod
    def anchors(self) -> Tensor:
        """Say which rows have others to be compared with: bool, shape (T,)."""

    def unbind(self) -> None:
        """Let go of the rows and of what was looked up about them."""
        super().unbind()
        del self.near, self.not_far, self.segment, self.usable

    def replace_unusable(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Put usable rows, drawn at random, in the place of those of a batch, shape (B,), that have no partners."""
        usable = self.usable.nonzero().squeeze(1)
        others = torch.randint(len(usable), rows.shape, generator=generator, device=rows.device)
        return torch.where(self.usable[rows], rows, usable[others])

    def represent(self, rows: Tensor) -> Tensor:
        """Encode rows, shape (K, B), in one pass, so that one batch norm sees them all; shape (K, B, D)."""
        y: Tensor = self.encoder(self.scaling(self.data.gather(rows.flatten())))
        return y.view(*rows.shape, -1)

    def embed(self, x: Tensor) -> Tensor:
        """Encode transformed windows of shape (B, W, N), shape (B, D)."""
        y: Tensor = self.encoder(self.scaling(x))
        return y
