"""The tools that a model may call, and the rules for calling them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anaphora.tools.base import Confirm, Tool

if TYPE_CHECKING:
    from anaphora.tools.mcp import MCPServer

MAX_STEPS = 8


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The user's ``tools`` and the tools of MCP ``servers``.

    Acting tools run only if ``confirm`` says yes. The model may call tools in at most ``max_steps`` rounds.
    """

    tools: tuple[Tool, ...] = ()
    servers: tuple[MCPServer, ...] = ()
    confirm: Confirm | None = None
    max_steps: int = MAX_STEPS

    def __bool__(self) -> bool:
        return bool(self.tools or self.servers)

    @property
    def problems(self) -> tuple[str, ...]:
        """The problems of the servers that give no tools now."""
        return tuple(server.problem for server in self.servers if server.problem)

    def news(self) -> tuple[str, ...]:
        """Gives the new problems of servers, each once."""
        return tuple(filter(None, [server.news() for server in self.servers]))

    async def all(self) -> tuple[Tool, ...]:
        """Gives the user's tools, then the tools of the servers that answer."""
        if not self.servers:
            return self.tools
        from anaphora.tools.mcp import server_tools

        return (*self.tools, *await server_tools(self.servers))

    async def offered(self, *, can_call: bool) -> tuple[Tool, ...]:
        """Gives the tools for a request; none if the model cannot call tools."""
        return await self.all() if can_call else ()

    async def aclose(self) -> None:
        """Closes the connections to the servers."""
        for server in self.servers:
            await server.aclose()
