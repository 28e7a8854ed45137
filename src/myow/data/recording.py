"""A population recording: counts in time bins, with segments and labels; checked once, then frozen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from .checks import check_bin_size, check_index, check_label, check_segments, check_times, check_values, frozen
from .rows import group_runs
from .split import By, Split, split_rows
from .summary import summarise

__all__ = ["Recording"]

Kind = Literal["counts", "continuous"]


@dataclass(frozen=True, eq=False, repr=False)
class Recording:
    """Activity of N units in T time bins, valid by construction and read-only.

    Parameters
    ----------
    counts : array_like, shape (T, N)
        Spike counts per bin (whole, not negative), or with ``kind="continuous"`` any finite signal such as dF/F.
    bin_size : float
        Width of a bin in seconds.
    times : array_like, shape (T,), optional
        Start of each bin in seconds, rising inside a segment; bins may be missing. Default: bins laid end to end.
    segments : array_like of int, shape (T,), optional
        Segment (trial, epoch) of each bin; each segment is one contiguous run. Nothing downstream joins rows of
        different segments. Default: one segment.
    labels : mapping of str to array_like, optional
        What is known of each bin, each with T rows. Used by readouts and pictures only.
    kind : {"counts", "continuous"}, optional
        Whether values are spike counts.
    periods : mapping of str to float, optional
        Labels that are cyclic, with the value that is a full turn: ``{"direction": 8}``.
    units : sequence of str, optional
        Names of the N units.
    name : str, optional
        Name of the recording.
    source : mapping of str to str, optional
        Where the values come from: file, checksum, licence, citation.

    Raises
    ------
    DataError
        If a shape, value or run is not as described; the text names the first offender.

    Examples
    --------
    >>> rec = Recording([[0, 2], [1, 0], [3, 1]], bin_size=0.1, segments=[0, 0, 1])
    >>> len(rec), rec.n_units, rec.n_segments
    (3, 2, 2)
    """

    counts: NDArray[Any]
    bin_size: float = field(kw_only=True)
    times: NDArray[np.float64] = field(default=None, kw_only=True)  # type: ignore[arg-type]
    segments: NDArray[np.int64] = field(default=None, kw_only=True)  # type: ignore[arg-type]
    labels: Mapping[str, NDArray[Any]] = field(default_factory=dict, kw_only=True)
    kind: Kind = field(default="counts", kw_only=True)
    periods: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    units: Sequence[str] = field(default=(), kw_only=True)
    name: str = field(default="", kw_only=True)
    source: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        counts = self._checked(self.counts)
        n_bins, n_units = counts.shape
        bin_size = check_bin_size(self.bin_size)
        segments = check_segments(self.segments, n_bins)
        units = tuple(str(u) for u in self.units) or tuple(f"unit{i}" for i in range(n_units))
        if len(units) != n_units:
            raise DataError(
                f"units names {len(units)} units, but counts have {n_units} columns; give one name a column"
            )
        for name in self.periods:
            if name not in self.labels:
                raise DataError(f"periods names '{name}', which is not among the labels {sorted(self.labels)}")
            if not self.periods[name] > 0:
                raise DataError(f"the period of '{name}' is {self.periods[name]}; it must be above 0")
        checked = {
            "counts": counts,
            "bin_size": bin_size,
            "segments": frozen(segments),
            "times": frozen(check_times(self.times, segments, bin_size)),
            "labels": MappingProxyType(
                {str(k): frozen(check_label(str(k), v, n_bins)) for k, v in self.labels.items()}
            ),
            "periods": MappingProxyType({k: float(v) for k, v in self.periods.items()}),
            "units": units,
            "source": MappingProxyType(dict(self.source)),
        }
        for key, value in checked.items():
            object.__setattr__(self, key, value)

    # What differs where counts are not an array, see `myow.data.stored.StoredRecording`.

    def _checked(self, counts: ArrayLike) -> NDArray[Any]:
        return frozen(check_values(counts, self.kind))

    def _rows(self, index: NDArray[np.int64]) -> NDArray[Any]:
        return self.counts[index]

    def _columns(self, index: NDArray[np.int64]) -> NDArray[Any]:
        return self.counts[:, index]

    def _activity(self) -> tuple[float, int]:
        """Mean of all values, and how many units never change."""
        return float(self.counts.mean()), int((np.ptp(self.counts, axis=0) == 0).sum())

    # What training sees: the `Rows` protocol.

    def __len__(self) -> int:
        return int(self.counts.shape[0])

    @property
    def groups(self) -> NDArray[np.int64]:
        """Segment of each row, shape (T,)."""
        return self.segments

    @cached_property
    def bins(self) -> NDArray[np.int64]:
        """Whole bins since the start of the segment, shape (T,); rows adjacent in time differ by one."""
        start, lengths = self._runs
        since = self.times - np.repeat(self.times[start], lengths)
        return frozen(np.rint(since / self.bin_size).astype(np.int64))

    def gather(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the values of some rows, shape (len(rows), N)."""
        return self.counts[rows]

    # Shape and content.

    @property
    def n_units(self) -> int:
        """Number of units N."""
        return int(self.counts.shape[1])

    @property
    def n_segments(self) -> int:
        """Number of segments."""
        return len(self._runs[0])

    @property
    def segment_lengths(self) -> NDArray[np.int64]:
        """Rows of each segment, in recording order."""
        return self._runs[1]

    @property
    def duration(self) -> float:
        """Recorded time in seconds: bins times their width."""
        return len(self) * self.bin_size

    @cached_property
    def _runs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return group_runs(self.segments)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name or 'unnamed'}: {len(self)} bins of {self.bin_size:g} s, {self.n_units} units, {self.n_segments} segments)"

    def __reduce__(self) -> tuple[Any, ...]:
        keep = {k: getattr(self, k) for k in self.__dataclass_fields__ if k != "counts"}
        keep |= {k: dict(keep[k]) for k in ("labels", "periods", "source")}
        return _rebuild, (type(self), self.counts, keep)

    def digest(self) -> str:
        """Return a checksum of what training sees: values, times and segments."""
        sha = hashlib.sha256(f"{self.kind} {self.bin_size!r} {self.counts.shape} {self.counts.dtype}".encode())
        for array in (self.counts, self.times, self.segments):
            sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()

    def summary(self) -> str:
        """Describe the recording in a few lines of text."""
        return summarise(self, *self._activity())

    # Parts of it.

    def select(self, rows: ArrayLike | slice) -> Recording:
        """Keep some rows, in recording order.

        Parameters
        ----------
        rows : array_like of int or bool, or slice
            Indices (rising) or a mask of length T.

        Returns
        -------
        Recording
            With the times, segments and labels of those rows.

        Raises
        ------
        DataError
            If no row is left, or the rows would break the order of time.
        """
        index = check_index(rows, len(self), "row")
        if (np.diff(index) <= 0).any():
            raise DataError("the rows to select do not rise; recordings keep their order, sort them and drop repeats")
        labels = {k: v[index] for k, v in self.labels.items()}
        return replace(
            self, counts=self._rows(index), times=self.times[index], segments=self.segments[index], labels=labels
        )

    def select_segments(self, segments: ArrayLike) -> Recording:
        """Keep the rows of some segments, named by their numbers."""
        return self.select(np.isin(self.segments, np.asarray(segments)))

    def select_units(self, units: ArrayLike) -> Recording:
        """Keep some units, by column indices or a mask of length N."""
        index = check_index(units, self.n_units, "unit")
        return replace(self, counts=self._columns(index), units=[self.units[i] for i in index])

    def split(
        self,
        *fractions: float,
        by: By = "segment",
        gap: float = 0.0,
        stratify: str | None = None,
        random_state: int | None = None,
    ) -> tuple[Recording, ...]:
        """Split into parts, in recording order or, with a seed, at random by segment.

        Parameters
        ----------
        *fractions : float
            Size of each part; they sum to 1, as in ``split(0.8, 0.1, 0.1)``.
        by : {"segment", "time"}, optional
            Whole segments, or contiguous stretches of rows.
        gap : float, optional
            Seconds left out between two stretches, with ``by="time"``.
        stratify : str, optional
            A label that is constant inside segments, dealt out evenly; needs `random_state`.
        random_state : int, optional
            Seed of a random split; without one, parts follow recording order.

        Returns
        -------
        tuple of Recording
            One a fraction.

        Raises
        ------
        SettingError
            If the fractions do not sum to 1, or the choices contradict each other.
        DataError
            If a part would be empty.
        """
        rule = Split(fractions=tuple(fractions), by=by, gap=gap, stratify=stratify, random_state=random_state)
        return tuple(self.select(rows) for rows in split_rows(self, rule))

    @staticmethod
    def concatenate(recordings: Sequence[Recording], *, name: str | None = None) -> Recording:
        """Put recordings of the same units one after the other; their segments stay apart.

        Labels that only some of them have are dropped, since every label has T rows.

        Raises
        ------
        DataError
            If there is none, or units, bin widths or kinds differ.
        """
        if not recordings:
            raise DataError("there is no recording to concatenate; give at least one")
        first = recordings[0]
        for other in recordings[1:]:
            if other.n_units != first.n_units or other.kind != first.kind or other.bin_size != first.bin_size:
                raise DataError(f"cannot concatenate {first!r} and {other!r}: units, bin width and kind must agree")
        offset, segments = 0, []
        for rec in recordings:
            run = np.repeat(np.arange(rec.n_segments), rec._runs[1])
            segments.append(run + offset)
            offset += rec.n_segments
        shared = [k for k in first.labels if all(k in r.labels for r in recordings)]
        return replace(
            first,
            counts=np.concatenate([r.counts for r in recordings]),
            times=np.concatenate([r.times for r in recordings]),
            segments=np.concatenate(segments),
            labels={k: np.concatenate([r.labels[k] for r in recordings]) for k in shared},
            periods={k: v for k, v in first.periods.items() if k in shared},
            name=name if name is not None else "+".join(r.name for r in recordings),
            source=dict(first.source) if len(recordings) == 1 else {},
        )


def _rebuild(kind: type[Recording], counts: NDArray[Any], rest: dict[str, Any]) -> Recording:
    return kind(counts, **rest)
