"""Settings of the front doors: one frozen dataclass; the file is overridden by the environment, the environment by flags.

The file is ``settings.toml`` in the platform's configuration folder; the variables are ``ANAPHORA_MODEL`` and so on.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from anaphora.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a user. None is not set.

    ``recall`` not set is on in a chat and off for a single question, whose answer is not to depend on the past.
    ``max_cost`` is what a conversation may cost, in dollars; ``models`` what is known better than the catalog does, a table for
    each ``provider:model``. ``tools`` names built-in tools, with commas; ``mcp`` is a file of MCP servers. ``memory_model``
    writes summaries and finds facts instead of the model that answers. ``timeout`` is the longest silence of the service, in
    seconds. ``key_env`` names the variable that holds its key. ``serve`` has the settings of the server.
    """

    model: str | None = None
    system: str | None = None
    persona: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    base_url: str | None = None
    key_env: str | None = None
    context_window: int | None = None
    timeout: float | None = None
    store: str | None = None
    titles: bool = True
    stream: bool = True
    summaries: bool = True
    recall: bool | None = None
    facts: bool = True
    learn: bool = False
    memory_model: str | None = None
    embedder: str | None = None
    max_cost: float | None = None
    tools: str | None = None
    mcp: str | None = None
    models: Mapping[str, Any] = field(default_factory=dict)
    serve: Mapping[str, Any] = field(default_factory=dict)


def config_folder() -> Path:
    """Gives the folder of the settings file and of the user's own personas."""
    return user_config_path("anaphora")


def load_settings(environment: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """The settings in force. ``flags`` that are None are not set. Raises ConfigError with file and line."""
    settings = _from_file(config_folder() / "settings.toml")
    settings = _from_environment(settings, os.environ if environment is None else environment)
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    return replace(settings, **given)


def with_stored(settings: Settings, stored: Mapping[str, Any], flags: Mapping[str, Any]) -> Settings:
    """Gives the settings with those of a conversation over them. ``flags`` that are not None hold over both."""
    known = {name: value for name, value in stored.items() if name in _KINDS and flags.get(name) is None}
    return replace(settings, **{name: value for name, value in known.items() if _fits(name, value)})


def _from_file(path: Path) -> Settings:
    try:
        source = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the settings file {path} cannot be read: {error}") from error
    try:
        values = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the settings file {path} is not valid TOML: {error}.") from error
    for name, value in values.items():
        _check(name, value, f"{path}, line {_line_of(source, name)}")
    return Settings(**values)


def _from_environment(settings: Settings, environment: Mapping[str, str]) -> Settings:
    changes: dict[str, Any] = {}
    for name in (one.name for one in fields(Settings) if _KINDS[one.name] is not dict):
        variable = f"ANAPHORA_{name.upper()}"
        text = environment.get(variable, "")
        if text:
            changes[name] = _parsed(name, text, variable)
    return replace(settings, **changes)


def _parsed(name: str, text: str, where: str) -> Any:
    kind = _KINDS[name]
    try:
        if kind is bool:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[text.lower()]
        return kind(text)
    except (ValueError, KeyError):
        raise ConfigError(f"{where}: {text!r} is not {_KIND_NAMES[kind]}.") from None


def _check(name: str, value: Any, where: str) -> None:
    if name not in _KINDS:
        near = get_close_matches(name, _KINDS, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(_KINDS)}."
        raise ConfigError(f"{where}: there is no setting {name!r}. {hint}")
    if not _fits(name, value):
        raise ConfigError(f"{where}: {name} must be {_KIND_NAMES[_KINDS[name]]}, not {value!r}.")


def _fits(name: str, value: Any) -> bool:
    kind = _KINDS[name]
    return type(value) is kind or (kind is float and type(value) is int)


def _line_of(source: str, name: str) -> int:
    return next((number for number, line in enumerate(source.splitlines(), 1) if line.strip().startswith(name)), 1)


_KINDS: dict[str, type] = {
    "model": str,
    "system": str,
    "persona": str,
    "temperature": float,
    "max_tokens": int,
    "seed": int,
    "base_url": str,
    "key_env": str,
    "context_window": int,
    "timeout": float,
    "store": str,
    "titles": bool,
    "stream": bool,
    "summaries": bool,
    "recall": bool,
    "facts": bool,
    "learn": bool,
    "memory_model": str,
    "embedder": str,
    "max_cost": float,
    "tools": str,
    "mcp": str,
    "models": dict,
    "serve": dict,
}
_KIND_NAMES: dict[type, str] = {str: "text", float: "a number", int: "a whole number", bool: "true or false", dict: "a table"}
