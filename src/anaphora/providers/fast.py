"""The same streaming POST over pyreqwest (Rust's reqwest), for those who installed ``anaphora[fast]``.

It takes a fraction of the processor time for every piece of an answer. It knows asyncio only; on trio httpx2 goes on doing it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anyio
import anyio.lowlevel

from anaphora.errors import ConfigError, ConnectionFailed, ProviderError, ProviderTimeout, StreamInterrupted
from anaphora.providers.base import Deadlines
from anaphora.providers.failures import Answerer, from_response
from anaphora.providers.http import HTTPTransport, is_loopback
from anaphora.providers.http_body import MAX_WHOLE_BYTES, Body
from anaphora.providers.http_errors import why_no_connection

if TYPE_CHECKING:
    from pyreqwest.client import Client
    from pyreqwest.request import StreamRequest
    from pyreqwest.response import Response

T = TypeVar("T")

# What is to be read before the answer is given to us: nothing.
_READ_AHEAD = 0


def is_installed() -> bool:
    """Whether pyreqwest is there."""
    try:
        import pyreqwest  # noqa: F401 -- only whether it is there
    except ImportError:
        return False
    return True


class FastTransport(HTTPTransport):
    """HTTPTransport with another library under it, where that can be."""

    def __init__(self, base_url: str, headers: Mapping[str, str], deadlines: Deadlines) -> None:
        super().__init__(base_url, headers, deadlines)
        self._fast: Client | None = None

    async def connect(self) -> None:
        """Load the library."""
        if not _is_asyncio():
            await super().connect()

    async def post(self, who: Answerer, path: str, headers: Mapping[str, str], body: bytes) -> Body:
        """POST; the answer's body is still to be read. Raises ProviderError."""
        if not _is_asyncio():
            return await super().post(who, path, headers, body)
        return await self._sent(who, "POST", path, headers, body)

    async def aclose(self) -> None:
        """Close all connections."""
        await super().aclose()
        client, self._fast = self._fast, None
        if client is not None and _is_asyncio():
            await client.close()

    async def _sent(self, who: Answerer, method: str, path: str, headers: Mapping[str, str], body: bytes) -> FastBody:
        end = time.monotonic() + self._deadlines.total
        with _our_errors(who):
            builder = self._opened().request(method, self._url(path)).headers({**self._headers, **headers}).body_bytes(body)
            request = builder.streamed_read_buffer_limit(_READ_AHEAD).build_streamed()
            try:
                with anyio.fail_after(min(self._deadlines.first_byte, self._deadlines.total)):
                    response = await _cancellable(request.__aenter__())
            except TimeoutError:
                raise self._late(who) from None
        answer = FastBody(request, response, who, self._deadlines, end)
        await answer.check()
        return answer

    def _opened(self) -> Client:
        from pyreqwest.client import ClientBuilder

        if self._fast is None:
            builder = ClientBuilder().follow_redirects(enable=False).connect_timeout(timedelta(seconds=self._deadlines.connect))
            if is_loopback(self._base_url):
                builder = builder.no_proxy()
            self._fast = builder.build()
        return self._fast


class FastBody:
    """The bytes of one answer as they come. ``end`` is when all must be there, in seconds of the monotonic clock."""

    def __init__(self, request: StreamRequest, response: Response, who: Answerer, deadlines: Deadlines, end: float) -> None:
        self.kind = response.get_header("content-type") or ""
        self._request = request
        self._response = response
        self._who = who
        self._watch = _Watch(deadlines, end)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """What each read gave. Raises ProviderError."""
        reader, watch = self._response.body_reader, self._watch
        watch.start()
        try:
            with _our_errors(self._who, began=True):
                while True:
                    piece = await _cancellable(reader.read_chunk(), watch)
                    if piece is None:
                        return
                    watch.alive()
                    yield bytes(piece)
        except _Overdue:
            raise watch.failure(self._who) from None
        finally:
            watch.stop()

    async def whole(self) -> bytes:
        """All of it, cut at 8 MiB. Raises ProviderError."""
        data = b""
        async for piece in self.pieces():
            data += piece
            if len(data) > MAX_WHOLE_BYTES:
                break
        return data[:MAX_WHOLE_BYTES]

    async def check(self) -> None:
        """Raises what the provider says went wrong, if its status is not one of success; the body is closed then."""
        if 200 <= self._response.status < 300:
            return
        async with self:
            headers = {str(name).lower(): str(value) for name, value in self._response.headers.items()}
            raise from_response(self._who, self._response.status, headers, await self.whole())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        with anyio.CancelScope(shield=True):
            await self._request.__aexit__(None, None, None)


