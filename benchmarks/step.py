"""How fast a training step is, and how much of it is the step's own matrix products.

For each preset and for the defaults: ``steps_per_s``, and ``ratio``, the time of a whole step over the time of its matrix
products alone (forward and backward, same shapes and strides, same threads). Both are taken in one process, in turns, so
that the ratio holds when the machine's speed drifts.

Where there is a GPU, also its steps per second: in Python, with the whole step captured as a CUDA graph, and captured with
compiled networks and loss; with ``--json`` the kernels of a captured step too, and how long they take. ``--device cuda`` measures
nothing else. A row is printed as soon as it is measured.

    python benchmarks/step.py [--json] [--rounds 5] [--steps 120] [--threads 1] [--settings default,v1-reaching]
                              [--device cuda] [--gpu-steps 4000] [--cebra]

``--cebra`` compares with CEBRA instead, if it is installed: steps of MYOW in windows of five bins and of CEBRA-Time with its
offset5 model, of the same batch, recording and threads, in turns.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

import myow
from myow.device import cpu_threads
from myow.methods.presets import PRESETS

PRODUCTS = {torch.ops.aten.mm.default: (0, 1), torch.ops.aten.addmm.default: (1, 2)}


class Clock:
    """A callback that notes how long each step took, but for those at which the loop measures."""

    def __init__(self, record_every: int) -> None:
        self.record_every = record_every
        self.seconds: list[float] = []

    def begin(self, step: int, total: int) -> None:
        self.last = time.perf_counter()

    def step(self, step: int) -> None:
        now = time.perf_counter()
        if step % self.record_every and step > 10:
            self.seconds.append(now - self.last)
        self.last = now

    def record(self, step: int, metrics: Mapping[str, float], traces: Mapping[str, torch.Tensor]) -> None:
        pass

    def end(self) -> None:
        pass


class Products(TorchDispatchMode):
    """Note shapes and strides of the matrix products of one step, as a callback that counts steps."""

    def __init__(self, which: int) -> None:
        super().__init__()
        self.which, self.now = which, 0
        self.found: list[list[tuple[torch.Size, tuple[int, ...]]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        if self.now == self.which and func in PRODUCTS:
            self.found.append([(args[i].size(), args[i].stride()) for i in PRODUCTS[func]])
        return func(*args, **(kwargs or {}))

    def begin(self, step: int, total: int) -> None:
        self.now = step + 1

    def step(self, step: int) -> None:
        self.now = step + 1

    def record(self, step: int, metrics: Mapping[str, float], traces: Mapping[str, torch.Tensor]) -> None:
        pass

    def end(self) -> None:
        pass


class GpuClock(Clock):
    """Notes how long a step took on a GPU, over all steps between two records: Python does not know when one ends."""

    def begin(self, step: int, total: int) -> None:
        self.last = 0.0

    def step(self, step: int) -> None:
        place = step % self.record_every
        # The first stretch is left out: kernels are loaded in it, and graphs captured.
        if step < self.record_every or place not in (0, self.record_every - 1):
            return
        torch.cuda.synchronize()
        now = time.perf_counter()
        if place:
            self.seconds.append((now - self.last) / (self.record_every - 1))
        self.last = now


class Kernels(GpuClock):
    """Counts the kernels of steps between two records, and how long they take in all, by torch's profiler."""

    def step(self, step: int) -> None:
        from torch.profiler import ProfilerActivity, profile

        begins = 3 * self.record_every
        if step == begins:
            torch.cuda.synchronize()
            self._profile = profile(activities=[ProfilerActivity.CUDA])
            self._profile.__enter__()
        elif step == begins + self.record_every - 1:
            torch.cuda.synchronize()
            self._profile.__exit__(None, None, None)
            found = [e for e in self._profile.events() or [] if str(e.device_type).endswith("CUDA")]
            self.kernels = len(found) / (self.record_every - 1)
            self.microseconds = sum(e.device_time_total for e in found) / (self.record_every - 1)


