"""MYOW: Mine Your Own vieW (Azabou et al. 2021), BYOL that also predicts mined views."""

from __future__ import annotations

from dataclasses import dataclass

from ..estimators.mined import MinedEstimator

__all__ = ["MYOW"]


@dataclass(kw_only=True, eq=False, repr=False)
class MYOW(MinedEstimator):
    r"""Learn by predicting another view of a row, and mined views: near neighbours from elsewhere in the recording.

    On top of BYOL's loss L, the online representation :math:`y = f(x)` of each anchor looks up its k nearest target
    representations among candidates that are not excluded; one of them, y', is chosen at random and predicted through a
    second projector h cascaded on the first: :math:`L_m = 1 - \cos(q_m(h(g(y))), h'(g'(y')))`. The total is
    :math:`(1 - a) L + a L_m`, with a rising to `mined_weight`.

    All parameters are keyword arguments, described in `myow.graphs.mining_settings.MiningSettings`,
    `myow.estimators.bootstrap.BootstrapEstimator`, `myow.estimators.view.ViewEstimator` and
    `myow.estimators.trained.TrainedEstimator`.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> MYOW(steps=5, dim=4, random_state=0).fit(counts).transform(counts).shape
    (60, 4)
    """