class _Overdue(Exception):
    """The next piece, or the end, did not come in time."""


class _Watch:
    """Cancels whoever reads an answer when its next piece, or its end, is overdue: one timer for all pieces."""

    def __init__(self, deadlines: Deadlines, end: float) -> None:
        self.verdict = ""
        self.task: asyncio.Task[Any] | None = None
        self._began = False
        self._deadlines = deadlines
        self._end = end
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """From now on the first piece is waited for."""
        self.task = asyncio.current_task()
        self._due = time.monotonic() + self._deadlines.first_byte
        self._look()

    def alive(self) -> None:
        """A piece has come."""
        self._began = True
        self._due = time.monotonic() + self._deadlines.between_chunks

    def stop(self) -> None:
        """Nothing is waited for any more."""
        if self._timer is not None:
            self._timer.cancel()

    def failure(self, who: Answerer) -> ProviderError:
        """What was overdue."""
        kind: type[ProviderError] = StreamInterrupted if self._began else ProviderTimeout
        return kind(f"{who.provider}: {self.verdict} Try again, or set a longer deadline.", provider=who.provider)

    def _look(self) -> None:
        now, due = time.monotonic(), min(self._due, self._end)
        if now < due:
            self._timer = asyncio.get_running_loop().call_later(due - now, self._look)
            return
        self.verdict = f"it did not begin to answer for {self._deadlines.first_byte:g} seconds."
        if due == self._end:
            self.verdict = f"the answer took longer than {self._deadlines.total:g} seconds and was stopped."
        elif self._began:
            self.verdict = f"it went silent in the middle of the answer for {self._deadlines.between_chunks:g} seconds."
        if self.task is not None:
            self.task.cancel()


async def _cancellable(work: Awaitable[T], watch: _Watch | None = None) -> T:
    """Wait for the library. Raises _Overdue if the watch cancelled it."""
    try:
        return await work
    except asyncio.CancelledError:
        if watch is not None and watch.verdict and watch.task is not None:
            watch.task.uncancel()
            raise _Overdue from None
        # anyio knows a cancellation of its own by its words, which the library replaced: here it comes again with them.
        await anyio.lowlevel.checkpoint()
        raise


@contextmanager
def _our_errors(who: Answerer, *, began: bool = False) -> Iterator[None]:
    """Turn the library's errors into ours. ``began``: an answer has come."""
    from pyreqwest.exceptions import BuilderError, PyreqwestError, RequestTimeoutError

    try:
        yield
    except BuilderError as error:
        raise ConfigError(f"the base URL is not one that can be used: {error}") from error
    except PyreqwestError as error:
        if began:
            raise StreamInterrupted(
                f"{who.provider}: the connection broke in the middle of the answer. Try again.", provider=who.provider
            ) from error
        if isinstance(error, RequestTimeoutError):
            raise ConnectionFailed(
                f"{who.provider}: no connection within the time limit. Check the network and the base URL.", provider=who.provider
            ) from error
        raise ConnectionFailed(
            why_no_connection(who, _causes(error), is_refused="connect" in str(error).lower()), provider=who.provider
        ) from error


def _causes(error: Any) -> str:
    causes = (error.details or {}).get("causes") if hasattr(error, "details") else None
    return str(causes[-1]["message"]) if causes else str(error)


def _is_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
