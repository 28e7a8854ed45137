"""A memory of the representations seen last, to mine from more of them than a batch holds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import SettingError
from .exact import excluded_pairs

__all__ = ["MemoryQueue"]


class MemoryQueue(nn.Module):
    """Ring of the representations that were pushed last, with the rows that they are of.

    It is made of buffers, so that a checkpoint keeps it and a resumed run mines from the same memory. Nothing in it asks
    a GPU for a number, so a step that uses it can be captured as a CUDA graph.

    Parameters
    ----------
    size : int
        Representations to hold.
    dim : int
        Numbers of each.

    Attributes
    ----------
    rows : Tensor of int64, shape (size,)
        Row of each entry; -1 where nothing was pushed yet.
    values : Tensor, shape (size, dim)
        Representations; zero where nothing was pushed yet.
    position : Tensor of int64, shape ()
        The entry to be overwritten next, which is the oldest once the ring is full.

    Raises
    ------
    SettingError
        If size or dim is below 1.

    Examples
    --------
    >>> queue = MemoryQueue(size=3, dim=1)
    >>> queue.push(torch.tensor([7, 8]), torch.tensor([[0.7], [0.8]]))
    >>> queue.rows.tolist(), queue.filled.tolist()
    ([7, 8, -1], [True, True, False])
    >>> queue.push(torch.tensor([9, 10]), torch.tensor([[0.9], [1.0]]))
    >>> queue.rows.tolist()
    [10, 8, 9]
    """

    rows: Tensor
    values: Tensor
    position: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        if size < 1 or dim < 1:
            raise SettingError(
                f"size is {size} and dim is {dim}; a memory holds 1 or more vectors of 1 or more numbers"
            )
        self.register_buffer("rows", torch.full((size,), -1))
        self.register_buffer("values", torch.zeros(size, dim))
        self.register_buffer("position", torch.zeros((), dtype=torch.int64))

    @property
    def filled(self) -> Tensor:
        """Entries that something was pushed to: Tensor of bool, shape (size,)."""
        return self.rows >= 0

    @torch.no_grad()
    def push(self, rows: Tensor, y: Tensor) -> None:
        """Overwrite the oldest entries.

        Parameters
        ----------
        rows : Tensor of int64, shape (B,)
            From 0; the newest last. Of more than the ring holds the last stay.
        y : Tensor, shape (B, dim)
            Their representations. They are copied, without their gradient.

        Raises
        ------
        SettingError
            If the shapes do not fit each other and the queue.
        """
        size, dim = self.values.shape
        if y.shape != (len(rows), dim) or rows.ndim != 1:
            raise SettingError(
                f"rows of shape {tuple(rows.shape)} came with representations of shape {tuple(y.shape)}; this memory "
                f"takes shapes (B,) and (B, {dim})"
            )
        rows, y = rows[-size:], y[-size:]
        places = torch.arange(len(rows), device=self.position.device).add_(self.position).remainder_(size)
        self.rows[places] = rows.to(self.rows)
        self.values[places] = y.to(self.values)
        self.position.add_(len(rows)).remainder_(size)

    def excluded(self, rows: Tensor, ranges: Tensor | None = None) -> Tensor:
        """Say which entries each anchor may not mine, for `mining.nearest` and `mining.mine`.

        Parameters
        ----------
        rows : Tensor of int64, shape (A,)
            Rows of the anchors.
        ranges : Tensor of int32, shape (T, 2), optional
            Rows that each row may not mine, from `mining.excluded_ranges`. By default only empty entries are excluded,
            not even the anchor's own row.

        Returns
        -------
        Tensor of bool, shape (A, size)
        """
        empty = (~self.filled).expand(len(rows), -1)
        return empty if ranges is None else empty | excluded_pairs(rows, self.rows, ranges)
