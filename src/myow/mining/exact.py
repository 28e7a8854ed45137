"""Mining views: the nearest other samples in representation space."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..data.rows import group_runs
from ..errors import SettingError

__all__ = [
    "Excluded",
    "default_gap",
    "excluded_later",
    "excluded_pairs",
    "excluded_ranges",
    "mine",
    "nearest",
    "tile_shape",
]

WHOLE = 2**24  # so many similarities at most are held as one matrix; more are computed in tiles
CPU_TILE, GPU_TILE = 2**22, 2**26  # similarities of a tile: about a CPU's cache; what should keep a GPU busy
MOST_QUERIES = 4096  # of a tile: enough for normalising the candidates anew, once a tile, to cost next to nothing

Excluded: TypeAlias = Tensor | Callable[[Tensor, slice], Tensor]


def nearest(queries: Tensor, candidates: Tensor, k: int, excluded: Excluded | None = None) -> tuple[Tensor, Tensor]:
    """Find the k candidates with the highest cosine similarity to each query, exactly, whatever the size of the pool.

    Up to `WHOLE` pairs are compared at once; of more, a tile of the similarities is held at a time, and memory beyond
    the inputs and a normalised copy of at most `MOST_QUERIES` queries does not grow with the pool. A tile waits for no
    number from a GPU.

    Parameters
    ----------
    queries : Tensor, shape (B, D)
        Representations of the anchors.
    candidates : Tensor, shape (P, D)
        Representations to choose from. Both may be of any type of number; the similarity is computed in float64 if one
        of them is that, else in float32. That their values are finite is the caller's affair: a similarity that is no
        number may be found or not.
    k : int
        How many to find.
    excluded : Tensor of bool, shape (B, P), or callable, optional
        Pairs that may not be found; or what says so of a tile, as `excluded_later` makes it: given positions of
        queries, shape (b,), and a slice of c candidates, it returns a Tensor of bool, shape (b, c).

    Returns
    -------
    index : Tensor of int64, shape (B, k)
        Candidates, the most similar first. Of candidates that are equally similar, torch.topk decides up to `WHOLE`
        pairs, and the first in the pool leads above.
    similarity : Tensor, shape (B, k)
        Their cosine similarity; minus infinity marks places that no admissible candidate was left for. It carries no
        gradient above `WHOLE` pairs, and its last bit may depend on the tile.

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
    if len(queries) * len(candidates) > WHOLE:
        height, _ = tile_shape(queries, candidates, k)
        parts = [_nearest_in_tiles(queries, candidates, k, excluded, i, dtype) for i in range(0, len(queries), height)]
        return torch.cat([index for index, _ in parts]), torch.cat([similarity for _, similarity in parts])
    similarity = F.normalize(queries.to(dtype), dim=1) @ F.normalize(candidates.to(dtype), dim=1).T
    if callable(excluded):
        excluded = excluded(torch.arange(len(queries), device=queries.device), slice(0, len(candidates)))
    if excluded is not None:
        similarity = similarity.masked_fill(excluded, -torch.inf)
    best = similarity.topk(k, dim=1)
    return best.indices, best.values


