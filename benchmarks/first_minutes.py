"""A new user's first session: spike times and a table of trials, as a lab has them, to a figure and a saved model.

    python benchmarks/first_minutes.py [--out FOLDER] [--units 60] [--trials 96] [--steps N] [--json]

It needs the core of the package alone. Spikes and trials are simulated and written to files first; from there on it goes the way that
the README shows: read, look, train, evaluate, search, save, load. Each stage is timed, and what it should give is checked.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

import myow

N_DIRECTIONS = 4
DURATION, PAUSE = 0.8, 0.7  # s of a trial, and between two
RATE = 0.8  # Hz, of the average unit


def write_session(folder: Path, n_units: int, n_trials: int, seed: int = 0) -> None:
    """Write what spike sorting and a task leave: `spike_times.npy`, `spike_clusters.npy` and `trials.csv`.

    Units prefer directions; they fire between trials too. Clusters have the gaps in their numbers that sorting leaves.
    """
    rng = np.random.default_rng(seed)
    start = 5.0 + np.arange(n_trials) * (DURATION + PAUSE)
    direction = rng.permutation(np.arange(n_trials) % N_DIRECTIONS)
    preferred = rng.uniform(0, 2 * np.pi, n_units)
    times, units = [], []
    for begins, d in zip(start, direction, strict=True):
        rates = RATE * np.exp(np.cos(2 * np.pi * d / N_DIRECTIONS - preferred))
        for unit, (moving, resting) in enumerate(
            zip(rng.poisson(rates * DURATION), rng.poisson(RATE * PAUSE, n_units), strict=True)
        ):
            times += [rng.uniform(begins, begins + DURATION, moving), rng.uniform(begins - PAUSE, begins, resting)]
            units += [np.full(moving + resting, 2 * unit + 3)]
    spikes, clusters = np.concatenate(times), np.concatenate(units)
    order = np.argsort(spikes)
    np.save(folder / "spike_times.npy", spikes[order])
    np.save(folder / "spike_clusters.npy", clusters[order])
    trials = {"start": start, "stop": start + DURATION, "direction": direction, "outcome": "correct"}
    pd.DataFrame(trials).round(4).to_csv(folder / "trials.csv", index=False)


def session(folder: Path, steps: int | None) -> dict[str, object]:
    """Go from the files in `folder` to a figure, an evaluation, a search and a saved model.

    Returns
    -------
    dict
        "seconds" of each stage, "accuracy" with one label, "raw" beside it, "best" settings and their test "score".
    """
    seconds: dict[str, float] = {}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        seconds[name] = round(time.perf_counter() - began, 2)

    with stage("read"):
        spikes, units = np.load(folder / "spike_times.npy"), np.load(folder / "spike_clusters.npy")
        trials = pd.read_csv(folder / "trials.csv")
        rec = myow.Recording.from_spikes((spikes, units), trials, bin_size=0.1, name="first")
        if rec.n_segments != len(trials) or rec.n_units != len(np.unique(units)):
            raise SystemExit(f"{len(trials)} trials and {len(np.unique(units))} units went in, and {rec!r} came out")
        suggested = str(myow.suggest(rec))
    train, valid, test = rec.split(0.6, 0.1, 0.3, stratify="direction", random_state=0)
    settings = {"context": (2, 2), "steps": steps, "random_state": 0, "device": "cpu", "verbose": False}
    with stage("train"):
        model = myow.MYOW(**settings).fit(train)
    with stage("figure"):
        for ending in ("png", "pdf"):
            myow.plot.embedding(model.transform(test), test, color="direction").savefig(folder / f"embedding.{ending}")
    with stage("evaluate"):
        found = myow.evaluate(model, train, valid, test, target="direction", readout="class", labels=1, draws=5)
        myow.plot.decoding(found).savefig(folder / "decoding.png")
    with stage("GridSearchCV"):
        pipeline = Pipeline([("embed", myow.MYOW(**settings)), ("read", LogisticRegression(max_iter=500))])
        pipeline.set_params(embed__steps=max(1, (steps or 200) // 4))
        learn = myow.Recording.concatenate([train, valid])
        search = GridSearchCV(
            pipeline, {"embed__noise": [0.25, 1.0]}, cv=learn.folds(2, stratify="direction"), error_score="raise"
        ).fit(learn, learn.labels["direction"])
        score = float(search.score(test, test.labels["direction"]))
    with stage("save and load"):
        model.save(folder / "model.myow", evaluations=[found])
        again = myow.load_model(folder / "model.myow")
        if not np.array_equal(again.transform(test), model.transform(test)):
            raise SystemExit("the saved model embeds other than the one that was saved")
        myow.write(folder / "z.csv", myow.embed(again, test))
    return {
        "seconds": seconds,
        "suggested": suggested.splitlines()[0],
        "accuracy": found["accuracy"],
        "raw": found["raw_common"]["accuracy"],
        "verdict": found.verdict,
        "best": {name: float(value) for name, value in search.best_params_.items()},
        "score": score,
        "files": sorted(path.name for path in folder.iterdir()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder to keep the files in; by default they are removed")
    parser.add_argument("--units", type=int, default=60)
    parser.add_argument("--trials", type=int, default=96)
    parser.add_argument("--steps", type=int, help="training steps; by default those of MYOW")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*never change")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        folder = options.out or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        write_session(folder, options.units, options.trials)
        found = session(folder, options.steps)
    found["total"] = round(time.perf_counter() - began, 1)
    if options.json:
        print(json.dumps(found))
        return
    print(f"python benchmarks/first_minutes.py {' '.join(sys.argv[1:])}".rstrip(), f"(myow {myow.__version__})")
    for name, value in found["seconds"].items():
        print(f"  {name:<14}{value:>8.2f} s")
    print(f"  {'in all':<14}{found['total']:>8.1f} s\n{found['suggested']}\n{found['verdict']}")
    print(f"search: {found['best']}, accuracy {found['score']:.3f} on test trials with all labels")


if __name__ == "__main__":
    main()
