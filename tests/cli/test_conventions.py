"""The command line as people expect it: version, -h, settings explained, a configuration file, 80 columns, nothing replaced unasked."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from command import SMALL, myow, trials, write

import myow as package
from myow.cli.options import laid_out
from myow.figures import run_figures as drawing
from myow.methods import IMAGE_METHODS, METHODS, image_method_class, method_class
from myow.methods.presets import IMAGE_PRESETS, PRESETS
from myow.methods.runs import RunFolder

COMMANDS = ["demo", "datasets", "inspect", "settings", "train", "adapt", "embed", "export", "card", "evaluate", "bench"]


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    monkeypatch.setattr(drawing, "draw_evaluations", lambda *_: [])
    monkeypatch.setattr(drawing, "draw_training", lambda *_: [])


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "session.npz")


def test_the_version_is_printed():
    assert myow("--version") == (0, f"myow {package.__version__}\n", "")


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_is_short_for_h_and_fits_80_columns(command):
    words = [] if command is None else [command]
    called = myow(*words, "-h")
    assert called == myow(*words, "--help")
    assert called.code == 0
    assert max(map(len, called.out.splitlines())) <= 80
    assert "..." not in called.out.replace("cpu, cuda, ...", "").replace("[ARGS]...", "")  # no sentence is cut off


def test_every_command_is_in_the_help_and_methods_and_presets_are_in_that_of_train():
    assert all(f"\n  {command} " in myow("-h").out for command in COMMANDS)
    said = " ".join(myow("train", "-h").out.split())
    assert all(name in said for name in [*METHODS, "unmined", *PRESETS, *IMAGE_PRESETS])


def test_completion_can_be_had():
    # The shell is named, since that which runs the tests may be one without completion.
    named = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    words = [sys.executable, "-m", "myow", "--show-completion", "bash"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=named)
    assert done.returncode == 0
    assert "complete" in done.stdout


# Settings.


@pytest.mark.parametrize("name", METHODS)
def test_every_setting_is_explained_with_its_default(name):
    found = {row["setting"]: row for row in myow("settings", name, "--json").json()}
    defaults = method_class(name)().get_params()
    assert found.keys() == defaults.keys()
    for key, row in found.items():
        default = defaults[key]
        assert row["default"] == (list(default) if isinstance(default, tuple) else default)
        assert row["help"].endswith(".")
    text = myow("settings", name).out
    assert max(map(len, text.splitlines())) <= 80
    assert all(f"\n{key}=" in text for key in found)


@pytest.mark.parametrize("name", IMAGE_METHODS)
def test_settings_of_methods_for_images_are_explained_too(name):
    found = myow("settings", name, "--images", "--json").json()
    assert {row["setting"] for row in found} == set(image_method_class(name)().get_params())


def test_what_is_shown_of_a_setting_can_be_set(file, tmp_path):
    shown = [line.split("  (")[0] for line in myow("settings", "pca").out.splitlines() if "  (" in line]
    taken = [pair for pair in shown if pair.split("=")[0] not in ("random_state", "device", "dim")]
    options = [word for pair in [*taken, "dim=3"] for word in ("--set", pair)]
    called = myow("train", file, "--out", tmp_path / "run", "--method", "pca", *options)
    assert called.code == 0, called.err


def test_a_preset_shows_its_values():
    found = {row["setting"]: row for row in myow("settings", "byol", "--preset", "v1-reaching", "--json").json()}
    assert (found["optimizer"]["preset"], found["optimizer"]["default"]) == ("lars", "adamw")
    assert "optimizer=lars" in myow("settings", "byol", "--preset", "v1-reaching").out
    assert "mined_weight=0.0" in myow("settings", "unmined").out


def test_methods_and_presets_are_listed():
    found = myow("settings", "--json").json()
    assert {row["method"] for row in found["methods"]} == set(METHODS)
    assert found["presets"] == {"recordings": list(PRESETS), "images": list(IMAGE_PRESETS)}
    assert all(name in myow("settings").out for name in [*METHODS, *PRESETS])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["miow"], "did you mean 'myow'"),
        (["pca", "--images"], "unknown method for images 'pca'"),
        (["myow", "--preset", "v1-reach"], "did you mean 'v1-reaching'"),
    ],
)
def test_settings_of_what_is_not_there_are_one_line(words, said):
    assert said in myow("settings", *words).error()


# A configuration file.

RUN = """
method = "byol"
context = [1, 2]
seed = 5
quiet = true

