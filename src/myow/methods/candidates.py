"""Candidates of mining: which rows there are, what each anchor may mine, and the memories that hold their representations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.rows import Rows, group_runs
from ..data.sessions import Sessions
from ..errors import DataError, SettingError, unknown_name
from ..nn.neighbours import choose, default_gap, excluded_pairs, excluded_ranges, nearest
from ..settings import read_fields
from ..training.rows import SessionRows, TrainingRows
from ..training.windows import positive_ranges

__all__ = ["MemoryBank", "MemoryQueue", "Mining", "MiningRule", "covered", "draw_rows", "mining_rule", "run_means"]

POOLS = ("batch", "sample", "recording", "queue")
LAYOUTS = ("cascaded", "parallel", "single")
EXCLUDES = ("auto", "segment", "time", "self")
ANCHORS = ("view", "row")

MOST_ROWS = 50_000
"""Rows of a recording that is encoded whole, at most."""
PART = 20_000
"""Rows of a longer one that are encoded, others each time: about twice what ten steps draw by default."""
STRETCH = 250
"""Rows that follow each other, of which a part is made: few, for variety, yet many times those around them."""
AT_ONCE = 4096  # rows that are encoded in one go

Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Mining:
    """Settings of mining: which candidates there are, and how much mined views weigh; `myow.MYOW` explains each setting.

    Raises
    ------
    SettingError
        If a setting is out of its range or contradicts another; `UnknownNameError` if a name is none of the choices.
    """

    k: int | None
    pool: str
    pool_size: int
    views: int
    mined_anchor: str
    layout: str
    mined_projector: tuple[int, ...] | None
    mined_predictor: int
    mined_weight: float
    mined_start: float
    mined_ramp: float
    pool_refresh: int = 1
    key_bins: int | None = 0
    exclude: str = "segment"
    exclude_gap: float | None = None
    mine_sessions: str = "all"

    def __post_init__(self) -> None:
        for name, choices in (("pool", POOLS), ("layout", LAYOUTS), ("exclude", EXCLUDES), ("mined_anchor", ANCHORS)):
            if getattr(self, name) not in choices:
                raise unknown_name(name, str(getattr(self, name)), choices)
        if not 0 <= self.mined_weight <= 1:
            raise SettingError(f"mined_weight is {self.mined_weight}; it must lie between 0 and 1")
        if self.k is not None and self.k < 1:
            raise SettingError(f"k is {self.k}; it must be 1 or more")
        for name, least in (
            ("pool_size", 2),
            ("views", 1),
            ("pool_refresh", 1),
            ("mined_predictor", 1),
            ("mined_start", 0),
            ("mined_ramp", 0),
        ):
            if getattr(self, name) < least:
                raise SettingError(f"{name} is {getattr(self, name)}; it must be {least} or more")
        if any(width < 1 for width in self.mined_projector or ()):
            raise SettingError(f"mined_projector is {self.mined_projector}; it must be widths of 1 or more")
        if self.key_bins is not None and self.key_bins < 0:
            raise SettingError(f"key_bins is {self.key_bins}; it must be 0 or more")
        if self.key_bins and self.pool != "recording":
            raise SettingError(
                f"key_bins is {self.key_bins}, but pool='{self.pool}' holds no rows around its candidates; use pool='recording'"
            )
        if self.exclude_gap is not None and not 0 <= self.exclude_gap < float("inf"):
            raise SettingError(f"exclude_gap is {self.exclude_gap}; it must be 0 or more seconds")

    @classmethod
    def from_settings(cls, settings: Any, **fixed: Any) -> Self:
        """Read the attributes of the same names of an estimator, but for those that are given here."""
        return read_fields(cls, settings, **fixed)

    def neighbours(self, batch_size: int, n_rows: int, *, symmetric: bool) -> int:
        """Decide k from the candidates that there are.

        Raises
        ------
        SettingError
            If k is larger than the pool.
        """
        batch = min(batch_size, n_rows) * (2 if symmetric else 1)
        pool = batch if self.pool == "batch" else min(self.pool_size, n_rows)
        k = self.k if self.k is not None else max(1, min(10, pool // 4))
        if k > pool:
            raise SettingError(
                f"k is {k}, but the candidate pool holds {pool} rows; choose a smaller k or a larger pool"
            )
        return k


class MemoryBank(nn.Module):
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
    k : int, optional
        Neighbours that are looked for. Where all rows are candidates of each step, and what anchors are compared by is held too, they
        are found once a refresh, for all rows.
    """

    values: Tensor
    keys: Tensor
    starts: Tensor
    age: Tensor
    near: Tensor
    admissible: Tensor

    def __init__(
        self, data: TrainingRows, dim: int, *, key_bins: int, pool_size: int, every: int, k: int | None = None
    ) -> None:
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
        self.finds_all = bool(k) and key_bins > 0 and self.whole and self.pool_size == self.n_rows
        if self.finds_all:
            self.register_buffer("near", torch.zeros(held, k or 0, dtype=torch.int64, device=data.device))
            self.register_buffer("admissible", torch.zeros(held, dtype=torch.int64, device=data.device))

    def due(self) -> bool:
        """Whether the next batch begins with a refresh."""
        return int(self.age) % self.every == 0

    def draw(self, generator: torch.Generator, *, refresh: bool) -> Tensor:
        """Draw the rows of a batch's candidates, shape (P,); of a long recording, from stretches that a refresh chooses anew."""
        if self.whole:
            return draw_rows(self.n_rows, self.pool_size, generator)
        if refresh:
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

    def candidates(self, pool: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is compared, and the representations, of drawn rows (P,); shape (P, D) each."""
        if not self.whole:
            which = torch.searchsorted(self.starts, pool, right=True) - 1
            pool = which * self.stretch + pool - self.starts[which]
        return self.keys[pool], self.values[pool]

    @torch.no_grad()
    def queries(self, anchors: Tensor, encode: Encode) -> Tensor:
        """Return what anchors, rows of shape (A,), are compared by, shape (A, D), where `key_bins` is not 0."""
        return self.keys[anchors] if self.whole else self._encoded(anchors, encode)[1]

    @torch.no_grad()
    def refresh(self, encode: Encode) -> None:
        """Encode all rows that are held anew.

        Parameters
        ----------
        encode : callable
            From rows, shape (R,), to their representations, shape (R, D).
        """
        if not self.whole:
            rows = (self.starts[:, None] + torch.arange(self.stretch, device=self.starts.device)).flatten()
            values, keys = self._encoded(rows, encode)
            self.values.copy_(values)
            self.keys.copy_(keys)
            return
        for rows in torch.split(torch.arange(self.n_rows, device=self.values.device), self.at_once):
            self.values[rows] = encode(rows).to(self.values)
        self.keys.copy_(run_means(self.values, *self.around.long().unbind(1)) if self.key_bins else self.values)

    @torch.no_grad()
    def find_all(self, rule: MiningRule) -> None:
        """Find the nearest admissible rows of every row, by what is held."""
        every = torch.arange(self.n_rows, device=self.keys.device)
        for rows in torch.split(every, self.at_once):
            near, similarity = nearest(self.keys[rows], self.keys, self.near.shape[1], rule.excluded(rows, every))
            self.near[rows], self.admissible[rows] = near, torch.isfinite(similarity).sum(dim=1)

    def choose(self, anchors: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Choose among those that were found, as `myow.nn.neighbours.mine` does: rows (A, V), and whether there is any (A,)."""
        return choose(self.near[anchors], self.admissible[anchors], draws)

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


class MemoryQueue(nn.Module):
    """Ring of the representations that were pushed last, with the rows that they are of.

    It is made of buffers, so that a checkpoint keeps it and a resumed run mines from the same memory. Nothing in it asks a GPU for a
    number.

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
        """Find the entries that each anchor may not mine, for `myow.nn.neighbours.mine`.

        Parameters
        ----------
        rows : Tensor of int64, shape (A,)
            Rows of the anchors.
        ranges : Tensor of int32, shape (T, 2), optional
            Rows that each row may not mine, from `myow.nn.neighbours.excluded_ranges`. By default only empty entries are excluded,
            not even the anchor's own row.

        Returns
        -------
        Tensor of bool, shape (A, size)
        """
        empty = (~self.filled).expand(len(rows), -1)
        return empty if ranges is None else empty | excluded_pairs(rows, self.rows, ranges)


MINE_SESSIONS = ("all", "within", "across")


@dataclass(frozen=True)
class MiningRule:
    """Rule of which pairs of rows may not be mined.

    Parameters
    ----------
    barred : Tensor of int32, shape (T, 2)
        The run of rows that each row may not mine, from `myow.nn.neighbours.excluded_ranges`.
    sessions : Tensor of int64, shape (T,), or None
        Session of each row, where no row may mine another session's.
    apart : bool
        Whether all rows of a run may not mine the same run, as of segments, so that one comparison decides a pair.
    """

    barred: Tensor
    sessions: Tensor | None = None
    apart: bool = False

    def excluded(self, anchors: Tensor, pool: Tensor) -> Tensor:
        """Find the candidates, rows of shape (P,), that each anchor, of shape (A,), may not mine; shape (A, P)."""
        first = self.barred[:, 0]
        same = first[anchors][:, None] == first[pool] if self.apart else excluded_pairs(anchors, pool, self.barred)
        return self._others(anchors, pool, same)

    def excluded_of(self, anchors: Tensor, queue: MemoryQueue) -> Tensor:
        """Find those among the entries of a queue."""
        return self._others(anchors, queue.rows, queue.excluded(anchors, self.barred))

    def _others(self, anchors: Tensor, pool: Tensor, excluded: Tensor) -> Tensor:
        if self.sessions is None:
            return excluded
        return excluded | (self.sessions[anchors][:, None] != self.sessions[pool][None])


def mining_rule(data: TrainingRows, exclude: str, exclude_gap: float | None, mine_sessions: str) -> MiningRule:
    """Fix what may not be mined of some rows, and refuse rows of which some could mine nothing.

    Parameters
    ----------
    data : TrainingRows
        The rows, of one session or several.
    exclude, exclude_gap : str, float or None
        See `Mining`; "auto" takes segments if every session has two or more.
    mine_sessions : {"all", "within", "across"}
        Whether candidates are of all sessions, of the anchor's own, or of the others.

    Raises
    ------
    DataError
        If no candidate would be left to some row.
    UnknownNameError
        If `mine_sessions` is none of the three.
    """
    if mine_sessions not in MINE_SESSIONS:
        raise unknown_name("mine_sessions", mine_sessions, MINE_SESSIONS)
    sessions = data.sessions if isinstance(data, SessionRows) and len(data.parts) > 1 else None
    if mine_sessions == "across" and sessions is None:
        raise DataError(
            "no candidate is left: mine_sessions='across' and there is one session; give another, or use 'all' or 'within'"
        )
    parts: list[Rows] = [data.data]
    if isinstance(data.data, Sessions):
        parts = list(data.data.recordings.values())
    how = exclude
    if how == "auto":
        how = "segment" if all(len(group_runs(part.groups)[0]) > 1 for part in parts) else "time"
    gap = min(default_gap(part.times, exclude_gap) for part in parts)
    if sessions is None or mine_sessions == "within":
        for part in parts:
            _refuse_barren(part, how, gap)
    groups, times = data.data.groups, data.data.times
    if sessions is not None and mine_sessions == "across":
        how = "segment"
        barred = excluded_ranges(sessions.cpu().numpy(), times, how=how)
    else:
        barred = excluded_ranges(groups, times, how=how, gap=gap)
    within = sessions if mine_sessions == "within" else None
    return MiningRule(torch.from_numpy(barred).to(data.device), within, apart=how != "time")


def _refuse_barren(data: Rows, how: str, gap: float) -> None:
    """Refuse rows of one session of which one could mine nothing."""
    single = len(group_runs(data.groups)[0]) == 1
    if how == "segment" and single:
        raise DataError("no candidate is left: the recording is one segment and exclude='segment'; use exclude='time'")
    if how == "time" and single:
        times = np.asarray(data.times)
        farthest = np.maximum(times - times[0], times[-1] - times)
        if gap >= float(farthest.min()) and len(times) > 1:
            raise DataError(
                f"no candidate is left: exclude_gap is {gap:g} s, but nothing lies that far from the row at "
                f"{float(times[farthest.argmin()]):g} s; use a gap below {float(farthest.min()):g} s"
            )
    if len(data.groups) < 2:
        raise DataError("no candidate is left: mining needs two or more rows")
