"""An injective network: a few dimensions, unrolled into many, then stirred by steps that keep volume."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Coupling", "InjectiveFlow"]

LEAST_HIDDEN = 30
"""Width of the small networks inside; a quarter of the output if that is more (Zhou and Wei's released code)."""
LARGEST_STRETCH = 0.1


class Coupling(nn.Module):
    r"""Affine coupling that keeps volume (general incompressible flow, Sorrenson et al. 2020).

    The first half of x stays and says how the second is stretched and moved:
    :math:`(a, b) \mapsto (b\,e^{s(a)} + t(a),\; a)` with :math:`\sum_i s_i = 0`, so that the determinant of the Jacobian
    is 1 or -1. Here :math:`s = r - \bar r`, :math:`r = 0.1 \tanh(\cdot)`; the paper lets the last one make up for the others,
    which for many units stretches that one by far more than any other.

    Parameters
    ----------
    width : int
        Columns of x, two or more.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kept = width // 2
        self.network = _network(self.kept, width, 2 * (width - self.kept))

    def forward(self, x: Tensor) -> Tensor:
        """From shape (B, width) to the same."""
        kept, changed = x[:, : self.kept], x[:, self.kept :]
        stretch, shift = self.network(kept).chunk(2, dim=1)
        stretch = LARGEST_STRETCH * stretch.tanh()
        stretch = stretch - stretch.mean(dim=1, keepdim=True)
        return torch.cat([changed * stretch.exp() + shift, kept], dim=1)


class InjectiveFlow(nn.Module):
    r"""Map D dimensions to N, no two points to one: the decoder of pi-VAE (Zhou and Wei 2020, section 2.2).

    :math:`z \mapsto (z, t(z))`, which has N columns, then blocks of a fixed random permutation and two couplings each, and
    at last a shift of each column. All steps after the first keep volume and can be undone.

    Parameters
    ----------
    dim : int
        Dimensions D.
    n_outputs : int
        Columns N. With D or fewer no map can be injective: the flow is then of D + 1 columns, of which N are given.
    blocks : int
        Number of blocks.
    """

    def __init__(self, dim: int, n_outputs: int, blocks: int) -> None:
        super().__init__()
        width = max(n_outputs, dim + 1)
        self.n_outputs = n_outputs
        self.unroll = _network(dim, width, width - dim)
        self.couplings = nn.ModuleList(nn.Sequential(Coupling(width), Coupling(width)) for _ in range(blocks))
        for i in range(blocks):
            self.register_buffer(f"order{i}", torch.randperm(width))
        self.bias = nn.Parameter(torch.zeros(n_outputs))

    def forward(self, z: Tensor) -> Tensor:
        """From shape (B, D) to (B, N)."""
        x = torch.cat([z, self.unroll(z)], dim=1)
        for i, coupling in enumerate(self.couplings):
            x = coupling(x.index_select(1, self.get_buffer(f"order{i}")))
        return x[:, : self.n_outputs] + self.bias


def _network(n_inputs: int, width: int, n_outputs: int) -> nn.Sequential:
    # No batch norm: a point must not be mapped by the company that it is in.
    hidden = max(LEAST_HIDDEN, width // 4)
    return nn.Sequential(
        nn.Linear(n_inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, n_outputs)
    )
