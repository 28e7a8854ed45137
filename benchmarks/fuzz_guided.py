"""Fuzz what is read by Python code alone, guided by coverage: files that reach new lines of myow are kept and changed further.

    pip install atheris
    python benchmarks/fuzz_guided.py [--seconds 60] [--seed 1] [--only pickle,rows] [--out fuzz-found]
    python benchmarks/fuzz_guided.py --replay fuzz-found/rows-crash-...

`fuzz.py` changes whole containers by rules, with checksums made right; coverage cannot guess those. It serves where bytes lead
straight into branches of ours: pickles, JSON and tables of text. What counts as a fault is what `fuzz.py` counts, and a fault ends its loader's turn;
the file that libFuzzer keeps then can be replayed. Printed is, for each loader, how many files were tried and how many
edges of code (cov) and features (ft) they reached, at first and in the end.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MYOW_OFFLINE", "1")

LOADERS = ("pickle", "arrays-pickle", "rows", "metrics", "run", "evaluation", "read-csv", "read-tsv")
MEGABYTES = 5000


class Fault(Exception):
    """A loader did what no loader may."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="of each loader")
    parser.add_argument("--seed", type=int, default=1, help="of libFuzzer, above 0")
    parser.add_argument("--only", default=",".join(LOADERS), help="names of loaders, a,b")
    parser.add_argument("--out", type=Path, default=Path("fuzz-found"), help="folder that faults are kept in")
    parser.add_argument("--replay", type=Path, help="a file that was kept: LOADER-crash-...")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    options, flags = parser.parse_known_args(argv)
    if options.here:
        guided(options.here, flags)
    if flags:
        parser.error(f"unrecognised: {' '.join(flags)}")
    if options.replay:
        return replay(options.replay)
    try:
        import atheris  # noqa: F401
    except ImportError:
        parser.error("coverage is followed by atheris; install it with: pip install atheris")
    unknown = set(options.only.split(",")) - set(LOADERS)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; choices: {', '.join(LOADERS)}")
    options.out.mkdir(parents=True, exist_ok=True)
    print(f"{'loader':<16}{'files':>9}{'cov':>14}{'ft':>16}  faults")
    faults = 0
    for name in options.only.split(","):
        faults += turn(name, options)
    print(f"{faults} faults; {options.seconds} s a loader, seed {options.seed}")
    return int(faults > 0)


def replay(kept: Path) -> int:
    """Load a file that was kept once more, without following coverage; 1 if it still is a fault."""
    from fuzzing.loaders import loaders

    name = re.split(r"-(?:crash|timeout|oom|leak|slow-unit)-", kept.name)[0]
    (loader,) = loaders([name]).values()
    with tempfile.TemporaryDirectory() as folder:
        try:
            one_file(loader, Path(folder, loader.file))(kept.read_bytes())
        except Fault as fault:
            print(f"fault: {fault}")
            return 1
    print("it loads, or is refused")
    return 0


def turn(name: str, options: argparse.Namespace) -> int:
    """Fuzz one loader in a process of its own, and print what it reached; 1 if there was a fault."""
    with tempfile.TemporaryDirectory() as corpus:
        command = [sys.executable, __file__, "--here", name, corpus]
        limits = {"max_total_time": options.seconds, "seed": options.seed, "rss_limit_mb": MEGABYTES, "timeout": 30}
        command += [f"-{key}={value}" for key, value in limits.items()]
        command += ["-print_final_stats=1", f"-artifact_prefix={options.out.resolve()}/{name}-"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    files = re.findall(r"stat::number_of_executed_units: (\d+)", done.stderr)
    reached = re.findall(r"cov: (\d+) ft: (\d+)", done.stderr)
    if not files or not (reached or done.returncode):
        raise SystemExit(f"{name}: the fuzzer did not run: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    (cov, ft), (cov_end, ft_end) = (reached or [("-", "-")])[0], (reached or [("-", "-")])[-1]
    print(
        f"{name:<16}{files[-1]:>9}{f'{cov} to {cov_end}':>14}{f'{ft} to {ft_end}':>16}  {int(done.returncode != 0)}",
        flush=True,
    )
    if done.returncode:
        print(done.stdout[-3000:], done.stderr[-1000:])
    return int(done.returncode != 0)


def guided(name: str, flags: Sequence[str]) -> None:
    """Be the process of one loader: hand over to libFuzzer, which ends it."""
    import atheris

    with atheris.instrument_imports(include=["myow"]):
        from fuzzing.loaders import loaders

        import myow.methods.runs
        import myow.training.checkpoint  # noqa: F401
    (loader,) = loaders([name]).values()
    corpus, *flags = flags
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, loader.file)
        for which, (content, load) in enumerate(loader.seeds):
            Path(corpus, f"valid-{which}").write_bytes(bytes([which]) + content)
            path.write_bytes(content)
            load(path)  # what is imported late is imported now
        atheris.Setup([sys.argv[0], corpus, *flags], one_file(loader, path))
        atheris.Fuzz()


def one_file(loader: Any, path: Path) -> Callable[[bytes], None]:
    """Return what tries one file, at `path`: its first byte says which valid file's way to read it is taken."""
    from fuzz import FINE, watched
    from fuzzing.audit import Audit

    audit = Audit(path.parent if loader.writes else None)
    audit.begin()

    def run(data: bytes) -> None:
        if not data:
            return
        path.write_bytes(data[1:])
        load = loader.seeds[data[0] % len(loader.seeds)][1]
        found = watched(audit, load, path)
        if found["verdict"] not in FINE:
            raise Fault(f"{found['verdict']}: {found.get('where', '')} {found.get('detail', '')}")

    return run


if __name__ == "__main__":
    sys.exit(main())
