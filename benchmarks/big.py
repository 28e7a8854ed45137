"""Does training stay small and fast when the recording does not? Peak memory and rows/s for a quarter, a half and the whole.

    python benchmarks/big.py --folder FOLDER [--hours 24] [--units 1000] [--steps 300]
    python benchmarks/big.py --folder FOLDER --commands [--hours 4] [--units 1000] [--steps 100]

A simulated recording of sleep is written block by block as HDF5, and its first half and quarter beside it (7.5 GB for 24 h of
1,000 units; files that are there already are used again). MYOW with its default settings then trains on each, in a
process of its own that prints what it took at most.

With `--commands` it is the command line that is measured, on the whole alone: `myow inspect`, `train`, `evaluate` and `embed`, of the
spike times in an NWB file (which is written beside; this alone holds all of them) and of the counts that stay on disk.
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
    parser.add_argument("--commands", action="store_true", help="measure the commands, of NWB and of stored counts")
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--make-nwb", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make(options.folder, options.hours, options.units)
    elif options.make_nwb:
        make_nwb(path_of(options.folder, options.hours, options.units, 1))
    elif options.train:
        print(json.dumps(train(options.train, options.steps)))
    elif options.commands:
        measure_commands(options)
    else:
        compare(options)


def path_of(folder: Path, hours: float, units: int, part: int) -> Path:
    return folder / f"sleep_{hours:g}h_{units}units_of{part}.h5"


def make(folder: Path, hours: float, units: int) -> None:
    """Write the recordings, the whole first; parts are its beginnings."""
    import myow
    from myow.datasets.simulated import sleep_blocks, sleep_states

    n_bins = round(hours * 3600 / BIN_SIZE)
    whole = path_of(folder, hours, units, 1)
    if not whole.exists():
        blocks = sleep_blocks(n_bins, n_units=units, bin_size=BIN_SIZE)
        state = {"state": sleep_states(n_bins, bin_size=BIN_SIZE)}
        name = f"simulated sleep, {hours:g} h"
        myow.write_stored(whole, blocks, n_bins=n_bins, bin_size=BIN_SIZE, labels=state, name=name)
    with myow.open_recording(whole) as recording:
        for part in PARTS.values():
            path = path_of(folder, hours, units, part)
            if not path.exists():
                some = recording.select(slice(0, n_bins // part))
                blocks = (block for _, block in some.stored.blocks())
                myow.write_stored(path, blocks, n_bins=len(some), bin_size=BIN_SIZE, name=f"{recording.name} / {part}")


def make_nwb(stored: Path) -> None:
    """Write a recording as spike times, anywhere in their bins, with a trial for each stretch of a state, of three minutes at most."""
    import datetime

    import numpy as np
    from hdmf.common import VectorData, VectorIndex
    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.misc import Units

    import myow

    path = stored.with_suffix(".nwb")
    if path.exists():
        return
    with myow.open_recording(stored) as recording:
        counts, state = recording.counts[:], recording.labels["state"]
    day = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    nwb = NWBFile("simulated sleep", path.stem, day)
    nwb.add_trial_column("state", "Wake, nREM or REM")
    bins = np.arange(len(state))
    begins = np.flatnonzero((np.diff(state, prepend=-1) != 0) | (bins % round(180 / BIN_SIZE) == 0))
    for first, last in zip(begins, np.append(begins[1:], len(state)), strict=True):
        nwb.add_trial(
            start_time=first * BIN_SIZE, stop_time=last * BIN_SIZE, state=("Wake", "nREM", "REM")[state[first]]
        )
    rng = np.random.default_rng(0)
    ends = counts.sum(axis=0, dtype=np.int64).cumsum()
    times = np.empty(ends[-1])
    for unit, end in zip(counts.T, ends, strict=True):
        held = np.repeat(bins, unit)
        times[end - len(held) : end] = np.sort(held + rng.random(len(held))) * BIN_SIZE
    # As columns, since a table that grows unit by unit keeps every spike as an object of its own.
    spikes = VectorData(name="spike_times", description="s", data=times)
    index = VectorIndex(name="spike_times_index", target=spikes, data=ends)
    nwb.units = Units(name="units", description="simulated", columns=[spikes, index], id=np.arange(len(ends)))
    with NWBHDF5IO(path, "w") as file:
        file.write(nwb)


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


def make_apart(options: argparse.Namespace, *what: str) -> list[str]:
    """Make the files in a process of their own; return the words that start this script."""
    options.folder.mkdir(parents=True, exist_ok=True)
    common = [sys.executable, __file__, "--folder", str(options.folder)]
    shape = ["--hours", f"{options.hours:g}", "--units", str(options.units)]
    for one in what:
        subprocess.run([*common, *shape, one], check=True)
    return common


def measure_commands(options: argparse.Namespace) -> None:
    """Run the command line on the whole, and print what each command took."""
    make_apart(options, "--make", "--make-nwb")
    stored = path_of(options.folder, options.hours, options.units, 1)
    forms = {"NWB": (stored.with_suffix(".nwb"), f"bin_size={BIN_SIZE}"), "stored": (stored, "stored=1")}
    steps = ["--set", f"steps={options.steps}"]
    print("| file | command | time | processor | peak memory |\n|---|---|---|---|---|")
    for form, (path, load) in forms.items():
        data = [str(path), "--data", load]
        run = str(options.folder / f"run_{form}")
        out = ["--out", str(options.folder / f"{form}.npz"), "--device", "cpu"]
        commands = [
            ["train", *data, "--out", run, *steps, "--quiet", "--device", "cpu"],
            ["evaluate", run, "--target", "state"],
            ["embed", run, *data, *out],
        ]
        for words in [*([["inspect", *data]] if form == "NWB" else []), *commands]:
            start = time.perf_counter()
            process = subprocess.Popen([sys.executable, "-m", "myow", *words], stdout=sys.stderr)
            _, status, usage = os.wait4(process.pid, 0)
            if status:
                sys.exit(f"myow {' '.join(words)} failed")
            most = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            worked = usage.ru_utime + usage.ru_stime
            seconds = time.perf_counter() - start
            print(f"| {form} | {words[0]} | {seconds:.0f} s | {worked:.0f} s | {most / 2**30:.2f} GiB |", flush=True)
    if not options.keep:
        for path, _ in forms.values():
            path.unlink()


def compare(options: argparse.Namespace) -> None:
    """Run everything, each in a fresh process, and print the table."""
    start = time.perf_counter()
    common = make_apart(options, "--make")
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
