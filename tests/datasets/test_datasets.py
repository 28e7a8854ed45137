"""Recordings by name: cards, simulations, published files and what is said when they are missing."""

import hashlib
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat
from sklearn.linear_model import LogisticRegression, Ridge

from myow import datasets
from myow.datasets import reaching, rodent
from myow.errors import DataError, FileError, SettingError, UnknownNameError
from myow.io.download import locate

PUBLISHED = {
    "chewie-1": (174, 895, 159),
    "chewie-2": (155, 835, 180),
    "mihi-1": (187, 1082, 209),
    "mouse-ca1": (42, 10_800, 1),
}


def at_hand(name):
    if not os.environ.get("MYOW_DATA"):
        pytest.skip("MYOW_DATA is not set, so the published recordings are not at hand")
    if any(locate(file) is None for file in datasets.card(name).files):
        pytest.skip(f"{name} is not in the folder that MYOW_DATA names")


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty folder for data and cache, and no network."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("MYOW_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MYOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MYOW_OFFLINE", "1")
    return tmp_path / "data"


# Cards and names.


def test_every_recording_has_a_card():
    cards = {c.name: c for c in datasets.cards()}
    assert {"simulated-reach", "simulated-sleep", "mihi-2", "rat-v1", *PUBLISHED} <= set(cards)
    for card in cards.values():
        described = card.describe()
        assert set(described) == {
            "name", "data", "kind", "units", "bins", "bin_size", "segments", "available", "licence", "citation"
        }  # fmt: skip
        assert card.kind in ("published", "simulated")
        assert card.licence
        assert card.citation
        assert all(file.checksum[1] and file.url.startswith("https://") for file in card.files)
    assert cards["chewie-1"].split.fractions == (0.8, 0.1, 0.1)
    assert cards["chewie-1"].split.by == "segment"
    assert cards["mouse-ca1"].split.fractions == (0.7, 0.1, 0.2)
    assert cards["mouse-ca1"].split.by == "time"
    assert cards["simulated-reach"].split is None


def test_available_says_whether_files_are_at_hand(empty):
    available = {c.name: c.available for c in datasets.cards()}
    assert available["simulated-reach"]
    assert available["simulated-sleep"]
    assert not any(available[name] for name in (*PUBLISHED, "mihi-2", "rat-v1"))
    (empty / "full-mihi-03062014.mat").write_bytes(b"")
    (empty / rodent.FILES["rat-v1"][1].name).write_bytes(b"")
    assert datasets.card("mihi-2").available
    assert not datasets.card("rat-v1").available  # the counts are still missing


def test_unknown_names_and_options_list_the_choices():
    for call in (datasets.load, datasets.card):
        with pytest.raises(UnknownNameError, match="unknown dataset 'chewy-1'; did you mean 'chewie-1'"):
            call("chewy-1")
    with pytest.raises(SettingError, match=r"'binsize'; did you mean 'bin_size'.*speed_threshold"):
        datasets.load("chewie-1", binsize=0.1)
    with pytest.raises(SettingError, match="Choices: none"):
        datasets.load("mouse-ca1", seed=1)


@pytest.mark.parametrize("name", [*PUBLISHED, "mihi-2", "rat-v1"])
def test_a_missing_file_says_where_to_get_it(empty, name):
    with pytest.raises(FileError) as caught:
        datasets.load(name)
    text = str(caught.value)
    assert "MYOW_DATA" in text
    assert "https://raw.githubusercontent.com/nerdslab/myow-neuro/" in text
    assert "\n" not in text


# Simulated recordings.


@pytest.mark.parametrize("name", ["simulated-reach", "simulated-sleep"])
def test_a_simulation_is_as_its_card_says_and_follows_its_seed(name):
    card, rec = datasets.card(name), datasets.load(name)
    assert (rec.n_units, len(rec), rec.n_segments, rec.bin_size) == (
        card.units,
        card.bins,
        card.segments,
        card.bin_size,
    )
    assert rec.digest() == datasets.load(name, seed=0).digest()
    assert rec.digest() != datasets.load(name, seed=1).digest()
    assert rec.labels["latent"].shape == (len(rec), 2)
    assert rec.labels["gain"].shape == (len(rec),)
    assert card.target in rec.labels


