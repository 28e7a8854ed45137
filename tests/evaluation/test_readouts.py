import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from myow.data.splits import draw_labelled
from myow.errors import DataError, SettingError, UnknownNameError
from myow.evaluation import metrics
from myow.evaluation.decode import cross_validated_score, score_readout
from myow.evaluation.metrics import majority_rate
from myow.evaluation.readouts import READOUTS, fit_readout, fit_readout_few
from myow.evaluation.statistics import interval_of_mean, interval_of_r2, resampling_blocks

FIGURES = {"accuracy", "delta_accuracy", "balanced_accuracy", "weighted_f1", "r2"}
MEANT = {
    "angle": {"accuracy", "delta_accuracy"},
    "class": {"accuracy", "balanced_accuracy", "weighted_f1"},
    "knn": {"accuracy", "balanced_accuracy", "weighted_f1"},
    "continuous": {"r2"},
}


class Trials:
    """Reaches: a direction of eight per trial, six bins each, embedded in 12 noisy dimensions."""

    def __init__(self, seed=0, per_direction=6, noise=0.7):
        rng = np.random.default_rng(seed)
        direction = rng.permutation(np.repeat(np.arange(8), per_direction))
        self.y = np.repeat(direction, 6)
        self.groups = np.repeat(np.arange(len(direction)), 6)
        self.bins = np.tile(np.arange(6), len(direction))
        angle = 2 * np.pi * self.y / 8
        axes = np.random.default_rng(1).normal(size=(2, 12))
        signal = np.column_stack([np.cos(angle), np.sin(angle)]) @ axes
        self.z = signal + noise * rng.normal(size=signal.shape)
        self.velocity = np.column_stack([np.cos(angle), np.sin(angle)]) * 10 + rng.normal(size=(len(angle), 2))

    def labels(self, readout):
        return self.velocity if readout == "continuous" else self.y

    def draw(self, n, seed=0, readout="class"):
        classes = np.zeros_like(self.y) if readout == "continuous" else self.y
        rng = np.random.default_rng(seed)
        return draw_labelled(classes, self.groups, n, rng, bins=self.bins, bin_size=0.1)


def test_linear_readouts_agree_with_scikit_learn():
    t, test = Trials(0), Trials(1)
    scaler = StandardScaler().fit(t.z)
    x, x_test = scaler.transform(t.z), scaler.transform(test.z)

    logistic = LogisticRegression(C=0.1, tol=1e-8, max_iter=5000).fit(x, t.y)
    ours = READOUTS["class"](10.0 / 12).fit(t.z, t.y).predict(test.z)
    assert (ours == logistic.predict(x_test)).mean() > 0.99

    ridge = Ridge(alpha=30.0, solver="svd").fit(x, t.velocity)
    ours = READOUTS["continuous"](30.0 / 12).fit(t.z, t.velocity).predict(test.z)
    np.testing.assert_allclose(ours, ridge.predict(x_test), atol=1e-9)

    angle = 2 * np.pi * t.y / 8
    cos, sin = Ridge(alpha=30.0, solver="svd").fit(x, np.c_[np.cos(angle), np.sin(angle)]).predict(x_test).T
    ours = READOUTS["angle"](30.0 / 12, period=8).fit(t.z, t.y).predict(test.z)
    np.testing.assert_allclose(ours, np.mod(np.arctan2(sin, cos) / (2 * np.pi) * 8, 8), atol=1e-9)
    assert ours.min() >= 0
    assert ours.max() < 8


@pytest.mark.parametrize("k", [1, 5])
def test_neighbours_agree_with_scikit_learn(k):
    t, test = Trials(0), Trials(1, noise=1.5)
    scaler = StandardScaler().fit(t.z)
    reference = KNeighborsClassifier(k, metric="cosine").fit(scaler.transform(t.z), t.y)
    share = reference.predict_proba(scaler.transform(test.z))
    untied = (share == share.max(axis=1, keepdims=True)).sum(axis=1) == 1
    assert untied.sum() > 100
    ours = READOUTS["knn"](k).fit(t.z, t.y).predict(test.z)
    np.testing.assert_array_equal(ours[untied], reference.predict(scaler.transform(test.z))[untied])


