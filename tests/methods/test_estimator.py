"""Fit, transform and score: what goes in, what comes out, and what is refused with which words."""

import numpy as np
import pytest
import torch
from tiny import SMALL, SMALL_MINING, Notes, reach, sleep
from torch import nn

from myow import BYOL, MYOW, Recording, load_model
from myow.errors import DataError, MyowError, SettingError, UnknownNameError


@pytest.fixture(scope="module")
def model():
    return MYOW(**SMALL, **SMALL_MINING).fit(reach())


def test_an_embedding_has_a_row_a_bin_and_is_finite(model):
    z = model.transform(reach(seed=5))
    assert z.shape == (96, 6)
    assert z.dtype == np.float32
    assert np.isfinite(z).all()
    assert z.std(axis=0).min() > 0


def test_fit_returns_the_estimator_and_learns_what_it_says(model):
    assert (model.n_features_in_, model.input_, model.seed_, model.n_steps_) == (10, "sqrt", 0, 12)
    assert not model.network_.training
    assert not hasattr(model.network_, "data")  # the training rows are let go
    assert not any(name.startswith(("bank", "age")) for name in model.network_.state_dict())


def test_parameters_are_stored_as_they_are_given():
    hidden = [8, 8]
    estimator = BYOL(hidden=hidden, dim=3)
    assert estimator.get_params()["hidden"] is hidden
    with pytest.raises(TypeError):
        BYOL(3)


def test_each_row_is_embedded_alone_where_there_is_no_context(model):
    rec = reach(seed=5)
    rows = np.array([3, 40, 41, 90])
    np.testing.assert_allclose(model.transform(rec.select(rows)), model.transform(rec)[rows], atol=1e-5)


def test_context_windows_stop_at_segment_edges():
    rec = reach()
    model = BYOL(**SMALL, context=(2, 2), encoder="mlp").fit(rec)
    z = model.transform(rec)
    for segment in (0, 3, 7):
        alone = model.transform(rec.select_segments([segment]))
        np.testing.assert_allclose(alone, z[rec.segments == segment], atol=1e-5)
    other = reach(seed=1)
    changed = Recording(
        np.where((rec.segments == 3)[:, None], other.counts, rec.counts), bin_size=0.1, segments=rec.segments
    )
    differs = np.abs(model.transform(changed) - z).max(axis=1) > 1e-4
    assert differs[rec.segments == 3].mean() > 0.8
    assert not differs[rec.segments != 3].any()


def test_a_pooled_encoder_sees_the_mean_of_the_window():
    rec = Recording([[2, 0], [0, 8], [2, 0], [0, 8], [2, 0]], bin_size=1.0)
    model = BYOL(**SMALL, context=(1, 1)).initialise(rec)
    z = model.transform(rec)
    np.testing.assert_allclose(z[1], z[3], atol=1e-6)  # both see (silence, spikes, silence)
    assert np.abs(z[1] - z[2]).max() > 1e-3


def test_labels_never_reach_training():
    rec = reach()
    bare = Recording(rec.counts, bin_size=rec.bin_size, times=rec.times, segments=rec.segments)
    first = MYOW(**SMALL, **SMALL_MINING).fit(rec, rec.labels["direction"]).transform(rec)
    assert np.array_equal(first, MYOW(**SMALL, **SMALL_MINING).fit(bare).transform(bare))


def test_statistics_come_from_training_rows_alone(model):
    rec = reach()
    louder = Recording(rec.counts * 4, bin_size=rec.bin_size, times=rec.times, segments=rec.segments)
    before = model.network_.scaling.mean.clone()
    assert np.abs(model.transform(louder) - model.transform(rec)).max() > 1e-2
    assert torch.equal(before, model.network_.scaling.mean)


