"""Images against torchvision's geometry done by hand and kornia's colours; every sample draws for itself."""

import math
from dataclasses import fields, replace

import kornia
import pytest
import torch
from torch.nn import functional as F

from myow.errors import DataError, SettingError
from myow.training.augment_images import MINING, ImageAugment

STILL = ImageAugment(crop=(1.0, 1.0), ratio=(1.0, 1.0), flip=0.0, jitter=0.0, grey=0.0)
"""Does nothing, on square images."""


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(n=6, height=8, width=8, seed=1):
    return torch.rand(n, height, width, 3, generator=generator(seed))


def placed(augment, n, **values):
    """Draws with some fields replaced by hand."""
    draws = augment.draw(n, generator())
    return replace(draws, **{k: torch.as_tensor(v).expand_as(getattr(draws, k)) for k, v in values.items()})


def planes(x):
    return x.permute(0, 3, 1, 2)


def test_a_crop_of_whole_pixels_is_what_it_is_by_hand():
    x = torch.arange(16.0).reshape(1, 4, 4, 1).expand(1, 4, 4, 3) / 16
    # Half of each edge, and the lowest of the 3 places down and the middle one of the 3 across.
    draws = placed(STILL, 1, area=0.25, ratio=1.0, place=[0.99, 0.5])
    assert STILL.boxes(draws, 4, 4).tolist() == [[2, 1, 2, 2]]
    # Rows 9 10 / 13 14, stretched to twice their size: a quarter and three quarters of the way, and flat at the edges.
    across = torch.tensor([0.0, 0.25, 0.75, 1.0])
    by_hand = 9 + across[None, :] + 4 * across[:, None]
    torch.testing.assert_close(STILL.apply(x, draws)[0, ..., 0], by_hand / 16)
    mirrored = replace(draws, flipped=torch.tensor([True]))
    torch.testing.assert_close(STILL.apply(x, mirrored)[0, ..., 0], by_hand.flip(1) / 16)


@pytest.mark.parametrize(("height", "width"), [(9, 9), (7, 12)])
def test_every_sample_is_cut_out_resized_and_mirrored_as_one_by_one(height, width):
    augment = ImageAugment(jitter=0.0, grey=0.0)
    x = images(40, height, width)
    draws = augment.draw(40, generator())
    out = augment.apply(x, draws)
    for i, (top, left, tall, wide) in enumerate(augment.boxes(draws, height, width).tolist()):
        cut = planes(x)[i : i + 1, :, top : top + tall, left : left + wide]
        alone = F.interpolate(cut, (height, width), mode="bilinear", align_corners=False)
        alone = alone.flip(3) if draws.flipped[i] else alone
        torch.testing.assert_close(planes(out)[i : i + 1], alone, atol=1e-5, rtol=0)


def test_the_first_crop_that_fits_counts_and_the_centre_if_none_does():
    area = torch.full((3, 10), 0.25)
    ratio = torch.full((3, 10), 9.0)  # 30 pixels wide of 20: does not fit
    area[0, 4], ratio[0, 4] = 0.16, 1.0
    area[0, 5], ratio[0, 5] = 0.64, 1.0
    area[1, 9], ratio[1, 9] = 1.0, 1.0
    draws = placed(ImageAugment(), 3, place=[0.0, 0.0])
    draws = replace(draws, area=area, ratio=ratio)
    assert ImageAugment().boxes(draws, 20, 20).tolist() == [[0, 0, 8, 8], [0, 0, 20, 20], [0, 0, 20, 20]]
    # On a long image the fallback has the most extreme ratio: 27 of 40 pixels, and 6 (or 7) on either side.
    never = replace(draws, ratio=torch.full((3, 10), 100.0))
    assert ImageAugment().boxes(never, 20, 40)[2].tolist() == [0, 6, 20, 27]
    assert ImageAugment().boxes(never, 40, 20)[2].tolist() == [6, 0, 27, 20]
    assert ImageAugment().boxes(never, 20, 22)[2].tolist() == [0, 0, 20, 22]


def test_crops_have_areas_and_ratios_in_range_and_lie_everywhere():
    augment = ImageAugment(crop=(0.2, 0.8))
    draws = augment.draw(4000, generator())
    top, left, tall, wide = augment.boxes(draws, 200, 200).double().unbind(1)
    share, ratio = tall * wide / 200**2, wide / tall
    assert 0.195 < float(share.min()) < 0.21
    assert 0.78 < float(share.max()) < 0.805
    assert 0.74 < float(ratio.min()) < 0.77
    assert 1.3 < float(ratio.max()) < 1.35
    assert float(ratio.log().mean()) == pytest.approx(0, abs=0.01)
    small = share < 0.6  # of which every shape fits, so that nothing was thrown away
    assert float(ratio[small].log().std()) == pytest.approx(math.log(16 / 9) / 12**0.5, rel=0.03)
    assert float(share[small].mean()) == pytest.approx(0.4, abs=0.01)
    corner = []
    for start, length in ((top, tall), (left, wide)):
        where = start / (200 - length + 1)
        corner.append(where)
        assert bool(((start >= 0) & (start + length <= 200)).all())
        assert float(where.mean()) == pytest.approx(0.5, abs=0.02)
        assert float(where.std()) == pytest.approx(12**-0.5, abs=0.02)
    assert abs(float(torch.corrcoef(torch.stack(corner))[0, 1])) < 0.05


