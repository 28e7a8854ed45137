"""The defaults are what the search found, and every method was searched alike."""

import json

import pytest
from places import BENCHMARKS

from myow.methods import method_class, method_names
from myow.settings import parse_settings

FOLDER = BENCHMARKS
SEARCHES = {"search": (10, 4), "search_views": (8, 3)}  # settings tried of each method, and how many of them twice
# The budget of the second grew twice: a finalist of before, since overtaken, stays in its log.
OVERTAKEN = {("search_views", "myow"): {1}}


def read(search, name):
    text = (FOLDER / search / name).read_text()
    return [json.loads(line) for line in text.splitlines()] if name.endswith("l") else json.loads(text)


SPACES, WINNERS = ({s: read(s, name) for s in SEARCHES} for name in ("space.json", "winners.json"))
SEARCHED = [(search, method) for search in SEARCHES for method in SPACES[search]]
LATEST = {method: search for search, method in SEARCHED}
PANEL = {
    "noise": 0.5,
    "embedding": "auto",
    "encoder": "residual",
    "unit_norm": True,
    "steps": None,
    "positives": None,
}
"""What recordings of other kinds than those of the two searches have changed since."""


def settings_of(method, given):
    return parse_settings(method_class(method), [f"{k}={v}" for k, v in given.items()])


def test_every_method_with_something_to_choose_was_searched():
    nothing_to_choose = {"raw", "lda", "untrained", "unmined"}
    assert set(SPACES["search"]) == set(method_names()) - nothing_to_choose
    assert set(SPACES["search_views"]) == {"myow", "byol", "simclr"}
    assert all(set(SPACES[search]) == set(WINNERS[search]) for search in SEARCHES)


@pytest.mark.parametrize(("search", "method"), SEARCHED)
def test_the_budget_is_the_same_for_all_and_the_best_has_won(search, method):
    budget, finalists = SEARCHES[search]
    space, winners, log = SPACES[search], WINNERS[search], read(search, "log.jsonl")
    given = read(search, "earlier.json")[method]
    proposed = [t for t, g in enumerate(given) if g] if isinstance(given, list) else [0]
    first, second = ({r["trial"]: r for r in log if (r["method"], r["round"]) == (method, n)} for n in (0, 1))
    assert sorted(first) == list(range(budget))
    ranked = sorted(first, key=lambda trial: (-first[trial]["score"], trial))
    assert set(second) == {0, *ranked[:finalists]} | OVERTAKEN.get((search, method), set())
    scores = {trial: (first[trial]["score"], second[trial]["score"]) for trial in second}
    better = {t: sum(s) for t, s in scores.items() if s[0] > scores[0][0] and s[1] > scores[0][1]}
    winner = winners[method]["trial"]
    assert winner == (max(better, key=better.get) if better else 0)
    assert (winners[method]["scores"], winners[method]["settings"]) == (list(scores[winner]), first[winner]["settings"])
    for line in (*first.values(), *second.values()):
        assert {name.split(",")[0] for name in line["accuracy"]} == {"chewie-1", "simulated-reach", "simulated-sleep"}
        assert set(line["settings"]) == set(space[method])
        drawn = line["trial"] not in proposed
        assert not drawn or all(value in space[method][key] for key, value in line["settings"].items())


@pytest.mark.parametrize("method", LATEST)
def test_the_defaults_are_the_latest_winners(method):
    defaults = method_class(method)().get_params()
    winner = settings_of(method, WINNERS[LATEST[method]][method]["settings"])
    for name, value in PANEL.items() if method in ("myow", "byol") else ():  # docs/decisions/defaults.md says why
        winner.pop(name, None)
        assert defaults[name] == value
    if method == "myow":
        # The rule for k, and for the mined projector, give these numbers.
        assert (winner.pop("k"), defaults["k"], defaults["pool_size"] // 4 >= 10) == (10, None, True)
        assert (winner.pop("mined_projector"), defaults["mined_projector"]) == ((128, defaults["dim"]), None)
    if method == "autoencoder":
        assert WINNERS["search"][method]["trial"] != 0
    assert {key: defaults[key] for key in winner} == winner
