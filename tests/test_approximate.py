"""Approximate neighbours: recall on clusters, exclusion after the search, and what happens without faiss."""

import sys

import pytest
import torch

from myow.errors import SettingError
from myow.mining.approximate import FaissIndex, approximate_nearest
from myow.mining.exact import nearest


@pytest.fixture
def clusters():
    """Forty clusters of a hundred, and queries near them."""
    pytest.importorskip("faiss", reason="faiss is not installed: pip install 'myow[faiss]'")
    rng = torch.Generator().manual_seed(0)
    centres = torch.randn(40, 16, generator=rng)
    candidates = (centres[:, None] + 0.2 * torch.randn(40, 100, 16, generator=rng)).flatten(0, 1)
    return candidates[::40] + 0.1 * torch.randn(100, 16, generator=rng), candidates


def recall(found, exact):
    return (found[:, :, None] == exact[:, None, :]).any(dim=2).double().mean()


def test_most_of_the_nearest_are_found_in_clusters(clusters):
    exact, similarity = nearest(*clusters, 5)
    index, found = approximate_nearest(*clusters, 5)
    assert recall(index, exact) >= 0.9
    same = index == exact
    torch.testing.assert_close(found[same], similarity[same])
    assert torch.equal(index, approximate_nearest(*clusters, 5, random_state=0)[0])


def test_with_every_list_searched_nothing_is_missed(clusters):
    index, found = approximate_nearest(*clusters, 5, lists=10, probes=10)
    exact, similarity = nearest(*clusters, 5)
    assert recall(index, exact) == 1
    torch.testing.assert_close(found, similarity)


def test_candidates_come_in_parts_and_may_be_stored_small(clusters):
    queries, candidates = clusters
    index = FaissIndex(candidates[::2], bits=8)
    assert len(index) == 0
    for part in candidates.split(999):
        index.add(part)
    assert len(index) == len(candidates)
    found, similarity = index.nearest(queries, 5)
    exact, expected = nearest(queries, candidates, 5)
    assert recall(found, exact) >= 0.9
    torch.testing.assert_close(similarity, expected, atol=0.02, rtol=0)


def test_what_is_excluded_gives_way_to_the_spare(clusters):
    _, candidates = clusters
    index = FaissIndex(candidates, lists=5, probes=5)
    index.add(candidates)
    rows = torch.arange(50)
    found, similarity = index.nearest(candidates[:50], 3, excluded=lambda i: i == rows[:, None], spare=1)
    exact, _ = nearest(candidates[:50], candidates, 3, torch.eye(50, len(candidates), dtype=torch.bool))
    assert torch.equal(found, exact)
    assert torch.isfinite(similarity).all()
    _, similarity = index.nearest(candidates[:50], 3, excluded=lambda i: i == rows[:, None])
    assert torch.isfinite(similarity).sum(dim=1).eq(2).all()


def test_places_for_which_nothing_was_found_are_marked(clusters):
    queries, candidates = clusters
    index, similarity = approximate_nearest(queries, candidates, 1000, lists=40, probes=1)
    absent = torch.isinf(similarity)
    assert absent.any(dim=1).all()
    assert not absent[:, 0].any()
    assert ((index >= 0) & (index < len(candidates))).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lists": 0}, "lists is 0; it must be from 1 to the 4000"),
        ({"lists": 4001}, "lists is 4001"),
        ({"lists": 9, "probes": 10}, "probes is 10; it must be from 1 to the 9"),
        ({"bits": 4}, "bits is 4; it must be 8 or 32"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(clusters, wrong, message):
    with pytest.raises(SettingError, match=message):
        FaissIndex(clusters[1], **wrong)


@pytest.mark.parametrize(("k", "spare"), [(0, 0), (4001, 0), (4000, 1), (1, -1)])
def test_k_must_fit_the_pool(clusters, k, spare):
    index = FaissIndex(clusters[1])
    index.add(clusters[1])
    with pytest.raises(SettingError, match=f"k is {k} and spare is {spare}, but there are 4000 candidates"):
        index.nearest(clusters[0], k, spare=spare)


def test_without_faiss_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(SettingError, match=r"pip install 'myow\[faiss\]'"):
        approximate_nearest(torch.randn(3, 2), torch.randn(9, 2), 1)
