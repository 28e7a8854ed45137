"""Training rows, looked up as windows of transformed values wherever they are kept, and the batches that are drawn of them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.images import Images
from ..data.rows import Rows
from ..data.sessions import Sessions
from ..data.targets import Targets
from ..errors import DataError
from .windows import inside_windows, window_key, windows

__all__ = [
    "BatchStream",
    "ImageRows",
    "LookedUpRows",
    "SessionRows",
    "SessionStream",
    "TrainingRows",
    "WindowTable",
    "batches_of",
    "bytes_of",
    "most_fitted",
    "recorded_counts",
    "shared",
    "spread_rows",
]

BLOCK = 1 << 20
"""Values that `blocks` transforms at a time."""
LOADED = 1 << 32  # bytes that a method that needs all rows at once may load
WINDOWS = 1 << 25  # values of the windows that are gathered in one go: 128 MiB
MOST_INDICES = 1 << 24
"""Rows times width of the windows that are kept as one table."""
FITTED_ROWS = 20_000
"""Rows that readouts and principal components are fitted on where there are more; neighbouring bins say much the same."""
FITTED_VALUES = 1 << 26
"""Values that those rows hold at most, so that wide windows of many units take fewer rows: 0.5 GiB in double precision."""


class WindowTable:
    """Rows of every row's context window: kept as one table, or found when they are asked for where that would be large.

    Parameters
    ----------
    data : Rows
        T rows.
    context : tuple of int
        Bins (before, after).
    device : torch.device
        Where a table is kept.
    """

    def __init__(self, data: Rows, context: tuple[int, int], device: torch.device) -> None:
        self._context = context
        self._table: Tensor | None = None
        if context == (0, 0):
            return
        if len(data) * (sum(context) + 1) > MOST_INDICES:
            self._key = window_key(data, *context)
        else:
            self._table = torch.from_numpy(windows(data, *context)).to(device)

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Rows that the windows of some rows hold: indices of shape (...,) become (..., W)."""
        if self._context == (0, 0):
            return rows.unsqueeze(-1)
        if self._table is not None:
            return self._table[rows]
        return torch.from_numpy(inside_windows(self._key, rows.cpu().numpy(), *self._context)).to(rows.device)


class TrainingRows:
    """Rows held on the device as one tensor, from which views are looked up by index.

    `LookedUpRows` are the same to whoever looks up views, without the tensor.

    Parameters
    ----------
    data : Rows
        Times, bins and groups of T rows.
    values : Tensor, shape (T, N)
        Their transformed values.
    context : tuple of int
        Bins (before, after) of each row's window.
    device : torch.device
        Where to keep everything.
    targets : Targets, optional
        Labels of some rows, for a method that learns from them.
    """

    values: Tensor

    def __init__(
        self,
        data: Rows,
        values: Tensor,
        context: tuple[int, int],
        device: torch.device,
        targets: Targets | None = None,
    ) -> None:
        self.values = values.to(device)
        self._place(data, context, device, targets)

    def _place(self, data: Rows, context: tuple[int, int], device: torch.device, targets: Targets | None) -> None:
        """Keep all that is known of the rows besides their values."""
        self.data = data
        self.device = device
        self.targets = targets
        self.groups = shared(data.groups).to(device)
        self.times = shared(data.times).to(device)
        self._windows = WindowTable(data, context, device)

    def __len__(self) -> int:
        return len(self.data)

    def inside(self, rows: Tensor) -> Tensor:
        """Return the rows that the windows of some rows hold: indices of shape (...,) become (..., W)."""
        return self._windows[rows]

    def gather(self, rows: Tensor) -> Tensor:
        """Return the windows of some rows: indices of shape (...,) become values of shape (..., W, N)."""
        inside = self.inside(rows)
        return self.look_up(inside.flatten()).view(*inside.shape, -1)

    def look_up(self, rows: Tensor) -> Tensor:
        """Return the transformed values of some rows, shape (R,), without a window: shape (R, N)."""
        # Whole rows are copied at once, which indexing with a tensor does not do.
        return self.values.index_select(0, rows)

    def at_once(self, most: int) -> int:
        """Return how many rows to gather in one go where all are wanted, at most so many."""
        return most

    def fit_at_once(self, n_rows: int, size: int, who: str) -> None:
        """Refuse to load so many windows, at `size` bytes a value, where they would fill the memory: not those of these rows."""

    def blocks(self) -> Iterator[Tensor]:
        """Go once through the transformed values of all rows, a number of rows at a time, in order."""
        yield self.values

    def scaled(self, scaling: Callable[[Tensor], Tensor]) -> TrainingRows:
        """Return the same rows with scaled values, so that no window has to be scaled; of these rows, not of looked-up ones."""
        rows = copy.copy(self)
        with torch.no_grad():
            rows.values = scaling(self.values)
        return rows


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


