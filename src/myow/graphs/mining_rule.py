"""What an anchor may mine: not what lies near it, and of several sessions its own, the others, or all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..data.rows import Rows, group_runs
from ..data.sessions import Sessions
from ..errors import DataError, unknown_name
from ..mining.exact import default_gap, excluded_pairs, excluded_ranges
from ..mining.memory_queue import MemoryQueue
from ..views.session_rows import SessionRows
from ..views.windows import TrainingRows

__all__ = ["MINE_SESSIONS", "MiningRule", "mining_rule"]

MINE_SESSIONS = ("all", "within", "across")


@dataclass(frozen=True)
class MiningRule:
    """Which pairs of rows are barred from being mined.

    Parameters
    ----------
    barred : Tensor of int32, shape (T, 2)
        The run of rows that each row may not mine, from `myow.mining.exact.excluded_ranges`.
    sessions : Tensor of int64, shape (T,), or None
        Session of each row, where no row may mine another session's.
    """

    barred: Tensor
    sessions: Tensor | None = None

    def excluded(self, anchors: Tensor, pool: Tensor) -> Tensor:
        """Say which candidates, rows of shape (P,), each anchor, of shape (A,), may not mine; shape (A, P)."""
        return self._others(anchors, pool, excluded_pairs(anchors, pool, self.barred))

    def excluded_of(self, anchors: Tensor, queue: MemoryQueue) -> Tensor:
        """Say the same of the entries of a queue."""
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
        See `myow.graphs.mining_settings.MiningSettings`; "auto" takes segments if every session has two or more.
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
        barred = excluded_ranges(sessions.cpu().numpy(), times, how="segment")
    else:
        barred = excluded_ranges(groups, times, how=how, gap=gap)
    return MiningRule(torch.from_numpy(barred).to(data.device), sessions if mine_sessions == "within" else None)


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
