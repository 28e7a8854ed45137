"""Tables: a row a bin or a row a spike, written by pandas and pyarrow, as counted by hand."""

import json
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import myow as command
from hypothesis import given, settings
from hypothesis import strategies as st
from spike_files import COUNTS as SPIKE_COUNTS
from spike_files import DIRECTION, SEGMENTS, TIMES, TRAINS, TRIALS

import myow
from myow.errors import DataError, FileError, UnknownNameError

COUNTS = np.array([[0, 2], [1, 0], [3, 1], [0, 0]])
WIDE = pd.DataFrame(
    {
        "time": [5.0, 5.1, 5.0, 5.1],
        "trial": [4, 4, 2, 2],
        "unit0": COUNTS[:, 0],
        "unit1": COUNTS[:, 1],
        "velocity_1": [1.5, 2.5, 3.5, 4.5],
        "velocity_0": [1.0, 2.0, 3.0, 4.0],
        "state": ["wake", "wake", "nap, or so", "nap, or so"],
        "correct": [True, False, True, True],
        "direction": [3, 3, 7, 7],
    }
)
WRITE = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "parquet": lambda frame, path: frame.to_parquet(path),
}


@pytest.fixture(params=WRITE)
def save(request, tmp_path):
    def save(frame):
        path = tmp_path / f"session.{request.param}"
        WRITE[request.param](frame, path)
        return path

    return save


def test_a_row_a_bin(save):
    rec = myow.read(save(WIDE), bin_size=0.1)
    np.testing.assert_array_equal(rec.counts, COUNTS)
    assert (rec.units, rec.segments.tolist()) == (("unit0", "unit1"), [4, 4, 2, 2])
    np.testing.assert_allclose(rec.times, [5.0, 5.1, 5.0, 5.1])
    assert set(rec.labels) == {"velocity", "state", "correct", "direction"}
    np.testing.assert_array_equal(rec.labels["velocity"], [[1, 1.5], [2, 2.5], [3, 3.5], [4, 4.5]])
    assert rec.labels["state"].tolist() == WIDE["state"].tolist()
    assert rec.labels["correct"].tolist() == [True, False, True, True]
    assert rec.labels["direction"].dtype.kind == "i"


def test_the_width_of_a_bin_may_stand_in_a_column(save):
    assert myow.read(save(WIDE.assign(bin_size=0.1))).bin_size == 0.1
    with pytest.raises(DataError, match="bin_size differs from row to row"):
        myow.read(save(WIDE.assign(bin_size=[0.1, 0.2, 0.1, 0.1])))


def test_the_width_of_a_bin_that_the_times_tell_is_used_and_said(save):
    rec = myow.read(save(WIDE))
    assert rec.bin_size == 0.1
    assert "bins of 0.1 s: time says so" in rec.source["used"]
    with pytest.raises(DataError, match="no 'bin_size'"):
        myow.read(save(WIDE.drop(columns="time")))
    uneven = WIDE.assign(time=[0.0, 0.1, 0.13, 0.3])
    with pytest.raises(DataError, match="no 'bin_size'"):
        myow.read(save(uneven))


def test_units_by_name_and_by_pattern(save):
    frame = WIDE.rename(columns={"unit0": "n_a", "unit1": "n_b"})
    assert myow.read(save(frame), bin_size=0.1, units="n_*").units == ("n_a", "n_b")
    rec = myow.read(save(frame), bin_size=0.1, units="n_b", labels="direction")
    assert (rec.units, set(rec.labels)) == (("n_b",), {"direction"})
    frame = WIDE.rename(columns={"unit0": "counts_a", "unit1": "counts_b"})
    assert myow.read(save(frame), bin_size=0.1).units == ("a", "b")
    with pytest.raises(UnknownNameError, match="did you mean 'counts_a'"):
        myow.read(save(frame), bin_size=0.1, units="count_a")
    with pytest.raises(DataError, match="no column is called unit"):
        myow.read(save(WIDE[["time", "trial"]]), bin_size=0.1)
    with pytest.raises(DataError, match="column state holds no numbers"):
        myow.read(save(WIDE), bin_size=0.1, units="unit0,state")