def test_a_tied_vote_goes_to_the_nearer_class():
    # Two fitted rows of class 0 stand nearer to (1, 0.2) than the two of class 1; all four vote.
    z = np.array([[1.0, 0.1], [1.0, 0.3], [-0.1, 1.0], [-0.3, 1.0], [-1.6, -2.4]])
    knn = READOUTS["knn"](4).fit(z, [0, 0, 1, 1, 2])
    assert knn.predict([[1.0, 0.2]]).tolist() == [0]
    assert knn.predict([[-0.2, 1.0]]).tolist() == [1]


def test_scaling_each_or_common():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 3)) * [1.0, 10.0, 0.01]
    y = z @ [1.0, 1.0, 1.0]
    x = (z - z.mean(0)) / np.sqrt(z.var(0).mean())
    ours = READOUTS["continuous"](1.0, scaling="common").fit(z, y).predict(z)
    np.testing.assert_allclose(ours, Ridge(alpha=3.0).fit(x, y).predict(x), atol=1e-9)
    each = READOUTS["continuous"](1.0).fit(z, y)
    rescaled = READOUTS["continuous"](1.0).fit(z * [3.0, 0.1, 7.0], y)
    np.testing.assert_allclose(each.predict(z), rescaled.predict(z * [3.0, 0.1, 7.0]), atol=1e-9)
    with pytest.raises(UnknownNameError, match="did you mean 'common'"):
        READOUTS["class"](scaling="comon")


