"""Evaluation of image embeddings by k-NN and a linear readout."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from torch.nn import functional as F

from ..data.images import Images
from ..device import choose_device
from ..errors import DataError, SettingError
from ..methods import method_name
from ..methods.images import ImageEstimator
from ..nn.neighbours import nearest
from ..training.rows import bytes_of
from .metrics import ImageScores, majority_rate, score_images

__all__ = [
    "STEPS",
    "Features",
    "Known",
    "Labels",
    "Part",
    "Step",
    "Vote",
    "check_parts",
    "draw_images",
    "evaluate_features",
    "evaluate_images",
    "known_few",
    "known_whole",
    "raw_pixels",
    "scaled",
    "train_and_predict",
    "train_heads",
    "vote",
    "votes",
]

KS = (20, 10, 50, 5, 200, 1)
TEMPERATURES = (0.07, 0.2, None)


@dataclass(frozen=True)
class Vote:
    """Settings of a k-nearest-neighbour readout."""

    k: int
    """Number of neighbours."""
    temperature: float | None
    """A neighbour of cosine similarity s weighs exp(s / temperature); None lets all of them weigh the same."""


def votes(n_rows: int) -> tuple[Vote, ...]:
    """Return the settings to choose from where so many rows can be neighbours, in order of preference."""
    return tuple(Vote(k, temperature) for k in KS if k <= n_rows for temperature in TEMPERATURES)


def vote(x: Tensor, y: Tensor, queries: Tensor, settings: Sequence[Vote], *, n_classes: int) -> NDArray[np.int64]:
    r"""Predict by the weighted vote of the nearest rows by cosine (Wu et al. 2018), searched exactly.

    .. math:: \hat y(q) = \arg\max_c \sum_{i \in N_k(q)} [y_i = c] \exp(\cos(q, x_i) / \tau)

    One search serves every setting. Votes that are equal, as they often are where all neighbours weigh the same, go to
    the class whose neighbours are nearer.

    Parameters
    ----------
    x : Tensor, shape (T, D)
        Rows that may be neighbours, centred.
    y : Tensor of int64, shape (T,)
        Their classes, 0 to ``n_classes - 1``.
    queries : Tensor, shape (Q, D)
        Rows to predict, shifted as `x` was.
    settings : sequence of Vote
        S settings, each with k up to T.
    n_classes : int
        Number of classes C.

    Returns
    -------
    ndarray of int64, shape (S, Q)
        The class predicted for each query under each setting.
    """
    index, similarity = nearest(queries, x, max(s.k for s in settings))
    # The search is the work. Votes are added up on the CPU, in float64 and in order: the same bits on every device.
    near, closeness = y[index].cpu().numpy(), similarity.cpu().double().numpy()
    cell = np.arange(len(near))[:, None] * n_classes + near
    predicted = np.empty((len(settings), len(near)), np.int64)
    for temperature in {s.temperature for s in settings}:
        total, counted = np.zeros(len(near) * n_classes), 0
        for k, number in sorted((s.k, i) for i, s in enumerate(settings) if s.temperature == temperature):
            weight = _weights(closeness[:, counted:k], temperature)
            total += np.bincount(cell[:, counted:k].ravel(), weight.ravel(), minlength=len(total))
            counted = k
            predicted[number] = total.reshape(-1, n_classes).argmax(axis=1)
    return predicted


def _weights(similarity: NDArray[np.float64], temperature: float | None) -> NDArray[np.float64]:
    if temperature is None:
        # Extras in [0, 1e-6] break ties; it would take a million neighbours for them to outweigh a vote.
        return 1 + (1 + similarity) * 5e-7
    return np.exp((similarity - 1) / temperature)


BATCH = 512
MOMENTUM = 0.9
DROPS = (6, 8)  # tenths of training after which the learning rate falls to a tenth
CHUNK = 4096


@dataclass(frozen=True)
class Step:
    """Settings of a linear readout."""

    learning_rate: float
    """Learning rate of SGD, for rows whose mean squared length is 1."""
    weight_decay: float
    """Decay of the weights; biases do not decay."""


STEPS = tuple(Step(rate, decay) for decay in (0.0, 1e-4) for rate in (1.0, 3.0, 0.3, 10.0, 0.1, 30.0, 100.0))
"""Settings to choose from, in order of preference; the range was set on rows of CIFAR-10's training part."""


