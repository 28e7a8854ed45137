"""One contract for every method: it is found by its name, and all take the same calls."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from tiny import SMALL, Notes, reach, sleep

import myow
from myow.errors import DataError, UnknownNameError
from myow.methods import make_method, method_class, method_name, method_names
from myow.methods.decoders import DecoderEstimator
from myow.methods.recordings import RecordingEstimator
from myow.settings import parse_settings
from myow.training.loop import train
from myow.training.module import TrainingModule

METHODS = method_names()
LABELS = [name for name in METHODS if method_class(name).uses_labels]
TRAINED = [name for name in METHODS if method_class(name)().training_config(100) is not None]
AT_ONCE = [name for name in METHODS if name not in TRAINED]

# Segments of the fewest rows that a method can learn from; most need two, wherever they are.
FEWEST = {"rp": [0, 0, 1], "ts": [0, 0, 0]}


def make(name, **settings):
    known = method_class(name)().get_params()
    return make_method(name, **{k: v for k, v in (SMALL | settings).items() if k in known})


def labels(name, rec):
    """What a method is given to learn from: the recording's label, or nothing."""
    return next(iter(rec.labels.values())) if name in LABELS else None


def width(model):
    """Dimension of the embedding, from settings and what was fitted: of classes, of factors, or of raw values."""
    if isinstance(model, DecoderEstimator):
        return len(model.classes_)
    known = model.get_params()
    return known["dim"] if "dim" in known else (sum(known["context"]) + 1) * model.n_features_in_


def views_of(graph, rows, generator):
    """Make the views of a batch as the loop does."""
    graph.set_progress(0.5)
    graph.kind_of_batch(0.5)
    return graph.make_views(rows, generator)


def test_methods_are_found_by_their_names():
    trained = {"autoencoder", "byol", "myow", "pivae", "rp", "simclr", "supervised", "ts", "unmined"}
    at_once = {"fa", "lda", "pca", "poisson-nb", "raw", "untrained"}
    assert trained <= set(TRAINED)
    assert at_once <= set(AT_ONCE)
    assert {"lda", "pivae", "poisson-nb", "supervised"} <= set(LABELS)
    assert sorted(METHODS) == METHODS
    variants = {"unmined": "myow"}
    assert {name: method_name(method_class(name)) for name in METHODS} == {name: name for name in METHODS} | variants
    assert make_method("unmined").get_params() == make_method("myow", mined_weight=0.0).get_params()


def test_an_unknown_method_offers_the_nearest_and_lists_the_choices():
    with pytest.raises(UnknownNameError, match="unknown method 'myo'; did you mean 'myow'.*" + ".*".join(METHODS)):
        method_class("myo")


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_an_estimator_of_parameters_only(name):
    estimator = method_class(name)
    assert issubclass(estimator, RecordingEstimator)
    assert getattr(myow, estimator.__name__) is estimator
    model = estimator()
    assert not [k for k in vars(model) if k.endswith("_")]
    assert clone(model).get_params() == model.get_params()
    assert estimator.__doc__
    assert "Examples" in estimator.__doc__


@pytest.mark.parametrize("name", METHODS)
def test_settings_that_all_methods_have_can_be_given_as_text(name):
    estimator = method_class(name)
    settings = parse_settings(estimator, ["context=2,1", "threads=none", "device=cpu", "random_state=3"])
    assert settings == {"context": (2, 1), "threads": None, "device": "cpu", "random_state": 3}
    assert estimator(**settings).get_params()["context"] == (2, 1)
    with pytest.raises(UnknownNameError, match="did you mean 'context'"):
        parse_settings(estimator, ["contxt=1,1"])


@pytest.mark.parametrize("name", TRAINED)
def test_settings_of_training_can_be_given_as_text(name):
    estimator = method_class(name)
    settings = parse_settings(estimator, ["steps=7", "hidden=8,9", "learning_rate=1e-2", "epochs=none"])
    assert settings == {"steps": 7, "hidden": (8, 9), "learning_rate": 0.01, "epochs": None}
    assert estimator(**settings).get_params()["steps"] == 7
    with pytest.raises(UnknownNameError, match="did you mean 'steps'"):
        parse_settings(estimator, ["stepz=7"])


