"""HTTP connections that give up headers which never end, or which come too slowly."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# No client of ours has longer headers.
_MOST_HEADER_BYTES = 64 << 10


class LimitedProtocol(HttpToolsProtocol):
    """One connection. Its headers have at most 64 KiB, and arrive within so many seconds (``header_seconds``)."""

    header_seconds = 10.0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head: int | None = None
        self._trailers = 0
        self._timer: asyncio.TimerHandle | None = None

    def on_message_begin(self) -> None:
        """Begins to count."""
        super().on_message_begin()
        self._head, self._trailers = 0, 0
        self._timer = self.loop.call_later(self.header_seconds, self._give_up, b"408 Request Timeout")

    def on_headers_complete(self) -> None:
        """Ends the count."""
        self._end_count()
        super().on_headers_complete()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Counts also what comes after a body in pieces."""
        super().on_header(name, value)
        if self._head is None:
            self._trailers += len(name) + len(value)
            if self._trailers > _MOST_HEADER_BYTES:
                self._give_up(b"431 Request Header Fields Too Large")

    def data_received(self, data: bytes) -> None:
        """Counts the bytes of headers."""
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > _MOST_HEADER_BYTES:
                self._give_up(b"431 Request Header Fields Too Large")

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the count with the connection."""
        self._end_count()
        super().connection_lost(exc)

    def _end_count(self) -> None:
        self._head = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self, status: bytes) -> None:
        self._end_count()
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
            self.transport.close()


def limited(seconds: float) -> type[LimitedProtocol]:
    """Gives a protocol whose headers must arrive within so many seconds."""
    return type("LimitedProtocol", (LimitedProtocol,), {"header_seconds": seconds})
