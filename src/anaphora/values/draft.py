"""An answer that grows: deltas folded into the message they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from anaphora.values.events import Delta, ImageDelta, TextDelta, ThinkingDelta, ToolCallDelta
from anaphora.values.message import Image, Message, Part, Text, Thinking, ToolCall, repaired_text


class _Texts(list[str]):
    """A text in pieces."""


@dataclass(slots=True)
class _Thoughts:
    """A block of thinking in pieces; closed by what is opaque."""

    pieces: list[str] = field(default_factory=list)
    opaque: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Call:
    """A tool call in pieces."""

    index: int
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    opaque: Mapping[str, Any] = field(default_factory=dict)


_Piece = _Texts | _Thoughts | _Call | Image


class AnswerDraft:
    """Folds deltas into the message they make, whose parts are in the order in which they came."""

    def __init__(self) -> None:
        self._parts: list[_Piece] = []
        self._last: _Piece | None = None
        self._calls: dict[int, _Call] = {}

    def add(self, event: Delta) -> None:
        """Take in one delta."""
        if type(event) is TextDelta:
            last = self._last
            if type(last) is not _Texts:
                last = _Texts()
                self._open(last)
            last.append(event.text)
            return
        match event:
            case ThinkingDelta(text, opaque):
                thoughts = self._last
                # What belongs to the next part is a block of its own.
                if not isinstance(thoughts, _Thoughts) or thoughts.opaque or "of" in opaque:
                    thoughts = _Thoughts()
                    self._open(thoughts)
                thoughts.pieces.append(text)
                thoughts.opaque = opaque
            case ImageDelta(image):
                self._open(image)
            case ToolCallDelta(index, call_id, name, arguments, opaque):
                if index not in self._calls:
                    self._calls[index] = _Call(index)
                    self._open(self._calls[index])
                call = self._calls[index]
                call.id = call.id or call_id
                call.name = call.name or name
                call.arguments.append(arguments)
                call.opaque = opaque or call.opaque

    def _open(self, part: _Piece) -> None:
        self._parts.append(part)
        self._last = part

    def __bool__(self) -> bool:
        return bool(self._parts)

    def message(self) -> Message:
        """The assistant's message so far."""
        return Message("assistant", tuple(map(_part, self._parts)))


def _part(draft: _Piece) -> Part:
    match draft:
        case Image():
            return draft
        case _Thoughts(pieces, opaque):
            return Thinking(repaired_text("".join(pieces)), opaque)
        case _Call(index, call_id, name, arguments, opaque):
            return ToolCall(
                repaired_text(call_id or f"call_{index}"), repaired_text(name), repaired_text("".join(arguments) or "{}"), opaque
            )
        case _:
            return Text(repaired_text("".join(draft)))
