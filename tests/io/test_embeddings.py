"""Embeddings in every format: written whole, read back the same where we read them, and opened by each format's own library."""

import contextlib
import hashlib
import json
import os
import pickle
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import xarray
from command import QUICK
from command import myow as command
from command import write as write_session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from spike_files import write_nwb
from strategies import recordings
from tiny import reach

import myow
from myow.cli.train import train_run
from myow.errors import DataError, FileError, MyowError, SettingError, UnknownNameError
from myow.io import files
from myow.io.embeddings import READ, WRITTEN, labels_to_tsds
from myow.methods.runs import RunFolder

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


def known(**changes):
    """Three segments, not in the order of time, with a bin missing in the first, and a label of each kind."""
    parts = {
        "z": np.random.default_rng(0).normal(size=(9, 2)),
        "bin_size": 0.1,
        "times": [5.0, 5.1, 5.3, 0.0, 0.1, 0.2, 1.0, 1.1, 1.2],
        "segments": [3, 3, 3, 1, 1, 1, 9, 9, 9],
        "labels": {
            "direction": np.repeat([5, 2, 3], 3),
            "speed": np.linspace(0, 1, 9),
            "place": np.arange(18.0, dtype=np.float32).reshape(9, 2),
            "state": np.array(["up", "up", 'a "quoted", #\r\nline', "", "é", "x", "y", "z", "w"]),
            "moving": np.arange(9) % 2 == 0,
        },
        "periods": {"direction": 8.0},
        "dimensions": ["myow0", "myow1"],
        "name": "day-1",
        "provenance": {"method": "myow", "settings": '{"dim": 2}', "long": "x" * 100_000},
    } | changes
    return myow.Embedding(parts.pop("z"), **parts)


@st.composite
def embeddings(draw):
    rec = draw(recordings())
    n = len(rec)
    z = draw(
        hnp.arrays(
            np.float32,
            (n, draw(st.integers(1, 4))),
            elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
        )
    )
    kinds = st.one_of(
        hnp.arrays(
            st.sampled_from([np.bool_, np.int8, np.int64, np.uint64, np.float32]),
            n,
            elements={"allow_nan": False, "allow_infinity": False},
        ),
        hnp.arrays(
            np.float64,
            st.sampled_from([(n,), (n, 1), (n, 2)]),
            elements=st.floats(allow_nan=False, allow_infinity=False),
        ),
        st.lists(TEXT, min_size=n, max_size=n).map(np.array),
    )
    return myow.Embedding(
        z,
        bin_size=rec.bin_size,
        times=rec.times,
        segments=rec.segments,
        labels=draw(st.dictionaries(TEXT, kinds, max_size=3)),
        name=draw(TEXT),
        provenance=draw(st.dictionaries(TEXT, TEXT, max_size=2)),
    )


def check_same(found, embedding):
    for key in ("z", "times", "segments"):
        one, other = getattr(found, key), getattr(embedding, key)
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()
    for key in ("bin_size", "name", "dimensions", "periods", "provenance"):
        assert getattr(found, key) == getattr(embedding, key)
    assert found.labels.keys() == embedding.labels.keys()
    for name, values in embedding.labels.items():
        assert found.labels[name].dtype.kind == values.dtype.kind
        assert values.dtype.kind == "U" or found.labels[name].tobytes() == values.tobytes()
        np.testing.assert_array_equal(found.labels[name], values)


# Every format.


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("embeddings")


def check_round_trip(folder, suffix, embedding):
    path = folder / f"any{suffix}"
    if suffix == ".nwb" and len(embedding.spans) > 1 and np.ptp(embedding.spans[:, 0]) == 0:
        with pytest.raises(DataError, match="one clock"):
            myow.write(path, embedding)
        return
    check_same(myow.read_embedding(myow.write(path, embedding)), embedding)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(embedding=embeddings())
def test_any_embedding_comes_back_from_npz_as_it_was(folder, embedding):
    check_round_trip(folder, ".npz", embedding)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(embedding=embeddings())
