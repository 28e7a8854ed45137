"""Embeddings to be fuzzed: a file of each format that they are read from."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np

from myow.data.embedding import Embedding
from myow.io.embeddings import READ, read_embedding, write

from .loader import Loader

__all__ = ["EMBEDDINGS", "of_embedding"]

CONTAINERS = {".npz": "zip", ".nwb": "hdf5"}
assert set(READ) == set(CONTAINERS), "say what container each ending is"
EMBEDDINGS = [s for s in CONTAINERS if s != ".nwb" or importlib.util.find_spec("pynwb")]


def of_embedding(suffix: str) -> Callable[[Path], Loader]:
    """Return what makes files with an ending, and their loader."""

    def make(folder: Path) -> Loader:
        return Loader(
            suffix,
            CONTAINERS[suffix],
            [(_written(folder, suffix, n), read_embedding) for n in (1, 3)],
            foreign=suffix == ".nwb",
        )

    return make


def _written(folder: Path, suffix: str, n_segments: int) -> bytes:
    segments = np.repeat(np.arange(n_segments), 6)
    embedding = Embedding(
        np.random.default_rng(0).normal(size=(len(segments), 3)),
        bin_size=0.1,
        times=segments * 2.0 + np.tile(np.arange(6) / 10, n_segments),
        segments=segments,
        labels={"direction": segments % 2, "place": np.array(["a", "b", "c"])[segments]},
        periods={"direction": 2.0},
        provenance={"model": "known"},
    )
    return write(folder / f"{n_segments}{suffix}", embedding).read_bytes()
