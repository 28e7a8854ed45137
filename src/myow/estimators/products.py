"""What a fitted model is handed on as: a file, a card, a stream, a graph that other programs run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..disk.model_file import finite, write_model
from ..version import __version__

if TYPE_CHECKING:
    from .stream import Stream

__all__ = ["Products", "plain"]


class Products:
    """What every method's estimator offers once it is fitted.

    It then knows what it was trained on as ``trained_on_`` (see `myow.data.identity.identify`), the last metrics of its training
    and what it was evaluated to be worth as ``metrics_``, and the version of this package as ``version_``.
    """

    learns_from: ClassVar[str]
    learnt: ClassVar[tuple[str, ...]]
    trained_on_: list[dict[str, Any]]
    metrics_: dict[str, Any]
    version_: str

    def save(
        self: Any,
        path: str | os.PathLike[str],
        *,
        evaluations: Sequence[Mapping[str, Any]] = (),
        **about: Any,
    ) -> None:
        """Write the fitted model as one file, whole or not at all; `myow.load_model` reads it.

        Parameters
        ----------
        path : path-like
            Usually ends in ``.myow``.
        evaluations : sequence of mapping, optional
            What `myow.evaluate` returned for it, to travel with it and stand in its card. Default: those it came with.
        **about
            Anything JSON can hold that should travel with it, such as how it was trained.

        Raises
        ------
        FileError
            If the file cannot be written.
        SettingError
            If JSON cannot hold what should travel with it.
        """
        check_is_fitted(self, "method_")
        settings = self.get_params()
        # Code is not saved: an encoder or augmentation of one's own is named, and given again at loading.
        code = sorted(k for k, v in settings.items() if callable(v))
        metrics = dict(self.metrics_)
        if evaluations:
            metrics["evaluations"] = [dict(found) for found in evaluations]
        header = {
            "version": __version__,
            "data": self.learns_from,
            "method": type(self).__module__.rsplit(".", 1)[-1].replace("_", "-"),
            "settings": {k: plain(v) for k, v in settings.items() if k not in code} | {"random_state": self.seed_},
            "code": code,
            "learnt": {k: plain(getattr(self, k)) for k in self.learnt},
            "trained_on": self.trained_on_,
            "metrics": finite(metrics),
            "about": about,
        }
        write_model(path, header, self.method_.state_dict())

    def card(self: Any, *, evaluations: Sequence[Mapping[str, Any]] = ()) -> str:
        """Describe the fitted model in Markdown: what it was trained on, what it is for and what not, settings, metrics, citation.

        Parameters
        ----------
        evaluations : sequence of mapping, optional
            What `myow.evaluate` returned for it. Default: those that were saved with it.
        """
        from .card import model_card

        return model_card(self, evaluations)

    def stream(self: Any, session: str | None = None) -> Stream:
        """Embed as data comes, one bin at a time; see `myow.estimators.stream.Stream`.

        Parameters
        ----------
        session : str, optional
            The session whose units will come, where the model was trained on several.

        Returns
        -------
        Stream
            ``stream.push(counts)`` takes one bin and gives its embedding; ``stream.reset()`` begins a segment.

        Raises
        ------
        SettingError
            If the model needs bins that are still to come, learns from images, or has several sessions and none is named.
        """
        from .stream import Stream

        return Stream(self, session)

    def export(self: Any, path: str | os.PathLike[str], session: str | None = None) -> Path:
        """Write the embedding as an ONNX graph, whole or not at all, for programs without this package.

        Its input "counts", float32 of shape (batch, W, N), are windows of values as recorded, W being before + 1 + after
        bins and N units; its output "embedding", shape (batch, D), is what `transform` gives for the windows' rows. The
        transform of the input, scaling and normalisation are inside. Its metadata "myow" is a JSON object: "bin_size", "units",
        "context", "method", "kind", "version" and what it was trained on.

        Parameters
        ----------
        path : path-like
            Usually ends in ``.onnx``.
        session : str, optional
            The session whose units it takes, where the model was trained on several.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        SettingError
            If the extra ``onnx`` is not installed, the model learns from images, or its encoder cannot be exported.
        FileError
            If the file cannot be written.
        """
        from .export import export_model

        return export_model(self, Path(path), session)


def plain(value: Any) -> Any:
    """Turn a setting, which may come from a NumPy grid, into what JSON can hold."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value
