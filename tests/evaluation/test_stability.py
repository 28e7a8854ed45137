"""Agreement of embeddings beside a reference of scikit-learn; units that carry a readout, beside ones that are known to."""

import json
import time

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from tiny import SMALL, reach, sleep

import myow
from myow import Embedding
from myow.errors import DataError, SettingError, UnknownNameError

RNG = np.random.default_rng(0)


def test_agreement_is_that_of_a_linear_regression_on_rows_left_out():
    a = RNG.normal(size=(300, 4))
    b = a @ RNG.normal(size=(4, 3)) + RNG.normal(0, 0.7, (300, 3))
    found = myow.consistency(a, b, folds=5)
    fold = np.arange(300) * 20 // 300 % 5
    for source, goal, got in ((a, b, found.per_fold[:, 0, 1]), (b, a, found.per_fold[:, 1, 0])):
        for k in range(5):
            model = LinearRegression().fit(source[fold != k], goal[fold != k])
            expected = r2_score(goal[fold == k], model.predict(source[fold == k]), multioutput="variance_weighted")
            assert got[k] == pytest.approx(expected, abs=2e-3)
    assert found.r2[0, 0] == found.r2[1, 1] == 1.0
    assert found.mean == pytest.approx((found.r2[0, 1] + found.r2[1, 0]) / 2)


def test_rotation_and_stretching_do_not_count_and_unrelated_embeddings_disagree():
    z = RNG.normal(size=(200, 5))
    turned = z @ np.linalg.qr(RNG.normal(size=(5, 5)))[0] * 3 + 2
    found = myow.consistency(z, turned, RNG.normal(size=(200, 5)), names=["one", "turned", "other"])
    frame = found.to_frame()
    assert frame.loc["one", "turned"] > 0.999
    assert frame.loc["one", "other"] < 0.1
    assert "mean R²" in repr(found)
    assert json.loads(json.dumps(found.to_dict()))["names"] == ["one", "turned", "other"]
    assert "<table" in found._repr_html_()


def trials(seed, n=40, length=6, dim=4):
    """Embeddings of trials whose course depends on the direction, in a frame and with noise of the animal's own."""
    rng, shared = np.random.default_rng(seed), np.random.default_rng(99)
    course = shared.normal(size=(4, length, dim))
    direction = rng.permutation(np.arange(n) % 4)
    z = course[direction] @ rng.normal(size=(dim, dim)) + rng.normal(0, 0.1, (n, length, dim))
    labels = {"direction": np.repeat(direction, length)}
    segments = np.repeat(np.arange(n), length)
    return Embedding(z.reshape(-1, dim), bin_size=0.1, segments=segments, labels=labels, name=f"animal {seed}")


def test_sessions_without_shared_rows_agree_by_their_averages():
    first, second = trials(1), trials(2, n=48)
    found = myow.consistency(first, second, by="direction", folds=4)
    assert found.names == ("animal 1", "animal 2")
    assert found.mean > 0.9
    labels = {"direction": np.repeat(RNG.permutation(np.arange(48) % 4), 6)}
    other = Embedding(second.z, bin_size=0.1, segments=second.segments, labels=labels)
    assert myow.consistency(first, other, by="direction", folds=4).mean < 0.3


@pytest.mark.parametrize(
    ("args", "options", "error", "said"),
    [
        ((np.ones((9, 2)),), {}, DataError, "two or more"),
        ((np.ones((9, 2)), np.ones((8, 2))), {}, DataError, "by='direction'"),
        ((trials(1), trials(2)), {"folds": 1}, SettingError, "2 or more"),
        ((trials(1), trials(2)), {"by": "side"}, UnknownNameError, "side"),
        ((trials(1), trials(2)), {"by": "direction", "folds": 11}, DataError, "fewer than 11 folds"),
        ((np.ones((9, 2)), np.ones((9, 2))), {"by": "side"}, SettingError, "an array has none"),
        ((np.ones((9, 2)), np.ones((9, 2))), {"names": ["one"]}, DataError, "one name each"),
        ((np.ones((9, 2)), np.full((9, 2), np.nan)), {}, DataError, "finite"),
    ],
)
def test_what_cannot_be_compared_is_refused(args, options, error, said):
    with pytest.raises(error, match=said):
        myow.consistency(*args, **options)


