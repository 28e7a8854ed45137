"""The same search for every method: where their default settings come from.

For each method so many settings are drawn at random from its space (``space.json``); the first is what its defaults
were (``earlier.json``). Each is judged on validation rows alone: two random splits of Chewie-1 (70/20/10 by trial; the last part is never
looked at) and two simulated recordings of seeds that nothing else uses. What counts is the mean accuracy of the class readout
with all labels, 5 and 1 labelled trials (minutes) per class, averaged over the three recordings and the contexts. In a second
round the best of each method, and its defaults, are judged once more, with other splits, simulated recordings, draws of labels
and seeds. Settings replace the defaults if they were better in both rounds; of several the best on average does.

    MYOW_DATA=folder python benchmarks/search.py [--methods A,B] [--budget 10] [--jobs 2]
    MYOW_DATA=folder python benchmarks/search.py --folder search_views --context 0,0 --context 2,2 --budget 8 --finalists 3 --seed 3001

The first is the search of all methods. The second came later, for the three that compare views, and has parameters that
did not exist before; its ``earlier.json`` lists, after the defaults, one proposal a method that was found by hand on
Chewie-1's validation rows. Every trial becomes a line of ``log.jsonl`` in the folder, an interrupted search goes on, and the winners go to
``winners.json``; a test holds the methods' defaults against the later of those files.
"""

from __future__ import annotations

import argparse
import json
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

import myow
from myow.data.splits import Labelled
from myow.errors import MyowError
from myow.evaluation.decode import decode
from myow.methods import make_method, method_class
from myow.settings import parse_settings

LABELS = (None, 5, 1)
DRAWS = 3
SPLIT = (0.7, 0.2, 0.1)


def recordings(seed: int) -> list[tuple[str, tuple[myow.Recording, myow.Recording]]]:
    """Training and validation rows; the name says which results are averaged first."""
    chewie, reach = myow.load("chewie-1"), myow.load("simulated-reach", seed=seed)
    sleep = myow.load("simulated-sleep", seed=seed, n_bins=5400)
    found = [("chewie-1", chewie.split(*SPLIT, random_state=s, stratify="direction")[:2]) for s in (seed, seed + 1)]
    found.append(("simulated-reach", reach.split(*SPLIT, random_state=seed, stratify="direction")[:2]))
    found.append(("simulated-sleep", sleep.split(*SPLIT, by="time", gap=300)[:2]))
    return found  # type: ignore[return-value]


def draw(folder: Path, method: str, trial: int) -> dict[str, str]:
    """Settings of a trial: what the defaults were before the search, proposals if there are any, or drawn at random."""
    given = json.loads((folder / "earlier.json").read_text())[method]
    given = given if isinstance(given, list) else [given]
    if trial < len(given) and given[trial]:
        return dict(given[trial])
    rng = np.random.default_rng([trial, zlib.crc32(method.encode())])
    space = json.loads((folder / "space.json").read_text())[method]
    return {key: str(rng.choice(choices)) for key, choices in space.items()}


def judge(
    method: str, stage: int, trial: int, settings: dict[str, str], seed: int, contexts: list[tuple[int, int]]
) -> dict[str, Any]:
    """Fit and read out one choice of settings on every recording, in every context."""
    line: dict[str, Any] = {"method": method, "round": stage, "trial": trial, "settings": settings}
    line["version"] = myow.__version__
    start = time.perf_counter()
    try:
        scores: dict[str, list[list[float]]] = {}
        with threadpool_limits(1):
            for name, parts in recordings(seed + 10 * stage):
                for context in contexts:
                    place = name if context == (0, 0) else f"{name}, {context[0]},{context[1]}"
                    scores.setdefault(place, []).append(_accuracies(method, stage, settings, context, *parts))
        by_recording = {name: np.mean(values, axis=0).round(4).tolist() for name, values in scores.items()}
        line |= {"accuracy": by_recording, "score": round(float(np.mean(list(by_recording.values()))), 5)}
    except MyowError as error:
        line |= {"error": str(error), "score": 0.0}
    return line | {"seconds": round(time.perf_counter() - start, 1)}


