"""``anaphora tools`` and ``/tools``: which tools there are, and trying one."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from anaphora.cli.exit import FAILED, OK
from anaphora.cli.options import tool_names
from anaphora.cli.terminal.notice import notice
from anaphora.cli.terminal.sanitize import sanitized
from anaphora.cli.terminal.waiting import Waiting
from anaphora.errors import ConfigError
from anaphora.settings import Settings
from anaphora.sync.portal import portal
from anaphora.tools.base import Caller, Tool
from anaphora.tools.builtin import NAMES, chosen_tools
from anaphora.tools.mcp import MCPServer, server_tools
from anaphora.tools.mcp_config import server_configs
from anaphora.tools.run import ToolHooks, ToolRun
from anaphora.values.message import ToolCall, ToolResult

_LONGEST = 60


def tools(settings: Settings, arguments: argparse.Namespace) -> int:
    """List the tools, or call the one that is named; gives the exit code. Raises ConfigError."""
    servers = [MCPServer(config) for config in server_configs(settings.mcp)] if settings.mcp else []
    named = [name for name in NAMES if ":" not in name]
    own = chosen_tools(dict.fromkeys([*tool_names(settings), *named]))
    try:
        with Waiting("the servers"):
            found = [*own, *portal.call(lambda: server_tools(servers))]
        for server in servers:
            if server.problem:
                notice(server.problem)
        if arguments.name:
            return _try(found, arguments)
    finally:
        for server in servers:
            portal.call(server.aclose)
    if arguments.json:
        print(json.dumps([_as_json(tool) for tool in found]))
        return OK
    for line in tool_lines(found):
        print(line)
    notice("anaphora --tools NAME,… lets a model call them; files:FOLDER are two for the files of a folder.")
    return FAILED if any(server.problem for server in servers) else OK


def tool_lines(found: Iterable[Tool]) -> list[str]:
    """A line for each: its name, whether it acts, what it does."""
    rows = [(tool.name, "asks first" if tool.acting else "", _first_line(tool.description)) for tool in found]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    return [f"{sanitized(name):{widths[0]}}  {acts:{widths[1]}}  {about}".rstrip() for name, acts, about in rows]


def _first_line(text: str) -> str:
    line = sanitized(text.strip().partition("\n")[0])
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _as_json(tool: Tool) -> dict[str, object]:
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters, "acting": tool.acting}


def _try(found: Sequence[Tool], arguments: argparse.Namespace) -> int:
    """Call a tool as a model would, and print what it gives. One that acts is called only with --yes."""
    call = ToolCall("call", arguments.name, arguments.arguments or "{}")
    tool = next((tool for tool in found if tool.name == arguments.name), None)
    if tool is None:
        near = get_close_matches(arguments.name, [tool.name for tool in found], n=1, cutoff=0.4)
        hint = f"Did you mean {near[0]}?" if near else "anaphora tools lists them."
        raise ConfigError(f"there is no tool {arguments.name!r}. {hint}")
    if arguments.arguments is None and tool.parameters.get("required"):
        print(sanitized(f"{tool.description}\n\n{json.dumps(tool.parameters, indent=2)}"))
        return OK
    if tool.acting and not arguments.yes:
        raise ConfigError(f"{tool.name} acts in the world: add --yes to run it.")
    result = portal.call(lambda: _called(found, call, allowed=arguments.yes))
    print(sanitized(result.text))
    return FAILED if result.failed else OK


async def _called(found: Sequence[Tool], call: ToolCall, *, allowed: bool) -> ToolResult:
    async def kept(_: Sequence[ToolResult]) -> None:
        return

    async def as_it_is(text: str) -> str:
        return text

    def confirm(_: ToolCall) -> bool:
        return True

    hooks = ToolHooks(kept, lambda _: None, lambda _: None, as_it_is)
    running = ToolRun([call], {tool.name: tool for tool in found}, Caller("me", ""), confirm if allowed else None, hooks)
    await running.run()
    return running.results[0]
