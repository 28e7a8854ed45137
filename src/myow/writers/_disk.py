"""Writing HDF5 where the disk may be full: the library does not outlive that (it crashes later), so it must not meet it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..data.embedding import Embedding
from ..disk.storage import writing
from ..extras import need

__all__ = ["in_memory", "reserve"]

MIB = 1 << 20
ROOM = 8 * MIB  # for what stands beside the arrays; a schema of NWB takes less than one


@contextlib.contextmanager
def in_memory(path: Path, extra: str) -> Iterator[Any]:
    """Give an HDF5 file that is in memory; it is written to the disk at the end, whole or not at all.

    Parameters
    ----------
    path : Path
        Where it is to stand.
    extra : str
        The extra that installs what writes it.

    Yields
    ------
    h5py.File

    Raises
    ------
    FileError
        If it cannot be written.
    """
    h5py = need("h5py", extra, f"writing {path.suffix} files")
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    with writing(path) as part:
        part.write_bytes(image)


def reserve(part: Path, embedding: Embedding) -> None:
    """Make a file longer by more than an embedding takes; HDF5 writes there, and cuts off the rest when it closes the file.

    Raises
    ------
    OSError
        If the disk has no such room.
    """
    labels = sum(values.nbytes + 16 * values.size for values in embedding.labels.values())  # texts have a place each
    left = ROOM + 2 * (embedding.z.nbytes + labels + 40 * len(embedding))
    with part.open("ab") as file:
        while left > 0:
            left -= file.write(bytes(min(left, MIB)))
