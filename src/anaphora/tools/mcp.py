"""Tools of MCP servers (https://modelcontextprotocol.io), by the official package, which is loaded only if there are servers.

A task of its own holds each server. A failed server does not stop the others: its tools report the failure when they are
called, and the next call connects again. A server's tool counts as acting, unless the server says that it only reads.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import anyio

from anaphora.concurrency import spawn
from anaphora.errors import MissingExtra
from anaphora.tools.base import Caller, Tool, ToolFailed
from anaphora.tools.mcp_config import ServerConfig
from anaphora.values.address import is_loopback
from anaphora.values.codec import Json

_CONNECT_SECONDS = 30.0
_CALL_SECONDS = 120.0
_CLOSE_SECONDS = 5.0
_PAUSE_SECONDS = 60.0
_MOST_PAGES = 100
# Longer descriptions are cut, in characters.
_LONGEST_TEXT = 2_000
# What stands in an address beside its host may be a key.
_ADDRESS = re.compile(r"(https?://)[^\s'\"]*")
_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]")
# The code of the official package for a closed connection.
_CONNECTION_CLOSED = -32000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class _Connection:
    """An open connection, held by one task: the task that opens it must close it."""

    def __init__(self, config: ServerConfig) -> None:
        self.client: Any = None
        self.ended = anyio.Event()
        self._config = config
        self._scope = anyio.CancelScope()
        self._ready = anyio.Event()
        self._stop = anyio.Event()
        self._failure: BaseException | None = None

    async def open(self) -> None:
        """Connects. Raises the error of the connection; a timeout or a cancellation leaves nothing behind."""
        spawn(self._hold)
        try:
            with anyio.fail_after(_CONNECT_SECONDS):
                await self._ready.wait()
        except BaseException:
            self._scope.cancel()
            raise
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Closes the connection, by force after 5 seconds."""
        self._stop.set()
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(_CLOSE_SECONDS):
                await self.ended.wait()
            self._scope.cancel()

    async def _hold(self) -> None:
        from tempfile import TemporaryFile

        try:
            with TemporaryFile("w+", encoding="utf-8", errors="replace") as errors, self._scope:
                try:
                    async with _client(self._config, errors) as client:
                        self.client = client
                        self._ready.set()
                        await self._stop.wait()
                except Exception as error:  # noqa: BLE001 -- ``open`` raises it
                    self._failure = _with_last_words(error, errors)
        except Exception as error:  # noqa: BLE001 -- no caller waits for this task
            self._failure = self._failure or error
        finally:
            self.client = None
            self.ended.set()
            self._ready.set()


class MCPServer:
    """An MCP server, connected at its first use and again after a broken connection."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.problem = config.problem
        self._tools: tuple[Tool, ...] | None = None
        self._told = ""
        self._again = 0.0
        self._connection: _Connection | None = None
        self._opening = anyio.Lock()
        self._listing = anyio.Lock()

    async def tools(self) -> tuple[Tool, ...]:
        """Gives the server's tools, listed once, so that they stay the same for the model.

        Empty if the server cannot be reached; ``problem`` says why, and it is tried again after 60 seconds. Raises MissingExtra.
        """
        async with self._listing:
            if self._tools is None and not self.config.problem and time.monotonic() >= self._again:
                try:
                    connection = await self._connected()
                    with anyio.fail_after(_CONNECT_SECONDS):
                        self._tools = await self._listed(connection.client)
                    self.problem = ""
                except MissingExtra:
                    raise
                except Exception as error:  # noqa: BLE001 -- a failed server must not stop the others
                    self._again = time.monotonic() + _PAUSE_SECONDS
                    self.problem = f"the MCP server {self.config.name} cannot be used: {_reason(error)}"
                    await self.aclose()
            return self._tools or ()

    def news(self) -> str:
        """Gives the problem at the first request; empty afterwards."""
        told, self._told = self._told, self.problem
        return "" if told == self.problem else self.problem

    async def aclose(self) -> None:
        """Closes the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def call(self, name: str, arguments: Json, _caller: Caller) -> str:
        """Calls a tool of the server and gives its text. Raises ToolFailed."""
        error_of_server = _mcp().MCPError
        try:
            connection = await self._connected()
            result = await connection.client.call_tool(name, dict(arguments))
        except Exception as error:  # noqa: BLE001 -- the model gets it as the result
            if not isinstance(error, error_of_server) or error.error.code == _CONNECTION_CLOSED:
                # The next call connects again.
                await self.aclose()
            raise ToolFailed(f"the MCP server {self.config.name} failed: {_reason(error)}") from None
        text = _content_text(result)
        if result.is_error:
            raise ToolFailed(text)
        return text

    async def _listed(self, client: Any) -> tuple[Tool, ...]:
        found: dict[str, Tool] = {}
        cursor: str | None = None
        seen: set[str | None] = set()
        while True:
            page = await client.list_tools(cursor=cursor)
            for one in page.tools:
                made = _tool(self, one)
                # Two names may become equal by the replaced characters.
                name = next(name for name in _names(made.name) if name not in found)
                found[name] = replace(made, name=name)
            seen.add(cursor)
            cursor = page.next_cursor
            # A careless server gives the same page for ever.
            if not cursor or cursor in seen or len(seen) > _MOST_PAGES:
                return tuple(found.values())

    async def _connected(self) -> _Connection:
        async with self._opening:
            if self._connection is None or self._connection.ended.is_set():
                connection = _Connection(self.config)
                await connection.open()
                self._connection = connection
            return self._connection


