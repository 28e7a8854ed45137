"""MYOW: Mine Your Own vieW (Azabou et al. 2021), BYOL that also predicts mined views."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import SettingError
from ..nn.losses import cosine_loss, masked_mean
from ..nn.mlp import perceptron
from ..nn.neighbours import mine
from ..training.augment import NeuralAugment
from ..training.augment_images import ImageAugment, ImageDraws, shared_draws
from ..training.distributed import current, gather_values
from ..training.optim import ramp, update_ema
from ..training.rows import TrainingRows
from ..training.windows import choose_contexts
from .candidates import MemoryBank, MemoryQueue, Mining, draw_rows, mining_rule
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

__all__ = ["MYOW", "MYOWNetwork", "Unmined"]


@dataclass(kw_only=True, eq=False, repr=False)
class MYOW(MultiSessionEstimator):
    r"""Learn by predicting another view of a row, and mined views: near neighbours from elsewhere in the recording.

    A view is an augmented copy of a bin (with its context window) or of a bin close to it in time. With an encoder f, a
    projector g and a predictor q (the online network), and a moving average f', g' of the first two (the target network), the
    loss of two views x, x' is BYOL's, :math:`L = 1 - \cos(q(g(f(x))), g'(f'(x')))`.

    On top of it, the representation :math:`y = f(x)` looks up its k nearest target representations among candidates from
    other segments; one of them, y', is the mined view. It is predicted through a second projector h and predictor q_m,
    cascaded on the first: :math:`L_m = 1 - \cos(q_m(h(g(y))), h'(g'(y')))`. The loss is :math:`(1 - a) L + a L_m`, with a
    rising to `mined_weight`.

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
    mined_weight : float, default 0.4
        Final weight a of the mined loss, from 0 to 1. 0 switches mining off, which leaves BYOL with this class's
        defaults; lower it if mined views seldom share their anchor's label, raise it for long recordings, where
        mining gains most.
    hidden : tuple of int, default (128, 128)
        Widths of the encoder's hidden layers. Widen them for thousands of rows and hundreds of units; narrower ones
        train faster and overfit less.
    activation : {"relu", "prelu", "gelu"}, default "relu"
        Activation of all perceptrons. "prelu" is that of the second release; it makes little difference elsewhere.
    positives : tuple of int or None, default None
        Offsets (earliest, latest) in bins of a row's temporal positive, never outside its segment. None takes (-2, 2)
        where bins are up to 5 s wide, and (0, 0) where they are wider than 10 s, as in sleep scored by the minute.
        Widen it if what you look for lasts longer.
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
    k : int or None, default None
        Neighbours that the mined view is chosen from. Raise it for more variety, lower it if mined views seldom share
        their anchor's label. None takes 10, or a quarter of a pool of fewer than 40.
    pool : {"recording", "batch", "sample", "queue"}, default "recording"
        Candidates that views are mined from. "recording": `pool_size` rows of the whole recording, encoded anew every
        `pool_refresh` batches (of more than 50,000 rows, 20,000 in short stretches that change); "batch": the
        target's views of the batch, as in the second release; "sample": rows drawn and encoded in every batch, as in
        the first; "queue": the last representations of the batches' rows. Rows of all but "batch" are not augmented.
        Keep "recording" unless to repeat a release.
    pool_size : int, default 1024
        Candidates of a batch, with any pool but "batch". Raise it for long recordings with many rare states; the
        search takes time in proportion to it.
    pool_refresh : int, default 10
        Batches between two encodings of the rows of ``pool="recording"``. Lower it if training is short and the
        network changes fast; raise it for speed.
    key_bins : int or None, default None
        Bins on either side over which representations are averaged before anchors and candidates are compared, with
        ``pool="recording"``. Averages say where a trial goes and forget where in the trial one is: take 0, the
        paper's rule, for place, phase and epochs; None takes two thirds of the median trial, at most 10, which suits
        reaches.
    views : int, default 1
        Neighbours that are drawn, with replacement, and whose projections are averaged to what is predicted. Raise it
        if the mined loss is noisy.
    exclude : {"auto", "segment", "time", "self"}, default "auto"
        Rows that an anchor may not mine: its own segment, rows of its segment within `exclude_gap` seconds, or itself
        alone. "auto" takes segments if there are two or more, else time; what lies close in time is similar without
        being mined.
    exclude_gap : float or None, default None
        Seconds around an anchor that ``exclude="time"`` bars. Set it to the time over which activity stays the same;
        None takes a hundredth of the recording, at least ten bins and at most a quarter of it.
    mined_projector : tuple of int or None, default None
        Hidden and output widths of the mined projector h; an embedding by prediction has the latter. None takes 128
        and `dim`.
    mined_predictor : int, default 128
        Hidden width of the mined predictor q_m. It matters little; keep it about as wide as `mined_projector`.
    mined_start : float, default 0.0
        Share of training after which mining begins. Raise it if early representations are too poor to tell
        neighbours, as on images.
    mined_ramp : float, default 0.1
        Share of training over which the weight of the mined loss rises to `mined_weight`. Lengthen it if the loss
        jumps where mining begins.
    mine_sessions : {"all", "within", "across"}, default "all"
        Sessions that an anchor mines from, where there are several: all of them, its own, or the others. Keep "all"
        unless you study transfer.
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
    layout : {"cascaded", "parallel", "single"}, default "cascaded"
        Place of the mined projector: on the projection g(y), on the representation y, or the first projector itself.
        The paper compares them and recommends "cascaded".
    mined_anchor : {"view", "row"}, default "view"
        Whether an anchor looks up and predicts from its augmented view, or from its row as recorded, encoded once
        more. "row" is that of the first release, and takes a third pass through the encoder.
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
    Azabou et al. 2021, Mine Your Own vieW: Self-Supervised Learning Through Across-Sample Prediction, arXiv:2102.10106.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> MYOW(steps=5, dim=4, random_state=0).fit(counts).transform(counts).shape
    (60, 4)
    """

    readout_scaling: ClassVar[Literal["each", "common"]] = "common"

    context: tuple[int, int] = (0, 0)
    steps: int | None = None
    encoder: str | nn.Module | Callable[[int, int], nn.Module] = "residual"
    dim: int = 64
    noise: float = 0.5
    mined_weight: float = 0.4
    hidden: tuple[int, ...] = (128, 128)
    activation: Literal["relu", "prelu", "gelu"] = "relu"
    positives: tuple[int, int] | None = None
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
    k: int | None = None
    pool: Literal["batch", "sample", "recording", "queue"] = "recording"
    pool_size: int = 1024
    pool_refresh: int = 10
    key_bins: int | None = None
    views: int = 1
    exclude: Literal["auto", "segment", "time", "self"] = "auto"
    exclude_gap: float | None = None
    mined_projector: tuple[int, ...] | None = None
    mined_predictor: int = 128
    mined_start: float = 0.0
    mined_ramp: float = 0.1
    mine_sessions: Literal["all", "within", "across"] = "all"
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
    layout: Literal["cascaded", "parallel", "single"] = "cascaded"
    mined_anchor: Literal["view", "row"] = "view"
    shared_mask: bool = False
    dropout_apply: float = 1.0
    dropout_to: Literal["mean", "silence"] = "mean"
    noise_hz: float = 0.0
    noise_apply: float = 1.0
    pepper: float = 0.0
    pepper_hz: float = 0.0
    pepper_apply: float = 1.0

    def build(self, n_features: int) -> MYOWNetwork:
        """Build the networks for `n_features` units."""
        return MYOWNetwork(
            self.make_encoder(n_features),
            n_features,
            self.dim,
            mining=Mining.from_settings(self),
            batch_size=self.batch_size,
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


@dataclass(frozen=True)
class MinedViews:
    """Views and candidates of one batch.

    Parameters
    ----------
    pair : Pair
        Two views of each row.
    choice : Tensor, shape (A, V)
        Random numbers that choose among neighbours.
    pool : Tensor of int64, shape (P,)
        Rows of the candidates; with a queue, those that are put into it with this batch.
    of_pool, of_anchors : ImageDraws or None
        How the milder transform changes images of the pool, and of the anchors where those are looked up as recorded.
    """

    pair: Pair
    choice: Tensor
    pool: Tensor
    of_pool: ImageDraws | None
    of_anchors: ImageDraws | None


class MYOWNetwork(PairedViews):
    """Online and target networks of MYOW, with both losses.

    The target network is a moving average of the online one. Its batch-norm statistics are not averaged: run in training
    mode, it normalises by its own batches and keeps running statistics of its own activations.

    Parameters
    ----------
    encoder : nn.Module
        f, from windows (B, W, N) to representations (B, dim).
    n_units, dim : int
        Units, and dimension of the representation.
    mining : Mining
        Which candidates are mined.
    batch_size : int
        Anchors per batch, of which there may be fewer if the rows are fewer.
    projector : tuple of int
        Hidden and output widths of g; empty for the identity.
    predictor : int
        Hidden width of q.
    activation : str
        Activation of projectors and predictors.
    momentum, momentum_schedule
        See `myow.methods.paired_views.target_momentum`.
    symmetric : bool
        Whether each view predicts the other, or only the first the second.
    embedding : {"representation", "prediction", "both", "auto"}
        What `embed` gives; "auto" decides by the rows that it is prepared for.
    batch_norm : bool
        Whether projectors and predictors have batch norm.
    milder : ImageAugment, optional
        How images are changed before they are encoded as candidates; rows of recordings are not. A queue of images takes the
        views instead, which the target network is shown anyway.
    **views
        See `myow.methods.paired_views.PairedViews`.
    """

    def __init__(
        self,
        encoder: nn.Module,
        n_units: int,
        dim: int,
        *,
        mining: Mining,
        batch_size: int,
        projector: tuple[int, ...],
        predictor: int,
        activation: str,
        momentum: float,
        momentum_schedule: str,
        symmetric: bool,
        embedding: str,
        batch_norm: bool = True,
        milder: ImageAugment | None = None,
        **views: Any,
    ) -> None:
        super().__init__(n_units, **views)
        projected = check_networks(dim, projector, predictor, momentum, momentum_schedule, embedding)
        self.mining, self.milder = mining, milder
        self.dim, self.batch_size, self.symmetric = dim, batch_size, symmetric
        self.momentum, self.momentum_schedule = momentum, momentum_schedule

        def mlp(*widths: int) -> nn.Sequential:
            return perceptron(widths, activation, batch_norm=batch_norm)

        self.online = EncoderProjector(encoder, mlp(dim, *projector))  # f and g
        self.predictor = mlp(projected, predictor, projected)  # q
        self.target = frozen_copy(self.online)  # f' and g'
        # The second projector stands on the first ("cascaded"), beside it ("parallel"), or is the first ("single").
        width = dim if mining.layout == "parallel" else projected
        self.mined_projector: nn.Module = nn.Identity()
        if mining.layout != "single":
            widths = (128, dim) if mining.mined_projector is None else tuple(mining.mined_projector)
            self.mined_projector = mlp(width, *widths)  # h
            width = widths[-1] if widths else width
        if width < 2:
            raise SettingError("the mined projection has 1 dimension, where directions teach nothing; use 2 or more")
        self.mined_predictor = mlp(width, mining.mined_predictor, width)  # q_m
        self.embedded = EmbeddingChoice(embedding, dim, width if mining.mined_weight else projected)
        self.mined_target = frozen_copy(self.mined_projector)  # h'

    def prepare(self, data: TrainingRows) -> None:
        """Fix which rows may be mined, and refuse a recording in which some row could mine nothing."""
        super().prepare(data)
        self.embedded.choose(data, self.scaling)
        averaged = [*self.target.parameters(), *self.mined_target.parameters()]
        followed = [*self.online.parameters(), *self.mined_projector.parameters()]
        self._averaged = averaged, followed
        mining = self.mining
        self.k = mining.neighbours(self.batch_size, len(data), symmetric=self.symmetric)
        self.rule = mining_rule(data, mining.exclude, mining.exclude_gap, mining.mine_sessions)
        near, _ = choose_contexts(data.data, mining.key_bins, None, 0)
        self.key_bins = near if mining.pool == "recording" else 0
        if mining.pool == "recording":
            size, every = mining.pool_size, mining.pool_refresh
            self.bank = MemoryBank(data, self.dim, key_bins=self.key_bins, pool_size=size, every=every, k=self.k)
            self.static = self.bank.whole  # of a changing part, what is encoded has no fixed shape
        elif mining.pool == "queue":
            self.queue = MemoryQueue(mining.pool_size, self.dim).to(data.device)

    def release(self) -> None:
        """Let go of the rows and of the memories too."""
        super().release()
        del self.rule, self._averaged
        if self.mining.pool == "recording":
            del self.bank
        elif self.mining.pool == "queue":
            del self.queue

    # What changes over training.

    def scheduled(self, progress: float) -> dict[str, float]:
        """Return the weights of both losses, and the share by which the target network moves towards the online one."""
        weight = self._weight(progress)
        share = 1 - target_momentum(progress, self.momentum, self.momentum_schedule)
        return {"augmented": 1 - weight, "mined": weight, "share": share}

    def _weight(self, progress: float) -> float:
        return self.mining.mined_weight * ramp(progress, self.mining.mined_start, self.mining.mined_ramp)

    def kind_of_batch(self, progress: float) -> Hashable:
        """Decide whether the next batch mines, and whether it begins with a refresh of the memory bank."""
        bank = self.bank if self.mining.pool == "recording" else None
        self.mines = self._weight(progress) > 0
        self.refreshes = bank is not None and bank.due()
        if bank is not None and self.mines:
            bank.age += 1
        return self.mines, self.mines and self.refreshes

    # One batch: its views, both losses, and what follows the optimizer's step.

    def make_views(self, rows: Tensor, generator: torch.Generator) -> MinedViews:
        """Make two views of each row, and draw candidates and the random numbers that choose among neighbours."""
        mining = self.mining
        pair = self.pair(rows, generator)
        sides = 1 if mining.mined_anchor == "row" or not self.symmetric else 2
        choice = torch.rand((sides, len(rows), mining.views), generator=generator, device=rows.device)
        match mining.pool:
            case "batch":
                pool = pair.rows.flip(0).flatten() if self.symmetric else pair.rows[1]
            case "queue":
                pool = rows
            case "sample":
                pool = draw_rows(len(self.data), mining.pool_size, generator)
            case _:
                pool = self.bank.draw(generator, refresh=self.refreshes)
        of_pool = of_anchors = None
        if self.milder is not None:
            if mining.pool == "sample":
                of_pool = shared_draws(self.milder, len(pool), generator)
            if mining.mined_anchor == "row":
                of_anchors = shared_draws(self.milder, len(rows), generator)
        # Of several processes each keeps the numbers of its own share of the batch.
        own = choice[:, current().share(len(rows))].flatten(0, 1)
        return MinedViews(pair, own, pool, of_pool, of_anchors)

    def loss(self, views: MinedViews) -> dict[str, Tensor]:
        """Return L, L_m and their weighted sum, and the pairs of rows that were mined."""
        # L: each view predicts what the target network makes of the other.
        x, x_other = self._sides(views.pair.x)
        y, z = self.online(x.flatten(0, 1))
        with torch.no_grad():
            y_target, z_target = self.target(x_other.flatten(0, 1))
            if self.symmetric:  # the same windows for both networks; what is made of them changes places
                y_target, z_target = y_target.roll(len(y) // 2, 0), z_target.roll(len(z) // 2, 0)
        augmented = cosine_loss(self.predictor(z), z_target).mean()
        if self.mining.pool == "queue" and self.milder is not None:
            # One view of each image, from the first step on: a pass of its own costs a fifth of a step.
            self.queue.push(views.pool, gather_values(y_target[: views.pair.rows.shape[1]]).float())
        if not self.mines:
            return {"loss": augmented, "augmented": augmented}
        # L_m: each anchor predicts what the target network makes of a neighbour from elsewhere.
        anchors = self._sides(views.pair.rows)[0].flatten()
        if self.mining.mined_anchor == "row":  # looked up and predicted from as recorded
            anchors = views.pair.rows[0]
            y, z = self.online(self._as_recorded(anchors, views.of_anchors))
        with torch.no_grad():
            found, mined_rows, goal = self._mine(anchors, y, y_target, z_target, views)
        prediction = self.mined_predictor(self._second(self.mined_projector, y, z))
        mined = masked_mean(cosine_loss(prediction, goal), found, gather_values(found))
        total = self.now["augmented"] * augmented + self.now["mined"] * mined
        pairs = torch.stack([anchors[:, None].expand_as(mined_rows), mined_rows], dim=2).flatten(0, 1)
        return {"loss": total, "augmented": augmented, "mined": mined, "mined_pairs": pairs}

    def after_step(self) -> None:
        """Move the target network towards the online one."""
        update_ema(*self._averaged, self.now["share"])

    def encode(self, x: Tensor) -> Tensor:
        """Encode scaled windows of shape (B, W, N): representations or both (B, dim), or what is predicted, (B, Z)."""
        y: Tensor = self.online.encoder(x)
        embedding: Tensor = self.embedded(y, lambda: self._predict(y))
        return embedding

    def _predict(self, y: Tensor) -> Tensor:
        z = self.online.projector(y)
        mines = self.mining.mined_weight != 0
        made: Tensor = self.mined_predictor(self._second(self.mined_projector, y, z)) if mines else self.predictor(z)
        return made

    # Mining.

    def _mine(
        self, anchors: Tensor, y: Tensor, y_target: Tensor, z_target: Tensor, views: MinedViews
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mine one of the k nearest candidates of each of A anchors.

        Returns
        -------
        found : Tensor of bool, shape (A,)
            Whether there was a candidate.
        rows : Tensor of int64, shape (A, V)
            Rows mined; -1 for none.
        goal : Tensor, shape (A, Z)
            Mined projections to be predicted, averaged over the V views.
        """
        mining, pool, projected = self.mining, views.pool, None
        if mining.pool == "recording" and self.refreshes:
            self.bank.refresh(self._encode_rows)
            if self.bank.finds_all:
                self.bank.find_all(self.rule)
        if mining.pool == "recording" and self.bank.finds_all:
            rows, found = self.bank.choose(anchors, views.choice)
            goal = self._goal(self.bank.values[rows.flatten()]).view(*rows.shape, -1)
            return found, torch.where(found[:, None], rows, -1), self._averaged_views(goal)
        match mining.pool:
            case "recording":  # rows of the whole recording, encoded anew now and then
                keys, y_pool = self.bank.candidates(pool)
            case "batch":  # the target's views of the batch
                projected = gather_values(self._second(self.mined_target, y_target, z_target))
                pool, y_pool = gather_values(pool), gather_values(y_target)
                keys = y_pool
            case "queue" if self.milder is not None:  # images, of which the queue has this batch's views already
                pool, y_pool = self.queue.rows, self.queue.values
                keys = y_pool
            case _:  # other rows, encoded now, of which each process does its share; a queue keeps those of before
                own = pool[current().share(len(pool))]
                y_pool = gather_values(self.target.encoder(self._as_recorded(own, views.of_pool)))
                if mining.pool == "queue":
                    self.queue.push(pool, y_pool.float())
                    pool, y_pool = self.queue.rows, self.queue.values
                keys = y_pool
        if mining.pool == "queue":
            excluded = self.rule.excluded_of(anchors, self.queue)
        else:
            excluded = self.rule.excluded(anchors, pool)
        queries = self.bank.queries(anchors, self._encode_rows) if self.key_bins else y
        with torch.autocast(y.device.type, enabled=False):  # neighbours are told by small differences
            index, found = mine(queries.float(), keys.float(), self.k, excluded, views.choice)
        rows = torch.where(found[:, None], pool[index], -1)
        goal = self._goal(y_pool[index.flatten()]).view(*index.shape, -1) if projected is None else projected[index]
        return found, rows, self._averaged_views(goal)

    def _goal(self, y: Tensor) -> Tensor:
        """Return what the target makes of mined representations."""
        # In parallel layout the mined projector stands on y, and nothing would read the projection.
        return self._second(self.mined_target, y, y if self.mining.layout == "parallel" else self.target.projector(y))

    def _averaged_views(self, goal: Tensor) -> Tensor:
        """Average the goals (A, V, Z) of several mined views of an anchor, as unit vectors."""
        return goal[:, 0] if self.mining.views == 1 else F.normalize(goal, dim=2).mean(dim=1)

    def _second(self, projector: nn.Module, y: Tensor, z: Tensor) -> Tensor:
        """Apply a mined projector where the layout puts it: on the projection, or on the representation."""
        above: Tensor = projector(y if self.mining.layout == "parallel" else z)
        return above

    def _sides(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Split views (2, B, ...) into what the online and the target network get, each (S, B, ...), S being 1 or 2."""
        return (x, x) if self.symmetric else (x[:1], x[1:])

    def _as_recorded(self, rows: Tensor, draws: ImageDraws | None) -> Tensor:
        """Return rows scaled and without augmentation, or images through the milder transform."""
        if self.milder is None or draws is None:
            return self.as_recorded(rows)
        scaled: Tensor = self.scaling(self.milder.apply(self.data.gather(rows), draws))
        return scaled

    def _encode_rows(self, rows: Tensor) -> Tensor:
        """Encode rows as recorded by the target, by running statistics, since they may be far more than a batch."""
        training = self.target.training
        self.target.eval()
        y: Tensor = self.target.encoder(self.as_recorded(rows))
        self.target.train(training)
        return y


def Unmined(**settings: Any) -> MYOW:
    """Make MYOW without mining; the old name of ``MYOW(mined_weight=0)``."""
    warnings.warn("Unmined is called MYOW(mined_weight=0)", DeprecationWarning, stacklevel=2)
    return MYOW(**{"mined_weight": 0.0} | settings)
