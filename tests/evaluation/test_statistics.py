import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from myow import Recording
from myow.data.splits import fold_rows
from myow.errors import DataError, SettingError
from myow.evaluation.statistics import Comparison, adjust, compare, corrected_interval

scores = st.lists(st.floats(-1, 1, allow_subnormal=False).map(lambda x: round(x, 6)), min_size=2, max_size=40)


def of(p, difference=0.1):
    return Comparison(difference, 0.0, 0.2, p, p, 10, "no difference shown")


@given(scores, st.sampled_from([0.0, 0.125, 0.25, 1.0]))
def test_interval_and_p_agree_with_the_equation(values, share):
    n, mean = len(values), sum(values) / len(values)
    variance = sum((v - mean) ** 2 for v in values) / (n - 1)
    error = math.sqrt((1 / n + share) * variance)
    if max(values) == min(values):
        return
    found = compare(values, share)
    reach = stats.t.ppf(0.975, n - 1) * error
    assert (found.difference, found.n) == (pytest.approx(mean, abs=1e-12), n)
    assert (found.low, found.high) == (pytest.approx(mean - reach), pytest.approx(mean + reach))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(mean) / error, n - 1), rel=1e-6, abs=1e-12)
    assert found.p_adjusted == found.p
    # Interval and test say the same.
    if abs(found.p - 0.05) > 1e-6:
        assert (found.verdict == "no difference shown") == (found.low <= 0 <= found.high)


def test_without_a_share_it_is_the_paired_t_test():
    rng = np.random.default_rng(0)
    for n in (2, 5, 50):
        one, other = rng.normal(0.72, 0.05, size=n), rng.normal(0.70, 0.05, size=n)
        expected = stats.ttest_rel(one, other)
        found = compare(one - other, 0.0)
        assert found.p == pytest.approx(expected.pvalue)
        assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
        assert corrected_interval(one - other, 0.0, level=0.8) == pytest.approx(
            tuple(expected.confidence_interval(0.8))
        )


def test_the_share_widens_the_interval_by_the_published_factor():
    values = np.random.default_rng(1).normal(size=50)
    plain, corrected = (np.diff(corrected_interval(values, share))[0] for share in (0.0, 0.25))
    assert corrected / plain == pytest.approx(math.sqrt((1 / 50 + 0.25) / (1 / 50)))  # 3.67 for ten times five folds


def test_the_sign_decides_what_a_difference_is_called():
    d = np.array([0.05, 0.06, 0.055, 0.052, 0.058])
    assert compare(d, 0.25).verdict == "better"
    assert compare(-d, 0.25).verdict == "worse"
    assert compare(d - 0.055, 0.25).verdict == "no difference shown"
    assert compare(-d, 0.25).p == compare(d, 0.25).p


@pytest.mark.parametrize("rounding", [0.0, 1e-16])
def test_differences_that_do_not_vary(rounding):
    noise = rounding * np.arange(1, 6)
    same = compare(noise, 0.25)
    assert (same.p, same.verdict, same.difference) == (1.0, "no difference shown", 0.0)
    always = compare(0.1 + noise, 0.25)
    assert (always.p, always.verdict) == (0.0, "better")
    assert (always.low, always.high) == (pytest.approx(0.1), pytest.approx(0.1))
    assert compare(-0.1 + noise, 0.25).verdict == "worse"


def test_holm_as_computed_by_hand():
    family = [of(0.01), of(0.04, -0.1), of(0.03), of(0.005, -0.2)]
    adjusted = adjust(family)
    # Sorted 0.005, 0.01, 0.03, 0.04, times 4, 3, 2, 1: 0.02, 0.03, 0.06 and 0.04, which may not fall below 0.06.
    assert [c.p_adjusted for c in adjusted] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert [c.verdict for c in adjusted] == ["better", "no difference shown", "no difference shown", "worse"]
    assert [(c.p, c.difference, c.low, c.n) for c in adjusted] == [(c.p, c.difference, c.low, c.n) for c in family]
    assert adjust(adjusted) == adjusted


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_agrees_with_its_definition(ps):
    found = [c.p_adjusted for c in adjust([of(p) for p in ps])]
    m, order = len(ps), sorted(range(len(ps)), key=lambda i: ps[i])
    for place, i in enumerate(order):
        assert found[i] == pytest.approx(min(1, max((m - k) * ps[order[k]] for k in range(place + 1))))


def test_one_comparison_alone_is_not_adjusted():
    assert adjust([of(0.04)])[0].p_adjusted == 0.04
    assert adjust([of(0.04)])[0].verdict == "better"
    assert adjust([of(0.9), of(0.8)])[0].p_adjusted == 1.0


def test_overlapping_splits_rarely_show_a_difference_that_is_not_there():
    """Two classifiers of equal accuracy, each on one of two features, over ten times five folds of the same 100 trials."""
    data = Recording(np.ones((100, 1)), bin_size=0.1, segments=np.arange(100))
    splits = [fold for seed in range(10) for fold in fold_rows(data, 5, seed=seed)]
    tests = np.zeros((50, 100))
    for split, (_, _, test) in zip(tests, splits, strict=True):
        split[test] = 1
    rng = np.random.default_rng(0)
    plain = corrected = 0
    for _ in range(400):
        label = rng.choice([-1.0, 1.0], size=100)
        x = 0.5 * label[:, None] + rng.normal(size=(100, 2))
        slope = (1 - tests) @ (x * label[:, None])  # learnt from the 80 rows that do not test, (50, 2)
        hit = np.sign(x * slope[:, None, :]) == label[:, None]  # (50, 100, 2)
        accuracy = (hit * tests[:, :, None]).sum(axis=1) / 20
        difference = accuracy[:, 0] - accuracy[:, 1]
        plain += compare(difference, 0.0).verdict != "no difference shown"
        corrected += compare(difference, 20 / 80).verdict != "no difference shown"
    assert corrected / 400 <= 0.07
    assert plain / 400 > 0.3


def test_what_cannot_be_tested_is_refused():
    with pytest.raises(DataError, match=r"shape \(1,\); give one a split, of two splits or more"):
        compare([0.1], 0.25)
    with pytest.raises(DataError, match=r"shape \(2, 2\)"):
        corrected_interval(np.zeros((2, 2)), 0.25)
    with pytest.raises(DataError, match="value 1 is not finite"):
        compare([0.1, float("nan")], 0.25)
    with pytest.raises(SettingError, match=r"share is -0\.1"):
        compare([0.1, 0.2], -0.1)
    with pytest.raises(SettingError, match=r"level is 95"):
        corrected_interval([0.1, 0.2], 0.25, level=95)
