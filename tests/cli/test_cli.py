"""The command line: what it prints, what it returns, and one line for everything that goes wrong."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from command import SMALL, myow, trials, write

from myow import datasets
from myow.cli import train as workflow
from myow.cli.bench import DEMO_STEPS
from myow.figures import run_figures as drawing
from myow.methods.runs import RunFolder
from myow.training import rows

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and file systems of POSIX")


@pytest.fixture(autouse=True)
def undrawn(request, monkeypatch):
    """Drawing takes most of the time; tests of pictures ask for it."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(drawing, "draw_evaluations", lambda *_: [])
        monkeypatch.setattr(drawing, "draw_training", lambda *_: [])


@pytest.fixture
def drawn():
    """Ask for pictures."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A recording and a run trained on it, which no test may change."""
    folder = tmp_path_factory.mktemp("shared")
    file = write(folder / "session.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "draw_training", lambda *_: [])
        called = myow("train", file, "--out", folder / "run", *SMALL)
    assert called.code == 0, called.err
    return folder


def python(*words, **environment):
    """Run Python in a process of its own."""
    return subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )


# Help and usage.


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["evaluate", "--help"]])
def test_help_imports_nothing_heavy(words):
    code = (
        f"import sys; sys.argv = ['myow', *{words!r}]\n"
        "from myow.cli.commands import main\n"
        "try:\n    main()\n"
        "finally:\n    print('heavy:', sorted({'torch', 'sklearn', 'scipy', 'matplotlib', 'numpy'} & sys.modules.keys()))"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    assert "Usage: myow" in done.stdout
    assert done.stdout.rstrip().endswith("heavy: []")


def test_the_command_is_installed_and_the_module_is_the_same():
    script = Path(sys.executable).parent / "myow"
    installed = subprocess.run([script, "--help"], capture_output=True, text=True, check=False)
    module = python("-m", "myow", "--help")
    assert installed.returncode == module.returncode == 0
    for command in ("demo", "datasets", "train", "embed", "evaluate"):
        assert command in installed.stdout
        assert command in module.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["train"],
        ["train", "simulated-reach"],
        ["train", "simulated-reach", "--out", "x", "--epochs", "many"],
        ["train", "simulated-reach", "--out", "x", "--seed", "-1"],
        ["train", "simulated-reach", "--out", "x", "--split-seed", "-1"],
        ["train", "simulated-reach", "--out", "x", "--seed", 2**70],
        ["evaluate", "x", "--labels", "few"],
        ["embed", "x", "simulated-reach"],
    ],
)
def test_wrong_usage_is_exit_code_2_and_touches_nothing(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    called = myow(*words)
    assert called.code == 2
    assert called.out == ""
    assert "Traceback" not in called.err
    assert not list(tmp_path.iterdir())


# What is printed.


def test_datasets_are_listed():
    found = myow("datasets", "--json").json()
    keys = {
        "recording": ["units", "bins", "bin_size", "segments"],
        "images": ["train", "test", "size", "classes"],
    }
    for card in found:
        ends = ["available", "licence", "citation"]
        assert list(card) == ["name", "data", "kind", *keys[card["data"]], *ends]
    published = {"chewie-1", "chewie-2", "mihi-1", "mihi-2", "mouse-ca1", "rat-v1"}
    images = {"cifar-10", "cifar-100", "cifar-20", "tiny-imagenet"}
    assert {card["name"] for card in found if card["data"] == "images"} == images
    assert {card["name"] for card in found} == published | images | {"simulated-reach", "simulated-sleep"}
    assert all(card["available"] for card in found if card["kind"] == "simulated")
    table = myow("datasets")
    assert table.code == 0
    assert all(card["name"] in table.out for card in found)


def test_train_says_what_it_did_in_what_time_what_lies_there_and_what_to_type_next(tmp_path):
    file, run = write(tmp_path / "session.npz"), tmp_path / "run"
    called = myow("train", file, "--out", run, *SMALL)
    assert (called.code, called.err) == (0, "")
    done, rest = called.out.split("\nbeside it: ")
    files, *following = rest.split("\nnext: ")[0].replace("\n", " "), *rest.splitlines()[-2:]
    assert re.fullmatch(rf"{run / 'model.myow'}: myow, 6 steps on 96 bins of session in \d+(\.\d)? s", done)
    assert {name for name in os.listdir(run) if name.endswith(("card.md", ".json", ".jsonl"))} <= {
        *re.split("[ ,]+", files)
    }
    commands = [line.split("myow ")[1].split() for line in following]
    assert commands[0] == ["evaluate", str(run)]
    assert myow(*commands[0]).code == 0
    assert commands[1][-1] == "z.npz"
    assert myow(*commands[1][:-1], tmp_path / "z.npz").code == 0


def test_options_of_train_reach_the_run(tmp_path):
    file = write(tmp_path / "session.npz")
    options = "--method byol --context 1,2 --rows all --split time --split-seed 4 --epochs 2 --seed 5"
    called = myow("train", file, "--out", tmp_path / "run", *options.split(), *SMALL)
    assert called.code == 0, called.err
    run = RunFolder(tmp_path / "run")
    about, model = run.read(), run.model("cpu")
    assert (about.method, about.rows, about.split, about.split_seed) == ("byol", "all", "time", 4)
    assert (tuple(model.context), model.epochs, model.seed_, model.n_steps_) == ((1, 2), 2, 5, round(2 * 120 / 32))
    assert [len(rows) for rows in about.rows_of_parts()] == [96, 12, 12]


def test_tensorboard_events_are_written_when_asked_for(tmp_path):
    pytest.importorskip("tensorboard")
    file = write(tmp_path / "session.npz")
    assert myow("train", file, "--out", tmp_path / "run", *SMALL, "--tensorboard").code == 0
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))


