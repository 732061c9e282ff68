"""Splits a stream into lines of JSON; the bytes may be split anywhere. Pure."""

from __future__ import annotations

from anaphora.errors import UnreadableAnswer

MAX_LINE_BYTES = 1 << 20


class LineParser:
    """A parser of one stream from ``source``. It skips empty lines."""

    def __init__(self, *, source: str = "the provider") -> None:
        self._source = source
        self._rest = b""

    def feed(self, chunk: bytes) -> list[str]:
        """Gives the lines that this chunk completes. Raises UnreadableAnswer for a line over 1 MiB."""
        if b"\n" not in chunk and len(self._rest) + len(chunk) <= MAX_LINE_BYTES:
            self._rest += chunk
            return []
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            much = f"one line of the answer has more than {MAX_LINE_BYTES} bytes, which is no chat"
            raise UnreadableAnswer(f"{self._source}: {much}. Check the base URL.")
        return [line.decode("utf-8", "replace") for line in lines if line.strip()]

    def end(self) -> list[str]:
        """Gives the last line, if it has no line end."""
        rest, self._rest = self._rest, b""
        return [rest.decode("utf-8", "replace")] if rest.strip() else []
