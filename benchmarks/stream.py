"""How long one push of a stream takes: MYOW at its defaults, a causal window, Poisson counts of many units, on a CPU.

The median and the 99th percentile of the wall-clock time of ``stream.push(counts)`` with a window of ``context=(4, 0)``, for
MYOW as it comes, then with an encoder that has weights for each bin, and with one whose batch norms are not fused, as are
those of an encoder of one's own. ``cpu p99`` is the 99th percentile of the time that the push itself computed: on a machine that others use, the
difference is how long it stood in line. The weights are those of a short training, which does not change how long a push
takes. ``one_product_us`` is what the matrix product of the first layer takes alone, which says how fast the machine was.

    python benchmarks/stream.py [--json] [--units 200] [--before 4] [--pushes 5000] [--threads 1]
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

import myow
from myow.device import cpu_threads
from myow.methods.deploy import Stream
from myow.nn.mlp import perceptron

WARM = 200  # pushes before any is timed


class Plain(torch.nn.Module):
    """The encoder that MYOW has by default, as if it were one's own: not as a Sequential, so that nothing of it is fused."""

    def __init__(self, bins: int, units: int) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(perceptron((units, 128, 128, 64)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x.mean(dim=1)
        for layer in self.layers:
            y = layer(y)
        return y


def microseconds(call: Callable[[Any], Any], arguments: Any) -> dict[str, float]:
    """Median and 99th percentile of a call, one argument after another."""
    wall, computed = [], []
    for argument in arguments:
        worked, start = time.thread_time_ns(), time.perf_counter_ns()
        call(argument)
        wall.append(time.perf_counter_ns() - start)
        computed.append(time.thread_time_ns() - worked)
    median, high = np.quantile(np.array(wall[WARM:]) / 1e3, [0.5, 0.99])
    return {"median_us": median, "p99_us": high, "cpu_p99_us": np.quantile(computed[WARM:], 0.99) / 1e3}


def measure(settings: dict[str, Any], counts: np.ndarray, before: int) -> dict[str, float]:
    """Time a stream, and how far its embeddings are from those of `transform`."""
    model = myow.MYOW(steps=20, context=(before, 0), random_state=0, device="cpu", **settings).fit(counts)
    stream: Stream = model.stream()
    times = microseconds(stream.push, counts)
    stream.reset()
    some = counts[:500]
    apart = np.abs(np.stack([stream.push(row) for row in some]) - model.transform(some)).max()
    return times | {"largest_difference": float(apart)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--units", type=int, default=200)
    parser.add_argument("--before", type=int, default=4, help="bins before the newest that the window holds")
    parser.add_argument("--pushes", type=int, default=5000)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads that torch and NumPy may use")
    options = parser.parse_args()
    counts = np.random.default_rng(0).poisson(1.5, size=(options.pushes + WARM, options.units))
    kinds: dict[str, dict[str, Any]] = {"default": {}, "mlp": {"encoder": "mlp"}, "own encoder": {"encoder": Plain}}
    with threadpool_limits(options.threads), cpu_threads(options.threads):
        results = {name: measure(settings, counts, options.before) for name, settings in kinds.items()}
        weight = np.random.default_rng(0).normal(size=(options.units, 128))
        product = microseconds(lambda row: row @ weight, counts.astype(np.float64))["median_us"]
    about = {
        "command": " ".join(["python", "benchmarks/stream.py", *sys.argv[1:]]),
        "myow": myow.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "threads": options.threads,
        "machine": platform.machine(),
        "units": options.units,
        "context": [options.before, 0],
        "pushes": options.pushes,
        "one_product_us": round(product, 1),
    }
    if options.json:
        print(json.dumps(about | {"encoders": results}))
        return
    print(", ".join(f"{k} {v}" for k, v in about.items()))
    print(f"{'encoder':14s} {'median ms':>10s} {'p99 ms':>8s} {'cpu p99 ms':>11s} {'largest difference':>19s}")
    for name, row in results.items():
        times = [row[key] / 1e3 for key in ("median_us", "p99_us", "cpu_p99_us")]
        print(f"{name:14s} {times[0]:10.3f} {times[1]:8.3f} {times[2]:11.3f} {row['largest_difference']:19.1e}")


if __name__ == "__main__":
    main()
