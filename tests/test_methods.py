"""One contract for every method: its file is its registration, and all take the same calls."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from tiny import SMALL, Notes, reach, sleep

import myow
from myow.errors import DataError, UnknownNameError
from myow.estimator import Estimator
from myow.methods import method_class, method_names
from myow.settings import parse_settings
from myow.train import Method

METHODS = method_names()

# Segments of the fewest rows that a method can learn from; most need two, wherever they are.
FEWEST = {"rp": [0, 0, 1], "ts": [0, 0, 0]}


def make(name, **settings):
    known = method_class(name)().get_params()
    return method_class(name)(**{k: v for k, v in (SMALL | settings).items() if k in known})


def test_methods_are_found_by_their_files():
    assert {"autoencoder", "byol", "myow", "rp", "simclr", "ts"} <= set(METHODS)
    assert not [name for name in METHODS if name.startswith("_")]


def test_an_unknown_method_offers_the_nearest_and_lists_the_choices():
    with pytest.raises(UnknownNameError, match="unknown method 'myo'; did you mean 'myow'.*" + ".*".join(METHODS)):
        method_class("myo")


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_an_estimator_of_parameters_only(name):
    estimator = method_class(name)
    assert issubclass(estimator, Estimator)
    assert getattr(myow, estimator.__name__) is estimator
    model = estimator()
    assert not [k for k in vars(model) if k.endswith("_")]
    assert clone(model).get_params() == model.get_params()
    assert estimator.__doc__
    assert "Examples" in estimator.__doc__


@pytest.mark.parametrize("name", METHODS)
def test_settings_given_as_text_are_parameters(name):
    estimator = method_class(name)
    settings = parse_settings(estimator, ["steps=7", "hidden=8,9", "learning_rate=1e-2", "epochs=none"])
    assert settings == {"steps": 7, "hidden": (8, 9), "learning_rate": 0.01, "epochs": None}
    assert estimator(**settings).get_params()["steps"] == 7
    with pytest.raises(UnknownNameError, match="did you mean 'steps'"):
        parse_settings(estimator, ["stepz=7"])


@pytest.mark.parametrize("name", METHODS)
def test_a_method_answers_the_loops_calls(name):
    rec = reach()
    model = make(name).initialise(rec)
    graph = model.method_
    assert isinstance(graph, Method)
    _, rows = model._initialise(rec)
    graph = model.method_.train()
    graph.bind(rows)
    views = graph.draw(torch.arange(20), torch.Generator().manual_seed(0))
    terms = graph.loss(views, 0.5)
    assert terms["loss"].ndim == 0
    assert terms["loss"].requires_grad
    assert all(v.ndim == 0 for v in terms.values() if v.is_floating_point())
    terms["loss"].backward()
    assert any(p.grad is not None for p in graph.parameters())
    graph.after_step(0.5)
    graph.eval()
    assert graph.embed(rows.gather(torch.arange(7))).shape == (7, 6)
    graph.unbind()
    assert not hasattr(graph, "data")


@pytest.mark.parametrize("name", METHODS)
def test_the_loss_draws_nothing_at_random(name):
    model = make(name)
    _, rows = model._initialise(reach())
    graph = model.method_.train()
    graph.bind(rows)
    views = graph.draw(torch.arange(20), torch.Generator().manual_seed(0))
    state = torch.get_rng_state()
    # Running statistics move, but training mode does not use them.
    first, again = (float(graph.loss(views, 0.5)["loss"].detach()) for _ in range(2))
    assert first == again
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("rec", [reach(drop=0.2), sleep(60)], ids=["trials", "one-segment"])
def test_fit_transform_save_load_pickle_and_score(name, rec, tmp_path):
    notes = Notes()
    model = make(name).fit(rec, watchers=[notes])
    z = model.transform(rec)
    assert z.shape == (len(rec), 6)
    assert z.dtype == np.float32
    assert np.isfinite(z).all()
    assert z.std(axis=0).max() > 0
    assert np.array_equal(z, make(name).fit_transform(rec))
    model.save(tmp_path / "a.myow")
    assert np.array_equal(myow.load_model(tmp_path / "a.myow", device="cpu").transform(rec), z)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).transform(rec), z)
    assert len(model.get_feature_names_out()) == 6
    assert 0 < model.score(rec) <= 1
    assert model.score(rec, next(iter(rec.labels.values()))) >= 0
    assert np.isfinite([m["loss"] for m in notes.metrics]).all()


@pytest.mark.parametrize("name", METHODS)
def test_signals_may_be_negative(name):
    values = reach().counts - 2.5
    rec = myow.Recording(values, bin_size=0.1, kind="continuous")
    assert make(name).fit(rec).transform(rec).shape == (96, 6)


@pytest.mark.parametrize("name", METHODS)
def test_a_few_rows_are_enough_and_one_is_refused(name):
    segments = FEWEST.get(name, [0, 1])
    few = myow.Recording([[0, 3], [4, 1], [2, 2]][: len(segments)], bin_size=0.1, segments=segments)
    assert np.isfinite(make(name).fit(few).transform(few)).all()
    with pytest.raises(DataError, match="1 sample"):
        make(name).fit(few.select([0]))


@pytest.mark.parametrize("name", METHODS)
def test_one_thread_and_two_give_the_same_embedding(name):
    rec = reach(n_segments=30, length=10, n_units=40)
    # Wide enough for torch to share the work out.
    size = {"batch_size": 256, "hidden": (80, 80), "dim": 64, "steps": 4}
    one, two = (make(name, **size | {"threads": threads}).fit(rec).transform(rec) for threads in (1, 2))
    assert np.array_equal(one, two)


@pytest.mark.parametrize("name", METHODS)
def test_resuming_gives_the_same_bits(name, tmp_path):
    rec = reach()
    expected = make(name).fit_transform(rec)
    with pytest.raises(RuntimeError, match="stopped by the test"):
        make(name).fit(rec, folder=tmp_path, watchers=[Notes(fail_at=7)])
    assert np.array_equal(make(name).fit(rec, folder=tmp_path, resume=True).transform(rec), expected)
