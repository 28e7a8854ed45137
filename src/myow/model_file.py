"""Models on disk: one safetensors file with its settings as JSON in the header. Reading it runs no code."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from sklearn.utils.validation import check_is_fitted

from . import __version__
from .errors import FileError, MyowError, SettingError
from .estimator import Estimator, choose_device, plain
from .methods import method_class
from .storage import writing

__all__ = ["load_model", "read_about", "save_model"]

FORMAT = 1
_LEARNT = ("n_features_in_", "kind_", "recording_", "input_", "bin_size_", "seed_", "n_steps_")


def save_model(model: Estimator, path: str | os.PathLike[str], about: dict[str, Any]) -> None:
    """Write a fitted model, whole or not at all.

    Parameters
    ----------
    model : Estimator
        The model.
    path : path-like
        Usually ends in ``.myow``.
    about : dict
        Anything JSON can hold that should travel with it, such as what it was trained on.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    check_is_fitted(model, "method_")
    settings = model.get_params()
    # Code is not saved: an encoder or augmentation of one's own is named, and given again at loading.
    code = sorted(k for k, v in settings.items() if callable(v))
    header = {
        "format": FORMAT,
        "version": __version__,
        "method": type(model).__module__.rsplit(".", 1)[-1].replace("_", "-"),
        "settings": {k: plain(v) for k, v in settings.items() if k not in code} | {"random_state": model.seed_},
        "code": code,
        "learnt": {k: getattr(model, k) for k in _LEARNT},
        "about": about,
    }
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in model.method_.state_dict().items()}
    with writing(path) as part:
        save_file(tensors, part, metadata={"myow": json.dumps(header)})


def load_model(path: str | os.PathLike[str], *, device: str = "auto", **code: Any) -> Estimator:
    """Load a model that `save` wrote, on this machine's device.

    Parameters
    ----------
    path : path-like
        The file.
    device : str, optional
        Where to put it: "cpu", "cuda"; "auto" takes a GPU if there is one.
    **code
        The ``encoder`` or ``augment`` that the model was trained with, if they were Python objects.

    Returns
    -------
    Estimator
        Fitted.

    Raises
    ------
    FileError
        If the file is missing, damaged, of a newer format or not a model.
    SettingError
        If an object of one's own has to be given, or `device` cannot be used.
    """
    path = Path(path)
    header = _header(path)
    missing = [k for k in header["code"] if k not in code]
    if missing:
        raise SettingError(
            f"{path} was trained with Python objects of yours: give {', '.join(missing)} to load_model too"
        )
    try:
        settings = {k: tuple(v) if isinstance(v, list) else v for k, v in header["settings"].items()}
        model = method_class(header["method"])(**settings | code | {"device": device})
        for key in _LEARNT:
            setattr(model, key, header["learnt"][key])
        with torch.random.fork_rng(devices=[]):  # first weights, soon replaced, are drawn from the global generator
            method = model.build(model.n_features_in_)
        with safe_open(path, framework="pt") as file:
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (not a mapping)
        method.load_state_dict(tensors)
        broken = [k for k, v in tensors.items() if not bool(torch.isfinite(v).all())]
        if broken:
            raise ValueError(f"{broken[0]} holds values that are no numbers")
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        if isinstance(error, MyowError):
            raise
        raise FileError(
            f"{path} does not hold the model that its header describes ({str(error).splitlines()[0]})"
        ) from error
    model.method_ = method.to(choose_device(device)).eval()
    return model


def read_about(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what was saved with a model besides the model, without loading it."""
    about: dict[str, Any] = _header(Path(path))["about"]
    return about


def _header(path: Path) -> dict[str, Any]:
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
