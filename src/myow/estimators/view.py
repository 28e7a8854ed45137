"""Parameters of the methods that compare augmented views of a row and of its temporal positive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .adaptable import AdaptableEstimator

__all__ = ["ViewEstimator"]


@dataclass(kw_only=True, eq=False, repr=False)
class ViewEstimator(AdaptableEstimator):
    """Settings of views.

    Parameters
    ----------
    positives : tuple of int, optional
        Offsets (earliest, latest) in bins of a row's temporal positive, never outside its segment.
    shared_mask : bool, optional
        Whether both views of a sample lose the same units.
    unit_norm : bool, optional
        Whether the embedding is scaled to unit length. The losses compare directions, so that lengths were taught by
        nothing; yet they carry what a readout of real numbers, such as position or speed, can use.
    **others
        See `myow.estimators.adaptable.AdaptableEstimator`, `myow.estimators.sessions.SessionEstimator`, `myow.estimators.augmented.AugmentedEstimator` and
        `myow.estimators.trained.TrainedEstimator`.
    """

    noise_unit: Literal["input", "change"] = "change"
    noise_to: Literal["bin", "window"] = "window"
    positives: tuple[int, int] = (-4, 4)
    shared_mask: bool = False
    unit_norm: bool = False

    def view_settings(self) -> dict[str, Any]:
        """Keyword arguments of `myow.graphs.paired_views.PairedViews`.

        Raises
        ------
        SettingError
            If an augmentation's setting is out of its range or does not fit the input.
        """
        augment = self.make_augment(shared_mask=self.shared_mask)
        views = {"positives": tuple(self.positives), "augment": augment, "unit_norm": self.unit_norm}
        return views | self.session_settings()
