"""What exact mining from large pools costs: time against its matrix product alone and against faiss, and memory.

For each size of the pool, on the CPU and on a GPU if there is one: seconds of `myow.nn.neighbours.nearest`; its ratio to the matrix
product alone, computed in the same chunks; its ratio to faiss's exact search (IndexFlatIP, vectors normalised and stored
beforehand, CPU alone); and the peak of memory above the inputs beside what the whole matrix of similarities would take. The
times of a round are taken one after the other in one process, and a ratio is the median over rounds of the ratio within one,
so that it holds when the machine's speed drifts. Memory on the CPU is that of a fresh process for each pool.

    python benchmarks/mining.py [--json] [--pools 10000 100000 1000000] [--queries 4096] [--dim 128] [--k 5] [--rounds 3]
                                [--threads 1] [--exclude]

With --exclude a mask of all pairs, one byte each, is made beforehand. On the CPU that takes more memory than `nearest` does, so
that its peak is not seen then.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn import functional as F

import myow
from myow.device import cpu_threads
from myow.nn import neighbours

MEGABYTE = 2**20
SEGMENT = 100  # rows that an anchor may not mine, with --exclude


def inputs(pool: int, options: argparse.Namespace, device: str) -> tuple[Tensor, Tensor, Tensor | None]:
    """Random vectors; and with --exclude a mask by which no row mines its own segment."""
    rng = torch.Generator().manual_seed(0)
    queries = torch.randn(options.queries, options.dim, generator=rng).to(device)
    candidates = torch.randn(pool, options.dim, generator=rng).to(device)
    if not options.exclude:
        return queries, candidates, None
    rows = torch.randint(pool, (options.queries,), generator=rng).to(device)
    first = torch.arange(pool, dtype=torch.int32, device=device) // SEGMENT * SEGMENT
    ranges = torch.stack([first, first + SEGMENT - 1], dim=1)
    return queries, candidates, neighbours.excluded_pairs(rows, torch.arange(pool, device=device), ranges)


def product(queries: Tensor, candidates: Tensor) -> None:
    """Compute the same matrix products as `nearest`, in the same chunks, and nothing else."""
    height, width = len(queries), len(candidates)
    if height * width > neighbours.WHOLE:
        height, width = min(height, neighbours.QUERIES), min(width, neighbours.CANDIDATES)
    room = torch.empty(height * width, device=queries.device)
    for some in queries.split(height):
        for chunk in candidates.split(width):
            torch.mm(some, chunk.T, out=room[: len(some) * len(chunk)].view(len(some), len(chunk)))


def timed(call: Callable[[], Any], device: str) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


def faiss_search(queries: Tensor, candidates: Tensor, k: int) -> Callable[[], Tensor]:
    import faiss

    index = faiss.IndexFlatIP(candidates.shape[1])
    index.add(F.normalize(candidates, dim=1).numpy())
    normal = F.normalize(queries, dim=1).numpy()
    return lambda: torch.from_numpy(index.search(normal, k)[1])


def measure(pool: int, options: argparse.Namespace, device: str, with_faiss: bool) -> dict[str, float]:
    """Time the product, `nearest` and faiss in turns."""
    queries, candidates, excluded = inputs(pool, options, device)
    k = options.k
    calls: dict[str, Callable[[], Any]] = {
        "product": lambda: product(queries, candidates),
        "nearest": lambda: neighbours.nearest(queries, candidates, k, excluded)[0],
    }
    if with_faiss and device == "cpu":
        calls["faiss"] = faiss_search(queries, candidates, k)
    neighbours.nearest(queries[:64], candidates[: max(k, 1000)], k)  # what the first call of all has to set up
    product(queries[:64], candidates[:1000])
    found: dict[str, Any] = {}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(options.rounds):
        for name, call in calls.items():
            spent, found[name] = timed(call, device)
            seconds[name].append(spent)
    row = {"seconds": statistics.median(seconds["nearest"])}
    for name in calls.keys() - {"nearest"}:
        pairs = zip(seconds["nearest"], seconds[name], strict=True)
        row[f"to_{name}"] = statistics.median(ours / theirs for ours, theirs in pairs)
    if "faiss" in found and excluded is None:
        same = (found["nearest"][:, :, None] == found["faiss"][:, None, :]).any(dim=2)
        row["found_by_faiss"] = same.double().mean().item()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        neighbours.nearest(queries, candidates, k, excluded)
        row["peak_mb"] = (torch.cuda.max_memory_allocated() - before) / MEGABYTE
    return row


def peak_here(pool: int, options: argparse.Namespace) -> float:
    """Megabytes by which this process's highest resident size grew while `nearest` ran."""
    unit = 1 if sys.platform == "darwin" else 1024
    queries, candidates, excluded = inputs(pool, options, "cpu")
    neighbours.nearest(torch.ones(8, 8), torch.ones(8, 8), 1)  # what the first call of all has to set up
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    neighbours.nearest(queries, candidates, options.k, excluded)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit / MEGABYTE


def peak_in_a_fresh_process(pool: int, options: argparse.Namespace) -> float:
    command = [sys.executable, __file__, "--peak-of", str(pool)]
    for name in ("queries", "dim", "k", "threads"):
        command += [f"--{name}", str(getattr(options, name))]
    command += ["--exclude"] * options.exclude
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run(options: argparse.Namespace, with_faiss: bool) -> list[dict[str, Any]]:
    # Memory first: Linux starts the highest size of a new process from that of its parent, which is still small here.
    peaks = {pool: peak_in_a_fresh_process(pool, options) for pool in options.pools}
    results = []
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        for pool in options.pools:
            about = {"device": device, "pool": pool, "matrix_mb": options.queries * pool * 4 / MEGABYTE}
            row = measure(pool, options, device, with_faiss)
            results.append(about | ({"peak_mb": peaks[pool]} if device == "cpu" else {}) | row)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--pools", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="candidates")
    parser.add_argument("--queries", type=int, default=4096)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--k", type=int, default=5, help="neighbours to find")
    parser.add_argument("--rounds", type=int, default=3, help="turns of product, nearest and faiss")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of all three; 1 is the default of a fit")
    parser.add_argument("--exclude", action="store_true", help=f"no query finds {SEGMENT} rows around its own")
    parser.add_argument("--peak-of", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    try:
        import faiss

        version = str(faiss.__version__)
    except ImportError:
        version = "not installed"
    with cpu_threads(options.threads), threadpool_limits(options.threads):
        if options.peak_of is not None:
            print(peak_here(options.peak_of, options))
            return
        results = run(options, with_faiss=version != "not installed")
    about = {
        "torch": torch.__version__,
        "myow": myow.__version__,
        "faiss": version,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "machine": platform.machine(),
        **{name: getattr(options, name) for name in ("threads", "queries", "dim", "k", "rounds", "exclude")},
    }
    if options.json:
        print(json.dumps(about | {"results": results}))
        return
    print(", ".join(f"{k} {v}" for k, v in about.items()))
    columns = ("seconds", "to_product", "to_faiss", "found_by_faiss", "peak_mb", "matrix_mb")
    print(f"{'device':6s} {'pool':>9s} " + " ".join(f"{c:>14s}" for c in columns))
    for row in results:
        cells = (f"{row[c]:14.2f}" if c in row else f"{'-':>14s}" for c in columns)
        print(f"{row['device']:6s} {row['pool']:9d} " + " ".join(cells))


if __name__ == "__main__":
    main()
