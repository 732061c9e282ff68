"""Thinking that a model writes into its text: ``<think>…</think>`` at the beginning, as models behind plain servers do. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from anaphora.values.events import TextDelta, ThinkingDelta

_NAMES = ("think", "thinking", "thought", "reasoning")
_OPEN = re.compile(rf"\s*<({'|'.join(_NAMES)})>")
_OPENINGS = tuple(f"<{name}>" for name in _NAMES)


class ThinkTags:
    """A reader of one answer's text. Tags may be split anywhere; text after other words is never taken for a tag."""

    def __init__(self) -> None:
        self._held = ""
        self._close = ""
        self._is_plain = False
        self._has_thought = False

    def read(self, text: str) -> Sequence[TextDelta | ThinkingDelta]:
        """Gives the next text as thinking and as words of the answer."""
        if self._is_plain:
            return (TextDelta(text),) if text else ()
        self._held += text
        events: list[TextDelta | ThinkingDelta] = []
        while self._held:
            if self._close:
                if not self._read_thought(events):
                    break
            elif not self._read_start(events):
                break
        return events

    def rest(self) -> Sequence[TextDelta | ThinkingDelta]:
        """Gives the held text when the answer ends."""
        held, self._held = self._held, ""
        if not held or (self._has_thought and not self._close and not held.strip()):
            return ()
        return (ThinkingDelta(held),) if self._close else (TextDelta(held),)

    def _read_thought(self, events: list[TextDelta | ThinkingDelta]) -> bool:
        """Reads up to the closing tag. Gives False if more text is needed."""
        thought, found, rest = self._held.partition(self._close)
        if found:
            self._held, self._close, self._has_thought = rest, "", True
        else:
            kept = _beginning(self._held, self._close)
            thought, self._held = self._held[: len(self._held) - kept], self._held[len(self._held) - kept :]
        if thought:
            events.append(ThinkingDelta(thought))
        return bool(found)

    def _read_start(self, events: list[TextDelta | ThinkingDelta]) -> bool:
        """Reads an opening tag or decides that there is none. Gives False if more text is needed."""
        tag = _OPEN.match(self._held)
        if tag:
            self._held, self._close = self._held[tag.end() :], f"</{tag[1]}>"
            return True
        begun = self._held.lstrip()
        if any(opening.startswith(begun) for opening in _OPENINGS):
            return False
        self._is_plain = True
        words, self._held = begun if self._has_thought else self._held, ""
        events.append(TextDelta(words))
        return False


def _beginning(text: str, tag: str) -> int:
    """Gives the characters at the end of a text that may begin the tag."""
    return next((size for size in range(min(len(text), len(tag) - 1), 0, -1) if tag.startswith(text[-size:])), 0)
