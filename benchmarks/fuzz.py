"""Feed every loader with broken and hostile files: each either loads, or is refused with one error of our own.

    python benchmarks/fuzz.py [--cases 1000] [--seed 0] [--only read-npz,model] [--out fuzz-found]
    python benchmarks/fuzz.py --replay fuzz-found/read-npz-0-17.json

Files are made from valid ones by changes of bytes and of what containers hold; all of that is in ``fuzzing/``. The same seed makes the same files. A loader runs in a process of its own, with bounds on memory and time,
and an audit of what it opens, starts and connects to. A fault is any other exception, a message of several lines, a
crash, too much time or memory, a program started, or a file written. Faults are kept, and can be replayed.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MYOW_OFFLINE", "1")

import torch
from fuzzing.audit import Audit
from fuzzing.containers import change
from fuzzing.loader import Loader
from fuzzing.loaders import loaders

from myow.errors import MyowError

MEMORY = 5 << 30  # bytes beyond what a process starts with: loaders refuse to take more than 4 GiB for a file
PATIENCE = 500  # cases until a process is replaced
FINE = ("load", "refused")  # verdicts
THEIRS = ("crash", "takes too long", "takes too much memory")  # what a compiled library may do with damaged bytes


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000, help="of each loader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="names of loaders, a,b")
    parser.add_argument("--seconds", type=float, default=30.0, help="that a file may take")
    parser.add_argument("--out", type=Path, default=Path("fuzz-found"), help="folder that faults are kept in")
    parser.add_argument("--replay", type=Path, help="the .json of a fault")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    if options.replay:
        return replay(options.replay)
    total = Counter[str]()
    print(
        f"{'loader':<18}{'cases':>8}{'load':>8}{'refused':>9}{'faults':>8}{'a second':>10}{'slowest':>10}{'peak':>10}"
    )
    for name, loader in loaders([n for n in options.only.split(",") if n]).items():
        total += fuzz(name, loader, options)
    print(
        f"{total['cases']} cases, seed {options.seed}: {total['load']} load, {total['refused']} are refused, {total['faults']} faults"
    )
    return int(total["faults"] > 0)


def case(name: str, loader: Loader, seed: int, n: int) -> tuple[bytes, int]:
    """Return the n-th file, and which of the valid ones it was made from."""
    rng = random.Random(f"{name} {seed} {n}")
    which = rng.randrange(len(loader.seeds))
    contents = [content for content, _ in loader.seeds]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of members that come twice, which are meant
        return change(contents[which], loader.kind, rng, contents), which


def fuzz(name: str, loader: Loader, options: Any) -> Counter[str]:
    count = Counter[str]()
    slowest = peak = 0.0
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(loader, Path(folder))
        for which in range(len(loader.seeds)):  # a valid file must load, or nothing would be said by what follows
            answer = worker.ask(loader.seeds[which][0], which, options.seconds)
            if answer["verdict"] != "load":
                raise SystemExit(f"{name}: valid file {which} does not load: {answer}")
        for n in range(options.cases):
            if n % PATIENCE == PATIENCE - 1:
                worker.end()
            content, which = case(name, loader, options.seed, n)
            answer = worker.ask(content, which, options.seconds)
            verdict = answer["verdict"]
            theirs = loader.foreign and verdict in THEIRS
            count["theirs" if theirs else verdict if verdict in FINE else "faults"] += 1
            slowest, peak = max(slowest, answer["seconds"]), max(peak, answer.get("peak", 0.0))
            if verdict not in FINE and not theirs:
                keep(
                    options.out,
                    f"{name}-{options.seed}-{n}",
                    content,
                    {"loader": name, "seed": options.seed, "case": n, "valid": which} | answer,
                )
        worker.end()
    rate = options.cases / (time.monotonic() - began)
    print(
        f"{name:<18}{options.cases:>8}{count['load']:>8}{count['refused']:>9}{count['faults']:>8}{rate:>10.0f}{slowest:>8.1f} s{peak:>6.0f} MiB"
        + (f"; {count['theirs']} crashed, hung or swelled a library" if count["theirs"] else ""),
        flush=True,
    )
    return count + Counter(cases=options.cases)


def keep(out: Path, stem: str, content: bytes, about: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{stem}.bin").write_bytes(content)
    (out / f"{stem}.json").write_text(json.dumps(about, indent=1) + "\n")
    print(f"FAULT {stem}: {about['verdict']}: {about.get('where', '')} {about.get('detail', '')[-200:]}", flush=True)


def replay(path: Path) -> int:
    """Load the file of a fault here, so that the whole error is seen."""
    about = json.loads(path.read_text())
    (loader,) = loaders([about["loader"]]).values()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / loader.file
        target.write_bytes(path.with_suffix(".bin").read_bytes())
        try:
            loader.seeds[about["valid"]][1](target)
        except MyowError as error:
            print(f"refused: {error}")
            return 0
        except Exception:
            traceback.print_exc()
            return 1
    print("it loads")
    return 0


class Worker:
    """A process that loads one file after the other, and is replaced when it dies."""

    def __init__(self, loader: Loader, folder: Path) -> None:
        self.loader, self.folder, self.process = loader, folder, 0

    def ask(self, content: bytes, which: int, seconds: float) -> dict[str, Any]:
        """Load a file; return the verdict."""
        if not self.process:
            self._start()
        place = self.folder / "case"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        path = place / self.loader.file
        path.write_bytes(content)
        began = time.monotonic()
        os.write(self.to, f"{which} {path}\n".encode())
        answer = b""
        while not answer.endswith(b"\n"):
            left = began + seconds - time.monotonic()
            ready, _, _ = select.select([self.back], [], [], max(left, 0))
            block = os.read(self.back, 1 << 16) if ready else b""
            if not block:
                return {
                    "verdict": "takes too long" if not ready else "crash",
                    "detail": self._kill(),
                    "seconds": time.monotonic() - began,
                }
            answer += block
        found: dict[str, Any] = json.loads(answer) | {"seconds": time.monotonic() - began}
        left_over = sorted(p.name for p in self.folder.iterdir() if p.name != "case")
        beside = [] if self.loader.writes else [p.name for p in place.iterdir() if p != path]
        if left_over or beside or not (path.exists() or self.loader.writes):
            found |= {"verdict": "wrote or removed a file", "detail": f"{left_over} {beside}"}
        return found

    def _start(self) -> None:
        theirs_in, self.to = os.pipe()
        self.back, theirs_out = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            try:
                os.close(self.to), os.close(self.back)
                serve(self.loader, self.folder, theirs_in, theirs_out)
            finally:
                os._exit(0)
        os.close(theirs_in), os.close(theirs_out)

    def _kill(self) -> str:
        os.kill(self.process, signal.SIGKILL)
        _, status = os.waitpid(self.process, 0)
        os.close(self.to), os.close(self.back)
        self.process = 0
        return f"status {os.waitstatus_to_exitcode(status)}"

    def end(self) -> None:
        """End the process; the next file starts another."""
        if self.process:
            self._kill()


def serve(loader: Loader, folder: Path, source: int, target: int) -> None:
    """Be the process: answer each path with a verdict."""
    os.chdir(folder)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    faulthandler.disable()  # a crash is told by how the process ends
    audit = Audit(folder / "case" if loader.writes else None)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    for line in os.fdopen(source):
        which, _, path = line.rstrip("\n").partition(" ")
        verdict = watched(audit, loader.seeds[int(which)][1], Path(path))
        audit.begin()  # what a first import writes and starts is not the file's doing
        verdict["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        os.write(target, json.dumps(verdict).encode() + b"\n")


def watched(audit: Audit, load: Callable[[Path], Any], path: Path) -> dict[str, Any]:
    """Load a file, and say what came of it; what it must not do counts unless there is worse."""
    with audit.watching() as seen:
        verdict = attempt(load, path)
    if seen and verdict["verdict"] in FINE:
        return {"verdict": "did what it must not", "detail": "; ".join(seen[:3])}
    return verdict


def attempt(load: Callable[[Path], Any], path: Path) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            load(path)
    except MyowError as error:
        text = str(error)
        if "\n" in text or not text:
            return {"verdict": "no single line", "detail": text[:300]}
        if out_of_memory(error):
            return {"verdict": "takes too much memory", "detail": text[:300]}
        return {"verdict": "refused", "detail": text[:200]}
    except BaseException as error:
        frames = [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
        return {
            "verdict": f"raises {type(error).__name__}",
            "where": " ".join(frames[-4:]),
            "detail": " ".join(str(error).split()),
        }
    return {"verdict": "load"}


def out_of_memory(error: BaseException | None) -> bool:
    """Whether memory ran out on the way to an error."""
    while error is not None:
        if isinstance(error, MemoryError) or "bad_alloc" in str(error) or "allocate memory" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


if __name__ == "__main__":
    sys.exit(main())
