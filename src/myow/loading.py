"""From a model file to a fitted estimator."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import torch

from .device import choose_device
from .disk.model_file import LATER, read_header, read_tensors
from .errors import FileError, MyowError, SettingError
from .estimators.learner import Learner
from .image_methods import image_method_class
from .methods import method_class

__all__ = ["load_model"]


def load_model(path: str | os.PathLike[str], *, device: str = "auto", **code: Any) -> Any:
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
    Learner
        Fitted: an `myow.estimators.recordings.Estimator`, or an `myow.estimators.images.ImageEstimator`.

    Raises
    ------
    FileError
        If the file is missing, damaged, of a newer format or not a model.
    SettingError
        If an object of one's own has to be given, or `device` cannot be used.
    """
    header, tensors = read_header(path), read_tensors(path)
    missing = [k for k in header["code"] if k not in code]
    if missing:
        raise SettingError(
            f"{path} was trained with Python objects of yours: give {', '.join(missing)} to load_model too"
        )
    try:
        settings = {k: tuple(v) if isinstance(v, list) else v for k, v in header["settings"].items()}
        # Files of before there were images do not say what they are of.
        find: Callable[[str], type[Learner]] = image_method_class if header.get("data") == "images" else method_class
        estimator = find(header["method"])
        known = {f.name for f in fields(estimator)}
        earlier = {k: v for k, v in LATER.get(int(header["format"]), {}).items() if k in known}
        model = estimator(**earlier | settings | code | {"device": device})
        for key in model.learnt:
            value = header["learnt"][key]
            setattr(model, key, np.array(value) if isinstance(value, list) else value)
        with torch.random.fork_rng(devices=[]):  # first weights, soon replaced, are drawn from the global generator
            method = model.build(model.n_features_in_)
        method.load_state_dict(tensors)
        broken = [k for k, v in tensors.items() if not bool(torch.isfinite(v).all())]
        if broken:
            raise ValueError(f"{broken[0]} holds values that are no numbers")
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, MyowError):
            raise
        raise FileError(
            f"{path} does not hold the model that its header describes ({str(error).splitlines()[0]})"
        ) from error
    model.method_ = method.to(choose_device(device)).eval()
    return model