KEYS = {
    "dataset", "method", "target", "readout", "rows", "n_train", "n_test", "accuracy", "delta_accuracy",
    "balanced_accuracy", "weighted_f1", "r2", "interval", "majority",
}  # fmt: skip


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        (["--readout", "angle"], {"accuracy", "delta_accuracy", "majority"}),
        (["--readout", "class"], {"accuracy", "balanced_accuracy", "weighted_f1", "majority"}),
        (["--readout", "knn", "--labels", "2"], {"accuracy", "balanced_accuracy", "weighted_f1", "majority"}),
        (["--target", "place"], {"r2"}),
        (["--target", "place", "--labels", "1"], {"r2"}),
    ],
)
def test_an_evaluation_is_one_json_object_with_every_key(shared, options, meant):
    result = myow("evaluate", shared / "run", *options, "--json").json()
    for row in (result, result["raw"], result["pca"], result["untrained"]):
        assert row.keys() >= KEYS
        figures = {"accuracy", "delta_accuracy", "balanced_accuracy", "weighted_f1", "r2", "majority"}
        assert {key for key in figures if row[key] is not None} == meant
        assert (row["dataset"], row["rows"]) == ("session", "train")
        assert len(row["interval"]) == 2
        assert row["spread"] is None or "--labels" in options
    assert result["method"] == "myow"
    assert result.keys() >= {"raw", "pca", "untrained"}


def test_an_evaluation_is_printed_as_a_table_beside_its_baselines(shared):
    called = myow("evaluate", shared / "run", "--labels", "1")
    assert (called.code, called.err) == (0, "")
    for word in ("myow embedding", "raw counts", "components", "untrained encoder", "majority class", "95 % interval"):
        assert word in called.out
    said = " ".join(called.out.split())
    assert "1 labelled segment per class, 12 test bins" in said
    assert myow("evaluate", shared / "run", "--labels", "1", "--json").json()["verdict"] in said
    assert max(map(len, called.out.splitlines())) <= 80


def test_an_evaluation_says_where_not_all_bins_were_fitted(shared, monkeypatch):
    assert "Fitted on" not in myow("evaluate", shared / "run").out
    monkeypatch.setattr(rows, "FITTED_ROWS", 50)
    found = myow("evaluate", shared / "run", "--json").json()
    said = " ".join(myow("evaluate", shared / "run").out.split())
    assert (
        f"readouts on {found['readout_rows']['used']} of {found['readout_rows']['of']}, principal components on 50 of"
        in said
    )
    assert f"All {found['n_test']} test bins are scored." in said


