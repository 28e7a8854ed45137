"""What is written appears whole or not at all."""

import math
import os
import stat

import pytest
from safetensors import SafetensorError

from myow.errors import DataError, FileError
from myow.io.files import make_folder, write_json, writing


def test_a_whole_file_takes_the_place_of_the_old_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with writing(path) as part:
        assert part.parent == tmp_path
        assert part.suffix == ".txt"
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (OSError(28, "No space left on device"), FileError),
        (SafetensorError("I/O error: No space left on device"), FileError),
        (DataError("bad"), DataError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (ZeroDivisionError(), ZeroDivisionError),
    ],
)
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error, seen):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail():
        with writing(path) as part:
            part.write_text("half")
            raise error

    with pytest.raises(seen) as caught:
        fail()
    if seen is FileError:
        assert "No space left" in str(caught.value)
        assert str(path) in str(caught.value)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_missing_folder_is_a_file_error(tmp_path):
    with pytest.raises(FileError, match="check that the folder exists"), writing(tmp_path / "no" / "a.txt"):
        pass


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_json_never_holds_what_is_no_number(tmp_path, value):
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"r2": value})
    assert os.listdir(tmp_path) == []


def test_a_folder_is_made_with_its_parents_and_left_empty(tmp_path):
    assert os.listdir(make_folder(tmp_path / "a" / "b")) == []
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "under"):
        with pytest.raises(FileError, match="cannot write to folder"):
            make_folder(path)
