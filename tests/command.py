"""The command line, called as from a shell but in this process; and small recordings as files."""

import contextlib
import io
import json
import sys
from typing import NamedTuple
from unittest import mock

import numpy as np

from myow.cli.commands import main

SMALL = [
    "--set",
    "steps=6",
    "--set",
    "dim=4",
    "--set",
    "hidden=8",
    "--set",
    "predictor=8",
    "--set",
    "batch_size=32",
    "--device",
    "cpu",
]
QUICK = [item for item in SMALL[:-2] if item != "--set"]  # the same as pairs, for `train_run`


class Called(NamedTuple):
    code: int
    out: str
    err: str

    def json(self):
        """The one JSON object on stdout; stderr must be empty and no number may be NaN or infinite."""
        assert self.code == 0, self.err
        assert self.err == ""
        assert self.out.count("\n") == 1
        return json.loads(self.out, parse_constant=lambda text: self.fail(text))

    def fail(self, text):
        raise AssertionError(f"{text} is not JSON")

    def error(self):
        """The text of the one line on stderr."""
        assert self.code == 1, (self.code, self.out, self.err)
        assert self.out == ""
        assert self.err.startswith("error: ")
        assert self.err.count("\n") == 1
        assert "Traceback" not in self.err
        return self.err.removeprefix("error: ").rstrip("\n")


def myow(*words):
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        mock.patch.object(sys, "argv", ["myow", *map(str, words)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    return Called(code, out.getvalue(), err.getvalue())


def trials(n_segments=20, length=6, n_units=6, seed=0):
    """Arrays of a recording of trials whose units are tuned to four directions."""
    rng = np.random.default_rng(seed)
    segments = np.repeat(np.arange(n_segments), length)
    direction = segments % 4
    tuning = rng.uniform(0.2, 6.0, size=(4, n_units))
    return {
        "counts": rng.poisson(tuning[direction]),
        "bin_size": 0.1,
        "segments": segments,
        "direction": direction,
        "period_direction": 4.0,
        "place": rng.normal(size=(len(segments), 2)) + direction[:, None],
    }


def write(path, **changes):
    """Write `trials` with some arrays exchanged, or with None left out."""
    arrays = {k: v for k, v in (trials() | changes).items() if v is not None}
    np.savez(path, **arrays)
    return path
