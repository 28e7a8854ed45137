"""Two processes that share a batch do what one does with all of it."""

import copy
import logging
import os
import textwrap

import gloo
import pytest
import torch
from torch import distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from myow.errors import SettingError, TrainingError
from myow.nn.losses import nt_xent
from myow.training.distributed import (
    World,
    current,
    from_environment,
    gather,
    gather_values,
    mean_terms,
    same_buffers,
    wrap,
)


@pytest.fixture(scope="module")
def together():
    with gloo.Together(2) as processes:
        yield processes


@pytest.fixture
def two(together):
    seconds = together.seconds
    yield together
    together.seconds = seconds


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# --- one process


def test_one_process_exchanges_nothing():
    here, x = current(), normal(3, 2).requires_grad_()
    assert here == World(rank=0, size=1, local_rank=0)
    assert here.is_first
    assert gather(x) is x
    assert not gather_values(x).requires_grad
    assert torch.equal(gather_values(x), x)
    terms = {"loss": torch.tensor(2.5), "pairs": torch.tensor([[1, 2]])}
    assert {k: v.tolist() for k, v in mean_terms(terms).items()} == {"loss": 2.5, "pairs": [[1, 2]]}
    here.same_everywhere({"data": "anything"})
    here.barrier()
    layer = nn.BatchNorm2d(3)
    before = copy.deepcopy(layer.state_dict())
    assert wrap(layer) is layer
    same_buffers(layer)
    assert all(torch.equal(v, before[k]) for k, v in layer.state_dict().items())


def test_shares_are_equal_and_cover_the_batch():
    shares = [World(rank, 4, rank).share(12) for rank in range(4)]
    assert [i for share in shares for i in range(12)[share]] == list(range(12))
    assert {share.stop - share.start for share in shares} == {3}


@pytest.mark.parametrize(("n", "fitting"), [(13, "12 or 16"), (3, "take 4$"), (0, "take 4$")])
def test_a_batch_that_cannot_be_shared_equally_is_refused_with_those_that_can(n, fitting):
    with pytest.raises(SettingError, match=f"batch of {n} .* 4 processes.*{fitting}"):
        World(0, 4, 0).share(n)


# --- exchanges


def exchanged():
    here = current()
    x = (torch.arange(6.0).view(2, 3) + 10 * here.rank).requires_grad_()
    weight = torch.arange(12.0).view(4, 3) * (1 + here.rank)
    gathered = gather(x.t().contiguous().t())  # the layout in memory must not matter
    (gathered * weight).sum().backward()
    values = gather_values(x)
    whole = gather_values(torch.tensor([here.rank, 7])), gather_values(torch.tensor([here.rank == 0]))
    assert not any(v.requires_grad for v in (values, *whole))
    return here, gathered.detach(), x.grad, values, whole


def test_gather_passes_back_the_sum_of_all_gradients(two):
    base, weight = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(4, 3) * 3  # of the first and twice that
    for rank, (here, gathered, grad, values, whole) in enumerate(two.run(exchanged)):
        assert here == World(rank, 2, rank)
        assert torch.equal(gathered, torch.cat([base, base + 10]))
        assert torch.equal(grad, weight[2 * rank : 2 * rank + 2])
        assert torch.equal(values, gathered)
        assert whole[0].tolist() == [0, 7, 1, 7]
        assert whole[1].tolist() == [True, False]


def terms_of_each():
    rank = current().rank
    terms = {"loss": torch.tensor(1.0 + 4 * rank, requires_grad=True), "pairs": torch.tensor([[rank, 5]])}
    return {k: v.tolist() for k, v in mean_terms(terms).items()}


def test_terms_are_averaged_and_traces_stay_each_processs_own(two):
    assert two.run(terms_of_each) == [{"loss": 3.0, "pairs": [[rank, 5]]} for rank in range(2)]


class Parts(nn.Module):
    """Parameters that both processes use, the second alone, none, and one that takes no gradient."""

    def __init__(self):
        super().__init__()
        self.both, self.only_second, self.nowhere, self.frozen = (
            nn.Parameter(torch.ones(2, dtype=torch.float64)) for _ in range(4)
        )
        self.frozen.requires_grad_(False)

    def forward(self, factor):
        own = self.only_second.sum() if current().rank == 1 else 0
        return factor * self.both.sum() + own + self.frozen.sum()


def averaged():
    module = Parts()
    forward = wrap(module)
    assert isinstance(forward, DistributedDataParallel)
    forward(1.0 + current().rank).backward()
    return [p.grad for p in (module.both, module.only_second, module.nowhere, module.frozen)]


def test_gradients_are_averaged_and_one_that_some_processes_lack_counts_as_zero_there(two):
    for both, only_second, nowhere, frozen in two.run(averaged):
        assert torch.equal(both, torch.full((2,), 1.5, dtype=torch.float64))
        assert torch.equal(only_second, torch.full((2,), 0.5, dtype=torch.float64))
        assert nowhere is None
        assert frozen is None


def statistics():
    layer = nn.BatchNorm1d(3)
    layer(normal(8, 3, seed=current().rank, dtype=torch.float32))
    same_buffers(layer)
    return layer.state_dict()


def test_all_take_over_the_running_statistics_of_the_first(two):
    expected = nn.BatchNorm1d(3)
    expected(normal(8, 3, dtype=torch.float32))
    for found in two.run(statistics):
        torch.testing.assert_close(dict(found), dict(expected.state_dict()))


class Said(logging.Handler):
    def __init__(self):
        super().__init__()
        self.said = []

    def emit(self, record):
        self.said.append(record.getMessage())


