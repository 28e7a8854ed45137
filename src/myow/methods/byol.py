"""BYOL: Bootstrap Your Own Latent (Grill et al. 2020), with positives close in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ..nn.losses import cosine_loss
from ..nn.mlp import perceptron
from ..training.augment import NeuralAugment
from ..training.optim import update_ema
from ..training.rows import TrainingRows
from .multisession import MultiSessionEstimator
from .paired_views import (
    EmbeddingChoice,
    EncoderProjector,
    Pair,
    PairedViews,
    check_networks,
    frozen_copy,
    target_momentum,
)

__all__ = ["BYOL", "BYOLNetwork"]


@dataclass(kw_only=True, eq=False, repr=False)
class BYOL(MultiSessionEstimator):
    r"""Learn by predicting, from one view of a row, what an averaged network makes of another.

    A view is an augmented copy of a bin (with its context window) or of a bin close to it in time. With online networks f
    (encoder), g (projector), q (predictor) and target networks f', g' (a moving average of the first two), the loss of two
    views x, x' is :math:`1 - \cos(q(g(f(x))), g'(f'(x')))`.

    Parameters
    ----------
    context : tuple of int, default (0, 0)
        Bins (before, after) of the window that is seen around each bin. Widen it where a single bin holds few spikes;
        (before, 0) keeps the embedding causal, as a live stream needs it. Windows stop at the edges of a segment,
        where the nearest bin stands in for what is missing.
    steps : int or None, default None
        Training steps, each on one batch. None takes 1,200 for up to two thousand rows, and as the square root of the rows
        for more, up to 1,800; of several sessions, as many as each needs. The time that a fit takes is in proportion to
        it.
    encoder : str, nn.Module or callable, default "residual"
        Network from windows (B, W, N) to representations (B, dim). "residual" is a linear map that begins with the
        principal components of the windows, and a perceptron beside it, added up, so that little is lost of what raw activity
        shows; "mlp" is the perceptron alone; "pooled" averages the window first, which suits short recordings. Or a
        module of one's own, or a callable that makes one from (W, N).
    dim : int, default 64
        Dimension D of the representation. Raise it if labels that raw activity shows cannot be read out of the
        embedding; a readout of few labels is better off with few dimensions.
    noise : float, default 0.5
        Deviation of the Gaussian noise that views get, in units of `noise_unit`. The strongest lever after the input:
        lower it if the embedding loses detail that raw activity shows, raise it if few labels read out poorly.
    positives : tuple of int or None, default None
        Offsets (earliest, latest) in bins of a row's temporal positive, never outside its segment. None takes (-2, 2)
        where bins are up to 5 s wide, and (0, 0) where they are wider than 10 s, as in sleep scored by the minute.
        Widen it if what you look for lasts longer.
    hidden : tuple of int, default (128, 128)
        Widths of the encoder's hidden layers. Widen them for thousands of rows and hundreds of units; narrower ones
        train faster and overfit less.
    activation : {"relu", "prelu", "gelu"}, default "relu"
        Activation of all perceptrons. "prelu" is that of the second release; it makes little difference elsewhere.
    dropout : float, default 0.6
        Neuron dropout: each view draws its share of lost units from 0 to this. Lower it for recordings of few units,
        of which every one counts.
    noise_unit : {"input", "change"}, default "change"
        Unit of `noise`: the deviation of the scaled input, or of what changes in it from one bin to the next, so that
        a recording in which states last gets less.
    noise_to : {"bin", "window"}, default "window"
        Whether `noise` is the deviation in each bin, or in the mean over the window's W bins, for which each bin gets
        sqrt(W) times as much. "window" keeps views equally hard whatever the context.
    augment : callable or None, default None
        Augmentation of one's own in place of all others here: called with transformed windows, shape (V, B, W, N),
        and a `torch.Generator`; returns the same shape. Draw from that generator alone, so that a seed repeats the
        fit.
    projector : tuple of int, default ()
        Hidden and output widths of the projector; empty for the identity. A projector lets the representation keep
        what the loss would throw away, at the price of more weights.
    predictor : int, default 256
        Hidden width of the predictor. It matters little; halve it to train a wide network faster.
    target_momentum : float, default 0.95
        Momentum of the target network's moving average. Raise it towards 1 if the embedding collapses, or with more
        steps; lower it for a training of few hundred steps.
    symmetric : bool, default True
        Whether each view predicts the other. False, as in the first release, takes about half the time and learns
        less in a step.
    embedding : {"auto", "representation", "prediction", "both"}, default "auto"
        What `transform` gives: y = f(x), what the predictor makes of it, or the sum of both, the prediction
        at twice the length of y. A prediction averages over what could have been seen: it holds less noise of the
        single bin, and less detail; choose it for what stays the same in a trial, such as the direction of a reach, if
        few labels are to tell it. "auto" gives both where whole segments are like certain others, in the activity
        alone, else y.
    unit_norm : bool, default True
        Whether the embedding is scaled to unit length, which suits classes and directions, since how strongly the units fire
        together often says little of them; choose False for speed, which a readout can take from lengths.
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
    learning_rate : float, default 0.002
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
    target_schedule : {"constant", "cosine"}, default "constant"
        Whether `target_momentum` stays, or rises to 1 by a half cosine, as in the first release.
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
    Grill et al. 2020, Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning, arXiv:2006.07733.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> BYOL(steps=5, dim=4, random_state=0).fit(counts).transform(counts).shape
    (60, 4)
    """

    readout_scaling: ClassVar[Literal["each", "common"]] = "common"

    context: tuple[int, int] = (0, 0)
    steps: int | None = None
    encoder: str | nn.Module | Callable[[int, int], nn.Module] = "residual"
    dim: int = 64
    noise: float = 0.5
    positives: tuple[int, int] | None = None
    hidden: tuple[int, ...] = (128, 128)
    activation: Literal["relu", "prelu", "gelu"] = "relu"
    dropout: float = 0.6
    noise_unit: Literal["input", "change"] = "change"
    noise_to: Literal["bin", "window"] = "window"
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None
    projector: tuple[int, ...] = ()
    predictor: int = 256
    target_momentum: float = 0.95
    symmetric: bool = True
    embedding: Literal["auto", "representation", "prediction", "both"] = "auto"
    unit_norm: bool = True
    read_in: int | None = None
    align: float = 1.0
    epochs: int | None = None
    batch_size: int = 256
    accumulate: int = 1
    optimizer: Literal["adamw", "lars", "sgd"] = "adamw"
    learning_rate: float = 0.002
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
    target_schedule: Literal["constant", "cosine"] = "constant"
    shared_mask: bool = False
    dropout_apply: float = 1.0
    dropout_to: Literal["mean", "silence"] = "mean"
    noise_hz: float = 0.0
    noise_apply: float = 1.0
    pepper: float = 0.0
    pepper_hz: float = 0.0
    pepper_apply: float = 1.0

    def build(self, n_features: int) -> BYOLNetwork:
        """Build online, target and predictor networks for `n_features` units."""
        return BYOLNetwork(
            self.make_encoder(n_features),
            n_features,
            self.dim,
            projector=tuple(self.projector),
            predictor=self.predictor,
            activation=self.activation,
            momentum=self.target_momentum,
            momentum_schedule=self.target_schedule,
            symmetric=self.symmetric,
            embedding=self.embedding,
            positives=self.near_positives(),
            augment=NeuralAugment.from_settings(self),
            unit_norm=self.unit_norm,
            **self.session_settings(),
        )


class BYOLNetwork(PairedViews):
    """Online and target networks, of which the online one predicts what the target network makes of another view.

    The target network is a moving average of the online one. Its batch-norm statistics are not averaged: run in training
    mode, it normalises by its own batches and keeps running statistics of its own activations.

    Parameters
    ----------
    encoder, n_units, dim, projector, predictor, activation, momentum, momentum_schedule, symmetric, embedding, batch_norm
        As of `myow.methods.myow.MYOWNetwork`.
    **views
        See `myow.methods.paired_views.PairedViews`.
    """

    def __init__(
        self,
        encoder: nn.Module,
        n_units: int,
        dim: int,
        *,
        projector: tuple[int, ...],
        predictor: int,
        activation: str,
        momentum: float,
        momentum_schedule: str,
        symmetric: bool,
        embedding: str,
        batch_norm: bool = True,
        **views: Any,
    ) -> None:
        super().__init__(n_units, **views)
        projected = check_networks(dim, projector, predictor, momentum, momentum_schedule, embedding)
        self.online = EncoderProjector(encoder, perceptron((dim, *projector), activation, batch_norm=batch_norm))
        self.predictor = perceptron((projected, predictor, projected), activation, batch_norm=batch_norm)
        self.target = frozen_copy(self.online)
        self.momentum, self.momentum_schedule = momentum, momentum_schedule
        self.symmetric = symmetric
        self.embedded = EmbeddingChoice(embedding, dim, projected)

    def prepare(self, data: TrainingRows) -> None:
        """List, once, the parameters that the moving average ties together."""
        super().prepare(data)
        self.embedded.choose(data, self.scaling)
        self._averaged = list(self.target.parameters()), list(self.online.parameters())

    def release(self) -> None:
        """Let go of the lists of parameters too."""
        super().release()
        del self._averaged

    def scheduled(self, progress: float) -> dict[str, float]:
        """Return the share by which the target network moves towards the online one."""
        return {"share": 1 - target_momentum(progress, self.momentum, self.momentum_schedule)}

    def make_views(self, rows: Tensor, generator: torch.Generator) -> Pair:
        """Make two views of each row, shape (B,)."""
        return self.pair(rows, generator)

    def loss(self, views: Pair) -> dict[str, Tensor]:
        """Return the loss of predicting the other view."""
        x, x_other = (views.x, views.x) if self.symmetric else (views.x[:1], views.x[1:])
        _, z = self.online(x.flatten(0, 1))
        with torch.no_grad():
            _, z_target = self.target(x_other.flatten(0, 1))
            if self.symmetric:  # the same windows for both networks; what is made of them changes places
                z_target = z_target.roll(len(z) // 2, 0)
        return {"loss": cosine_loss(self.predictor(z), z_target).mean()}

    def after_step(self) -> None:
        """Move the target network towards the online one."""
        update_ema(*self._averaged, self.now["share"])

    def encode(self, x: Tensor) -> Tensor:
        """Encode scaled windows of shape (B, W, N): representations or both (B, dim), or what is predicted, (B, Z)."""
        y: Tensor = self.online.encoder(x)
        embedding: Tensor = self.embedded(y, lambda: self.predictor(self.online.projector(y)))
        return embedding
