"""The restricted unpickler: reads what is published, runs nothing, says what is wrong."""

import io
import os
import pickle
import pickletools
import sys
import types
from collections import OrderedDict

import numpy as np
import pytest
import torch

from myow.errors import FileError
from myow.io.untrusted import load_pickle


class _Call:
    """Pickles as a call of anything, the classic attack."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


@pytest.fixture
def graphs(monkeypatch):
    """Classes with the names and the inner layout of torch_geometric's, to pickle like the published files."""
    data, storage = types.ModuleType("torch_geometric.data.data"), types.ModuleType("torch_geometric.data.storage")

    class Data:
        pass

    class GlobalStorage:
        pass

    for cls, module in ((Data, data), (GlobalStorage, storage)):
        cls.__module__, cls.__qualname__ = module.__name__, cls.__name__
        setattr(module, cls.__name__, cls)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for name in ("torch_geometric", "torch_geometric.data"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))

    def graph(**arrays):
        out, store = Data(), GlobalStorage()
        store._mapping, store._parent = arrays, out
        out._store = store
        return out

    return graph


def write(path, content):
    path.write_bytes(pickle.dumps(content, protocol=4))
    return path


def test_trials_come_back_as_dicts_of_arrays(tmp_path, graphs):
    x, y = torch.arange(6, dtype=torch.float32).reshape(3, 2), torch.tensor([4, 4, 4])
    path = write(tmp_path / "a.pkl", {"data": [graphs(x=x, y=y), graphs(x=x[:2] + 1, y=y[1:])]})
    trials = load_pickle(path)["data"]
    assert [type(t) for t in trials] == [dict, dict]
    np.testing.assert_array_equal(trials[0]["x"], [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(trials[1]["x"], [[1, 2], [3, 4]])
    np.testing.assert_array_equal(trials[1]["y"], [4, 4])
    assert trials[0]["x"].dtype == np.float32
    assert trials[0]["y"].dtype == np.int64


def test_plain_values_and_slices_of_a_storage(tmp_path):
    base = torch.arange(10)
    content = {"a": [1, 2.5, "x", None, True, (1,)], "b": base[4:6], "c": OrderedDict(z=1), "d": torch.empty(0, 3)}
    back = load_pickle(write(tmp_path / "a.pkl", content))
    assert back["a"] == content["a"]
    np.testing.assert_array_equal(back["b"], [4, 5])
    assert back["c"] == {"z": 1}
    assert back["d"].shape == (0, 3)


@pytest.mark.parametrize(
    ("function", "named"),
    [(os.system, "system"), (eval, "builtins.eval"), (getattr, "builtins.getattr"), (os.mkdir, "mkdir")],
)
def test_a_malicious_pickle_is_refused_and_does_not_run(tmp_path, function, named):
    trap = tmp_path / "trap"
    argument = f"mkdir {trap}" if function is os.system else f"__import__('os').mkdir('{trap}')"
    arguments = {getattr: (os, "mkdir"), os.mkdir: (str(trap),)}.get(function, (argument,))
    if function is getattr:
        arguments = ("text", "upper")
    path = write(tmp_path / "bad.pkl", {"data": _Call(function, *arguments)})
    with pytest.raises(FileError, match=named) as caught:
        load_pickle(path)
    assert "\n" not in str(caught.value)
    assert not trap.exists()


def test_a_class_of_numpy_or_torch_is_refused_too(tmp_path):
    for content, named in ((np.zeros(2), "numpy"), (torch.nn.Linear(1, 1), "torch.nn")):
        with pytest.raises(FileError, match=named):
            load_pickle(write(tmp_path / "bad.pkl", content))


def test_a_call_hidden_in_the_bytes_of_a_tensor_is_refused(tmp_path):
    trap = tmp_path / "trap"
    inner = io.BytesIO()
    torch.save(_Call(os.mkdir, str(trap)), inner)
    path = write(tmp_path / "bad.pkl", _Call(torch.storage._load_from_bytes, inner.getvalue()))
    with pytest.raises(FileError, match="mkdir"):
        load_pickle(path)
    assert not trap.exists()


def test_a_tensor_cannot_reach_outside_of_its_storage(tmp_path):
    storage = torch.arange(4, dtype=torch.float32)._typed_storage()
    stored = io.BytesIO()
    torch.save(storage, stored)
    source = _Call(torch.storage._load_from_bytes, stored.getvalue())
    for offset, shape, strides in (
        (0, (5,), (1,)),
        (3, (2,), (1,)),
        (-1, (1,), (1,)),
        (0, (2, 2), (1, 100)),
        (0, (3,), (0,)),
    ):
        path = write(
            tmp_path / "bad.pkl",
            _Call(torch._utils._rebuild_tensor_v2, source, offset, shape, strides, False, OrderedDict()),
        )
        with pytest.raises(FileError, match=r"bad\.pkl is no whole"):
            load_pickle(path)


def test_admitted_functions_cannot_be_altered(tmp_path):
    # BUILD with a slot state sets attributes of whatever is on the stack.
    code = b"\x80\x04\x8c\x0ctorch._utils\x8c\x12_rebuild_tensor_v2\x93(N}\x8c\x0c__defaults__)stb."
    pickletools.dis(code, out=io.StringIO())
    path = tmp_path / "bad.pkl"
    path.write_bytes(code)
    with pytest.raises(FileError, match="no whole"):
        load_pickle(path)


def test_truncated_files_are_refused(tmp_path, graphs):
    whole = pickle.dumps({"data": [graphs(x=torch.ones(4, 3), y=torch.zeros(4, dtype=torch.int64))]}, protocol=4)
    path = tmp_path / "cut.pkl"
    for size in {0, 1, len(whole) // 4, len(whole) // 2, len(whole) - 1}:
        path.write_bytes(whole[:size])
        with pytest.raises(FileError, match="truncated or altered"):
            load_pickle(path)


def test_flipped_bits_end_in_a_value_or_a_clear_error(tmp_path, graphs):
    whole = pickle.dumps({"data": [graphs(x=torch.ones(4, 3))]}, protocol=4)
    path, rng, refused = tmp_path / "flipped.pkl", np.random.default_rng(0), []
    for place in rng.choice(len(whole), 150, replace=False):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            load_pickle(path)
        except FileError as error:
            refused.append(str(error))
    assert len(refused) > 30
    assert not any("\n" in text for text in refused)


def test_other_things_are_refused(tmp_path):
    path = tmp_path / "text.pkl"
    path.write_text("not a pickle at all")
    with pytest.raises(FileError, match="no whole"):
        load_pickle(path)
    with pytest.raises(FileError, match="cannot read"):
        load_pickle(tmp_path / "missing.pkl")
    loop = []
    loop.append(loop)
    with pytest.raises(FileError, match="no whole"):
        load_pickle(write(tmp_path / "loop.pkl", loop))
