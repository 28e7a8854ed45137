"""What holds on a GPU for every method, with recordings and with images; skipped where there is none."""

import numpy as np
import pytest
import torch
from tiny import SMALL, SMALL_MINING, Notes, reach
from tiny_images import tiny_images

from myow import load_model
from myow.methods import image_method_class, image_method_names, make_method, method_class, method_names
from myow.nn.neighbours import nearest

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")

ON_GPU = SMALL | SMALL_MINING | {"device": "cuda"}
IMAGES = {
    "encoder": "resnet10", "width": 4, "steps": 6, "epochs": None, "batch_size": 16, "projector": (12, 6), "predictor": 12,
    "mined_projector": (12, 4), "mined_predictor": 8, "pool_size": 24, "mined_start": 0.0, "learning_rate": 0.01,
    "device": "cuda", "random_state": 0,
}  # fmt: skip


def made(kind, settings):
    known = kind().get_params()
    return kind(**{name: value for name, value in settings.items() if name in known})


def away(model, path):
    """The model as a machine without a GPU would load it."""
    model.save(path)
    return load_model(path, device="cpu")


@pytest.mark.parametrize("name", method_names())
def test_a_method_learns_on_a_gpu_and_is_read_without_one(name, tmp_path):
    rec = reach()
    known = method_class(name)().get_params()
    model = make_method(name, **{key: value for key, value in ON_GPU.items() if key in known})
    model.fit(rec, next(iter(rec.labels.values())) if model.uses_labels else None)
    z = model.transform(rec)
    assert {p.device.type for p in model.network_.parameters()} <= {"cuda"}
    assert np.isfinite(z).all()
    assert z.std(axis=0).max() > 0
    np.testing.assert_allclose(away(model, tmp_path / "m.safetensors").transform(rec), z, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", image_method_names())
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_method_learns_from_images_on_a_gpu_and_is_read_without_one(name, precision, tmp_path):
    images = tiny_images()
    model = made(image_method_class(name), IMAGES | {"precision": precision}).fit(images)
    z = model.transform(images)
    assert np.isfinite(z).all()
    # Convolutions on a GPU round their operands to ten bits (TF32), whatever the training's precision.
    np.testing.assert_allclose(
        away(model, tmp_path / "m.safetensors").transform(images), z, rtol=2e-2, atol=2e-2 * np.abs(z).max()
    )


def test_auto_trains_images_in_bfloat16_on_a_gpu():
    config = made(image_method_class("byol"), IMAGES).training_config(60)
    assert config.bfloat16(torch.device("cuda"))
    assert not config.bfloat16(torch.device("cpu"))


@pytest.mark.parametrize("pool", [100, 5000])
def test_a_gpu_finds_the_neighbours_that_float64_finds(pool):
    rng = torch.Generator().manual_seed(0)
    queries, candidates = (torch.randn(n, 16, generator=rng, dtype=torch.float64) for n in (40, pool))
    normal = torch.nn.functional.normalize(queries, dim=1) @ torch.nn.functional.normalize(candidates, dim=1).T
    found, _ = nearest(queries.float().cuda(), candidates.float().cuda(), 3)
    torch.testing.assert_close(normal.gather(1, found.cpu()), normal.topk(3).values, rtol=0, atol=1e-6)


def test_a_stopped_training_on_a_gpu_goes_on_there(tmp_path):
    kind = image_method_class("myow")
    images = tiny_images()
    whole = made(kind, IMAGES | {"precision": "float32"}).fit(images)
    folder = tmp_path / "run"
    folder.mkdir()
    with pytest.raises(KeyboardInterrupt):
        made(kind, IMAGES | {"precision": "float32"}).fit(
            images, folder=folder, callbacks=[Notes(3, KeyboardInterrupt)]
        )
    again = made(kind, IMAGES | {"precision": "float32"}).fit(images, folder=folder, resume=True)
    assert again.n_steps_ == whole.n_steps_
    a, b = again.transform(images), whole.transform(images)
    np.testing.assert_allclose(a, b, rtol=5e-2, atol=5e-2 * np.abs(b).max())
