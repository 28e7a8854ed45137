"""What an embedding is compared with: raw counts and their principal components, with the same context window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from .recording import Recording
from .views import windows

__all__ = ["Components", "raw_features"]


def raw_features(recording: Recording, context: tuple[int, int]) -> NDArray[np.float64]:
    """Square roots of the counts of each row's window, side by side; signals stay as they are.

    Parameters
    ----------
    recording : Recording
        T rows of N units.
    context : tuple of int
        Bins (before, after).

    Returns
    -------
    ndarray, shape (T, (before + 1 + after) * N)
    """
    values = recording.counts.astype(np.float64)
    if recording.kind == "counts":
        values = np.sqrt(values)
    return values[windows(recording, *context)].reshape(len(recording), -1)


class Components:
    """The first principal components of raw features.

    Parameters
    ----------
    recording : Recording
        Rows to learn them from, without labels.
    context : tuple of int
        Bins (before, after).
    n_components : int, optional
        How many, or fewer where there are fewer rows or features.
    """

    def __init__(self, recording: Recording, context: tuple[int, int], n_components: int = 16) -> None:
        self.context = context
        features = raw_features(recording, context)
        self._pca = PCA(min(n_components, *features.shape), svd_solver="full").fit(features)

    def transform(self, recording: Recording) -> NDArray[np.float64]:
        """Project rows, shape (T, n_components)."""
        projected: NDArray[np.float64] = self._pca.transform(raw_features(recording, self.context))
        return projected
