"""scikit-learn's own checks, and life inside its tools."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from tiny import SMALL, SMALL_MINING, reach, sleep

from myow import BYOL, MYOW, PoissonNB
from myow.errors import DataError
from myow.methods import make_method, method_class, method_names

# No check is expected to fail.
TINY = {"steps": 3, "dim": 4, "hidden": (8,), "device": "cpu", "random_state": 0}
METHODS = method_names()


def make(name, settings):
    known = method_class(name)().get_params()
    return make_method(name, **{k: v for k, v in settings.items() if k in known})


@parametrize_with_checks([make(m, TINY) for m in METHODS])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def data():
    rec = reach(n_segments=12)
    return rec.counts, rec.labels["direction"]


@pytest.mark.parametrize("method", METHODS)
def test_clone_copies_parameters_and_nothing_learnt(method, data):
    given = data if method_class(method).uses_labels else data[:1]
    original = make(method, SMALL).fit(*given)
    copy = clone(original)
    assert copy.get_params() == original.get_params()
    assert not hasattr(copy, "network_")
    assert np.array_equal(copy.fit(*given).transform(data[0]), original.transform(data[0]))


def test_in_a_pipeline_with_a_readout(data):
    counts, direction = data
    model = MYOW(**SMALL | {"steps": 30, "dim": 16, "hidden": (32,)})
    pipeline = make_pipeline(FunctionTransformer(), model, LogisticRegression(max_iter=500))
    assert pipeline.fit(counts, direction).score(counts, direction) > 0.5
    same = pipeline.set_params(myow__dim=5).fit(counts, direction)
    assert same[:-1].transform(counts).shape == (144, 5)


def test_in_a_grid_search_with_numpy_grids(data, tmp_path):
    counts, direction = data
    pipeline = make_pipeline(MYOW(**SMALL, **SMALL_MINING), LogisticRegression(max_iter=500))
    search = GridSearchCV(pipeline, {"myow__dim": np.array([3, 6]), "myow__mined_weight": np.linspace(0, 0.5, 2)}, cv=2)
    search.fit(counts, direction)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_["myow__dim"] in (3, 6)
    best = search.best_estimator_[0]
    best.save(tmp_path / "best.myow")  # NumPy numbers are settings too
    best.fit(counts, folder=tmp_path)


def test_a_grid_search_of_a_decoder_is_judged_by_its_own_predictions(data):
    search = GridSearchCV(PoissonNB(device="cpu"), {"prior_count": [1.0, 1e6]}, cv=3).fit(*data)
    best = search.best_estimator_
    assert search.best_params_ == {"prior_count": 1.0}  # the other gives all classes the same rates
    assert best.score(*data) == np.mean(best.predict(data[0]) == data[1]) > 0.8


def test_without_labels_a_search_uses_the_models_own_score(data):
    search = GridSearchCV(BYOL(**SMALL), {"dim": [3, 5]}, cv=2).fit(data[0])
    assert ((search.cv_results_["mean_test_score"] > 0) & (search.cv_results_["mean_test_score"] <= 1)).all()


def test_feature_names_and_frames(data):
    pd = pytest.importorskip("pandas")
    counts = pd.DataFrame(data[0], columns=[f"cell{i}" for i in range(10)])
    model = BYOL(**SMALL).set_output(transform="pandas").fit(counts)
    z = model.transform(counts)
    assert list(z.columns) == list(model.get_feature_names_out()) == [f"byol{i}" for i in range(6)]
    assert list(model.feature_names_in_) == list(counts.columns)
    assert np.array_equal(z.to_numpy(), BYOL(**SMALL).fit(data[0]).transform(data[0]))
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(counts.rename(columns={"cell0": "other"}))


def test_random_state_may_be_a_random_state(data):
    shared = np.random.RandomState(3)
    first, again, next_ = (
        BYOL(**SMALL | {"random_state": state}).fit(data[0]).transform(data[0])
        for state in (np.random.RandomState(3), shared, shared)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(again, next_)


@pytest.mark.parametrize("settings", [{}, {"pool": "recording"}, {"pool": "batch"}])
def test_a_fitted_model_survives_pickling_and_holds_no_rows(data, settings):
    counts = np.tile(data[0], (40, 1))
    model = MYOW(**SMALL, **SMALL_MINING, **settings).fit(counts)
    held = pickle.dumps(model)
    assert len(held) < counts.size  # far less than the rows, whose 57,600 values would take four bytes each
    assert np.array_equal(pickle.loads(held).transform(counts), model.transform(counts))


# Recordings, whose segments every tool must keep.


def recorded():
    return reach(n_segments=22, length=11)


def pipeline(**settings):
    model = MYOW(**SMALL | {"steps": 30, "dim": 16, "hidden": (32,)} | settings, context=(2, 2))
    return make_pipeline(model, LogisticRegression(max_iter=500))


def test_a_recording_goes_through_pipeline_cross_validation_and_grid_search():
    rec = recorded()
    y, folds = rec.labels["direction"], rec.folds(4)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert cross_validate(pipeline(), rec, y, cv=folds)["test_score"].min() > 0.5
        search = GridSearchCV(pipeline(), {"myow__dim": [3, 16]}, cv=folds).fit(rec, y)
        assert cross_val_predict(pipeline(), rec, y, cv=folds).shape == (242,)
    assert search.best_score_ > 0.5
    assert search.best_estimator_[0].trained_on_[0]["rows"] == 242


def test_what_a_fold_hands_on_keeps_segments_and_windows_do_not_cross_them():
    """A segment's embedding is the same whatever stands before and behind it."""
    rec = recorded()
    model = MYOW(**SMALL, context=(2, 2)).fit(rec)
    whole = model.transform(rec)
    for train, test in rec.folds(4):
        for rows in (train, test):
            part = rec[rows, ...]  # as scikit-learn takes it
            assert np.array_equal(part.segments, rec.segments[rows])
            assert np.allclose(model.transform(part), whole[rows], atol=1e-6)
    # The rows of a bare array stand in one segment, so that there a window does cross.
    assert not np.allclose(model.transform(rec.counts[test]), whole[test], atol=1e-3)


