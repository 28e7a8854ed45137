"""The script that lays variants beside each other: what it trains, what it says, and what it refuses."""

import importlib.util
import json
import sys

import numpy as np
import pytest
from places import BENCHMARKS

PATH = BENCHMARKS / "diagnose.py"
SPEC = importlib.util.spec_from_file_location("diagnose", PATH)
diagnose = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(diagnose)

TINY = "steps=4 hidden=8 dim=4 predictor=6 batch_size=64"


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["diagnose.py", *map(str, words)])
    diagnose.main()


def test_variants_are_trained_and_told_apart(tmp_path, monkeypatch, capsys):
    words = [
        "simulated-reach",
        "--seeds",
        2,
        "--context",
        "1,1",
        "--out",
        tmp_path / "a.png",
        "--json",
        tmp_path / "a.json",
    ]
    run(monkeypatch, *words, "--variant", f"on: {TINY} mined_ramp=0", "--variant", f"off: {TINY} mined_weight=0")
    shown = capsys.readouterr().out
    assert "myow on simulated-reach, context 1,1, 2 seeds" in shown
    heading, *rows = shown.split("\n\n")[1].splitlines()
    assert heading.split() == ["on", "off"]
    by_name = {row[:40].split("  ")[0]: row for row in rows}
    assert by_name["mined same label"].rstrip().endswith("-")  # nothing is mined where mining is off
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    variants = json.loads((tmp_path / "a.json").read_text())["variants"]
    assert {name: len(v["fits"]) for name, v in variants.items()} == {"on": 2, "off": 2}
    both, mining = {"hubness", "accuracy, 1 labels", "neighbour_same_label"}, {"mined_same_label", "distinct"}
    for fit in variants["on"]["fits"]:
        assert both | mining <= set(fit["end"])
        assert fit["curves"]["mined_same_label"][0] == [1, 2, 3, 4]
        assert fit["curves"]["neighbour_same_label"][1][-1] == fit["end"]["neighbour_same_label"]
    for fit in variants["off"]["fits"]:
        assert both <= set(fit["end"])
        assert not mining & set(fit["end"])
    accuracy = [fit["end"]["accuracy, all labels"] for fit in variants["on"]["fits"]]
    assert f"{np.mean(accuracy):.3f} ± {np.std(accuracy, ddof=1):.3f}" in by_name["accuracy, all labels"]


def test_curves_of_seeds_are_stacked_where_all_have_them():
    first = {"curves": {"hubness": ([1, 2], [5.0, 6.0]), "distinct": ([2], [0.5])}}
    second = {"curves": {"hubness": ([1, 2], [7.0, 8.0]), "distinct": ([1], [0.1])}}
    assert diagnose.over_seeds([first, second]) == {"hubness": ([1, 2], [[5.0, 6.0], [7.0, 8.0]])}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--variant", "mined_weight=0"], "has no name"),
        (["--variant", "a: k=3", "--variant", "a: k=5"], "give each a name of its own"),
        (["--variant", "a: no_such=3"], "no_such"),
        (["--method", "supervised"], "learns from labels"),
        (["--method", "pca"], "has no steps"),
    ],
)
def test_what_cannot_be_compared_is_one_line(words, said, monkeypatch):
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, "simulated-reach", "--seeds", 1, *words)
    assert said in str(stop.value)
    assert "\n" not in str(stop.value)
