"""Folders of Kilosort, phy and suite2p."""

import datetime
from pathlib import Path

import numpy as np
import pytest
from command import myow as command

import myow
from myow.errors import DataError, FileError

RATE = 30_000
TRAINS = {2: [0.05, 0.12, 0.33], 5: [0.15, 0.16], 9: [0.01, 0.29]}
SPANS = [[0.0, 0.4]]
COUNTS = {2: [1, 1, 0, 1], 5: [0, 2, 0, 0], 9: [1, 0, 1, 0]}


@pytest.fixture
def phy(tmp_path):
    """A folder as phy leaves it: samples in rising order, and clusters of which one is noise."""
    folder = tmp_path / "sorted"
    folder.mkdir()
    times = np.concatenate([np.array(train) for train in TRAINS.values()])
    clusters = np.repeat(list(TRAINS), [len(train) for train in TRAINS.values()])
    order = np.argsort(times)
    np.save(folder / "spike_times.npy", np.rint(times[order] * RATE).astype(np.uint64)[:, None])
    np.save(folder / "spike_clusters.npy", clusters[order].astype(np.int32))
    (folder / "params.py").write_text(
        "dat_path = 'a.dat'\nn_channels_dat = 4\ndtype = 'int16'\noffset = 0\nsample_rate = 30000.\nhp_filtered = False\n"
    )
    (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n2\tgood\n5\tmua\n9\tgood\n")
    return folder


def test_good_clusters_are_read_in_seconds(phy):
    rec = myow.read(phy, bin_size=0.1, segments=SPANS)
    assert rec.units == ("2", "9")
    assert rec.counts.T.tolist() == [COUNTS[2], COUNTS[9]]
    assert rec.name == "sorted"
    assert "30000 a second by params.py" in rec.source["used"]
    assert "group=good" in rec.source["used"]


def test_units_may_be_asked_for(phy):
    rec = myow.read(phy, bin_size=0.1, segments=SPANS, units="group=good|mua")
    assert rec.counts.T.tolist() == list(COUNTS.values())
    assert myow.read(phy, bin_size=0.1, segments=SPANS, units=["5"]).counts.T.tolist() == [COUNTS[5]]


def test_labels_of_kilosort_count_where_nobody_curated_and_all_where_there_are_none(phy):
    (phy / "cluster_group.tsv").unlink()
    rec = myow.read(phy, bin_size=0.1, segments=SPANS)
    assert rec.n_units == 3
    assert "all 3 clusters" in rec.source["used"]
    (phy / "cluster_KSLabel.tsv").write_text("cluster_id\tKSLabel\n2\tmua\n5\tgood\n9\tmua\n")
    assert myow.read(phy, bin_size=0.1, segments=SPANS).units == ("5",)
    (phy / "spike_clusters.npy").rename(phy / "spike_templates.npy")
    assert myow.read(phy, bin_size=0.1, segments=SPANS).units == ("5",)
    (phy / "cluster_info.tsv").write_text(
        "cluster_id\tKSLabel\tdepth\tgroup\n2\tgood\t10\t\n5\tgood\t20\tnoise\n9\tmua\t30\tgood\n"
    )
    assert myow.read(phy, bin_size=0.1, segments=SPANS).units == ("9",)  # what a person said goes before
    assert myow.read(phy, bin_size=0.1, segments=SPANS, units="depth=10|20").units == ("2", "5")


def test_what_is_missing_is_said(phy):
    (phy / "cluster_group.tsv").write_text("cluster_id\tgroup\n2\tmua\n5\tnoise\n9\tnoise\n")
    with pytest.raises(DataError, match=r"no cluster is good by group \(1 mua, 2 noise\)"):
        myow.read(phy, bin_size=0.1)
    with pytest.raises(DataError, match="bin_size"):
        myow.read(phy, units="group=mua")
    (phy / "params.py").write_text("import os\nsample_rate = os.system('true')\n")
    with pytest.raises(DataError, match="does not say the sampling rate"):
        myow.read(phy, bin_size=0.1)
    (phy / "params.py").unlink()
    with pytest.raises(DataError, match=r"no params.py.*sample_rate = 30000"):
        myow.read(phy, bin_size=0.1)
    np.save(phy / "spike_clusters.npy", np.arange(3))
    with pytest.raises(DataError, match=r"7 spikes, but spike_clusters\.npy 3"):
        myow.read(phy, bin_size=0.1)
    whole = (phy / "spike_times.npy").read_bytes()
    for size in (0, 7, 100, len(whole) - 3):
        (phy / "spike_times.npy").write_bytes(whole[:size])
        with pytest.raises((DataError, FileError)) as caught:
            myow.read(phy, bin_size=0.1)
        assert "\n" not in str(caught.value)


def test_a_folder_of_something_else_is_said_to_be_one(tmp_path):
    with pytest.raises(FileError, match="is a folder, and holds neither"):
        myow.read(tmp_path, bin_size=0.1)


def test_inspect_and_train_take_a_folder(phy, tmp_path):
    told = command("inspect", phy, "--data", "bin_size=0.02").out
    assert "3 units with spike times; columns group" in told
    done = command(
        "train", phy, "--data", "bin_size=0.02", "--method", "pca", "--set", "dim=2", "--out", tmp_path / "run"
    )
    assert (tmp_path / "run").is_dir(), done


@pytest.fixture
def suite2p(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "mouse" / "suite2p" / "plane0"
    folder.mkdir(parents=True)
    for name in ("F", "Fneu", "spks"):
        np.save(folder / f"{name}.npy", rng.gamma(2, size=(4, 50)).astype(np.float32))
    np.save(folder / "iscell.npy", np.array([[1, 0.9], [0, 0.1], [1, 0.8], [1, 0.7]]))
    ops = {"fs": 7.5, "meanImg": np.ones((2, 2)), "xoff": np.arange(3), "tau": np.float64(1), "data_path": ["/data"]}
    ops |= {"date_proc": datetime.datetime(2020, 1, 1), "save_path": Path("/data")}
    np.save(folder / "ops.npy", ops, allow_pickle=True)
    return folder


def test_cells_are_read_a_bin_a_frame(suite2p):
    for folder in (suite2p, suite2p.parent, suite2p.parent.parent):
        rec = myow.read(folder)
        assert rec.bin_size == pytest.approx(1 / 7.5)
        np.testing.assert_allclose(rec.counts, np.load(suite2p / "spks.npy")[[0, 2, 3]].T, rtol=1e-6)
        assert rec.units == ("0", "2", "3")
        assert rec.kind == "continuous"
        assert rec.name == folder.name
    assert "iscell=1" in rec.source["used"]
    assert "spks.npy; signal=NAME takes another: F, Fneu" in rec.source["used"]
    np.testing.assert_allclose(
        myow.read(suite2p, signal="F", units="iscell=0|1").counts, np.load(suite2p / "F.npy").T, rtol=1e-6
    )


def test_frames_are_averaged_in_bins_and_in_segments(suite2p):
    known = np.load(suite2p / "spks.npy")[[0, 2, 3]].T
    rec = myow.read(suite2p, bin_size=2 / 7.5)
    np.testing.assert_allclose(rec.counts, known.reshape(25, 2, 3).mean(axis=1), rtol=1e-5)
    rec = myow.read(suite2p, segments=np.array([[0, 10], [20, 40]]) / 7.5)
    np.testing.assert_allclose(rec.counts, known[[*range(10), *range(20, 40)]], rtol=1e-5)


def test_without_a_known_rate_the_width_of_a_frame_is_asked_for(suite2p):
    (suite2p / "ops.npy").unlink()
    with pytest.raises(DataError, match="give bin_size in seconds, the time from one frame to the next"):
        myow.read(suite2p)
    assert len(myow.read(suite2p, bin_size=0.1)) == 50
    np.save(suite2p / "spks.npy", np.ones((4, 49)))
    with pytest.raises(DataError, match="do not fit"):
        myow.read(suite2p, bin_size=0.1)


def test_several_planes_are_not_mixed(suite2p):
    other = suite2p.parent / "plane1"
    other.mkdir()
    for name in ("F", "iscell"):
        np.save(other / f"{name}.npy", np.ones((2, 5)))
    with pytest.raises(DataError, match="several planes, plane0, plane1; give the folder of one"):
        myow.read(suite2p.parent)
