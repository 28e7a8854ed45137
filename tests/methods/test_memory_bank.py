"""The candidates of MYOW's default pool: all rows of a recording, or of a long one stretches that change."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import SMALL, SMALL_MINING, Notes, reach, sleep

from myow import MYOW
from myow.methods import candidates
from myow.methods.candidates import MemoryBank, covered, draw_rows, mining_rule, run_means
from myow.nn.neighbours import mine
from myow.training.rows import TrainingRows


@pytest.fixture
def short(monkeypatch):
    """Recordings are long from 60 rows on; of them 40 are held, in stretches of 10."""
    monkeypatch.setattr(candidates, "MOST_ROWS", 60)
    monkeypatch.setattr(candidates, "PART", 40)
    monkeypatch.setattr(candidates, "STRETCH", 10)


def bank_of(recording, key_bins=1, pool_size=20, every=3):
    rows = TrainingRows(recording, torch.zeros(len(recording), 1), (0, 0), torch.device("cpu"))
    return MemoryBank(rows, 3, key_bins=key_bins, pool_size=pool_size, every=every)


def code(n_rows, dim=3):
    """Representations that rows keep, and what encodes them and notes how many it was asked for."""
    fixed = torch.randn(n_rows, dim, generator=torch.Generator().manual_seed(0))
    asked = []

    def encode(rows):
        asked.append(len(rows))
        return fixed[rows]

    return fixed, encode, asked


def draw(bank, generator, encode):
    """Draw the candidates of a batch as MYOW does: after a refresh, where one is due."""
    refresh = bank.due()
    pool = bank.draw(generator, refresh=refresh)
    if refresh:
        bank.refresh(encode)
    bank.age += 1
    return pool


def expected_keys(recording, fixed, key_bins):
    unit = (fixed / fixed.norm(dim=1, keepdim=True)).numpy()
    near = (recording.groups[:, None] == recording.groups) & (
        np.abs(recording.bins[:, None] - recording.bins) <= key_bins
    )
    return near @ unit / near.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("key_bins", [0, 1])
@pytest.mark.parametrize("recording", [sleep(n_bins=203), reach(n_segments=20, drop=0.2)], ids=["one", "trials"])
def test_candidates_and_anchors_of_a_long_recording_are_those_that_encoding_all_of_it_would_give(
    short, recording, key_bins
):
    bank = bank_of(recording, key_bins)
    fixed, encode, _ = code(len(recording))
    every_key = fixed.numpy() if key_bins == 0 else expected_keys(recording, fixed, key_bins)
    generator = torch.Generator().manual_seed(1)
    held = set()
    for step in range(9):
        pool = draw(bank, generator, encode)
        assert len(set(pool.tolist())) == len(pool) == 20
        starts = bank.starts.tolist()
        assert len(starts) == 4
        assert min(np.diff(starts)) >= 10
        assert starts[-1] + 10 <= len(recording)
        assert all(any(s <= row < s + 10 for s in starts) for row in pool.tolist())
        held.add(tuple(starts))
        assert len(held) == 1 + step // 3  # they change with each refresh, and only then
        keys, values = bank.candidates(pool)
        torch.testing.assert_close(values, fixed[pool])
        np.testing.assert_allclose(keys, every_key[pool], atol=1e-5)
        anchors = torch.tensor([0, 7, 7, len(recording) - 1, 3])
        np.testing.assert_allclose(bank.queries(anchors, encode), every_key[anchors], atol=1e-5)


def test_what_is_encoded_and_held_does_not_grow_with_the_recording(short):
    for n_bins in (100, 1000, 5000):
        bank = bank_of(sleep(n_bins=n_bins))
        _, encode, asked = code(n_bins)
        bank.candidates(draw(bank, torch.Generator().manual_seed(0), encode))
        assert sum(asked) <= 4 * (10 + 2)
        assert len(bank.values) == len(bank.keys) == 40


def test_in_the_long_run_every_row_is_a_candidate(short):
    bank = bank_of(sleep(n_bins=101), every=1)
    generator, seen = torch.Generator().manual_seed(0), set()
    for _ in range(300):
        seen |= set(bank.draw(generator, refresh=bank.due()).tolist())
    assert seen == set(range(101))


def test_a_pool_larger_than_the_part_is_held_whole(short):
    bank = bank_of(sleep(n_bins=300), pool_size=75)
    assert len(bank.values) == 80
    assert len(bank.draw(torch.Generator().manual_seed(0), refresh=True)) == 75
    assert bank_of(sleep(n_bins=70), pool_size=75).whole
    wide = bank_of(sleep(n_bins=300), key_bins=5)  # stretches are many times as long as what lies around them
    assert wide.stretch == 50


def test_a_long_recording_that_was_stopped_goes_on_from_the_same_candidates(short, tmp_path):
    recording = sleep(n_bins=300)
    estimator = {**SMALL, **SMALL_MINING, "pool_size": 30, "pool_refresh": 4, "steps": 20}
    whole = MYOW(**estimator).fit(recording)
    with pytest.raises(RuntimeError, match="stopped by the test"):
        MYOW(**estimator).fit(recording, folder=tmp_path, callbacks=[Notes(fail_at=7)])
    resumed = MYOW(**estimator)
    notes = Notes()
    resumed.fit(recording, folder=tmp_path, resume=True, callbacks=[notes])
    assert notes.began == (6, 20)
    for a, b in zip(whole.network_.state_dict().values(), resumed.network_.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert not any("bank" in name for name in whole.network_.state_dict())  # nothing of it is saved with the model


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6)), min_size=1, max_size=20))
def test_covered_rows_are_the_union_of_the_runs(runs):
    first = torch.tensor([a for a, _ in runs])
    last = torch.tensor([a + n for a, n in runs])
    assert covered(first, last).tolist() == sorted({row for a, n in runs for row in range(a, a + n + 1)})


def test_means_of_runs():
    x = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    unit = (x / x.norm(dim=1, keepdim=True)).numpy()
    found = run_means(x, torch.tensor([0, 2, 8]), torch.tensor([8, 3, 8]))
    np.testing.assert_allclose(found, [unit.mean(0), unit[2:4].mean(0), unit[8]], atol=1e-6)


def test_rows_of_a_sample(short):
    generator = torch.Generator().manual_seed(0)
    assert sorted(draw_rows(60, 100, generator).tolist()) == list(range(60))
    drawn = draw_rows(10_000, 50, generator)
    assert len(drawn) == 50
    assert 0 <= int(drawn.min()) < 2_000 < 8_000 < int(drawn.max()) < 10_000


@pytest.mark.parametrize(("most", "static"), [(10_000, True), (20, False)])
def test_batches_keep_their_shapes_only_where_the_whole_recording_is_encoded(monkeypatch, most, static):
    monkeypatch.setattr("myow.methods.candidates.MOST_ROWS", most)
    monkeypatch.setattr("myow.methods.candidates.PART", 20)
    monkeypatch.setattr("myow.methods.candidates.STRETCH", 5)
    model = MYOW(**SMALL, pool_size=16)
    _, rows = model._initialise(reach())
    model.network_.prepare(rows)
    assert model.network_.static is static


@pytest.mark.parametrize("views", [1, 3])
def test_where_all_rows_are_candidates_neighbours_are_found_once_a_refresh_as_they_would_be_each_step(views):
    recording = reach(n_segments=12)
    rows = TrainingRows(recording, torch.zeros(len(recording), 1), (0, 0), torch.device("cpu"))
    bank = MemoryBank(rows, 3, key_bins=2, pool_size=1000, every=3, k=4)
    assert bank.finds_all
    rule = mining_rule(rows, "segment", None, "all")
    bank.refresh(code(len(recording))[1])
    bank.find_all(rule)
    anchors = torch.tensor([0, 5, 40, 90])
    draws = torch.rand((4, views), generator=torch.Generator().manual_seed(1))
    pool = torch.arange(len(recording))
    expected, there = mine(bank.keys[anchors], bank.keys, 4, rule.excluded(anchors, pool), draws)
    chosen, found = bank.choose(anchors, draws)
    assert torch.equal(chosen, expected)
    assert torch.equal(found, there)
    for other in ({"key_bins": 0}, {"pool_size": 20}, {"k": None}):
        settings = {"key_bins": 2, "pool_size": 1000, "every": 3, "k": 4} | other
        assert not MemoryBank(rows, 3, **settings).finds_all
