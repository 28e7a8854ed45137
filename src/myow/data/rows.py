"""Rows of data, as training sees them, and their segments; what rows are like in words, and what looks odd about them."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .recording import Recording

__all__ = ["Rows", "group_runs", "oddities", "page_of", "summarise"]


class Rows(Protocol):
    """Rows that can be gathered by index, with the time, group and labels of each.

    `Recording` fulfils it; images, or counts that stay on disk, can fulfil it without inheriting anything.
    """

    def __len__(self) -> int:
        """Return the number of rows T."""
        ...

    @property
    def times(self) -> NDArray[np.float64]:
        """Start of each row in seconds, shape (T,)."""
        ...

    @property
    def bins(self) -> NDArray[np.int64]:
        """Position of each row inside its group in whole bins, shape (T,)."""
        ...

    @property
    def groups(self) -> NDArray[np.int64]:
        """Group (segment, trial, image) of each row, shape (T,); groups are contiguous runs."""
        ...

    @property
    def labels(self) -> Mapping[str, NDArray[Any]]:
        """Labels by name, each with T rows."""
        ...

    def gather(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the values of some rows, shape (len(rows), ...)."""
        ...


def group_runs(groups: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row of every contiguous run of groups, and the lengths of the runs.

    Examples
    --------
    >>> [part.tolist() for part in group_runs(np.array([4, 4, 4, 7]))]
    [[0, 3], [3, 1]]
    """
    heads = np.flatnonzero(np.append(True, np.diff(groups) != 0))
    return heads, np.diff(np.append(heads, len(groups)))


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


def page_of(title: str, facts: Mapping[str, str], labels: Mapping[str, NDArray[Any]]) -> str:
    """Describe rows in HTML, as notebooks show them.

    Parameters
    ----------
    title : str
        First line.
    facts : mapping of str to str
        What to say, by its name.
    labels : mapping of str to ndarray
        Labels, which are described by their type and values.

    Returns
    -------
    str
        A title and a table; texts are escaped.
    """
    rows = dict(facts) | {f"label {name}": _values_of(values) for name, values in labels.items()}
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(key)}</th><td style='text-align:left'>{html.escape(value)}</td></tr>"
        for key, value in rows.items()
    )
    return f"<div><strong>{html.escape(title)}</strong><table>{cells}</table></div>"


def _values_of(values: NDArray[Any]) -> str:
    """Say in a few words what a label holds."""
    if values.ndim == 1 and values.dtype.kind in "iubU":
        found = np.unique(values)
        shown = ", ".join(map(str, found[:10].tolist()))
        return f"{len(found)} value{'s' if len(found) != 1 else ''}: {shown}{', ...' if len(found) > 10 else ''}"
    columns = "" if values.ndim == 1 else f"{values.shape[1]} columns of "
    return f"{columns}real numbers, {float(values.min()):.4g} to {float(values.max()):.4g}"


MOST_VALUES = 1 << 27  # that are looked at for what is odd


def oddities(recording: Recording) -> list[str]:
    """Return what makes sense to a computer but seldom to a physiologist, a line each."""
    n_bins, n_units, width = len(recording), recording.n_units, recording.bin_size
    found = []
    if n_units > n_bins:
        found.append(
            f"{n_units} units, but {n_bins} bins; if the array is (units, bins), turn it, else take smaller bins or more trials"
        )
    # Of large recordings, and of those on disk, a few bins are looked at.
    rows = max(1, MOST_VALUES // n_units) if isinstance(recording.counts, np.ndarray) else 500
    step = -(-n_bins // rows)
    values = recording.gather(np.arange(0, n_bins, step))
    mean = float(values.mean())
    if recording.kind == "counts":
        rate = mean / width
        # Bins of 20 s may well be meant as 20 ms; those of a minute, of a night, have a Hz or so.
        if rate < (0.1 if width >= 5 and width == round(width) else 0.01) or rate > 500:
            found.append(
                f"a unit fires at {rate:.3g} Hz in the mean; are spike times and bins of {width:g} s both in seconds, and are "
                "these counts?"
            )
        common = int(np.gcd.reduce(np.unique(values).astype(np.int64)))
        if common > 1:
            found.append(
                f"all counts are multiples of {common}; if they are rates in Hz, multiply by the width of a bin to get counts"
            )
    elif mean > 0 and values.min() >= 0:
        counts = np.array(values[: 1 << 16], dtype=np.float64) * width
        if np.array_equal(values, np.rint(values)):
            found.append("all values are whole and none is negative; if they are counts, say so: kind='counts'")
        elif np.allclose(counts, np.rint(counts), rtol=0, atol=1e-4):
            found.append(
                f"all values times {width:g} s are whole: these are counts as rates; multiply by the width of a bin, with "
                "kind='counts'"
            )
    if step == 1 and n_bins >= 10:
        constant = np.flatnonzero(np.ptp(values, axis=0) == 0)
        if constant.size:
            names = ", ".join(recording.units[i] for i in constant[:5]) + (", ..." if constant.size > 5 else "")
            found.append(f"{constant.size} of {n_units} units never change ({names}); select_units leaves them out")
    covered = recording.duration / (float(np.ptp(recording.times)) + width)
    if recording.n_segments > 1 and covered < 0.05:
        found.append(
            f"its {recording.n_segments} segments cover {100 * covered:.2g} % of the time from the first bin to the last; are "
            "their starts and stops those that were meant?"
        )
    for name, label in recording.labels.items():
        if label.ndim == 1 and label.dtype.kind == "f" and name not in recording.periods:
            classes = np.unique(label)
            if 1 < len(classes) <= min(20, n_bins // 2) and np.array_equal(classes, np.rint(classes)):
                found.append(
                    f"label {name} has {len(classes)} whole values but is stored as floats, which readouts take for a quantity; "
                    "if they are classes, store integers"
                )
    return found