def test_another_recording_is_evaluated_and_embedded(shared, tmp_path):
    other = write(tmp_path / "other.npz", **trials(n_segments=40, seed=4))
    result = myow("evaluate", shared / "run", other, "--json").json()
    assert (result["dataset"], result["n_train"] + result["n_test"]) == ("other", 240)
    called = myow("embed", shared / "run", other, "--out", tmp_path / "z.npz")
    assert called == (0, f"{tmp_path / 'z.npz'}: z of shape (240, 4), times, segments\n", "")
    with np.load(tmp_path / "z.npz") as found:
        assert (found["z"].shape, found["z"].dtype) == ((240, 4), np.float32)
        assert np.isfinite(found["z"]).all()
        assert found["times"].tolist() == pytest.approx(np.arange(240) * 0.1)
        assert found["segments"].tolist() == np.repeat(np.arange(40), 6).tolist()


@pytest.fixture
def small_demo(monkeypatch):
    """A demo on fewer trials and steps."""

    def small(data, out, settings, load, **options):
        assert settings == ["context=2,2", f"steps={DEMO_STEPS}"]
        load = [*load, "n_trials=80", "n_units=12"]
        return train_run(data, out, load=load, settings=[*settings, *SMALL[1:10:2]], **options)

    train_run = workflow.train_run
    monkeypatch.setattr(workflow, "train_run", small)


@pytest.mark.usefixtures("drawn", "small_demo")
def test_demo_trains_evaluates_and_draws(tmp_path):
    found = myow("demo", "--out", tmp_path / "demo", "--json").json()
    pictures = {p.name for p in (tmp_path / "demo").glob("*.png")}
    assert pictures >= {
        "embedding_2d.png",
        "embedding_3d.png",
        "geometry.png",
        "learning_curves.png",
        "mined_views.png",
    }
    assert len([name for name in pictures if name.startswith("confusion_direction_class")]) == 2
    few, every = found["evaluations"]
    assert (few["labels"], every["labels"], found["seed"]) == (1, None, 0)
    gain = found["gain"]
    for held, row in ((gain, "raw"), (gain["components"], "pca")):
        best = max(few[key]["accuracy"] for key in (row, f"{row}_common"))
        assert held["difference"] == pytest.approx(few["accuracy"] - best)
        assert held["interval"][0] <= held["difference"] <= held["interval"][1]
    assert (gain["draws"], gain["test_segments"]) == (len(few["per_draw"]), 32)
    assert {Path(p).name for p in found["pictures"]} == pictures


@pytest.mark.usefixtures("small_demo")
def test_demo_prints_both_columns_a_verdict_and_what_to_type_next(tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "draw_training", lambda *_: [Path("one.png"), Path("two.png")])
    monkeypatch.chdir(tmp_path)
    called = myow("demo", "--out", "demo")
    assert called.code == 0
    assert max(map(len, called.out.splitlines())) <= 80
    for word in (
        "one labelled trial a direction",
        "all labels",
        "raw counts",
        "components",
        "points",
        "Intervals: 95 %",
    ):
        assert word in " ".join(called.out.split())
    assert "Figures in demo: one.png, two.png\n" in called.out
    assert [line.split()[:2] for line in called.out.splitlines()[-3:]] == [
        ["myow", word] for word in ("inspect", "train", "evaluate")
    ]
    again = myow("demo", "--out", "demo", "--seed", "1")
    assert again.code == 0, again.err  # over an earlier demo
    assert "simulated-reach" in again.out


@pytest.mark.usefixtures("small_demo")
def test_demo_leaves_another_run_alone(shared):
    before = state(shared / "run")
    assert "holds a run already" in myow("demo", "--out", shared / "run").error()
    assert state(shared / "run") == before


# Bad input: exit code 1, one line, no traceback, nothing left behind.

COUNTS = trials()["counts"].astype(float)


