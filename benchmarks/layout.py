"""How the code is laid out, in numbers: files and lines, floors and circles, classes above MYOW, and files that a task runs.

    python benchmarks/layout.py [--json] [--dataset simulated-reach]

A file is run if one of its functions is, class bodies and imports aside. Floors are the longest chain of packages that import each
other; imports inside of functions and for type checkers do not count, and neither do those of the package's own ``__init__``.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import inspect
import io
import json
import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import myow

ROOT = Path(myow.__file__).parent


def files() -> list[Path]:
    """All source files of the package."""
    return sorted(ROOT.rglob("*.py"))


def n_lines(paths: Iterable[Path]) -> int:
    return sum(len(path.read_text().splitlines()) for path in paths)


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, known: set[str]) -> set[str]:
    """Modules of the package that a file imports when it is loaded."""
    package = path.relative_to(ROOT).parent.parts
    found = set()
    for node in _loaded(ast.parse(path.read_text()).body):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = [*package[: len(package) - node.level + 1], *(node.module.split(".") if node.module else [])]
        for alias in node.names:
            inner = ".".join([*base, alias.name])
            found.add(inner if inner in known else ".".join(base))
    return (found & known) - {module_of(path)}


def _loaded(body: list[ast.stmt]) -> Iterable[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _loaded(node.orelse)
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from _loaded(node.body)
        else:
            yield node


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Sets of nodes that import each other (strongly connected components of more than one)."""
    reach = {node: _reached(graph, node) for node in graph}
    found = {frozenset(m for m in reach[n] if n in reach[m]) | {n} for n in graph if n in reach[n]}
    return sorted(sorted(c) for c in found if len(c) > 1)


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = list(graph[start])
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo += graph[node]
    return seen


def longest(graph: dict[str, set[str]]) -> int:
    """Nodes on the longest chain; of a graph with circles, each node once."""
    depth: dict[str, int] = {}

    def of(node: str, above: frozenset[str]) -> int:
        if node not in depth:
            below = [of(n, above | {node}) for n in graph[node] if n not in above and n != node]
            depth[node] = 1 + max(below, default=0)
        return depth[node]

    return max(of(node, frozenset()) for node in graph)


