"""Two processes that share every batch train the weights that one process trains."""

import os
import signal
import textwrap

import numpy as np
import pytest
import torch
from gloo import Together, torchrun
from places import TESTS
from safetensors.torch import load_file
from test_image_methods import Records, make
from tiny_images import tiny_images

STEPS = 20


class Plain(torch.nn.Module):
    """An encoder without batch norm, which on CPUs each process has for itself."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 6, 3, padding=1)
        self.second = torch.nn.Conv2d(6, 8, 3)

    def forward(self, x):
        return self.second(self.first(x.permute(0, 3, 1, 2)).relu()).mean(dim=(2, 3))


PLAIN = {"encoder": Plain, "batch_norm": False}


@pytest.fixture(scope="module")
def two():
    with Together(2) as together:
        yield together


def trained(name, given):
    """Weights, losses, and rows mined from which anchor, of 20 steps in double precision."""
    torch.set_default_dtype(torch.float64)
    try:
        records = Records()
        model = make(name, steps=STEPS, **PLAIN | given).fit(tiny_images(), callbacks=[records])
        weights = {k: v.double().numpy() for k, v in model.network_.state_dict().items()}
        losses = np.array([m["loss"] for m in records.metrics])
        return weights, losses, [sorted(map(tuple, pairs.tolist())) for pairs in records.pairs]
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("byol", {}),
        ("simclr", {}),
        ("myow", {"pool": "queue"}),
        ("myow", {"pool": "queue", "mined_anchor": "row", "symmetric": False}),
        ("myow", {"pool": "sample", "k": 2, "views": 2}),
        ("myow", {"pool": "batch", "layout": "parallel"}),
        ("byol", {"accumulate": 2, "optimizer": "lars"}),
    ],
)
def test_loss_mined_rows_and_weights_are_those_of_one_process(two, name, given):
    weights, losses, pairs = trained(name, given)
    both = two.run(trained, name, given)
    for theirs, their_losses, _ in both:
        assert len(their_losses) == len(losses) == STEPS
        np.testing.assert_allclose(their_losses, losses, rtol=1e-8, atol=1e-10)
        assert theirs.keys() == weights.keys()
        for key, value in weights.items():
            np.testing.assert_allclose(theirs[key], value, rtol=1e-7, atol=1e-9, err_msg=key)
    # Each process mines for its own anchors.
    mined = [sorted(first + second) for first, second in zip(both[0][2], both[1][2], strict=True)]
    assert mined == pairs
    assert bool(pairs) == (name == "myow")


def test_a_batch_that_cannot_be_shared_is_refused(two):
    with pytest.raises(AssertionError, match="a batch of 15 samples cannot be shared equally by 2 processes"):
        two.run(trained, "byol", {"batch_size": 15})


ONE_DIES = """
    import os, signal, sys
    from myow.training.distributed import from_environment
    from test_image_methods import make
    from tiny_images import tiny_images

    class Die:
        def begin(self, step, total): print(f"from {step}\\n", end="", flush=True)
        def record(self, step, metrics, traces): pass
        def end(self): pass
        def step(self, step):
            if here.rank == 1 and step == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)

    with from_environment("cpu", minutes=1) as here:
        model = make("myow", steps=20, pool="queue")
        model.fit(tiny_images(), folder=sys.argv[1], resume=True, callbacks=[Die()])
        if here.is_first:
            model.save(sys.argv[1] + "/model.myow")
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal")
def test_where_one_process_dies_all_stop_and_the_checkpoint_is_whole(tmp_path, monkeypatch):
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS / "methods"), os.environ.get("PYTHONPATH", "")])
    )
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(ONE_DIES))
    for name in ("run", "whole"):
        (tmp_path / name).mkdir()
    died = torchrun(script, tmp_path / "run", "13")
    assert died.returncode not in (0, None)
    assert died.stdout.splitlines() == ["from 0"] * 2
    assert not (tmp_path / "run" / "model.myow").exists()
    # torchrun returns when every process is gone, and with it the lock on the folder.
    after = torchrun(script, tmp_path / "run", "0")
    assert after.returncode == 0, after.stderr
    assert after.stdout.splitlines() == ["from 12"] * 2
    whole = torchrun(script, tmp_path / "whole", "0")
    assert whole.stdout.splitlines() == ["from 0"] * 2
    weights = [load_file(tmp_path / name / "model.myow") for name in ("run", "whole")]
    assert weights[0].keys() == weights[1].keys()
    for key, value in weights[0].items():
        np.testing.assert_allclose(value, weights[1][key], rtol=1e-6, atol=1e-7, err_msg=key)
