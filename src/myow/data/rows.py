"""Rows of data, as training sees them, and their segments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows", "group_runs"]


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
