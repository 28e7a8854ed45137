"""Learning a read-in for a session that a model was not trained on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from sklearn.utils.validation import check_is_fitted

from ..data.identity import identify
from ..data.recording import Recording
from ..data.sessions import Sessions, described
from ..device import cpu_threads
from ..errors import DataError, SettingError
from ..graphs.adaptation import Adaptation, grown
from ..layers.inputs import Scaling
from ..layers.sessions import read_in_encoders
from ..training.checkpoint import checkpoint_in
from ..training.loop import train
from ..training.method import Method, Watcher
from .session_lookup import matching
from .sessions import SessionEstimator, side_by_side

__all__ = ["AdaptableEstimator"]


@dataclass(kw_only=True, eq=False, repr=False)
class AdaptableEstimator(SessionEstimator):
    """Settings of adaptation on top of those of sessions.

    Parameters
    ----------
    align : float, optional
        How much it weighs in `adapt` that the new session's representations are distributed as those trained on.
    **others
        See `myow.estimators.sessions.SessionEstimator`.
    """

    align: float = 1.0

    def adapt(
        self,
        X: Any,
        *,
        name: str | None = None,
        with_: Any = (),
        steps: int | None = None,
        folder: str | os.PathLike[str] | None = None,
        resume: bool = False,
        watchers: Sequence[Watcher] = (),
    ) -> Self:
        """Learn a read-in, and the scaling before it, for a session that was not trained on; all else stays as it is.

        Parameters
        ----------
        X : Recording or array_like, shape (T, N)
            The new session, of any units, in bins as wide as those trained on. Its labels are not looked at.
        name : str, optional
            What to call it. Default: the recording's name.
        with_ : sequence or mapping of Recording, optional
            Recordings of sessions that were trained on, to mine views from besides the new session's own.
        steps : int, optional
            Steps of training. Default: those of `fit`.
        folder : path-like, optional
            Where to keep a checkpoint while training.
        resume : bool, optional
            Whether to go on from the checkpoint in `folder`, if it holds one.
        watchers : sequence of Watcher, optional
            Who is told how training goes.

        Returns
        -------
        self
            With one session more; as before if training is stopped.

        Raises
        ------
        DataError, SettingError
            If the recordings or settings cannot be used, or the model has no read-ins.
        TrainingError
            If training diverges or collapses.
        """
        check_is_fitted(self, "method_")
        if not self.sessions_:
            raise SettingError(
                "the model has no read-in, so that it fits the units it was trained on and no others; train with "
                "read_in=64, or on a list of two recordings or more"
            )
        if not 0 <= self.align < float("inf"):
            raise SettingError(f"align is {self.align}; it must be 0 or more")
        if resume and folder is None:
            raise SettingError("resume needs the folder that holds the checkpoint; give folder too")
        recording = X if isinstance(X, Recording) else self._as_rows(X)
        self._refuse_other_kind(recording)
        name = name or recording.name or f"session{len(self.sessions_) + 1}"
        if name in self.sessions_:
            raise DataError(f"session {name} was trained on already; give the new one another name")
        if len(recording) < 2:
            raise DataError("the recording has 1 sample (bin); training needs two or more")
        known = matching(with_, self.sessions_)
        device = self.method_.scaling.mean.device
        part = self._hold(recording, device)
        own = Scaling(recording.n_units).to(device)
        self._scale_by(own, part)
        width = next(read_in_encoders(self.method_)).width
        method = grown(self.method_, own, self._first_read_in(part, own, width))
        sessions = {**self.sessions_, name: described(recording)}
        others = [self._hold(other, device) for other in known.values()]
        rows = side_by_side(Sessions({**known, name: recording}), [*others, part], sessions, anchors=[len(known)])
        plan = self.plan(len(recording))
        if steps is not None:
            plan = replace(plan, steps=steps)
        identity = {}
        if folder is not None:  # checksums take a while
            identity = self._identity(rows.data, None) | {"steps": plan.steps, "model": _digest(self.method_)}
        generator = torch.Generator(device).manual_seed(self.seed_)
        with checkpoint_in(folder, identity, resume=resume) as checkpoint, cpu_threads(self.threads):
            train(Adaptation(method, self.align), rows, plan, generator, watchers, checkpoint)
        self.method_ = method.requires_grad_(True).eval()
        self._know(sessions)
        self.trained_on_ = [*self.trained_on_, identify(rows.data)[-1] | {"adapted": True}]
        return self


def _digest(method: Method) -> str:
    """Return a checksum of all weights and buffers."""
    sha = hashlib.sha256()
    for name, tensor in method.state_dict().items():
        sha.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()
