"""A run as a folder: what it says of itself, what it clears away, and how rows are parted by default."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import SMALL, Notes, reach, sleep

from myow import BYOL, Recording
from myow.data.splits import split_rows
from myow.errors import FileError, SettingError, TrainingError
from myow.io.model_file import read_about
from myow.methods.runs import Run, RunFolder, generic_split

REC = reach(n_segments=12)
PARTS = tuple(np.flatnonzero(np.isin(REC.segments % 6, part)) for part in ([0, 1, 2, 4], [3], [5]))


def run_of(rec=REC, **changes):
    run = Run(
        data="tiny.npz",
        load=["bin_size=0.1"],
        method="byol",
        settings={"dim": 6},
        rows="train",
        split="random",
        split_seed=3,
        parts=Run.describe_parts(PARTS),
        recording={"name": rec.name, "digest": rec.digest()},
    )
    return replace(run, **changes)


def model(**changes):
    return BYOL(**SMALL | changes)


def weights(folder):
    return {k: v.numpy() for k, v in folder.model("cpu").network_.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(np.array_equal(first[k], second[k]) for k in first)


# What a run says of itself.


def test_a_run_is_read_back_as_it_was_trained(tmp_path):
    folder = RunFolder(tmp_path / "deep" / "run")
    fitted, before = folder.train(run_of(), model(), REC, resume=False)
    assert before == 0
    assert asdict(folder.read()) == asdict(run_of())
    assert read_about(folder.model_path) == {"run": json.loads(json.dumps(asdict(run_of())))}
    np.testing.assert_array_equal(folder.model("cpu").transform(REC), fitted.transform(REC))


@given(st.lists(st.sampled_from([0, 1, 2, 3]), min_size=3, max_size=200))
def test_parts_written_as_ranges_come_back(owner):
    parts = tuple(np.flatnonzero(np.array([*owner, 0, 1, 2]) == part) for part in range(3))
    written = run_of(parts=Run.describe_parts(parts))
    for rows, expected in zip(written.rows_of_parts(), parts, strict=True):
        np.testing.assert_array_equal(rows, expected)


def test_ranges_are_short_and_include_both_ends():
    parts = Run.describe_parts((np.arange(7), np.array([9, 11, 12]), np.array([20])))
    assert parts == {"train": "0-6", "valid": "9-9,11-12", "test": "20-20"}


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"data": "x"}', json.dumps(asdict(run_of()) | {"parts": {"train": "a"}})]
)
def test_a_damaged_description_is_a_file_error(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(FileError, match=r"run\.json is damaged .*train again"):
        RunFolder(tmp_path).read()


def test_a_folder_without_a_run_says_so(tmp_path):
    with pytest.raises(FileError, match="is not a run folder"):
        RunFolder(tmp_path).read()
    with pytest.raises(FileError, match="there is no model"):
        RunFolder(tmp_path).model()


def test_a_folder_that_is_a_file_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "taken"
    path.write_text("mine")
    with pytest.raises(FileError, match="cannot write to folder"):
        RunFolder(path).train(run_of(), model(), REC, resume=False)
    assert path.read_text() == "mine"


# Clearing away.


def fill(folder):
    """Put files of ours and of others beside a trained run."""
    ours = ["evaluation_direction_class.json", "worth_direction_class.png", "confusion_direction_class.png"]
    ours += ["embedding_2d.png", "geometry.png", "learning_curves.png"]
    others = ["figure.png", "worth_of_mine.png", "notes.json", "evaluation.json", "data.npz"]
    for name in ours + others:
        (folder.path / name).write_text("{}")
    return set(ours), set(others)


def names(folder):
    return {p.name for p in folder.path.iterdir()}


def test_a_new_run_replaces_an_old_one_and_no_file_of_anyone_else(tmp_path):
    folder = RunFolder(tmp_path)
    folder.train(run_of(), model(), REC, resume=False)
    ours, others = fill(folder)
    folder.train(run_of(split_seed=4), model(random_state=1), REC, resume=False)
    assert folder.read().split_seed == 4
    assert others <= names(folder)
    assert not ours & names(folder)
    assert not [name for name in names(folder) if name.startswith(".")]


def test_settings_that_cannot_work_leave_the_old_run_whole(tmp_path):
    folder = RunFolder(tmp_path)
    folder.train(run_of(), model(), REC, resume=False)
    ours, _ = fill(folder)
    old = weights(folder)
    with pytest.raises(SettingError, match="batch_size"):
        folder.train(run_of(split_seed=9), model(batch_size=1), REC, resume=False)
    assert ours <= names(folder)
    assert folder.read().split_seed == 3
    assert same(weights(folder), old)


def test_a_run_that_fails_leaves_no_model_that_could_be_taken_for_its_own(tmp_path):
    folder = RunFolder(tmp_path)
    folder.train(run_of(), model(), REC, resume=False)
    with pytest.raises(TrainingError):
        folder.train(run_of(), model(learning_rate=1e30), REC, resume=False)
    assert not folder.holds_run()
    assert not folder.model_path.exists()


# Going on.


def test_an_interrupt_keeps_a_model_and_going_on_gives_the_weights_of_an_undisturbed_run(tmp_path):
    whole, stopped = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "stopped")
    whole.train(run_of(), model(), REC, resume=False)
    with pytest.raises(KeyboardInterrupt, match=r"stopped after 7 steps.*model\.myow can be used"):
        stopped.train(run_of(), model(), REC, resume=False, callbacks=[Notes(7, KeyboardInterrupt)])
    halfway = stopped.model("cpu")
    assert halfway.n_steps_ == 7
    assert np.isfinite(halfway.transform(REC)).all()
    assert not same(weights(stopped), weights(whole))
    stopped.train(run_of(), model(), REC, resume=True)
    assert same(weights(stopped), weights(whole))
    steps = [[json.loads(line)["step"] for line in f.metrics.read_text().splitlines()] for f in (whole, stopped)]
    assert steps[0] == steps[1] == list(range(1, 13))


def test_what_was_measured_of_an_interrupted_model_is_gone_once_it_goes_on(tmp_path):
    folder = RunFolder(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        folder.train(run_of(), model(), REC, resume=False, callbacks=[Notes(7, KeyboardInterrupt)])
    ours, others = fill(folder)
    folder.train(run_of(), model(), REC, resume=True)
    assert not ours & names(folder)
    assert others <= names(folder)


def test_an_interrupt_before_the_first_step_keeps_no_model(tmp_path):
    class Impatient(Notes):
        def begin(self, step, total):
            raise KeyboardInterrupt

    folder = RunFolder(tmp_path)
    with pytest.raises(KeyboardInterrupt) as stop:
        folder.train(run_of(), model(), REC, resume=False, callbacks=[Impatient()])
    assert str(stop.value) == ""
    assert not folder.model_path.exists()


def test_with_nothing_saved_going_on_starts_afresh(tmp_path):
    folder, fresh = RunFolder(tmp_path / "a"), RunFolder(tmp_path / "b")
    _, before = folder.train(run_of(), model(), REC, resume=True)
    fresh.train(run_of(), model(), REC, resume=False)
    assert before == 0
    assert same(weights(folder), weights(fresh))


def test_killed_between_its_last_step_and_its_model_a_run_still_knows_what_was_measured(tmp_path):
    folder = RunFolder(tmp_path)
    fitted, _ = folder.train(run_of(), model(), REC, resume=False)
    folder.model_path.unlink()
    (tmp_path / "run.json").unlink()
    again, before = folder.train(run_of(), model(), REC, resume=True)
    assert before == fitted.n_steps_
    assert again.metrics_ == fitted.metrics_ == folder.model("cpu").metrics_
    assert again.metrics_["training"]["step"] == fitted.n_steps_


def test_a_finished_run_has_nothing_to_do_and_keeps_its_results(tmp_path):
    folder = RunFolder(tmp_path)
    folder.train(run_of(), model(), REC, resume=False)
    ours, _ = fill(folder)
    old, notes = weights(folder), Notes()
    fitted, before = folder.train(run_of(), model(), REC, resume=True, callbacks=[notes])
    assert before == fitted.n_steps_ == SMALL["steps"]
    assert notes.steps == []
    assert same(weights(folder), old)
    assert ours <= names(folder)


@pytest.mark.parametrize(
    ("changes", "settings", "rec", "said"),
    [
        ({}, {"learning_rate": 1e-4}, REC, "other learning_rate"),
        ({}, {}, reach(n_segments=12, seed=5), "other rows"),
        ({"rows": "all"}, {}, REC, "other rows"),
        ({"parts": Run.describe_parts(PARTS[::-1])}, {}, REC, "other split"),
    ],
)
def test_going_on_with_something_else_is_refused_and_harms_nothing(tmp_path, changes, settings, rec, said):
    folder = RunFolder(tmp_path)
    folder.train(run_of(), model(), REC, resume=False)
    old = weights(folder)
    with pytest.raises(SettingError, match=said):
        folder.train(run_of(**changes), model(**settings), rec, resume=True)
    assert same(weights(folder), old)
    assert folder.read().rows == "train"


# The split of a recording that came with none.


def with_labels(n_segments, **labels):
    """A recording of trials; labels are given by segment, or by bin."""
    rec = reach(n_segments=n_segments)
    by_bin = {k: np.asarray(v) if len(v) == len(rec) else np.asarray(v)[rec.segments] for k, v in labels.items()}
    return Recording(rec.counts, bin_size=0.1, segments=rec.segments, labels=by_bin)


@pytest.mark.parametrize("seed", range(5))
def test_the_default_split_is_8_1_1_by_segment_with_every_class_everywhere(seed):
    rec = with_labels(80, direction=np.arange(80) % 4)
    parts = split_rows(rec, generic_split(rec, seed))
    segments = [set(rec.segments[rows].tolist()) for rows in parts]
    assert [len(s) for s in segments] == [64, 8, 8]
    assert set.union(*segments) == set(range(80))
    assert sum(map(len, parts)) == len(rec)
    for chosen in segments:
        found = np.bincount([s % 4 for s in chosen], minlength=4)
        assert found.max() - found.min() <= 1


def test_seeds_give_different_splits_and_the_same_one_the_same():
    rec = with_labels(40, direction=np.arange(40) % 4)
    first, again, other = (split_rows(rec, generic_split(rec, seed))[2].tolist() for seed in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("labels", "stratify"),
    [
        ({"speed": np.linspace(0, 1, 20), "side": list("ab") * 10}, "side"),
        ({"step": np.tile(np.arange(12), 20), "side": np.arange(20) % 2 == 0}, "side"),
        ({"trial": np.arange(20), "side": np.arange(20) % 3}, "side"),
        ({"trial": np.arange(20)}, None),
        ({}, None),
    ],
)
def test_it_stratifies_by_the_first_label_that_is_constant_in_segments_and_comes_back(labels, stratify):
    rule = generic_split(with_labels(20, **labels), 0)
    assert (rule.by, rule.stratify, rule.random_state) == ("segment", stratify, 0)


@pytest.mark.parametrize("rec", [sleep(), reach(n_segments=9)])
def test_few_segments_are_split_by_time_in_order(rec):
    rule = generic_split(rec, 0)
    parts = split_rows(rec, rule)
    assert rule.by == "time"
    assert np.array_equal(np.concatenate(parts), np.arange(len(rec)))


# What was recorded.


def test_neighbours_are_kept_at_every_record_also_across_an_interrupt(tmp_path):
    whole, stopped = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "stopped")
    whole.train(run_of(), model(), REC, resume=False)
    with pytest.raises(KeyboardInterrupt):
        stopped.train(run_of(), model(), REC, resume=False, callbacks=[Notes(7, KeyboardInterrupt)])
    stopped.train(run_of(), model(), REC, resume=True)
    with np.load(whole.neighbours) as first, np.load(stopped.neighbours) as second:
        assert first["step"].tolist() == list(range(1, 13))
        assert first["neighbour"].shape == first["anchor"].shape == (12, len(REC))
        assert {k: v.tolist() for k, v in first.items()} == {k: v.tolist() for k, v in second.items()}
    assert not whole.mined.exists()  # BYOL mines nothing
