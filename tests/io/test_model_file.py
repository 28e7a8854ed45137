"""Models on disk: the same embedding after a round trip, and nothing read that is not ours."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import SMALL, SMALL_MINING, reach
from torch import nn

import myow
from myow import BYOL, MYOW
from myow.errors import FileError, SettingError
from myow.io.model_file import read_about

SETTINGS = {
    "plain": (BYOL, {}),
    "pooled": (MYOW, SMALL_MINING | {"pool": "recording", "context": (1, 2)}),
    "lists": (MYOW, {"hidden": [8, 8], "projector": [7, 5], "layout": "parallel", "mined_projector": ()}),
    "rate": (BYOL, {"input": "rate", "scale": "unit", "activation": "prelu", "context": (1, 0), "encoder": "mlp"}),
}


@pytest.fixture
def saved(tmp_path):
    MYOW(**SMALL, **SMALL_MINING).fit(reach()).save(tmp_path / "a.myow", seen="training rows")
    return tmp_path / "a.myow"


@pytest.mark.parametrize("name", SETTINGS)
def test_a_loaded_model_gives_the_same_bits(tmp_path, name):
    estimator, settings = SETTINGS[name]
    rec = reach()
    model = estimator(**SMALL | settings).fit(rec)
    model.save(tmp_path / "a.myow")
    loaded = myow.load_model(tmp_path / "a.myow", device="cpu")
    assert type(loaded) is estimator
    assert np.array_equal(loaded.transform(rec), model.transform(rec))
    assert np.array_equal(loaded.transform(rec.counts), model.transform(rec.counts))
    asked, found = model.get_params(), loaded.get_params()
    for key, value in asked.items():
        assert found[key] == (tuple(value) if isinstance(value, list) else value), key
    for learnt in ("n_features_in_", "kind_", "recording_", "input_", "bin_size_", "seed_", "n_steps_"):
        assert getattr(loaded, learnt) == getattr(model, learnt)


def test_a_loaded_model_can_be_fitted_saved_and_refuses_other_units(saved, tmp_path):
    loaded = myow.load_model(saved, device="cpu")
    with pytest.raises(ValueError, match=r"trained on 10 units \(tiny\), but tiny has 4"):
        loaded.transform(reach(n_units=4))
    loaded.save(tmp_path / "b.myow")
    again = myow.load_model(tmp_path / "b.myow", device="cpu")
    assert np.array_equal(again.transform(reach()), loaded.transform(reach()))
    again = loaded.fit(reach())
    assert np.array_equal(again.transform(reach()), MYOW(**SMALL, **SMALL_MINING).fit(reach()).transform(reach()))


@pytest.mark.parametrize("estimator", [BYOL, MYOW, myow.SimCLR])
def test_a_file_of_the_first_format_embeds_as_it_did(tmp_path, estimator):
    """It has none of the settings that came later, and what they do by default is something else."""
    later = {"unit_norm": False, "noise_to": "bin", "noise_unit": "input"} | (
        {"embedding": "representation"} if estimator is not myow.SimCLR else {}
    )
    small = {k: v for k, v in SMALL.items() if k in estimator().get_params()}
    model = estimator(**small, **later).fit(reach())
    model.save(tmp_path / "a.myow")

    def as_first(header):
        settings = {k: v for k, v in header["settings"].items() if k not in (*later, "embedding")}
        return header | {"format": 1, "settings": settings}

    rewrite(tmp_path / "a.myow", header=as_first)
    loaded = myow.load_model(tmp_path / "a.myow", device="cpu")
    assert {k: loaded.get_params()[k] for k in later} == later
    assert np.array_equal(loaded.transform(reach()), model.transform(reach()))


def test_loading_leaves_the_global_random_state_alone(saved):
    before = torch.get_rng_state()
    myow.load_model(saved)
    assert torch.equal(before, torch.get_rng_state())


def test_a_seed_that_was_drawn_is_kept(tmp_path):
    model = BYOL(**SMALL | {"random_state": None}).fit(reach())
    model.save(tmp_path / "a.myow")
    loaded = myow.load_model(tmp_path / "a.myow", device="cpu")
    assert loaded.random_state == model.seed_
    assert np.array_equal(loaded.fit(reach()).transform(reach()), model.transform(reach()))


def test_what_travels_with_a_model_can_be_read_alone(saved):
    assert read_about(saved) == {"seen": "training rows"}


def test_an_unfitted_model_is_not_saved(tmp_path):
    with pytest.raises(Exception, match="not fitted"):
        BYOL(**SMALL).save(tmp_path / "a.myow")
    assert not list(tmp_path.iterdir())


def test_an_unwritable_place_is_an_error_and_nothing_stays(tmp_path):
    model = BYOL(**SMALL).fit(reach())
    with pytest.raises(FileError, match="cannot write"):
        model.save(tmp_path / "missing" / "a.myow")
    (tmp_path / "folder.myow").mkdir()
    with pytest.raises(FileError, match="cannot write"):
        model.save(tmp_path / "folder.myow")
    assert [p.name for p in tmp_path.iterdir()] == ["folder.myow"]


class Mine(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(10, 6)

    def forward(self, x):
        return self.layer(x.mean(dim=1))


def shake(x, generator):
    return x + 0.1 * torch.randn(x.shape, generator=generator)


def test_code_of_ones_own_is_not_saved_and_has_to_be_given_again(tmp_path):
    path, rec = tmp_path / "a.myow", reach()
    model = BYOL(**SMALL, encoder=Mine(), augment=shake).fit(rec)
    model.save(path)
    for known in ({}, {"encoder": Mine()}, {"augment": shake}):
        missing = sorted({"encoder", "augment"} - set(known))
        with pytest.raises(SettingError, match=f"give {', '.join(missing)} to load_model too"):
            myow.load_model(path, **known)
    # The weights come from the file, whatever the module that is given starts from.
    loaded = myow.load_model(path, device="cpu", encoder=Mine(), augment=shake)
    assert np.array_equal(loaded.transform(rec), model.transform(rec))
    with pytest.raises(FileError, match="does not hold the model that its header describes"):
        myow.load_model(path, encoder=nn.Sequential(nn.Flatten(), nn.Linear(10, 6)), augment=shake)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("code was run",))


def rewrite(path, *, header=None, tensors=None):
    with safe_open(path, framework="pt") as file:
        held = json.loads(file.metadata()["myow"])
    weights = load_file(path)
    held = header(held) if header else held
    save_file(tensors(weights) if tensors else weights, path, metadata={"myow": json.dumps(held)})


def pickled(path):
    path.write_bytes(pickle.dumps(Trap()))


def torch_saved(path):
    torch.save({"a": Trap()}, path)


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


FAULTS = {
    "pickle": (pickled, "is not a model file of ours"),
    "torch": (torch_saved, "is not a model file of ours"),
    "truncated": (half, "is not a model file of ours"),
    "empty": (lambda p: p.write_bytes(b""), "is not a model file of ours"),
    "missing": (lambda p: p.unlink(), "there is no model at"),
    "other safetensors": (lambda p: save_file({"a": torch.ones(1)}, p), "is not a model file of ours"),
    "newer": (
        lambda p: rewrite(p, header=lambda h: h | {"format": 99}),
        "has format 99; this version reads up to 3: upgrade myow",
    ),
    "header of another shape": (lambda p: rewrite(p, header=lambda h: [h]), "is not a model file of ours"),
    "unknown setting": (
        lambda p: rewrite(p, header=lambda h: h | {"settings": h["settings"] | {"gone": 1}}),
        "does not hold the model",
    ),
    "other widths": (
        lambda p: rewrite(p, header=lambda h: h | {"settings": h["settings"] | {"hidden": [17]}}),
        "does not hold the model",
    ),
    "nothing learnt": (lambda p: rewrite(p, header=lambda h: h | {"learnt": {}}), "does not hold the model"),
    "no method": (
        lambda p: rewrite(p, header=lambda h: {k: v for k, v in h.items() if k != "method"}),
        "does not hold the model",
    ),
    "no version": (
        lambda p: rewrite(p, header=lambda h: {k: v for k, v in h.items() if k != "version"}),
        "version is of another type",
    ),
    "a weight lost": (
        lambda p: rewrite(p, tensors=lambda t: {k: v for k, v in t.items() if "predictor" not in k}),
        "does not hold the model",
    ),
    "a weight too many": (
        lambda p: rewrite(p, tensors=lambda t: t | {"another": torch.ones(1)}),
        "does not hold the model",
    ),
    "wrong shapes": (
        lambda p: rewrite(p, tensors=lambda t: {k: v.flatten() for k, v in t.items()}),
        "does not hold the model",
    ),
    "weights that are no numbers": (
        lambda p: rewrite(
            p, tensors=lambda t: {k: v * torch.nan if v.is_floating_point() else v for k, v in t.items()}
        ),
        "does not hold the model",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_not_a_whole_model_is_refused_in_one_line(saved, fault):
    damage, text = FAULTS[fault]
    damage(saved)
    with pytest.raises(FileError, match=text) as error:
        myow.load_model(saved)
    assert "\n" not in str(error.value)


def test_an_unknown_method_in_the_header_imports_nothing(saved):
    rewrite(saved, header=lambda h: h | {"method": "os"})
    with pytest.raises(myow.errors.MyowError, match="unknown method 'os'"):
        myow.load_model(saved)


FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_files_that_earlier_versions_wrote_embed_as_they_did(number, tmp_path):
    path = FIXTURES / f"model_format_{number}.myow"
    assert path.stat().st_size < 100_000
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["myow"])["format"] == number
    seen = dict(np.load(FIXTURES / f"model_format_{number}.npz"))
    expected = seen.pop("z")
    rec = myow.Recording(**seen)
    loaded = myow.load_model(path, device="cpu")
    assert np.allclose(loaded.transform(rec), expected, rtol=1e-5, atol=1e-6)
    assert read_about(path) == {"note": "made by an earlier version"}
    assert loaded.trained_on_ == (
        [] if number < 3 else myow.MYOW(**SMALL | {"steps": 0}).initialise(rec_of(rec)).trained_on_
    )
    assert "# MYOW" in loaded.card()
    # Saved again, it is of this version's format, and the same.
    loaded.save(tmp_path / "again.myow")
    assert np.array_equal(myow.load_model(tmp_path / "again.myow", device="cpu").transform(rec), loaded.transform(rec))
    assert loaded.stream().push(rec.counts[0]).shape == (4,)


def rec_of(rec):
    """The recording that the fixtures were trained on, with the name it had."""
    return myow.Recording(rec.counts, bin_size=rec.bin_size, times=rec.times, segments=rec.segments, name="tiny")


def test_a_file_says_what_it_was_trained_on_and_what_it_is_worth(tmp_path):
    rec = reach()
    named = myow.Recording(
        rec.counts, bin_size=0.1, units=[f"ch{i}" for i in range(10)], name="a", source={"citation": "Someone (1999)"}
    )
    model = MYOW(**SMALL, **SMALL_MINING).fit(named)
    worth = {"target": "direction", "readout": "class", "accuracy": 0.5, "interval": (0.4, np.inf)}
    model.save(tmp_path / "a.myow", evaluations=[worth])
    loaded = myow.load_model(tmp_path / "a.myow", device="cpu")
    (about,) = loaded.trained_on_
    assert about == {
        "name": "a",
        "kind": "counts",
        "n_units": 10,
        "units": [f"ch{i}" for i in range(10)],
        "bin_size": 0.1,
        "rows": 96,
        "segments": 1,
        "digest": named.digest(),
        "source": {"citation": "Someone (1999)"},
    }
    assert loaded.metrics_["evaluations"] == [worth | {"interval": [0.4, None]}]
    assert loaded.metrics_["training"]["step"] == 12
    assert 0 < loaded.metrics_["training"]["loss"] < 3
    assert loaded.version_ == myow.__version__
    loaded.save(tmp_path / "b.myow")
    assert myow.load_model(tmp_path / "b.myow", device="cpu").card() == loaded.card()


def test_several_sessions_and_arrays_are_told_apart():
    several = MYOW(**SMALL, **SMALL_MINING).fit({"a": reach(), "b": reach(n_units=7)})
    assert [(about["name"], about["n_units"]) for about in several.trained_on_] == [("a", 10), ("b", 7)]
    array = myow.PCA(device="cpu").fit(reach().counts)
    assert (array.trained_on_[0]["name"], array.trained_on_[0]["units"], array.metrics_) == ("", [], {})


def test_what_json_cannot_hold_is_refused_and_nothing_is_written(tmp_path):
    model = myow.PCA(device="cpu").fit(reach())
    with pytest.raises(SettingError, match="cannot be written as JSON"):
        model.save(tmp_path / "a.myow", thing={1, 2})
    with pytest.raises(SettingError, match="which no reader would take"):
        model.save(tmp_path / "a.myow", note="a" * 2**23)
    assert not list(tmp_path.iterdir())


def test_code_that_a_model_was_not_trained_with_is_refused(saved):
    with pytest.raises(SettingError, match="was not trained with encoder of yours; leave it out"):
        myow.load_model(saved, encoder=Mine())


def test_a_device_that_is_not_there_is_refused(saved):
    with pytest.raises(SettingError, match="device 'quantum' cannot be used here"):
        myow.load_model(saved, device="quantum")
