"""Layers that do not depend on the number of threads agree with torch's own."""

import pytest
import torch
from torch import nn

from myow.layers.repeatable import BatchNorm, PReLU


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def run(layer, x, weight):
    x = x.clone().requires_grad_()
    y = layer(x)
    (y * weight).sum().backward()
    return [y.detach(), x.grad, *(p.grad for p in layer.parameters()), *layer.buffers()]


@pytest.mark.parametrize(("ours", "theirs"), [(lambda: BatchNorm(7), lambda: nn.BatchNorm1d(7)), (PReLU, nn.PReLU)])
def test_values_gradients_and_running_statistics_agree_with_torch(ours, theirs):
    torch.manual_seed(0)
    x, weight = torch.randn(40, 7, dtype=torch.float64) * 3 + 5, torch.randn(40, 7, dtype=torch.float64)
    layers = [ours().double(), theirs().double()]
    for p, q in zip(*(layer.parameters() for layer in layers), strict=True):
        q.data.copy_(p.data.uniform_(0.2, 2))
    for training in (True, True, False):
        found, expected = (run(layer.train(training), x, weight) for layer in layers)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b)
        for layer in layers:
            layer.zero_grad()


def test_batch_norm_passes_a_numerical_check_of_its_gradient():
    layer = BatchNorm(3).double()
    layer.weight.data.uniform_(0.5, 2)
    x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    inputs = (x, layer.weight, layer.bias)
    assert torch.autograd.gradcheck(
        lambda x, w, b: torch.func.functional_call(layer, {"weight": w, "bias": b}, (x,)), inputs
    )


def test_batch_norm_refuses_a_batch_of_one_as_torch_does():
    with pytest.raises(ValueError, match="more than 1 value"):
        BatchNorm(3)(torch.ones(1, 3))


@pytest.mark.parametrize("shape", [(512, 128), (777, 173), (1024, 64)])
@pytest.mark.parametrize("kind", [BatchNorm, PReLU])
def test_one_thread_and_two_give_the_same_bits(threads, kind, shape):
    torch.manual_seed(0)
    x, weight = torch.randn(shape) * 3 + 1, torch.randn(shape)
    results = []
    for n in (1, 2):
        threads(n)
        results.append(run(kind(shape[1]) if kind is BatchNorm else kind(), x, weight))
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)
