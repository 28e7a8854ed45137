"""A recording in a few lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .recording import Recording

__all__ = ["summarise"]


def summarise(recording: Recording, mean: float, constant: int) -> str:
    """Describe a recording.

    Parameters
    ----------
    recording : Recording
        Its values are not looked at.
    mean : float
        Of all values.
    constant : int
        Units that never change.

    Returns
    -------
    str
        Size, segments and activity, and a line a label.
    """
    rate = f"rate {mean / recording.bin_size:.2f} Hz" if recording.kind == "counts" else f"value {mean:.3g}"
    lengths = recording.segment_lengths
    lines = [
        f"{recording.name or 'unnamed'}: {recording.n_units} units, {len(recording)} bins of {recording.bin_size:g} s "
        f"({recording.duration:.0f} s)",
        f"  segments: {recording.n_segments}, {lengths.min()} to {lengths.max()} bins, median {np.median(lengths):g}",
        f"  mean {rate}, constant units: {constant}",
    ]
    for name, values in recording.labels.items():
        if values.ndim == 1 and values.dtype.kind in "iubU":
            found, count = np.unique(values, return_counts=True)
            shown = ", ".join(f"{v}: {c}" for v, c in list(zip(found, count, strict=True))[:10])
            lines.append(f"  label {name}: {len(found)} values ({shown}{', ...' if len(found) > 10 else ''})")
        else:
            lines.append(f"  label {name}: continuous, {values[0].size} column(s)")
    return "\n".join(lines)
