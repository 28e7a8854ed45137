import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myow import Recording
from myow.data.splits import fold_rows
from myow.errors import DataError, SettingError, UnknownNameError


def trials(classes, lengths=None):
    """Segments with numbers that neither start at 0 nor follow each other, each of one class."""
    lengths = np.ones(len(classes), dtype=int) if lengths is None else np.asarray(lengths)
    segments = np.repeat(7 + 3 * np.arange(len(classes)), lengths)
    labels = {"direction": np.repeat(classes, lengths), "bin": np.arange(lengths.sum())}
    return Recording(np.ones((lengths.sum(), 1)), bin_size=0.1, segments=segments, labels=labels)


def night(steps, bin_size=4.0):
    """One segment; a step above 1 leaves bins out."""
    times = 100 + bin_size * np.concatenate([[0], np.cumsum(steps)])
    return Recording(np.ones((len(times), 1)), bin_size=bin_size, times=times)


def starts_of_stretches(rows, n):
    """First rows of the runs of a set of rows, the last row followed by the first."""
    inside = np.isin(np.arange(n), rows)
    return np.flatnonzero(inside & ~np.roll(inside, 1))


def check_parts(folds, n):
    assert all(len(fold) == 3 for fold in folds)
    for parts in folds:
        assert all(p.dtype == np.int64 and p.size and (np.diff(p) > 0).all() for p in parts)
        joined = np.concatenate(parts)
        assert len(np.unique(joined)) == len(joined)
    tested = np.concatenate([test for _, _, test in folds])
    assert sorted(tested) == list(range(n))


segmented = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=4, max_size=60)


