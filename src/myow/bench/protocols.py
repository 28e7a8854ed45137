"""How a bench parts the rows of a recording into training, validation and test rows."""

from __future__ import annotations

import numpy as np

from ..data.folds import fold_rows
from ..data.recording import Recording
from ..data.split import Split, constant_label, split_rows
from ..errors import SettingError, unknown_name
from ..run_folder import Parts, generic_split

__all__ = ["PROTOCOLS", "part_rows"]

PROTOCOLS = ("released", "cv")
GAP = 300.0
"""Seconds between parts of one long segment; most bouts of sleep are not much longer."""


def part_rows(
    recording: Recording, released: Split | None, *, protocol: str, target: str, fold: int, folds: int, seed: int
) -> Parts:
    """Return the training, validation and test rows of one split.

    Parameters
    ----------
    recording : Recording
        All rows.
    released : Split or None
        The published rule, if there is one.
    protocol : {"released", "cv"}
        The published rule (else 80/10/10 at random by segment, or in order of time); or folds by segment, or contiguous
        blocks of time with a gap where there is one segment.
    target : str
        Label whose classes are dealt evenly, if it is constant in each segment.
    fold, folds, seed : int
        Which of how many folds, and the seed of the deal.

    Returns
    -------
    tuple of ndarray of int
        Row indices, rising.

    Raises
    ------
    UnknownNameError, SettingError, DataError
        If there is no such protocol or fold, or a part would be empty.
    """
    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    if protocol == "released":
        return split_rows(recording, released or generic_split(recording, 0))
    if not 0 <= fold < folds:
        raise SettingError(f"fold is {fold}; it must be below the number of folds, {folds}")
    values = recording.labels[target]
    constant = constant_label(recording, target) if values.dtype.kind in "iubU" else None
    even = constant is not None and len(np.unique(constant)) <= recording.n_segments // 2
    # A gap must leave something of a short recording.
    gap = min(GAP, float(np.ptp(recording.times)) / (20 * folds))
    return fold_rows(recording, folds, seed=seed, gap=gap, stratify=target if even else None)[fold]