@pytest.mark.parametrize("readout", sorted(READOUTS))
def test_constant_columns_and_float32_do_no_harm(readout):
    t = Trials()
    z = np.column_stack([t.z, np.full(len(t.z), 0.1), np.zeros(len(t.z))]).astype(np.float32)
    y = t.labels(readout)
    plain = READOUTS[readout](period=8).fit(t.z.astype(np.float32), y).predict(t.z.astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = READOUTS[readout](period=8).fit(z, y).predict(z)
    wider = READOUTS[readout](period=8).fit(np.tile(z, 2), y).predict(np.tile(z, 2))
    np.testing.assert_allclose(wider, ours, atol=1e-4)  # a strength means the same for a wider embedding
    if readout != "knn":
        kind = READOUTS[readout]
        plain = kind(kind.default * 14 / 12, period=8).fit(z[:, :12], y).predict(z[:, :12])
    np.testing.assert_allclose(ours, plain, atol=1e-6)


@pytest.mark.parametrize("readout", sorted(READOUTS))
def test_scores_hold_the_figures_that_are_meant_as_plain_json(readout):
    train, valid, test = Trials(0), Trials(1), Trials(2)
    fitted = fit_readout(readout, train.z, train.labels(readout), valid.z, valid.labels(readout), period=8)
    place = {"groups": test.groups, "bins": test.bins, "bin_size": 0.1}
    scores = score_readout(fitted, test.z, test.labels(readout), **place)
    assert {k for k in FIGURES if scores[k] is not None} == MEANT[readout]
    assert json.loads(json.dumps(scores)) == scores
    assert (scores["n_train"], scores["n_test"]) == (2 * len(train.y), len(test.y))
    headline = scores["r2" if readout == "continuous" else "accuracy"]
    assert headline > 0.6
    assert scores["interval"][0] < headline < scores["interval"][1]
    assert scores == score_readout(fitted, test.z, test.labels(readout), **place)

    predicted = fitted.predict(test.z)
    if readout == "continuous":
        assert scores["r2"] == metrics.r2(test.velocity, predicted)
    elif readout == "angle":
        radians = 2 * np.pi / 8
        error = metrics.angular_error(test.y * radians, predicted * radians)
        assert scores["accuracy"] == (error < np.pi / 8).mean()
        assert scores["delta_accuracy"] == (error < 3 * np.pi / 16).mean()
        assert scores["delta_accuracy"] > scores["accuracy"]
    else:
        assert scores["accuracy"] == metrics.accuracy(test.y, predicted)
        assert scores["balanced_accuracy"] == metrics.balanced_accuracy(test.y, predicted)
        assert scores["weighted_f1"] == metrics.weighted_f1(test.y, predicted)


@pytest.mark.parametrize("readout", sorted(READOUTS))
def test_validation_rows_choose_and_are_then_fitted_too(readout):
    train, valid, test = Trials(0, noise=1.5), Trials(1, noise=1.5), Trials(2)
    chosen = fit_readout(readout, train.z, train.labels(readout), valid.z, valid.labels(readout), period=8)
    kind = READOUTS[readout]
    merit = {
        s: kind(s, period=8).fit(train.z, train.labels(readout)).merit(valid.z, valid.labels(readout))
        for s in kind.grid
    }
    assert merit[chosen.strength] == max(merit.values())
    assert len(set(merit.values())) > 1
    both = np.concatenate([train.z, valid.z]), np.concatenate([train.labels(readout), valid.labels(readout)])
    by_hand = kind(chosen.strength, period=8).fit(*both)
    np.testing.assert_array_equal(chosen.predict(test.z), by_hand.predict(test.z))


def test_the_choice_answers_to_validation_rows():
    # Targets that follow the embedding exactly want a weak penalty; targets of pure noise a strong one.
    rng = np.random.default_rng(0)
    z, v = rng.normal(size=(60, 20)), rng.normal(size=(60, 20))
    w = rng.normal(size=20)
    exact = fit_readout("continuous", z, z @ w, v, v @ w)
    noise = fit_readout("continuous", z, rng.normal(size=60), v, rng.normal(size=60))
    assert exact.strength < 0.001
    assert noise.strength > 1


@pytest.mark.parametrize("readout", sorted(READOUTS))
def test_scoring_leaves_a_readout_as_it_was(readout):
    train, valid, test = Trials(0), Trials(1), Trials(2)
    fitted = fit_readout(readout, train.z, train.labels(readout), valid.z, valid.labels(readout), period=8)
    before, strength = fitted.predict(valid.z), fitted.strength
    place = {"groups": test.groups, "bins": test.bins, "bin_size": 0.1}
    score_readout(fitted, 100 * test.z[::-1] + 7, test.labels(readout), **place)
    np.testing.assert_array_equal(fitted.predict(valid.z), before)
    assert fitted.strength == strength


def test_predicting_uses_no_statistics_of_the_rows_predicted():
    train, valid, test = Trials(0), Trials(1), Trials(2)
    fitted = fit_readout("angle", train.z, train.y, valid.z, valid.y, period=8)
    np.testing.assert_allclose(fitted.predict(test.z)[:5], fitted.predict(test.z[:5]), atol=1e-9)


@pytest.mark.parametrize("readout", sorted(READOUTS))
@pytest.mark.parametrize("n", [1, 3])
def test_few_labels_use_the_drawn_rows_alone(readout, n):
    t, test = Trials(0), Trials(1)
    drawn = t.draw(n, readout=readout)
    fitted = fit_readout_few(readout, t.z, t.labels(readout), drawn, period=8)
    assert fitted.n_train_ == len(drawn.rows) == n * 6 * (1 if readout == "continuous" else 8)
    z, y = t.z.copy(), t.labels(readout).astype(float)
    others = np.setdiff1d(np.arange(len(z)), drawn.rows)
    z[others], y[others] = np.nan, np.nan
    poisoned = fit_readout_few(readout, z, y, drawn, period=8)
    assert poisoned.strength == fitted.strength
    np.testing.assert_array_equal(poisoned.predict(test.z), fitted.predict(test.z))


def test_one_label_falls_back_on_the_default_and_more_choose():
    t = Trials(0, noise=2.0)
    assert fit_readout_few("class", t.z, t.y, t.draw(1)).strength == READOUTS["class"].default
    chosen = {fit_readout_few("class", t.z, t.y, t.draw(4, seed=s)).strength for s in range(6)}
    assert len(chosen) > 1
    assert chosen <= set(READOUTS["class"].grid)


def test_choice_from_few_labels_keeps_segments_whole():
    # Noise that is shared by a trial's bins and by nothing else: folds that part a trial would find the nearest
    # neighbour (the same trial) perfect and choose k = 1; folds of whole trials see that it decodes nothing.
    rng = np.random.default_rng(0)
    groups, bins = np.repeat(np.arange(40), 5), np.tile(np.arange(5), 40)
    y = np.repeat(np.arange(40) % 2, 5)
    z = np.repeat(rng.normal(size=(40, 6)), 5, axis=0) + 0.01 * rng.normal(size=(200, 6))
    z[:, 0] += 1.5 * y
    chosen = [
        fit_readout_few(
            "knn", z, y, draw_labelled(y, groups, 20, np.random.default_rng(s), bins=bins, bin_size=0.1)
        ).strength
        for s in range(3)
    ]
    assert min(chosen) > 5


def test_drawn_segments_are_whole_and_of_every_class():
    t = Trials(0, per_direction=6)
    drawn = t.draw(4)
    assert drawn.n_parts == 4
    picked = np.unique(t.groups[drawn.rows])
    np.testing.assert_array_equal(drawn.rows, np.flatnonzero(np.isin(t.groups, picked)))
    heads = t.y[::6]
    assert np.bincount(heads[picked]).tolist() == [4] * 8
    for value in range(8):
        own = t.y[drawn.rows] == value
        pairs = set(zip(t.groups[drawn.rows][own].tolist(), drawn.parts[own].tolist(), strict=True))
        assert len(pairs) == 4
        assert {part for _, part in pairs} == {0, 1, 2, 3}


def test_draws_are_seeded_and_differ():
    t = Trials(0)
    np.testing.assert_array_equal(t.draw(2, seed=3).rows, t.draw(2, seed=3).rows)
    assert not np.array_equal(t.draw(2, seed=3).rows, t.draw(2, seed=4).rows)


def test_every_segment_is_drawn_equally_often():
    t = Trials(0, per_direction=4)
    count = np.zeros(32)
    for seed in range(400):
        count[np.unique(t.groups[t.draw(1, seed=seed).rows])] += 1
    assert count.sum() == 3200
    assert abs(count - 100).max() < 5 * np.sqrt(400 * 0.25 * 0.75)


@given(st.integers(1, 3), st.integers(0, 5), st.sampled_from([1.0, 4.0, 7.0, 90.0]))
def test_minutes_are_drawn_where_there_is_one_segment(n, seed, bin_size):
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(60) % 3, rng.integers(1, 40, size=60))
    bins = np.arange(len(y)) + np.cumsum(np.arange(len(y)) % 50 == 49)  # now and then a bin is missing
    drawn = draw_labelled(y, np.zeros_like(y), n, rng, bins=bins, bin_size=bin_size)
    wanted = int(np.ceil(n * 60 / bin_size))
    assert np.bincount(y[drawn.rows]).tolist() == [wanted] * 3
    assert (np.diff(drawn.rows) > 0).all()
    for value in range(3):
        own = y[drawn.rows] == value
        for part in np.unique(drawn.parts[own]):
            stretch = bins[drawn.rows[own][drawn.parts[own] == part]]
            assert (np.diff(stretch) == 1).all()
            assert len(stretch) == 1 or len(stretch) * bin_size <= 60


