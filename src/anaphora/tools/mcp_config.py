"""The configuration of MCP servers: a JSON file in the usual shape.

    {"mcpServers": {"files": {"command": "npx", "args": ["…"], "env": {"KEY": "${KEY}"}},
                    "wiki": {"url": "https://example.org/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}}}}

``${NAME}`` stands for a variable of the environment, so that the file needs no secrets.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anaphora.errors import ConfigError

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """One server: a ``command`` to start, or a ``url``. Its repr leaves out the secrets in ``env`` and ``headers``."""

    name: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_sse: bool = False


def server_configs(source: str | os.PathLike[str] | Mapping[str, Any]) -> tuple[ServerConfig, ...]:
    """Reads the servers from a file, or from the parsed content of one. Raises ConfigError that names the server."""
    where = "mcp"
    if not isinstance(source, Mapping):
        where = os.fspath(source)
        try:
            source = json.loads(Path(where).expanduser().read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"the file of MCP servers {where} cannot be read: {error.strerror or error}.") from error
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"the file of MCP servers {where} is not valid JSON: {error}.") from error
    servers = source.get("mcpServers", source.get("servers")) if isinstance(source, Mapping) else None
    if not isinstance(servers, Mapping):
        raise ConfigError(f'{where}: there is no object "mcpServers" in it.')
    return tuple(_config(where, name, value) for name, value in servers.items() if not _is_off(value))


def _is_off(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("disabled") is True


def _config(where: str, name: str, value: Any) -> ServerConfig:
    about = f"{where}: the server {name!r}"
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{about} needs a name of up to 40 letters, digits, _ and -.")
    if not isinstance(value, Mapping) or bool(value.get("command")) == bool(value.get("url")):
        raise ConfigError(f"{about} needs either a command or a url.")
    args, env, headers = value.get("args", []), value.get("env", {}), value.get("headers", {})
    texts = (value.get("command", ""), value.get("url", ""), value.get("cwd") or "", *args, *env.values(), *headers.values())
    if not isinstance(args, list) or not all(isinstance(text, str) for text in texts):
        raise ConfigError(f"{about}: command, args, env, cwd, url and headers hold texts.")
    return ServerConfig(
        name,
        _filled(about, value.get("command", "")),
        tuple(_filled(about, text) for text in args),
        {key: _filled(about, text) for key, text in env.items()},
        value.get("cwd"),
        _filled(about, value.get("url", "")),
        {key: _filled(about, text) for key, text in headers.items()},
        is_sse=value.get("type") == "sse",
    )


def _filled(about: str, text: str) -> str:
    def value(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise ConfigError(f"{about} wants the variable {found[1]}, which is not set.")
        return os.environ[found[1]]

    return _VARIABLE.sub(value, text)
