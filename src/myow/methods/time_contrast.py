"""RP and TS: relative positioning and temporal shuffling (Banville et al. 2019, 2021), which learn from time alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import DataError, SettingError
from ..training.module import TrainingModule
from ..training.rows import TrainingRows
from ..training.windows import choose_contexts, draw_between, draw_far, draw_outside, positive_ranges, segment_ranges
from .recordings import RecordingEstimator

__all__ = ["RP", "TS", "TimeContrast"]


class TimeContrast(TrainingModule):
    """Network whose classifier sees differences of representations, and whose labels come from time alone.

    Parameters
    ----------
    encoder : nn.Module
        From windows (B, W, N) to representations (B, D).
    n_units : int
        Units N of the recordings.
    width : int
        What the classifier sees of each sample: a multiple of D.
    tau_pos, tau_neg : int or None
        Bins that are near at most, and far at least; see `myow.training.windows.choose_contexts` for None.
    least : int
        The smallest `tau_pos` that is of use.
    """

    def __init__(
        self, encoder: nn.Module, n_units: int, width: int, *, tau_pos: int | None, tau_neg: int | None, least: int
    ) -> None:
        super().__init__(n_units)
        if tau_pos is not None and tau_pos < least:
            raise SettingError(f"tau_pos is {tau_pos}; it must be {least} or more bins")
        if tau_neg is not None and tau_neg < 1:
            raise SettingError(f"tau_neg is {tau_neg}; it must be 1 or more bins")
        self.encoder = encoder
        self.classifier = nn.Linear(width, 1)
        self.given = (tau_pos, tau_neg)
        self.least = least

    def prepare(self, data: TrainingRows) -> None:
        """Look up, once, what is near every row, and which rows can be compared with others."""
        super().prepare(data)
        tau_pos, tau_neg = choose_contexts(data.data, *self.given, self.least)
        self.near = torch.from_numpy(positive_ranges(data.data, -tau_pos, tau_pos)).to(data.device)
        self.not_far = torch.from_numpy(positive_ranges(data.data, 1 - tau_neg, tau_neg - 1)).to(data.device)
        self.segment = torch.from_numpy(segment_ranges(data.data.groups)).to(data.device)
        self.usable = self.anchors()
        if not bool(self.usable.any()):
            longest = int((self.segment[:, 1] - self.segment[:, 0]).max()) + 1
            raise DataError(
                f"no row can be compared: {type(self).needs}, with tau_pos {tau_pos} and tau_neg {tau_neg} bins, but the "
                f"longest segment has {longest} rows; give longer segments or change tau_pos and tau_neg"
            )

    needs: str
    """What a recording must hold, to be told in an error."""

    @abstractmethod
    def anchors(self) -> Tensor:
        """Find the rows that have others to be compared with: bool, shape (T,)."""

    def release(self) -> None:
        """Let go of the rows and of what was looked up about them."""
        super().release()
        del self.near, self.not_far, self.segment, self.usable

    def replace_unusable(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Put usable rows, drawn at random, in the place of those of a batch, shape (B,), that have no partners."""
        usable = self.usable.nonzero().squeeze(1)
        others = torch.randint(len(usable), rows.shape, generator=generator, device=rows.device)
        return torch.where(self.usable[rows], rows, usable[others])

    def represent(self, rows: Tensor) -> Tensor:
        """Encode rows, shape (K, B), in one pass, so that one batch norm sees them all; shape (K, B, D)."""
        y: Tensor = self.encoder(self.scaling(self.data.gather(rows.flatten())))
        return y.view(*rows.shape, -1)

    def embed(self, x: Tensor) -> Tensor:
        """Encode transformed windows of shape (B, W, N), shape (B, D)."""
        y: Tensor = self.encoder(self.scaling(x))
        return y