def test_reaches_have_trials_of_one_direction_and_a_bell_of_speed():
    rec = datasets.load("simulated-reach", n_trials=80, n_units=20, seed=3)
    assert dict(rec.periods) == {"direction": 8}
    directions = []
    for trial in range(80):
        rows = rec.segments == trial
        assert 5 <= rows.sum() <= 8
        assert rec.bins[rows].tolist() == list(range(rows.sum()))
        (direction,) = np.unique(rec.labels["direction"][rows])
        directions.append(direction)
        latent = rec.labels["latent"][rows]
        speed = np.linalg.norm(latent, axis=1)
        top = speed.argmax()
        assert (np.diff(speed[: top + 1]) > -1e-6).all()
        assert (np.diff(speed[top:]) < 1e-6).all()
        assert 0.9 < speed.max() <= 1.0 + 1e-6
        angle = np.arctan2(latent[:, 1], latent[:, 0])
        assert np.ptp(np.unwrap(angle)) < 1e-5  # the population's direction is constant inside a trial
        assert abs(np.angle(np.exp(1j * (angle[0] - 2 * np.pi * direction / 8)))) < 5 * np.pi / 20
    assert np.bincount(directions).tolist() == [10] * 8


def test_reach_rates_are_as_wide_as_the_monkeys():
    rec = datasets.load("simulated-reach")
    rate = rec.counts.mean(axis=0) / rec.bin_size
    assert 0.2 < np.median(rate) < 0.8
    assert 2.0 < rate.mean() < 5.0
    assert np.quantile(rate, 0.95) > 8


def test_reach_units_are_tuned_and_poisson():
    rec = datasets.load("simulated-reach", n_trials=1600, n_units=60, seed=5)
    latent, gain = rec.labels["latent"], rec.labels["gain"]
    design = np.column_stack([np.ones(len(rec)), latent, gain])
    for unit in np.flatnonzero(rec.counts.mean(axis=0) > 0.5)[:5]:
        counts = rec.counts[:, unit].astype(float)
        weights = np.zeros(4)
        weights[0] = np.log(counts.mean())
        for _ in range(20):  # Newton's method for the log-linear Poisson model
            mean = np.exp(design @ weights)
            weights += np.linalg.solve(design.T * mean @ design, design.T @ (counts - mean))
        mean = np.exp(design @ weights)
        assert np.hypot(*weights[1:3]) > 0.2
        assert abs(((counts - mean) ** 2 / mean).mean() - 1) < 0.06  # variance equals mean, given latent and gain


def test_reach_is_about_as_hard_as_the_monkeys_with_few_labels():
    rec = datasets.load("simulated-reach")
    x, y, trial = np.sqrt(rec.counts.astype(float)), rec.labels["direction"], rec.segments
    x = (x - x.mean(axis=0)) / x.std()
    of_trial = y[np.searchsorted(trial, np.arange(rec.n_segments))]
    scores = []
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(rec.n_segments)
        test, rest = order[:32], order[32:]
        labelled = np.concatenate([rest[of_trial[rest] == d][:5] for d in range(8)])
        train, test = np.isin(trial, labelled), np.isin(trial, test)
        scores.append(LogisticRegression(C=0.01, max_iter=200).fit(x[train], y[train]).score(x[test], y[test]))
    assert 0.5 < np.mean(scores) < 0.72


def test_gain_drifts_slowly_and_moves_the_counts():
    rec = datasets.load("simulated-reach", seed=2)
    gain, total = rec.labels["gain"], rec.counts.sum(axis=1)
    assert np.corrcoef(gain[1:], gain[:-1])[0, 1] > 0.9
    assert np.corrcoef(gain, total)[0, 1] > 0.2


