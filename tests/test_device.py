"""What a machine is called in the rows of a table."""

import torch

from myow.device import describe_machine


def test_a_gpu_that_was_computed_on_is_named_and_no_other(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")
    plain = describe_machine()
    assert plain.endswith(" cores")
    assert describe_machine(torch.device("cpu")) == plain
    assert describe_machine(torch.device("cuda:1")) == f"{plain}, GPU 1"
