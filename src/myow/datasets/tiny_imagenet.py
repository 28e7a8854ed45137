"""Tiny ImageNet: photographs of 200 classes, 64 x 64 pixels; 100,000 to train on and 10,000 to test with.

The official validation part is the test part here, since the labels of the official test part were never published; its
images are not read. Classes are numbered in the order of their WordNet identifiers, as image folders usually are, and named by
the first word for each. Images come in the order of their files' names, those of the test part last; grey ones become colour.

Citation: Le and Yang, Tiny ImageNet visual recognition challenge, CS 231N report (2015), after Deng et al., ImageNet: a large-scale
hierarchical image database, CVPR (2009). ImageNet's terms: for research and education, not for commerce.
"""

from __future__ import annotations

import numpy as np

from ..data.images import Images
from ..data.recording import frozen
from ..errors import DataError, FileError
from ..io.download import PublishedFile
from ..io.image_folder import decode
from .card import ImageCard, find, members, source

__all__ = ["CARDS", "load"]

LICENCE = "ImageNet terms (non-commercial)"
CITATION = "Le & Yang, CS 231N report (2015); Deng et al., CVPR (2009)"
SIDE, CLASSES = 64, 200
LARGEST, TOTAL = 16 << 20, 1 << 30  # bytes: the list of words has 2.6 MB, all images have 250 MB

CARDS = (
    ImageCard(
        name="tiny-imagenet",
        train=100_000,
        test=10_000,
        size=(SIDE, SIDE),
        classes=CLASSES,
        licence=LICENCE,
        citation=CITATION,
        archive=PublishedFile(
            "tiny-imagenet-200.zip",
            "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
            md5="90528d7ca1a48142e341f4ef8d21d0de",
            licence=LICENCE,
            citation=CITATION,
        ),
        folder="tiny-imagenet-200",
    ),
)

IDENTIFIERS, WORDS, ANNOTATIONS = "wnids.txt", "words.txt", "val/val_annotations.txt"
LISTS = (IDENTIFIERS, WORDS, ANNOTATIONS)
TRAIN, TEST = "train/", "val/images/"


def load(name: str) -> Images:
    """Load the images.

    Parameters
    ----------
    name : str
        Of the card.

    Returns
    -------
    Images

    Raises
    ------
    FileError, DataError
        If a file is missing, damaged, or not laid out as expected.
    """
    (card,) = CARDS
    place = find(card)
    lists = dict(members(card, place, lambda name: name in LISTS, largest=LARGEST, total=TOTAL))
    for file in LISTS:
        if file not in lists:
            raise FileError(f"{place} lacks {file}; unpack the whole of {card.archive.name}, from {card.archive.url}")
    number = {identifier: i for i, identifier in enumerate(sorted(set(_text(lists[IDENTIFIERS]).split())))}
    if len(number) != CLASSES:
        raise DataError(f"{place}: {IDENTIFIERS} names {len(number)} classes; there must be {CLASSES}; get it again")
    annotated = {row[0]: row[1] for row in _rows(lists[ANNOTATIONS])}

    pixels, labels = bytearray(), []
    n_train = 0
    for file, content in members(card, place, _is_image, largest=LARGEST, total=TOTAL):
        image = decode(content, f"{place}: {file}")
        if image.size != (SIDE, SIDE):
            raise DataError(f"{place}: {file} has {image.width} x {image.height} pixels; it must have {SIDE} x {SIDE}")
        trains = file.startswith(TRAIN)
        identifier = file.split("/")[1] if trains else annotated.get(file.removeprefix(TEST), "")
        if identifier not in number:
            where = IDENTIFIERS if identifier else ANNOTATIONS
            raise DataError(f"{place}: the class of {file} is not in {where}; get the published set")
        pixels += image.tobytes()
        labels.append(number[identifier])
        n_train += trains
    if not 0 < n_train < len(labels):
        part = TRAIN if n_train == 0 else TEST
        raise FileError(
            f"{place} has no images in {part}; unpack the whole of {card.archive.name}, from {card.archive.url}"
        )
    return Images(
        frozen(np.frombuffer(pixels, dtype=np.uint8).reshape(-1, SIDE, SIDE, 3)),
        labels={"class": np.array(labels)},
        test=np.arange(len(labels)) >= n_train,
        class_names={"class": _names(list(number), _rows(lists[WORDS]))},
        name=name,
        source=source(card, place),
        official=(card.train, card.test),
    )


def _is_image(name: str) -> bool:
    return name.startswith((TRAIN, TEST)) and name.endswith(".JPEG")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _rows(content: bytes) -> list[list[str]]:
    rows = [line.split("\t") for line in _text(content).splitlines()]
    return [row for row in rows if len(row) > 1]


def _names(identifiers: list[str], words: list[list[str]]) -> tuple[str, ...]:
    """Name classes by the first word for each, or by their identifiers where words fail or two share one."""
    known = {row[0]: row[1].split(",")[0].strip() for row in words}
    first = [known.get(identifier) or identifier for identifier in identifiers]
    return tuple(w if first.count(w) == 1 else f"{w} ({i})" for w, i in zip(first, identifiers, strict=True))
