"""Nearest neighbours by cosine similarity, among candidates that may be mined."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..data.rows import group_runs
from ..errors import SettingError

__all__ = ["choose", "default_gap", "excluded_pairs", "excluded_ranges", "mine", "nearest"]

WHOLE = 2**24  # so many similarities at most are held as one matrix; more are computed in chunks
QUERIES, CANDIDATES = 1024, 1024  # of a chunk, about as much as a processor's cache holds
PER_NEIGHBOUR = 16  # candidates of a chunk at least, so that looking for many neighbours is worth it


def nearest(queries: Tensor, candidates: Tensor, k: int, excluded: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Find the k candidates with the highest cosine similarity to each query, exactly, whatever the size of the pool.

    Up to `WHOLE` pairs are compared at once. Of more, a chunk of the similarities is held at a time, so that memory
    beyond the inputs does not grow with the pool.

    Parameters
    ----------
    queries : Tensor, shape (B, D)
        Representations of the anchors.
    candidates : Tensor, shape (P, D)
        Representations to choose from. Both may be of any type of number; the similarity is computed in float64 if one
        of them is that, else in float32. Values must be finite, which is not checked.
    k : int
        Number to find.
    excluded : Tensor of bool, shape (B, P), optional
        Pairs that may not be found.

    Returns
    -------
    index : Tensor of int64, shape (B, k)
        Candidates, the most similar first. Of candidates that are equally similar, torch.topk decides.
    similarity : Tensor, shape (B, k)
        Their cosine similarity; minus infinity marks places that no admissible candidate was left for. It carries no
        gradient above `WHOLE` pairs.

    Raises
    ------
    SettingError
        If k is below 1 or above P.
    """
    if not 1 <= k <= len(candidates):
        raise SettingError(
            f"k is {k}, but the candidate pool holds {len(candidates)}; choose k from 1 to that, or a larger pool"
        )
    dtype = torch.promote_types(queries.dtype, candidates.dtype)
    dtype = torch.float64 if dtype == torch.float64 else torch.float32
    if len(queries) * len(candidates) <= WHOLE:
        return _best(queries.to(dtype), candidates.to(dtype), k, excluded)
    rows = torch.arange(len(queries), device=queries.device)
    parts = [_nearest_in_chunks(queries, candidates, k, excluded, some, dtype) for some in torch.split(rows, QUERIES)]
    return torch.cat([index for index, _ in parts]), torch.cat([similarity for _, similarity in parts])


def _best(queries: Tensor, candidates: Tensor, k: int, excluded: Tensor | None) -> tuple[Tensor, Tensor]:
    similarity = F.normalize(queries, dim=1) @ F.normalize(candidates, dim=1).T
    if excluded is not None:
        if similarity.requires_grad:
            similarity = similarity.masked_fill(excluded, -torch.inf)
        else:
            similarity.masked_fill_(excluded, -torch.inf)
    best = similarity.topk(k, dim=1)
    return best.indices, best.values


