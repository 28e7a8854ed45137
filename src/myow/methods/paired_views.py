"""Parts of the methods that compare two augmented views of each row, one of them close in time."""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.rows import group_runs
from ..errors import SettingError, unknown_name
from ..nn.read_in import SessionScaling, read_in_encoders
from ..nn.scaling import Scaling
from ..training.augment import Augment, NeuralAugment, augment_of, augmented
from ..training.distributed import current
from ..training.module import TrainingModule
from ..training.rows import SessionRows, TrainingRows, spread_rows
from ..training.windows import positive_ranges

__all__ = [
    "EmbeddingChoice",
    "EncoderProjector",
    "Pair",
    "PairedViews",
    "check_networks",
    "frozen_copy",
    "sample_positives",
    "segments_recur",
    "target_momentum",
]

EMBEDDINGS = ("representation", "prediction", "both", "auto")
"""Choices of what is embedded; "auto" is one of the others, chosen when a training begins."""

RECUR_PAIRS, RECUR_POOL = 3000, 4096  # pairs and candidates that tell whether segments recur

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Pair:
    """Two views of each sample of a batch.

    Parameters
    ----------
    rows : Tensor of int64, shape (2, B)
        Rows that the views were made from: anchors and their positives.
    x : Tensor, shape (2, B, W, N)
        Augmented and scaled windows.
    """

    rows: Tensor
    x: Tensor


class PairedViews(TrainingModule):
    """Network that compares two views of each row.

    Parameters
    ----------
    n_units : int
        Units of the recordings.
    positives : tuple of int
        Offsets (earliest, latest) in bins of the temporal positive.
    augment : NeuralAugment or callable
        How views are made; a callable gets transformed windows (V, B, W, N) and a generator, and its result is scaled.
    unit_norm : bool
        Whether embeddings have unit length.
    scaling : SessionScaling, optional
        That of several sessions, in place of one for all rows.
    """

    static = True

    def __init__(
        self,
        n_units: int,
        *,
        positives: tuple[int, int],
        augment: NeuralAugment | Augment,
        unit_norm: bool,
        scaling: SessionScaling | None = None,
    ) -> None:
        super().__init__(n_units)
        if scaling is not None:
            self.scaling = scaling
        self.unit_norm = unit_norm
        self.positives = positives
        self.augment = augment

    def prepare(self, data: TrainingRows) -> None:
        """Look up, once, which rows may be each row's positive."""
        super().prepare(data)
        ranges = positive_ranges(data.data, *self.positives).astype(np.int32)  # half the room, of millions of rows
        self.ranges = torch.from_numpy(ranges).to(data.device)
        self.augmenting = augment_of(data, self.augment, self.scaling)
        # Other rows hold no table of values: they are looked up, or of several sessions, or images.
        self.scaled = data.scaled(self.scaling) if type(data) is TrainingRows else None

    def release(self) -> None:
        """Let go of the rows and of the ranges made from them; a network with read-ins keeps some representations."""
        for encoder in list(read_in_encoders(self))[:1]:
            with torch.no_grad():
                encoder.seen.copy_(encoder(self.scaling(self.data.gather(spread_rows(self.data, len(encoder.seen))))))
        super().release()
        del self.ranges, self.augmenting, self.scaled

    def pair(self, rows: Tensor, generator: torch.Generator) -> Pair:
        """Pair every row with a positive and augment both; of several processes each does so with its share of the rows."""
        pair = torch.stack([rows, sample_positives(rows, self.ranges, generator)])[:, current().share(len(rows))]
        if self.scaled is not None and isinstance(self.augmenting, NeuralAugment) and self.augmenting.scales_first:
            return Pair(pair, self.augmenting(self.scaled.gather(pair), None, generator))
        return Pair(pair, self.view(self.data.gather(pair), generator))

    def as_recorded(self, rows: Tensor) -> Tensor:
        """Look up windows, scaled and not augmented."""
        if self.scaled is not None:
            return self.scaled.gather(rows)
        scaled: Tensor = self.scaling(self.data.gather(rows))
        return scaled

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Map scaled windows of shape (B, W, N) to representations, shape (B, dim)."""

    def embed(self, x: Tensor) -> Tensor:
        """Encode transformed windows of shape (B, W, N), shape (B, dim)."""
        y = self.encode(self.scaling(x))
        return F.normalize(y, dim=1) if self.unit_norm else y

    def view(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment and scale windows of shape (V, B, W, N)."""
        return augmented(x, self.augmenting, self.scaling, generator)


