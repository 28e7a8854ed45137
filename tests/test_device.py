"""What a machine is called in the rows of a table, and what it lacks for compiling."""

import importlib.util
import shutil
import sysconfig

import pytest
import torch

from myow.device import compiler_lacks, describe_machine


def test_a_gpu_that_was_computed_on_is_named_and_no_other(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")
    plain = describe_machine()
    assert plain.endswith(" cores")
    assert describe_machine(torch.device("cpu")) == plain
    assert describe_machine(torch.device("cuda:1")) == f"{plain}, GPU 1"


@pytest.fixture
def equipped(monkeypatch, tmp_path):
    """A machine with all that compiling needs."""
    (tmp_path / "Python.h").touch()
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch, tmp_path


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_compiling_needs_is_looked_for_and_named(equipped, device):
    patch, include = equipped
    device = torch.device(device)
    on_gpu = device.type == "cuda"
    assert compiler_lacks(device) is None
    (include / "Python.h").unlink()
    assert compiler_lacks(device) == "Python's header files (such as python3-dev)"
    patch.setattr(shutil, "which", lambda name: None)
    assert compiler_lacks(device) == ("a C compiler" if on_gpu else "a C++ compiler")
    patch.setattr(importlib.util, "find_spec", lambda name: None)
    assert compiler_lacks(device) == ("the package triton" if on_gpu else "a C++ compiler")


def test_a_compiler_that_is_named_counts(equipped):
    patch, _ = equipped
    patch.setattr(shutil, "which", lambda name: "/opt/own" if name == "own-cc" else None)
    assert compiler_lacks(torch.device("cpu")) == "a C++ compiler"
    patch.setenv("CXX", "own-cc -m64")
    assert compiler_lacks(torch.device("cpu")) is None