def test_of_a_label_that_changes_inside_segments_a_class_has_its_rows_in_as_many_segments():
    y = np.tile(np.repeat([0, 1], 30), 4)
    groups, bins = np.repeat([0, 1, 2, 3], 60), np.tile(np.arange(60), 4)
    y[groups == 3] = 1
    drawn = draw_labelled(y, groups, 2, np.random.default_rng(0), bins=bins, bin_size=4.0)
    assert (drawn.unit, drawn.n_parts) == ("segment", 2)
    for value in (0, 1):
        rows = drawn.rows[y[drawn.rows] == value]
        held = np.unique(groups[rows])
        assert len(held) == 2
        assert np.array_equal(rows, np.flatnonzero((y == value) & np.isin(groups, held)))
    with pytest.raises(DataError, match="4 labelled segments per class were asked for, but label 0 has 3 in"):
        draw_labelled(y, groups, 4, np.random.default_rng(0), bins=bins, bin_size=4.0)


def test_too_few_labels_say_how_many_there_are():
    t = Trials(0, per_direction=6)
    with pytest.raises(DataError, match="9 labelled segments per class were asked for, but label 0 has 6 in"):
        t.draw(9)
    y = np.repeat(["REM", "Wake"], [30, 300])
    with pytest.raises(DataError, match=r"label REM has 2\.0 in the rows for training"):
        draw_labelled(y, np.zeros(330), 3, np.random.default_rng(0), bins=np.arange(330), bin_size=4.0)
    with pytest.raises(SettingError, match="must be 1 or more per class"):
        t.draw(0)
    with pytest.raises(DataError, match="give one of each a row"):
        draw_labelled([0, 1], [0, 0, 0], 1, np.random.default_rng(0), bins=[0, 1], bin_size=0.1)


