"""What a recording must hold: each check returns the values in their final type, or says what is wrong with them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from .rows import group_runs

__all__ = ["check_bin_size", "check_index", "check_label", "check_segments", "check_times", "check_values", "frozen"]


def _array(what: str, values: ArrayLike) -> NDArray[Any]:
    try:
        return np.array(values)  # a copy: the caller may go on writing to theirs
    except ValueError:
        raise DataError(f"{what} are ragged (rows of unequal length); they must form one array") from None


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view that cannot be written to."""
    array = array.view()
    array.flags.writeable = False
    return array


def check_values(values: ArrayLike, kind: str) -> NDArray[Any]:
    """Return counts in the smallest integer type that holds them, or signals as float32; shape (T, N)."""
    if kind not in ("counts", "continuous"):
        raise DataError(f"kind is {kind!r}; it must be 'counts' or 'continuous'")
    array = _array("counts", values)
    if array.dtype.kind not in "iufb":
        raise DataError(f"counts are of type {array.dtype}; they must be real numbers")
    if array.ndim != 2 or 0 in array.shape:
        raise DataError(f"counts have shape {array.shape}; they must be (bins, units) with at least one of each")
    if array.dtype.kind == "f":
        bad = np.argwhere(~np.isfinite(array))
        if bad.size:
            raise DataError(_offender("counts hold", array, bad, "every value must be finite (no NaN or infinity)"))
    if kind == "continuous":
        return array.astype(np.float32)
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    bad = np.argwhere(array < 0)
    if bad.size:
        raise DataError(_offender("counts hold", array, bad, "counts cannot be negative; kind='continuous' may be"))
    if array.dtype.kind == "f":
        bad = np.argwhere(array != np.rint(array))
        if bad.size:
            raise DataError(_offender("counts hold", array, bad, "counts are whole; use kind='continuous' for signals"))
    top = int(array.max())
    return array.astype(np.uint8 if top < 2**8 else np.uint16 if top < 2**16 else np.int64)


def _offender(what: str, array: NDArray[Any], bad: NDArray[Any], rule: str) -> str:
    row, unit = bad[0]
    return f"{what} {array[row, unit]} at bin {row}, unit {unit} ({len(bad)} such in all); {rule}"


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


def check_label(name: str, values: ArrayLike, n_bins: int) -> NDArray[Any]:
    """Return a label with one row a bin, shape (T,) or (T, d), finite."""
    array = _array(f"values of label '{name}'", values)
    if array.ndim not in (1, 2) or len(array) != n_bins:
        raise DataError(f"label '{name}' has shape {array.shape}, but there are {n_bins} bins; give one row a bin")
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
