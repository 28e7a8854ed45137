"""The settings of mining."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import SettingError, unknown_name

__all__ = ["MiningSettings", "check_mining"]

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
        so many rows drawn each step from the whole recording, which is encoded anew every `pool_refresh` steps (of more than
        50,000 rows, 20,000 are, in short stretches that change each time); or the last `pool_size` representations of the
        batches' rows, kept in a queue. Rows of the last three are not augmented.
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


def check_mining(settings: MiningSettings) -> None:
    """Refuse settings that cannot work.

    Raises
    ------
    SettingError
        If one is out of its range or contradicts another; `UnknownNameError` if a name is none of the choices.
    """
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
