"""`myow.evaluate` of one whole recording, its verdict and its controls; paired intervals beside a reference."""

import json

import numpy as np
import pytest
from tiny import SMALL, reach, sleep

import myow
from myow.errors import SettingError
from myow.evaluation.statistics import control, corrected_interval, paired_interval

REC = reach(n_segments=32, length=8, n_units=8, seed=3)
BASELINES = ["raw", "raw_common", "pca", "pca_common", "untrained"]


@pytest.fixture(scope="module")
def found():
    return myow.evaluate(myow.MYOW(**SMALL, context=(1, 1)), REC, target="direction", cv=4, controls=True)


def test_each_fold_is_a_clone_that_saw_training_segments_alone(monkeypatch):
    seen = []
    fit = myow.BYOL.fit

    def note(self, X, *rest, **more):
        seen.append(X)
        return fit(self, X, *rest, **more)

    monkeypatch.setattr(myow.BYOL, "fit", note)
    model = myow.BYOL(**SMALL)
    result = myow.evaluate(model, REC, cv=4)
    assert not hasattr(model, "network_")
    assert len(seen) == 4
    assert result["n_test"] == len(REC)  # each row is tested once
    assert not set.intersection(*(set(part.segments.tolist()) for part in seen))
    assert result["transductive"] is False
    assert result["rows"] == "train"


def test_scores_are_means_over_folds_and_the_interval_stays_in_range(found):
    assert found["accuracy"] == pytest.approx(np.mean(found["per_fold"]))
    assert len(found["per_fold"]) == found["folds"] == 4
    for row in [found, *(found[name] for name in BASELINES)]:
        low, high = row["interval"]
        assert 0 <= low <= row["accuracy"] <= high <= 1
    assert np.sum(found["confusion"]["counts"]) == len(REC)
    assert np.trace(found["confusion"]["counts"]) / len(REC) == pytest.approx(found["accuracy"])


def test_differences_are_paired_over_folds(found):
    share = np.mean([len(t) / (len(REC) - len(t)) for _, t in REC.folds(4)])
    for name in BASELINES:
        gained = np.array(found["per_fold"]) - found[name]["per_fold"]
        stated = found["differences"][name]
        assert stated["difference"] == pytest.approx(gained.mean())
        low, high = corrected_interval(gained, share, 0.99)
        assert (stated["low"], stated["high"]) == pytest.approx((max(low, -1), min(high, 1)), abs=1e-9)
        expected = "better" if low > 0 else "worse" if high < 0 else "no difference shown"
        assert stated["verdict"] == expected


def test_what_is_better_is_called_better_and_noise_is_not():
    """Units of one direction fire together in bursts that straight sums hide: a network that is told finds them."""
    rng = np.random.default_rng(0)
    segments = np.repeat(np.arange(60), 6)
    side = np.arange(60) % 2
    signal = np.where(rng.random(360) < 0.5, 1, -1)
    counts = np.stack([signal, np.where(side[segments], signal, -signal)], axis=1) + rng.normal(0, 0.1, (360, 2))
    rec = myow.Recording(
        counts, bin_size=0.1, segments=segments, kind="continuous", labels={"side": side[segments]}, name="xor"
    )
    model = myow.Supervised(hidden=(32,), dim=8, steps=150, batch_size=64, random_state=0, device="cpu")
    better = myow.evaluate(model, rec, cv=4, readout="class")
    assert better["accuracy"] > 0.9 > better["raw"]["accuracy"]
    assert "Better than raw counts (0." in better.verdict
    assert f"with accuracy {better['accuracy']:.3f} (95 % interval " in better.verdict
    assert "test bins, mean of 4 folds." in better.verdict
    none = myow.evaluate(myow.PCA(dim=2), rec, cv=4)
    assert "No difference shown from raw counts" in none.verdict


def test_controls_are_at_chance_and_said(found):
    for how in ("exchanged", "shifted"):
        assert abs(found["controls"][how]["accuracy"] - 0.25) < 0.15
        assert f"labels {how}" in repr(found)
        assert f"With labels {how}" in found.verdict


def test_a_shift_of_classes_that_come_in_turns_gives_none_its_own_label_back():
    turns = np.repeat(np.arange(8) % 4, 3)
    rec = myow.Recording(
        np.ones((24, 1)), bin_size=0.1, segments=np.repeat(np.arange(8), 3), labels={"direction": turns}
    )
    for fold in range(3):
        false = control(rec, "direction", "shifted", seed=0, fold=fold, folds=3)
        assert (false.labels["direction"] == turns).mean() <= 0.25


def test_a_fitted_model_that_saw_the_rows_is_called_transductive():
    model = myow.BYOL(**SMALL).fit(REC)
    result = myow.evaluate(model, REC, cv=3, refit=False)
    assert result["transductive"] is True
    assert "Transductive" in result.verdict
    parts = REC.split(0.5, 0.25, 0.25, random_state=0, stratify="direction")
    assert myow.evaluate(model, *parts, seen=REC)["transductive"] is True
    assert myow.evaluate(model, *parts)["transductive"] is None
    inductive = myow.evaluate(myow.BYOL(**SMALL).fit(parts[0]), *parts)
    assert inductive["transductive"] is False
    assert "Transductive" not in inductive.verdict