def test_an_array_is_one_segment_of_counts_or_of_a_signal():
    counts = sleep(80).counts
    as_counts, as_signal = (BYOL(**SMALL).fit(x) for x in (counts, counts - 1.5))
    assert (as_counts.kind_, as_counts.input_) == ("counts", "sqrt")
    assert (as_signal.kind_, as_signal.input_) == ("continuous", "none")
    rec = Recording(counts, bin_size=1.0)
    assert np.array_equal(as_counts.transform(counts), BYOL(**SMALL).fit(rec).transform(rec))


def test_an_untrained_model_is_a_baseline_with_a_fitted_scaling():
    rec = reach()
    first, again = (BYOL(**SMALL).initialise(rec) for _ in range(2))
    assert first.n_steps_ == 0
    assert np.array_equal(first.transform(rec), again.transform(rec))
    assert float(first.network_.scaling.mean.abs().sum()) > 0
    assert not np.allclose(first.transform(rec), BYOL(**SMALL).fit(rec).transform(rec))


def test_fitting_again_starts_afresh():
    model, rec = BYOL(**SMALL), reach()
    model.fit(reach(n_units=4, seed=2))
    assert np.array_equal(model.fit(rec).transform(rec), BYOL(**SMALL).fit(rec).transform(rec))


# Score


def test_score_without_labels_is_the_share_of_dimensions_in_use(model):
    z = model.transform(reach()).astype(np.float64)
    s = np.linalg.svd(z - z.mean(axis=0), compute_uv=False)
    p = s / s.sum()
    assert model.score(reach()) == pytest.approx(np.exp(-(p * np.log(p)).sum()) / 6, rel=1e-4)


def test_score_with_labels_tells_signal_from_shuffled_labels():
    rec = reach(n_segments=16, n_units=20)
    model = BYOL(**SMALL | {"steps": 30, "dim": 16, "hidden": (32,)}).fit(rec)
    direction = rec.labels["direction"]
    shuffled = np.random.default_rng(0).permutation(direction)
    assert model.score(rec, direction) > 0.6 > 0.45 > model.score(rec, shuffled)
    speed = rec.counts[:, :3].sum(axis=1) + 0.5
    assert 0.0 < model.score(rec, speed) < 1.0


# Parts of one's own


class Halves(nn.Module):
    def __init__(self, n_bins, n_units, dim=6):
        super().__init__()
        self.norm = nn.BatchNorm1d(n_bins * n_units)
        self.layer = nn.Linear(n_bins * n_units, dim)

    def forward(self, x):
        return self.layer(self.norm(x.flatten(1)))


def test_an_encoder_may_be_a_module_or_a_callable():
    rec = reach()
    torch.manual_seed(0)
    mine = Halves(1, 10)
    before = {k: v.clone() for k, v in mine.state_dict().items()}
    start = BYOL(**SMALL, encoder=mine).initialise(rec)
    for name, value in start.network_.online.encoder.state_dict().items():
        assert torch.equal(value, before[name]), name  # looking at its shape changed nothing
    fitted = BYOL(**SMALL, encoder=mine).fit(rec)
    assert all(torch.equal(before[k], v) for k, v in mine.state_dict().items())  # a copy was trained
    assert any(not torch.equal(before[k], v) for k, v in fitted.network_.online.encoder.state_dict().items())
    seen = []
    made = BYOL(
        **SMALL, context=(1, 2), encoder=lambda n_bins, n_units: seen.append((n_bins, n_units)) or Halves(4, 10)
    )
    assert made.fit(rec).transform(rec).shape == (96, 6)
    assert seen == [(4, 10)]


class OfSinglePrecision(Halves):
    """It makes tensors of its own, of the type that torch gives them, and casts what it gets."""

    def forward(self, x):
        return super().forward(x.float() + torch.linspace(0, 1, x.shape[2]))