@torch.no_grad()
def _nearest_in_chunks(
    queries: Tensor, candidates: Tensor, k: int, excluded: Tensor | None, some: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Do what `nearest` does for some queries, keeping the k best so far."""
    normal = F.normalize(queries[some].to(dtype), dim=1)
    value = torch.full((len(some), k), -torch.inf, dtype=dtype, device=normal.device)
    index = torch.zeros((len(some), k), dtype=torch.int64, device=normal.device)
    width = max(CANDIDATES, PER_NEIGHBOUR * k)
    for start in range(0, len(candidates), width):
        chunk = normal @ F.normalize(candidates[start : start + width].to(dtype), dim=1).T
        if excluded is not None:
            chunk.masked_fill_(excluded[some, start : start + width], -torch.inf)
        # Soon few queries find anything better, and all other work is done for them alone.
        gains = (chunk.amax(dim=1) > value[:, -1]).nonzero().squeeze(1)
        new, column = chunk[gains].topk(min(k, chunk.shape[1]), dim=1)
        value[gains], order = torch.cat([value[gains], new], dim=1).topk(k, dim=1)
        index[gains] = torch.cat([index[gains], column + start], dim=1).gather(1, order)
    return index, value


def mine(queries: Tensor, candidates: Tensor, k: int, excluded: Tensor | None, draws: Tensor) -> tuple[Tensor, Tensor]:
    """Choose, for each anchor, from its k nearest admissible candidates at random (Azabou et al. 2021).

    Parameters
    ----------
    queries, candidates, k, excluded
        As in `nearest`.
    draws : Tensor, shape (B, V)
        Uniform random numbers in [0, 1) that decide the choice of V views, with replacement.

    Returns
    -------
    index : Tensor of int64, shape (B, V)
        The mined candidates of each anchor.
    found : Tensor of bool, shape (B,)
        False for anchors that had no admissible candidate; their index means nothing.
    """
    index, similarity = nearest(queries, candidates, k, excluded)
    return choose(index, torch.isfinite(similarity).sum(dim=1), draws)


def choose(index: Tensor, admissible: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
    """Choose among the neighbours (B, k) of each anchor, of which the first `admissible`, (B,), may be mined, as `mine` does."""
    rank = (draws * admissible[:, None]).long()
    return index.gather(1, rank), admissible > 0


def default_gap(times: NDArray[np.float64], gap: float | None = None) -> float:
    """Seconds around an anchor that it may not mine where there is one segment.

    Parameters
    ----------
    times : ndarray, shape (T,)
        Start of every row in seconds.
    gap : float, optional
        What was asked for. Default: a hundredth of the recording's duration, at least ten bins and at most a quarter of it.

    Returns
    -------
    float
    """
    if gap is not None:
        return gap
    span = float(np.ptp(times))  # not last minus first: a clock may start again in each segment
    return min(max(span / 100, 10 * span / max(len(times) - 1, 1)), span / 4)


def excluded_ranges(
    groups: NDArray[np.int64], times: NDArray[np.float64], *, how: str, gap: float = 0.0
) -> NDArray[np.int32]:
    """Find, for every row, the run of rows that it may not mine.

    Segments are contiguous and times rise in them, so what is excluded is always a run; two comparisons then decide a
    pair.

    Parameters
    ----------
    groups, times : ndarray, shape (T,)
        Segment and start in seconds of every row.
    how : {"segment", "time", "self"}
        Exclude the row's whole segment; or rows of its segment that start at most `gap` seconds before or after it; or
        the row alone.
    gap : float, optional
        Seconds, with ``how="time"``.

    Returns
    -------
    ndarray of int32, shape (T, 2)
        First and last row of the run, both included; the row itself is always inside.
    """
    rows = np.arange(len(groups))
    if how == "self":
        return np.stack([rows, rows], axis=1).astype(np.int32)
    heads, lengths = group_runs(groups)
    first, last = np.repeat(heads, lengths), np.repeat(heads + lengths - 1, lengths)
    if how == "time":
        since = times - times[first]
        # Segments laid so far apart that no gap reaches across; a microsecond of slack absorbs rounding at the edge.
        laid = since + np.repeat(np.arange(len(heads)), lengths) * (since.max() + 2 * gap + 1)
        first = np.searchsorted(laid, laid - gap - 1e-6, side="left")
        last = np.searchsorted(laid, laid + gap + 1e-6, side="right") - 1
    return np.stack([first, last], axis=1).astype(np.int32)


def excluded_pairs(rows: Tensor, pool: Tensor, ranges: Tensor) -> Tensor:
    """Find the candidates that each anchor may not mine.

    Parameters
    ----------
    rows : Tensor of int64, shape (B,)
        Rows of the anchors.
    pool : Tensor of int64, shape (P,)
        Rows of the candidates.
    ranges : Tensor of int32, shape (T, 2)
        From `excluded_ranges`.

    Returns
    -------
    Tensor of bool, shape (B, P)
    """
    first, last = ranges[rows].unbind(1)
    candidates = pool.to(torch.int32)[None, :]
    return (candidates >= first[:, None]) & (candidates <= last[:, None])