def test_of_parts_the_difference_has_an_interval_too():
    parts = REC.split(0.5, 0.25, 0.25, random_state=0, stratify="direction")
    result = myow.evaluate(myow.BYOL(**SMALL).fit(parts[0]), *parts, labels=1, draws=3)
    for name in BASELINES:
        stated = result["differences"][name]
        assert -1 <= stated["low"] <= stated["difference"] <= stated["high"] <= 1
        assert stated["difference"] == pytest.approx(result["accuracy"] - result[name]["accuracy"])


def test_of_few_test_segments_nothing_is_said_however_they_agree():
    """Two segments that agree would give every resample the same sign, of noise too."""
    rng = np.random.default_rng(0)
    segments = np.repeat(np.arange(40), 5)
    rec = myow.Recording(rng.poisson(2, (200, 12)), bin_size=0.1, segments=segments, labels={"side": segments % 2})
    train, valid, _ = parts = rec.split(0.6, 0.2, 0.2, random_state=0, stratify="side")
    assert parts[2].n_segments == 8
    model = myow.PCA(dim=4).fit(train)
    assert myow.evaluate(model, *parts)["differences"]["raw"]["low"] is not None
    few = parts[2].select(np.flatnonzero(np.isin(parts[2].segments, np.unique(parts[2].segments)[:7])))
    found = myow.evaluate(model, train, valid, few)
    assert {one["verdict"] for one in found["differences"].values()} == {"not tested"}
    assert "nothing is shown: that takes 8 test segments, or blocks of time." in found.verdict
    assert "Better" not in found.verdict
    assert "Intervals" not in found.verdict


def test_one_long_segment_and_labels_of_real_numbers():
    rec = sleep(600)
    result = myow.evaluate(myow.PCA(dim=3), rec, cv=3)
    assert result["n_test"] == 600
    speed = np.random.default_rng(0).normal(size=(len(REC), 2))
    real = myow.Recording(REC.counts, bin_size=0.1, segments=REC.segments, labels={"speed": speed})
    result = myow.evaluate(myow.PCA(dim=3), real, cv=3, controls=True)
    assert result["r2"] < 0.1
    assert "R²" in repr(result)
    assert result["interval"][1] <= 1


def test_the_result_shows_itself_in_every_form(found):
    assert json.loads(json.dumps(found)) == found.to_dict() == found
    assert type(found.to_dict()) is dict
    frame = found.to_frame()
    assert list(frame.index[:2]) == ["myow embedding", "raw counts"]
    assert frame.loc["raw counts", "difference"] == found["differences"]["raw"]["difference"]
    assert max(map(len, repr(found).split("\n\n")[1].splitlines())) <= 80
    page = found._repr_html_()
    assert "<table>" in page
    assert "labels exchanged" in page
    assert found.plot().axes


def test_one_recording_or_three_parts_and_no_mixture():
    parts = REC.split(0.5, 0.25, 0.25)
    model = myow.PCA(dim=3).fit(parts[0])
    with pytest.raises(SettingError, match="all three"):
        myow.evaluate(model, *parts[:2])
    with pytest.raises(SettingError, match="cv=3 parts a whole recording"):
        myow.evaluate(model, *parts, cv=3)
    with pytest.raises(SettingError, match="seen"):
        myow.evaluate(model, REC, seen=REC)


def reference(ours, theirs, blocks, level, resamples, seed, score):
    """The bootstrap by loops: the same blocks are drawn for both, row by row."""
    n = blocks.max() + 1
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    values = []
    for draw in times:
        rows = np.concatenate([np.repeat(np.flatnonzero(blocks == b), k) for b, k in enumerate(draw)])
        values.append(score(ours, rows) - score(theirs, rows))
    return np.percentile(values, [50 * (1 - level), 50 * (1 + level)])


def test_paired_intervals_are_those_of_a_bootstrap_by_loops():
    rng = np.random.default_rng(1)
    blocks = np.repeat(np.arange(9), rng.integers(2, 6, 9))
    hits = rng.random((2, len(blocks))) < [[0.8], [0.6]]
    expected = reference(*hits, blocks, 0.9, 50, 4, lambda h, rows: h[rows].mean())
    assert paired_interval(*hits, blocks, level=0.9, resamples=50, seed=4) == pytest.approx(tuple(expected))

    true = rng.normal(3.0, 1.0, (len(blocks), 2))
    guesses = true + rng.normal(0, [[[0.3]], [[0.6]]], (2, *true.shape))

    def r2(guess, rows):
        t, g = true[rows], guess[rows]
        return 1 - ((t - g) ** 2).sum() / ((t - t.mean(axis=0)) ** 2).sum()

    expected = reference(*guesses, blocks, 0.95, 50, 4, r2)
    errors = ((guesses - true) ** 2).sum(axis=2)
    got = paired_interval(*errors, blocks, true=true, resamples=50, seed=4)
    assert got == pytest.approx(tuple(expected))
    assert paired_interval([1, 0], [0, 0], [0, 0]) is None


def test_an_interval_ends_where_its_metric_does():
    low, high = corrected_interval([0.9, 1.0, 0.95, 1.0], 0.25, within=(0.0, 1.0))
    assert corrected_interval([0.9, 1.0, 0.95, 1.0], 0.25)[1] > 1 == high
    assert low == corrected_interval([0.9, 1.0, 0.95, 1.0], 0.25)[0]
