"""pi-VAE: a variational autoencoder of spike counts whose prior is conditioned on labels (Zhou and Wei 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from ..errors import SettingError
from ..estimators.trained import TrainedEstimator
from ..graphs.labelled_rows import LabelledRows
from ..graphs.reconstruction import recorded_counts
from ..layers.injective_flow import InjectiveFlow
from ..losses import gaussian_divergence, gaussian_nll, gaussian_product, poisson_nll
from ..views.windows import TrainingRows

__all__ = ["PiVAE"]

MOST_LOG_VARIANCE = 8.0
LEAST_RATE = 1e-6
PRIOR_HIDDEN = 20
"""Width of the prior's two hidden layers for real-valued labels, as released."""
TABLE_STRETCH = 10.0


@dataclass(kw_only=True, eq=False, repr=False)
class PiVAE(TrainedEstimator):
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
    batch norm; couplings of the flow are balanced, see `myow.layers.injective_flow.Coupling`; training is far shorter, so the
    table of the prior is stretched to learn faster; and no time label is added to the classes.

    Parameters
    ----------
    dim : int, optional
        Dimension D of the latents.
    blocks : int, optional
        Blocks of the flow, of two couplings each.
    **others
        See `myow.estimators.trained.TrainedEstimator`.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> PiVAE(steps=5, dim=3, random_state=0).fit(counts, np.arange(60) % 3).transform(counts).shape
    (60, 3)
    """

    dim: int = 4
    steps: int = 800
    batch_size: int = 128
    blocks: int = 2

    uses_labels: ClassVar[bool] = True

    def build(self, n_features: int) -> PiVAEGraph:
        """Build encoder, prior and decoder for `n_features` units."""
        if self.blocks < 0:
            raise SettingError(f"blocks is {self.blocks}; it must be 0 or more")
        means, log_variances = self.make_encoder(n_features), self.make_encoder(n_features)
        return PiVAEGraph(
            means,
            log_variances,
            InjectiveFlow(self.dim, (sum(self._context()) + 1) * n_features, self.blocks),
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


class PiVAEGraph(LabelledRows):
    """The graph of pi-VAE.

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

    def bind(self, data: TrainingRows) -> None:
        """Take the counts as they were recorded too, and begin from the mean rates."""
        super().bind(data)
        if not self.poisson:
            return
        self.counts = recorded_counts(data)
        rates = self.counts.mean(dim=0) + 1 / len(data)
        with torch.no_grad():  # the inverse of softplus
            bias = rates + (-(-rates).expm1()).log()
            self.decoder.bias.copy_(bias.repeat(len(self.decoder.bias) // len(bias)))

    def unbind(self) -> None:
        """Let go of the counts too."""
        super().unbind()
        if self.poisson:
            del self.counts

    def draw(self, rows: Tensor, generator: torch.Generator) -> Drawn:
        """Take a labelled row for each of the rows, shape (B,), and the noise of its latents."""
        labelled, targets = self.pick(rows, generator)
        return Drawn(labelled, targets, torch.randn(len(rows), self.dim, generator=generator, device=rows.device))

    def loss(self, views: Drawn, progress: float) -> dict[str, Tensor]:
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
