"""Learning from several sessions of different units: a read-in for each, and one encoder for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, check_is_fitted
from torch import nn

from ..data.recording import Recording
from ..data.rows import Rows
from ..data.sessions import Sessions, described, named_recordings
from ..data.targets import Targets
from ..errors import DataError, SettingError
from ..graphs.adaptation import alone
from ..layers.inputs import Scaling
from ..layers.sessions import ReadInEncoder, SessionScaling, principal_axes, read_in_encoders
from ..training.method import Method
from ..views.session_rows import SessionRows
from ..views.windows import TrainingRows
from .augmented import AugmentedEstimator
from .session_lookup import find_session, listed

__all__ = ["SessionEstimator", "side_by_side"]

WIDTH = 64
"""Width of the read-ins where there are several sessions and none was asked for."""
MOST_ROWS = 20_000  # of a session that decide its first read-in


@dataclass(kw_only=True, eq=False, repr=False)
class SessionEstimator(AugmentedEstimator):
    """Settings of the read-ins, and what is done with several sessions.

    Fitted with read-ins, it holds what it was trained on as ``sessions_``: by name, in order, the number of units, their
    names, the bin width in s, the rows and their checksum.

    Parameters
    ----------
    read_in : int, optional
        Width that a linear read-in maps each session's scaled units to, in front of the encoder that all sessions share.
        It begins with the session's principal components. Default: 64 for several sessions, no read-in for one.
    **others
        See `myow.estimators.augmented.AugmentedEstimator` and `myow.estimators.trained.TrainedEstimator`.
    """

    read_in: int | None = None

    learnt: ClassVar[tuple[str, ...]] = (*AugmentedEstimator.learnt, "sessions_")

    def make_encoder(self, n_units: int) -> nn.Module:
        """Build the encoder that the settings ask for, behind read-ins where there are sessions."""
        sessions = getattr(self, "sessions_", {})
        if not sessions:
            return super().make_encoder(n_units)
        width = WIDTH if self.read_in is None else self.read_in
        if width < 1:
            raise SettingError(f"read_in is {width}; it must be a width of 1 or more")
        units = [about["n_units"] for about in sessions.values()]
        return ReadInEncoder(units, width, super().make_encoder(width), self.dim)

    def session_settings(self) -> dict[str, Any]:
        """Keyword arguments of `myow.graphs.paired_views.PairedViews` that several sessions need."""
        sessions = getattr(self, "sessions_", {})
        if len(sessions) < 2:
            return {}
        return {"scaling": SessionScaling([about["n_units"] for about in sessions.values()])}

    def transform(self, X: Any, session: str | None = None) -> NDArray[np.float32]:
        """Embed rows.

        Parameters
        ----------
        X : Recording or array_like, shape (T, N)
            Rows of the same units as in training.
        session : str, optional
            The session whose units these are, where the model was trained on several. Default: the one with the
            recording's checksum, or else its name and units, or for an array its number of units.

        Returns
        -------
        ndarray of float32, shape (T, D)

        Raises
        ------
        DataError
            If the number of units, the bin width or the values do not fit, or no session or several fit the rows.
        """
        check_is_fitted(self, "method_")
        if len(self.sessions_) < 2:
            if session is not None and session not in (self.sessions_ or {self.recording_: None}):
                raise DataError(
                    f"there is no session '{session}'; the model was trained on {self.recording_ or 'one array'}"
                )
        else:
            X = self._told_apart(X, session)
        embedding: NDArray[np.float32] = super().transform(X)
        return embedding

    def of_session(self, session: str) -> Self:
        """Return the model for one of its sessions alone, which takes that session's rows without being told.

        Parameters
        ----------
        session : str
            Name of a session.

        Raises
        ------
        DataError
            If there is no session of that name.
        """
        check_is_fitted(self, "method_")
        if session not in self.sessions_:
            raise DataError(f"there is no session '{session}'; the model was trained on {listed(self.sessions_)}")
        model = copy(self)
        model.method_ = alone(self.method_, list(self.sessions_).index(session)).eval()
        model.sessions_ = {session: self.sessions_[session]}
        model.n_features_in_ = self.sessions_[session]["n_units"]
        model.recording_ = session
        return model

    # Inner workings.

    def _told_apart(self, X: Any, session: str | None) -> Sessions:
        """Say of rows which session they are of."""
        recording = X if isinstance(X, Recording) else self._as_rows(X)
        self._refuse_other_kind(recording)
        return Sessions({find_session(recording, self.sessions_, session): recording})

    def _know(self, sessions: dict[str, Any]) -> None:
        self.sessions_: dict[str, Any] = sessions
        self.n_features_in_ = max(about["n_units"] for about in sessions.values())
        self.recording_ = ", ".join(sessions)

    def _take(self, X: Any, *, reset: bool) -> Rows:  # type: ignore[override]
        if not reset:
            if isinstance(X, Sessions):
                return X
            return super()._take(X, reset=False) if len(self.sessions_) < 2 else self._told_apart(X, None)
        self.sessions_ = {}
        named = named_recordings(X)
        if named is None or len(named) == 1:
            recording = super()._take(X if named is None else next(iter(named.values())), reset=True)
            if self.read_in is not None:
                name = next(iter(named)) if named else recording.name or "session1"
                self.sessions_ = {name: described(recording)}
            return recording
        data = Sessions(named)
        for part in named.values():
            super()._take(part, reset=True)
        self._know({name: described(part) for name, part in named.items()})
        return data

    def _hold(self, data: Any, device: torch.device, targets: Targets | None = None) -> TrainingRows:
        if not isinstance(data, Sessions):
            return super()._hold(data, device, targets)
        parts = [self._hold(part, device) for part in data.recordings.values()]
        return side_by_side(data, parts, self.sessions_)

    def _learn_scaling(self, method: Method, rows: TrainingRows) -> None:
        several = method.scaling if isinstance(method.scaling, SessionScaling) else None
        if several is None or not isinstance(rows, SessionRows):
            super()._learn_scaling(method, rows)
            scaled = [(rows, method.scaling)]
        else:
            scaled = [
                (part, Scaling(about["n_units"]))
                for part, about in zip(rows.parts, self.sessions_.values(), strict=True)
            ]
            for number, (part, own) in enumerate(scaled):
                self._scale_by(own, part)
                several.put(number, own)
        for encoder in read_in_encoders(method):
            for number, (part, own) in enumerate(scaled):
                encoder.put(number, self._first_read_in(part, own, encoder.width))

    def _first_read_in(self, part: TrainingRows, scaling: Scaling, width: int) -> torch.Tensor:
        """Principal components of a session's scaled rows, or of some that are evenly spaced where there are many."""
        some = torch.arange(0, len(part), 1 + len(part) // MOST_ROWS, device=part.device)
        return principal_axes(scaling(part.look_up(some).to(scaling.mean.device)), width)

    def _as_rows(self, X: Any) -> Recording:
        """Turn an array into rows of the kind that was trained on, whatever its number of units."""
        return Recording(check_array(X, dtype="numeric"), bin_size=self.bin_size_, kind=self.kind_)

    def _refuse_other_kind(self, recording: Recording) -> None:
        if recording.kind != self.kind_ or not np.isclose(recording.bin_size, self.bin_size_):
            raise DataError(
                f"{recording.name or 'this recording'} holds {recording.kind} in bins of {recording.bin_size:g} s, but the model was "
                f"trained on {self.kind_}: {listed(self.sessions_)}"
            )

    def _n_dimensions(self) -> int:
        if len(self.sessions_) < 2:
            return super()._n_dimensions()
        return self.of_session(next(iter(self.sessions_)))._n_dimensions()


def side_by_side(
    data: Sessions, parts: Sequence[TrainingRows], sessions: Mapping[str, Any], anchors: Sequence[int] | None = None
) -> SessionRows:
    """Put sessions side by side under the numbers that the model knows them by."""
    known = list(sessions)
    numbers = [known.index(name) for name in data.recordings]
    return SessionRows(data, parts, numbers, max(about["n_units"] for about in sessions.values()), anchors)