@dataclass(kw_only=True, eq=False, repr=False)
class RP(RecordingEstimator):
    r"""Learn by telling from two rows whether they are close in time or far apart.

    Rows t and t' are a positive pair if they are of one segment and :math:`|t - t'| \le \tau_{pos}`, a negative one if
    :math:`|t - t'| \ge \tau_{neg}`. With an encoder h and a linear layer w, b, the loss is
    :math:`\log(1 + \exp(-s\,(w \cdot |h(x_t) - h(x_{t'})| + b)))`, with s = 1 for positives and s = -1 for negatives, of
    which there are as many.

    Negatives are of the same segment too, as in the paper, where a recording is one segment. A row whose segment holds
    nothing far enough, as in short trials, finds its negatives anywhere in the other segments; with the default
    `tau_neg` that is the case for trials of about equal length. A row is never paired with itself.

    Parameters
    ----------
    context : tuple of int, default (0, 0)
        Bins (before, after) of the window that is seen around each bin. Widen it where a single bin holds few spikes;
        (before, 0) keeps the embedding causal, as a live stream needs it. Windows stop at the edges of a segment,
        where the nearest bin stands in for what is missing.
    steps : int, default 600
        Training steps, each on one batch. Raise this for recordings of more than some thousand bins, as long as the
        loss still falls; the time that a fit takes is in proportion to it.
    encoder : str, nn.Module or callable, default "pooled"
        Network from windows (B, W, N) to representations (B, dim). "pooled" averages the window first, which suits
        short recordings; choose "mlp", with weights for every bin of the window, where the order of bins matters and
        there are rows enough. Or a module of one's own, or a callable that makes one from (W, N).
    dim : int, default 128
        Dimension D of the representation. Raise it if labels that raw activity shows cannot be read out of the
        embedding; a readout of few labels is better off with few dimensions.
    learning_rate : float, default 0.002
        Highest learning rate. Halve it if the loss becomes infinite or the embedding collapses.
    tau_pos : int or None, default None
        Bins between the rows of a positive pair, at most. Raise it if what you look for lasts longer. None takes two
        thirds of the median segment, or an eighth of a single segment; 10 at most.
    tau_neg : int or None, default None
        Bins between the rows of a negative pair, at least; more than `tau_pos`. Raise it if distant rows of a segment
        are still alike. None takes four times `tau_pos`, but in a single segment no more than half of it.
    hidden : tuple of int, default (128, 128)
        Widths of the encoder's hidden layers. Widen them for thousands of rows and hundreds of units; narrower ones
        train faster and overfit less.
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
    >>> RP(steps=5, dim=4, random_state=0).fit(counts).transform(counts).shape
    (60, 4)
    """

    context: tuple[int, int] = (0, 0)
    steps: int = 600
    encoder: str | nn.Module | Callable[[int, int], nn.Module] = "pooled"
    dim: int = 128
    learning_rate: float = 0.002
    tau_pos: int | None = None
    tau_neg: int | None = None
    hidden: tuple[int, ...] = (128, 128)
    activation: Literal["relu", "prelu", "gelu"] = "relu"
    epochs: int | None = None
    batch_size: int = 256
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

    def build(self, n_features: int) -> RPNetwork:
        """Build encoder and classifier for `n_features` units."""
        if self.tau_pos is not None and self.tau_neg is not None and self.tau_neg <= self.tau_pos:
            raise SettingError(f"tau_neg is {self.tau_neg}; it must be more than tau_pos, which is {self.tau_pos} bins")
        return RPNetwork(
            self.make_encoder(n_features), n_features, self.dim, tau_pos=self.tau_pos, tau_neg=self.tau_neg, least=1
        )


