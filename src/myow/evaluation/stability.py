"""Agreement of embeddings of seeds, sessions and animals, and the units that carry a readout."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from ..data.embedding import Embedding
from ..data.recording import Recording
from ..data.rows import group_runs
from ..errors import DataError, SettingError, unknown_name
from ..methods.deploy import one_session
from ..methods.recordings import RecordingEstimator
from ..training.rows import TrainingRows
from . import metrics
from .decode import default_readout, find_target, has_classes
from .readouts import Readout, readout_class, row_merits

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Consistency", "Importance", "consistency", "importance"]

PENALTY = 1e-3
"""Of the linear maps, per row and in units of the variance; it only keeps directions without variance out."""
BLOCKS = 4  # of one segment, in each fold


@dataclass(frozen=True, eq=False, repr=False)
class Consistency:
    """How well each embedding is a linear map of each other one, as `consistency` measures it.

    Attributes
    ----------
    names : tuple of str
        The n embeddings.
    r2 : ndarray, shape (n, n)
        R2 of the column's embedding, predicted from the row's, on rows left out; 1 on the diagonal. 1 is perfect agreement up
        to a linear map, 0 is none.
    per_fold : ndarray, shape (folds, n, n)
        The same of each fold.
    compared : str
        What was compared: "rows", or averages by a label.
    """

    names: tuple[str, ...]
    r2: NDArray[np.float64]
    per_fold: NDArray[np.float64]
    compared: str

    @property
    def mean(self) -> float:
        """Mean of R2 over all ordered pairs."""
        return float(self.r2[~np.eye(len(self.r2), dtype=bool)].mean())

    @property
    def lowest(self) -> float:
        """R2 of the pair that agrees least."""
        return float(self.r2[~np.eye(len(self.r2), dtype=bool)].min())

    def to_frame(self) -> pd.DataFrame:
        """Return a table: R2 of the column's embedding, predicted from the row's."""
        import pandas as pd

        return pd.DataFrame(self.r2, index=list(self.names), columns=list(self.names))

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold: names, r2, per_fold, compared, mean and lowest."""
        return {
            "names": list(self.names),
            "r2": self.r2.tolist(),
            "per_fold": self.per_fold.tolist(),
            "compared": self.compared,
            "mean": self.mean,
            "lowest": self.lowest,
        }

    def plot(self) -> Figure:
        """Draw the table as a matrix."""
        from ..figures.embedding import draw_consistency

        return draw_consistency(self.r2, self.names, compared=self.compared)

    def __repr__(self) -> str:
        about = f"linear agreement of {len(self.names)} embeddings ({self.compared}, {len(self.per_fold)} folds)"
        head = f"{about}: mean R² {self.mean:.3f}, lowest {self.lowest:.3f}"
        return f"{head}\n\n{self.to_frame().to_string(float_format='{:.3f}'.format)}\n\nEach column is predicted from each row."

    def _repr_html_(self) -> str:
        first, *_ = repr(self).splitlines()
        return f"<div><p>{html.escape(first)}</p>{self.to_frame().to_html(float_format='{:.3f}'.format)}</div>"


def consistency(
    *embeddings: Embedding | ArrayLike,
    names: Sequence[str] | None = None,
    by: str | None = None,
    folds: int = 5,
    random_state: int = 0,
) -> Consistency:
    """Measure how well embeddings of seeds, sessions or animals agree: each is predicted linearly from each other one.

    A ridge map with a penalty that is next to nothing is fitted on some segments and scored on those left out, both ways, so
    that neither rotation nor stretching counts, and what only one of the two holds does. Of the same recording, rows are
    compared. Sessions and animals share no rows; with `by`, averages over trials are compared: at each value of a label
    and each bin since the start of a segment, from separate trials for fitting and for scoring.

    Parameters
    ----------
    *embeddings : Embedding or array_like, shape (T, D)
        Two or more; their dimensions may differ.
    names : sequence of str, optional
        What to call them. Default: their own names where these differ, else "1", "2", ...
    by : str, optional
        A label of classes that all have; every value must be held by `folds` segments or more, in each.
    folds : int, optional
        Number of folds. Segments stay whole; one segment is cut into blocks of time.
    random_state : int, optional
        Seed by which segments are dealt to folds, with `by`.

    Returns
    -------
    Consistency
        With `r2`, `mean`, `to_frame`, `to_dict` and `plot`.

    Raises
    ------
    DataError
        If there are fewer than two, rows do not belong together, or too little is left of a fold.
    SettingError
        If there are fewer than two folds, or `by` is given with bare arrays.
    UnknownNameError
        If one has no label `by`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(200, 3))
    >>> found = consistency(z, z @ rng.normal(size=(3, 3)), rng.normal(size=(200, 3)))
    >>> [[round(value, 1) for value in row] for row in found.r2[:2, :2].tolist()]
    [[1.0, 1.0], [1.0, 1.0]]
    """
    if len(embeddings) < 2:
        raise DataError(f"consistency compares embeddings and was given {len(embeddings)}; give two or more")
    if folds < 2:
        raise SettingError(f"folds is {folds}; give 2 or more, so that some rows are left out")
    called = _names(embeddings, names)
    split = _by_rows(embeddings, folds) if by is None else _by_label(embeddings, by, folds, random_state)
    per_fold = np.array(
        [
            [[_agreement(a, b) for b in fitted_and_left_out] for a in fitted_and_left_out]
            for fitted_and_left_out in split
        ]
    )
    compared = "rows" if by is None else f"averages by {by}"
    return Consistency(called, per_fold.mean(axis=0), per_fold, compared)