@pytest.mark.parametrize("name", TRAINED)
def test_a_trained_method_answers_the_loops_calls(name):
    rec = reach()
    model = make(name).initialise(rec, labels(name, rec))
    graph = model.network_
    assert isinstance(graph, TrainingModule)
    _, rows = model._initialise(rec, labels(name, rec))
    graph = model.network_.train()
    graph.prepare(rows)
    terms = graph.loss(views_of(graph, torch.arange(20), torch.Generator().manual_seed(0)))
    assert terms["loss"].ndim == 0
    assert terms["loss"].requires_grad
    assert all(v.ndim == 0 for v in terms.values() if v.is_floating_point())
    terms["loss"].backward()
    assert any(p.grad is not None for p in graph.parameters())
    graph.after_step()
    graph.eval()
    assert graph.embed(rows.gather(torch.arange(7))).shape == (7, width(model))
    graph.release()
    assert not hasattr(graph, "data")


@pytest.mark.parametrize("name", AT_ONCE)
def test_a_method_that_is_not_trained_learns_when_it_is_prepared_and_draws_nothing_at_random(name):
    rec, notes = reach(), Notes()
    model = make(name).initialise(rec, labels(name, rec))
    assert isinstance(model.network_, TrainingModule)
    _, rows = model._initialise(rec, labels(name, rec))
    graph, generator = model.network_, torch.Generator().manual_seed(0)
    given, of_torch, of_numpy = generator.get_state(), torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    assert train(graph, rows, model.training_config(len(rows)), generator, [notes]) == 0
    assert torch.equal(generator.get_state(), given)
    assert torch.equal(torch.get_rng_state(), of_torch)
    assert np.array_equal(np.random.get_state()[1], of_numpy)  # noqa: NPY002
    assert (notes.began, notes.steps, notes.metrics, notes.ended) == ((0, 0), [], [], 1)
    assert not graph.training
    assert not hasattr(graph, "data")
    learnt = {k: v.clone() for k, v in graph.state_dict().items()}
    z = graph.embed(rows.gather(torch.arange(7)))
    assert z.shape == (7, width(model))
    graph.prepare(rows)
    assert all(torch.equal(v, learnt[k]) for k, v in graph.state_dict().items())
    fitted = make(name).fit(rec, labels(name, rec))
    assert fitted.n_steps_ == 0
    assert np.array_equal(fitted.transform(rec)[:7], z.detach().numpy())
    with pytest.raises(NotImplementedError, match="no loss"):
        graph.loss(graph.make_views(torch.arange(7), generator))


@pytest.mark.parametrize("name", TRAINED)
def test_the_loss_draws_nothing_at_random(name):
    model, rec = make(name), reach()
    _, rows = model._initialise(rec, labels(name, rec))
    graph = model.network_.train()
    graph.prepare(rows)
    views = views_of(graph, torch.arange(20), torch.Generator().manual_seed(0))
    state = torch.get_rng_state()
    # Running statistics move, but training mode does not use them.
    first = float(graph.loss(views)["loss"].detach())
    graph.kind_of_batch(0.5)  # of the next batch, for which the bank is not encoded anew
    assert float(graph.loss(views)["loss"].detach()) == first
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("rec", [reach(drop=0.2), sleep(60)], ids=["trials", "one-segment"])
def test_fit_transform_save_load_pickle_and_score(name, rec, tmp_path):
    notes, y = Notes(), labels(name, rec)
    model = make(name).fit(rec, y, callbacks=[notes])
    z = model.transform(rec)
    assert z.shape == (len(rec), width(model))
    assert z.dtype == np.float32
    assert np.isfinite(z).all()
    assert z.std(axis=0).max() > 0
    assert np.array_equal(z, make(name).fit_transform(rec, y))
    model.save(tmp_path / "a.myow")
    assert np.array_equal(myow.load_model(tmp_path / "a.myow", device="cpu").transform(rec), z)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).transform(rec), z)
    assert len(model.get_feature_names_out()) == width(model)
    assert 0 < model.score(rec) <= 1
    assert model.score(rec, next(iter(rec.labels.values()))) >= 0
    assert np.isfinite([m["loss"] for m in notes.metrics]).all()
    assert bool(notes.metrics) == (name in TRAINED)
    assert model.n_steps_ == (12 if name in TRAINED else 0)


