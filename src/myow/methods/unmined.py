"""MYOW's own twin with mining switched off: what mining is worth is the difference to it."""

from __future__ import annotations

from dataclasses import dataclass

from ..estimators.mined import MinedEstimator

__all__ = ["Unmined"]


@dataclass(kw_only=True, eq=False, repr=False)
class Unmined(MinedEstimator):
    """Learn as MYOW does, with all of its defaults, but from augmented views alone.

    Against `myow.BYOL`, which has defaults of its own, MYOW differs in more than mining; against this one in nothing else.

    Parameters
    ----------
    **others
        See `myow.MYOW`; those that say how views are mined change nothing unless `mined_weight` is set.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> Unmined(steps=5, dim=4, random_state=0).fit(counts).transform(counts).shape
    (60, 4)
    """

    mined_weight: float = 0.0
