"""What augmentations do, in numbers: rates, masks shared or not, and the same again from the same seed."""

import pytest
import torch
from tiny import reach

from myow.nn.scaling import Scaling
from myow.training.augment import NeuralAugment, kept_units
from myow.training.rows import TrainingRows

VIEWS, BATCH, BINS, UNITS = 2, 600, 3, 80


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def plain_scaling(mean=0.0, deviation=1.0):
    scaling = Scaling(UNITS)
    scaling.mean.fill_(mean)
    scaling.deviation.fill_(deviation)
    return scaling


def ones():
    return torch.ones(VIEWS, BATCH, BINS, UNITS)


def test_units_are_lost_at_a_rate_of_each_samples_own():
    kept = kept_units(ones(), 0.8, 1.0, generator(), shared=False)
    assert kept.shape == (VIEWS, BATCH, 1, UNITS)
    lost = 1 - kept.float().mean(dim=-1).flatten()  # of p ~ U(0, 0.8), seen through 80 units
    assert float(lost.mean()) == pytest.approx(0.4, abs=0.02)
    variance = 0.8**2 / 12 + (0.4 - 0.8**2 / 3) / UNITS  # of p, and of the draw given p: E[p(1 - p)] / N
    assert float(lost.var()) == pytest.approx(variance, rel=0.1)
    assert float(lost.max()) < 0.98
    for quarter in (1, 2, 3):
        assert float((lost < 0.2 * quarter).float().mean()) == pytest.approx(quarter / 4, abs=0.05)


@pytest.mark.parametrize(("highest", "share"), [(0.0, 1.0), (1.0, 0.0), (0.9, 0.3)])
def test_only_a_share_of_the_samples_loses_units(highest, share):
    kept = kept_units(ones(), highest, share, generator(), shared=False)
    touched = (~kept).any(dim=-1).float().mean()
    # With p ~ U(0, 0.9) and 80 units about 1 sample in 70 loses none by chance.
    assert float(touched) == pytest.approx(0.0 if highest == 0 else share, abs=0.04)


def test_masks_are_shared_between_views_or_independent():
    shared = kept_units(ones(), 0.8, 0.9, generator(), shared=True)
    assert shared.shape == (1, BATCH, 1, UNITS)
    first, second = kept_units(ones(), 0.8, 1.0, generator(), shared=False)
    rates = (~first).float().mean(-1).flatten(), (~second).float().mean(-1).flatten()
    assert abs(float(torch.corrcoef(torch.stack(rates))[0, 1])) < 0.1
    assert not torch.equal(first, second)


@pytest.mark.parametrize("shared", [True, False])
def test_a_lost_unit_is_lost_in_the_whole_window_and_shows_its_mean(shared):
    augment = NeuralAugment(dropout=0.8, shared_mask=shared)
    x = torch.rand(VIEWS, BATCH, BINS, UNITS, generator=generator(1)) + 1
    out = augment(x, plain_scaling(mean=0.7, deviation=2.0), generator())
    lost = out == 0  # the mean, after centring
    assert torch.equal(lost.any(dim=2), lost.all(dim=2))
    assert torch.equal(lost[0], lost[1]) == shared
    torch.testing.assert_close(out[~lost], ((x - 0.7) / 2)[~lost])  # what is kept is not rescaled
    assert 0.35 < float(lost.float().mean()) < 0.45


def test_a_lost_unit_may_show_silence_instead():
    out = NeuralAugment(dropout=0.8, dropout_to="silence")(ones() * 3, plain_scaling(mean=0.5), generator())
    assert set(out.unique().tolist()) == {-0.5, 2.5}  # no spike and three, centred


def test_noise_has_the_deviation_asked_for_and_is_independent_everywhere():
    scaling = plain_scaling(mean=1.0, deviation=4.0)
    out = NeuralAugment(noise=0.6)(ones(), scaling, generator())  # scaled ones are 0
    assert float(out.mean()) == pytest.approx(0.0, abs=0.01)
    assert float(out.std()) == pytest.approx(0.6, rel=0.01)  # in units of the scaled input
    assert float(out.flatten(0, 2).std(dim=0).min()) > 0.5
    flat = torch.stack([out[0, :, 0].flatten(), out[1, :, 0].flatten(), out[0, :, 1].flatten()])
    assert (torch.corrcoef(flat) - torch.eye(3)).abs().max() < 0.02


