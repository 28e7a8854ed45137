"""Methods without gradients against independent references: NumPy's loops and scikit-learn's own classes."""

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA as TheirPCA
from sklearn.decomposition import FactorAnalysis
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from tiny import SMALL, reach, sleep

import myow
from myow import FA, LDA, MYOW, PCA, PoissonNB, Raw, Recording, Untrained
from myow.errors import DataError, SettingError, UnknownNameError

CPU = {"device": "cpu", "random_state": 0}
CONTEXTS = [(0, 0), (1, 0), (2, 1)]
GAPS = reach(drop=0.2, n_segments=12)


def window_rows(rec, context):
    """Rows of each row's window: the wanted bin, or the nearest of the same segment."""
    found = []
    for row in range(len(rec)):
        own = np.flatnonzero(rec.segments == rec.segments[row])
        wanted = rec.bins[row] + np.arange(-context[0], context[1] + 1)
        found.append([own[np.abs(rec.bins[own] - w).argmin()] for w in wanted])
    return np.array(found)


def side_by_side(rec, context, train=None, transform=np.sqrt):
    """Transformed counts of each row's window, centred and divided by one deviation of the training rows."""
    train = rec if train is None else train
    known, values = (transform(r.counts.astype(float)) for r in (train, rec))
    scaled = (values - known.mean(axis=0)) / np.sqrt(known.var(axis=0).mean())
    return scaled[window_rows(rec, context)].reshape(len(rec), -1)


def with_silent_unit(rec):
    counts = rec.counts.copy()
    counts[:, 3] = 0
    return Recording(counts, bin_size=rec.bin_size, times=rec.times, segments=rec.segments, labels=rec.labels)


def one_a_class(rec):
    """The first row of each class."""
    return np.unique(rec.labels["direction"], return_index=True)[1]


# Raw.


@pytest.mark.parametrize("context", CONTEXTS)
def test_raw_is_the_scaled_window_side_by_side_and_stops_at_segment_edges(context):
    z = Raw(context=context, **CPU).fit(GAPS).transform(GAPS)
    np.testing.assert_allclose(z, side_by_side(GAPS, context), atol=1e-5)
    assert z.shape == (len(GAPS), (sum(context) + 1) * 10)


def test_a_window_never_shows_another_segment():
    rec = reach(n_segments=3)
    counts = rec.counts.copy()
    counts[rec.segments == 1] = 50
    other = Recording(counts, bin_size=0.1, segments=rec.segments, labels=rec.labels)
    for method in (Raw, PCA, FA):
        model = method(context=(3, 3), **CPU).fit(rec)
        same = rec.segments != 1
        assert np.array_equal(model.transform(other)[same], model.transform(rec)[same])
        assert not np.array_equal(model.transform(other)[~same], model.transform(rec)[~same])


def test_raw_takes_signals_as_they_are_and_scales_as_asked():
    values = reach().counts - 2.5
    rec = Recording(values, bin_size=0.1, kind="continuous")
    np.testing.assert_allclose(Raw(scale="none", **CPU).fit(rec).transform(rec), values)
    each = Raw(scale="unit", **CPU).fit(rec).transform(rec)
    np.testing.assert_allclose(each, (values - values.mean(axis=0)) / values.std(axis=0), atol=1e-5)


@pytest.mark.parametrize("method", [Raw, PCA, FA])
def test_features_that_are_units_are_read_out_at_one_scale(method):
    assert method.readout_scaling == "common"
    assert (LDA.readout_scaling, Untrained.readout_scaling) == ("each", "each")


# Principal components.


@pytest.mark.parametrize("context", CONTEXTS)
def test_components_are_scikit_learns_and_of_training_rows_alone(context):
    train, test = GAPS.split(0.7, 0.3)
    model = PCA(dim=5, context=context, **CPU).fit(train)
    theirs = TheirPCA(5, svd_solver="full").fit(side_by_side(train, context))
    for part in (train, test):
        expected = theirs.transform(side_by_side(part, context, train))
        np.testing.assert_allclose(model.transform(part), expected, atol=1e-4)


