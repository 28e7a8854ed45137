"""Readers: what a file holds comes back, and what is wrong with it is said in one line."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import myow
from myow import Recording
from myow.errors import DataError, FileError, UnknownNameError
from myow.io import read, suffixes
from myow.io.npz import write_npz

COUNTS = np.array([[0, 2], [1, 0], [3, 1], [0, 0]])


def save(tmp_path, **arrays):
    path = tmp_path / "session.npz"
    np.savez(path, **arrays)
    return path


def test_a_full_file(tmp_path):
    path = save(
        tmp_path,
        counts=COUNTS,
        bin_size=0.1,
        segments=[4, 4, 2, 2],
        times=[1.0, 1.1, 0.0, 0.3],
        units=["a", "b"],
        name="mine",
        direction=[3, 3, 7, 7],
        period_direction=8,
        velocity=np.ones((4, 2)),
        state=["wake", "wake", "sleep", "sleep"],
    )
    rec = myow.read(path)
    np.testing.assert_array_equal(rec.counts, COUNTS)
    assert rec.bin_size == 0.1
    assert rec.segments.tolist() == [4, 4, 2, 2]
    assert rec.times.tolist() == [1.0, 1.1, 0.0, 0.3]
    assert rec.units == ("a", "b")
    assert rec.name == "mine"
    assert rec.kind == "counts"
    assert set(rec.labels) == {"direction", "velocity", "state"}
    assert rec.labels["state"].tolist() == ["wake", "wake", "sleep", "sleep"]
    assert dict(rec.periods) == {"direction": 8}
    assert rec.source["file"] == "session.npz"


def test_the_least_a_file_must_hold(tmp_path):
    rec = read(save(tmp_path, counts=COUNTS), bin_size=0.5, name="other")
    assert (rec.bin_size, rec.n_segments, rec.name) == (0.5, 1, "other")
    assert read(save(tmp_path, counts=COUNTS, bin_size=0.1)).name == "session"


def test_a_continuous_signal(tmp_path):
    rec = read(save(tmp_path, counts=[[-0.5, 1.25]], bin_size=0.1, kind="continuous"))
    assert rec.kind == "continuous"
    assert rec.counts.tolist() == [[-0.5, 1.25]]


@settings(max_examples=25, deadline=None)
@given(
    n_bins=st.integers(1, 12),
    n_units=st.integers(1, 5),
    kind=st.sampled_from(["counts", "continuous"]),
    seed=st.integers(0, 999),
)
def test_written_and_read_again(tmp_path_factory, n_bins, n_units, kind, seed):
    rng = np.random.default_rng(seed)
    values = rng.poisson(300, (n_bins, n_units)) if kind == "counts" else rng.normal(size=(n_bins, n_units))
    rec = Recording(
        values,
        bin_size=0.1,
        kind=kind,
        segments=np.sort(rng.integers(0, 3, n_bins)),
        times=np.arange(n_bins) * 0.3,
        labels={
            "file": rng.integers(0, 8, n_bins),
            "velocity": rng.normal(size=(n_bins, 2)),
            "odd name": ["é"] * n_bins,
        },
        periods={"file": 8},
        units=[f"u{i}" for i in range(n_units)],
        name="round trip",
        source={"licence": "CC0-1.0", "file": "original.dat"},
    )
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    write_npz(path, rec)
    back = read(path)
    assert back.digest() == rec.digest()
    assert set(back.labels) == set(rec.labels)
    for name, values in rec.labels.items():
        np.testing.assert_array_equal(back.labels[name], values)
    assert (back.kind, back.units, back.name) == (rec.kind, rec.units, rec.name)
    assert dict(back.periods) == dict(rec.periods)
    assert {k: back.source[k] for k in rec.source} == dict(rec.source)


def test_writing_is_whole_or_not_at_all(tmp_path):
    rec = Recording(COUNTS, bin_size=0.1, labels={"counts": [0, 1, 2, 3]})
    with pytest.raises(DataError, match="'counts'"):
        write_npz(tmp_path / "a.npz", rec)
    with pytest.raises(FileError, match="end in"):
        write_npz(tmp_path / "a.csv", Recording(COUNTS, bin_size=0.1))
    with pytest.raises(FileError, match="cannot write"):
        write_npz(tmp_path / "nowhere" / "a.npz", Recording(COUNTS, bin_size=0.1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"counts": [[0, np.nan]]}, "nan at bin 0, unit 1"),
        ({"counts": [[0, -np.inf]]}, "-inf at bin 0, unit 1"),
        ({"counts": [[0, -3]]}, "-3 at bin 0, unit 1"),
        ({"counts": [[0.5]]}, "0.5 at bin 0, unit 0"),
        ({"counts": [["one", "two"]]}, "real numbers"),
        ({"counts": [1, 2, 3]}, r"shape \(3,\)"),
        ({"counts": 3}, r"shape \(\)"),
        ({"counts": np.zeros((2, 2, 2))}, r"shape \(2, 2, 2\)"),
        ({"counts": np.zeros((0, 4))}, r"shape \(0, 4\)"),
        ({"segments": [0, 0, 1]}, r"segments have shape \(3,\), but there are 4 bins"),
        ({"segments": [0, 1, 0, 1]}, "segment 0 comes back"),
        ({"segments": ["a", "a", "b", "b"]}, "whole numbers"),
        ({"times": [0.0, 0.1]}, "times have shape"),
        ({"times": [0.3, 0.2, 0.1, 0.0]}, "must rise"),
        ({"direction": [1, 2, 3]}, "'direction' has shape"),
        ({"note": "text"}, "'note' has shape"),
        ({"velocity": [[0, np.nan]] * 4}, "label 'velocity' holds NaN"),
        ({"period_direction": 8}, "not among the labels"),
        ({"units": ["a"]}, "names 1 units"),
        ({"kind": "spikes"}, "'counts' or 'continuous'"),
        ({"kind": ["counts", "counts"]}, "single value"),
        ({"bin_size": [0.1, 0.2]}, "single value"),
        ({"bin_size": -1.0}, "above 0"),
        ({"bin_size": "wide"}, "number of seconds"),
        ({"source": "no json"}, "JSON"),
        ({"source": "[1]"}, "JSON"),
    ],
)
def test_bad_contents_are_refused_in_one_line(tmp_path, arrays, said):
    path = save(tmp_path, **{"counts": COUNTS, "bin_size": 0.1, **arrays})
    with pytest.raises(DataError, match=said) as caught:
        read(path)
    assert "session.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_contradictory_keys(tmp_path):
    with pytest.raises(DataError, match="no array 'counts', only spikes"):
        read(save(tmp_path, spikes=COUNTS))
    with pytest.raises(DataError, match="no 'bin_size'"):
        read(save(tmp_path, counts=COUNTS))
    with pytest.raises(DataError, match=r"bin_size 0\.1, but 0\.2"):
        read(save(tmp_path, counts=COUNTS, bin_size=0.1), bin_size=0.2)


def test_python_objects_are_refused_and_not_run(tmp_path):
    trap = tmp_path / "trap"

    class Attack:
        def __reduce__(self):
            return trap.mkdir, ()

    path = save(tmp_path, counts=COUNTS, bin_size=0.1, label=np.array([Attack()] * 4, dtype=object))
    with pytest.raises(FileError, match="Python objects"):
        read(path)
    assert not trap.exists()


def test_truncated_and_other_files_are_refused(tmp_path):
    whole = save(tmp_path, counts=np.ones((200, 9), dtype=int), bin_size=0.1).read_bytes()
    path = tmp_path / "session.npz"
    for size in (0, 1, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(FileError, match="no whole"):
            read(path)
    altered = bytearray(whole)
    altered[len(whole) // 3] ^= 0xFF
    for content in (bytes(altered), b"plain text, no archive", b"\x80\x04N."):
        path.write_bytes(content)
        with pytest.raises(FileError, match="no whole") as caught:
            read(path)
        assert "\n" not in str(caught.value)
    with path.open("wb") as file:  # a lone array under the wrong ending
        np.save(file, COUNTS)
    with pytest.raises(FileError, match="no whole"):
        read(path)


def test_unknown_endings_files_and_options(tmp_path):
    assert ".npz" in suffixes()
    with pytest.raises(FileError, match=r"must be one of .*\.npz"):
        read(tmp_path / "session.docx")
    with pytest.raises(FileError, match="there is no file"):
        read(tmp_path / "session.npz")
    with pytest.raises(UnknownNameError, match="did you mean 'name'"):
        read(save(tmp_path, counts=COUNTS, bin_size=0.1), nam="x")