def test_missing_values_are_never_silent(save):
    frame = WIDE.assign(speed=[1.0, np.nan, 3.0, 4.0], state=["a", "b", None, "c"])
    rec = myow.read(save(frame), bin_size=0.1)
    assert not {"speed", "state"} & set(rec.labels)
    assert "speed: no value in 1 of 4 rows; labels=speed leaves those out instead" in rec.source["skipped"]
    rec = myow.read(save(frame), bin_size=0.1, labels="speed,state")
    assert (rec.labels["speed"].tolist(), rec.labels["state"].tolist()) == ([1, 4], ["a", "c"])
    np.testing.assert_array_equal(rec.counts, COUNTS[[0, 3]])
    with pytest.raises(DataError, match="finite"):
        myow.read(save(WIDE.assign(unit0=[0, 1, np.nan, 0])), bin_size=0.1)
    rec = myow.read(save(WIDE.assign(trial=[np.nan, 1, 2, 2])), bin_size=0.1)
    assert rec.segments.tolist() == [1, 2, 2]
    rec = myow.read(save(WIDE.assign(trial=["z", "z", "a", "a"])), bin_size=0.1)
    assert rec.segments.tolist() == [0, 0, 1, 1]


def spikes():
    """A row a spike; the trials of spike_files overlap, so that some spikes are listed in two."""
    rows = []
    for trial, ((start, stop), direction) in enumerate(zip(TRIALS, DIRECTION, strict=True)):
        for unit, train in enumerate(TRAINS):
            rows += [(unit, t, trial, start, stop, direction) for t in train if start <= t < stop]
    frame = pd.DataFrame(rows, columns=["unit", "time", "trial", "trial_start", "trial_stop", "direction"])
    return frame.assign(amplitude=np.arange(len(frame)) / 10)


def test_a_row_a_spike(save):
    rec = myow.read(save(spikes()), bin_size=0.1)
    assert rec.counts.T.tolist() == SPIKE_COUNTS
    np.testing.assert_allclose(rec.times, TIMES)
    assert (rec.segments.tolist(), rec.units) == (SEGMENTS, ("0", "1", "2"))
    assert rec.labels["direction"].tolist() == [DIRECTION[trial] for trial in SEGMENTS]
    assert "amplitude: it differs inside of a trial" in rec.source["skipped"]
    assert myow.read(save(spikes()), bin_size=0.1, units="1,2").counts.T.tolist() == SPIKE_COUNTS[1:]
    with pytest.raises(DataError, match="width of a bin is missing"):
        myow.read(save(spikes()))


def test_trials_whose_clocks_start_anew_keep_their_own_spikes(save):
    frame = pd.DataFrame(
        {
            "unit": ["b", "a", "b", "b"],
            "time": [0.0, 0.1, 0.3, 0.05],
            "trial": [7, 7, 3, 3],
            "cue": ["l", "l", "r", "r"],
        }
    )
    rec = myow.read(save(frame), bin_size=0.1)
    # Trial 7 from 0.0 to 0.2, where its last spike's bin ends; trial 3 from 0.0 to 0.4.
    assert (rec.units, rec.segments.tolist()) == (("a", "b"), [7, 7, 3, 3, 3, 3])
    assert rec.counts.T.tolist() == [[0, 1, 0, 0, 0, 0], [1, 0, 1, 0, 0, 1]]
    np.testing.assert_allclose(rec.times, [0, 0.1, 0, 0.1, 0.2, 0.3])
    assert rec.labels["cue"].tolist() == ["l"] * 2 + ["r"] * 4
    whole = myow.read(save(frame.drop(columns="trial")), bin_size=0.1)
    assert whole.counts.T.tolist() == [[0, 1, 0, 0], [2, 0, 0, 1]]
    late = myow.read(save(frame.assign(trial_start=0.05, trial_stop=0.3)), bin_size=0.1)
    assert late.counts.T.tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]  # from 0.05, in two whole bins
    assert "2 of 4 spikes: outside of their trial" in late.source["skipped"]


