"""Whether what was read from JSON is what was meant: a file of ours may have been altered, or be another one's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["NUMBER", "Shape", "each", "mapping", "misfit", "optional", "whole"]

Shape = Any
"""A type; a list of one shape; a dict of shapes by key, which must be there while others may; or a function that judges."""

Judge = Callable[[Any], str]


def misfit(value: Any, shape: Shape) -> str:
    """Say in a few words where a value is not of the shape; "" if it is.

    Parameters
    ----------
    value : object
        What `json.loads` returned.
    shape : Shape
        What it must be. A bool is no int, and an int must fit 64 bits.

    Examples
    --------
    >>> misfit({"fold": 0, "scores": [{"r2": "a"}]}, {"fold": int, "scores": [{"r2": optional(NUMBER)}]})
    "scores.0.r2 is 'a'"
    >>> misfit({"fold": 0}, {"fold": int})
    ''
    """
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return _is(value)
        for key, inner in shape.items():
            if key not in value:
                return f".{key} is missing".removeprefix(".")
            if wrong := misfit(value[key], inner):
                return _within(key, wrong)
        return ""
    if isinstance(shape, list):
        if not isinstance(value, list):
            return _is(value)
        return next((_within(n, wrong) for n, one in enumerate(value) if (wrong := misfit(one, shape[0]))), "")
    if isinstance(shape, type):
        good = isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
        return "" if good and (shape is not int or abs(value) < 2**63) else _is(value)
    found: str = shape(value)
    return found


def optional(shape: Shape) -> Judge:
    """Make a shape that may also be null."""
    return lambda value: "" if value is None else misfit(value, shape)


def whole(least: int = 0) -> Judge:
    """Make the shape of a whole number from `least` on."""
    return lambda value: misfit(value, int) or ("" if value >= least else _is(value))


def each(*shapes: Shape) -> Judge:
    """Make the shape of a list of so many, each of its own shape."""

    def judge(value: Any) -> str:
        if not isinstance(value, list) or len(value) != len(shapes):
            return _is(value)
        pairs = enumerate(zip(value, shapes, strict=True))
        return next((_within(n, wrong) for n, pair in pairs if (wrong := misfit(*pair))), "")

    return judge


def mapping(shape: Shape) -> Judge:
    """Make the shape of an object whose values, whatever their keys, are all of one shape."""

    def judge(value: Any) -> str:
        if not isinstance(value, dict):
            return _is(value)
        return next((_within(key, wrong) for key, one in value.items() if (wrong := misfit(one, shape))), "")

    return judge


def NUMBER(value: Any) -> str:
    """Any number."""
    return "" if misfit(value, float) == "" or misfit(value, int) == "" else _is(value)


def _is(value: Any) -> str:
    return f" is {value!r:.40}"


def _within(key: object, wrong: str) -> str:
    return f"{key}{wrong}" if wrong.startswith(" is") else f"{key}.{wrong}"
