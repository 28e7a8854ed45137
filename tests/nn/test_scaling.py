"""Transforms of counts and their scaling, against formulas."""

import numpy as np
import pytest
import torch

from myow.errors import DataError, UnknownNameError
from myow.nn.scaling import Scaling, transform_values

COUNTS = np.random.default_rng(0).poisson(3.0, size=(200, 5))


@pytest.mark.parametrize(
    ("how", "formula"),
    [
        ("sqrt", np.sqrt),
        ("anscombe", lambda x: 2 * np.sqrt(x + 3 / 8) - 2 * np.sqrt(3 / 8)),
        ("rate", lambda x: x / 0.05),
        ("none", lambda x: x),
    ],
)
def test_transforms_follow_their_formula_and_keep_silence(how, formula):
    found = transform_values(torch.from_numpy(COUNTS), how, 0.05)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), formula(COUNTS), rtol=1e-6, atol=1e-6)
    assert float(transform_values(torch.zeros(1), how, 0.05).abs()) < 1e-7


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int64, torch.float64])
def test_counts_of_every_type_are_taken(dtype):
    assert transform_values(torch.tensor([0, 9]).to(dtype), "sqrt", 1.0).tolist() == [0.0, 3.0]


def test_an_unknown_transform_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'anscombe'"):
        transform_values(torch.ones(1), "anscomb", 1.0)


def fitted(values, how):
    scaling = Scaling(values.shape[1])
    scaling.fit(torch.from_numpy(values), how)
    return scaling(torch.from_numpy(values.astype(np.float32))).numpy()


def test_common_scale_keeps_the_relative_size_of_units():
    x = COUNTS * np.array([1.0, 2.0, 0.1, 5.0, 0.0])
    np.testing.assert_allclose(fitted(x, "common"), (x - x.mean(0)) / np.sqrt(x.var(0).mean()), rtol=1e-4, atol=1e-5)


def test_unit_scale_gives_every_unit_a_deviation_of_one_and_silent_ones_stay_zero():
    x = COUNTS * np.array([1.0, 2.0, 0.1, 5.0, 0.0])
    z = fitted(x, "unit")
    np.testing.assert_allclose(z.std(0), [1, 1, 1, 1, 0], atol=1e-4)
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-5)


def test_no_scale_changes_nothing():
    np.testing.assert_array_equal(fitted(COUNTS, "none"), COUNTS.astype(np.float32))


def test_what_was_learnt_from_training_rows_is_used_for_others():
    scaling = Scaling(1)
    scaling.fit(torch.tensor([[0.0], [2.0]]), "common")
    assert scaling(torch.tensor([[5.0]])).item() == 4.0
    assert set(scaling.state_dict()) == {"mean", "deviation"}


def test_only_constant_units_are_an_error():
    with pytest.raises(DataError, match="all 3 units are constant"):
        fitted(np.full((10, 3), 0.1), "common")


def test_signals_in_tiny_units_are_not_taken_for_constant():
    volts = np.random.default_rng(0).normal(size=(100, 3)) * 1e-7
    np.testing.assert_allclose(fitted(volts, "unit").std(axis=0), 1, atol=1e-3)


def test_an_unknown_scale_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'common'"):
        fitted(COUNTS, "comon")
