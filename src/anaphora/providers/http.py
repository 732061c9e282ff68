"""The one streaming POST that every HTTP provider shares: bytes out, and our own errors instead of the transport's.

Deadlines: ``connect``; ``first_byte`` until the body begins; ``between_chunks`` of silence; ``total`` for the whole answer.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from anaphora.errors import ConfigError, ConnectionFailed, ProviderError, ProviderTimeout, StreamInterrupted
from anaphora.providers.base import Deadlines
from anaphora.providers.failures import Answerer, from_response, unreadable
from anaphora.tasks import spawn

if TYPE_CHECKING:
    import httpx2  # noqa: TC004 -- _import_httpx2 binds it when it is needed

_MAX_ERROR_BODY = 64 << 10
_MAX_JSON_BODY = 8 << 20


class HTTPTransport:
    """Keeps connections to one base URL open. May be used from several event loops, one after the other."""

    def __init__(self, base_url: str, headers: Mapping[str, str], deadlines: Deadlines, *, loopback: bool = False) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ConfigError(f"the base URL {base_url!r} must begin with http:// or https://.")
        self._base_url = base_url.rstrip("/")
        self._headers = dict(headers)
        self._deadlines = deadlines
        self._loopback = loopback
        self._client: httpx2.AsyncClient | None = None
        self._loop: object = None

    async def connect(self) -> None:
        """Load the HTTP library, which takes a tenth of a second, off the event loop."""
        await anyio.to_thread.run_sync(_import_httpx2)

    async def post(
        self, who: Answerer, path: str, headers: Mapping[str, str], body: bytes
    ) -> AsyncGenerator[tuple[str, bytes], None]:
        """POST and yield (content type, bytes) as they come. Raises ProviderError."""
        deadlines = self._deadlines
        end = time.monotonic() + deadlines.total
        with _our_errors(who, "it did not begin to answer", deadlines.first_byte):
            response = await self._send("POST", path, headers, body)
        try:
            if not response.is_success:
                raise from_response(who, response.status_code, _lower(response), await self._read(response, who, _MAX_ERROR_BODY))
            kind = response.headers.get("content-type", "")
            if "event-stream" not in kind:
                whole = await self._read(response, who, _MAX_JSON_BODY)
                if whole.lstrip()[:1] not in {b"{", b"d", b":"}:
                    raise unreadable(who, kind, whole)
                yield "application/json" if whole.lstrip()[:1] == b"{" else "text/event-stream", whole
                return
            async with aclosing(self._pieces(response, who, end)) as pieces:
                async for piece in pieces:
                    yield kind, piece
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()

    async def ask(self, who: Answerer, path: str, body: bytes | None) -> bytes:
        """A small JSON answer. Raises ProviderError."""
        with _our_errors(who, "it did not answer", self._deadlines.first_byte):
            kind = {"content-type": "application/json"}
            response = await self._send("GET" if body is None else "POST", path, kind, body)
        try:
            whole = await self._read(response, who, _MAX_JSON_BODY)
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()
        if not response.is_success:
            raise from_response(who, response.status_code, _lower(response), whole)
        return whole

    async def aclose(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        if client is not None and self._loop == anyio.lowlevel.current_token():
            await client.aclose()

    async def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> httpx2.Response:
        client = self._open()
        deadlines = self._deadlines
        timeout = httpx2.Timeout(deadlines.first_byte, connect=deadlines.connect)
        url = path if path.startswith("http") else self._base_url + path
        request = client.build_request(method, url, headers=dict(headers), content=body, timeout=timeout)
        return await client.send(request, stream=True)

    async def _pieces(self, response: httpx2.Response, who: Answerer, end: float) -> AsyncGenerator[bytes, None]:
        watch = _Watch(response, self._deadlines, end)
        spawn(watch.run)
        try:
            with _our_errors(who, "it went silent in the middle of the answer", self._deadlines.between_chunks, began=True):
                async with aclosing(response.aiter_bytes()) as pieces:
                    async for piece in pieces:
                        watch.alive()
                        yield piece
        except StreamInterrupted as error:
            # What the watch cut looks like a broken connection, or, without framing, like a clean end.
            raise (watch.failure(who) or error) from error
        finally:
            watch.scope.cancel()
        late = watch.failure(who)
        if late is not None:
            raise late

    async def _read(self, response: httpx2.Response, who: Answerer, limit: int) -> bytes:
        whole = b""
        with _our_errors(who, "it went silent in the middle of the answer", self._deadlines.between_chunks, began=True):
            async with aclosing(response.aiter_bytes()) as pieces:
                async for piece in pieces:
                    whole += piece
                    if len(whole) > limit:
                        break
        return whole[:limit]

    def _open(self) -> httpx2.AsyncClient:
        """A client for the running event loop; one of a loop that has ended is let go."""
        _import_httpx2()
        loop = anyio.lowlevel.current_token()
        if self._client is None or self._loop != loop:
            self._client = httpx2.AsyncClient(
                headers=self._headers,
                verify=_trust(self._base_url),
                # A proxy has no business between this process and itself.
                trust_env=not self._loopback,
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
            )
            self._loop = loop
        return self._client


class _Watch:
    """Cuts the connection of an answer when its next piece, or its end, is overdue.

    A time limit around every read would cost as much as the read itself; this costs a glance at the clock.
    """

    def __init__(self, response: httpx2.Response, deadlines: Deadlines, end: float) -> None:
        self.began = False
        self.verdict = ""
        self.scope = anyio.CancelScope()
        self._response = response
        self._deadlines = deadlines
        self._end = end
        self._due = time.monotonic() + deadlines.first_byte

    def alive(self) -> None:
        """A piece has come."""
        self.began = True
        self._due = time.monotonic() + self._deadlines.between_chunks

    def failure(self, who: Answerer) -> ProviderError | None:
        """What was overdue, if anything was."""
        if not self.verdict:
            return None
        kind: type[ProviderError] = StreamInterrupted if self.began else ProviderTimeout
        return kind(f"{who.provider}: {self.verdict} Try again, or set a longer deadline.", provider=who.provider)

    async def run(self) -> None:
        """Wait until something is overdue, then cut."""
        with self.scope:
            while (now := time.monotonic()) < (due := min(self._due, self._end)):  # noqa: ASYNC110 -- it waits for the clock
                await anyio.sleep(due - now)
            if due == self._end:
                self.verdict = f"the answer took longer than {self._deadlines.total:g} seconds and was stopped."
            elif self.began:
                self.verdict = f"it went silent in the middle of the answer for {self._deadlines.between_chunks:g} seconds."
            else:
                self.verdict = f"it did not begin to answer for {self._deadlines.first_byte:g} seconds."
            # Closing does not wake a reader; shutting the socket down does.
            connection = self._response.extensions["network_stream"].get_extra_info("socket")
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _import_httpx2() -> None:
    global httpx2  # noqa: PLW0603 -- a tenth of a second that only a program that calls a provider should pay
    import httpx2


def _trust(base_url: str) -> ssl.SSLContext | bool:
    return ssl.create_default_context() if base_url.startswith("https://") else False


def _lower(response: httpx2.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


@contextmanager
def _our_errors(who: Answerer, silent: str, seconds: float, *, began: bool = False) -> Iterator[None]:
    """Turn the transport's errors into ours. ``began``: bytes of an answer have come."""
    try:
        yield
    except httpx2.ConnectTimeout as error:
        raise ConnectionFailed(
            f"{who.provider}: no connection within the time limit. Check the network and the base URL.", provider=who.provider
        ) from error
    except httpx2.TimeoutException as error:
        failure: type[ProviderError] = StreamInterrupted if began else ProviderTimeout
        raise failure(
            f"{who.provider}: {silent} for {seconds:g} seconds. Try again, or set a longer deadline.", provider=who.provider
        ) from error
    except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
        raise ConfigError(f"the base URL is not one that can be used: {error}") from error
    except httpx2.TransportError as error:
        if began:
            raise StreamInterrupted(
                f"{who.provider}: the connection broke in the middle of the answer. Try again.", provider=who.provider
            ) from error
        raise ConnectionFailed(_why_no_connection(who, error), provider=who.provider) from error
    except httpx2.HTTPError as error:
        raise StreamInterrupted(f"{who.provider}: the answer could not be read ({error}).", provider=who.provider) from error


def _innermost(error: BaseException) -> str:
    """The words of the first cause that has any: on trio only the causes have them."""
    cause: BaseException | None = error
    while cause is not None and not str(cause):
        cause = cause.__cause__ or cause.__context__
    return "" if cause is None else str(cause)


def _why_no_connection(who: Answerer, error: Exception) -> str:
    reason = _innermost(error)
    if "CERTIFICATE" in reason.upper():
        return f"{who.provider}: its certificate is not trusted ({reason}). Check the address and the system's ca-certificates."
    if "Name or service not known" in reason or "getaddrinfo" in reason or "nodename" in reason:
        return f"{who.provider}: the host name is not known. Check the base URL and your network."
    if isinstance(error, httpx2.ConnectError):
        return f"{who.provider}: cannot connect ({reason or 'refused'}). Is the server running, and is the base URL right?"
    return f"{who.provider}: the connection broke before the answer began ({reason or type(error).__name__}). Try again."