@settings(max_examples=8, deadline=None)
@given(n_bins=st.integers(1, 9), n_units=st.integers(1, 5), seed=st.integers(0, 99))
@pytest.mark.parametrize("form", WRITE)
def test_any_shape_comes_back(tmp_path_factory, form, n_bins, n_units, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.poisson(3.0, (n_bins, n_units)), columns=[f"unit{i}" for i in range(n_units)])
    frame["segment"] = np.sort(rng.integers(0, 3, n_bins))
    frame["place_0"], frame["place_1"] = rng.normal(size=(2, n_bins))
    path = tmp_path_factory.mktemp("shapes") / f"a.{form}"
    WRITE[form](frame, path)
    rec = myow.read(path, bin_size=0.02)
    np.testing.assert_array_equal(rec.counts, frame.iloc[:, :n_units])
    np.testing.assert_array_equal(rec.segments, frame["segment"])
    np.testing.assert_array_equal(rec.labels["place"], frame[["place_0", "place_1"]])


def test_the_command_line_reads_the_same(save):
    frame = WIDE.rename(columns={"unit0": "n0", "unit1": "n1"})
    words = ["--data", "bin_size=0.1", "--data", "units=n*", "--data", "labels=velocity,direction"]
    told = command("inspect", save(frame), *words, "--json").json()
    assert told["recording"].startswith("session: 2 units, 4 bins of 0.1 s")
    assert "n0" in told["found"][0]
    assert "state: a label that was not asked for" in told["skipped"]


# What is a CSV file's own.


