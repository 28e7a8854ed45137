"""The layout of the raw reaching sessions: ``trial_table`` beside ``out_struct`` with units, position, velocity, ..., force.

Of the columns of ``trial_table``, counted from 0 as the authors' Python code does, 1 is the target, 9 and 12 are start and end
in s. Signals are rows of a time in s and two values.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError, MyowError
from ._fields import Arrays
from ._notes import Notes
from ._session import Intervals, Session, Signal, Units, constant

__all__ = ["END", "START", "TARGET", "RawSession", "raw_session", "session_of_raw"]

TARGET, START, END = 1, 9, 12
TABLE, TOP = "trial_table", "out_struct"
SIGNALS = {"position": "pos", "velocity": "vel", "acceleration": "acc", "force": "force"}


@dataclass(frozen=True)
class RawSession:
    """A session as exported from Matlab.

    Parameters
    ----------
    table : ndarray, shape (n, 13 or more)
        A row a trial.
    trains : list of ndarray
        Spike times of each unit in s.
    signals : dict
        Those that hold anything, shape (S, 3): time in s and two values.
    """

    table: NDArray[np.float64]
    trains: list[NDArray[np.float64]]
    signals: dict[str, NDArray[np.float64]]


def raw_session(arrays: Arrays, path: Path) -> RawSession:
    """Take a session out of the arrays of a file.

    Raises
    ------
    FileError
        If it is not laid out so.
    """
    if TABLE not in arrays.fields or not any(key.startswith(TOP) for key in [*arrays.fields, *arrays.trains]):
        raise FileError(f"{path} holds no {TABLE} beside {TOP}")
    try:
        table = np.atleast_2d(np.asarray(arrays.fields[TABLE].read(), dtype=np.float64))
        if table.shape[1] <= END:
            raise FileError(f"{path}: {TABLE} has shape {table.shape}; it must have at least {END + 1} columns")
        times = f"{TOP}.units.ts"
        held = arrays.trains.get(times)
        trains = (
            [held.train(unit) for unit in range(len(held.names))]
            if held is not None
            else [np.asarray(arrays.values(times), dtype=np.float64).ravel()]  # a single unit is no list of units
        )
        signals = {}
        for name, stored in SIGNALS.items():
            key = f"{TOP}.{stored}"
            if key in arrays.fields and arrays.fields[key].size:
                values = np.atleast_2d(np.asarray(arrays.fields[key].read(), dtype=np.float64))
                signals[name] = values[:, :3]
    except MyowError:
        raise
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise FileError(f"{path} is not laid out as a raw session ({error}); get the published file") from None
    for name, values in signals.items():
        if values.shape[1] != 3:
            raise FileError(
                f"{path} is not laid out as a raw session: {name} has shape {values.shape}, not (samples, 3)"
            )
    return RawSession(table, trains, signals)


def session_of_raw(raw: RawSession, path: Path, notes: Notes) -> Session:
    """Turn it into a session whose trials have the label ``direction``."""
    table = raw.table
    columns = {"direction": constant(table[:, TARGET])}
    target = table[:, TARGET]
    if (target == np.rint(target)).all():
        columns["direction"] = constant(target.astype(np.int64))
    signals = {}
    for name, values in raw.signals.items():
        if np.any(values[:, 1:]):
            signals[name] = _signal(values)
        else:
            notes.skipped.append(f"{name}: zeros throughout, which are no measurement")
    notes.skipped.append(f"{TABLE}: all but 3 of its {table.shape[1]} columns, whose meaning is not known here")
    spans = table[:, [START, END]]
    return Session(
        name=path.stem,
        source={"file": path.name},
        units=Units(tuple(f"unit{i}" for i in range(len(raw.trains))), lambda unit: raw.trains[unit]),
        intervals={"trials": Intervals(len(table), constant(spans), columns)},
        signals=signals,
    )


def _signal(values: NDArray[Any]) -> Signal:
    return Signal(
        n_samples=len(values),
        names=("x", "y"),
        rows=lambda low, high: values[low:high, 1:],
        clock=constant(values[:, 0]),
        role="behaviour",
    )
