"""Simulated sleep and waking, with the latent state that made the counts.

Defaults: twelve hours, 10,800 bins of 4 s, 42 units, one segment. Made from ``seed``, so there is nothing to download.

Arousal passes between Wake, nREM and REM as a Markov chain: Wake leads to nREM; nREM to REM (4 of 5 times) or Wake; REM to
nREM or Wake (half and half). Every state is passed through in three hidden stages of equal mean duration, so that
dwell times are gamma distributed and very short bouts are rare; their means are 12 min (Wake), 9 min (nREM) and 2.5 min
(REM), about those of the published mouse. Then, for unit i in bin t:

    latent_t = centre(state_t) + fluctuation_t       two dimensions; the fluctuation lasts about a minute
    rate_ti = base_i exp(<weight_i, latent_t> + load_i gain_t)
    counts_ti ~ Poisson(rate_ti bin_size)

``gain`` is the nuisance: it drifts over about an hour, is shared by all units and says nothing about the state.

Labels: ``state`` 0 Wake, 1 nREM, 2 REM, ``latent`` (T, 2), ``gain`` (T,). Public domain (CC0-1.0), cite this package.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from .card import Card
from .simulated_reach import drift, drift_on, log_normal_rates, seconds, whole_number

__all__ = ["CARDS", "load", "sleep_blocks", "sleep_states", "states"]

BIN_SIZE_SLEEP_BLOCKS = 0.02


def sleep_blocks(
    n_bins: int, *, n_units: int = 1000, bin_size: float = BIN_SIZE_SLEEP_BLOCKS, seed: int = 0, block: int = 512
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


def sleep_states(n_bins: int, *, bin_size: float = BIN_SIZE_SLEEP_BLOCKS, seed: int = 0) -> NDArray[np.int64]:
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


N_UNITS, N_BINS, BIN_SIZE = 42, 10_800, 4.0

WAKE, NREM, REM = 0, 1, 2
NEXT = np.array([[0.0, 1.0, 0.0], [0.2, 0.0, 0.8], [0.5, 0.5, 0.0]])  # from row to column
MEAN_DWELL = np.array([720.0, 540.0, 150.0])  # s
STAGES = 3

CENTRES = np.array([[0.0, 1.0], [-0.87, -0.5], [0.87, -0.5]])
FLUCTUATION, FLUCTUATION_TIME = 0.5, 60.0  # in units of the centres; s
GAIN_SPREAD, GAIN_TIME = 0.2, 3600.0  # of log rates; s
MEDIAN_RATE, RATE_SPREAD, TOP_RATE = 7.0, 1.1, 50.0  # Hz; spread of the logarithm; Hz
WEIGHT = 0.25

CARDS = (
    Card(
        name="simulated-sleep",
        kind="simulated",
        units=N_UNITS,
        bins=N_BINS,
        bin_size=BIN_SIZE,
        segments=1,
        licence="CC0-1.0",
        citation="simulated by myow",
        target="state",
        readout="class",
    ),
)


def load(
    name: str, *, seed: int = 0, n_units: int = N_UNITS, n_bins: int = N_BINS, bin_size: float = BIN_SIZE
) -> Recording:
    """Simulate a recording.

    Parameters
    ----------
    name : str
        Of the recording.
    seed : int, optional
        Seed of everything random.
    n_units, n_bins : int, optional
        Units and bins.
    bin_size : float, optional
        Width of a bin in s.

    Returns
    -------
    Recording

    Raises
    ------
    SettingError
        If an option is out of range.
    """
    whole_number("seed", seed, 0)
    whole_number("n_units", n_units, 1)
    whole_number("n_bins", n_bins, 1)
    seconds("bin_size", bin_size)
    rng = np.random.default_rng(seed)
    state = states(n_bins, bin_size, rng)
    fluctuation = [drift(np.full(n_bins - 1, bin_size), FLUCTUATION_TIME, rng) for _ in range(2)]
    latent = CENTRES[state] + FLUCTUATION * np.stack(fluctuation, axis=1)
    gain = drift(np.full(n_bins - 1, bin_size), GAIN_TIME, rng)

    base = log_normal_rates(n_units, MEDIAN_RATE, RATE_SPREAD, TOP_RATE, rng)
    weights = rng.normal(0, WEIGHT, (2, n_units))
    load_on_gain = GAIN_SPREAD * rng.normal(1.0, 0.5, n_units)
    counts = rng.poisson(base * np.exp(latent @ weights + gain[:, None] * load_on_gain) * bin_size)
    return Recording(
        counts,
        bin_size=bin_size,
        labels={"state": state, "latent": latent.astype(np.float32), "gain": gain.astype(np.float32)},
        name=name,
        source={"licence": CARDS[0].licence, "citation": CARDS[0].citation, "seed": str(seed)},
    )


def states(n_bins: int, bin_size: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the state of each bin, drawn bout by bout; recordings begin in Wake."""
    states, lengths, total = [WAKE], [], 0
    while True:
        dwell = rng.gamma(STAGES, MEAN_DWELL[states[-1]] / STAGES) / bin_size
        lengths.append(max(1, round(dwell)))
        total += lengths[-1]
        if total >= n_bins:
            return np.repeat(states, lengths)[:n_bins]
        states.append(int(rng.choice(3, p=NEXT[states[-1]])))
