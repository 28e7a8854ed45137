"""The process of `myow.datasets.simulated_sleep`, a block of bins at a time, for recordings of any length.

The counts depend on the seed, not on the size of the blocks: every random quantity has a generator of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .simulated_sleep import (
    CENTRES,
    FLUCTUATION,
    FLUCTUATION_TIME,
    GAIN_SPREAD,
    GAIN_TIME,
    MEDIAN_RATE,
    RATE_SPREAD,
    TOP_RATE,
    WEIGHT,
    states,
)
from .simulation import drift_on, log_normal_rates, seconds, whole_number

__all__ = ["sleep_blocks", "sleep_states"]

BIN_SIZE = 0.02


def sleep_blocks(
    n_bins: int, *, n_units: int = 1000, bin_size: float = BIN_SIZE, seed: int = 0, block: int = 512
) -> Iterator[NDArray[np.uint8 | np.uint16]]:
    """Simulate a recording of sleep and waking block by block.

    Parameters
    ----------
    n_bins, n_units : int
        Bins T and units N.
    bin_size : float, optional
        Width of a bin in s.
    seed : int, optional
        Seed of everything random.
    block : int, optional
        Bins that are made at a time.

    Yields
    ------
    ndarray of uint8, shape (B, N)
        Counts of the bins that follow; T of them in all. Of bins so wide that one holds more than 255 spikes, uint16.

    Raises
    ------
    SettingError
        If an option is out of range.
    """
    for option, value, least in (
        ("n_bins", n_bins, 1),
        ("n_units", n_units, 1),
        ("seed", seed, 0),
        ("block", block, 1),
    ):
        whole_number(option, value, least)
    seconds("bin_size", bin_size)
    return _blocks(n_bins, n_units, bin_size, seed, block)


def sleep_states(n_bins: int, *, bin_size: float = BIN_SIZE, seed: int = 0) -> NDArray[np.int64]:
    """Return the state of each bin of what `sleep_blocks` makes of the same seed: 0 Wake, 1 nREM, 2 REM; shape (T,)."""
    return states(n_bins, bin_size, _generators(seed)[0])


def _generators(seed: int) -> list[np.random.Generator]:
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(6)]


def _blocks(
    n_bins: int, n_units: int, bin_size: float, seed: int, block: int
) -> Iterator[NDArray[np.uint8 | np.uint16]]:
    of_states, *of_paths, of_units, of_counts = _generators(seed)
    state = states(n_bins, bin_size, of_states).astype(np.int8)
    base = log_normal_rates(n_units, MEDIAN_RATE, RATE_SPREAD, TOP_RATE, of_units)
    weights = of_units.normal(0, WEIGHT, (2, n_units))
    load_on_gain = GAIN_SPREAD * of_units.normal(1.0, 0.5, n_units)
    # Of both latents, the gain and a constant: the logarithm of the expected count.
    loads = np.vstack([weights, load_on_gain, np.log(base * bin_size)])
    # Two fluctuations and the gain begin in their steady state, one bin before the first.
    scales = (FLUCTUATION_TIME, FLUCTUATION_TIME, GAIN_TIME)
    last = [rng.normal() for rng in of_paths]
    for start in range(0, n_bins, block):
        now = state[start : start + block]
        steps = np.full(len(now), bin_size)
        paths = [drift_on(x, steps, scale, rng) for x, scale, rng in zip(last, scales, of_paths, strict=True)]
        last = [float(path[-1]) for path in paths]
        latent = CENTRES[now] + FLUCTUATION * np.stack(paths[:2], axis=1)
        expected = np.column_stack([latent, paths[2], np.ones(len(now))]) @ loads
        counts = of_counts.poisson(np.exp(expected, out=expected))
        yield counts.astype(np.uint8 if counts.max() < 256 else np.uint16)