def warned():
    handler = Said()
    logging.getLogger("myow").addHandler(handler)
    try:
        wrap(nn.Linear(3, 2))
        plain = len(handler.said)
        wrap(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)))
    finally:
        logging.getLogger("myow").removeHandler(handler)
    return plain, handler.said


def test_batch_norm_of_several_processes_on_cpus_is_warned_of(two):
    said = ["batch norm is per process on CPUs: results depend on how many there are"]
    assert two.run(warned) == [(0, said)] * 2


def compared():
    here, said = current(), []
    same = {"data": "abc", "steps": 3}
    here.same_everywhere(same)
    for values in ({**same, "steps": 3 + here.rank}, same if here.is_first else {"data": "abc"}):
        try:
            here.same_everywhere(values)
        except SettingError as error:
            said.append(str(error))
    here.barrier()
    return said


def test_what_differs_between_processes_is_an_error_on_all_of_them(two):
    first, second = two.run(compared)
    assert first == second
    steps, missing = first
    assert steps.startswith("the steps of process 1 is 4, and that of process 0 is 3; give all")
    assert missing.startswith("the steps of process 1 is nothing, and that of process 0 is 3")


# --- training


def trained(steps=20, n=16):
    """Weights after steps of SimCLR; each process computes the loss over the whole batch from what was gathered."""
    here = current()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4)).double()
    forward = wrap(model)
    draws = torch.Generator().manual_seed(1)
    losses = []
    for _ in range(steps):
        x = torch.randn(n, 6, generator=draws, dtype=torch.float64)
        views = [x + 0.3 * torch.randn(n, 6, generator=draws, dtype=torch.float64) for _ in range(2)]
        both = forward(torch.cat([view[here.share(n)] for view in views])).chunk(2)
        loss = nt_xent(*(gather(z) for z in both), 0.2).mean()
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= 0.5 * p.grad
        losses.append(loss.item())
    return model.state_dict(), losses


def test_training_on_two_processes_is_training_on_one(two):
    expected = trained()
    assert expected[1][-1] < expected[1][0] - 0.1  # it does train
    for found in two.run(trained):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


# --- the start and the end


@pytest.fixture
def torchrun_variables(monkeypatch):
    """As torchrun sets them for one process; port 0 is whichever is free."""
    variables = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_without_torchrun_a_process_is_alone(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with from_environment() as here:
        assert here == World()
        assert not dist.is_initialized()


def test_with_torchrun_a_process_joins_and_leaves(torchrun_variables):
    with from_environment("cpu") as here:
        assert here == World(0, 1, 0)
        assert dist.get_backend() == "gloo"
        with from_environment("cpu") as again:
            assert again == here
        assert dist.is_initialized()
    assert not dist.is_initialized()


@pytest.mark.parametrize("error", [SettingError("no"), ValueError("no")])
def test_an_error_is_passed_on_and_the_process_leaves(torchrun_variables, error):
    with pytest.raises(type(error), match=r"^no$"), from_environment("cpu"):
        raise error
    assert not dist.is_initialized()


def test_more_processes_than_gpus_are_refused(torchrun_variables):
    torchrun_variables.setattr(torch.cuda, "is_available", lambda: True)
    torchrun_variables.setattr(torch.cuda, "device_count", lambda: 2)
    torchrun_variables.setenv("LOCAL_RANK", "2")
    with pytest.raises(SettingError, match="cuda:2"), from_environment():
        pass


def test_processes_that_do_not_find_each_other_say_so(torchrun_variables):
    torchrun_variables.setenv("WORLD_SIZE", "2")
    said = "no exchange with the other processes"
    with pytest.raises(TrainingError, match=said), from_environment("cpu", minutes=0.02):
        pass
    assert not dist.is_initialized()


SCRIPT = """
    import sys
    import torch
    from myow.errors import DataError, MyowError
    from myow.training.distributed import from_environment, gather_values

    try:
        with from_environment("cpu", minutes=1) as here:
            total = gather_values(torch.tensor([1.0 + here.rank])).sum()
            print(f"{here} {total.item()}\\n", end="", flush=True)
            if here.rank == 1 and "fail" in sys.argv:
                raise DataError("a broken file")
            if "fail" in sys.argv:
                here.barrier()
    except MyowError as error:
        sys.exit(f"error: {error}\\n")
"""


@pytest.mark.slow
def test_torchrun_starts_processes_and_an_error_in_one_stops_all(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    done = gloo.torchrun(script)
    assert done.returncode == 0, done.stderr
    joined = [f"World(rank={rank}, size=2, local_rank={rank}) 3.0" for rank in range(2)]
    assert sorted(done.stdout.splitlines()) == joined

    failed = gloo.torchrun(script, "fail")
    assert failed.returncode not in (0, None)
    assert sorted(failed.stdout.splitlines()) == joined
    errors = [line for line in failed.stderr.splitlines() if line.startswith("error: ")]
    assert "error: a broken file" in errors
    # The other may have been ended by torchrun before it noticed.
    assert all("no exchange" in line for line in errors if "a broken file" not in line)


def fails_in_one():
    if current().rank == 1:
        raise ValueError("a broken function")
    current().barrier()


def waits_in_one():
    if current().rank == 0:
        current().barrier()
    else:
        import time

        time.sleep(600)


@pytest.mark.slow
def test_the_helper_of_these_tests_tells_what_failed_and_what_hangs(two):
    with pytest.raises(AssertionError, match=r"fails_in_one, process 1 of 2: (.|\n)*a broken function"):
        two.run(fails_in_one)
    assert two.members == []
    assert len({os.getpid(), *two.run(os.getpid)}) == 3
    two.seconds = 0.5
    with pytest.raises(AssertionError, match=r"waits_in_one, process 1 of 2: no answer within"):
        two.run(waits_in_one)