class RPNetwork(TimeContrast):
    """Network of RP."""

    needs = "a row needs another one near it, and one far from it or in another segment"

    def anchors(self) -> Tensor:
        """Rows with another one near, and one far away."""
        own = self.segment[:, 1] - self.segment[:, 0] + 1
        far = (self.not_far != self.segment).any(dim=1) | (own < len(self.data))
        return (self.near[:, 1] > self.near[:, 0]) & far

    def make_views(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Draw for each row, shape (B,), a near and a far one: anchors, near and far rows, shape (3, B)."""
        rows = self.replace_unusable(rows, generator)
        near = draw_outside(self.near[rows], torch.stack([rows, rows], dim=1), generator)
        far = draw_far(self.not_far[rows], self.segment[rows], len(self.data), generator)
        return torch.stack([rows, near, far])

    def logits(self, rows: Tensor) -> Tensor:
        """Log odds that the second and the third of rows (3, B) are near the first, shape (2, B)."""
        anchor, *others = self.represent(rows)
        odds: Tensor = self.classifier((torch.stack(others) - anchor).abs()).squeeze(-1)
        return odds

    def loss(self, views: Tensor) -> dict[str, Tensor]:
        """Return the logistic loss of rows, shape (3, B)."""
        odds = self.logits(views)
        is_near = torch.zeros_like(odds)
        is_near[0] = 1
        return {"loss": F.binary_cross_entropy_with_logits(odds, is_near)}


@dataclass(kw_only=True, eq=False, repr=False)
class TS(RecordingEstimator):
    r"""Learn by telling from three rows whether the second was recorded between the others.

    Rows t < t'' are of one segment and :math:`t'' - t \le \tau_{pos}`. In order is a middle row with t < t' < t''; out of
    order is one outside, at least :math:`\tau_{neg}` before t or after t''. With an encoder h and a linear layer w, b,
    and d the differences :math:`|h(x_t) - h(x_{t'})|` and :math:`|h(x_{t'}) - h(x_{t''})|` side by side, the loss is
    :math:`\log(1 + \exp(-s\,(w \cdot d + b)))`, with s = 1 for triplets in order and s = -1 for as many others. As in the
    paper, half of all triplets are mirrored in time.

    A middle row out of order is of the same segment too, as in the paper, where a recording is one segment. If the
    segment holds none far enough, as in short trials, it comes from anywhere in the other segments, which is the case for
    trials of about equal length with the default `tau_neg`; ``tau_neg=1`` keeps it inside wherever it can be. In a
    single segment too short for that, the first two rows of a triplet in order change places. Segments without three rows
    within `tau_pos` are left out.

    Parameters
    ----------
    context : tuple of int, default (0, 0)
        Bins (before, after) of the window that is seen around each bin. Widen it where a single bin holds few spikes;
        (before, 0) keeps the embedding causal, as a live stream needs it. Windows stop at the edges of a segment,
        where the nearest bin stands in for what is missing.
    steps : int, default 600
        Training steps, each on one batch. Raise this for recordings of more than some thousand bins, as long as the
        loss still falls; the time that a fit takes is in proportion to it.
    encoder : str, nn.Module or callable, default "pooled"
        Network from windows (B, W, N) to representations (B, dim). "pooled" averages the window first, which suits
        short recordings; choose "mlp", with weights for every bin of the window, where the order of bins matters and
        there are rows enough. Or a module of one's own, or a callable that makes one from (W, N).
    dim : int, default 128
        Dimension D of the representation. Raise it if labels that raw activity shows cannot be read out of the
        embedding; a readout of few labels is better off with few dimensions.
    learning_rate : float, default 0.002
        Highest learning rate. Halve it if the loss becomes infinite or the embedding collapses.
    tau_pos : int or None, default None
        Bins from the first to the last row of a triplet, at most; 2 or more. Raise it if activity changes slowly.
        None takes two thirds of the median segment, or an eighth of a single segment; 10 at most.
    tau_neg : int or None, default None
        Bins from a middle row out of order to the other two, at least; 1 or more. Take 1 to keep it inside short
        trials wherever it can be. None takes four times `tau_pos`, but in a single segment no more than half of it.
    hidden : tuple of int, default (128, 128)
        Widths of the encoder's hidden layers. Widen them for thousands of rows and hundreds of units; narrower ones
        train faster and overfit less.
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
    >>> TS(steps=5, dim=4, random_state=0).fit(counts).transform(counts).shape
    (60, 4)
    """

    context: tuple[int, int] = (0, 0)
    steps: int = 600
    encoder: str | nn.Module | Callable[[int, int], nn.Module] = "pooled"
    dim: int = 128
    learning_rate: float = 0.002
    tau_pos: int | None = None
    tau_neg: int | None = None
    hidden: tuple[int, ...] = (128, 128)
    activation: Literal["relu", "prelu", "gelu"] = "relu"
    epochs: int | None = None
    batch_size: int = 256
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

    def build(self, n_features: int) -> TSNetwork:
        """Build encoder and classifier for `n_features` units."""
        return TSNetwork(
            self.make_encoder(n_features), n_features, 2 * self.dim, tau_pos=self.tau_pos, tau_neg=self.tau_neg, least=2
        )


class TSNetwork(TimeContrast):
    """Network of TS."""

    needs = "a segment needs three rows within tau_pos"

    def anchors(self) -> Tensor:
        """Rows that two more follow soon."""
        return self.near[:, 1] >= torch.arange(len(self.data), device=self.near.device) + 2

    def make_views(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Draw triplets that begin at rows, shape (B,): shape (3, B), of which the first B // 2 are in order."""
        first = self.replace_unusable(rows, generator)
        last = draw_between(first + 2, self.near[first, 1], generator)
        middle = draw_between(first + 1, last - 1, generator)
        not_far = torch.stack([self.not_far[first, 0], self.not_far[last, 1]], dim=1)
        far = draw_far(not_far, self.segment[first], len(self.data), generator)
        nowhere = far == len(self.data)
        in_order = torch.arange(len(rows), device=rows.device) < len(rows) // 2
        shuffled = torch.where(nowhere, torch.stack([middle, first, last]), torch.stack([first, far, last]))
        triplets = torch.where(in_order, torch.stack([first, middle, last]), shuffled)
        mirrored = torch.rand(len(rows), generator=generator, device=rows.device) < 0.5
        return torch.where(mirrored, triplets.flip(0), triplets)

    def logits(self, rows: Tensor) -> Tensor:
        """Log odds that the second of rows (3, B) lies between the others, shape (B,)."""
        earlier, later = self.represent(rows).diff(dim=0).abs()
        odds: Tensor = self.classifier(torch.cat([earlier, later], dim=1)).squeeze(1)
        return odds

    def loss(self, views: Tensor) -> dict[str, Tensor]:
        """Return the logistic loss of triplets, shape (3, B)."""
        odds = self.logits(views)
        in_order = (torch.arange(len(odds), device=odds.device) < len(odds) // 2).to(odds.dtype)
        return {"loss": F.binary_cross_entropy_with_logits(odds, in_order)}
