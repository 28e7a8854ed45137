"""Autoencoder: an encoder and its mirror image, which gives back what was put in (Hinton and Salakhutdinov 2006)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ..errors import SettingError, unknown_name
from ..nn.losses import poisson_nll
from ..nn.mlp import perceptron
from ..training.module import TrainingModule
from ..training.rows import TrainingRows, recorded_counts
from .recordings import RecordingEstimator

__all__ = ["Autoencoder", "AutoencoderNetwork"]

LIKELIHOODS = ("auto", "poisson", "gaussian")


@dataclass(kw_only=True, eq=False, repr=False)
class Autoencoder(RecordingEstimator):
    r"""Learn by giving back what was put in, through a representation of few dimensions.

    An encoder f sees a row's window x, a decoder g, of the encoder's hidden widths in reverse, gives all its bins back.
    With counts c, the log rates :math:`l = g(f(x))` minimise the mean over units and bins of
    :math:`e^l - c\,l`, the negative log-likelihood of Poisson counts up to a constant, as in LFADS (Pandarinath et al. 2018) without its dynamics; otherwise
    :math:`(g(f(x)) - x)^2`, x being scaled, as for Gaussian noise (Hinton and Salakhutdinov 2006).

    Parameters
    ----------
    context : tuple of int, default (0, 0)
        Bins (before, after) of the window that is seen around each bin. Widen it where a single bin holds few spikes;
        (before, 0) keeps the embedding causal, as a live stream needs it. Windows stop at the edges of a segment,
        where the nearest bin stands in for what is missing.
    steps : int, default 300
        Training steps, each on one batch. Raise this for recordings of more than some thousand bins, as long as the
        loss still falls; the time that a fit takes is in proportion to it.
    encoder : str, nn.Module or callable, default "pooled"
        Network from windows (B, W, N) to representations (B, dim). "pooled" averages the window first, which suits
        short recordings; choose "mlp", with weights for every bin of the window, where the order of bins matters and
        there are rows enough. Or a module of one's own, or a callable that makes one from (W, N).
    dim : int, default 8
        Dimension D of the representation. Keep it small, since a wide one can pass on each unit's noise.
    learning_rate : float, default 0.004
        Highest learning rate. Halve it if the loss becomes infinite or the embedding collapses.
    likelihood : {"gaussian", "poisson", "auto"}, default "gaussian"
        What the decoder's output is: the scaled input with Gaussian noise, or log rates of Poisson counts. With few
        units the former gave more to read out; choose "poisson" if you want rates. "auto" takes Poisson for counts.
    hidden : tuple of int, default (64,)
        Widths of the encoder's hidden layers, which the decoder has in reverse. Widen them for thousands of rows and
        hundreds of units.
    activation : {"relu", "prelu", "gelu"}, default "relu"
        Activation of all perceptrons. "prelu" is that of the second release; it makes little difference elsewhere.
    epochs : int or None, default None
        Passes over the rows; if given, they decide in place of `steps`. Use it where recordings of very different
        lengths should be trained equally long.
    batch_size : int, default 256
        Anchors per batch, over all processes; at most as many as there are rows. Halve it, and double `accumulate`,
        where memory is short.
    accumulate : int, default 1
        Batches whose gradients are averaged for one step. Raise it where memory holds no larger batch.
    optimizer : {"adamw", "lars", "sgd"}, default "adamw"
        Optimizer. Change it only together with `learning_rate`, whose good values differ by orders of magnitude; the
        first release takes "lars".
    weight_decay : float, default 0.1
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
    >>> Autoencoder(steps=5, dim=4, random_state=0).fit(counts).transform(counts).shape
    (60, 4)
    """

    context: tuple[int, int] = (0, 0)
    steps: int = 300
    encoder: str | nn.Module | Callable[[int, int], nn.Module] = "pooled"
    dim: int = 8
    learning_rate: float = 0.004
    likelihood: Literal["auto", "poisson", "gaussian"] = "gaussian"
    hidden: tuple[int, ...] = (64,)
    activation: Literal["relu", "prelu", "gelu"] = "relu"
    epochs: int | None = None
    batch_size: int = 256
    accumulate: int = 1
    optimizer: Literal["adamw", "lars", "sgd"] = "adamw"
    weight_decay: float = 0.1
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

    def build(self, n_features: int) -> AutoencoderNetwork:
        """Build encoder and decoder for `n_features` units."""
        if self.likelihood not in LIKELIHOODS:
            raise unknown_name("likelihood", self.likelihood, LIKELIHOODS)
        if self.likelihood == "poisson" and self.kind_ != "counts":
            raise SettingError(
                "likelihood='poisson' is of counts, but the recording is continuous; use 'auto' or 'gaussian'"
            )
        encoder = self.make_encoder(n_features)
        window = self._window()
        decoder = perceptron((self.dim, *reversed(self.hidden), window * n_features), self.activation)
        poisson = self.likelihood != "gaussian" and self.kind_ == "counts"
        return AutoencoderNetwork(encoder, decoder, n_features, poisson=poisson)


class AutoencoderNetwork(TrainingModule):
    """Encoder and decoder.

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

    def prepare(self, data: TrainingRows) -> None:
        """Take the counts as they were recorded, since the rows are transformed."""
        super().prepare(data)
        if not self.poisson:
            return
        self.counts = recorded_counts(data)
        # Training begins from the mean rate of each unit; a silent one would take a log rate of minus infinity.
        with torch.no_grad():
            bias = self.decoder[-1].get_parameter("bias")
            rates = self.counts.mean(dim=0) + 1 / len(data)
            bias.copy_(rates.log().repeat(len(bias) // len(rates)))

    def release(self) -> None:
        """Let go of the counts too."""
        super().release()
        if self.poisson:
            del self.counts

    def make_views(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Take the rows, shape (B,), as they are."""
        return rows

    def loss(self, views: Tensor) -> dict[str, Tensor]:
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
