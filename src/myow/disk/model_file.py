"""Models on disk: one safetensors file with its description as JSON in the header. Reading it runs no code."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import FileError
from .storage import writing

__all__ = ["FORMAT", "LATER", "read_about", "read_header", "read_tensors", "write_model"]

FORMAT = 2

LATER: dict[int, dict[str, Any]] = {
    1: {"unit_norm": False, "noise_to": "bin", "noise_unit": "input", "embedding": "representation"}
}
"""Settings that a format did not have yet, with what its models did."""


def write_model(path: str | os.PathLike[str], header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write a model, whole or not at all.

    Parameters
    ----------
    path : path-like
        Usually ends in ``.myow``.
    header : dict
        What JSON can hold: "method", "settings", "code" (settings that are Python objects and are not saved), "learnt",
        and "about" (anything that should travel with the model).
    tensors : dict of str to Tensor
        The weights.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    held = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    with writing(path) as part:
        save_file(held, part, metadata={"myow": json.dumps({"format": FORMAT} | header)})


def read_tensors(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read the weights of a model file.

    Raises
    ------
    FileError
        If the file is missing or damaged.
    """
    read_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            return {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise FileError(f"{path} is damaged ({error}); save the model again") from error


def read_about(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what was saved with a model besides the model, without loading it."""
    about: dict[str, Any] = read_header(path)["about"]
    return about


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the description of a model file.

    Raises
    ------
    FileError
        If the file is missing, damaged, of a newer format or not a model.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, Any] = json.loads((file.metadata() or {})["myow"])
        version = int(header["format"])
        whole = isinstance(header["settings"], dict) and isinstance(header["code"], list)
    except FileNotFoundError:
        raise FileError(f"there is no model at {path}; check the path") from None
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} is not a model file of ours, or is damaged ({error}); save the model again") from error
    if version > FORMAT or not whole:
        raise FileError(f"{path} has format {version}; this version reads up to {FORMAT}: upgrade myow")
    return header
