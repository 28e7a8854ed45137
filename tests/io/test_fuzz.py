"""Broken and hostile files: one error of ours each, and the fuzzer that looks for any other outcome does see it."""

import argparse
import ctypes
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from places import BENCHMARKS

from myow.errors import FileError, MyowError
from myow.io.files import read_arrays, write_arrays
from myow.io.untrusted import NUMBER, each, mapping, misfit, optional, whole
from myow.methods.runs import Run

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks, and reads /proc")


@pytest.fixture(scope="module")
def fuzz():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import fuzz

        yield fuzz
    finally:
        sys.path.remove(str(BENCHMARKS))


# Every loader, a few files each; the benchmark does more of it.

SLOW = ("read-hdf5", "read-mat73", "read-nwb", "read-nc", "read-neo", "embedding-nwb")


def test_every_loader_loads_or_refuses_what_is_broken(fuzz, tmp_path, capsys):
    for name, loader in fuzz.loaders().items():
        options = argparse.Namespace(cases=2 if name in SLOW else 15, seed=1, seconds=60.0, out=tmp_path / "found")
        fuzz.fuzz(name, loader, options)
    assert "FAULT" not in capsys.readouterr().out
    assert not (tmp_path / "found").exists()


# The fuzzer sees what it is for.


def crash(path):
    ctypes.string_at(0)


def many_lines(path):
    raise FileError("a\nb")


def hungry(path):
    with suppress(MemoryError):
        bytearray(1 << 44)
    raise FileError("too large") from MemoryError()


@pytest.mark.parametrize(
    ("load", "verdict"),
    [
        (lambda path: None, "load"),
        (lambda path: read_arrays(path), "refused"),
        (lambda path: {}["a"], "raises KeyError"),
        (lambda path: sys.exit(0), "raises SystemExit"),
        (many_lines, "no single line"),
        (hungry, "takes too much memory"),
        (crash, "crash"),
        (lambda path: time.sleep(60), "takes too long"),
        (lambda path: (path.parent / "b").write_text(""), "wrote or removed a file"),
        (lambda path: (path.parent.parent / "b").write_text(""), "wrote or removed a file"),
        (lambda path: path.unlink(), "wrote or removed a file"),
        (lambda path: tempfile.TemporaryFile().close(), "did what it must not"),
        (lambda path: os.system("true"), "did what it must not"),
        (lambda path: subprocess.run(["true"], check=False), "did what it must not"),
    ],
)
def test_the_fuzzer_tells_outcomes_apart(fuzz, tmp_path, load, verdict):
    worker = fuzz.Worker(fuzz.Loader(".bin", "bytes", [(b"", lambda path: None), (b"", load)]), tmp_path)
    try:
        assert worker.ask(b"", 0, 60.0)["verdict"] == "load"
        assert worker.ask(b"abc", 1, 2.0 if verdict == "takes too long" else 60.0)["verdict"] == verdict
        assert worker.ask(b"", 0, 60.0)["verdict"] == (
            "wrote or removed a file" if (tmp_path / "b").exists() else "load"
        )
    finally:
        worker.end()


def test_guided_by_coverage_the_same_outcomes_are_faults(fuzz, tmp_path):
    from fuzz_guided import Fault, one_file

    def by_content(path):
        content = path.read_bytes()
        if content == b"refuse":
            raise FileError("no")
        if content == b"start":
            os.system("true")
        return {b"load": 1, b"start": 1}[content]

    run = one_file(fuzz.Loader(".bin", "bytes", [(b"", by_content), (b"", many_lines)]), tmp_path / "case.bin")
    for data in (b"", b"\0load", b"\0refuse", b"\2load"):  # the first byte says how to read, modulo two here
        run(data)
    for data, said in ((b"\0other", "raises KeyError"), (b"\1x", "no single line"), (b"\0start", r"os\.system")):
        with pytest.raises(Fault, match=said):
            run(data)


def test_what_guided_fuzzing_kept_can_be_replayed(fuzz, tmp_path, capsys, monkeypatch):
    import fuzz_guided

    kept = tmp_path / "rows-crash-0123"
    kept.write_bytes(b"\0[]\n")
    assert fuzz_guided.main(["--replay", str(kept)]) == 0
    monkeypatch.setattr(fuzz, "attempt", lambda load, path: {"verdict": "raises KeyError"})
    assert fuzz_guided.main(["--replay", str(kept)]) == 1
    assert "fault: raises KeyError" in capsys.readouterr().out


