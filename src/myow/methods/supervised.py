"""Supervised learning: the same encoder and augmentations as the methods without labels, trained with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import DataError, SettingError
from ..training.augment import Augment, NeuralAugment, augment_of, augmented
from ..training.module import TrainingModule
from ..training.rows import TrainingRows
from .recordings import RecordingEstimator

__all__ = ["LabelledRows", "Supervised", "SupervisedNetwork"]


@dataclass(kw_only=True, eq=False, repr=False)
class Supervised(RecordingEstimator):
    r"""Learn from labels, with the encoder and the augmentations of the methods that learn without.

    An encoder f sees one augmented view x of a row, a linear head h its representation. With C classes the loss is the
    cross-entropy :math:`-\sum_c q_c \log \mathrm{softmax}(h(f(x)))_c`, where q is :math:`1 - s + s / C` for the row's own
    class and :math:`s / C` for the others, s being `label_smoothing` (Szegedy et al. 2016); with real-valued labels y it
    is :math:`|h(f(x)) - y|^2 / d`, the d columns being standardised. The embedding is f(x), below the head.

    Parameters
    ----------
    context : tuple of int, default (0, 0)
        Bins (before, after) of the window that is seen around each bin. Widen it where a single bin holds few spikes;
        (before, 0) keeps the embedding causal, as a live stream needs it. Windows stop at the edges of a segment,
        where the nearest bin stands in for what is missing.
    steps : int, default 200
        Training steps, each on one batch. Raise this for recordings of more than some thousand bins, as long as the
        loss still falls; the time that a fit takes is in proportion to it.
    encoder : str, nn.Module or callable, default "pooled"
        Network from windows (B, W, N) to representations (B, dim). "pooled" averages the window first, which suits
        short recordings; choose "mlp", with weights for every bin of the window, where the order of bins matters and
        there are rows enough. Or a module of one's own, or a callable that makes one from (W, N).
    dim : int, default 128
        Dimension D of the representation below the head. It matters little to `predict`; lower it for an embedding to
        look at.
    learning_rate : float, default 0.004
        Highest learning rate. Halve it if the loss becomes infinite or the embedding collapses.
    label_smoothing : float, default 0.3
        Share of the target that is spread over all classes, from 0 to below 1; of classes only. Raise it if few
        labels are overfitted.
    noise : float, default 1.5
        Deviation of the Gaussian noise that a view gets, in units of `noise_unit`. Raise it if few labels are
        overfitted.
    hidden : tuple of int, default (128,)
        Widths of the encoder's hidden layers. Widen them for thousands of rows and hundreds of units; narrower ones
        train faster and overfit less.
    activation : {"relu", "prelu", "gelu"}, default "relu"
        Activation of all perceptrons. "prelu" is that of the second release; it makes little difference elsewhere.
    dropout : float, default 0.6
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

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> model = Supervised(steps=5, dim=4, random_state=0).fit(counts, np.arange(60) % 3)
    >>> model.transform(counts).shape, model.predict(counts).shape
    ((60, 4), (60,))
    """

    context: tuple[int, int] = (0, 0)
    steps: int = 200
    encoder: str | nn.Module | Callable[[int, int], nn.Module] = "pooled"
    dim: int = 128
    learning_rate: float = 0.004
    label_smoothing: float = 0.3
    noise: float = 1.5
    hidden: tuple[int, ...] = (128,)
    activation: Literal["relu", "prelu", "gelu"] = "relu"
    dropout: float = 0.6
    noise_unit: Literal["input", "change"] = "input"
    noise_to: Literal["bin", "window"] = "bin"
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None
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
    dropout_apply: float = 1.0
    dropout_to: Literal["mean", "silence"] = "mean"
    noise_hz: float = 0.0
    noise_apply: float = 1.0
    pepper: float = 0.0
    pepper_hz: float = 0.0
    pepper_apply: float = 1.0

    uses_labels: ClassVar[bool] = True

    def build(self, n_features: int) -> SupervisedNetwork:
        """Build encoder and head for `n_features` units."""
        if not 0 <= self.label_smoothing < 1:
            raise SettingError(f"label_smoothing is {self.label_smoothing}; it must lie from 0 to below 1")
        classes = self.classes_
        if classes is not None and len(classes) < 2:
            raise DataError(
                f"all labelled rows ({self.n_labelled_}) are of class {classes[0]}, so that there is nothing to tell apart; "
                "give labels of two or more classes"
            )
        return SupervisedNetwork(
            self.make_encoder(n_features),
            nn.Linear(self.dim, self.n_targets_),
            n_features,
            NeuralAugment.from_settings(self),
            classes=classes is not None,
            label_smoothing=self.label_smoothing,
        )

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the label of each row.

        Parameters
        ----------
        X : Recording or array_like, shape (T, N)
            Rows of the same units as in training.

        Returns
        -------
        ndarray, shape (T,) or (T, d)
            Classes; or float32 real numbers in the units of the labels, shape (T,) if there was one column.

        Raises
        ------
        DataError
            As for `transform`.
        """
        z = self.transform(X)
        network = cast(SupervisedNetwork, self.network_)
        with torch.inference_mode():
            said = network.predict(torch.from_numpy(z).to(network.scaling.mean.device)).cpu().numpy()
        if self.classes_ is not None:
            return np.asarray(self.classes_[said.argmax(axis=1)])
        return np.asarray(said[:, 0] if self.n_targets_ == 1 else said)


