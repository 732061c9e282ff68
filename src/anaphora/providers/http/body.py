"""The body of one HTTP answer, read within its deadlines.

``first_byte`` limits the wait for the body, ``between_chunks`` the silence between two pieces, ``total`` the whole answer.
"""

from __future__ import annotations

import socket
import time
import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Self

import anyio
import anyio.lowlevel

from anaphora.concurrency import spawn
from anaphora.errors import ProviderError, ProviderTimeout, StreamInterrupted
from anaphora.providers.base import Deadlines
from anaphora.providers.http.connection_errors import our_errors
from anaphora.providers.wires.failures import Answerer, from_response

if TYPE_CHECKING:
    import httpx2

LONGER = "Try again, or allow a longer silence: --timeout SECONDS (deadlines= in Python)."
_MAX_WHOLE_BYTES = 40 << 20
# A small packed piece may unpack to gigabytes, so it is unpacked in steps of so many bytes.
_UNPACKED_STEP = 1 << 16


class HTTPBody:
    """The body of a response, read as a stream. ``end``: its last moment, in seconds of the monotonic clock.

    ``async with`` closes it.
    """

    def __init__(self, response: httpx2.Response, who: Answerer, deadlines: Deadlines, end: float) -> None:
        self.kind = response.headers.get("content-type", "")
        self._response = response
        self._who = who
        self._watch = _Watch(response, deadlines, end)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yields the bytes of each read. Raises ProviderError."""
        response, watch = self._response, self._watch
        spawn(watch.run)
        try:
            with our_errors(self._who, began=True):
                async with aclosing(_unpacked(response)) as pieces:
                    async for piece in pieces:
                        watch.alive()
                        yield piece
                        if watch.is_late():
                            break
        except StreamInterrupted as error:
            # A cut by the watch looks like a broken connection, or, without framing, like a clean end.
            raise (watch.failure(self._who) or error) from error
        except zlib.error as error:
            raise StreamInterrupted(
                f"{self._who.provider}: the answer could not be unpacked ({error}). Try again.", provider=self._who.provider
            ) from error
        finally:
            watch.scope.cancel()
        late = watch.failure(self._who)
        if late is not None:
            raise late

    async def whole(self) -> bytes:
        """Reads the whole body, cut at 40 MiB. Raises ProviderError."""
        found: list[bytes] = []
        size = 0
        async with aclosing(self.pieces()) as pieces:
            async for piece in pieces:
                found.append(piece)
                size += len(piece)
                if size > _MAX_WHOLE_BYTES:
                    break
        return b"".join(found)[:_MAX_WHOLE_BYTES]

    async def check(self) -> None:
        """Raises the provider's error and closes the body, if the status is not a success."""
        if self._response.is_success:
            return
        async with self:
            headers = {name.lower(): value for name, value in self._response.headers.items()}
            raise from_response(self._who, self._response.status_code, headers, await self.whole())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        with anyio.CancelScope(shield=True):
            await self._response.aclose()


async def _unpacked(response: httpx2.Response) -> AsyncGenerator[bytes, None]:
    """Yields the bytes of a response. Others run between two steps of unpacking. Raises StreamInterrupted for damaged bytes."""
    packing = response.headers.get("content-encoding", "").strip().lower()
    if packing in {"gzip", "x-gzip", "deflate"}:
        # 47: zlib finds out which of its two headers there is.
        inflate = zlib.decompressobj(47)
        async with aclosing(response.aiter_raw()) as pieces:
            async for piece in pieces:
                packed = piece
                while packed:
                    unpacked = inflate.decompress(packed, _UNPACKED_STEP)
                    packed = inflate.unconsumed_tail
                    if inflate.eof:
                        packed, inflate = inflate.unused_data, zlib.decompressobj(47)
                    if unpacked:
                        yield unpacked
                        await anyio.lowlevel.checkpoint()
        return
    # Without packing, aiter_bytes would double the cost of reading.
    async with aclosing(response.aiter_bytes() if packing else response.aiter_raw()) as pieces:
        async for piece in pieces:
            yield piece


class _Watch:
    """A watch that cuts the connection of an answer when the next piece, or the end, is overdue.

    A time limit around every read would cost as much as the read itself; the watch only reads the clock.
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
        """Notes that a piece has come."""
        self.began = True
        self._due = time.monotonic() + self._deadlines.between_chunks

    def is_late(self) -> bool:
        """Tells if the whole answer takes too long."""
        if not self.verdict and time.monotonic() > self._end:
            self.verdict = self._too_long()
        return bool(self.verdict)

    def _too_long(self) -> str:
        return f"the answer took longer than {self._deadlines.total:g} seconds and was stopped."

    def failure(self, who: Answerer) -> ProviderError | None:
        """Gives the error of the deadline that has passed; None if none has."""
        if not self.verdict:
            return None
        kind: type[ProviderError] = StreamInterrupted if self.began else ProviderTimeout
        told = f"{who.provider}: {self.verdict} {LONGER}"
        # A wait that ran out is not repeated by itself.
        return kind(told, provider=who.provider, retryable=False)

    async def run(self) -> None:
        """Waits until a deadline passes, then cuts the connection."""
        with self.scope:
            while (now := time.monotonic()) < (due := min(self._due, self._end)):  # noqa: ASYNC110 -- it waits for the clock
                # Never longer than the shorter limit: it may hold by then.
                await anyio.sleep(min(due - now, self._deadlines.between_chunks))
            if due == self._end:
                self.verdict = self._too_long()
            elif self.began:
                self.verdict = f"it went silent in the middle of the answer for {self._deadlines.between_chunks:g} seconds."
            else:
                self.verdict = f"it did not begin to answer for {self._deadlines.first_byte:g} seconds."
            # Closing does not wake a reader; shutting the socket down does.
            connection = self._response.extensions["network_stream"].get_extra_info("socket")
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