def test_folds_test_every_row_once_and_never_part_a_segment():
    rec = recorded()
    folds = rec.folds(4, stratify="direction")
    assert np.array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(len(rec)))
    for train, test in folds:
        assert not set(rec.segments[train]) & set(rec.segments[test])
        assert len(train) + len(test) == len(rec)
        assert set(rec.labels["direction"][test]) == {0, 1, 2, 3}
    assert [t.tolist() for _, t in rec.folds(4)] != [t.tolist() for _, t in rec.folds(4, random_state=1)]


def test_a_gap_parts_training_and_test_rows_of_one_segment():
    rec = sleep(600)
    for train, test in rec.folds(3, gap=40.0):
        assert np.abs(rec.times[train][:, None] - rec.times[test]).min() > 40.0


@pytest.mark.parametrize("rec", [reach(n_segments=21, length=11), sleep(600)], ids=["trials", "one segment"])
def test_an_integer_cv_is_warned_of_and_folds_are_pointed_to(rec):
    y = next(iter(rec.labels.values()))
    with pytest.warns(UserWarning, match=r"pass cv=rec.folds\(5\)"):
        cross_validate(pipeline(steps=2), rec, y, cv=4)


def test_a_recording_is_indexed_by_rows_and_never_becomes_an_array():
    rec = recorded()
    assert rec.shape == (242, 10)
    assert rec[11:33].n_segments == 2
    assert rec[rec.segments == 3].labels["direction"].tolist() == [3] * 11
    for wrong in (3, "direction", (1, 2)):
        with pytest.raises(DataError, match="indexed by rows"):
            rec[wrong]
    with pytest.raises(TypeError, match=r"take rec.counts"):
        np.asarray(rec)
    with pytest.raises(TypeError):
        list(rec)
