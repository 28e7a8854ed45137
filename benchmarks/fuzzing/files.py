"""What others publish: pickles, archives, images."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from myow.datasets import cifar
from myow.io.image_folder import read_image_folder
from myow.io.untrusted import load_pickle, read_archive

from .loader import Loader

__all__ = ["of_cifar", "of_image", "of_pickle", "of_tar", "of_zip"]


def of_pickle(folder: Path) -> Loader:
    contents = [
        {"data": [{"x": torch.arange(6.0).reshape(3, 2), "y": torch.tensor([4, 4, 4])}] * 2},
        [1, 2.5, "x", None, True, (1,)],
    ]
    return Loader(".pkl", "pickle", [(pickle.dumps(c, protocol=p), load_pickle) for c in contents for p in (3, 4)])


def of_cifar(folder: Path) -> Loader:
    layout = cifar.LAYOUTS["cifar-10"]
    batch = {b"data": np.arange(2 * 3072, dtype=np.uint64).astype(np.uint8).reshape(2, 3072), b"labels": [1, 2]}
    meta = {b"label_names": [b"class%d" % i for i in range(10)]}

    def as_batch(path: Path) -> None:
        cifar._batch(path.read_bytes(), str(path), layout)

    def as_names(path: Path) -> None:
        cifar._names(path.read_bytes(), str(path), layout)

    return Loader(
        ".bin", "pickle", [(pickle.dumps(batch, protocol=2), as_batch), (pickle.dumps(meta, protocol=2), as_names)]
    )


MEMBERS = {"set/a.txt": b"alpha" * 40, "set/deep/b.bin": bytes(range(256)) * 8, "set/c.txt": b""}


def _archive(path: Path) -> None:
    for _ in read_archive(path, lambda name: True, largest=1 << 20, total=1 << 22):
        pass


def of_tar(folder: Path) -> Loader:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in MEMBERS.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return Loader(".tar.gz", "tar", [(gzip.compress(file.getvalue()), _archive)])


def of_zip(folder: Path) -> Loader:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in MEMBERS.items():
            archive.writestr(name, content)
    return Loader(".zip", "zip", [(file.getvalue(), _archive)])


def of_image(folder: Path) -> Loader:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    seeds = []
    for suffix, options in (
        (".png", {}),
        (".jpg", {}),
        (".gif", {}),
        (".bmp", {}),
        (".tif", {"compression": "tiff_lzw"}),
        (".webp", {}),
        (".ppm", {}),
    ):
        path = folder / f"image{suffix}"
        Image.fromarray(pixels).save(path, **options)

        def load(path: Path, suffix: str = suffix) -> None:
            read_image_folder(path.rename(path.with_suffix(suffix)).parent, size=8)

        seeds.append((path.read_bytes(), load))
    return Loader("", "bytes", seeds, writes=True)