@pytest.mark.parametrize("name", LABELS)
def test_labels_of_rows_that_are_not_labelled_are_never_read(name):
    rec = reach()
    y = labels(name, rec)
    labelled = np.arange(len(rec)) % 12 < 5
    poisoned = np.where(labelled, y, 1000 + np.arange(len(rec)))
    z, other = (make(name).fit(rec, v, labelled=labelled).transform(rec) for v in (y, poisoned))
    assert np.array_equal(z, other)
    wrong = np.where(labelled, (y + 1 + (y == 1)) % 4, y)  # so a label that may be read does matter
    assert not np.array_equal(make(name).fit(rec, wrong, labelled=labelled).transform(rec), z)


@pytest.mark.parametrize("name", METHODS)
def test_a_recordings_own_labels_are_never_read(name):
    rec = reach()
    bare = myow.Recording(rec.counts, bin_size=rec.bin_size, times=rec.times, segments=rec.segments)
    y = labels(name, rec)
    z = make(name).fit(rec, y).transform(rec)
    assert np.array_equal(make(name).fit(bare, y).transform(bare), z)
    if name not in LABELS:
        for given in (rec.labels["direction"], np.full(len(rec), np.nan), np.array(["?"] * len(rec), dtype=object)):
            assert np.array_equal(make(name).fit(rec, given, labelled=[0]).transform(rec), z)


@pytest.mark.parametrize("name", METHODS)
def test_signals_may_be_negative(name):
    tiny = reach()
    rec = myow.Recording(tiny.counts - 2.5, bin_size=0.1, kind="continuous")
    model, y = make(name), labels(name, tiny)
    if name == "poisson-nb":
        with pytest.raises(DataError, match="of counts, but the recording is continuous"):
            model.fit(rec, y)
        return
    assert model.fit(rec, y).transform(rec).shape == (96, width(model))


@pytest.mark.parametrize("name", METHODS)
def test_a_few_rows_are_enough_and_one_is_refused(name):
    segments = FEWEST.get(name, [0, 1])
    few = myow.Recording(
        [[0, 3], [4, 1], [2, 2]][: len(segments)],
        bin_size=0.1,
        segments=segments,
        labels={"side": ["left", "right", "left"][: len(segments)]},
    )
    assert np.isfinite(make(name).fit(few, labels(name, few)).transform(few)).all()
    one = few.select([0])
    with pytest.raises(DataError, match="1 sample"):
        make(name).fit(one, labels(name, one))


@pytest.mark.parametrize("name", METHODS)
def test_the_same_seed_and_two_threads_give_the_same_embedding_again(name):
    rec = reach(n_segments=30, length=10, n_units=40)
    # Wide enough for torch to share the work out.
    size = {"batch_size": 256, "hidden": (80, 80), "dim": 64, "steps": 4, "threads": 2}
    y = labels(name, rec)
    first, again = (make(name, **size).fit(rec, y).transform(rec) for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("name", TRAINED)
def test_resuming_gives_the_same_bits(name, tmp_path):
    rec = reach()
    y = labels(name, rec)
    expected = make(name).fit_transform(rec, y)
    with pytest.raises(RuntimeError, match="stopped by the test"):
        make(name).fit(rec, y, folder=tmp_path, callbacks=[Notes(fail_at=7)])
    assert np.array_equal(make(name).fit(rec, y, folder=tmp_path, resume=True).transform(rec), expected)


@pytest.mark.parametrize("name", AT_ONCE)
def test_what_is_not_trained_may_be_resumed_and_keeps_no_checkpoint(name, tmp_path):
    rec = reach()
    y = labels(name, rec)
    expected = make(name).fit_transform(rec, y)
    for resume in (False, True):
        assert np.array_equal(make(name).fit(rec, y, folder=tmp_path, resume=resume).transform(rec), expected)
    assert [p.name for p in tmp_path.iterdir()] == ["run.lock"]  # empty; it stays
