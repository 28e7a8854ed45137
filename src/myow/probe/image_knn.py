"""The vote of the nearest images, many settings in one search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..nn.neighbours import nearest

__all__ = ["Vote", "vote", "votes"]

KS = (20, 10, 50, 5, 200, 1)
TEMPERATURES = (0.07, 0.2, None)


@dataclass(frozen=True)
class Vote:
    """Settings of a k-nearest-neighbour readout."""

    k: int
    """Number of neighbours."""
    temperature: float | None
    """A neighbour of cosine similarity s weighs exp(s / temperature); None lets all of them weigh the same."""


def votes(n_rows: int) -> tuple[Vote, ...]:
    """Return the settings to choose from where so many rows can be neighbours, in order of preference."""
    return tuple(Vote(k, temperature) for k in KS if k <= n_rows for temperature in TEMPERATURES)


def vote(x: Tensor, y: Tensor, queries: Tensor, settings: Sequence[Vote], *, n_classes: int) -> NDArray[np.int64]:
    r"""Predict by the weighted vote of the nearest rows by cosine (Wu et al. 2018), searched exactly.

    .. math:: \hat y(q) = \arg\max_c \sum_{i \in N_k(q)} [y_i = c] \exp(\cos(q, x_i) / \tau)

    One search serves every setting. Votes that are equal, as they often are where all neighbours weigh the same, go to
    the class whose neighbours are nearer.

    Parameters
    ----------
    x : Tensor, shape (T, D)
        Rows that may be neighbours, centred.
    y : Tensor of int64, shape (T,)
        Their classes, 0 to ``n_classes - 1``.
    queries : Tensor, shape (Q, D)
        Rows to predict, shifted as `x` was.
    settings : sequence of Vote
        S settings, each with k up to T.
    n_classes : int
        Number of classes C.

    Returns
    -------
    ndarray of int64, shape (S, Q)
        The class predicted for each query under each setting.
    """
    index, similarity = nearest(queries, x, max(s.k for s in settings))
    # The search is the work. Votes are added up on the CPU, in float64 and in order: the same bits on every device.
    near, closeness = y[index].cpu().numpy(), similarity.cpu().double().numpy()
    cell = np.arange(len(near))[:, None] * n_classes + near
    predicted = np.empty((len(settings), len(near)), np.int64)
    for temperature in {s.temperature for s in settings}:
        total, counted = np.zeros(len(near) * n_classes), 0
        for k, number in sorted((s.k, i) for i, s in enumerate(settings) if s.temperature == temperature):
            weight = _weights(closeness[:, counted:k], temperature)
            total += np.bincount(cell[:, counted:k].ravel(), weight.ravel(), minlength=len(total))
            counted = k
            predicted[number] = total.reshape(-1, n_classes).argmax(axis=1)
    return predicted


def _weights(similarity: NDArray[np.float64], temperature: float | None) -> NDArray[np.float64]:
    if temperature is None:
        # Extras in [0, 1e-6] break ties; it would take a million neighbours for them to outweigh a vote.
        return 1 + (1 + similarity) * 5e-7
    return np.exp((similarity - 1) / temperature)
