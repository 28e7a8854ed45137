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
    assert set(second) == {0, *ranked[:4]}
    scores = {trial: (first[trial]["score"], second[trial]["score"]) for trial in second}
    better = {t: sum(s) for t, s in scores.items() if s[0] > scores[0][0] and s[1] > scores[0][1]}
    winner = WINNERS[method]["trial"]
    assert winner == (max(better, key=better.get) if better else 0)
    assert (WINNERS[method]["scores"], WINNERS[method]["settings"]) == (list(scores[winner]), first[winner]["settings"])
    for line in (*first.values(), *second.values()):
        assert set(line["accuracy"]) == {"chewie-1", "simulated-reach", "simulated-sleep"}
        assert set(line["settings"]) == set(SPACE[method])
        assert line["trial"] == 0 or all(value in SPACE[method][key] for key, value in line["settings"].items())


@pytest.mark.parametrize("method", SPACE)
def test_the_defaults_are_the_winners(method):
    defaults = method_class(method)().get_params()
    winner = settings_of(method, WINNERS[method]["settings"])
    if method == "myow":  # the rule for k gives this number wherever the pool is large enough
        assert (winner.pop("k"), defaults["k"], defaults["pool_size"] // 4 >= 10) == (10, None, True)
    if method == "autoencoder":
        assert WINNERS[method]["trial"] != 0
    assert {key: defaults[key] for key in winner} == winner
