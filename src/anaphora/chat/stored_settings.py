"""The options that are stored with a conversation, so that it goes on with them in another run of a program.

Keys are never among them, nor functions, nor headers. Imports bring none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from anaphora.errors import ConfigError
from anaphora.providers.registry import meant_provider, parse_models

# They belong to the service of the model, and go with it.
OF_SERVICE = ("base_url", "key_env", "context_window")


def given_settings(model: object, options: Mapping[str, Any]) -> dict[str, Any]:
    """Gives the options of a chatbot that can be stored, as JSON can hold them. What was not given is not in it."""
    given = {"model": model, **options}
    found = {name: form(given[name]) for name, form in _FORMS.items() if given.get(name) is not None}
    return {name: value for name, value in found.items() if value is not None}


def merged_settings(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Gives stored settings with others over them.

    The address, the key's variable and the window of a service go when another service is chosen; a persona takes the place of
    a system prompt.
    """
    kept = dict(stored)
    if _is_other_service(stored, given):
        kept = {name: value for name, value in kept.items() if name not in OF_SERVICE}
    if "base_url" in given:
        kept.pop("key_env", None)
    if "persona" in given:
        kept.pop("system", None)
    return {**kept, **given}


def usable_settings(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Gives those of a conversation's stored options that are of the right form."""
    return {name: value for name, value in stored.items() if name in _FORMS and _has_form(name, value)}


def _has_form(name: str, value: Any) -> bool:
    if name in {"tools", "stop"} and not isinstance(value, list | str):
        return False
    # A file may be gone; its name is right all the same.
    return isinstance(value, str) if name == "model" else bool(_FORMS[name](value) == value)


def _is_other_service(stored: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    before, after = stored.get("model"), given.get("model")
    if not isinstance(before, str) or not isinstance(after, str):
        return after is not None and before is not None
    base_url = given.get("base_url", stored.get("base_url"))
    try:
        services = [meant_provider(parse_models(name, base_url=base_url)) for name in (before, after)]
    except ConfigError:
        return True
    return services[0] != services[1]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _model(value: Any) -> str | None:
    """A model's name; a file is named by its whole path, since elsewhere a relative one would be another."""
    if not isinstance(value, str):
        return None
    provider, _, name = value.partition(":")
    is_file = provider in {"local", "scripted"} and name and os.path.isfile(name)  # noqa: PTH113
    return f"{provider}:{os.path.abspath(name)}" if is_file else value  # noqa: PTH100


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 1 else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None


def _temperature(value: Any) -> float | None:
    return value if _number(value) is not None and 0 <= value <= 2 else None


def _seconds(value: Any) -> float | None:
    return value if _number(value) is not None and 0 < value < float("inf") else None


def _dollars(value: Any) -> float | None:
    return value if _number(value) is not None and 0 <= value < float("inf") else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _address(value: Any) -> str | None:
    """An address without a name, a password or a query, which may be a key."""
    try:
        parts = urlsplit(str(value).strip())
    except ValueError:
        return None
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _persona(value: Any) -> str | None:
    # One that was made in Python is given again.
    name = os.fspath(value) if isinstance(value, os.PathLike) else value
    return os.path.abspath(name) if isinstance(name, str) and name.endswith(".md") else _text(name)  # noqa: PTH100


def _names(value: Any) -> list[str]:
    """Names of tools. A folder is named by its whole path: elsewhere a relative one would be another."""
    return [f"files:{os.path.abspath(os.path.expanduser(one[6:]))}" if one.startswith("files:") else one for one in _texts(value)]  # noqa: PTH100, PTH111


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)]


def _path(value: Any) -> str | None:
    return os.path.abspath(value) if isinstance(value, str | os.PathLike) else None  # noqa: PTH100


def _stop(value: Any) -> Any:
    return value if isinstance(value, str) else _texts(value)


_FORMS: dict[str, Callable[[Any], Any]] = {
    "model": _model,
    "base_url": _address,
    "key_env": _text,
    "context_window": _count,
    "system": _text,
    "persona": _persona,
    "tools": _names,
    "mcp": _path,
    "temperature": _temperature,
    "max_tokens": _count,
    "seed": _whole,
    "stop": _stop,
    "max_cost": _dollars,
    "deadlines": _seconds,
}
