"""Recordings: counts or signals in time bins with segments and labels, valid by construction."""

from __future__ import annotations

import hashlib
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from .rows import group_runs, oddities, page_of, summarise
from .splits import By, Split, fold_rows, split_rows

__all__ = [
    "Recording",
    "check_bin_size",
    "check_index",
    "check_label",
    "check_segments",
    "check_steps",
    "check_times",
    "check_values",
    "frozen",
    "settled",
    "warn_if_odd",
]


def _array(what: str, values: ArrayLike) -> NDArray[Any]:
    return np.array(_shown(what, values))  # a copy: the caller may go on writing to theirs


def _shown(what: str, values: ArrayLike) -> NDArray[Any]:
    """Return values as an array, which may be the caller's own."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        n = int(np.ma.count_masked(values))  # type: ignore[no-untyped-call]
        raise DataError(f"{what}: {n} values are masked, that is missing; leave those bins out or fill them in")
    try:
        return np.asarray(values)
    except ValueError:
        raise DataError(f"{what} are ragged (rows of unequal length); they must form one array") from None


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view that cannot be written to."""
    array = array.view()
    array.flags.writeable = False
    return array


def settled(array: NDArray[Any]) -> NDArray[Any]:
    """Freeze an array that nobody else holds: a `Recording` takes it as it is, since it cannot change any more."""
    array.flags.writeable = False
    return array


def _is_settled(array: NDArray[Any]) -> bool:
    owner = array if array.base is None else array.base
    whole = isinstance(owner, np.ndarray) and owner.flags.owndata and owner.nbytes == array.nbytes
    return whole and not owner.flags.writeable and not array.flags.writeable


BLOCK = 1 << 22  # values that are checked at a time


def check_values(values: ArrayLike, kind: str) -> NDArray[Any]:
    """Return counts in the smallest integer type that holds them, or signals as float32; shape (T, N).

    The result is a copy, unless the values have that type already and can no longer be written to. Signals stay in double
    precision where single precision would lose what varies, as of a small signal on a large offset.
    """
    if kind not in ("counts", "continuous"):
        raise DataError(f"kind is {kind!r}; it must be 'counts' or 'continuous'")
    array = _shown("counts", values)
    if array.dtype.kind not in "iufb":
        raise DataError(f"counts are of type {array.dtype}; they must be real numbers")
    if array.ndim != 2 or 0 in array.shape:
        raise DataError(f"counts have shape {array.shape}; they must be (bins, units) with at least one of each")
    if array.dtype.kind == "f":
        _refuse(array, lambda part: ~np.isfinite(part), "every value must be finite (no NaN or infinity)")
    if kind == "continuous":
        return _as_type(array, _type_of_signals(array))
    if array.dtype.kind in "if":
        _refuse(array, lambda part: part < 0, "counts cannot be negative; kind='continuous' may be")
    if array.dtype.kind == "f":
        _refuse(array, lambda part: part != np.rint(part), "counts are whole; use kind='continuous' for signals")
    top = int(array.max())
    return _as_type(array, np.dtype(np.uint8 if top < 2**8 else np.uint16 if top < 2**16 else np.int64))


