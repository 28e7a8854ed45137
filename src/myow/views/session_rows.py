"""Rows of several sessions with different units, and batches that hold about equally many of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ..data.sessions import Sessions
from .batches import BatchStream
from .windows import TrainingRows

__all__ = ["SessionRows", "SessionStream", "batches_of", "spread_rows"]


class SessionRows(TrainingRows):
    """Sessions held side by side, each as it is held alone, and looked up as rows of one training set.

    Parameters
    ----------
    data : Sessions
        Times, bins and groups of T rows.
    parts : sequence of TrainingRows
        The rows of each session.
    numbers : sequence of int
        The number by which the model knows each session.
    n_units : int
        Units N of the model's widest session, to which all are padded with zeros.
    anchors : sequence of int, optional
        Positions of the sessions that batches are made of. Default: all; the others are only mined from.
    """

    def __init__(
        self,
        data: Sessions,
        parts: Sequence[TrainingRows],
        numbers: Sequence[int],
        n_units: int,
        anchors: Sequence[int] | None = None,
    ) -> None:
        self.data = data
        self.parts = list(parts)
        self.numbers = list(numbers)
        self.n_units = n_units
        self.device = parts[0].device
        self.targets = None
        self.groups = torch.from_numpy(data.groups).to(self.device)
        self.times = torch.from_numpy(data.times).to(self.device)
        self.sessions = torch.from_numpy(data.of).to(self.device)
        """Position of each row's session among the parts, shape (T,)."""
        ends = np.cumsum(data.lengths)
        self.starts = (ends - data.lengths).tolist()
        self.anchors = list(range(len(parts))) if anchors is None else list(anchors)

    def __len__(self) -> int:
        return len(self.data)

    def inside(self, rows: Tensor) -> Tensor:
        """Return the rows that the windows of some rows hold: indices of shape (...,) become (..., W)."""
        flat = rows.flatten()
        found = [(mine, part.inside(flat[mine] - start) + start) for mine, start, part, _ in self._apart(flat)]
        inside = torch.cat([part for _, part in found])
        return inside[torch.cat([mine for mine, _ in found]).argsort()].view(*rows.shape, -1)

    def gather(self, rows: Tensor) -> Tensor:
        """Return the windows of some rows: indices of shape (...,) become values of shape (..., W, N + 1)."""
        padded = self._padded(rows.flatten(), lambda part, own: part.gather(own))
        return padded.view(*rows.shape, *padded.shape[1:])

    def look_up(self, rows: Tensor) -> Tensor:
        """Return the transformed values of some rows, shape (R,), without a window: shape (R, N + 1)."""
        return self._padded(rows, lambda part, own: part.look_up(own))

    def blocks(self) -> Iterator[Tensor]:
        """Go once through the transformed values of all rows, a number of rows at a time, in order."""
        many = self.at_once(4096)
        for start in range(0, len(self), many):
            yield self.look_up(torch.arange(start, min(start + many, len(self)), device=self.device))

    def at_once(self, most: int) -> int:
        """Return how many rows to gather in one go where all are wanted, at most so many."""
        return min(part.at_once(most) for part in self.parts)

    def _padded(self, rows: Tensor, find: Callable[[TrainingRows, Tensor], Tensor]) -> Tensor:
        """Look rows up in their sessions, and put them side by side."""
        found = [(mine, find(part, rows[mine] - start), number) for mine, start, part, number in self._apart(rows)]
        first = found[0][1]
        padded = first.new_zeros(len(rows), *first.shape[1:-1], self.n_units + 1)
        for mine, x, number in found:
            padded[mine, ..., : x.shape[-1]] = x
            padded[mine, ..., -1] = number
        return padded

    def _apart(self, flat: Tensor) -> list[tuple[Tensor, int, TrainingRows, int]]:
        """Part rows by session: where they stand, the session's first row, its own rows, and its number in the model."""
        found = []
        for start, part, number in zip(self.starts, self.parts, self.numbers, strict=True):
            mine = ((flat >= start) & (flat < start + len(part))).nonzero().squeeze(1)
            if len(mine) or not len(flat):
                found.append((mine, start, part, number))
        return found


def spread_rows(data: TrainingRows, many: int) -> Tensor:
    """Return so many rows, evenly spaced, about as many of each session; shape (many,)."""
    runs = [(0, len(data))]
    if isinstance(data, SessionRows):
        runs = [(start, len(part)) for start, part in zip(data.starts, data.parts, strict=True)]
    shares = [many // len(runs) + (i < many % len(runs)) for i in range(len(runs))]
    spread = [
        start + np.arange(share) * length // share for (start, length), share in zip(runs, shares, strict=True) if share
    ]
    return torch.from_numpy(np.concatenate(spread)).to(data.device)


class SessionStream(BatchStream):
    """Endless batches with about equally many rows of each session: every row of a session once a pass over that session.

    What a batch holds beyond equal shares falls on sessions drawn anew for every batch. A short session is gone through more often
    than a long one; a pass is begun before the last one is used up where a batch asks for more than is left.

    Parameters
    ----------
    data : SessionRows
        The rows; batches are made of its anchors.
    batch_size : int
        Rows a batch, at most as many as the anchors have.
    generator : torch.Generator
        Source of randomness.
    """

    def __init__(self, data: SessionRows, batch_size: int, generator: torch.Generator) -> None:
        self.runs = [(data.starts[i], len(data.parts[i])) for i in data.anchors]
        super().__init__(sum(length for _, length in self.runs), batch_size, generator)

    def next(self) -> Tensor:
        """Return the rows of the next batch, shape (batch_size,), session by session."""
        generator = self.generator
        share, over = divmod(self.batch_size, len(self.runs))
        lucky = torch.randperm(len(self.runs), generator=generator, device=generator.device)[:over].tolist()
        batch, left = [], []
        for i, (start, length) in enumerate(self.runs):
            # What is left of all passes is one tensor, so that a checkpoint keeps it as it keeps any other stream's.
            own = self.left[(self.left >= start) & (self.left < start + length)]
            wanted = share + (i in lucky)
            while len(own) < wanted:
                own = torch.cat([own, torch.randperm(length, generator=generator, device=generator.device) + start])
            batch.append(own[:wanted])
            left.append(own[wanted:])
        self.left = torch.cat(left)
        return torch.cat(batch)


def batches_of(data: TrainingRows, batch_size: int, generator: torch.Generator) -> BatchStream:
    """Return the batches that rows are trained on in, balanced where they are of several sessions."""
    if isinstance(data, SessionRows):
        return SessionStream(data, batch_size, generator)
    return BatchStream(len(data), batch_size, generator)