def test_a_label_missing_from_the_training_split_is_named():
    t = Trials(0)
    some = t.y != 5
    place = {"groups": t.groups, "bins": t.bins, "bin_size": 0.1}
    fitted = READOUTS["class"]().fit(t.z[some], t.y[some])
    with pytest.raises(DataError, match="a label missing from the training split: 5 occurs in test rows only"):
        score_readout(fitted, t.z, t.y, **place)
    with pytest.raises(DataError, match="a label missing from the training split: 5 occurs in validation rows only"):
        fit_readout("knn", t.z[some], t.y[some], t.z, t.y)
    fewer = score_readout(
        READOUTS["class"]().fit(t.z, t.y), t.z[some], t.y[some], groups=t.groups[some], bins=t.bins[some], bin_size=0.1
    )
    assert fewer["accuracy"] > 0.5  # the other way round is fine


def test_bad_input_is_refused_in_words():
    t = Trials(0)
    with pytest.raises(UnknownNameError, match="unknown readout 'angel'; did you mean 'angle'"):
        fit_readout("angel", t.z, t.y, t.z, t.y)
    with pytest.raises(UnknownNameError, match="unknown readout"):
        fit_readout_few("svm", t.z, t.y, t.draw(1))
    with pytest.raises(SettingError, match="label value of a full turn"):
        fit_readout("angle", t.z, t.y, t.z, t.y)
    with pytest.raises(DataError, match="needs classes"):
        fit_readout("class", t.z, t.y + 0.5, t.z, t.y)
    with pytest.raises(DataError, match="one class a row"):
        fit_readout("knn", t.z, t.velocity, t.z, t.velocity)
    with pytest.raises(DataError, match="one angle a row"):
        fit_readout("angle", t.z, t.velocity, t.z, t.velocity, period=8)
    with pytest.raises(DataError, match="needs numbers"):
        fit_readout("continuous", t.z, t.y.astype(str), t.z, t.y)
    with pytest.raises(DataError, match="NaN or infinite"):
        fit_readout("continuous", t.z, np.full(len(t.z), np.nan), t.z, t.y)
    with pytest.raises(DataError, match="embedding holds NaN"):
        fit_readout("class", t.z * np.inf, t.y, t.z, t.y)
    with pytest.raises(DataError, match="all training rows have the label 0"):
        fit_readout("class", t.z, 0 * t.y, t.z, t.y)
    with pytest.raises(DataError, match="no validation rows"):
        fit_readout("class", t.z, t.y, t.z[:0], t.y[:0])
    with pytest.raises(DataError, match="give one label a row"):
        READOUTS["class"]().fit(t.z[:-1], t.y)
    with pytest.raises(DataError, match="11 columns; the readout was fitted on 12"):
        READOUTS["class"]().fit(t.z, t.y).predict(t.z[:, :-1])


def test_blocks_are_segments_or_stretches_of_time():
    assert resampling_blocks([7, 7, 3, 3, 9], bins=[0, 1, 0, 1, 0], bin_size=1.0).tolist() == [1, 1, 0, 0, 2]
    hours = resampling_blocks(np.zeros(1800), bins=np.arange(1800) + 500, bin_size=4.0)
    assert np.bincount(hours).tolist() == [75] * 24  # five minutes of 4 s bins
    short = resampling_blocks(np.zeros(100), bins=np.arange(100), bin_size=0.1)
    assert np.bincount(short).tolist() == [10] * 10
    gaps = resampling_blocks(np.zeros(4), bins=[0, 1, 50, 51], bin_size=1.0, block=10.0)
    assert gaps.tolist() == [0, 0, 1, 1]
    with pytest.raises(SettingError, match="must be above 0"):
        resampling_blocks(np.zeros(4), bins=np.arange(4), bin_size=1.0, block=0.0)


