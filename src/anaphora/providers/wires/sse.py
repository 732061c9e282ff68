"""Parses server-sent events as the WHATWG standard says and browsers do.

Pure and incremental: the bytes may be split anywhere. ``id`` and ``retry`` fields are skipped, since no chat API
resumes by them. https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

from anaphora.errors import UnreadableAnswer

MAX_EVENT_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"


class SSEParser:
    """A parser of one stream from ``source``."""

    def __init__(self, *, source: str = "the provider", max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._source = source
        self._limit = max_event_bytes
        self._rest = b""
        self._held = bytearray()
        self._at_start = True
        self._between = False
        self._after_cr = False
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[tuple[str, str]]:
        """Gives all events that this chunk completes, as (name, data). Raises UnreadableAnswer over the size limit."""
        # A shortcut for the usual case: whole one-line events in one read.
        if self._between and chunk.endswith(b"\r\n\r\n"):
            chunk = chunk.replace(b"\r\n", b"\n")
        if self._between and chunk.endswith(b"\n\n") and b"\r" not in chunk and len(chunk) <= self._limit:
            if chunk.startswith(b"data: ") and chunk.find(b"\n") == len(chunk) - 2:
                return [("message", chunk[6:-2].decode("utf-8", "replace"))]
            return self._feed_lines(chunk)
        if self._rest and not self._after_cr and b"\n" not in chunk and b"\r" not in chunk:
            # A long line in many reads is joined once.
            self._held += chunk
            if len(self._rest) + len(self._held) + self._size > self._limit:
                raise self._too_large()
            return []
        if self._held:
            self._rest += bytes(self._held)
            self._held.clear()
        events = self._feed_any(chunk)
        self._between = not (self._rest or self._data or self._name or self._after_cr or self._at_start)
        return events

    def end(self) -> list[tuple[str, str]]:
        """Gives the last event, which lacks its blank line. The standard drops it; careless servers end like this."""
        return self.feed(b"\n\n")

    def _feed_lines(self, chunk: bytes) -> list[tuple[str, str]]:
        events: list[tuple[str, str]] = []
        for block in chunk.split(b"\n\n"):
            if block.startswith(b"data: ") and b"\n" not in block:
                events.append(("message", block[6:].decode("utf-8", "replace")))
            elif block.startswith(b"event: ") and block.count(b"\n") == 1 and (place := block.find(b"\ndata: ")) > 0:
                events.append((block[7:place].decode("utf-8", "replace"), block[place + 7 :].decode("utf-8", "replace")))
            elif block:
                for line in block.split(b"\n"):
                    self._line(line, events)
                self._line(b"", events)
        return events

    def _feed_any(self, chunk: bytes) -> list[tuple[str, str]]:
        events: list[tuple[str, str]] = []
        data = self._rest + chunk
        if self._at_start:
            if _BOM.startswith(data[:3]) and len(data) < len(_BOM):
                self._rest = data
                return events
            self._at_start = False
            data = data.removeprefix(_BOM)
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if data.endswith(b"\r"):
            self._after_cr = True
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = data.split(b"\n")
        for line in lines:
            self._line(line, events)
        if len(self._rest) + self._size > self._limit:
            raise self._too_large()
        return events

    def _line(self, line: bytes, events: list[tuple[str, str]]) -> None:
        if not line:
            if self._data:
                events.append((self._name or "message", b"\n".join(self._data).decode("utf-8", "replace")))
            self._name, self._data, self._size = "", [], 0
            return
        if line.startswith(b"{"):
            # A line of JSON without its field, from servers that mix the two kinds of stream.
            line = b"data:" + line
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._size += len(value) + 1
            if self._size > self._limit:
                raise self._too_large()
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")

    def _too_large(self) -> UnreadableAnswer:
        return UnreadableAnswer(
            f"{self._source}: one event of the answer has more than {self._limit} bytes, which is no chat. Check the base URL."
        )