def test_the_same_seed_makes_the_same_files_and_a_fault_can_be_replayed(fuzz, tmp_path, capsys):
    (loader,) = fuzz.loaders(["run"]).values()
    assert fuzz.case("run", loader, 3, 7) == fuzz.case("run", loader, 3, 7)
    assert len({fuzz.case("run", loader, 3, n)[0] for n in range(20)}) > 15
    fuzz.keep(tmp_path, "run-3-7", b'{"data": 1}', {"loader": "run", "valid": 0, "verdict": "raises TypeError"})
    assert fuzz.main(["--replay", str(tmp_path / "run-3-7.json")]) == 0
    assert "refused: " in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["text", "json", "lines", "safetensors", "zip", "tar", "pickle", "hdf5", "bytes"])
def test_files_are_changed_by_what_knows_their_container(fuzz, kind):
    from fuzzing import changes, containers

    name = {"text": "read-csv", "json": "run", "lines": "metrics", "safetensors": "model", "zip": "archive-zip", "tar": "archive-tar",
            "pickle": "arrays-pickle", "hdf5": "read-hdf5", "bytes": "image"}[kind]  # fmt: skip
    (loader,) = fuzz.loaders([name]).values()
    content = loader.seeds[0][0]
    assert loader.kind == kind
    aware = containers.CHANGES.get(kind, changes.of_bytes)
    made = set()
    for n in range(40):
        with suppress(ValueError, KeyError, OSError, IndexError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # members that come twice are meant
            made.add(aware(content, random.Random(n)))
    assert len(made - {content}) > 20


# Descriptions of runs, arrays and rows, whatever they hold.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["train", "valid", "test", "digest", "a"]), inner, max_size=4)
    ),
    max_leaves=8,
)
NAMES = [*Run.__dataclass_fields__]
GOOD = Run(
    "a.npz", [], "myow", {}, "train", "random", 0, {"train": "0-1", "valid": "2-2", "test": "3-4"}, {"digest": "x"}
)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.sampled_from([*NAMES, "other"]), JSON, max_size=3) | JSON)
def test_a_description_of_a_run_is_either_whole_or_refused(changes):
    content = {name: getattr(GOOD, name) for name in NAMES} | changes if isinstance(changes, dict) else changes
    try:
        run = Run.from_json(content)
    except (ValueError, TypeError, KeyError):
        return
    assert run.rows in ("train", "all")
    assert [len(rows) for rows in run.rows_of_parts()] >= [1, 1, 1]
    json.dumps(content)


@pytest.mark.parametrize("rows", ["0-99999999999", "5-3", "-1-2", "", "0-1,0-99999999999", "1", "a-b", "0-1-2"])
def test_rows_that_no_recording_has_are_refused_before_they_are_made(rows):
    with pytest.raises(ValueError):
        Run.from_json(
            {name: getattr(GOOD, name) for name in NAMES} | {"parts": {"train": rows, "valid": "0-0", "test": "1-1"}}
        )


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.integers(0, 400), st.integers(1, 60))
def test_damaged_arrays_are_one_error(tmp_path, junk, at, cut):
    path = tmp_path / "a.npz"
    write_arrays(path, {"step": [1, 2, 3], "pairs": [[1, 2]] * 3}, lasting=False)
    content = path.read_bytes()
    path.write_bytes(content[:at] + junk + content[at + cut :])
    try:
        read_arrays(path)
    except MyowError as error:
        assert "\n" not in str(error)  # noqa: PT017 (some changes do no harm)


def test_arrays_that_promise_more_than_there_is_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    write_arrays(path, {"a": [1.0] * 1000})
    with pytest.raises(FileError, match="more than 100 bytes"):
        read_arrays(path, limit=100)
    write_arrays(path, {"a": [1.0]}, packed=False)
    path.write_bytes(path.read_bytes().replace(b"(1,)", b"(9,)"))
    with pytest.raises(FileError, match="is damaged"):
        read_arrays(path)


@pytest.mark.parametrize(
    ("value", "shape", "said"),
    [
        (True, int, " is True"),
        (1, int, ""),
        (2**63, int, f" is {2**63}"),
        (1.5, NUMBER, ""),
        (False, NUMBER, " is False"),
        (None, optional(int), ""),
        ([1, -1], [whole()], "1 is -1"),
        ([1], each(int, int), " is [1]"),
        ({"a": {"b": "x"}}, mapping({"b": int}), "a.b is 'x'"),
        ({"a": {}}, {"a": {"b": int}}, "a.b is missing"),
        ([], {"a": int}, " is []"),
    ],
)
def test_what_is_not_of_the_shape_is_said(value, shape, said):
    assert misfit(value, shape) == said
