"""An embedding with all that belongs to it: the bins' times, segments and labels, and how it came about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sklearn.utils.validation import check_is_fitted

from ..data.embedding import Embedding
from ..data.recording import Recording
from ..errors import DataError, SettingError
from ..version import __version__
from . import method_name
from .base import Learner, plain
from .multisession import find_session

__all__ = ["embed"]


def embed(
    model: Learner, recording: Recording, *, session: str | None = None, provenance: Mapping[str, str] | None = None
) -> Embedding:
    """Embed a recording, and keep what `transform` leaves behind; `myow.write` writes it.

    Parameters
    ----------
    model : estimator
        Fitted.
    recording : Recording
        What to embed.
    session : str, optional
        The session whose units these are, where the model was trained on several. Default: the one that fits.
    provenance : mapping of str to str, optional
        What else is to be known of it, such as the file of the model.

    Returns
    -------
    Embedding
        Its ``provenance`` says the software, method, settings, seed and steps, what the model was trained on, and which
        recording this is, with checksums.

    Raises
    ------
    DataError
        If it is no recording, or none that the model can embed.
    SettingError
        If a session is named and the model was not trained on several.

    Examples
    --------
    >>> import numpy as np, myow
    >>> recording = Recording(np.random.default_rng(0).poisson(2.0, (30, 4)), bin_size=0.1, name="day-1")
    >>> embedding = embed(myow.PCA(dim=2).fit(recording), recording)
    >>> embedding, embedding.provenance["method"]
    (Embedding(day-1: 30 bins of 0.1 s, 2 dimensions, 1 segment), 'pca')
    """
    check_is_fitted(model, "network_")
    if not isinstance(recording, Recording):
        raise DataError(
            f"a {type(recording).__name__} is no recording; make one with myow.Recording(counts, bin_size=...)"
        )
    sessions: Mapping[str, Any] = getattr(model, "sessions_", {})
    if len(sessions) > 1:
        session = find_session(recording, sessions, session)
        z = model.transform(recording, session=session)  # type: ignore[call-arg]
    elif session is not None:
        raise SettingError(f"session is '{session}', but this model was not trained on several; leave it out")
    else:
        z = model.transform(recording)
    made = _provenance(model, recording) | ({} if session is None else {"session": session}) | dict(provenance or {})
    return Embedding(
        z,
        bin_size=recording.bin_size,
        times=recording.times,
        segments=recording.segments,
        labels=recording.labels,
        periods=recording.periods,
        dimensions=[str(name) for name in model.get_feature_names_out()],
        name=recording.name,
        provenance=made,
    )


def _provenance(model: Learner, recording: Recording) -> dict[str, str]:
    settings = {k: v for k, v in model.get_params().items() if k not in ("device", "threads")}  # of this machine
    found = {
        "software": f"myow {__version__}",
        "method": method_name(type(model)),
        "settings": _json({k: plain(v) for k, v in settings.items()}),
        "seed": str(model.seed_),
        "steps": str(model.n_steps_),
        "trained_with": f"myow {model.version_}" if model.version_ else "",
        "trained_on": _json(model.trained_on_),
        "recording": recording.name,
        "recording_digest": recording.digest(),
        "recording_kind": recording.kind,
        "recording_source": _json(dict(recording.source)),
        "units": _json(list(recording.units)),
    }
    return {key: text for key, text in found.items() if text}


def _json(value: Any) -> str:
    """Return JSON; of what it cannot hold, such as an encoder of one's own, the name of its type."""
    return json.dumps(value, default=lambda held: type(held).__name__)