def test_sleep_dwells_for_minutes_and_enters_rem_from_nrem_alone():
    state = np.concatenate([datasets.load("simulated-sleep", seed=s, n_units=2).labels["state"] for s in range(6)])
    recordings = state.reshape(6, -1)
    pairs = {(a, b) for row in recordings for a, b in zip(row[:-1], row[1:], strict=True) if a != b}
    assert pairs == {(0, 1), (1, 0), (1, 2), (2, 0), (2, 1)}
    dwell = {0: [], 1: [], 2: []}
    for row in recordings:
        edges = np.flatnonzero(np.diff(row)) + 1
        for run in np.split(row, edges)[1:-1]:
            dwell[int(run[0])].append(len(run) * 4 / 60)
    means = [np.mean(dwell[s]) for s in range(3)]  # minutes
    assert abs(means[0] - 12) < 3
    assert abs(means[1] - 9) < 2
    assert abs(means[2] - 2.5) < 0.5
    share = np.bincount(state) / len(state)
    assert (share > 0.05).all()


def test_sleep_states_are_read_about_as_well_as_the_mouse():
    rec = datasets.load("simulated-sleep", n_bins=6000)
    train, test = rec.split(0.7, 0.3, by="time")
    x, x_test = np.sqrt(train.counts.astype(float)), np.sqrt(test.counts.astype(float))
    mean, scale = x.mean(axis=0), x.std(axis=0)
    fit = LogisticRegression(C=0.1, max_iter=300).fit((x - mean) / scale, train.labels["state"])
    assert 0.84 < fit.score((x_test - mean) / scale, test.labels["state"]) < 0.97


@pytest.mark.parametrize("name", ["simulated-reach", "simulated-sleep"])
def test_the_latent_state_can_be_read_from_the_counts(name):
    rec = datasets.load(name)
    train, test = rec.split(0.8, 0.2, by="segment" if rec.n_segments > 1 else "time")
    fit = Ridge(50.0).fit(np.sqrt(train.counts), train.labels["latent"])
    assert fit.score(np.sqrt(test.counts), test.labels["latent"]) > 0.5


@settings(max_examples=25, deadline=None)
@given(
    n_units=st.integers(1, 12),
    n_trials=st.integers(1, 20),
    n_bins=st.integers(2, 9),
    width=st.sampled_from([0.02, 0.1, 5.0]),
)
def test_any_size_of_simulation_is_a_recording(n_units, n_trials, n_bins, width):
    rec = datasets.load("simulated-reach", n_units=n_units, n_trials=n_trials, n_bins=n_bins, bin_size=width)
    assert (rec.n_units, rec.n_segments) == (n_units, n_trials)
    rec = datasets.load("simulated-sleep", n_units=n_units, n_bins=n_bins, bin_size=width)
    assert (rec.n_units, len(rec)) == (n_units, n_bins)


@pytest.mark.parametrize("name", ["simulated-reach", "simulated-sleep"])
@pytest.mark.parametrize(
    "options", [{"seed": -1}, {"seed": 0.5}, {"n_units": 0}, {"n_bins": "many"}, {"bin_size": 0}, {"bin_size": "x"}]
)
def test_impossible_simulations_are_refused(name, options):
    with pytest.raises(SettingError, match=next(iter(options))):
        datasets.load(name, **options)


# The published recordings.


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_recording_is_as_its_card_says(name):
    at_hand(name)
    card, rec = datasets.card(name), datasets.load(name)
    assert card.available
    assert (rec.n_units, len(rec), rec.n_segments) == PUBLISHED[name] == (card.units, card.bins, card.segments)
    assert rec.bin_size == card.bin_size
    assert rec.kind == "counts"
    assert np.unique(rec.labels[card.target]).tolist() == list(range(8 if card.readout == "angle" else 3))
    assert rec.source["licence"] == "Apache-2.0"
    assert rec.source["file"] == card.files[0].name
    assert rec.source["sha256"] == card.files[0].sha256
    assert rec.digest() == datasets.load(name).digest()
    parts = rec.split(*card.split.fractions, by=card.split.by)
    assert sum(map(len, parts)) == len(rec)