def test_marks_semicolons_and_blank_lines(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbf"unit0";unit1;"note; here"\r\n0;2;"a ""b"""\r\n\r\n1;0;c\r\n')
    rec = myow.read(path, bin_size=0.1)
    assert rec.counts.tolist() == [[0, 2], [1, 0]]
    assert rec.labels["note; here"].tolist() == ['a "b"', "c"]


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("", FileError, "first line must name them"),
        ("unit0,unit1\n", DataError, "no row below"),
        ("unit0,unit1\n1,2\n3\n", FileError, "row 2 has 1 cells, but there are 2"),
        ("unit0,unit1\n1,2\n3,4", FileError, "the last line has no end"),
        ("unit0,unit0\n1,2\n", DataError, "several columns called unit0"),
        ("unit0\n-1\n", DataError, "-1 at bin 0, unit 0"),
        ("unit0\nmany\n", DataError, "column unit0 holds no numbers"),
        ('unit0\n"1\n', FileError, "no whole CSV file"),
        ("unit0\n\udcff\n", FileError, "no whole CSV file"),
    ],
)
def test_a_bad_table_is_refused_in_one_line(tmp_path, text, error, said):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(error, match=said) as caught:
        myow.read(path, bin_size=0.1)
    assert "a.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_columns_that_change_their_kind_and_long_texts(tmp_path):
    frame = WIDE.assign(mixed=[1, 2, "x", 4], grows=[1, 2, 2.5, 3], long=["a", "b", "c" * 300, "d"])
    frame = frame.assign(
        words=["NA", "none", "x", "True"], lacking=["1", "n/a", "NULL", " 2.5"], maybe=[True, None, False, True]
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    rec = myow.read(tmp_path / "a.csv", bin_size=0.1)
    np.testing.assert_array_equal(rec.counts, COUNTS)
    assert rec.labels["mixed"].tolist() == ["1", "2", "x", "4"]
    assert rec.labels["grows"].tolist() == [1, 2, 2.5, 3]
    assert rec.labels["words"].tolist() == ["NA", "none", "x", "True"]  # among texts these are values
    assert "lacking: no value in 2 of 4 rows" in rec.source["skipped"]
    assert "maybe: no value in 1 of 4 rows" in rec.source["skipped"]
    assert "long: texts longer than 256 characters" in rec.source["skipped"]
    assert myow.read(tmp_path / "a.csv", bin_size=0.1, labels="lacking").labels["lacking"].tolist() == [1, 2.5]
    assert myow.read(tmp_path / "a.csv", bin_size=0.1, labels="maybe").labels["maybe"].tolist() == [
        "True",
        "False",
        "True",
    ]


def test_a_cell_of_many_lines_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text('unit0\n"' + "1\n" * 100_000)
    with pytest.raises(FileError, match="field larger than"):
        myow.read(tmp_path / "a.csv", bin_size=0.1)


# What is Parquet's own.


def test_what_is_kept_beside_the_columns(tmp_path):
    kept = {"bin_size": 0.1, "kind": "continuous", "name": "day 1", "periods": {"direction": 8}, "source": {"a": "b"}}
    table = pa.Table.from_pandas(WIDE.rename(columns={"unit0": "x", "unit1": "y"}))
    table = table.replace_schema_metadata({b"myow": json.dumps(kept | {"units": ["x", "y"]})})
    pq.write_table(table, tmp_path / "a.parquet")
    rec = myow.read(tmp_path / "a.parquet")
    assert (rec.bin_size, rec.kind, rec.name, dict(rec.periods)) == (0.1, "continuous", "day 1", {"direction": 8})
    assert (rec.units, rec.source["a"]) == (("x", "y"), "b")
    for bad in (b"[1]", b"{", b'{"periods": 3, "units": 5, "bin_size": []}'):
        pq.write_table(table.replace_schema_metadata({b"myow": bad}), tmp_path / "a.parquet")
        assert myow.read(tmp_path / "a.parquet", units="x,y", bin_size=0.1).kind == "counts"


def test_columns_that_are_neither_numbers_nor_texts(tmp_path):
    table = pa.Table.from_pandas(WIDE).append_column("list", pa.array([[1], [2], [3], [4]]))
    table = table.append_column("long", pa.array(["x" * 300] * 4)).append_column(
        "name", pa.array(["b", None, "a", "b"]).dictionary_encode()
    )
    pq.write_table(table, tmp_path / "a.parquet")
    rec = myow.read(tmp_path / "a.parquet", bin_size=0.1)
    assert "list: neither numbers nor texts" in rec.source["skipped"]
    assert "long: " in rec.source["skipped"]
    assert myow.read(tmp_path / "a.parquet", bin_size=0.1, labels="name").labels["name"].tolist() == ["b", "a", "b"]


# What stands above the names of columns, and tables that are none of ours.


@pytest.mark.parametrize(
    ("text", "skipped"),
    [
        ("# recorded by x\ntime,unit0\n0.0,1\n0.1,2\n", "a line of comment at the top"),
        ("# by x, y\n#\n\ntime;unit0\n0.0;1\n0.1;2\n", "3 lines of comment at the top"),
        ("# time,unit0\n0.0,1\n0.1,2\n", "nothing"),  # as numpy.savetxt writes names
        ("# by x\n# time,unit0\n0.0,1\n0.1,2\n", "a line of comment at the top"),
    ],
)
def test_lines_of_comment_at_the_top_are_left_out_and_said(tmp_path, text, skipped):
    (tmp_path / "a.csv").write_text(text)
    rec = myow.read(tmp_path / "a.csv", bin_size=0.1)
    assert (rec.counts.tolist(), rec.times.tolist()) == ([[1], [2]], [0.0, 0.1])
    assert rec.source["skipped"] == skipped


def test_a_table_parted_by_spaces_and_an_embedding_are_named(tmp_path):
    (tmp_path / "a.csv").write_text("timestamps population node_ids\n308.9 LGN 0\n")
    with pytest.raises(DataError, match=r"has one column.*commas, semicolons or tabs, not by spaces"):
        myow.read(tmp_path / "a.csv", bin_size=0.1)
    rec = myow.Recording(np.arange(20).reshape(10, 2), bin_size=0.1)
    myow.write(tmp_path / "z.csv", myow.embed(myow.PCA(dim=2).fit(rec), rec))
    with pytest.raises(DataError, match="time, segment, pca0, pca1 are those of an embedding"):
        myow.read(tmp_path / "z.csv", bin_size=0.1)


# Tables with a row a bin and unit.

COUNTED = pd.DataFrame({"unit": [1, 2, 1, 2], "time": [0.0, 0.0, 0.1, 0.1], "count": [3, 1, 0, 2]})


@pytest.mark.parametrize("name", ["count", "spike_count", "n_spikes", "Spike Count"])
def test_a_row_a_bin_and_unit_is_turned_into_a_row_a_bin(save, name):
    path = save(COUNTED.rename(columns={"count": name}))
    for options in ({}, {"bin_size": 0.1}):
        rec = myow.read(path, **options)
        assert (rec.counts.tolist(), rec.units, rec.times.tolist()) == ([[3, 1], [0, 2]], ("1", "2"), [0.0, 0.1])
    assert f"a row a bin and unit, of which {name} is the count" in rec.source["used"]


def test_labels_trials_and_regions_of_a_row_a_bin_and_unit():
    known = COUNTED.assign(region=["x", "y"] * 2)
    later = known.assign(trial=2, side="r", count=[9, 8, 7, 6], speed=[3.0, 3.0, 4.0, 4.0])
    frame = pd.concat([known.assign(trial=7, side="l", speed=[1.0, 1.0, 2.0, 2.0]), later])
    rec = myow.read(frame.sample(frac=1, random_state=0).sort_values("trial", ascending=False), bin_size=0.1)
    assert rec.counts.tolist() == [[3, 1], [0, 2], [9, 8], [7, 6]]
    assert (rec.segments.tolist(), rec.labels["side"].tolist()) == ([7, 7, 2, 2], ["l", "l", "r", "r"])
    assert (rec.labels["speed"].tolist(), set(rec.labels)) == ([1, 2, 3, 4], {"side", "speed"})
    assert myow.read(frame, bin_size=0.1, units="region=y").counts.ravel().tolist() == [1, 2, 8, 6]
    with pytest.raises(DataError, match=r"unit 1 has two rows at 0 s; .* in a column trial"):
        myow.read(frame.drop(columns=["trial"]), bin_size=0.1)


def test_bins_and_units_without_a_row_count_zero_where_no_row_says_zero():
    sparse = pd.DataFrame({"unit": ["a", "b", "a"], "time": [0.0, 0.3, 0.3], "count": [2, 1, 4], "side": "l"})
    rec = myow.read(sparse, bin_size=0.1)
    assert (rec.counts.tolist(), len(rec.labels["side"])) == ([[2, 0], [0, 0], [0, 0], [4, 1]], 4)
    assert "5 of 8 pairs of a bin and a unit have no row: counts of 0" in rec.source["used"]
    with pytest.raises(DataError, match="1 of 4 pairs of a bin and a unit have no row, although counts of 0 have one"):
        myow.read(COUNTED[:3], bin_size=0.1)


def test_values_of_bins_and_units_are_no_spikes(save):
    path = save(COUNTED.rename(columns={"count": "dff"}))
    with pytest.raises(DataError, match=r"each of the 2 units has a row at each of 2 times.*counts=dff"):
        myow.read(path, bin_size=0.1)
    rec = myow.read(path, bin_size=0.1, counts="dff", kind="continuous")
    assert (rec.counts.tolist(), rec.kind) == ([[3, 1], [0, 2]], "continuous")
    with pytest.raises(DataError, match="counts names a column where a row is a bin and a unit"):
        myow.read(WIDE, bin_size=0.1, counts="unit0")


# Tables with a row a spike.

SPIKES = pd.DataFrame({"unit": [1, 1, 2, 1], "time": [0.05, 0.25, 0.11, 1.05], "trial": [0, 0, 0, 1]})
OF_TRIALS = [[1, 0], [0, 1], [1, 0], [0, 0], [1, 0], [0, 0]]  # from 0 to 0.4 s and from 1.0 to 1.2 s


def test_segments_that_are_given_are_cut_from_the_spikes():
    frame = pd.DataFrame({"unit": [1, 1], "time": [0.0, 1.05]})
    rec = myow.read(frame, bin_size=0.1, segments=[[0, 0.4], [1, 1.2], [0.05, 0.25]])
    assert rec.counts.ravel().tolist() == [1, 0, 0, 0, 1, 0, 0, 0]
    np.testing.assert_allclose(rec.times, [0, 0.1, 0.2, 0.3, 1.0, 1.1, 0.05, 0.15])
    around = myow.read(frame, bin_size=0.1, align=[0.02, 1.03], window="0.05,0.15")
    assert (around.counts.ravel().tolist(), around.segments.tolist()) == ([1, 0, 1, 0], [0, 0, 1, 1])
    whole = myow.read(SPIKES, bin_size=0.1, segments="whole")
    assert (len(whole), whole.counts.sum(), whole.n_segments) == (11, 4, 1)
    with pytest.raises(DataError, match="a clock of its own"):
        myow.read(SPIKES.assign(time=[0.05, 0.25, 0.11, 0.1]), bin_size=0.1, segments="whole")


@pytest.mark.parametrize(
    "names",
    [
        ("start_time", "stop_time"),
        ("tStart", "tEnd"),
        ("Trial Start", "Trial End"),
        ("onset", "offset"),
        ("onset", "duration"),
    ],
)
def test_usual_names_of_starts_and_stops_bound_the_trials(names):
    stops = [0.4, 0.4, 0.4, 0.2 if names[1] == "duration" else 1.2]
    frame = SPIKES.assign(**{names[0]: [0, 0, 0, 1.0], names[1]: stops})
    for table in (frame, frame.drop(columns="trial")):
        rec = myow.read(table, bin_size=0.1)
        assert (rec.counts.tolist(), rec.segments.tolist()) == (OF_TRIALS, [0, 0, 0, 0, 1, 1])
        assert not rec.labels


def test_bounds_that_contradict_the_spikes_are_refused():
    with pytest.raises(DataError, match="start or stop is missing or differs inside of trial 0"):
        myow.read(SPIKES.assign(start=[0, 0.1, 0, 1], stop=[0.4, 0.4, 0.4, 1.2]), bin_size=0.1)
    with pytest.raises(DataError, match=r"4 of 4 spikes are outside of their trial.*one clock"):
        myow.read(SPIKES.assign(start=[10, 10, 10, 11], stop=[10.5, 10.5, 10.5, 12]), bin_size=0.1)


@pytest.mark.parametrize(
    ("unit", "time"),
    [
        ("cluster_id", "timestamps"),
        ("neuron_id", "t"),
        ("cell", "timestamp"),
        ("spike_clusters", "spike_times"),
        ("node_ids", "timestamps"),
        ("Unit", "Time (s)"),
    ],
)
def test_usual_names_of_units_and_times_are_those_of_from_spikes(save, unit, time):
    frame = SPIKES.rename(columns={"unit": unit, "time": time})
    rec = myow.read(save(frame), bin_size=0.1)
    assert (rec.counts.tolist(), rec.units) == ([[1, 0], [0, 1], [1, 0], [1, 0]], ("1", "2"))
    again = myow.Recording.from_spikes(frame, [[0, 0.3], [1.0, 1.1]], bin_size=0.1)
    assert again.counts.tolist() == rec.counts.tolist()


def test_two_columns_that_may_be_meant_are_refused():
    with pytest.raises(DataError, match="unit and cluster may both be meant, and differ"):
        myow.read(SPIKES.assign(cluster=[5, 6, 7, 8]), bin_size=0.1)


# Columns that are units, and numbers that are none.


def test_a_property_or_a_sum_of_units_is_no_unit():
    rec = myow.read(SPIKES.assign(unit_depth=[3, 3, 4, 3]), bin_size=0.1, units="unit_depth=4")
    assert (rec.units, rec.counts.sum()) == (("2",), 1)
    frame = pd.DataFrame({"time": [0.0, 0.1], "unit_a": [1, 2], "unit_b": [0, 4], "units_total": [1, 6]})
    for total in ("units_total", "unit_sum"):
        assert myow.read(frame.rename(columns={"units_total": total})).units == ("unit_a", "unit_b")
    with pytest.raises(DataError, match="only time, unit_left, unit_depth; say which are units"):
        myow.read(pd.DataFrame({"time": [0, 0.1], "unit_left": [1, 2], "unit_depth": [3, 4]}), bin_size=0.1)
    counts = pd.DataFrame({"counts_a": [1, 2], "counts_b": [0, 1], "counts_total": [1, 3]})
    assert myow.read(counts, bin_size=0.1).units == ("a", "b")


def test_a_first_line_of_numbers_is_no_line_of_names(tmp_path):
    path = tmp_path / "a.csv"
    for text in ("0.0,1,2\n0.1,2,3\n", "1,0,1\n2,2,3\n", "0,1\n1,0\n", "0\n1\n"):
        path.write_text(text)
        with pytest.raises(DataError, match=r"the first line holds numbers.*add a line of names"):
            myow.read(path, bin_size=0.1, units="*")
    pd.DataFrame(COUNTS @ np.ones((2, 3), dtype=int)).to_csv(path, index=False)
    rec = myow.read(path, bin_size=0.1, units="*")
    assert (rec.n_units, len(rec)) == (3, 4)
    assert "the first line, 0 to 2, as names of columns" in rec.source["used"]


@pytest.mark.filterwarnings("ignore")
def test_whole_times_far_apart_may_be_milliseconds(tmp_path):
    path = tmp_path / "a.csv"
    pd.DataFrame({"time": [0, 20, 40], "unit0": [1, 2, 1]}).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"rises by 20 from row to row: seconds or milliseconds.*bin_size=20"):
        myow.read(path)
    assert myow.read(path, bin_size=20).times.tolist() == [0, 20, 40]
    with pytest.raises(DataError, match="times are 20 s apart"):
        myow.read(path, bin_size=0.02)