def train_heads(
    x: Tensor, y: Tensor, settings: Sequence[Step], *, n_classes: int, epochs: int, seed: int
) -> tuple[Tensor, Tensor]:
    r"""Train one linear classifier for each setting, all on the same batches, as one layer of S C outputs.

    The recipe is that of the released evaluation: softmax cross-entropy, batches of 512, momentum 0.9, a learning rate
    that falls to a tenth at 60 % and at 80 % of the epochs. With the gradient g of a head's mean loss,
    :math:`v \leftarrow 0.9 v + g + \lambda w` and :math:`w \leftarrow w - \mathrm{lr}\, v`. Heads start at zero, so that
    the seed decides the order of the rows and nothing else.

    Parameters
    ----------
    x : Tensor, shape (T, D)
        Rows, centred, of mean squared length 1.
    y : Tensor of int64, shape (T,)
        Their classes, 0 to ``n_classes - 1``.
    settings : sequence of Step
        S settings.
    n_classes : int
        Number of classes C.
    epochs : int
        Passes over the rows. In each they are cut into batches of equal size, 512 at most.
    seed : int
        Of the order of the rows.

    Returns
    -------
    weight : Tensor, shape (D, S, C)
        Weights of each head.
    bias : Tensor, shape (S, C)
        Biases of each head.
    """
    shape = (len(settings), n_classes)
    columns = torch.tensor([[s.learning_rate, s.weight_decay] for s in settings], device=x.device)
    rate, decay = columns.repeat_interleave(n_classes, dim=0).unbind(1)
    weight, bias = x.new_zeros(x.shape[1], rate.numel()), x.new_zeros(rate.numel())
    weight_velocity, bias_velocity = torch.zeros_like(weight), torch.zeros_like(bias)
    generator = torch.Generator().manual_seed(seed)
    # A row's gradient is never longer than twice the row: too high a learning rate gives poor heads, not overflow.
    for epoch in range(epochs):
        slowed = rate * 0.1 ** sum(10 * epoch >= tenths * epochs for tenths in DROPS)
        order = torch.randperm(len(x), generator=generator).to(x.device)
        for rows in order.tensor_split(-(-len(x) // BATCH)):
            batch = x[rows]
            error = torch.addmm(bias, batch, weight).view(-1, *shape).softmax(dim=2)
            error[torch.arange(len(rows), device=x.device), :, y[rows]] -= 1
            error = error.view(len(rows), -1).div_(len(rows))
            weight_velocity.mul_(MOMENTUM).addmm_(batch.T, error).addcmul_(weight, decay)
            bias_velocity.mul_(MOMENTUM).add_(error.sum(dim=0))
            weight.addcmul_(weight_velocity, slowed, value=-1)
            bias.addcmul_(bias_velocity, slowed, value=-1)
    return weight.view(-1, *shape), bias.view(shape)


def train_and_predict(
    x: Tensor, y: Tensor, queries: Tensor, settings: Sequence[Step], *, n_classes: int, epochs: int, seed: int
) -> NDArray[np.int64]:
    """Return the class that each head of `train_heads` predicts for each of Q queries, shape (S, Q)."""
    weight, bias = train_heads(x, y, settings, n_classes=n_classes, epochs=epochs, seed=seed)
    flat, shift = weight.flatten(1), bias.flatten()
    # Some rows at a time: all scores of all heads together would take more room than the features.
    parts = [torch.addmm(shift, q, flat).view(-1, *bias.shape).argmax(dim=2) for q in torch.split(queries, CHUNK)]
    return np.asarray(torch.cat(parts).T.cpu().numpy())


MAX_FOLDS = 5

Part: TypeAlias = tuple[ArrayLike, ArrayLike]
Features: TypeAlias = NDArray[np.float32]
Labels: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Known:
    """Rows and labels that a readout may know."""

    features: Features
    """Shape (T, D)."""
    labels: Labels
    """Shape (T,)."""
    held: tuple[NDArray[np.bool_], ...]
    """Rows that are held out, one mask after the other, to choose settings on; none if there is nothing to choose on."""


def check_parts(parts: Mapping[str, Part]) -> list[tuple[Features, Labels]]:
    """Return features as float32 and labels as int64, fit to be compared.

    Parameters
    ----------
    parts : mapping of str to tuple of array_like
        Features, shape (T, D), and classes, shape (T,), under the name of the part. Training rows come first.

    Returns
    -------
    list of tuple of ndarray

    Raises
    ------
    DataError
        If a part is empty, of the wrong shape or type, or not finite; if columns differ; if there is one class only; or
        if a part has a class that training rows lack.
    """
    checked: list[tuple[Features, Labels]] = []
    for name, (features, labels) in parts.items():
        x, y = np.asarray(features), np.asarray(labels)
        if x.ndim != 2 or 0 in x.shape or x.dtype.kind not in "fiub":
            raise DataError(
                f"the {name} features are {x.dtype} of shape {x.shape}; they must be numbers of shape (images, features), "
                "with at least one of each"
            )
        if y.shape != x.shape[:1] or y.dtype.kind not in "iu":
            raise DataError(
                f"the {name} labels are {y.dtype} of shape {y.shape}; give one class, a whole number, to each of "
                f"{len(x)} images"
            )
        with np.errstate(over="ignore"):
            x = x.astype(np.float32, copy=False)
        if not np.isfinite(x).all():
            row = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
            raise DataError(f"{name} row {row} has features that are NaN, infinite or too large for float32")
        first, classes = checked[0] if checked else (x, y)
        if x.shape[1] != first.shape[1]:
            raise DataError(
                f"the {name} rows have {x.shape[1]} features, the training rows {first.shape[1]}; give the same to all"
            )
        missing = np.setdiff1d(y, classes)
        if missing.size:
            raise DataError(
                f"a label missing from the training rows: {', '.join(str(v) for v in missing)} occurs in {name} rows only; "
                "split anew, by class"
            )
        checked.append((x, y.astype(np.int64)))
    only = np.unique(checked[0][1])
    if len(only) < 2:
        raise DataError(f"all training rows have the label {only[0]}; a readout needs two classes or more")
    return checked


def known_whole(train: tuple[Features, Labels], valid: tuple[Features, Labels]) -> Known:
    """Let a readout know training and validation rows, and choose its settings on the latter."""
    x, y = np.concatenate([train[0], valid[0]]), np.concatenate([train[1], valid[1]])
    return Known(x, y, (np.arange(len(y)) >= len(train[1]),))


def known_few(train: tuple[Features, Labels], n: int, rng: np.random.Generator) -> Known:
    """Let a readout know n training rows per class, and choose its settings among them.

    Rows are held out in up to five folds that hold every class, and leave every class; so with n = 1 there are none.
    """
    rows = draw_images(train[1], n, rng)
    fold = np.repeat(np.arange(n) % MAX_FOLDS, rows.shape[1])
    held = tuple(fold == f for f in range(min(MAX_FOLDS, n))) if n > 1 else ()
    return Known(train[0][rows.ravel()], train[1][rows.ravel()], held)


def draw_images(y: ArrayLike, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw n rows of each class without replacement.

    Parameters
    ----------
    y : array_like of int, shape (T,)
        Classes.
    n : int
        How many of each.
    rng : numpy.random.Generator
        Source of the draw.

    Returns
    -------
    ndarray of int64, shape (n, C)
        Rows, one column a class.

    Raises
    ------
    SettingError
        If n is below 1.
    DataError
        If a class has too few; the text says how many.
    """
    labels = np.asarray(y)
    if n < 1:
        raise SettingError(f"labels is {n}; it must be 1 or more per class")
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < n:
        raise DataError(
            f"{n} labelled images per class were asked for, but label {classes[counts.argmin()]} has {counts.min()} among the "
            "training rows; ask for fewer"
        )
    return np.stack([rng.permutation(np.flatnonzero(labels == c))[:n] for c in classes], axis=1)


def scaled(x: Features, queries: Features, device: torch.device) -> tuple[Tensor, Tensor]:
    """Centre rows by the mean of `x`, and divide them by one number: the root of the mean squared length of `x`, centred.

    So settings mean the same for 3072 pixels and for 512 features of any scale, and the geometry between rows is kept,
    which standardising each column would change. Centring matters to neighbours by cosine: an offset common to all rows
    hides the angles between them.

    Parameters
    ----------
    x : ndarray of float32, shape (T, D)
        Rows to fit on.
    queries : ndarray of float32, shape (Q, D)
        Rows to predict.
    device : torch.device
        Where the result lies.

    Returns
    -------
    tuple of Tensor
        Both, scaled.
    """
    mean = x.mean(axis=0, dtype=np.float64).astype(np.float32)
    rows, others = x - mean, queries - mean
    # Squares are taken of numbers up to 1, lest those of large or tiny features leave float32.
    peak = max(rows.max(), -rows.min()) or np.float32(1)
    rows /= peak
    length = np.float32(np.sqrt(np.einsum("td,td->t", rows, rows).mean(dtype=np.float64))) or np.float32(1)
    rows /= length
    others /= peak
    others /= length
    return torch.from_numpy(rows).to(device), torch.from_numpy(others).to(device)


def evaluate_features(
    train: Part,
    valid: Part,
    test: Part,
    *,
    seed: int = 0,
    epochs: int = 100,
    device: str = "auto",
    labels: int | None = None,
    draws: int = 5,
) -> dict[str, ImageScores]:
    """Read classes out of frozen features of images, by neighbours and by a linear layer.

    The settings of a readout are those that predict most validation rows when it is fitted on training rows. With them it is
    fitted anew on training and validation rows together (so that validation rows are neighbours too) and predicts the test
    rows, once. Test labels serve to count hits, and nothing else. Images are not augmented for a readout.

    With `labels`, a readout knows nothing but so many labelled images per class, drawn from the training rows: its settings
    are chosen by cross-validation among those or, where a class has a single one, are the first of the grid. Both
    readouts get the same draws.

    Parameters
    ----------
    train, valid, test : tuple of array_like
        Features, shape (T, D), and classes as whole numbers, shape (T,). See `scaled` for how readouts see them.
    seed : int, optional
        Of the order of rows in SGD, and of the draws.
    epochs : int, optional
        Of the linear readout. The released evaluation takes 100; fewer are for small runs.
    device : str, optional
        Where to compute.
    labels : int, optional
        Labelled images per class. Default: all training and validation rows.
    draws : int, optional
        Random choices of those images to average over.

    Returns
    -------
    dict of str to ImageScores
        "knn" and "linear".

    Raises
    ------
    DataError
        If a part is empty or not finite, parts differ in their columns, there is one class only, or a class is missing from
        the training rows or has fewer of them than `labels`.
    SettingError
        If `epochs`, `labels` or `draws` is below 1, the seed below 0, or the device cannot be used.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(90) % 3
    >>> x = rng.normal(size=(90, 4)) + 4 * np.eye(4)[y]
    >>> parts = [(x[rows], y[rows]) for rows in (slice(0, 40), slice(40, 60), slice(60, 90))]
    >>> scores = evaluate_features(*parts, epochs=10, device="cpu")
    >>> scores["knn"]["accuracy"] > 0.8, scores["linear"]["n_test"]
    (True, 30)
    """
    for name, value, least in (("seed", seed, 0), ("epochs", epochs, 1), ("labels", labels, 1), ("draws", draws, 1)):
        if value is not None and value < least:
            raise SettingError(f"{name} is {value}; it must be {least} or more")
    place = choose_device(device)
    fitted, held, judged = check_parts({"training": train, "validation": valid, "test": test})
    if labels is None:
        known = [known_whole(fitted, held)]
    else:
        known = [known_few(fitted, labels, np.random.default_rng([seed, draw])) for draw in range(draws)]
    classes = np.unique(fitted[1])
    majority = majority_rate(fitted[1], judged[1])
    scores: dict[str, ImageScores] = {}
    for name, readout in _readouts(classes, epochs, seed, place).items():
        choices = [readout.choose(k) for k in known]
        # Everything is chosen; from here on the labels of test rows are read, once.
        predicted = [
            readout.predict(k.features, k.labels, judged[0], [c.setting])[0]
            for k, c in zip(known, choices, strict=True)
        ]
        scores[name] = ImageScores(
            **score_images(np.stack(predicted), judged[1], classes),
            majority=majority,
            validation_accuracy=_mean([c.accuracy for c in choices]),
            settings=[asdict(c.setting) for c in choices],
            labels=labels,
            n_train=len(fitted[1]) if labels is None else len(known[0].labels),
            n_valid=len(held[1]) if labels is None else 0,
        )
    return scores


@dataclass(frozen=True)
class _Choice:
    setting: Any
    accuracy: float | None
    """On rows held out; None where none were."""


@dataclass(frozen=True)
class _Readout:
    run: Callable[..., NDArray[np.int64]]
    """Rows, their classes from 0, queries and S settings give the classes of the queries, shape (S, Q)."""
    grid: Callable[[int], Sequence[Any]]
    """Settings that so many rows allow, in order of preference."""
    classes: Labels
    device: torch.device

    def predict(self, x: Features, y: Labels, queries: Features, settings: Sequence[Any]) -> Labels:
        rows, others = scaled(x, queries, self.device)
        index = torch.from_numpy(np.searchsorted(self.classes, y)).to(self.device)
        return np.asarray(self.classes[self.run(rows, index, others, settings, n_classes=len(self.classes))])

    def choose(self, known: Known) -> _Choice:
        """Choose the setting that is right most often on rows held out; of several, the first in the grid."""
        x, y = known.features, known.labels
        if not known.held:
            return _Choice(self.grid(len(y))[0], None)
        settings = self.grid(min(int((~held).sum()) for held in known.held))
        hits = sum((self.predict(x[~held], y[~held], x[held], settings) == y[held]).sum(axis=1) for held in known.held)
        best = int(np.argmax(hits))
        return _Choice(settings[best], float(hits[best] / sum(int(held.sum()) for held in known.held)))


def _readouts(classes: Labels, epochs: int, seed: int, device: torch.device) -> dict[str, _Readout]:
    return {
        "knn": _Readout(vote, votes, classes, device),
        "linear": _Readout(partial(train_and_predict, epochs=epochs, seed=seed), lambda _: STEPS, classes, device),
    }


def _mean(accuracies: Sequence[float | None]) -> float | None:
    numbers = [a for a in accuracies if a is not None]
    return float(np.mean(numbers)) if numbers else None


LARGEST = 32  # pixels a side of the row of raw pixels; what is larger is averaged down, so that all fits into memory


def evaluate_images(
    model: ImageEstimator,
    train: Images,
    valid: Images,
    test: Images,
    *,
    target: str | None = None,
    labels: int | None = None,
    epochs: int = 100,
    seed: int = 0,
    device: str = "cpu",
    known: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Read a label out of frozen features by k-NN and by a linear readout.

    The readouts' settings are chosen on validation images; the test images are looked at once.

    Parameters
    ----------
    model : ImageEstimator
        Fitted.
    train, valid, test : Images
        Three parts, as `Images.parts` gives them.
    target : str, optional
        Label to read out. Default: the first.
    labels : int, optional
        Labelled training images per class. Default: all.
    epochs : int, optional
        Of the linear readout; 100 as released.
    seed : int, optional
        Of the readouts.
    device : str, optional
        Where the readouts are computed.
    known : dict, optional
        What was read out before, by the checksum of the features; it is looked up here, and what is new is added. Raw pixels, the dearest
        of the three, are the same for every model.

    Returns
    -------
    dict
        "dataset", "method", "target", "labels", "subset" ("" for the official set), "n_train", "n_valid", "n_test", and
        under "embedding", "raw" (pixels) and "untrained" what `myow.evaluation.images.evaluate_features` finds.

    Raises
    ------
    DataError
        If the images have no such label.
    """
    check_is_fitted(model, "network_")
    if not train.labels:
        raise DataError(
            "these images have no labels, so that nothing can be read out; put them into one folder a class"
        )
    target = target or next(iter(train.labels))
    if target not in train.labels:
        raise DataError(f"the images have no label '{target}'; they have {', '.join(train.labels)}")
    untrained: ImageEstimator = clone(model).set_params(random_state=model.seed_)
    untrained.initialise(train)
    rows = {"embedding": model.transform, "raw": raw_pixels, "untrained": untrained.transform}
    parts = (train, valid, test)
    known = {} if known is None else known
    found = {}
    for name, features in rows.items():
        values = [(features(part), part.labels[target]) for part in parts]
        key = _checksum(values, (seed, epochs, labels))
        if key not in known:
            known[key] = evaluate_features(*values, seed=seed, epochs=epochs, labels=labels, device=device)
        found[name] = known[key]
    return {
        "dataset": train.name,
        "method": method_name(type(model)),
        "target": target,
        "labels": labels,
        "subset": train.subset,
        "readout_epochs": epochs,
        "n_train": len(train),
        "n_valid": len(valid),
        "n_test": len(test),
        **found,
    }


def _checksum(parts: Sequence[tuple[NDArray[Any], NDArray[Any]]], settings: tuple[Any, ...]) -> str:
    """Return a digest of features, labels and settings of the readouts."""
    sha = hashlib.sha256(repr(settings).encode())
    for features, labels in parts:
        sha.update(f"{features.shape} {labels.dtype}".encode())
        sha.update(np.ascontiguousarray(features).tobytes() + np.ascontiguousarray(labels).tobytes())
    return sha.hexdigest()


def raw_pixels(images: Images) -> NDArray[np.float32]:
    """Return pixels as features in [0, 1], shape (T, h * w * 3), averaged down to at most 32 pixels a side."""
    height, width = images.pixels.shape[1:3]
    size = (min(height, LARGEST), min(width, LARGEST))
    parts = []
    for part in torch.split(bytes_of(images), 1024):
        x = part.permute(0, 3, 1, 2).float() / 255
        if size != (height, width):
            x = F.adaptive_avg_pool2d(x, size)
        parts.append(x.flatten(1))
    pixels: NDArray[np.float32] = torch.cat(parts).numpy()
    return pixels
