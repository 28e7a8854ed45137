"""Mining against brute force in NumPy: nearest neighbours, exclusion, ties, and nobody mines itself."""

import contextlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import SMALL, SMALL_MINING, Notes, reach, sleep
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from myow import MYOW
from myow.errors import DataError, SettingError
from myow.nn import neighbours
from myow.nn.neighbours import excluded_pairs, excluded_ranges, mine, nearest


def cosine(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a @ b.T) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)[None, :]


@given(
    seed=st.integers(0, 10_000),
    n_queries=st.integers(1, 9),
    n_candidates=st.integers(1, 20),
    dim=st.integers(1, 6),
    share=st.floats(0, 1),
    whole=st.booleans(),
    data=st.data(),
)
@settings(max_examples=60)
def test_nearest_equals_brute_force(seed, n_queries, n_candidates, dim, share, whole, data):
    rng = np.random.default_rng(seed)
    draw = (lambda n: rng.choice([-1.0, 1.0], size=(n, dim))) if whole else (lambda n: rng.normal(size=(n, dim)))
    queries, candidates = draw(n_queries), draw(n_candidates)  # whole numbers make ties
    excluded = rng.random((n_queries, n_candidates)) < share
    k = data.draw(st.integers(1, n_candidates))
    index, similarity = nearest(
        torch.tensor(queries, dtype=torch.float32),
        torch.tensor(candidates, dtype=torch.float32),
        k,
        torch.from_numpy(excluded),
    )
    expected = np.where(excluded, -np.inf, cosine(queries, candidates))
    for i in range(n_queries):
        best = np.sort(expected[i])[::-1][:k]
        np.testing.assert_allclose(similarity[i].numpy(), best, atol=1e-5)
        assert len(set(index[i].tolist())) == k
        found = np.isfinite(best)
        # With ties any nearest set will do, as long as each index has the similarity claimed for it.
        np.testing.assert_allclose(expected[i][index[i].numpy()][found], best[found], atol=1e-5)
        assert not excluded[i][index[i].numpy()][found].any()


def test_duplicates_of_the_best_candidate_may_stand_for_each_other():
    candidates = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    index, similarity = nearest(torch.tensor([[2.0, 0.0]]), candidates, 2)
    assert set(index[0].tolist()) < {1, 2, 3}
    assert similarity.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("barred", [False, True])
def test_a_small_pool_is_one_product_and_one_choice(dtype, barred):
    rng = torch.Generator().manual_seed(0)
    queries, candidates = (torch.randn(n, 16, generator=rng, dtype=dtype) for n in (30, 200))
    excluded = torch.rand(30, 200, generator=rng) < 0.5 if barred else None
    similarity = F.normalize(queries, dim=1) @ F.normalize(candidates, dim=1).T
    expected = (similarity.masked_fill(excluded, -torch.inf) if barred else similarity).topk(5, dim=1)
    index, found = nearest(queries, candidates, 5, excluded)
    assert torch.equal(index, expected.indices)
    assert torch.equal(found, expected.values)