def test_chewie_1_by_known_values():
    at_hand("chewie-1")
    rec = datasets.load("chewie-1")
    test = rec.split(0.8, 0.1, 0.1)[2]
    assert len(test) == 79  # as documented for the released split
    speed = np.linalg.norm(rec.labels["velocity"], axis=1)
    assert speed.min() > 5
    assert {k: v.shape[1:] for k, v in rec.labels.items()} == {
        "direction": (), "position": (2,), "velocity": (2,), "acceleration": (2,), "force": (2,)
    }  # fmt: skip
    assert dict(rec.periods) == {"direction": 8}
    # Trial 1 keeps bins 0 to 5 and 7; trial 0 keeps 1 to 6, so trial 1 starts 7 bins after the beginning.
    assert rec.bins[rec.segments == 1].tolist() == [0, 1, 2, 3, 4, 5, 7]
    assert np.rint(rec.times[:13] / 0.1).tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14]
    assert (np.diff(rec.times) > 0.099).all()


def test_variants_of_chewie_1_agree_with_each_other():
    at_hand("chewie-1")
    moving, every = datasets.load("chewie-1"), datasets.load("chewie-1", speed_threshold=0)
    assert (len(moving), len(every)) == (895, 1640)
    kept = np.linalg.norm(every.labels["velocity"], axis=1) > 5
    np.testing.assert_array_equal(every.counts[kept], moving.counts)
    np.testing.assert_array_equal(every.segments[kept], moving.segments)
    fine = datasets.load("chewie-1", bin_size=0.05)
    assert (len(fine), fine.bin_size, fine.n_segments) == (1731, 0.05, 159)


def test_what_was_not_recorded_is_no_label():
    at_hand("mihi-1")
    assert set(datasets.load("mihi-1").labels) == {"direction", "velocity", "force"}


def test_unpublished_variants_are_refused_with_the_published_ones(empty):
    with pytest.raises(SettingError, match=r"bin_size=0\.1, speed_threshold=0; bin_size=0\.05") as caught:
        datasets.load("chewie-1", bin_size=0.2)
    assert "full-chewie-10032013.mat" in str(caught.value)
    for options in ({"bin_size": 0}, {"bin_size": "x"}, {"speed_threshold": -1}, {"bin_size": np.nan}):
        with pytest.raises(SettingError, match=next(iter(options))):
            datasets.load("chewie-1", **options)


def test_an_altered_published_file_is_refused(empty):
    (empty / datasets.card("chewie-1").files[0].name).write_bytes(b"other bytes")
    with pytest.raises(FileError, match="altered or truncated"):
        datasets.load("chewie-1")


def test_a_truncated_published_file_is_refused(empty):
    for name in ("mouse-ca1", "rat-v1"):
        for file in datasets.card(name).files:
            (empty / file.name).write_bytes(b"\x93NUMPY")
        with pytest.raises(FileError, match="altered or truncated"):
            datasets.load(name)


def register_pickle(folder, monkeypatch, content):
    """Put a pickle in the place of Chewie-1's, with the checksum that makes it the expected one."""
    key = ("chewie-1", 0.1, 5.0)
    data = pickle.dumps(content)
    (folder / reaching.BINNED[key].name).write_bytes(data)
    known = replace(reaching.BINNED[key], sha256=hashlib.sha256(data).hexdigest())
    monkeypatch.setitem(reaching.BINNED, key, known)


def test_a_pickle_of_another_layout_is_refused(empty, monkeypatch):
    for content in ([1, 2], {"data": 3}, {"data": []}, {"data": [{"x": [[1.0]]}]}):
        register_pickle(empty, monkeypatch, content)
        with pytest.raises(FileError, match="not laid out"):
            datasets.load("chewie-1")


@pytest.mark.parametrize("rate", [4.9, np.nan])
def test_rates_that_are_no_counts_are_refused(empty, monkeypatch, rate):
    pair = [[0.0, 1.0], [1.0, 0.0]]
    trial = {"x": [[10.0, rate], [0.0, 0.0]], "y": [3, 3], "timestep": [0, 1]}
    trial |= {"pos": pair, "vel": pair, "acc": pair, "force": pair}
    register_pickle(empty, monkeypatch, {"data": [trial]})
    with pytest.raises(DataError, match="no spike counts"):
        datasets.load("chewie-1")


