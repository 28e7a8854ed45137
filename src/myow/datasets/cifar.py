"""CIFAR: small colour images of things, 32 x 32 pixels; 50,000 to train on and 10,000 to test with.

=========  ===========================================  =======
name       label "class"                                classes
=========  ===========================================  =======
cifar-10   what is seen                                 10
cifar-100  what is seen; "coarse" is its superclass     100
cifar-20   the superclass of cifar-100                  20
=========  ===========================================  =======

Citation: Krizhevsky, Learning multiple layers of features from tiny images, technical report, University of Toronto (2009).
The authors state no licence. Read from the "python version" archives or the folders that they unpack to, whose pickles are
opened without running what they may carry. Images come in the published order, those of the test part last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.images import Images
from ..data.recording import frozen
from ..errors import DataError, FileError
from ..io.download import PublishedFile
from ..io.untrusted import load_arrays
from .card import ImageCard, find, members, source

__all__ = ["CARDS", "load"]

LICENCE = "none stated"
CITATION = "Krizhevsky, Learning multiple layers of features from tiny images (2009)"
ADDRESS = "https://www.cs.toronto.edu/~kriz"
SIDE = 32
LARGEST, TOTAL = 192 << 20, 256 << 20  # bytes: the training images of CIFAR-100 are one file of 155 MB


@dataclass(frozen=True)
class _Label:
    """Place of a label: its key in the batches, that of its names in the meta file, and how many classes it has."""

    key: str
    names: str
    classes: int


@dataclass(frozen=True)
class _Layout:
    """Files of a set, and its labels."""

    train: tuple[str, ...]
    test: str
    meta: str
    labels: dict[str, _Label]


TEN = _Label("labels", "label_names", 10)
FINE, COARSE = _Label("fine_labels", "fine_label_names", 100), _Label("coarse_labels", "coarse_label_names", 20)

LAYOUTS = {
    "cifar-10": _Layout(tuple(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta", {"class": TEN}),
    "cifar-100": _Layout(("train",), "test", "meta", {"class": FINE, "coarse": COARSE}),
    "cifar-20": _Layout(("train",), "test", "meta", {"class": COARSE}),
}


def _archive(name: str, md5: str) -> PublishedFile:
    return PublishedFile(name, f"{ADDRESS}/{name}", md5=md5, licence=LICENCE, citation=CITATION)


ARCHIVES = {
    "cifar-10-batches-py": _archive("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"),
    "cifar-100-python": _archive("cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85"),
}


def _card(name: str, folder: str) -> ImageCard:
    return ImageCard(
        name=name,
        train=50_000,
        test=10_000,
        size=(SIDE, SIDE),
        classes=LAYOUTS[name].labels["class"].classes,
        licence=LICENCE,
        citation=CITATION,
        archive=ARCHIVES[folder],
        folder=folder,
    )


CARDS = (
    _card("cifar-10", "cifar-10-batches-py"),
    _card("cifar-100", "cifar-100-python"),
    _card("cifar-20", "cifar-100-python"),
)


def load(name: str) -> Images:
    """Load a set.

    Parameters
    ----------
    name : str
        One of the cards.

    Returns
    -------
    Images

    Raises
    ------
    FileError, DataError
        If a file is missing, altered, or not laid out as expected.
    """
    card = next(card for card in CARDS if card.name == name)
    layout = LAYOUTS[name]
    place = find(card)
    wanted = (*layout.train, layout.test, layout.meta)
    files = dict(members(card, place, lambda name: name in wanted, largest=LARGEST, total=TOTAL))
    for file in wanted:
        if file not in files:
            raise FileError(f"{place} lacks {file}; unpack the whole of {card.archive.name}, from {card.archive.url}")
    batches = [_batch(files[file], f"{place}: {file}", layout) for file in wanted[:-1]]
    n_test = len(batches[-1][0])
    pixels = np.concatenate([batch[0] for batch in batches])
    return Images(
        frozen(pixels),
        labels={label: np.concatenate([batch[1][label] for batch in batches]) for label in layout.labels},
        test=np.arange(len(pixels)) >= len(pixels) - n_test,
        class_names=_names(files[layout.meta], f"{place}: {layout.meta}", layout),
        name=name,
        source=source(card, place),
        official=(card.train, card.test),
    )


def _batch(content: bytes, where: str, layout: _Layout) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.int64]]]:
    """Read images, shape (n, 32, 32, 3), and labels of a file."""
    batch = load_arrays(content, where)
    pixels = _value(batch, "data", where)
    width = 3 * SIDE * SIDE
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != width:
        found = (
            f"shape {pixels.shape} and type {pixels.dtype}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        )
        raise DataError(
            f"{where}: images have {found}; they must be bytes (uint8) of shape (images, {width}); get it again"
        )
    if len(pixels) == 0:
        raise DataError(f"{where} holds no images; get it again")
    labels = {}
    for name, label in layout.labels.items():
        values = _value(batch, label.key, where)
        if not isinstance(values, list) or len(values) != len(pixels):
            found = f"{len(values)} values" if isinstance(values, list) else f"a {type(values).__name__}"
            raise DataError(
                f"{where}: {label.key} holds {found} for {len(pixels)} images; it must be a list with one for each"
            )
        wrong = [v for v in values if type(v) is not int or not 0 <= v < label.classes]
        if wrong:
            raise DataError(
                f"{where}: {label.key} holds {wrong[0]!r}; it must hold whole numbers from 0 to {label.classes - 1}"
            )
        labels[name] = np.array(values, dtype=np.int64)
    # Published as planes of red, green and blue.
    return pixels.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), labels


def _names(content: bytes, where: str, layout: _Layout) -> dict[str, tuple[str, ...]]:
    meta = load_arrays(content, where)
    names = {}
    for name, label in layout.labels.items():
        values = _value(meta, label.names, where)
        if not isinstance(values, list) or len(values) != label.classes or not all(type(v) is bytes for v in values):
            raise DataError(f"{where}: {label.names} must list the names of {label.classes} classes; get it again")
        names[name] = tuple(v.decode("ascii", "replace") for v in values)
    return names


def _value(batch: dict[str, Any], key: str, where: str) -> Any:
    if key not in batch:
        raise FileError(f"{where} has no '{key}', only {', '.join(sorted(batch)) or 'nothing'}; get the published file")
    return batch[key]
