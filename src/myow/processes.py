r"""Several processes that train one model, as torchrun starts them.

Every process holds the whole model and works on its own share of each batch. What that takes is small: a layer or loss
that looks across the batch exchanges tensors (`Processes.gather`, `Processes.total`), and gradients are averaged before
the optimizer's step (`Processes.average_gradients`).

The convention: each process's loss is the mean over its own share, and gradients are averaged. With R processes and
:math:`L = \frac{1}{R} \sum_r L_r`, the step is then the one that a single process takes on the whole batch. A loss that
every process computes over the whole batch, from what was gathered, fits too, since then :math:`L_r = L`. For this to
hold, what is exchanged passes gradients back as a sum over all processes, of :math:`\sum_r L_r`; the averaging divides.

Every process must make the same exchanges in the same order, forwards and backwards: what one gathers, all gather, and
what one uses in its loss, all use.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from .device import choose_device
from .errors import MyowError, SettingError, TrainingError

__all__ = ["Processes", "current", "from_environment"]

_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Processes:
    """Which process this is, among those that train together.

    Parameters
    ----------
    rank : int
        Which of them this is, from 0.
    size : int
        How many there are on all machines.
    local_rank : int
        Which of those on this machine it is, from 0; with GPUs, the one that it uses.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def alone(self) -> bool:
        """Whether there is only this one, so that there is nothing to exchange."""
        return self.size == 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes files and shows progress."""
        return self.rank == 0

    def share(self, n: int) -> slice:
        """Tell which of n samples are this process's: as many as every other's, side by side, in order of rank.

        Parameters
        ----------
        n : int
            Size of the whole batch.

        Returns
        -------
        slice

        Raises
        ------
        SettingError
            If n cannot be divided equally, since the mean over processes would not be the mean over samples.

        Examples
        --------
        >>> Processes(rank=1, size=4).share(512)
        slice(128, 256, None)
        """
        each, left = divmod(n, self.size)
        if left or not each:
            fitting = [str(size) for size in (n - left, n - left + self.size) if size]
            raise SettingError(
                f"a batch of {n} samples cannot be shared equally by {self.size} processes; take {' or '.join(fitting)}"
            )
        return slice(self.rank * each, (self.rank + 1) * each)

    def gather(self, x: Tensor) -> Tensor:
        """Put the tensors of all processes one after the other; gradients find their way back.

        Parameters
        ----------
        x : Tensor, shape (B, ...)
            This process's part; its shape must be the same on all of them, which is not checked, since that would take
            an exchange of its own.

        Returns
        -------
        Tensor, shape (size * B, ...)
            In order of rank. Each process receives the sum of all processes' gradients of its own part.
        """
        if self.alone:
            return x
        gathered: Tensor = _Gather.apply(x, self)  # type: ignore[no-untyped-call]
        return gathered

    def gather_values(self, x: Tensor) -> Tensor:
        """Gather as `gather` does, without gradients."""
        if self.alone:
            return x.detach()
        x = x.detach().contiguous()
        parts = [torch.empty_like(x) for _ in range(self.size)]
        with _exchange():
            dist.all_gather(parts, x)
        return torch.cat(parts)

    def total(self, x: Tensor) -> Tensor:
        """Add up the tensors of all processes, equal in shape; gradients find their way back as a sum over all."""
        if self.alone:
            return x
        total: Tensor = _Total.apply(x, self)  # type: ignore[no-untyped-call]
        return total

    def total_values(self, x: Tensor) -> Tensor:
        """Add up as `total` does, without gradients."""
        if self.alone:
            return x.detach()
        # The exchange works in place, and a clone keeps the layout, which need not be the same everywhere.
        total = x.detach().clone(memory_format=torch.contiguous_format)
        with _exchange():
            dist.all_reduce(total)
        return total

    @torch.no_grad()
    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace gradients by their mean over processes, in one exchange for each type and device.

        A gradient that is None on some processes counts as zero there; one that is None on all of them stays None.

        Parameters
        ----------
        parameters : iterable of Tensor
            The same on every process, in the same order; those that take no gradient are passed over.
        """
        if self.alone:
            return
        alike: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
        for parameter in parameters:
            if parameter.requires_grad:
                alike.setdefault((parameter.dtype, parameter.device), []).append(parameter)
        for members in alike.values():
            self._average_together(members)

    def _average_together(self, members: list[Tensor]) -> None:
        sizes = [p.numel() for p in members]
        grads = [p.new_zeros(p.numel()) if p.grad is None else p.grad.reshape(-1) for p in members]
        # Whether a gradient is there travels along: all processes exchange the same, whatever they hold.
        there = members[0].new_tensor([p.grad is not None for p in members])
        mean = torch.cat([*grads, there]).div_(self.size)
        with _exchange():
            dist.all_reduce(mean)
        *means, there = torch.split(mean, [*sizes, len(members)])
        for i, (p, values) in enumerate(zip(members, means, strict=True)):
            if p.grad is not None:
                p.grad.copy_(values.view_as(p))
            elif there[i] > 0:
                p.grad = torch.empty_like(p).copy_(values.view_as(p))

    def same_everywhere(self, values: str | Mapping[str, object], what: str = "value") -> None:
        """Make sure that all processes were given the same, such as the digest of the data; all of them must ask.

        Parameters
        ----------
        values : str or mapping of str to object
            Short, and told apart by how they print.
        what : str
            Name of a single value.

        Raises
        ------
        SettingError
            On every process, if one differs from the first.
        """
        if self.alone:
            return
        named = {what: values} if isinstance(values, str) else values
        found: list[dict[str, str]] = [{} for _ in range(self.size)]
        with _exchange():
            dist.all_gather_object(found, {name: repr(value) for name, value in named.items()})
        for rank, theirs in enumerate(found):
            for name in found[0] | theirs:
                one, other = found[0].get(name, "nothing"), theirs.get(name, "nothing")
                if one != other:
                    raise SettingError(
                        f"the {name} of process {rank} is {other}, and that of process 0 is {one}; "
                        "give all processes the same data and settings"
                    )

    def barrier(self) -> None:
        """Wait until all processes have come here."""
        if not self.alone:
            with _exchange():
                dist.barrier()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, processes: Processes) -> Tensor:
        ctx.processes, ctx.length = processes, len(x)
        return processes.gather_values(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        total = ctx.processes.total(grads[0])
        return total.narrow(0, ctx.processes.rank * ctx.length, ctx.length), None


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, processes: Processes) -> Tensor:
        ctx.processes = processes
        return processes.total_values(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return ctx.processes.total(grads[0]), None


def current() -> Processes:
    """Tell which process this is; alone unless torch.distributed has been initialised."""
    if not _initialised():
        return Processes()
    rank = dist.get_rank()
    return Processes(rank, dist.get_world_size(), dist.get_node_local_rank(fallback_rank=rank))


@contextlib.contextmanager
def from_environment(device: str = "auto", minutes: float = 30) -> Iterator[Processes]:
    """Join the processes that torchrun started, and leave them at the end.

    Without torchrun's variables this process is alone, and where torch.distributed has been initialised already,
    whoever did so ends it; both cost nothing.

    An error must not leave the other processes waiting. The one that it strikes drops its connections at once and
    passes the error on, with its rank in the text; let it end the program, so that the exit code is not 0, for then
    torchrun ends all others. Those on CPUs notice by themselves that the connection is gone and raise a
    `TrainingError`. Should a process hang or vanish without either being seen, the exchange that the others wait in
    fails after `minutes`.

    Parameters
    ----------
    device : str
        "cpu", "cuda" or "auto", which takes GPUs if there are any: the one that `Processes.local_rank` counts.
    minutes : float
        How long an exchange may take. This is also how long one process may work while the others wait for it.

    Yields
    ------
    Processes

    Raises
    ------
    SettingError
        If torchrun's variables or the device cannot work.
    TrainingError
        If the processes do not find each other, or lose each other.
    """
    if _initialised() or not {"RANK", "WORLD_SIZE"} <= os.environ.keys():
        yield current()
        return
    here = _read_environment()
    place = _choose_place(device, here)
    with _named(here):
        with _exchange():
            dist.init_process_group(
                # Tensors on a GPU travel by NCCL; words, and what else stays in main memory, by Gloo.
                "gloo" if place is None else "cpu:gloo,cuda:nccl",
                timeout=timedelta(minutes=minutes),
                rank=here.rank,
                world_size=here.size,
                device_id=place,
            )
        try:
            yield here
            here.barrier()  # nobody hangs up on one that is still talking
        except BaseException:
            # An orderly end would wait for the others, which may be waiting for this process.
            if dist.group.WORLD is not None:
                dist.group.WORLD.abort()
            raise
        finally:
            if _initialised():
                dist.destroy_process_group()


def _initialised() -> bool:
    return dist.is_available() and dist.is_initialized()


def _read_environment() -> Processes:
    missing = [name for name in _VARIABLES if not os.environ.get(name)]
    if missing:
        raise SettingError(
            f"RANK and WORLD_SIZE are set, but {', '.join(missing)} not; start several processes with torchrun, "
            "or unset RANK and WORLD_SIZE for one process"
        )
    try:
        rank, size, local_rank = (int(os.environ[name]) for name in _VARIABLES[:3])
    except ValueError:
        given = ", ".join(f"{name}={os.environ[name]}" for name in _VARIABLES[:3])
        raise SettingError(f"{given} are not all whole numbers; start several processes with torchrun") from None
    if not 0 <= rank < size or local_rank < 0:
        raise SettingError(
            f"RANK={rank}, WORLD_SIZE={size} and LOCAL_RANK={local_rank} cannot be; start several processes with torchrun"
        )
    return Processes(rank, size, local_rank)


def _choose_place(device: str, here: Processes) -> torch.device | None:
    """Find this process's GPU and make it the one that "cuda" means; None for CPUs."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("cpu", "cuda"):
        raise SettingError(
            f"device is '{device}', but {here.size} processes were started; take 'cpu', 'cuda' or 'auto'"
        )
    if device == "cpu":
        return None
    count = torch.cuda.device_count()
    if 0 < count <= here.local_rank:
        raise SettingError(
            f"this machine has {count} GPUs, and more processes were started; take --nproc-per-node {count}"
        )
    place = choose_device(f"cuda:{here.local_rank}")
    torch.cuda.set_device(place)
    return place


@contextlib.contextmanager
def _exchange() -> Iterator[None]:
    """Say in one line what it means when the other processes cannot be reached."""
    try:
        yield
    except RuntimeError as error:
        # Torch's text begins with a place in its sources, and goes on with advice.
        said = re.sub(r"^\[[^]]*\]\s*", "", str(error)).split("\n")[0].split(". ")[0] or type(error).__name__
        raise TrainingError(
            f"no exchange with the other processes ({said}); if one of them has stopped, its error is the cause"
        ) from error


@contextlib.contextmanager
def _named(here: Processes) -> Iterator[None]:
    """Say in an error which process it came from."""
    try:
        yield
    except MyowError as error:
        named = type(error)(f"process {here.rank} of {here.size}: {error}")
        raise named.with_traceback(error.__traceback__) from error.__cause__
    except BaseException as error:
        error.add_note(f"in process {here.rank} of {here.size}")
        raise