def time_products(found: list[list[tuple[torch.Size, tuple[int, ...]]]], repeats: int) -> float:
    """Median seconds of doing all products of a step once."""
    operands = [[torch.empty_strided(size, stride).normal_() for size, stride in pair] for pair in found]
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        for a, b in operands:
            torch.mm(a, b)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def measure(
    settings: dict[str, Any], recording: myow.Recording, steps: int, rounds: int, threads: int
) -> dict[str, float]:
    """Time whole steps and their products in turns."""
    # Mining is on from the first step, so that every step timed does all the work there is.
    settings = settings | {
        "epochs": None,
        "mined_start": 0.0,
        "mined_ramp": 0.0,
        "random_state": 0,
        "device": "cpu",
        "verbose": False,
    }
    settings["threads"] = threads
    products = Products(which=51)
    with products:
        myow.MYOW(**settings | {"steps": 100}).fit(recording, callbacks=[products])
    whole, alone = [], []
    for _ in range(rounds):
        clock = Clock(record_every=max(1, steps // 40))
        myow.MYOW(**settings | {"steps": steps}).fit(recording, callbacks=[clock])
        whole.append(statistics.median(clock.seconds))
        with cpu_threads(threads):
            alone.append(time_products(products.found, repeats=len(clock.seconds)))
    flops = sum(2 * a[0][0] * a[0][1] * b[0][1] for a, b in products.found)
    return {
        "steps_per_s": 1 / statistics.median(whole),
        "ratio": statistics.median(w / a for w, a in zip(whole, alone, strict=True)),
        "products": len(products.found),
        "gflop": flops / 1e9,
    }


def measure_gpu(settings: dict[str, Any], recording: myow.Recording, steps: int) -> dict[str, float]:
    """Steps per second on a GPU: in Python, as a CUDA graph, and as one of compiled networks and loss; and a step's kernels."""
    settings = settings | {"epochs": None, "mined_start": 0.0, "mined_ramp": 0.0, "random_state": 0, "device": "cuda"}
    settings |= {"steps": steps, "verbose": False}
    record_every = max(1, steps // 40)
    found: dict[str, float] = {}
    for name, how in (
        ("gpu_", {"cuda_graph": False}),
        ("gpu_captured_", {"cuda_graph": True}),
        ("gpu_compiled_", {"cuda_graph": True, "compile": True}),
    ):
        clock, kernels = GpuClock(record_every), Kernels(record_every)
        watched = (
            [clock, kernels] if how["cuda_graph"] else [clock]
        )  # one stretch of forty is profiled: no matter to a median
        myow.MYOW(**settings | how).fit(recording, callbacks=watched)
        found[f"{name}steps_per_s"] = 1 / statistics.median(clock.seconds)
        if how["cuda_graph"]:
            found |= {f"{name}kernels": kernels.kernels, f"{name}kernels_us": kernels.microseconds}
    return found


def measure_cebra(recording: myow.Recording, rounds: int, steps: int) -> dict[str, float]:
    """Milliseconds a step of ours and of CEBRA's, medians over turns; whole fits, so that what surrounds the steps counts in both."""
    from cebra import CEBRA

    ours, theirs = [], []
    values = recording.counts.astype("float32") ** 0.5
    size = myow.MYOW().batch_size
    for _ in range(rounds):
        for seconds, fit in (
            (ours, lambda n: myow.MYOW(context=(2, 2), steps=n, random_state=0, device="cpu", verbose=False).fit(recording)),
            (
                theirs,
                lambda n: CEBRA(
                    model_architecture="offset5-model", batch_size=size, max_iterations=n, output_dimension=64, time_offsets=2,
                    conditional="time", device="cpu", verbose=False,
                ).fit(values),
            ),
        ):  # fmt: skip
            took = []
            for n in (steps, 2 * steps):  # the difference leaves out what does not grow with the steps
                start = time.perf_counter()
                fit(n)
                took.append(time.perf_counter() - start)
            seconds.append(1000 * (took[1] - took[0]) / steps)
    pairs = [a / b for a, b in zip(ours, theirs, strict=True)]
    return {
        "myow_ms": statistics.median(ours),
        "cebra_ms": statistics.median(theirs),
        "ratio": statistics.median(pairs),
        "ratio_min": min(pairs),
        "ratio_max": max(pairs),
    }


def line(name: str, row: Mapping[str, float]) -> str:
    """A row of the table, with dashes for what was not measured."""
    columns = {"steps_per_s": (8, 0), "ratio": (6, 2), "products": (9, 0), "gflop": (7, 3)}
    columns |= {f"gpu_{how}steps_per_s": (width, 0) for how, width in (("", 12), ("captured_", 7), ("compiled_", 9))}
    cells = (f"{row[key]:{w}.{n}f}" if key in row else f"{'-':>{w}}" for key, (w, n) in columns.items())
    return f"{name:14s} " + " ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=5, help="turns of steps and products")
    parser.add_argument("--steps", type=int, default=120, help="steps per turn; 80 or more")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of both; 1 is the default of a fit")
    parser.add_argument("--settings", default=",".join(("default", *PRESETS)), help="presets, a,b")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: the CPU, and a GPU if any"
    )
    parser.add_argument("--cebra", action="store_true", help="compare with CEBRA instead")
    parser.add_argument("--gpu-steps", type=int, default=4000, help="steps on a GPU, of each kind; 120 or more")
    options = parser.parse_args()
    for name, least in (("steps", 80), ("gpu_steps", 120)):
        if getattr(options, name) < least:
            given = f"--{name.replace('_', '-')} is {getattr(options, name)}"
            parser.error(f"{given}; some steps between records are needed: {least} or more")
    names = options.settings.split(",")
    unknown = [name for name in names if name != "default" and name not in PRESETS]
    if unknown:
        parser.error(f"there is no preset {', '.join(unknown)}; choices: {', '.join(('default', *PRESETS))}")
    there = torch.cuda.is_available()
    if options.device == "cuda" and not there:
        parser.error("there is no GPU that torch can use here; leave out --device, or use --device cpu")
    on_gpu = there and options.device != "cpu"
    about = {
        "torch": torch.__version__,
        "myow": myow.__version__,
        "threads": options.threads,
        "machine": platform.machine(),
        "rounds": options.rounds,
        "steps": options.steps,
        "gpu": torch.cuda.get_device_name() if on_gpu else None,
    }
    if not options.json and not options.cebra:
        print(", ".join(f"{k} {v}" for k, v in about.items()))
        print(
            f"{'settings':14s} {'steps/s':>8s} {'ratio':>6s} {'products':>9s} {'GFLOP':>7s} {'GPU: steps/s':>12s} {'graph':>7s} {'compiled':>9s}"
        )
    reach, sleep = myow.load("simulated-reach"), myow.load("simulated-sleep")
    if options.cebra:
        with cpu_threads(options.threads):
            found = measure_cebra(reach, options.rounds, options.steps)
        print(json.dumps(about | found))
        return
    results = {}
    for name in names:
        recording, settings = sleep if "rodent" in name else reach, PRESETS.get(name, {})
        row: dict[str, float] = {}
        if options.device != "cuda":
            row |= measure(settings, recording, options.steps, options.rounds, options.threads)
        if on_gpu:
            row |= measure_gpu(settings, recording, options.gpu_steps)
        results[name] = row
        if not options.json:
            print(line(name, row), flush=True)
    if options.json:
        print(json.dumps(about | {"settings": results}))


if __name__ == "__main__":
    main()