def by_package(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Contract modules to their packages; those at the top stand for themselves."""
    short: dict[str, set[str]] = {}
    for node, below in graph.items():
        own = node.split(".")[0]
        short.setdefault(own, set()).update(n.split(".")[0] for n in below)
    return {node: below - {node} for node, below in short.items()}


def run_files(action: Callable[[], Any]) -> set[str]:
    """Files of the package of which a function runs during an action."""
    seen: set[str] = set()

    def note(frame: Any, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(str(ROOT)) and not _is_body(code):
            seen.add(str(Path(code.co_filename).relative_to(ROOT)))

    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
    return seen


def _is_body(code: Any) -> bool:
    """Whether code is a module's or a class's body: those run at import, without an optimised local scope."""
    return not code.co_flags & inspect.CO_OPTIMIZED


class OneStep:
    """A callback that looks at the files of one step alone, in the middle of training."""

    def __init__(self, which: int) -> None:
        self.which = which
        self.seen: set[str] = set()

    def begin(self, step: int, total: int) -> None:
        pass

    def step(self, step: int) -> None:
        def note(frame: Any, event: str, argument: Any) -> None:
            code = frame.f_code
            if event == "call" and code.co_filename.startswith(str(ROOT)) and not _is_body(code):
                self.seen.add(str(Path(code.co_filename).relative_to(ROOT)))

        sys.setprofile(note if step == self.which else None)

    def record(self, step: int, metrics: Any, traces: Any) -> None:
        pass

    def end(self) -> None:
        sys.setprofile(None)


def step_files() -> set[str]:
    """Files run by one step of MYOW at its defaults; the loop's own file is among them."""
    watch = OneStep(51)
    model = myow.MYOW(steps=400, random_state=0, device="cpu")
    name = "callbacks" if "callbacks" in inspect.signature(model.fit).parameters else "watchers"
    model.fit(myow.load("simulated-reach"), **{name: [watch]})
    return watch.seen | {"training/loop.py"}


def read_files() -> set[str]:
    """Files run by reading an .npz of four arrays for the first time in a process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npz"
        segments = np.repeat(np.arange(6), 10)
        counts = np.random.default_rng(0).poisson(2.0, (60, 5))
        np.savez(path, counts=counts, bin_size=0.1, segments=segments, direction=segments % 2)
        return run_files(lambda: myow.read(path))


def train_files(dataset: str) -> set[str]:
    """Files run by ``myow train``."""
    from myow.cli.commands import main

    with tempfile.TemporaryDirectory() as folder:
        words = ["myow", "train", dataset, "--out", f"{folder}/run", "--quiet"]

        def act() -> None:
            with mock.patch.object(sys, "argv", words), contextlib.suppress(SystemExit):
                main()

        with contextlib.redirect_stdout(io.StringIO()):
            return run_files(act)


def own_bases(kind: type) -> list[type]:
    """Classes of the package above one."""
    return [base for base in kind.__mro__[1:] if base.__module__.startswith("myow")]


def depth(kind: type) -> int:
    """Length of the longest chain of classes of the package that ends with one."""
    return 1 + max((depth(base) for base in kind.__bases__ if base.__module__.startswith("myow")), default=0)


def explained(kind: type) -> tuple[int, int]:
    """Parameters of a class that its own docstring explains, and all of them."""
    names = list(kind().get_params())
    doc = inspect.cleandoc(kind.__doc__ or "")
    listed = {name.strip() for line in re.findall(r"^(\w[\w, ]*) : ", doc, re.M) for name in line.split(",")}
    return len([name for name in names if name in listed]), len(names)


def measure(dataset: str) -> dict[str, Any]:
    """All numbers."""
    paths = files()
    known = {module_of(path) for path in paths} - {""}
    graph = {module_of(path): imports(path, known) for path in paths if module_of(path)}
    packages = [path for path in ROOT.iterdir() if (path / "__init__.py").exists()]
    benchmarks = list(Path(__file__).parent.rglob("*.py"))
    length = {path: len(path.read_text().splitlines()) for path in paths}
    inner = {path: n for path, n in length.items() if path.name != "__init__.py"}
    kinds = [getattr(myow, name) for name in dir(myow)]
    kinds = [kind for kind in kinds if isinstance(kind, type) and hasattr(kind, "get_params")]
    both = [explained(kind) for kind in kinds]
    return {
        "source files": len(paths),
        "lines": sum(length.values()),
        "lines with benchmarks": sum(length.values()) + n_lines(benchmarks),
        "median file": statistics.median(length.values()),
        "longest file": max(length.values()),
        "files shorter than 60 lines": sum(n < 60 for n in inner.values()),
        "packages": len(packages),
        "modules at the top": len([path for path in ROOT.glob("*.py") if path.name != "__init__.py"]),
        "longest chain of files": longest(graph),
        "floors of packages": longest(by_package(graph)),
        "circles of packages": circles(by_package(graph)),
        "circles of files": circles(graph),
        "own classes above MYOW": len(own_bases(myow.MYOW)),
        "classes from base to MYOW": depth(myow.MYOW),
        "parameters explained": f"{sum(found for found, _ in both)} of {sum(all_ for _, all_ in both)}",
        "files run by a step of MYOW": sorted(step_files()),
        "files run by reading an .npz": sorted(read_files()),
        "files run by myow train": sorted(train_files(dataset)),
    }


def main() -> None:
    """Print the numbers, as a table or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object, with the names of the files")
    parser.add_argument("--dataset", default="simulated-reach", help="what myow train learns from")
    options = parser.parse_args()
    found = measure(options.dataset)
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"| {name} | {len(value) if isinstance(value, list) else value} |")


if __name__ == "__main__":
    main()
