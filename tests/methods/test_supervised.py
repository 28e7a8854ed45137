"""Supervised learning: its loss, what it predicts, whose labels it reads, and what it refuses."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import r2_score
from tiny import SMALL, Notes, reach
from torch import nn

import myow
from myow import Recording, Supervised
from myow.errors import DataError, SettingError, UnknownNameError

SETTINGS = {k: v for k, v in SMALL.items() if k != "predictor"}
NAMES = np.array(["east", "north", "south", "west"])
PLAIN = {"dropout": 0.0, "noise": 0.0}  # views are the rows themselves


def prepared(estimator, rec, y, labelled=None):
    _, rows = estimator._initialise(rec, y, labelled)
    network = estimator.network_.train()
    network.prepare(rows)
    return network


def position(rec, rng):
    """Two columns that follow the direction, in units far from 1."""
    angle = rec.labels["direction"] * np.pi / 2
    return 100 * np.c_[np.cos(angle), np.sin(angle)] + [1000, -5] + rng.normal(size=(len(rec), 2))


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_loss_of_classes_is_the_cross_entropy_of_the_head(smoothing):
    rec = reach()
    network = prepared(Supervised(**SETTINGS, label_smoothing=smoothing), rec, NAMES[rec.labels["direction"]])
    views = network.make_views(torch.arange(20), torch.Generator().manual_seed(0))
    said = network.head(network.encoder(views.x)).detach().numpy().astype(float)
    log_p = said - np.log(np.exp(said).sum(axis=1, keepdims=True))
    wanted = (1 - smoothing) * np.eye(4)[views.targets] + smoothing / 4
    expected = -(wanted * log_p).sum(axis=1).mean()
    assert float(network.loss(views)["loss"].detach()) == pytest.approx(expected, rel=1e-5)
    assert views.targets.tolist() == rec.labels["direction"][:20].tolist()


def test_the_loss_of_real_numbers_is_the_squared_error_of_standardised_columns():
    rec = reach()
    y = position(rec, np.random.default_rng(0))
    labelled = np.arange(10, 60)
    network = prepared(Supervised(**SETTINGS, **PLAIN), rec, y, labelled)
    views = network.make_views(torch.arange(50), torch.Generator().manual_seed(0))
    standard = (y[labelled] - y[labelled].mean(axis=0)) / y[labelled].std(axis=0)
    np.testing.assert_allclose(views.targets.numpy(), standard, atol=1e-4)
    said = network.head(network.encoder(views.x)).detach().numpy()
    expected = ((said - standard) ** 2).mean()
    assert float(network.loss(views)["loss"].detach()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("n_labelled", [2, 7, 40, 70, 96])
def test_batches_are_of_labelled_rows_alone_and_see_each_equally_often(n_labelled):
    rec = reach()
    rows = np.sort(np.random.default_rng(0).choice(96, n_labelled, replace=False))
    network = prepared(Supervised(**SETTINGS), rec, np.arange(96) / 96, rows)
    generator = torch.Generator().manual_seed(0)
    drawn = np.concatenate([network.pick(torch.arange(96), generator)[0].numpy() for _ in range(200)])
    seen, times = np.unique(drawn, return_counts=True)
    assert seen.tolist() == rows.tolist()
    np.testing.assert_allclose(times, 200 * 96 / n_labelled, rtol=0.25)
    labelled, targets = network.pick(torch.arange(96), generator)
    np.testing.assert_allclose(network.restore(targets)[:, 0], labelled / 96, atol=1e-6)


def test_views_are_augmented_and_are_the_scaled_rows_without():
    rec = reach()
    y = rec.labels["direction"]
    plain = prepared(Supervised(**SETTINGS, **PLAIN, context=(1, 1)), rec, y)
    x = plain.make_views(torch.arange(20), torch.Generator().manual_seed(0)).x
    torch.testing.assert_close(x, plain.scaling(plain.data.gather(torch.arange(20))))
    noisy = prepared(Supervised(**SETTINGS, noise=0.5, dropout=0.0, context=(1, 1)), rec, y)
    noise = noisy.make_views(torch.arange(96), torch.Generator().manual_seed(0)).x
    noise = noise - noisy.scaling(noisy.data.gather(torch.arange(96)))
    assert float(noise.std()) == pytest.approx(0.5, rel=0.05)


def test_noise_may_count_in_what_changes_from_bin_to_bin():
    rec, given = reach(), SETTINGS | {"noise": 0.5, "dropout": 0.0}
    networks = [
        prepared(Supervised(**given, noise_unit=u), rec, NAMES[rec.labels["direction"]]) for u in ("input", "change")
    ]
    x = [n.make_views(torch.arange(20), torch.Generator().manual_seed(0)).x for n in networks]
    clean = networks[0].scaling(
        networks[0].data.gather(networks[0].pick(torch.arange(20), torch.Generator().manual_seed(0))[0])
    )
    ratio = networks[1].augmenting.noise / 0.5
    assert 0.1 < ratio < 0.99
    torch.testing.assert_close((x[1] - clean) / ratio, x[0] - clean, rtol=1e-3, atol=1e-5)


def test_an_augmentation_of_ones_own_gets_transformed_windows():
    rec = reach()
    shapes = []

    def silent(x, generator):
        shapes.append(tuple(x.shape))
        return torch.zeros_like(x)

    network = prepared(Supervised(**SETTINGS, augment=silent, context=(1, 0)), rec, rec.labels["direction"])
    x = network.make_views(torch.arange(20), torch.Generator().manual_seed(0)).x
    assert shapes == [(1, 20, 2, 10)]
    torch.testing.assert_close(x, network.scaling(torch.zeros(20, 2, 10)))


@pytest.mark.parametrize("settings", [{"dropout": 1.5}, {"noise": -1.0}, {"pepper": 0.1}])
def test_settings_of_augmentation_are_checked_as_everywhere(settings):
    rec = reach()
    with pytest.raises(SettingError, match=next(iter(settings))):
        Supervised(**SETTINGS, **settings).fit(rec, rec.labels["direction"])
    with pytest.raises(UnknownNameError, match="did you mean 'silence'"):
        Supervised(**SETTINGS, dropout_to="silenze").fit(rec, rec.labels["direction"])


def test_it_knows_no_temporal_positives():
    assert not {"positives", "shared_mask"} & Supervised().get_params().keys()


# Ten clean units need none of the noise and decay that a recording of few trials does.
MILD = SETTINGS | {"learning_rate": 1e-2, "weight_decay": 1e-5, "noise": 0.5, "dropout": 0.2, "label_smoothing": 0.0}


def test_the_head_names_classes_of_rows_it_never_saw():
    rec = reach(n_segments=60)
    y = NAMES[rec.labels["direction"]]
    train, test = np.arange(480), np.arange(480, 720)
    notes = Notes()
    model = Supervised(**MILD | {"steps": 150})
    model.fit(rec.select(train), y[train], callbacks=[notes])
    assert notes.metrics[-1]["loss"] < notes.metrics[0]["loss"] - 0.3
    said = model.predict(rec.select(test))
    assert said.dtype == y.dtype
    assert model.classes_.tolist() == NAMES.tolist()
    reference = LogisticRegression(max_iter=1000).fit(np.sqrt(rec.counts[train]), y[train])
    assert np.mean(said == y[test]) > reference.score(np.sqrt(rec.counts[test]), y[test]) - 0.03
    # The embedding is what the head reads.
    z = model.transform(rec.select(test))
    logits = z @ model.network_.head.weight.detach().numpy().T + model.network_.head.bias.detach().numpy()
    assert np.array_equal(NAMES[logits.argmax(axis=1)], said)


def test_the_head_says_real_numbers_in_the_units_of_the_labels():
    rec = reach(n_segments=60)
    y = position(rec, np.random.default_rng(0))
    train, test = np.arange(480), np.arange(480, 720)
    model = Supervised(**MILD | {"steps": 300}).fit(rec.select(train), y[train])
    said = model.predict(rec.select(test))
    assert said.shape == (240, 2)
    assert model.classes_ is None
    roots = np.sqrt(rec.counts)
    reference = LinearRegression().fit(roots[train], y[train]).score(roots[test], y[test])
    assert r2_score(y[test], said) > reference - 0.05
    one = Supervised(**SETTINGS).fit(rec, y[:, 0])
    assert one.predict(rec).shape == (720,)


@pytest.mark.parametrize("kind", ["class", "real", "columns"])
def test_a_label_outside_the_budget_changes_no_bit(kind):
    rec = reach(drop=0.2)
    y = {
        "class": NAMES[rec.labels["direction"]].astype("U9"),
        "real": rec.times * 3.0,
        "columns": position(rec, np.random.default_rng(0)),
    }[kind]
    poison = "elsewhere" if kind == "class" else np.nan
    labelled = np.random.default_rng(1).random(len(rec)) < 0.4
    poisoned = y.copy()
    poisoned[~labelled] = poison
    clean, same = (Supervised(**SETTINGS).fit(rec, labels, labelled=labelled) for labels in (y, poisoned))
    assert np.array_equal(clean.transform(rec), same.transform(rec))
    assert np.array_equal(clean.predict(rec), same.predict(rec))


def test_one_label_of_each_class_is_enough_to_run():
    rec = reach()
    y = NAMES[rec.labels["direction"]]
    rows = [np.flatnonzero(y == name)[0] for name in NAMES]
    model = Supervised(**SETTINGS).fit(rec, y, labelled=rows)
    assert np.isfinite(model.transform(rec)).all()
    assert set(model.predict(rec)) <= set(NAMES)
    assert model.n_labelled_ == 4


def test_one_class_alone_and_labels_that_do_not_vary_are_refused():
    rec = reach()
    y = NAMES[rec.labels["direction"]]
    with pytest.raises(DataError, match=r"all labelled rows \(24\) are of class west.*two or more classes"):
        Supervised(**SETTINGS).fit(rec, y, labelled=y == "west")
    with pytest.raises(DataError, match=r"all labelled rows \(96\) have the same label.*give labels that vary"):
        Supervised(**SETTINGS).fit(rec, np.full(96, 0.1))
    with pytest.raises(DataError, match="requires y to be passed"):
        Supervised(**SETTINGS).fit(rec)


def test_one_of_two_columns_may_be_constant():
    rec = reach()
    y = np.c_[rec.times, np.full(96, 0.1)]
    said = Supervised(**SETTINGS).fit(rec, y).predict(rec)
    assert np.isfinite(said).all()


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_label_smoothing_is_a_share(smoothing):
    rec = reach()
    with pytest.raises(SettingError, match="label_smoothing"):
        Supervised(**SETTINGS, label_smoothing=smoothing).fit(rec, rec.labels["direction"])


@pytest.mark.parametrize("kind", ["class", "real"])
def test_predictions_and_classes_survive_files_and_pickles(kind, tmp_path):
    rec = reach()
    y = NAMES[rec.labels["direction"]] if kind == "class" else position(rec, np.random.default_rng(0))
    model = Supervised(**SETTINGS).fit(rec, y)
    model.save(tmp_path / "a.myow")
    for again in (myow.load_model(tmp_path / "a.myow", device="cpu"), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(again.predict(rec), model.predict(rec))
        assert np.array_equal(again.transform(rec), model.transform(rec))
        assert (again.n_targets_, again.n_labelled_) == (model.n_targets_, 96)
        assert (again.classes_ is None) if kind == "real" else again.classes_.tolist() == NAMES.tolist()
    assert {"labelled", "targets", "data"} & vars(model.network_).keys() == set()


@pytest.mark.parametrize("kind", ["class", "real"])
def test_resuming_gives_the_same_bits_and_other_labels_are_refused(kind, tmp_path):
    rec = reach()
    y = NAMES[rec.labels["direction"]] if kind == "class" else rec.times * 2.0
    whole = Supervised(**SETTINGS).fit(rec, y)
    with pytest.raises(RuntimeError, match="stopped by the test"):
        Supervised(**SETTINGS).fit(rec, y, folder=tmp_path, callbacks=[Notes(fail_at=7)])
    with pytest.raises(SettingError, match="other labels"):
        Supervised(**SETTINGS).fit(rec, y[::-1], folder=tmp_path, resume=True)
    again = Supervised(**SETTINGS).fit(rec, y, folder=tmp_path, resume=True)
    assert np.array_equal(again.transform(rec), whole.transform(rec))
    assert np.array_equal(again.predict(rec), whole.predict(rec))


def test_an_encoder_of_ones_own_and_windows():
    rec = reach(drop=0.2)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(30, 6))
    model = Supervised(**SETTINGS, encoder=encoder, context=(1, 1)).fit(rec, rec.labels["direction"])
    assert model.predict(rec).shape == (len(rec),)
    assert set(np.unique(model.predict(rec))) <= {0, 1, 2, 3}


def test_it_beats_an_untrained_encoder_and_labels_that_mean_nothing():
    rec = myow.load("simulated-reach", n_trials=96)
    train, _, test = rec.split(0.7, 0.1, 0.2, random_state=0)
    y = train.labels["direction"]
    settings = {"hidden": (64,), "dim": 16, "steps": 120, "random_state": 0, "device": "cpu"}
    false = np.random.default_rng(0).permutation(y)

    def right(model):
        reader = LogisticRegression(max_iter=1000).fit(model.transform(train), y)
        return reader.score(model.transform(test), test.labels["direction"])

    learnt = right(Supervised(**settings).fit(train, y))
    assert learnt > right(Supervised(**settings).initialise(train, y)) + 0.1
    assert learnt > right(Supervised(**settings).fit(train, false)) + 0.1


def test_rows_that_came_without_labels_are_refused_by_the_network():
    rec = reach()
    model = Supervised(**SETTINGS).initialise(rec, rec.labels["direction"])
    bare = myow.BYOL(**SETTINGS)._initialise(Recording(rec.counts, bin_size=0.1))[1]
    with pytest.raises(DataError, match="without labels"):
        model.network_.prepare(bare)