@contextlib.contextmanager
def chunks(candidates, queries=3):
    """Make every pool a large one, compared in chunks of so many candidates and queries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "WHOLE", 0)
        patch.setattr(neighbours, "QUERIES", queries)
        patch.setattr(neighbours, "CANDIDATES", candidates)
        patch.setattr(neighbours, "PER_NEIGHBOUR", 0)
        yield


@given(
    seed=st.integers(0, 10_000),
    n_queries=st.integers(1, 9),
    n_candidates=st.integers(1, 60),
    dim=st.sampled_from([1, 4, 16]),
    share=st.sampled_from([0.0, 0.3, 0.95, 1.0]),
    size=st.integers(1, 70),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.float16, torch.int32]),
    data=st.data(),
)
@settings(max_examples=200)
def test_chunks_of_a_large_pool_equal_a_sort(seed, n_queries, n_candidates, dim, share, size, dtype, data):
    rng = np.random.default_rng(seed)
    # Signs in a power of four dimensions have similarities without rounding, so equals are equal to the last bit.
    queries, candidates = (rng.choice([-1.0, 1.0], size=(n, dim)) for n in (n_queries, n_candidates))
    excluded = rng.random((n_queries, n_candidates)) < share
    k = data.draw(st.integers(1, n_candidates))
    expected = np.where(excluded, -np.inf, cosine(queries, candidates))
    with chunks(size):
        index, similarity = nearest(
            torch.tensor(queries, dtype=dtype), torch.tensor(candidates, dtype=dtype), k, torch.from_numpy(excluded)
        )
    best = np.sort(expected, axis=1)[:, ::-1][:, :k]
    np.testing.assert_array_equal(similarity.numpy(), best)
    assert similarity.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    # Of equals any will do, as long as each has the similarity claimed for it and is found once.
    for row, found, claimed in zip(expected, index.numpy(), best, strict=True):
        admissible = found[np.isfinite(claimed)]
        np.testing.assert_array_equal(row[admissible], claimed[np.isfinite(claimed)])
        assert len(set(admissible)) == len(admissible)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_chunks_find_what_the_whole_matrix_finds(dtype):
    rng = torch.Generator().manual_seed(1)
    queries, candidates = (torch.randn(n, 8, generator=rng, dtype=dtype) for n in (50, 1003))
    candidates[7], candidates[8] = queries[3], 0.0
    candidates[900:950] = -queries  # and some that are as far as can be, which come late
    excluded = torch.rand(50, 1003, generator=rng) < 0.2
    for barred in (None, excluded):
        index, similarity = nearest(queries, candidates, 4, barred)
        with chunks(32, queries=16):
            chunked_index, chunked = nearest(queries, candidates, 4, barred)
        assert torch.equal(chunked_index, index)
        torch.testing.assert_close(chunked, similarity)


class Largest(TorchDispatchMode):
    """The most numbers that any tensor holds that is made while this watches."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        given = {a.untyped_storage().data_ptr() for a in args if isinstance(a, torch.Tensor)}
        for each in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(each, torch.Tensor) and each.untyped_storage().data_ptr() not in given:  # no view
                self.numbers = max(self.numbers, each.numel())
        return out


def test_nothing_as_large_as_the_pool_or_the_matrix_is_ever_made():
    queries, candidates = torch.randn(100, 8), torch.randn(3000, 8)
    ranges = torch.arange(3000, dtype=torch.int32)[:, None].expand(-1, 2)
    excluded = excluded_pairs(torch.arange(100), torch.arange(3000), ranges)
    with Largest() as whole:
        nearest(queries, candidates, 3, excluded)
    assert whole.numbers == 100 * 3000
    with chunks(32, queries=32), Largest() as chunked:
        index, _ = nearest(queries, candidates, 3, excluded)
    assert chunked.numbers <= 1024
    assert (index != torch.arange(100)[:, None]).all()


@given(seed=st.integers(0, 10_000), size=st.integers(1, 100))
@settings(max_examples=30)
def test_chunks_mine_what_the_whole_matrix_mines(seed, size):
    rng = np.random.default_rng(seed)
    rec = reach(n_segments=4, length=9, drop=0.3, seed=seed)
    rows, pool = torch.from_numpy(rng.integers(len(rec), size=7)), torch.from_numpy(rng.permutation(len(rec))[:11])
    ranges = torch.from_numpy(excluded_ranges(rec.groups, rec.times, how="segment"))
    queries, candidates = torch.from_numpy(rng.normal(size=(7, 3))), torch.from_numpy(rng.normal(size=(11, 3)))
    excluded = excluded_pairs(rows, pool, ranges)
    expected = nearest(queries, candidates, 4, excluded)
    draws = torch.from_numpy(rng.random((7, 2)))
    mined = mine(queries, candidates, 4, excluded, draws)
    with chunks(size):
        index, similarity = nearest(queries, candidates, 4, excluded)
        again = mine(queries, candidates, 4, excluded, draws)
    torch.testing.assert_close(similarity, expected[1])
    found = torch.isfinite(similarity)
    assert torch.equal(index[found], expected[0][found])
    assert torch.equal(again[1], mined[1])
    assert torch.equal(again[0][mined[1]], mined[0][mined[1]])


def test_numbers_of_any_type_are_compared_in_float32_at_least():
    queries, candidates = torch.randn(4, 6), torch.randn(20, 6)
    for half in (torch.float16, torch.bfloat16):
        expected = nearest(queries.to(half).float(), candidates.to(half).float(), 3)
        for found, exact in zip(nearest(queries.to(half), candidates.to(half), 3), expected, strict=True):
            assert torch.equal(found, exact)
    whole = torch.randint(-9, 10, (20, 6))
    index, similarity = nearest(queries.double(), whole, 3)
    assert similarity.dtype == torch.float64
    assert torch.equal(index, nearest(queries, whole, 3)[0])