class LabelledRows(TrainingModule):
    """Network that learns from the labelled ones among the training rows.

    Parameters
    ----------
    n_units : int
        Units of the recordings.
    n_targets : int
        Classes, or columns of real-valued labels.
    classes : bool
        Whether labels are classes. Columns of real numbers are standardised, by labelled rows alone.
    """

    target_mean: Tensor
    target_deviation: Tensor

    def __init__(self, n_units: int, n_targets: int, *, classes: bool) -> None:
        super().__init__(n_units)
        self.classes = classes
        if not classes:
            self.register_buffer("target_mean", torch.zeros(n_targets))
            self.register_buffer("target_deviation", torch.ones(n_targets))

    def prepare(self, data: TrainingRows) -> None:
        """Take the labelled rows and their labels: classes, shape (R,), or standardised columns, shape (R, d)."""
        super().prepare(data)
        if data.targets is None:
            raise DataError("these rows come without labels, and this method learns from labels; give y to fit")
        self.labelled = torch.from_numpy(data.targets.rows).to(data.device)
        values = torch.from_numpy(data.targets.values)
        if not self.classes:
            deviation, mean = torch.std_mean(values.double(), dim=0, correction=0)
            self.target_mean.copy_(mean)
            # A column that never varies is all noise once it is divided by its rounding errors.
            self.target_deviation.copy_(torch.where(deviation > 1e-6 * mean.abs(), deviation, torch.ones_like(mean)))
            values = self.standardise(values.to(data.device))
        self.targets = values.to(data.device)

    def release(self) -> None:
        """Let go of the labels too."""
        super().release()
        del self.labelled, self.targets

    def pick(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Turn a batch of any rows, shape (B,), into labelled rows, shape (B,), and their targets.

        A pass over all T rows goes round the R labelled ones a whole number of times; what is left of it falls on some
        at random, so that in the long run each is seen equally often.
        """
        many = len(self.labelled)
        whole = len(self.data) // many * many
        index = rows % many
        if whole < len(self.data):
            chance = torch.randint(many, rows.shape, generator=generator, device=rows.device)
            index = torch.where(rows < whole, index, chance)
        return self.labelled[index], self.targets[index]

    def standardise(self, values: Tensor) -> Tensor:
        """From label units, shape (..., d), to columns of mean 0 and deviation 1."""
        return (values - self.target_mean) / self.target_deviation

    def restore(self, standardised: Tensor) -> Tensor:
        """Back to label units, shape (..., d)."""
        return standardised * self.target_deviation + self.target_mean


class LabelledView(NamedTuple):
    """An augmented and scaled view of each row, shape (B, W, N), and its target, shape (B,) or (B, d)."""

    x: Tensor
    targets: Tensor


class SupervisedNetwork(LabelledRows):
    """Encoder and head.

    Parameters
    ----------
    encoder : nn.Module
        From windows (B, W, N) to representations (B, D).
    head : nn.Linear
        From there to C logits or d columns.
    n_units : int
        Units of the recordings.
    augment : NeuralAugment or callable
        See `myow.methods.paired_views.PairedViews`.
    classes : bool
        Whether labels are classes.
    label_smoothing : float
        Of classes.
    """

    def __init__(
        self,
        encoder: nn.Module,
        head: nn.Linear,
        n_units: int,
        augment: NeuralAugment | Augment,
        *,
        classes: bool,
        label_smoothing: float,
    ) -> None:
        super().__init__(n_units, head.out_features, classes=classes)
        self.encoder = encoder
        self.head = head
        self.augment = augment
        self.label_smoothing = label_smoothing

    def prepare(self, data: TrainingRows) -> None:
        """Take the labels, which must vary."""
        super().prepare(data)
        self.augmenting = augment_of(data, self.augment, self.scaling)
        if not self.classes and not bool((self.targets != self.targets[0]).any()):
            raise DataError(
                f"all labelled rows ({len(self.targets)}) have the same label, so that there is nothing to tell apart; "
                "give labels that vary"
            )

    def release(self) -> None:
        """Let go of the rows and of the augmentation made for them."""
        super().release()
        del self.augmenting

    def make_views(self, rows: Tensor, generator: torch.Generator) -> LabelledView:
        """Make a view of a labelled row for each of the rows, shape (B,)."""
        labelled, targets = self.pick(rows, generator)
        x = self.data.gather(labelled)[None]  # augmentations take several views
        return LabelledView(augmented(x, self.augmenting, self.scaling, generator)[0], targets)

    def loss(self, views: LabelledView) -> dict[str, Tensor]:
        """Return how far the head is from the labels."""
        said = self.head(self.encoder(views.x))
        if self.classes:
            wrong = F.cross_entropy(said, views.targets, reduction="none", label_smoothing=self.label_smoothing)
        else:
            wrong = (said - views.targets).square().mean(dim=1)
        return {"loss": wrong.mean()}

    def embed(self, x: Tensor) -> Tensor:
        """Encode transformed windows of shape (B, W, N), shape (B, dim)."""
        y: Tensor = self.encoder(self.scaling(x))
        return y

    def predict(self, representation: Tensor) -> Tensor:
        """Return logits, shape (B, C), or columns in label units, shape (B, d), of representations (B, D)."""
        said: Tensor = self.head(representation)
        return said if self.classes else self.restore(said)
