"""Nearest neighbours that are mostly right, of pools too large to compare all of: faiss, which the extra ``faiss`` installs.

`mining.nearest` is exact, and what mining uses. This is for pools for which that takes too long or that do not fit into
memory as they are; only lists of vectors near the query are searched.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..errors import SettingError

__all__ = ["FaissIndex", "approximate_nearest"]


class FaissIndex:
    """Candidates in lists around centres, of which a query searches the few whose centres are nearest (faiss's IVF).

    How many of the true nearest are found, the recall, is not guaranteed: it is high where vectors lie in clusters and
    poor where they spread evenly over many dimensions. More probes find more and take longer. Measure it on your own
    vectors, against `mining.nearest` of a few hundred queries. It works on the CPU.

    Parameters
    ----------
    sample : Tensor, shape (S, D)
        Vectors that the centres are fitted to; candidates, or as many of them as fit. They are not added.
    lists : int, optional
        Centres. Default: about the square root of S, but so few that each has some forty vectors of the sample.
    probes : int, optional
        Lists that a query searches. Default: a sixteenth of them, at least eight.
    bits : {32, 8}
        To store each number in. With 8 the index takes a quarter of the memory, and similarities are approximate too.
    random_state : int
        Seed of the centres.

    Raises
    ------
    SettingError
        If faiss is not installed or a number is out of range.
    """

    def __init__(
        self,
        sample: Tensor,
        *,
        lists: int | None = None,
        probes: int | None = None,
        bits: int = 32,
        random_state: int = 0,
    ) -> None:
        faiss = _faiss()
        n, dim = sample.shape
        lists = max(min(round(math.sqrt(n)), n // 40), 1) if lists is None else lists
        probes = min(max(lists // 16, 8), lists) if probes is None else probes
        if not 1 <= lists <= n:
            raise SettingError(f"lists is {lists}; it must be from 1 to the {n} vectors that they are fitted to")
        if not 1 <= probes <= lists:
            raise SettingError(f"probes is {probes}; it must be from 1 to the {lists} lists there are")
        if bits not in (8, 32):
            raise SettingError(f"bits is {bits}; it must be 8 or 32")
        kind = f"IVF{lists},{'Flat' if bits == 32 else 'SQ8'}"
        self._index: Any = faiss.index_factory(dim, kind, faiss.METRIC_INNER_PRODUCT)
        self._index.cp.seed = random_state
        self._index.nprobe = probes
        self._index.train(_normal(sample))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, candidates: Tensor) -> None:
        """Store more candidates, shape (P, D), numbered on from those stored; a pool can so be added part by part."""
        self._index.add(_normal(candidates))

    def nearest(
        self, queries: Tensor, k: int, excluded: Callable[[Tensor], Tensor] | None = None, spare: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Find candidates with a high cosine similarity to each query.

        Parameters
        ----------
        queries : Tensor, shape (B, D)
            Representations of the anchors.
        k : int
            How many to find.
        excluded : callable, optional
            Given candidates that were found, Tensor of int64 of shape (B, k + spare), it says which of them may not be:
            Tensor of bool of that shape.
        spare : int
            How many more to look for, to replace excluded ones. Exclusion comes after the search, so where more than
            these are excluded fewer than k are left.

        Returns
        -------
        index : Tensor of int64, shape (B, k)
            Candidates, the most similar first.
        similarity : Tensor of float32, shape (B, k)
            Their cosine similarity; minus infinity marks places for which nothing was found in the lists searched, and
            whose index means nothing.

        Raises
        ------
        SettingError
            If k is below 1, or with the spare ones above the number of candidates.
        """
        if not (k >= 1 and spare >= 0 and k + spare <= len(self)):
            raise SettingError(
                f"k is {k} and spare is {spare}, but there are {len(self)} candidates; k must be 1 or more, spare 0 or "
                f"more, and their sum no more than the candidates"
            )
        similarity, index = (torch.from_numpy(a) for a in self._index.search(_normal(queries), k + spare)[:2])
        absent, index = index < 0, index.clamp(min=0)
        similarity, index = similarity.to(queries.device), index.to(queries.device)
        absent = absent.to(queries.device)
        if excluded is not None:
            absent = absent | excluded(index)
        similarity, order = similarity.masked_fill(absent, -torch.inf).sort(dim=1, descending=True, stable=True)
        return index.gather(1, order)[:, :k], similarity[:, :k]


def approximate_nearest(
    queries: Tensor,
    candidates: Tensor,
    k: int,
    *,
    lists: int | None = None,
    probes: int | None = None,
    random_state: int = 0,
) -> tuple[Tensor, Tensor]:
    """Find most of the k candidates with the highest cosine similarity to each query.

    Fitting the lists takes time too: for one set of queries `mining.nearest` is often faster, and always right. Keep a
    `FaissIndex` where the candidates stay and the queries change.

    Parameters
    ----------
    queries, candidates, k
        As in `mining.nearest`.
    lists, probes, random_state
        As in `FaissIndex`.

    Returns
    -------
    index, similarity
        As `FaissIndex.nearest` returns them. Recall is not guaranteed.

    Raises
    ------
    SettingError
        If faiss is not installed or a number is out of range.
    """
    index = FaissIndex(candidates, lists=lists, probes=probes, random_state=random_state)
    index.add(candidates)
    return index.nearest(queries, k)


def _normal(vectors: Tensor) -> NDArray[np.float32]:
    """Unit vectors as faiss takes them; their inner product is the cosine similarity."""
    return np.ascontiguousarray(F.normalize(vectors.detach().float().cpu(), dim=1).numpy())


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise SettingError(
            "faiss is not installed; run: pip install 'myow[faiss]', or use myow.mining.exact.nearest, which is exact"
        ) from error
    return faiss
