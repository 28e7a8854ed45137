"""Tiny images whose classes can be told by colour and by where they are bright."""

import numpy as np

from myow.data.images import Images


def tiny_images(n=60, size=8, classes=3, seed=0, n_test=20):
    rng = np.random.default_rng(seed)
    label = np.arange(n) % classes
    pixels = rng.normal(90, 40, (n, size, size, 3))
    for i, c in enumerate(label):
        pixels[i, :, :, c % 3] += 90
        pixels[i, c : c + 3] += 30
    test = np.arange(n) >= n - n_test
    return Images(pixels.clip(0, 255).astype(np.uint8), labels={"class": label}, test=test, name="tiny")
