"""Base of every method: fit, transform, save and hand on, in the manner of scikit-learn."""

from __future__ import annotations

import os
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..data.recording import Recording, check_index, warn_if_odd
from ..data.rows import Rows
from ..data.sessions import identify
from ..data.targets import Targets, read_targets
from ..device import choose_device, cpu_threads
from ..errors import DataError, SettingError
from ..io.model_file import finite, write_model
from ..settings import check_types
from ..training.callbacks import Callback, ProgressBar
from ..training.checkpoint import checkpoint_in
from ..training.distributed import current
from ..training.loop import train
from ..training.module import TrainingConfig, TrainingModule
from ..training.rows import TrainingRows
from ..version import __version__
from . import method_name

if TYPE_CHECKING:
    from .deploy import Stream

__all__ = ["Learner", "plain", "told"]


class Learner(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Base of `RecordingEstimator`, for methods that learn from recordings, and of `ImageEstimator`.

    A method is a keyword-only dataclass that declares all of its parameters itself; here stand only those that every
    method has. Fitted, it holds

    - its network as ``network_``, the seed as ``seed_``, the steps done as ``n_steps_``, the number of units (channels of
      images) as ``n_features_in_``;
    - if it learns from labels, the classes as ``classes_`` (None for real numbers), their number, or that of the columns, as
      ``n_targets_``, and the number of labelled rows as ``n_labelled_``;
    - what it was trained on as ``trained_on_`` (see `myow.data.sessions.identify`), the last metrics of its training and what
      its evaluations found as ``metrics_``, and the version of this package as ``version_``.
    """

    device: str
    threads: int | None
    random_state: int | None
    verbose: bool

    uses_labels: ClassVar[bool] = False
    """Whether `fit` learns from labels. If not, they never reach the network."""
    learns_from: ClassVar[str] = "recordings"
    """What `fit` takes: "recordings" or "images"."""
    learnt: ClassVar[tuple[str, ...]] = ("n_features_in_", "seed_", "n_steps_", "classes_", "n_targets_", "n_labelled_")
    """What a model file keeps besides settings and weights."""

    # What kinds of data differ in.

    @abstractmethod
    def build(self, n_features: int) -> TrainingModule:
        """Build the untrained network for `n_features` units, or channels; every method does."""

    @abstractmethod
    def _take(self, X: Any, *, reset: bool) -> Rows:
        """Check data, and with `reset` learn what later data must agree with."""

    @abstractmethod
    def _hold(self, data: Any, device: torch.device, targets: Targets | None = None) -> TrainingRows:
        """Put data on the device, as what the loop looks views up in."""

    @abstractmethod
    def _learn_scaling(self, network: TrainingModule, rows: TrainingRows) -> None:
        """Learn the scaling of the input from training rows."""

    # What they share.

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        labelled: Any = None,
        folder: str | os.PathLike[str] | None = None,
        resume: bool = False,
        callbacks: Sequence[Callback] = (),
        watchers: Sequence[Callback] | None = None,
    ) -> Self:
        """Learn a representation, without labels unless the method is one that `uses_labels`.

        Parameters
        ----------
        X : Recording or array_like, shape (T, N), or Images
            Training rows. An array is one segment of bins laid end to end; whole numbers of 0 or more are taken for
            counts, anything else for a continuous signal.
        y : array_like, shape (T,) or (T, d), optional
            Labels, for a method that `uses_labels`; all others ignore them. Whole numbers and names are classes.
        labelled : array_like of int or bool, optional
            Rows whose labels may be used, as indices or a mask of length T; no other label is read. Default: all.
        folder : path-like, optional
            Where to keep a checkpoint while training.
        resume : bool, optional
            Whether to go on from the checkpoint in `folder`, if it holds one.
        callbacks : sequence of Callback, optional
            Told how training goes; see `myow.training.callbacks.Callback`.
        watchers
            Old name of `callbacks`.

        Returns
        -------
        self

        Raises
        ------
        DataError, SettingError
            If rows or settings cannot be used.
        TrainingError
            If training diverges or collapses.
        FileError
            If `folder` cannot be written, or another training is writing to it.
        """
        if resume and folder is None:
            raise SettingError("resume needs the folder that holds the checkpoint; give folder too")
        callbacks = told(callbacks, watchers)
        for one in X if isinstance(X, (list, tuple)) else [X]:
            if isinstance(one, Recording):
                warn_if_odd(one)
        data, rows = self._initialise(X, y, labelled)
        config = self.training_config(len(rows))
        generator = torch.Generator(rows.device).manual_seed(self.seed_)
        callbacks = self._shown(callbacks, rows.device)
        identity = {} if folder is None else self._identity(data, rows.targets)
        try:
            with checkpoint_in(folder, identity, resume=resume) as checkpoint, cpu_threads(self.threads):
                train(self.network_, rows, config, generator, callbacks, checkpoint)
        finally:
            self.n_steps_ = self.network_.steps_done
            self.metrics_ = {"training": self.network_.measured} if self.network_.measured else {}
        return self

    def initialise(self, X: Any, y: Any = None, *, labelled: Any = None) -> Self:
        """Build the network with its first weights and learn the scaling, but train nothing: a baseline.

        Parameters
        ----------
        X, y, labelled
            As for `fit`.

        Returns
        -------
        self
        """
        self._initialise(X, y, labelled)
        return self

    def _initialise(self, X: Any, y: Any = None, labelled: Any = None) -> tuple[Rows, TrainingRows]:
        check_types(self)
        data = self._take(X, reset=True)
        device = choose_device(self.device)
        self.seed_ = _seed(self.random_state)
        targets = self._read_labels(y, labelled, len(data))
        # Layers draw their first weights from torch's global generator; it is put back as it was.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed_)
            network = self.build(self.n_features_in_)
        rows = self._hold(data, device, targets)
        self._learn_scaling(network, rows)
        self.network_ = network.to(device).eval()
        self.n_steps_ = 0
        self.trained_on_ = identify(data)
        self.metrics_, self.version_ = {}, __version__
        return data, rows

    def _shown(self, callbacks: Sequence[Callback], device: torch.device) -> Sequence[Callback]:
        """Add a progress bar, if it is wanted and nobody else shows one; of several processes one does."""
        if (
            not self.verbose
            or not current().is_first
            or any(getattr(one, "shows_progress", False) for one in callbacks)
        ):
            return callbacks
        return [*callbacks, ProgressBar(f"{type(self).__name__} on {device}", after=1.0)]

    def _read_labels(self, y: Any, labelled: Any, n_rows: int) -> Targets | None:
        """Take the labels that may be used; a method that uses none never sees them."""
        self.classes_: NDArray[Any] | None = None
        self.n_targets_, self.n_labelled_ = 0, 0
        if not self.uses_labels:
            return None
        if y is None:
            name = type(self).__name__
            raise DataError(
                f"This {name} estimator requires y to be passed, but the target y is None: give a label of each row"
            )
        targets = read_targets(y, labelled, n_rows)
        self.classes_, self.n_targets_, self.n_labelled_ = targets.classes, targets.n_targets, len(targets.rows)
        return targets

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embed rows.

        Parameters
        ----------
        X : Recording or array_like, shape (T, N), or Images
            Rows of the same units as in training.

        Returns
        -------
        ndarray of float32, shape (T, D)

        Raises
        ------
        DataError
            If the number of units, the bin width or the values do not fit.
        """
        held = self._held(X)
        embedding, done = np.empty((0, 0), dtype=np.float32), 0
        for block in self._embed(held, torch.arange(len(held))):
            if not done:  # now it is known how many dimensions there are
                embedding = np.empty((len(held), block.shape[1]), dtype=np.float32)
            embedding[done : done + len(block)] = block
            done += len(block)
        return embedding

    def transform_blocks(self, X: Any, *, rows: ArrayLike | None = None) -> Iterator[NDArray[np.float32]]:
        """Embed rows a block at a time, where all of the embedding would take too much memory.

        Parameters
        ----------
        X : Recording or array_like, shape (T, N), or Images
            Rows of the same units as in training.
        rows : array_like of int, optional
            Which of them to embed, each with its whole context window. Default: all, in order.

        Returns
        -------
        iterator of ndarray of float32, each of shape (B, D)
            B is at most `at_once`.

        Raises
        ------
        DataError
            As `transform`.
        """
        held = self._held(X)
        wanted = np.arange(len(held)) if rows is None else check_index(rows, len(held), "row")
        return self._embed(held, torch.from_numpy(wanted))

    def _held(self, X: Any) -> TrainingRows:
        check_is_fitted(self, "network_")
        return self._hold(self._take(X, reset=False), self.network_.scaling.mean.device)

    def _embed(self, held: TrainingRows, rows: torch.Tensor) -> Iterator[NDArray[np.float32]]:
        self.network_.eval()
        for some in torch.split(rows.to(held.device), held.at_once(self.at_once)):
            with torch.inference_mode():
                block: NDArray[np.float32] = self.network_.embed(held.gather(some)).float().cpu().numpy()
            yield block

    # What a fitted model is handed on as.

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        evaluations: Sequence[Mapping[str, Any]] = (),
        **about: Any,
    ) -> None:
        """Write the fitted model as one file, whole or not at all; `myow.load_model` reads it.

        Parameters
        ----------
        path : path-like
            Usually ends in ``.myow``.
        evaluations : sequence of mapping, optional
            What `myow.evaluate` returned for it, to travel with it and stand in its card. Default: those it came with.
        **about
            Anything JSON can hold that should travel with it, such as how it was trained.

        Raises
        ------
        FileError
            If the file cannot be written.
        SettingError
            If JSON cannot hold what should travel with it.
        """
        check_is_fitted(self, "network_")
        settings = self.get_params()
        settings.pop("verbose")  # it says nothing about the model
        # Code is not saved: an encoder or augmentation of one's own is named, and given again at loading.
        code = sorted(k for k, v in settings.items() if callable(v))
        metrics: dict[str, Any] = dict(self.metrics_)
        if evaluations:
            metrics["evaluations"] = [dict(found) for found in evaluations]
        header = {
            "version": __version__,
            "data": self.learns_from,
            "method": method_name(type(self)),
            "settings": {k: plain(v) for k, v in settings.items() if k not in code} | {"random_state": self.seed_},
            "code": code,
            "learnt": {k: plain(getattr(self, k)) for k in self.learnt},
            "trained_on": self.trained_on_,
            "metrics": finite(metrics),
            "about": about,
        }
        write_model(path, header, self.network_.state_dict())

    def card(self, *, evaluations: Sequence[Mapping[str, Any]] = ()) -> str:
        """Describe the fitted model in Markdown: what it was trained on, what it is for and what not, settings, metrics, citation.

        Parameters
        ----------
        evaluations : sequence of mapping, optional
            What `myow.evaluate` returned for it. Default: those that were saved with it.
        """
        from .card import model_card

        return model_card(self, evaluations)

    def stream(self, session: str | None = None) -> Stream:
        """Embed as data comes, one bin at a time; see `myow.methods.deploy.Stream`.

        Parameters
        ----------
        session : str, optional
            The session whose units will come, where the model was trained on several.

        Returns
        -------
        Stream
            ``stream.push(counts)`` takes one bin and gives its embedding; ``stream.reset()`` begins a segment.

        Raises
        ------
        SettingError
            If the model needs bins that are still to come, learns from images, or has several sessions and none is named.
        """
        from .deploy import Stream

        return Stream(self, session)

    def export(self, path: str | os.PathLike[str], session: str | None = None) -> Path:
        """Write the embedding as an ONNX graph, whole or not at all, for programs without this package.

        Its input "counts", float32 of shape (batch, W, N), are windows of values as recorded, W being before + 1 + after
        bins and N units; its output "embedding", shape (batch, D), is what `transform` gives for the windows' rows. The
        transform of the input, scaling and normalisation are inside. Its metadata "myow" is a JSON object: "bin_size", "units",
        "context", "method", "kind", "version" and what it was trained on.

        Parameters
        ----------
        path : path-like
            Usually ends in ``.onnx``.
        session : str, optional
            The session whose units it takes, where the model was trained on several.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        SettingError
            If the extra ``onnx`` is not installed, the model learns from images, or its encoder cannot be exported.
        FileError
            If the file cannot be written.
        """
        from .deploy import export_model

        return export_model(self, Path(path), session)

    # What scikit-learn asks for.

    def __sklearn_tags__(self) -> Any:
        """Describe the estimator to scikit-learn."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.target_tags.required = self.uses_labels
        return tags

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the D dimensions, such as "myow0"; `input_features` is not looked at."""
        check_is_fitted(self, "network_")
        return np.array([f"{type(self).__name__.lower()}{i}" for i in range(self._n_dimensions())], dtype=object)

    # Inner workings.

    at_once: ClassVar[int] = 8192
    """Rows that are embedded in one go."""

    @abstractmethod
    def _n_dimensions(self) -> int:
        """Dimension D of the embedding, as the network gives it."""

    def training_config(self, n_rows: int) -> TrainingConfig | None:
        """Return how long and how fast to train on `n_rows` rows; None for a method without gradients."""
        return TrainingConfig.from_settings(self, n_rows) if hasattr(self, "learning_rate") else None

    def plan(self, n_rows: int) -> TrainingConfig | None:
        """Return what `training_config` does for `n_rows`; its old name."""
        warnings.warn("plan is called training_config", DeprecationWarning, stacklevel=2)
        return self.training_config(n_rows)

    @property
    def method_(self) -> TrainingModule:
        """Old name of ``network_``."""
        warnings.warn("method_ is called network_", DeprecationWarning, stacklevel=2)
        return self.network_

    def _identity(self, data: Any, targets: Targets | None) -> dict[str, Any]:
        """Settings and data that must agree for a checkpoint to be continued."""
        settings = {k: repr(type(v)) if callable(v) else plain(v) for k, v in self.get_params().items()}
        settings.pop("device")
        settings.pop("threads")  # nor does it matter on how many
        settings.pop("verbose")
        settings.pop("cuda_graph", None)  # nor whether steps are replayed, or compiled
        settings.pop("compile", None)
        settings |= {} if targets is None else {"labels": targets.digest()}
        return settings | {"random_state": self.seed_, "rows": data.digest(), "method": type(self).__name__}


def _seed(random_state: Any) -> int:
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    return int(random_state.randint(2**31))


def plain(value: Any) -> Any:
    """Turn a setting, which may come from a NumPy grid, into what JSON can hold."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def told(callbacks: Sequence[Callback], watchers: Sequence[Callback] | None) -> Sequence[Callback]:
    """Take callbacks by their old name too."""
    if watchers is None:
        return callbacks
    warnings.warn("watchers= is called callbacks=", DeprecationWarning, stacklevel=3)
    return [*callbacks, *watchers]