@pytest.mark.parametrize("method", [PCA, FA])
@given(n_rows=st.integers(2, 9), n_units=st.integers(1, 5), dim=st.integers(1, 12))
def test_columns_beyond_what_rows_and_features_allow_are_zero(method, n_rows, n_units, dim):
    counts = np.random.default_rng(n_rows).poisson(3.0, size=(n_rows, n_units))
    counts[:2] = [[0], [4]]  # some unit varies
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # so few rows have no best factors
        model = method(dim=dim, **CPU).fit(counts)
    z = model.transform(counts)
    allowed = min(dim, n_rows - 1, n_units)
    assert z.shape == (n_rows, dim)
    assert np.isfinite(z).all()
    assert (z[:, allowed:] == 0).all()
    assert method is FA or z[:, 0].any()


def test_a_direction_in_which_nothing_varies_is_no_component():
    values = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    rec = Recording(np.column_stack([values, values[:, 0]]), bin_size=0.1, kind="continuous")
    z = PCA(dim=3, **CPU).fit(rec).transform(rec)
    assert z[:, :2].std(axis=0).min() > 0.1
    assert (z[:, 2] == 0).all()


# Factor analysis.


@pytest.mark.parametrize("context", CONTEXTS)
def test_factors_are_scikit_learns_posterior_means(context):
    train, test = GAPS.split(0.7, 0.3)
    model = FA(dim=3, context=context, **CPU).fit(train)
    features = side_by_side(train, context)
    theirs = FactorAnalysis(3, tol=1e-2 * len(train), max_iter=200, svd_method="lapack").fit(features)
    assert model.n_iter_ == theirs.n_iter_ > 1
    for part in (train, test):
        expected = theirs.transform(side_by_side(part, context, train))
        np.testing.assert_allclose(model.transform(part), expected, rtol=1e-3, atol=1e-3)


def test_the_factors_are_those_that_made_the_data():
    rng = np.random.default_rng(1)
    factor = rng.normal(size=(400, 2))
    noise = rng.uniform(0.3, 2.0, size=12)
    values = factor @ rng.normal(size=(2, 12)) + rng.normal(size=(400, 12)) * noise
    z = FA(dim=2, scale="none", **CPU).fit(Recording(values, bin_size=0.1, kind="continuous")).transform(values)
    known = np.column_stack([z, np.ones(400)])
    left = factor - known @ np.linalg.lstsq(known, factor, rcond=None)[0]
    assert left.var() < 0.15 * factor.var()


def test_a_unit_that_was_silent_in_training_adds_nothing_to_the_factors():
    rec = reach()
    model = FA(dim=3, scale="none", **CPU).fit(with_silent_unit(rec))
    assert np.array_equal(model.transform(rec), model.transform(with_silent_unit(rec)))
    others = rec.select_units([i for i in range(10) if i != 3])
    expected = FA(dim=3, scale="none", **CPU).fit(others).transform(others)
    np.testing.assert_allclose(model.transform(rec), expected, atol=1e-5)


def test_a_fit_that_runs_out_of_iterations_says_so():
    with pytest.warns(ConvergenceWarning):
        model = FA(dim=3, max_iter=2, **CPU).fit(reach())
    assert model.n_iter_ == 2
    assert FA(dim=3, tol=1e-6, max_iter=5000, **CPU).fit(reach()).n_iter_ > FA(dim=3, **CPU).fit(reach()).n_iter_


# Poisson naive Bayes.


