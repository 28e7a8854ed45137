"""Kill `myow train` and `myow bench` at random moments, go on, and compare with what nobody disturbed.

    python benchmarks/kill.py [--kills 50] [--commands 5] [--benches 5] [--seed 0]

Every kill is a SIGKILL, in a fresh folder each. ``--commands`` of them hit the real command at a random time, start-up
and pictures included. The others hit a forked process that runs the same command without start-up and pictures, by
turns at a random time and at a random operation on a file: before or after it is synced, renamed, removed, or with half
of a line written. What the folder then holds must be readable, and hold every row up to its checkpoint. Then the
command goes on with ``--resume`` (some are killed once more), and weights, rows and pairs must be those of the
undisturbed run, bit for bit. Needs Linux or macOS.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from safetensors import safe_open

from myow import load_model
from myow.cli import commands as commands_of
from myow.cli import train as workflow
from myow.evaluation import bench_jobs as _fit  # noqa: F401  (before forking, so that children need not load it)
from myow.figures import bench_figures
from myow.io.files import HALF, read_arrays
from myow.io.model_file import read_header, read_tensors
from myow.methods.runs import RunFolder
from myow.training.callbacks import read_metrics

SMALL = ["dim=8", "hidden=16", "predictor=16", "mined_projector=16,8", "mined_predictor=16", "batch_size=64"]
DATA = ["simulated-reach", "--data", "n_trials=48"]
TRAIN = ["train", *DATA, *(w for s in SMALL for w in ("--set", s)), "--device", "cpu", "--quiet"]
BENCH = ["bench", "--datasets", DATA[0], *DATA[1:], "--methods", "raw,pca,byol", "--readouts", "knn", "--folds", "2", "--quiet",
         "--set", "byol.steps=20", "--set", "byol.hidden=16", "--set", "byol.dim=8", "--set", "byol.predictor=16"]  # fmt: skip

OPERATIONS = ("fsync", "replace", "unlink", "write", "ftruncate")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="kills of a training, those of commands included")
    parser.add_argument("--commands", type=int, default=5, help="kills of the real command")
    parser.add_argument("--benches", type=int, default=5, help="kills of a bench")
    parser.add_argument("--steps", type=int, default=120, help="of a training; each tenth of them gives a checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    TRAIN.extend(["--set", f"steps={options.steps}"])
    torch.set_num_threads(1)
    workflow.draw_run = lambda *_: []  # in forked processes only
    if not options.commands:  # a small run
        bench_figures.draw_bench = lambda *_: []
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        faults = trainings(Path(folder), options.kills, options.commands, rng)
        faults += benches(Path(folder), options.benches, rng) if options.benches else []
    for fault in faults:
        print("FAULT:", fault)
    print(
        f"{options.kills} kills of a training and {options.benches} of a bench, seed {options.seed}: {len(faults)} faults"
    )
    return int(bool(faults))


# Starting and killing.


def fork(words: Sequence[str], die: Callable[[], None] = lambda: None) -> int:
    """Run the command line in a forked process and return its id."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        sys.argv = ["myow", *words]
        die()
        commands_of.main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        os._exit(code)