[set]
steps = 6
dim = 4
hidden = [8, 8]
predictor = 8
batch_size = 32
symmetric = false
"""


def test_a_configuration_file_gives_options_and_the_command_line_decides(file, tmp_path):
    (tmp_path / "run.toml").write_text(RUN)
    called = myow("train", file, "--out", tmp_path / "a", "--config", tmp_path / "run.toml", "--seed", "7")
    assert called.code == 0, called.err
    about, model = RunFolder(tmp_path / "a").read(), RunFolder(tmp_path / "a").model("cpu")
    assert (about.method, tuple(model.context), model.seed_, model.n_steps_) == ("byol", (1, 2), 7, 6)
    assert (tuple(model.hidden), model.symmetric) == ((8, 8), False)


def test_a_configuration_file_may_name_the_data_and_the_folder(file, tmp_path):
    first = f"data = {json.dumps(str(file))}\nout = {json.dumps(str(tmp_path / 'b'))}\n"
    (tmp_path / "run.toml").write_text(first + RUN + "[load]\nname = 'mine'\n")
    called = myow("train", "--config", tmp_path / "run.toml")
    assert called.code == 0, called.err
    about = RunFolder(tmp_path / "b").read()
    assert (about.settings["random_state"], about.recording["name"]) == (5, "mine")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("metod = 'byol'", "did you mean 'method'"),
        ("quiet = 'yes'", "it must be true or false"),
        ("method = true", "a value, as on the command line"),
        ("[set]\nstepps = 3", "did you mean 'steps'"),
        ("seed = ", "is no TOML file"),
        (None, "cannot be read"),
    ],
)
def test_a_configuration_file_that_does_not_fit_is_one_line(file, tmp_path, text, said):
    if text is not None:
        (tmp_path / "run.toml").write_text(text)
    called = myow("train", file, "--out", tmp_path / "run", "--config", tmp_path / "run.toml")
    assert said in called.error()
    assert not (tmp_path / "run").exists()


# An earlier run.


def test_an_earlier_run_is_kept_unless_it_was_said_what_is_to_become_of_it(file, tmp_path):
    words = ["train", file, "--out", tmp_path / "run", *SMALL]
    assert myow(*words).code == 0
    held = {name: (tmp_path / "run" / name).read_bytes() for name in os.listdir(tmp_path / "run")}
    said = myow(*words, "--seed", "3").error()
    assert "holds a run already; add --resume to go on with it or --overwrite to replace it" in said
    assert {name: (tmp_path / "run" / name).read_bytes() for name in os.listdir(tmp_path / "run")} == held
    assert "give one of them" in myow(*words, "--resume", "--overwrite").error()
    assert myow(*words, "--resume").code == 0
    assert "(an earlier run was replaced)" in myow(*words, "--seed", "3", "--overwrite").out
    assert RunFolder(tmp_path / "run").read().settings["random_state"] == 3


def test_what_a_killed_training_left_is_kept_too(file, tmp_path):
    words = ["train", file, "--out", tmp_path / "run", *SMALL]
    assert myow(*words).code == 0
    (tmp_path / "run" / "run.json").unlink()
    (tmp_path / "run" / "model.myow").unlink()
    assert "holds a run already" in myow(*words).error()
    assert myow(*words, "--resume").code == 0


# What is printed.


def test_a_warning_is_printed_once(tmp_path):
    counts = np.where(np.arange(6) == 2, 0, trials()["counts"])  # a unit that never fires
    file = write(tmp_path / "session.npz", counts=counts)
    for words in (["train", file, "--out", tmp_path / "run", *SMALL, "--no-figures"], ["evaluate", tmp_path / "run"]):
        done = subprocess.run(
            [sys.executable, "-m", "myow", *map(str, words)],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        lines = done.stderr.splitlines()
        assert sum("never change" in line for line in lines) == 1
        assert len(lines) == len(set(lines))


class Terminal(io.StringIO):
    """What is printed to a terminal."""

    def isatty(self):
        return True


def test_in_a_terminal_lines_break_between_words_and_in_a_pipe_they_do_not(tmp_path, monkeypatch):
    text = f"error: {tmp_path / 'a-very-long-name'} holds a run already; add --resume to go on with it or --overwrite"
    assert laid_out(text, io.StringIO()) == text
    lines = laid_out(text, Terminal()).splitlines()
    assert len(lines) > 1
    assert all(len(line) <= 80 or str(tmp_path) in line for line in lines)
    assert str(tmp_path / "a-very-long-name") in "\n".join(lines)  # a path is not cut
    assert " ".join(line.strip() for line in lines) == text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "FILE", "--out", "x", "--method", "cebra"], "unknown method 'cebra'. Choices: autoencoder"),
        (["train", "FILE", "--out", "x", "--set", "steps"], "'steps' lacks a value; write key=value"),
        (["train", "FILE", "--out", "x", "--context", "2"], "context must be 2 numbers, such as 2,2"),
        (["train", "FILE", "--out", "x", "--steps", "9", "--epochs", "2"], "give one of them"),
        (["train", "FILE", "--out", "x", "--device", "gpu"], "there is no such kind; cpu and cuda are"),
        (["train", "one.npy", "--out", "x"], "numpy.savez writes counts and bin_size into one .npz"),
        (["train", "table.csv", "--out", "x"], "in a command --data units=a,b,c"),
        (["evaluate", "runs"], "is not a run folder (it has no run.json); runs in it: runs/a"),
        (["evaluate", "nowhere"], "is not a run folder (there is no such folder); train into it first"),
        (["report", "nowhere"], "is not a run folder (there is no such folder); train into it first"),
        (["export", "runs/a", "--out", "m.onxx"], "the name of a graph must end in .onnx"),
    ],
)
def test_mistakes_of_a_first_day_are_one_line_that_says_what_to_do(file, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    if "runs" in words[1]:
        assert myow("train", file, "--out", "runs/a", "--steps", "2", "--no-figures", *SMALL[2:]).code == 0
        assert RunFolder(tmp_path / "runs" / "a").model("cpu").n_steps_ == 2
    np.save("one.npy", trials()["counts"])
    (tmp_path / "table.csv").write_text("a,b,c\n" + "1,0,2\n" * 30)
    assert said in myow(*(file if word == "FILE" else word for word in words)).error()
    assert not (tmp_path / "x" / "run.json").exists()


def test_no_figures_are_drawn_where_none_are_wanted(file, tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "draw_training", lambda *_: pytest.fail("drawn"))
    assert myow("train", file, "--out", tmp_path / "run", *SMALL, "--no-figures").code == 0