def test_any_embedding_comes_back_from_nwb_as_it_was(folder, embedding):
    check_round_trip(folder, ".nwb", embedding)


@pytest.mark.parametrize("suffix", READ)
def test_a_label_of_each_kind_and_long_provenance_come_back(tmp_path, suffix):
    embedding = known()
    check_same(myow.read_embedding(myow.write(str(tmp_path / f"z{suffix}"), embedding)), embedding)
    assert os.listdir(tmp_path) == [f"z{suffix}"]


def every_digit():
    bits = np.random.default_rng(0).integers(0, 2**32, 4000, dtype=np.uint32).view(np.float32)
    z = bits[np.isfinite(bits)][:3000].reshape(-1, 3)
    exact = np.random.default_rng(1).normal(size=len(z)) * 1e-7
    return myow.Embedding(z, bin_size=1 / 3, times=np.arange(len(z)) / 3, labels={"a": exact})


@pytest.mark.parametrize("suffix", READ)
def test_every_digit_comes_back(tmp_path, suffix):
    check_same(myow.read_embedding(myow.write(tmp_path / f"z{suffix}", every_digit())), every_digit())


def read_frame(path):
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, keep_default_na=False)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_every_digit_is_in_the_table_that_pandas_reads(tmp_path, suffix):
    embedding = every_digit()
    frame = read_frame(myow.write(tmp_path / f"z{suffix}", embedding))
    assert frame[["z0", "z1", "z2"]].to_numpy(np.float32).tobytes() == embedding.z.tobytes()
    assert frame["time"].to_numpy().tobytes() == embedding.times.tobytes()
    assert frame["label_a"].to_numpy().tobytes() == embedding.labels["a"].tobytes()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(embedding=embeddings())
def test_pandas_reads_any_table(folder, suffix, embedding):
    frame = read_frame(myow.write(folder / f"any{suffix}", embedding))
    np.testing.assert_array_equal(frame[list(embedding.dimensions)].to_numpy(np.float32), embedding.z)
    np.testing.assert_array_equal(frame["time"], embedding.times)
    np.testing.assert_array_equal(frame["segment"], embedding.segments)
    assert len(frame.columns) == 2 + embedding.z.shape[1] + sum(
        1 if values.ndim == 1 else values.shape[1] for values in embedding.labels.values()
    )


def test_what_a_csv_cannot_hold_lies_beside_it(tmp_path):
    embedding = every_digit()
    path = myow.write(tmp_path / "z.csv", embedding)
    assert not path.read_text().startswith("#")
    facts = json.loads((tmp_path / "z.csv.json").read_text())
    assert facts == json.loads(json.dumps(embedding.to_pandas().attrs))
    assert facts["provenance"] == dict(embedding.provenance)


def open_npz(path, embedding):
    with np.load(path) as held:
        np.testing.assert_array_equal(held["z"], embedding.z)
        np.testing.assert_array_equal(held["times"], embedding.times)
        np.testing.assert_array_equal(held["segments"], embedding.segments)
        np.testing.assert_array_equal(held["label_place"], embedding.labels["place"])
        assert held["bin_size"] == 0.1
        assert json.loads(str(held["provenance"])) == dict(embedding.provenance)


def check_frame(frame, embedding):
    assert list(frame)[:4] == ["time", "segment", "myow0", "myow1"]
    np.testing.assert_array_equal(frame[["myow0", "myow1"]].to_numpy(np.float32), embedding.z)
    np.testing.assert_array_equal(frame["time"], embedding.times)
    np.testing.assert_array_equal(frame["segment"], embedding.segments)
    np.testing.assert_array_equal(frame[["label_place_0", "label_place_1"]], embedding.labels["place"])
    np.testing.assert_array_equal(frame["label_state"], embedding.labels["state"])
    np.testing.assert_array_equal(frame["label_moving"], embedding.labels["moving"])


def open_table(path, embedding):
    frame = read_frame(path)
    check_frame(frame, embedding)
    if path.suffix == ".parquet":
        assert frame["myow0"].dtype == np.float32
        assert frame.attrs["provenance"] == dict(embedding.provenance)
        assert (frame.attrs["bin_size"], frame.attrs["periods"]) == (0.1, {"direction": 8.0})


