"""The residual encoder begins with the principal components of the windows, and learns from there."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA as Reference
from tiny import reach

import myow
from myow.training.windows import windows

SETTINGS = {"encoder": "residual", "unit_norm": False, "random_state": 0, "device": "cpu", "threads": 1}


@pytest.mark.parametrize(
    "method",
    [partial(myow.MYOW, embedding="representation"), partial(myow.BYOL, embedding="representation"), myow.SimCLR],
)
def test_before_training_the_embedding_is_the_principal_components_of_scaled_windows(method):
    recording = reach()
    model = method(context=(1, 1), dim=4, **SETTINGS).initialise(recording)
    x = np.sqrt(recording.counts)
    x = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0).mean())
    expected = Reference(4).fit_transform(x[windows(recording, 1, 1)].reshape(len(x), -1))
    z = model.transform(recording)
    z = (z - z.mean(axis=0)) * np.sign((z * expected).sum(axis=0))
    assert np.abs(z - expected).max() < 0.03 * expected.std()


def test_dimensions_beyond_the_components_begin_with_zeros_and_both_parts_learn():
    recording = reach()
    wide = myow.BYOL(dim=200, embedding="representation", **SETTINGS).initialise(recording)
    assert wide.transform(recording)[:, recording.n_units :].any() == np.False_
    before = myow.BYOL(dim=4, **SETTINGS).initialise(recording).network_.online.encoder
    after = myow.BYOL(dim=4, steps=5, **SETTINGS).fit(recording).network_.online.encoder
    assert not torch.equal(before.path.weight, after.path.weight)
    assert float(before.layers[-1].weight.abs().max()) == 0
    assert float(after.layers[-1].weight.abs().max()) > 0


def test_of_several_sessions_it_begins_with_the_read_ins_averaged_over_the_window():
    parts = {"a": reach(n_units=10, seed=0), "b": reach(n_units=12, seed=1)}
    model = myow.BYOL(context=(1, 1), dim=4, read_in=6, **SETTINGS).initialise(parts)
    encoder = model.network_.online.encoder.encoder
    start = encoder.path.weight.view(4, 3, 6)
    expected = torch.eye(4, 6)[:, None].expand(4, 3, 6) / 3**0.5
    assert torch.allclose(start, expected)
