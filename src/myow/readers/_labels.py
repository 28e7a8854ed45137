"""Which columns and signals of a session become labels, and what they are in each bin."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.binning import Bins
from ..errors import DataError, unknown_name
from ._averages import average, take_bins
from ._choices import Chosen, names_of
from ._notes import Notes
from ._session import Session

__all__ = ["choose_labels", "plain_values"]


def choose_labels(
    session: Session, chosen: Chosen, bins: Bins, labels: Any, activity: str, notes: Notes
) -> tuple[dict[str, NDArray[Any]], Bins]:
    """Return labels, each with a value in every bin, and the bins that are left.

    By default no bin is lost to a label: one that lacks a value somewhere is skipped. One that is asked for by name is
    kept, and the bins in which it has no value are left out. Either is said.

    Raises
    ------
    UnknownNameError
        If a label that is asked for is neither a column nor a signal.
    DataError
        If it holds nothing that can be a label, or leaves no bin.
    """
    columns = {k: v for k, v in chosen.columns.items() if (chosen.rows >= 0).any()}
    asked = labels is not None
    if not asked:
        names = [k for k in columns if not _is_time(k, notes)]
        names += [k for k, s in session.signals.items() if s.role == "behaviour" and k != activity and k not in columns]
    elif labels in ("", "none"):
        names = []
    else:
        names = [k if k in columns else _signal(session, k, columns) for k in names_of(labels)]
    kept = np.ones(len(bins.starts), dtype=bool)
    found: dict[str, NDArray[Any]] = {}
    for name in names:
        try:
            if name in columns:
                values, present = _from_column(columns[name](), chosen.rows[bins.interval])
                lacking = f"in {len(np.unique(bins.interval[~present]))} of {len(np.unique(bins.interval))} segments"
            else:
                means, n = average(session.signals[name], bins)
                values, present = means.astype(np.float32), np.all(n > 0, axis=1)
                values = values[:, 0] if values.shape[1] == 1 else values
                lacking = f"in {(~present).sum()} of {len(present)} bins"
        except DataError as error:
            if asked:
                raise DataError(f"{name} cannot be a label: {error}") from None
            notes.skipped.append(f"{name}: {error}")
            continue
        if not present.all() and not asked:
            notes.skipped.append(f"{name}: no value {lacking}; labels={name} leaves those out instead")
            continue
        if not present.all():
            notes.skipped.append(f"rows without {name}, which has no value {lacking}")
        kept &= present
        found[name] = values
    if not kept.any():
        raise DataError(f"no bin has a value of each of {', '.join(names)}; ask for fewer labels")
    units = {k: session.signals[k].unit for k in found if k not in columns}
    if found:
        notes.used.append("labels " + ", ".join(f"{k} ({units[k]})" if units.get(k) else k for k in found))
    return {k: v[kept] for k, v in found.items()}, take_bins(bins, kept)


def _is_time(name: str, notes: Notes) -> bool:
    """Whether a column says when something was, which is no label unless it is asked for."""
    if not name.endswith(("_time", "_times", "_timestamp")):
        return False
    notes.skipped.append(f"{name}: a time, by which segments can be aligned: align={name} window=0.2,0.5")
    return True


def _signal(session: Session, name: str, columns: Any) -> str:
    if name not in session.signals and not any(s.within == name for s in session.signals.values()):
        raise unknown_name("label", name, [*columns, *session.signals])
    return session.find_signal(name)


def _from_column(column: NDArray[Any], rows: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the value of each bin, and whether there is one."""
    values, present = plain_values(column)
    there = (rows >= 0) & present[rows]
    return values[rows], there


def plain_values(column: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the values of a column as numbers or texts, and which of them are there.

    Parameters
    ----------
    column : ndarray
        n values or rows.

    Returns
    -------
    values : ndarray, shape (n,) or (n, d)
        Numbers or texts.
    present : ndarray of bool, shape (n,)
        False for NaN, infinity and None.

    Raises
    ------
    DataError
        If they are neither.

    Examples
    --------
    >>> values, present = plain_values(np.array([1, None, 2.5], dtype=object))
    >>> values[present].tolist(), present.tolist()
    ([1.0, 2.5], [True, False, True])
    """
    array: NDArray[Any] = np.asarray(column)
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise DataError(f"values of shape {array.shape}; a label has one value or one row each")
    if array.dtype.kind == "O":
        missing: NDArray[np.bool_] = np.array([_is_missing(v) for v in array.ravel()]).reshape(array.shape)
        kinds = {_kind(v) for v in array[~missing]}
        if kinds == {"text"}:
            texts = np.array([_text(v) for v in array.ravel()]).reshape(array.shape)
            return texts, np.array([not row.any() for row in missing])
        if kinds != {"number"}:
            raise DataError("neither numbers nor texts")
        array = np.where(missing, np.nan, array).astype(np.float64)
    if array.dtype.kind not in "iubfUS":
        raise DataError(f"values of type {array.dtype}, neither numbers nor texts")
    if array.dtype.kind == "f":
        present = np.array([bool(np.isfinite(row).all()) for row in array])
        return array, present
    return array, np.ones(len(array), dtype=bool)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _kind(value: Any) -> str:
    if isinstance(value, (str, bytes)):
        return "text"
    return "number" if isinstance(value, (bool, int, float, np.number, np.bool_)) else "other"
