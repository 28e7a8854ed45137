"""`myow consistency` and `myow importance`, from runs to a table, JSON and a figure."""

import json

import pytest
from command import myow

SHORT = ["--set", "steps=20", "--set", "dim=8", "--set", "hidden=16", "--quiet"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for seed in ("0", "1"):
        done = myow("train", "simulated-reach", "--out", str(folder / f"seed{seed}"), "--seed", seed, *SHORT)
        assert done.code == 0, done.err
    return folder


def test_seeds_are_compared(runs):
    words = ["consistency", str(runs / "seed0"), str(runs / "seed1")]
    done = myow(*words, "--figure", str(runs / "agree.svg"))
    assert done.code == 0, done.err
    assert "mean R²" in done.out
    assert "seed0" in done.out
    assert (runs / "agree.svg").read_bytes().startswith(b"<?xml")
    found = json.loads(myow(*words, "--by", "direction", "--json").out)
    assert found["compared"] == "averages by direction"
    assert found["names"] == ["seed0", "seed1"]


def test_units_are_weighed(runs):
    done = myow("importance", str(runs / "seed0"), "--readout", "class", "--figure", str(runs / "units.png"))
    assert done.code == 0, done.err
    assert "direction is read out with accuracy" in done.out
    assert (runs / "units.png").is_file()
    found = json.loads(myow("importance", str(runs / "seed0"), "--json").out)
    assert len(found["units"]) == len(found["permutation"]) == len(found["gradient"])


def test_wrong_requests_are_one_line(runs):
    for words, said in (
        (["consistency", str(runs / "seed0")], "give two or more"),
        (["importance", str(runs / "seed0"), "--target", "speed"], "speed"),
        (["importance", str(runs / "seed0"), "--figure", str(runs / "a.jpg")], "ends in none of"),
    ):
        done = myow(*words)
        assert done.code == 1
        assert said in done.err
        assert done.err.strip().startswith("error:") or "\nerror:" in done.err
