"""What a model was trained on, in what JSON can hold: enough to know the data again, none of its values."""

from __future__ import annotations

from typing import Any

from .images import Images
from .recording import Recording
from .rows import Rows
from .sessions import Sessions

__all__ = ["identify"]


def identify(data: Rows) -> list[dict[str, Any]]:
    """Describe training rows, one entry a recording or set of images.

    Parameters
    ----------
    data : Rows
        What was trained on.

    Returns
    -------
    list of dict
        "name", "kind" ("counts", "continuous", "images"), "rows", "digest" (SHA-256 of what training sees) and "source" (file,
        licence, citation). Of a recording also "n_units", "units" (their names; none where they were made up), "bin_size" in s and
        "segments"; of images "size" (height, width).

    Examples
    --------
    >>> about = identify(Recording([[0, 2], [1, 0]], bin_size=0.1, name="a"))[0]
    >>> about["name"], about["n_units"], about["rows"], about["bin_size"]
    ('a', 2, 2, 0.1)
    """
    if isinstance(data, Sessions):
        return [{**_recording(part), "name": name} for name, part in data.recordings.items()]
    if isinstance(data, Recording):
        return [_recording(data)]
    if isinstance(data, Images):
        own = {"name": data.name, "kind": "images", "size": list(data.size)}
        return [own | {"rows": len(data), "digest": data.digest(), "source": _texts(data.source)}]
    return [{"name": "", "kind": "", "rows": len(data), "source": {}}]


def _recording(data: Recording) -> dict[str, Any]:
    made_up = tuple(data.units) == tuple(f"unit{i}" for i in range(data.n_units))
    return {
        "name": data.name,
        "kind": data.kind,
        "n_units": data.n_units,
        "units": [] if made_up else list(data.units),
        "bin_size": data.bin_size,
        "rows": len(data),
        "segments": data.n_segments,
        "digest": data.digest(),
        "source": _texts(data.source),
    }


def _texts(source: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in source.items()}
