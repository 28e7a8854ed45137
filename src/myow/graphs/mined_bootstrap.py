"""BYOL's networks that also predict mined views (Azabou et al. 2021), and the settings of mining."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..augment.image import ImageAugment, ImageDraws
from ..errors import DataError, SettingError, unknown_name
from ..layers.perceptron import perceptron
from ..losses import cosine_loss, masked_mean
from ..mining.exact import default_gap, excluded_pairs, excluded_ranges, mine
from ..mining.memory_queue import MemoryQueue
from ..processes import current
from ..training.optim import ramp
from ..training.progress import number
from ..views.contexts import choose_contexts
from ..views.image_views import shared_draws
from ..views.windows import TrainingRows, positive_ranges
from .bootstrap import Bootstrap, frozen_copy
from .paired_views import Pair

__all__ = ["MinedBootstrap", "MiningSettings"]

POOLS = ("batch", "sample", "recording", "queue")
LAYOUTS = ("cascaded", "parallel", "single")
EXCLUDES = ("auto", "segment", "time", "self")
ANCHORS = ("view", "row")


@dataclass(kw_only=True, eq=False, repr=False)
class MiningSettings:
    """Which candidates are mined, and how much what is mined weighs.

    Parameters
    ----------
    k : int, optional
        Neighbours to choose from. Default: 10, or fewer if the pool is smaller than 40.
    pool : {"batch", "sample", "recording", "queue"}, optional
        Candidates: the target's view of the batch and its positives; `pool_size` rows drawn and encoded anew each step;
        so many rows drawn each step from the whole recording, which is encoded anew every `pool_refresh` steps; or the
        last `pool_size` representations of the batches' rows, kept in a queue. Rows of the last three are not augmented.
        A pool of the recording needs room for T representations.
    pool_size, pool_refresh : int, optional
        See `pool`.
    key_bins : int, optional
        With ``pool="recording"``, anchors and candidates are compared not by the representation of their own bin but by
        the mean over so many bins on either side, inside the segment, of unit representations by the target. A bin of 0.1 s holds few
        spikes; what surrounds it says better which other moments are like it, and the network learns to tell from the bin
        alone. With 0, or another pool, the anchor's online representation is looked up (Azabou et al. 2021).
        Default: as many as RP calls near, see `myow.views.contexts.choose_contexts`: in trials two thirds of
        the median one, never more than 10.
    views : int, optional
        Neighbours that are drawn, with replacement, and whose unit projections are averaged to what is predicted.
    exclude : {"auto", "segment", "time", "self"}, optional
        What an anchor may not mine: its own segment; rows of its segment within `exclude_gap` seconds; or only itself.
        "auto" takes segments if there are two or more, else time.
    exclude_gap : float, optional
        Seconds. Default: a hundredth of the recording's duration, at least ten bins and at most a quarter of it.
    mined_anchor : {"view", "row"}, optional
        Whether the anchor looks up and predicts from its augmented view, or from its row as recorded, encoded once more.
    layout : {"cascaded", "parallel", "single"}, optional
        Whether the mined projector stands on the projection g(y), on the representation y, or is the first projector.
    mined_projector : tuple of int, optional
        Hidden and output widths of h; an embedding by prediction has the latter. Default: 128 and `dim`.
    mined_predictor : int, optional
        Hidden width of q_m.
    mined_weight : float, optional
        Final weight a, in [0, 1].
    mined_start, mined_ramp : float, optional
        Share of training after which mining begins, and over which a rises linearly.
    """

    k: int | None = None
    pool: Literal["batch", "sample", "recording", "queue"] = "recording"
    pool_size: int = 1024
    pool_refresh: int = 10
    key_bins: int | None = None
    views: int = 1
    exclude: Literal["auto", "segment", "time", "self"] = "auto"
    exclude_gap: float | None = None
    mined_anchor: Literal["view", "row"] = "view"
    layout: Literal["cascaded", "parallel", "single"] = "cascaded"
    mined_projector: tuple[int, ...] | None = None
    mined_predictor: int = 128
    mined_weight: float = 0.4
    mined_start: float = 0.0
    mined_ramp: float = 0.1


@dataclass(frozen=True)
class MinedViews:
    """What one step of mining needs besides weights.

    Parameters
    ----------
    pair : Pair
        Two views of each row.
    choice : Tensor, shape (A, V)
        Random numbers that choose among neighbours.
    pool : Tensor of int64, shape (P,)
        Rows of the candidates; with a queue, those that are put into it at this step.
    of_pool, of_anchors : ImageDraws or None
        How the milder transform changes images of the pool, and of the anchors where those are looked up as recorded.
    """

    pair: Pair
    choice: Tensor
    pool: Tensor
    of_pool: ImageDraws | None
    of_anchors: ImageDraws | None


class MinedBootstrap(Bootstrap):
    """The graph of MYOW.

    Parameters
    ----------
    encoder, n_units, dim
        See `myow.graphs.bootstrap.Bootstrap`.
    mining : MiningSettings
        Which candidates are mined.
    batch_size : int
        Anchors per step, of which there may be fewer if the rows are fewer.
    milder : ImageAugment, optional
        How images are changed before they become candidates; rows of recordings are not.
    **bootstrap
        See `myow.graphs.bootstrap.Bootstrap`.
    """

    bank: Tensor
    keys: Tensor
    age: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        n_units: int,
        dim: int,
        *,
        mining: MiningSettings,
        batch_size: int,
        milder: ImageAugment | None = None,
        **bootstrap: Any,
    ) -> None:
        super().__init__(encoder, n_units, dim, **bootstrap)
        _check(mining)
        self.mining = mining
        self.milder = milder
        self.dim = dim
        self.batch_size = batch_size
        activation = bootstrap["activation"]
        below = dim if mining.layout == "parallel" else self.projected
        above: nn.Module = nn.Identity()
        width = below
        if mining.layout != "single":
            widths = (128, dim) if mining.mined_projector is None else tuple(mining.mined_projector)
            above = perceptron((below, *widths), activation)
            width = widths[-1] if widths else below
        if width < 2:
            raise SettingError("the mined projection has 1 dimension, where directions teach nothing; use 2 or more")
        self.mined_projector = above
        self.mined_predictor = perceptron((width, mining.mined_predictor, width), activation)
        self.mined_target = frozen_copy(above)

    def average_pairs(self) -> list[tuple[Tensor, Tensor]]:
        """Tie the mined projectors together too."""
        mined = zip(self.mined_target.parameters(), self.mined_projector.parameters(), strict=True)
        return [*super().average_pairs(), *mined]

    def bind(self, data: TrainingRows) -> None:
        """Fix the rule of exclusion, and refuse a recording in which some row could mine nothing."""
        super().bind(data)
        self.k, how, gap = self._rule(data)
        near, _ = choose_contexts(data.data, self.mining.key_bins, None, 0)
        self.key_bins = near if self.mining.pool == "recording" else 0
        barred = excluded_ranges(data.data.groups, data.data.times, how=how, gap=gap)
        self.barred = torch.from_numpy(barred).to(data.device)
        if self.mining.pool == "recording":
            around = positive_ranges(data.data, -self.key_bins, self.key_bins)
            self.around = torch.from_numpy(around).to(data.device)
            # Buffers while training lasts, so that a resumed run mines from the same bank.
            for name in ("bank", "keys"):
                self.register_buffer(name, torch.zeros(len(data), self.dim, device=data.device))
            # On the CPU: it decides what is done next, and nobody should wait for a GPU to know that.
            self.register_buffer("age", torch.zeros((), dtype=torch.int64))
        elif self.mining.pool == "queue":
            self.queue = MemoryQueue(self.mining.pool_size, self.dim).to(data.device)

    def unbind(self) -> None:
        """Let go of the bank of candidates too."""
        super().unbind()
        del self.barred
        if self.mining.pool == "recording":
            del self.around, self.bank, self.keys, self.age
        elif self.mining.pool == "queue":
            del self.queue

    def draw(self, rows: Tensor, generator: torch.Generator) -> MinedViews:
        """Add, to the two views, the random numbers that choose among neighbours and the rows of the candidates."""
        pair = self.pair(rows, generator)
        n = len(rows) * (1 if self.mining.mined_anchor == "row" or not self.symmetric else 2)
        choice = torch.rand((n, self.mining.views), generator=generator, device=rows.device)
        match self.mining.pool:
            case "batch":
                pool = pair.rows.flip(0).flatten() if self.symmetric else pair.rows[1]
            case "queue":
                pool = rows
            case _:
                size = min(self.mining.pool_size, len(self.data))
                pool = torch.randperm(len(self.data), generator=generator, device=rows.device)[:size]
        of_pool = of_anchors = None
        if self.milder is not None:
            if self.mining.pool in ("queue", "sample"):
                of_pool = shared_draws(self.milder, len(pool), generator)
            if self.mining.mined_anchor == "row":
                of_anchors = shared_draws(self.milder, len(rows), generator)
        return MinedViews(pair, _own(choice, n // len(rows)), pool, of_pool, of_anchors)

    def anchors(self, pair: Pair) -> Tensor:
        """Rows that mine: those of every view that the online network sees, or each row once, as recorded."""
        return pair.rows[0] if self.mining.mined_anchor == "row" else self.sides(pair.rows)[0].flatten()

    def loss(self, views: MinedViews, progress: float) -> dict[str, Tensor]:
        """Return both terms and their weighted sum, and the pairs of rows that were mined."""
        pair = views.pair
        augmented, y, z, y_target, z_target = self.bootstrap(pair.x)
        if self._weight(progress) == 0:
            return {"loss": augmented, "augmented": augmented}
        anchors = self.anchors(pair)
        if self.mining.mined_anchor == "row":
            y, z = self.online(self._mild(anchors, views.of_anchors))
        with torch.no_grad():
            found, mined_rows, goal = self._mine(y, y_target, z_target, anchors, views)
        prediction = self.mined_predictor(self._above(self.mined_projector, y, z))
        mined = _mean(cosine_loss(prediction, goal), found)
        total = number(progress, lambda p: 1 - self._weight(p)) * augmented + number(progress, self._weight) * mined
        pairs = torch.stack([anchors[:, None].expand_as(mined_rows), mined_rows], dim=2).flatten(0, 1)
        return {"loss": total, "augmented": augmented, "mined": mined, "mined_pairs": pairs}

    def predict(self, y: Tensor) -> Tensor:
        """Predict a mined view's projection, shape (B, Z), from representations (B, dim); if none are mined, as BYOL does."""
        if self.mining.mined_weight == 0:
            return super().predict(y)
        prediction: Tensor = self.mined_predictor(self._above(self.mined_projector, y, self.online.projector(y)))
        return prediction

    def _above(self, projector: nn.Module, y: Tensor, z: Tensor) -> Tensor:
        """Apply a mined projector where the layout puts it."""
        above: Tensor = projector(y if self.mining.layout == "parallel" else z)
        return above

    def _mild(self, rows: Tensor, draws: ImageDraws | None) -> Tensor:
        """Return rows as they are looked at in mining, scaled: as recorded, or an image through the milder transform."""
        x = self.data.gather(rows)
        if self.milder is not None and draws is not None:
            x = self.milder.apply(x, draws)
        scaled: Tensor = self.scaling(x)
        return scaled

    def _mine(
        self, y: Tensor, y_target: Tensor, z_target: Tensor, anchors: Tensor, views: MinedViews
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Find for each of A anchors whether there was a candidate (A,), the rows mined (A, V), -1 for none, and what is
        to be predicted (A, Z).
        """  # noqa: D205
        pool, keys, y_pool, projected = self._candidates(y_target, z_target, views)
        queries = self.keys[anchors] if self.key_bins else y
        if self.mining.pool == "queue":
            excluded = self.queue.excluded(anchors, self.barred)
        else:
            excluded = excluded_pairs(anchors, pool, self.barred)
        with torch.autocast(y.device.type, enabled=False):  # neighbours are told by small differences
            index, found = mine(queries.float(), keys.float(), self.k, excluded, views.choice)
        rows = torch.where(found[:, None], pool[index], -1)
        return found, rows, self._mined_target(index, y_pool, projected)

    def _candidates(
        self, y_target: Tensor, z_target: Tensor, views: MinedViews
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Rows of the candidates (P,), what is compared (P, dim), their representations, and for pool "batch" mined projections."""
        pool, world = views.pool, current()
        match self.mining.pool:
            case "batch":
                projected = self._above(self.mined_target, y_target, z_target)
                pool, y_pool, projected = (world.gather_values(part) for part in (pool, y_target, projected))
                return pool, y_pool, y_pool, projected
            case "recording":
                if self._due():
                    self._refresh()
                self.age += 1
                return pool, self.keys[pool], self.bank[pool], z_target
        # Each process encodes its share of the candidates, and all of them mine among all.
        own = self.target.encoder(self._mild(pool[world.share(len(pool))], views.of_pool))
        y_pool = world.gather_values(own)
        if self.mining.pool == "queue":
            self.queue.push(pool, y_pool.float())
            pool, y_pool = self.queue.rows, self.queue.values
        return pool, y_pool, y_pool, z_target

    def phase(self, progress: float) -> Hashable:
        """Tell apart steps before mining begins, steps of mining, and those that refresh the bank."""
        mining = self._weight(progress) > 0
        return mining, mining and self.mining.pool == "recording" and self._due()

    def replayed(self, progress: float) -> None:
        """Count a replayed step of mining."""
        if self.mining.pool == "recording" and self._weight(progress) > 0:
            self.age += 1

    def _weight(self, progress: float) -> float:
        """Weight of the mined term."""
        return self.mining.mined_weight * ramp(progress, self.mining.mined_start, self.mining.mined_ramp)

    def _due(self) -> bool:
        """Whether the bank is to be refreshed."""
        return int(self.age) % self.mining.pool_refresh == 0

    def _refresh(self) -> None:
        """Encode the whole recording by the target."""
        self.target.eval()  # running statistics, since the whole recording may be far larger than a batch
        for rows in torch.split(torch.arange(len(self.data), device=self.bank.device), 4096):
            self.bank[rows] = self.target.encoder(self.scaling(self.data.gather(rows)))
        self.target.train()
        if not self.key_bins:
            self.keys.copy_(self.bank)
            return
        # Means over runs of rows are differences of running sums, in double precision since the sums are long.
        sums = F.pad(F.normalize(self.bank.double(), dim=1).cumsum(dim=0), (0, 0, 1, 0))
        first, last = self.around.unbind(1)
        self.keys.copy_((sums[last + 1] - sums[first]) / (last - first + 1)[:, None])

    def _mined_target(self, index: Tensor, y_pool: Tensor, projected: Tensor) -> Tensor:
        """What each anchor is to predict, from mined candidates (A, views): their projections by the target, averaged."""
        if self.mining.pool == "batch":
            mined = projected[index]
        else:
            chosen = y_pool[index.flatten()]
            # In parallel layout the mined projector stands on y, and nothing would read the projection.
            z = chosen if self.mining.layout == "parallel" else self.target.projector(chosen)
            mined = self._above(self.mined_target, chosen, z).view(*index.shape, -1)
        return mined[:, 0] if self.mining.views == 1 else F.normalize(mined, dim=2).mean(dim=1)

    def _rule(self, data: TrainingRows) -> tuple[int, str, float]:
        """Decide k, the rule of exclusion and its gap from the rows at hand."""
        settings, n_rows = self.mining, len(data)
        batch = min(self.batch_size, n_rows)
        two = 2 if self.symmetric else 1
        pool = batch * two if settings.pool == "batch" else min(settings.pool_size, n_rows)
        k = settings.k if settings.k is not None else max(1, min(10, pool // 4))
        if k > pool:
            raise SettingError(
                f"k is {k}, but the candidate pool holds {pool} rows; choose a smaller k or a larger pool"
            )
        segments = torch.unique(data.groups)
        how = settings.exclude
        if how == "auto":
            how = "segment" if len(segments) > 1 else "time"
        gap = default_gap(data.data.times, settings.exclude_gap)
        if how == "segment" and len(segments) == 1:
            raise DataError(
                "no candidate is left: the recording is one segment and exclude='segment'; use exclude='time'"
            )
        if how == "time" and len(segments) == 1:
            farthest = torch.maximum(data.times - data.times[0], data.times[-1] - data.times)
            if gap >= float(farthest.min()) and n_rows > 1:
                raise DataError(
                    f"no candidate is left: exclude_gap is {gap:g} s, but nothing lies that far from the row at "
                    f"{float(data.times[farthest.argmin()]):g} s; use a gap below {float(farthest.min()):g} s"
                )
        if n_rows < 2:
            raise DataError("no candidate is left: mining needs two or more rows")
        return k, how, gap


def _own(choice: Tensor, sides: int) -> Tensor:
    """Return those of the numbers of all anchors, (S * B, V), that belong to this process's share of the batch."""
    n = len(choice) // sides
    return choice.view(sides, n, -1)[:, current().share(n)].flatten(0, 1)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over all anchors that found a candidate, so that its mean over processes is that of one process."""
    world = current()
    if world.alone:
        return masked_mean(values, mask)
    return (values * mask).sum() * world.size / world.total(mask.sum()).clamp(min=1)


def _check(settings: MiningSettings) -> None:
    for name, choices in (("pool", POOLS), ("layout", LAYOUTS), ("exclude", EXCLUDES), ("mined_anchor", ANCHORS)):
        if getattr(settings, name) not in choices:
            raise unknown_name(name, str(getattr(settings, name)), choices)
    if not 0 <= settings.mined_weight <= 1:
        raise SettingError(f"mined_weight is {settings.mined_weight}; it must lie between 0 and 1")
    if settings.k is not None and settings.k < 1:
        raise SettingError(f"k is {settings.k}; it must be 1 or more")
    for name, least in (
        ("pool_size", 2),
        ("views", 1),
        ("pool_refresh", 1),
        ("mined_predictor", 1),
        ("mined_start", 0),
        ("mined_ramp", 0),
    ):
        if getattr(settings, name) < least:
            raise SettingError(f"{name} is {getattr(settings, name)}; it must be {least} or more")
    if any(width < 1 for width in settings.mined_projector or ()):
        raise SettingError(f"mined_projector is {settings.mined_projector}; it must be widths of 1 or more")
    if settings.key_bins is not None and settings.key_bins < 0:
        raise SettingError(f"key_bins is {settings.key_bins}; it must be 0 or more")
    if settings.key_bins and settings.pool != "recording":
        raise SettingError(
            f"key_bins is {settings.key_bins}, but pool='{settings.pool}' holds no rows around its candidates; use pool='recording'"
        )
    if settings.exclude_gap is not None and not 0 <= settings.exclude_gap < float("inf"):
        raise SettingError(f"exclude_gap is {settings.exclude_gap}; it must be 0 or more seconds")
