"""Several processes that train one model, as torchrun starts them: each works on its share of every batch.

Gradients are averaged by `DistributedDataParallel`; what a loss compares with other samples' is gathered here.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from ..device import choose_device
from ..errors import SettingError, TrainingError

__all__ = ["World", "current", "from_environment", "gather", "gather_values", "mean_terms", "same_buffers", "wrap"]


@dataclass(frozen=True)
class World:
    """Place of this process among those that train together: rank from 0, number of all, and rank on this machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def share(self, n: int) -> slice:
        """Return which of n samples are this process's; refuse a number that cannot be shared equally."""
        each, left = divmod(n, self.size)
        if left or not each:
            fitting = " or ".join(str(size) for size in (n - left, n - left + self.size) if size)
            raise SettingError(
                f"a batch of {n} samples cannot be shared equally by {self.size} processes; take {fitting}"
            )
        return slice(self.rank * each, (self.rank + 1) * each)

    def same_everywhere(self, values: Mapping[str, object]) -> None:
        """Refuse, on every process, what is not the same on all of them, such as a checksum of the data."""
        found: list[Mapping[str, str]] = [{}] * self.size
        if self.size > 1:
            dist.all_gather_object(found, {name: repr(value) for name, value in values.items()})
        for rank, theirs in enumerate(found):
            wrong = [name for name in sorted(found[0].keys() | theirs) if found[0].get(name) != theirs.get(name)]
            if wrong:
                here, first = theirs.get(wrong[0], "nothing"), found[0].get(wrong[0], "nothing")
                raise SettingError(
                    f"the {wrong[0]} of process {rank} is {here}, and that of process 0 is {first}; "
                    "give all processes the same data and settings"
                )

    def barrier(self) -> None:
        """Wait until all processes have come here."""
        if self.size > 1:
            dist.barrier()


def current() -> World:
    """Return this process's place; alone unless torch.distributed has been initialised."""
    if not (dist.is_available() and dist.is_initialized()):
        return World()
    return World(dist.get_rank(), dist.get_world_size(), dist.get_node_local_rank(fallback_rank=dist.get_rank()))


def wrap(module: nn.Module) -> nn.Module:
    """Average a module's gradients over processes; on GPUs its batch norm takes statistics over all of them."""
    if current().size == 1:
        return module
    if next(module.parameters()).device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
    elif any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules()):
        logging.getLogger("myow").warning("batch norm is per process on CPUs: results depend on how many there are")
    # Parameters of mined views get no gradient before mining begins.
    return DistributedDataParallel(module, broadcast_buffers=False, find_unused_parameters=True)


def gather(x: Tensor) -> Tensor:
    """Put the tensors (B, ...) of all processes one after the other; gradients find their way back, as a sum over all."""
    if current().size == 1:
        return x
    from torch.distributed.nn.functional import all_gather

    return torch.cat(all_gather(x.contiguous()))  # type: ignore[no-untyped-call]


def gather_values(x: Tensor) -> Tensor:
    """Gather as `gather` does, without gradients."""
    x = x.detach().contiguous()
    parts = [torch.empty_like(x) for _ in range(current().size)]
    if len(parts) == 1:
        return x
    dist.all_gather(parts, x)
    return torch.cat(parts)


def mean_terms(terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Average the terms of a loss over processes; integer tensors stay this process's own."""
    return {k: gather_values(v.view(1)).mean() if v.is_floating_point() else v for k, v in terms.items()}


@torch.no_grad()
def same_buffers(module: nn.Module) -> None:
    """Take over the first process's buffers, such as running statistics, so that all end with one model."""
    if current().size > 1:
        for buffer in module.buffers():
            dist.broadcast(buffer, 0)


@contextlib.contextmanager
def from_environment(device: str = "auto", minutes: float = 30) -> Iterator[World]:
    """Join the processes that torchrun started, and leave them at the end; without torchrun this process is alone.

    On a GPU, of "cuda" or "auto", a process takes the one that its rank on the machine counts; it may work for so many minutes while
    others wait for it. A `SettingError` says that there is no such GPU, a `TrainingError` that the processes lost each other.
    """
    if dist.is_initialized() or not {"RANK", "WORLD_SIZE", "LOCAL_RANK"} <= os.environ.keys():
        yield current()
        return
    gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    if gpu:
        torch.cuda.set_device(choose_device(f"cuda:{os.environ['LOCAL_RANK']}"))
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", timeout=timedelta(minutes=minutes))
        yield current()
        dist.barrier()  # nobody hangs up on one that is still talking
    except BaseException as error:
        if dist.group.WORLD is not None:
            dist.group.WORLD.abort()  # an orderly end would wait for others that may be waiting for this process
        if isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error)):
            said = (str(error) or type(error).__name__).splitlines()[0].split(". ")[0]
            raise TrainingError(f"no exchange with the other processes ({said})") from error
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
