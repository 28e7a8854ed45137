"""What the command line does, as functions: split once and keep it, go on, evaluate on other recordings, draw."""

import json

import numpy as np
import pytest
from command import QUICK, trials, write
from command import myow as myow_

import myow
from myow import datasets
from myow.cli import train as workflow
from myow.cli.train import draw_run, embed_run, evaluate_run, train_run
from myow.data.splits import split_rows
from myow.datasets import load_recording
from myow.errors import DataError, FileError, SettingError, UnknownNameError
from myow.evaluation import evaluate as evaluation
from myow.figures import run_figures as drawing
from myow.methods.runs import RunFolder, generic_split
from myow.settings import parse_settings


@pytest.fixture(autouse=True)
def undrawn(request, monkeypatch):
    """Drawing takes most of the time; tests of pictures ask for it."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(drawing, "draw_evaluations", lambda *_: [])


@pytest.fixture
def drawn():
    """Ask for pictures."""


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "session.npz")


def train(data, out, *settings, **options):
    """Train, over whatever is there, and return the line that says so."""
    instead = {"overwrite": not options.get("resume", False)}
    shared = {"settings": [*QUICK, *settings], "device": "cpu", "progress": False}
    return train_run(str(data), out, **shared, **instead | options).message


@pytest.fixture
def parts_used(monkeypatch):
    """The three parts that `evaluate` was given, and its keywords, call by call."""
    used = []

    def note(model, *parts, **options):
        used.append((parts, options))
        return evaluate(model, *parts, **options)

    evaluate = evaluation.evaluate
    monkeypatch.setattr(evaluation, "evaluate", note)
    return used


def segments(parts):
    return [sorted(set(part.segments.tolist())) for part in parts]


# Loading.


def test_a_name_or_a_file_is_loaded_with_its_options(tmp_path, file):
    assert load_recording("simulated-reach", ["n_trials=9", "seed=2"]).n_segments == 9
    assert load_recording(str(file)).name == "session"
    bare = write(tmp_path / "bare.npz", bin_size=None)
    assert load_recording(str(bare), ["bin_size=0.02", "name=mine"]).bin_size == 0.02


@pytest.mark.parametrize("name", ["simulated-reach", "mouse-ca1"])
def test_a_file_does_not_shadow_a_dataset(tmp_path, monkeypatch, name):
    (tmp_path / name).write_text("junk")
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(datasets, "load", lambda found, **_: asked.append(found))
    load_recording(name)
    assert asked == [name]


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        ("simulated-reech", UnknownNameError, "did you mean 'simulated-reach'"),
        ("session.npy", FileError, "there is no file session.npy"),
        ("folder/session", FileError, "there is no file folder/session"),
    ],
)
def test_what_is_neither_is_refused(data, error, said):
    with pytest.raises(error, match=said):
        load_recording(data)


# The split is made once, kept, and used.


def test_the_split_is_kept_and_used_whatever_becomes_of_the_labels(tmp_path, parts_used):
    file = write(tmp_path / "session.npz", direction=None, period_direction=None)
    out = tmp_path / "run"
    train(file, out)
    kept = RunFolder(out).read().rows_of_parts()
    write(file, place=None)  # now there is a label to stratify by, which would part the rows another way
    rec = load_recording(str(file))
    assert [r.tolist() for r in split_rows(rec, generic_split(rec, 0))] != [r.tolist() for r in kept]
    result = evaluate_run(out)
    parts = [rec.select(rows) for rows in kept]
    assert segments(parts_used[0][0]) == segments(parts)
    assert result["target"] == "direction"
    assert result["n_test"] == len(parts[2])
    assert result["n_train"] == len(parts[0]) + len(parts[1])


@pytest.mark.parametrize(("split", "seed"), [(None, 0), ("random", 1), ("time", 0)])
def test_the_encoder_sees_training_rows_alone_and_the_parts_are_disjoint(tmp_path, file, monkeypatch, split, seed):
    seen = []
    fit = myow.MYOW.fit

    def note(self, X, *args, **kwargs):
        seen.append(X)
        return fit(self, X, *args, **kwargs)

    monkeypatch.setattr(myow.MYOW, "fit", note)
    train(file, tmp_path / "run", split=split, split_seed=seed)
    run = RunFolder(tmp_path / "run").read()
    rec = load_recording(str(file))
    rows = run.rows_of_parts()
    assert sorted(np.concatenate(rows).tolist()) == list(range(len(rec)))
    assert seen[0].digest() == rec.select(rows[0]).digest()
    assert run.split == (split or "random")
    if split == "time":
        assert np.concatenate(rows).tolist() == list(range(len(rec)))
    else:
        assert sum(len(s) for s in segments([rec.select(r) for r in rows])) == rec.n_segments


def test_all_rows_are_for_the_encoder_and_never_for_the_readout(tmp_path, file, parts_used):
    message = train(file, tmp_path / "run", rows="all")
    assert "on 120 bins" in message
    result = evaluate_run(tmp_path / "run")
    assert result["rows"] == result["pca"]["rows"] == "all"
    assert len(parts_used[0][1]["seen"]) == 120
    assert result["n_train"] + result["n_test"] == 120
    other = write(tmp_path / "other.npz", counts=trials(seed=1)["counts"])
    evaluate_run(tmp_path / "run", str(other))
    assert parts_used[1][1]["seen"] is None  # the encoder saw none of it


def test_another_recording_is_split_by_the_same_rule(tmp_path, file, parts_used):
    other = write(tmp_path / "other.npz", **trials(n_segments=40, seed=1))
    for split, seed in (("random", 3), ("time", 0)):
        out = tmp_path / split
        train(file, out, split=split, split_seed=seed)
        result = evaluate_run(out, str(other))
        rec = load_recording(str(other))
        rule = generic_split(rec, seed) if split == "random" else myow.Recording.split(rec, 0.8, 0.1, 0.1, by="time")
        expected = rule if split == "time" else [rec.select(rows) for rows in split_rows(rec, rule)]
        assert [p.digest() for p in parts_used[-1][0]] == [p.digest() for p in expected]
        assert result["dataset"] == result["raw"]["dataset"] == "other"
        assert not list(out.glob("evaluation_*.json"))


def test_a_published_split_is_the_default_for_each_published_recording_and_for_no_other(file):
    rec = load_recording(str(file))
    published = [card for card in datasets.cards() if card.split is not None]
    assert published
    for card in published:
        assert workflow.choose_split(None, 0, card.name, rec) == ("released", card.split)
        assert workflow.choose_split("released", 5, card.name, rec) == ("released", card.split)
        name, rule = workflow.choose_split("random", 5, card.name, rec)
        assert (name, rule.random_state) == ("random", 5)
    for name in ("simulated-reach", str(file)):
        assert workflow.choose_split(None, 0, name, rec)[0] == "random"
        with pytest.raises(SettingError, match="has no released split"):
            workflow.choose_split("released", 0, name, rec)


def test_one_segment_is_split_by_time_and_called_so(tmp_path):
    file = write(tmp_path / "one.npz", segments=None)
    train(file, tmp_path / "run")
    assert RunFolder(tmp_path / "run").read().split == "time"
    with pytest.raises(SettingError, match=r"deals out segments, and .*one.npz has 1; use --split time"):
        train(file, tmp_path / "other", split="random")
    assert not (tmp_path / "other").exists()


# Settings.


def test_settings_and_seed_reach_the_model_and_are_kept(tmp_path, file):
    train(file, tmp_path / "run", "k=2", "pool=batch", method="myow", seed=7)
    model = RunFolder(tmp_path / "run").model("cpu")
    assert (model.k, model.pool, model.dim, model.seed_, model.n_steps_) == (2, "batch", 4, 7, 6)
    assert RunFolder(tmp_path / "run").read().settings["random_state"] == 7


def test_steps_asked_for_win_over_the_epochs_of_a_preset(tmp_path, file):
    small = ["dim=4", "hidden=8", "predictor=8", "mined_projector=8,4", "mined_predictor=8", "exclude=segment"]
    train_run(str(file), tmp_path / "a", preset="v2-rodent", settings=["steps=3", *small], progress=False)
    model = RunFolder(tmp_path / "a").model("cpu")
    assert model.n_steps_ == 3
    assert (model.activation, model.optimizer) == ("prelu", "sgd")  # the preset's
    train_run(str(file), tmp_path / "b", preset="v2-rodent", settings=["epochs=2", *small], progress=False)
    assert RunFolder(tmp_path / "b").model("cpu").n_steps_ == 2


@pytest.mark.parametrize(("setting", "option"), [("random_state=1", "--seed"), ("device=cpu", "--device")])
def test_what_has_an_option_of_its_own_is_not_overridden_in_silence(tmp_path, file, setting, option):
    with pytest.raises(SettingError, match=option):
        train(file, tmp_path / "run", setting)


# Files of many kinds.


@pytest.mark.parametrize(
    "changes",
    [
        {"segments": None},
        {"times": np.arange(120) * 0.1 + np.repeat(np.arange(20), 6) * 3.0},
        {"direction": None, "place": None, "period_direction": None},
        {"kind": "continuous", "counts": np.random.default_rng(0).normal(size=(120, 6))},
        {"kind": "continuous", "counts": np.random.default_rng(0).normal(size=(120, 6)), "segments": None},
        {"segments": np.repeat([5, 3, 9], 40)},
    ],
    ids=["one segment", "gaps in time", "no labels", "signals", "signals in one segment", "three segments"],
)
def test_a_file_with_more_or_less_in_it_is_trained_embedded_and_evaluated(tmp_path, changes):
    file, out = write(tmp_path / "session.npz", **changes), tmp_path / "run"
    train(file, out)
    rec = load_recording(str(file))
    assert embed_run(out, str(file), tmp_path / "z.npz", device="cpu") == (120, 4)
    with np.load(tmp_path / "z.npz") as found:
        assert found["z"].dtype == np.float32
        assert np.isfinite(found["z"]).all()
        np.testing.assert_array_equal(found["z"], RunFolder(out).model("cpu").transform(rec))
        np.testing.assert_array_equal(found["times"], rec.times)
        np.testing.assert_array_equal(found["segments"], rec.segments)
        assert {k for k in found.files if k.startswith("label_")} == {f"label_{k}" for k in rec.labels}
    if rec.labels:
        json.dumps(evaluate_run(out), allow_nan=False)
    else:
        with pytest.raises(DataError, match="no label to read out"):
            evaluate_run(out)


# Going on.


def test_messages_say_what_was_done(tmp_path, file):
    assert (
        train(file, tmp_path / "run").partition(" in ")[0].endswith("model.myow: myow, 6 steps on 96 bins of session")
    )
    assert train(file, tmp_path / "run", resume=True).endswith("model.myow: nothing to do, all 6 steps were done")
    assert train(file, tmp_path / "run").endswith("(an earlier run was replaced)")


def test_going_on_with_another_split_of_the_same_rows_is_refused(tmp_path, file):
    train(file, tmp_path / "run", rows="all", split_seed=1)
    with pytest.raises(SettingError, match="other split"):
        train(file, tmp_path / "run", rows="all", split_seed=2, resume=True)
    assert RunFolder(tmp_path / "run").read().split_seed == 1


def test_settings_refused_leave_the_run_that_was_there(tmp_path, file):
    train(file, tmp_path / "run")
    for setting in ("k=1000", "batch_size=1", "context=5,5", "kk=3"):
        with pytest.raises((SettingError, DataError)):
            train(file, tmp_path / "run", setting)
    assert evaluate_run(tmp_path / "run")["accuracy"] is not None


# Evaluating.


def test_an_evaluation_of_the_own_recording_is_written_as_it_is_returned(tmp_path, file):
    train(file, tmp_path / "run")
    results = {
        "direction_class": evaluate_run(tmp_path / "run"),
        "direction_angle": evaluate_run(tmp_path / "run", readout="angle"),
        "place_continuous_2": evaluate_run(tmp_path / "run", target="place", labels=2),
    }
    for name, result in results.items():
        assert json.loads((tmp_path / "run" / f"evaluation_{name}.json").read_text()) == result
    assert len(list((tmp_path / "run").glob("evaluation_*.json"))) == 3


def test_folds_are_evaluated_as_in_python_with_the_settings_of_the_run(tmp_path, file):
    train(file, tmp_path / "run", "context=1,1")
    found = myow_("evaluate", tmp_path / "run", "--readout", "class", "--cv", "3", "--no-report", "--json").json()
    model = myow.MYOW(**parse_settings(myow.MYOW, [*QUICK, "context=1,1"]), random_state=0, verbose=False)
    expected = myow.evaluate(model, myow.read(file), cv=3, readout="class")
    assert found == json.loads(json.dumps(expected))
    assert (found["folds"], found["n_test"], found["transductive"], found["rows"]) == (3, 120, False, "train")
    assert json.loads((tmp_path / "run" / "evaluation_direction_class_cv3.json").read_text()) == found


def test_folds_stand_beside_the_evaluation_of_the_runs_own_model(tmp_path, file):
    train(file, tmp_path / "run", rows="all")
    words = ["evaluate", tmp_path / "run", "--readout", "class", "--quiet"]
    assert "Transductive" in myow_(*words).out
    called = myow_(*words, "--cv", "3")
    said = " ".join(called.out.split())
    assert "session: direction, class readout, all labels, 3 folds" in said
    assert (
        "on 120 test bins, mean of 3 folds. No difference shown" in said
        or "3 folds. Better than" in said
        or "3 folds. Worse" in said
    )
    assert "Transductive" not in said
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.index("<h3>From all labels</h3>") < page.index("<h3>From all labels, 3 folds trained anew</h3>")
    assert "corrected resampled t intervals" in page
    assert "3 folds, trained anew" in (tmp_path / "run" / "model_card.md").read_text()


def test_folds_of_another_recording_need_not_have_the_units_of_the_run(tmp_path, file):
    train(file, tmp_path / "run")
    other = write(tmp_path / "other.npz", **trials(n_units=9, seed=5))
    found = myow_("evaluate", tmp_path / "run", other, "--cv", "2", "--json").json()
    assert (found["dataset"], found["folds"]) == ("other", 2)
    assert not list((tmp_path / "run").glob("evaluation_*"))


def test_folds_that_cannot_be_are_one_line(tmp_path, file):
    train(file, tmp_path / "run")
    words = ["evaluate", tmp_path / "run", "--json"]
    assert "20 segments, too few for 30 folds" in myow_(*words, "--cv", "30").error()
    assert myow_(*words, "--cv", "1").code == 2
    file.unlink()
    assert "session.npz" in myow_(*words, "--cv", "3").error()
    assert not list((tmp_path / "run").glob("evaluation_*"))


def test_the_name_of_a_label_cannot_lead_out_of_the_folder(tmp_path):
    changes = {"direction": None, "period_direction": None, "place": None}
    np.savez(
        tmp_path / "s.npz", **{k: v for k, v in trials().items() if k not in changes}, **{"../../x": np.arange(120) % 2}
    )
    train(tmp_path / "s.npz", tmp_path / "deep" / "run")
    evaluate_run(tmp_path / "deep" / "run")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deep", "s.npz"]
    assert len(list((tmp_path / "deep" / "run").glob("evaluation_*class.json"))) == 1


def test_the_own_recording_named_again_from_elsewhere_is_still_the_own(tmp_path, file, monkeypatch, parts_used):
    monkeypatch.chdir(tmp_path)
    train("session.npz", tmp_path / "run")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    with pytest.raises(FileError, match=r"there is no file session\.npz"):
        evaluate_run(tmp_path / "run")
    evaluate_run(tmp_path / "run", str(file))
    rows = RunFolder(tmp_path / "run").read().rows_of_parts()
    assert [len(p) for p in parts_used[0][0]] == [len(r) for r in rows]
    assert (tmp_path / "run" / "evaluation_direction_class.json").exists()


def test_a_recording_that_changed_is_not_taken_for_the_one_trained_on(tmp_path, file):
    train(file, tmp_path / "run")
    write(file, counts=trials(seed=9)["counts"])
    for use in (evaluate_run, draw_run):
        with pytest.raises(FileError, match=r"is not the recording that .* was trained on"):
            use(tmp_path / "run")


def test_options_of_loading_are_kept_with_the_run(tmp_path):
    file = write(tmp_path / "bare.npz", bin_size=None)
    train(file, tmp_path / "run", load=["bin_size=0.02"])
    for data in (None, str(file)):
        assert evaluate_run(tmp_path / "run", data)["n_test"] == 12
    embed_run(tmp_path / "run", str(file), tmp_path / "z.npz")
    with pytest.raises(DataError, match=r"trained on bins of 0.02 s.* has 0.1 s"):
        evaluate_run(tmp_path / "run", str(file), load=["bin_size=0.1"])


def test_a_dataset_is_read_out_as_its_card_says(tmp_path):
    train("simulated-reach", tmp_path / "run", load=["n_trials=80", "n_units=12"])
    first = evaluate_run(tmp_path / "run")
    assert (first["dataset"], first["target"], first["readout"]) == ("simulated-reach", "direction", "angle")
    assert evaluate_run(tmp_path / "run", target="latent")["readout"] == "continuous"
    assert evaluate_run(tmp_path / "run", readout="class", labels=1)["labels"] == 1


@pytest.mark.parametrize("name", ["z.txt", "z", "z.npy"])
def test_an_embedding_is_written_as_npz_or_not_at_all(tmp_path, file, name):
    train(file, tmp_path / "run")
    with pytest.raises(FileError, match=r"must end in \.csv"):
        embed_run(tmp_path / "run", str(file), tmp_path / name)
    with pytest.raises(FileError, match="cannot write"):
        embed_run(tmp_path / "run", str(file), tmp_path / "no" / "z.npz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "session.npz"]


# Pictures.


@pytest.mark.usefixtures("drawn")
def test_every_picture_of_a_run_is_drawn(tmp_path, file):
    out = tmp_path / "run"
    train(file, out)
    evaluate_run(out, labels=1)
    assert {p.name for p in out.glob("*.png")} == {"worth_direction_class_1.png", "confusion_direction_class_1.png"}
    evaluate_run(out, target="place")
    drawn = draw_run(out)
    training = {"embedding_2d.png", "embedding_3d.png", "geometry.png", "learning_curves.png", "mined_views.png"}
    evaluations = {"worth_direction_class_1.png", "confusion_direction_class_1.png", "worth_place_continuous.png"}
    assert {p.name for p in drawn} == training | evaluations
    for path in drawn:
        assert path.parent == out
        assert path.read_bytes().startswith(b"\x89PNG\r\n")


@pytest.mark.usefixtures("drawn")
def test_a_run_without_labels_or_mining_has_fewer_pictures(tmp_path):
    file = write(tmp_path / "s.npz", direction=None, place=None, period_direction=None, segments=None)
    train(file, tmp_path / "run", method="byol")
    assert {p.name for p in draw_run(tmp_path / "run")} == {
        "embedding_2d.png",
        "embedding_3d.png",
        "geometry.png",
        "learning_curves.png",
    }
