"""Methods that learn from images: BYOL, SimCLR and MYOW, with the networks of the methods for recordings."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.images import Images
from ..data.recording import Recording
from ..data.targets import Targets
from ..errors import DataError, SettingError
from ..nn.mlp import perceptron
from ..nn.resnet import build_image_encoder
from ..nn.scaling import Scaling
from ..settings import read_fields
from ..training.augment_images import ImageAugment, shared_augment
from ..training.module import TrainingConfig, TrainingModule
from ..training.rows import ImageRows, TrainingRows
from .base import Learner
from .byol import BYOLNetwork
from .candidates import Mining
from .myow import MYOWNetwork
from .simclr import SimCLRNetwork

__all__ = ["ImageBYOL", "ImageEstimator", "ImageMYOW", "ImageSimCLR", "learn_scaling"]

RATE, RATE_AT = 0.5, 512
"""Learning rate of plain momentum for a step on so many images; steps on others take it in proportion (docs/images.md)."""


class ImageEstimator(Learner):
    """Base of all methods that learn from images.

    Fitted, it also holds the images' height and width as ``size_``, their name as ``images_``.
    """

    encoder: str | nn.Module | Callable[[], nn.Module]
    width: int
    augment: Callable[[Tensor, torch.Generator], Tensor] | None
    learning_rate: float | None
    batch_size: int
    accumulate: int
    optimizer: str

    learns_from: ClassVar[str] = "images"
    learnt: ClassVar[tuple[str, ...]] = (*Learner.learnt, "size_", "images_")
    at_once: ClassVar[int] = 512

    def make_encoder(self) -> tuple[nn.Module, int]:
        """Build the encoder that the settings ask for, and say the dimension of what it gives.

        Raises
        ------
        SettingError
            If an encoder of one's own does not give shape (B, D).
        """
        if isinstance(self.encoder, str):
            encoder: nn.Module = build_image_encoder(self.encoder, self.width)
        else:
            # A copy: fitting must not change what was passed to the constructor.
            encoder = copy.deepcopy(self.encoder) if isinstance(self.encoder, nn.Module) else self.encoder()
        height, width = self.size_
        with torch.no_grad():
            encoder.eval()  # this look must not move running statistics
            shape = tuple(encoder(torch.zeros(2, height, width, 3)).shape)
        if len(shape) != 2 or shape[0] != 2:
            raise SettingError(
                f"the encoder turns images of shape (2, {height}, {width}, 3) into {shape}; it must give (2, D)"
            )
        return encoder, shape[1]

    def make_augment(self) -> Callable[[Tensor, torch.Generator], Tensor]:
        """Build the augmentation that the settings ask for."""
        return self.augment or read_fields(ImageAugment, self)

    def training_config(self, n_rows: int) -> TrainingConfig:
        """Return how long and how fast to train on `n_rows` images.

        Raises
        ------
        SettingError
            If there is no learning rate, and none is known for the optimizer.
        """
        rate = self.learning_rate
        if rate is None:
            if self.optimizer != "sgd":
                raise SettingError(f"learning_rate is None, and optimizer='{self.optimizer}' has no default; give one")
            rate = RATE * min(self.batch_size, n_rows) * self.accumulate / RATE_AT
        return TrainingConfig.from_settings(self, n_rows, learning_rate=rate)

    def _n_dimensions(self) -> int:
        window = torch.zeros(1, *self.size_, 3, device=self.network_.scaling.mean.device)
        with torch.inference_mode():
            return int(self.network_.embed(window).shape[1])

    def _take(self, X: Any, *, reset: bool) -> Images:
        images: Images = X if isinstance(X, Images) else _as_images(X, type(self).__name__)
        if reset:
            if len(images) < 2:
                raise DataError("there is 1 image; training needs two or more")
            self.n_features_in_ = 3
            self.size_ = images.size
            self.images_ = images.name
        elif images.size != tuple(self.size_):
            names = f" ({self.images_})" if self.images_ else ""
            raise DataError(
                f"the model was trained on images of {self.size_[0]} x {self.size_[1]} pixels{names}, but {images.name or 'these'} have "
                f"{images.size[0]} x {images.size[1]}; resize them"
            )
        return images

    def _hold(self, data: Images, device: torch.device, targets: Targets | None = None) -> ImageRows:
        return ImageRows(data, device, targets)

    def _learn_scaling(self, network: TrainingModule, rows: TrainingRows) -> None:
        learn_scaling(network.scaling, rows.values)


def _as_images(X: Any, name: str) -> Images:
    """Take an array of bytes for images."""
    wanted = "give Images, or bytes (uint8) of shape (T, H, W, 3)"
    if isinstance(X, Recording):
        raise DataError(f"{name} learns from images, and {X.name or 'this'} is a recording; {wanted}")
    values: NDArray[Any] = np.asarray(X)
    if values.ndim != 4 or values.shape[-1] != 3 or values.dtype != np.uint8:
        found = f"shape {values.shape} and type {values.dtype}"
        raise DataError(f"{name} learns from images, and this has {found}; {wanted}")
    return Images(values)


def learn_scaling(scaling: Scaling, pixels: Tensor) -> None:
    """Learn mean and deviation of each channel, in units of the values in [0, 1], from bytes of shape (T, H, W, C).

    The sums are those of whole numbers, counted value by value, so that they are exact and no float copy is made.
    """
    levels = torch.arange(256, dtype=torch.float64) / 255
    for channel in range(pixels.shape[-1]):
        seen = torch.zeros(256, dtype=torch.int64)
        for part in torch.split(pixels[..., channel], 4096):
            seen += torch.bincount(part.flatten().int(), minlength=256).cpu()
        share = seen.double() / seen.sum()
        mean = (share * levels).sum()
        variance = (share * (levels - mean).square()).sum()
        scaling.mean[channel] = mean
        # A channel without variation, as in images of one colour, stays as it is.
        scaling.deviation[channel] = variance.sqrt() if variance > 0 else 1.0


@dataclass(kw_only=True, eq=False, repr=False)
class ImageBYOL(ImageEstimator):
    r"""Learn by predicting, from one view of an image, what an averaged network makes of another.

    With online networks f, g, q and target networks f', g' (a moving average), and views x, x' of an image, the loss is
    :math:`1 - \cos(q(g(f(x))), g'(f'(x')))`. The embedding is f(x).

    Parameters
    ----------
    epochs : int or None, default 200
        Passes over the images; they decide in place of `steps` unless None. The published 800 still gain over 200.
    encoder : str, nn.Module or callable, default "resnet18"
        Network from images (B, H, W, 3) to representations (B, D): "resnet18" and "resnet50" as published, "resnet10"
        for CPUs; or a module of one's own, or a callable that makes one.
    width : int, default 64
        Channels of a named encoder's first stage; 64 is the published one. Halve it for about a quarter of the time,
        on a CPU say.
    batch_size : int, default 256
        Anchors per batch, over all processes; at most as many as there are rows. Halve it, and double `accumulate`,
        where memory is short.
    learning_rate : float or None, default None
        Highest learning rate. None takes 0.5 for 512 images a step, and in proportion for `batch_size` times
        `accumulate` others, with "sgd"; other optimizers need one to be given. Halve it if the loss becomes infinite or
        the embedding collapses.
    target_momentum : float, default 0.98
        Momentum of the target network's moving average. Raise it towards 1 if the embedding collapses, or with more
        steps; lower it for a training of few hundred steps.
    steps : int, default 600
        Training steps, if `epochs` is None. Raise either as long as the loss still falls.
    augment : callable or None, default None
        Augmentation of one's own in place of all others here: called with images (..., H, W, 3) in [0, 1] and a
        `torch.Generator`; returns the same shape. On one process only.
    crop : tuple of float, default (0.2, 1.0)
        Least and largest share of an image's area that a view shows. Raise the former for small images, whose parts
        tell little.
    flip : float, default 0.5
        Probability that a view is mirrored. Set it to 0 where left and right mean something.
    jitter : float, default 0.8
        Probability that a view's colours are changed. Lower it where colour is what tells classes apart.
    brightness : float, default 0.4
        Largest change of brightness, as a share. Lower it for images of little contrast.
    contrast : float, default 0.4
        Largest change of contrast, as a share. Lower it together with `brightness`.
    saturation : float, default 0.4
        Largest change of saturation, as a share. Lower it where colour is what tells classes apart.
    hue : float, default 0.1
        Largest shift of hue, in turns of the colour circle, at most 0.5. Keep it small: large shifts make colours
        meaningless.
    grey : float, default 0.2
        Probability that a view loses its colour. Raise it if the network tells views by colour alone.
    solarise : float, default 0.0
        Probability that bright values of a view are inverted. 0 as published for MYOW; BYOL's own recipe for large
        images uses it.
    projector : tuple of int, default (4096, 256)
        Hidden and output widths of the projector. Keep it wide, as published; the representation below it is what is
        used.
    predictor : int, default 4096
        Hidden width of the predictor. Narrow it for small encoders, beside which it takes most of the time.
    symmetric : bool, default True
        Whether each view predicts the other. False, as in the first release, takes about half the time and learns
        less in a step.
    batch_norm : bool, default True
        Whether projectors and predictors have batch norm. Keep it: without it BYOL and MYOW may collapse. On CPUs
        several processes each normalise their own share of a batch, so that only without it they train what one
        process does.
    accumulate : int, default 1
        Batches whose gradients are averaged for one step. Raise it where memory holds no larger batch.
    optimizer : {"adamw", "lars", "sgd"}, default "sgd"
        Optimizer. Change it only together with `learning_rate`, whose good values differ by orders of magnitude;
        "sgd" is as published.
    weight_decay : float, default 0.0005
        Decay of weights, but not of biases and normalisation. Raise it if a short recording is overfitted.
    warmup : float, default 0.05
        Share of training over which the learning rate rises from 0. Raise it if the first steps diverge.
    precision : {"auto", "float32", "bfloat16"}, default "auto"
        Precision of the networks' products while training; what is mined, and the loss, are of float32. "auto" takes
        bfloat16 on a GPU; choose "float32" to compare with a CPU.
    compile : bool or {"auto"}, default "auto"
        Whether `torch.compile` makes networks and loss faster, after up to a minute of its own. "auto" does so on a GPU
        where two million images or more are seen in all and a compiler is there; False helps when debugging.
    random_state : int, RandomState or None, default None
        Seed of weights, batches and views. The same seed, threads and machine give the same embedding, bit by bit;
        None draws one, kept as ``seed_``.
    device : str, default "auto"
        Where to compute: "cpu", "cuda", ... "auto" takes a GPU if there is one.
    threads : int or None, default None
        CPU threads while fitting; None for as many as torch is set to, all cores unless OMP_NUM_THREADS says otherwise.
        Give fewer on a machine that others use. Bits may differ between numbers of threads.
    verbose : bool, default True
        Whether to say on standard error how fitting goes, once it has taken a second: device, steps and time left, as a bar in
        a terminal or notebook and as a line now and then elsewhere. It changes nothing that is learnt.
    cuda_graph : bool or {"auto"}, default "auto"
        Whether a whole step is captured as one CUDA graph, which saves what a GPU waits for Python. "auto" does so on a
        GPU where the step allows it; False helps when debugging.
    schedule : {"cosine", "constant"}, default "cosine"
        Learning rate after the warm-up: a half cosine to 0, or constant, which lets a training be prolonged but ends
        less settled.
    momentum : float, default 0.9
        Momentum of "lars" and "sgd"; "adamw" has none. Leave it unless a release is repeated.
    target_schedule : {"constant", "cosine"}, default "cosine"
        Whether `target_momentum` stays, or rises to 1 by a half cosine, as published for images.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, size=(8, 8, 8, 3), dtype=np.uint8)
    >>> ImageBYOL(width=1, epochs=1, batch_size=4, random_state=0).fit(images).transform(images).shape
    (8, 8)
    """

    epochs: int | None = 200
    encoder: str | nn.Module | Callable[[], nn.Module] = "resnet18"
    width: int = 64
    batch_size: int = 256
    learning_rate: float | None = None
    target_momentum: float = 0.98
    steps: int = 600
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None
    crop: tuple[float, float] = (0.2, 1.0)
    flip: float = 0.5
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    grey: float = 0.2
    solarise: float = 0.0
    projector: tuple[int, ...] = (4096, 256)
    predictor: int = 4096
    symmetric: bool = True
    batch_norm: bool = True
    accumulate: int = 1
    optimizer: Literal["adamw", "lars", "sgd"] = "sgd"
    weight_decay: float = 0.0005
    warmup: float = 0.05
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool | Literal["auto"] = "auto"
    random_state: int | None = None
    device: str = "auto"
    threads: int | None = None
    verbose: bool = True
    cuda_graph: bool | Literal["auto"] = "auto"
    schedule: Literal["cosine", "constant"] = "cosine"
    momentum: float = 0.9
    target_schedule: Literal["constant", "cosine"] = "cosine"

    def build(self, n_features: int) -> BYOLNetwork:
        """Build the networks for images of `n_features` channels."""
        encoder, dim = self.make_encoder()
        return BYOLNetwork(
            encoder,
            n_features,
            dim,
            projector=tuple(self.projector),
            predictor=self.predictor,
            activation="relu",
            momentum=self.target_momentum,
            momentum_schedule=self.target_schedule,
            symmetric=self.symmetric,
            embedding="representation",
            batch_norm=self.batch_norm,
            positives=(0, 0),
            augment=shared_augment(self.make_augment()),
            unit_norm=False,
        )


@dataclass(kw_only=True, eq=False, repr=False)
class ImageMYOW(ImageEstimator):
    r"""Learn by predicting another view of an image, and mined views: near neighbours among other images.

    On top of BYOL's loss L, the online representation of each view looks up its k nearest target representations among
    candidates that are never of its own image; one of them is chosen at random and predicted through a second projector
    cascaded on the first. The total is :math:`(1 - a) L + a L_m`, with a rising to `mined_weight`. Candidates are
    what the target network makes of views anyway, or of other images through a milder transform (`pool`).

    Parameters
    ----------
    epochs : int or None, default 200
        Passes over the images; they decide in place of `steps` unless None. The published 800 still gain over 200.
    encoder : str, nn.Module or callable, default "resnet18"
        Network from images (B, H, W, 3) to representations (B, D): "resnet18" and "resnet50" as published, "resnet10"
        for CPUs; or a module of one's own, or a callable that makes one.
    width : int, default 64
        Channels of a named encoder's first stage; 64 is the published one. Halve it for about a quarter of the time,
        on a CPU say.
    batch_size : int, default 256
        Anchors per batch, over all processes; at most as many as there are rows. Halve it, and double `accumulate`,
        where memory is short.
    learning_rate : float or None, default None
        Highest learning rate. None takes 0.5 for 512 images a step, and in proportion for `batch_size` times
        `accumulate` others, with "sgd"; other optimizers need one to be given. Halve it if the loss becomes infinite or
        the embedding collapses.
    mined_weight : float, default 0.1
        Final weight a of the mined loss, from 0 to 1; 0 switches mining off. Raise it with ``pool="sample"``, long
        trainings or classes that are easily told apart: 0.5 is as published.
    steps : int, default 600
        Training steps, if `epochs` is None. Raise either as long as the loss still falls.
    augment : callable or None, default None
        Augmentation of one's own in place of all others here: called with images (..., H, W, 3) in [0, 1] and a
        `torch.Generator`; returns the same shape. On one process only.
    crop : tuple of float, default (0.2, 1.0)
        Least and largest share of an image's area that a view shows. Raise the former for small images, whose parts
        tell little.
    flip : float, default 0.5
        Probability that a view is mirrored. Set it to 0 where left and right mean something.
    jitter : float, default 0.8
        Probability that a view's colours are changed. Lower it where colour is what tells classes apart.
    brightness : float, default 0.4
        Largest change of brightness, as a share. Lower it for images of little contrast.
    contrast : float, default 0.4
        Largest change of contrast, as a share. Lower it together with `brightness`.
    saturation : float, default 0.4
        Largest change of saturation, as a share. Lower it where colour is what tells classes apart.
    hue : float, default 0.1
        Largest shift of hue, in turns of the colour circle, at most 0.5. Keep it small: large shifts make colours
        meaningless.
    grey : float, default 0.2
        Probability that a view loses its colour. Raise it if the network tells views by colour alone.
    solarise : float, default 0.0
        Probability that bright values of a view are inverted. 0 as published for MYOW; BYOL's own recipe for large
        images uses it.
    projector : tuple of int, default (4096, 256)
        Hidden and output widths of the projector. Keep it wide, as published; the representation below it is what is
        used.
    predictor : int, default 4096
        Hidden width of the predictor. Narrow it for small encoders, beside which it takes most of the time.
    target_momentum : float, default 0.98
        Momentum of the target network's moving average. Raise it towards 1 if the embedding collapses, or with more
        steps; lower it for a training of few hundred steps.
    symmetric : bool, default True
        Whether each view predicts the other. False, as in the first release, takes about half the time and learns
        less in a step.
    batch_norm : bool, default True
        Whether projectors and predictors have batch norm. Keep it: without it BYOL and MYOW may collapse. On CPUs
        several processes each normalise their own share of a batch, so that only without it they train what one
        process does.
    k : int or None, default 1
        Neighbours that the mined view is chosen from. 1 as published; raise it with a larger pool, for more variety.
    pool : {"recording", "batch", "sample", "queue"}, default "queue"
        Candidates that views are mined from. "queue": what the target network made of the last `pool_size` images, one
        view of each, which it is shown anyway; "sample": as many other images, drawn and encoded in every batch, as
        published, at a multiple of the time; "batch": the target's views of the batch.
    pool_size : int, default 2048
        Candidates of a batch, with any pool but "batch". Raise it for more classes; the published size is 512.
    views : int, default 1
        Neighbours that are drawn, with replacement, and whose projections are averaged to what is predicted. Raise it
        if the mined loss is noisy.
    mining_crop : tuple of float, default (0.8, 1.0)
        Least and largest share of the area that candidates of ``pool="sample"`` show, and anchors of
        ``mined_anchor="row"``; a milder crop than that of views, so that neighbours are told by the whole image.
    mining_flip : float, default 0.5
        Probability that what `mining_crop` crops is mirrored. Set it to 0 together with `flip`.
    mined_projector : tuple of int or None, default (1024, 64)
        Hidden and output widths of the mined projector h. Keep it narrower than `projector`, as published.
    mined_predictor : int, default 1024
        Hidden width of the mined predictor q_m. It matters little; keep it about as wide as `mined_projector`.
    mined_start : float, default 0.7
        Share of training after which mining begins. Early representations are too poor to tell neighbours, and mining
        among them harms; lower it for long trainings (0.125 as published, of 800 epochs).
    mined_ramp : float, default 0.0125
        Share of training over which the weight of the mined loss rises to `mined_weight`. Lengthen it if the loss
        jumps where mining begins.
    accumulate : int, default 1
        Batches whose gradients are averaged for one step. Raise it where memory holds no larger batch.
    optimizer : {"adamw", "lars", "sgd"}, default "sgd"
        Optimizer. Change it only together with `learning_rate`, whose good values differ by orders of magnitude;
        "sgd" is as published.
    weight_decay : float, default 0.0005
        Decay of weights, but not of biases and normalisation. Raise it if a short recording is overfitted.
    warmup : float, default 0.05
        Share of training over which the learning rate rises from 0. Raise it if the first steps diverge.
    precision : {"auto", "float32", "bfloat16"}, default "auto"
        Precision of the networks' products while training; what is mined, and the loss, are of float32. "auto" takes
        bfloat16 on a GPU; choose "float32" to compare with a CPU.
    compile : bool or {"auto"}, default "auto"
        Whether `torch.compile` makes networks and loss faster, after up to a minute of its own. "auto" does so on a GPU
        where two million images or more are seen in all and a compiler is there; False helps when debugging.
    random_state : int, RandomState or None, default None
        Seed of weights, batches and views. The same seed, threads and machine give the same embedding, bit by bit;
        None draws one, kept as ``seed_``.
    device : str, default "auto"
        Where to compute: "cpu", "cuda", ... "auto" takes a GPU if there is one.
    threads : int or None, default None
        CPU threads while fitting; None for as many as torch is set to, all cores unless OMP_NUM_THREADS says otherwise.
        Give fewer on a machine that others use. Bits may differ between numbers of threads.
    verbose : bool, default True
        Whether to say on standard error how fitting goes, once it has taken a second: device, steps and time left, as a bar in
        a terminal or notebook and as a line now and then elsewhere. It changes nothing that is learnt.
    cuda_graph : bool or {"auto"}, default "auto"
        Whether a whole step is captured as one CUDA graph, which saves what a GPU waits for Python. "auto" does so on a
        GPU where the step allows it; False helps when debugging.
    schedule : {"cosine", "constant"}, default "cosine"
        Learning rate after the warm-up: a half cosine to 0, or constant, which lets a training be prolonged but ends
        less settled.
    momentum : float, default 0.9
        Momentum of "lars" and "sgd"; "adamw" has none. Leave it unless a release is repeated.
    target_schedule : {"constant", "cosine"}, default "cosine"
        Whether `target_momentum` stays, or rises to 1 by a half cosine, as published for images.
    layout : {"cascaded", "parallel", "single"}, default "cascaded"
        Place of the mined projector: on the projection g(y), on the representation y, or the first projector itself.
        The paper compares them and recommends "cascaded".
    mined_anchor : {"view", "row"}, default "view"
        Whether an image looks up and predicts from its augmented view, or from one made by the milder transform,
        encoded once more. "row" is as published, and slower by a third pass through the encoder.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, size=(8, 8, 8, 3), dtype=np.uint8)
    >>> ImageMYOW(width=1, epochs=2, batch_size=4, pool_size=8, random_state=0).fit(images).transform(images).shape
    (8, 8)
    """

    epochs: int | None = 200
    encoder: str | nn.Module | Callable[[], nn.Module] = "resnet18"
    width: int = 64
    batch_size: int = 256
    learning_rate: float | None = None
    mined_weight: float = 0.1
    steps: int = 600
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None
    crop: tuple[float, float] = (0.2, 1.0)
    flip: float = 0.5
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    grey: float = 0.2
    solarise: float = 0.0
    projector: tuple[int, ...] = (4096, 256)
    predictor: int = 4096
    target_momentum: float = 0.98
    symmetric: bool = True
    batch_norm: bool = True
    k: int = 1
    pool: Literal["queue", "sample", "batch"] = "queue"
    pool_size: int = 2048
    views: int = 1
    mining_crop: tuple[float, float] = (0.8, 1.0)
    mining_flip: float = 0.5
    mined_projector: tuple[int, ...] = (1024, 64)
    mined_predictor: int = 1024
    mined_start: float = 0.7
    mined_ramp: float = 0.0125
    accumulate: int = 1
    optimizer: Literal["adamw", "lars", "sgd"] = "sgd"
    weight_decay: float = 0.0005
    warmup: float = 0.05
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool | Literal["auto"] = "auto"
    random_state: int | None = None
    device: str = "auto"
    threads: int | None = None
    verbose: bool = True
    cuda_graph: bool | Literal["auto"] = "auto"
    schedule: Literal["cosine", "constant"] = "cosine"
    momentum: float = 0.9
    target_schedule: Literal["constant", "cosine"] = "cosine"
    layout: Literal["cascaded", "parallel", "single"] = "cascaded"
    mined_anchor: Literal["view", "row"] = "view"

    def build(self, n_features: int) -> MYOWNetwork:
        """Build the networks for images of `n_features` channels."""
        encoder, dim = self.make_encoder()
        # An image is a segment of its own, and has no rows around it.
        mining = Mining.from_settings(self, key_bins=0, exclude="segment")
        milder = ImageAugment(crop=self.mining_crop, flip=self.mining_flip, jitter=0.0, grey=0.0, solarise=0.0)
        return MYOWNetwork(
            encoder,
            n_features,
            dim,
            mining=mining,
            batch_size=self.batch_size,
            milder=milder,
            projector=tuple(self.projector),
            predictor=self.predictor,
            activation="relu",
            momentum=self.target_momentum,
            momentum_schedule=self.target_schedule,
            symmetric=self.symmetric,
            embedding="representation",
            batch_norm=self.batch_norm,
            positives=(0, 0),
            augment=shared_augment(self.make_augment()),
            unit_norm=False,
        )


@dataclass(kw_only=True, eq=False, repr=False)
class ImageSimCLR(ImageEstimator):
    """Learn by finding each view's partner among all other views of the batch (`myow.nn.losses.nt_xent`).

    The embedding is that of the encoder, below the projector.

    Parameters
    ----------
    epochs : int or None, default 200
        Passes over the images; they decide in place of `steps` unless None. The published 800 still gain over 200.
    encoder : str, nn.Module or callable, default "resnet18"
        Network from images (B, H, W, 3) to representations (B, D): "resnet18" and "resnet50" as published, "resnet10"
        for CPUs; or a module of one's own, or a callable that makes one.
    width : int, default 64
        Channels of a named encoder's first stage; 64 is the published one. Halve it for about a quarter of the time,
        on a CPU say.
    batch_size : int, default 256
        Anchors per batch, over all processes; at most as many as there are rows. Halve it, and double `accumulate`,
        where memory is short.
    learning_rate : float or None, default None
        Highest learning rate. None takes 0.5 for 512 images a step, and in proportion for `batch_size` times
        `accumulate` others, with "sgd"; other optimizers need one to be given. Halve it if the loss becomes infinite or
        the embedding collapses.
    temperature : float, default 0.5
        Temperature of the softmax over views. Lower it to weigh the nearest negatives more, raise it if rows of one
        class repel each other.
    steps : int, default 600
        Training steps, if `epochs` is None. Raise either as long as the loss still falls.
    augment : callable or None, default None
        Augmentation of one's own in place of all others here: called with images (..., H, W, 3) in [0, 1] and a
        `torch.Generator`; returns the same shape. On one process only.
    crop : tuple of float, default (0.2, 1.0)
        Least and largest share of an image's area that a view shows. Raise the former for small images, whose parts
        tell little.
    flip : float, default 0.5
        Probability that a view is mirrored. Set it to 0 where left and right mean something.
    jitter : float, default 0.8
        Probability that a view's colours are changed. Lower it where colour is what tells classes apart.
    brightness : float, default 0.4
        Largest change of brightness, as a share. Lower it for images of little contrast.
    contrast : float, default 0.4
        Largest change of contrast, as a share. Lower it together with `brightness`.
    saturation : float, default 0.4
        Largest change of saturation, as a share. Lower it where colour is what tells classes apart.
    hue : float, default 0.1
        Largest shift of hue, in turns of the colour circle, at most 0.5. Keep it small: large shifts make colours
        meaningless.
    grey : float, default 0.2
        Probability that a view loses its colour. Raise it if the network tells views by colour alone.
    solarise : float, default 0.0
        Probability that bright values of a view are inverted. 0 as published for MYOW; BYOL's own recipe for large
        images uses it.
    projector : tuple of int, default (2048, 128)
        Hidden and output widths of the projector. Keep it wide, as published; the representation below it is what is
        used.
    batch_norm : bool, default True
        Whether projectors and predictors have batch norm. Keep it: without it BYOL and MYOW may collapse. On CPUs
        several processes each normalise their own share of a batch, so that only without it they train what one
        process does.
    accumulate : int, default 1
        Batches whose gradients are averaged for one step. Raise it where memory holds no larger batch.
    optimizer : {"adamw", "lars", "sgd"}, default "sgd"
        Optimizer. Change it only together with `learning_rate`, whose good values differ by orders of magnitude;
        "sgd" is as published.
    weight_decay : float, default 0.0005
        Decay of weights, but not of biases and normalisation. Raise it if a short recording is overfitted.
    warmup : float, default 0.05
        Share of training over which the learning rate rises from 0. Raise it if the first steps diverge.
    precision : {"auto", "float32", "bfloat16"}, default "auto"
        Precision of the networks' products while training; what is mined, and the loss, are of float32. "auto" takes
        bfloat16 on a GPU; choose "float32" to compare with a CPU.
    compile : bool or {"auto"}, default "auto"
        Whether `torch.compile` makes networks and loss faster, after up to a minute of its own. "auto" does so on a GPU
        where two million images or more are seen in all and a compiler is there; False helps when debugging.
    random_state : int, RandomState or None, default None
        Seed of weights, batches and views. The same seed, threads and machine give the same embedding, bit by bit;
        None draws one, kept as ``seed_``.
    device : str, default "auto"
        Where to compute: "cpu", "cuda", ... "auto" takes a GPU if there is one.
    threads : int or None, default None
        CPU threads while fitting; None for as many as torch is set to, all cores unless OMP_NUM_THREADS says otherwise.
        Give fewer on a machine that others use. Bits may differ between numbers of threads.
    verbose : bool, default True
        Whether to say on standard error how fitting goes, once it has taken a second: device, steps and time left, as a bar in
        a terminal or notebook and as a line now and then elsewhere. It changes nothing that is learnt.
    cuda_graph : bool or {"auto"}, default "auto"
        Whether a whole step is captured as one CUDA graph, which saves what a GPU waits for Python. "auto" does so on a
        GPU where the step allows it; False helps when debugging.
    schedule : {"cosine", "constant"}, default "cosine"
        Learning rate after the warm-up: a half cosine to 0, or constant, which lets a training be prolonged but ends
        less settled.
    momentum : float, default 0.9
        Momentum of "lars" and "sgd"; "adamw" has none. Leave it unless a release is repeated.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, size=(8, 8, 8, 3), dtype=np.uint8)
    >>> ImageSimCLR(width=1, epochs=1, batch_size=4, random_state=0).fit(images).transform(images).shape
    (8, 8)
    """

    epochs: int | None = 200
    encoder: str | nn.Module | Callable[[], nn.Module] = "resnet18"
    width: int = 64
    batch_size: int = 256
    learning_rate: float | None = None
    temperature: float = 0.5
    steps: int = 600
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None
    crop: tuple[float, float] = (0.2, 1.0)
    flip: float = 0.5
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    grey: float = 0.2
    solarise: float = 0.0
    projector: tuple[int, ...] = (2048, 128)
    batch_norm: bool = True
    accumulate: int = 1
    optimizer: Literal["adamw", "lars", "sgd"] = "sgd"
    weight_decay: float = 0.0005
    warmup: float = 0.05
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool | Literal["auto"] = "auto"
    random_state: int | None = None
    device: str = "auto"
    threads: int | None = None
    verbose: bool = True
    cuda_graph: bool | Literal["auto"] = "auto"
    schedule: Literal["cosine", "constant"] = "cosine"
    momentum: float = 0.9

    def build(self, n_features: int) -> SimCLRNetwork:
        """Build encoder and projector for images of `n_features` channels."""
        if not self.temperature > 0:
            raise SettingError(f"temperature is {self.temperature}; it must be above 0")
        encoder, dim = self.make_encoder()
        widths = (dim, *self.projector)
        if any(width < 1 for width in widths) or widths[-1] < 2:
            raise SettingError(f"projector is {self.projector}; it must be widths of 1 or more, the last 2 or more")
        return SimCLRNetwork(
            encoder,
            n_features,
            perceptron(widths, batch_norm=self.batch_norm),
            self.temperature,
            positives=(0, 0),
            augment=shared_augment(self.make_augment()),
            unit_norm=False,
        )
