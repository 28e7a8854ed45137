"""Each preset makes the network and the training of the release it is named for."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import Notes, reach, sleep
from torch import nn

from myow import BYOL, MYOW
from myow.errors import UnknownNameError
from myow.methods.paired_views import Pair
from myow.methods.presets import PRESETS, preset
from myow.training.optim import LARS, build_optimizer
from myow.training.rows import TrainingRows
from myow.training.windows import positive_ranges

N = 10

# What the released code does; "weights" holds the share of the mined term at five points of training.
RELEASED = {
    "v1-reaching": {
        "encoder": [(N, 128), (128, 128), (128, 128), (128, 128)],
        "projector": [(128, 256), (256, 32)],
        "predictor": [(32, 256), (256, 32)],
        "mined_projector": [(32, 64), (64, 16)],
        "mined_predictor": [(16, 64), (64, 16)],
        "activation": nn.ReLU,
        "optimizer": (LARS, {"lr": 0.8, "weight_decay": 1e-6, "momentum": 0.9}),
        "warmup": 10 / 1000,
        "momenta": [0.9, 0.95, 1.0],
        "batch": 256,
        "positives": (-5, 5),
        "dropout": (0.8, 0.9),
        "noise": {"noise": 0.2, "noise_hz": 0.0, "pepper": 0.0},
        "shared_mask": True,
        "k": 3,
        "pool": ("sample", 512),
        "exclude": "segment",
        "symmetric": False,
        "weight": 0.1 / 1.1,
        "ramp": (10 / 1000, 110 / 1000),
    },
    "v2-reaching": {
        "encoder": [(N, 64), (64, 64), (64, 64), (64, 64)],
        "projector": [],
        "predictor": [(64, 256), (256, 64)],
        "mined_projector": [(64, 256), (256, 32)],
        "mined_predictor": [(32, 256), (256, 32)],
        "activation": nn.PReLU,
        "optimizer": (torch.optim.AdamW, {"lr": 2e-4, "weight_decay": 2e-5}),
        "warmup": 100 / 10_000,
        "momenta": [0.98, 0.98, 0.98],
        "batch": 512,
        "positives": (0, 2),
        "dropout": (0.2, 1.0),
        "noise": {
            "noise": 0.0,
            "noise_hz": 1.5,
            "noise_apply": 0.5,
            "pepper": 0.3,
            "pepper_hz": 1.5,
            "pepper_apply": 0.5,
        },
        "shared_mask": False,
        "k": 5,
        "pool": ("batch", None),
        "exclude": "segment",
        "symmetric": True,
        "weight": 0.5,
        "ramp": (0.0, 10 / 10_000),
    },
    "v2-rodent": {
        "encoder": [(N, 64), (64, 64), (64, 64), (64, 32)],
        "projector": [],
        "predictor": [(32, 256), (256, 32)],
        "mined_projector": [(32, 256), (256, 16)],
        "mined_predictor": [(16, 256), (256, 16)],
        "activation": nn.PReLU,
        "optimizer": (torch.optim.SGD, {"lr": 0.002, "weight_decay": 2e-5, "momentum": 0.98}),
        "warmup": 100 / 800,
        "momenta": [0.02, 0.51, 1.0],
        "batch": 512,
        "positives": (0, 3),
        "dropout": (0.8, 0.9),
        "noise": {"noise": 0.0, "noise_hz": 0.0, "pepper": 0.0},
        "shared_mask": False,
        "k": 5,
        "pool": ("batch", None),
        "exclude": "time",
        "symmetric": True,
        "weight": 0.5,
        "ramp": (0.0, 10 / 800),
    },
}


def recording(name):
    """600 rows, enough for the pools; rodent bins are of 4 s, and 150 of them on both sides are excluded."""
    return sleep(600, n_units=N) if name == "v2-rodent" else reach(n_segments=50, n_units=N)


@pytest.fixture(params=sorted(PRESETS))
def made(request):
    """A preset's name, released settings, estimator and network on its rows."""
    name = request.param
    estimator = MYOW(**preset(name, MYOW), random_state=0, device="cpu")
    rec = recording(name)
    values = torch.from_numpy(rec.counts / rec.bin_size).float()
    network = estimator.build(N).train()
    network.scaling.fit(values, estimator.scale)
    network.prepare(TrainingRows(rec, values, (0, 0), torch.device("cpu")))
    return name, RELEASED[name], estimator, network


def widths(module):
    return [tuple(m.weight.shape[::-1]) for m in module.modules() if isinstance(m, nn.Linear)]


def test_every_preset_is_in_the_table():
    assert set(PRESETS) == set(RELEASED)


def test_the_network_has_the_released_widths(made):
    _, released, _, network = made
    assert widths(network.online.encoder) == released["encoder"]
    assert widths(network.online.projector) == released["projector"]
    for part in ("predictor", "mined_projector", "mined_predictor"):
        assert widths(getattr(network, part)) == released[part]


def test_batch_norm_and_activation_follow_all_but_the_last_layer(made):
    _, released, _, network = made
    layers = list(network.online.encoder.layers)
    assert isinstance(layers[-1], nn.Linear)
    for i in range(0, len(layers) - 1, 3):
        assert isinstance(layers[i + 1], nn.BatchNorm1d)
        assert isinstance(layers[i + 2], released["activation"])


