"""What may happen to a machine: processes are killed, disks fill up, clocks jump, folders vanish, two want the same one."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from command import myow, trials, write
from places import BENCHMARKS, TESTS
from tiny import SMALL as SETTINGS
from tiny import SMALL_MINING, Notes, reach

from myow import BYOL, MYOW, load, read
from myow.errors import FileError
from myow.evaluation.bench_summary import RowsFile
from myow.figures import style
from myow.io.download import PublishedFile, verify
from myow.io.files import HALF, append_line, locked
from myow.io.npz import write_npz
from myow.methods.runs import Run, RunFolder
from myow.training.callbacks import MetricsFile, read_metrics

REC = reach(n_segments=12)
PARTS = tuple(np.flatnonzero(np.isin(REC.segments % 6, part)) for part in ([0, 1, 2, 4], [3], [5]))
RUN = Run("tiny.npz", [], "myow", {}, "train", "random", 3, Run.describe_parts(PARTS), {"digest": REC.digest()})
LINUX = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="mounts and looks up files by their descriptors"
)


def train(path, *watchers, resume=False):
    return RunFolder(path).train(RUN, MYOW(**SETTINGS, **SMALL_MINING), REC, resume=resume, callbacks=watchers)


def weights(path):
    return {k: v.numpy().tobytes() for k, v in RunFolder(path).model("cpu").network_.state_dict().items()}


def steps(path):
    return [row["step"] for row in read_metrics(path / "metrics.jsonl")]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run"
    train(path)
    return path


def same_as(undisturbed, path):
    pairs = [[dict(np.load(p / n).items()) for n in ("mined.npz", "neighbour_pairs.npz")] for p in (undisturbed, path)]
    np.testing.assert_equal(*pairs)
    assert not [p for p in path.iterdir() if HALF in p.name]
    return weights(path) == weights(undisturbed) and steps(path) == steps(undisturbed)


# Killed. The benchmark does more of it; see also test_cli.py and test_bench.py.


@pytest.mark.slow
@LINUX
def test_what_is_killed_at_random_moments_goes_on_as_if_nobody_had_disturbed_it():
    script = BENCHMARKS / "kill.py"
    words = ["--kills", "3", "--commands", "0", "--benches", "1", "--seed", "3", "--steps", "20"]
    done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("0 faults\n")


def test_half_written_files_of_a_killed_process_are_cleared_away_and_nothing_else(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = [tmp_path / f".{name}{HALF}{gone.pid}-abcd_123{suffix}" for name, suffix in (("run", ".json"), ("a", ""))]
    mine = f".run{HALF}{os.getpid()}-abcd_123.json"  # another thread may be writing it
    others = [
        tmp_path / n for n in (mine, ".model.myow", f"model{HALF}1-abcd_123", f".notes{HALF}mine", "half-abcd_123")
    ]
    for path in left + others:
        path.write_text("")
    train(tmp_path)
    assert not [p for p in left if p.exists()]
    assert all(p.exists() for p in others)


# Full.


@pytest.fixture
def disk(tmp_path):
    """A disk of 2 MiB, where this process may mount one."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = shutil.which("mount")
    words = [mount, "-t", "tmpfs", "-o", "size=2m", "none", path]
    if mount is None or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def leave(disk, room):
    """Fill the disk so that some bytes are left; return what fills it."""
    ballast = disk / "ballast"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    ballast.write_bytes(bytes(max(free - room, 0)))
    return ballast