def _accuracies(
    method: str,
    stage: int,
    settings: dict[str, str],
    context: tuple[int, int],
    train: myow.Recording,
    valid: myow.Recording,
) -> list[float]:
    estimator = method_class(method)
    target = next(iter(train.labels))
    chosen = parse_settings(estimator, [f"{k}={v}" for k, v in settings.items()])

    def fit(labelled: Labelled | None) -> Any:
        model = make_method(method, **chosen, context=context, random_state=stage)
        return model.fit(train, train.labels[target], labelled=None if labelled is None else labelled.rows)

    once = None if estimator.uses_labels else fit(None)
    return [
        decode(
            lambda labelled: once or fit(labelled),
            (train, valid, valid),
            target=target,
            readout="class",
            labels=labels,
            draws=DRAWS,
            seed=stage,
            choose=labels is not None,  # with all labels a strength would be chosen on the rows that are scored
        )["accuracy"]
        for labels in LABELS
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default="")
    parser.add_argument("--budget", type=int, default=10, help="settings tried for each method")
    parser.add_argument("--finalists", type=int, default=4, help="how many of them get into the second round")
    parser.add_argument(
        "--folder", default="search", help="of space.json, earlier.json and the results, beside this file"
    )
    parser.add_argument("--context", action="append", help="bins before,after; repeat for several")
    parser.add_argument("--seed", type=int, default=1001, help="of splits and simulated recordings")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    folder = Path(__file__).parent / options.folder
    contexts = [(int(a), int(b)) for a, b in (c.split(",") for c in options.context or ["0,0"])]
    space = json.loads((folder / "space.json").read_text())
    methods = options.methods.split(",") if options.methods else list(space)
    log = folder / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def carry_out(jobs: list[tuple[str, int, int, dict[str, str]]]) -> None:
        done = {(line["method"], line["round"], line["trial"]) for line in lines}
        left = [job for job in jobs if job[:3] not in done]
        for line in Parallel(n_jobs=options.jobs, return_as="generator_unordered")(
            delayed(judge)(*j, options.seed, contexts) for j in left
        ):
            with log.open("a") as file:
                file.write(json.dumps(line) + "\n")
            lines.append(line)
            named = f"{line['method']:12s} {line['round']} {line['trial']:3d}"
            print(f"{named}  {line['score']:.4f}  {line['seconds']:6.1f} s  {line['settings']}", flush=True)

    def ranked(method: str, stage: int) -> list[dict[str, Any]]:
        found = [line for line in lines if line["method"] == method and line["round"] == stage]
        return sorted(found, key=lambda line: (-line["score"], line["trial"]))

    carry_out([(m, 0, trial, draw(folder, m, trial)) for trial in range(options.budget) for m in methods])
    finalists = [
        line for m in methods for i, line in enumerate(ranked(m, 0)) if i < options.finalists or line["trial"] == 0
    ]
    carry_out([(line["method"], 1, line["trial"], line["settings"]) for line in finalists])
    winners = {}
    for method in space:
        first, second = ({line["trial"]: line for line in ranked(method, stage)} for stage in (0, 1))
        if 0 not in second:
            continue
        both = {trial: (first[trial]["score"], second[trial]["score"]) for trial in second}
        # What one round found by luck does not repeat.
        better = [trial for trial in both if all(new > old for new, old in zip(both[trial], both[0], strict=True))]
        best = max(better or [0], key=lambda trial: (sum(both[trial]), -trial))
        winners[method] = {
            "settings": first[best]["settings"],
            "trial": best,
            "scores": both[best],
            "scores_of_earlier_defaults": both[0],
        }
    (folder / "winners.json").write_text(json.dumps(winners, indent=2) + "\n")
    for method, best in winners.items():
        print(f"{method}: {best}")


if __name__ == "__main__":
    main()
