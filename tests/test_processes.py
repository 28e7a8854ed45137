"""Two processes that share a batch do what one does with all of it."""

import copy
import os
import textwrap

import gloo
import pytest
import torch
from torch import distributed as dist
from torch import nn

from myow.errors import SettingError, TrainingError
from myow.layers.repeatable import BatchNorm
from myow.layers.synchronised import SynchronisedBatchNorm, synchronise_batch_norm
from myow.losses import nt_xent
from myow.processes import Processes, current, from_environment


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
    x.grad = torch.ones_like(x)
    assert here == Processes(rank=0, size=1, local_rank=0)
    assert here.alone
    assert here.is_first
    assert here.gather(x) is x
    assert here.total(x) is x
    for values in (here.gather_values(x), here.total_values(x)):
        assert not values.requires_grad
        assert torch.equal(values, x)
    here.average_gradients([x])
    here.same_everywhere("anything")
    here.barrier()
    assert torch.equal(x.grad, torch.ones_like(x))
    layer = nn.BatchNorm2d(3)
    assert type(synchronise_batch_norm(layer)) is nn.BatchNorm2d


def test_shares_are_equal_and_cover_the_batch():
    shares = [Processes(rank, 4, rank).share(12) for rank in range(4)]
    assert [i for share in shares for i in range(12)[share]] == list(range(12))
    assert {share.stop - share.start for share in shares} == {3}


@pytest.mark.parametrize(("n", "fitting"), [(13, "12 or 16"), (3, "take 4$"), (0, "take 4$")])
def test_a_batch_that_cannot_be_shared_equally_is_refused_with_those_that_can(n, fitting):
    with pytest.raises(SettingError, match=f"batch of {n} .* 4 processes.*{fitting}"):
        Processes(0, 4, 0).share(n)


# --- exchanges


def exchanged():
    here = current()
    x = (torch.arange(6.0).view(2, 3) + 10 * here.rank).requires_grad_()
    weight = torch.arange(12.0).view(4, 3) * (1 + here.rank)
    gathered = here.gather(x.t().contiguous().t())  # the layout in memory must not matter
    (gathered * weight).sum().backward()
    gather_grad, x.grad = x.grad, None
    total = here.total(x)
    (total * weight[:2]).sum().backward()
    values = here.gather_values(x), here.total_values(x)
    whole = here.gather_values(torch.tensor([here.rank, 7])), here.gather_values(torch.tensor([here.rank == 0]))
    assert not any(v.requires_grad for v in values)
    return here, gathered.detach(), gather_grad, total.detach(), x.grad, values, whole


def test_gather_and_total_pass_back_the_sum_of_all_gradients(two):
    base, weight = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(4, 3) * 3  # of the first and twice that
    for rank, (here, gathered, gather_grad, total, total_grad, values, whole) in enumerate(two.run(exchanged)):
        assert here == Processes(rank, 2, rank)
        assert torch.equal(gathered, torch.cat([base, base + 10]))
        assert torch.equal(gather_grad, weight[2 * rank : 2 * rank + 2])
        assert torch.equal(total, 2 * base + 10)
        assert torch.equal(total_grad, weight[:2])
        assert torch.equal(values[0], gathered)
        assert torch.equal(values[1], total)
        assert whole[0].tolist() == [0, 7, 1, 7]
        assert whole[1].tolist() == [True, False]


def second_derivative():
    here = current()
    x = torch.tensor([1.0 + here.rank], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(here.total(x.pow(3)).sum() + here.gather(x.pow(3)).sum(), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), x)
    return slope.item(), curvature.item()


def test_exchanges_have_second_derivatives(two):
    # Each of both processes' losses holds the cube of either x twice.
    assert two.run(second_derivative) == [(12.0, 24.0), (48.0, 48.0)]


def averaged(passes):
    here = current()
    some = [nn.Parameter(normal(2, 3)), nn.Parameter(normal(4).float()), *(nn.Parameter(normal(2)) for _ in range(3))]
    both, narrow, only_second, _nowhere, frozen = some
    frozen.requires_grad_(False)
    both.grad = torch.full((3, 2), 1.0 + here.rank, dtype=torch.float64).t()
    narrow.grad = torch.tensor([1.0, 2, 3, 4]) * (1 - 2 * here.rank)
    if here.rank == 1:
        only_second.grad = torch.ones(2, dtype=torch.float64)
    for _ in range(passes):
        here.average_gradients(iter(some))
    return [p.grad for p in some]


