"""Parts that differ between sessions of different units: the scaling of the input, and a linear read-in to a shared width.

Where there are several sessions, rows are padded to the widest one, and one more channel at the end says which session
a row is of. A model of one session has neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from ..data.rows import group_runs
from .scaling import Scaling

__all__ = [
    "SEEN",
    "ReadInEncoder",
    "SessionScaling",
    "principal_axes",
    "read_in_encoders",
    "trajectories",
    "turn_between",
]

SEEN = 512
"""Representations that a model with read-ins keeps, so that a session that comes later can be likened to them."""

TIMES, TRIALS = 6, 200  # of a trial, and of a session, that are compared where sessions are matched
TURNS, ROUNDS = 16, 15  # in the plane where trials differ most, each in the mirror too; and rounds of pairing


class SessionScaling(Scaling):
    """Scale every session's units by what that session's rows taught.

    Parameters
    ----------
    n_units : sequence of int
        Units of each of S sessions; N is the widest.
    """

    held: Tensor

    def __init__(self, n_units: Sequence[int]) -> None:
        super().__init__(max(n_units))
        self.n_units = tuple(n_units)
        shape = (len(n_units), max(n_units))
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("deviation", torch.ones(shape))
        held = torch.arange(shape[1]) < torch.tensor(self.n_units)[:, None]
        self.register_buffer("held", held, persistent=False)

    def put(self, number: int, own: Scaling) -> None:
        """Take over what one session taught."""
        n_units = self.n_units[number]
        self.mean[number, :n_units] = own.mean.to(self.mean)
        self.deviation[number, :n_units] = own.deviation.to(self.deviation)

    def of(self, number: int) -> Scaling:
        """Return the scaling of one session, for values of its units alone."""
        n_units = self.n_units[number]
        own = Scaling(n_units).to(self.mean.device)
        own.mean.copy_(self.mean[number, :n_units])
        own.deviation.copy_(self.deviation[number, :n_units])
        return own

    def forward(self, values: Tensor) -> Tensor:
        """Scale transformed values of shape (..., N + 1), the last channel being the session's number, which stays."""
        return self.apart(values, lambda units, scale: scale(units))

    def apart(self, values: Tensor, change: Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor]) -> Tensor:
        """Change the units of values (..., N + 1), and leave the session's number as it is.

        Parameters
        ----------
        values : Tensor, shape (..., N + 1)
            Transformed values.
        change : callable
            From the units alone, (..., N), and what scales them, to scaled ones. Units that a session does not have
            are put back to zero afterwards, whatever noise they were given.
        """
        units, last = values[..., :-1], values[..., -1:]
        session = last.squeeze(-1).long()
        mean, deviation = self.mean[session], self.deviation[session]
        changed = change(units, lambda x: (x - mean) / deviation)
        return torch.cat([changed * self.held[session], last], dim=-1)


class ReadInEncoder(nn.Module):
    """A linear read-in for each session, and the encoder that all of them share.

    Parameters
    ----------
    n_units : sequence of int
        Units of each session.
    width : int
        What they are mapped to.
    encoder : nn.Module
        From windows (B, W, width) to representations (B, D).
    dim : int
        Dimension D.
    """

    seen: Tensor

    def __init__(self, n_units: Sequence[int], width: int, encoder: nn.Module, dim: int) -> None:
        super().__init__()
        # The input is centred, and the encoder begins with a weight of its own: no bias is needed.
        self.read_ins = nn.ModuleList(nn.Linear(n, width, bias=False) for n in n_units)
        self.width = width
        self.encoder = encoder
        # Representations of some rows trained on, about as many of each session; zero while there are none.
        self.register_buffer("seen", torch.zeros(SEEN, dim))

    def linear(self) -> list[nn.Linear]:
        """Return the read-ins, in the order of the sessions."""
        return [part for part in self.read_ins if isinstance(part, nn.Linear)]

    @torch.no_grad()
    def put(self, number: int, weight: Tensor) -> None:
        """Set the read-in of a session, shape (width, N)."""
        self.linear()[number].weight.copy_(weight)

    def add(self, weight: Tensor) -> None:
        """Add the read-in of one more session, shape (width, N)."""
        like = self.linear()[0].weight
        self.read_ins.append(nn.Linear(weight.shape[1], self.width, bias=False, device=like.device))
        self.put(-1, weight)

    def keep(self, number: int) -> None:
        """Drop the read-ins of all sessions but one."""
        self.read_ins = nn.ModuleList([self.linear()[number]])

    def read(self, x: Tensor) -> Tensor:
        """Map scaled windows, (B, W, N) of one session or (B, W, N + 1) of several, to (B, W, width)."""
        if len(self.read_ins) == 1:
            only: Tensor = self.read_ins[0](x)
            return only
        session = x[:, 0, -1].long()
        shared = x.new_zeros(*x.shape[:2], self.width)
        for number, read_in in enumerate(self.linear()):
            rows = (session == number).nonzero().squeeze(1)
            if len(rows):
                weight = read_in.weight
                shared = shared.index_copy(0, rows, x[rows, :, : weight.shape[1]] @ weight.T)
        return shared

    def forward(self, x: Tensor) -> Tensor:
        """Map scaled windows to representations, shape (B, D)."""
        y: Tensor = self.encoder(self.read(x))
        return y