class SessionRows(TrainingRows):
    """Sessions held side by side, each as it is held alone, and looked up as rows of one training set.

    Parameters
    ----------
    data : Sessions
        Times, bins and groups of T rows.
    parts : sequence of TrainingRows
        The rows of each session.
    numbers : sequence of int
        The number by which the model knows each session.
    n_units : int
        Units N of the model's widest session, to which all are padded with zeros.
    anchors : sequence of int, optional
        Positions of the sessions that batches are made of. Default: all; the others are only mined from.
    """

    def __init__(
        self,
        data: Sessions,
        parts: Sequence[TrainingRows],
        numbers: Sequence[int],
        n_units: int,
        anchors: Sequence[int] | None = None,
    ) -> None:
        self.data = data
        self.parts = list(parts)
        self.numbers = list(numbers)
        self.n_units = n_units
        self.device = parts[0].device
        self.targets = None
        self.groups = torch.from_numpy(data.groups).to(self.device)
        self.times = torch.from_numpy(data.times).to(self.device)
        self.sessions = torch.from_numpy(data.of).to(self.device)
        """Position of each row's session among the parts, shape (T,)."""
        ends = np.cumsum(data.lengths)
        self.starts = (ends - data.lengths).tolist()
        self.anchors = list(range(len(parts))) if anchors is None else list(anchors)

    def __len__(self) -> int:
        return len(self.data)

    def inside(self, rows: Tensor) -> Tensor:
        """Return the rows that the windows of some rows hold: indices of shape (...,) become (..., W)."""
        flat = rows.flatten()
        found = [(mine, part.inside(flat[mine] - start) + start) for mine, start, part, _ in self._apart(flat)]
        inside = torch.cat([part for _, part in found])
        return inside[torch.cat([mine for mine, _ in found]).argsort()].view(*rows.shape, -1)

    def gather(self, rows: Tensor) -> Tensor:
        """Return the windows of some rows: indices of shape (...,) become values of shape (..., W, N + 1)."""
        padded = self._padded(rows.flatten(), lambda part, own: part.gather(own))
        return padded.view(*rows.shape, *padded.shape[1:])

    def look_up(self, rows: Tensor) -> Tensor:
        """Return the transformed values of some rows, shape (R,), without a window: shape (R, N + 1)."""
        return self._padded(rows, lambda part, own: part.look_up(own))

    def blocks(self) -> Iterator[Tensor]:
        """Go once through the transformed values of all rows, a number of rows at a time, in order."""
        many = self.at_once(4096)
        for start in range(0, len(self), many):
            yield self.look_up(torch.arange(start, min(start + many, len(self)), device=self.device))

    def at_once(self, most: int) -> int:
        """Return how many rows to gather in one go where all are wanted, at most so many."""
        return min(part.at_once(most) for part in self.parts)

    def _padded(self, rows: Tensor, find: Callable[[TrainingRows, Tensor], Tensor]) -> Tensor:
        """Look rows up in their sessions, and put them side by side."""
        found = [(mine, find(part, rows[mine] - start), number) for mine, start, part, number in self._apart(rows)]
        first = found[0][1]
        padded = first.new_zeros(len(rows), *first.shape[1:-1], self.n_units + 1)
        for mine, x, number in found:
            padded[mine, ..., : x.shape[-1]] = x
            padded[mine, ..., -1] = number
        return padded

    def _apart(self, flat: Tensor) -> list[tuple[Tensor, int, TrainingRows, int]]:
        """Part rows by session: where they stand, the session's first row, its own rows, and its number in the model."""
        found = []
        for start, part, number in zip(self.starts, self.parts, self.numbers, strict=True):
            mine = ((flat >= start) & (flat < start + len(part))).nonzero().squeeze(1)
            if len(mine) or not len(flat):
                found.append((mine, start, part, number))
        return found


