"""Building a network whose sizes come from a file, without believing them."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["Bounded"]


class Bounded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is entered, refuse tensors that are larger than they can honestly be, before any memory is taken for them.

    Parameters
    ----------
    values : int
        Most values that all tensors together may have which are made from sizes alone.
    operations : int
        Most operations, so that no number of layers is built either.
    """

    def __init__(self, values: int, operations: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.values = values
        self.operations = operations

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Count an operation, and what it is about to make."""
        self.operations -= 1
        if not any(isinstance(a, Tensor) or (isinstance(a, (list, tuple)) and _of_tensors(a)) for a in args):
            self.values -= _size(args)
        if self.values < 0 or self.operations < 0:
            raise ValueError("its settings ask for more than its weights fill")
        return func(*args, **(kwargs or {}))


def _of_tensors(values: Any) -> bool:
    return any(isinstance(v, Tensor) for v in values)


def _size(args: tuple[Any, ...]) -> int:
    """Values of a new tensor: its sizes are the first argument, or, as of a range, whole numbers among them."""
    sizes = args[0] if args and isinstance(args[0], (list, tuple)) else [a for a in args if isinstance(a, int)]
    return math.prod(max(1, int(size)) for size in sizes)
