"""The ``[serve]`` table of the settings file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from anaphora.errors import ConfigError
from anaphora.providers.registry import parse_models

_MEBI = 1 << 20


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """The settings of a server.

    ``models`` are allowed, ``aliases`` are other names for them. ``hosts`` are names under which it is reached, ``origins`` pages
    of other servers that may call it, ``proxies`` addresses whose forwarded headers are believed. ``tools`` and ``mcp`` are the
    server's own. ``body_mib`` is the largest JSON body; ``header_seconds`` and ``body_seconds`` limit the time of its arrival.
    """

    models: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    tools: str | None = None
    mcp: str | None = None
    body_mib: int = 8
    header_seconds: int = 10
    body_seconds: int = 60

    @property
    def most_bytes(self) -> int:
        """The largest JSON body, in bytes."""
        return self.body_mib * _MEBI


def serve_config(table: Mapping[str, Any]) -> ServeConfig:
    """Reads the table. Raises ConfigError with the name that is wrong."""
    known = {one.name: getattr(ServeConfig(), one.name) for one in fields(ServeConfig)}
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
            raise ConfigError(f"[serve]: there is no setting {name!r}. {hint}")
        values[name] = _checked(name, value, known[name])
    config = ServeConfig(**values)
    _check_names(config)
    return config


def _check_names(config: ServeConfig) -> None:
    """Raises ConfigError for models and origins that cannot be meant."""
    for setting, names in (("models", config.models), ("aliases", config.aliases.values())):
        for name in names:
            try:
                parse_models(f"{name[:-1]}any" if name.endswith(":*") else name)
            except ConfigError as error:
                raise ConfigError(f"[serve]: {setting}: {error}") from None
    for origin in config.origins:
        found = urlsplit(origin)
        if found.scheme not in {"http", "https"} or not found.netloc or found.path.strip("/"):
            raise ConfigError(f"[serve]: origins: {origin!r} must be like https://a.example, with a port if it has one.")
    for host in config.hosts:
        if "/" in host:
            raise ConfigError(f"[serve]: hosts: {host!r} must be a name without http:// and without a path.")


def _checked(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple):
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise ConfigError(f"[serve]: {name} must be a list of texts, not {value!r}.")
        return tuple(value)
    if isinstance(default, dict):
        if not isinstance(value, Mapping) or not all(isinstance(one, str) and one for one in value.values()):
            raise ConfigError(f"[serve]: {name} must be a table of names, not {value!r}.")
        return dict(value)
    if isinstance(default, int):
        if type(value) is not int or value < 1:
            raise ConfigError(f"[serve]: {name} must be a whole number from 1, not {value!r}.")
        return value
    if not isinstance(value, str):
        raise ConfigError(f"[serve]: {name} must be a text, not {value!r}.")
    return value
