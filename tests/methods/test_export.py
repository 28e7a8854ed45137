"""ONNX graphs of models: onnxruntime embeds raw counts as `transform` does, and the file says how to feed it."""

import json

import numpy as np
import pytest
import torch
from command import SMALL as QUICK
from command import myow as myow_command
from test_methods import METHODS, labels, make
from test_stream import NETWORKS, Mine
from tiny import SMALL, SMALL_MINING, reach
from torch import nn

import myow
from myow.errors import DataError, FileError, SettingError
from myow.training.windows import windows

pytest.importorskip("onnxscript")
ort = pytest.importorskip("onnxruntime")


def opened(path):
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def run(path, counts):
    return opened(path).run(None, {"counts": np.asarray(counts, dtype=np.float32)})[0]


def agree(path, model, rec, **options):
    """To 1e-5, or to that share of the largest value where values are large; one window, and all at once."""
    inside = rec.counts[windows(rec, *model.context)]
    expected = model.transform(rec, **options)
    bound = 1e-5 * max(1.0, np.abs(expected).max())
    assert np.abs(run(path, inside) - expected).max() <= bound
    assert np.abs(run(path, inside[:1]) - expected[:1]).max() <= bound


@pytest.mark.parametrize("name", METHODS)
def test_every_method_embeds_alike_from_raw_counts(name, tmp_path):
    rec = reach(drop=0.2)
    model = make(name, context=(2, 1)).fit(rec, labels(name, rec))
    agree(model.export(tmp_path / "m.onnx"), model, rec)


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_network_and_input_embeds_alike(kind, tmp_path):
    model = myow.MYOW(**SMALL | SMALL_MINING | NETWORKS[kind], context=(1, 1)).fit(reach())
    agree(model.export(tmp_path / "m.onnx"), model, reach())


def test_signals_embed_alike(tmp_path):
    rec = myow.Recording(reach().counts - 2.5, bin_size=0.1, kind="continuous")
    model = myow.BYOL(**SMALL).fit(rec)
    agree(model.export(tmp_path / "m.onnx"), model, rec)


def test_an_encoder_of_ones_own_embeds_alike(tmp_path):
    model = myow.MYOW(**SMALL, **SMALL_MINING, encoder=Mine(), context=(2, 0)).fit(reach())
    agree(model.export(tmp_path / "m.onnx"), model, reach())


class AcrossBins(nn.Module):
    """Its batch norm is one of bins, though a layer of as many units stands before it."""

    def __init__(self):
        super().__init__()
        self.norm = nn.Sequential(nn.Linear(10, 3), nn.BatchNorm1d(3))
        self.layer = nn.Linear(3, 6)

    def forward(self, x):
        return self.layer(self.norm(x).mean(dim=1))


def test_layers_of_ones_own_encoder_are_left_as_they_are(tmp_path):
    rec = reach()
    model = myow.BYOL(**SMALL, encoder=AcrossBins(), context=(2, 0), embedding="representation").fit(rec)
    path = model.export(tmp_path / "m.onnx")
    agree(path, model, rec)
    stream = model.stream()
    found = np.stack([stream.push(counts) for counts in rec.counts[:12]])  # the first segment
    np.testing.assert_allclose(found, model.transform(rec)[:12], rtol=0, atol=1e-6)


class Deciding(nn.Module):
    """Its answer depends on a choice that a graph does not hold."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(10, 6)

    def forward(self, x):
        return self.layer(x.mean(dim=1)) if float(x.sum()) > 0 else self.layer(x[:, 0])


class Grown(nn.Module):
    """What is traced is not what is run."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(10, 6)

    def forward(self, x):
        return self.layer(x.mean(dim=1)) * (1.0 if torch.compiler.is_compiling() else 2.0)


