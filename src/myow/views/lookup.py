"""Training rows whose values stay where they are, on disk or as small whole numbers, until a batch asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.rows import Rows
from ..data.targets import Targets
from ..errors import DataError
from .windows import TrainingRows

__all__ = ["LookedUpRows"]

BLOCK = 1 << 20
"""Values that `blocks` transforms at a time."""
LOADED = 1 << 32  # bytes that a method that needs all rows at once may load
WINDOWS = 1 << 25  # values of the windows that are gathered in one go: 128 MiB


class LookedUpRows(TrainingRows):
    """Rows that are gathered from their recording and transformed for each batch; the views are the same, bit by bit.

    A table of all transformed values would take four bytes for each count, where the count itself takes one, or none
    if it stays on disk.

    Parameters
    ----------
    data : Rows
        T rows; `gather` gives their values.
    transform : callable
        From values (..., N) to what is trained on, float32, value by value.
    context : tuple of int
        Bins (before, after) of each row's window.
    device : torch.device
        Where batches go.
    targets : Targets, optional
        Labels of some rows, for a method that learns from them.
    """

    def __init__(
        self,
        data: Rows,
        transform: Callable[[Tensor], Tensor],
        context: tuple[int, int],
        device: torch.device,
        targets: Targets | None = None,
    ) -> None:
        self.transform = transform
        self._tables: dict[np.dtype[Any], NDArray[np.float32]] = {}
        self._place(data, context, device, targets)
        self._width = int(np.asarray(data.gather(np.zeros(1, dtype=np.int64))).shape[1])
        self._values = self._width * (sum(context) + 1)

    def look_up(self, rows: Tensor) -> Tensor:
        """Return the transformed values of some rows, shape (R,): shape (R, N). Each is read once."""
        wanted, place = np.unique(rows.cpu().numpy(), return_inverse=True)
        values = self._transformed(np.asarray(self.data.gather(wanted)))
        if len(wanted) == len(rows) and np.array_equal(place, np.arange(len(rows))):
            return values
        return values.index_select(0, torch.from_numpy(place).to(values.device))

    def at_once(self, most: int) -> int:
        """Return how many rows to gather in one go: fewer where wide windows of many units would take too much room."""
        return max(1, min(most, WINDOWS // self._values))

    def fit_at_once(self, n_rows: int, size: int, who: str) -> None:
        """Refuse to load so many windows, at `size` bytes a value, where they would fill the memory.

        Raises
        ------
        DataError
            If they take more than 4 GiB.
        """
        needed = n_rows * self._values * size
        if needed > LOADED:
            step = -(-needed // LOADED)
            raise DataError(
                f"{who} looks at all {n_rows} rows at once, which takes {needed / 2**30:.0f} GiB; give it some of them, such as "
                f"recording.select(slice(0, None, {step})), or train a method that goes through batches"
            )

    def blocks(self) -> Iterator[Tensor]:
        """Go once through the transformed values of all rows, a number of rows at a time, in order."""
        many = max(1, BLOCK // self._width)
        for start in range(0, len(self), many):
            rows = np.arange(start, min(start + many, len(self)))
            yield self._transformed(np.asarray(self.data.gather(rows)))

    def _transformed(self, values: NDArray[Any]) -> Tensor:
        small = values.dtype in (np.uint8, np.uint16)
        if not small or self.device.type != "cpu":
            return self.transform(torch.from_numpy(values).to(self.device))
        # On a CPU, looking a count up in a table takes a quarter of the time that its root takes.
        if values.dtype not in self._tables:
            every = np.arange(256 if values.dtype == np.uint8 else 65536)
            self._tables[values.dtype] = self.transform(torch.from_numpy(every)).numpy()
        return torch.from_numpy(self._tables[values.dtype].take(values))