def _names(embeddings: Sequence[Any], names: Sequence[str] | None) -> tuple[str, ...]:
    if names is not None:
        if len(names) != len(embeddings):
            raise DataError(f"names are {len(names)}, but there are {len(embeddings)} embeddings; give one name each")
        return tuple(str(name) for name in names)
    own = [getattr(one, "name", "") for one in embeddings]
    return tuple(own) if all(own) and len(set(own)) == len(own) else tuple(str(i + 1) for i in range(len(own)))


Halves = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Rows to fit on, and rows left out; in the same order in all embeddings."""


def _by_rows(embeddings: Sequence[Any], folds: int) -> list[list[Halves]]:
    values = [_matrix(one) for one in embeddings]
    first = embeddings[0]
    for other, z in zip(embeddings[1:], values[1:], strict=True):
        same = len(z) == len(values[0])
        if same and isinstance(first, Embedding) and isinstance(other, Embedding):
            same = np.array_equal(first.segments, other.segments) and np.allclose(first.times, other.times)
        if not same:
            raise DataError(
                f"the embeddings have {len(values[0])} and {len(z)} rows, which are not the same bins; of sessions or animals "
                "compare averages: by='direction', say"
            )
    part = group_runs(first.segments)[1] if isinstance(first, Embedding) and len(first.spans) > 1 else None
    n = len(values[0])
    fold = np.arange(n) * folds * BLOCKS // n if part is None else np.repeat(np.arange(len(part)), part)
    fold = fold % folds
    if len(np.unique(fold)) < folds:
        raise DataError(f"there are too few rows or segments for {folds} folds; use fewer folds")
    return [[(z[fold != k], z[fold == k]) for z in values] for k in range(folds)]


def _matrix(one: Any) -> NDArray[np.float64]:
    z = np.asarray(one.z if isinstance(one, Embedding) else one, dtype=np.float64)
    if z.ndim != 2 or 0 in z.shape or not np.isfinite(z).all():
        raise DataError(f"an embedding of shape {z.shape} cannot be compared; give finite numbers (rows, dimensions)")
    return z


def _by_label(embeddings: Sequence[Any], by: str, folds: int, seed: int) -> list[list[Halves]]:
    parts = [_averages(one, by, folds, seed) for one in embeddings]
    split = []
    for k in range(folds):
        shared = [set.intersection(*(set(part[k][half]) for part in parts)) for half in (0, 1)]
        if min(map(len, shared)) < 2:
            raise DataError(f"fewer than two values of {by} and bins are in all of them; choose another label")
        keys = [sorted(one) for one in shared]
        split.append([tuple(np.array([part[k][half][key] for key in keys[half]]) for half in (0, 1)) for part in parts])
    return split  # type: ignore[return-value]


Averages = dict[tuple[Any, int], NDArray[np.float64]]


def _averages(one: Any, by: str, folds: int, seed: int) -> list[tuple[Averages, Averages]]:
    """For each fold, averages at every value of a label and bin: of segments of the other folds, and of its own."""
    if not isinstance(one, Embedding):
        raise SettingError(f"by='{by}' needs labels, and an array has none; give embeddings, as myow.embed makes them")
    if by not in one.labels:
        raise unknown_name("label", by, one.labels)
    values = one.labels[by]
    if values.ndim != 1 or values.dtype.kind == "f":
        raise DataError(f"label '{by}' is no label of classes; average by one of whole numbers or names")
    heads, lengths = group_runs(one.segments)
    bins = np.rint((one.times - np.repeat(one.times[heads], lengths)) / one.bin_size).astype(np.int64)
    classes = values[heads]
    fold = np.empty(len(heads), dtype=np.int64)
    rng = np.random.default_rng(seed)
    for value in np.unique(classes):
        own = rng.permutation(np.flatnonzero(classes == value))
        if len(own) < folds:
            raise DataError(
                f"{one.name or 'an embedding'} has {len(own)} segments with {by} {value}, fewer than {folds} folds; use fewer"
            )
        fold[own] = np.arange(len(own)) % folds
    by_row = np.repeat(fold, lengths)
    z = one.z.astype(np.float64)
    found = []
    for k in range(folds):
        fitted, left_out = (_mean_at(z[rows], values[rows], bins[rows]) for rows in (by_row != k, by_row == k))
        found.append((fitted, left_out))
    return found


def _mean_at(z: NDArray[np.float64], values: NDArray[Any], bins: NDArray[np.int64]) -> Averages:
    found, code = np.unique(values, return_inverse=True)
    pairs, place, count = np.unique(np.column_stack([code, bins]), axis=0, return_inverse=True, return_counts=True)
    sums = np.zeros((len(pairs), z.shape[1]))
    np.add.at(sums, place.reshape(-1), z)
    return {(found[c].item(), int(b)): row for (c, b), row in zip(pairs, sums / count[:, None], strict=True)}


def _agreement(source: Halves, goal: Halves) -> float:
    """R2 on the rows left out of a ridge map that was fitted on the others; of all dimensions together."""
    (x, x_out), (y, y_out) = source, goal
    if x is y:
        return 1.0
    mean, mean_y = x.mean(axis=0), y.mean(axis=0)
    centred = x - mean
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] += PENALTY * np.trace(gram) / len(gram)
    weights = np.linalg.solve(gram, centred.T @ (y - mean_y))
    return metrics.r2(y_out, (x_out - mean) @ weights + mean_y)


MOST_VALUES = 1 << 26  # that are held


@dataclass(frozen=True, eq=False, repr=False)
class Importance:
    """How much of a readout rests on each unit, as `importance` measures it.

    Attributes
    ----------
    units : tuple of str
        Names of the N units.
    permutation : ndarray, shape (N,)
        Loss of accuracy, or of R2, when the unit's activity is exchanged between segments; mean over repeats. About 0, also
        below it, where the unit is not needed.
    spread : ndarray, shape (N,)
        Deviation of `permutation` over repeats.
    gradient : ndarray, shape (N,)
        Change of the readout's output for one deviation more activity of the unit throughout the window, mean size over rows:
        of the log probability of the true class, or of the prediction in deviations of the target. NaN where the readout has no
        gradient.
    score : float
        Accuracy or R2 of the readout with all units as they are.
    metric : {"accuracy", "r2"}
        Which of the two.
    target, readout : str
        What was read out, and how.
    """

    units: tuple[str, ...]
    permutation: NDArray[np.float64]
    spread: NDArray[np.float64]
    gradient: NDArray[np.float64]
    score: float
    metric: str
    target: str
    readout: str

    def to_frame(self) -> pd.DataFrame:
        """Return a table with a row a unit, the one that carries most first."""
        import pandas as pd

        columns = {"permutation": self.permutation, "spread": self.spread, "gradient": self.gradient}
        table = pd.DataFrame(columns, index=pd.Index(self.units, name="unit"))
        return table.sort_values("permutation", ascending=False, kind="stable")

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; a gradient that is not there is None."""
        gradient = [None if np.isnan(value) else float(value) for value in self.gradient]
        return {
            "units": list(self.units),
            "permutation": self.permutation.tolist(),
            "spread": self.spread.tolist(),
            "gradient": gradient,
            "score": self.score,
            "metric": self.metric,
            "target": self.target,
            "readout": self.readout,
        }

    def plot(self) -> Figure:
        """Draw the units that carry most, by both measures."""
        from ..figures.decoding import draw_importance

        table = self.to_frame()
        return draw_importance(
            list(table.index),
            table["permutation"].to_numpy(),
            table["spread"].to_numpy(),
            table["gradient"].to_numpy(),
            target=self.target,
            metric=self.metric,
            score=self.score,
        )

    def __repr__(self) -> str:
        name = "R²" if self.metric == "r2" else "accuracy"
        top = self.to_frame().head(10).to_string(float_format="{:.4f}".format)
        more = f"\n... and {len(self.units) - 10} more" if len(self.units) > 10 else ""
        said = f"{self.target} is read out with {name} {self.score:.3f}; what is lost without each of {len(self.units)} units"
        return f"{said}:\n\n{top}{more}"

    def _repr_html_(self) -> str:
        first, *_ = repr(self).splitlines()
        return f"<div><p>{html.escape(first)}</p>{self.to_frame().head(20).to_html(float_format='{:.4f}'.format)}</div>"


