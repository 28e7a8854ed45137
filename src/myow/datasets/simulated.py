"""Simulated recordings, with the latent state that made the counts: reaches to eight targets, sleep and waking.

Made from ``seed``, so there is nothing to download. Public domain (CC0-1.0), cite this package. Each simulation is described
at its function.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from ..errors import SettingError
from .card import Card

__all__ = ["CARDS", "LOADERS", "load_reach", "load_sleep", "sleep_blocks", "sleep_states", "states"]


def whole_number(option: str, value: Any, least: int) -> None:
    """Raise SettingError unless `value` is a whole number of `least` or more."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise SettingError(f"{option} is {value!r}; it must be a whole number of {least} or more")


def seconds(option: str, value: Any) -> None:
    """Raise SettingError unless `value` is a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
        raise SettingError(f"{option} is {value!r}; it must be a number of seconds above 0")


def drift(intervals: NDArray[np.float64], scale: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return an Ornstein-Uhlenbeck path with mean 0 and variance 1.

    Parameters
    ----------
    intervals : ndarray, shape (T - 1,)
        Seconds from each point to the next.
    scale : float
        Seconds after which the correlation has fallen to 1/e.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (T,)
    """
    first = rng.normal()
    return np.append(first, drift_on(first, intervals, scale, rng))


