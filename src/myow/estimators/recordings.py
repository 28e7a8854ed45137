"""Settings that all methods for recordings have, and what they do with a recording."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from sklearn.utils.validation import validate_data

from ..data.images import Images
from ..data.recording import Recording
from ..data.stored import StoredRecording
from ..data.targets import Targets
from ..errors import DataError, SettingError
from ..geometry import effective_rank
from ..layers.inputs import Scaling, transform_values
from ..training.method import Method
from ..views.lookup import LookedUpRows
from ..views.windows import TrainingRows
from .learner import Learner

__all__ = ["Estimator"]

MOST_BYTES = 1 << 28
"""What transformed values may take as one tensor; larger recordings keep their small whole numbers and are transformed in batches."""


@dataclass(kw_only=True, eq=False, repr=False)
class Estimator(Learner):
    """Base of all methods that learn from recordings: settings of the input.

    Fitted, it also holds the input transform as ``input_``.

    Parameters
    ----------
    context : tuple of int, optional
        Bins (before, after) of the window that the encoder sees around each bin; it stops at segment edges, where the
        nearest bin stands in for what is missing.
    input : {"auto", "sqrt", "anscombe", "rate", "none"}, optional
        Transform of counts, see `myow.layers.inputs.transform_values`. "auto": square root of counts, nothing for signals.
    scale : {"common", "unit", "none"}, optional
        After centring, divide by one common deviation or by each unit's own.
    **others
        See `myow.estimators.learner.Learner`.
    """

    context: tuple[int, int] = (0, 0)
    input: Literal["auto", "sqrt", "anscombe", "rate", "none"] = "auto"
    scale: Literal["common", "unit", "none"] = "common"

    readout_scaling: ClassVar[Literal["each", "common"]] = "each"
    """How a readout scales this embedding: where features are units, one scale for all keeps those that seldom fire small."""
    learnt: ClassVar[tuple[str, ...]] = (*Learner.learnt, "kind_", "recording_", "input_", "bin_size_")

    def score(self, X: Any, y: Any = None) -> float:
        """Say what the embedding of some rows is worth.

        Parameters
        ----------
        X : Recording or array_like, shape (T, N)
            Rows.
        y : array_like, shape (T,) or (T, d), optional
            A label of each row.

        Returns
        -------
        float
            With labels: accuracy of a logistic readout of discrete ones, or R2 of a ridge readout of continuous ones,
            cross-validated on these rows. Without: the share of dimensions in use (effective rank over D; Garrido
            et al. 2023 use the rank to choose settings without labels).
        """
        from ..probe import cross_validated_score

        embedding = self.transform(X)
        if y is None:
            return effective_rank(torch.from_numpy(embedding)) / float(embedding.shape[1])
        groups = X.segments if isinstance(X, Recording) and X.n_segments > 1 else None
        return cross_validated_score(embedding, np.asarray(y), groups=groups)

    # Inner workings.

    def _n_dimensions(self) -> int:
        """Dimension D of the embedding, as the graph gives it."""
        window = torch.zeros(1, sum(self._context()) + 1, self.n_features_in_)
        with torch.inference_mode():
            return int(self.method_.embed(window.to(self.method_.scaling.mean.device)).shape[1])

    def _take(self, X: Any, *, reset: bool) -> Recording:
        recording = self._as_recording(X, reset=reset)
        if reset:
            if len(recording) < 2:
                raise DataError("the recording has 1 sample (bin); training needs two or more")
            self.input_ = _input(self.input, recording.kind)
            self.bin_size_ = recording.bin_size
        return recording

    def _hold(self, data: Recording, device: torch.device, targets: Targets | None = None) -> TrainingRows:
        if isinstance(data, StoredRecording) or 4 * len(data) * data.n_units > MOST_BYTES:
            transform = partial(transform_values, how=self.input_, bin_size=data.bin_size)
            return LookedUpRows(data, transform, self._context(), device, targets)
        return TrainingRows(data, self._values(data), self._context(), device, targets)

    def _learn_scaling(self, method: Method, rows: TrainingRows) -> None:
        self._scale_by(method.scaling, rows)

    def _scale_by(self, scaling: Scaling, rows: TrainingRows) -> None:
        """Learn a scaling from rows of one session."""
        scaling.fit(rows.blocks(), self.scale)

    def _as_recording(self, X: Any, *, reset: bool) -> Recording:
        """Check units and values; an array becomes a recording of one segment."""
        if isinstance(X, Images):
            name = type(self).__name__
            raise DataError(
                f"{name} learns from recordings, and {X.name or 'this'} holds images; methods for images are called Image..., as in ImageMYOW"
            )
        if isinstance(X, (list, tuple)) and X and isinstance(X[0], Recording):
            if len(X) > 1:
                raise DataError(
                    f"{type(self).__name__} learns from one recording and was given {len(X)}; MYOW, Unmined, BYOL and SimCLR learn from "
                    "several"
                )
            X = X[0]
        if isinstance(X, Recording):
            if reset:
                self.n_features_in_: int = X.n_units
                self.kind_ = X.kind
                self.recording_: str = X.name
                return X
            names = f" ({self.recording_})" if self.recording_ else ""
            if X.n_units != self.n_features_in_:
                raise DataError(
                    f"the model was trained on {self.n_features_in_} units{names}, but {X.name or 'this recording'} has "
                    f"{X.n_units}; give it the same units in the same order"
                )
            if X.kind != self.kind_:
                raise DataError(f"the model was trained on {self.kind_}{names}, but this recording holds {X.kind}")
            if not np.isclose(X.bin_size, self.bin_size_):
                raise DataError(
                    f"the model was trained on bins of {self.bin_size_:g} s{names}, but this recording has {X.bin_size:g} s"
                )
            return X
        values = validate_data(self, X, reset=reset, dtype="numeric", ensure_min_samples=2 if reset else 1)
        if reset:
            whole = values.dtype.kind in "iub" or np.array_equal(values, np.rint(values))
            self.kind_ = "counts" if whole and values.min() >= 0 else "continuous"
            self.recording_ = ""
        # Bins of one second stand for bins of unknown width; a recording that was trained on has its own.
        return Recording(values, bin_size=1.0 if reset else self.bin_size_, kind=self.kind_)

    def _values(self, recording: Recording) -> torch.Tensor:
        """Transformed values, shape (T, N)."""
        return transform_values(torch.from_numpy(np.array(recording.counts)), self.input_, recording.bin_size)

    def _context(self) -> tuple[int, int]:
        if len(self.context) != 2 or min(self.context) < 0:
            raise SettingError(
                f"context is {self.context}; it must be two numbers of bins, (before, after), 0 or more each"
            )
        before, after = self.context
        return int(before), int(after)


def _input(name: str, kind: str) -> str:
    if name == "auto":
        return "sqrt" if kind == "counts" else "none"
    if kind == "continuous" and name != "none":
        raise SettingError(
            f"input='{name}' is a transform of counts, but the recording is continuous; use input='auto'"
        )
    return name
