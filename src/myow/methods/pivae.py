"""pi-VAE: a variational autoencoder of spike counts whose prior is conditioned on labels (Zhou and Wei 2020)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ..errors import SettingError
from ..nn.losses import gaussian_divergence, gaussian_nll, gaussian_product, poisson_nll
from ..training.rows import TrainingRows, recorded_counts
from .recordings import RecordingEstimator
from .supervised import LabelledRows

__all__ = ["Coupling", "InjectiveFlow", "PiVAE", "PiVAENetwork"]

MOST_LOG_VARIANCE = 8.0
LEAST_RATE = 1e-6
PRIOR_HIDDEN = 20
"""Width of the prior's two hidden layers for real-valued labels, as released."""
TABLE_STRETCH = 10.0
LEAST_HIDDEN = 30
"""Width of the small networks inside; a quarter of the output if that is more (Zhou and Wei's released code)."""
LARGEST_STRETCH = 0.1


@dataclass(kw_only=True, eq=False, repr=False)
class PiVAE(RecordingEstimator):
    r"""Learn latents that make the counts, drawn from a prior that depends on the label.

    The label u gives the prior :math:`p(z|u) = N(\mu(u), v(u))`: a table with a row a class, or a small perceptron of
    standardised real-valued labels. An injective flow f turns latents z into rates :math:`\mathrm{softplus}(f(z))` of
    Poisson counts c, those of a row's window; of a continuous signal, f(z) is the mean of Gaussian values, with a variance for
    each unit and bin. An encoder of two networks gives :math:`q(z|x) = N(m(x), s(x))` of a row's window x, and the posterior is
    :math:`q(z|x,u) \propto q(z|x)\,p(z|u)`, whose precision is the sum of both. The loss is the negative evidence lower
    bound, for one z drawn from the posterior:
    :math:`-\log p(c|z) + \mathrm{KL}(q(z|x,u) \,\|\, p(z|u))`.

    The embedding is m(x), the mean of q(z|x) alone: labels are used in training, and none to embed. The authors
    (2020, section 2) show that latents are identified up to an affine map where the prior varies enough with u.

    Differences from the release: log variances are bounded; the encoder is the one of all methods here, with its activation and
    batch norm; couplings of the flow are balanced, see `myow.methods.pivae.Coupling`; training is far shorter, so the
    table of the prior is stretched to learn faster; and no time label is added to the classes.

    Parameters
    ----------
    context : tuple of int, default (0, 0)
        Bins (before, after) of the window that is seen around each bin. Widen it where a single bin holds few spikes;
        (before, 0) keeps the embedding causal, as a live stream needs it. Windows stop at the edges of a segment,
        where the nearest bin stands in for what is missing.
    steps : int, default 800
        Training steps, each on one batch. Raise this for recordings of more than some thousand bins, as long as the
        loss still falls; the time that a fit takes is in proportion to it.
    encoder : str, nn.Module or callable, default "pooled"
        Network from windows (B, W, N) to representations (B, dim). "pooled" averages the window first, which suits
        short recordings; choose "mlp", with weights for every bin of the window, where the order of bins matters and
        there are rows enough. Or a module of one's own, or a callable that makes one from (W, N).
    dim : int, default 4
        Dimension D of the latents. Keep it near the number of variables that you think are encoded, since latents are
        identified only then.
    learning_rate : float, default 0.002
        Highest learning rate. Halve it if the loss becomes infinite or the embedding collapses.
    blocks : int, default 2
        Blocks of the injective flow from latents to rates, of two couplings each. Raise it if the reconstruction
        stays poor after many steps.
    hidden : tuple of int, default (128, 128)
        Widths of the encoder's hidden layers. Widen them for thousands of rows and hundreds of units; narrower ones
        train faster and overfit less.
    activation : {"relu", "prelu", "gelu"}, default "relu"
        Activation of all perceptrons. "prelu" is that of the second release; it makes little difference elsewhere.
    epochs : int or None, default None
        Passes over the rows; if given, they decide in place of `steps`. Use it where recordings of very different
        lengths should be trained equally long.
    batch_size : int, default 128
        Anchors per batch, over all processes; at most as many as there are rows. Halve it, and double `accumulate`,
        where memory is short.
    accumulate : int, default 1
        Batches whose gradients are averaged for one step. Raise it where memory holds no larger batch.
    optimizer : {"adamw", "lars", "sgd"}, default "adamw"
        Optimizer. Change it only together with `learning_rate`, whose good values differ by orders of magnitude; the
        first release takes "lars".
    weight_decay : float, default 1e-05
        Decay of weights, but not of biases and normalisation. Raise it if a short recording is overfitted.
    warmup : float, default 0.02
        Share of training over which the learning rate rises from 0. Raise it if the first steps diverge.
    input : {"auto", "sqrt", "anscombe", "rate", "none"}, default "auto"
        Transform of counts, see `myow.nn.scaling.transform_values`. "auto" takes the square root of counts, whose
        Poisson noise is then about equally large at every rate, and leaves signals as they are; the releases take
        "rate".
    scale : {"common", "unit", "none"}, default "common"
        Division after centring: by one common deviation, or by each unit's own. Keep "common" for counts, since
        "unit" blows up the noise of units that seldom fire; choose "unit" for signals of different units of
        measurement.
    random_state : int, RandomState or None, default None
        Seed of weights, batches and views. The same seed, threads and machine give the same embedding, bit by bit;
        None draws one, kept as ``seed_``.
    device : str, default "auto"
        Where to compute: "cpu", "cuda", ... "auto" takes a GPU if there is one.
    threads : int or None, default 1
        CPU threads while fitting; None for as many as torch is set to. Small networks gain little from a second
        thread, and take many times as long when another program wants its core. Bits may differ between numbers of
        threads.
    verbose : bool, default True
        Whether to say on standard error how fitting goes, once it has taken a second: device, steps and time left, as a bar in
        a terminal or notebook and as a line now and then elsewhere. It changes nothing that is learnt.
    cuda_graph : bool or {"auto"}, default "auto"
        Whether a whole step is captured as one CUDA graph, which saves a small network most of its time on a GPU.
        "auto" does so on a GPU where the step allows it; False helps when debugging.
    schedule : {"cosine", "constant"}, default "cosine"
        Learning rate after the warm-up: a half cosine to 0, or constant, which lets a training be prolonged but ends
        less settled.
    momentum : float, default 0.9
        Momentum of "lars" and "sgd"; "adamw" has none. Leave it unless a release is repeated.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> PiVAE(steps=5, dim=3, random_state=0).fit(counts, np.arange(60) % 3).transform(counts).shape
    (60, 3)
    """

    context: tuple[int, int] = (0, 0)
    steps: int = 800
    encoder: str | nn.Module | Callable[[int, int], nn.Module] = "pooled"
    dim: int = 4
    learning_rate: float = 0.002
    blocks: int = 2
    hidden: tuple[int, ...] = (128, 128)
    activation: Literal["relu", "prelu", "gelu"] = "relu"
    epochs: int | None = None
    batch_size: int = 128
    accumulate: int = 1
    optimizer: Literal["adamw", "lars", "sgd"] = "adamw"
    weight_decay: float = 1e-05
    warmup: float = 0.02
    input: Literal["auto", "sqrt", "anscombe", "rate", "none"] = "auto"
    scale: Literal["common", "unit", "none"] = "common"
    random_state: int | None = None
    device: str = "auto"
    threads: int | None = 1
    verbose: bool = True
    cuda_graph: bool | Literal["auto"] = "auto"
    schedule: Literal["cosine", "constant"] = "cosine"
    momentum: float = 0.9

    uses_labels: ClassVar[bool] = True

    def build(self, n_features: int) -> PiVAENetwork:
        """Build encoder, prior and decoder for `n_features` units."""
        if self.blocks < 0:
            raise SettingError(f"blocks is {self.blocks}; it must be 0 or more")
        means, log_variances = self.make_encoder(n_features), self.make_encoder(n_features)
        return PiVAENetwork(
            means,
            log_variances,
            InjectiveFlow(self.dim, self._window() * n_features, self.blocks),
            n_features,
            self.n_targets_,
            self.dim,
            classes=self.classes_ is not None,
            poisson=self.kind_ == "counts",
        )