def test_a_forbidden_class_in_a_published_file_is_named(empty, monkeypatch):
    register_pickle(empty, monkeypatch, {"data": Path("x")})
    with pytest.raises(FileError, match="the class pathlib"):
        datasets.load("chewie-1")


# Rat-V1, as a pair of small arrays under its names.


def register_rat(folder, monkeypatch, counts, states):
    files = []
    for file, array in zip(rodent.FILES["rat-v1"], (counts, states), strict=True):
        np.save(folder / file.name, array, allow_pickle=True)
        data = (folder / file.name).read_bytes()
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        files.append(replace(file, sha256="", git_blob=blob))
    monkeypatch.setitem(rodent.FILES, "rat-v1", tuple(files))


def test_rat_counts_and_states_are_joined(empty, monkeypatch):
    counts = np.array([[0, 1, 2, 3], [4, 5, 6, 7]], dtype=np.int32)  # units x bins
    register_rat(empty, monkeypatch, counts, np.array([0.0, 1.0, 2.0, 1.0]))
    rec = datasets.load("rat-v1")
    np.testing.assert_array_equal(rec.counts, counts.T)
    assert rec.labels["state"].tolist() == [0, 1, 2, 1]
    assert rec.labels["state"].dtype == np.int64
    assert (rec.bin_size, rec.n_segments) == (4.0, 1)
    assert len(rec.source["git_blob"]) == 40


@pytest.mark.parametrize(
    ("counts", "states", "error", "said"),
    [
        (np.ones((2, 4)), np.zeros(3), DataError, "4 bins, but .* 3 states"),
        (np.ones((2, 3)), np.array([0, 1, 7]), DataError, "must be 0, 1 or 2"),
        (np.ones(3), np.zeros(3), DataError, "dimension"),
        (np.array([[{}]], dtype=object), np.zeros(1), FileError, "no array file"),
    ],
)
def test_a_rat_that_does_not_fit_is_refused(empty, monkeypatch, counts, states, error, said):
    register_rat(empty, monkeypatch, counts, states)
    with pytest.raises(error, match=said):
        datasets.load("rat-v1")


# Raw sessions, as a tiny .mat counted by hand.


def session(**changes):
    """Two trials, two units, velocity at 50 Hz. Trial 0 from 1.0 to 1.4 s, trial 1 from 2.0 to 2.25 s."""
    time = np.round(np.arange(0.0, 3.0, 0.02), 9)
    fast = ((time >= 1.1) & (time < 1.4)) | (time >= 2.0)
    velocity = np.column_stack([time, np.where(fast, 6.0, 1.0), np.where(fast, 8.0, 0.0)])
    table = np.zeros((2, 14))
    table[:, [1, 9, 12]] = [[5, 1.0, 1.4], [2, 2.0, 2.25]]
    units = np.empty(2, dtype=[("id", object), ("ts", object)])
    units[0] = ([1, 1], np.array([0.5, 1.1, 1.2, 1.25, 1.3, 1.4, 2.0, 2.29, 2.3]))
    units[1] = ([2, 1], np.array([1.15]))
    content = {
        "units": units,
        "pos": np.column_stack([time, time * 10, -time]),
        "vel": velocity,
        "acc": np.zeros((0, 0)),
        "force": np.column_stack([time, np.zeros((len(time), 2))]),
    }
    content |= {k: v for k, v in changes.items() if k != "trial_table"}
    return {"trial_table": changes.get("trial_table", table), "out_struct": content}


def register_session(folder, monkeypatch, name, content):
    path = folder / reaching.RAW[name].name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        savemat(path, content, do_compression=True)
    data = path.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    monkeypatch.setitem(reaching.RAW, name, replace(reaching.RAW[name], git_blob=blob))


