"""SimCLR: a simple framework for contrastive learning (Chen et al. 2020), with positives close in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..errors import SettingError
from ..nn.losses import nt_xent
from ..nn.mlp import perceptron
from ..training.augment import NeuralAugment
from ..training.distributed import gather
from .multisession import MultiSessionEstimator
from .paired_views import Pair, PairedViews

__all__ = ["SimCLR", "SimCLRNetwork"]


@dataclass(kw_only=True, eq=False, repr=False)
class SimCLR(MultiSessionEstimator):
    r"""Learn by finding each view's partner among all other views of the batch.

    With an encoder f, a projector g, and unit vectors :math:`z_i = g(f(x_i)) / |g(f(x_i))|` of the 2B views of B rows
    and of their temporal positives, the loss is the mean over i of
    :math:`-\log \exp(z_i \cdot z_{j(i)} / \tau) / \sum_{k \ne i} \exp(z_i \cdot z_k / \tau)`, where j(i) is the other
    view of the same row (NT-Xent). Gradients go through both views. The embedding is f(x), below the projector.

    Chen et al. (2020) draw both views from one image; here, as for BYOL, one of them is of a row close in time. Rows of a
    batch that are close to each other in time are negatives none the less, as in the paper every other sample is.

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
    dim : int, default 32
        Dimension D of the representation. Raise it if labels that raw activity shows cannot be read out of the
        embedding; a readout of few labels is better off with few dimensions.
    noise : float, default 1.0
        Deviation of the Gaussian noise that views get, in units of `noise_unit`. The strongest lever after the input:
        lower it if the embedding loses detail that raw activity shows, raise it if few labels read out poorly.
    temperature : float, default 0.5
        Temperature of the softmax over views. Lower it to weigh the nearest negatives more, raise it if rows of one
        class repel each other.
    hidden : tuple of int, default (256, 256)
        Widths of the encoder's hidden layers. Widen them for thousands of rows and hundreds of units; narrower ones
        train faster and overfit less.
    activation : {"relu", "prelu", "gelu"}, default "relu"
        Activation of all perceptrons. "prelu" is that of the second release; it makes little difference elsewhere.
    positives : tuple of int, default (-8, 8)
        Offsets (earliest, latest) in bins of a row's temporal positive, never outside its segment. Widen it if what
        you look for lasts longer; take (0, 0) where bins are longer than that, as in sleep scored by the minute.
    dropout : float, default 0.8
        Neuron dropout: each view draws its share of lost units from 0 to this. Lower it for recordings of few units,
        of which every one counts.
    noise_unit : {"input", "change"}, default "input"
        Unit of `noise`: the deviation of the scaled input, or of what changes in it from one bin to the next, so that
        a recording in which states last gets less.
    noise_to : {"bin", "window"}, default "bin"
        Whether `noise` is the deviation in each bin, or in the mean over the window's W bins, for which each bin gets
        sqrt(W) times as much. "window" keeps views equally hard whatever the context.
    augment : callable or None, default None
        Augmentation of one's own in place of all others here: called with transformed windows, shape (V, B, W, N),
        and a `torch.Generator`; returns the same shape. Draw from that generator alone, so that a seed repeats the
        fit.
    projector : tuple of int, default (128, 64)
        Hidden and output widths of the projector; empty for the identity. Keep one: the loss throws away in the
        projection what the representation below it may keep.
    unit_norm : bool, default False
        Whether the embedding is scaled to unit length. Choose True for classes and directions; False keeps lengths,
        which a readout of position or speed can use.
    read_in : int or None, default None
        Width that a linear read-in maps each session's scaled units to, in front of the encoder that all sessions
        share. None takes 64 for several sessions, and no read-in for one; set it for one session if others will come
        by `adapt`.
    align : float, default 1.0
        Weight in `adapt` of the distance between the new session's representations and those trained on, as
        distributions. Lower it if the new session holds other behaviour.
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
    learning_rate : float, default 0.004
        Highest learning rate. Halve it if the loss becomes infinite or the embedding collapses.
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
    compile : bool, default False
        Whether `torch.compile` fuses the operations of networks and loss. It takes up to a minute before the first step,
        longer than most fits; try it for trainings of one session that take many minutes.
    schedule : {"cosine", "constant"}, default "cosine"
        Learning rate after the warm-up: a half cosine to 0, or constant, which lets a training be prolonged but ends
        less settled.
    momentum : float, default 0.9
        Momentum of "lars" and "sgd"; "adamw" has none. Leave it unless a release is repeated.
    shared_mask : bool, default False
        Whether both views of a row lose the same units. True in the first release; False makes the task harder and
        the embedding less dependent on single units.
    dropout_apply : float, default 1.0
        Share of views that lose any unit. Below 1 only to repeat a release.
    dropout_to : {"mean", "silence"}, default "mean"
        Value that a lost unit shows: its mean over the training rows, which tells nothing, or no spike, as in the
        releases, which the network may mistake for a low rate.
    noise_hz : float, default 0.0
        Deviation of further noise in Hz, on ``input="rate"``. Only the second release has it; use `noise` otherwise.
    noise_apply : float, default 1.0
        Share of views that get `noise_hz`. Only to repeat the second release.
    pepper : float, default 0.0
        Probability that a unit's rate is raised by `pepper_hz`, on ``input="rate"``. Only to repeat the second
        release.
    pepper_hz : float, default 0.0
        Amount in Hz by which `pepper` raises a rate. Only to repeat the second release.
    pepper_apply : float, default 1.0
        Share of views that get `pepper`. Only to repeat the second release.

    References
    ----------
    Chen et al. 2020, A Simple Framework for Contrastive Learning of Visual Representations, arXiv:2002.05709.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> SimCLR(steps=5, dim=4, random_state=0).fit(counts).transform(counts).shape
    (60, 4)
    """

    context: tuple[int, int] = (0, 0)
    steps: int = 300
    encoder: str | nn.Module | Callable[[int, int], nn.Module] = "pooled"
    dim: int = 32
    noise: float = 1.0
    temperature: float = 0.5
    hidden: tuple[int, ...] = (256, 256)
    activation: Literal["relu", "prelu", "gelu"] = "relu"
    positives: tuple[int, int] = (-8, 8)
    dropout: float = 0.8
    noise_unit: Literal["input", "change"] = "input"
    noise_to: Literal["bin", "window"] = "bin"
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None
    projector: tuple[int, ...] = (128, 64)
    unit_norm: bool = False
    read_in: int | None = None
    align: float = 1.0
    epochs: int | None = None
    batch_size: int = 256
    accumulate: int = 1
    optimizer: Literal["adamw", "lars", "sgd"] = "adamw"
    learning_rate: float = 0.004
    weight_decay: float = 1e-05
    warmup: float = 0.02
    input: Literal["auto", "sqrt", "anscombe", "rate", "none"] = "auto"
    scale: Literal["common", "unit", "none"] = "common"
    random_state: int | None = None
    device: str = "auto"
    threads: int | None = 1
    verbose: bool = True
    cuda_graph: bool | Literal["auto"] = "auto"
    compile: bool = False
    schedule: Literal["cosine", "constant"] = "cosine"
    momentum: float = 0.9
    shared_mask: bool = False
    dropout_apply: float = 1.0
    dropout_to: Literal["mean", "silence"] = "mean"
    noise_hz: float = 0.0
    noise_apply: float = 1.0
    pepper: float = 0.0
    pepper_hz: float = 0.0
    pepper_apply: float = 1.0

    def build(self, n_features: int) -> SimCLRNetwork:
        """Build encoder and projector for `n_features` units."""
        if not self.temperature > 0:
            raise SettingError(f"temperature is {self.temperature}; it must be above 0")
        if any(width < 1 for width in self.projector):
            raise SettingError(f"projector is {self.projector}; it must be widths of 1 or more")
        widths = (self.dim, *self.projector)
        if widths[-1] < 2:
            raise SettingError("the projection has 1 dimension, where directions teach nothing; use 2 or more")
        projector = perceptron(widths, self.activation)
        return SimCLRNetwork(
            self.make_encoder(n_features),
            n_features,
            projector,
            self.temperature,
            positives=self.near_positives(),
            augment=NeuralAugment.from_settings(self),
            unit_norm=self.unit_norm,
            **self.session_settings(),
        )


class SimCLRNetwork(PairedViews):
    """Encoder and projector that tell views apart.

    Parameters
    ----------
    encoder, projector : nn.Module
        From windows (B, W, N) to representations, and from there to projections (B, Z).
    n_units : int
        Units of the recordings.
    temperature : float
        Of the loss.
    **views
        See `myow.methods.paired_views.PairedViews`.
    """

    def __init__(
        self, encoder: nn.Module, n_units: int, projector: nn.Module, temperature: float, **views: Any
    ) -> None:
        super().__init__(n_units, **views)
        self.encoder = encoder
        self.projector = projector
        self.temperature = temperature

    def make_views(self, rows: Tensor, generator: torch.Generator) -> Pair:
        """Make two views of each row, shape (B,)."""
        return self.pair(rows, generator)

    def loss(self, views: Pair) -> dict[str, Tensor]:
        """Return the loss of finding each view's partner."""
        # Both views in one pass: were each normalised by its own batch, they could be told apart by that.
        projections = self.projector(self.encoder(views.x.flatten(0, 1))).chunk(2)
        first, second = (gather(z.float()) for z in projections)  # partners are told from all processes' views
        return {"loss": nt_xent(first, second, self.temperature).mean()}

    def encode(self, x: Tensor) -> Tensor:
        """Encode scaled windows of shape (B, W, N), shape (B, dim)."""
        y: Tensor = self.encoder(x)
        return y