def test_bins_of_seconds_that_may_be_milliseconds_are_warned_of():
    rng = np.random.default_rng(0)
    with pytest.warns(UserWarning, match=r"fires at 0\.0\d+ Hz in the mean; are .* bins of 20 s both in seconds"):
        myow.read(pd.DataFrame(rng.poisson(0.8, (60, 4))), bin_size=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        myow.read(pd.DataFrame(rng.poisson(60, (60, 4))), bin_size=60)  # a night of a unit with 1 Hz


def test_names_with_capitals_and_decimals_with_commas(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("Time;Trial;unit0;Speed\n0,0;1;3;0,5\n0,1;1;0;1,25\n0,0;2;1;2\n0,1;2;4;-3,5e1\n")
    rec = myow.read(path)
    assert (rec.bin_size, rec.segments.tolist(), rec.counts.ravel().tolist()) == (0.1, [1, 1, 2, 2], [3, 0, 1, 4])
    assert rec.times.tolist() == [0, 0.1, 0, 0.1]
    assert (rec.labels["Speed"].tolist(), set(rec.labels)) == ([0.5, 1.25, 2, -35], {"Speed"})
    assert "Speed: commas in its numbers are decimal points" in rec.source["used"]


def test_units_that_are_numbered_anew_on_each_electrode_are_refused():
    frame = SPIKES.assign(electrode=[1, 2, 1, 2])
    for read in (myow.read, myow.Recording.from_spikes):
        with pytest.raises(DataError, match="unit 1 is on 2 of electrode: if units are numbered anew on each"):
            read(frame, bin_size=0.1)
        assert read(frame.assign(electrode=[7, 7, 8, 7]), bin_size=0.1).n_units == 2


def test_what_excel_writes(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("sep=;\ntime;unit0;x;y;z\n0,0;3;1,5;1.000,5;0,5\n0,1;0;#NV;2.000,5;1\n")
    rec = myow.read(path)
    assert (rec.counts.ravel().tolist(), rec.labels.keys()) == ([3, 0], {"z"})
    assert "x: no value in 1 of 2 rows" in rec.source["skipped"]
    assert "y: numbers with commas, such as 1.000,5; write decimal points" in rec.source["skipped"]
    assert myow.read(path, labels="x").labels["x"].tolist() == [1.5]
