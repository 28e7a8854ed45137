"""Simulated reaches to eight targets, with the latent state that made the counts.

Defaults: 160 trials of 5 to 8 moving bins of 0.1 s, 174 units of a motor cortex. Made from ``seed``, so there is nothing to
download. The model, for unit i in bin t of trial j:

    theta_j = 2 pi direction_j / 8 + jitter_j                      direction the population encodes, constant in a trial
    latent_t = speed_t (cos theta_j, sin theta_j)                  speed: minimum jerk, 1 at its peak
    rate_ti = base_i exp(depth_i <preferred_i, latent_t> - c_i + load_i gain_t)
    counts_ti ~ Poisson(rate_ti bin_size)

which is von Mises tuning to direction, scaled by speed. ``c_i`` makes the tuning change a unit's modulation, not its mean
rate (over directions, at half speed). Mean rates are log-normal and as wide as in the published recordings: the median is
below 1 Hz, so most units are silent in most bins. ``gain`` is the nuisance: it drifts slowly over the session, is shared
by all units and says nothing about movement. Tuning depth and gain are set so that simple decoders do about as well
as on the monkeys.

Labels: ``direction`` 0..7 (cyclic), ``latent`` (T, 2), ``gain`` (T,). Public domain (CC0-1.0), cite this package.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from ..errors import SettingError
from .card import Card

__all__ = ["CARDS", "drift", "drift_on", "load", "log_normal_rates", "seconds", "whole_number"]


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
)


def load(
    name: str,
    *,
    seed: int = 0,
    n_units: int = N_UNITS,
    n_trials: int = N_TRIALS,
    n_bins: int = N_BINS,
    bin_size: float = BIN_SIZE,
) -> Recording:
    """Simulate a session.

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