def _as_type(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a copy, in which the caller does not write; of values that nobody writes to any more, themselves."""
    return array if array.dtype == dtype and _is_settled(array) else settled(np.array(array, dtype=dtype))


def _type_of_signals(array: NDArray[Any]) -> np.dtype[Any]:
    if array.dtype.kind == "b" or array.dtype.itemsize < 4 or array.dtype == np.float32:
        return np.dtype(np.float32)
    _refuse(array, _beyond_single, "signals go up to 3.4e38; divide them, or leave such bins out")
    high, low = array.max(axis=0).astype(np.float64), array.min(axis=0).astype(np.float64)
    lost = np.spacing(np.maximum(np.abs(high), np.abs(low)).astype(np.float32))
    return np.dtype(np.float64 if ((high > low) & (lost > 1e-3 * (high - low))).any() else np.float32)


def _beyond_single(values: NDArray[Any]) -> NDArray[np.bool_]:
    with np.errstate(over="ignore"):
        return ~np.isfinite(values.astype(np.float32))


def _refuse(array: NDArray[Any], wrong: Callable[[NDArray[Any]], NDArray[np.bool_]], rule: str) -> None:
    """Refuse values that are wrong, which are looked for in a block of rows at a time."""
    first, n = (0, 0), 0
    many = max(1, BLOCK // array.shape[1])
    for start in range(0, len(array), many):
        bad = np.argwhere(wrong(array[start : start + many]))
        if len(bad):
            first = first if n else (start + int(bad[0, 0]), int(bad[0, 1]))
            n += len(bad)
    if n:
        raise DataError(f"counts hold {array[first]} at bin {first[0]}, unit {first[1]} ({n} such in all); {rule}")


def check_bin_size(value: Any) -> float:
    """Return the width of a bin in seconds, finite and above 0."""
    try:
        width = float(value)
    except (TypeError, ValueError):
        raise DataError(f"bin_size is {value!r}; it must be a number of seconds above 0") from None
    if not (np.isfinite(width) and width > 0):
        raise DataError(f"bin_size is {width}; it must be a number of seconds above 0")
    return width


def check_segments(values: ArrayLike | None, n_bins: int) -> NDArray[np.int64]:
    """Return the segment of each bin, shape (T,), in contiguous runs."""
    if values is None:
        return np.zeros(n_bins, dtype=np.int64)
    array = _array("segments", values)
    if array.shape != (n_bins,):
        raise DataError(f"segments have shape {array.shape}, but there are {n_bins} bins; give one number a bin")
    if array.dtype.kind not in "iub" and not (
        array.dtype.kind == "f" and np.isfinite(array).all() and np.array_equal(array, np.rint(array))
    ):
        raise DataError(f"segments are of type {array.dtype}; they must be whole numbers")
    array = array.astype(np.int64)
    heads = array[group_runs(array)[0]]
    found, runs = np.unique(heads, return_counts=True)
    if (runs > 1).any():
        raise DataError(f"segment {found[runs > 1][0]} comes back after another began; a segment is one contiguous run")
    return array


def check_times(values: ArrayLike | None, segments: NDArray[np.int64], bin_size: float) -> NDArray[np.float64]:
    """Return the start of each bin in seconds, shape (T,), rising by a bin or more inside each segment."""
    if values is None:
        return np.asarray(np.arange(len(segments)) * bin_size, dtype=np.float64)
    array = _array("times", values)
    if array.shape != segments.shape:
        raise DataError(f"times have shape {array.shape}, but there are {len(segments)} bins; give one time a bin")
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise DataError("times must be finite numbers of seconds")
    array = np.array(array, dtype=np.float64)
    # Bins must not overlap; a hundredth of a bin of slack absorbs rounding in stored times.
    close = (np.diff(array) < 0.99 * bin_size) & (np.diff(segments) == 0)
    if close.any():
        row = int(np.flatnonzero(close)[0])
        raise DataError(
            f"times go from {array[row]:g} to {array[row + 1]:g} s at bins {row} and {row + 1} of segment {segments[row]}; "
            f"inside a segment they must rise by at least the bin width, {bin_size:g} s"
        )
    return array


def check_steps(times: NDArray[np.float64], segments: NDArray[np.int64], bin_size: float) -> None:
    """Refuse a width that is smaller than every step of the times inside segments: then no two bins touch.

    Raises
    ------
    DataError
        If it is, by more than a twentieth.
    """
    steps = np.diff(times)[np.diff(segments) == 0]
    if len(steps) and steps.min() > 1.05 * bin_size:
        raise DataError(
            f"bin_size is {bin_size:g} s, but times are {steps.min():g} s apart or more inside segments (the middle step is "
            f"{np.median(steps):g} s); give the true width, and times in seconds"
        )


def check_label(name: str, values: ArrayLike, n_bins: int, segments: NDArray[np.int64] | None = None) -> NDArray[Any]:
    """Return a label with one row a bin, shape (T,) or (T, d), finite; of one row a segment, each is spread over its bins."""
    array = _plain(name, _array(f"values of label '{name}'", values))
    if array.ndim in (1, 2) and len(array) != n_bins and segments is not None:
        starts, lengths = group_runs(segments)
        if len(array) == len(starts):
            if (np.diff(segments[starts]) < 0).any():
                raise DataError(
                    f"label '{name}' has one row a segment, but segments do not come in the order of their numbers, so that "
                    "it is not clear which is whose; give one row a bin"
                )
            array = np.repeat(array, lengths, axis=0)
    if array.ndim not in (1, 2) or len(array) != n_bins:
        by_segment = "" if segments is None else f" of {len(group_runs(segments)[0])} segments"
        raise DataError(
            f"label '{name}' has shape {array.shape}, but there are {n_bins} bins{by_segment}; give one row a bin"
            f"{' or a segment' if by_segment else ''}"
        )
    if array.dtype.kind not in "biufUS":
        held = "Python objects" if array.dtype.kind == "O" else array.dtype
        raise DataError(f"label '{name}' holds {held}; it must be numbers or strings")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(f"label '{name}' holds NaN or infinite values; leave those bins out or fill them in")
    if array.dtype.kind == "S":  # readouts and JSON know text, not bytes
        try:
            return np.asarray(np.char.decode(array, "utf-8"))
        except UnicodeDecodeError:
            raise DataError(f"label '{name}' holds bytes that are no UTF-8 text; store text or numbers") from None
    return array


def _plain(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return objects as texts or numbers, where all of them are."""
    if array.dtype.kind != "O":
        return array
    known = array.ravel().tolist()
    missing = sum(type(one).__name__ in ("NoneType", "NAType", "NaTType") or one != one for one in known)
    if missing:
        raise DataError(
            f"label '{name}' has no value in {missing} of {len(known)} places; leave those bins out or fill them in"
        )
    if all(isinstance(one, str) for one in known):
        return array.astype(np.str_)
    if all(isinstance(one, (bool, int, float, np.number, np.bool_)) for one in known):
        return np.array(known).reshape(array.shape)
    return array


def check_index(chosen: ArrayLike | slice, size: int, what: str) -> NDArray[np.int64]:
    """Return indices, a mask or a slice as indices; there must be at least one."""
    array = chosen if isinstance(chosen, slice) else np.asarray(chosen)
    if isinstance(array, np.ndarray) and array.size == 0:
        array = array.astype(np.int64)
    try:
        index = np.arange(size)[array]
    except IndexError as error:
        raise DataError(f"cannot select by these {what}s ({error}); give indices or a mask of {size}") from None
    if index.ndim != 1 or index.size == 0:
        raise DataError(f"the selection holds no {what}; choose at least one")
    return index


_TOLD: weakref.WeakSet[Recording] = weakref.WeakSet()
_FOLDED: weakref.WeakSet[Recording] = weakref.WeakSet()


def warn_if_odd(recording: Recording) -> None:
    """Warn of what makes sense to a computer but seldom to a physiologist, a line each, once a recording."""
    if recording not in _TOLD:
        _TOLD.add(recording)
        for line in oddities(recording):
            warnings.warn(f"{recording.name or 'the recording'}: {line}", UserWarning, stacklevel=3)


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
        What is known of each bin, each with T rows, or with a row a segment, which is spread over its bins: numbers, texts,
        or categories. Used by readouts and figures only.
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
        given = None if self.segments is None else segments
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
                {str(k): frozen(check_label(str(k), v, n_bins, given)) for k, v in self.labels.items()}
            ),
            "periods": MappingProxyType({k: float(v) for k, v in self.periods.items()}),
            "units": units,
            "source": MappingProxyType(dict(self.source)),
        }
        for key, value in checked.items():
            object.__setattr__(self, key, value)

    @classmethod
    def from_spikes(
        cls,
        spikes: Any,
        trials: Any = None,
        *,
        bin_size: float,
        signals: Mapping[str, Any] | None = None,
        units: Any = None,
        name: str = "",
    ) -> Recording:
        """Count spike times that are in memory, in half-open bins inside each trial.

        Parameters
        ----------
        spikes : list or dict of array_like, tuple, TsGroup or DataFrame
            Spike times in s of each unit; or a tuple of two arrays, the times of all spikes and the unit of each; or a table
            with a row a spike (columns ``time`` and ``unit``) or a row a unit (column ``spike_times``).
        trials : DataFrame, dict, IntervalSet or array_like, shape (n, 2), optional
            Starts and stops in s, in columns called ``start`` and ``stop`` or the like. Each trial is a segment, and
            further columns become labels. Default: the whole, from the first spike to the last.
        bin_size : float
            Width of a bin in s.
        signals : mapping of str to (times, values), optional
            Sampled signals, times in s; averaged in each bin, they become labels.
        units : sequence of str, optional
            Of a list, the names of its units; of a tuple, all units there are, silent ones too; else those to keep, as for
            `myow.read`.
        name : str, optional
            Name of the recording.

        Returns
        -------
        Recording
            Its ``source`` says what was used and what was skipped.

        Raises
        ------
        DataError
            If they make no recording, or can be read in two ways.

        Examples
        --------
        >>> trials = {"start": [0.0, 1.0], "stop": [0.2, 1.1], "side": ["left", "right"]}
        >>> rec = Recording.from_spikes([[0.05, 0.12, 1.01], [0.19]], trials, bin_size=0.1)
        >>> rec.counts.tolist(), rec.labels["side"].tolist()
        ([[1, 0], [1, 1], [1, 0]], ['left', 'left', 'right'])
        """
        from ..io.spikes import from_spikes

        recording = from_spikes(spikes, trials, bin_size=bin_size, signals=signals, units=units, name=name)
        warn_if_odd(recording)
        return recording

    # What differs where counts are not an array, see `myow.io.on_disk.StoredRecording`.

    def _checked(self, counts: ArrayLike) -> NDArray[Any]:
        return frozen(check_values(counts, self.kind))

    def _rows(self, index: NDArray[np.int64]) -> NDArray[Any]:
        return settled(self.counts[index])

    def _columns(self, index: NDArray[np.int64]) -> NDArray[Any]:
        return settled(self.counts[:, index])

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
        """Return the values of `rows`, shape (len(rows), N)."""
        return self.counts[rows]

    # What scikit-learn's pipelines and searches see.

    def __getitem__(self, rows: Any) -> Recording:
        """Keep some rows: a slice, rising indices or a mask of length T; as `select`, which see."""
        if isinstance(rows, tuple) and len(rows) == 2 and rows[1] is Ellipsis:  # so scikit-learn asks for a part
            found = self.select(rows[0])
            self._warn_if_parted(found)
            return found
        if isinstance(rows, (int, np.integer, tuple, str)):
            raise DataError(f"a recording is indexed by rows, as in rec[10:20] or rec[mask], and was given {rows!r}")
        return self.select(rows)

    __iter__ = None  # a recording is no sequence of rows: their segments and times go with them

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Refuse: an array would lose the segments."""
        raise TypeError("a Recording is no array, since it has segments; take rec.counts for the bare values")

    @property
    def shape(self) -> tuple[int, int]:
        """Number of bins T and of units N."""
        return len(self), self.n_units

    def _warn_if_parted(self, part: Recording) -> None:
        """Warn where a part that scikit-learn took cuts segments, or cuts one long one without a gap."""
        whole = dict(zip(self.segments[self._runs[0]].tolist(), self.segment_lengths.tolist(), strict=True))
        kept = dict(zip(part.segments[part._runs[0]].tolist(), part.segment_lengths.tolist(), strict=True))
        cut = [number for number, length in kept.items() if length != whole[number]]
        if cut and (self.n_segments > 1 or self not in _FOLDED):
            what = f"segment {cut[0]} is cut" if self.n_segments > 1 else "its one segment is cut without a gap"
            warnings.warn(
                f"{self.name or 'the recording'}: {what}, so that neighbouring bins train and test; an integer cv does not know "
                "segments, pass cv=rec.folds(5)",
                UserWarning,
                stacklevel=3,
            )

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

    def _repr_html_(self) -> str:
        lengths = self.segment_lengths
        facts = {
            "units": str(self.n_units),
            "bins": f"{len(self):,} of {self.bin_size:g} s ({self.duration:,.0f} s)",
            "segments": f"{self.n_segments:,}, of {lengths.min()} to {lengths.max()} bins",
            "values": self.kind,
        }
        return page_of(f"{type(self).__name__}: {self.name or 'unnamed'}", facts, self.labels)

    def __reduce__(self) -> tuple[Any, ...]:
        keep = {k: getattr(self, k) for k in self.__dataclass_fields__ if k != "counts"}
        keep |= {k: dict(keep[k]) for k in ("labels", "periods", "source")}
        return _rebuild, (type(self), self.counts, keep)

    def digest(self) -> str:
        """Return a checksum of what training sees: values, times and segments."""
        sha = hashlib.sha256(f"{self.kind} {self.bin_size!r} {self.counts.shape} {self.counts.dtype}".encode())
        for array in (self.counts, self.times, self.segments):
            sha.update(np.ascontiguousarray(array).data)
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
        times, segments = self.times[index], self.segments[index]
        part = replace(self, counts=self._rows(index), times=times, segments=segments, labels=labels)
        if self in _TOLD:  # what is odd about a recording is said of it, not of each fold again
            _TOLD.add(part)
        return part

    def select_segments(self, segments: ArrayLike) -> Recording:
        """Keep the rows of `segments`, which are named by their numbers."""
        return self.select(np.isin(self.segments, np.asarray(segments)))

    def select_units(self, units: ArrayLike) -> Recording:
        """Keep some `units`, by column indices or a mask of length N."""
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

    def folds(
        self, n: int = 5, *, stratify: str | None = None, random_state: int = 0, gap: float | None = None
    ) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return splits by segment for cross-validation, as scikit-learn takes them: ``cv=rec.folds(5)``.

        Parameters
        ----------
        n : int, optional
            Number of folds. Every row is tested once.
        stratify : str, optional
            A label that is constant inside segments, dealt out evenly over folds. Default: none.
        random_state : int, optional
            Seed by which segments are dealt; where there is one segment, the folds are stretches of time, and a seed above 0
            moves them.
        gap : float, optional
            Seconds left out between training and test rows, where there is one segment. Default: five minutes, less in a
            short recording.

        Returns
        -------
        list of (train, test)
            Rising row indices, a pair a fold; no segment is in both.

        Raises
        ------
        SettingError
            If n is below 2, or a seed or gap below 0.
        DataError
            If there are too few segments or rows, or `stratify` changes inside segments.
        UnknownNameError
            If there is no label `stratify`.

        Examples
        --------
        >>> rec = Recording(np.ones((6, 1)), bin_size=0.1, segments=[0, 0, 1, 1, 2, 2])
        >>> [(train.tolist(), test.tolist()) for train, test in rec.folds(3)][0]
        ([0, 1, 4, 5], [2, 3])
        """
        _FOLDED.add(self)
        folds = fold_rows(self, n, seed=random_state, gap=gap, stratify=stratify)
        return [(np.union1d(train, valid), test) for train, valid, test in folds]

    @staticmethod
    def concatenate(recordings: Sequence[Recording], *, name: str | None = None) -> Recording:
        """Put `recordings` of the same units one after the other; their segments stay apart.

        Labels that only some have are dropped. Without a `name`, it is theirs, joined by "+".

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
    found = kind(counts, **rest)
    _FOLDED.add(found)  # a copy in a worker process does not know whether folds were made; the original warns
    return found