def _names(name: str) -> Iterator[str]:
    """Yields the name, then the name with a number."""
    yield name
    for number in count(2):
        yield f"{name[:60]}_{number}"


async def server_tools(servers: Sequence[MCPServer]) -> tuple[Tool, ...]:
    """Gives the tools of all servers, in the order of the servers. Raises MissingExtra."""
    found: dict[int, tuple[Tool, ...]] = {}

    async def ask(number: int) -> None:
        found[number] = await servers[number].tools()

    if servers:
        _mcp()
    async with anyio.create_task_group() as group:
        for number in range(len(servers)):
            group.start_soon(ask, number)
    return tuple(tool for number in sorted(found) for tool in found[number])


def _mcp() -> Any:
    try:
        import mcp
    except ImportError as error:
        raise MissingExtra('MCP servers need an extra package: pip install "anaphora[mcp]"') from error
    logger = logging.getLogger("mcp")
    if not logger.handlers:
        # Without a handler Python would print tracebacks on the user's terminal.
        logger.addHandler(_OneLine())
    return mcp


def _client(config: ServerConfig, errors: Any) -> Any:
    mcp = _mcp()
    name = {"client_info": mcp.types.Implementation(name="anaphora", version="0.1.0")}
    if config.command:
        parameters = mcp.StdioServerParameters(
            command=config.command, args=list(config.args), env=dict(config.env) or None, cwd=config.cwd
        )
        return mcp.Client(mcp.stdio_client(parameters, errlog=errors), read_timeout_seconds=_CALL_SECONDS, **name)
    if config.is_sse:
        from mcp.client.sse import sse_client

        sse = sse_client(config.url, headers=dict(config.headers), httpx_client_factory=partial(_http, config))
        return mcp.Client(sse, read_timeout_seconds=_CALL_SECONDS, **name)
    from mcp.client.streamable_http import streamable_http_client

    http = _http(config, headers=dict(config.headers))
    return mcp.Client(streamable_http_client(config.url, http_client=http), read_timeout_seconds=_CALL_SECONDS, **name)


def _http(config: ServerConfig, headers: Any = None, timeout: Any = None, auth: Any = None) -> Any:
    """Gives an HTTP client for a server; one on this machine is reached without a proxy."""
    import httpx2

    timeout = timeout or httpx2.Timeout(30.0, read=_CALL_SECONDS)
    return httpx2.AsyncClient(headers=headers, timeout=timeout, auth=auth, trust_env=not is_loopback(config.url))


class _OneLine(logging.Handler):
    """Reports what the official package logs (a server's output beside the protocol) in one line, and without a traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger("anaphora").info("MCP: %s", _ADDRESS.sub(r"\1…", " ".join(record.getMessage().split()))[:300])


def _tool(server: MCPServer, told: Any) -> Tool:
    """Makes a tool from a server's description. Its name begins with the server's, so that names of two servers differ."""
    notes = told.annotations
    only_reads = notes is not None and notes.read_only_hint is True
    schema: Mapping[str, Any] = told.input_schema or {}
    return Tool(
        _NO_NAME.sub("_", f"{server.config.name}__{told.name}")[:64],
        _CONTROL.sub("", told.description or told.title or told.name)[:_LONGEST_TEXT],
        {"type": "object", "properties": {}, **schema},
        partial(server.call, told.name),
        acting=not only_reads,
        seconds=_CALL_SECONDS,
    )


def _content_text(result: Any) -> str:
    """Gives the text of a result; pictures and sounds are only named."""
    parts = [_block_text(block) for block in result.content]
    if not any(parts) and result.structured_content is not None:
        parts = [json.dumps(result.structured_content, ensure_ascii=False)]
    return "\n".join(filter(None, parts)) or "(done)"


def _block_text(block: Any) -> str:
    match block.type:
        case "text":
            return str(block.text)
        case "resource":
            return str(getattr(block.resource, "text", f"(a resource: {block.resource.uri})"))
        case "resource_link":
            return f"(a resource: {block.uri})"
        case kind:
            return f"({kind}: {getattr(block, 'mime_type', '')})"


def _reason(error: BaseException) -> str:
    """Gives an error as a sentence; of a group of errors, the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, FileNotFoundError):
        return f"there is no program {error.filename!r}" if error.filename else str(error)
    return " ".join(str(error).split())[:300] or type(error).__name__


def _with_last_words(error: BaseException, errors: Any) -> BaseException:
    """Adds the last line of the server's standard error to an error."""
    said = ""
    with suppress(OSError, ValueError):
        errors.seek(max(os.fstat(errors.fileno()).st_size - 2_000, 0))
        lines = [line.strip() for line in errors.read().splitlines() if line.strip()]
        said = lines[-1][:200] if lines else ""
    return RuntimeError(f"{_reason(error)} ({said})") if said and isinstance(error, Exception) else error
