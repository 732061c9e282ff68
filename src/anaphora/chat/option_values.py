"""Checks the values of options where they are given, so that a wrong one is an error there."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

from anaphora.errors import ConfigError
from anaphora.providers.base import Deadlines
from anaphora.providers.retry import Retries

# Every attribute of a store that a bot cannot do without.
_STORE = ("begin", "append", "change", "branch")


def checked_values(options: Mapping[str, Any]) -> dict[str, Any]:
    """Gives the options of a chatbot or of an answer with values of the right types. Raises ConfigError.

    A number of seconds becomes Deadlines, a number of repeats Retries.
    """
    return {name: _checked(name, value) for name, value in options.items()}


def deadlines_of(value: Any, name: str = "deadlines") -> Deadlines:
    """Gives deadlines, or those that a number of seconds means: the longest silence, never the time of the whole answer."""
    if isinstance(value, Deadlines):
        return value
    if not _is_number(value) or not 0 < value < float("inf"):
        raise ConfigError(f"{name} must be a number of seconds above 0, or Deadlines(…), not {value!r}.")
    seconds = float(value)
    return Deadlines(first_byte=seconds, between_chunks=seconds, total=max(Deadlines().total, seconds))


def _checked(name: str, value: Any) -> Any:
    check = _CHECKS.get(name)
    return value if value is None or check is None else check(name, value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _deadlines(name: str, value: Any) -> Any:
    return deadlines_of(value, name)


def _retries(name: str, value: Any) -> Any:
    if isinstance(value, Retries):
        return value
    if type(value) is not int or value < 0:
        raise ConfigError(f"{name} must be a number of repeats from 0, or Retries(…), not {value!r}.")
    return Retries(attempts=value)


def _text(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        raise ConfigError(f"{name} must be a text, not {value!r}.")
    return value


def _seconds(name: str, value: Any) -> Any:
    if not _is_number(value) or not value >= 0:
        raise ConfigError(f"{name} must be a number of seconds from 0, not {value!r}.")
    return value


def _tokens(name: str, value: Any) -> Any:
    if type(value) is not int or value < 1:
        raise ConfigError(f"{name} must be a positive number of tokens, not {value!r}.")
    return value


def _is(name: str, value: Any) -> Any:
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be True or False, not {value!r}.")
    return value


def _function(name: str, value: Any) -> Any:
    if not callable(value):
        raise ConfigError(f"{name} must be a function, not {value!r}.")
    return value


def _list(name: str, value: Any) -> Any:
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__"):
        raise ConfigError(f"{name} must be a list, not {value!r}.")
    return value


def _table(name: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name} must be a dict, not {value!r}.")
    return value


def _headers(name: str, value: Any) -> Any:
    for key, one in _table(name, value).items():
        if not isinstance(key, str) or not isinstance(one, str) or not (key + one).isascii() or not (key + one).isprintable():
            raise ConfigError(f"{name} must be a dict of plain texts: {key!r} is not.")
    return value


def _store(name: str, value: Any) -> Any:
    if isinstance(value, str | os.PathLike):
        return value
    if inspect.isclass(value) or not all(hasattr(value, one) for one in _STORE):
        raise ConfigError(f"{name} must be the path of a file, a URL or a Store, not {value!r}.")
    return value


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "deadlines": _deadlines,
    "retries": _retries,
    "system": _text,
    "base_url": _text,
    "api_key": _text,
    "key_env": _text,
    "owner": _text,
    "tool_choice": _text,
    "wait": _seconds,
    "context_window": _tokens,
    "titles": _is,
    "confirm": _function,
    "before_call": _function,
    "after_call": _function,
    "tools": _list,
    "guards": _list,
    "models": _table,
    "extra": _table,
    "headers": _headers,
    "store": _store,
}
