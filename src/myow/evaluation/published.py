"""Published tables, to stand beside ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = [
    "DAGGER",
    "GROUPS",
    "METHOD_NAMES",
    "PUBLISHED",
    "PUBLISHED_READOUT",
    "grouped_methods",
    "method_name",
    "published",
    "published_beside",
]

PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "chewie-1": {
        "supervised": 0.6329, "pivae": 0.6563, "autoencoder": 0.4840, "rp": 0.5921,
        "ts": 0.6016, "simclr": 0.6136, "byol": 0.6665, "myow": 0.7054,
    },
    "chewie-2": {
        "supervised": 0.7229, "pivae": 0.6060, "autoencoder": 0.4679, "rp": 0.5069,
        "ts": 0.4948, "simclr": 0.5162, "byol": 0.6456, "myow": 0.7233,
    },
    "mihi-1": {
        "supervised": 0.6364, "pivae": 0.6244, "autoencoder": 0.5094, "rp": 0.5778,
        "ts": 0.5923, "simclr": 0.5941, "byol": 0.7264, "myow": 0.7340,
    },
    "mihi-2": {
        "supervised": 0.6149, "pivae": 0.6326, "autoencoder": 0.5519, "rp": 0.5376,
        "ts": 0.5410, "simclr": 0.5629, "byol": 0.6744, "myow": 0.7180,
    },
    "rat-v1": {
        "supervised": 0.8634, "pivae": 0.7310, "autoencoder": 0.3417, "rp": 0.8293,
        "ts": 0.8245, "simclr": 0.8103, "byol": 0.8542, "myow": 0.8801,
    },
    "mouse-ca1": {
        "supervised": 0.9301, "pivae": 0.8248, "autoencoder": 0.5773, "rp": 0.8212,
        "ts": 0.8193, "simclr": 0.8194, "byol": 0.9324, "myow": 0.9370,
    },
}  # fmt: skip
"""Dataset -> method -> accuracy as a share."""

PUBLISHED_READOUT: Mapping[str, str] = {
    dataset: "class" if dataset in ("rat-v1", "mouse-ca1") else "angle" for dataset in PUBLISHED
}
"""Dataset -> the readout whose accuracy the poster printed."""

METHOD_NAMES: Mapping[str, str] = {
    "myow": "MYOW",
    "unmined": "MYOW, mining off",
    "byol": "BYOL",
    "simclr": "SimCLR",
    "rp": "RP",
    "ts": "TS",
    "autoencoder": "autoencoder",
    "pivae": "pi-VAE",
    "supervised": "supervised",
    "raw": "raw counts",
    "pca": "PCA",
    "fa": "factor analysis",
    "poisson-nb": "Poisson naive Bayes",
    "lda": "LDA",
    "untrained": "untrained encoder",
}
"""Identifier -> name in tables and figures, in the order in which they stand there."""

GROUPS = ("learnt without labels", "learnt with labels", "no learning")
"""Groups of the rows of a table."""

DAGGER = "\N{DAGGER}"
"""Mark behind the name of a method that learns from labels."""

_NO_LEARNING = ("raw", "pca", "fa", "untrained")


def published(dataset: str, method: str) -> float | None:
    """Return the poster's accuracy as a share, or None where it has none.

    Examples
    --------
    >>> published("chewie-1", "myow")
    0.7054
    >>> published("chewie-1", "raw") is None
    True
    """
    return PUBLISHED.get(dataset, {}).get(method)


def published_beside(dataset: str, method: str, *, readout: str, labels: str, metric: str) -> float | None:
    """Return the poster's figure where ours measures the same: accuracy with all labels and the poster's readout.

    Parameters
    ----------
    dataset, method : str
        Identifiers.
    readout, labels, metric : str
        What our figure is: "angle" or "class", "all" or a number, "accuracy".

    Returns
    -------
    float or None

    Examples
    --------
    >>> published_beside("mouse-ca1", "byol", readout="class", labels="all", metric="accuracy")
    0.9324
    >>> published_beside("chewie-1", "byol", readout="class", labels="all", metric="accuracy") is None
    True
    """
    same = labels == "all" and metric == "accuracy" and PUBLISHED_READOUT.get(dataset) == readout
    return published(dataset, method) if same else None


def method_name(method: str) -> str:
    """Return the name for tables; an unknown method, such as a newcomer's, goes by its identifier."""
    return METHOD_NAMES.get(method, method)


def grouped_methods(methods: Iterable[tuple[str, bool]]) -> list[tuple[str, list[str]]]:
    """Sort methods into `GROUPS`, each in the order of `METHOD_NAMES`, newcomers last by name.

    Parameters
    ----------
    methods : iterable of (str, bool)
        Identifier, and whether it learns from labels; a method may occur often.

    Returns
    -------
    list of (str, list of str)
        Groups that have a method.

    Examples
    --------
    >>> grouped_methods([("raw", False), ("new", False), ("lda", True), ("byol", False)])
    [('learnt without labels', ['byol', 'new']), ('learnt with labels', ['lda']), ('no learning', ['raw'])]
    """
    rank = {method: place for place, method in enumerate(METHOD_NAMES)}
    found: dict[str, list[str]] = {group: [] for group in GROUPS}
    with_labels: dict[str, bool] = {}
    for method, uses_labels in methods:
        with_labels[method] = with_labels.get(method, False) or uses_labels
    for method in sorted(with_labels, key=lambda m: (rank.get(m, len(rank)), m)):
        found[GROUPS[2 if method in _NO_LEARNING else int(with_labels[method])]].append(method)
    return [(group, members) for group, members in found.items() if members]
