"""Every method for images keeps the same promises; MYOW's candidates are never of the anchor's own image."""

import copy
import itertools

import numpy as np
import pytest
import torch
from tiny import reach
from tiny_images import tiny_images

from myow import BYOL, load_model
from myow.data.images import Images
from myow.errors import DataError, SettingError, TrainingError, UnknownNameError
from myow.methods import image_method_class, image_method_names
from myow.methods.images import learn_scaling
from myow.methods.presets import preset
from myow.nn.scaling import Scaling
from myow.settings import parse_settings
from myow.training.rows import ImageRows

METHODS = image_method_names()


class Small(torch.nn.Module):
    """An encoder that is quick; one test trains a ResNet."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 6, 3, padding=1, bias=False),
            torch.nn.BatchNorm2d(6),
            torch.nn.ReLU(),
            torch.nn.Conv2d(6, 8, 3),
        )

    def forward(self, x):
        return self.layers(x.permute(0, 3, 1, 2)).mean(dim=(2, 3))


SMALL = {
    "encoder": Small, "threads": 1, "steps": 6, "epochs": None, "batch_size": 16, "projector": (12, 6), "device": "cpu", "random_state": 0,
    "learning_rate": 0.01,
}  # fmt: skip
FEWER = {"predictor": 12, "mined_projector": (12, 4), "mined_predictor": 8, "pool_size": 24, "mined_start": 0.0}


def make(name, **given):
    kind = image_method_class(name)
    known = kind().get_params()
    return kind(**{k: v for k, v in (SMALL | FEWER).items() if k in known} | given)


class Records:
    """A callback that keeps what is recorded."""

    def __init__(self):
        self.metrics, self.pairs = [], []

    def begin(self, step, total):
        pass

    def step(self, step):
        pass

    def record(self, step, metrics, traces):
        self.metrics.append(metrics)
        self.pairs += [traces["mined_pairs"].numpy()] if "mined_pairs" in traces else []

    def end(self):
        pass


def test_the_methods_of_the_poster_are_there():
    assert METHODS == ["byol", "myow", "simclr"]
    with pytest.raises(UnknownNameError, match="did you mean 'myow'"):
        image_method_class("myo")


@pytest.mark.parametrize("name", METHODS)
def test_the_same_seed_gives_the_same_embedding_and_labels_have_no_part_in_it(name):
    images = tiny_images()
    unlabelled = Images(images.pixels, test=images.test)
    z, same, other = (
        make(name, random_state=seed).fit(data).transform(data)
        for seed, data in ((0, images), (0, unlabelled), (1, images))
    )
    assert z.shape == (60, 8)
    assert z.dtype == np.float32
    assert np.isfinite(z).all()
    assert np.array_equal(z, same)
    assert not np.array_equal(z, other)
    assert not np.array_equal(z, make(name).initialise(images).transform(images))


@pytest.mark.parametrize("name", METHODS)
def test_a_saved_model_embeds_the_same_and_refuses_other_sizes(name, tmp_path):
    images = tiny_images()
    model = make(name).fit(images)
    model.save(tmp_path / "m.myow", note="kept")
    with pytest.raises(SettingError, match="give encoder"):
        load_model(tmp_path / "m.myow", device="cpu")
    again = load_model(tmp_path / "m.myow", device="cpu", encoder=Small)
    assert type(again) is type(model)
    assert np.array_equal(again.transform(images), model.transform(images))
    # An array of bytes will do too; sums of convolutions depend on how many images there are.
    np.testing.assert_allclose(again.transform(images.pixels[:5]), model.transform(images)[:5], atol=1e-5)
    with pytest.raises(DataError, match=r"trained on images of 8 x 8 pixels \(tiny\), but .* have 9 x 9; resize"):
        again.transform(tiny_images(size=9))


@pytest.mark.parametrize("name", METHODS)
def test_a_training_that_stopped_goes_on_as_if_it_had_not(name, tmp_path):
    class Stop(Records):
        def step(self, step):
            if step == 4:
                raise KeyboardInterrupt

    images = tiny_images()
    whole = make(name, steps=12).fit(images).transform(images)
    with pytest.raises(KeyboardInterrupt):
        make(name, steps=12).fit(images, folder=tmp_path, callbacks=[Stop()])
    resumed = make(name, steps=12).fit(images, folder=tmp_path, resume=True)
    assert np.array_equal(resumed.transform(images), whole)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_no_image_is_refused_and_says_what_is_wanted(name):
    with pytest.raises(DataError, match=r"learns from images, and this has shape \(3, 8, 8, 3\) and type float64"):
        make(name).fit(np.zeros((3, 8, 8, 3)))
    with pytest.raises(DataError, match="there is 1 image; training needs two or more"):
        make(name).fit(np.zeros((1, 8, 8, 3), dtype=np.uint8))
    with pytest.raises(DataError, match=r"learns from recordings, and tiny holds images.*ImageMYOW"):
        BYOL().fit(tiny_images())
    with pytest.raises(DataError, match="learns from images"):
        make(name).fit(reach())


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"encoder": "resnet18", "width": 0}, "width"),
        ({"encoder": "resnet19"}, "did you mean 'resnet18'"),
        ({"crop": (0.0, 1.0)}, "crop"),
        ({"precision": "float8"}, "unknown precision"),
        ({"accumulate": 0}, "accumulate is 0"),
        ({"projector": (4, 0)}, "projector"),
    ],
)
def test_wrong_settings_are_named(name, wrong, said):
    with pytest.raises(SettingError, match=said):
        make(name, **wrong).fit(tiny_images())


@pytest.mark.parametrize("name", METHODS)
def test_products_may_be_of_bfloat16_and_the_embedding_is_of_float32(name):
    images = tiny_images()
    exact, rough = (make(name, precision=p).fit(images).transform(images) for p in ("float32", "bfloat16"))
    assert rough.dtype == np.float32
    assert np.isfinite(rough).all()
    assert not np.array_equal(exact, rough)


def test_gradients_of_several_batches_make_one_step():
    """Without batch norm and chance in the views, two batches of all images are one, so that nothing may change."""

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(8 * 8 * 3, 5)

        def forward(self, x):
            return self.layer(x.flatten(1))

    images = tiny_images(n=16)
    given = {"encoder": Plain(), "augment": lambda x, generator: x, "projector": (), "batch_size": 16, "steps": 3}
    once, twice = (make("simclr", **given, accumulate=n, warmup=0.0).fit(images).transform(images) for n in (1, 2))
    np.testing.assert_allclose(once, twice, rtol=1e-4, atol=1e-5)
    assert make("simclr", epochs=8, steps=1, accumulate=2).training_config(64).steps == 16


def test_a_batch_that_does_not_fit_is_named_with_one_that_may(monkeypatch):
    from myow.methods.simclr import SimCLRNetwork

    def full(self, views):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(SimCLRNetwork, "loss", full)
    with pytest.raises(TrainingError, match=r"a batch of 16 does not fit .* use batch_size=8 and accumulate=2"):
        make("simclr").fit(tiny_images())


def test_the_scaling_is_that_of_all_pixels_by_channel():
    images = tiny_images()
    scaling = Scaling(3)
    learn_scaling(scaling, ImageRows(images, torch.device("cpu")).values)
    pixels = images.pixels.reshape(-1, 3) / 255
    np.testing.assert_allclose(scaling.mean, pixels.mean(0), rtol=1e-5)
    np.testing.assert_allclose(scaling.deviation, pixels.std(0), rtol=1e-5)


def test_rows_are_bytes_until_they_are_looked_up():
    images = tiny_images()
    rows = ImageRows(images, torch.device("cpu"))
    assert rows.values.dtype == torch.uint8
    x = rows.gather(torch.tensor([[3, 5], [0, 3]]))
    assert x.shape == (2, 2, 8, 8, 3)
    np.testing.assert_allclose(x[0, 1], images.pixels[5] / 255, rtol=1e-6)


@pytest.mark.parametrize(
    ("pool", "anchor", "symmetric"), [*itertools.product(["queue", "sample", "batch"], ["view", "row"], [True, False])]
)
def test_no_image_ever_mines_itself_and_an_empty_queue_is_not_mined(pool, anchor, symmetric):
    records = Records()
    images = tiny_images()
    make("myow", pool=pool, mined_anchor=anchor, symmetric=symmetric, k=3, steps=40).fit(images, callbacks=[records])
    pairs = np.concatenate(records.pairs)
    assert len(pairs) == 39 * 16 * (2 if symmetric and anchor == "view" else 1)  # at the first step the weight is 0
    found = pairs[pairs[:, 1] >= 0]
    assert len(found) > 0.9 * len(pairs)
    assert (found[:, 0] != found[:, 1]).all()
    assert found.max() < len(images)
    assert len(np.unique(found[:, 1])) > 20


def test_candidates_go_through_the_milder_transform():
    seen = []

    class Spy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 6)

        def forward(self, x):
            seen.append(x.detach())
            return self.layer(x.mean(dim=(1, 2)))

    # Views lose all colour, and candidates keep it.
    given = {"grey": 1.0, "jitter": 0.0, "encoder": lambda: Spy(), "steps": 1, "mined_ramp": 0.0, "warmup": 0.0}
    given |= {"pool": "sample", "pool_size": 24}
    model = make("myow", **given)
    model.fit(tiny_images())
    colourful = [float((x - x.mean(dim=-1, keepdim=True)).abs().max()) for x in seen if len(x) in (24, 32)]
    scale = model.network_.scaling
    views, candidates = seen[1], [x for x in seen if len(x) == 24]
    values = views * scale.deviation + scale.mean
    assert float((values - values.mean(dim=-1, keepdim=True)).abs().max()) < 1e-5
    assert candidates
    values = candidates[0] * scale.deviation + scale.mean
    assert float((values - values.mean(dim=-1, keepdim=True)).abs().max()) > 0.1
    assert colourful


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_queue_holds_what_the_target_made_of_one_view_of_each_image_and_costs_no_pass(symmetric):
    seen = []

    class Spy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 6)

        def forward(self, x):
            y = self.layer(x.mean(dim=(1, 2)))
            seen.append((x.detach(), y.detach().clone()))
            return y

    given = {
        "encoder": lambda: Spy(),
        "symmetric": symmetric,
        "steps": 4,
        "mined_start": 0.5,
        "mined_ramp": 0.0,
        "pool_size": 40,
    }
    queues = []

    class Queue(Records):
        def step(self, step):
            queues.append(copy.deepcopy(model.network_.queue))

    images = tiny_images()
    model = make("myow", **given)
    model.fit(images, callbacks=[Queue()])
    of_steps = [(x, y) for x, y in seen if len(x) in (16, 32)]
    assert len(of_steps) == 4 * 2  # online and target network, before mining and in it
    assert [int(queue.filled.sum()) for queue in queues] == [16, 32, 40, 40]
    x, y = of_steps[1]  # by the target network
    view = slice(16, 32) if symmetric else slice(0, 16)  # the second view of each
    assert torch.equal(queues[0].values[:16], y[view])
    rows = queues[0].rows[:16]
    assert len(rows.unique()) == 16
    # A view resembles its image: colours are changed little on average.
    recorded = (
        (torch.from_numpy(images.pixels)[rows] / 255) - model.network_.scaling.mean
    ) / model.network_.scaling.deviation
    apart = torch.cdist(x[view].mean(dim=(1, 2)), recorded.mean(dim=(1, 2)))
    assert float(apart.diagonal().mean()) < float(apart.mean())


@pytest.mark.parametrize("name", METHODS)
def test_the_learning_rate_is_in_proportion_to_the_images_of_a_step(name):
    kind = image_method_class(name)
    assert kind(batch_size=512).training_config(5000).learning_rate == 0.5
    assert kind().training_config(5000).learning_rate == 0.25
    assert kind(batch_size=512, accumulate=2).training_config(5000).learning_rate == 1.0
    assert kind(batch_size=512).training_config(64).learning_rate == 0.0625  # of which a batch has no more
    assert kind(learning_rate=0.03).training_config(5000).learning_rate == 0.03
    with pytest.raises(SettingError, match="learning_rate is None, and optimizer='adamw' has no default; give one"):
        kind(optimizer="adamw").training_config(5000)
    assert kind(**preset("v1-images", kind)).training_config(50_000).learning_rate == 2.0
    assert parse_settings(kind, ["learning_rate=none", "compile=auto"]) == {"learning_rate": None, "compile": "auto"}


def test_an_encoder_of_ones_own_sets_the_dimension_and_is_not_changed():
    class Own(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 7)

        def forward(self, x):
            return self.layer(x.mean(dim=(1, 2)))

    own = Own()
    before = own.layer.weight.clone()
    z = make("byol", encoder=own).fit(tiny_images()).transform(tiny_images())
    assert z.shape == (60, 7)
    assert torch.equal(own.layer.weight, before)
    with pytest.raises(SettingError, match=r"it must give \(2, D\)"):
        make("byol", encoder=torch.nn.Identity()).fit(tiny_images())


@pytest.mark.parametrize("name", METHODS)
def test_the_released_settings_are_a_preset(name):
    kind = image_method_class(name)
    settings = preset("v1-images", kind)
    model = kind(**settings)
    assert (model.epochs, model.learning_rate, model.crop) == (800, 2.0, (0.2, 1.0))
    if name == "myow":
        assert (model.k, model.pool, model.pool_size, model.mined_anchor) == (1, "sample", 512, "row")
        # L / (1 + w) + w L_m / (1 + w) with w = 1
        assert model.mined_weight == 0.5
    with pytest.raises(UnknownNameError, match="v1-images"):
        preset("v2-reaching", kind)


def test_settings_are_read_from_text():
    given = ["encoder=resnet50", "width=16", "crop=0.3,1", "epochs=none", "precision=bfloat16"]
    assert parse_settings(image_method_class("byol"), given) == {
        "encoder": "resnet50", "width": 16, "crop": (0.3, 1.0), "epochs": None, "precision": "bfloat16",
    }  # fmt: skip


def test_a_resnet_learns_what_tells_images_apart_and_is_the_same_when_loaded(tmp_path):
    images = tiny_images(n=48)
    model = make("myow", encoder="resnet18", width=2, steps=4).fit(images)
    z = model.transform(images)
    assert z.shape == (48, 16)
    assert np.array_equal(z, make("myow", encoder="resnet18", width=2, steps=4).fit(images).transform(images))
    model.save(tmp_path / "m.myow")
    assert np.array_equal(load_model(tmp_path / "m.myow", device="cpu").transform(images), z)
