"""Settings: read from text as the types that an estimator's fields declare, and handed to the parts that they are of."""

from __future__ import annotations

import contextlib
import math
import numbers
import types
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from .errors import SettingError, unknown_name

__all__ = ["check_types", "parse_pairs", "parse_settings", "read_fields", "split_names"]

T = TypeVar("T")


def read_fields(kind: type[T], settings: Any, **fixed: Any) -> T:
    """Make a dataclass from the attributes of the same names that an estimator has.

    Parameters
    ----------
    kind : type
        The dataclass; a field that the estimator lacks keeps its default.
    settings : object
        The estimator.
    **fixed
        Fields that are given in place of the estimator's.
    """
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: getattr(settings, name) for name in known if hasattr(settings, name)} | fixed)


def check_types(settings: Any) -> None:
    """Refuse settings of a type that their fields do not declare, each by its name.

    Parameters
    ----------
    settings : object
        An estimator, as a dataclass. Whole numbers and real ones may be NumPy's, and tuples lists or arrays.

    Raises
    ------
    SettingError
        If one does not fit.
    """
    hints = get_type_hints(type(settings))
    for one in fields(settings):
        value, hint = getattr(settings, one.name), hints[one.name]
        if one.name == "random_state":
            _check_seed(value)
        elif not _fits(value, hint):
            raise SettingError(f"{one.name} is {value!r} ({type(value).__name__}); it must be {_describe(hint)}")


def _check_seed(value: Any) -> None:
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if value is None or hasattr(value, "randint") or (whole and 0 <= value < 2**32):
        return
    raise SettingError(f"random_state is {value!r}; it must be a whole number from 0 to 2**32 - 1, or none")


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a declared type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, option) for option in arguments)
    if origin is Literal:  # which of the choices it is, whoever uses it checks, and offers the nearest
        return isinstance(value, tuple({type(choice) for choice in arguments}))
    if origin is tuple:
        items = value.tolist() if hasattr(value, "tolist") else value
        if not isinstance(items, (list, tuple)) or (arguments[-1] is not Ellipsis and len(items) != len(arguments)):
            return False
        return all(_fits(item, arguments[0]) for item in items)
    if hint in (int, float):
        kind = numbers.Integral if hint is int else numbers.Real
        return isinstance(value, kind) and not isinstance(value, bool)
    if hint is bool:
        return isinstance(value, (bool, np.bool_))
    if hint in (str, types.NoneType):
        return isinstance(value, hint)
    return True  # objects of one's own


def split_names(text: str) -> list[str]:
    """Part names at commas.

    Examples
    --------
    >>> split_names("a, b,")
    ['a', 'b']
    """
    return [name.strip() for name in text.split(",") if name.strip()]


def parse_pairs(pairs: Sequence[str]) -> dict[str, str]:
    """Split ``key=value`` texts.

    Raises
    ------
    SettingError
        If one has no equals sign.

    Examples
    --------
    >>> parse_pairs(["k=3", "pool=batch"])
    {'k': '3', 'pool': 'batch'}
    """
    found = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key.strip():
            lacks = "value" if key.strip() and not sign else "name"
            raise SettingError(f"'{pair}' lacks a {lacks}; write key=value, such as k=3")
        found[key.strip()] = value.strip()
    return found


def parse_settings(estimator: type, pairs: Sequence[str]) -> dict[str, Any]:
    """Turn ``key=value`` texts into an estimator's parameters.

    Parameters
    ----------
    estimator : type
        A dataclass whose fields declare names and types.
    pairs : sequence of str
        Tuples are written ``128,128`` (nothing for an empty one), switches ``true`` or ``false``, a default ``none``.

    Returns
    -------
    dict

    Raises
    ------
    SettingError
        If a key is unknown (the nearest is offered) or a value does not fit its type.
    """
    hints = get_type_hints(estimator)
    known = [f.name for f in fields(estimator)]
    parsed = {}
    for key, text in parse_pairs(pairs).items():
        if key not in known:
            raise unknown_name("setting", key, known)
        try:
            parsed[key] = _convert(text, hints[key])
        except ValueError:
            raise SettingError(f"{key}={text} does not fit; {key} must be {_describe(hints[key])}") from None
    return parsed


def _convert(text: str, hint: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if types.NoneType in arguments and text.lower() == "none":
            return None
        for option in arguments:
            if option in (int, float, bool, str) or get_origin(option) in (tuple, Literal):
                with contextlib.suppress(ValueError):
                    return _convert(text, option)
        raise ValueError(text)
    if origin is Literal:
        if text not in arguments:
            raise ValueError(text)
        return text
    if origin is tuple:
        items = [part for part in text.strip("() ").split(",") if part.strip()]
        if arguments[-1] is not Ellipsis and len(items) != len(arguments):
            raise ValueError(text)
        return tuple(_convert(part.strip(), arguments[0]) for part in items)
    if hint is bool:
        return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else _refuse(text)
    if hint is float and not math.isfinite(float(text)):
        return _refuse(text)
    if hint in (int, float, str):
        return hint(text)
    return _refuse(text)


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _describe(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join("none" if a is types.NoneType else _describe(a) for a in arguments)
    if origin is Literal:
        return "one of " + ", ".join(arguments)
    if origin is tuple:
        several = "numbers separated by commas" if arguments[-1] is Ellipsis else f"{len(arguments)} numbers"
        return f"{several}, such as {'128,128' if arguments[-1] is Ellipsis else '2,2'}"
    names = {int: "a whole number", float: "a finite number", bool: "true or false", str: "a name"}
    return names.get(hint, "given from Python")
