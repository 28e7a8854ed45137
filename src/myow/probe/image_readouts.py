"""What frozen features of images are worth: a k-nearest-neighbour and a linear readout that choose nothing on test rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..device import choose_device
from ..errors import SettingError
from .image_knn import vote, votes
from .image_linear import STEPS, train_and_predict
from .image_parts import Features, Known, Labels, Part, check_parts, known_few, known_whole, scaled
from .image_scores import ImageScores, score_images
from .scores import majority_rate

__all__ = ["evaluate_features"]


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
        Features, shape (T, D), and classes as whole numbers, shape (T,). See `image_parts.scaled` for how readouts see them.
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
