"""Which of the arrays beside the counts are labels of bins, which are columns of units, and which neither."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, unknown_name
from ._choices import names_of
from ._fields import Arrays
from ._labels import plain_values
from ._notes import Notes

__all__ = ["PERIOD", "Places", "find_places", "pick_labels", "say_unused"]

PERIOD = "period_"


@dataclass
class Places:
    """Arrays by the short name that the user gives, which leaves out the group of the counts.

    Parameters
    ----------
    rows : dict
        Those with a row a bin.
    columns : dict
        Those with a value a unit.
    periods, period_of : dict
        Value of a full turn of a label, and the array that says so.
    odd : list
        Those that fit nowhere.
    """

    rows: dict[str, str] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    periods: dict[str, float] = field(default_factory=dict)
    period_of: dict[str, str] = field(default_factory=dict)
    odd: list[str] = field(default_factory=list)


def find_places(arrays: Arrays, counts: str, taken: set[str], n_bins: int, n_units: int) -> Places:
    """Sort arrays by their shapes; nothing is read but single numbers."""
    places, base = Places(), arrays.group(counts)
    for key, one in arrays.fields.items():
        short = key.removeprefix(base)
        if key in taken:
            continue
        if short.startswith(PERIOD) and one.is_number and one.size == 1 and (arrays.flat or not one.shape):
            label = short.removeprefix(PERIOD)
            places.periods[label], places.period_of[label] = arrays.values(key).ravel()[0].item(), key
        elif len(one.shape) in (1, 2) and one.axis != "units" and arrays.rows(key) == n_bins:
            places.rows[short] = key
        elif one.axis != "bins" and arrays.is_vector(key) and arrays.rows(key) == n_units:
            places.columns[short] = key
        else:
            places.odd.append(key)
    return places


def pick_labels(
    arrays: Arrays, places: Places, asked: Any, n_bins: int, kept: NDArray[np.bool_], notes: Notes, *, strict: bool
) -> dict[str, NDArray[Any]]:
    """Read the labels that are asked for, or all that have a value in every row.

    Rows without a value of one that is asked for are taken out of `kept`, an array of shape (T,).

    Raises
    ------
    UnknownNameError
        If one that is asked for is not there.
    DataError
        If it can be no label; where `strict`, also if any array fits nowhere.
    """
    if asked is None:
        wanted = dict(places.rows)
        if strict and places.odd:
            raise DataError(
                f"'{places.odd[0]}' has shape {arrays.fields[places.odd[0]].shape}, which is no label of {n_bins} bins; "
                "give it one row a bin or leave it out"
            )
    else:
        wanted = {}
        for name in [] if asked in ("", "none") else names_of(asked):
            if name not in places.rows:
                raise unknown_name("label", name, places.rows)
            wanted[name] = places.rows[name]
    labels: dict[str, NDArray[Any]] = {}
    for short, key in wanted.items():
        values = arrays.values(key)
        plain = values.dtype.kind in "iubUS" or (values.dtype.kind == "f" and np.isfinite(values).all())
        if plain or (strict and asked is None):  # there the recording says what is wrong
            labels[short] = values
            continue
        try:
            values, present = plain_values(values)
        except DataError as error:
            if asked is not None:
                raise DataError(f"{short} cannot be a label: {error}") from None
            notes.skipped.append(f"{key}: {error}")
            continue
        if not present.all():
            lacking = f"no value in {(~present).sum()} of {n_bins} rows"
            if asked is None:
                notes.skipped.append(f"{key}: {lacking}; labels={short} leaves those out instead")
                continue
            notes.skipped.append(f"rows without {short}, which has {lacking}")
            kept &= present
        labels[short] = values
    return labels


def say_unused(arrays: Arrays, places: Places, tables: Mapping[str, str], used: set[str], notes: Notes) -> None:
    """Say of each array that is not used why it is not; `tables` names those that are parts of a table of intervals."""
    said = [entry.partition(": ")[0] for entry in notes.skipped]
    columns = {key: short for short, key in places.columns.items()}
    for key, one in arrays.fields.items():
        if key in used or key in said or key in arrays.trains:
            continue
        if key in tables:
            notes.skipped.append(f"{key}: intervals; segments={tables[key]} makes segments of them")
        elif key in columns:
            notes.skipped.append(f"{key}: one value a unit; units={columns[key]}=VALUE selects by it")
        elif key in places.rows.values():
            notes.skipped.append(f"{key}: a label that was not asked for")
        else:
            notes.skipped.append(f"{key}: shape {one.shape}, which is neither one row a bin nor one value a unit")
    notes.skipped += [f"{key}: lists of numbers; spikes={key} counts them as spike times" for key in arrays.trains]
