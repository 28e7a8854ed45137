"""Fitted models at work: embeddings with all that belongs to them, a stream that embeds bin by bin, and an ONNX graph."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_linear_bn_eval

from ..data.embedding import Embedding
from ..data.recording import Recording, check_times, check_values
from ..errors import DataError, SettingError, need
from ..io.files import writing
from ..nn.scaling import transform_row, transform_values
from ..training.module import TrainingModule
from ..training.windows import nearest
from ..version import __version__
from . import method_name
from .base import Learner, plain
from .multisession import find_session
from .recordings import RecordingEstimator

__all__ = ["Stream", "embed", "export_model", "fused", "one_session"]

PURPOSE = "exporting a model"


def fused(network: TrainingModule) -> TrainingModule:
    """Copy a network to the CPU for evaluation, with every batch norm fused into the linear layer before it."""
    network = deepcopy(network).cpu().eval()
    for module in list(network.modules()):
        if type(module) is nn.Sequential:  # one that is derived from it may call its layers in other ways
            layers = list(module)
            for i, (first, second) in enumerate(zip(layers[:-1], layers[1:], strict=True)):
                if isinstance(first, nn.Linear) and isinstance(second, nn.BatchNorm1d):
                    module[i], module[i + 1] = fuse_linear_bn_eval(first, second), nn.Identity()
    return network


def _has_own_encoder(model: RecordingEstimator) -> bool:
    return not isinstance(getattr(model, "encoder", ""), str)


def _at_work(model: RecordingEstimator) -> TrainingModule:
    """Copy a model's network to the CPU for evaluation, fused unless its encoder is one's own.

    Such an encoder may use its layers as it likes, and know of no precision but the one that it was trained in.
    """
    return deepcopy(model.network_).cpu().eval() if _has_own_encoder(model) else fused(model.network_)


def one_session(model: Learner, session: str | None, purpose: str) -> RecordingEstimator:
    """Return a fitted model of recordings that takes the units of one session.

    Raises
    ------
    SettingError
        If it learns from images, or has several sessions and none is named.
    DataError
        If there is no session of that name.
    """
    check_is_fitted(model, "network_")
    if not isinstance(model, RecordingEstimator):
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
    of_one: RecordingEstimator = model.of_session(session)
    return of_one


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
    settings = {
        k: v for k, v in model.get_params().items() if k not in ("device", "threads", "verbose")
    }  # of this machine
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
        self._kind, self._input, self._offset = one.kind_, one.input_, np.asarray(one.offset_)
        self._not_negative = bool(one.__sklearn_tags__().input_tags.positive_only)
        self._before = before
        self._network = _at_work(one)
        if not _has_own_encoder(one):  # in double precision, so that fusing adds no rounding to that of `transform`
            self._network.double()
        dtype = torch.float32 if _has_own_encoder(one) else torch.float64
        self._buffer = torch.zeros(1, before + 1, self.n_units, dtype=dtype)
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
        self._buffer[0].numpy()[:] = self._window(number)
        with torch.inference_mode():
            z: NDArray[np.float32] = self._network.embed(self._buffer)[0].float().numpy()
        return z

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
        row = check_values(row[None] - self._offset if len(self._offset) else row[None], self._kind)
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


def export_model(model: Learner, path: Path, session: str | None = None) -> Path:
    """Write a model as ONNX, whole or not at all; see `myow.methods.base.Learner.export`.

    Raises
    ------
    SettingError
        If the extra ``onnx`` is not installed, the model learns from images, its encoder cannot be exported, or the name
        ends in something else than ``.onnx``.
    FileError
        If the file cannot be written.
    """
    if path.suffix.lower() != ".onnx":
        raise SettingError(f"{path} cannot be written: the name of a graph must end in .onnx")
    one = one_session(model, session, "an exported graph")
    if len(one.offset_):
        raise SettingError(
            "the graph takes single precision, which does not hold signals that vary so little around a large value; train on signals "
            "from which an offset was subtracted"
        )
    onnx = need("onnx", "onnx", PURPOSE)
    graph = _exported(one, one._window())
    entry = graph.metadata_props.add()
    entry.key, entry.value = "myow", json.dumps(_about(one))
    graph.producer_name, graph.producer_version = "myow", __version__
    onnx.checker.check_model(graph)
    with writing(path) as part:
        part.write_bytes(graph.SerializeToString())
    return path


def _about(model: RecordingEstimator) -> dict[str, Any]:
    """Metadata that a program needs to feed the exported graph."""
    # Of a session on its own, which may have come later by `adapt`, the model knows more than of its training.
    sessions = getattr(model, "sessions_", {})
    data = [{"name": name, **about} for name, about in sessions.items()] or model.trained_on_
    return {
        "method": type(model).__name__,
        "kind": model.kind_,
        "bin_size": model.bin_size_,
        "context": list(model._context()),
        "n_units": model.n_features_in_,
        "units": data[0].get("units", []) if data else [],
        "input": model.input_,
        "trained_on": [{key: about.get(key) for key in ("name", "digest")} for about in data],
        "version": __version__,
    }


class _FromValues(nn.Module):
    """A network behind the transform of its input."""

    def __init__(self, model: RecordingEstimator) -> None:
        super().__init__()
        self.network = _at_work(model)
        self.how, self.bin_size = model.input_, model.bin_size_
        for module in self.modules():
            for name, buffer in list(module.named_buffers(recurse=False)):
                if buffer.dtype == torch.bool and buffer.ndim == 0:  # what was decided in training is no longer open
                    delattr(module, name)
                    setattr(module, name, bool(buffer))

    def forward(self, counts: Tensor) -> Tensor:
        return self.network.embed(transform_values(counts, self.how, self.bin_size))


def _exported(model: RecordingEstimator, n_bins: int) -> Any:
    """Let torch trace the network, and hold the result against it."""
    need("onnxscript", "onnx", PURPOSE)
    whole = _FromValues(model).eval()
    some = torch.ones(2, n_bins, model.n_features_in_)
    try:
        with _quiet():
            program: Any = torch.onnx.export(
                whole,
                (some,),
                dynamo=True,
                verbose=False,
                input_names=["counts"],
                output_names=["embedding"],
                dynamic_shapes={"counts": {0: torch.export.Dim("batch")}},
            )
    except Exception as error:  # of any of the tracer's parts, or of the encoder's own code
        why = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise _refusal(model, why) from error
    graph = program.model_proto
    # What an encoder decides in Python, the tracer decides once and for all: windows unlike those that it saw must agree too.
    draw = np.random.default_rng(0).poisson(2.0, size=(5, *some.shape[1:])).astype(np.float32)
    session = need("onnxruntime", "onnx", PURPOSE).InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    with torch.inference_mode():
        expected = whole(torch.from_numpy(draw)).numpy()
    given = session.run(None, {"counts": draw})[0]
    if given.shape != expected.shape or not np.allclose(given, expected, rtol=1e-4, atol=1e-4):
        raise _refusal(model, "the exported graph does not embed as the encoder does")
    return graph


def _refusal(model: RecordingEstimator, why: str) -> SettingError:
    return SettingError(
        f"the encoder of this {type(model).__name__} cannot be exported ({why}); use layers that torch.onnx.export takes"
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, which talks of its own plans and of packages that are not needed."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
