"""The configuration of MCP servers: a JSON file in the usual shape, also as other programs write it.

    {"mcpServers": {"files": {"command": "npx", "args": ["…"], "env": {"KEY": "${KEY}"}},
                    "wiki": {"url": "https://example.org/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}}}}

``${NAME}``, ``${env:NAME}``, ``${NAME:-default}`` and ``$NAME`` stand for a variable of the environment, so that the file needs
no secrets. A server that is described wrongly has a problem, and the others work.
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

_VARIABLE = re.compile(r"\$\{(?:env:)?(\w+)(?::?-([^}]*))?\}|\$([A-Za-z_]\w*)")
_PLACEHOLDER = re.compile(r"\$\{[^}]*\}")
_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_LAST_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')
_SERVERS = ("mcpServers", "servers", "mcp", "context_servers")
_URLS = ("url", "serverUrl", "httpUrl")


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """One server: a ``command`` to start, or a ``url``. Its repr leaves out the secrets in ``env`` and ``headers``.

    A ``problem`` is a sentence that says why the server cannot be used.
    """

    name: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_sse: bool = False
    problem: str = ""


def server_configs(source: str | os.PathLike[str] | Mapping[str, Any]) -> tuple[ServerConfig, ...]:
    """Reads the servers from a file, or from the parsed content of one. Raises ConfigError if there are none to be read."""
    where = "mcp"
    if not isinstance(source, Mapping):
        where = os.fspath(source)
        try:
            source = json.loads(_plain_json(Path(where).expanduser().read_text(encoding="utf-8-sig")))
        except OSError as error:
            raise ConfigError(f"the file of MCP servers {where} cannot be read: {error.strerror or error}.") from error
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"the file of MCP servers {where} is not valid JSON: {error}.") from error
    found = [source[name] for name in _SERVERS if name in source] if isinstance(source, Mapping) else []
    if not found or not isinstance(found[0], Mapping):
        raise ConfigError(f'{where}: there is no object "mcpServers" in it.')
    return tuple(_config(where, str(name), value) for name, value in found[0].items() if not _is_off(value))


def _plain_json(text: str) -> str:
    """Removes comments and commas after the last member, which many programs allow."""
    return _LAST_COMMA.sub(lambda found: found[1] or "", _COMMENT.sub(lambda found: found[1] or "", text))


def _is_off(value: Any) -> bool:
    return isinstance(value, Mapping) and (value.get("disabled") is True or value.get("enabled") is False)


def _config(where: str, name: str, value: Any) -> ServerConfig:
    """Reads one server; one that is described wrongly has a problem."""
    try:
        return _read(name, value)
    except ConfigError as error:
        return ServerConfig(name, problem=f"the MCP server {name!r} in {where} {error}")


def _read(name: str, value: Any) -> ServerConfig:
    if not isinstance(value, Mapping):
        raise ConfigError("is no JSON object.")
    command, url = value.get("command"), next((value[key] for key in _URLS if value.get(key)), "")
    if bool(command) == bool(url):
        raise ConfigError("needs either a command or a url.")
    # Some programs write the command with its arguments as one list.
    first, *more = command if isinstance(command, list) and command else [command or ""]
    args = [*more, *_list(value.get("args"))]
    env, headers = _table(value.get("env") or value.get("environment")), _table(value.get("headers"))
    cwd = value.get("cwd")
    if not all(isinstance(text, str) for text in (first, url, cwd or "", *args)):
        raise ConfigError("is not readable: command, args, cwd and url hold texts.")
    return ServerConfig(
        name,
        _filled(first, strict=False),
        tuple(_filled(text, strict=False) for text in args),
        {key: _filled(text, strict=True) for key, text in env.items()},
        None if cwd is None else _filled(cwd, strict=True),
        _filled(url, strict=True),
        {key: _filled(text, strict=True) for key, text in headers.items()},
        is_sse=value.get("type") == "sse",
    )


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ConfigError("is not readable: args is a list of texts.")
    return [str(one) if type(one) in {int, float} else one for one in value]


def _table(value: Any) -> dict[str, str]:
    """Gives env or headers. Other programs write numbers and booleans too."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(one, str | int | float) for one in value.values()):
        raise ConfigError("is not readable: env and headers are objects that hold texts.")
    return {str(key): str(one).lower() if isinstance(one, bool) else str(one) for key, one in value.items()}


def _filled(text: str, *, strict: bool) -> str:
    """Puts variables in. Raises ConfigError for one that is not set; ``$NAME`` may mean something else where not ``strict``."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[3]
        if name in os.environ:
            return os.environ[name]
        if found[2] is not None:
            return found[2]
        if found[3] and not strict:
            return found[0]
        raise ConfigError(f"wants the variable {name}, which is not set.")

    filled = _VARIABLE.sub(value, text)
    unknown = next((one[0] for one in _PLACEHOLDER.finditer(text) if not _VARIABLE.fullmatch(one[0])), None)
    if unknown:
        raise ConfigError(f"has {unknown}, which only another program can fill in: write ${{NAME}} for a variable.")
    return filled