@pytest.mark.parametrize("k", [0, 5])
def test_k_must_fit_the_pool(k):
    with pytest.raises(SettingError, match=f"k is {k}, but the candidate pool holds 4"):
        nearest(torch.ones(2, 3), torch.ones(4, 3), k)


def test_mine_chooses_evenly_among_the_k_nearest():
    rng = np.random.default_rng(0)
    query, candidates = rng.normal(size=(1, 4)).astype(np.float32), rng.normal(size=(30, 4)).astype(np.float32)
    excluded = np.zeros((1, 30), bool)
    excluded[0, np.argmax(cosine(query, candidates)[0])] = True
    order = np.argsort(-np.where(excluded, -np.inf, cosine(query, candidates))[0])
    draws = ((torch.arange(500) + 0.5) / 500)[:, None].expand(500, 2)
    index, found = mine(
        torch.from_numpy(query).expand(500, 4),
        torch.from_numpy(candidates),
        5,
        torch.from_numpy(excluded).expand(500, 30),
        draws,
    )
    assert found.all()
    assert torch.equal(index[:, 0], index[:, 1])  # equal draws choose alike
    counts = np.bincount(index[:, 0].numpy(), minlength=30)
    np.testing.assert_array_equal(counts[order[:5]], 100)
    assert counts.sum() == 500


def test_the_largest_draw_stays_within_the_nearest():
    draws = torch.full((1, 1), 1 - 2**-24)
    for k in range(1, 70):
        index, _ = mine(torch.ones(1, 1), torch.ones(70, 1), k, None, draws)
        assert 0 <= int(index) < 70


def test_fewer_admissible_candidates_than_k_narrow_the_choice():
    excluded = torch.tensor([[True, False, True, False], [True, True, True, True], [False, True, True, True]])
    for draw in (0.0, 0.3, 0.6, 0.999):
        index, found = mine(torch.randn(3, 2), torch.randn(4, 2), 3, excluded, torch.full((3, 1), draw))
        assert found.tolist() == [True, False, True]
        assert index[0] in (1, 3)
        assert index[2] == 0


@given(seed=st.integers(0, 10_000), gap=st.sampled_from([0.0, 0.1, 0.25, 0.3, 1.0]))
@settings(max_examples=40)
def test_excluded_pairs_equal_a_loop(seed, gap):
    rng = np.random.default_rng(seed)
    rec = reach(n_segments=4, length=9, drop=0.3, seed=seed)
    rows, pool = rng.integers(len(rec), size=7), rng.permutation(len(rec))[:11]
    for how in ("self", "segment", "time"):
        ranges = torch.from_numpy(excluded_ranges(rec.groups, rec.times, how=how, gap=gap))
        found = excluded_pairs(torch.from_numpy(rows), torch.from_numpy(pool), ranges)
        for i, a in enumerate(rows):
            for j, b in enumerate(pool):
                same = rec.groups[a] == rec.groups[b]
                bins_apart = round(abs(rec.times[a] - rec.times[b]) / 0.1)
                expected = {
                    "self": a == b,
                    "segment": same,
                    "time": same and bins_apart <= int(gap * 10 + 1e-9),
                }[how]
                assert bool(found[i, j]) == expected, (how, a, b)


def test_rounding_of_times_does_not_decide_at_the_edge_of_the_gap():
    times = np.arange(1000) * 0.1  # neighbours at 3 bins are 0.3 s apart, give or take a bit
    rows = torch.arange(3, 997)
    ranges = torch.from_numpy(excluded_ranges(np.zeros(1000, dtype=np.int64), times, how="time", gap=0.3))
    assert excluded_pairs(rows, torch.arange(1000), ranges).sum(dim=1).eq(7).all()


def mined_pairs(rec, **settings):
    notes = Notes()
    MYOW(**(SMALL | SMALL_MINING | {"mined_ramp": 0.0, "steps": 15} | settings)).fit(rec, callbacks=[notes])
    pairs = [t["mined_pairs"].numpy() for t in notes.traces if "mined_pairs" in t]
    assert len(pairs) == 15  # mining is on from the first step
    return np.concatenate(pairs)


@pytest.mark.parametrize("anchor", ["row", "view"])
@pytest.mark.parametrize("pool", ["batch", "sample", "recording"])
def test_no_row_mines_itself(pool, anchor):
    # Seven rows, and a k of all there is: a row that could mine itself would do so soon.
    rec = sleep(7)
    settings = {"pool": pool, "pool_size": 7, "mined_anchor": anchor, "exclude": "self", "k": 7, "batch_size": 7}
    anchors, mined = mined_pairs(rec, **settings).T
    assert (mined >= 0).any()
    assert (anchors != mined).all()
    assert set(anchors) == set(range(7))


