"""Rows near to a row and far from it, the positive and negative contexts of Banville et al. (2021), and draws from them.

A run is a pair of rows (first, last), both included.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.rows import Rows, group_runs

__all__ = ["choose_contexts", "draw_between", "draw_far", "draw_outside", "segment_ranges"]

LONGEST = 10
"""Bins of the near context where segments are long: 1 s at 0.1 s, 40 s at 4 s."""


def segment_ranges(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find the run of every row's segment.

    Parameters
    ----------
    groups : ndarray of int64, shape (T,)
        Segment of each row; segments are contiguous.

    Returns
    -------
    ndarray of int64, shape (T, 2)
    """
    edges = np.flatnonzero(np.concatenate([[True], np.diff(groups) != 0, [True]]))
    runs = np.stack([edges[:-1], edges[1:] - 1], axis=1)
    return np.repeat(runs, np.diff(edges), axis=0)


def choose_contexts(data: Rows, tau_pos: int | None, tau_neg: int | None, least: int) -> tuple[int, int]:
    """Choose what was not given of the two contexts, from the length of the segments.

    Among several segments (trials) near are two thirds of the median one, and far is what lies beyond four times that:
    in short trials, rows of other trials. Of a single segment near is an eighth, and far what lies beyond half of it at
    most. Either way near is no more than 10 bins.

    Parameters
    ----------
    data : Rows
        T rows with bins and groups.
    tau_pos, tau_neg : int or None
        What was given: bins that are near at most, and far at least.
    least : int
        The smallest `tau_pos` that is of use.

    Returns
    -------
    tau_pos, tau_neg : int
    """
    heads, lengths = group_runs(data.groups)
    span = int(np.median(data.bins[heads + lengths - 1] - data.bins[heads])) + 1
    single = len(heads) == 1
    if tau_pos is None:
        tau_pos = max(least, min(LONGEST, span // 8 if single else 2 * span // 3))
    if tau_neg is None:
        # A row in the middle of a single segment finds nothing further away than half of it.
        tau_neg = max(tau_pos + 1, min(4 * tau_pos, span // 2) if single else 4 * tau_pos)
    return int(tau_pos), int(tau_neg)


def draw_between(first: Tensor, last: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a row from each of B runs, uniformly; of an empty run (last = first - 1) comes its first row. Shape (B,)."""
    draw = torch.rand(len(first), generator=generator, device=first.device, dtype=torch.float64)
    return first + (draw * (last - first + 1)).long()


def draw_outside(run: Tensor, hole: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a row from each run, uniformly from those that its hole, a run inside of it, leaves.

    Parameters
    ----------
    run, hole : Tensor of int64, shape (B, 2)
        Runs, and what to leave out of each.
    generator : torch.Generator
        Source of randomness.

    Returns
    -------
    Tensor of int64, shape (B,)
        The row after the run where the hole leaves none.
    """
    width = hole[:, 1] - hole[:, 0] + 1
    row = draw_between(run[:, 0], run[:, 1] - width, generator)
    return torch.where(row >= hole[:, 0], row + width, row)


def draw_far(near: Tensor, segment: Tensor, n_rows: int, generator: torch.Generator) -> Tensor:
    """Draw a row from each segment, uniformly from those that are not near; where all are, from the other segments.

    Parameters
    ----------
    near, segment : Tensor of int64, shape (B, 2)
        Runs of what is not far enough, and of the segments around them.
    n_rows : int
        Rows T of the recording.
    generator : torch.Generator
        Source of randomness.

    Returns
    -------
    Tensor of int64, shape (B,)
        `n_rows` where there is no other segment either.
    """
    elsewhere = (near == segment).all(dim=1, keepdim=True)
    whole = torch.tensor([0, n_rows - 1], device=near.device)
    return draw_outside(torch.where(elsewhere, whole, segment), torch.where(elsewhere, segment, near), generator)
