"""Requests and answers over ASGI: JSON bodies within limits, streams of events, and who may call."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
from starlette.requests import Request
from starlette.responses import Response

from anaphora.server.error_bodies import ApiError, error_body, error_headers, server_stopping

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
T = TypeVar("T")
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_KEEP_ALIVE = b": keep-alive\n\n"
_SILENCE = 15.0
# So many bytes wait at most for a client that reads slowly.
_MOST_WAITING = 1 << 16
# A client that takes nothing for so long has gone, in seconds.
_STALLED_SECONDS = 120.0
# Whether a client is still there is looked for so often, in seconds.
_LOOK_SECONDS = 0.2
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_STREAM_HEADERS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store", "x-accel-buffering": "no"}


def json_response(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Gives an answer of JSON."""
    body = json.dumps(value).encode()
    return Response(body, status, {**_HEADERS, "content-type": "application/json", **(headers or {})})


def error_response(error: ApiError) -> Response:
    """Gives the answer for an error."""
    return json_response(error_body(error), status=error.status, headers=error_headers(error))


async def json_body(request: Request, most: int, seconds: float) -> dict[str, Any]:
    """Reads the JSON object of a request, of at most so many bytes, within so many seconds. Raises ApiError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError("send the body as JSON, with content-type: application/json.", status=415, code="unsupported_media_type")
    if request.headers.get("content-encoding", "identity").lower() not in {"", "identity"}:
        raise ApiError("send the body without a content-encoding.", status=415, code="unsupported_media_type")
    raw = await _read(request, most, seconds)
    try:
        value = json.loads(raw, parse_constant=_no_number)
    except (ValueError, RecursionError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, json.JSONDecodeError) else "it is not UTF-8, or nested too deeply"
        raise ApiError(f"the body is not valid JSON: {reason}.", code="invalid_json") from None
    if not isinstance(value, dict):
        raise ApiError("the body must be a JSON object.", code="invalid_json")
    return value


def _no_number(name: str) -> Any:
    raise json.JSONDecodeError(f"{name} is no number of JSON", name, 0)


async def _read(request: Request, most: int, seconds: float) -> bytes:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise _too_large(most)
    pieces: list[bytes] = []
    size = 0
    with anyio.move_on_after(seconds) as limit:
        async for piece in request.stream():
            size += len(piece)
            if size > most:
                raise _too_large(most)
            pieces.append(piece)
    if limit.cancelled_caught:
        raise ApiError(f"the body did not arrive within {seconds:g} seconds.", status=408, code="request_timeout")
    return b"".join(pieces)


def _too_large(most: int) -> ApiError:
    return ApiError(f"the body has more than {most >> 20} MiB: send less at once.", status=413, code="request_too_large")


async def unless_gone(request: Request, work: Callable[[], Awaitable[T]], stopping: anyio.Event | None = None) -> T:
    """Does something for a client, and stops it when the client has gone, or the server is ``stopping``. Raises ApiError then."""
    found: list[T] = []
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            while not await request.is_disconnected():  # noqa: ASYNC110 -- the server tells of it only when it is asked
                await anyio.sleep(_LOOK_SECONDS)
            tasks.cancel_scope.cancel()

        async def stop(event: anyio.Event) -> None:
            await event.wait()
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        if stopping is not None:
            tasks.start_soon(stop, stopping)
        try:
            found.append(await work())
        except Exception as error:  # noqa: BLE001 -- the group would wrap it
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not found and stopping is not None and stopping.is_set():
        raise server_stopping()
    if not found:
        raise ApiError("the client has gone.", status=499, code="client_gone")
    return found[0]


class EventStream(Response):
    """A stream of server-sent events. Its source is closed at once when the client has gone.

    When the server is ``stopping``, the source is closed too, and ``last`` is sent.
    Pieces that come while one is being sent go together: a send costs more than a piece.
    """

    media_type = "text/event-stream"

    def __init__(self, source: AsyncGenerator[bytes, None], stopping: anyio.Event | None = None, last: bytes = b"") -> None:
        super().__init__(headers=_STREAM_HEADERS)
        self._source = source
        self._stopping = stopping
        self._last = last
        # The length of a stream is not known.
        del self.headers["content-length"]

    async def __call__(self, _scope: Any, receive: Receive, send: Send) -> None:
        """Sends the stream, and a comment wherever it is silent for long."""
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                tasks.cancel_scope.cancel()

            filling = anyio.CancelScope()

            async def fill() -> None:
                with filling:
                    await pieces.fill(self._source)
                pieces.end(self._last if filling.cancelled_caught else b"")

            async def stop(event: anyio.Event) -> None:
                await event.wait()
                filling.cancel()

            pieces = _Pieces()
            tasks.start_soon(watch)
            tasks.start_soon(fill)
            if self._stopping is not None:
                tasks.start_soon(stop, self._stopping)
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while (piece := await pieces.take()) is not None:
                with anyio.fail_after(_STALLED_SECONDS):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            tasks.cancel_scope.cancel()


class _Pieces:
    """Pieces on their way from a source to a connection."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._came = anyio.Event()
        self._taken = anyio.Event()
        self._is_whole = False

    async def fill(self, source: AsyncGenerator[bytes, None]) -> None:
        """Reads the source to its end, but not far beyond what can be sent."""
        is_first = True
        async with aclosing(source):
            async for piece in source:
                self._waiting += piece
                self._came.set()
                if is_first:
                    # The first words wait for nothing.
                    is_first = False
                    await anyio.lowlevel.checkpoint()
                if len(self._waiting) > _MOST_WAITING:
                    self._taken = anyio.Event()
                    await self._taken.wait()

    def end(self, last: bytes) -> None:
        """Adds the last piece."""
        self._waiting += last
        self._is_whole = True
        self._came.set()

    async def take(self) -> bytes | None:
        """Gives all pieces that have come, a comment after a long silence, None after the last."""
        if not self._waiting and not self._is_whole:
            self._came = anyio.Event()
            with anyio.move_on_after(_SILENCE) as silence:
                await self._came.wait()
            if silence.cancelled_caught:
                return _KEEP_ALIVE
        if not self._waiting:
            return None
        found = bytes(self._waiting)
        self._waiting.clear()
        self._taken.set()
        return found


