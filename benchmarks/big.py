"""Does training stay small and fast when the recording does not? Peak memory and rows/s for a quarter, a half and the whole.

    python benchmarks/big.py --folder FOLDER [--hours 24] [--units 1000] [--steps 300]

A simulated recording of sleep is written block by block as HDF5, and its first half and quarter beside it (7.5 GB for 24 h of
1,000 units; files that are there already are used again). MYOW with its default settings then trains on each, in a
process of its own that prints what it took at most.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

BIN_SIZE = 0.02
WINDOW = 10  # steps: as many as there are between two refreshes of the candidates
PARTS = {"a quarter": 4, "a half": 2, "the whole": 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where the recordings are written")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--units", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=1, help="times that each length is trained on, in turn")
    parser.add_argument("--keep", action="store_true", help="leave the recordings there")
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make(options.folder, options.hours, options.units)
    elif options.train:
        print(json.dumps(train(options.train, options.steps)))
    else:
        compare(options)


def path_of(folder: Path, hours: float, units: int, part: int) -> Path:
    return folder / f"sleep_{hours:g}h_{units}units_of{part}.h5"


def make(folder: Path, hours: float, units: int) -> None:
    """Write the recordings, the whole first; parts are its beginnings."""
    import myow
    from myow.datasets.simulated_sleep import sleep_blocks

    n_bins = round(hours * 3600 / BIN_SIZE)
    whole = path_of(folder, hours, units, 1)
    if not whole.exists():
        blocks = sleep_blocks(n_bins, n_units=units, bin_size=BIN_SIZE)
        myow.write_stored(whole, blocks, n_bins=n_bins, bin_size=BIN_SIZE, name=f"simulated sleep, {hours:g} h")
    with myow.open_recording(whole) as recording:
        for part in PARTS.values():
            path = path_of(folder, hours, units, part)
            if not path.exists():
                some = recording.select(slice(0, n_bins // part))
                blocks = (block for _, block in some.stored.blocks())
                myow.write_stored(path, blocks, n_bins=len(some), bin_size=BIN_SIZE, name=f"{recording.name} / {part}")


class Clock:
    """A callback that notes when steps end."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.work: list[float] = []

    def begin(self, step: int, total: int) -> None:
        self.step(step)

    def step(self, step: int) -> None:
        self.times.append(time.perf_counter())
        self.work.append(time.process_time())

    def record(self, step: int, metrics: object, traces: object) -> None:
        pass

    def end(self) -> None:
        pass


def train(path: Path, steps: int) -> dict[str, float]:
    """Train on a recording; rows/s are those of the median stretch of ten steps, after the first.

    Rows by the second of the clock, and by the second that the processor worked, which a busy machine changes less.
    """
    import myow

    start = time.perf_counter()
    clock = Clock()
    with myow.open_recording(path) as recording:
        opened = time.perf_counter()
        model = myow.MYOW(steps=steps, random_state=0, device="cpu")
        model.fit(recording, callbacks=[clock])
        n_bins, n_units = len(recording), recording.n_units
    rates = []
    for ends in (clock.times[WINDOW::WINDOW], clock.work[WINDOW::WINDOW]):
        stretches = [later - earlier for earlier, later in zip(ends[:-1], ends[1:], strict=True)]
        rates.append(WINDOW * model.batch_size / statistics.median(stretches))
    return {
        "bins": n_bins,
        "units": n_units,
        "open": opened - start,
        "prepare": clock.times[0] - opened,
        "rows": rates[0],
        "work": rates[1],
        "peak": peak(),
    }


def peak() -> float:
    """Most memory that this process has held, in bytes."""
    # What Linux calls the resource usage of a child begins with its parent's size, so the parent here imports nothing large.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def compare(options: argparse.Namespace) -> None:
    """Run everything, each in a fresh process, and print the table."""
    options.folder.mkdir(parents=True, exist_ok=True)
    common = [sys.executable, __file__, "--folder", str(options.folder)]
    shape = ["--hours", f"{options.hours:g}", "--units", str(options.units)]
    start = time.perf_counter()
    subprocess.run([*common, *shape, "--make"], check=True)
    print(
        f"recordings made in {time.perf_counter() - start:.0f} s; {os.cpu_count()} cores, one of them used\n",
        flush=True,
    )
    print(
        "| length | bins | file | open and check | prepare | peak memory | rows/s | rows/s of work | plain route needs |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    found: dict[str, list[dict[str, float]]] = {name: [] for name in PARTS}
    paths = {name: path_of(options.folder, options.hours, options.units, part) for name, part in PARTS.items()}
    for _ in range(options.repeats):  # in turn, so that a busy minute does not fall on one length alone
        for name, path in paths.items():
            command = [*common, "--train", str(path), "--steps", str(options.steps)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    for name, runs in found.items():
        first = runs[0]
        size = first["bins"] * first["units"]
        seconds = {key: statistics.median(run[key] for run in runs) for key in ("open", "prepare", "rows", "work")}
        # Counts as bytes, as float32, and once more as float64 while their mean and variance are taken.
        print(
            f"| {name} | {first['bins']:,} | {size / 1e9:.2f} GB | {seconds['open']:.1f} s | {seconds['prepare']:.1f} s | "
            f"{max(run['peak'] for run in runs) / 2**30:.2f} GiB | {seconds['rows']:,.0f} | {seconds['work']:,.0f} | {13 * size / 2**30:.1f} GiB |"
        )
    print()
    for key, which in (("rows", "rows/s"), ("work", "rows/s of work")):
        rates = [statistics.median(run[key] for run in runs) for runs in found.values()]
        print(f"{which} differ by {100 * (max(rates) / min(rates) - 1):.1f} %")
    if not options.keep:
        for path in paths.values():
            path.unlink()


if __name__ == "__main__":
    main()