class Drawn(NamedTuple):
    """Labelled rows, shape (B,), their targets, shape (B,) or (B, d), and noise to draw latents with, shape (B, D)."""

    rows: Tensor
    targets: Tensor
    noise: Tensor


class PiVAENetwork(LabelledRows):
    """Encoder, prior and decoder of pi-VAE.

    Parameters
    ----------
    means, log_variances : nn.Module
        From windows (B, W, N) to mean and, before it is bounded, log variance of q(z|x), shape (B, D) each.
    decoder : InjectiveFlow
        From latents to windows with their bins side by side (B, W * N).
    n_units, n_targets, dim : int
        Units N of the recordings, classes or columns of labels, and latents D.
    classes : bool
        Whether labels are classes.
    poisson : bool
        Whether rows are counts.
    """

    def __init__(
        self,
        means: nn.Module,
        log_variances: nn.Module,
        decoder: InjectiveFlow,
        n_units: int,
        n_targets: int,
        dim: int,
        *,
        classes: bool,
        poisson: bool,
    ) -> None:
        super().__init__(n_units, n_targets, classes=classes)
        self.means = means
        self.log_variances = log_variances
        self.decoder = decoder
        self.dim = dim
        self.poisson = poisson
        self.prior: nn.Module = _Table(n_targets, 2 * dim) if classes else _prior_network(n_targets, 2 * dim)
        if not poisson:
            self.bias = nn.Parameter(torch.zeros_like(decoder.bias))

    def prepare(self, data: TrainingRows) -> None:
        """Take the counts as they were recorded too, and begin from the mean rates."""
        super().prepare(data)
        if not self.poisson:
            return
        self.counts = recorded_counts(data)
        rates = self.counts.mean(dim=0) + 1 / len(data)
        with torch.no_grad():  # the inverse of softplus
            bias = rates + (-(-rates).expm1()).log()
            self.decoder.bias.copy_(bias.repeat(len(self.decoder.bias) // len(bias)))

    def release(self) -> None:
        """Let go of the counts too."""
        super().release()
        if self.poisson:
            del self.counts

    def make_views(self, rows: Tensor, generator: torch.Generator) -> Drawn:
        """Take a labelled row for each of the rows, shape (B,), and the noise of its latents."""
        labelled, targets = self.pick(rows, generator)
        return Drawn(labelled, targets, torch.randn(len(rows), self.dim, generator=generator, device=rows.device))

    def loss(self, views: Drawn) -> dict[str, Tensor]:
        """Return the negative evidence lower bound, in nats a row, and its two terms."""
        x = self.scaling(self.data.gather(views.rows))
        prior = self.label_prior(views.targets)
        mean, log_variance = gaussian_product(*self.posterior(x), *prior)
        given = self.decoder(mean + (log_variance / 2).exp() * views.noise)
        if self.poisson:
            counts = self.counts[self.data.inside(views.rows)].flatten(1)
            wrong = poisson_nll((nn.functional.softplus(given) + LEAST_RATE).log(), counts)
        else:
            wrong = gaussian_nll(given, _bounded(self.bias), x.flatten(1))
        # A sum over units and bins, that is, which the divergence stands against.
        reconstruction = wrong.mean() * given.shape[1]
        divergence = gaussian_divergence(mean, log_variance, *prior).mean()
        return {"reconstruction": reconstruction, "divergence": divergence, "loss": reconstruction + divergence}

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z|x), shape (B, D) each, of scaled windows of shape (B, W, N)."""
        return self.means(x), _bounded(self.log_variances(x))

    def label_prior(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of p(z|u), shape (B, D) each, of classes (B,) or standardised columns (B, d)."""
        mean, log_variance = self.prior(targets).chunk(2, dim=1)
        return mean, _bounded(log_variance)

    def embed(self, x: Tensor) -> Tensor:
        """Mean of q(z|x) of transformed windows of shape (B, W, N), shape (B, D); no label has a part in it."""
        mean: Tensor = self.means(self.scaling(x))
        return mean


def _bounded(log_variance: Tensor) -> Tensor:
    """Keep variances finite and above 0, with a gradient everywhere."""
    return MOST_LOG_VARIANCE * torch.tanh(log_variance / MOST_LOG_VARIANCE)


class _Table(nn.Embedding):
    """A row of real numbers a class, small at first, each TABLE_STRETCH times its weight.

    Adam moves a weight by about the learning rate a step. In a training of some hundred steps, where the authors
    took 20,000, rows that are the weights themselves do not get to where their classes lie.
    """

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=0.05 / TABLE_STRETCH)

    def forward(self, classes: Tensor) -> Tensor:
        rows: Tensor = super().forward(classes)
        return TABLE_STRETCH * rows


def _prior_network(n_inputs: int, n_outputs: int) -> nn.Sequential:
    # No batch norm: the prior of a label must not depend on the batch that it is in.
    return nn.Sequential(
        nn.Linear(n_inputs, PRIOR_HIDDEN),
        nn.Tanh(),
        nn.Linear(PRIOR_HIDDEN, PRIOR_HIDDEN),
        nn.Tanh(),
        nn.Linear(PRIOR_HIDDEN, n_outputs),
    )


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
