"""Base of the methods that learn from recordings."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from sklearn.utils.validation import validate_data
from torch import nn

from ..data.images import Images
from ..data.recording import Recording
from ..data.sessions import match_units
from ..data.targets import Targets
from ..errors import DataError, SettingError
from ..io.on_disk import StoredRecording
from ..nn.mlp import ResidualEncoder, build_encoder
from ..nn.read_in import read_in_encoders
from ..nn.scaling import Scaling, transform_values
from ..training.diagnostics import effective_rank
from ..training.module import TrainingModule, default_steps
from ..training.rows import LookedUpRows, TrainingRows, spread_rows
from ..training.windows import NEAR, default_positives
from .base import Learner

__all__ = ["RecordingEstimator", "Suggestion", "offset_of", "suggest"]

COMPONENT_ROWS = 4096  # whose components residual encoders begin with, at most
MOST_BYTES = 1 << 28
"""What transformed values may take as one tensor; larger recordings keep their small whole numbers and are transformed in batches."""


class RecordingEstimator(Learner):
    """Base of all methods that learn from recordings: the input, and the encoder of those that have one.

    Fitted, it also holds the input transform as ``input_``, the bin width in s as ``bin_size_``, the kind of values as
    ``kind_``, the recording's name as ``recording_``, and what is taken off signals that vary little around a large value as
    ``offset_``.
    """

    context: tuple[int, int]
    input: Literal["auto", "sqrt", "anscombe", "rate", "none"]
    scale: Literal["common", "unit", "none"]
    # Of methods that have an encoder.
    encoder: str | nn.Module | Callable[[int, int], nn.Module]
    hidden: tuple[int, ...]
    dim: int
    activation: Literal["relu", "prelu", "gelu"]
    positives: tuple[int, int] | None

    readout_scaling: ClassVar[Literal["each", "common"]] = "each"
    """How a readout scales this embedding: where features are units, one scale for all keeps those that seldom fire small."""
    learnt: ClassVar[tuple[str, ...]] = (*Learner.learnt, "kind_", "recording_", "input_", "bin_size_", "offset_")

    def score(self, X: Any, y: Any = None) -> float:
        """Return the decoding performance of the embedding of some rows.

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
        from ..evaluation.decode import cross_validated_score

        embedding = self.transform(X)
        if y is None:
            return effective_rank(torch.from_numpy(embedding)) / float(embedding.shape[1])
        groups = X.segments if isinstance(X, Recording) and X.n_segments > 1 else None
        return cross_validated_score(embedding, np.asarray(y), groups=groups)

    def make_encoder(self, n_units: int) -> nn.Module:
        """Build the encoder that the settings ask for, for `n_units` units.

        Raises
        ------
        SettingError
            If a width is not positive, or an encoder of one's own does not give shape (B, dim).
        """
        window = self._window()
        if isinstance(self.encoder, str):
            if self.dim < 1 or any(width < 1 for width in self.hidden):
                raise SettingError(f"hidden {self.hidden} and dim {self.dim} must be widths of 1 or more")
            return build_encoder(self.encoder, window, n_units, tuple(self.hidden), self.dim, self.activation)
        # A copy: fitting must not change what was passed to the constructor.
        encoder = copy.deepcopy(self.encoder) if isinstance(self.encoder, nn.Module) else self.encoder(window, n_units)
        with torch.no_grad():
            encoder.eval()  # this look must not move running statistics
            shape = tuple(encoder(torch.zeros(2, window, n_units)).shape)
        if shape != (2, self.dim):
            raise SettingError(
                f"the encoder turns windows of shape (2, {window}, {n_units}) into {shape}; it must give (2, dim) = (2, {self.dim})"
            )
        return encoder

    def near_positives(self) -> tuple[int, int]:
        """Return the bins in which a positive may lie: those asked for, else what the width of a bin suggests."""
        asked: tuple[int, int] | None = self.positives
        return default_positives(getattr(self, "bin_size_", 1.0)) if asked is None else (int(asked[0]), int(asked[1]))

    # Inner workings.

    def _n_dimensions(self) -> int:
        """Dimension D of the embedding, as the network gives it."""
        window = torch.zeros(1, self._window(), self.n_features_in_)
        with torch.inference_mode():
            return int(self.network_.embed(window.to(self.network_.scaling.mean.device)).shape[1])

    def _take(self, X: Any, *, reset: bool) -> Recording:
        recording = self._as_recording(X, reset=reset)
        if reset:
            if len(recording) < 2:
                raise DataError("the recording has 1 sample (bin); training needs two or more")
            self.input_ = _input(self.input, recording.kind)
            self.bin_size_ = recording.bin_size
            self.offset_ = offset_of(recording)
        return recording

    def _hold(self, data: Recording, device: torch.device, targets: Targets | None = None) -> TrainingRows:
        if len(self.offset_):
            data = replace(data, counts=data.counts - np.asarray(self.offset_))
        if isinstance(data, StoredRecording) or 4 * len(data) * data.n_units > MOST_BYTES:
            transform = partial(transform_values, how=self.input_, bin_size=data.bin_size)
            return LookedUpRows(data, transform, self._context(), device, targets)
        return TrainingRows(data, self._values(data), self._context(), device, targets)

    def _learn_scaling(self, network: TrainingModule, rows: TrainingRows) -> None:
        self._scale_by(network.scaling, rows)
        self._begin_with_components(network, rows)

    def _begin_with_components(self, network: TrainingModule, rows: TrainingRows) -> None:
        """Let residual encoders begin with the principal components of scaled windows, of some rows where there are many."""
        encoders = [part for part in network.modules() if isinstance(part, ResidualEncoder)]
        if not encoders or any(read_in_encoders(network)):  # components of read-ins come in order already
            return
        some = spread_rows(rows, min(len(rows), rows.at_once(COMPONENT_ROWS)))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed_)
            windows = network.scaling(rows.gather(some).to(network.scaling.mean.device)).flatten(1).cpu()
            wanted = min(self.dim, *windows.shape)
            _, _, axes = torch.svd_lowrank(windows - windows.mean(dim=0), q=min(wanted + 8, *windows.shape), niter=8)
        for encoder in encoders:
            encoder.begin(axes.T[:wanted])

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
                    f"{type(self).__name__} learns from one recording and was given {len(X)}; MYOW, BYOL and SimCLR learn from "
                    "several"
                )
            X = X[0]
        if isinstance(X, Recording):
            if reset:
                self.n_features_in_: int = X.n_units
                self.kind_ = X.kind
                self.recording_: str = X.name
                return X
            matched = match_units(X, self.n_features_in_, self._unit_names())
            names = f" ({self.recording_})" if self.recording_ else ""
            if matched.n_units != self.n_features_in_:
                raise DataError(
                    f"the model was trained on {self.n_features_in_} units{names}, but {matched.name or 'this recording'} has "
                    f"{matched.n_units}; give it the same units in the same order"
                )
            if matched.kind != self.kind_:
                raise DataError(
                    f"the model was trained on {self.kind_}{names}, but this recording holds {matched.kind}"
                )
            if not np.isclose(matched.bin_size, self.bin_size_):
                raise DataError(
                    f"the model was trained on bins of {self.bin_size_:g} s{names}, but this recording has {matched.bin_size:g} s"
                )
            return matched
        values = validate_data(self, X, reset=reset, dtype="numeric", ensure_min_samples=2 if reset else 1)
        if reset:
            whole = values.dtype.kind in "iub" or np.array_equal(values, np.rint(values))
            self.kind_ = "counts" if whole and values.min() >= 0 else "continuous"
            self.recording_ = ""
        # Bins of one second stand for bins of unknown width; a recording that was trained on has its own.
        return Recording(values, bin_size=1.0 if reset else self.bin_size_, kind=self.kind_)

    def _unit_names(self) -> list[str]:
        """Names of the units trained on; none where they were made up, or the model is of an early version."""
        about = self.trained_on_[0] if len(getattr(self, "trained_on_", [])) == 1 else {}
        units = about.get("units")
        return list(units) if isinstance(units, list) and len(units) == self.n_features_in_ else []

    def _values(self, recording: Recording) -> torch.Tensor:
        """Transformed values, shape (T, N)."""
        return transform_values(torch.from_numpy(np.array(recording.counts)), self.input_, recording.bin_size)

    def _window(self) -> int:
        """Bins of the context window."""
        return sum(self._context()) + 1

    def _context(self) -> tuple[int, int]:
        if len(self.context) != 2 or min(self.context) < 0:
            raise SettingError(
                f"context is {self.context}; it must be two numbers of bins, (before, after), 0 or more each"
            )
        before, after = self.context
        return int(before), int(after)