def read_in_encoders(module: nn.Module) -> Iterator[ReadInEncoder]:
    """Find the encoders with read-ins in a network: the online one first, then its moving average if there is one."""
    return (m for m in module.modules() if isinstance(m, ReadInEncoder))


def principal_axes(x: Tensor, width: int) -> Tensor:
    """Return the read-in that training begins with: principal components of scaled values, in order.

    Their total variance is `width`, whatever the number of units, and each is turned so that its third moment is
    positive: two sessions of the same activity then begin alike, apart from components of about equal variance.

    Parameters
    ----------
    x : Tensor, shape (T, N)
        Scaled values.
    width : int
        Components to keep; where there are fewer units, the rest are zero.

    Returns
    -------
    Tensor of float32, shape (width, N)
    """
    x = x.double() - x.double().mean(dim=0)
    variance, axes = torch.linalg.eigh(x.T @ x / len(x))
    axes = axes.flip(1)[:, :width]
    kept = variance.flip(0)[:width].sum().clamp(min=1e-12)
    third = (x @ axes).pow(3).mean(dim=0)
    weight = axes.new_zeros(width, x.shape[1])
    weight[: axes.shape[1]] = (axes * torch.where(third < 0, -1.0, 1.0) * (width / kept).sqrt()).T
    first: Tensor = weight.float()
    return first


def trajectories(
    look_up: Callable[[NDArray[np.int64]], NDArray[np.float64]], groups: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Stretch segments to equally many times, by linear interpolation.

    Parameters
    ----------
    look_up : callable
        From numbers of rows, shape (R,), to those rows, shape (R, D).
    groups : ndarray of int, shape (T,)
        Segment of each row; those of a segment follow each other.

    Returns
    -------
    ndarray, shape (trials, `TIMES`, D)
        Of 200 evenly spaced segments, where there are more.
    """
    heads, lengths = group_runs(groups)
    some = np.unique(np.linspace(0, len(heads) - 1, TRIALS).astype(np.int64))
    first, last = heads[some], heads[some] + lengths[some] - 1
    at = np.linspace(first, last, TIMES, axis=1)
    before = np.floor(at).astype(np.int64)
    after = np.minimum(before + 1, last[:, None])
    x = look_up(np.concatenate([before.ravel(), after.ravel()])).reshape(2, *at.shape, -1)
    stretched: NDArray[np.float64] = x[0] + (x[1] - x[0]) * (at - before)[..., None]
    return stretched


def turn_between(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Find, without labels, the turn of one session's trials that makes them most like another's, each to one.

    The mean over trials, a curve in time, is laid on the other's. What it leaves open is tried: turns, and their mirror images, of the
    plane in which trials differ most. From each, trials are paired at least cost, and the turn is fitted to the pairs, in
    rounds. The least cost decides.

    Parameters
    ----------
    x, y : ndarray, shape (trials, times, D)
        Trajectories of two sessions, in principal components of each.

    Returns
    -------
    turn : ndarray, shape (D, D)
        An orthogonal matrix, for which ``y @ turn`` is like `x`.
    left : float
        Mean square between paired trials, as a share of the mean squares of both; 1 where they have nothing in common.
    """
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    planes = []
    for trials in (x, y):
        apart = trials.mean(axis=1)
        planes.append(np.linalg.svd(apart - apart.mean(axis=0), full_matrices=False)[2][:2])
    weight = np.sqrt((x_mean**2).sum())  # the plane counts as much as the curve

    def fitted(of_y: NDArray[np.float64], of_x: NDArray[np.float64]) -> NDArray[np.float64]:
        u, _, v = np.linalg.svd(
            of_y.T @ of_x + 1e-3 * weight**2 * np.eye(x.shape[2])
        )  # what is left open stays in order
        best: NDArray[np.float64] = u @ v
        return best

    best, least = np.eye(x.shape[2]), np.inf
    sizes = (x**2).sum(axis=(1, 2))[:, None] + (y**2).sum(axis=(1, 2))
    for angle in np.arange(TURNS) * 2 * np.pi / TURNS:
        for mirror in (1, -1):
            turned = np.array([[np.cos(angle), -np.sin(angle)], [mirror * np.sin(angle), mirror * np.cos(angle)]])
            turn = fitted(np.vstack([y_mean, weight * planes[1]]), np.vstack([x_mean, weight * turned @ planes[0]]))
            for _ in range(ROUNDS):
                cost = sizes - 2 * x.reshape(len(x), -1) @ (y @ turn).reshape(len(y), -1).T
                i, j = linear_sum_assignment(cost)
                if cost[i, j].mean() < least - 1e-9:
                    best, least = turn, cost[i, j].mean()
                turn, before = fitted(y[j].reshape(-1, y.shape[2]), x[i].reshape(-1, x.shape[2])), turn
                if np.allclose(turn, before):
                    break
    return best, float(least / max(sizes.mean(), 1e-12))
