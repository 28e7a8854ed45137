"""Recordings whose counts stay on disk: what is gathered, checked, trained and embedded is what it would be in memory."""

import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch
from command import SMALL as QUICK
from command import myow as command
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import SMALL, SMALL_MINING, reach, sleep

import myow
from myow import BYOL, MYOW, PCA, RP, Recording, open_recording, write_stored
from myow.errors import DataError, FileError, SettingError, UnknownNameError
from myow.io.on_disk import StoredCounts
from myow.methods import recordings
from myow.nn.scaling import moments
from myow.training import rows as lookup
from myow.training import windows
from myow.training.rows import LookedUpRows

FORMS = ("contiguous", "chunked", "npy")


def put(folder, recording, form="contiguous"):
    """Write a recording in one of the forms, and open it."""
    if form == "npy":
        np.save(folder / "a.npy", recording.counts)
        return open_recording(folder / "a.npy", bin_size=recording.bin_size, name=recording.name)
    path = folder / f"{form}.h5"
    write_stored(
        path,
        np.array_split(recording.counts, 3),
        n_bins=len(recording),
        bin_size=recording.bin_size,
        times=recording.times,
        segments=recording.segments,
        labels=recording.labels,
        periods=recording.periods,
        units=recording.units,
        name=recording.name,
        dtype="uint16",
    )
    if form == "chunked":
        with h5py.File(path, "r+") as file:
            counts = file["counts"][:]
            del file["counts"]
            file.create_dataset("counts", data=counts, chunks=(5, 3), compression="gzip")
    return open_recording(path)


def weights(model):
    return list(model.network_.state_dict().values())


def same_weights(a, b):
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


@pytest.mark.parametrize("form", FORMS)
def test_a_file_gives_the_recording_that_was_written(tmp_path, form):
    held = reach(drop=0.2)
    stored = put(tmp_path, held, form)
    assert isinstance(stored, Recording)
    assert len(stored) == len(held)
    assert stored.counts.dtype == held.counts.dtype == np.uint8
    np.testing.assert_array_equal(stored.counts[:], held.counts)
    np.testing.assert_array_equal(np.asarray(stored.counts), held.counts)
    if form != "npy":  # which holds the counts alone
        for name in ("times", "segments", "bins"):
            np.testing.assert_array_equal(getattr(stored, name), getattr(held, name))
        np.testing.assert_array_equal(stored.labels["direction"], held.labels["direction"])
        assert stored.digest() == held.digest()
        assert stored.summary() == held.summary()
        assert stored.units == held.units
        assert "counts" in stored.source["used"]
    again = pickle.loads(pickle.dumps(stored))
    np.testing.assert_array_equal(again.counts[3:5], held.counts[3:5])


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_rows_and_units_are_gathered_and_selected_as_in_memory(tmp_path_factory, form, data):
    rng = np.random.default_rng(0)
    held = Recording(rng.integers(0, 400, (40, 7)), bin_size=0.1, segments=np.repeat(np.arange(8), 5), name="a")
    stored = put(tmp_path_factory.mktemp("a"), held, form)
    if form == "npy":
        held = Recording(held.counts, bin_size=0.1, name="a")
    for _ in range(data.draw(st.integers(0, 3))):
        if data.draw(st.booleans()):
            some = sorted(data.draw(st.sets(st.integers(0, len(held) - 1), min_size=1)))
            held, stored = held.select(some), stored.select(some)
        else:
            some = data.draw(st.lists(st.integers(0, held.n_units - 1), min_size=1, unique=True))
            held, stored = held.select_units(some), stored.select_units(some)
    rows = np.array(data.draw(st.lists(st.integers(0, len(held) - 1), max_size=30)), dtype=np.int64)
    np.testing.assert_array_equal(stored.gather(rows), held.gather(rows))
    assert stored.digest() == held.digest()
    assert stored.units == held.units
    if held.n_segments > 1:
        for a, b in zip(stored.split(0.5, 0.5), held.split(0.5, 0.5), strict=True):
            assert a.digest() == b.digest()


