"""Fitted estimators from model files."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ..device import choose_device
from ..errors import FileError, SettingError
from ..io.download import PREFIX, pull
from ..io.model_file import LATER, read_header, read_tensors
from ..nn.scaling import INPUTS
from . import image_method_class, method_class
from .base import Learner

__all__ = ["Bounded", "load_model"]

MOST_WINDOW = 2**26  # values of one window
LEAST_ROOM = 2**22  # values that any model may take besides its weights, such as two windows to try an encoder on


def load_model(path: str | os.PathLike[str], *, device: str = "auto", **code: Any) -> Any:
    """Load a model that `save` wrote, on this machine's device. No code in it is run, whatever the file holds.

    Parameters
    ----------
    path : path-like
        The file; or ``"hf://user/name"``, a model on the Hugging Face Hub, with ``@revision`` behind it for a branch, tag or
        commit. See `myow.pull_from_hub`.
    device : str, optional
        Where to put it: "cpu", "cuda"; "auto" takes a GPU if there is one.
    **code
        The ``encoder`` or ``augment`` that the model was trained with, if they were Python objects.

    Returns
    -------
    Learner
        Fitted.

    Raises
    ------
    FileError
        If the file is missing, damaged, of a newer format or not a model, or cannot be fetched.
    SettingError
        If an object of one's own has to be given, or `device` cannot be used.
    """
    place = choose_device(device)
    if isinstance(path, str) and path.startswith(PREFIX):
        path = pull(path)
    header, tensors = read_header(path), read_tensors(path)
    missing = [k for k in header["code"] if k not in code]
    if missing:
        raise SettingError(
            f"{path} was trained with Python objects of yours: give {', '.join(missing)} to load_model too"
        )
    foreign = sorted(set(code) - set(header["code"]))
    if foreign:
        raise SettingError(f"{path} was not trained with {', '.join(foreign)} of yours; leave it out")
    try:
        model = _estimator(header, code, device)
        _learnt(model, header["learnt"])
        model.network_ = _network(model, tensors).to(place).eval()
    except Exception as error:  # what a file says may be wrong in any way
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise FileError(f"{path} does not hold the model that its header describes ({why})") from error
    model.trained_on_ = [entry for entry in header["trained_on"] if isinstance(entry, dict)]
    model.metrics_, model.version_ = header["metrics"], str(header["version"])
    return model


def _estimator(header: dict[str, Any], code: dict[str, Any], device: str) -> Learner:
    """The estimator with its settings, not fitted."""
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in header["settings"].items()}
    find: Callable[[str], type[Learner]] = image_method_class if header["data"] == "images" else method_class
    estimator = find(header["method"])
    known = {f.name for f in fields(estimator)}
    earlier = {k: v for k, v in LATER.get(header["format"], {}).items() if k in known}
    return estimator(**earlier | settings | code | {"device": device})


def _learnt(model: Learner, learnt: dict[str, Any]) -> None:
    """Set what was learnt besides weights, each as what it must be."""
    for key in model.learnt:
        value = learnt.get(key, []) if key == "offset_" else learnt[key]  # files of earlier versions have none
        if not _CHECKS[key](value):
            raise ValueError(f"{key} is {value!r:.60}")
        setattr(model, key, np.array(value) if isinstance(value, list) else value)
    context = getattr(model, "context", (0, 0))
    if not (isinstance(context, tuple) and len(context) == 2 and all(_whole(bins) for bins in context)):
        raise ValueError(f"context is {context!r:.60}")
    if (sum(context) + 1) * model.n_features_in_ > MOST_WINDOW:  # no weight need be as wide as the window is long
        raise ValueError(f"context is {context}, of {model.n_features_in_} units")


def _network(model: Learner, tensors: dict[str, Tensor]) -> Any:
    """Build the network that the settings ask for and fill in the weights, which must be those that it has."""
    values = sum(tensor.numel() for tensor in tensors.values())
    # First weights, soon replaced, are drawn from the global generator.
    with torch.random.fork_rng(devices=[]), Bounded(2 * values + LEAST_ROOM, 16 * len(tensors) + 4096):
        network = model.build(model.n_features_in_)
    if "predicts" in tensors:  # as earlier versions kept what "auto" chose
        tensors["embedded.place"] = tensors.pop("predicts").to(torch.uint8)
    for name, tensor in network.state_dict().items():
        if name in tensors and tensors[name].dtype != tensor.dtype:
            raise ValueError(f"{name} is of type {tensors[name].dtype}")
    network.load_state_dict(tensors)
    broken = [k for k, v in tensors.items() if not bool(torch.isfinite(v).all())]
    if broken:
        raise ValueError(f"{broken[0]} holds values that are no numbers")
    return network


def _whole(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**63


def _positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def _classes(value: Any) -> bool:
    """Names, or numbers, of one kind, or none."""
    return value is None or (isinstance(value, list) and (_all(value, str) or _all(value, bool) or _numbers(value)))


def _all(values: list[Any], kind: type) -> bool:
    return all(isinstance(v, kind) for v in values)


def _numbers(values: list[Any]) -> bool:
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in values)


def _sessions(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(about, dict)
        and _whole(about.get("n_units"), 1)
        and isinstance(about.get("units"), list)
        and _all(about["units"], str)
        and len(about["units"]) in (0, about["n_units"])
        and _positive(about.get("bin_size"))
        and isinstance(about.get("digest"), str)
        and isinstance(about.get("recording"), str)
        for about in value.values()
    )


def _text(value: Any) -> bool:
    return isinstance(value, str)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "n_features_in_": lambda value: _whole(value, 1),
    "seed_": _whole,
    "n_steps_": _whole,
    "classes_": _classes,
    "n_targets_": _whole,
    "n_labelled_": _whole,
    "kind_": lambda value: value in ("counts", "continuous"),
    "recording_": _text,
    "input_": lambda value: value in INPUTS[1:],
    "bin_size_": _positive,
    "offset_": lambda value: isinstance(value, list) and all(isinstance(v, float) and math.isfinite(v) for v in value),
    "sessions_": _sessions,
    "size_": lambda value: isinstance(value, list) and len(value) == 2 and all(_whole(v, 1) for v in value),
    "images_": _text,
}
"""What each learnt value must be; a file may claim anything."""


class Bounded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is entered, refuse tensors that are larger than they can honestly be, before any memory is taken for them.

    Parameters
    ----------
    values : int
        Most values that all tensors together may have which are made from sizes alone.
    operations : int
        Most operations, so that no number of layers is built either.
    """

    def __init__(self, values: int, operations: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.values = values
        self.operations = operations

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch imports its compiler, to tell it not to compile this: almost a second

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Count an operation, and what it is about to make."""
        self.operations -= 1
        if not any(isinstance(a, Tensor) or (isinstance(a, (list, tuple)) and _of_tensors(a)) for a in args):
            self.values -= _size(args)
        if self.values < 0 or self.operations < 0:
            raise ValueError("its settings ask for more than its weights fill")
        return func(*args, **(kwargs or {}))


def _of_tensors(values: Any) -> bool:
    return any(isinstance(v, Tensor) for v in values)


def _size(args: tuple[Any, ...]) -> int:
    """Values of a new tensor: its sizes are the first argument, or, as of a range, whole numbers among them."""
    sizes = args[0] if args and isinstance(args[0], (list, tuple)) else [a for a in args if isinstance(a, int)]
    return math.prod(max(1, int(size)) for size in sizes)
