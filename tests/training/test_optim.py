"""Optimizers and schedules against updates written out in NumPy."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from myow.errors import UnknownNameError
from myow.nn.mlp import perceptron
from myow.training.optim import LARS, _fused_sgd, build_optimizer, learning_rate, parameter_groups, ramp, update_ema


def lars_by_hand(w, g, m, *, lr, momentum, decay, trust, adapt):
    d = g + decay * w
    norm_w, norm_d = np.linalg.norm(w), np.linalg.norm(d)
    if adapt and norm_w > 0 and norm_d > 0:
        d = trust * norm_w / norm_d * d
    m = momentum * m + d
    return w - lr * m, m


def test_lars_equals_the_written_out_update_over_several_steps():
    rng = np.random.default_rng(0)
    start = {
        "weight": rng.normal(size=(3, 4)),
        "other": rng.normal(size=(2, 2)),
        "zero": np.zeros((2, 3)),
        "bias": rng.normal(size=3),
    }
    params = {k: nn.Parameter(torch.tensor(v)) for k, v in start.items()}
    groups = [
        {"params": [params["weight"], params["other"], params["zero"]], "weight_decay": 0.03, "adapt": True},
        {"params": [params["bias"]], "weight_decay": 0.0, "adapt": False},
    ]
    optimizer = LARS(groups, lr=0.8, momentum=0.9, trust=1e-2)
    expected, momenta = dict(start), {k: np.zeros_like(v) for k, v in start.items()}
    for step in range(6):
        for group in optimizer.param_groups:
            group["lr"] = rate = 0.8 / (step + 1)
        for name, value in start.items():
            # One step without a gradient: neither weights nor momentum may move.
            absent = name == "other" and step == 2
            grad = rng.normal(size=value.shape) * (0 if name == "weight" and step == 3 else 1)
            params[name].grad = None if absent else torch.tensor(grad)
            if not absent:
                expected[name], momenta[name] = lars_by_hand(
                    expected[name],
                    grad,
                    momenta[name],
                    lr=rate,
                    momentum=0.9,
                    decay=0.0 if name == "bias" else 0.03,
                    trust=1e-2,
                    adapt=name != "bias",
                )
        optimizer.step()
        for name in start:
            np.testing.assert_allclose(params[name].detach().numpy(), expected[name], rtol=1e-10, atol=1e-14)


def test_lars_with_a_closure_returns_its_loss():
    p = nn.Parameter(torch.ones(2))
    optimizer = LARS([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2.0
    assert (p < 1).all()


def test_parameters_are_grouped_by_the_type_of_module_that_holds_them():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.bn_like_name = nn.Linear(3, 3)
            self.weights = nn.Sequential(nn.BatchNorm1d(3), nn.LayerNorm(3), nn.PReLU(), nn.GroupNorm(1, 3))
            self.own = perceptron((3, 4, 2), "prelu")
            self.frozen = nn.Linear(2, 2).requires_grad_(False)
            self.scale = nn.Parameter(torch.ones(3))

    module = Odd()
    weights, rest = parameter_groups(module, 0.1)
    ids = [{id(p) for p in g["params"]} for g in (weights, rest)]
    decayed = [module.bn_like_name.weight, module.own[0].weight, module.own[3].weight, module.scale]
    assert ids[0] == {id(p) for p in decayed}
    trainable = {id(p) for p in module.parameters() if p.requires_grad}
    assert ids[0] | ids[1] == trainable
    assert not ids[0] & ids[1]
    assert (weights["weight_decay"], weights["adapt"]) == (0.1, True)
    assert (rest["weight_decay"], rest["adapt"]) == (0.0, False)


@pytest.mark.parametrize(("name", "kind"), [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD), ("lars", LARS)])
def test_every_optimizer_decays_weights_alone_and_bears_late_gradients(name, kind):
    module = perceptron((3, 4, 2))
    optimizer = build_optimizer(name, module, learning_rate=0.1, weight_decay=0.5, momentum=0.9)
    assert isinstance(optimizer, kind)
    assert sorted(g["weight_decay"] for g in optimizer.param_groups) == [0.0, 0.5]
    before = {k: v.clone() for k, v in module.state_dict().items()}
    late = module[3]
    for step in range(3):  # mined projectors get their first gradient steps after the others
        for p in module.parameters():
            p.grad = torch.ones_like(p)
        if step < 2:
            late.weight.grad = late.bias.grad = None
        optimizer.step()
        assert torch.equal(late.weight, before["3.weight"]) == (step < 2)
    if name != "adamw":
        assert optimizer.param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_plain_momentum_in_one_pass_does_the_same_with_gradients_that_come_late(momentum):
    trained = []
    for fused in (False, True):
        torch.manual_seed(0)
        module = perceptron((3, 4, 2))
        groups = parameter_groups(module, 0.5)
        plain = torch.optim.SGD(groups, lr=0.1, momentum=momentum)
        optimizer = _fused_sgd(parameter_groups(module, 0.5), 0.1, momentum) if fused else plain
        for step in range(4):
            for i, p in enumerate(module.parameters()):
                p.grad = None if step < 2 and i > 1 else (p.detach() + step).sin()
            optimizer.step()
        trained.append([p.detach() for p in module.parameters()])
    for a, b in zip(*trained, strict=True):
        torch.testing.assert_close(a, b)


def test_weight_decay_shrinks_weights_and_spares_the_rest():
    for name in ("adamw", "sgd", "lars"):
        module = perceptron((3, 4, 2))
        optimizer = build_optimizer(name, module, learning_rate=0.1, weight_decay=0.5, momentum=0.0)
        before = [p.detach().clone() for p in module.parameters()]
        for p in module.parameters():
            p.grad = torch.zeros_like(p)
        optimizer.step()
        for old, p in zip(before, module.parameters(), strict=True):
            assert torch.equal(old, p) if p.ndim == 1 else (p.norm() < old.norm())


def test_an_unknown_optimizer_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown optimizer 'adam'; did you mean 'adamw'"):
        build_optimizer("adam", nn.Linear(1, 1), learning_rate=1, weight_decay=0, momentum=0)


def test_learning_rate_warms_up_and_then_follows_a_half_cosine():
    rates = [learning_rate(i / 100, 0.4, warmup=0.1, schedule="cosine") for i in range(100)]
    expected = [0.4 * i / 10 if i < 10 else 0.2 * (1 + math.cos(math.pi * (i - 10) / 90)) for i in range(100)]
    assert rates == pytest.approx(expected)
    assert max(rates) == rates[10] == 0.4


def test_constant_learning_rate_and_no_warm_up():
    assert learning_rate(0.0, 0.4, warmup=0.0, schedule="constant") == 0.4
    assert learning_rate(0.99, 0.4, warmup=0.0, schedule="constant") == 0.4
    assert learning_rate(0.05, 0.4, warmup=0.1, schedule="constant") == pytest.approx(0.2)


def test_an_unknown_schedule_offers_the_nearest_even_during_warm_up():
    with pytest.raises(UnknownNameError, match="unknown schedule 'cosin'; did you mean 'cosine'"):
        learning_rate(0.0, 1.0, warmup=0.5, schedule="cosin")


@pytest.mark.parametrize(
    ("progress", "start", "length", "expected"),
    [
        (0.0, 0.1, 0.2, 0.0),
        (0.1, 0.1, 0.2, 0.0),
        (0.2, 0.1, 0.2, 0.5),
        (0.3, 0.1, 0.2, 1.0),
        (0.9, 0.1, 0.2, 1.0),
        (0.0, 0.0, 0.0, 1.0),
        (0.09, 0.1, 0.0, 0.0),
        (0.1, 0.1, 0.0, 1.0),
    ],
)
def test_ramp(progress, start, length, expected):
    assert ramp(progress, start, length) == pytest.approx(expected)


def test_moving_average_after_n_steps_in_closed_form():
    rng = np.random.default_rng(0)
    shapes, m, n = [(3, 2), (4,), ()], 0.9, 25
    start = [rng.normal(size=s) for s in shapes]
    online = [rng.normal(size=s) for s in shapes]
    target = [torch.tensor(v) for v in start]
    for _ in range(n):
        update_ema(target, [torch.tensor(v) for v in online], torch.tensor(1 - m, dtype=torch.float64))
    for found, t, o in zip(target, start, online, strict=True):
        np.testing.assert_allclose(found.numpy(), m**n * t + (1 - m**n) * o, rtol=1e-12)


def test_moving_average_of_a_moving_network_weighs_each_step():
    m, history = 0.7, [1.0, -2.0, 5.0, 0.5]
    target = [torch.tensor(3.0, dtype=torch.float64)]
    for value in history:
        update_ema(target, [torch.tensor(value, dtype=torch.float64)], torch.tensor(1 - m, dtype=torch.float64))
    n = len(history)
    expected = m**n * 3.0 + (1 - m) * sum(m ** (n - 1 - i) * v for i, v in enumerate(history))
    assert float(target[0]) == pytest.approx(expected)


def trained(optimizer, network):
    torch.manual_seed(0)
    for _ in range(4):
        optimizer.zero_grad(set_to_none=True)
        network(torch.randn(8, 5)).pow(2).sum().backward()
        optimizer.step()
    return [p.detach().clone() for p in network.parameters()]


@pytest.mark.parametrize(
    ("name", "torchs"),
    [
        ("adamw", lambda groups: torch.optim.AdamW(groups, lr=0.01, fused=True)),
        ("sgd", lambda groups: torch.optim.SGD(groups, lr=0.01, momentum=0.9, foreach=True)),
    ],
)
def test_optimizers_take_the_steps_of_torchs_own(name, torchs):
    torch.manual_seed(1)
    one = nn.Linear(5, 3)
    other = nn.Linear(5, 3)
    other.load_state_dict(one.state_dict())
    ours = build_optimizer(name, one, learning_rate=0.01, weight_decay=0.1, momentum=0.9)
    theirs = torchs([group for group in parameter_groups(other, 0.1) if group["params"]])
    for a, b in zip(trained(ours, one), trained(theirs, other), strict=True):
        assert torch.equal(a, b)
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    assert all(p.requires_grad and p.is_leaf for p in one.parameters())


def test_a_fit_saved_and_loaded_does_not_import_torchs_compiler(tmp_path):
    code = (
        "import sys, numpy as np, myow\n"
        "model = myow.MYOW(steps=3, dim=4).fit(np.random.default_rng(0).poisson(2.0, size=(60, 8)))\n"
        f"model.save({str(tmp_path / 'a.myow')!r})\n"
        f"myow.load_model({str(tmp_path / 'a.myow')!r})\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