def sample_positives(rows: Tensor, ranges: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a positive for each row, uniformly from its range.

    Parameters
    ----------
    rows : Tensor of int64, shape (B,)
        Anchors.
    ranges : Tensor of int64, shape (T, 2)
        As `positive_ranges` returns them.
    generator : torch.Generator
        Source of randomness.

    Returns
    -------
    Tensor of int64, shape (B,)
    """
    first, last = ranges[rows].unbind(1)
    draw = torch.rand(len(rows), generator=generator, device=rows.device, dtype=torch.float64)
    return first + (draw * (last - first + 1)).long()


class EncoderProjector(nn.Module):
    """An encoder and the projector on top of it."""

    def __init__(self, encoder: nn.Module, projector: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.projector = projector

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map windows (B, W, N) to representations (B, D) and projections (B, Z)."""
        y = self.encoder(x)
        return y, self.projector(y)


def frozen_copy(module: M) -> M:
    """Copy a module so that no gradient reaches the copy."""
    return copy.deepcopy(module).requires_grad_(False)


def target_momentum(progress: float, base: float, schedule: str) -> float:
    """Momentum of the moving average: constant, or a half cosine from `base` to 1 (Grill et al. 2020).

    Raises
    ------
    UnknownNameError
        If the schedule is neither "constant" nor "cosine".
    """
    if schedule == "constant":
        return base
    if schedule == "cosine":
        return 1 - (1 - base) * (1 + math.cos(math.pi * progress)) / 2
    raise unknown_name("target schedule", schedule, ("constant", "cosine"))


def check_networks(
    dim: int, projector: tuple[int, ...], predictor: int, momentum: float, schedule: str, embedding: str
) -> int:
    """Refuse settings of online and target networks that cannot work, and return the width of a projection.

    Raises
    ------
    SettingError
        If one is out of its range; `UnknownNameError` if a name is none of the choices.
    """
    if embedding not in EMBEDDINGS:
        raise unknown_name("embedding", embedding, EMBEDDINGS)
    if predictor < 1 or any(width < 1 for width in projector):
        raise SettingError(f"projector {projector} and predictor {predictor} must be widths of 1 or more")
    if not 0 <= momentum <= 1:
        raise SettingError(f"target_momentum is {momentum}; it must lie between 0 and 1")
    target_momentum(0.0, momentum, schedule)  # an unknown schedule is refused now, not after a step
    projected = projector[-1] if projector else dim
    if projected < 2:
        raise SettingError("the projection has 1 dimension, where directions teach nothing; use 2 or more")
    return projected


class EmbeddingChoice(nn.Module):
    """What is embedded: representations, what is predicted from them, or both.

    Both are added in the same dimensions, the prediction at twice the length of the representation, so that the embedding is no wider:
    in some dozens of dimensions the two hardly overlap, and decoding loses a point or less over having them side by side.

    Parameters
    ----------
    embedding : {"representation", "prediction", "both", "auto"}
        Which; "auto" chooses one of the others when a training begins.
    dim, predicted : int
        Widths of representations and of predictions.

    Raises
    ------
    SettingError
        If both are asked for and their widths differ.
    """

    place: Tensor

    def __init__(self, embedding: str, dim: int, predicted: int) -> None:
        super().__init__()
        self.auto = embedding == "auto"
        self.kind = "representation" if self.auto else embedding
        self.alike = dim == predicted
        if self.kind == "both" and not self.alike:
            raise SettingError(
                f"embedding is 'both', but representations have {dim} dimensions and predictions {predicted}; give both the "
                "same width, or take 'representation'"
            )
        if self.auto:  # saved with the weights, as its place in the list
            self.register_buffer("place", torch.zeros((), dtype=torch.uint8))
            self.register_load_state_dict_post_hook(_read_choice)  # type: ignore[no-untyped-call]

    def choose(self, data: TrainingRows, scaling: Scaling) -> None:
        """Take, for "auto", both where `segments_recur` is above 1.8, else the representation.

        A prediction averages over views: it tells kinds of trials apart and forgets where in the trial a bin is. Where labels stay the
        same in a trial, adding it is worth up to ten points with one labelled trial a class; where they change, it costs as much.
        Recordings of reaches read 2.2 and more; those on a track or of taps, odours, calcium, objects, sleep or a compass 0.6 to 1.6.
        """
        if self.auto:
            recur = segments_recur(data, scaling) if self.alike else None
            self.kind = "both" if recur is not None and recur > 1.8 else "representation"
            self.place.fill_(EMBEDDINGS.index(self.kind))

    def read_place(self) -> None:
        """Take what "auto" chose from where it is saved, after that was loaded or put back."""
        if self.auto:
            self.kind = EMBEDDINGS[min(int(self.place), EMBEDDINGS.index("both"))]

    def forward(self, y: Tensor, predict: Callable[[], Tensor]) -> Tensor:
        """Return y (B, D), what `predict` makes of it (B, Z), or both (B, D)."""
        if self.kind == "representation":
            return y
        if self.kind == "prediction":
            return predict()
        both: Tensor = y + 2 * y.norm(dim=1, keepdim=True) * F.normalize(predict(), dim=1)
        return both


def _read_choice(choice: EmbeddingChoice, _: object) -> None:
    choice.read_place()


def segments_recur(data: TrainingRows, scaling: Scaling) -> float | None:
    """Measure, without labels, how much two bins of one segment resemble bins of the same other segments.

    Two bins of a segment are taken, a third of it or more apart. Each has ten nearest neighbours among bins of other segments. If
    the trial's condition, such as the direction of a reach, shows throughout, both find neighbours in the same trials. The share of
    pairs of neighbours that lie in one segment is divided by the same share of two bins of segments close in time, which holds
    what slow drift explains, and by the excess of the latter over chance. Bins are compared by the cosine of their 16 first
    principal components, without context.

    Parameters
    ----------
    data : TrainingRows
        Rows in segments; of several sessions the median counts.
    scaling : Scaling
        That of the rows.

    Returns
    -------
    float or None
        1 where segments have nothing of their own; None where there are too few pairs to tell.
    """
    if isinstance(data, SessionRows) and isinstance(scaling, SessionScaling):
        found = [segments_recur(part, scaling.of(i)) for i, part in zip(data.numbers, data.parts, strict=True)]
        known = [value for value in found if value is not None]
        return float(np.median(known)) if known else None
    rng = np.random.default_rng(0)
    starts, lengths = group_runs(data.data.groups)
    if len(starts) < 10:
        return None
    # Pairs: rows of one segment, and the place of the second in a segment close in time.
    segment = rng.integers(len(starts), size=RECUR_PAIRS)
    lag = np.maximum(2, rng.integers(lengths[segment] // 3, np.maximum(lengths[segment], lengths[segment] // 3 + 1)))
    first = (rng.random(RECUR_PAIRS) * (lengths[segment] - lag)).astype(np.int64)
    other = segment + rng.choice([-3, -2, -1, 1, 2, 3], size=RECUR_PAIRS)
    inside = (lag < lengths[segment]) & (other >= 0) & (other < len(starts))
    inside &= first + lag < lengths[other.clip(0, len(starts) - 1)]
    if inside.sum() < 50:
        return None
    segment, first, lag, other = (values[inside] for values in (segment, first, lag, other))
    pairs = np.stack([starts[segment] + first, starts[segment] + first + lag, starts[other] + first + lag])
    pool = np.sort(rng.permutation(len(data.data))[:RECUR_POOL])
    rows, place = np.unique(np.concatenate([pairs.ravel(), pool]), return_inverse=True)
    parts = torch.split(torch.from_numpy(rows).to(data.device), 512)  # what is on disk is read a part at a time
    values = torch.cat([data.look_up(part) for part in parts]).double() / scaling.deviation
    values = values - values.mean(dim=0)
    axes = torch.linalg.eigh(values.T @ values)[1][:, -16:]
    z = F.normalize(values @ axes, dim=1)
    of = torch.from_numpy(np.searchsorted(starts, rows, side="right")).to(data.device)
    candidates = torch.from_numpy(place[pairs.size :]).to(data.device)
    k = min(10, len(pool) // 2)
    near = []
    for some in torch.split(torch.from_numpy(place[: pairs.size]).to(data.device), 512):
        alike = z[some] @ z[candidates].T
        alike[of[some][:, None] == of[candidates]] = -2
        near.append(of[candidates[alike.topk(k, dim=1).indices]])
    a, b, c = torch.cat(near).view(3, -1, k)
    own = float((a[:, :, None] == b[:, None, :]).double().mean())
    near_by = float((a[:, :, None] == c[:, None, :]).double().mean())
    if near_by == 0:
        return None
    return own / near_by / max(1.0, near_by * len(starts))
