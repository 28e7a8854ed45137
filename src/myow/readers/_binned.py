"""From a session of spike times, intervals and signals to a recording."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.binning import Bins, count_spikes, make_bins
from ..data.checks import check_bin_size
from ..data.recording import Recording
from ..errors import DataError
from ._averages import average, take_bins
from ._choices import Chosen, choose_segments, choose_units
from ._labels import choose_labels
from ._notes import Notes
from ._session import Session, Signal

__all__ = ["MISSING_WIDTH", "bin_session"]

MISSING_WIDTH = "the width of a bin is missing; give bin_size in seconds, such as bin_size=0.02"
MOST_VALUES = 1 << 33  # bins times units: 8 GiB where each is one byte


def bin_session(
    session: Session,
    notes: Notes,
    *,
    bin_size: float | None,
    segments: Any = None,
    align: Any = None,
    window: Any = None,
    units: Any = None,
    labels: Any = None,
    signal: str | None = None,
    name: str | None = None,
    laid: Bins | None = None,
) -> Recording:
    """Count spikes, or average a signal, in half-open bins inside each segment.

    Parameters
    ----------
    session : Session
        What there is.
    notes : Notes
        What is used and skipped is said here.
    bin_size : float
        Width of a bin in s.
    segments : str or array_like, optional
        Name of a table of intervals, ``"whole"``, or starts and ends in s, (n, 2). Default: trials, or the only table, or
        the whole. Intervals may overlap and come in any order; each counts its own spikes.
    align, window : optional
        Column of times of that table, or events, and "before,after" in s: a segment is then a window around each time.
    units : optional
        "quality=good,region=M1|PMd", names, indices or a mask. Default: all.
    labels : str or sequence of str, optional
        Columns of the table, constant inside a segment, and signals, averaged in each bin. Default: all that have a value
        everywhere. One that is named here has rows without a value left out instead. "none": no labels.
    signal : str, optional
        Bin this signal in place of spikes.
    name : str, optional
        Name of the recording.
    laid : Bins, optional
        Bins inside those intervals, where they are given by the samples.

    Returns
    -------
    Recording

    Raises
    ------
    DataError, SettingError
        If no row is left, a choice cannot be met, or `bin_size` is missing.
    """
    if bin_size is None:
        raise DataError(MISSING_WIDTH)
    width = check_bin_size(bin_size)
    activity = _activity(session, signal)
    signals = session.signals
    known = signals[activity] if activity else session.units
    if known is None:
        raise DataError(
            f"there are no spike times; name a signal to bin: {', '.join(signals) or 'there is none either'}"
        )
    index = choose_units(units, known.names, known.columns, notes)
    chosen = choose_segments(session, segments, align, window, notes)
    if chosen is None:
        whole = _whole(session, index, activity, width)
        chosen = Chosen(whole, np.full(len(whole), -1), np.arange(len(whole)), {}, "the whole")
    bins = _lay(chosen, width, len(index), notes) if laid is None else laid
    bins = _inside(session, bins, notes)
    found, bins = choose_labels(session, chosen, bins, labels, activity, notes)
    if activity:
        counts, kind, index, bins, kept = _sampled(activity, signals[activity], index, bins, notes)
        found = {key: value[kept] for key, value in found.items()}
    else:
        counts, kind = _counted(session, index, bins), "counts"
        notes.used.append(f"{len(index)} units, spikes counted in bins of {width:g} s")
    _say_segments(chosen, bins, notes)
    _say_unused(session, chosen, activity, found, notes)
    try:
        return Recording(
            counts,
            bin_size=width,
            times=bins.starts,
            segments=chosen.numbers[bins.interval],
            labels=found,
            kind=kind,  # type: ignore[arg-type]
            units=[known.names[i] for i in index],
            name=session.name if name is None else str(name),
            source=session.source,
        )
    except DataError as error:
        raise DataError(f"{session.name}: {error}") from None


def _activity(session: Session, signal: str | None) -> str:
    """Return the signal to bin; "" for spikes."""
    if signal is not None:
        return session.find_signal(str(signal))
    fitting = [name for name, one in session.signals.items() if one.role == "activity"]
    return fitting[0] if session.units is None and len(fitting) == 1 else ""


def _whole(session: Session, index: NDArray[np.int64], activity: str, width: float) -> NDArray[np.float64]:
    """Return all that was recorded: what is known of it, else from the first thing to the last, in whole bins."""
    if session.support is not None:
        return session.support
    if activity:
        return np.array([session.signals[activity].span()])
    ends: list[tuple[float, float]] = []
    for i in index if session.units is not None else ():
        train = session.units.train(int(i))  # type: ignore[union-attr]
        if train.size:
            ends.append((float(train.min()), float(np.floor(train.max() / width + 1e-6) + 1) * width))
    for table in session.intervals.values():
        spans = table.spans()
        spans = spans[np.isfinite(spans).all(axis=1)]
        ends += [(float(spans.min()), float(spans.max()))] if spans.size else []
    ends += [one.span() for one in session.signals.values() if one.role == "behaviour" and one.n_samples]
    if not ends:
        raise DataError(
            "there is no spike, no interval and no sample, so nothing says when was recorded; give segments"
        )
    start, stop = min(a for a, _ in ends), max(b for _, b in ends)
    return np.array([[np.floor(start / width + 1e-6) * width, np.ceil(stop / width - 1e-6) * width]])


def _lay(chosen: Chosen, width: float, n_units: int, notes: Notes) -> Bins:
    expected = float((chosen.spans[:, 1] - chosen.spans[:, 0]).sum()) / width
    if not expected * n_units <= MOST_VALUES:
        raise DataError(
            f"{chosen.title} would make {expected:.3g} bins of {n_units} units, more than fit in memory; choose wider bins or fewer segments"
        )
    bins = make_bins(chosen.spans, width)
    short = np.setdiff1d(np.arange(len(chosen.spans)), bins.interval)
    if short.size:
        which = ", ".join(str(n) for n in chosen.numbers[short][:5]) + (", ..." if short.size > 5 else "")
        notes.skipped.append(
            f"{short.size} of {len(chosen.spans)} segments ({which}): shorter than a bin of {width:g} s"
        )
    if not len(bins.starts):
        raise DataError(
            f"every segment of {chosen.title} is shorter than a bin of {width:g} s; choose a smaller bin_size"
        )
    return bins


def _inside(session: Session, bins: Bins, notes: Notes) -> Bins:
    """Leave out bins that were not recorded whole, or are marked as invalid."""
    kept = np.ones(len(bins.starts), dtype=bool)
    if session.support is not None:
        inside = np.zeros_like(kept)
        for low, high in session.support:
            inside |= (bins.starts >= low - 1e-9) & (bins.ends <= high + 1e-9)
        if not inside.all():
            notes.skipped.append(f"{(~inside).sum()} of {len(kept)} bins: outside of what was recorded")
        kept &= inside
    if session.invalid is not None:
        spoilt = np.zeros_like(kept)
        for low, high in session.invalid:
            spoilt |= (bins.starts < high - 1e-9) & (bins.ends > low + 1e-9)
        if spoilt.any():
            notes.skipped.append(f"{spoilt.sum()} of {len(kept)} bins: in times marked as invalid")
        kept &= ~spoilt
    if not kept.any():
        raise DataError("no bin lies inside of what was recorded and is valid; choose other segments")
    return take_bins(bins, kept)


def _counted(session: Session, index: NDArray[np.int64], bins: Bins) -> NDArray[Any]:
    """Count unit by unit, in the smallest integers, so that no more than one train is held as float."""
    counts: NDArray[Any] = np.zeros((len(bins.starts), len(index)), dtype=np.uint8)
    for column, unit in enumerate(index):
        train = session.units.train(int(unit))  # type: ignore[union-attr]
        found = count_spikes([train], bins)[:, 0]
        if found.max() > np.iinfo(counts.dtype).max:
            counts = counts.astype(np.min_scalar_type(int(found.max())))
        counts[:, column] = found
    return counts


def _sampled(
    name: str, signal: Signal, index: NDArray[np.int64], bins: Bins, notes: Notes
) -> tuple[NDArray[Any], str, NDArray[np.int64], Bins, NDArray[np.int64]]:
    """Return the values of a signal in each bin, and the columns and bins that have any."""
    means, n = average(signal, bins, index)
    empty = (n == 0).all(axis=0)
    if empty.all():
        raise DataError(f"signal {name} has no finite sample in any bin; choose other segments")
    if empty.any():
        notes.skipped.append(f"{empty.sum()} of {len(index)} columns of {name}: no finite sample")
    means, n, index = means[:, ~empty], n[:, ~empty], index[~empty]
    kept = np.flatnonzero((n > 0).all(axis=1))
    if not kept.size:
        raise DataError(f"no bin has a sample of every column of signal {name}; choose wider bins or fewer units")
    if len(kept) < len(n):
        notes.skipped.append(f"{len(n) - len(kept)} of {len(n)} bins: no sample of {name}")
    if signal.counts:
        means = np.rint(means * n)
    how = "added up" if signal.counts else "averaged"
    notes.used.append(f"signal {name}, {len(index)} columns, samples {how} in each bin")
    return means[kept], "counts" if signal.counts else "continuous", index, take_bins(bins, kept), kept


def _say_segments(chosen: Chosen, bins: Bins, notes: Notes) -> None:
    used = np.unique(bins.interval)
    if chosen.title == "the whole":
        span = ", ".join(f"{low:g} to {high:g} s" for low, high in chosen.spans[:3])
        notes.used.append(f"the whole of {span}{', ...' if len(chosen.spans) > 3 else ''}")
    else:
        notes.used.append(f"{len(used)} of {len(chosen.spans)} intervals as segments: {chosen.title}")
    order = used[np.argsort(chosen.spans[used, 0], kind="stable")]
    found: list[tuple[float, int, int]] = []
    for one, other in zip(order[:-1], order[1:], strict=True):
        shared = min(chosen.spans[one, 1], chosen.spans[other, 1]) - chosen.spans[other, 0]
        if shared > 1e-9:
            pair = sorted((int(chosen.numbers[one]), int(chosen.numbers[other])))
            found.append((round(float(shared), 9), pair[0], pair[1]))
    for shared, one, other in found[:3]:
        notes.used.append(f"intervals {one} and {other} overlap by {shared:g} s: what lies there is in both")
    if len(found) > 3:
        notes.used.append(f"{len(found) - 3} more neighbours overlap")


def _say_unused(session: Session, chosen: Chosen, activity: str, labels: dict[str, Any], notes: Notes) -> None:
    if activity and session.units is not None:
        notes.skipped.append("spike times: a signal is binned in place of them")
    tables = [name for name in session.intervals if session.intervals[name].columns is not chosen.columns]
    signals = [name for name in session.signals if name != activity and name not in labels]
    said = " ".join(notes.skipped)
    if tables:
        notes.skipped.append(f"intervals {', '.join(tables)}: segments=NAME makes segments of them")
    if session.events:
        notes.skipped.append(
            f"events {', '.join(session.events)}: align=NAME window=0.2,0.5 makes segments around them"
        )
    signals = [name for name in signals if f"{name}: " not in said]
    if signals:
        notes.skipped.append(f"signals {', '.join(signals)}: signal=NAME bins one, labels=NAME averages it as a label")
