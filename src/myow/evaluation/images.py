"""What an embedding of images is worth, always beside raw pixels and the encoder before it has learnt anything."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional as F

from ..data.images import Images
from ..errors import DataError
from ..methods import method_name
from ..methods.images import ImageEstimator
from ..probe.image_readouts import evaluate_features
from ..training.rows import bytes_of

__all__ = ["evaluate_images", "raw_pixels"]

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
        under "embedding", "raw" (pixels) and "untrained" what `myow.probe.image_readouts.evaluate_features` finds.

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
    """Tell what is read out, features and labels, and how."""
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
