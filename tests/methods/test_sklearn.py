"""scikit-learn's own checks, and life inside its tools."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from tiny import SMALL, SMALL_MINING, reach

from myow import BYOL, MYOW, PoissonNB
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