def test_gradients_are_averaged_and_one_that_some_processes_lack_counts_as_zero_there(two):
    for both, narrow, only_second, nowhere, frozen in two.run(averaged, 1):
        assert torch.equal(both, torch.full((2, 3), 1.5, dtype=torch.float64))
        assert torch.equal(narrow, torch.zeros(4))
        assert torch.equal(only_second, torch.full((2,), 0.5, dtype=torch.float64))
        assert nowhere is None
        assert frozen is None


def test_averaging_twice_changes_nothing(two):
    once, twice = two.run(averaged, 1), two.run(averaged, 2)
    for a, b in zip(once[0] + once[1], twice[0] + twice[1], strict=True):
        assert (a is None and b is None) or torch.equal(a, b)


def compared():
    here, said = current(), []
    same = {"data": "abc", "steps": 3}
    here.same_everywhere(same)
    here.same_everywhere("abc", "digest")
    for values in ({**same, "steps": 3 + here.rank}, same if here.is_first else {"data": "abc"}, f"file {here.rank}"):
        try:
            here.same_everywhere(values, "digest")
        except SettingError as error:
            said.append(str(error))
    here.barrier()
    return said


def test_what_differs_between_processes_is_an_error_on_all_of_them(two):
    first, second = two.run(compared)
    assert first == second
    steps, missing, single = first
    assert steps.startswith("the steps of process 1 is 4, and that of process 0 is 3; give all")
    assert missing.startswith("the steps of process 1 is nothing, and that of process 0 is 3")
    assert single.startswith("the digest of process 1 is 'file 1', and that of process 0 is 'file 0'")


# --- batch norm


def network(kind, dtype):
    torch.manual_seed(0)
    if kind == "images":
        layers = [nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5)]
    elif kind == "rows":
        layers = [nn.Linear(6, 5), BatchNorm(5), nn.ReLU(), nn.Linear(5, 4), nn.BatchNorm1d(4, affine=False)]
    else:  # the running statistics are a plain mean over steps; and there are none
        layers = [nn.BatchNorm1d(6, momentum=None), nn.Linear(6, 5), nn.BatchNorm1d(5, track_running_stats=False)]
    layers = nn.Sequential(*layers).to(dtype)
    for layer in layers:
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and layer.affine:
            nn.init.uniform_(layer.weight, 0.5, 2)
            nn.init.normal_(layer.bias)
    return layers


def batch(kind, dtype):
    shape = (8, 3, 6, 6) if kind == "images" else (8, 6)
    return (normal(*shape, seed=1) * 3 + 20).to(dtype)  # far from 0, where squares would cancel


def two_steps(model, x, weight, share, here):
    """Outputs in training and evaluation, gradients of input and parameters, buffers, after two steps."""
    for _ in range(2):
        model.zero_grad()
        own = x[share].clone().requires_grad_()
        out = model.train()(own)
        ((out * weight[share]).sum(dim=1) + out.pow(3).mean(dim=1)).mean().backward()
        here.average_gradients(model.parameters())
        with torch.no_grad():
            for p in model.parameters():
                p -= 0.01 * p.grad
    grad = own.grad / here.size  # of the mean over processes
    # A layer without running statistics takes those of the rows at hand, in evaluation too.
    tracked = all(getattr(layer, "track_running_stats", True) for layer in model)
    evaluated = model.eval()(own).detach() if tracked else out
    return (
        [here.gather_values(part) for part in (out, grad, evaluated)],
        [p.grad for p in model.parameters()],
        model.state_dict(),
    )


