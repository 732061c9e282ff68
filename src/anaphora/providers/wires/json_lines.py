"""Lines of JSON: bytes in, lines out, however the bytes are split. Pure."""

from __future__ import annotations

from anaphora.errors import UnreadableAnswer

MAX_LINE_BYTES = 1 << 20


class LineParser:
    """One stream from ``source``. Empty lines are nothing."""

    def __init__(self, *, source: str = "the provider") -> None:
        self._source = source
        self._rest = b""

    def feed(self, chunk: bytes) -> list[str]:
        """The lines completed by this chunk. Raises UnreadableAnswer over 1 MiB without an end."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            much = f"one line of the answer has more than {MAX_LINE_BYTES} bytes, which is no chat"
            raise UnreadableAnswer(f"{self._source}: {much}. Check the base URL.")
        return [line.decode("utf-8", "replace") for line in lines if line.strip()]

    def end(self) -> list[str]:
        """A last line that was not ended."""
        rest, self._rest = self._rest, b""
        return [rest.decode("utf-8", "replace")] if rest.strip() else []