def open_nc(path, embedding):
    with xarray.open_dataset(path, engine="h5netcdf") as dataset:
        assert dataset.z.dims == ("time", "dimension")
        assert dataset.z.sel(dimension="myow1").values.tolist() == embedding.z[:, 1].tolist()
        assert dataset.time.dtype == np.float64
        assert dataset.z.segment.values.tolist() == embedding.segments.tolist()
        assert dataset.label_moving.dtype == bool
        assert dataset.label_direction.attrs == {"period": 8.0}
        assert json.loads(dataset.attrs["provenance"]) == dict(embedding.provenance)
        assert dataset.load().equals(embedding.to_xarray())


def open_nwb(path, embedding):
    import pynwb

    with pynwb.NWBHDF5IO(path, "r") as file:
        module = file.read().processing["myow"]
        series, bins, table = (module[name] for name in ("embedding", "embedding_bins", "embedding_segments"))
        order = bins["row"].data[:]
        assert order.tolist() == [3, 4, 5, 6, 7, 8, 0, 1, 2]  # as time goes
        np.testing.assert_array_equal(series.data[:], embedding.z[order])
        np.testing.assert_array_equal(series.timestamps[:], embedding.times[order])
        assert json.loads(series.comments)["provenance"] == dict(embedding.provenance)
        assert "starts of bins" in series.description
        frame = table.to_dataframe()
        np.testing.assert_allclose(frame[["start_time", "stop_time"]], [[0, 0.3], [1, 1.3], [5, 5.4]])
        assert frame["segment"].tolist() == [1, 9, 3]
        np.testing.assert_array_equal(table["timeseries"][2][0].data, embedding.z[:3])
        np.testing.assert_array_equal(bins["label_place"].data[:], embedding.labels["place"][order])
        assert bins["label_state"].data[:].tolist() == embedding.labels["state"][order].tolist()


OPENERS = {".csv": open_table, ".nc": open_nc, ".npz": open_npz, ".nwb": open_nwb, ".parquet": open_table}


def test_every_ending_is_opened_below():
    assert sorted(WRITTEN) == sorted(OPENERS), "give each format an opener by its own library in the table above"


@pytest.mark.parametrize("suffix", OPENERS)
def test_the_formats_own_library_opens_it(tmp_path, suffix):
    path = tmp_path / f"z{suffix}"
    myow.write(path, known())
    OPENERS[suffix](path, known())


# Faults.