@given(segmented, st.integers(2, 7), st.integers(0, 99), st.booleans())
def test_segments_stay_whole_and_each_tests_once(made, n_folds, seed, stratified):
    classes, lengths = np.array(made).T
    data, n = trials(classes, lengths), len(made)
    if n < n_folds or n - -(-n // n_folds) < 2:
        with pytest.raises(DataError, match=f"{n} segments, too few for {n_folds} folds"):
            fold_rows(data, n_folds, seed=seed)
        return
    folds = fold_rows(data, n_folds, seed=seed, stratify="direction" if stratified else None)
    assert len(folds) == n_folds
    check_parts(folds, len(data))
    for parts in folds:
        assert sum(map(len, parts)) == len(data)
        segments = [set(data.segments[p]) for p in parts]
        assert sum(map(len, segments)) == n
    tests = [len(np.unique(data.segments[test])) for _, _, test in folds]
    assert max(tests) - min(tests) <= 1


@given(segmented, st.integers(2, 7), st.integers(0, 99))
def test_stratified_folds_share_each_class_evenly_and_never_lose_one_from_training(made, n_folds, seed):
    classes = np.sort(np.array(made)[:, 0])
    data, n = trials(np.random.default_rng(seed).permutation(classes)), len(made)
    if n < n_folds or n - -(-n // n_folds) < 2:
        return
    label = data.labels["direction"]
    folds = fold_rows(data, n_folds, seed=seed, stratify="direction")
    for c in np.unique(label):
        tested = [int((label[test] == c).sum()) for _, _, test in folds]
        assert max(tested) - min(tested) <= 1
        for train, _, test in folds:
            if (label == c).sum() - (label[test] == c).sum() >= 2:
                assert c in label[train]


def test_a_tenth_of_all_chooses_with_five_folds_whatever_the_class():
    data = trials(np.tile(np.arange(8), 20))  # 160 trials, 20 a direction
    folds = fold_rows(data, 5, seed=3, stratify="direction")
    label = data.labels["direction"]
    for train, valid, test in folds:
        assert (len(train), len(valid), len(test)) == (112, 16, 32)
        np.testing.assert_array_equal(np.bincount(label[test]), 4)
        np.testing.assert_array_equal(np.bincount(label[valid]), 2)
        np.testing.assert_array_equal(np.bincount(label[train]), 14)


def test_remainders_of_classes_go_to_different_folds():
    data = trials(np.repeat(np.arange(5), 6))  # 6 a class: one left over in each of 5 folds, never all in the same
    for seed in range(5):
        assert [len(test) for _, _, test in fold_rows(data, 5, seed=seed, stratify="direction")] == [6] * 5


def test_a_rare_class_is_not_taken_away_by_validation():
    classes = np.array(["left"] * 18 + ["right"] * 2)
    for seed in range(20):
        data = trials(classes)
        for train, _, _ in fold_rows(data, 2, seed=seed, stratify="direction"):
            assert set(data.labels["direction"][train]) == {"left", "right"}


def test_every_segment_may_choose_and_no_place_is_preferred():
    data = trials(np.zeros(40, dtype=int))
    chosen = np.zeros((40, 2))
    for seed in range(250):
        for _, valid, test in fold_rows(data, 5, seed=seed)[:1]:
            chosen[valid, 0] += 1
            chosen[test, 1] += 1
    expected = 250 * np.array([0.1, 0.2])
    assert (np.abs(chosen - expected) < 5 * np.sqrt(expected)).all()
    assert (chosen.sum(axis=0) == 40 * expected).all()


def test_the_seed_decides_and_nothing_else():
    data = trials(np.tile(np.arange(4), 10))
    one, same, other = (fold_rows(data, 5, seed=s, stratify="direction") for s in (1, 1, 2))
    assert all(np.array_equal(a, b) for x, y in zip(one, same, strict=True) for a, b in zip(x, y, strict=True))
    assert any(not np.array_equal(x[2], y[2]) for x, y in zip(one, other, strict=True))
    np.random.seed(0)  # noqa: NPY002
    assert np.array_equal(fold_rows(data, 5, seed=1, gap=7.0)[0][2], fold_rows(data, 5, seed=1)[0][2])


def test_one_segment_is_cut_as_counted_by_hand():
    # Bins of 4 s, blocks of 10 rows; more than 8 s apart is three rows, so that two go at each border.
    folds = fold_rows(night([1] * 49), 5, gap=8.0)
    train, valid, test = folds[0]
    assert test.tolist() == [*range(10)]
    assert valid.tolist() == [12, 13, 14]  # 10 to 14, less the two beside the test rows
    assert train.tolist() == [*range(17, 50)]
    train, valid, test = folds[4]
    assert test.tolist() == [*range(40, 50)]
    assert valid.tolist() == [0, 1, 2, 3, 4]  # round the end, where no time is near
    assert train.tolist() == [*range(7, 38)]


def test_the_gap_is_of_time_and_not_of_rows():
    steps = np.ones(49, dtype=int)
    steps[9] = 100  # a pause between the first test block and what follows
    _, valid, test = fold_rows(night(steps), 5, gap=8.0)[0]
    assert test.tolist() == [*range(10)]
    assert valid.tolist() == [10, 11, 12, 13, 14]


def test_without_a_gap_no_row_is_lost():
    for train, valid, test in fold_rows(night([1] * 46), 4, seed=5, gap=0.0):
        assert len(train) + len(valid) + len(test) == 47
        assert len(valid) == len(test) // 2


def test_seed_0_begins_at_the_first_row_and_others_elsewhere():
    data = night([1] * 99)
    first = [fold_rows(data, 5, seed=s, gap=4.0)[0][2] for s in range(12)]
    assert first[0].tolist() == list(range(20))
    starts = [starts_of_stretches(test, 100)[0] for test in first]
    assert len(set(starts)) > 8
    wrapped = next(test for test in first if {0, 99} <= set(test))
    assert len(starts_of_stretches(wrapped, 100)) == 1
    assert len(wrapped) == 20


steps = st.lists(st.sampled_from([1, 1, 1, 1, 2, 5, 40]), min_size=11, max_size=150)


@settings(max_examples=200)
@given(steps, st.integers(2, 6), st.integers(0, 50), st.sampled_from([0.0, 3.9, 4.0, 12.0, 30.0]))
def test_no_two_rows_of_different_parts_lie_within_the_gap(steps, n_folds, seed, gap):
    data, n = night(steps), len(steps) + 1
    try:
        folds = fold_rows(data, n_folds, seed=seed, gap=gap)
    except DataError:
        assert gap > 0 or n // n_folds < 2
        return
    check_parts(folds, n)
    sizes = [len(test) for _, _, test in folds]
    assert max(sizes) - min(sizes) <= 1
    for parts in folds:
        train, valid, test = (data.times[p] for p in parts)
        for one, other in ((train, valid), (train, test), (valid, test)):
            assert np.abs(one[:, None] - other).min() > gap
        assert len(starts_of_stretches(parts[2], n)) == 1
        # Validation is what the gap left of the half block right behind the test rows.
        start = starts_of_stretches(parts[2], n)[0]
        behind = (start + len(test) + np.arange(len(test) // 2)) % n
        far = np.abs(data.times[behind][:, None] - test).min(axis=1) > gap
        assert sorted(behind[far]) == parts[1].tolist()
        # And no row trains less than it must: what is missing lies within the gap of a test or validation row.
        lost = np.setdiff1d(np.arange(n), np.concatenate([*parts, behind]))
        if lost.size:
            near = np.abs(data.times[lost][:, None] - np.concatenate([test, valid])).min(axis=1)
            assert (near <= gap + 1e-6).all()


def test_rounding_in_stored_times_does_not_move_the_border():
    counts = np.ones((100, 1))
    data = Recording(counts, bin_size=0.1, times=np.arange(100) * 0.1)  # 0.30000000000000004 and the like
    _, valid, test = fold_rows(data, 5, gap=0.3)[0]
    assert (test[-1], valid[0]) == (19, 23)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"n_folds": 1}, SettingError, "n_folds is 1; give 2 or more"),
        ({"n_folds": 5, "seed": -1}, SettingError, "seed is -1"),
        ({"n_folds": 5, "gap": -1.0}, SettingError, "gap -1.0"),
        ({"n_folds": 5, "gap": float("nan")}, SettingError, "gap nan"),
        ({"n_folds": 5, "stratify": "bin"}, DataError, "label 'bin' changes inside segments"),
        ({"n_folds": 5, "stratify": "directoin"}, UnknownNameError, "did you mean 'direction'"),
        ({"n_folds": 13}, DataError, "12 segments, too few for 13 folds"),
    ],
)
def test_what_cannot_be_dealt_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        fold_rows(trials(np.tile(np.arange(3), 4), [2] * 12), **options)


def test_what_cannot_be_cut_is_refused():
    data = night([1] * 49)  # 196 s from the first row to the last
    with pytest.raises(DataError, match=r"fold 0 of 5 has no validation rows left: a gap of 20 s .* spans 196 s"):
        fold_rows(data, 5, gap=20.0)
    with pytest.raises(DataError, match="fold 1 of 2 has no training rows left: a gap of 28 s"):
        fold_rows(data, 2, gap=28.0)
    with pytest.raises(SettingError, match="one segment, which cannot be stratified by 'state'"):
        fold_rows(data, 5, stratify="state")
    with pytest.raises(DataError, match="has 9 rows; 5 folds need 10"):
        fold_rows(night([1] * 8), 5, gap=0.0)
