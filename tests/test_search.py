"""The defaults are what the search found, and every method was searched alike."""

import json
from pathlib import Path

import pytest

from myow.methods import method_class, method_names
from myow.settings import parse_settings

FOLDER = Path(__file__).parent.parent / "benchmarks" / "search"
SPACE, WINNERS = (json.loads((FOLDER / name).read_text()) for name in ("space.json", "winners.json"))
LOG = [json.loads(line) for line in (FOLDER / "log.jsonl").read_text().splitlines()]


def settings_of(method, given):
    return parse_settings(method_class(method), [f"{k}={v}" for k, v in given.items()])


def test_every_method_with_something_to_choose_was_searched():
    nothing_to_choose = {"raw", "lda", "untrained"}
    assert set(SPACE) == set(WINNERS) == set(method_names()) - nothing_to_choose


@pytest.mark.parametrize("method", SPACE)
def test_the_budget_is_the_same_for_all_and_the_best_has_won(method):
    first, second = ({r["trial"]: r for r in LOG if (r["method"], r["round"]) == (method, n)} for n in (0, 1))
    assert sorted(first) == list(range(10))
    ranked = sorted(first, key=lambda trial: (-first[trial]["score"], trial))
    assert set(second) == set(ranked[:4])
    means = {trial: (first[trial]["score"] + second[trial]["score"]) / 2 for trial in second}
    assert WINNERS[method]["score"] == pytest.approx(max(means.values()), abs=1e-5)
    assert means[WINNERS[method]["trial"]] == max(means.values())
    for line in (*first.values(), *second.values()):
        assert set(line["accuracy"]) == {"chewie-1", "simulated-reach", "simulated-sleep"}
        assert all(value in SPACE[method][key] for key, value in line["settings"].items())


@pytest.mark.parametrize("method", SPACE)
def test_the_defaults_are_the_winners(method):
    defaults = method_class(method)().get_params()
    winner = settings_of(method, WINNERS[method]["settings"])
    assert {key: defaults[key] for key in winner} == winner