@LINUX
def test_a_full_disk_costs_no_more_than_the_last_steps(disk, undisturbed):
    whole = sum(p.stat().st_size for p in undisturbed.iterdir())
    failed = []
    for room in range(0, 2 * whole, whole // 4):
        path = disk / "run"
        path.mkdir()
        ballast = leave(disk, room)
        try:
            train(path)
        except FileError as error:
            failed.append((str(error), (path / "checkpoint.safetensors").exists()))
        assert not [p for p in path.iterdir() if HALF in p.name]
        ballast.unlink()
        train(path, resume=True)
        assert same_as(undisturbed, path)
        shutil.rmtree(path)
    assert 2 < len(failed) < 8
    for text, goes_on in failed:
        assert "No space left" in text
        assert "\n" not in text
        assert ("--resume" in text) is goes_on


@pytest.fixture
def full(monkeypatch):
    """Let the disk be full for files whose name contains a text, as long as it is not empty."""
    state = {"name": ""}
    plain = os.fsync

    def fsync(handle):
        name = os.path.basename(os.readlink(f"/proc/self/fd/{handle if isinstance(handle, int) else handle.fileno()}"))
        if state["name"] and state["name"] in name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        plain(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return state


@LINUX
@pytest.mark.parametrize("name", ["checkpoint", "metrics.jsonl", "mined", "neighbour_pairs", "model", "run" + HALF])
def test_each_file_of_a_run_that_finds_no_room_is_named_and_the_run_goes_on_when_there_is(
    name, full, tmp_path, undisturbed
):
    full["name"] = name

    class Later(Notes):  # the disk was not full at first
        def begin(self, step, total):
            full["name"] = ""

        def step(self, step):
            full["name"] = name if step >= 6 else ""

    with pytest.raises(
        FileError, match=rf"cannot write .*{name.removesuffix(HALF)}.*No space left.*--resume goes on"
    ) as caught:
        train(tmp_path / "run", Later())
    assert "\n" not in str(caught.value)
    assert steps(tmp_path / "run")[:5] == [1, 2, 3, 4, 5]
    full["name"] = ""
    train(tmp_path / "run", resume=True)
    assert same_as(undisturbed, tmp_path / "run")


@LINUX
def test_a_bench_and_its_figures_that_find_no_room_go_on_with_the_same_command(full, tmp_path):
    file = write(tmp_path / "session.npz", **trials(n_segments=40))
    words = ["bench", "--out", tmp_path / "b", "--datasets", file, "--methods", "raw,pca", "--folds", "2", "--quiet"]
    words += ["--set", "dim=4", "--readouts", "class"]
    for name, done in (("rows.jsonl", 0), (".npz", 0), ("table", 4), (".csv", 4), (".png", 4)):
        full["name"] = name
        error = myow(*words).error()
        assert "No space left" in error
        assert name in error
        assert len(RowsFile(tmp_path / "b" / "rows.jsonl").read()) == done
    full["name"] = ""
    assert "0 failed" in myow(*words).out
    assert len(RowsFile(tmp_path / "b" / "rows.jsonl").read()) == 4
    assert not [p for p in (tmp_path / "b").rglob("*") if HALF in p.name]


@LINUX
def test_a_picture_that_finds_no_room_leaves_the_old_one(full, tmp_path):
    path = tmp_path / "a.png"
    style.save(style.new_figure(1.0), path)
    old = path.read_bytes()
    full["name"] = ".png"
    with pytest.raises(FileError, match="No space left"):
        style.save(style.new_figure(2.0), path)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["a.png"]


# Files that grow.


@pytest.mark.parametrize("tail", [b"", b'{"step": 3', b"\0\0\0\0", b"x" * 200_000])
def test_a_line_that_was_cut_off_costs_no_other(tmp_path, tail):
    path = tmp_path / "a.jsonl"
    append_line(path, "one")
    append_line(path, "two")
    with path.open("ab") as file:
        file.write(tail)
    append_line(path, "three")
    assert path.read_text() == "one\ntwo\nthree\n"


@pytest.mark.parametrize("how", ["short", "no room", "not synced"])
def test_a_line_that_finds_no_room_is_taken_back(tmp_path, monkeypatch, how):
    path = tmp_path / "a.jsonl"
    append_line(path, "one")
    plain = os.write

    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", {"short": lambda h, c: plain(h, c[:2]), "no room": refuse}.get(how, plain))
    monkeypatch.setattr(os, "fsync", refuse if how == "not synced" else os.fsync)
    with pytest.raises(FileError, match=r"cannot write .*a\.jsonl: No space left"):
        append_line(path, "two")
    assert path.read_text() == "one\n"


def test_a_damaged_line_of_metrics_costs_no_other(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps({"step": s, "seconds": 0.0, "loss": 1.0}) for s in (1, 2, 3)]
    path.write_text(
        "\n".join([lines[0], lines[1][:9], "[]", '{"step": "x"}', '{"a": 1}', "[" * 9999, lines[2], lines[0][:5]])
    )
    assert [row["step"] for row in read_metrics(path)] == [1, 3]
    MetricsFile(path).begin(2, 9)
    assert path.read_text() == lines[0] + "\n"


# Two at once.

HOLD = """
import fcntl, sys, time
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


@LINUX
def test_a_second_training_is_refused_until_the_first_is_gone_and_who_only_reads_is_not(tmp_path, undisturbed):
    run = Path(shutil.copytree(undisturbed, tmp_path / "run"))
    other = subprocess.Popen([sys.executable, "-c", HOLD, run / "run.lock"], stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"held\n"
    before = {p.name: p.read_bytes() for p in run.iterdir()}
    for resume in (False, True):
        with pytest.raises(FileError, match=r"another training is writing to .*; wait for it, or use another folder"):
            train(run, resume=resume)
    assert {p.name: p.read_bytes() for p in run.iterdir()} == before
    assert RunFolder(run).read().method == "myow"
    assert weights(run) == weights(undisturbed)
    other.kill()
    other.wait()
    other.stdout.close()
    train(run)
    assert same_as(undisturbed, run)


@LINUX
@pytest.mark.parametrize("resume", [False, True])
def test_fit_is_kept_out_of_a_folder_that_another_process_trains_into(tmp_path, resume):
    rec = load("simulated-reach", n_trials=10)
    model = BYOL(steps=4, random_state=0, device="cpu")
    (tmp_path / "own").mkdir()
    model.fit(rec, folder=tmp_path / "own")
    other = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "own" / "run.lock"], stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"held\n"
    before = {p.name: p.read_bytes() for p in (tmp_path / "own").iterdir()}
    with pytest.raises(FileError, match="another training is writing to"):
        model.fit(rec, folder=tmp_path / "own", resume=resume)
    assert {p.name: p.read_bytes() for p in (tmp_path / "own").iterdir()} == before
    other.kill()
    other.wait()
    other.stdout.close()
    assert model.fit(rec, folder=tmp_path / "own", resume=resume).n_steps_ == 4


def test_a_thread_may_ask_for_its_lock_again_if_it_says_so_and_no_other_may(tmp_path):
    refused = []

    def ask():
        try:
            with locked(tmp_path / "a.lock", "another", again=True):
                pass
        except FileError:
            refused.append(True)

    with locked(tmp_path / "a.lock", "another"):
        with locked(tmp_path / "a.lock", "another", again=True):
            pass
        with pytest.raises(FileError, match="another is writing"), locked(tmp_path / "a.lock", "another"):
            pass
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        assert refused == [True]
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert refused == [True]


def test_a_second_bench_is_refused(tmp_path):
    file = write(tmp_path / "session.npz")
    with RowsFile(tmp_path / "rows.jsonl").locked():
        assert "another bench is writing to" in myow("bench", "--out", tmp_path, "--datasets", file).error()


def test_a_lock_is_given_back_after_an_error_and_unlockable_folders_are_used_with_a_warning(tmp_path, monkeypatch):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "a.lock", "another"):
        raise ZeroDivisionError
    with locked(tmp_path / "a.lock", "another"):
        pass

    def unknown(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", unknown)
    with pytest.warns(UserWarning, match="cannot be locked"), locked(tmp_path / "a.lock", "another"):
        pass


# Gone, or read-only.


@pytest.mark.parametrize("replaced", [False, True])
def test_a_folder_that_is_removed_while_training_is_said_and_what_takes_its_place_is_left_alone(tmp_path, replaced):
    path = tmp_path / "run"

    class Remove(Notes):
        def record(self, step, *_):
            if step == 5:
                shutil.rmtree(path)
                if replaced:
                    path.mkdir()
                    (path / "run.lock").write_text("")

    with pytest.raises(FileError, match=r"removed or replaced|cannot write") as caught:
        train(path, Remove())
    assert "\n" not in str(caught.value)
    assert not path.exists() or os.listdir(path) == ["run.lock"]


@LINUX
def test_a_folder_that_may_only_be_read_can_be_read_and_nothing_else(disk, tmp_path, undisturbed):
    run = Path(shutil.copytree(undisturbed, disk / "run"))
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for resume in (False, True):
        with pytest.raises(FileError, match=r"cannot write to folder .*Read-only"):
            train(run, resume=resume)
    assert RunFolder(run).read().method == "myow"
    assert weights(run) == weights(undisturbed)
    with pytest.raises(FileError, match=r"cannot remove .*Read-only"):
        RunFolder(run).clear(results_only=False)
    with pytest.raises(FileError, match="Read-only"), locked(run / "new.lock", "another"):
        pass
    with pytest.raises(FileError, match="Read-only"):
        append_line(run / "metrics.jsonl", "x")
    assert "Read-only" in myow("bench", "--out", run, "--datasets", write(tmp_path / "session.npz")).error()


# Clocks.


@pytest.mark.parametrize("year", [1970, 2200])
def test_a_clock_that_stands_anywhere_and_jumps_back_changes_nothing(tmp_path, monkeypatch, undisturbed, year):
    stand = (year - 1970) * 365.25 * 86400 + 1e5
    ticks = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: stand - 10 * next(ticks))
    train(tmp_path / "run")
    seconds = [row["seconds"] for row in read_metrics(tmp_path / "run" / "metrics.jsonl")]
    assert seconds == sorted(seconds)
    assert seconds[0] >= 0
    assert same_as(undisturbed, tmp_path / "run")
    write_npz(tmp_path / "rec.npz", REC)
    assert read(tmp_path / "rec.npz").digest() == REC.digest()
    file = write(tmp_path / "session.npz") if year == 1970 else None
    words = ["--datasets", tmp_path / "rec.npz", "--methods", "raw", "--folds", "2", "--quiet", "--readouts", "class"]
    assert file is None or myow("bench", "--out", tmp_path / "b", *words).code == 0
    assert file is None or float((tmp_path / "b" / "minutes.txt").read_text()) >= 0


def test_an_altered_file_that_looks_as_old_as_before_is_noticed(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"hello\n")
    file = PublishedFile("a.bin", "", git_blob="ce013625030ba8dba906f756967f9e9ca394464a")
    future = time.time() + 1e8
    os.utime(path, (future, future))
    verify(path, file)
    before = path.stat()
    time.sleep(0.02)  # the time of a change is as fine as the system's clock ticks
    path.write_bytes(b"jello\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_mtime_ns, path.stat().st_size) == (before.st_mtime_ns, before.st_size)
    with pytest.raises(FileError, match="altered"):
        verify(path, file)


# Asked to end. In a process of its own: pytest's workers may run tests beside their main thread, where no signal is taken.

ASKED = """
import json, os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from command import SMALL, myow, write
from myow.training.callbacks import MetricsFile

folder, found = Path(sys.argv[2]), {}
plain = MetricsFile.step
file = write(folder / "session.npz")
for name, times in (("SIGTERM", 2), ("SIGHUP", 2), ("SIGINT", 1), ("ignored", 1)):
    number = signal.SIGHUP if name == "ignored" else getattr(signal, name)
    # Whoever started the tests may ignore some; "ignored" is what nohup does.
    usual = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
    signal.signal(number, signal.SIG_IGN if name == "ignored" else usual)

    def step(self, done):
        if done == 4:
            for _ in range(times):  # some senders ask twice
                os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    words = ["train", file, "--out", folder / name, *SMALL, "--quiet"]
    MetricsFile.step = step
    called = myow(*words)
    MetricsFile.step = plain
    again = myow(*words, "--resume")
    found[name] = [called.code, called.err, again.code, signal.getsignal(number) == before]
print(json.dumps(found))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs POSIX signals")
def test_a_request_to_end_keeps_what_was_reached_and_under_nohup_a_closed_terminal_is_ignored(tmp_path):
    words = [sys.executable, "-c", ASKED, TESTS, tmp_path]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    for name, (code, text, again, as_before) in json.loads(done.stdout).items():
        model = tmp_path / name / "model.myow"
        assert code == {"SIGTERM": 143, "SIGHUP": 129, "SIGINT": 130, "ignored": 0}[name]
        kept = f"stopped after 4 steps; {model} can be used as it is, --resume goes on\n"
        assert text == ("" if name == "ignored" else kept)
        assert again == 0
        assert as_before
