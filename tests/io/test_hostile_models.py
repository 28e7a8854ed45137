"""Model files that lie: one error of ours, little time and memory, nothing run."""

import contextlib
import copy
import json
import os
import time

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from test_model_file import rewrite
from tiny import SMALL, SMALL_MINING, reach

import myow
from myow import MYOW
from myow.errors import FileError, MyowError, SettingError


@pytest.fixture
def saved(tmp_path, seed):
    (tmp_path / "a.myow").write_bytes(seed)
    return tmp_path / "a.myow"


def raw(path, change):
    """Change the safetensors header itself, or the bytes before it."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    text = json.dumps(change(header)).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


def tensor(**changes):
    def change(header):
        name = sorted(header)[1]
        return header | {name: header[name] | changes}

    return lambda path: raw(path, change)


def setting(**changes):
    return lambda path: rewrite(path, header=lambda h: h | {"settings": h["settings"] | changes})


def learnt(**changes):
    return lambda path: rewrite(path, header=lambda h: h | {"learnt": h["learnt"] | changes})


def part(**changes):
    return lambda path: rewrite(path, header=lambda h: h | changes)


def claimed(length):
    return lambda path: path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])


def nested(path):
    text = '{"format": 3, "settings": ' + "[" * 100_000 + "]" * 100_000 + "}"
    save_file({"a": torch.ones(1)}, path, metadata={"myow": text})


def many(path):
    save_file({f"a{i}": torch.ones(1) for i in range(25_000)}, path, metadata={"myow": "{}"})


def piped(path):
    path.unlink()
    os.mkfifo(path)


def sessions(n_units):
    about = {"n_units": n_units, "units": [], "bin_size": 0.1, "digest": "", "recording": "a", "rows": 1}
    return learnt(sessions_={"a": about, "b": about})


HOSTILE = {
    "a header longer than the file": claimed(2**20),
    "a header of absurd length": claimed(2**63),
    "a header of no length": claimed(0),
    "offsets beyond the file": tensor(data_offsets=[0, 2**40]),
    "offsets that overlap": tensor(data_offsets=[4, 8]),
    "negative offsets": tensor(data_offsets=[-8, 0]),
    "offsets that are words": tensor(data_offsets=["a", "b"]),
    "a shape whose product overflows": tensor(shape=[2**62, 2**62]),
    "a shape that does not fill the offsets": tensor(shape=[3]),
    "a type that is not there": tensor(dtype="F1000"),
    "a header that is a list": lambda p: raw(p, lambda h: [h]),
    "JSON nested without end": nested,
    "tensors without end": many,
    "a folder": lambda p: (p.unlink(), p.mkdir()),
    "a pipe": piped,
    "settings a list": part(settings=[]),
    "learnt a word": part(learnt="a"),
    "no learnt": lambda p: rewrite(p, header=lambda h: {k: v for k, v in h.items() if k != "learnt"}),
    "code that is no name": part(code=[1]),
    "code a word": part(code="encoder"),
    "about a number": part(about=1),
    "metrics a list": part(metrics=[]),
    "trained on a word": part(trained_on="a"),
    "format a word": part(format="3"),
    "format true": part(format=True),
    "format below 1": part(format=0),
    "format endless": part(format=float("inf")),
    "method a list": part(method=["myow"]),
    "method a path": part(method="../os"),
    "data of another kind": part(data="images"),
    "a hidden layer of absurd width": setting(hidden=[10**9]),
    "a width that no integer holds": setting(hidden=[10**30]),
    "a width below 1": setting(hidden=[-5]),
    "a width that is a word": setting(hidden=["wide"]),
    "layers without end": setting(hidden=[1] * 200_000),
    "an absurd dimension": setting(dim=2**40),
    "an absurd predictor": setting(predictor=2**40),
    "an absurd context": setting(context=[10**12, 0]),
    "a context of one": setting(context=[1]),
    "a context below 0": setting(context=[-1, 0]),
    "a context of words": setting(context=["a", "b"]),
    "an encoder that is a number": setting(encoder=5),
    "an encoder that is a module of Python": setting(encoder="os"),
    "an activation that is none": setting(activation=["relu"]),
    "units without end": learnt(n_features_in_=10**12),
    "units below 1": learnt(n_features_in_=0),
    "units a word": learnt(n_features_in_="10"),
    "a bin of no width": learnt(bin_size_=0),
    "a bin width that is no number": learnt(bin_size_=float("nan")),
    "a kind that is none": learnt(kind_="images"),
    "an input that is none": learnt(input_="auto"),
    "a name that is a list": learnt(recording_=["a"]),
    "classes of classes": learnt(classes_=[[1], [2]]),
    "classes of several kinds": learnt(classes_=[1, "a"]),
    "a seed of any size": learnt(seed_=10**40),
    "sessions of absurd width": sessions(10**12),
    "sessions that are numbers": learnt(sessions_={"a": 1}),
    "half precision": lambda p: rewrite(p, tensors=lambda t: {k: v.half() for k, v in t.items()}),
    "whole numbers": lambda p: rewrite(p, tensors=lambda t: {k: v.long() for k, v in t.items()}),
    "no tensors": lambda p: rewrite(p, tensors=lambda t: {}),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_a_hostile_file_is_one_error_in_little_time_and_memory(saved, fault):
    HOSTILE[fault](saved)
    began = time.thread_time()
    with pytest.raises((FileError, SettingError)) as error:
        myow.load_model(saved, device="cpu")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000
    assert time.thread_time() - began < 20  # a bound that a machine however busy keeps, and an endless build does not


@pytest.mark.parametrize(
    "damage",
    [setting(hidden=[10**9]), setting(dim=2**40), setting(hidden=[1] * 200_000), sessions(10**12)],
    ids=["width", "dim", "depth", "sessions"],
)
def test_sizes_that_the_weights_do_not_fill_are_refused_before_memory_is_taken(saved, damage):
    damage(saved)
    with pytest.raises(FileError, match="its settings ask for more than its weights fill"):
        myow.load_model(saved, device="cpu")


def test_numbers_of_blocks_and_sizes_of_images_are_not_believed(tmp_path):
    rec = reach()
    myow.PiVAE(steps=2, hidden=(8,), device="cpu").fit(rec, rec.labels["direction"]).save(tmp_path / "a.myow")
    setting(blocks=10**9)(tmp_path / "a.myow")
    pixels = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 3), dtype=np.uint8)
    images = myow.ImageBYOL(width=2, steps=0, epochs=None, device="cpu").initialise(pixels)
    images.save(tmp_path / "b.myow")
    assert np.array_equal(
        myow.load_model(tmp_path / "b.myow", device="cpu").transform(pixels), images.transform(pixels)
    )
    assert "8 x 8 pixels" in images.card()
    learnt(size_=[10**6, 10**6])(tmp_path / "b.myow")
    for name in "ab":
        with pytest.raises(FileError, match="ask for more than its weights fill"):
            myow.load_model(tmp_path / f"{name}.myow", device="cpu")


@pytest.fixture(scope="module")
def seed(tmp_path_factory):
    path = tmp_path_factory.mktemp("seed") / "a.myow"
    MYOW(**SMALL, **SMALL_MINING).fit(reach()).save(path, evaluations=[{"target": "direction", "accuracy": 0.5}])
    return path.read_bytes()


def use(path):
    """Load and use whatever is there; only errors of ours may come of it."""
    with contextlib.suppress(FileError, SettingError):
        model = myow.load_model(path, device="cpu")
        model.card()
        with contextlib.suppress(MyowError):
            model.transform(reach())
            model.stream()


@given(place=st.floats(0, 1), bit=st.integers(0, 7), end=st.one_of(st.none(), st.floats(0, 1)))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_flipped_bits_and_lost_ends_are_errors_of_ours(seed, tmp_path, place, bit, end):
    data = bytearray(seed if end is None else seed[: int(end * len(seed))])
    if data:
        data[int(place * (len(data) - 1))] ^= 1 << bit
    (tmp_path / "a.myow").write_bytes(bytes(data))
    use(tmp_path / "a.myow")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.slow
@given(data=st.data(), value=JSON)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_in_any_place_is_an_error_of_ours_or_does_no_harm(seed, tmp_path, data, value):
    path = tmp_path / "a.myow"
    path.write_bytes(seed)

    def change(header):
        header = copy.deepcopy(header)
        inside = header
        while True:
            keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
            key = data.draw(st.sampled_from(keys))
            if not inside[key] or not isinstance(inside[key], (dict, list)) or data.draw(st.integers(0, 4)) == 0:
                inside[key] = value
                return header
            inside = inside[key]

    rewrite(path, header=change)
    use(path)
