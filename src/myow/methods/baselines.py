"""Baselines that learn little or nothing: raw activity, principal components, factor analysis, an untrained encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import decomposition
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from ..errors import SettingError
from ..training.module import ClosedForm
from ..training.rows import TrainingRows, most_fitted, spread_rows
from .recordings import RecordingEstimator

__all__ = ["FA", "PCA", "ClosedFormFeatures", "Raw", "Untrained"]


class ClosedFormFeatures(ClosedForm):
    """Module of a method without gradients that sees the scaled bins of each row's window side by side."""

    def features(self, x: Tensor) -> Tensor:
        """Scale transformed windows of shape (B, W, N) and lay their bins side by side, shape (B, W * N)."""
        scaled: Tensor = self.scaling(x)
        return scaled.flatten(1)

    def training_features(self, data: TrainingRows, rows: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Features of some training rows, or of all T, in double precision; shape (R, W * N)."""
        index = np.arange(len(data)) if rows is None else rows
        data.fit_at_once(len(index), 8, type(self).__name__.removesuffix("Network"))
        features = self.features(data.gather(torch.from_numpy(index).to(data.device)))
        return features.double().cpu().numpy()


@dataclass(kw_only=True, eq=False, repr=False)
class Raw(RecordingEstimator):
    """Learn nothing: the transformed values of each row's window, bins side by side.

    With the default `input` these are square roots of counts, whose Poisson noise is about equally large at every rate.
    A readout scales them by one common deviation, which keeps units that seldom fire small and reads more from few labels
    than units of one deviation each. The dimension D is the window's width times the number of units.

    Parameters
    ----------
    context : tuple of int, default (0, 0)
        Bins (before, after) of the window that is seen around each bin. Widen it where a single bin holds few spikes;
        (before, 0) keeps the embedding causal, as a live stream needs it. Windows stop at the edges of a segment,
        where the nearest bin stands in for what is missing.
    input : {"auto", "sqrt", "anscombe", "rate", "none"}, default "auto"
        Transform of counts, see `myow.nn.scaling.transform_values`. "auto" takes the square root of counts, whose
        Poisson noise is then about equally large at every rate, and leaves signals as they are; the releases take
        "rate".
    scale : {"common", "unit", "none"}, default "common"
        Division after centring: by one common deviation, or by each unit's own. Keep "common" for counts, so that
        units that seldom fire stay small, which reads more from few labels.
    random_state : int, RandomState or None, default None
        Seed, kept as ``seed_``; nothing is drawn at random here. It is taken so that all methods can be called alike.
    device : str, default "auto"
        Where to compute: "cpu", "cuda", ... "auto" takes a GPU if there is one.
    threads : int or None, default 1
        CPU threads while fitting; None for as many as torch is set to. Small networks gain little from a second
        thread, and take many times as long when another program wants its core. Bits may differ between numbers of
        threads.
    verbose : bool, default True
        Whether to say on standard error how fitting goes, once it has taken a second: device, steps and time left, as a bar in
        a terminal or notebook and as a line now and then elsewhere. It changes nothing that is learnt.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> Raw(context=(1, 1)).fit(counts).transform(counts).shape
    (60, 24)
    """

    context: tuple[int, int] = (0, 0)
    input: Literal["auto", "sqrt", "anscombe", "rate", "none"] = "auto"
    scale: Literal["common", "unit", "none"] = "common"
    random_state: int | None = None
    device: str = "auto"
    threads: int | None = 1
    verbose: bool = True

    readout_scaling: ClassVar[Literal["each", "common"]] = "common"

    def build(self, n_features: int) -> RawNetwork:
        """Build the scaling of `n_features` units."""
        return RawNetwork(n_features)


class RawNetwork(ClosedFormFeatures):
    """Network of raw activity: scaling alone."""

    def embed(self, x: Tensor) -> Tensor:
        """Lay the scaled bins of transformed windows, shape (B, W, N), side by side; shape (B, W * N)."""
        return self.features(x)


@dataclass(kw_only=True, eq=False, repr=False)
class PCA(RecordingEstimator):
    """Project on the directions in which the training rows vary most.

    Features are those of `Raw`: transformed and scaled values of each row's window, bins side by side. The components are
    scikit-learn's, from a full singular value decomposition, so that nothing is drawn at random. Of more than 20,000 rows, or
    fewer where these hold more than 67 million features in all, so many evenly spaced ones are looked at.

    Parameters
    ----------
    context : tuple of int, default (0, 0)
        Bins (before, after) of the window that is seen around each bin. Widen it where a single bin holds few spikes;
        (before, 0) keeps the embedding causal, as a live stream needs it. Windows stop at the edges of a segment,
        where the nearest bin stands in for what is missing.
    dim : int, default 6
        Components D. Raise it if labels that raw activity shows cannot be read out. Where rows or features allow
        fewer (training rows less one, or directions in which anything varies), the columns beyond them are zero.
    input : {"auto", "sqrt", "anscombe", "rate", "none"}, default "auto"
        Transform of counts, see `myow.nn.scaling.transform_values`. "auto" takes the square root of counts, whose
        Poisson noise is then about equally large at every rate, and leaves signals as they are; the releases take
        "rate".
    scale : {"common", "unit", "none"}, default "common"
        Division after centring: by one common deviation, or by each unit's own. Keep "common" for counts, since
        "unit" blows up the noise of units that seldom fire; choose "unit" for signals of different units of
        measurement.
    random_state : int, RandomState or None, default None
        Seed of weights, batches and views. The same seed, threads and machine give the same embedding, bit by bit;
        None draws one, kept as ``seed_``.
    device : str, default "auto"
        Where to compute: "cpu", "cuda", ... "auto" takes a GPU if there is one.
    threads : int or None, default 1
        CPU threads while fitting; None for as many as torch is set to. Small networks gain little from a second
        thread, and take many times as long when another program wants its core. Bits may differ between numbers of
        threads.
    verbose : bool, default True
        Whether to say on standard error how fitting goes, once it has taken a second: device, steps and time left, as a bar in
        a terminal or notebook and as a line now and then elsewhere. It changes nothing that is learnt.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> PCA(dim=4).fit(counts).transform(counts).shape
    (60, 4)
    """

    context: tuple[int, int] = (0, 0)
    dim: int = 6
    input: Literal["auto", "sqrt", "anscombe", "rate", "none"] = "auto"
    scale: Literal["common", "unit", "none"] = "common"
    random_state: int | None = None
    device: str = "auto"
    threads: int | None = 1
    verbose: bool = True

    readout_scaling: ClassVar[Literal["each", "common"]] = "common"

    def build(self, n_features: int) -> PCANetwork:
        """Build an empty projection for `n_features` units."""
        if self.dim < 1:
            raise SettingError(f"dim is {self.dim}; it must be 1 or more components")
        return PCANetwork(n_features, self._window(), self.dim)


class PCANetwork(ClosedFormFeatures):
    """Network of principal components.

    Parameters
    ----------
    n_units : int
        Units N of the recordings.
    window : int
        Bins W of the context window.
    dim : int
        Components D.
    """

    mean: Tensor
    components: Tensor

    def __init__(self, n_units: int, window: int, dim: int) -> None:
        super().__init__(n_units)
        self.register_buffer("mean", torch.zeros(window * n_units))
        self.register_buffer("components", torch.zeros(window * n_units, dim))

    def prepare(self, data: TrainingRows) -> None:
        """Learn mean and components from all training rows, of very many from evenly spaced ones."""
        super().prepare(data)
        most = most_fitted(len(self.mean))
        features = self.training_features(data, None if len(data) <= most else spread_rows(data, most).cpu().numpy())
        n = min(self.components.shape[1], *features.shape)
        with threadpool_limits(1):  # the same bits on a busy machine
            found = decomposition.PCA(n, svd_solver="full").fit(features)
        # Where nothing varies any more, rounding alone would choose the direction.
        n = int((found.singular_values_ > 1e-6 * found.singular_values_[0]).sum())
        self.mean.copy_(torch.from_numpy(found.mean_))
        self.components.zero_()
        self.components[:, :n] = torch.from_numpy(found.components_[:n].T).to(self.components)

    def embed(self, x: Tensor) -> Tensor:
        """Project transformed windows of shape (B, W, N), shape (B, dim)."""
        return (self.features(x) - self.mean) @ self.components


@dataclass(kw_only=True, eq=False, repr=False)
class FA(RecordingEstimator):
    r"""Infer a few factors that explain what features have in common.

    Features x are those of `Raw`: transformed and scaled values of each row's window, bins side by side. The model is
    :math:`x = \mu + W z + e` with :math:`z \sim N(0, I)` and noise of a variance of its own in each feature,
    :math:`e \sim N(0, \Psi)` with a diagonal :math:`\Psi` (Barber 2012, 21.2.2, as scikit-learn fits it). The embedding
    is the factors' posterior mean, :math:`(I + W^T \Psi^{-1} W)^{-1} W^T \Psi^{-1} (x - \mu)`.

    Parameters
    ----------
    context : tuple of int, default (0, 0)
        Bins (before, after) of the window that is seen around each bin. Widen it where a single bin holds few spikes;
        (before, 0) keeps the embedding causal, as a live stream needs it. Windows stop at the edges of a segment,
        where the nearest bin stands in for what is missing.
    dim : int, default 10
        Factors D. Raise it if labels that raw activity shows cannot be read out. Where rows or features allow fewer
        (training rows less one, or features that vary), the columns beyond them are zero.
    input : {"auto", "sqrt", "anscombe", "rate", "none"}, default "auto"
        Transform of counts, see `myow.nn.scaling.transform_values`. "auto" takes the square root of counts, whose
        Poisson noise is then about equally large at every rate, and leaves signals as they are; the releases take
        "rate".
    scale : {"common", "unit", "none"}, default "common"
        Division after centring: by one common deviation, or by each unit's own. Keep "common" for counts, since
        "unit" blows up the noise of units that seldom fire; choose "unit" for signals of different units of
        measurement.
    tol : float, default 0.01
        Rise of the log-likelihood, in nats a row, below which iterations stop. Lower it for factors that are settled
        to more digits.
    max_iter : int, default 200
        Most iterations of the fit, after which scikit-learn warns. Raise it if it does.
    least_noise : float, default 0.01
        Least noise variance that any feature is taken to have, as a share of the mean variance of features. Raise it
        if units that hardly fire dominate the factors.
    random_state : int, RandomState or None, default None
        Seed of weights, batches and views. The same seed, threads and machine give the same embedding, bit by bit;
        None draws one, kept as ``seed_``.
    device : str, default "auto"
        Where to compute: "cpu", "cuda", ... "auto" takes a GPU if there is one.
    threads : int or None, default 1
        CPU threads while fitting; None for as many as torch is set to. Small networks gain little from a second
        thread, and take many times as long when another program wants its core. Bits may differ between numbers of
        threads.
    verbose : bool, default True
        Whether to say on standard error how fitting goes, once it has taken a second: device, steps and time left, as a bar in
        a terminal or notebook and as a line now and then elsewhere. It changes nothing that is learnt.

    Notes
    -----
    With fewer rows than features, as with a wide context window, the likelihood can grow without bound while the noise of
    a feature shrinks to nothing (a Heywood case). scikit-learn keeps the noise above 1e-12, and the fit ends there. Units
    that hardly fire end there too; but for `least_noise`, a single spike of theirs would outshout all else in a row.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> FA(dim=2).fit(counts).transform(counts).shape
    (60, 2)
    """

    context: tuple[int, int] = (0, 0)
    dim: int = 10
    input: Literal["auto", "sqrt", "anscombe", "rate", "none"] = "auto"
    scale: Literal["common", "unit", "none"] = "common"
    tol: float = 0.01
    max_iter: int = 200
    least_noise: float = 0.01
    random_state: int | None = None
    device: str = "auto"
    threads: int | None = 1
    verbose: bool = True

    readout_scaling: ClassVar[Literal["each", "common"]] = "common"

    def build(self, n_features: int) -> FANetwork:
        """Build empty factors for `n_features` units."""
        if self.dim < 1 or self.max_iter < 1 or not self.tol >= 0:
            raise SettingError(
                f"dim is {self.dim}, max_iter {self.max_iter} and tol {self.tol}; they must be 1, 1 and 0 or more"
            )
        if not 0 <= self.least_noise < 1:
            raise SettingError(f"least_noise is {self.least_noise}; it must be a share from 0 to below 1")
        window = self._window()
        return FANetwork(n_features, window, self.dim, self.tol, self.max_iter, self.least_noise)

    @property
    def n_iter_(self) -> int:
        """Iterations of the fit."""
        return int(self.network_.get_buffer("n_iter"))


class FANetwork(ClosedFormFeatures):
    """Network of factor analysis.

    Parameters
    ----------
    n_units : int
        Units N of the recordings.
    window : int
        Bins W of the context window.
    dim : int
        Factors D.
    tol, max_iter, least_noise
        As of `FA`.
    """

    mean: Tensor
    inference: Tensor
    n_iter: Tensor

    def __init__(self, n_units: int, window: int, dim: int, tol: float, max_iter: int, least_noise: float) -> None:
        super().__init__(n_units)
        self.tol = tol
        self.max_iter = max_iter
        self.least_noise = least_noise
        self.register_buffer("mean", torch.zeros(window * n_units))
        self.register_buffer("inference", torch.zeros(window * n_units, dim))
        self.register_buffer("n_iter", torch.zeros((), dtype=torch.int64))

    def prepare(self, data: TrainingRows) -> None:
        """Learn the factors from all training rows."""
        super().prepare(data)
        features = self.training_features(data)
        variance, mean = features.var(axis=0), features.mean(axis=0)
        # A feature that is silent here has no noise, and would outshout all others where it is not.
        active = np.flatnonzero(variance > 1e-12 * (variance + mean**2))
        n = min(self.inference.shape[1], len(features) - 1, len(active))
        model = decomposition.FactorAnalysis(
            n, tol=self.tol * len(features), max_iter=self.max_iter, svd_method="lapack"
        )
        with threadpool_limits(1):  # the same bits on a busy machine
            model.fit(features[:, active])
            noise = np.maximum(model.noise_variance_, self.least_noise * variance[active].mean())
            weighted = model.components_ / noise
            inference = np.linalg.solve(np.eye(n) + weighted @ model.components_.T, weighted)
        self.mean.copy_(torch.from_numpy(mean))
        self.inference.zero_()
        self.inference[torch.from_numpy(active), :n] = torch.from_numpy(inference.T).to(self.inference)
        self.n_iter.fill_(model.n_iter_)

    def embed(self, x: Tensor) -> Tensor:
        """Posterior mean of the factors of transformed windows, shape (B, W, N); shape (B, dim)."""
        return (self.features(x) - self.mean) @ self.inference


@dataclass(kw_only=True, eq=False, repr=False)
class Untrained(RecordingEstimator):
    """Embed with the encoder's first weights, which `random_state` draws.

    Only the scaling of the input is learnt from the rows. With the same settings and seed this is the network that the
    trained methods start from.

    Parameters
    ----------
    context : tuple of int, default (0, 0)
        Bins (before, after) of the window that is seen around each bin. Widen it where a single bin holds few spikes;
        (before, 0) keeps the embedding causal, as a live stream needs it. Windows stop at the edges of a segment,
        where the nearest bin stands in for what is missing.
    encoder : str, nn.Module or callable, default "pooled"
        Network from windows (B, W, N) to representations (B, dim): "pooled" averages the window first, "mlp" has
        weights for every bin; or a module of one's own, or a callable that makes one from (W, N). Set it to that of
        the method that this row stands beside.
    dim : int, default 64
        Dimension D of the representation. Set it to that of the method that this row stands beside.
    input : {"auto", "sqrt", "anscombe", "rate", "none"}, default "auto"
        Transform of counts, see `myow.nn.scaling.transform_values`. "auto" takes the square root of counts, whose
        Poisson noise is then about equally large at every rate, and leaves signals as they are; the releases take
        "rate".
    hidden : tuple of int, default (128, 128)
        Widths of the encoder's hidden layers. Widen them for thousands of rows and hundreds of units; narrower ones
        train faster and overfit less.
    activation : {"relu", "prelu", "gelu"}, default "relu"
        Activation of all perceptrons. "prelu" is that of the second release; it makes little difference elsewhere.
    scale : {"common", "unit", "none"}, default "common"
        Division after centring: by one common deviation, or by each unit's own. Keep "common" for counts, since
        "unit" blows up the noise of units that seldom fire; choose "unit" for signals of different units of
        measurement.
    random_state : int, RandomState or None, default None
        Seed of the weights. With that of a trained method, and the same settings, it is the network that training
        starts from.
    device : str, default "auto"
        Where to compute: "cpu", "cuda", ... "auto" takes a GPU if there is one.
    threads : int or None, default 1
        CPU threads while fitting; None for as many as torch is set to. Small networks gain little from a second
        thread, and take many times as long when another program wants its core. Bits may differ between numbers of
        threads.
    verbose : bool, default True
        Whether to say on standard error how fitting goes, once it has taken a second: device, steps and time left, as a bar in
        a terminal or notebook and as a line now and then elsewhere. It changes nothing that is learnt.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> Untrained(dim=4, random_state=0).fit(counts).transform(counts).shape
    (60, 4)
    """

    context: tuple[int, int] = (0, 0)
    encoder: str | nn.Module | Callable[[int, int], nn.Module] = "pooled"
    dim: int = 64
    input: Literal["auto", "sqrt", "anscombe", "rate", "none"] = "auto"
    hidden: tuple[int, ...] = (128, 128)
    activation: Literal["relu", "prelu", "gelu"] = "relu"
    scale: Literal["common", "unit", "none"] = "common"
    random_state: int | None = None
    device: str = "auto"
    threads: int | None = 1
    verbose: bool = True

    def build(self, n_features: int) -> UntrainedNetwork:
        """Build the encoder for `n_features` units."""
        return UntrainedNetwork(self.make_encoder(n_features), n_features)


class UntrainedNetwork(ClosedForm):
    """Network of an encoder that is not trained.

    Parameters
    ----------
    encoder : nn.Module
        From windows (B, W, N) to representations.
    n_units : int
        Units N of the recordings.
    """

    def __init__(self, encoder: nn.Module, n_units: int) -> None:
        super().__init__(n_units)
        self.encoder = encoder

    def embed(self, x: Tensor) -> Tensor:
        """Encode transformed windows of shape (B, W, N), shape (B, dim)."""
        y: Tensor = self.encoder(self.scaling(x))
        return y
