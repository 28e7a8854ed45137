"""Several sessions from the command line: train on two, adapt to a third, embed and evaluate each."""

import json
import shutil
import warnings

import numpy as np
import pytest
from tiny import Notes
from typer.testing import CliRunner

import myow
from myow.cli.commands import app
from myow.errors import FileError, MyowError, SettingError
from myow.methods.runs import RunFolder, own_parts, session_names, sessions_of

SETTINGS = [
    word
    for setting in ("steps=4", "dim=4", "hidden=8", "read_in=5", "batch_size=16", "predictor=8", "mined_predictor=8")
    for word in ("--set", setting)
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("sessions")
    for seed, (name, n_units) in enumerate((("mon", 7), ("tue", 5), ("wed", 9))):
        rng = np.random.default_rng(seed)
        trial = np.repeat(np.arange(20), 4)
        counts = rng.poisson(2.0, (80, n_units))
        np.savez(home / f"{name}.npz", counts=counts, bin_size=0.1, segments=trial, direction=trial % 2)
    done("train", f"{home}/mon.npz,{home}/tue.npz", "--out", home / "two", "--quiet", *SETTINGS)
    done("adapt", home / "two", home / "wed.npz", "--out", home / "three", "--steps", "3", "--quiet")
    return home


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def done(*words):
    result = run(*words)
    assert result.exit_code == 0, result.exception or result.output
    return result.stdout


def test_two_recordings_are_trained_on_and_a_third_gets_a_read_in(home):
    two, three = RunFolder(home / "two").model("cpu"), RunFolder(home / "three").model("cpu")
    assert list(two.sessions_) == ["mon", "tue"]
    assert list(three.sessions_) == ["mon", "tue", "wed"]
    for name in two.sessions_:
        recording = myow.read(home / f"{name}.npz")
        np.testing.assert_array_equal(two.transform(recording), three.transform(recording))
    # Training rows alone were used, of each by the rule that it would be split by alone.
    parts = {
        s.name: own_parts(RunFolder(home / "three").read(), s.digest)
        for s in sessions_of(RunFolder(home / "three").read())
    }
    for name, own in parts.items():
        recording = myow.read(home / f"{name}.npz")
        assert sorted(np.concatenate(own)) == list(range(80))
        assert three.sessions_[name]["digest"] == recording.select(own[0]).digest()
        assert three.sessions_[name]["rows"] == len(own[0]) == 64


@pytest.mark.parametrize("session", ["mon", "tue", "wed"])
def test_each_session_is_embedded_and_evaluated(home, session):
    recording = myow.read(home / f"{session}.npz")
    out = home / f"{session}-z.npz"
    done("embed", home / "three", home / f"{session}.npz", "--out", out, "--session", session)
    with np.load(out) as held:
        np.testing.assert_array_equal(held["z"], RunFolder(home / "three").model("cpu").transform(recording))
    said = json.loads(done("evaluate", home / "three", home / f"{session}.npz", "--readout", "class", "--json"))
    named = json.loads(
        done("evaluate", home / "three", home / f"{session}.npz", "--readout", "class", "--json", "--session", session)
    )
    assert said == named
    assert said["n_test"] == 8


def test_the_page_of_several_sessions_shows_the_one_asked_for_and_says_so(home, tmp_path):
    shutil.copytree(home / "two", tmp_path / "run")
    out = tmp_path / "run"
    done("report", out)
    page = (out / "report.html").read_text()
    assert "This page shows mon; tue is not shown" in page
    assert f"myow report {out} --session tue shows another." in page
    assert "<td>mon, one of 2 that the model learnt from</td>" in page
    assert f"{myow.read(home / 'mon.npz').digest()}</td>" in page
    found = json.loads(done("evaluate", out, home / "tue.npz", "--readout", "class", "--json"))
    assert found["session"] == "tue"
    assert json.loads((out / "evaluation_tue_direction_class.json").read_text()) == found
    page = (out / "report.html").read_text()  # evaluate wrote it
    assert "This page shows tue; mon is not shown" in page
    assert f'value="{found["accuracy"]}" data-name="accuracy"' in page
    assert f"{myow.read(home / 'tue.npz').digest()}</td>" in page
    assert "direction (tue)" in (out / "model_card.md").read_text()
    done("report", out, "--session", "mon", "--full")
    page = (out / "report.html").read_text()
    assert "This page shows mon" in page
    assert "With labels exchanged" in page


def test_a_session_that_is_not_there_is_one_line(home, tmp_path):
    done("train", home / "mon.npz", "--out", tmp_path / "one", "--quiet", "--no-figures", *SETTINGS)
    for folder, session, said in (
        (home / "two", "mno", "did you mean 'mon'"),
        (tmp_path / "one", "mon", "learnt from one recording, and session is 'mon'"),
    ):
        result = run("report", folder, "--session", session, "--out", tmp_path / "p.html")
        assert isinstance(result.exception, MyowError)
        assert said in str(result.exception)
        assert not (tmp_path / "p.html").exists()


def test_folds_of_a_run_of_several_sessions_are_refused(home):
    result = run("evaluate", home / "two", home / "mon.npz", "--cv", "3")
    assert isinstance(result.exception, SettingError)
    assert "learnt from several sessions, and --cv refits" in str(result.exception)


def test_a_run_on_two_sessions_is_resumed_and_described(home):
    again = done("train", f"{home}/mon.npz,{home}/tue.npz", "--out", home / "two", "--quiet", "--resume", *SETTINGS)
    assert "nothing to do, all 4 steps were done" in again
    card = done("card", home / "three")
    assert "mon" in card
    assert "wed" in card


def test_a_read_in_is_adapted_to_a_run_of_one_recording(home):
    done("train", home / "mon.npz", "--out", home / "one", "--quiet", *SETTINGS)
    done(
        "adapt",
        home / "one",
        home / "tue.npz",
        "--out",
        home / "more",
        "--with",
        home / "mon.npz",
        "--name",
        "later",
        "--quiet",
    )
    model = RunFolder(home / "more").model("cpu")
    assert list(model.sessions_) == ["mon", "later"]
    done("evaluate", home / "more", home / "tue.npz", "--session", "later", "--json")
    assert own_parts(RunFolder(home / "more").read(), myow.read(home / "mon.npz").digest())[0].tolist() == (
        RunFolder(home / "one").read().rows_of_parts()[0].tolist()
    )


@pytest.mark.parametrize(
    ("words", "kind", "why"),
    [
        (("evaluate", "two"), SettingError, "learnt from several sessions; name the one"),
        (("adapt", "two", "wed.npz", "--out", "two"), SettingError, "the run itself, which stays as it is"),
        (("adapt", "two", "mon.npz", "--out", "new"), MyowError, "session mon was trained on already"),
        (("adapt", "two", "none.npz", "--out", "new"), FileError, "there is no file"),
        (
            ("train", "mon.npz,tue.npz", "--method", "pca", "--out", "new"),
            SettingError,
            "pca learns from one recording",
        ),
        (("train", "mon.npz,mon.npz", "--out", "new"), SettingError, "have the same name"),
        (("embed", "two", "wed.npz", "--out", "z.npz"), MyowError, "no session fits wed"),
        (("embed", "two", "tue.npz", "--out", "z.npz", "--session", "mon"), MyowError, "was trained on 7 units"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_no_run(home, monkeypatch, words, kind, why):
    monkeypatch.chdir(home)
    result = run(*words)
    assert isinstance(result.exception, kind)
    assert why in str(result.exception)
    assert not (home / "new" / "run.json").exists()


def test_names_are_parted_at_commas_unless_a_file_has_one(tmp_path):
    assert session_names("a, b,") == ["a", "b"]
    odd = tmp_path / "a,b.npz"
    odd.touch()
    assert session_names(str(odd)) == [str(odd)]


def test_a_damaged_description_of_sessions_is_a_clear_error(home, tmp_path):
    about = json.loads((home / "two" / "run.json").read_text())
    for damage in ("[", "[1]", '[{"data": 1, "name": "a", "digest": "x", "rows": 3}]', '{"a": 1}'):
        about["recording"]["sessions"] = damage
        (tmp_path / "run.json").write_text(json.dumps(about))
        with pytest.raises(FileError, match="description of its sessions is damaged"):
            sessions_of(RunFolder(tmp_path).read())


def test_a_stopped_adaptation_keeps_no_model_and_goes_on(home, monkeypatch):
    words = ("adapt", home / "two", home / "wed.npz", "--out", home / "stopped", "--steps", "3")
    with monkeypatch.context() as patch:
        patch.setattr("myow.cli.train.ProgressBar", lambda title: Notes(2, lambda _: KeyboardInterrupt()))
        result = run(*words)
    assert result.exit_code == 130
    assert "stopped; " in result.output
    assert not RunFolder(home / "stopped").holds_run()
    done(*words, "--quiet", "--resume")
    wed = myow.read(home / "wed.npz")
    models = [RunFolder(home / name).model("cpu") for name in ("three", "stopped")]
    np.testing.assert_array_equal(*(model.transform(wed) for model in models))
    steps = [json.loads(line)["step"] for line in (home / "stopped" / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3]


def test_an_unfrozen_encoder_says_how_well_held_out_segments_are_recognised(home):
    words = ("adapt", home / "two", home / "wed.npz", "--out", home / "unfrozen", "--steps", "3", "--quiet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        said = done(*words, "--unfreeze", "encoder")
    told = RunFolder(home / "unfrozen").model("cpu").trained_on_[-1]["recognition"]
    assert (
        f"held-out segments, read-in: {told['read_in']:.3f}; held-out segments, encoder: {told['encoder']:.3f}" in said
    )
    assert "unknown unfreeze 'all'" in str(run(*words[:-4], home / "no", "--unfreeze", "all").exception)


def test_what_cannot_be_adapted_leaves_an_earlier_run_as_it_was(home):
    words = ("adapt", home / "two", "--out", home / "kept", "--quiet", "--steps", "2")
    done(*words, home / "wed.npz")
    before = {path.name: path.read_bytes() for path in (home / "kept").iterdir()}
    assert "holds a run already" in str(run(*words, home / "wed.npz").exception)
    refused = run(*words, home / "mon.npz", "--overwrite")
    assert "session mon was trained on already" in str(refused.exception)
    other = run(*words, home / "wed.npz", "--resume", "--name", "else")
    assert "holds a run with other" in str(other.exception)
    assert {path.name: path.read_bytes() for path in (home / "kept").iterdir()} == before
