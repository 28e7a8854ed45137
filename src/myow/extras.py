"""Packages that only some need, imported where they are used."""

from __future__ import annotations

import importlib
from typing import Any

from .errors import SettingError

__all__ = ["need"]


def need(package: str, extra: str, purpose: str) -> Any:
    """Import a package that an extra installs.

    Parameters
    ----------
    package : str
        Name to import, such as ``"pynwb"``; a submodule is returned itself.
    extra : str
        The extra of this package that installs it.
    purpose : str
        What it is needed for, such as ``"reading .nwb files"``.

    Returns
    -------
    module

    Raises
    ------
    SettingError
        If it is not installed; the text says how to install it.

    Examples
    --------
    >>> need("json", "nwb", "reading .nwb files").__name__
    'json'
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise SettingError(
            f"{purpose} needs {package.partition('.')[0]}, which cannot be imported ({error}); run: pip install 'myow[{extra}]'"
        ) from error
