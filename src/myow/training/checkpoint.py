"""Training state on disk: tensors in safetensors, the rest as JSON in its header. Reading it runs no code."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from ..errors import FileError, SettingError
from ..io.files import locked, remove, writing
from .distributed import current
from .rows import BatchStream

__all__ = ["CHECKPOINT", "LOCK", "Checkpoint", "checkpoint_in"]

CHECKPOINT = "checkpoint.safetensors"
"""Name of the file in its folder."""

LOCK = "run.lock"
"""What a training locks in its folder."""


@contextmanager
def checkpoint_in(
    folder: str | os.PathLike[str] | None, identity: dict[str, Any], *, resume: bool
) -> Iterator[Checkpoint | None]:
    """Keep other trainings out of a folder, and give the checkpoint that is kept there.

    Parameters
    ----------
    folder : path-like or None
        Where. None for no checkpoint.
    identity : mapping
        See `Checkpoint`.
    resume : bool
        Whether to keep what the folder holds already.

    Raises
    ------
    FileError
        If another training is writing to the folder, or it cannot be written.
    """
    if folder is None:
        yield None
        return
    with ExitStack() as stack:
        checkpoint = Checkpoint(Path(folder) / CHECKPOINT, identity)
        if current().is_first:  # of several processes one writes
            stack.enter_context(locked(Path(folder) / LOCK, "another training", again=True))
            if not resume:
                checkpoint.discard()
        current().barrier()  # before any process looks for it
        yield checkpoint


class Checkpoint:
    """One file that holds everything a training run needs to go on as if it had never stopped.

    Parameters
    ----------
    path : Path
        The file.
    identity : mapping
        Settings and data the run belongs to, as JSON; a file of another run is refused.
    """

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        self.path = path
        self.identity = json.loads(json.dumps(identity))

    def steps_done(self) -> int:
        """Steps that the file holds; 0 if there is no file.

        Raises
        ------
        FileError
            If the file is damaged.
        SettingError
            If it belongs to a run with other settings or data.
        """
        return self._read_header()["step"] if self.path.exists() else 0

    def discard(self) -> None:
        """Remove the file, to start afresh."""
        remove(self.path)

    def save(self, module: nn.Module, optimizer: torch.optim.Optimizer, stream: BatchStream, step: int) -> None:
        """Write the state after `step` steps, whole or not at all."""
        tensors = {f"model.{k}": v for k, v in module.state_dict().items()}
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": v for k, v in state.items() if v is not None}
        tensors["stream.left"] = stream.left
        tensors["generator"] = stream.generator.get_state()
        header = {"step": step, "identity": self.identity, "device": stream.generator.device.type}
        with writing(self.path) as part:
            held = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
            save_file(held, part, metadata={"checkpoint": json.dumps(header)})

    def restore(self, module: nn.Module, optimizer: torch.optim.Optimizer, stream: BatchStream) -> int:
        """Load the state, if there is any, and return the steps done."""
        if not self.path.exists():
            return 0
        header = self._read_header()
        step: int = header["step"]
        here = stream.generator.device.type
        begun = header.get("device", here)
        if begun != here:
            raise SettingError(
                f"{self.path} was begun on device {begun!r}, and '{here}' cannot go on with its random numbers; resume with "
                f"device={begun!r}, or remove it to start afresh"
            )
        try:
            self._restore(module, optimizer, stream)
        except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
            raise self._damaged(error) from error
        return step

    def _restore(self, module: nn.Module, optimizer: torch.optim.Optimizer, stream: BatchStream) -> None:
        with safe_open(self.path, framework="pt") as file:
            # Copied: what safetensors gives is the file itself, mapped into memory, and the file is soon replaced.
            tensors = {k: file.get_tensor(k).clone() for k in file.keys()}  # noqa: SIM118 (not a mapping)
        module.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, index, name = key.split(".", 2)
                state.setdefault(int(index), {})[name] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        stream.left = tensors["stream.left"].to(stream.generator.device)
        stream.generator.set_state(tensors["generator"])

    def _read_header(self) -> dict[str, Any]:
        try:
            with safe_open(self.path, framework="pt") as file:
                header: dict[str, Any] = json.loads((file.metadata() or {})["checkpoint"])
            identity, header["step"] = dict(header["identity"]), int(header["step"])
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise self._damaged(error) from error
        if identity != self.identity:
            keys = sorted(k for k in identity.keys() | self.identity if identity.get(k) != self.identity.get(k))
            raise SettingError(
                f"{self.path} belongs to a run with other {', '.join(keys)}; use the same settings, or another folder"
            )
        return header

    def _damaged(self, error: Exception) -> FileError:
        why = str(error).splitlines()[0]
        return FileError(f"{self.path} is not a whole checkpoint ({why}); remove it to start afresh")
