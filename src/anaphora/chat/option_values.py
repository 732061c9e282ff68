"""Checks the values of options where they are given, so that a wrong one is an error there."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

from anaphora.errors import ConfigError
from anaphora.providers.base import Deadlines
from anaphora.providers.retry import Retries
from anaphora.turn.timing import Timing

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
        other = ", or Deadlines(…)" * (name == "deadlines")
        raise ConfigError(f"{name} must be a number of seconds above 0{other}, not {value!r}.")
    seconds = float(value)
    return Deadlines(first_byte=seconds, between_chunks=seconds, total=max(Deadlines().total, seconds))


def checked_path(value: Any) -> Any:
    """Gives the path of a file. Raises ConfigError for anything else."""
    if not isinstance(value, str | os.PathLike):
        raise ConfigError(f"the path of a file must be given, not {value!r}.")
    return value


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


def checked_seconds(name: str, value: Any) -> Any:
    """Gives a number of seconds from 0. Raises ConfigError for anything else."""
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


def _key(name: str, value: Any) -> Any:
    # What was given may be a key all the same.
    if not isinstance(value, str):
        raise ConfigError(f"{name} must be a text, not of type {type(value).__name__}.")
    return value


def _headers(name: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name} must be a dict, not of type {type(value).__name__}.")
    for key, one in value.items():
        if not isinstance(key, str) or not isinstance(one, str) or not (key + one).isascii() or not (key + one).isprintable():
            raise ConfigError(f"{name} must be a dict of plain texts: {key!r} is not.")
    return value


def _store(name: str, value: Any) -> Any:
    if isinstance(value, str | os.PathLike):
        return value
    if inspect.isclass(value) or not all(hasattr(value, one) for one in _STORE):
        raise ConfigError(f"{name} must be the path of a file, a URL or a Store, not {value!r}.")
    return value


def _window(name: str, value: Any) -> Any:
    if inspect.isclass(value) or not hasattr(value, "limits"):
        raise ConfigError(f"the {name} must be one like LastTurns(10), not {value!r}.")
    return value


def _timing(name: str, value: Any) -> Any:
    if not isinstance(value, Timing):
        raise ConfigError(f"{name} must be Timing(…), not {value!r}.")
    return value


def _persona(name: str, value: Any) -> Any:
    if inspect.isclass(value) or not (isinstance(value, str | os.PathLike) or hasattr(value, "prompt")):
        raise ConfigError(f"{name} must be the name of a persona, the path of a file or a Persona, not {value!r}.")
    return value


def _messages(name: str, value: Any) -> Any:
    is_list = hasattr(value, "__iter__") and not isinstance(value, bytes | Mapping)
    if not is_list and not isinstance(value, os.PathLike) and not hasattr(value, "read"):
        raise ConfigError(f"{name} must be a list of messages, a file or the path of one, not {value!r}.")
    return value


def _servers(name: str, value: Any) -> Any:
    if not isinstance(value, str | os.PathLike | Mapping):
        raise ConfigError(f"{name} must be the path of a file or what is in one, not {value!r}.")
    return value


def _client(name: str, value: Any) -> Any:
    if inspect.isclass(value) or not hasattr(value, "build_request"):
        raise ConfigError(f"{name} must be an httpx2.AsyncClient, not {value!r}.")
    return value


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "deadlines": _deadlines,
    "retries": _retries,
    "system": _text,
    "base_url": _text,
    "api_key": _key,
    "key_env": _text,
    "owner": _text,
    "tool_choice": _text,
    "wait": checked_seconds,
    "context_window": _tokens,
    "titles": _is,
    "resume": _is,
    "confirm": _function,
    "before_call": _function,
    "after_call": _function,
    "tools": _list,
    "guards": _list,
    "models": _table,
    "extra": _table,
    "headers": _headers,
    "store": _store,
    "window": _window,
    "timing": _timing,
    "persona": _persona,
    "messages": _messages,
    "mcp": _servers,
    "http_client": _client,
}