def log_posterior(train, y, part, context, *, prior_count, uniform):
    """Row by row, class by class, unit by unit."""
    c, d = (r.counts[window_rows(r, context)].reshape(len(r), -1).astype(float) for r in (train, part))
    classes = np.unique(y)
    overall = c.mean(axis=0)
    found = np.zeros((len(d), len(classes)))
    for k, value in enumerate(classes):
        own = c[y == value]
        prior = 1 / len(classes) if uniform else len(own) / len(c)
        for row in range(len(d)):
            total = np.log(prior)
            for unit in np.flatnonzero(overall > 0):
                rate = (own[:, unit].sum() + prior_count) / (len(own) + prior_count / overall[unit])
                total += d[row, unit] * np.log(rate) - rate
            found[row, k] = total
    return found


def without_common(scores):
    return scores - scores.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("prior", ["data", "uniform"])
def test_poisson_posteriors_are_those_of_the_formula(context, prior):
    train, test = with_silent_unit(reach(drop=0.3)), reach(n_segments=4, drop=0.3, seed=5)
    y = np.where(train.labels["direction"] == 3, 2, train.labels["direction"])  # unequal classes
    model = PoissonNB(context=context, prior_count=0.7, class_prior=prior, **CPU).fit(train, y)
    expected = log_posterior(train, y, test, context, prior_count=0.7, uniform=prior == "uniform")
    np.testing.assert_allclose(without_common(model.transform(test)), without_common(expected), rtol=1e-4, atol=1e-3)
    assert np.array_equal(model.predict(test), np.unique(y)[expected.argmax(axis=1)])


def test_a_wider_prior_draws_the_rates_together():
    rec = reach()
    y = rec.labels["direction"]
    spread = [np.ptp(PoissonNB(prior_count=a, **CPU).fit(rec, y).transform(rec), axis=1).mean() for a in (0.1, 10, 1e6)]
    assert spread[0] > spread[1] > spread[2]
    assert spread[2] < 0.05


def test_poisson_is_of_counts_only():
    rec = reach()
    y = rec.labels["direction"]
    with pytest.raises(DataError, match=r"recording is continuous; .*LDA"):
        PoissonNB(**CPU).fit(Recording(rec.counts, bin_size=0.1, kind="continuous"), y)
    with pytest.raises(DataError, match="Negative values in data passed to PoissonNB, down to -1"):
        PoissonNB(**CPU).fit(rec.counts - 1.0, y)
    model = PoissonNB(**CPU).fit(rec.counts / 2, y)  # as after smoothing
    assert model.score(rec.counts / 2, y) > 0.8
    with pytest.raises(DataError, match=r"down to -0\.5"):
        model.transform(rec.counts - 0.5)
    for settings in ({"input": "sqrt"}, {"scale": "common"}):
        with pytest.raises(SettingError, match="leave both 'none'"):
            PoissonNB(**CPU, **settings).fit(rec, y)
    with pytest.raises(SettingError, match="prior_count is 0"):
        PoissonNB(prior_count=0, **CPU).fit(rec, y)


