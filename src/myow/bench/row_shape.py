"""What a line of a bench's rows.jsonl must hold; files are altered by hand, and of other versions."""

from __future__ import annotations

from typing import Any

from ..disk.shape import NUMBER, each, mapping, misfit, optional, whole
from .summary import METRICS

__all__ = ["fit_row", "image_row"]

_SAID = {"key": str, "dataset": str, "checksum": str, "method": str, "settings": dict, "seed": whole(), "version": str,
         "torch": str, "machine": str, "error": optional(str)}  # fmt: skip
_JOB = _SAID | {
    "fit_key": str,
    "uses_labels": bool,
    "protocol": str,
    "fold": whole(),
    "folds": whole(1),
    "context": each(whole(), whole()),
    "rows": str,
    "target": str,
    "tasks": [each(str, str)],
    "draws": whole(1),
    "scores": list,
}
_CONFUSION = {"classes": list, "counts": [[NUMBER]]}
_SCORE = {
    "readout": str,
    "labels": str,
    "control": optional(str),
    "majority": optional(NUMBER),
    "n_classes": optional(whole(1)),
    "label_unit": optional(str),
    "interval": optional(each(NUMBER, NUMBER)),
    **dict.fromkeys(METRICS, optional(NUMBER)),
}
_FITTED = {
    "period": optional(NUMBER),
    "n_train": whole(1),
    "n_valid": whole(),
    "n_test": whole(1),
    "seconds": NUMBER,
    "scores": [_SCORE],
}

READOUTS = {"linear", "knn"}
_FOUND = mapping({"accuracy": NUMBER, "majority": NUMBER, "interval": each(NUMBER, NUMBER)})
_IMAGES = _SAID | {
    "subset": str,
    "encoder": str,
    "width": whole(1),
    "tasks": [str],
    "readout_epochs": whole(1),
    "scores": dict,
}
_TRAINED = {"steps": whole(), "epochs": NUMBER, "scores": mapping(mapping(_FOUND))}


def fit_row(row: Any) -> str:
    """Say what is wrong with a row of a bench of recordings; "" if nothing is."""
    wrong = misfit(row, _JOB) or ("" if row["error"] is not None else misfit(row, _FITTED))
    if wrong:
        return wrong
    for score in row["scores"]:
        confusion = score.get("confusion") if isinstance(score, dict) else None
        if confusion is not None and (inner := misfit(confusion, _CONFUSION)):
            return f"confusion: {inner}"
        if confusion is not None and {len(confusion["classes"])} != {
            len(confusion["counts"]),
            *map(len, confusion["counts"]),
        }:
            return "confusion is no square of its classes"
    return ""


def image_row(row: Any) -> str:
    """Say what is wrong with a row of a bench of images; "" if nothing is."""
    wrong = misfit(row, _IMAGES) or ("" if row["error"] is not None else misfit(row, _TRAINED))
    if wrong:
        return wrong
    for labels, found in row["scores"].items():
        if not (labels == "all" or labels.isdecimal()):
            return f"scores hold {labels!r:.20}"
        for of in ("embedding", "raw", "untrained"):
            if of not in found or not set(found[of]) >= READOUTS:
                return f"scores.{labels} lack a readout of {of}"
    return ""
