"""Errors that are raised on purpose, and the optional packages whose absence is one."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from typing import Any

__all__ = [
    "DataError",
    "FileError",
    "MyowError",
    "SettingError",
    "TrainingError",
    "UnknownNameError",
    "need",
    "unknown_name",
]


class MyowError(Exception):
    """Base of all errors raised on purpose; its text is one line meant for a person."""


class DataError(MyowError, ValueError):
    """A recording, label or array that cannot be used as it is."""


class SettingError(MyowError, ValueError):
    """A parameter, or a combination of parameters, that cannot work."""


class UnknownNameError(SettingError):
    """A name that is not among the choices."""


class FileError(MyowError, OSError):
    """A file or folder that is missing, damaged, refused or cannot be written."""


class TrainingError(MyowError, RuntimeError):
    """Training that cannot go on: the loss is no number, or the embedding has collapsed."""


def unknown_name(kind: str, name: str, choices: Iterable[str]) -> UnknownNameError:
    """Build the error for an unknown name: it lists the choices and offers the nearest one.

    Parameters
    ----------
    kind : str
        What was looked up, such as ``"dataset"``.
    name : str
        What was asked for.
    choices : iterable of str
        What there is.

    Returns
    -------
    UnknownNameError
        To be raised by the caller.

    Examples
    --------
    >>> print(unknown_name("dataset", "chewy-1", ["chewie-1", "mihi-1"]))
    unknown dataset 'chewy-1'; did you mean 'chewie-1'? Choices: chewie-1, mihi-1
    """
    known = sorted(choices)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    return UnknownNameError(f"unknown {kind} '{name}'{hint} Choices: {', '.join(known) or 'none'}")


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
