"""Pynapple objects: a ``TsdFrame``, as pynapple itself counts spikes: times are the middles of bins.

Its time support has an epoch for each segment, with the number of the segment and the labels that are constant in segments as
metadata. Pynapple has one clock, in order: segments that come in any order are put in that of time, which the metadata
``segment`` tells; segments that overlap are refused. It puts epochs that touch a microsecond apart, and keeps times to the
nanosecond.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.embedding import Embedding
from ..errors import DataError
from ..extras import need
from ._about import LABEL
from ._lanes import ordered_spans

__all__ = ["SUFFIXES", "labels_to_tsds", "to_tsdframe"]

SUFFIXES: tuple[str, ...] = ()


def to_tsdframe(embedding: Embedding) -> Any:
    """Return an embedding as a pynapple ``TsdFrame`` with its time support.

    Parameters
    ----------
    embedding : Embedding
        What to return.

    Returns
    -------
    pynapple.TsdFrame
        Columns are the dimensions.

    Raises
    ------
    DataError
        If segments overlap in time.
    SettingError
        If pynapple is not installed.

    Examples
    --------
    >>> frame = to_tsdframe(Embedding([[0.5], [0.25], [2.0]], bin_size=0.1, segments=[4, 4, 7]))
    >>> frame.t.round(3).tolist(), frame.time_support["segment"].tolist()
    ([0.05, 0.15, 0.25], [4, 7])
    """
    nap = need("pynapple", "pynapple", "making pynapple objects")
    return _framed(nap, embedding, nap.TsdFrame, embedding.z, columns=list(embedding.dimensions))


def labels_to_tsds(embedding: Embedding) -> dict[str, Any]:
    """Return the labels that are numbers as pynapple objects, with the times and the time support of `to_tsdframe`.

    Parameters
    ----------
    embedding : Embedding
        Whose labels.

    Returns
    -------
    dict
        ``Tsd``, or ``TsdFrame`` of a label of several columns, by name.

    Raises
    ------
    DataError, SettingError
        As `to_tsdframe`.
    """
    nap = need("pynapple", "pynapple", "making pynapple objects")
    kinds = {1: nap.Tsd, 2: nap.TsdFrame}
    numbers = {name: values for name, values in embedding.labels.items() if values.dtype.kind in "biuf"}
    return {name: _framed(nap, embedding, kinds[values.ndim], values) for name, values in numbers.items()}


def _framed(nap: Any, embedding: Embedding, kind: Any, values: NDArray[Any], **options: Any) -> Any:
    order, spans = ordered_spans(embedding)
    over = np.flatnonzero(spans[:-1, 1] > spans[1:, 0])
    first, lengths = embedding.runs
    numbers = embedding.segments[first][order]
    if over.size:
        one, other = numbers[over[0]], numbers[over[0] + 1]
        raise DataError(
            f"segments {one} and {other} overlap in time ({over.size} such in all), and pynapple has one clock; select segments "
            "that do not, or take to_xarray"
        )
    rows = np.concatenate([np.arange(first[i], first[i] + lengths[i]) for i in order])
    metadata = {"segment": numbers} | {
        LABEL + name: held[first][order]
        for name, held in embedding.labels.items()
        if held.ndim == 1 and np.array_equal(held, np.repeat(held[first], lengths))
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about epochs that touch, and names of metadata that are no attributes
        support = nap.IntervalSet(spans[:, 0], spans[:, 1], metadata=metadata)
        found = kind(t=embedding.times[rows] + embedding.bin_size / 2, d=values[rows], time_support=support, **options)
    if len(found) != len(embedding) or len(support) != len(spans):
        raise DataError(
            f"bins of {embedding.bin_size:g} s are too narrow for pynapple, which keeps times to a microsecond or less"
        )
    return found
