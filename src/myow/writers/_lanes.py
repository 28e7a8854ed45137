"""Segments on one clock: some formats have a single time line, on which segments may touch, overlap or come in any order."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from ..data.embedding import Embedding

__all__ = ["lanes_of", "ordered_spans"]

SLACK = 0.01  # of a bin: rounding of stored times


def ordered_spans(embedding: Embedding) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return which segments come when: positions of the segments by their start, and their starts and ends in s, (n, 2).

    Where an end lies behind the next start by no more than rounding, it is that start.
    """
    order = np.argsort(embedding.spans[:, 0], kind="stable")
    spans = embedding.spans[order]
    late = spans[:-1, 1] - spans[1:, 0]
    spans[:-1, 1] -= np.where((late > 0) & (late <= SLACK * embedding.bin_size), late, 0.0)
    return order, spans


def lanes_of(spans: NDArray[np.float64]) -> NDArray[np.int64]:
    """Deal spans out to as few lanes as there have to be, so that none overlap in a lane; all lanes get about as many.

    Parameters
    ----------
    spans : ndarray, shape (n, 2)
        Starts and ends, by start.

    Returns
    -------
    ndarray of int, shape (n,)

    Examples
    --------
    >>> lanes_of(np.array([[0.0, 1.0], [0.5, 1.5], [1.0, 2.0], [2.0, 3.0]])).tolist()
    [0, 1, 0, 1]
    """
    edges = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])  # an end goes before a start
    number = int(np.cumsum([step for _, step in edges]).max())
    free = [(-np.inf, lane) for lane in range(number)]  # that which has been free for longest comes next
    lanes = np.empty(len(spans), dtype=np.int64)
    for place, (_, end) in enumerate(spans):
        lanes[place] = heapq.heappop(free)[1]
        heapq.heappush(free, (end, int(lanes[place])))
    return lanes