def test_input_is_the_rate_scaled_per_unit(made):
    _, _, estimator, network = made
    assert (estimator.input, estimator.scale) == ("rate", "unit")
    scaled = network.scaling(network.data.values)
    torch.testing.assert_close(scaled.std(dim=0, correction=0), torch.ones(N))


def test_the_optimizer_its_warm_up_and_batches(made):
    name, released, estimator, network = made
    config = estimator.training_config(1_000_000)
    kind, values = released["optimizer"]
    optimizer = build_optimizer(
        config.optimizer,
        network,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        momentum=config.momentum,
    )
    assert isinstance(optimizer, kind)
    assert {k: optimizer.param_groups[0][k] for k in values} == values
    assert (config.batch_size, config.schedule) == (released["batch"], "cosine")
    assert config.warmup == pytest.approx(released["warmup"])
    if name == "v2-rodent":
        assert config.steps == round(800 * 1_000_000 / 512)
    else:
        assert config.steps == {"v1-reaching": 20_000, "v2-reaching": 10_000}[name]


def test_the_target_moves_as_released(made):
    _, released, _, network = made
    target, online = next(network.target.parameters()), next(network.online.parameters())
    for progress, momentum in zip((0.0, 0.5, 1.0), released["momenta"], strict=True):
        target.add_(1.0)
        before = target.clone()
        network.set_progress(progress)
        network.after_step()
        torch.testing.assert_close(target, momentum * before + (1 - momentum) * online)


def test_positives_come_from_the_released_offsets(made):
    _, released, _, network = made
    expected = positive_ranges(network.data.data, *released["positives"])
    assert np.array_equal(network.ranges.numpy(), expected)


def test_augmentation_and_masks(made):
    _, released, _, network = made
    augment = network.augment
    assert (augment.dropout, augment.dropout_apply) == released["dropout"]
    assert augment.dropout_to == "silence"
    assert augment.shared_mask == released["shared_mask"]
    for name, value in released["noise"].items():
        assert getattr(augment, name) == value


def test_mining_and_the_weight_of_its_term(made):
    _, released, _, network = made
    pool, size = released["pool"]
    rows = torch.arange(released["batch"]) % len(network.data)
    network.kind_of_batch(0.0)
    views = network.make_views(rows, torch.Generator().manual_seed(0))
    pair, candidates = views.pair, views.pool
    assert network.k == released["k"]
    batch = released["batch"]
    assert len(candidates) == (size or 2 * batch)
    if pool == "batch":
        assert torch.equal(candidates, torch.cat([pair.rows[1], pair.rows[0]]))  # the batch and its positives
    start, end = released["ramp"]
    for progress, share in [(start, 0), ((start + end) / 2, 0.5), (end, 1), (0.9, 1)]:
        network.set_progress(progress)
        network.kind_of_batch(progress)
        terms = network.loss(views)
        weight = released["weight"] * share
        augmented, mined = terms["augmented"], terms.get("mined", torch.zeros(()))
        torch.testing.assert_close(terms["loss"], (1 - weight) * augmented + weight * mined)
        assert ("mined" in terms) == (share > 0)
    anchors, mined = terms["mined_pairs"].T.numpy()
    assert len(anchors) == batch * (2 if released["symmetric"] else 1)
    found = mined >= 0
    assert found.mean() > 0.95
    if released["exclude"] == "time":
        assert np.abs(anchors[found] - mined[found]).min() > 150
    else:
        groups = network.data.data.groups
        assert (groups[anchors[found]] != groups[mined[found]]).all()


def test_the_loss_is_symmetric_or_not(made):
    _, released, _, network = made
    network.set_progress(0.0)
    network.kind_of_batch(0.0)  # the mined term comes later
    views = network.make_views(torch.arange(8), torch.Generator().manual_seed(0))
    x = torch.randn(2, 8, 1, N)
    forth, back = (network.loss(replace(views, pair=Pair(views.pair.rows, x)))["loss"] for x in (x, x.flip(0)))
    assert bool(torch.isclose(forth, back)) == released["symmetric"]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_trains_and_its_mined_term_moves_the_weights(name):
    rec = recording(name)
    short = preset(name, MYOW) | {"steps": 5, "epochs": None, "random_state": 0, "device": "cpu", "mined_start": 0.0}
    with_mining, without = Notes(), Notes()
    z = MYOW(**short).fit(rec, callbacks=[with_mining]).transform(rec)
    plain = MYOW(**short | {"mined_weight": 0.0}).fit(rec, callbacks=[without]).transform(rec)
    assert np.isfinite(z).all()
    assert "mined" in with_mining.metrics[-1]
    assert "mined" not in without.metrics[-1]
    assert np.abs(z - plain).max() > 1e-7


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_byol_takes_what_it_has_of_a_preset(name):
    settings = preset(name, BYOL)
    assert settings["projector"] == PRESETS[name]["projector"]
    assert not {k for k in settings if "mined" in k or k in ("k", "pool", "exclude")}
    rec = recording(name)
    model = BYOL(**settings | {"steps": 2, "epochs": None, "device": "cpu"})
    assert np.isfinite(model.fit(rec).transform(rec)).all()


def test_an_unknown_preset_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'v2-rodent'"):
        preset("v2-rodents", MYOW)
