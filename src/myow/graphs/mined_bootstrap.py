"""BYOL's networks that also predict mined views (Azabou et al. 2021)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..augment.image import ImageAugment, ImageDraws
from ..errors import SettingError
from ..layers.perceptron import perceptron
from ..losses import cosine_loss, masked_mean
from ..mining.exact import mine
from ..mining.memory_queue import MemoryQueue
from ..processes import current
from ..training.optim import ramp
from ..training.progress import number
from ..views.contexts import choose_contexts
from ..views.image_views import shared_draws
from ..views.windows import TrainingRows
from .bootstrap import Bootstrap, frozen_copy
from .candidate_bank import CandidateBank, draw_rows
from .mining_rule import mining_rule
from .mining_settings import MiningSettings, check_mining
from .paired_views import Pair

__all__ = ["MinedBootstrap"]


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
    mine_sessions : {"all", "within", "across"}, optional
        Which sessions' rows are candidates, see `myow.graphs.mining_rule.mining_rule`.
    **bootstrap
        See `myow.graphs.bootstrap.Bootstrap`.
    """

    def __init__(
        self,
        encoder: nn.Module,
        n_units: int,
        dim: int,
        *,
        mining: MiningSettings,
        batch_size: int,
        milder: ImageAugment | None = None,
        mine_sessions: str = "all",
        **bootstrap: Any,
    ) -> None:
        super().__init__(encoder, n_units, dim, **bootstrap)
        check_mining(mining)
        self.mining = mining
        self.milder = milder
        self.mine_sessions = mine_sessions
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
        self.k = self._k(len(data))
        self.rule = mining_rule(data, self.mining.exclude, self.mining.exclude_gap, self.mine_sessions)
        near, _ = choose_contexts(data.data, self.mining.key_bins, None, 0)
        self.key_bins = near if self.mining.pool == "recording" else 0
        if self.mining.pool == "recording":
            size, every = self.mining.pool_size, self.mining.pool_refresh
            self.bank = CandidateBank(data, self.dim, key_bins=self.key_bins, pool_size=size, every=every)
            self.capturable = self.bank.whole  # of a changing part, what is encoded has no fixed shape
        elif self.mining.pool == "queue":
            self.queue = MemoryQueue(self.mining.pool_size, self.dim).to(data.device)

    def unbind(self) -> None:
        """Let go of the bank of candidates too."""
        super().unbind()
        del self.rule
        if self.mining.pool == "recording":
            del self.bank
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
            case "sample":
                pool = draw_rows(len(self.data), self.mining.pool_size, generator)
            case _:
                pool = self.bank.draw(generator)
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
        queries = self.bank.queries(anchors, self._encode) if self.key_bins else y
        if self.mining.pool == "queue":
            excluded = self.rule.excluded_of(anchors, self.queue)
        else:
            excluded = self.rule.excluded(anchors, pool)
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
                keys, y_pool = self.bank.candidates(pool, self._encode)
                return pool, keys, y_pool, z_target
        # Each process encodes its share of the candidates, and all of them mine among all.
        own = self.target.encoder(self._mild(pool[world.share(len(pool))], views.of_pool))
        y_pool = world.gather_values(own)
        if self.mining.pool == "queue":
            self.queue.push(pool, y_pool.float())
            pool, y_pool = self.queue.rows, self.queue.values
        return pool, y_pool, y_pool, z_target

    def _encode(self, rows: Tensor) -> Tensor:
        """Encode rows as recorded by the target, by running statistics, since they may be far more than a batch."""
        training = self.target.training
        self.target.eval()
        y: Tensor = self.target.encoder(self.scaling(self.data.gather(rows)))
        self.target.train(training)
        return y

    def phase(self, progress: float) -> Hashable:
        """Tell apart steps before mining begins, steps of mining, and those that refresh the bank."""
        mining = self._weight(progress) > 0
        return mining, mining and self.mining.pool == "recording" and self.bank.due()

    def replayed(self, progress: float) -> None:
        """Count a replayed step of mining."""
        if self.mining.pool == "recording" and self._weight(progress) > 0:
            self.bank.age += 1

    def _weight(self, progress: float) -> float:
        """Weight of the mined term."""
        return self.mining.mined_weight * ramp(progress, self.mining.mined_start, self.mining.mined_ramp)

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

    def _k(self, n_rows: int) -> int:
        """Decide k from the number of rows at hand."""
        settings = self.mining
        batch = min(self.batch_size, n_rows)
        two = 2 if self.symmetric else 1
        pool = batch * two if settings.pool == "batch" else min(settings.pool_size, n_rows)
        k = settings.k if settings.k is not None else max(1, min(10, pool // 4))
        if k > pool:
            raise SettingError(
                f"k is {k}, but the candidate pool holds {pool} rows; choose a smaller k or a larger pool"
            )
        return k


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