@contextlib.contextmanager
def room(n_bytes):
    """Let no file grow beyond some bytes, as a full disk would."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits")
@pytest.mark.parametrize("suffix", WRITTEN)
def test_a_full_disk_is_one_error_and_leaves_the_old_file(tmp_path, suffix):
    path, big = tmp_path / f"z{suffix}", myow.Embedding(np.random.default_rng(0).normal(size=(9000, 4)), bin_size=0.1)
    myow.write(path, known())
    before = path.read_bytes()
    for n_bytes in (0, 1000, 100_000):
        with pytest.raises(FileError, match=r"cannot write .* has room"), room(n_bytes):
            myow.write(path, big)
    assert path.read_bytes() == before
    assert set(os.listdir(tmp_path)) == {path.name, *(["z.csv.json"] if path.suffix == ".csv" else [])}


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits")
def test_a_full_disk_leaves_a_session_that_was_to_be_added_to(tmp_path):
    source, path = tmp_path / "session.nwb", tmp_path / "z.nwb"
    write_nwb(source)
    before, size = source.read_bytes(), source.stat().st_size
    for n_bytes in (1000, size, size + 2000, size + 100_000):
        with pytest.raises(FileError, match="cannot write"), room(n_bytes):
            myow.write(path, known(), into=source)
    assert os.listdir(tmp_path) == ["session.nwb"]
    assert source.read_bytes() == before


@pytest.mark.parametrize("suffix", WRITTEN)
def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch, suffix):
    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        myow.write(tmp_path / f"z{suffix}", known())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", READ)
def test_broken_files_are_refused_in_one_line(tmp_path, suffix):
    path, rng = tmp_path / f"z{suffix}", np.random.default_rng(0)
    whole = myow.write(path, known(provenance={})).read_bytes()
    for size in (0, 9, *rng.integers(10, len(whole), 3), len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises((FileError, DataError)) as caught:
            myow.read_embedding(path)
        assert "\n" not in str(caught.value)
    for at in rng.integers(0, len(whole), 20 if suffix == ".npz" else 0):  # HDF5 itself may crash on these
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << rng.integers(8))]) + whole[at + 1 :])
        with contextlib.suppress(FileError, DataError):
            assert isinstance(myow.read_embedding(path), myow.Embedding)


@pytest.mark.parametrize("suffix", READ)
def test_a_file_of_the_format_that_holds_no_embedding_is_said_to_hold_none(tmp_path, suffix):
    path = tmp_path / f"other{suffix}"
    {".npz": lambda: np.savez(path, a=[1, 2]), ".nwb": lambda: write_nwb(path)}[suffix]()
    with pytest.raises(FileError, match=r"holds no embedding.*write it with myow.write"):
        myow.read_embedding(path)


ALTERED = {
    "no bin width": {"bin_size": None},
    "infinite bin width": {"bin_size": float("inf")},
    "a dimension twice": {"dimensions": ["myow0", "myow0"]},
    "too many dimensions": {"dimensions": ["myow0", "myow1", "x"]},
    "rows": {"times": np.arange(8.0)},
    "period": {"period_direction": -8.0},
    "period of what": {"period_x": 8.0},
    "provenance that is no object": {"provenance": "[1]"},
    "provenance that is no JSON": {"provenance": "{"},
    "nested provenance": {"provenance": "[" * 100_000},
    "provenance that is no text": {"provenance": '{"method": ["myow"]}'},
}


@pytest.mark.parametrize("change", ALTERED.values(), ids=ALTERED)
def test_what_an_archive_says_of_itself_is_not_believed(tmp_path, change):
    path = myow.write(tmp_path / "z.npz", known())
    held = files.read_arrays(path) | change
    files.write_arrays(path, {key: value for key, value in held.items() if value is not None})
    with pytest.raises((FileError, DataError), match=r"z\.npz"):
        myow.read_embedding(path)


def test_wrong_endings_and_options_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(FileError, match=r"must end in .csv, .nc, .npz, .nwb, .parquet"):
        myow.write(tmp_path / "z.xls", known())
    with pytest.raises(FileError, match="must end in"):
        myow.read_embedding(tmp_path / "z")
    with pytest.raises(FileError, match="there is no file"):
        myow.read_embedding(tmp_path / "z.npz")
    with pytest.raises(FileError, match=r"must end in \.npz or \.nwb"):
        myow.read_embedding(tmp_path / "z.csv")
    with pytest.raises(UnknownNameError, match=r"unknown option of .csv files 'into'"):
        myow.write(tmp_path / "z.csv", known(), into="a.nwb")
    with pytest.raises(DataError, match="ndarray is no Embedding"):
        myow.write(tmp_path / "z.csv", np.zeros((2, 2)))
    with pytest.raises(DataError, match="several columns called 'label_a_0'"):
        myow.write(tmp_path / "z.csv", known(labels={"a": np.zeros((9, 1)), "a_0": np.zeros(9)}, periods={}))
    assert os.listdir(tmp_path) == []


# NWB.


def complaints(path):
    from nwbinspector import Importance, inspect_nwbfile

    worst = (Importance.ERROR, Importance.CRITICAL, Importance.BEST_PRACTICE_VIOLATION, Importance.PYNWB_VALIDATION)
    found = list(inspect_nwbfile(nwbfile_path=path))
    assert found  # there are always suggestions, so it looked
    return [(m.check_function_name, m.object_name, m.message) for m in found if m.importance in worst]


def spread(starts, length=6):
    times = np.concatenate([start + np.arange(length) * 0.1 for start in starts])
    return known(
        z=np.random.default_rng(1).normal(size=(len(times), 2)),
        times=times,
        segments=np.repeat(np.arange(len(starts)), length),
        labels={"n": np.arange(len(times))},
        periods={},
    )


CLOCKS = {
    "one segment": [0.0],
    "not in order, touching": [4.0, 0.0, 0.6],
    "overlapping": [0.0, 0.3, 0.6, 2.0, 1.9],
}


@pytest.mark.parametrize("starts", CLOCKS.values(), ids=CLOCKS)
def test_nwbinspector_finds_nothing_wrong(tmp_path, starts):
    path = myow.write(tmp_path / "z.nwb", spread(starts))
    assert not complaints(path)
    check_same(myow.read_embedding(path), spread(starts))


def test_overlapping_segments_are_series_in_each_of_which_time_rises(tmp_path):
    import pynwb

    embedding = spread([0.0, 0.3, 0.6])
    with pynwb.NWBHDF5IO(myow.write(tmp_path / "z.nwb", embedding), "r") as file:
        module = file.read().processing["myow"]
        for number in range(3):
            where = module["embedding_segments"]["timeseries"][number][0]
            np.testing.assert_array_equal(where.data, embedding.z[6 * number :][:6])
        lengths = [len(module[name].data) for name in ("embedding", "embedding_2")]
        assert lengths == [12, 6]
    with pytest.raises(DataError, match="17 segments overlap"):
        myow.write(tmp_path / "z.nwb", spread(np.arange(17) * 0.01))


def test_a_session_gets_the_embedding_in_a_copy(tmp_path):
    import pynwb

    source, first, second = (tmp_path / name for name in ("session.nwb", "first.nwb", "second.nwb"))
    write_nwb(source)
    before = source.read_bytes()
    myow.write(first, known(), into=source)
    myow.write(second, spread([0.0, 0.3]), into=str(first), name="other")
    assert source.read_bytes() == before
    ours = [name + part for name in ("embedding", "other") for part in ("", "_bins", "_segments")]
    assert not [found for found in complaints(second) if found[1] in ("myow", "other_2", *ours)]
    check_same(myow.read_embedding(first), known())
    check_same(myow.read_embedding(second, name="embedding"), known())
    check_same(myow.read_embedding(second, name="other"), spread([0.0, 0.3]))
    with pynwb.NWBHDF5IO(second, "r") as file:
        nwb = file.read()
        assert nwb.identifier == "made-1"
        assert len(nwb.units) == 3
        assert nwb.processing.keys() == {"behavior", "myow"}
    with pytest.raises(DataError, match="holds several embeddings, embedding, other; choose one with name="):
        myow.read_embedding(second)
    with pytest.raises(UnknownNameError, match="did you mean 'other'"):
        myow.read_embedding(second, name="othr")
    with pytest.raises(DataError, match="holds 'embedding' already"):
        myow.write(tmp_path / "third.nwb", known(), into=first)
    with pytest.raises(FileError, match="give the result another name"):
        myow.write(source, known(), into=source)
    with pytest.raises(FileError, match="there is no file"):
        myow.write(first, known(), into=tmp_path / "none.nwb")
    (tmp_path / "half.nwb").write_bytes(before[:5000])
    with pytest.raises(FileError, match=r"half\.nwb is no whole NWB file"):
        myow.write(first, known(), into=tmp_path / "half.nwb")
    assert source.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["first.nwb", "half.nwb", "second.nwb", "session.nwb"]


def test_a_new_file_says_what_is_known_of_the_session(tmp_path):
    import pynwb

    about = {
        "session_start_time": "2020-01-31T12:00:00+01:00",
        "subject_id": "chewie",
        "species": "Macaca mulatta",
        "sex": "M",
        "age": "P8Y",
    }
    with pynwb.NWBHDF5IO(myow.write(tmp_path / "z.nwb", known(), **about), "r") as file:
        nwb = file.read()
        assert nwb.session_start_time.isoformat() == about["session_start_time"]
        assert (nwb.subject.subject_id, nwb.subject.age) == ("chewie", "P8Y")
    with pynwb.NWBHDF5IO(myow.write(tmp_path / "z.nwb", known()), "r") as file:
        nwb = file.read()
        assert "not known" in nwb.session_description
        assert nwb.subject.description == "Not known: subject_id, species, sex, age."
    for wrong in ("yesterday", "2020-01-31T12:00:00"):
        with pytest.raises(SettingError, match="with a time zone"):
            myow.write(tmp_path / "z.nwb", known(), session_start_time=wrong)
    with pytest.raises(SettingError, match="sex is for a new file"):
        myow.write(tmp_path / "z.nwb", known(), into=tmp_path / "z.nwb", sex="M")
    with pytest.raises(SettingError, match="letters, digits"):
        myow.write(tmp_path / "z.nwb", known(), name="a/b")
    with pytest.raises(DataError, match="all 2 segments start at 1 s"):
        myow.write(tmp_path / "z.nwb", spread([1.0, 1.0]))


# Pynapple.


def test_a_tsdframe_has_an_epoch_a_segment_and_comes_back():
    embedding = known()
    frame = embedding.to_pynapple()
    order = [3, 4, 5, 6, 7, 8, 0, 1, 2]
    np.testing.assert_array_equal(frame.d, embedding.z[order])
    np.testing.assert_allclose(frame.t, embedding.times[order] + 0.05, atol=1e-9)
    assert list(frame.columns) == ["myow0", "myow1"]
    support = frame.time_support
    np.testing.assert_allclose(support.values, [[0, 0.3], [1, 1.3], [5, 5.4]], atol=1e-9)
    assert support["segment"].tolist() == [1, 9, 3]
    assert support["label_direction"].tolist() == [2, 3, 5]
    assert set(support.metadata_columns) == {"segment", "label_direction"}  # the others change inside segments
    np.testing.assert_array_equal(frame.restrict(support[2]).d, embedding.z[:3])


def test_a_tsdframe_is_where_pynapple_itself_puts_bins():
    import pynapple as nap

    embedding = spread([0.0, 2.0])
    frame = embedding.to_pynapple()
    counted = nap.TsGroup({0: nap.Ts([0.05, 2.31])}, time_support=frame.time_support).count(0.1)
    np.testing.assert_allclose(frame.t, counted.t, atol=1e-9)
    back = myow.read(frame)
    np.testing.assert_allclose(back.times, embedding.times, atol=1e-9)
    np.testing.assert_array_equal(back.segments, embedding.segments)


@given(embedding=embeddings())
@settings(max_examples=25, deadline=None)
def test_segments_stay_apart_or_are_refused(embedding):
    spans = embedding.spans[np.argsort(embedding.spans[:, 0])]
    if (spans[1:, 0] < spans[:-1, 1] - 0.01 * embedding.bin_size).any():
        with pytest.raises(DataError, match=r"segments \d+ and \d+ overlap in time"):
            embedding.to_pynapple()
        return
    frame = embedding.to_pynapple()
    assert len(frame) == len(embedding)
    assert sorted(frame.time_support["segment"]) == sorted(set(embedding.segments.tolist()))
    for epoch, number in zip(frame.time_support, frame.time_support["segment"], strict=True):
        np.testing.assert_array_equal(frame.restrict(epoch).d, embedding.z[embedding.segments == number])


def test_touching_segments_are_a_microsecond_apart_and_too_narrow_bins_are_refused():
    frame = spread([0.0, 0.6]).to_pynapple()
    assert frame.time_support.end[0] == pytest.approx(0.6 - 1e-6, abs=1e-9)
    with pytest.raises(DataError, match="too narrow"):
        myow.Embedding(np.zeros((4, 1)), bin_size=1e-7, segments=[0, 0, 1, 1]).to_pynapple()


def test_labels_that_are_numbers_are_on_the_same_clock():
    found, frame = labels_to_tsds(known()), known().to_pynapple()
    assert found.keys() == {"direction", "speed", "place", "moving"}
    assert found["direction"].d.tolist() == [2, 2, 2, 3, 3, 3, 5, 5, 5]
    assert found["place"].d[-1].tolist() == [4.0, 5.0]
    for one in found.values():
        np.testing.assert_array_equal(one.t, frame.t)
        assert len(one.time_support) == 3


# The embedding itself.


WRONG = {
    "one dimension": ({"z": np.zeros(9)}, "at least one of each"),
    "ragged": ({"z": [[1], [1, 2]]}, "ragged"),
    "text": ({"z": np.full((9, 2), "a")}, "must be numbers"),
    "NaN": ({"z": np.full((9, 2), np.nan)}, "first at bin 0"),
    "beyond float32": ({"z": np.full((9, 2), 1e300)}, "beyond float32"),
    "names": ({"dimensions": ["a"]}, "z has 2 columns"),
    "one name twice": ({"dimensions": ["a", "a"]}, "name each apart"),
    "a number for a name": ({"dimensions": ["a", 1]}, "holds a int"),
    "NUL": ({"name": "a\0"}, "cannot hold"),
    "half a pair": ({"provenance": {"a": "\ud800"}}, "cannot hold"),
    "such a label": ({"labels": {"a": ["\0b"] * 9}, "periods": {}}, "label 'a' holds a text"),
    "label of no column": ({"labels": {"a": np.zeros((9, 0))}, "periods": {}}, "no column"),
    "short label": ({"labels": {"a": [1]}, "periods": {}}, "there are 9 bins"),
    "period": ({"periods": {"speed": 0}}, "above 0"),
    "period of what": ({"periods": {"x": 1}}, "not among the labels"),
    "provenance": ({"provenance": {"a": 1}}, "must be text"),
    "times": ({"times": np.zeros(9)}, "must rise"),
}


@pytest.mark.parametrize(("changes", "said"), WRONG.values(), ids=WRONG)
def test_what_is_no_embedding_is_refused(changes, said):
    with pytest.raises(DataError, match=said):
        known(**changes)


def test_an_embedding_is_frozen_copied_and_pickled():
    z = np.zeros((3, 1))
    embedding = myow.Embedding(z, bin_size=0.1, labels={"a": np.zeros(3, np.float16)})
    z[:] = 1
    assert embedding.z.sum() == 0
    assert embedding.labels["a"].dtype == np.float32
    for array in (embedding.z, embedding.times, embedding.segments, embedding.labels["a"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    check_same(pickle.loads(pickle.dumps(known())), known())
    assert known().digest() != known(z=np.zeros((9, 2))).digest() != embedding.digest()


def test_a_model_embeds_with_all_that_belongs_to_it():
    rec = reach(drop=0.2)
    model = myow.PCA(dim=3).fit(rec)
    embedding = myow.embed(model, rec, provenance={"command": "by hand"})
    np.testing.assert_array_equal(embedding.z, model.transform(rec))
    np.testing.assert_array_equal(embedding.times, rec.times)
    np.testing.assert_array_equal(embedding.segments, rec.segments)
    np.testing.assert_array_equal(embedding.labels["direction"], rec.labels["direction"])
    assert embedding.dimensions == ("pca0", "pca1", "pca2")
    made = embedding.provenance
    assert (made["method"], made["recording"], made["recording_digest"], made["command"]) == (
        "pca",
        "tiny",
        rec.digest(),
        "by hand",
    )
    assert json.loads(made["settings"])["dim"] == 3
    assert json.loads(made["trained_on"])[0]["digest"] == rec.digest()
    assert json.loads(made["units"]) == list(rec.units)
    with pytest.raises(DataError, match="ndarray is no recording"):
        myow.embed(model, rec.counts)
    with pytest.raises(SettingError, match="not trained on several"):
        myow.embed(model, rec, session="a")


def test_of_several_sessions_the_one_that_fits_is_named():
    one, other = reach(n_units=5), reach(n_units=7, seed=1)
    model = myow.MYOW(steps=2, dim=4, hidden=(8,), predictor=8, device="cpu", random_state=0).fit(
        {"a": one, "b": other}
    )
    embedding = myow.embed(model, other)
    assert embedding.provenance["session"] == "b"
    np.testing.assert_array_equal(embedding.z, model.transform(other, session="b"))
    assert myow.embed(model, one, session="a").provenance["session"] == "a"


# The command line.


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    file = write_session(folder / "session.npz")
    train_run(str(file), folder / "run", settings=QUICK, device="cpu", progress=False)
    return folder


@pytest.mark.parametrize("suffix", WRITTEN)
def test_the_command_line_writes_every_format(run, tmp_path, suffix):
    path = tmp_path / f"z{suffix}"
    called = command("embed", run / "run", run / "session.npz", "--out", path)
    assert called == (0, f"{path}: z of shape (120, 4), times, segments\n", "")
    rec = myow.read(run / "session.npz")
    z = RunFolder(run / "run").model("cpu").transform(rec)
    if suffix in READ:
        found = myow.read_embedding(path)
        np.testing.assert_array_equal(found.z, z)
        np.testing.assert_array_equal(found.times, rec.times)
        np.testing.assert_array_equal(found.segments, rec.segments)
        np.testing.assert_array_equal(found.labels["place"], rec.labels["place"])
        check_origin(found, rec, run, path)
    elif suffix == ".nc":
        with xarray.open_dataset(path, engine="h5netcdf") as dataset:
            np.testing.assert_array_equal(dataset.z, z)
            np.testing.assert_array_equal(dataset.label_place, rec.labels["place"])
    else:
        frame = read_frame(path)
        np.testing.assert_array_equal(frame.iloc[:, 2:6].to_numpy(np.float32), z)
        np.testing.assert_array_equal(frame[["time", "segment"]], np.column_stack([rec.times, rec.segments]))


def check_origin(embedding, rec, run, path):
    model = run / "run" / "model.myow"
    assert embedding.periods == {"direction": 4.0}
    assert embedding.provenance["model"] == str(model)
    assert embedding.provenance["model_sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert embedding.provenance["recording_digest"] == rec.digest()
    assert embedding.provenance["command"] == f"myow embed {run / 'run'} {run / 'session.npz'} --out {path}"


def test_the_command_line_adds_to_a_session_and_passes_options_on(run, tmp_path):
    write_nwb(tmp_path / "session.nwb")
    words = ["embed", run / "run", run / "session.npz", "--out", tmp_path / "z.nwb"]
    assert command(*words, "--into", tmp_path / "session.nwb", "--write", "name=other").code == 0
    made = myow.read_embedding(tmp_path / "z.nwb", name="other").provenance
    assert made["command"].endswith(f"--write into={tmp_path / 'session.nwb'} --write name=other")
    assert "unknown option of .nwb files 'nam'" in command(*words, "--write", "nam=other").error()
    assert "there is no file" in command(*words, "--into", tmp_path / "no.nwb").error()


def test_the_recording_itself_is_not_written_over(run, tmp_path):
    file = shutil.copy(run / "session.npz", tmp_path / "session.npz")
    before = (tmp_path / "session.npz").read_bytes()
    assert "the recording itself" in command("embed", run / "run", file, "--out", file).error()
    assert (tmp_path / "session.npz").read_bytes() == before


def test_embeddings_of_images_are_npz_alone(run, tmp_path):
    about = json.loads((run / "run" / "run.json").read_text()) | {"split": "official"}
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "run.json").write_text(json.dumps(about))
    said = command("embed", tmp_path / "images", "folder", "--out", tmp_path / "z.csv").error()
    assert "must end in .npz" in said
    said = command("embed", tmp_path / "images", "folder", "--out", tmp_path / "z.npz", "--into", "a.nwb").error()
    assert "--into, --session and --write are for recordings" in said


def test_a_missing_package_is_said(monkeypatch, tmp_path):
    for suffix, package in ((".parquet", "pyarrow"), (".nwb", "pynwb"), (".nc", "h5netcdf")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(SettingError, match=f"needs {package}.*pip install 'myow"):
            myow.write(tmp_path / f"z{suffix}", known())
    assert issubclass(SettingError, MyowError)
