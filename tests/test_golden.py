"""What was once computed is computed still: embeddings, names of weights, keys of outputs, and models saved by earlier versions."""

import functools
import json

import golden_cases
import golden_outputs
import numpy as np
import pytest
from golden_cases import FOLDER, described, fit, images, machine, recording, sessions
from tiny import reach
from tiny_images import tiny_images

import myow

KEPT = json.loads((FOLDER / "methods.json").read_text())
SAME_MACHINE = KEPT["machine"] == machine()
EMBEDDED = {
    k: v for path in sorted((FOLDER / "models").glob("*.json")) for k, v in json.loads(path.read_text()).items()
}


@functools.cache
def simulated():
    return recording()


def compare(found, kept):
    assert found["weights"] == kept["weights"]
    assert found["shape"] == kept["shape"]
    if SAME_MACHINE:
        assert found["digest"] == kept["digest"]
    # Elsewhere products round in other ways, and twenty steps make little of that.
    np.testing.assert_allclose(found["values"], kept["values"], rtol=0.05, atol=0.02)


@pytest.mark.parametrize("case", golden_cases.cases())
def test_twenty_steps_give_the_embedding_that_they_gave(case):
    model = fit(case, simulated())
    compare(described(model, model.transform(simulated())), KEPT["cases"][case])


def test_sessions_give_the_embedding_that_they_gave():
    model, later = sessions()
    compare(described(model, model.transform(later, session="day-2")), KEPT["cases"]["sessions"])


@pytest.mark.parametrize("kind", ["ImageMYOW", "ImageBYOL", "ImageSimCLR"])
def test_images_give_the_embedding_that_they_gave(kind):
    model, data = images(kind)
    compare(described(model, model.transform(data)), KEPT["cases"][kind])


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_model_saved_by_an_earlier_version_embeds_as_it_did(name):
    model = myow.load_model(FOLDER / "models" / f"{name}.myow", device="cpu")
    if "Image" in name:
        z = model.transform(tiny_images())
    elif name == "format3_sessions":
        z = model.transform(reach(n_units=12, seed=2), session="c")
    else:
        z = model.transform(reach())
    np.testing.assert_allclose(z[::19], EMBEDDED[name], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_outputs_keep_their_keys(tmp_path):
    kept, found = json.loads(golden_outputs.FILE.read_text()), golden_outputs.everything(tmp_path)
    assert kept.keys() == found.keys()
    for name in kept.keys() - {"raw"}:
        assert found[name] == kept[name], name
    for before, now in zip(kept["raw"], found["raw"], strict=True):
        assert now["scores"] == before["scores"]
        assert {k: now[k] for k in ("key", "fit_key", "checksum")} == {
            k: before[k] for k in ("key", "fit_key", "checksum")
        }
