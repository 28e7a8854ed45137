"""Where to compute."""

from __future__ import annotations

import torch

from .errors import SettingError

__all__ = ["choose_device"]


def choose_device(name: str) -> torch.device:
    """Turn a name into a device that works here; "auto" takes a GPU if there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SettingError(f"device '{name}' cannot be used here ({str(error).splitlines()[0]}); try 'cpu'") from error
    return device
