"""Settings of a bench: ``key=value`` for every method that has the parameter, or ``method.key=value`` for one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import fields
from typing import Any

from ..errors import SettingError, unknown_name
from ..settings import parse_pairs, parse_settings

__all__ = ["check_owned", "settings_of"]


def check_owned(
    settings: Sequence[str],
    find: Callable[[str], type],
    methods: Sequence[str],
    *,
    kind: str = "method",
    reserved: Collection[str] = (),
) -> None:
    """Refuse settings that no method has.

    Parameters
    ----------
    settings : sequence of str
        As they were given.
    find : callable
        Returns the estimator class of a method.
    methods : sequence of str
        All there are.
    kind : str, optional
        What an error calls them.
    reserved : collection of str, optional
        Parameters that the bench sets itself.

    Raises
    ------
    SettingError
        If a method or parameter is unknown, or is the bench's own.
    """
    for key in parse_pairs(settings):
        method, dot, name = key.rpartition(".")
        if dot and method not in methods:
            raise unknown_name(kind, method, methods)
        if name in reserved:
            raise SettingError(f"{name} is not set with --set; use the bench's own options")
        known = {f.name for m in ([method] if dot else methods) for f in fields(find(m))}
        if name not in known:
            raise unknown_name("setting", name, sorted(known))


def settings_of(settings: Sequence[str], method: str, estimator: type) -> dict[str, Any]:
    """Return those of the settings that are meant for one method, as its parameters."""
    known = [f.name for f in fields(estimator)]
    pairs = []
    for key, value in parse_pairs(settings).items():
        owner, _, name = key.rpartition(".")
        if owner == method or (not owner and name in known):
            pairs.append(f"{name}={value}")
    return parse_settings(estimator, pairs)
