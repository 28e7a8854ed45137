"""Settings of the two published releases (nerdslab/myow 2021, nerdslab/myow-neuro 2022), in the terms used here.

Where a release counted epochs, shares of training stand here. Three of its habits are not followed: batches drawn by
worker processes, which repeated rows; batch norm that trusts only the last batch; and 1/(1+w), w/(1+w) as weights, which
are a = w/(1+w) here.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ..errors import unknown_name

if TYPE_CHECKING:
    from .base import Learner

__all__ = ["IMAGE_PRESETS", "PRESETS", "preset"]

PRESETS: dict[str, dict[str, Any]] = {
    "v1-reaching": {
        "input": "rate",
        "scale": "unit",
        "encoder": "mlp",
        "hidden": (128, 128, 128),
        "dim": 128,
        "activation": "relu",
        "projector": (256, 32),
        "predictor": 256,
        "mined_projector": (64, 16),
        "mined_predictor": 64,
        "optimizer": "lars",
        "learning_rate": 0.8,
        "weight_decay": 1e-6,
        "momentum": 0.9,
        "warmup": 0.01,
        "schedule": "cosine",
        "target_momentum": 0.9,
        "target_schedule": "cosine",
        "batch_size": 256,
        "steps": 20_000,  # 1000 epochs, each multiplied by the workers of the documented command
        "positives": (-5, 5),
        "dropout": 0.8,
        "dropout_apply": 0.9,
        "dropout_to": "silence",
        "shared_mask": True,
        "noise": 0.2,
        "noise_to": "bin",
        "noise_unit": "input",
        "unit_norm": False,
        "embedding": "representation",
        "k": 3,
        "pool": "sample",
        "pool_size": 512,
        "exclude": "segment",
        "mined_anchor": "row",
        "symmetric": False,
        "mined_weight": 0.1 / 1.1,
        "mined_start": 0.01,
        "mined_ramp": 0.1,
    },
    "v2-reaching": {
        "input": "rate",
        "scale": "unit",
        "encoder": "mlp",
        "hidden": (64, 64, 64),
        "dim": 64,
        "activation": "prelu",
        "projector": (),
        "predictor": 256,
        "mined_projector": (256, 32),
        "mined_predictor": 256,
        "optimizer": "adamw",
        "learning_rate": 2e-4,
        "weight_decay": 2e-5,
        "warmup": 0.01,
        "schedule": "cosine",
        "target_momentum": 0.98,
        "target_schedule": "constant",
        "batch_size": 512,
        "steps": 10_000,
        "positives": (0, 2),
        "dropout": 0.2,
        "dropout_apply": 1.0,
        "dropout_to": "silence",
        "noise": 0.0,
        "unit_norm": False,
        "embedding": "representation",
        "noise_hz": 1.5,
        "noise_apply": 0.5,
        "pepper": 0.3,
        "pepper_hz": 1.5,
        "pepper_apply": 0.5,
        "k": 5,
        "pool": "batch",
        "mined_anchor": "view",
        "exclude": "segment",
        "symmetric": True,
        "mined_weight": 0.5,
        "mined_start": 0.0,
        "mined_ramp": 0.001,
    },
    "v2-rodent": {
        "input": "rate",
        "scale": "unit",
        "encoder": "mlp",
        "hidden": (64, 64, 64),
        "dim": 32,
        "activation": "prelu",
        "projector": (),
        "predictor": 256,
        "mined_projector": (256, 16),
        "mined_predictor": 256,
        "optimizer": "sgd",
        "learning_rate": 0.002,
        "weight_decay": 2e-5,
        "momentum": 0.98,
        "warmup": 0.125,
        "schedule": "cosine",
        "target_momentum": 0.02,  # as released; it looks inverted
        "target_schedule": "cosine",
        "batch_size": 512,
        "epochs": 800,
        "positives": (0, 3),
        "dropout": 0.8,
        "dropout_apply": 0.9,
        "dropout_to": "silence",
        "noise": 0.0,
        "unit_norm": False,
        "embedding": "representation",
        "k": 5,
        "pool": "batch",
        "mined_anchor": "view",
        "exclude": "time",
        "exclude_gap": 600.0,
        "symmetric": True,
        "mined_weight": 0.5,
        "mined_start": 0.0,
        "mined_ramp": 0.0125,
    },
}


IMAGE_PRESETS: dict[str, dict[str, Any]] = {
    "v1-images": {
        "encoder": "resnet18",
        "width": 64,
        "epochs": 800,
        "batch_size": 256,
        "optimizer": "sgd",
        "learning_rate": 2.0,
        "weight_decay": 5e-5,
        "momentum": 0.9,
        "warmup": 30 / 800,
        "schedule": "cosine",
        "target_momentum": 0.98,
        "target_schedule": "cosine",
        "symmetric": True,
        "projector": (4096, 256),
        "predictor": 4096,
        "mined_projector": (1024, 64),
        "mined_predictor": 1024,
        "crop": (0.2, 1.0),
        "flip": 0.5,
        "jitter": 0.8,
        "brightness": 0.4,
        "contrast": 0.4,
        "saturation": 0.4,
        "hue": 0.1,
        "grey": 0.2,
        "solarise": 0.0,
        "mining_crop": (0.8, 1.0),
        "mining_flip": 0.5,
        "k": 1,
        "pool": "sample",
        "pool_size": 512,
        "mined_anchor": "row",
        "mined_weight": 0.5,
        "mined_start": 100 / 800,
        "mined_ramp": 10 / 800,
    },
}


def preset(name: str, method: type[Learner]) -> dict[str, Any]:
    """Return a preset's settings, less those that the method does not have.

    Raises
    ------
    UnknownNameError
        If there is no such preset.
    """
    presets = IMAGE_PRESETS if method.learns_from == "images" else PRESETS
    if name not in presets:
        raise unknown_name("preset", name, presets)
    known = {f.name for f in fields(method)}
    return {k: v for k, v in presets[name].items() if k in known}