def offset_of(recording: Recording) -> list[float]:
    """Return what is taken off each unit so that single precision holds what varies; none where it does already."""
    if isinstance(recording, StoredRecording) or recording.counts.dtype != np.float64:
        return []
    means: list[float] = recording.counts.mean(axis=0).tolist()
    return means


@dataclass(frozen=True)
class Suggestion:
    """What `suggest` would take for a recording.

    Attributes
    ----------
    bin_size : float
        Width of a bin in s; that of the recording, unless its bins hold too little.
    context : tuple of int
        Bins (before, after) of the window, at that width.
    steps : int
        Training steps that the default takes.
    positives : tuple of int
        Bins (before, after) in which the default looks for a row's positive.
    why : tuple of str
        A sentence for each.
    """

    bin_size: float
    context: tuple[int, int]
    steps: int
    positives: tuple[int, int]
    why: tuple[str, ...]

    def __str__(self) -> str:
        head = f"bins of {self.bin_size:g} s, context={self.context}, steps={self.steps}, positives={self.positives}"
        return "\n".join([head, *(f"  {line}" for line in self.why)])


HELD = 5.0  # spikes of all units in a bin; fewer say little of what the population does
SEEN = 0.25  # seconds on either side of a bin that its window takes in


def suggest(recording: Recording) -> Suggestion:
    """Suggest bin width, context and steps for a recording, and say why.

    It looks at the width of a bin, the median length of a segment, the number of rows, and for counts at the spikes that a bin
    holds. Labels are not looked at, and nothing is trained.

    Parameters
    ----------
    recording : Recording
        What is to be trained on.

    Returns
    -------
    Suggestion

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(0.5, size=(600, 50))
    >>> found = suggest(Recording(counts, bin_size=0.1, segments=np.repeat(np.arange(60), 10)))
    >>> found.context, found.steps, found.bin_size
    ((2, 2), 1200, 0.1)
    """
    length = int(np.median(np.unique(recording.segments, return_counts=True)[1]))
    width, why = recording.bin_size, []
    if recording.kind == "counts":
        held = recording._activity()[0] * recording.n_units
        times = min(int(np.ceil(HELD / max(held, 1e-9))), max(1, length // 10))
        width *= times
        said = f"a bin of {recording.bin_size:g} s holds {held:.3g} spikes of {recording.n_units} units"
        why.append(
            f"{said}: {'take ' + format(width, 'g') + ' s' if times > 1 else 'enough, or segments too short for wider ones'}"
        )
        length //= times
    reach = min(max(1, round(SEEN / width)), 10, length // 2)
    if width > NEAR:
        reach = 0
        why.append(
            f"bins of {width:g} s are longer than what activity shows lasts: no window, and no positives beside a row"
        )
    else:
        why.append(
            f"a window of {2 * reach + 1} bins sees {reach * width:.3g} s on either side, in segments of {length} bins (median); "
            f"for a live stream take context=({reach}, 0)"
        )
    rows = len(recording) * recording.bin_size / width
    steps = default_steps(round(rows))
    why.append(f"{rows:.0f} rows are gone through {steps * 256 / max(rows, 1):.0f} times in {steps} steps of 256")
    return Suggestion(width, (reach, reach), steps, default_positives(width), tuple(why))


def _input(name: str, kind: str) -> str:
    if name == "auto":
        return "sqrt" if kind == "counts" else "none"
    if kind == "continuous" and name != "none":
        raise SettingError(
            f"input='{name}' is a transform of counts, but the recording is continuous; use input='auto'"
        )
    return name
