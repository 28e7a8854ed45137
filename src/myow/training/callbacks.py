"""Callbacks of a training: a progress bar, files, TensorBoard."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from ..errors import FileError, SettingError
from ..io.files import append_line, read_arrays, remove, whole_lines, write_arrays, writing

__all__ = ["Callback", "MetricsFile", "PairsFile", "ProgressBar", "TensorBoard", "in_words", "read_metrics"]

# There is no room for what is better seen in a figure.
NOT_IN_THE_BAR = ("learning_rate", "alignment", "uniformity", "hubness")


class Callback(Protocol):
    """Interface of what is told how training goes, such as a progress bar or a log file."""

    def begin(self, step: int, total: int) -> None:
        """Training starts or continues at `step` of `total`."""
        ...

    def step(self, step: int) -> None:
        """`step` steps are done."""
        ...

    def record(self, step: int, metrics: Mapping[str, float], traces: Mapping[str, Tensor]) -> None:
        """Numbers, and integer tensors, measured at `step`."""
        ...

    def end(self) -> None:
        """Training is over, finished or not."""
        ...


FIRST_LINE, NEXT_LINE = 2.0, 10.0  # seconds
LONG = 60.0
"""Seconds beyond which a training is said to be long before it goes on."""


class ProgressBar:
    """A bar on stderr with the terms of the loss, steps per second and the time left; a line now and then in a pipe.

    After the first second it says so if training will take over a minute.

    Parameters
    ----------
    title : str
        What is being trained.
    after : float, optional
        Seconds before anything is shown, so that what is over by then stays silent.
    """

    shows_progress = True

    def __init__(self, title: str, *, after: float = 0.0) -> None:
        self._title = title
        self._after = after
        self._bar: Any = None
        self._console: Any = None

    def begin(self, step: int, total: int) -> None:
        """Show the bar."""
        self._first, self._done, self._total = step, step, total
        self._since = self._ran = time.monotonic()
        self._terms, self._said, self._next = "", False, FIRST_LINE
        if not self._after:
            self._show()

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        self._console = Console(stderr=True)
        if not (self._console.is_terminal or self._console.is_jupyter):
            return
        self._bar = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis", max_width=24)),
            BarColumn(bar_width=12),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            # What is left of the line: of 80 columns the terms give way, not the time that is left.
            TextColumn("{task.fields[terms]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
            console=self._console,
            expand=True,
        )
        self._task = self._bar.add_task(
            self._title, total=self._total, completed=self._done, terms=self._terms, rate=""
        )
        self._bar.start()

    def step(self, step: int) -> None:
        """Move the bar."""
        now = time.monotonic()
        seconds = now - self._since
        if step <= self._first + 1:
            self._ran = now  # the first step makes ready, and takes longer than those that follow
        self._done = step
        if self._console is None:
            if now - self._ran < self._after:  # the first step does not count, which loads what is needed
                return
            self._show()
        self._warn_if_long(step, seconds)
        rate = f"{(step - self._first) / seconds:.0f} steps/s" if seconds > 0 else ""
        if self._bar is not None:
            self._bar.update(self._task, completed=step, rate=rate)
        elif seconds >= self._next and step < self._total:
            left = seconds / max(1, step - self._first) * (self._total - step)
            self._print(f"{step:,} of {self._total:,} steps, {rate}, {in_words(left)} left  {self._terms}")
            self._next = seconds + max(NEXT_LINE, seconds / 5)

    def _warn_if_long(self, step: int, seconds: float) -> None:
        """Say once, as soon as some steps are done, that training will take over a minute."""
        steps = step - self._first - 1
        if self._said or seconds < 1 or steps < 2:
            return
        self._said = True
        whole = (time.monotonic() - self._ran) / steps * (self._total - self._first)
        if whole > LONG:
            self._print(
                f"about {in_words(whole)} for {self._total - self._first:,} steps; fewer steps take less time, and so may a GPU"
            )

    def _print(self, text: str) -> None:
        # A line of a pipe stays whole, for programs; a terminal breaks it between words.
        whole = not self._console.is_terminal
        self._console.print(f"{self._title}: {text.strip()}", highlight=False, markup=False, soft_wrap=whole)

    def record(self, step: int, metrics: Mapping[str, float], traces: Mapping[str, Tensor]) -> None:
        """Show the latest numbers."""
        shown = {k: v for k, v in metrics.items() if k not in NOT_IN_THE_BAR}
        self._terms = "  ".join(f"{k.replace('_', ' ')} {v:.3g}" for k, v in shown.items())
        if self._bar is not None:
            self._bar.update(self._task, terms=self._terms)

    def end(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.stop()
        elif self._next > FIRST_LINE:  # a line was written
            seconds = time.monotonic() - self._since
            self._print(f"{self._done:,} of {self._total:,} steps in {in_words(seconds)}  {self._terms}")
        self._bar = self._console = None  # so that what holds it can be copied


def in_words(seconds: float) -> str:
    """Return a time as it is spoken of.

    Examples
    --------
    >>> in_words(4.2), in_words(130), in_words(8000)
    ('4 s', '2 min 10 s', '2 h 13 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


class MetricsFile:
    """One JSON line a record, appended to a file; a resumed run drops what it is about to measure again.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, step: int, total: int) -> None:
        """Keep the lines up to `step`."""
        kept = [m for m in read_metrics(self.path) if m["step"] <= step] if self.path.exists() else []
        with writing(self.path) as part:
            part.write_text("".join(json.dumps(m) + "\n" for m in kept))
        self._since = time.monotonic() - (kept[-1].get("seconds", 0.0) if kept else 0.0)

    def step(self, step: int) -> None:
        """Nothing is written between records."""

    def record(self, step: int, metrics: Mapping[str, float], traces: Mapping[str, Tensor]) -> None:
        """Append a line."""
        line = {"step": step, "seconds": round(time.monotonic() - self._since, 3)} | dict(metrics)
        append_line(self.path, json.dumps(line))

    def end(self) -> None:
        """Nothing is left to write."""


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read the lines of a metrics file; one that was cut off by a crash or damaged is left out, the others are kept.

    Raises
    ------
    FileError
        If the file cannot be read.
    """
    return [row for row in map(_metrics, whole_lines(path).splitlines()) if row]


def _metrics(line: bytes) -> dict[str, Any]:
    """Return the numbers of a line; none if it is not one that `MetricsFile` wrote."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    numbers = isinstance(row, dict) and all(type(v) in (int, float) for v in row.values())
    return row if numbers and type(row.get("step")) is int else {}


class PairsFile:
    """Pairs of rows that a method reports at its records, as arrays ``step`` (S,), ``anchor`` and, say, ``mined`` (S, M).

    Rows count from the first training row; -1 stands for an anchor that found none.

    Parameters
    ----------
    path : Path
        The .npz file.
    name : str
        What the second rows are, "mined" or "neighbour": the name of their array, and of the trace ``{name}_pairs`` (M, 2)
        that is kept.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self._kept: list[tuple[int, np.ndarray[Any, Any]]] = []

    def begin(self, step: int, total: int) -> None:
        """Keep the pairs up to `step`."""
        if step and self.path.exists():
            old = read_arrays(self.path)
            try:
                pairs = np.stack([old["anchor"], old[self.name]], axis=2)
                self._kept = [(int(s), p) for s, p in zip(old["step"], pairs, strict=True) if s <= step]
            except (ValueError, KeyError, TypeError) as error:
                why = str(error).splitlines()[0]
                raise FileError(f"{self.path} is damaged ({why}); remove it and go on") from error
        else:
            remove(self.path)

    def step(self, step: int) -> None:
        """Nothing is written between records."""

    def record(self, step: int, metrics: Mapping[str, float], traces: Mapping[str, Tensor]) -> None:
        """Write all pairs so far."""
        trace = traces.get(f"{self.name}_pairs")
        if trace is None:
            return
        self._kept.append((step, trace.numpy().astype(np.int32)))
        pairs = np.stack([p for _, p in self._kept])
        arrays: dict[str, Any] = {"step": [s for s, _ in self._kept], "anchor": pairs[..., 0], self.name: pairs[..., 1]}
        # At every record, where packing would take longer than the steps in between; the checkpoint syncs its name.
        write_arrays(self.path, arrays, packed=False, lasting=False)

    def end(self) -> None:
        """Nothing is left to write."""


class TensorBoard:
    """Scalars for TensorBoard, which the extra ``tensorboard`` installs.

    Parameters
    ----------
    folder : Path
        Where event files go.

    Raises
    ------
    SettingError
        If TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise SettingError("TensorBoard is not installed; run: pip install 'myow[tensorboard]'") from error
        self._writer_class: Any = SummaryWriter
        self._folder = folder

    def begin(self, step: int, total: int) -> None:
        """Open the event file; numbers after `step` of an earlier try are hidden."""
        self._writer = self._writer_class(self._folder, purge_step=step + 1)

    def step(self, step: int) -> None:
        """Nothing is written between records."""

    def record(self, step: int, metrics: Mapping[str, float], traces: Mapping[str, Tensor]) -> None:
        """Write each number."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def end(self) -> None:
        """Close the event file."""
        self._writer.close()