def test_chance_has_the_probabilities_and_widths_asked_for():
    augment = ImageAugment(flip=0.3, jitter=0.8, brightness=0.4, contrast=1.5, saturation=0.2, grey=0.2, solarise=0.1)
    draws = augment.draw(6000, generator())
    for name, share in (("flipped", 0.3), ("grey", 0.2), ("solarised", 0.1)):
        assert float(getattr(draws, name).float().mean()) == pytest.approx(share, abs=0.02)
    changed = draws.brightness != 1
    assert float(changed.float().mean()) == pytest.approx(0.8, abs=0.02)
    for name, low, high in (
        ("brightness", 0.6, 1.4),
        ("contrast", 0, 2.5),
        ("saturation", 0.8, 1.2),
        ("hue", -0.1, 0.1),
    ):
        values = getattr(draws, name)
        assert torch.equal(values != (0 if name == "hue" else 1), changed)
        assert low <= float(values[changed].min()) < low + (high - low) / 100
        assert high - (high - low) / 100 < float(values[changed].max()) <= high
        assert float(values[changed].mean()) == pytest.approx((low + high) / 2, abs=(high - low) / 50)
    columns = [getattr(draws, f.name)[changed].float() for f in fields(draws)]
    flat = torch.stack([column if column.ndim == 1 else column[:, 0] for column in columns])
    assert float((torch.corrcoef(flat) - torch.eye(len(flat))).abs().max()) < 0.07


def test_every_sample_draws_for_itself():
    one = images(1).expand(50, -1, -1, -1)
    out = ImageAugment(jitter=1.0, grey=0.0)(one, generator())
    differing = (out[:, None] != out[None]).flatten(2).any(dim=2)
    assert int(differing.sum()) == 50 * 49
    for views in (ImageAugment(jitter=0.0, grey=0.0), replace(STILL, jitter=1.0), replace(STILL, grey=0.5)):
        assert len(torch.unique(views(one, generator()).flatten(1), dim=0)) > 1


COLOURS = {
    "brightness": lambda x, by: kornia.enhance.adjust_brightness_accumulative(x, by),
    "contrast": lambda x, by: kornia.enhance.adjust_contrast_with_mean_subtraction(x, by),
    "saturation": lambda x, by: kornia.enhance.adjust_saturation_with_gray_subtraction(x, by),
    "hue": lambda x, by: kornia.enhance.adjust_hue(x, by * 2 * math.pi),
}