def spoilt(value):
    counts = COUNTS.copy()
    counts[3, 2] = value
    return counts


BAD_FILES = {
    "NaN": ({"counts": spoilt(np.nan)}, "counts hold nan at bin 3, unit 2"),
    "infinite": ({"counts": spoilt(np.inf)}, "counts hold inf at bin 3, unit 2"),
    "negative": ({"counts": spoilt(-1)}, "counts cannot be negative"),
    "fractions": ({"counts": spoilt(0.5)}, "counts are whole"),
    "text": ({"counts": COUNTS.astype(str)}, "must be real numbers"),
    "objects": ({"counts": np.array([[1, 2], [3]], dtype=object)}, "which could run code"),
    "one axis": ({"counts": COUNTS[:, 0]}, "counts have shape (120,)"),
    "no units": ({"counts": COUNTS[:, :0]}, "counts have shape (120, 0)"),
    "no counts": ({"counts": None}, "there is no array 'counts'"),
    "no bin size": ({"bin_size": None}, "there is no 'bin_size'"),
    "bin size 0": ({"bin_size": 0.0}, "bin_size is 0.0"),
    "short segments": ({"segments": np.zeros(7)}, "segments have shape (7,), but there are 120 bins"),
    "interleaved": ({"segments": np.arange(120) % 2}, "segment 0 comes back after another began"),
    "falling times": ({"times": -np.arange(120.0)}, "they must rise"),
    "short label": ({"direction": np.zeros(7)}, "'direction' has shape (7,)"),
    "NaN label": ({"place": np.full(120, np.nan)}, "label 'place' holds NaN"),
    "unknown kind": ({"kind": "spikes"}, "kind is 'spikes'"),
    "one bin": ({"counts": COUNTS[:1], "segments": [0], "direction": [1], "place": [1.0]}, "recording's 1 bins"),
    "silent": ({"counts": COUNTS * 0}, "all 6 units are constant (silent)"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_recording_is_one_line(tmp_path, name):
    changes, said = BAD_FILES[name]
    file = write(tmp_path / "session.npz", **changes)
    assert said in myow("train", file, "--out", tmp_path / "run", *SMALL).error()
    left = [p for p in tmp_path.rglob("*") if p.is_file() and p != file]
    assert left in ([], [tmp_path / "run" / "run.lock"])  # the lock is an empty file that stays


BAD_SETTINGS = {
    "k above the pool": (["--set", "k=1000"], "k is 1000, but the candidate pool holds 96 rows"),
    "k above the batch": (["--set", "k=90", "--set", "pool=batch"], "k is 90, but the candidate pool holds 64 rows"),
    "context too wide": (["--context", "4,4"], "the context window is 9 bins wide, but the longest segment spans 6"),
    "context of one": (["--context", "4"], "context must be 2 numbers"),
    "wrong key": (["--set", "batchsize=3"], "did you mean 'batch_size'"),
    "wrong value": (["--set", "k=few"], "k must be a whole number"),
    "NaN setting": (["--set", "noise=nan"], "noise must be a finite number"),
    "no pair": (["--set", "k"], "write key=value"),
    "method": (["--method", "miow"], "did you mean 'myow'"),
    "preset": (["--preset", "v1-reach"], "did you mean 'v1-reaching'"),
    "rows": (["--rows", "tain"], "did you mean 'train'"),
    "split": (["--split", "rando"], "did you mean 'random'"),
    "no released split": (["--split", "released"], "has no released split"),
    "encoder": (["--set", "encoder=mpl"], "did you mean 'mlp'"),
    "device": (["--device", "gpu"], "device 'gpu' cannot be used here"),
    "option of a file": (["--data", "binsize=1"], "did you mean 'bin_size'"),
    "diverging": (["--set", "learning_rate=1e30"], "lower learning_rate"),
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_a_bad_setting_is_one_line(tmp_path, name):
    options, said = BAD_SETTINGS[name]
    file = write(tmp_path / "session.npz")
    assert said in myow("train", file, "--out", tmp_path / "run", *SMALL, *options).error()
    assert not (tmp_path / "run" / "model.myow").exists()
    assert not list(tmp_path.rglob(".*"))


def test_one_segment_that_excludes_itself_has_no_candidate(tmp_path):
    file = write(tmp_path / "session.npz", segments=None)
    for setting, said in (
        ("exclude=segment", "the recording is one segment"),
        ("exclude_gap=1e6", "exclude_gap is 1e+06"),
    ):
        error = myow("train", file, "--out", tmp_path / "run", *SMALL, "--set", setting).error()
        assert f"no candidate is left: {said}" in error


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("simulated-reech", "did you mean 'simulated-reach'"),
        ("missing.npz", "there is no file missing.npz"),
        ("junk.npz", "junk.npz is no whole .npz archive"),
        ("cut.npz", "cut.npz is no whole .npz archive"),
        ("altered.npz", "altered.npz is no whole .npz archive"),
        ("notes.txt", "its ending must be one of"),
        ("x" * 300, "too long"),
        (".", ". is a folder, and holds neither spike_times.npy and spike_clusters.npy"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(tmp_path, monkeypatch, data, said):
    monkeypatch.chdir(tmp_path)
    whole = write(tmp_path / "session.npz").read_bytes()
    Path("junk.npz").write_bytes(b"junk")
    Path("cut.npz").write_bytes(whole[: len(whole) // 2])
    Path("altered.npz").write_bytes(whole[:300] + bytes([whole[300] ^ 255]) + whole[301:])
    Path("notes.txt").write_text("notes")
    assert said in myow("train", data, "--out", "run", *SMALL).error()


@pytest.mark.parametrize("content", [b"", b"not the published bytes", b"cos\nsystem\n(S'true'\ntR."])
def test_an_altered_published_file_is_refused_before_it_is_opened(tmp_path, monkeypatch, content):
    card = datasets.card("mouse-ca1")
    for file in card.files:
        (tmp_path / file.name).write_bytes(content)
    monkeypatch.setenv("MYOW_DATA", str(tmp_path))
    monkeypatch.setenv("MYOW_OFFLINE", "1")
    assert "was altered or truncated" in myow("train", "mouse-ca1", "--out", tmp_path / "run", *SMALL).error()


@pytest.mark.parametrize("name", ["chewie-2", "mihi-2", "rat-v1"])
def test_a_published_file_that_is_not_at_hand_says_where_to_get_it(tmp_path, monkeypatch, name):
    monkeypatch.setenv("MYOW_DATA", str(tmp_path))
    monkeypatch.setenv("MYOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MYOW_OFFLINE", "1")
    error = myow("train", name, "--out", tmp_path / "run", *SMALL).error()
    assert "get it from https://" in error
    assert "MYOW_DATA" in error


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--target", "direktion"], "did you mean 'direction'"),
        (["--readout", "klass"], "did you mean 'class'"),
        (["--target", "place", "--readout", "class"], "needs one class a row"),
        (["--labels", "0"], "it must be 1 or more"),
        (["--labels", "50"], "50 labelled segments per class were asked for"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(shared, options, said):
    assert said in myow("evaluate", shared / "run", *options, "--json").error()


def test_a_label_missing_from_the_training_split_is_one_line(tmp_path):
    late = np.where(np.arange(120) >= 108, 3, np.arange(120) // 6 % 2)
    file = write(tmp_path / "session.npz", direction=late)
    assert myow("train", file, "--out", tmp_path / "run", *SMALL, "--split", "time").code == 0
    assert "a label missing from the training split: 3" in myow("evaluate", tmp_path / "run").error()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"counts": trials(n_units=7)["counts"]}, "the model was trained on 6 units (session), but other has 7"),
        ({"bin_size": 0.05}, "the model was trained on bins of 0.1 s (session), but this recording has 0.05 s"),
        ({"kind": "continuous"}, "the model was trained on counts (session), but this recording holds continuous"),
    ],
)
def test_a_recording_that_does_not_fit_the_model_is_one_line(shared, tmp_path, changes, said):
    other = write(tmp_path / "other.npz", **changes)
    assert said in myow("evaluate", shared / "run", other).error()
    assert said in myow("embed", shared / "run", other, "--out", tmp_path / "z.npz").error()
    assert not (tmp_path / "z.npz").exists()


@pytest.mark.parametrize("name", ["run.json", "model.myow"])
@pytest.mark.parametrize("content", [None, b"", b"junk", b"{}", b"\xff\xfe\x00" * 40])
def test_a_damaged_run_is_one_line(shared, tmp_path, name, content):
    run = Path(shutil.copytree(shared / "run", tmp_path / "run"))
    if content is None:
        (run / name).unlink()
    else:
        (run / name).write_bytes(content)
    for words in (["evaluate", run], ["embed", run, shared / "session.npz", "--out", tmp_path / "z.npz"]):
        assert str(run) in myow(*words).error()


@pytest.mark.parametrize("name", ["checkpoint.safetensors", "mined.npz", "neighbour_pairs.npz"])
def test_damaged_training_state_is_one_line(shared, tmp_path, name):
    run = Path(shutil.copytree(shared / "run", tmp_path / "run"))
    (run / name).write_bytes(b"junk")
    assert f"{run / name} is " in myow("train", shared / "session.npz", "--out", run, *SMALL, "--resume").error()


# Folders that cannot be written.


def test_an_output_folder_that_cannot_be_is_one_line(shared, tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        assert "cannot write to folder" in myow("train", shared / "session.npz", "--out", out, *SMALL).error()
    words = ["embed", shared / "run", shared / "session.npz", "--out"]
    assert "cannot write" in myow(*words, tmp_path / "no" / "z.npz").error()
    assert "must end in .csv" in myow(*words, tmp_path / "z.txt").error()
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_output_folder_is_one_line(shared, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    out = tmp_path / "locked" / "run"
    assert "cannot write to folder" in myow("train", shared / "session.npz", "--out", out, *SMALL).error()


@contextmanager
def room(n_bytes):
    """Let no file grow beyond some bytes, as a full disk would; Python turns the signal into an error."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def whole_files_only(folder):
    """Names in a folder; fail if one is temporary or half-written."""
    found = sorted(p.name for p in folder.iterdir())
    assert not [name for name in found if name.startswith(".")]
    if "checkpoint.safetensors" in found:
        from safetensors import safe_open

        with safe_open(folder / "checkpoint.safetensors", framework="numpy") as file:
            assert file.metadata()
    for name, second in (("mined.npz", "mined"), ("neighbour_pairs.npz", "neighbour")):
        if name in found:
            with np.load(folder / name) as file:
                assert len(file[second]) == len(file["step"])
    return found


@POSIX
def test_a_checkpoint_that_has_no_room_is_one_line_and_leaves_nothing_half_written(shared, tmp_path):
    with room(8000):
        called = myow("train", shared / "session.npz", "--out", tmp_path / "run", *SMALL)
    assert "cannot write" in called.error()
    assert "checkpoint.safetensors" in called.error()
    assert whole_files_only(tmp_path / "run") == ["metrics.jsonl", "neighbour_pairs.npz", "run.lock"]


@POSIX
def test_an_embedding_that_has_no_room_leaves_the_old_one(shared, tmp_path):
    words = ["embed", shared / "run", shared / "session.npz", "--out", tmp_path / "z.npz"]
    assert myow(*words).code == 0
    old = (tmp_path / "z.npz").read_bytes()
    with room(500):
        assert "cannot write" in myow(*words).error()
    assert (tmp_path / "z.npz").read_bytes() == old
    assert os.listdir(tmp_path) == ["z.npz"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 100 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "none", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no small file system: only root may mount one")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(shared, small_disk):
    out = small_disk / "run"
    error = myow("train", shared / "session.npz", "--out", out, *SMALL, "--set", "hidden=200").error()
    assert "cannot write" in error
    assert "No space left" in error
    whole_files_only(out)
    shutil.rmtree(out)
    with pytest.raises(OSError, match="No space"):
        (small_disk / "filler").write_bytes(bytes(2**18))
    for words in (
        ["train", shared / "session.npz", "--out", out, *SMALL],
        ["train", "simulated-sleep", "--out", small_disk / "b"],
    ):
        assert "cannot write" in myow(*words).error()
    whole_files_only(out)


# Stopped and gone on with.

STEPS = ["--set", "steps=40"]

STOP = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # what was started in the background ignores it
import torch
torch.set_num_threads(1)
from myow.training.callbacks import MetricsFile

def step(self, done):
    if done == 23:
        os.kill(os.getpid(), signal.{name})

MetricsFile.step = step
from myow.cli.commands import main
main()
"""


def state(run):
    return {k: v.numpy().tobytes() for k, v in RunFolder(run).model("cpu").network_.state_dict().items()}


@pytest.fixture(scope="module")
def undisturbed(shared):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "draw_training", lambda *_: [])
        assert myow("train", shared / "session.npz", "--out", shared / "whole", *SMALL, *STEPS).code == 0
    return state(shared / "whole")


@POSIX
def test_ctrl_c_leaves_a_model_that_can_be_used_and_resume_goes_on_to_the_same_weights(shared, tmp_path, undisturbed):
    words = ["train", shared / "session.npz", "--out", tmp_path / "run", *SMALL, *STEPS]
    done = python("-c", STOP.format(name="SIGINT"), *words)
    assert done.returncode == 130
    assert done.stdout == ""
    model = tmp_path / "run" / "model.myow"
    assert done.stderr == f"stopped after 23 steps; {model} can be used as it is, --resume goes on\n"
    assert RunFolder(tmp_path / "run").model("cpu").n_steps_ == 23
    assert myow("evaluate", tmp_path / "run", "--json").json()["n_test"] == 12
    assert state(tmp_path / "run") != undisturbed
    assert myow(*words, "--resume").out.startswith(f"{model}: myow, 40 steps")
    assert state(tmp_path / "run") == undisturbed
    assert not list((tmp_path / "run").glob("evaluation_*"))  # it was of the unfinished model


@pytest.mark.slow
@POSIX
def test_a_killed_run_goes_on_to_the_same_weights(shared, tmp_path, undisturbed):
    words = ["train", shared / "session.npz", "--out", tmp_path / "run", *SMALL, *STEPS]
    done = python("-c", STOP.format(name="SIGKILL"), *words)
    assert done.returncode == -signal.SIGKILL
    assert whole_files_only(tmp_path / "run") == [
        "checkpoint.safetensors", "metrics.jsonl", "mined.npz", "neighbour_pairs.npz", "run.lock"
    ]  # fmt: skip
    assert "is not a run folder" in myow("evaluate", tmp_path / "run").error()
    called = myow(*words, "--resume")
    assert called.code == 0, called.err
    assert state(tmp_path / "run") == undisturbed
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 41))


def test_an_interrupt_before_anything_was_learnt_says_so(shared, tmp_path, monkeypatch):
    def impatient(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, "load_recording", impatient)
    called = myow("train", shared / "session.npz", "--out", tmp_path / "run", *SMALL)
    assert called == (130, "", "stopped; nothing new was kept\n")
    assert not (tmp_path / "run").exists()


def test_a_finished_run_has_nothing_to_do(shared, tmp_path, monkeypatch):
    run = Path(shutil.copytree(shared / "run", tmp_path / "run"))
    called = myow("train", shared / "session.npz", "--out", run, *SMALL, "--resume")
    assert (called.code, called.err) == (0, "")
    assert called.out.startswith(f"{run / 'model.myow'}: nothing to do, all 6 steps were done\n")
    assert state(run) == state(shared / "run")


def test_resume_in_an_empty_folder_starts_afresh(shared, tmp_path):
    assert myow("train", shared / "session.npz", "--out", tmp_path / "run", *SMALL, "--resume").code == 0
    assert state(tmp_path / "run") == state(shared / "run")


def test_resume_with_other_settings_is_one_line(shared):
    for options in (["--set", "dim=5"], ["--seed", "1"], ["--split-seed", "1"], ["--rows", "all"]):
        error = myow("train", shared / "session.npz", "--out", shared / "run", *SMALL, *options, "--resume").error()
        assert "with other" in error


def test_the_same_seed_gives_the_same_weights_and_another_one_others(shared, tmp_path):
    for name, seed in (("a", 0), ("b", 1)):
        assert myow("train", shared / "session.npz", "--out", tmp_path / name, *SMALL, "--seed", seed).code == 0
    assert state(tmp_path / "a") == state(shared / "run")
    assert state(tmp_path / "b") != state(shared / "run")


# Methods that learn from labels, or learn nothing.

LABELLED = [word for i in range(0, len(SMALL) - 2, 2) if "predictor" not in SMALL[i + 1] for word in SMALL[i : i + 2]]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data") / "session.npz")


def test_a_method_that_learns_from_labels_is_trained_evaluated_and_embeds(file, tmp_path):
    run = tmp_path / "run"
    assert myow("train", file, "--out", run, "--method", "supervised", *LABELLED, "--quiet").code == 0
    assert json.loads((run / "run.json").read_text())["target"] == "direction"
    result = myow("evaluate", run, "--labels", "2", "--json").json()
    assert result["method"] == "supervised"
    assert result["n_train"] == 2 * 4 * 6
    assert myow("embed", run, file, "--out", tmp_path / "z.npz").code == 0
    assert np.load(tmp_path / "z.npz")["z"].shape == (120, 4)


@pytest.mark.usefixtures("drawn")
def test_a_method_without_steps_has_pictures_but_no_learning_curve(file, tmp_path):
    assert myow("train", file, "--out", tmp_path / "run", "--method", "pca", "--quiet").code == 0
    drawn = {path.name for path in (tmp_path / "run").glob("*.png")}
    assert "embedding_2d.png" in drawn
    assert "learning_curves.png" not in drawn


@pytest.mark.parametrize("method", ["raw", "pca", "lda", "poisson-nb", "untrained"])
def test_methods_without_steps_are_runs_like_all_others(method, file, tmp_path):
    called = myow("train", file, "--out", tmp_path / "run", "--method", method, "--quiet")
    assert f"{method}, learnt without steps on 96 bins of session" in called.out
    stale = tmp_path / "run" / "evaluation_direction_angle_7.json"
    stale.write_text("{}")
    words = ["train", file, "--out", tmp_path / "run", "--method", method]
    assert "add --resume to go on with it or --overwrite to replace it" in myow(*words).error()
    assert stale.exists()
    assert "an earlier run was replaced" in myow(*words, "--overwrite").out
    assert not stale.exists()
    result = myow("evaluate", tmp_path / "run", "--json").json()
    assert result["method"] == method
    assert 0 <= result["accuracy"] <= 1
    again = myow("train", file, "--out", tmp_path / "run", "--method", method, "--resume", "--quiet")
    assert again.code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--method", "supervised", "--rows", "all"],
            "supervised learns from labels, so it must not see those of test",
        ),
        (["--method", "supervised", "--target", "direktion"], "unknown label 'direktion'; did you mean 'direction'"),
        (["--method", "byol", "--target", "direction"], "byol learns without labels; leave --target out"),
        (["--method", "lda", "--target", "place"], "LDA decodes classes"),
    ],
)
def test_labels_that_cannot_be_learnt_from_are_refused(words, message, file, tmp_path):
    assert message in myow("train", file, "--out", tmp_path / "run", *words).error()


def test_several_processes_are_for_images(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    error = myow("train", write(tmp_path / "a.npz"), "--out", tmp_path / "r", *SMALL).error()
    assert error == (
        f"several processes were started, and {tmp_path / 'a.npz'} is a recording, which one process trains on; leave torchrun out"
    )
    assert not (tmp_path / "r").exists()


def test_a_warning_is_one_line_without_a_place_in_the_code(tmp_path):
    counts = COUNTS.copy()
    counts[:, 2] = 1
    path = write(tmp_path / "a.npz", counts=counts)
    words = [sys.executable, "-m", "myow", "train", path, "--out", tmp_path / "run", "--quiet", *SMALL]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert lines
    assert all(line.startswith("warning: ") for line in lines)
    assert "1 of 6 units never change (unit2)" in lines[0]