def tile_shape(queries: Tensor, candidates: Tensor, k: int) -> tuple[int, int]:
    """Say how many queries and candidates are compared at a time where there are too many pairs to compare all at once.

    Parameters
    ----------
    queries, candidates, k
        As in `nearest`.

    Returns
    -------
    height, width : int
    """
    height = min(len(queries), MOST_QUERIES)
    tile = CPU_TILE if queries.device.type == "cpu" else GPU_TILE
    # No wider than lets the normalised candidates themselves fit into a tile.
    width = min(max(tile // max(height, queries.shape[1]), 1), len(candidates))
    block = _block(width, k)
    return height, width // block * block


def _block(width: int, k: int) -> int:
    """Length of blocks for which finding the k best blocks, and then the k best in them, is the least work."""
    return max(math.isqrt(width // k), 1)


@torch.no_grad()
def _nearest_in_tiles(
    queries: Tensor, candidates: Tensor, k: int, excluded: Excluded | None, first: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Do what `nearest` does for one tile's height of queries, keeping the k best so far."""
    height, width = tile_shape(queries, candidates, k)
    block = _block(width, k)
    normal = F.normalize(queries[first : first + height].to(dtype), dim=1)
    everyone = torch.arange(len(normal), device=queries.device)
    index = torch.empty(len(normal), 0, dtype=torch.int64, device=queries.device)
    value = torch.empty(len(normal), 0, dtype=dtype, device=queries.device)
    room = torch.empty(len(normal) * width, dtype=dtype, device=queries.device)  # used again by every tile
    for start in range(0, len(candidates), width):
        columns = slice(start, min(start + width, len(candidates)))
        chunk = F.normalize(candidates[columns].to(dtype), dim=1)
        tile = torch.mm(normal, chunk.T, out=room[: len(normal) * len(chunk)].view(len(normal), len(chunk)))
        rows = everyone if index.shape[1] < k else _promising(tile, value[:, -1], everyone)
        if rows is not everyone:
            tile = tile[rows]
        if excluded is not None:
            barred = excluded(rows + first, columns) if callable(excluded) else excluded[rows + first, columns]
            tile.masked_fill_(barred, -torch.inf)
        column, new = _short_list(tile, k, block)
        # Earlier candidates stand first, so that of equals they stay.
        new, order = _first(torch.cat([value[rows], new], dim=1), k)
        found = torch.cat([index[rows], column + start], dim=1).gather(1, order)
        if rows is everyone:
            index, value = found, new
        else:
            index[rows], value[rows] = found, new
    return index, value


def _promising(tile: Tensor, worst: Tensor, everyone: Tensor) -> Tensor:
    """Queries for which a tile may hold anything better than the worst that they keep.

    Soon there are few, and all other work is done for them alone. A GPU does the work faster than it says who needs it.
    """
    return everyone[tile.amax(dim=1) > worst] if _on_cpu(tile) else everyone


def _short_list(tile: Tensor, k: int, block: int) -> tuple[Tensor, Tensor]:
    """Columns, rising, and values of a part of each row in which its k highest are, and of equals the first.

    It is the k blocks that have the highest maxima, and of equals the first; on a CPU the k themselves, if none are equal.
    """
    if _on_cpu(tile):
        value, columns = tile.topk(min(k + 1, tile.shape[1]), dim=1)
        if (value[:, 1:] < value[:, :-1]).all():
            columns = columns[:, :k].sort(dim=1).values
            return columns, tile.gather(1, columns)
    spare = -tile.shape[1] % block
    if spare:  # in the pool's last tile: these columns come last of all, and there are k others
        tile = F.pad(tile, (0, spare), value=-torch.inf)
    _, best = _first(tile.view(len(tile), tile.shape[1] // block, block).amax(dim=2), k)
    columns = best.sort(dim=1).values[:, :, None] * block + torch.arange(block, device=tile.device)
    columns = columns.flatten(1)
    return columns, tile.gather(1, columns)


def _on_cpu(tile: Tensor) -> bool:
    """Whether asking a tensor for a number costs nothing: a GPU would have to be waited for."""
    return tile.device.type == "cpu"


def _first(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k highest of each row and their places, equals in order of place, which torch.topk does not promise."""
    if values.dtype == torch.float64:
        value, order = values.sort(dim=1, descending=True, stable=True)
        return value[:, :k], order[:, :k]
    # Faster than a stable sort: whole numbers in the order of the values (those below zero have their bits the other way
    # round; adding zero makes one zero of two), and below each the place, so that no two are equal.
    bits = (values + 0.0).view(torch.int32)
    rising = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).to(torch.int64)
    places = torch.arange(values.shape[1], 0, -1, device=values.device)
    order = ((rising << 32) + places).topk(min(k, values.shape[1]), dim=1).indices
    return values.gather(1, order), order


def mine(
    queries: Tensor, candidates: Tensor, k: int, excluded: Excluded | None, draws: Tensor
) -> tuple[Tensor, Tensor]:
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
    admissible = torch.isfinite(similarity).sum(dim=1)
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
    """Say which candidates each anchor may not mine.

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


def excluded_later(rows: Tensor, pool: Tensor, ranges: Tensor) -> Callable[[Tensor, slice], Tensor]:
    """Say the same as `excluded_pairs` of a tile at a time, for pools too large for a mask of all pairs.

    Parameters
    ----------
    rows, pool, ranges
        As in `excluded_pairs`.

    Returns
    -------
    callable
        For `nearest` and `mine`.
    """
    return lambda queries, candidates: excluded_pairs(rows[queries], pool[candidates], ranges)
