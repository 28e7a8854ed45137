"""Labels that the activity cannot know: whatever decodes them well has a leak."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from ..data.rows import group_runs
from ..data.split import constant_label
from ..probe.intervals import resampling_blocks

__all__ = ["CONTROLS", "control"]

CONTROLS = ("permuted", "shifted")


def control(recording: Recording, target: str, how: str, *, seed: int, fold: int, folds: int) -> Recording:
    """Return the recording with labels that do not belong to its activity.

    Parameters
    ----------
    recording : Recording
        All rows.
    target : str
        The label to exchange.
    how : {"permuted", "shifted"}
        Segments exchange their labels at random; or labels move round in a circle, far from their rows. Where the label
        changes inside segments, as in one long one, blocks of five minutes take the place of segments, in which the order is
        kept.
    seed, fold, folds : int
        What decides the permutation; and the shift, which differs from fold to fold.

    Returns
    -------
    Recording
    """
    constant = constant_label(recording, target) if recording.n_segments > 1 else None
    values = recording.labels[target]
    if constant is not None:
        _, lengths = group_runs(recording.segments)
        order = _order(len(constant), how, seed, fold, folds)
        new = np.repeat(constant[order], lengths)
    elif how == "permuted":
        blocks = resampling_blocks(recording.segments, bins=recording.bins, bin_size=recording.bin_size)
        pieces = [np.flatnonzero(blocks == b) for b in _order(int(blocks.max()) + 1, how, seed, fold, folds)]
        new = values[np.concatenate(pieces)]
    else:
        new = values[_order(len(values), how, seed, fold, folds)]
    return replace(recording, labels={**recording.labels, target: new})


def _order(n: int, how: str, seed: int, fold: int, folds: int) -> NDArray[np.int64]:
    if how == "permuted":
        return np.random.default_rng([seed, fold]).permutation(n)
    return np.roll(np.arange(n), max(1, n * (fold + 1) // (folds + 1)))