def test_intervals_agree_with_resampling_the_rows_themselves():
    rng = np.random.default_rng(0)
    blocks = np.repeat(np.arange(25), rng.integers(2, 12, size=25))
    true = rng.normal(100, 1, size=(len(blocks), 2)) * [1.0, 5.0]
    predicted = true + rng.normal(size=true.shape)
    hits = (rng.random(len(blocks)) < 0.7).astype(float)
    rows = [np.flatnonzero(blocks == b) for b in range(25)]
    # The same draws, laid out row by row.
    drawn = np.random.default_rng(5).multinomial(25, np.full(25, 1 / 25), size=200)
    means, r2s = [], []
    for times in drawn:
        index = np.concatenate([np.tile(rows[b], n) for b, n in enumerate(times)])
        means.append(hits[index].mean())
        r2s.append(metrics.r2(true[index], predicted[index]))
    assert interval_of_mean(hits, blocks, resamples=200, seed=5) == pytest.approx(np.percentile(means, [2.5, 97.5]))
    ours = interval_of_r2(true, predicted, blocks, resamples=200, seed=5)
    assert ours == pytest.approx(np.percentile(r2s, [2.5, 97.5]))
    assert interval_of_mean(hits, blocks, seed=5) == interval_of_mean(hits, blocks, seed=5)
    assert interval_of_mean(hits, blocks, seed=5) != interval_of_mean(hits, blocks, seed=6)


def test_intervals_cover_the_truth_where_bins_of_a_trial_agree():
    # Every trial is right or wrong as a whole: resampling bins would be far too sure of itself.
    rng = np.random.default_rng(0)
    blocks = np.repeat(np.arange(40), 6)
    covered = {"trials": 0, "bins": 0}
    for seed in range(200):
        hits = np.repeat(rng.random(40) < 0.7, 6)
        for name, units in (("trials", blocks), ("bins", np.arange(240))):
            low, high = interval_of_mean(hits, units, resamples=300, seed=seed)
            covered[name] += low <= 0.7 <= high
    assert covered["trials"] >= 0.89 * 200
    assert covered["bins"] <= 0.75 * 200


def test_blocks_of_time_cover_better_than_bins_where_errors_persist():
    rng = np.random.default_rng(0)
    n, stay = 3000, 0.97  # runs of about 33 bins in blocks of 150
    covered = {"time": 0, "bins": 0}
    for seed in range(60):
        renewed = rng.random(n) > stay
        renewed[0] = True
        hits = (rng.random(n) < 0.8)[np.maximum.accumulate(np.where(renewed, np.arange(n), 0))]
        time = resampling_blocks(np.zeros(n), bins=np.arange(n), bin_size=2.0)
        for name, units in (("time", time), ("bins", np.arange(n))):
            low, high = interval_of_mean(hits, units, resamples=100, seed=seed)
            covered[name] += low <= 0.8 <= high
    assert covered["time"] >= 48
    assert covered["bins"] <= 30


def test_no_interval_from_a_single_block_and_none_that_is_not_a_number():
    assert interval_of_mean([1.0, 0.0], [0, 0]) is None
    # Two blocks, each constant: half of the resamples do not vary and have no R2.
    low, high = interval_of_r2([0.0, 0.0, 1.0, 1.0], [0.1, 0.0, 1.0, 0.9], [0, 0, 1, 1])
    assert np.isfinite([low, high]).all()
    with pytest.raises(DataError, match="give one block a row"):
        interval_of_mean([1.0, 0.0], [0])


def test_majority_rate_is_of_the_commonest_training_label():
    assert majority_rate([1, 1, 0], [0, 0, 1]) == pytest.approx(1 / 3)
    assert majority_rate([1, 0], [0, 0, 1, 1, 1]) == 0.4
    with pytest.raises(DataError, match="must hold one or more"):
        majority_rate([], [1])


def test_cross_validated_score_leaves_segments_out_whole():
    t = Trials(0)
    assert cross_validated_score(t.z, t.y, groups=t.groups) > 0.6
    assert cross_validated_score(t.z, t.velocity, groups=t.groups) > 0.6
    # An embedding that knows which trial it is, and nothing else: it decodes nothing once trials are left out whole.
    names = np.eye(t.groups.max() + 1)[t.groups]
    assert cross_validated_score(names, t.y, groups=t.groups) < 0.3
    assert cross_validated_score(names, t.y, groups=np.arange(len(t.y))) > 0.9
    assert cross_validated_score(t.z, t.velocity[:, 0]) > 0.4
    with pytest.raises(DataError, match="give two or more"):
        cross_validated_score(t.z, t.y, groups=np.zeros(len(t.y)))
