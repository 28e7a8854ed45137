r"""How many images a second BYOL and MYOW train on, what mining costs, and how much of a step is the encoder's own work.

Steps are timed inside `fit`, methods in turn and several times over, and the median is taken. "Encoder" is its forward and
backward pass on both views, and the target's forward pass, on the same batch with nothing around them; what MYOW
encodes besides, with `--set pool=sample` say, counts as mining.

    python benchmarks/images.py [--encoder resnet18] [--width 64] [--batch 256] [--size 32] [--steps 20] [--repeats 3] \
        [--device auto] [--precision auto] [--compile] [--set key=value] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import myow
from myow.data.images import Images
from myow.device import choose_device
from myow.errors import MyowError
from myow.methods import image_method_class
from myow.settings import parse_settings
from myow.training.module import TrainingConfig

AIM = 1.1
WARM = 3  # first steps, in which memory is found and kernels are chosen


class StepTimes:
    """A callback that notes when each step was over."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.ends: list[float] = []

    def begin(self, step: int, total: int) -> None:
        self._note()

    def step(self, step: int) -> None:
        self._note()

    def record(self, step: int, metrics: Any, traces: Any) -> None: ...

    def end(self) -> None: ...

    def _note(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.ends.append(time.perf_counter())

    def durations(self) -> np.ndarray[Any, Any]:
        return np.diff(self.ends)[WARM:-1]


class Rarely(TrainingConfig):
    """A training that measures nothing but at its first and last step."""

    record_every = sys.maxsize  # type: ignore[assignment]


def unmeasured(kind: type[Any]) -> type[Any]:
    """The method, whose training measures rarely: what it looks at then takes as long as a step."""

    class Unmeasured(kind):  # type: ignore[misc]
        def training_config(self, n_rows: int) -> TrainingConfig:
            return Rarely(**vars(super().training_config(n_rows)))

    return Unmeasured


def make(name: str, options: argparse.Namespace) -> Any:
    """An estimator with the settings asked for; MYOW mines from the first step on."""
    given = {
        "encoder": options.encoder,
        "width": options.width,
        "batch_size": options.batch,
        "epochs": None,
        "steps": WARM + options.steps + 1,
        "device": options.device,
        "precision": options.precision,
        "compile": options.compile,
        "random_state": 0,
    }
    mining = {"mined_start": 0.0, "mined_ramp": 0.0} if name == "myow" else {}
    kind = image_method_class(name)
    return unmeasured(kind)(**given | mining | parse_settings(kind, options.set))


def encoder_seconds(images: Images, options: argparse.Namespace) -> float:
    """Median time of what the encoders of BYOL have to do in a step."""
    model = make("byol", options).initialise(images)
    network = model.network_.train()
    device = network.scaling.mean.device
    if options.compile:
        network.online.encoder.compile(dynamic=False)
        network.target.encoder.compile(dynamic=False)
    x = torch.rand(2 * options.batch, options.size, options.size, 3, device=device)
    bfloat16 = model.training_config(len(images)).bfloat16(device)
    took = []
    for _ in range(WARM + options.steps):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            y = network.online.encoder(x)
            with torch.no_grad():
                network.target.encoder(x)
        y.float().square().mean().backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        took.append(time.perf_counter() - start)
    return float(np.median(took[WARM:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--set", action="append", default=[], help="any other setting of both methods: key=value")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    n = max(2048, 2 * options.batch)
    pixels = np.random.default_rng(0).integers(0, 256, (n, options.size, options.size, 3), dtype=np.uint8)
    images = Images(pixels)
    found: dict[str, list[float]] = {"byol": [], "myow": [], "encoder": []}
    try:
        for _ in range(options.repeats):
            for name in ("byol", "myow"):
                model = make(name, options)
                times = StepTimes(choose_device(options.device))
                model.fit(images, callbacks=[times])
                found[name].append(float(np.median(times.durations())))
            found["encoder"].append(encoder_seconds(images, options))
    except MyowError as error:
        sys.exit(f"error: {error}")
    seconds = {name: float(np.median(values)) for name, values in found.items()}
    ratios = [m / b for m, b in zip(found["myow"], found["byol"], strict=True)]
    overhead = float(np.median(ratios))
    device = str(model.network_.scaling.mean.device)
    threads = f", {torch.get_num_threads()} threads" if device == "cpu" else f", {torch.cuda.get_device_name()}"
    print(
        f"{options.encoder}, width {options.width}, batch {options.batch} of {options.size} x {options.size} pixels, {device}{threads}, "
        f"{options.precision}{', compiled' if options.compile else ''}; myow {myow.__version__}, torch {torch.__version__}\n"
    )
    for name in ("byol", "myow"):
        share = seconds["encoder"] / seconds[name]
        print(
            f"{name:6} {options.batch / seconds[name]:9.1f} images/s  {1000 * seconds[name]:8.1f} ms a step, encoder {share:.0%} of it"
        )
    spread = f"{min(ratios):.2f} to {max(ratios):.2f} in {options.repeats} repeats"
    print(f"mining: a step of MYOW takes {overhead:.2f} times one of BYOL ({spread}); aim: at most {AIM}")
    if options.json:
        options.json.write_text(json.dumps({"device": device, "seconds": found, "overhead": overhead}, indent=1) + "\n")


if __name__ == "__main__":
    main()