def synchronised(kind, dtype):
    here, x = current(), batch(kind, dtype)
    model = network(kind, dtype)
    parameters = list(model.parameters())
    assert synchronise_batch_norm(model) is model
    assert any(isinstance(layer, SynchronisedBatchNorm) for layer in model)
    assert all(p is q for p, q in zip(parameters, model.parameters(), strict=True))
    weight = normal(8, 5 if kind != "rows" else 4, seed=2, dtype=torch.float64).to(dtype)
    return two_steps(model, x, weight, here.share(len(x)), here)


@pytest.mark.parametrize("kind", ["images", "rows", "options"])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_synchronised_batch_norm_is_that_of_the_whole_batch(two, kind, dtype, close):
    weight = normal(8, 5 if kind != "rows" else 4, seed=2, dtype=torch.float64).to(dtype)
    model = network(kind, dtype)
    expected = two_steps(model, batch(kind, dtype), weight, slice(None), Processes())
    for rank, found in enumerate(two.run(synchronised, kind, dtype)):
        assert list(found[2]) == list(expected[2])  # the names in a saved model
        torch.testing.assert_close(found, expected, rtol=close, atol=close, msg=lambda m, r=rank: f"process {r}: {m}")
    network(kind, dtype).load_state_dict(found[2])


def unequal():
    here = current()
    model = synchronise_batch_norm(nn.BatchNorm1d(3).double())
    x = (normal(5, 3)[:4] if here.is_first else normal(5, 3)[4:]).requires_grad_()
    out = model(x)
    out.pow(3).sum().backward()
    return out.detach(), x.grad, model.running_var


def test_unequal_batches_count_by_their_rows_and_one_row_is_enough(two):
    x, model = normal(5, 3).requires_grad_(), nn.BatchNorm1d(3).double()
    out = model(x)
    out.pow(3).sum().backward()
    (first, first_grad, variance), (second, second_grad, _) = two.run(unequal)
    torch.testing.assert_close(torch.cat([first, second]), out.detach())
    torch.testing.assert_close(torch.cat([first_grad, second_grad]), x.grad)
    torch.testing.assert_close(variance, model.running_var)


def half_precision():
    here = current()
    model, x = synchronise_batch_norm(nn.BatchNorm1d(3)), normal(8, 3, dtype=torch.float32).bfloat16() + 5
    own = x[here.share(8)].requires_grad_()
    out = model(own)
    out.sum().backward()
    return here.gather_values(out.float()), own.grad.dtype


def test_half_precision_is_normalised_in_single_precision(two):
    x = normal(8, 3, dtype=torch.float32).bfloat16() + 5
    expected = nn.BatchNorm1d(3)(x.float()).detach()
    for out, dtype in two.run(half_precision):
        assert dtype == torch.bfloat16
        torch.testing.assert_close(out, expected, rtol=0.01, atol=0.01)


def single_value():
    model = synchronise_batch_norm(nn.BatchNorm1d(3))
    try:
        model(torch.ones(1 if current().is_first else 0, 3))
    except SettingError as error:
        return str(error)


def test_one_value_in_all_has_no_variance(two):
    assert all("take a larger batch" in said for said in two.run(single_value))


def copied():
    model = synchronise_batch_norm(nn.Sequential(nn.Linear(2, 3), BatchNorm(3)))
    twin = copy.deepcopy(synchronise_batch_norm(model))
    return type(twin[1]).__name__, type(model[1]).__name__


def test_a_synchronised_model_can_be_copied_and_synchronised_again(two):
    assert two.run(copied) == [("SynchronisedBatchNorm",) * 2] * 2


# --- training


def trained(steps=20, n=16):
    """Weights after steps of SimCLR; each process computes the loss over the whole batch from what was gathered."""
    here = current()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), BatchNorm(8), nn.ReLU(), nn.Linear(8, 4)).double()
    synchronise_batch_norm(model)
    draws = torch.Generator().manual_seed(1)
    losses = []
    for _ in range(steps):
        x = torch.randn(n, 6, generator=draws, dtype=torch.float64)
        views = [x + 0.3 * torch.randn(n, 6, generator=draws, dtype=torch.float64) for _ in range(2)]
        first, second = (here.gather(model(view[here.share(n)])) for view in views)
        loss = nt_xent(first, second, 0.2).mean()
        model.zero_grad()
        loss.backward()
        here.average_gradients(model.parameters())
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
        assert here == Processes()
        assert not dist.is_initialized()


