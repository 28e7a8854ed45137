"""Supervised learning: the same encoder and augmentations as the methods without labels, trained with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..augment.neural import NeuralAugment
from ..errors import DataError, SettingError
from ..estimators.augmented import AugmentedEstimator
from ..graphs.labelled_rows import LabelledRows
from ..graphs.paired_views import Augment, augment_of, augmented
from ..views.windows import TrainingRows

__all__ = ["Supervised"]


@dataclass(kw_only=True, eq=False, repr=False)
class Supervised(AugmentedEstimator):
    r"""Learn from labels, with the encoder and the augmentations of the methods that learn without.

    An encoder f sees one augmented view x of a row, a linear head h its representation. With C classes the loss is the
    cross-entropy :math:`-\sum_c q_c \log \mathrm{softmax}(h(f(x)))_c`, where q is :math:`1 - s + s / C` for the row's own
    class and :math:`s / C` for the others, s being `label_smoothing` (Szegedy et al. 2016); with real-valued labels y it
    is :math:`|h(f(x)) - y|^2 / d`, the d columns being standardised. The embedding is f(x), below the head.

    Parameters
    ----------
    label_smoothing : float, optional
        s, from 0 to below 1; of classes only.
    **others
        See `myow.estimators.augmented.AugmentedEstimator` and `myow.estimators.trained.TrainedEstimator`.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(60, 8))
    >>> model = Supervised(steps=5, dim=4, random_state=0).fit(counts, np.arange(60) % 3)
    >>> model.transform(counts).shape, model.predict(counts).shape
    ((60, 4), (60,))
    """

    hidden: tuple[int, ...] = (128,)
    steps: int = 200
    learning_rate: float = 4e-3
    weight_decay: float = 0.1
    noise: float = 1.5
    dropout: float = 0.6
    label_smoothing: float = 0.3

    uses_labels: ClassVar[bool] = True

    def build(self, n_features: int) -> SupervisedGraph:
        """Build encoder and head for `n_features` units."""
        if not 0 <= self.label_smoothing < 1:
            raise SettingError(f"label_smoothing is {self.label_smoothing}; it must lie from 0 to below 1")
        classes = self.classes_
        if classes is not None and len(classes) < 2:
            raise DataError(
                f"all labelled rows ({self.n_labelled_}) are of class {classes[0]}, so that there is nothing to tell apart; "
                "give labels of two or more classes"
            )
        return SupervisedGraph(
            self.make_encoder(n_features),
            nn.Linear(self.dim, self.n_targets_),
            n_features,
            self.make_augment(),
            classes=classes is not None,
            label_smoothing=self.label_smoothing,
        )

    def predict(self, X: Any) -> NDArray[Any]:
        """Say the label of each row, as the head has learnt it.

        Parameters
        ----------
        X : Recording or array_like, shape (T, N)
            Rows of the same units as in training.

        Returns
        -------
        ndarray, shape (T,) or (T, d)
            Classes; or float32 real numbers in the units of the labels, shape (T,) if there was one column.

        Raises
        ------
        DataError
            As for `transform`.
        """
        z = self.transform(X)
        graph = cast(SupervisedGraph, self.method_)
        with torch.inference_mode():
            said = graph.predict(torch.from_numpy(z).to(graph.scaling.mean.device)).cpu().numpy()
        if self.classes_ is not None:
            return np.asarray(self.classes_[said.argmax(axis=1)])
        return np.asarray(said[:, 0] if self.n_targets_ == 1 else said)


class LabelledView(NamedTuple):
    """An augmented and scaled view of each row, shape (B, W, N), and its target, shape (B,) or (B, d)."""

    x: Tensor
    targets: Tensor


class SupervisedGraph(LabelledRows):
    """The graph of supervised learning.

    Parameters
    ----------
    encoder : nn.Module
        From windows (B, W, N) to representations (B, D).
    head : nn.Linear
        From there to C logits or d columns.
    n_units : int
        Units of the recordings.
    augment : NeuralAugment or callable
        See `myow.graphs.paired_views.PairedViews`.
    classes : bool
        Whether labels are classes.
    label_smoothing : float
        Of classes.
    """

    def __init__(
        self,
        encoder: nn.Module,
        head: nn.Linear,
        n_units: int,
        augment: NeuralAugment | Augment,
        *,
        classes: bool,
        label_smoothing: float,
    ) -> None:
        super().__init__(n_units, head.out_features, classes=classes)
        self.encoder = encoder
        self.head = head
        self.augment = augment
        self.label_smoothing = label_smoothing

    def bind(self, data: TrainingRows) -> None:
        """Take the labels, which must vary."""
        super().bind(data)
        self.augmenting = augment_of(data, self.augment, self.scaling)
        if not self.classes and not bool((self.targets != self.targets[0]).any()):
            raise DataError(
                f"all labelled rows ({len(self.targets)}) have the same label, so that there is nothing to tell apart; "
                "give labels that vary"
            )

    def unbind(self) -> None:
        """Let go of the rows and of the augmentation made for them."""
        super().unbind()
        del self.augmenting

    def draw(self, rows: Tensor, generator: torch.Generator) -> LabelledView:
        """Make a view of a labelled row for each of the rows, shape (B,)."""
        labelled, targets = self.pick(rows, generator)
        x = self.data.gather(labelled)[None]  # augmentations take several views
        return LabelledView(augmented(x, self.augmenting, self.scaling, generator)[0], targets)

    def loss(self, views: LabelledView, progress: float) -> dict[str, Tensor]:
        """Return how far the head is from the labels."""
        said = self.head(self.encoder(views.x))
        if self.classes:
            wrong = F.cross_entropy(said, views.targets, reduction="none", label_smoothing=self.label_smoothing)
        else:
            wrong = (said - views.targets).square().mean(dim=1)
        return {"loss": wrong.mean()}

    def embed(self, x: Tensor) -> Tensor:
        """Encode transformed windows of shape (B, W, N), shape (B, dim)."""
        y: Tensor = self.encoder(self.scaling(x))
        return y

    def predict(self, representation: Tensor) -> Tensor:
        """Return logits, shape (B, C), or columns in label units, shape (B, d), of representations (B, D)."""
        said: Tensor = self.head(representation)
        return said if self.classes else self.restore(said)