def run(words: Sequence[str], die: Callable[[], None] = lambda: None) -> float:
    """Run it to its end; return the seconds that it took."""
    start = time.perf_counter()
    _, status = os.waitpid(fork(words, die), 0)
    if status:
        raise RuntimeError(f"myow {' '.join(words)} ended with {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - start


def kill_after(seconds: float, process: int) -> bool:
    """Kill a process after some time; say whether it was still running."""
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    return os.waitpid(process, 0)[1] != 0


def at_operation(target: int, share: float, found: Path | None = None) -> Callable[[], None]:
    """Make the process kill itself at an operation on a file, before or after it; or only count them into `found`."""
    count = 0

    def watch(name: str) -> None:
        plain = getattr(os, name)

        def watched(*args: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if found is not None:
                found.write_bytes(b"%d" % count)  # not by os.write
            if count != target:
                return plain(*args, **named)
            if name == "write":
                plain(args[0], args[1][: int(share * len(args[1]))])
            elif share > 0.5:
                plain(*args, **named)
            os.kill(os.getpid(), signal.SIGKILL)
            return None

        setattr(os, name, watched)

    return lambda: [watch(name) for name in OPERATIONS] and None


# Trainings.


def trainings(folder: Path, kills: int, commands: int, rng: random.Random) -> list[str]:
    whole = folder / "whole"
    counted = folder / "operations"
    seconds = run([*TRAIN, "--out", str(whole)], at_operation(-1, 0, counted))
    n_operations = int(counted.read_bytes())
    expected = outcome(whole)
    command_seconds = 0.0
    if commands:
        start = time.perf_counter()
        subprocess.run(command(folder / "command"), check=True, stdout=subprocess.DEVNULL)
        command_seconds = time.perf_counter() - start
    print(f"undisturbed: {seconds:.2f} s and {n_operations} operations on files in a forked process; "
          f"the real command {command_seconds:.1f} s")  # fmt: skip
    print(f"{'':>3}  {'killed':<39} {'found':<44} {'went on from':>12}  weights, rows, pairs")
    faults: list[str] = []
    n = 0
    while n < kills:
        out = folder / f"run{n}"
        words = [*TRAIN, "--out", str(out)]
        from_step = 0
        for again in range(1 + (rng.random() < 0.3 and n + 1 < kills)):
            n += 1
            words_now = [*words, "--resume"] if again else words
            if n <= commands:
                moment = rng.uniform(0, command_seconds)
                hit = kill_after(moment, subprocess.Popen(command(out), stdout=subprocess.DEVNULL).pid)
                how = f"command after {moment:.2f} s"
            elif n % 2:
                moment = rng.uniform(0, seconds)
                hit = kill_after(moment, fork(words_now))
                how = f"after {moment * 1000:.0f} ms"
            else:
                target, share = rng.randint(1, n_operations), rng.random()
                hit = os.waitpid(fork(words_now, at_operation(target, share)), 0)[1] != 0
                how = f"at operation {target} on a file"
            found, from_step, wrong = state(out, [row["step"] for row in expected["rows"]])
            faults += [f"kill {n} ({how}): {text}" for text in wrong]
            if again:
                print()
            print(f"{n:>3}  {how if hit else how + ', was done':<39} {found:<44}", end="")
        run([*words, "--resume"])
        wrong = differences(expected, outcome(out))
        faults += [f"kill {n}: {text}" for text in wrong]
        print(f" {from_step:>12}  {', '.join(wrong) or 'the same'}", flush=True)
    return faults


def command(out: Path) -> list[str]:
    return [sys.executable, "-m", "myow", *TRAIN, "--out", str(out)]


def state(out: Path, expected: Sequence[int]) -> tuple[str, int, list[str]]:
    """Read all that a killed training left: a word on what it is, the step it would go on from, and what is wrong.

    `expected` are the steps of which there are records in the end.
    """
    folder, wrong, step = RunFolder(out), [], 0
    held = sorted(p.name for p in out.iterdir()) if out.exists() else []
    try:
        if folder.checkpoint.exists():
            with safe_open(folder.checkpoint, framework="pt") as file:
                step = json.loads(file.metadata()["checkpoint"])["step"]
                [file.get_tensor(key) for key in file.keys()]  # noqa: SIM118
        if folder.holds_run():
            folder.read()
            load_model(folder.model_path, device="cpu")
        elif folder.model_path.exists():
            load_model(folder.model_path, device="cpu")
        due = [s for s in expected if s <= step]
        measured = [row["step"] for row in read_metrics(folder.metrics)] if folder.metrics.exists() else []
        near, mined = (read_arrays(p)["step"].tolist() if p.exists() else [] for p in (folder.neighbours, folder.mined))
        for name, steps, least in (("metrics", measured, due), ("neighbours", near, due), ("mined", mined, due[1:])):
            if steps[: len(least)] != least:
                wrong.append(f"{name} are of steps {steps}, the checkpoint of {step}")
    except Exception as error:
        wrong.append(f"unreadable: {error!r}")
    half = [name for name in held if HALF in name]
    words = "nothing yet" if not held else f"checkpoint of step {step}" if step else "no checkpoint yet"
    words += ", model" if folder.model_path.exists() else ""
    return words + (f", {len(half)} half-written" if half else ""), step, wrong


def outcome(out: Path) -> dict[str, Any]:
    """What must come out the same; only the time that it took may differ."""
    folder = RunFolder(out)
    return {
        "weights": {k: v.numpy().tobytes() for k, v in read_tensors(folder.model_path).items()},
        "description": read_header(folder.model_path),
        "run": folder.read(),
        "rows": [{k: v for k, v in row.items() if k != "seconds"} for row in read_metrics(folder.metrics)],
        "pairs": [{k: v.tobytes() for k, v in read_arrays(p).items()} for p in (folder.mined, folder.neighbours)],
        "half-written files": [p.name for p in out.iterdir() if HALF in p.name],
    }


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    return [f"{name} differ" for name in expected if expected[name] != found[name]]


# Benches.


def benches(folder: Path, kills: int, rng: random.Random) -> list[str]:
    seconds = run([*BENCH, "--out", str(folder / "bench")])
    expected = scores(folder / "bench")
    print(f"\nundisturbed bench: {seconds:.1f} s, {len(expected)} rows")
    faults = []
    for n in range(1, kills + 1):
        out = folder / f"bench{n}"
        moment = rng.uniform(0.1, 0.9) * seconds
        kill_after(moment, fork([*BENCH, "--out", str(out)]))
        path = out / "rows.jsonl"
        kept = path.read_bytes() if path.exists() else b""
        kept = kept[: kept.rfind(b"\n") + 1]
        run([*BENCH, "--out", str(out)])
        wrong = [] if path.read_bytes().startswith(kept) else ["rows that were there are gone"]
        wrong += [] if scores(out) == expected else ["rows differ"]
        wrong += ["a half-written file stays"] if any(HALF in p.name for p in out.rglob("*")) else []
        faults += [f"bench {n}: {text}" for text in wrong]
        n_rows = len(kept.splitlines())
        print(f"{n:>3}  killed after {moment:.2f} s with {n_rows} rows, went on: {', '.join(wrong) or 'the same'}")
    return faults


def scores(out: Path) -> dict[str, Any]:
    """Scores of every row, which no one may have twice."""
    rows = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
    found = {row["key"]: [row["error"], row["scores"]] for row in rows}
    return found | ({"twice": len(rows)} if len(found) < len(rows) else {})


if __name__ == "__main__":
    np.seterr(all="ignore")
    sys.exit(main())