def test_with_torchrun_a_process_joins_and_leaves(torchrun_variables):
    with from_environment("cpu") as here:
        assert here == Processes(0, 1, 0)
        assert dist.get_backend() == "gloo"
        with from_environment("cpu") as again:
            assert again == here
        assert dist.is_initialized()
    assert not dist.is_initialized()


@pytest.mark.parametrize("error", [SettingError("no"), ValueError("no")])
def test_an_error_says_which_process_it_came_from(torchrun_variables, error):
    with pytest.raises(type(error)) as caught, from_environment("cpu"):
        raise error
    assert not dist.is_initialized()
    if isinstance(error, SettingError):
        assert str(caught.value) == "process 0 of 1: no"
    else:
        assert caught.value.__notes__ == ["in process 0 of 1"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MASTER_ADDR", "", "MASTER_ADDR not"),
        ("RANK", "one", "RANK=one, .*whole numbers"),
        ("RANK", "1", "RANK=1, WORLD_SIZE=1 .*cannot be"),
    ],
)
def test_variables_that_cannot_work_are_refused(torchrun_variables, name, value, said):
    torchrun_variables.setenv(name, value)
    with pytest.raises(SettingError, match=f"{said}.*torchrun"), from_environment("cpu"):
        pass


def test_several_processes_take_no_device_by_number(torchrun_variables):
    with pytest.raises(SettingError, match=r"'cuda:1'.*take 'cpu', 'cuda' or 'auto'"), from_environment("cuda:1"):
        pass


def test_more_processes_than_gpus_are_refused(torchrun_variables):
    torchrun_variables.setattr(torch.cuda, "is_available", lambda: True)
    torchrun_variables.setattr(torch.cuda, "device_count", lambda: 2)
    torchrun_variables.setenv("LOCAL_RANK", "2")
    with pytest.raises(SettingError, match=r"2 GPUs.*--nproc-per-node 2"), from_environment():
        pass


def test_processes_that_do_not_find_each_other_say_so(torchrun_variables):
    torchrun_variables.setenv("WORLD_SIZE", "2")
    with pytest.raises(TrainingError, match="process 0 of 2: no exchange"), from_environment("cpu", minutes=0.02):
        pass
    assert not dist.is_initialized()


SCRIPT = """
    import sys
    import torch
    from myow.errors import DataError, MyowError
    from myow.processes import from_environment

    try:
        with from_environment("cpu", minutes=1) as here:
            total = here.total_values(torch.tensor([1.0 + here.rank]))
            print(f"{here} {total.item()}\\n", end="", flush=True)
            if here.rank == 1 and "fail" in sys.argv:
                raise DataError("a broken file")
            if "fail" in sys.argv:
                here.barrier()
    except MyowError as error:
        sys.exit(f"error: {error}\\n")
"""


def test_torchrun_starts_processes_and_an_error_in_one_stops_all(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    done = gloo.torchrun(script)
    assert done.returncode == 0, done.stderr
    joined = [f"Processes(rank={rank}, size=2, local_rank={rank}) 3.0" for rank in range(2)]
    assert sorted(done.stdout.splitlines()) == joined

    failed = gloo.torchrun(script, "fail")
    assert failed.returncode not in (0, None)
    assert sorted(failed.stdout.splitlines()) == joined
    errors = [line for line in failed.stderr.splitlines() if line.startswith("error: ")]
    assert "error: process 1 of 2: a broken file" in errors
    # The other may have been ended by torchrun before it noticed.
    assert all("process 0 of 2: no exchange" in line for line in errors if "a broken file" not in line)


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


def test_the_helper_of_these_tests_tells_what_failed_and_what_hangs(two):
    with pytest.raises(AssertionError, match=r"fails_in_one, process 1 of 2: (.|\n)*a broken function"):
        two.run(fails_in_one)
    assert two.members == []
    assert len({os.getpid(), *two.run(os.getpid)}) == 3
    two.seconds = 0.5
    with pytest.raises(AssertionError, match=r"waits_in_one, process 1 of 2: no answer within"):
        two.run(waits_in_one)
