"""Recordings small enough to train on in a blink."""

import numpy as np

from myow import Recording


def reach(n_segments=8, length=12, n_units=10, seed=0, drop=0.0, bin_size=0.1):
    """Trials of units tuned to one of four directions; a share of the bins inside trials is missing."""
    rng = np.random.default_rng(seed)
    direction = np.arange(n_segments) % 4
    segments = np.repeat(np.arange(n_segments), length)
    tuning = rng.uniform(0.2, 4.0, size=(4, n_units))
    counts = rng.poisson(tuning[direction[segments]])
    times = np.arange(n_segments * length) * bin_size
    kept = rng.random(len(times)) >= drop
    kept[::length] = True
    return Recording(
        counts[kept],
        bin_size=bin_size,
        times=times[kept],
        segments=segments[kept],
        labels={"direction": direction[segments][kept]},
        name="tiny",
    )


def sleep(n_bins=200, n_units=8, seed=0, bin_size=4.0):
    """One segment with states that dwell."""
    rng = np.random.default_rng(seed)
    state = np.repeat(rng.integers(0, 3, size=-(-n_bins // 10)), 10)[:n_bins]
    tuning = rng.uniform(0.2, 4.0, size=(3, n_units))
    return Recording(rng.poisson(tuning[state]), bin_size=bin_size, labels={"state": state}, name="tiny-sleep")


SMALL = {"hidden": (16,), "dim": 6, "predictor": 12, "batch_size": 32, "steps": 12, "random_state": 0, "device": "cpu"}
SMALL_MINING = {"mined_projector": (12, 6), "mined_predictor": 10}


class Notes:
    """A callback that keeps what it is told and, if asked, fails at a step."""

    def __init__(self, fail_at=None, error=RuntimeError):
        self.fail_at, self.error = fail_at, error
        self.began, self.metrics, self.traces, self.steps, self.ended = None, [], [], [], 0

    def begin(self, step, total):
        self.began = (step, total)

    def step(self, step):
        self.steps.append(step)
        if step == self.fail_at:
            raise self.error("stopped by the test")

    def record(self, step, metrics, traces):
        self.metrics.append({"step": step} | dict(metrics))
        self.traces.append(dict(traces))

    def end(self):
        self.ended += 1
