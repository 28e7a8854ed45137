"""Autoencoder: an encoder and its mirror image, which gives back what was put in (Hinton and Salakhutdinov 2006)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ..errors import SettingError, unknown_name
from ..estimators.trained import TrainedEstimator
from ..graphs.reconstruction import recorded_counts
from ..layers.perceptron import perceptron
from ..losses import poisson_nll
from ..training.method import Method
from ..views.windows import TrainingRows

__all__ = ["Autoencoder"]

LIKELIHOODS = ("auto", "poisson", "gaussian")


@dataclass(kw_only=True, eq=False, repr=False)
class Autoencoder(TrainedEstimator):
    r"""Learn by giving back what was put in, through a representation of few dimensions.

    An encoder f sees a row's window x, a decoder g, of the encoder's hidden widths in reverse, gives all its bins back.
    With counts c, the log rates :math:`l = g(f(x))` minimise the mean over units and bins of
    :math:`e^l - c\,l`, the negative log-likelihood of Poisson counts up to a constant, as in LFADS (Pandarinath et al. 2018) without its dynamics; otherwise
    :math:`(g(f(x)) - x)^2`, x being scaled, as for Gaussian noise (Hinton and Salakhutdinov 2006).

    Parameters
    ----------
    dim : int, optional
        Dimension D of the representation; few, since a wide one can pass on each unit's noise.
    likelihood : {"auto", "poisson", "gaussian"}, optional
        What the decoder's output is: log rates of counts, or the scaled input; with few units to go by, the latter gave
        more to read out. "auto": Poisson for counts, Gaussian for
        continuous signals.
    **others
        See `myow.estimators.trained.TrainedEstimator`.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> Autoencoder(steps=5, dim=4, random_state=0).fit(counts).transform(counts).shape
    (60, 4)
    """

    hidden: tuple[int, ...] = (64,)
    dim: int = 8
    steps: int = 300
    learning_rate: float = 4e-3
    weight_decay: float = 0.1
    likelihood: Literal["auto", "poisson", "gaussian"] = "gaussian"

    def build(self, n_features: int) -> AutoencoderGraph:
        """Build encoder and decoder for `n_features` units."""
        if self.likelihood not in LIKELIHOODS:
            raise unknown_name("likelihood", self.likelihood, LIKELIHOODS)
        if self.likelihood == "poisson" and self.kind_ != "counts":
            raise SettingError(
                "likelihood='poisson' is of counts, but the recording is continuous; use 'auto' or 'gaussian'"
            )
        encoder = self.make_encoder(n_features)
        window = sum(self._context()) + 1
        decoder = perceptron((self.dim, *reversed(self.hidden), window * n_features), self.activation)
        poisson = self.likelihood != "gaussian" and self.kind_ == "counts"
        return AutoencoderGraph(encoder, decoder, n_features, poisson=poisson)


class AutoencoderGraph(Method):
    """The graph of the autoencoder.

    Parameters
    ----------
    encoder, decoder : nn.Module
        From windows (B, W, N) to representations, and from there to windows with their bins side by side (B, W * N).
    n_units : int
        Units N of the recordings.
    poisson : bool
        Whether the output is log rates of counts, rather than the scaled window.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Sequential, n_units: int, *, poisson: bool) -> None:
        super().__init__(n_units)
        self.encoder = encoder
        self.decoder = decoder
        self.poisson = poisson

    def bind(self, data: TrainingRows) -> None:
        """Take the counts as they were recorded, since the rows are transformed."""
        super().bind(data)
        if not self.poisson:
            return
        self.counts = recorded_counts(data)
        # Training begins from the mean rate of each unit; a silent one would take a log rate of minus infinity.
        with torch.no_grad():
            bias = self.decoder[-1].get_parameter("bias")
            rates = self.counts.mean(dim=0) + 1 / len(data)
            bias.copy_(rates.log().repeat(len(bias) // len(rates)))

    def unbind(self) -> None:
        """Let go of the counts too."""
        super().unbind()
        if self.poisson:
            del self.counts

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Take the rows, shape (B,), as they are."""
        return rows

    def loss(self, views: Tensor, progress: float) -> dict[str, Tensor]:
        """Return how badly the windows of rows, shape (B,), are given back."""
        x = self.scaling(self.data.gather(views))
        given = self.decoder(self.encoder(x))
        if self.poisson:
            return {"loss": poisson_nll(given, self.counts[self.data.inside(views)].flatten(1)).mean()}
        # Row by row first: a sum over all values at once would depend on the number of threads.
        return {"loss": (given - x.flatten(1)).square().mean(dim=1).mean()}

    def embed(self, x: Tensor) -> Tensor:
        """Encode transformed windows of shape (B, W, N), shape (B, dim)."""
        y: Tensor = self.encoder(self.scaling(x))
        return y