def test_an_encoder_of_ones_own_streams_in_the_precision_that_it_was_trained_in():
    rec = reach()
    model = BYOL(**SMALL, encoder=OfSinglePrecision(2, 10), context=(1, 0)).fit(rec)
    stream, z = model.stream(), model.transform(rec)
    found = np.stack([stream.push(counts) for counts in rec.counts[:12]])  # the first segment
    assert np.abs(found - z[:12]).max() <= 1e-6 * max(1.0, np.abs(z).max())


def test_an_encoder_that_gives_the_wrong_shape_is_refused():
    with pytest.raises(SettingError, match=r"into \(2, 5\); it must give \(2, dim\) = \(2, 6\)"):
        BYOL(**SMALL, encoder=Halves(1, 10, dim=5)).fit(reach())


def test_an_augmentation_of_ones_own_is_called_and_then_scaled():
    rec, seen = reach(), []

    def augment(x, generator):
        seen.append((tuple(x.shape), float(x.min())))
        return x + torch.rand(x.shape, generator=generator)

    first, again = (BYOL(**SMALL, augment=augment).fit(rec).transform(rec) for _ in range(2))
    assert seen[0] == ((2, 32, 1, 10), 0.0)  # two views, windows of one bin; transformed counts, silence being 0
    assert len(seen) == 24
    assert np.array_equal(first, again)
    assert not np.allclose(first, BYOL(**SMALL).fit(rec).transform(rec))


# Bad input


def test_another_number_of_units_is_refused_and_says_which(model):
    with pytest.raises(DataError, match=r"trained on 10 units \(tiny\), but tiny has 4; give it the same units"):
        model.transform(reach(n_units=4))
    with pytest.raises(ValueError, match="X has 4 features, but MYOW is expecting 10"):
        model.transform(np.ones((5, 4)))


def test_another_kind_or_bin_width_is_refused(model):
    with pytest.raises(DataError, match=r"bins of 0.1 s \(tiny\), but this recording has 0.05 s"):
        model.transform(reach(bin_size=0.05))
    with pytest.raises(DataError, match=r"trained on counts .*, but this recording holds continuous"):
        model.transform(Recording(np.ones((3, 10)), bin_size=0.1, kind="continuous"))
    with pytest.raises(DataError, match="counts are whole"):
        model.transform(np.full((3, 10), 0.5))
    with pytest.raises(DataError, match="cannot be negative"):
        model.transform(np.full((3, 10), -1))


def test_one_bin_is_too_few_to_train_on_but_can_be_embedded(model):
    with pytest.raises(DataError, match="the recording has 1 sample"):
        BYOL(**SMALL).fit(Recording(np.ones((1, 4), int), bin_size=0.1))
    assert model.transform(reach().select([7])).shape == (1, 6)


@pytest.mark.parametrize("value", [0, 3])
def test_only_silent_or_constant_units_are_refused(value):
    with pytest.raises(DataError, match="all 4 units are constant"):
        MYOW(**SMALL).fit(Recording(np.full((50, 4), value), bin_size=0.1))