ESTIMATORS = [
    MYOW(**SMALL, **SMALL_MINING),
    MYOW(**SMALL, **SMALL_MINING, context=(2, 1), scale="unit", pool="sample", input="anscombe"),
    BYOL(**SMALL, embedding="auto"),
    RP(steps=8, hidden=(8,), dim=3, batch_size=16, random_state=0, device="cpu", input="rate", scale="none"),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("form", ["contiguous", "chunked"])
def test_training_from_disk_gives_the_same_weights_and_embedding_bit_by_bit(tmp_path, form, estimator):
    held = sleep(n_bins=150)
    stored = put(tmp_path, held, form)
    a, b = (type(estimator)(**estimator.get_params()).fit(rec) for rec in (held, stored))
    assert same_weights(a, b)
    np.testing.assert_array_equal(a.transform(held), b.transform(stored))


def test_training_in_blocks_is_training_at_once_as_far_as_rounding_goes(tmp_path, monkeypatch):
    held = sleep(n_bins=300)
    stored = put(tmp_path, held)
    monkeypatch.setattr(lookup, "BLOCK", 50)
    monkeypatch.setattr("myow.training.augment.MOST_VALUES", 100)
    monkeypatch.setattr("myow.io.on_disk.BLOCK", 64)
    a, b = (MYOW(**SMALL, **SMALL_MINING).fit(rec) for rec in (held, stored))
    assert stored.digest() == held.digest()
    for x, y in zip(weights(a), weights(b), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-5)
    root = np.sqrt(held.counts.astype(np.float64))
    np.testing.assert_allclose(b.network_.scaling.mean, root.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(b.network_.scaling.deviation, np.sqrt(root.var(axis=0).mean()), rtol=1e-6)


def test_a_large_recording_in_memory_stays_small_whole_numbers_and_trains_the_same(monkeypatch):
    held = reach()
    plain = MYOW(**SMALL, **SMALL_MINING).fit(held)
    monkeypatch.setattr(recordings, "MOST_BYTES", 4 * held.counts.size - 1)
    model = MYOW(**SMALL, **SMALL_MINING)
    assert isinstance(model._initialise(held)[1], LookedUpRows)
    assert same_weights(plain, model.fit(held))


def test_moments_of_blocks_are_those_of_all_rows_whatever_the_offset():
    x = np.random.default_rng(0).normal(1e4, 2.0, (500, 3)) + np.linspace(0, 50, 500)[:, None]
    variance, mean = moments(torch.from_numpy(part) for part in np.array_split(x, 9))
    np.testing.assert_allclose(variance, x.var(axis=0), rtol=1e-9)
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=1e-12)


def test_windows_found_on_demand_are_those_of_the_table(monkeypatch):
    held = reach(drop=0.3)
    table = windows.windows(held, 2, 3)
    monkeypatch.setattr(lookup, "MOST_INDICES", 0)
    rows = lookup.TrainingRows(held, torch.zeros(len(held), 2), (2, 3), torch.device("cpu"))
    wanted = torch.tensor([[5, 0], [len(held) - 1, 5]])
    np.testing.assert_array_equal(rows.inside(wanted), table[wanted])
    with pytest.raises(DataError, match="context window is 181 bins wide"):
        lookup.TrainingRows(held, torch.zeros(len(held), 2), (90, 90), torch.device("cpu"))


def test_embedding_in_blocks_and_of_some_rows(tmp_path):
    stored = put(tmp_path, sleep(n_bins=150))
    model = MYOW(**SMALL, **SMALL_MINING, context=(2, 2)).fit(stored)
    model.at_once = 40
    whole = model.transform(stored)
    blocks = list(model.transform_blocks(stored))
    assert [len(block) for block in blocks] == [40, 40, 40, 30]
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    (some,) = model.transform_blocks(stored, rows=[0, 77, 149])
    np.testing.assert_allclose(some, whole[[0, 77, 149]], atol=1e-5)
    with pytest.raises(DataError, match="cannot select by these rows"):
        model.transform_blocks(stored, rows=[150])


def test_wide_windows_of_many_units_are_gathered_fewer_at_a_time(monkeypatch):
    rows = LookedUpRows(sleep(), lambda x: x.float(), (2, 2), torch.device("cpu"))
    assert rows.at_once(4096) == 4096
    monkeypatch.setattr(lookup, "WINDOWS", 8 * 5 * 100)
    assert rows.at_once(4096) == 100


def test_a_method_that_needs_all_rows_at_once_says_so(tmp_path, monkeypatch):
    held = sleep()
    stored = put(tmp_path, held)
    np.testing.assert_array_equal(PCA(dim=2).fit(stored).transform(stored), PCA(dim=2).fit(held).transform(held))
    monkeypatch.setattr(lookup, "LOADED", 200 * 8 * 8 // 3)
    with pytest.raises(DataError, match=r"PCA looks at all 200 rows at once.*slice\(0, None, 4\)"):
        PCA(dim=2).fit(stored)
    PCA(dim=2).fit(stored.select(slice(0, None, 4)))


def test_closing_ends_reading_for_all_parts(tmp_path):
    for form in FORMS:
        with put(tmp_path, sleep(), form) as stored:
            part = stored.select(slice(3, 9))
            part.gather(np.array([0]))
        with pytest.raises(FileError, match="was closed"):
            part.gather(np.array([0]))


def test_a_stored_recording_is_not_made_from_an_array(tmp_path):
    stored = put(tmp_path, sleep())
    with pytest.raises(DataError, match=r"open the file with myow\.open_recording"):
        Recording.concatenate([stored, stored])


def write_h5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return path


BAD = {
    "negative": ({"counts": [[0, -1]], "bin_size": 1.0}, DataError, r"bins from 0 on: counts hold -1 at bin 0, unit 1"),
    "fraction": ({"counts": [[0, 0.5]], "bin_size": 1.0}, DataError, "counts are whole"),
    "nan": ({"counts": [[0, np.nan]], "bin_size": 1.0, "kind": "continuous"}, DataError, "finite"),
    "no width": ({"counts": [[0, 1]]}, DataError, "give bin_size"),
    "no matrix": ({"x": [1, 2]}, DataError, "of other matrices none"),
    "two matrices": ({"x": [[1, 2]], "y": [[1, 2]]}, DataError, "of other matrices x, y; say which with counts=NAME"),
    "one dimension": ({"counts": [1, 2], "bin_size": 1.0}, DataError, r"shape \(2,\)"),
    "texts": ({"counts": [["a", "b"]], "bin_size": 1.0}, DataError, "must be numbers"),
    "kind": ({"counts": [[0, 1]], "bin_size": 1.0, "kind": "rates"}, DataError, "kind is 'rates'"),
    "width": ({"counts": [[0, 1]], "bin_size": "wide"}, DataError, "bin_size is 'wide'"),
    "widths": ({"counts": [[0, 1]], "bin_size": [1.0, 2.0]}, DataError, "single value"),
    "times": ({"counts": [[0], [1]], "bin_size": 1.0, "times": [1.0, 0.0]}, DataError, "must rise"),
    "units": ({"counts": [[0, 1]], "bin_size": 1.0, "units": ["a"]}, DataError, "names 1 units"),
    "source": ({"counts": [[0, 1]], "bin_size": 1.0, "source": "[1"}, DataError, "JSON object"),
    "period": ({"counts": [[0], [1]], "bin_size": 1.0, "a": [0, 1], "period_a": "x"}, DataError, "finite number"),
}


@pytest.mark.parametrize("case", BAD)
def test_contents_that_make_no_recording_are_refused(tmp_path, case):
    arrays, error, message = BAD[case]
    with pytest.raises(error, match=message):
        open_recording(write_h5(tmp_path / "a.h5", **arrays))


def test_options_that_do_not_fit_the_file_are_refused(tmp_path):
    path = write_h5(tmp_path / "a.h5", counts=[[0], [1]], bin_size=0.1, speed=[0.5, 1.0])
    with pytest.raises(DataError, match=r"has bin_size 0\.1, but 0\.2 was given"):
        open_recording(path, bin_size=0.2)
    with pytest.raises(UnknownNameError, match=r"unknown label .* 'sped'; did you mean 'speed'"):
        open_recording(path, labels="sped")
    with pytest.raises(UnknownNameError, match="unknown dataset"):
        open_recording(path, counts="cuonts")
    assert not open_recording(path, labels="none").labels
    assert open_recording(path, name="b").name == "b"
    with pytest.raises(FileError, match="there is no file"):
        open_recording(tmp_path / "b.h5")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(FileError, match=r"must be \.npy or one of"):
        open_recording(tmp_path / "a.txt")


@pytest.mark.parametrize("form", FORMS)
def test_a_file_cut_short_anywhere_is_one_clear_error(tmp_path, form):
    held = Recording(np.random.default_rng(0).poisson(0.3, (400, 30)), bin_size=0.1)
    put(tmp_path, held, form).close()
    path = next(tmp_path.glob("*.npy" if form == "npy" else "*.h5"))
    whole = path.read_bytes()
    for end in (0, 7, 60, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(FileError, match=path.name):
            open_recording(path, bin_size=0.1)


OPEN_EACH = """
import sys
import numpy as np
from myow import open_recording
from myow.errors import MyowError
for path in sys.argv[1:]:
    try:
        with open_recording(path) as stored:
            stored.gather(np.arange(len(stored))[:5])
    except MyowError:
        pass
    print(path, flush=True)
"""


def test_altered_bytes_give_a_recording_or_an_error_of_our_own(tmp_path):
    # In a process of its own: the HDF5 library itself may crash on such a file (docs/reliability.md), and did so here.
    put(tmp_path, Recording(np.random.default_rng(0).poisson(0.3, (30, 4)), bin_size=0.1), "chunked").close()
    whole, rng = (tmp_path / "chunked.h5").read_bytes(), np.random.default_rng(1)
    waiting = []
    for number, (place, value) in enumerate(
        zip(rng.integers(0, len(whole), 60), rng.integers(0, 256, 60), strict=True)
    ):
        waiting.append(str(tmp_path / f"{number}.h5"))
        (tmp_path / f"{number}.h5").write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
    crashes = 0
    while waiting:
        child = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", OPEN_EACH, *waiting], capture_output=True, text=True, timeout=300
        )
        assert child.returncode <= 0, child.stderr  # below zero is a signal, so a crash below Python
        crashes += child.returncode < 0
        waiting = waiting[len(child.stdout.splitlines()) + (child.returncode < 0) :]
    assert crashes < 10


def test_npy_files_that_cannot_be_read_by_rows_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.asfortranarray(np.ones((3, 4), dtype=np.uint8)))
    with pytest.raises(DataError, match="column by column"):
        open_recording(tmp_path / "a.npy", bin_size=0.1)
    np.save(tmp_path / "b.npy", np.array([[{}]]), allow_pickle=True)
    with pytest.raises(FileError, match=r"is no whole \.npy file"):
        open_recording(tmp_path / "b.npy", bin_size=0.1)
    np.save(tmp_path / "c.npy", np.ones((3, 4)))
    raw = (tmp_path / "c.npy").read_bytes()
    (tmp_path / "c.npy").write_bytes(raw.replace(b"(3, 4)", b"(3000000000, 4)"))
    with pytest.raises(FileError, match=r"is no whole \.npy file"):
        open_recording(tmp_path / "c.npy", bin_size=0.1)


def test_a_file_that_shrinks_while_it_is_read_is_noticed(tmp_path):
    stored = put(tmp_path, sleep(), "npy")
    path = tmp_path / "a.npy"
    with path.open("rb+") as file:
        file.truncate(path.stat().st_size - 100)
    with pytest.raises(FileError, match="became shorter"):
        stored.gather(np.array([0, 199]))


def test_binned_counts_of_an_nwb_file_stay_on_disk(tmp_path):
    from datetime import UTC, datetime

    from pynwb import NWBHDF5IO, NWBFile, TimeSeries

    held = sleep(bin_size=0.02)
    file = NWBFile("d", "i", datetime(2026, 1, 1, tzinfo=UTC))
    series = TimeSeries(name="binned", data=held.counts, unit="spikes", starting_time=5.0, rate=50.0)
    file.add_acquisition(series)
    with NWBHDF5IO(tmp_path / "a.nwb", "w") as io:
        io.write(file)
    stored = open_recording(tmp_path / "a.nwb")
    assert stored.bin_size == pytest.approx(0.02)
    assert stored.times[:2] == pytest.approx([5.0, 5.02])
    np.testing.assert_array_equal(stored.counts[:], held.counts)
    assert "session_description" in stored.source["skipped"]


def test_what_is_written_is_whole_or_not_there(tmp_path):
    path = tmp_path / "a.h5"
    for blocks, message in (
        ([np.ones((2, 3))], "hold 2 bins, but n_bins is 4"),
        ([np.ones((2, 3))] * 3, "after 4 of 4 bins"),
        ([np.ones((2, 3)), np.ones((2, 4))], "same units"),
        ([np.ones((3, 3)), [[1, 2, 300]]], "from 3 on hold a count of 300; give a wider dtype than uint8"),
        ([-np.ones((4, 3))], "negative"),
        ([], "hold 0 bins"),
    ):
        with pytest.raises(DataError, match=message):
            write_stored(path, blocks, n_bins=4, bin_size=0.1)
        assert not list(tmp_path.iterdir())
    with pytest.raises(FileError, match=r"must end in \.h5"):
        write_stored(tmp_path / "a.npz", [], n_bins=4, bin_size=0.1)
    with pytest.raises(DataError, match="a label is called 'counts'"):
        write_stored(path, [], n_bins=4, bin_size=0.1, labels={"counts": [1] * 4})
    signal = np.random.default_rng(0).normal(size=(4, 3))
    write_stored(path, [signal], n_bins=4, bin_size=0.1, kind="continuous", units=["a", "b", "c"], source={"a": "b"})
    stored = open_recording(path)
    np.testing.assert_array_equal(stored.counts[:], signal.astype(np.float32))
    assert (stored.kind, stored.units, stored.source["a"]) == ("continuous", ("a", "b", "c"), "b")
    np.testing.assert_array_equal(myow.read(path).counts, stored.counts[:])


def test_counts_by_block_do_not_depend_on_the_size_of_the_blocks_and_are_the_simulated_process():
    from myow.datasets.simulated import sleep_blocks, sleep_states

    options = {"n_units": 100, "bin_size": 4.0, "seed": 3}
    whole = np.concatenate(list(sleep_blocks(3000, block=3000, **options)))
    np.testing.assert_array_equal(np.concatenate(list(sleep_blocks(3000, block=333, **options))), whole)
    assert whole.dtype == np.uint16  # in bins of 4 s some hold more than 255 spikes
    assert next(sleep_blocks(9)).dtype == np.uint8

    def measure(counts, state):
        """Median rate, what the state changes in activity, and how much of it lasts from bin to bin."""
        root = np.sqrt(counts.astype(float))
        around = root - root.mean(axis=0)
        share = sum((state == s).mean() * around[state == s].mean(axis=0) ** 2 for s in np.unique(state))
        lasting = (around[1:] * around[:-1]).mean(axis=0)
        return (
            np.log(counts.mean(axis=0)).mean(),
            (share / root.var(axis=0)).mean(),
            (lasting / root.var(axis=0)).mean(),
        )

    pairs = []
    for seed in range(12):
        options = {"n_units": 60, "seed": seed}
        counts = np.concatenate(list(sleep_blocks(2000, bin_size=4.0, **options)))
        other = myow.load("simulated-sleep", n_bins=2000, **options)
        state = sleep_states(2000, bin_size=4.0, seed=seed)
        pairs.append((measure(counts, state), measure(other.counts, other.labels["state"])))
    ours, theirs = np.mean(pairs, axis=0)
    np.testing.assert_allclose(ours, theirs, atol=0.15)
    assert ours[1] > 0.1
    with pytest.raises(SettingError, match="n_units is 0"):
        sleep_blocks(10, n_units=0)


def test_the_command_line_trains_draws_and_embeds_without_loading(tmp_path, monkeypatch):
    held = reach(n_segments=300)
    put(tmp_path, held).close()
    file, out = str(tmp_path / "contiguous.h5"), str(tmp_path / "run")
    read = []
    gather = StoredCounts.gather
    monkeypatch.setattr(StoredCounts, "gather", lambda self, rows: read.append(len(rows)) or gather(self, rows))
    for where in ("io.on_disk.BLOCK", "training.rows.BLOCK", "training.augment.MOST_VALUES"):
        monkeypatch.setattr(f"myow.{where}", 500 * held.n_units)
    monkeypatch.setattr("myow.methods.candidates.AT_ONCE", 500)
    monkeypatch.setattr("myow.methods.recordings.COMPONENT_ROWS", 500)
    monkeypatch.setattr("myow.figures.run_figures.MOST_ROWS", 500)
    called = command(
        "train", file, "--out", out, "--data", "stored=1", "--quiet", "--no-report", *QUICK, "--set", "batch_size=8"
    )
    assert called.code == 0, called.err
    assert max(read) <= 2 * 512  # of 3,600 rows: those that are measured, with their neighbours
    assert (tmp_path / "run" / "embedding_2d.png").exists()
    z = tmp_path / "z.npz"
    assert command("embed", out, file, "--out", str(z), "--device", "cpu").code == 0
    with np.load(z) as arrays:
        found = arrays["z"]
        np.testing.assert_array_equal(arrays["label_direction"], held.labels["direction"])
    np.testing.assert_array_equal(found, myow.load_model(tmp_path / "run" / "model.myow").transform(held))
    assert (
        "did you mean 'labels'"
        in command("train", file, "--out", out + "2", "--data", "stored=1", "--data", "label=x").error()
    )
    assert "there is no file" in command("train", file + "5", "--out", out + "2", "--data", "stored=1").error()
