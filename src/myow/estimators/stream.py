"""Embedding as data comes: one bin in, one embedding out."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from ..data.checks import check_times, check_values
from ..errors import DataError, SettingError
from ..graphs.folding import fold
from ..layers.inputs import transform_row
from ..training.method import Method
from ..views.windows import nearest

if TYPE_CHECKING:
    from .learner import Learner
    from .recordings import Estimator

__all__ = ["Stream", "one_session"]


def one_session(model: Learner, session: str | None, purpose: str) -> Estimator:
    """Return a fitted model of recordings that takes the units of one session.

    Raises
    ------
    SettingError
        If it learns from images, or has several sessions and none is named.
    DataError
        If there is no session of that name.
    """
    from .recordings import Estimator

    check_is_fitted(model, "method_")
    if not isinstance(model, Estimator):
        raise SettingError(
            f"{type(model).__name__} learns from {model.learns_from}, and {purpose} takes bins of a recording; use transform"
        )
    sessions = getattr(model, "sessions_", {})
    if len(sessions) > 1 and session is None:
        raise SettingError(
            f"the model was trained on {len(sessions)} sessions, and {purpose} is of one; choose session= from {', '.join(sessions)}"
        )
    if session is None or (not sessions and session == model.recording_):
        return model
    if not sessions:
        raise DataError(f"there is no session '{session}'; the model was trained on {model.recording_ or 'one array'}")
    of_one: Estimator = model.of_session(session)
    return of_one


class Stream:
    """Embed bin by bin what `transform` embeds at once, for a model that sees no bin that is still to come.

    A segment begins with the first push, and anew after `reset`. Its embeddings are those of `transform` for the same bins as
    one segment, up to rounding: where a bin of the window is missing, before the segment's first or inside it, the bin of
    the segment that is nearest in time stands in, the earlier of two. For a causal window that bin has always come in
    already. Only what a stream cannot know differs: `transform` refuses a recording none of whose segments is as long as the
    window.

    The weights are those at the time when the stream was made. A stream is not to be shared by threads.

    Parameters
    ----------
    model : Learner
        Fitted, with ``context=(before, 0)``.
    session : str, optional
        The session whose units these are, where the model was trained on several.

    Raises
    ------
    SettingError
        If the model needs bins that are still to come, learns from images, or has several sessions and none is named.
    DataError
        If there is no such session.
    """

    def __init__(self, model: Learner, session: str | None = None) -> None:
        one = one_session(model, session, "a stream")
        before, after = one._context()
        if after:
            raise SettingError(
                f"context is ({before}, {after}), so that an embedding needs {after} bins that are still to come; "
                f"train with context=({before}, 0)"
            )
        self.n_units: int = one.n_features_in_
        self.bin_size: float = one.bin_size_
        self._kind, self._input = one.kind_, one.input_
        self._not_negative = bool(one.__sklearn_tags__().input_tags.positive_only)
        self._before = before
        own = not isinstance(getattr(one, "encoder", ""), str)
        folded = None if own else fold(one.method_, before + 1, self.n_units)
        self._embed = folded or _Network(one.method_, before + 1, self.n_units)
        # Room for bins twice as many as the window has: they move to the front when it is full, not at every push.
        self._bins = np.zeros(4 * before + 4, dtype=np.int64)
        self._values = np.zeros((4 * before + 4, self.n_units))
        self.reset()

    def reset(self) -> None:
        """Begin a segment: nothing that was pushed before is seen any more."""
        self._first = self._end = 0  # the rows that are held
        self._run = 0  # how many of the last ones lie in bins one after the other
        self._started: float | None = None
        self._last = 0.0

    def push(self, counts: ArrayLike, time: float | None = None) -> NDArray[np.float32]:
        """Embed the next bin of the segment.

        Parameters
        ----------
        counts : array_like, shape (N,)
            Counts, or values of a continuous signal, of the units that the model was trained on, in their order.
        time : float, optional
            Start of the bin in seconds, on any clock that does not jump inside a segment; bins between the last one and
            this one are then known to be missing. Either all bins of a segment have one or none, in which case they follow
            each other.

        Returns
        -------
        ndarray of float32, shape (D,)

        Raises
        ------
        DataError
            If the values are not as `Recording` has them, or the time does not rise by a bin or more. The stream stays as it
            was before.
        """
        values = self._check(counts)
        number = self._number(time)
        step = number - int(self._bins[self._end - 1]) if self._first < self._end else 2
        # Jitter may put two rows into one bin, for which the first then stands: the second begins no run.
        self._run = self._run + 1 if step == 1 else min(step, 1)
        if self._end == len(self._bins):
            kept = self._end - self._first
            self._bins[:kept], self._values[:kept] = self._bins[self._first :], self._values[self._first :]
            self._first, self._end = 0, kept
        self._bins[self._end], self._values[self._end] = number, values
        self._end += 1
        # Of the bins before the window, the last one may still be the nearest to one that is missing.
        while self._first + 1 < self._end and self._bins[self._first + 1] < number - self._before:
            self._first += 1
        return self._embed(self._window(number)).astype(np.float32)

    def _window(self, number: int) -> NDArray[np.float64]:
        """Rows of the window that ends with the last push, shape (W, N)."""
        if self._run > self._before:  # nothing is missing
            return self._values[self._end - self._before - 1 : self._end]
        held = slice(self._first, self._end)
        rows = nearest(self._bins[held], np.arange(number - self._before, number + 1))
        rows[-1] = self._end - self._first - 1  # also where jitter in the times puts two rows into one bin
        return self._values[held][rows]

    def _check(self, counts: ArrayLike) -> NDArray[np.float32]:
        """Transformed values, refused by the rules of a recording of one bin."""
        row = np.asarray(counts)
        if row.shape != (self.n_units,):
            raise DataError(
                f"the bin has shape {row.shape}; push one bin at a time, of the {self.n_units} units that the model was "
                f"trained on: shape ({self.n_units},)"
            )
        row = check_values(row[None], self._kind)
        if self._not_negative and row.min() < 0:
            raise DataError(f"the bin holds {row.min():g}, and the model is of counts; push values of 0 or more")
        return transform_row(row[0], self._input, self.bin_size)

    def _number(self, time: float | None) -> int:
        """Whole bins since the segment's first, counted as `Recording` counts them."""
        begins = self._first == self._end
        if not begins and (time is None) != (self._started is None):
            raise DataError(
                "some bins of this segment have a time and some have none; push all of them with time=, or none, or reset first"
            )
        if time is None:
            return 0 if begins else int(self._bins[self._end - 1]) + 1
        pair = [time] if begins else [self._last, time]
        now = float(check_times(pair, np.zeros(len(pair), dtype=np.int64), self.bin_size)[-1])
        if begins:
            self._started = now
        self._last = now
        return round((now - (self._started or 0.0)) / self.bin_size)


class _Network:
    """The graph itself, for windows of one row, in a buffer that stays."""

    def __init__(self, method: Method, n_bins: int, n_units: int) -> None:
        self._method = deepcopy(method).cpu().eval()
        self._buffer = torch.zeros(1, n_bins, n_units)
        self._window = self._buffer[0].numpy()

    def __call__(self, window: NDArray[np.float64]) -> NDArray[Any]:
        self._window[:] = window
        with torch.inference_mode():
            z: NDArray[Any] = self._method.embed(self._buffer)[0].numpy()
        return z
