"""How many seconds of training until the embedding beats raw counts by five points.

On Chewie-1's validation rows: class readout from 5 labelled trials per direction, mean over random splits by trial. The
curve is the mean over splits at each number of steps; ``seconds`` is the mean training time at the first number of steps
at which it stands five points above raw counts. Time spent on measuring is not counted. Test rows are not touched.

    MYOW_DATA=folder python benchmarks/time_to_accuracy.py [--json] [--splits 3] [--every 50]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

import myow
from myow.data.splits import draw_labelled
from myow.errors import MyowError
from myow.evaluation.readouts import fit_readout_few

LABELS, DRAWS, MARGIN = 5, 5, 0.05


class Referee:
    """Accuracy of embeddings of one split's validation rows, always from the same labelled trials."""

    def __init__(self, seed: int) -> None:
        recording = myow.load("chewie-1")
        self.train, self.valid, _ = recording.split(0.8, 0.1, 0.1, random_state=seed, stratify="direction")
        rng = np.random.default_rng(seed)
        y, train = self.train.labels["direction"], self.train
        where = {"bins": train.bins, "bin_size": train.bin_size}
        self.drawn = [draw_labelled(y, train.segments, LABELS, rng, **where) for _ in range(DRAWS)]

    def accuracy(self, z_train: Any, z_valid: Any, scaling: str = "each") -> float:
        """Mean accuracy over the draws."""
        y_train, y_valid = self.train.labels["direction"], self.valid.labels["direction"]
        with threadpool_limits(1):
            fitted = [fit_readout_few("class", z_train, y_train, drawn, scaling=scaling) for drawn in self.drawn]
        return float(np.mean([(readout.predict(z_valid) == y_valid).mean() for readout in fitted]))


class Curve:
    """A callback that stops the clock, measures accuracy, and starts the clock again."""

    def __init__(self, referee: Referee, model: Any, every: int) -> None:
        self.referee, self.model, self.every = referee, model, every
        self.points: list[tuple[int, float, float]] = []

    def begin(self, step: int, total: int) -> None:
        self.seconds, self.since = 0.0, time.perf_counter()

    def step(self, step: int) -> None:
        if step % self.every:
            return
        self.seconds += time.perf_counter() - self.since
        z = self.model.transform(self.referee.train), self.model.transform(self.referee.valid)
        self.model.network_.train()
        self.points.append((step, self.seconds, self.referee.accuracy(*z)))
        self.since = time.perf_counter()

    def record(self, step: int, metrics: Mapping[str, float], traces: Mapping[str, torch.Tensor]) -> None:
        pass

    def end(self) -> None:
        pass


def one_split(seed: int, every: int) -> dict[str, Any]:
    """Train once; return the curve and the rows it is compared with."""
    referee = Referee(seed)
    train, valid = referee.train, referee.valid
    components, plain = myow.PCA().fit(train), myow.Raw().fit(train)
    untrained = myow.MYOW(random_state=seed).initialise(train)
    model = myow.MYOW(random_state=seed)
    curve = Curve(referee, model, every)
    model.fit(train, callbacks=[curve])
    raw = plain.transform(train), plain.transform(valid)
    pca = components.transform(train), components.transform(valid)
    return {
        "curve": curve.points,
        "raw": referee.accuracy(*raw),
        "raw_common": referee.accuracy(*raw, scaling="common"),
        "pca": referee.accuracy(*pca),
        "pca_common": referee.accuracy(*pca, scaling="common"),
        "untrained": referee.accuracy(untrained.transform(train), untrained.transform(valid)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--splits", type=int, default=3, help="random splits, seeds 0, 1, ...")
    parser.add_argument("--every", type=int, default=50, help="steps between measurements")
    options = parser.parse_args()
    try:
        splits = [one_split(seed, options.every) for seed in range(options.splits)]
    except MyowError as error:
        sys.exit(f"error: {error}")
    points = np.array([s["curve"] for s in splits]).mean(axis=0)
    rows = {k: float(np.mean([s[k] for s in splits])) for k in ("raw", "raw_common", "pca", "pca_common", "untrained")}
    passed = points[points[:, 2] >= rows["raw"] + MARGIN]
    result = {
        "seconds": float(passed[0, 1]) if len(passed) else None,
        "steps": int(passed[0, 0]) if len(passed) else None,
        "accuracy_at_end": float(points[-1, 2]),
        "seconds_at_end": float(points[-1, 1]),
        **rows,
        "threads": myow.MYOW().threads,
        "torch": torch.__version__,
        "myow": myow.__version__,
        "splits": options.splits,
        "curve": points.tolist(),
    }
    if options.json:
        print(json.dumps(result))
        return
    print(f"{'steps':>6s} {'seconds':>8s} {'accuracy':>9s}")
    for step, seconds, accuracy in points:
        print(f"{step:6.0f} {seconds:8.2f} {accuracy:9.3f}")
    print(", ".join(f"{k} {v:.3f}" for k, v in rows.items()))
    print(f"five points above raw counts after {result['seconds']} s ({result['steps']} steps)")


if __name__ == "__main__":
    main()
