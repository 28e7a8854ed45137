"""Everything that is fuzzed, by name."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from . import files, runs
from .embeddings import EMBEDDINGS, of_embedding
from .loader import Loader
from .readers import FOREIGN, READERS, read_with

__all__ = ["loaders"]


def loaders(wanted: Sequence[str] = ()) -> dict[str, Loader]:
    """Make valid files and return the loaders by name; only some, if they are named."""
    made: dict[str, Callable[[Path], Loader]] = {f"read-{name}": _reader(name) for name in READERS}
    made |= {f"embedding-{suffix[1:]}": of_embedding(suffix) for suffix in EMBEDDINGS}
    made |= {"model": runs.model, "checkpoint": runs.checkpoint, "run": runs.run, "metrics": runs.metrics}
    made |= {"pairs": runs.pairs, "evaluation": runs.evaluation, "rows": runs.rows}
    made |= {"pickle": files.of_pickle, "arrays-pickle": files.of_cifar, "image": files.of_image}
    made |= {"archive-tar": files.of_tar, "archive-zip": files.of_zip}
    unknown = set(wanted) - set(made)
    if unknown:
        raise SystemExit(f"there is no {', '.join(unknown)}; choices: {', '.join(made)}")
    with tempfile.TemporaryDirectory() as folder:
        return {name: make(Path(folder)) for name, make in made.items() if not wanted or name in wanted}


def _reader(name: str) -> Callable[[Path], Loader]:
    def make(folder: Path) -> Loader:
        suffix, kind, seeds = READERS[name]
        found = []
        for seed, write, options in seeds:
            write(folder / f"{seed}{suffix}")
            found.append(((folder / f"{seed}{suffix}").read_bytes(), read_with(options)))
        return Loader(suffix, kind, found, foreign=name in FOREIGN)

    return make