@pytest.mark.parametrize("pool", ["batch", "sample", "recording"])
def test_no_row_mines_its_own_segment(pool):
    rec = reach(n_segments=3, length=6, drop=0.2)
    anchors, mined = mined_pairs(rec, pool=pool, pool_size=12, exclude="segment").T
    found = mined >= 0
    assert found.mean() > 0.9
    assert (rec.segments[anchors[found]] != rec.segments[mined[found]]).all()
    assert len(set(mined[found])) > 6  # and not always the same row


@pytest.mark.parametrize("pool", ["batch", "sample", "recording"])
def test_no_row_mines_what_is_close_in_time(pool):
    rec = sleep(60)
    anchors, mined = mined_pairs(rec, pool=pool, exclude="time", exclude_gap=40.0).T
    found = mined >= 0
    assert found.mean() > 0.9
    assert (np.abs(anchors[found] - mined[found]) > 10).all()


def test_a_gap_in_time_leaves_rows_of_other_segments():
    rec = reach(n_segments=3, length=6)
    anchors, mined = mined_pairs(rec, pool="recording", exclude="time", exclude_gap=100.0).T
    assert (rec.segments[anchors] != rec.segments[mined]).all()


@pytest.mark.parametrize(("rec", "how"), [(reach(), "segment"), (sleep(), "time")])
def test_exclusion_by_default_is_by_segment_and_in_one_segment_by_time(rec, how):
    anchors, mined = mined_pairs(rec).T
    assert (mined >= 0).all()
    if how == "segment":
        assert (rec.segments[anchors] != rec.segments[mined]).all()
    else:
        assert (np.abs(anchors - mined) > 10).all()  # ten bins at least


def test_the_default_gap_survives_a_clock_that_starts_again():
    rec = reach(n_segments=2, length=3).select(slice(0, 5))
    again = type(rec)(rec.counts, bin_size=0.1, times=[5.0, 5.1, 5.2, 0.0, 0.1], segments=rec.segments)
    anchors, mined = mined_pairs(again, exclude="time", batch_size=5).T
    assert (anchors != mined).all()


def test_an_explicit_k_must_fit_the_pool_and_a_default_one_adapts():
    rec = reach(n_segments=3, length=4)
    with pytest.raises(SettingError, match="k is 13, but the candidate pool holds 12 rows"):
        MYOW(**SMALL, k=13, pool="recording").fit(rec)
    with pytest.raises(SettingError, match="k is 9, but the candidate pool holds 8 rows"):
        MYOW(**SMALL, k=9, pool="sample", pool_size=8).fit(rec)
    with pytest.raises(SettingError, match="k is 17, but the candidate pool holds 16 rows"):
        MYOW(**SMALL | {"batch_size": 8}, k=17, pool="batch").fit(rec)
    for pool in ("batch", "sample", "recording"):
        method = MYOW(**SMALL, **SMALL_MINING, pool=pool, pool_size=5).fit(rec).network_
        assert method.k == {"batch": 6, "sample": 1, "recording": 1}[pool]


def test_no_candidate_left_is_an_error():
    one = sleep(40)
    with pytest.raises(DataError, match="no candidate is left: the recording is one segment"):
        MYOW(**SMALL, exclude="segment").fit(one)
    with pytest.raises(DataError, match="no candidate is left: exclude_gap is 100 s"):
        MYOW(**SMALL, exclude="time", exclude_gap=100.0).fit(one)
    # The rows in the middle are the last to have a candidate: 40 bins of 4 s leave them 80 s on the longer side.
    MYOW(**SMALL, exclude="time", exclude_gap=76.0).fit(one)
    with pytest.raises(DataError, match="use a gap below 80 s"):
        MYOW(**SMALL, exclude="time", exclude_gap=80.0).fit(one)


@pytest.mark.parametrize(
    "wrong",
    [
        {"k": 0},
        {"pool_size": 1},
        {"pool_refresh": 0},
        {"mined_weight": 1.5},
        {"mined_projector": (0,)},
        {"mined_predictor": 0},
        {"mined_start": -0.1},
        {"mined_ramp": -0.1},
        {"exclude_gap": -1.0},
        {"exclude_gap": float("inf")},
    ],
)
def test_mining_settings_out_of_range_are_refused_by_name(wrong):
    (name,) = wrong
    with pytest.raises(SettingError, match=f"{name} is "):
        MYOW(**SMALL, **wrong).fit(reach())
