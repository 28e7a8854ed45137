"""The scikit-learn face of every method, whatever it learns from: fit, transform, save."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..data.checks import check_index
from ..data.identity import identify
from ..data.rows import Rows
from ..data.targets import Targets, read_targets
from ..device import choose_device, cpu_threads
from ..errors import DataError, SettingError
from ..training.checkpoint import checkpoint_in
from ..training.loop import train
from ..training.method import NO_STEPS, Method, Plan, Watcher
from ..version import __version__
from ..views.windows import TrainingRows
from .last_step import LastStep
from .products import Products, plain

__all__ = ["Learner", "plain"]


@dataclass(kw_only=True, eq=False, repr=False)
class Learner(Products, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Base of `myow.estimators.recordings.Estimator`, for recordings, and of `myow.estimators.images.ImageEstimator`.

    A fitted one holds its network as ``method_``, the number of units (channels of images) as ``n_features_in_``, the seed as
    ``seed_`` and the steps done as ``n_steps_``; if it learns from labels, the classes as ``classes_`` (None for real
    numbers), their number, or that of the columns, as ``n_targets_``, and the number of labelled rows as ``n_labelled_``.

    Parameters
    ----------
    device : str, optional
        "cpu", "cuda", ...; "auto" takes a GPU if there is one.
    threads : int, optional
        CPU threads while fitting; None for as many as torch is set to. The products of a small network gain little from
        a second thread, and take many times as long when another program wants its core. The embedding is the same.
    random_state : int, RandomState or None, optional
        Seed; the same seed gives the same embedding on the same machine.
    """

    device: str = "auto"
    threads: int | None = 1
    random_state: int | None = None

    uses_labels: ClassVar[bool] = False
    """Whether `fit` learns from labels. If not, they never reach the graph."""
    learns_from: ClassVar[str] = "recordings"
    """What `fit` takes: "recordings" or "images"."""
    learnt: ClassVar[tuple[str, ...]] = ("n_features_in_", "seed_", "n_steps_", "classes_", "n_targets_", "n_labelled_")
    """What a model file keeps besides settings and weights."""

    # What kinds of data differ in.

    @abstractmethod
    def build(self, n_features: int) -> Method:
        """Build the untrained graph for `n_features` units, or channels; every method does."""

    @abstractmethod
    def _take(self, X: Any, *, reset: bool) -> Rows:
        """Check data, and with `reset` learn what later data must agree with."""

    @abstractmethod
    def _hold(self, data: Any, device: torch.device, targets: Targets | None = None) -> TrainingRows:
        """Put data on the device, as what the loop looks views up in."""

    @abstractmethod
    def _learn_scaling(self, method: Method, rows: TrainingRows) -> None:
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
        watchers: Sequence[Watcher] = (),
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
        watchers : sequence of Watcher, optional
            Who is told how training goes.

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
        data, rows = self._initialise(X, y, labelled)
        plan = self.plan(len(rows))
        generator = torch.Generator(rows.device).manual_seed(self.seed_)
        identity = {} if folder is None else self._identity(data, rows.targets)
        count = LastStep()
        try:
            with checkpoint_in(folder, identity, resume=resume) as checkpoint, cpu_threads(self.threads):
                train(self.method_, rows, plan, generator, [count, *watchers], checkpoint)
        finally:
            self.n_steps_ = count.done
            self.metrics_ = {"training": count.metrics} if count.metrics else {}
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
        data = self._take(X, reset=True)
        device = choose_device(self.device)
        self.seed_ = _seed(self.random_state)
        targets = self._read_labels(y, labelled, len(data))
        # Layers draw their first weights from torch's global generator; it is put back as it was.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed_)
            method = self.build(self.n_features_in_)
        rows = self._hold(data, device, targets)
        self._learn_scaling(method, rows)
        self.method_ = method.to(device).eval()
        self.n_steps_ = 0
        self.trained_on_ = identify(data)
        self.metrics_, self.version_ = {}, __version__
        return data, rows

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
        check_is_fitted(self, "method_")
        return self._hold(self._take(X, reset=False), self.method_.scaling.mean.device)

    def _embed(self, held: TrainingRows, rows: torch.Tensor) -> Iterator[NDArray[np.float32]]:
        self.method_.eval()
        for some in torch.split(rows.to(held.device), held.at_once(self.at_once)):
            with torch.inference_mode():
                block: NDArray[np.float32] = self.method_.embed(held.gather(some)).float().cpu().numpy()
            yield block

    # What scikit-learn asks for.

    def __sklearn_tags__(self) -> Any:
        """Say what kind of estimator this is."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.target_tags.required = self.uses_labels
        return tags

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the D dimensions, such as "myow0"."""
        check_is_fitted(self, "method_")
        return np.array([f"{type(self).__name__.lower()}{i}" for i in range(self._n_dimensions())], dtype=object)

    # Inner workings.

    at_once: ClassVar[int] = 8192
    """Rows that are embedded in one go."""

    @abstractmethod
    def _n_dimensions(self) -> int:
        """Dimension D of the embedding, as the graph gives it."""

    def plan(self, n_rows: int) -> Plan:
        """Say how long and how fast to train on so many rows; a method without gradients trains no step."""
        return NO_STEPS

    def _identity(self, data: Any, targets: Targets | None) -> dict[str, Any]:
        """What must agree for a checkpoint to be continued."""
        settings = {k: repr(type(v)) if callable(v) else plain(v) for k, v in self.get_params().items()}
        settings.pop("device")
        settings.pop("threads")  # nor does it matter on how many
        settings.pop("cuda_graph", None)  # nor whether steps are replayed
        settings |= {} if targets is None else {"labels": targets.digest()}
        return settings | {"random_state": self.seed_, "rows": data.digest(), "method": type(self).__name__}


def _seed(random_state: Any) -> int:
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    return int(random_state.randint(2**31))
