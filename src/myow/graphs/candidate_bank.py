"""Representations of the rows of a recording, encoded anew now and then: what MYOW mines from by default."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..views.windows import TrainingRows, positive_ranges

__all__ = ["MOST_ROWS", "PART", "STRETCH", "CandidateBank", "covered", "draw_rows", "run_means"]

MOST_ROWS = 50_000
"""Rows of a recording that is encoded whole, at most."""
PART = 20_000
"""Rows of a longer one that are encoded, others each time: about twice what ten steps draw by default."""
STRETCH = 250
"""Rows that follow each other, of which a part is made: few, for variety, yet many times those around them."""
AT_ONCE = 4096  # rows that are encoded in one go

Encode = Callable[[Tensor], Tensor]


class CandidateBank(nn.Module):
    """The candidates of ``pool="recording"``: representations, and what is compared, of all rows or of a changing part.

    Of a recording of up to `MOST_ROWS` rows all are held. Of a longer one `PART` are, in stretches of `STRETCH` rows chosen
    anew at each refresh, so that time and memory do not grow with its length; an anchor, which may lie outside of
    them, is then encoded for itself when it is looked up. All that it holds are buffers, so that a run that was
    stopped goes on from the same candidates.

    Parameters
    ----------
    data : TrainingRows
        T rows.
    dim : int
        Dimension D of a representation.
    key_bins : int
        What is compared is the mean over so many bins on either side, in the segment, of unit representations; with 0
        it is the representation.
    pool_size : int
        Candidates of a step.
    every : int
        Steps between two refreshes.
    """

    values: Tensor
    keys: Tensor
    starts: Tensor
    age: Tensor

    def __init__(self, data: TrainingRows, dim: int, *, key_bins: int, pool_size: int, every: int) -> None:
        super().__init__()
        self.n_rows = len(data)
        self.pool_size = min(pool_size, self.n_rows)
        self.every = every
        self.key_bins = key_bins
        self.at_once = data.at_once(AT_ONCE)
        self.stretch = max(STRETCH, 10 * key_bins)  # rows around a stretch are encoded too, and should stay few
        self.whole = self.n_rows <= max(MOST_ROWS, pool_size)
        wanted = -(-max(PART, pool_size) // self.stretch)
        n_stretches = 0 if self.whole else min(wanted, self.n_rows // self.stretch)
        held = self.n_rows if self.whole else n_stretches * self.stretch
        around = positive_ranges(data.data, -key_bins, key_bins).astype("int32")
        self.around = torch.from_numpy(around).to(data.device)
        self.register_buffer("values", torch.zeros(held, dim, device=data.device))
        self.register_buffer("keys", torch.zeros(held, dim, device=data.device))
        self.register_buffer("starts", torch.zeros(n_stretches, dtype=torch.int64, device=data.device))
        # On the CPU: it decides what is done next, and nobody should wait for a GPU to know that.
        self.register_buffer("age", torch.zeros((), dtype=torch.int64))

    def due(self) -> bool:
        """Whether the next step begins with a refresh."""
        return int(self.age) % self.every == 0

    def draw(self, generator: torch.Generator) -> Tensor:
        """Draw the rows of a step's candidates, shape (P,); of a long recording, from stretches that are chosen first if due."""
        if self.whole:
            return draw_rows(self.n_rows, self.pool_size, generator)
        if self.due():
            self._choose(generator)
        places = draw_rows(len(self.values), self.pool_size, generator)
        return self.starts[places // self.stretch] + places % self.stretch

    def _choose(self, generator: torch.Generator) -> None:
        """Choose stretches from a grid over the rows that is laid anew each time; none overlap."""
        device = self.values.device
        spare = self.n_rows - len(self.values)
        offset = torch.randint(min(self.stretch, spare + 1), (1,), generator=generator, device=device)
        on_grid = (self.n_rows - offset) // self.stretch
        order = torch.randperm(int(on_grid), generator=generator, device=device)[: len(self.starts)]
        self.starts.copy_(offset + order.sort().values * self.stretch)

    @torch.no_grad()
    def candidates(self, pool: Tensor, encode: Encode) -> tuple[Tensor, Tensor]:
        """Return what is compared, and the representations, of drawn rows (P,), after a refresh if it is due.

        Parameters
        ----------
        pool : Tensor of int64, shape (P,)
            From `draw`.
        encode : callable
            From rows, shape (R,), to their representations, shape (R, D).

        Returns
        -------
        keys, values : Tensor, shape (P, D)
        """
        if self.due():
            self._refresh(encode)
        self.age += 1
        if not self.whole:
            which = torch.searchsorted(self.starts, pool, right=True) - 1
            pool = which * self.stretch + pool - self.starts[which]
        return self.keys[pool], self.values[pool]

    @torch.no_grad()
    def queries(self, anchors: Tensor, encode: Encode) -> Tensor:
        """Return what anchors, rows of shape (A,), are compared by, shape (A, D), where `key_bins` is not 0."""
        return self.keys[anchors] if self.whole else self._encoded(anchors, encode)[1]

    def _refresh(self, encode: Encode) -> None:
        if not self.whole:
            rows = (self.starts[:, None] + torch.arange(self.stretch, device=self.starts.device)).flatten()
            values, keys = self._encoded(rows, encode)
            self.values.copy_(values)
            self.keys.copy_(keys)
            return
        for rows in torch.split(torch.arange(self.n_rows, device=self.values.device), self.at_once):
            self.values[rows] = encode(rows).to(self.values)
        self.keys.copy_(run_means(self.values, *self.around.long().unbind(1)) if self.key_bins else self.values)

    def _encoded(self, rows: Tensor, encode: Encode) -> tuple[Tensor, Tensor]:
        """Encode rows, and those around them, each once: representations and what is compared, shape (R, D) each."""
        first, last = self.around[rows].long().T.contiguous()
        needed = covered(first, last)
        values = torch.cat([encode(part).to(self.values) for part in torch.split(needed, self.at_once)])
        found = values[torch.searchsorted(needed, rows)]
        if not self.key_bins:
            return found, found
        # A run of rows stays a run among those needed.
        begin = torch.searchsorted(needed, first)
        return found, run_means(values, begin, begin + last - first)


def draw_rows(n_rows: int, size: int, generator: torch.Generator) -> Tensor:
    """Draw up to `size` of some rows, shape (P,): each once, but of more than `MOST_ROWS` perhaps one of them twice."""
    if n_rows > max(MOST_ROWS, size):  # to put millions in random order takes longer than all else in a step
        return torch.randint(n_rows, (size,), generator=generator, device=generator.device)
    return torch.randperm(n_rows, generator=generator, device=generator.device)[:size]


def run_means(values: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Mean of unit vectors over runs of rows: differences of running sums, in double precision since the sums are long.

    Parameters
    ----------
    values : Tensor, shape (R, D)
        Vectors of any length.
    first, last : Tensor of int64, shape (K,)
        The runs, both ends included.

    Returns
    -------
    Tensor of float64, shape (K, D)
    """
    sums = F.pad(F.normalize(values.double(), dim=1).cumsum(dim=0), (0, 0, 1, 0))
    return (sums[last + 1] - sums[first]) / (last - first + 1)[:, None]


def covered(first: Tensor, last: Tensor) -> Tensor:
    """Return the rows that lie in any of some runs, rising, each once.

    Examples
    --------
    >>> covered(torch.tensor([7, 1, 2]), torch.tensor([8, 3, 4])).tolist()
    [1, 2, 3, 4, 7, 8]
    """
    first, order = first.sort()
    reach = last[order].cummax(dim=0).values
    apart = first[1:] > reach[:-1]
    edge = apart.new_ones(1)
    begin, end = first[torch.cat([edge, apart])], reach[torch.cat([apart, edge])]
    lengths = end - begin + 1
    before = (lengths.cumsum(dim=0) - lengths).repeat_interleave(lengths)
    return begin.repeat_interleave(lengths) + torch.arange(len(before), device=first.device) - before
