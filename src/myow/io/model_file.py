"""Models on disk: one safetensors file with its description as JSON in the header. Reading it runs no code."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import FileError, SettingError
from .files import writing

__all__ = ["LATER", "finite", "read_about", "read_header", "read_tensors", "write_model"]

FORMAT = 3

LATER: dict[int, dict[str, Any]] = {
    1: {"unit_norm": False, "noise_to": "bin", "noise_unit": "input", "embedding": "representation"}
}
"""Settings that a format did not have yet, with what its models did."""

# Parts of the header that came with format 3; files of before there were images or sessions do not speak of them.
EARLIER = {"version": "", "data": "recordings", "trained_on": [], "metrics": {}, "about": {}}
EARLIER_LEARNT: dict[str, Any] = {"sessions_": {}, "classes_": None, "n_targets_": 0, "n_labelled_": 0}
KINDS = {
    "version": str,
    "settings": dict,
    "code": list,
    "learnt": dict,
    "trained_on": list,
    "metrics": dict,
    "about": dict,
}

MOST_HEADER = 16 * 2**20  # bytes; the names of 100,000 units take 2 MB
MOST_TENSORS = 20_000


def write_model(path: str | os.PathLike[str], header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write a model, whole or not at all.

    Parameters
    ----------
    path : path-like
        Usually ends in ``.myow``.
    header : dict
        What JSON can hold: "method", "settings", "code" (settings that are Python objects and are not saved), "learnt",
        "trained_on" (see `myow.data.sessions.identify`), "metrics", and "about" (anything that should travel with the model).
    tensors : dict of str to Tensor
        The weights.

    Raises
    ------
    FileError
        If the file cannot be written.
    SettingError
        If the description holds what JSON cannot, or too much of it.
    """
    try:
        text = json.dumps({"format": FORMAT} | header)
    except (TypeError, ValueError, RecursionError) as error:
        raise SettingError(
            f"the model's description cannot be written as JSON ({error}); give save what JSON can hold"
        ) from error
    held = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    # The file's header holds this text and a line a tensor, and a reader gives up on a header that is too long.
    if 2 * len(text) + 1000 * len(held) > MOST_HEADER:
        raise SettingError(
            f"the model's description is {len(text)} characters long, which no reader would take; leave out some of what was given to save"
        )
    with writing(path) as part:
        save_file(held, part, metadata={"myow": text})


def read_tensors(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read the weights of a model file.

    Raises
    ------
    FileError
        If the file is missing or damaged.
    """
    with _opened(Path(path)) as file:
        # Copied, since what safetensors gives is the file itself, mapped into memory: it may be written to meanwhile.
        return {k: file.get_tensor(k).clone() for k in file.keys()}  # noqa: SIM118 (not a mapping)


def read_about(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what was saved with a model besides the model, without loading it."""
    about: dict[str, Any] = read_header(path)["about"]
    return about


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the description of a model file; one of an earlier format is told in terms of this one.

    Returns
    -------
    dict
        As `write_model` takes it, and "format". The types of its parts were checked, what they hold was not.

    Raises
    ------
    FileError
        If the file is missing, damaged, of a newer format or not a model.
    """
    path = Path(path)
    with _opened(path) as file:
        header = json.loads((file.metadata() or {})["myow"])
        version = header["format"]
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            raise ValueError(f"its format is {version!r:.20}")
    if version > FORMAT:
        raise FileError(f"{path} has format {version}; this version reads up to {FORMAT}: upgrade myow")
    header = (deepcopy(EARLIER) | header) if version < FORMAT else header
    wrong = [key for key, kind in KINDS.items() if not isinstance(header.get(key), kind)]
    if wrong or not all(isinstance(name, str) for name in header["code"]):
        raise FileError(
            f"{path} is not a model file of ours, or is damaged ({(wrong or ['code'])[0]} is of another type)"
        )
    if version < FORMAT:
        header["learnt"] = EARLIER_LEARNT | header["learnt"]
    known: dict[str, Any] = header
    return known


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file whose header is of a bearable size; whatever goes wrong with it is one error."""
    try:
        if not path.is_file():  # a pipe would be waited for
            raise FileError(
                f"{path} is not a file; give the model file itself"
                if path.exists()
                else f"there is no model at {path}; check the path"
            )
        with path.open("rb") as raw:
            length = int.from_bytes(raw.read(8), "little")
        if length > MOST_HEADER:
            raise ValueError(f"its header claims {length} bytes")
        with safe_open(path, framework="pt") as file:
            n_tensors = len(file.keys())
            if n_tensors > MOST_TENSORS:
                raise ValueError(f"it claims {n_tensors} tensors")
            yield file
    except FileError:
        raise
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise FileError(f"{path} is not a model file of ours, or is damaged ({why}); save the model again") from error


def finite(value: Any) -> Any:
    """Replace numbers that are not finite, which JSON has no word for, by None."""
    if isinstance(value, dict):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
