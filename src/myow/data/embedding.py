"""The embedding of a recording: a row of D numbers a bin, with the times, segments and labels of the bins; frozen."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .recording import check_bin_size, check_label, check_segments, check_times, frozen
from .rows import group_runs, page_of

__all__ = ["Embedding"]

UNFIT = re.compile("[\0\ud800-\udfff]")  # HDF5 ends texts at NUL, and half of a surrogate pair has no UTF-8


@dataclass(frozen=True, eq=False, repr=False)
class Embedding:
    """Rows of an embedding in T time bins, valid by construction, read-only, and fit for every format of `myow.write`.

    Parameters
    ----------
    z : array_like, shape (T, D)
        The embedding; kept as float32.
    bin_size : float
        Width of a bin in seconds.
    times : array_like, shape (T,), optional
        Start of each bin in seconds, rising inside a segment. Default: bins laid end to end.
    segments : array_like of int, shape (T,), optional
        Segment of each bin, in contiguous runs. Default: one segment.
    labels : mapping of str to array_like, optional
        What is known of each bin, each with T rows: numbers or text.
    periods : mapping of str to float, optional
        Labels that are cyclic, with the value that is a full turn.
    dimensions : sequence of str, optional
        Names of the D dimensions, all different. Default: z0, z1, ...
    name : str, optional
        Name of the recording.
    provenance : mapping of str to str, optional
        How it came about: method, settings, model file, what that was trained on, recording, command.

    Raises
    ------
    DataError
        If a shape, value or name is not as described.

    Examples
    --------
    >>> embedding = Embedding([[0.5, 1.0], [0.25, 2.0], [0.0, 3.0]], bin_size=0.1, segments=[0, 0, 1])
    >>> embedding
    Embedding(unnamed: 3 bins of 0.1 s, 2 dimensions, 2 segments)
    """

    z: NDArray[np.float32]
    bin_size: float = field(kw_only=True)
    times: NDArray[np.float64] = field(default=None, kw_only=True)  # type: ignore[arg-type]
    segments: NDArray[np.int64] = field(default=None, kw_only=True)  # type: ignore[arg-type]
    labels: Mapping[str, NDArray[Any]] = field(default_factory=dict, kw_only=True)
    periods: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    dimensions: Sequence[str] = field(default=(), kw_only=True)
    name: str = field(default="", kw_only=True)
    provenance: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        z = _values(self.z)
        n_bins, dim = z.shape
        bin_size = check_bin_size(self.bin_size)
        segments = check_segments(self.segments, n_bins)
        dimensions = _texts("dimensions", self.dimensions) or tuple(f"z{i}" for i in range(dim))
        if len(dimensions) != dim or len(set(dimensions)) != dim:
            raise DataError(f"dimensions names {len(set(dimensions))} things, but z has {dim} columns; name each apart")
        _texts("provenance", [*self.provenance, *self.provenance.values()])
        labels = {key: _label(key, self.labels[key], n_bins) for key in _texts("labels", self.labels)}
        checked = {
            "z": frozen(z),
            "bin_size": bin_size,
            "segments": frozen(segments),
            "times": frozen(check_times(self.times, segments, bin_size)),
            "labels": MappingProxyType(labels),
            "periods": MappingProxyType(_periods(self.periods, labels)),
            "dimensions": dimensions,
            "name": _texts("name", [self.name])[0],
            "provenance": MappingProxyType(dict(self.provenance)),
        }
        for key, value in checked.items():
            object.__setattr__(self, key, value)

    def __len__(self) -> int:
        return len(self.z)

    def __repr__(self) -> str:
        n_segments = len(self.spans)
        return (
            f"{type(self).__name__}({self.name or 'unnamed'}: {len(self)} bins of {self.bin_size:g} s, "
            f"{self.z.shape[1]} dimensions, {n_segments} segment{'s' if n_segments != 1 else ''})"
        )

    def _repr_html_(self) -> str:
        facts = {
            "dimensions": str(self.z.shape[1]),
            "bins": f"{len(self):,} of {self.bin_size:g} s",
            "segments": f"{len(self.spans):,}",
            **self.provenance,
        }
        return page_of(f"{type(self).__name__}: {self.name or 'unnamed'}", facts, self.labels)

    def __reduce__(self) -> tuple[Any, ...]:
        keep = {k: getattr(self, k) for k in self.__dataclass_fields__ if k != "z"}
        keep |= {k: dict(keep[k]) for k in ("labels", "periods", "provenance")}
        return partial(type(self), **keep), (self.z,)

    @property
    def runs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First row and number of rows of each segment, in order."""
        return group_runs(self.segments)

    @property
    def spans(self) -> NDArray[np.float64]:
        """Start of the first and end of the last bin of each segment in s, shape (n, 2), in order."""
        first, lengths = self.runs
        return np.stack([self.times[first], self.times[first + lengths - 1] + self.bin_size], axis=1)

    def to_pandas(self) -> Any:
        """Return a table, a row a bin; see `myow.io.embeddings.to_pandas`."""
        from ..io.embeddings import to_pandas

        return to_pandas(self)

    def to_xarray(self) -> Any:
        """Return an xarray ``Dataset``; see `myow.io.embeddings.to_xarray`."""
        from ..io.embeddings import to_xarray

        return to_xarray(self)

    def to_pynapple(self) -> Any:
        """Return a pynapple ``TsdFrame`` with its time support; see `myow.io.embeddings.to_pynapple`."""
        from ..io.embeddings import to_pynapple

        return to_pynapple(self)

    def digest(self) -> str:
        """Return a checksum of values, times and segments."""
        sha = hashlib.sha256(f"{self.bin_size!r} {self.z.shape}".encode())
        for array in (self.z, self.times, self.segments):
            sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()


