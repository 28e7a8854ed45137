"""What the poster printed of images: linear evaluation after 800 epochs, as shares. SimCLR's are quoted there from another paper."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["PUBLISHED_IMAGES", "published_image"]

PUBLISHED_IMAGES: Mapping[tuple[str, str], Mapping[str, float]] = {
    ("resnet18", "cifar-10"): {"simclr": 0.9180, "byol": 0.9171, "myow": 0.9210},
    ("resnet18", "cifar-100"): {"simclr": 0.6683, "byol": 0.6670, "myow": 0.6791},
    ("resnet18", "cifar-20"): {"byol": 0.7690, "myow": 0.7810},
    ("resnet18", "tiny-imagenet"): {"simclr": 0.4884, "byol": 0.5156, "myow": 0.5258},
    ("resnet50", "cifar-10"): {"simclr": 0.9173, "byol": 0.9212, "myow": 0.9318},
    ("resnet50", "cifar-100"): {"byol": 0.6787, "myow": 0.6869},
    ("resnet50", "cifar-20"): {"byol": 0.7738, "myow": 0.7887},
}
"""(encoder, dataset) -> method -> accuracy."""


def published_image(encoder: str, dataset: str, method: str) -> float | None:
    """Return the poster's accuracy, or None where it has none.

    Examples
    --------
    >>> published_image("resnet18", "cifar-10", "myow")
    0.921
    """
    return PUBLISHED_IMAGES.get((encoder, dataset), {}).get(method)
