"""Which rows make a batch."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["BatchStream"]


class BatchStream:
    """Endless batches of rows: every row once a pass, in an order drawn anew each pass.

    What is left of a pass starts the next batch, so that all batches are full and no row is favoured.

    Parameters
    ----------
    n_rows, batch_size : int
        Rows to draw from, and per batch (at most `n_rows`).
    generator : torch.Generator
        Source of randomness.
    """

    def __init__(self, n_rows: int, batch_size: int, generator: torch.Generator) -> None:
        self.n_rows = n_rows
        self.batch_size = min(batch_size, n_rows)
        self.generator = generator
        self.left = torch.empty(0, dtype=torch.int64, device=generator.device)

    def next(self) -> Tensor:
        """Return the rows of the next batch, shape (batch_size,)."""
        if len(self.left) < self.batch_size:
            order = torch.randperm(self.n_rows, generator=self.generator, device=self.generator.device)
            self.left = torch.cat([self.left, order])
        batch, self.left = self.left[: self.batch_size], self.left[self.batch_size :]
        return batch