# Importance.


def told(n_units=12, carrier=7, n=40):
    side = np.repeat(np.arange(n) % 2, 5)
    counts = np.random.default_rng(1).poisson(2.0, (5 * n, n_units))
    counts[:, carrier] += 5 * side
    labels = {"side": side, "load": counts[:, carrier] + np.random.default_rng(2).normal(0, 0.5, 5 * n)}
    return myow.Recording(counts, bin_size=0.1, segments=np.repeat(np.arange(n), 5), labels=labels)


@pytest.mark.parametrize("target", ["side", "load"])
def test_the_unit_that_carries_the_label_is_found_by_both_measures(target):
    rec = told()
    model = myow.BYOL(**SMALL | {"steps": 60, "hidden": (32,), "dim": 12}).fit(rec)
    found = myow.importance(model, rec, target)
    assert found.permutation.argmax() == found.gradient.argmax() == 7
    assert found.permutation[7] > 0.1 > np.abs(np.delete(found.permutation, 7)).max()
    assert found.to_frame().index[0] == "unit7"
    assert found.metric == ("accuracy" if target == "side" else "r2")
    assert "unit7" in repr(found)
    assert json.loads(json.dumps(found.to_dict()))["target"] == target


def test_the_model_and_the_recording_are_left_as_they_were():
    rec = told()
    model = myow.MYOW(**SMALL).fit(rec)
    before = model.transform(rec)
    first, again = (myow.importance(model, rec, "side") for _ in range(2))
    assert np.array_equal(model.transform(rec), before)
    assert np.array_equal(first.permutation, again.permutation)
    assert np.array_equal(first.gradient, again.gradient)


def test_the_gradient_is_that_of_finite_differences():
    """Of raw signals and a ridge readout everything is linear: the size is the weight times the deviation."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(3000, 5)) * [1, 2, 3, 1, 1]
    weights = np.array([0.5, -1.0, 0.0, 2.0, 0.0])
    y = values @ weights
    rec = myow.Recording(
        values, bin_size=0.1, kind="continuous", segments=np.repeat(np.arange(300), 10), labels={"y": y}
    )
    found = myow.importance(myow.Raw().fit(rec), rec, "y", rows=3000)
    expected = np.abs(weights) * values.std(axis=0) / y.std()
    assert found.gradient == pytest.approx(expected, abs=0.01)


def test_a_silent_unit_is_not_missed_and_neighbours_have_no_gradient():
    rec = told()
    counts = np.array(rec.counts)
    counts[:, 0] = 0
    silent = myow.Recording(counts, bin_size=0.1, segments=rec.segments, labels=rec.labels)
    found = myow.importance(myow.PCA(dim=8).fit(silent), silent, "side", readout="knn")
    assert found.permutation[0] == 0
    assert np.isnan(found.gradient).all()
    assert found.plot().axes
    assert found.to_dict()["gradient"] == [None] * 12


def test_one_long_segment_can_be_asked_too():
    rec = sleep(600)
    found = myow.importance(myow.PCA(dim=4).fit(rec), rec, "state", rows=300)
    assert found.permutation.shape == (8,)
    assert found.permutation.max() > 0


def test_units_of_an_array_take_seconds():
    rec = reach(n_segments=160, length=8, n_units=174)
    model = myow.MYOW(**SMALL | {"steps": 2}, context=(2, 2)).fit(rec)
    began = time.process_time()
    assert len(myow.importance(model, rec, "direction").units) == 174
    assert time.process_time() - began < 10


def test_what_importance_cannot_do_is_refused():
    rec = told()
    model = myow.PCA(dim=4).fit(rec)
    with pytest.raises(UnknownNameError, match="angle"):
        myow.importance(model, rec, "angle")
    with pytest.raises(SettingError, match="2 folds"):
        myow.importance(model, rec, "side", folds=1)
    late = myow.Recording(rec.counts, bin_size=0.1, segments=rec.segments, labels={"side": rec.segments // 39})
    with pytest.raises(DataError, match="one fold only"):
        myow.importance(model, late, "side")