def _values(values: Any) -> NDArray[np.float32]:
    try:
        array = np.asarray(values)  # copied once, below
    except ValueError:
        raise DataError("z is ragged (rows of unequal length); it must be one array") from None
    if array.dtype.kind not in "iuf" or array.ndim != 2 or 0 in array.shape:
        raise DataError(
            f"z is {array.dtype} of shape {array.shape}; it must be numbers (bins, dimensions), with at least one of each"
        )
    with np.errstate(over="ignore"):
        z = array.astype(np.float32)
    if not np.isfinite(z).all():
        row = int(np.argwhere(~np.isfinite(z))[0][0])
        raise DataError(f"z holds NaN, or values beyond float32, first at bin {row}; every value must be finite")
    return z


def _label(name: str, values: Any, n_bins: int) -> NDArray[Any]:
    """Return a label in a type that every format has."""
    array = check_label(name, values, n_bins)
    if array.ndim == 2 and array.shape[1] == 0:
        raise DataError(f"label '{name}' has no column; leave it out")
    if array.dtype.kind == "f":
        array = array.astype(np.float32 if array.dtype.itemsize <= 4 else np.float64)
    if array.dtype.kind == "U":
        _texts(f"label '{name}'", np.unique(array).tolist())
    return frozen(array.astype(array.dtype.newbyteorder("="), copy=False))


def _periods(periods: Mapping[str, Any], labels: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for name, period in periods.items():
        if name not in labels:
            raise DataError(f"periods names '{name}', which is not among the labels {sorted(labels)}")
        if not isinstance(period, (int, float, np.number)) or not (np.isfinite(period) and period > 0):
            raise DataError(f"the period of '{name}' is {period!r}; it must be a number above 0")
        found[name] = float(period)
    return found


def _texts(what: str, texts: Iterable[Any]) -> tuple[str, ...]:
    """Return texts that every format can hold."""
    found = tuple(texts)
    for text in found:
        if not isinstance(text, str):
            raise DataError(f"{what} holds a {type(text).__name__}; it must be text")
        if UNFIT.search(text):
            raise DataError(f"{what} holds a text with a character that files cannot hold, {text[:40]!r}; take it out")
    return found