@pytest.mark.parametrize(
    ("encoder", "why"), [(Deciding, ""), (Grown, "the exported graph does not embed as the encoder does")]
)
def test_an_encoder_that_cannot_be_exported_is_refused_and_nothing_is_written(encoder, why, tmp_path):
    model = myow.BYOL(**SMALL, encoder=encoder(), embedding="representation", unit_norm=False).fit(reach())
    with pytest.raises(SettingError, match=rf"the encoder of this BYOL cannot be exported \({why}") as error:
        model.export(tmp_path / "m.onnx")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_the_file_says_how_to_feed_it(tmp_path):
    rec = reach()
    named = myow.Recording(rec.counts, bin_size=0.1, units=[f"ch{i}" for i in range(10)], name="named")
    path = myow.MYOW(**SMALL, **SMALL_MINING, context=(3, 1)).fit(named).export(str(tmp_path / "m.onnx"))
    session = opened(path)
    (given,), (made,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, given.shape) == ("counts", "tensor(float)", ["batch", 5, 10])
    assert (made.name, made.shape) == ("embedding", ["batch", 6])
    about = json.loads(session.get_modelmeta().custom_metadata_map["myow"])
    assert about == {
        "method": "MYOW",
        "kind": "counts",
        "bin_size": 0.1,
        "context": [3, 1],
        "n_units": 10,
        "units": [f"ch{i}" for i in range(10)],
        "input": "sqrt",
        "trained_on": [{"name": "named", "digest": named.digest()}],
        "version": myow.__version__,
    }


def test_a_loaded_model_exports_the_same(tmp_path):
    model = myow.MYOW(**SMALL, **SMALL_MINING).fit(reach())
    model.save(tmp_path / "a.myow")
    paths = [m.export(tmp_path / f"{i}.onnx") for i, m in enumerate([model, myow.load_model(tmp_path / "a.myow")])]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_one_of_several_sessions_is_named(tmp_path):
    first, second = reach(), reach(n_units=7, seed=1)
    model = myow.MYOW(**SMALL, **SMALL_MINING).fit({"a": first, "b": second})
    with pytest.raises(SettingError, match="an exported graph is of one; choose session= from a, b"):
        model.export(tmp_path / "m.onnx")
    with pytest.raises(DataError, match="there is no session 'c'"):
        model.export(tmp_path / "m.onnx", session="c")
    path = model.export(tmp_path / "m.onnx", session="b")
    agree(path, model, second, session="b")
    about = json.loads(opened(path).get_modelmeta().custom_metadata_map["myow"])
    assert (about["n_units"], about["trained_on"]) == (7, [{"name": "b", "digest": second.digest()}])
    later = reach(n_units=5, seed=2)
    model.adapt(later, name="c", steps=2)
    path = model.export(tmp_path / "m.onnx", session="c")
    agree(path, model, later, session="c")
    about = json.loads(opened(path).get_modelmeta().custom_metadata_map["myow"])
    assert (about["n_units"], about["trained_on"]) == (5, [{"name": "c", "digest": later.digest()}])
    assert "Read-ins were learnt later for: c." in model.card()


def test_images_are_refused(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 3), dtype=np.uint8)
    model = myow.ImageBYOL(width=2, steps=0, epochs=None, device="cpu").initialise(pixels)
    with pytest.raises(SettingError, match="ImageBYOL learns from images, and an exported graph takes bins"):
        model.export(tmp_path / "m.onnx")


def test_a_file_that_cannot_be_written_is_one_line_and_leaves_what_was_there(tmp_path):
    model = myow.PCA(device="cpu").fit(reach())
    with pytest.raises(FileError, match="cannot write"):
        model.export(tmp_path / "missing" / "m.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(FileError, match="cannot write"):
        model.export(tmp_path / "folder.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["folder.onnx"]


def test_without_the_package_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(SettingError, match=r"exporting a model needs onnx.*pip install 'myow\[onnx\]'"):
        myow.PCA(device="cpu").fit(reach()).export(tmp_path / "m.onnx")


def test_the_command_line_exports_a_run_and_prints_its_card(tmp_path):
    called = myow_command("train", "simulated-sleep", "--out", tmp_path / "run", *QUICK, "--quiet")
    assert called.code == 0, called.err
    done = myow_command("export", tmp_path / "run", "--out", tmp_path / "m.onnx")
    assert (done.code, done.out) == (0, f"{tmp_path / 'm.onnx'}: counts in, embedding out\n")
    rec = myow.load("simulated-sleep")
    agree(tmp_path / "m.onnx", myow.load_model(tmp_path / "run" / "model.myow", device="cpu"), rec)
    printed = myow_command("card", tmp_path / "run")
    assert printed.code == 0
    assert printed.out == (tmp_path / "run" / "model_card.md").read_text()
    assert rec.source["citation"] in printed.out
    assert (
        myow_command("export", tmp_path / "run", "--out", tmp_path / "no" / "m.onnx").error().startswith("cannot write")
    )
    assert "is not a run folder" in myow_command("card", tmp_path).error()