def test_noise_may_be_asked_for_in_the_mean_over_the_window():
    x = NeuralAugment(noise=0.7, noise_to="window")(ones(), plain_scaling(), generator()) - 1
    assert float(x.mean(dim=2).std()) == pytest.approx(0.7, rel=0.02)
    assert float(x.std()) == pytest.approx(0.7 * BINS**0.5, rel=0.02)
    one = ones()[:, :, :1]
    alike = [NeuralAugment(noise=0.7, noise_to=to)(one, plain_scaling(), generator()) for to in ("bin", "window")]
    assert torch.equal(*alike)


def test_noise_in_hz_comes_before_scaling_on_a_share_of_the_samples():
    out = NeuralAugment(noise_hz=1.5, noise_apply=0.5)(ones(), plain_scaling(mean=1.0, deviation=3.0), generator())
    treated = (out != 0).any(dim=(2, 3))
    assert float(treated.float().mean()) == pytest.approx(0.5, abs=0.05)
    assert (out[treated] != 0).all()
    assert float(out[treated].std()) == pytest.approx(1.5 / 3, rel=0.02)


def test_pepper_raises_some_units_of_some_samples():
    augment = NeuralAugment(pepper=0.3, pepper_hz=1.5, pepper_apply=0.5)
    out = augment(ones(), plain_scaling(), generator())
    assert set(out.unique().tolist()) == {1.0, 2.5}
    raised = out == 2.5
    treated = raised.any(dim=(2, 3))
    assert float(treated.float().mean()) == pytest.approx(0.5, abs=0.05)
    assert float(raised[treated].float().mean()) == pytest.approx(0.3, abs=0.01)


def test_without_settings_values_are_only_scaled_and_nothing_is_drawn():
    source = generator()
    before = source.get_state()
    x = ones() * torch.arange(UNITS)
    scaling = plain_scaling(mean=2.0, deviation=5.0)
    assert torch.equal(NeuralAugment()(x, scaling, source), scaling(x))
    assert torch.equal(source.get_state(), before)


def test_the_generator_alone_decides():
    augment = NeuralAugment(dropout=0.5, dropout_apply=0.7, noise=0.3, noise_hz=1.0, noise_apply=0.5, pepper=0.2)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = augment(ones(), plain_scaling(), generator())
    torch.rand(10)
    second = augment(ones(), plain_scaling(), generator())
    assert torch.equal(first, second)
    assert not torch.equal(first, augment(ones(), plain_scaling(), generator(1)))
    torch.set_rng_state(state)
    augment(ones(), plain_scaling(), generator())
    assert torch.equal(torch.get_rng_state(), state)


def test_the_input_is_left_as_it_is():
    x = ones()
    NeuralAugment(dropout=0.5, noise=1.0, noise_hz=1.0, pepper=0.5, pepper_hz=1.0, dropout_to="silence")(
        x, plain_scaling(), generator()
    )
    assert torch.equal(x, ones())


def test_a_number_of_noise_serves_two_samples_in_views_that_are_not_compared():
    x = NeuralAugment(noise=2.0)(torch.zeros(2, BATCH, BINS, UNITS), None, generator())
    assert torch.equal(x[1], -x[0].roll(1, dims=0))
    alike = torch.nn.functional.cosine_similarity(x[0].flatten(1), x[1].flatten(1), dim=1)
    assert float(alike.abs().mean()) < 0.07  # of 240 independent numbers
    odd = NeuralAugment(noise=1.0)(torch.zeros(3, 4, BINS, UNITS), None, generator())
    assert float(odd.std()) == pytest.approx(1.0, abs=0.05)


def test_rows_that_were_scaled_once_give_the_views_that_scaled_windows_give():
    recording = reach()
    values = torch.from_numpy(recording.counts.astype("float32"))
    rows = TrainingRows(recording, values, (1, 1), torch.device("cpu"))
    scaling = Scaling(recording.n_units)
    scaling.fit(values, "common")
    some, augment = torch.tensor([[3, 40, 7], [5, 41, 60]]), NeuralAugment(dropout=0.8, noise=0.5)
    assert augment.scales_first
    scaled = rows.scaled(scaling)
    views = augment(scaled.gather(some), None, generator())
    assert torch.equal(views, augment(rows.gather(some), scaling, generator()))
    assert torch.equal(rows.values, values)  # neither is written to
    assert torch.equal(scaled.values, scaling(values))
    for other in ({"dropout_to": "silence"}, {"noise_hz": 1.0}, {"pepper": 0.1}):
        assert not NeuralAugment(**other).scales_first
