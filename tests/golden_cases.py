"""Fits whose results are kept, to notice what a change moves: every method at its defaults, in windows and by its presets.

python tests/golden_cases.py    # writes tests/golden/methods.json anew, after a change that is meant to move results
"""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import torch
from tiny_images import tiny_images

import myow
from myow.methods import make_method, method_class, method_names
from myow.methods.presets import PRESETS, preset

FOLDER = Path(__file__).parent / "golden"
STEPS = 20
COMMON = {"random_state": 0, "device": "cpu", "threads": 1}
MORE = {  # what defaults and presets do not reach
    "myow queue": ("myow", {"pool": "queue", "views": 2, "layout": "parallel"}),
    "myow single": ("myow", {"pool": "sample", "layout": "single", "mined_anchor": "row", "symmetric": False}),
    "myow mlp": ("myow", {"context": (2, 2), "encoder": "mlp", "key_bins": 0, "activation": "gelu"}),
    "myow read-in": ("myow", {"read_in": 16, "embedding": "representation"}),
    "simclr silence": ("simclr", {"dropout_to": "silence", "shared_mask": True, "activation": "prelu"}),
    "autoencoder poisson": ("autoencoder", {"likelihood": "poisson", "context": (1, 0)}),
    "supervised numbers": ("supervised", {}),
}


def cases():
    """Name, method, settings of every case."""
    found = {}
    for name in method_names():
        found[name] = (name, {})
        found[f"{name} context 1,1"] = (name, {"context": (1, 1)})
        if name in ("myow", "byol"):
            for chosen in PRESETS:
                found[f"{name} {chosen}"] = (name, preset(chosen, method_class(name)))
    return found | MORE


def fit(case, recording):
    """The fitted model of a case."""
    name, settings = cases()[case]
    estimator = method_class(name)
    settings = dict(settings) | COMMON
    if "steps" in estimator().get_params():
        settings |= {"steps": STEPS, "epochs": None}
    y = None
    if estimator.uses_labels:
        y = recording.labels["direction"]
        y = np.asarray(y) + 0.5 if case.endswith("numbers") else y
    return make_method(name, **settings).fit(recording, y)


def recording():
    """A simulated one, so that no file is needed."""
    return myow.load("simulated-reach", seed=0)


def sessions():
    """Two sessions, trained together, and a third that comes later."""
    parts = [myow.load("simulated-reach", seed=seed) for seed in (0, 1, 2)]
    named = {f"day-{i}": part for i, part in enumerate(parts)}
    first = {name: named[name] for name in ("day-0", "day-1")}
    model = myow.MYOW(**COMMON, steps=STEPS, read_in=16).fit(first)
    model.adapt(named["day-2"], name="day-2", steps=STEPS)
    return model, parts[2]


def images(kind):
    """A small network on small images."""
    settings = {"encoder": "resnet10", "width": 2, "epochs": None, "steps": 10, "batch_size": 16, "projector": (16, 8)}
    settings |= {"learning_rate": 0.06}
    given = settings | COMMON
    data = tiny_images()
    if kind == "ImageMYOW":
        given |= {"predictor": 16, "pool_size": 32, "mined_projector": (8, 6), "mined_predictor": 8, "mined_start": 0.2}
        given |= {"mined_weight": 0.5}
    elif kind == "ImageBYOL":
        given |= {"predictor": 16}
    return getattr(myow, kind)(**given).fit(data), data


def described(model, z):
    """What is kept of a fitted model."""
    weights = model.network_.state_dict()
    return {
        "shape": list(z.shape),
        "digest": hashlib.sha256(np.ascontiguousarray(z).tobytes()).hexdigest(),
        "values": [float(f"{v:.6g}") for v in z[:: max(1, len(z) // 7), : min(5, z.shape[1])].flatten()],
        "weights": {k: list(v.shape) for k, v in weights.items()},
    }


def everything():
    """Every case, by name."""
    rec = recording()
    found = {}
    for case in cases():
        model = fit(case, rec)
        found[case] = described(model, model.transform(rec))
    model, later = sessions()
    found["sessions"] = described(model, model.transform(later, session="day-2"))
    for kind in ("ImageMYOW", "ImageBYOL", "ImageSimCLR"):
        model, data = images(kind)
        found[kind] = described(model, model.transform(data))
    return found


def machine():
    """What bits may depend on: versions, the processor, and which kernels of NumPy's library are chosen for it."""
    lines = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
    first = {key.strip(): value.strip() for key, _, value in reversed(lines)}
    return {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "processor": [first.get(key, "") for key in ("model name", "cpu family", "model", "stepping")],
        "kernels": [torch.backends.cpu.get_cpu_capability(), os.environ.get("OPENBLAS_CORETYPE", "")],
    }


def write(path=FOLDER / "methods.json"):
    path.write_text(json.dumps({"machine": machine(), "cases": everything()}, indent=0) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    write()
