"""Decoding performance of an embedding over many random splits, paired against what takes no learning.

A model is trained on each split's training rows and evaluated on its test rows, with a seed each. Printed are means over
splits, and the mean paired difference to raw counts with its 95 % interval: the resampled t interval of Nadeau and Bengio
(2003), which widens the variance by the share of test to training rows since splits overlap.

    MYOW_DATA=folder python benchmarks/worth.py chewie-1 [--splits 20] [--readouts angle,class] [--labels all,1,5] [--json]

Settings of the method go behind --set, as for ``myow train``. Recordings of one segment are split by time, so that there
is one split, and only seeds differ.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed

import myow
from myow import datasets
from myow.data.splits import split_rows
from myow.errors import MyowError
from myow.evaluation.statistics import compare
from myow.figures.style import BASELINES
from myow.methods import make_method, method_class
from myow.methods.runs import generic_split
from myow.settings import parse_settings

FIGURES = {"angle": "accuracy", "class": "accuracy", "knn": "accuracy", "continuous": "r2"}


def one_split(options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Train and evaluate on one split: {"seconds": s, "class, 5 labels": {"embedding": ..., "raw": ...}, ...}."""
    torch.set_num_threads(1)
    recording, card = myow.load(options.dataset), datasets.card(options.dataset)
    rule = generic_split(recording, seed) if recording.n_segments > 1 else card.split or generic_split(recording, seed)
    train, valid, test = (recording.select(rows) for rows in split_rows(recording, rule))
    chosen = parse_settings(method_class(options.method), options.set)
    model = make_method(options.method, **chosen | {"random_state": seed})
    start = time.perf_counter()
    model.fit(train)
    found: dict[str, Any] = {"seconds": time.perf_counter() - start, "share": len(test) / (len(train) + len(valid))}
    for readout in options.readouts.split(","):
        for labels in options.labels.split(","):
            few = None if labels == "all" else int(labels)
            result = myow.evaluate(
                model, train, valid, test, target=card.target, readout=readout, labels=few, random_state=seed
            )
            figures = [FIGURES[readout], *(["weighted_f1"] if readout == "class" else [])]
            for figure in figures:
                name = f"{readout}, {labels} labels, {figure}"
                found[name] = {"embedding": result[figure]} | {k: result[k][figure] for k in BASELINES}
    return found


def summarise(splits: list[dict[str, Any]]) -> dict[str, Any]:
    """Means, deviations and paired differences over splits."""
    summary: dict[str, Any] = {"seconds": float(np.mean([s["seconds"] for s in splits]))}
    share = float(np.mean([s["share"] for s in splits]))

    def paired(difference: np.ndarray[Any, Any]) -> list[float] | None:
        if len(difference) < 2:
            return None
        found = compare(difference, share)
        return [found.difference, found.low, found.high]

    for name in (k for k in splits[0] if k not in ("seconds", "share")):
        rows = {k: np.array([s[name][k] for s in splits]) for k in splits[0][name]}
        summary[name] = {
            k: {"mean": float(v.mean()), "deviation": float(v.std(ddof=1)) if len(v) > 1 else None}
            | ({} if k == "embedding" else {"difference": paired(rows["embedding"] - v)})
            for k, v in rows.items()
        }
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--method", default="myow")
    parser.add_argument("--splits", type=int, default=20, help="random splits, seeds 0, 1, ...")
    parser.add_argument("--readouts", default="angle,class")
    parser.add_argument("--labels", default="all,1,5")
    parser.add_argument("--set", action="append", default=[], help="setting of the method, key=value")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    try:
        splits = Parallel(n_jobs=options.jobs)(delayed(one_split)(options, seed) for seed in range(options.splits))
    except MyowError as error:
        sys.exit(f"error: {error}")
    summary = summarise(splits)
    about = {"dataset": options.dataset, "method": options.method, "settings": options.set, "splits": options.splits}
    about |= {"myow": myow.__version__, "torch": torch.__version__}
    if options.json:
        print(json.dumps(about | summary))
        return
    print(
        ", ".join(f"{k} {v}" for k, v in about.items()), f", {summary['seconds']:.1f} s of training a split, one thread"
    )
    for name, rows in summary.items():
        if name == "seconds":
            continue
        print(f"\n{name}")
        for row, numbers in rows.items():
            deviation = "" if numbers["deviation"] is None else f" ± {numbers['deviation']:.3f}"
            line = f"  {BASELINES.get(row, row):24s} {numbers['mean']:.3f}{deviation}"
            if numbers.get("difference"):
                mean, low, high = numbers["difference"]
                line += f"   embedding minus this: {mean:+.3f} [{low:+.3f}, {high:+.3f}]"
            print(line)


if __name__ == "__main__":
    main()