# Linear discriminants.


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("prior", ["data", "uniform"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_discriminants_are_scikit_learns(context, prior, n_classes):
    train, test = with_silent_unit(reach(n_segments=12, drop=0.2)), reach(n_segments=4, seed=2)
    y = train.labels["direction"] % n_classes
    y = np.where(train.segments < 2, 0, y)  # unequal classes
    model = LDA(context=context, class_prior=prior, **CPU).fit(train, y)
    theirs = LinearDiscriminantAnalysis(
        solver="lsqr", shrinkage="auto", priors=None if prior == "data" else np.full(n_classes, 1 / n_classes)
    ).fit(side_by_side(train, context), y)
    features = side_by_side(test, context, train)
    found = model.transform(test)
    assert found.shape == (len(test), n_classes)
    expected = theirs.predict_log_proba(features)
    np.testing.assert_allclose(without_common(found), without_common(expected), rtol=1e-3, atol=1e-3)
    assert np.array_equal(model.predict(test), theirs.predict(features))


# All decoders.


@pytest.mark.parametrize("decoder", [LDA, PoissonNB])
def test_a_decoder_names_classes_of_any_type_and_counts_how_often_it_is_right(decoder):
    rec = reach(n_segments=16)
    index = rec.labels["direction"]
    for names in (np.array(["N", "E", "S", "W"]), np.array([8, 2, 4, 6]), np.array([0.0, 90.0, 180.0, 270.0])):
        y = names[index]
        model = decoder(**CPU).fit(rec, y)
        said = model.predict(rec)
        assert said.dtype == y.dtype
        assert model.classes_.tolist() == sorted(names.tolist())
        assert model.score(rec, y) == np.mean(said == y) > 0.8
        assert np.array_equal(said, model.classes_[model.transform(rec).argmax(axis=1)])
    assert list(model.get_feature_names_out()) == [f"{decoder.__name__.lower()}{i}" for i in range(4)]


@pytest.mark.parametrize("decoder", [LDA, PoissonNB])
def test_decoders_decode_trials_they_have_not_seen(decoder):
    train, test = reach(n_segments=40).split(0.5, 0.5)
    one, wide = (decoder(context=c, **CPU).fit(train, train.labels["direction"]) for c in [(0, 0), (2, 2)])
    assert one.score(test, test.labels["direction"]) > 0.8
    assert wide.score(test, test.labels["direction"]) > one.score(test, test.labels["direction"])


@pytest.mark.parametrize("decoder", [LDA, PoissonNB])
def test_one_labelled_trial_or_one_row_a_class_is_enough_and_gives_no_warning(decoder):
    rec = with_silent_unit(reach(n_segments=12))
    y = rec.labels["direction"]
    trial, row = rec.segments < 4, one_a_class(rec)
    uneven = np.append(np.flatnonzero(rec.segments == 0), row[1:])  # a trial of one class, a row of each other one
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*units never change")  # which is true
        for labelled, least in ((trial, 0.7), (row, 0.35), (uneven, 0.25)):
            for context in ((0, 0), (2, 2)):
                model = decoder(context=context, **CPU).fit(rec, y, labelled=labelled)
                assert np.isfinite(model.transform(rec)).all()
                assert model.score(rec, y) >= least
    assert model.n_labelled_ == 15


def test_of_one_row_a_class_the_nearest_mean_wins():
    rec = reach()
    rows, y = one_a_class(rec), rec.labels["direction"]
    features = side_by_side(rec, (0, 0))
    away = np.linalg.norm(features[:, None] - features[rows], axis=2)
    said = LDA(**CPU).fit(rec, y, labelled=rows).predict(rec)
    assert np.array_equal(said, y[rows][away.argmin(axis=1)])


@pytest.mark.parametrize("decoder", [LDA, PoissonNB])
def test_rows_without_a_label_decide_nothing(decoder):
    rec = reach(n_segments=12)
    y, labelled = rec.labels["direction"], rec.segments < 8
    z = decoder(scale="none", **CPU).fit(rec, y, labelled=labelled).transform(rec)
    alone = decoder(scale="none", **CPU).fit(rec.select(labelled), y[labelled])
    np.testing.assert_array_equal(alone.transform(rec), z)


@pytest.mark.parametrize("decoder", [LDA, PoissonNB])
def test_labelled_rows_that_are_all_alike_decide_nothing(decoder):
    rec = Recording([[1, 2], [1, 2], [1, 2], [5, 0]], bin_size=0.1)
    model = decoder(**CPU).fit(rec, [0, 0, 1, 1], labelled=[0, 1, 2])
    np.testing.assert_allclose(np.diff(model.transform(rec.select([0, 1])), axis=1), np.log(1 / 2), rtol=1e-5)


@pytest.mark.parametrize("decoder", [LDA, PoissonNB])
def test_what_cannot_be_decoded_is_refused(decoder):
    rec = reach()
    y = rec.labels["direction"]
    name = decoder.__name__
    for real in (y + 0.5, np.column_stack([y, y]), np.column_stack([y, y]) + 0.5):
        with pytest.raises(DataError, match=rf"real numbers.*{name} decodes classes"):
            decoder(**CPU).fit(rec, real)
    with pytest.raises(DataError, match=f"the label 1; {name} needs rows of two classes"):
        decoder(**CPU).fit(rec, y, labelled=y == 1)
    with pytest.raises(DataError, match="requires y to be passed"):
        decoder(**CPU).fit(rec)
    with pytest.raises(UnknownNameError, match="did you mean 'uniform'"):
        decoder(class_prior="uniformly", **CPU).fit(rec, y)
    with pytest.raises(ValueError, match="not fitted"):
        decoder(**CPU).predict(rec)


@pytest.mark.parametrize("decoder", [LDA, PoissonNB])
def test_a_missing_label_is_fine_where_it_is_not_used(decoder):
    rec = reach()
    y = rec.labels["direction"].astype(float)
    labelled = rec.segments < 4
    z = decoder(**CPU).fit(rec, np.where(labelled, y, np.nan), labelled=labelled).transform(rec)
    assert np.array_equal(decoder(**CPU).fit(rec, y, labelled=labelled).transform(rec), z)
    with pytest.raises(DataError, match="NaN"):
        decoder(**CPU).fit(rec, np.where(labelled, y, np.nan))


# The untrained encoder.


@pytest.mark.parametrize("context", CONTEXTS)
def test_the_untrained_encoder_is_what_training_starts_from(context):
    settings = {k: v for k, v in SMALL.items() if k != "predictor"} | {"context": context, "encoder": "residual"}
    known = {k: v for k, v in settings.items() if k in Untrained().get_params()}
    settings["unit_norm"] = False
    rec = reach()
    untrained = Untrained(**known).fit(rec).transform(rec)
    assert np.array_equal(untrained, MYOW(**settings).initialise(rec).transform(rec))
    assert not np.array_equal(untrained, MYOW(**settings).fit(rec).transform(rec))
    assert not np.array_equal(untrained, Untrained(**known | {"random_state": 1}).fit(rec).transform(rec))


# What is kept.


@pytest.mark.parametrize("method", [Raw, PCA, FA, PoissonNB, LDA, Untrained])
@pytest.mark.parametrize("rec", [GAPS, sleep(60)], ids=["trials", "one-segment"])
def test_a_saved_model_knows_what_it_learnt(method, rec, tmp_path):
    y = np.array(["zero", "one", "two", "three"])[next(iter(rec.labels.values()))]
    model = method(context=(1, 2), **CPU).fit(rec, y)
    model.save(tmp_path / "a.myow")
    again = myow.load_model(tmp_path / "a.myow", device="cpu")
    assert type(again) is method
    assert again.get_params() == model.get_params()
    assert np.array_equal(again.transform(rec), model.transform(rec))
    if method.uses_labels:
        assert np.array_equal(again.predict(rec), model.predict(rec))
        assert again.n_labelled_ == len(rec)
    if method is FA:
        assert again.n_iter_ == model.n_iter_


@pytest.mark.parametrize("method", [Raw, PCA, FA, PoissonNB, LDA])
def test_a_fitted_model_holds_no_rows(method):
    rec = reach(n_segments=80)
    model = method(**CPU).fit(rec, rec.labels["direction"])
    assert len(pickle.dumps(model)) < rec.counts.size


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: PCA(dim=0), "dim is 0"),
        (lambda: FA(dim=0), "dim is 0"),
        (lambda: FA(max_iter=0), "max_iter 0"),
        (lambda: FA(tol=-1.0), "tol -1"),
        (lambda: Untrained(dim=0), "dim 0"),
    ],
)
def test_settings_out_of_range_are_refused(make, said):
    with pytest.raises(SettingError, match=said):
        make().fit(reach())