def importance(
    model: RecordingEstimator,
    recording: Recording,
    target: str | None = None,
    *,
    readout: str | None = None,
    session: str | None = None,
    folds: int = 5,
    repeats: int = 2,
    rows: int = 1000,
    random_state: int = 0,
) -> Importance:
    """Find which units carry a readout, by permutation and by gradient.

    Readouts with a fixed strength are fitted on the embedding and score segments left out. Then the activity of one unit at a
    time is exchanged between segments (moved in time where there is one segment), the rows are embedded anew, and
    the same readouts score them. Where several units say the same, none of them is missed much.

    Parameters
    ----------
    model : RecordingEstimator
        Fitted.
    recording : Recording
        Rows to read out, of the same units.
    target : str, optional
        Label to read out. Default: the first.
    readout : {"angle", "class", "continuous", "knn"}, optional
        Default: what fits the label, as `myow.evaluate` chooses it. "knn" has no gradient.
    session : str, optional
        Of a model of several sessions: whose units these are.
    folds, repeats : int, optional
        Folds of the readout, and times that each unit's activity is exchanged.
    rows : int, optional
        Of more rows, so many evenly spaced ones are scored: losses below one over their number are rounding.
    random_state : int, optional
        Seed of the exchanges.

    Returns
    -------
    Importance
        With `permutation`, `gradient`, `to_frame`, `to_dict` and `plot`.

    Raises
    ------
    DataError, SettingError
        If the target or readout cannot be used on these rows, or there are too few segments or rows.

    Examples
    --------
    >>> import myow
    >>> rng = np.random.default_rng(0)
    >>> side = np.repeat(np.arange(20) % 2, 5)
    >>> counts = rng.poisson(1.0, (100, 4)) + 6 * (np.arange(4) == 2) * side[:, None]
    >>> rec = Recording(counts, bin_size=0.1, segments=np.repeat(np.arange(20), 5), labels={"side": side})
    >>> importance(myow.PCA(dim=4).fit(rec), rec, "side").to_frame().index[0]
    'unit2'
    """
    if folds < 2 or repeats < 1 or rows < 1:
        raise SettingError(
            f"folds is {folds}, repeats {repeats}, rows {rows}; give 2 folds, 1 repeat and 1 row or more"
        )
    model = one_session(model, session, "importance")
    target = find_target((recording,), target)
    readout = readout or default_readout(recording, target)
    if len(recording) * recording.n_units > MOST_VALUES:
        recording = recording.select(slice(0, MOST_VALUES // recording.n_units))
    recording = model._take(recording, reset=False)
    with threadpool_limits(1):
        found = _Perturbed(model, recording, target, readout, folds, rows)
        gradient = found.gradient()
        losses = found.losses(np.random.default_rng(random_state), repeats)
    return Importance(
        units=tuple(recording.units),
        permutation=losses.mean(axis=0),
        spread=losses.std(axis=0, ddof=min(1, repeats - 1)),
        gradient=gradient,
        score=found.score,
        metric=found.headline,
        target=target,
        readout=readout,
    )


class _Perturbed:
    """Readouts of an embedding, and the activity that it is made of, to be changed a unit at a time."""

    def __init__(
        self, model: RecordingEstimator, recording: Recording, target: str, readout: str, folds: int, most: int
    ) -> None:
        self.model, self.network = model, model.network_.eval()
        device = self.network.scaling.mean.device
        held = model._hold(recording, device)
        self.held = TrainingRows(recording, torch.cat(list(held.blocks())), model._context(), device)
        self.recording = recording
        n = len(recording)
        rows = np.arange(n) if n <= most else np.arange(most) * n // most
        self.rows = torch.from_numpy(rows).to(device)
        self.y = recording.labels[target][rows]
        several = recording.n_segments > 1
        part = (
            np.unique(recording.segments[rows], return_inverse=True)[1]
            if several
            else np.arange(len(rows)) * folds * BLOCKS // len(rows)
        )
        self.fold = part % folds
        self.windows = self.held.gather(self.rows)
        z, period = self._embed(), recording.periods.get(target)
        kind = readout_class(readout)
        self.headline = kind.headline
        if len(np.unique(self.fold)) < folds:
            raise DataError(f"there are too few rows or segments for {folds} folds; give more, or use fewer folds")
        if has_classes(self.y, readout) and any(
            set(self.y) - set(np.unique(self.y[self.fold != k])) for k in range(folds)
        ):
            raise DataError(f"a value of {target} is in one fold only; use other folds, or more segments of each value")
        self.readers: list[Readout] = [
            kind(period=period, scaling=model.readout_scaling).fit(z[self.fold != k], self.y[self.fold != k])
            for k in range(folds)
        ]
        self.score = self._score(z)

    def _embed(self) -> NDArray[np.float32]:
        blocks = []
        with torch.inference_mode():
            for some in torch.split(self.windows, self.model.at_once):
                blocks.append(self.network.embed(some).float().cpu().numpy())
        return np.concatenate(blocks)

    def _score(self, z: NDArray[np.float32]) -> float:
        gained = np.empty(len(z))
        for k, reader in enumerate(self.readers):
            own = self.fold == k
            gained[own] = row_merits(reader, self.y[own], reader.predict(z[own]))
        if self.headline == "accuracy":
            return float(gained.mean())
        true = np.asarray(self.y, dtype=np.float64).reshape(len(z), -1)
        return float(1 - gained.sum() / ((true - true.mean(axis=0)) ** 2).sum())

    def losses(self, rng: np.random.Generator, repeats: int) -> NDArray[np.float64]:
        """Return what is lost without each unit, shape (repeats, N)."""
        windows, n_units = self.windows, self.windows.shape[2]
        inside = self.held.inside(self.rows)
        found = np.zeros((repeats, n_units))
        for i in range(repeats):
            order = torch.from_numpy(self._exchanged(rng)).to(windows.device)
            other = self.held.look_up(order[inside.flatten()]).view_as(windows)
            for j in range(n_units):
                kept = windows[:, :, j].clone()
                if bool((kept == kept[0, 0]).all()):
                    continue  # a unit that never changes is not missed
                windows[:, :, j] = other[:, :, j]
                found[i, j] = self.score - self._score(self._embed())
                windows[:, :, j] = kept
        return found

    def _exchanged(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Row from which each row gets its activity: of another segment, as long after its start; or far away in time."""
        heads, lengths = group_runs(self.recording.segments)
        n = len(self.recording)
        if len(heads) == 1:
            return np.asarray(np.roll(np.arange(n), rng.integers(n // 4, max(n // 4 + 1, 3 * n // 4))))
        round_ = rng.permutation(len(heads))  # in a ring, so that no segment gives to itself
        giver = np.empty_like(round_)
        giver[round_] = np.roll(round_, 1)
        since = np.arange(n) - np.repeat(heads, lengths)
        source = np.repeat(giver, lengths)
        return np.asarray(heads[source] + since % lengths[source])

    def gradient(self) -> NDArray[np.float64]:
        """Mean size of the change of the output for one deviation more of each unit, shape (N,)."""
        total = torch.zeros(self.held.values.shape[1], dtype=torch.float64)
        for k, reader in enumerate(self.readers):
            linear = reader.linear()
            if linear is None:
                return np.full(len(total), np.nan)
            weights, offset = (torch.from_numpy(part).to(self.rows.device) for part in linear)
            own = np.flatnonzero(self.fold == k)
            for some in np.array_split(own, -(-len(own) // 1024)):
                total += self._sizes(some, weights, offset, reader).cpu()
        deviation = self.held.values.double().std(dim=0, correction=0).cpu()
        return np.asarray((total / len(self.y) * deviation).numpy())

    def _sizes(self, some: NDArray[np.int64], weights: Tensor, offset: Tensor, reader: Readout) -> Tensor:
        """Sum over rows of the size of the gradient, for each unit; a unit's bins of the window together."""
        with torch.enable_grad():
            windows = (
                self.held.gather(self.rows[torch.from_numpy(some).to(self.rows.device)]).clone().requires_grad_(True)
            )
            out = self.network.embed(windows).double() @ weights + offset
            classes: NDArray[Any] | None = getattr(reader, "classes_", None)
            if classes is not None:
                code = torch.from_numpy(np.searchsorted(classes, self.y[some])).to(out.device)
                outputs = [torch.log_softmax(out, dim=1).gather(1, code[:, None]).sum()]
            else:
                true = np.asarray(self.y, dtype=np.float64).reshape(len(self.y), -1)
                unit = np.ones(out.shape[1]) if self.headline == "accuracy" else np.maximum(true.std(axis=0), 1e-12)
                outputs = list((out / torch.from_numpy(unit).to(out.device)).sum(dim=0))
            slopes = [torch.autograd.grad(one, windows, retain_graph=True)[0].double().sum(dim=1) for one in outputs]
        return torch.stack(slopes).square().sum(dim=0).sqrt().sum(dim=0)