def only(**widths):
    return replace(STILL, jitter=1.0, **({"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0} | widths))


@pytest.mark.parametrize(("name", "width"), [("brightness", 0.9), ("contrast", 0.9), ("saturation", 0.9), ("hue", 0.5)])
def test_each_colour_change_is_kornias(name, width):
    augment = only(**{name: width})
    x = images(30)
    x[0], x[1], x[2] = 0.0, 1.0, x[2, ..., :1]  # black, white and grey, where hue and saturation are nothing
    x[3, ..., 1], x[4] = x[3, ..., 0], (x[4] > 0.5).float()  # ties, and pure colours
    draws = augment.draw(30, generator())
    expected = COLOURS[name](planes(x), getattr(draws, name))
    torch.testing.assert_close(planes(augment.apply(x, draws)), expected, atol=3e-6, rtol=0)


def test_all_of_it_in_order_is_kornias():
    augment = replace(STILL, jitter=0.7, grey=0.3, solarise=0.4, threshold=0.6)
    x = images(40)
    draws = augment.draw(40, generator())
    expected = planes(x)
    for name, change in COLOURS.items():
        expected = change(expected, getattr(draws, name))
    expected = torch.where(draws.grey[:, None, None, None], kornia.color.rgb_to_grayscale(expected), expected)
    inverted = kornia.enhance.solarize(expected, 0.6)
    expected = torch.where(draws.solarised[:, None, None, None], inverted, expected)
    out = planes(augment.apply(x, draws))
    near = (out - expected).abs() < 1e-5
    near |= (expected - 0.6).abs() < 1e-5  # at the threshold rounding decides
    near |= (expected - 0.4).abs() < 1e-5
    assert bool(near.all())
    assert float((out - planes(x)).abs().mean()) > 0.1


def test_without_clipping_brightness_contrast_and_saturation_commute():
    x = planes(images(5) * 0.2 + 0.4)
    factors = torch.rand(3, 5, generator=generator(3)) * 0.2 + 0.9
    b, c, s = [
        (lambda y, change=COLOURS[n], f=f: change(y, f)) for n, f in zip(list(COLOURS)[:3], factors, strict=True)
    ]
    for other in (b(s(c(x))), c(b(s(x))), c(s(b(x))), s(b(c(x))), s(c(b(x)))):
        torch.testing.assert_close(other, b(c(s(x))), atol=1e-6, rtol=0)


def test_a_sample_that_is_not_chosen_keeps_its_colours_to_the_bit():
    x = images(60)
    augment = replace(STILL, jitter=0.5, grey=0.3, solarise=0.3)
    draws = augment.draw(60, generator())
    untouched = (draws.brightness == 1) & ~draws.grey & ~draws.solarised
    assert 5 < int(untouched.sum()) < 30
    assert torch.equal(augment.apply(x, draws)[untouched], STILL.apply(x, draws)[untouched])
    torch.testing.assert_close(STILL.apply(x, draws), x, atol=1e-5, rtol=0)
    greyed = augment.apply(x, draws)[draws.grey]
    assert torch.equal(greyed[..., 0], greyed[..., 1])


@pytest.mark.parametrize("augment", [ImageAugment(solarise=0.3), MINING])
def test_a_share_of_the_batch_is_what_the_whole_batch_has_there(augment):
    x = images(24)
    draws = augment.draw(24, generator())
    whole = augment.apply(x, draws)
    for rows in (slice(0, 8), slice(8, 24), slice(23, 24), torch.tensor([5, 3, 20])):
        share = draws.select(rows)
        assert len(share) == len(x[rows])
        assert torch.equal(augment.apply(x[rows], share), whole[rows])


def test_the_generator_alone_decides_and_colours_do_not_move_the_crop():
    x = images()
    state = torch.get_rng_state()
    assert torch.equal(ImageAugment()(x, generator()), ImageAugment()(x, generator()))
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(ImageAugment()(x, generator()), ImageAugment()(x, generator(1)))
    plain = ImageAugment(jitter=0.0, grey=0.0)
    assert torch.equal(plain.draw(5, generator()).area, ImageAugment().draw(5, generator()).area)
    assert torch.equal(plain.draw(5, generator()).flipped, ImageAugment().draw(5, generator()).flipped)


@pytest.mark.parametrize("augment", [ImageAugment(solarise=0.5, brightness=3.0, contrast=3.0, hue=0.5), MINING])
def test_any_leading_shape_stays_in_range_and_the_input_as_it_is(augment):
    x = images(12).reshape(2, 3, 2, 8, 8, 3)
    x[0, 0], x[1, 1] = 0.0, 1.0
    before = x.clone()
    out = augment(x, generator())
    assert out.shape == x.shape
    assert out.dtype == x.dtype
    assert out.is_contiguous()  # which an image encoder sees as channels_last
    assert 0 <= float(out.min()) <= float(out.max()) <= 1
    assert torch.equal(x, before)
    assert torch.equal(out.flatten(0, 2), augment(x.flatten(0, 2), generator()))
    assert augment(x[:0], generator()).shape == (0, 3, 2, 8, 8, 3)


def test_mining_views_crop_little_and_keep_colours():
    draws = MINING.draw(500, generator())
    _, _, tall, wide = MINING.boxes(draws, 100, 100).unbind(1)
    assert int((tall * wide).min()) > 7900
    assert float(draws.flipped.float().mean()) == pytest.approx(0.5, abs=0.06)
    assert not bool(draws.grey.any())
    assert bool((draws.brightness == 1).all() and (draws.hue == 0).all())
    flat = torch.tensor([0.2, 0.5, 0.9]).expand(10, 8, 8, 3)
    torch.testing.assert_close(MINING(flat, generator()), flat)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"crop": (0.0, 1.0)}, "crop is .* above 0, rising and at most 1"),
        ({"crop": (0.5, 0.2)}, "crop is"),
        ({"crop": (0.5, 1.2)}, "crop is"),
        ({"crop": (0.5,)}, "crop is"),
        ({"ratio": (0.0, 1.0)}, "ratio is .* above 0, rising and finite"),
        ({"ratio": (1.0, math.inf)}, "ratio is"),
        ({"flip": 1.1}, "flip is 1.1; it must be between 0 and 1"),
        ({"jitter": -0.1}, "jitter is"),
        ({"grey": math.nan}, "grey is"),
        ({"solarise": 2.0}, "solarise is"),
        ({"threshold": -1.0}, "threshold is"),
        ({"brightness": -0.4}, "brightness is -0.4; it must be finite and 0 or more"),
        ({"contrast": math.inf}, "contrast is"),
        ({"saturation": math.nan}, "saturation is"),
        ({"hue": 0.6}, "hue is 0.6; it must be between 0 and 0.5"),
    ],
)
def test_settings_out_of_range_are_refused(setting, words):
    with pytest.raises(SettingError, match=words):
        ImageAugment(**setting)


def test_images_of_another_number_or_shape_than_the_draws_are_refused():
    draws = MINING.draw(1, generator())
    with pytest.raises(DataError, match=r"shape \(6, 8, 8, 3\) with draws for 1 samples"):
        MINING.apply(images(6), draws)
    with pytest.raises(DataError, match=r"of shape \(n, height, width, 3\)"):
        MINING.apply(planes(images(1)), draws)
