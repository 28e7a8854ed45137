"""The panel: what it runs and does not run twice, and which differences its tests take."""

import importlib.util
import json
import sys

import numpy as np
import pytest
from places import BENCHMARKS
from scipy import stats
from tiny import reach

from myow.io.npz import write_npz

SPEC = importlib.util.spec_from_file_location("panel", BENCHMARKS / "panel.py")
panel = sys.modules["panel"] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(panel)

QUICK = ["steps=3", "hidden=8", "myow.dim=4", "unmined.dim=4", "batch_size=32"]


@pytest.fixture
def three(tmp_path, monkeypatch):
    """A panel of two recordings that are there and one that is not."""
    monkeypatch.setenv("MYOW_DATA", str(tmp_path / "data"))
    (tmp_path / "data" / "panel").mkdir(parents=True)
    for seed, name in enumerate(("a", "b")):
        write_npz(tmp_path / "data" / "panel" / f"{name}.npz", reach(n_segments=24, seed=seed))
    entries = {name: panel.Entry("direction", (1, 1), tuned=name == "a") for name in "abc"}
    monkeypatch.setattr(panel, "PANEL", entries)
    return tmp_path / "out"


def test_a_run_is_written_and_goes_on_and_says_what_is_missing(three, monkeypatch, capsys):
    words = [
        "panel.py",
        "--out",
        str(three),
        "--recordings",
        "a,b,c",
        "--methods",
        "raw,pca,myow,unmined",
        "--labels",
        "1,all",
    ]
    words += [word for setting in QUICK for word in ("--set", setting)] + ["--folds", "2"]
    monkeypatch.setattr(sys, "argv", words)
    panel.main()
    said = capsys.readouterr().out
    assert "c: left out" in said
    assert "16/16" not in said  # eight fits a recording
    assert "8/8" in said
    assert "| a (tuned) | direction | myow |" in (three / "table.md").read_text()
    assert (three / "gain.png").stat().st_size > 1000
    panel.main()
    assert "8/8" not in capsys.readouterr().out


def test_methods_of_other_libraries_are_read_out_on_the_same_folds_and_kept(three, monkeypatch, capsys):
    seen = []

    class Mean(panel.Outside):
        """A method of "another library": mean counts of the window; it notes what it was given."""

        def fit(self, train, valid, target, score):
            seen.append((self.by, len(train), len(valid), score(self)))
            self.choice = (self.choice or {"tried": 0}) | {"score": 1}
            return self

        def transform(self, recording):
            return self.raw.fit(recording).transform(recording)

    monkeypatch.setattr(panel, "OUTSIDE", {"mean": (Mean, False), "mean-behavior": (Mean, True)})
    words = [
        "panel.py",
        "--out",
        str(three),
        "--recordings",
        "a",
        "--methods",
        "raw,pca",
        "--labels",
        "1,all",
        "--folds",
        "2",
    ]
    monkeypatch.setattr(sys, "argv", [*words, "--outside", "mean,mean-behavior"])
    panel.main()
    assert [by for by, *_ in seen] == [None, None, "direction", "direction"]
    assert all(0 <= score <= 1 for *_, score in seen)
    cells = {tuple(cell[:-1]): cell[-1] for cell in json.loads((three / "cells.json").read_text())}
    for labels in ("1", "all"):  # the same features, folds and draws as raw counts
        assert cells["a", "direction", "mean", labels] == pytest.approx(
            cells["a", "direction", "raw", labels], abs=0.15
        )
    rows = [json.loads(line) for line in (three / "outside.jsonl").read_text().splitlines()]
    assert [(row["fold"], row["uses_labels"]) for row in rows] == [(0, False), (1, False), (0, True), (1, True)]
    panel.main()
    assert len(seen) == 4  # nothing is fitted again


def test_dimensions_that_are_linear_in_the_input_are_counted_and_left_out(three, monkeypatch, capsys):
    class Passes(panel.MYOW):
        """MYOW with two dimensions of its input passed through."""

        def transform(self, X):
            raw = panel.Raw(context=self.context).fit(X).transform(X)
            return np.hstack([super().transform(X), raw[:, :2]])

    monkeypatch.setattr(panel, "MYOW", lambda **given: Passes(**given, steps=3, dim=4, hidden=(8,), batch_size=32))
    monkeypatch.setattr(
        sys, "argv", ["panel.py", "--out", str(three), "--recordings", "a,c", "--folds", "2", "--linear"]
    )
    panel.main()
    out = capsys.readouterr().out
    assert "| a | 2 of " in out
    assert "c: left out" in out


def test_differences_are_to_the_best_of_the_others_and_one_a_recording(monkeypatch):
    names = [f"r{i}" for i in range(5)]
    monkeypatch.setattr(panel, "PANEL", {name: panel.Entry("x", (0, 0), tuned=i < 2) for i, name in enumerate(names)})
    rng = np.random.default_rng(0)
    cells = {(n, "x", m, "1"): float(rng.uniform()) for n in names for m in ("raw", "pca", "myow", "byol")}
    gains = panel.gains(cells, "1", "myow", ("raw", "pca"))
    expected = {
        n: cells[n, "x", "myow", "1"] - max(cells[n, "x", "raw", "1"], cells[n, "x", "pca", "1"]) for n in names
    }
    assert gains == expected
    values = np.array(list(expected.values()))
    line = next(one for one in panel.tests(cells).splitlines() if "all (5)" in one and "raw" in one)
    assert f"{100 * values.mean():+.1f} points" in line
    assert f"t test p {stats.ttest_1samp(values, 0).pvalue:.3f}" in line
    assert f"worst {100 * values.min():+.1f} ({names[int(values.argmin())]})" in line


def test_rows_are_averaged_over_folds_by_what_each_readout_is_judged_by():
    def row(target, readout, value, control=None):
        score = {"readout": readout, "labels": 1, "control": control, "balanced_accuracy": value, "r2": -value}
        return {"recording": "r", "target": target, "method": "raw", "scores": [score]}

    rows = [
        row("x", "class", 0.2),
        row("x", "class", 0.4),
        row("x", "class", 9.0, "shifted"),
        row("y", "continuous", 0.5),
    ]
    assert panel.means(rows) == {("r", "x", "raw", "1"): pytest.approx(0.3), ("r", "y", "raw", "1"): -0.5}
