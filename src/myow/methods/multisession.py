"""Methods that learn from several sessions of different units: a read-in for each, and one encoder for all."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, check_is_fitted
from torch import Tensor, nn

from ..data.recording import Recording
from ..data.rows import Rows
from ..data.sessions import Sessions, described, identify, match_units, named_recordings
from ..data.splits import fold_rows
from ..data.targets import Targets
from ..device import cpu_threads
from ..errors import DataError, SettingError, unknown_name
from ..nn.losses import sliced_distance
from ..nn.read_in import ReadInEncoder, SessionScaling, principal_axes, read_in_encoders, trajectories, turn_between
from ..nn.scaling import Scaling
from ..training.callbacks import Callback
from ..training.checkpoint import checkpoint_in
from ..training.diagnostics import recognition
from ..training.loop import train
from ..training.module import TrainingConfig, TrainingModule
from ..training.rows import SessionRows, TrainingRows
from .base import told
from .paired_views import EmbeddingChoice
from .recordings import RecordingEstimator, offset_of

__all__ = [
    "Adaptation",
    "MultiSessionEstimator",
    "alone",
    "find_session",
    "grown",
    "listed",
    "matching",
    "side_by_side",
]

WIDTH = 64
"""Width of the read-ins where there are several sessions and none was asked for."""
MOST_ROWS = 20_000  # of a session that decide its first read-in
HELD_OUT = 8  # one in so many segments tells whether it was good to unfreeze the encoder
COMPONENTS, FEWEST = 20, 10  # in which sessions are matched, and segments that this takes
DIRECTIONS = 64  # along which representations are compared at every step of adaptation


class MultiSessionEstimator(RecordingEstimator):
    """Base of the methods that compare views, which learn from one session or several, and adapt to one that comes later.

    Fitted with read-ins, it holds what it was trained on as ``sessions_``: by name, in order, the number of units, their
    names, the bin width in s, the rows and their checksum.
    """

    read_in: int | None
    align: float

    learnt: ClassVar[tuple[str, ...]] = (*RecordingEstimator.learnt, "sessions_")

    def make_encoder(self, n_units: int) -> nn.Module:
        """Build the encoder that the settings ask for, for `n_units` units or behind read-ins where there are sessions."""
        sessions = getattr(self, "sessions_", {})
        if not sessions:
            return super().make_encoder(n_units)
        width = WIDTH if self.read_in is None else self.read_in
        if width < 1:
            raise SettingError(f"read_in is {width}; it must be a width of 1 or more")
        units = [about["n_units"] for about in sessions.values()]
        return ReadInEncoder(units, width, super().make_encoder(width), self.dim)

    def session_settings(self) -> dict[str, Any]:
        """Keyword arguments of `myow.methods.paired_views.PairedViews` that several sessions need."""
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
        check_is_fitted(self, "network_")
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
        check_is_fitted(self, "network_")
        if session not in self.sessions_:
            raise DataError(f"there is no session '{session}'; the model was trained on {listed(self.sessions_)}")
        model = copy(self)
        model.network_ = alone(self.network_, list(self.sessions_).index(session)).eval()
        model.sessions_ = {session: self.sessions_[session]}
        model.n_features_in_ = self.sessions_[session]["n_units"]
        model.recording_ = session
        return model

    def adapt(
        self,
        X: Any,
        *,
        name: str | None = None,
        with_: Any = (),
        steps: int | None = None,
        unfreeze: str = "read_in",
        folder: str | os.PathLike[str] | None = None,
        resume: bool = False,
        callbacks: Sequence[Callback] = (),
        watchers: Sequence[Callback] | None = None,
    ) -> Self:
        """Learn a read-in, and the scaling before it, for a session that was not trained on; all else stays as it is.

        With ``unfreeze="encoder"`` the encoder, its projectors and predictors then go on learning from where they are. One in eight
        segments of the new session (of one long segment, an eighth of the time) is not trained on, and tells without labels
        which of the two is better: see `myow.training.diagnostics.recognition`. What it said is kept in ``trained_on_[-1]["recognition"]``.

        Parameters
        ----------
        X : Recording or array_like, shape (T, N)
            The new session, of any units, in bins as wide as those trained on. Its labels are not looked at.
        name : str, optional
            What to call it. Default: the recording's name.
        with_ : sequence or mapping of Recording, optional
            Recordings of sessions that were trained on; worth giving wherever they are at hand. The read-in then begins where the
            new session's trials are laid on those of the session that is most like it (see `myow.nn.read_in.turn_between`),
            not with principal components, and views are mined from these recordings too.
        steps : int, optional
            Steps of training; with 0 the read-in is the one that it begins with. Default: those of `fit`. With
            ``unfreeze="encoder"`` as many twice, first of the read-in and then of everything.
        unfreeze : {"read_in", "encoder"}, optional
            What learns. With "read_in" the embedding of the sessions trained on stays bit by bit. With "encoder" it does not:
            it follows where they are given as `with_`, and is trained on as they are.
        folder : path-like, optional
            Where to keep a checkpoint while training.
        resume : bool, optional
            Whether to go on from the checkpoint in `folder`, if it holds one.
        callbacks : sequence of Callback, optional
            Told how training goes.
        watchers
            Old name of `callbacks`.

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
        callbacks = told(callbacks, watchers)
        check_is_fitted(self, "network_")
        if not self.sessions_:
            raise SettingError(
                "the model has no read-in, so that it fits the units it was trained on and no others; train with "
                "read_in=64, or on a list of two recordings or more"
            )
        if unfreeze not in ("read_in", "encoder"):
            raise unknown_name("unfreeze", unfreeze, ("read_in", "encoder"))
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
        whole, held_out = recording, None
        if unfreeze == "encoder":
            learns, decides, tested = fold_rows(recording, HELD_OUT, gap=None)[0]
            recording, held_out = recording.select(np.union1d(learns, decides)), recording.select(tested)
        device = self.network_.scaling.mean.device
        self._refuse_offset(recording)
        part = self._hold(recording, device)
        own = Scaling(recording.n_units).to(device)
        self._scale_by(own, part)
        width = next(read_in_encoders(self.network_)).width
        others = [self._hold(other, device) for other in known.values()]
        first = self._matched_read_in(part, own, dict(zip(known, others, strict=True)))
        network = grown(self.network_, own, self._first_read_in(part, own, width) if first is None else first)
        sessions = {**self.sessions_, name: described(whole)}
        rows = side_by_side(Sessions({**known, name: recording}), [*others, part], sessions, anchors=[len(known)])
        config = TrainingConfig.from_settings(self, len(recording), compile=False)  # some seconds of training
        if steps:
            config = replace(config, steps=steps)
        many = config.steps if steps is None else steps
        identity = {}
        if folder is not None:  # checksums take a while
            identity = self._identity(rows.data, None) | {"steps": many, "model": _digest(self.network_)}
        generator = torch.Generator(device).manual_seed(self.seed_)
        callbacks = self._shown(callbacks, device)
        learning = config if many else None
        found: dict[str, Any] = {}
        if held_out is None:
            with checkpoint_in(folder, identity, resume=resume) as checkpoint, cpu_threads(self.threads):
                train(Adaptation(network, self.align), rows, learning, generator, callbacks, checkpoint)
        else:
            # The read-in is learnt again on resuming: it takes seconds, and comes out the same.
            with cpu_threads(self.threads):
                train(Adaptation(network, self.align), rows, learning, generator)
            network.requires_grad_(True)
            found["read_in"] = self._recognised(network, held_out, name, sessions)
            every = side_by_side(Sessions({**known, name: recording}), [*others, part], sessions)
            with (
                checkpoint_in(
                    folder, identity | {"unfreeze": unfreeze} if identity else {}, resume=resume
                ) as checkpoint,
                cpu_threads(self.threads),
                _same_choice(network),
            ):
                train(network, every, learning, generator, callbacks, checkpoint)
            found["encoder"] = self._recognised(network, held_out, name, sessions)
            if found["encoder"] < found["read_in"]:
                warnings.warn(
                    f"{name}: held-out segments are recognised better with the read-in alone ({found['read_in']:.3f}) than with the "
                    f"encoder unfrozen ({found['encoder']:.3f}); a few labels tell more surely",
                    UserWarning,
                    stacklevel=2,
                )
        self.network_ = network.requires_grad_(True).eval()
        self._know(sessions)
        about = {"adapted": True} | ({"recognition": found} if found else {})
        self.trained_on_ = [*self.trained_on_, identify(Sessions({name: whole}))[-1] | about]
        return self

    def _recognised(self, network: TrainingModule, recording: Recording, name: str, sessions: dict[str, Any]) -> float:
        """Score a network by `recognition` on rows of a session that were not trained on."""
        part = self._hold(recording, network.scaling.mean.device)
        rows = side_by_side(Sessions({name: recording}), [part], sessions)
        network.eval()
        with torch.inference_mode():
            blocks = [network.embed(rows.gather(some)) for some in torch.split(torch.arange(len(part)), self.at_once)]
        groups = recording.segments if recording.n_segments > 1 else np.arange(len(recording)) * 20 // len(recording)
        return recognition(torch.cat(blocks).float().cpu().numpy(), groups, sum(self.context) + 1)

    # Inner workings.

    def _told_apart(self, X: Any, session: str | None) -> Sessions:
        """Find the session that rows are of."""
        recording = X if isinstance(X, Recording) else self._as_rows(X)
        self._refuse_other_kind(recording)
        name = find_session(recording, self.sessions_, session)
        about = self.sessions_[name]
        return Sessions({name: match_units(recording, about["n_units"], about["units"])})

    def _unit_names(self) -> list[str]:
        if len(self.sessions_) == 1:
            return list(next(iter(self.sessions_.values()))["units"])
        return super()._unit_names()

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
            self._refuse_offset(part)
        self._know({name: described(part) for name, part in named.items()})
        return data

    def training_config(self, n_rows: int) -> TrainingConfig:
        """Return how long and how fast to train on `n_rows` rows, of all sessions."""
        return TrainingConfig.from_settings(self, n_rows, max(1, len(getattr(self, "sessions_", {}))))

    def _refuse_offset(self, recording: Recording) -> None:
        if len(self.offset_) or offset_of(recording):
            raise DataError(
                "a session's signals vary too little around a large value for single precision; subtract the mean of each of its units"
            )

    def _hold(self, data: Any, device: torch.device, targets: Targets | None = None) -> TrainingRows:
        if not isinstance(data, Sessions):
            return super()._hold(data, device, targets)
        parts = [self._hold(part, device) for part in data.recordings.values()]
        return side_by_side(data, parts, self.sessions_)

    def _learn_scaling(self, network: TrainingModule, rows: TrainingRows) -> None:
        several = network.scaling if isinstance(network.scaling, SessionScaling) else None
        if several is None or not isinstance(rows, SessionRows):
            super()._learn_scaling(network, rows)
            scaled = [(rows, network.scaling)]
        else:
            scaled = [
                (part, Scaling(about["n_units"]))
                for part, about in zip(rows.parts, self.sessions_.values(), strict=True)
            ]
            for number, (part, own) in enumerate(scaled):
                self._scale_by(own, part)
                several.put(number, own)
        for encoder in read_in_encoders(network):
            for number, (part, own) in enumerate(scaled):
                encoder.put(number, self._first_read_in(part, own, encoder.width))

    def _first_read_in(self, part: TrainingRows, scaling: Scaling, width: int) -> torch.Tensor:
        """Principal components of a session's scaled rows, or of some that are evenly spaced where there are many."""
        some = torch.arange(0, len(part), 1 + len(part) // MOST_ROWS, device=part.device)
        return principal_axes(scaling(part.look_up(some).to(scaling.mean.device)), width)

    def _matched_read_in(self, part: TrainingRows, own: Scaling, known: Mapping[str, TrainingRows]) -> Tensor | None:
        """Show the encoder a new session's components as those of the known session whose trials are most like its own."""
        found = []
        encoder = next(read_in_encoders(self.network_))
        axes, curves = self._curves(part, own)
        for name, rows in known.items():
            number, scaling = list(self.sessions_).index(name), self.network_.scaling
            theirs, other = self._curves(rows, scaling.of(number) if isinstance(scaling, SessionScaling) else scaling)
            if min(len(curves), len(other)) >= FEWEST:
                turn, left = turn_between(other, curves)
                read_in = encoder.linear()[number].weight.detach()
                back = read_in @ torch.linalg.pinv(theirs) @ torch.from_numpy(turn.T).to(theirs)
                found.append((left, back @ axes))
        return min(found, key=lambda one: one[0])[1] if found else None

    def _curves(self, part: TrainingRows, scaling: Scaling) -> tuple[Tensor, NDArray[np.float64]]:
        """First principal axes of a session, and its trials' trajectories along them."""
        axes = self._first_read_in(part, scaling, COMPONENTS)

        def look_up(rows: NDArray[np.int64]) -> NDArray[np.float64]:
            values = scaling(part.look_up(torch.from_numpy(rows).to(part.device)).to(axes)) @ axes.T
            along: NDArray[np.float64] = values.double().cpu().numpy()
            return along

        return axes, trajectories(look_up, part.data.groups)

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


Known = Mapping[str, Mapping[str, Any]]


def listed(sessions: Known) -> str:
    """List the sessions and what each was trained on, in one line."""
    return "; ".join(f"{name} ({_units(about)} in bins of {about['bin_size']:g} s)" for name, about in sessions.items())


def _units(about: Mapping[str, Any]) -> str:
    names = about["units"]
    shown = "" if not names else f" {names[0]}" if len(names) == 1 else f" {names[0]} to {names[-1]}"
    return f"{about['n_units']} units{shown}"


def find_session(recording: Recording, sessions: Known, session: str | None) -> str:
    """Return the name of the session that a recording's units are of.

    Parameters
    ----------
    recording : Recording
        Rows of one session.
    sessions : mapping
        As `myow.data.sessions.described` says of each, by name.
    session : str, optional
        The name asked for. Default: the session with the recording's checksum; else the one with its name and units;
        for a recording without a name the one with its units.

    Raises
    ------
    DataError
        If no session or several fit, or the one asked for has other units; the text says what each was trained on.
    """
    own = described(recording)
    title = recording.name or "this recording"
    if session is not None:
        if session not in sessions:
            raise DataError(f"there is no session '{session}'; the model was trained on {listed(sessions)}")
        if sessions[session]["n_units"] != own["n_units"]:
            raise DataError(
                f"session {session} was trained on {_units(sessions[session])}, but {title} has {own['n_units']}; "
                f"choose another of {listed(sessions)}, or learn a read-in for it with adapt"
            )
        return session
    same = [name for name, about in sessions.items() if about["digest"] == own["digest"]]
    if len(same) == 1:
        return same[0]
    fit = [
        name
        for name, about in sessions.items()
        if (about["n_units"], sorted(about["units"])) == (own["n_units"], sorted(own["units"]))
        and (not recording.name or recording.name in (name, about["recording"]))
    ]
    if len(fit) == 1:
        return fit[0]
    said = f"several sessions fit {title} ({', '.join(fit)})" if fit else f"no session fits {title}"
    raise DataError(
        f"{said}, which has {_units(own)}; the model was trained on {listed(sessions)}: name one with session=..., or learn "
        "a read-in with adapt"
    )


def matching(given: Any, sessions: Known) -> dict[str, Recording]:
    """Return recordings of sessions that were trained on, by the names that the model knows them by.

    Raises
    ------
    DataError, SettingError
        If something is no recording, or is of no session.
    """
    if isinstance(given, Recording):
        given = [given]
    named = named_recordings(given)
    if named is None:
        if len(given):
            raise SettingError(f"with_ holds a {type(given[0]).__name__}; it takes recordings that were trained on")
        return {}
    found = {}
    for name, recording in named.items():
        asked = name if isinstance(given, Mapping) else None
        found[find_session(recording, sessions, asked)] = recording
    return found


def grown(network: TrainingModule, scaling: Scaling, weight: Tensor) -> TrainingModule:
    """Copy a network and give the copy one more session.

    Parameters
    ----------
    network : TrainingModule
        One whose encoders have read-ins.
    scaling : Scaling
        What the new session's rows taught.
    weight : Tensor, shape (width, N)
        The read-in that its training begins with.
    """
    network = deepcopy(network)
    device = network.scaling.mean.device
    encoders = list(read_in_encoders(network))
    old, n_units = network.scaling, [part.in_features for part in encoders[0].linear()]
    wider = SessionScaling([*n_units, weight.shape[1]])
    for number in range(len(n_units)):
        wider.put(number, old.of(number) if isinstance(old, SessionScaling) else old)
    wider.put(len(n_units), scaling)
    network.scaling = wider.to(device)
    for encoder in encoders:
        encoder.add(weight)
    return network


def alone(network: TrainingModule, number: int) -> TrainingModule:
    """Copy a network of several sessions and keep one of them, whose rows need no padding and no number."""
    network = deepcopy(network)
    if isinstance(network.scaling, SessionScaling):
        network.scaling = network.scaling.of(number)
    for encoder in read_in_encoders(network):
        encoder.keep(number)
    return network


@dataclass(frozen=True)
class AdaptedViews:
    """Views of one step of adaptation.

    Parameters
    ----------
    views : Any
        What the trained network draws.
    rows : Tensor of int64, shape (B,)
        Rows of the new session.
    directions : Tensor, shape (D, P)
        Unit vectors along which representations are compared.
    """

    views: Any
    rows: Tensor
    directions: Tensor


class Adaptation(TrainingModule):
    """Train the read-in of the newest session by the loss of a trained network; everything else stays as it is, bit by bit.

    What is frozen cannot keep the read-in from showing it only what is easy to predict, such as nothing at all. So the
    new session's representations are drawn towards the distribution of those that the network was trained on.

    Parameters
    ----------
    trained : TrainingModule
        The network, from `grown`. Its networks run as after training: batch norm by the statistics that it learnt.
    align : float
        Weight of `myow.nn.losses.sliced_distance` between the new representations and those trained on, in units of the
        latter's deviation.
    """

    def __init__(self, trained: TrainingModule, align: float) -> None:
        super().__init__(1)
        self.scaling = trained.scaling
        self.trained = trained
        trained.requires_grad_(False)
        # In lists, so that what is part of the network is not registered a second time.
        self._encoders = list(read_in_encoders(trained))
        self._newest = [encoder.linear()[-1].weight for encoder in self._encoders]
        self._newest[0].requires_grad_(True)
        self._seen = [self._encoders[0].seen]
        deviation = self._seen[0].std(dim=0).mean()
        # A network that was never trained has seen nothing to be likened to.
        self.align = align if float(deviation) > 0 else 0.0
        self._deviation = deviation

    def train(self, mode: bool = True) -> Self:
        """Change nothing below: what is frozen runs as it does when it embeds."""
        self.training = mode
        self.trained.eval()
        return self

    def prepare(self, data: TrainingRows) -> None:
        """Prepare the network; what it would decide from these rows stays as it was decided in training."""
        super().prepare(data)
        with _unchanged(self.trained):
            self.trained.prepare(data)

    def release(self) -> None:
        """Let go of the rows."""
        super().release()
        with _unchanged(self.trained):
            self.trained.release()

    def make_views(self, rows: Tensor, generator: torch.Generator) -> AdaptedViews:
        """Make the views of rows of the new session as in training, and draw directions."""
        shape = (self._seen[0].shape[1], DIRECTIONS)
        directions = torch.randn(shape, generator=generator, device=rows.device)
        return AdaptedViews(self.trained.make_views(rows, generator), rows, directions / directions.norm(dim=0))

    def loss(self, views: AdaptedViews) -> dict[str, Tensor]:
        """Return the loss of the trained network, how far the representations are from those trained on, and their sum."""
        terms = self.trained.loss(views.views)
        if self.align == 0:
            return terms
        y = self._encoders[0](self.scaling(self.data.gather(views.rows)))
        apart = sliced_distance(y / self._deviation, self._seen[0] / self._deviation, views.directions)
        return terms | {"loss": terms["loss"] + self.align * apart, "apart": apart}

    def scheduled(self, progress: float) -> dict[str, float]:
        """Return the numbers of the trained network as at the end of its training."""
        return self.trained.scheduled(1.0)

    def kind_of_batch(self, progress: float) -> Hashable:
        """Decide what the trained network would at the end of its training."""
        self.trained.now = self.now
        return self.trained.kind_of_batch(1.0)

    def after_step(self) -> None:
        """Keep the averaged network's read-in of the new session where the online one is."""
        online, *averaged = self._newest
        for weight in averaged:
            weight.copy_(online.detach())

    def embed(self, x: Tensor) -> Tensor:
        """Embed transformed windows."""
        return self.trained.embed(x)


@contextmanager
def _unchanged(module: nn.Module) -> Iterator[None]:
    """Put all buffers that are there before and after back to what they were before."""
    kept = {name: buffer.clone() for name, buffer in module.named_buffers()}
    yield
    held = dict(module.named_buffers())
    for name, buffer in kept.items():
        if name in held:
            held[name].copy_(buffer)
    for part in module.modules():
        if isinstance(part, EmbeddingChoice):
            part.read_place()


@contextmanager
def _same_choice(module: nn.Module) -> Iterator[None]:
    """Keep what is embedded as it was chosen, while the module is trained on."""
    choices = [part for part in module.modules() if isinstance(part, EmbeddingChoice) and part.auto]
    for part in choices:
        part.auto = False
    try:
        yield
    finally:
        for part in choices:
            part.auto = True


def _digest(network: TrainingModule) -> str:
    """Return a checksum of all weights and buffers."""
    sha = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        sha.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()