def drift_on(
    last: float, intervals: NDArray[np.float64], scale: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the points that follow the last one of such a path, shape (T,), given the seconds from each to the next."""
    keep = np.exp(-intervals / scale)
    kicks = (rng.normal(size=len(intervals)) * np.sqrt(1 - keep**2)).tolist()
    path = [last]
    for kept, kick in zip(keep.tolist(), kicks, strict=True):
        path.append(kept * path[-1] + kick)
    return np.array(path[1:])


def log_normal_rates(n: int, median: float, spread: float, top: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return n firing rates in Hz at even quantiles of a log-normal, in random order.

    Even quantiles give every seed the same spread of rates, so that seeds differ in difficulty less.

    Parameters
    ----------
    n : int
        Number of units.
    median, top : float
        Median, and the rate that none exceeds, in Hz.
    spread : float
        Standard deviation of the logarithm.
    rng : numpy.random.Generator
        Source of randomness.
    """
    normal = NormalDist(float(np.log(median)), spread)
    quantiles = (rng.permutation(n) + 0.5) / n
    return np.minimum(np.exp([normal.inv_cdf(q) for q in quantiles]), top)


N_UNITS, N_TRIALS, N_BINS, BIN_SIZE = 174, 160, 6, 0.1
N_DIRECTIONS = 8

MEDIAN_RATE, RATE_SPREAD, TOP_RATE = 0.4, 2.1, 60.0  # Hz; spread of the logarithm; Hz
TUNING_DEPTH = 1.25
ANGLE_JITTER = np.pi / 20
GAIN_SPREAD, GAIN_TIME = 0.35, 60.0  # of log rates; s
PAUSE = 2.0  # s between trials


def load_reach(
    name: str,
    *,
    seed: int = 0,
    n_units: int = N_UNITS,
    n_trials: int = N_TRIALS,
    n_bins: int = N_BINS,
    bin_size: float = BIN_SIZE,
) -> Recording:
    """Simulate reaches to eight targets.

    Defaults: 160 trials of 5 to 8 moving bins of 0.1 s, 174 units of a motor cortex. The model, for unit i in bin t of trial j:

        theta_j = 2 pi direction_j / 8 + jitter_j                      direction the population encodes, constant in a trial
        latent_t = speed_t (cos theta_j, sin theta_j)                  speed: minimum jerk, 1 at its peak
        rate_ti = base_i exp(depth_i <preferred_i, latent_t> - c_i + load_i gain_t)
        counts_ti ~ Poisson(rate_ti bin_size)

    which is von Mises tuning to direction, scaled by speed. ``c_i`` makes the tuning change a unit's modulation, not its mean
    rate (over directions, at half speed). Mean rates are log-normal and as wide as in the published recordings: the median is
    below 1 Hz, so most units are silent in most bins. ``gain`` is the nuisance: it drifts slowly over the session, is shared
    by all units and says nothing about movement. Tuning depth and gain are set so that simple decoders do about as well
    as on the monkeys.

    Labels: ``direction`` 0..7 (cyclic), ``latent`` (T, 2), ``gain`` (T,).

    Parameters
    ----------
    name : str
        Of the recording.
    seed : int, optional
        Seed of everything random.
    n_units, n_trials : int, optional
        Units and trials.
    n_bins : int, optional
        A trial has from one bin less to two more than this.
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
    for option, value, least in (
        ("seed", seed, 0),
        ("n_units", n_units, 1),
        ("n_trials", n_trials, 1),
        ("n_bins", n_bins, 2),
    ):
        whole_number(option, value, least)
    seconds("bin_size", bin_size)
    rng = np.random.default_rng(seed)

    # Trials: every direction comes once in each block of eight, in random order.
    blocks = rng.permuted(np.tile(np.arange(N_DIRECTIONS), (-(-n_trials // N_DIRECTIONS), 1)), axis=1)
    direction = blocks.ravel()[:n_trials]
    lengths = rng.integers(n_bins - 1, n_bins + 3, n_trials)
    trial = np.repeat(np.arange(n_trials), lengths)
    step = np.arange(len(trial)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    pause = round(PAUSE / bin_size)
    slots = np.repeat(np.cumsum(lengths + pause) - lengths - pause, lengths) + step
    times = slots.astype(np.float64) * bin_size

    # Latent state: only moving bins are kept, so the profile starts and ends above rest.
    phase = (step + 1.5) / (lengths[trial] + 2.0)
    speed = 16 * phase**2 * (1 - phase) ** 2  # velocity of a minimum-jerk movement, 1 at its peak
    angle = 2 * np.pi * direction / N_DIRECTIONS + rng.normal(0, ANGLE_JITTER, n_trials)
    latent = speed[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)[trial]
    gain = drift(np.diff(times), GAIN_TIME, rng)

    # Units.
    base = log_normal_rates(n_units, MEDIAN_RATE, RATE_SPREAD, TOP_RATE, rng)
    depth = TUNING_DEPTH * rng.gamma(4.0, 1 / 4.0, n_units)
    preferred = rng.uniform(0, 2 * np.pi, n_units)
    load_on_gain = GAIN_SPREAD * rng.normal(1.0, 0.5, n_units)

    tuning = depth * np.stack([np.cos(preferred), np.sin(preferred)])
    log_rates = latent @ tuning - np.log(np.i0(depth / 2)) + gain[:, None] * load_on_gain
    counts = rng.poisson(base * np.exp(log_rates) * bin_size)
    return Recording(
        counts,
        bin_size=bin_size,
        times=times,
        segments=trial,
        labels={"direction": direction[trial], "latent": latent.astype(np.float32), "gain": gain.astype(np.float32)},
        periods={"direction": N_DIRECTIONS},
        name=name,
        source={"licence": CARDS[0].licence, "citation": CARDS[0].citation, "seed": str(seed)},
    )


BLOCKS_BIN_SIZE = 0.02


def sleep_blocks(
    n_bins: int, *, n_units: int = 1000, bin_size: float = BLOCKS_BIN_SIZE, seed: int = 0, block: int = 512
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


def sleep_states(n_bins: int, *, bin_size: float = BLOCKS_BIN_SIZE, seed: int = 0) -> NDArray[np.int64]:
    """Return the state of each bin of what `sleep_blocks` makes of the same seed: 0 Wake, 1 nREM, 2 REM; shape (T,)."""
    return states(n_bins, bin_size, _generators(seed)[0])


def _generators(seed: int) -> list[np.random.Generator]:
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(6)]


def _blocks(
    n_bins: int, n_units: int, bin_size: float, seed: int, block: int
) -> Iterator[NDArray[np.uint8 | np.uint16]]:
    of_states, *of_paths, of_units, of_counts = _generators(seed)
    state = states(n_bins, bin_size, of_states).astype(np.int8)
    base = log_normal_rates(n_units, SLEEP_MEDIAN_RATE, SLEEP_RATE_SPREAD, SLEEP_TOP_RATE, of_units)
    weights = of_units.normal(0, WEIGHT, (2, n_units))
    load_on_gain = SLEEP_GAIN_SPREAD * of_units.normal(1.0, 0.5, n_units)
    # Of both latents, the gain and a constant: the logarithm of the expected count.
    loads = np.vstack([weights, load_on_gain, np.log(base * bin_size)])
    # Two fluctuations and the gain begin in their steady state, one bin before the first.
    scales = (FLUCTUATION_TIME, FLUCTUATION_TIME, SLEEP_GAIN_TIME)
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


SLEEP_N_UNITS, SLEEP_N_BINS, SLEEP_BIN_SIZE = 42, 10_800, 4.0

WAKE, NREM, REM = 0, 1, 2
NEXT = np.array([[0.0, 1.0, 0.0], [0.2, 0.0, 0.8], [0.5, 0.5, 0.0]])  # from row to column
MEAN_DWELL = np.array([720.0, 540.0, 150.0])  # s
STAGES = 3

CENTRES = np.array([[0.0, 1.0], [-0.87, -0.5], [0.87, -0.5]])
FLUCTUATION, FLUCTUATION_TIME = 0.5, 60.0  # in units of the centres; s
SLEEP_GAIN_SPREAD, SLEEP_GAIN_TIME = 0.2, 3600.0  # of log rates; s
SLEEP_MEDIAN_RATE, SLEEP_RATE_SPREAD, SLEEP_TOP_RATE = 7.0, 1.1, 50.0  # Hz; spread of the logarithm; Hz
WEIGHT = 0.25


def load_sleep(
    name: str,
    *,
    seed: int = 0,
    n_units: int = SLEEP_N_UNITS,
    n_bins: int = SLEEP_N_BINS,
    bin_size: float = SLEEP_BIN_SIZE,
) -> Recording:
    """Simulate sleep and waking.

    Defaults: twelve hours, 10,800 bins of 4 s, 42 units, one segment.

    Arousal passes between Wake, nREM and REM as a Markov chain: Wake leads to nREM; nREM to REM (4 of 5 times) or Wake; REM to
    nREM or Wake (half and half). Every state is passed through in three hidden stages of equal mean duration, so that
    dwell times are gamma distributed and very short bouts are rare; their means are 12 min (Wake), 9 min (nREM) and 2.5 min
    (REM), about those of the published mouse. Then, for unit i in bin t:

        latent_t = centre(state_t) + fluctuation_t       two dimensions; the fluctuation lasts about a minute
        rate_ti = base_i exp(<weight_i, latent_t> + load_i gain_t)
        counts_ti ~ Poisson(rate_ti bin_size)

    ``gain`` is the nuisance: it drifts over about an hour, is shared by all units and says nothing about the state.

    Labels: ``state`` 0 Wake, 1 nREM, 2 REM, ``latent`` (T, 2), ``gain`` (T,).

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
    gain = drift(np.full(n_bins - 1, bin_size), SLEEP_GAIN_TIME, rng)

    base = log_normal_rates(n_units, SLEEP_MEDIAN_RATE, SLEEP_RATE_SPREAD, SLEEP_TOP_RATE, rng)
    weights = rng.normal(0, WEIGHT, (2, n_units))
    load_on_gain = SLEEP_GAIN_SPREAD * rng.normal(1.0, 0.5, n_units)
    counts = rng.poisson(base * np.exp(latent @ weights + gain[:, None] * load_on_gain) * bin_size)
    return Recording(
        counts,
        bin_size=bin_size,
        labels={"state": state, "latent": latent.astype(np.float32), "gain": gain.astype(np.float32)},
        name=name,
        source={"licence": CARDS[1].licence, "citation": CARDS[1].citation, "seed": str(seed)},
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


CARDS = (
    Card(
        name="simulated-reach",
        kind="simulated",
        units=N_UNITS,
        bins=1051,  # with the default seed; the number varies with it
        bin_size=BIN_SIZE,
        segments=N_TRIALS,
        licence="CC0-1.0",
        citation="simulated by myow",
        target="direction",
        readout="angle",
    ),
    Card(
        name="simulated-sleep",
        kind="simulated",
        units=SLEEP_N_UNITS,
        bins=SLEEP_N_BINS,
        bin_size=SLEEP_BIN_SIZE,
        segments=1,
        licence="CC0-1.0",
        citation="simulated by myow",
        target="state",
        readout="class",
    ),
)
LOADERS = {"simulated-reach": load_reach, "simulated-sleep": load_sleep}