def spread_rows(data: TrainingRows, many: int) -> Tensor:
    """Return so many rows, evenly spaced, about as many of each session; shape (many,)."""
    runs = [(0, len(data))]
    if isinstance(data, SessionRows):
        runs = [(start, len(part)) for start, part in zip(data.starts, data.parts, strict=True)]
    shares = [many // len(runs) + (i < many % len(runs)) for i in range(len(runs))]
    spread = [
        start + np.arange(share) * length // share for (start, length), share in zip(runs, shares, strict=True) if share
    ]
    return torch.from_numpy(np.concatenate(spread)).to(data.device)


def most_fitted(n_values: int) -> int:
    """Return how many rows, of so many values each, a readout or principal components are fitted on at most.

    Examples
    --------
    >>> most_fitted(1000), most_fitted(21 * 1000)
    (20000, 3195)
    """
    return max(2, min(FITTED_ROWS, FITTED_VALUES // n_values))


class ImageRows(TrainingRows):
    """Images as rows of training: bytes until a batch is looked up.

    Bytes take a quarter of the room of floats: all of CIFAR is 184 MB, so that it lives on the device and no worker has to
    load anything.

    Parameters
    ----------
    data : Images
        T images. Each is a group of its own, so that "elsewhere" means any other image.
    device : torch.device
        Where to keep them.
    targets : Targets, optional
        Labels of some rows, for a method that learns from them.
    """

    def __init__(self, data: Images, device: torch.device, targets: Targets | None = None) -> None:
        super().__init__(data, bytes_of(data), (0, 0), device, targets)

    def inside(self, rows: Tensor) -> Tensor:
        """Return the rows as they are: an image has no window."""
        return rows

    def gather(self, rows: Tensor) -> Tensor:
        """Return some images: indices of shape (...,) become values in [0, 1] of shape (..., H, W, C)."""
        pixels = self.values.index_select(0, rows.flatten()).view(*rows.shape, *self.values.shape[1:])
        return pixels.float().div_(255)


def recorded_counts(data: TrainingRows) -> Tensor:
    """Counts as they were recorded, since training rows are transformed: float32, shape (T, N), on their device."""
    data.fit_at_once(len(data), 4, "this method")
    counts = np.asarray(data.data.gather(np.arange(len(data))), dtype=np.float32)
    return torch.from_numpy(counts).to(data.device)


def bytes_of(images: Images) -> Tensor:
    """Return the pixels as a tensor that shares their memory; it must not be written to."""
    return shared(images.pixels)


def shared(array: NDArray[Any]) -> Tensor:
    """Return a tensor that shares the memory of an array, which may be read-only: it must not be written to."""
    with warnings.catch_warnings():  # about being read-only, which torch cannot express
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(np.asarray(array))


class BatchStream:
    """Endless batches of rows: every row once a pass, in an order drawn anew each pass.

    What is left of a pass starts the next batch, so that all batches are full and no row is favoured.

    Parameters
    ----------
    n_rows, batch_size : int
        Rows to draw from, and per batch (at most `n_rows`).
    generator : torch.Generator
        Source of randomness.
    """

    def __init__(self, n_rows: int, batch_size: int, generator: torch.Generator) -> None:
        self.n_rows = n_rows
        self.batch_size = min(batch_size, n_rows)
        self.generator = generator
        self.left = torch.empty(0, dtype=torch.int64, device=generator.device)

    def next(self) -> Tensor:
        """Return the rows of the next batch, shape (batch_size,)."""
        if len(self.left) < self.batch_size:
            order = torch.randperm(self.n_rows, generator=self.generator, device=self.generator.device)
            self.left = torch.cat([self.left, order])
        batch, self.left = self.left[: self.batch_size], self.left[self.batch_size :]
        return batch


class SessionStream(BatchStream):
    """Endless batches with about equally many rows of each session: every row of a session once a pass over that session.

    What a batch holds beyond equal shares falls on sessions drawn anew for every batch. A short session is gone through more often
    than a long one; a pass is begun before the last one is used up where a batch asks for more than is left.

    Parameters
    ----------
    data : SessionRows
        The rows; batches are made of its anchors.
    batch_size : int
        Rows a batch, at most as many as the anchors have.
    generator : torch.Generator
        Source of randomness.
    """

    def __init__(self, data: SessionRows, batch_size: int, generator: torch.Generator) -> None:
        self.runs = [(data.starts[i], len(data.parts[i])) for i in data.anchors]
        super().__init__(sum(length for _, length in self.runs), batch_size, generator)

    def next(self) -> Tensor:
        """Return the rows of the next batch, shape (batch_size,), session by session."""
        generator = self.generator
        share, over = divmod(self.batch_size, len(self.runs))
        lucky = torch.randperm(len(self.runs), generator=generator, device=generator.device)[:over].tolist()
        batch, left = [], []
        for i, (start, length) in enumerate(self.runs):
            # What is left of all passes is one tensor, so that a checkpoint keeps it as it keeps any other stream's.
            own = self.left[(self.left >= start) & (self.left < start + length)]
            wanted = share + (i in lucky)
            while len(own) < wanted:
                own = torch.cat([own, torch.randperm(length, generator=generator, device=generator.device) + start])
            batch.append(own[:wanted])
            left.append(own[wanted:])
        self.left = torch.cat(left)
        return torch.cat(batch)


def batches_of(data: TrainingRows, batch_size: int, generator: torch.Generator) -> BatchStream:
    """Return the batches that rows are trained on in, balanced where they are of several sessions."""
    if isinstance(data, SessionRows):
        return SessionStream(data, batch_size, generator)
    return BatchStream(len(data), batch_size, generator)
