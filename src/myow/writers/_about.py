"""What stands beside the arrays of an embedding, as JSON; and what every format needs to be read back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.embedding import Embedding
from ..errors import DataError, FileError

__all__ = ["LABEL", "as_texts", "beside", "encoded", "joined_texts", "json_object", "plain_name", "restored"]

LABEL = "label_"
MOST_TEXT = 4 << 30  # bytes of a label of text


def beside(embedding: Embedding) -> dict[str, Any]:
    """Return all but the arrays, in what JSON can hold."""
    return {
        "bin_size": embedding.bin_size,
        "name": embedding.name,
        "dimensions": list(embedding.dimensions),
        "periods": dict(embedding.periods),
        "provenance": dict(embedding.provenance),
    }


def json_object(path: Path, text: Any, what: str) -> dict[str, Any]:
    """Read a JSON object from a text.

    Raises
    ------
    FileError
        If it is none.
    """
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise FileError(f"{path}: {what} is no JSON object; it was altered, or not written by myow")
    return found


def restored(
    path: Path, about: Mapping[str, Any], z: Any, times: Any, segments: Any, labels: Mapping[str, Any]
) -> Embedding:
    """Put an embedding together again.

    Raises
    ------
    DataError
        If the parts make none; the text names the file.
    """
    held = {
        key: about[key]
        for key in ("bin_size", "name", "dimensions", "periods", "provenance")
        if about.get(key) is not None
    }
    for key, kind in (("dimensions", list), ("periods", dict), ("provenance", dict)):
        if not isinstance(held.get(key, kind()), kind):
            raise DataError(f"{path}: {key} is a {type(held[key]).__name__}, not a {kind.__name__}; it was altered")
    if "bin_size" not in held:
        raise DataError(f"{path} does not say how wide a bin is, so it holds no embedding; write it with myow.write")
    try:
        return Embedding(z, times=times, segments=segments, labels=labels, **held)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def as_texts(path: Path, texts: Sequence[str]) -> NDArray[np.str_]:
    """Return texts as an array, each of which takes as much as the longest.

    Raises
    ------
    DataError
        If that is too much.
    """
    _check_size(path, max(map(len, texts), default=0), len(texts))
    return np.array(texts, dtype=np.str_)


def joined_texts(path: Path, parts: Sequence[NDArray[np.str_]]) -> NDArray[np.str_]:
    """Return several arrays of texts as one; raises as `as_texts`."""
    _check_size(path, max((part.dtype.itemsize // 4 for part in parts), default=0), sum(map(len, parts)))
    return np.concatenate(parts)


def _check_size(path: Path, longest: int, number: int) -> None:
    if 4 * longest * number > MOST_TEXT:
        raise DataError(f"{path}: a label has {number} texts of up to {longest} characters, which is too much; refused")


def encoded(name: str) -> str:
    """Return a name without the characters that HDF5 and NWB keep for themselves.

    Examples
    --------
    >>> encoded("50 % of a/b"), plain_name(encoded("50 % of a/b"))
    ('50 %25 of a%2Fb', '50 % of a/b')
    """
    return re.sub(r"[/\\:%.\x00-\x1f]", lambda found: f"%{ord(found[0]):02X}", name)


def plain_name(name: str) -> str:
    """Return a name as it was before `encoded`."""
    return re.sub(r"%([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), name)
