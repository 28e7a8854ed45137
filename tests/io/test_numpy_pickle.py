"""Pickled dicts of arrays: read as Python 2 and 3 wrote them, nothing is run, damage is said."""

import builtins
import io
import os
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_sets import python2_pickle

from myow.errors import FileError
from myow.io.untrusted import load_arrays

CONTENT = {
    b"data": np.arange(12, dtype=np.uint8).reshape(2, 6),
    b"labels": [3, 8],
    b"names": [b"a.png", b"b.png"],
    b"n": 1000,
}


def pickles():
    yield python2_pickle(CONTENT)
    for protocol in (0, 1, 2, 3, 4):
        yield pickle.dumps(CONTENT, protocol=protocol)


@pytest.mark.parametrize("content", list(pickles()))
def test_dicts_of_arrays_come_back(content):
    found = load_arrays(content, "a")
    assert list(found) == ["data", "labels", "names", "n"]
    assert found["data"].dtype == np.uint8
    np.testing.assert_array_equal(found["data"], CONTENT[b"data"])
    assert found["labels"] == [3, 8]
    assert found["names"] == [b"a.png", b"b.png"]
    assert found["n"] == 1000


def test_the_pickles_made_here_are_what_python_reads():
    back = pickle.loads(python2_pickle(CONTENT), encoding="bytes")
    np.testing.assert_array_equal(back.pop(b"data"), CONTENT[b"data"])
    assert back == {k: v for k, v in CONTENT.items() if k != b"data"}


@pytest.mark.parametrize("dtype", ["u1", "<i4", ">i4", "<i8", "<f4", ">f8", "bool"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_numbers_keep_type_and_order(dtype, order):
    array = np.asarray(np.arange(12).reshape(3, 4), dtype=dtype, order=order)
    for content in (python2_pickle({b"x": array}), pickle.dumps({"x": array}, protocol=2)):
        found = load_arrays(content, "a")["x"]
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype


class Call:
    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Call(os.system, "true"), "system"),
        (Call(builtins.eval, "1"), "eval"),
        (Call(np.fromfile, "/dev/null"), "fromfile"),
        ({"x": Call(io.open, "a.txt", "w")}, "open"),
        ({"x": np.float64(1)}, "scalar"),
    ],
)
def test_anything_else_is_named_and_not_run(value, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match=f"a/b asks for the class .*{said}.*could run code"):
        load_arrays(pickle.dumps(value, protocol=2), "a/b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "truncated or altered"),
        (b"no pickle", "no whole published pickle"),
        (python2_pickle([1, 2]), "holds a list, no dict"),
        (pickle.dumps({"x": np.array([None])}, protocol=2), "no plain numbers"),
        (pickle.dumps({"x": np.array(["a"])}, protocol=2), "no plain numbers"),
        (python2_pickle(CONTENT).replace(b"K\x02K\x06t", b"K\x02K\x07t"), r"shape \(2, 7\) has 12 bytes"),
        (python2_pickle(CONTENT).replace(b"K\x02K\x06t", b"K\x02J\xff\xff\xff\xfft"), r"shape \(2, -1\)"),
        (python2_pickle(CONTENT).replace(b"U\x01|", b"U\x01?"), "order '?'"),
        # Memory for two thousand million objects.
        (b"\x80\x02}r\xff\xff\xff\x7f.", "numbered 2147483647"),
        (b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b".", "truncated or altered"),
        # A function of the list whose attributes are set: it must stay as it was.
        (b"\x80\x02cnumpy\nndarray\n}U\x09_functionK\x01sb.", "a function has no state"),
        (b"\x80\x02c_codecs\nencode\n(X\x01\x00\x00\x00aU\x05rot13tR.", "odd way"),
    ],
)
def test_what_is_no_pickled_dict_of_arrays(content, said):
    with pytest.raises(FileError, match=said):
        load_arrays(content, "a")
    assert list(load_arrays(python2_pickle(CONTENT), "a")) == ["data", "labels", "names", "n"]


def test_every_truncation_is_said():
    whole = python2_pickle(CONTENT)
    for size in range(len(whole)):
        with pytest.raises(FileError, match="truncated or altered"):
            load_arrays(whole[:size], "a")


@settings(deadline=None)
@given(data=st.data())
def test_any_damage_is_a_file_error_or_none(data):
    content = bytearray(python2_pickle(CONTENT))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found, said = load_arrays(bytes(content), "a"), ""
    except FileError as error:
        found, said = None, str(error)
    assert type(found) is dict or said.startswith("a ")