def test_a_raw_session_is_binned_as_counted_by_hand(empty, monkeypatch):
    register_session(empty, monkeypatch, "mihi-2", session())
    rec = datasets.load("mihi-2")
    # Trial 0: the bin from 1.0 is slow (speed 1). Trial 1: its last bin reaches past the end, to 2.3.
    np.testing.assert_allclose(rec.times, [1.1, 1.2, 1.3, 2.0, 2.1, 2.2])
    assert rec.segments.tolist() == [0, 0, 0, 1, 1, 1]
    assert rec.bins.tolist() == [0, 1, 2, 0, 1, 2]
    # Spikes on edges (1.1, 1.2, 1.3, 2.0) belong to the bin they start; 1.4 and 2.3 are outside.
    assert rec.counts.T.tolist() == [[1, 2, 1, 1, 0, 1], [1, 0, 0, 0, 0, 0]]
    assert rec.labels["direction"].tolist() == [5, 5, 5, 2, 2, 2]
    np.testing.assert_allclose(rec.labels["velocity"], [[6, 8]] * 6)
    np.testing.assert_allclose(rec.labels["position"][0], [11.4, -1.14], rtol=1e-5)  # samples 1.10 to 1.18
    assert set(rec.labels) == {"direction", "velocity", "position"}  # no acceleration, and force is all zero
    assert dict(rec.periods) == {"direction": 8}
    assert rec.source["file"] == "full-mihi-03062014.mat"


def test_any_width_and_threshold_can_be_binned_from_a_raw_session(empty, monkeypatch):
    register_session(empty, monkeypatch, "chewie-1", session())
    assert datasets.card("chewie-1").fallback
    every = datasets.load("chewie-1", bin_size=0.2, speed_threshold=0)
    np.testing.assert_allclose(every.times, [1.0, 1.2, 2.0, 2.2])
    assert every.counts[:, 0].tolist() == [1, 3, 1, 2]  # now the last bin reaches to 2.4
    assert datasets.load("chewie-1").n_units == 2  # the default combination too: no binned file is at hand


def test_one_unit_and_one_trial_are_read_alike(empty, monkeypatch):
    whole = session()
    units = whole["out_struct"]["units"][:1]
    register_session(empty, monkeypatch, "mihi-2", session(units=units, trial_table=whole["trial_table"][:1]))
    rec = datasets.load("mihi-2")
    assert (rec.n_units, rec.n_segments, len(rec)) == (1, 1, 3)


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (b"MATLAB 5.0 and then nothing", FileError, "cannot be read as a raw session"),
        ({"other": 1}, FileError, "cannot be read as a raw session"),
        (session(trial_table=np.zeros((2, 5))), FileError, "at least 13 columns"),
        (session(units=3.0), FileError, "not laid out"),
        (session(vel=np.zeros((0, 0))), DataError, "no velocity"),
        (session(vel=np.column_stack([np.arange(0, 3, 0.02), np.ones((150, 2))])), DataError, "choose a lower one"),
        (session(trial_table=session()["trial_table"] * [1, 9, *[1] * 12]), DataError, "must be 0 to 7"),
        (session(trial_table=session()["trial_table"] * [*[1] * 12, 0, 1]), DataError, "end after it starts"),
    ],
)
def test_a_raw_session_that_does_not_fit_is_refused(empty, monkeypatch, content, error, said):
    register_session(empty, monkeypatch, "mihi-2", content)
    with pytest.raises(error, match=said) as caught:
        datasets.load("mihi-2")
    assert "full-mihi-03062014.mat" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bin_without_samples_does_not_count_as_moving(empty, monkeypatch):
    velocity = session()["out_struct"]["vel"]
    paused = velocity[(velocity[:, 0] < 1.2) | (velocity[:, 0] >= 1.3)]
    register_session(empty, monkeypatch, "mihi-2", session(vel=paused))
    assert np.round(datasets.load("mihi-2", speed_threshold=0).times, 9).tolist() == [1.0, 1.1, 1.3, 2.0, 2.1, 2.2]
