"""The memory of representations against a deque, and what may not be mined from it."""

import copy
from collections import deque

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from myow.errors import SettingError
from myow.methods.candidates import MemoryQueue
from myow.nn.neighbours import excluded_ranges, mine, nearest


def numbered(first, n, dim=2):
    """Rows and representations that name them."""
    rows = torch.arange(first, first + n)
    return rows, rows[:, None] + torch.arange(dim) / 10


def entries(queue):
    """Rows held, the oldest first, after checking that each has its own representation."""
    size, dim = queue.values.shape
    order = (torch.arange(size) + queue.position) % size
    rows, values = queue.rows[order], queue.values[order]
    torch.testing.assert_close(values[rows >= 0], numbered(0, 10_000, dim)[1][rows[rows >= 0]], rtol=0, atol=0)
    assert (values[rows < 0] == 0).all()
    assert torch.equal(queue.filled, queue.rows >= 0)
    return rows[rows >= 0].tolist()


@given(size=st.integers(1, 12), dim=st.integers(1, 3), batches=st.lists(st.integers(0, 30), max_size=12))
@settings(max_examples=80, deadline=None)
def test_a_queue_holds_what_a_deque_of_that_length_holds(size, dim, batches):
    queue, reference, seen = MemoryQueue(size, dim), deque(maxlen=size), 0
    for n in batches:
        queue.push(*numbered(seen, n, dim))
        reference.extend(range(seen, seen + n))
        seen += n
        assert entries(queue) == list(reference)
        assert 0 <= int(queue.position) < size


@given(size=st.integers(1, 9), cut=st.integers(0, 20), n=st.integers(0, 20))
@settings(max_examples=40, deadline=None)
def test_pushing_in_two_parts_is_pushing_at_once(size, cut, n):
    parts, whole = MemoryQueue(size, 2), MemoryQueue(size, 2)
    rows, y = numbered(0, n)
    parts.push(rows[:cut], y[:cut])
    parts.push(rows[cut:], y[cut:])
    whole.push(rows, y)
    assert entries(parts) == entries(whole)


def test_a_copy_from_a_checkpoint_goes_on_as_the_queue_itself():
    queue = MemoryQueue(5, 2)
    queue.push(*numbered(0, 7))
    again = MemoryQueue(5, 2)
    again.load_state_dict(copy.deepcopy(queue.state_dict()))
    for each in (queue, again):
        each.push(*numbered(7, 4))
    assert entries(again) == entries(queue) == [6, 7, 8, 9, 10]
    assert not list(queue.parameters())


def test_what_is_pushed_is_a_copy_without_gradient():
    queue = MemoryQueue(3, 2)
    y = torch.ones(2, 2, requires_grad=True)
    queue.push(torch.tensor([1, 2]), y * 2)
    assert not queue.values.requires_grad
    kept = queue.values.clone()
    with torch.no_grad():
        y.zero_()
    assert torch.equal(queue.values, kept)
    queue.push(torch.tensor([3], dtype=torch.int32), torch.ones(1, 2, dtype=torch.float16))  # types are the queue's
    assert queue.rows.tolist() == [1, 2, 3]
    assert queue.values.dtype == torch.float32


class Items(TorchDispatchMode):
    """Count how often a number is asked of a tensor, which a CUDA graph cannot do."""

    asked = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.asked += func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
        return func(*args, **(kwargs or {}))


def test_no_number_is_asked_of_the_device():
    queue = MemoryQueue(4, 2)
    ranges = torch.tensor([[0, 1], [0, 1], [2, 2]], dtype=torch.int32)
    batches = [numbered(0, n) for n in (3, 3, 9)]
    with Items() as items:
        for batch in batches:
            queue.push(*batch)
        queue.excluded(torch.tensor([0, 2]), ranges)
    assert items.asked == 0
    with Items() as items:
        int(queue.position)
    assert items.asked == 1


@given(size=st.integers(1, 10), n=st.integers(0, 25), how=st.sampled_from(["self", "segment", "time", None]))
@settings(max_examples=40, deadline=None)
def test_excluded_equals_a_loop(size, n, how):
    times, groups = torch.arange(25).numpy() * 1.0, torch.arange(25).numpy() // 6
    ranges = how and torch.from_numpy(excluded_ranges(groups, times, how=how, gap=2.0))
    queue = MemoryQueue(size, 2)
    queue.push(*numbered(0, n))
    anchors = torch.tensor([0, 5, 6, 24])
    found = queue.excluded(anchors, ranges)
    assert found.shape == (4, size)
    assert found.dtype == torch.bool
    for i, a in enumerate(anchors.tolist()):
        for j, b in enumerate(queue.rows.tolist()):
            same = groups[a] == groups[b]
            barred = {None: False, "self": a == b, "segment": same, "time": same and abs(a - b) <= 2}[how]
            assert bool(found[i, j]) == (b < 0 or bool(barred))


def test_an_empty_queue_is_not_mined():
    queue = MemoryQueue(6, 2)
    anchors, y = torch.tensor([0, 1, 2]), torch.randn(3, 2)
    draws = torch.full((3, 1), 0.99)
    _, found = mine(y, queue.values, 2, queue.excluded(anchors), draws)
    assert not found.any()
    queue.push(torch.tensor([0, 1]), torch.randn(2, 2))
    ranges = torch.tensor([[0, 0], [1, 1], [2, 2]], dtype=torch.int32)
    _, found = mine(y, queue.values, 2, queue.excluded(anchors, ranges), draws)
    assert found.all()
    index, similarity = nearest(y, queue.values, 6, queue.excluded(anchors, ranges))
    rows = torch.where(torch.isfinite(similarity), queue.rows[index], -9)
    assert [set(r) - {-9} for r in rows.tolist()] == [{1}, {0}, {0, 1}]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (-1, 2)])
def test_a_queue_of_nothing_is_refused(shape):
    with pytest.raises(SettingError, match=f"size is {shape[0]} and dim is {shape[1]}"):
        MemoryQueue(*shape)


@pytest.mark.parametrize(("rows", "y"), [((3,), (2, 4)), ((2,), (2, 3)), ((2, 1), (2, 4)), ((2,), (2, 4, 1))])
def test_shapes_that_do_not_fit_are_refused_and_change_nothing(rows, y):
    queue = MemoryQueue(5, 4)
    with pytest.raises(SettingError, match=r"this memory takes shapes \(B,\) and \(B, 4\)"):
        queue.push(torch.zeros(rows, dtype=torch.int64), torch.zeros(y))
    assert not queue.filled.any()