class HostCheck:
    """Lets through requests that name this server, from its own pages or from those that are allowed."""

    def __init__(self, app: App, *, hosts: frozenset[str], origins: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        error = self._refusal(headers)
        if error is not None:
            await error_response(error)(scope, receive, send)
            return
        origin = headers.get("origin", "")
        if origin not in self._origins:
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await Response(status_code=204, headers={**_allowed(origin), **_PREFLIGHT})(scope, receive, send)
        else:
            await self._app(scope, receive, _with_headers(send, _allowed(origin)))

    def _refusal(self, headers: Mapping[str, str]) -> ApiError | None:
        host = _name(headers.get("host", ""))
        if self._hosts and host not in self._hosts:
            told = f"this server is not {host!r}: name the host in the settings, under [serve] hosts, if it is."
            return ApiError(told, status=403, code="host_not_allowed")
        origin = headers.get("origin", "")
        is_own = origin and _netloc(origin) == headers.get("host", "").lower()
        if origin and not is_own and origin not in self._origins:
            told = f"pages of {origin} may not call this server: name the origin in the settings, under [serve] origins."
            return ApiError(told, status=403, code="origin_not_allowed")
        return None


_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST, DELETE",
    "access-control-allow-headers": "authorization, content-type, idempotency-key",
    "access-control-max-age": "600",
}


def _allowed(origin: str) -> dict[str, str]:
    return {"access-control-allow-origin": origin, "vary": "origin"}


def _with_headers(send: Send, more: Mapping[str, str]) -> Send:
    added = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in more.items()]

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return sending


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _name(host: str) -> str:
    """Gives the name in a Host header, without its port."""
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0]


def allowed_hosts(bound: str, named: tuple[str, ...]) -> frozenset[str]:
    """Gives the names under which a server may be called; none at all means any, where it listens on all addresses."""
    if bound in {"0.0.0.0", "::", ""} and not named:  # noqa: S104 -- compared, not bound
        return frozenset()
    return frozenset({*_LOOPBACK, bound.lower(), *(one.lower() for one in named)})


def is_loopback(host: str) -> bool:
    """True if only this machine reaches a host."""
    return host.lower() in _LOOPBACK or host.startswith("127.")
