"""Unpickle without running any code that a pickle may carry: only what is on a list is admitted, as stand-ins."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import FileError

__all__ = ["Admitted", "ForbiddenError", "Function", "unpickle"]

Admitted = Mapping[tuple[str, str], Callable[..., Any]]


def unpickle(
    content: bytes,
    where: str,
    admitted: Admitted,
    *,
    encoding: str = "ASCII",
    finish: Callable[[Any], Any] = lambda value: value,
) -> Any:
    """Read a published pickle.

    Parameters
    ----------
    content : bytes
        The pickle.
    where : str
        Its file, for the error's text.
    admitted : mapping of (str, str) to callable
        Stand-ins by the module and the name that the pickle asks for.
    encoding : str, optional
        Of the strings that Python 2 wrote; "bytes" leaves them as they are.
    finish : callable, optional
        What to make of the value; an error in it means a damaged file too.

    Raises
    ------
    FileError
        If the content is no whole pickle, or asks for anything else (which is named).
    """
    try:
        _check_sizes(content)
        return finish(_Unpickler(content, admitted, encoding).load())
    except ForbiddenError as error:
        raise FileError(
            f"{where} asks for {error}, which published data do not need and which could run code; it was not opened"
        ) from None
    except Exception as error:  # damaged bytes can make the machinery below fail in any way at all
        reason = " ".join(str(error).split())[:80] or "it ends early"
        raise FileError(
            f"{where} is no whole published pickle ({type(error).__name__}: {reason}); "
            "it was truncated or altered, fetch it again"
        ) from None


def _check_sizes(content: bytes) -> None:
    """Refuse what would make the unpickler ask for far more memory than the pickle has bytes (CPython issue 115952)."""
    for n, (code, argument, _) in enumerate(pickletools.genops(content)):
        # Objects are numbered as they come; the table is made as long as the highest number.
        if code.name.endswith("PUT") and argument is not None and int(argument) > 4 * n + 256:
            raise pickle.UnpicklingError(f"object {n} is numbered {argument}")


class ForbiddenError(Exception):
    """Something that is not on the list."""


class Function:
    """A function that a pickle can call but, unlike a bare one, cannot set attributes of."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        """Call it."""
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a function has no state")


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: bytes, admitted: Admitted, encoding: str) -> None:
        super().__init__(io.BytesIO(content), encoding=encoding)
        self._admitted = admitted

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._admitted:
            raise ForbiddenError(f"the class {module}.{name}")
        return self._admitted[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise ForbiddenError("an object outside of the file")