def test_some_silent_units_are_no_trouble():
    counts = reach().counts.copy()
    counts[:, 3] = 0
    for scale in ("common", "unit"):
        model = BYOL(**SMALL, scale=scale).fit(Recording(counts, bin_size=0.1))
        assert np.isfinite(model.transform(counts)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(model, bad):
    counts = reach().counts.astype(float)
    counts[4, 2] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        BYOL(**SMALL).fit(counts)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        model.transform(counts)


def test_a_context_wider_than_every_segment_is_refused():
    with pytest.raises(DataError, match="context window is 13 bins wide, but the longest segment spans 12"):
        BYOL(**SMALL, context=(6, 6)).fit(reach())


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ({"encoder": "mpl"}, "mlp"),
        ({"input": "sqr"}, "sqrt"),
        ({"scale": "units"}, "unit"),
        ({"optimizer": "lar"}, "lars"),
        ({"schedule": "cosinus"}, "cosine"),
        ({"activation": "relo"}, "relu"),
        ({"pool": "samples"}, "sample"),
    ],
)
def test_unknown_names_offer_the_nearest(wrong, nearest):
    with pytest.raises(UnknownNameError, match=f"did you mean '{nearest}'"):
        MYOW(**SMALL | wrong).fit(reach())


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"epochs": 0},
        {"batch_size": 0},
        {"batch_size": 1},
        {"dim": 0},
        {"hidden": (0,)},
        {"warmup": 1.0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"weight_decay": -1.0},
        {"momentum": 1.0},
        {"context": (-1, 0)},
        {"context": (1, 1, 1)},
    ],
)
def test_settings_out_of_range_are_refused_by_name(wrong):
    (name,) = wrong
    with pytest.raises(SettingError, match=rf"{name} (is )?[\d(n-]") as error:
        MYOW(**SMALL | wrong).fit(reach())
    assert "\n" not in str(error.value)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(SettingError, match=r"device 'quantum' cannot be used here .*try 'cpu'"):
        BYOL(**SMALL | {"device": "quantum"}).fit(reach())
    if not torch.cuda.is_available():
        with pytest.raises(SettingError, match="device 'cuda' cannot be used here"):
            BYOL(**SMALL | {"device": "cuda"}).fit(reach())


def test_a_transform_of_counts_does_not_fit_a_signal():
    rec = Recording(np.random.default_rng(0).normal(size=(40, 4)), bin_size=0.1, kind="continuous")
    with pytest.raises(SettingError, match="transform of counts, but the recording is continuous"):
        BYOL(**SMALL, input="sqrt").fit(rec)
    assert BYOL(**SMALL).fit(rec).transform(rec).shape == (40, 6)


def test_all_refusals_are_errors_of_ours():
    assert issubclass(DataError, MyowError)
    assert issubclass(SettingError, MyowError)


def test_resuming_without_a_folder_is_refused():
    with pytest.raises(SettingError, match="resume needs the folder"):
        BYOL(**SMALL).fit(reach(), resume=True)


def test_a_failed_fit_says_so_before_any_step():
    notes = Notes()
    with pytest.raises(UnknownNameError):
        MYOW(**SMALL | {"optimizer": "adam"}).fit(reach(), callbacks=[notes])
    assert notes.began is None


# Signals that vary little around a large value, which single precision does not hold.


def test_a_small_signal_on_a_large_offset_is_embedded_as_without_the_offset(tmp_path):
    signal = np.random.default_rng(0).normal(size=(80, 4))
    plain = Recording(signal * 2.0**-10, bin_size=0.1, kind="continuous")
    raised = Recording(signal * 2.0**-10 + 2.0**20, bin_size=0.1, kind="continuous")
    settings = {"steps": 1, "random_state": 0, "device": "cpu"}
    model = BYOL(**settings).fit(raised)
    z = model.transform(raised)
    assert np.allclose(z, BYOL(**settings).fit(plain).transform(plain), atol=1e-3)
    model.save(tmp_path / "model.myow")
    again = load_model(tmp_path / "model.myow")
    assert np.array_equal(again.transform(raised), z)
    stream = again.stream()
    assert np.allclose([stream.push(row) for row in raised.counts], z, atol=1e-5)
    with pytest.raises(SettingError, match="vary so little around a large value"):
        again.export(tmp_path / "model.onnx")


def test_a_small_signal_on_a_large_offset_is_refused_beside_other_sessions():
    raised = Recording(np.random.default_rng(0).normal(size=(80, 4)) + 2.0**30, bin_size=0.1, kind="continuous")
    plain = Recording(np.random.default_rng(1).normal(size=(80, 4)), bin_size=0.1, kind="continuous")
    with pytest.raises(DataError, match="subtract the mean of each of its units"):
        BYOL(steps=1).fit([plain, raised])
    with pytest.raises(DataError, match="subtract the mean of each of its units"):
        BYOL(steps=1, read_in=4).fit(plain).adapt(raised, steps=1)
