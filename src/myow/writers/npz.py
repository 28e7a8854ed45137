"""NumPy archives (.npz): arrays by name, which `numpy.load` reads.

==================  =======================================================
``z``               (T, D), float32
``times``           (T,), start of each bin in s
``segments``        (T,)
``label_NAME``      (T,) or (T, d), a label
``bin_size``        number of seconds
``dimensions``      (D,), names
``name``            of the recording
``provenance``      a JSON object in a string
``period_NAME``     value of a full turn of the cyclic label NAME
==================  =======================================================
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..data.embedding import Embedding
from ..disk.arrays import read_arrays, write_arrays
from ..errors import FileError
from ..readers._fields import most_bytes
from ..readers._guard import parsing
from ._about import LABEL, json_object, restored

__all__ = ["SUFFIXES", "read", "write"]

SUFFIXES = (".npz",)

PERIOD = "period_"


def write(path: Path, embedding: Embedding) -> None:
    """Write an embedding as .npz.

    Parameters
    ----------
    path : Path
        The file.
    embedding : Embedding
        What to write.
    """
    arrays: dict[str, Any] = {"z": embedding.z, "times": embedding.times, "segments": embedding.segments}
    arrays |= {"bin_size": embedding.bin_size, "dimensions": embedding.dimensions, "name": embedding.name}
    arrays |= {"provenance": json.dumps(dict(embedding.provenance))}
    arrays |= {LABEL + name: values for name, values in embedding.labels.items()}
    arrays |= {PERIOD + name: period for name, period in embedding.periods.items()}
    write_arrays(path, arrays)


def read(path: Path) -> Embedding:
    """Read an embedding from .npz.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Embedding
    """
    with parsing(path, ".npz archive"):
        arrays = read_arrays(path, limit=most_bytes(path))
        missing = [name for name in ("z", "times", "segments", "bin_size") if name not in arrays]
        if missing:
            raise FileError(f"{path} holds no embedding: it has no '{missing[0]}'; write it with myow.write")
        about: dict[str, Any] = {
            key: arrays[key].tolist() for key in ("bin_size", "dimensions", "name") if key in arrays
        }
        if "provenance" in arrays:
            about["provenance"] = json_object(path, arrays["provenance"].item(), "provenance")
        about["periods"] = {k.removeprefix(PERIOD): v.item() for k, v in arrays.items() if k.startswith(PERIOD)}
        labels = {k.removeprefix(LABEL): v for k, v in arrays.items() if k.startswith(LABEL)}
        return restored(path, about, arrays["z"], arrays["times"], arrays["segments"], labels)
