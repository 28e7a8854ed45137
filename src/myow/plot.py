"""Figures of embeddings, trainings and evaluations, as matplotlib figures."""

from __future__ import annotations

from .figures.decoding import draw_confusion as confusion
from .figures.decoding import draw_decoding as decoding
from .figures.decoding import draw_label_curves as label_curves
from .figures.embedding import draw_embedding as embedding
from .figures.mined import draw_mined_views as mined_views
from .figures.training import draw_learning_curves as training

__all__ = ["confusion", "decoding", "embedding", "label_curves", "mined_views", "training"]
