"""Recording as CUDA graphs, all of one fit in one pool of memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

__all__ = ["CudaGraphs", "Run"]

Run = Callable[[], dict[str, Tensor]]
"""Does something on the device, and returns tensors that it left there."""


class CudaGraphs:
    """Records runs as CUDA graphs. Replays may come in any order, one at a time: nothing in the pool outlives the next one.

    Parameters
    ----------
    generator : torch.Generator
        Source of randomness, on the GPU; a replay draws from it what the run would have drawn.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator
        self._device = generator.device
        with torch.cuda.device(self._device):
            self._pool = torch.cuda.graph_pool_handle()
            self._side = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def rehearse(self, run: Run, *, check: bool) -> None:
        """Run on the side stream; with `check`, what waits for the GPU is an error, as it would be in a capture."""
        with torch.cuda.device(self._device):
            here = torch.cuda.current_stream()
            self._side.wait_stream(here)
            try:
                with torch.cuda.stream(self._side), _no_waiting(check):
                    run()
            finally:
                here.wait_stream(self._side)

    def record(self, run: Run) -> Run:
        """Capture a run, which does nothing yet."""
        with torch.cuda.device(self._device):
            graph = torch.cuda.CUDAGraph()
            graph.register_generator_state(self._generator)
            here, random = torch.cuda.current_stream(), self._generator.get_state()
            try:
                with torch.cuda.graph(graph, pool=self._pool, stream=self._side):
                    terms = run()
            except BaseException:
                torch.cuda.set_stream(here)  # a capture that fails at its end does not come back from its own stream
                self._recover(random)
                raise

        def replay() -> dict[str, Tensor]:
            graph.replay()
            return terms

        return replay

    def _recover(self, random: Tensor) -> None:
        """Give generators a state of their own again: some versions of torch leave the old one unusable by a failed capture."""
        default = torch.cuda.default_generators[torch.cuda.current_device()]
        for generator, state in ((self._generator, random), (default, default.get_state())):
            fresh = torch.Generator(self._device)
            fresh.set_state(state)
            generator.graphsafe_set_state(fresh)


@contextmanager
def _no_waiting(check: bool) -> Iterator[None]:
    """Make an error of every operation that waits for the GPU; a capture that meets one is much harder to come back from."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Ss]ynchronization debug mode.*")
        torch.cuda.set_sync_debug_mode("error" if check else before)
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
