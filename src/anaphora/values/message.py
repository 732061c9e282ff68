"""Messages and their parts: the values that everything else passes around.

No identity, no order, no time: those are the store's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from anaphora.errors import InvalidMessage

Role = Literal["system", "user", "assistant", "tool"]
Status = Literal["pending", "complete", "stopped", "interrupted", "failed", "refused"]
Finish = Literal["stop", "length", "tool_calls", "content_filter", "unknown"]
# An answer that ended for another reason is not whole: its tool calls are not run.
WHOLE: frozenset[Finish] = frozenset({"stop", "tool_calls"})

_UNSEEN = "[a picture that you cannot see] "
# No model reads more than a part of it.
MOST_CHARACTERS = 16 << 20
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: its bytes and their media type, for example ``image/png``."""

    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """A model's thinking before its answer; ``opaque`` is what the vendor wants back unchanged."""

    text: str
    opaque: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the model asks for; ``arguments`` is JSON text as the model wrote it, valid or not.

    ``opaque`` is what the vendor wants back unchanged.
    """

    id: str
    name: str
    arguments: str = "{}"
    opaque: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of the tool call ``call_id``."""

    call_id: str
    text: str
    name: str = ""
    failed: bool = False


Part = Text | Image | Thinking | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of a conversation: who speaks, and the parts of what is said."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """All text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def thinking(self) -> str:
        """All thinking, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Thinking))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools this message asks for."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))

    @property
    def tool_results(self) -> tuple[ToolResult, ...]:
        """The tool results this message carries."""
        return tuple(part for part in self.parts if isinstance(part, ToolResult))

    def to_dict(self) -> dict[str, Any]:
        """Gives ``{"role": …, "content": text}``, with ``tool_calls`` and ``tool_results`` where there are any."""
        results = [{"call_id": one.call_id, "name": one.name, "text": one.text} for one in self.tool_results]
        calls = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in self.tool_calls]
        return {
            "role": self.role,
            "content": self.text,
            **({"tool_calls": calls} if calls else {}),
            **({"tool_results": results} if results else {}),
        }


# From the most harmless on.
_FINISH_ORDER: tuple[Finish, ...] = ("stop", "tool_calls", "unknown", "length", "content_filter")


def is_worse(finish: Finish, than: Finish | None) -> bool:
    """True if of two finish reasons of one answer this one counts: a later, better one does not undo a cut."""
    return than is None or _FINISH_ORDER.index(finish) > _FINISH_ORDER.index(than)


def text_message(role: Role, text: str) -> Message:
    """A message of one text part."""
    return Message(role, (Text(text),))


def described(message: Message) -> Message:
    """Replaces pictures by words, for a model that cannot see."""
    if not any(isinstance(part, Image) for part in message.parts):
        return message
    return replace(message, parts=tuple(Text(_UNSEEN) if isinstance(part, Image) else part for part in message.parts))


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call or of many. ``cost`` is in dollars, None where unknown.

    ``input_tokens`` includes those read from a cache and those written to one, ``output_tokens`` those that were thought.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    thinking_tokens: int = 0
    cost: float | None = None
    cache_write_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens

    def to_dict(self) -> dict[str, Any]:
        """Gives the counts by name, with ``total_tokens``, and the cost if it is known."""
        counts = {one.name: getattr(self, one.name) for one in fields(Usage)}
        return {**{name: value for name, value in counts.items() if value is not None}, "total_tokens": self.total_tokens}

    def __add__(self, other: Usage) -> Usage:
        if self == Usage():
            # What took nothing has no price that could be unknown.
            return other
        counted = {name: getattr(self, name) + getattr(other, name) for name in (f.name for f in fields(Usage)) if name != "cost"}
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        return Usage(**counted, cost=cost)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of an answer. An option that is None is not sent.

    ``tool_choice``: ``auto`` (which is not sent), ``none``, ``required``, or the name of the tool to call.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    tool_choice: str = "auto"
    extra: Mapping[str, Any] = field(default_factory=dict)


def repaired_text(text: str) -> str:
    """Text from outside that must survive: split surrogate pairs are joined, lone surrogates become U+FFFD."""
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def checked_text(text: str) -> str:
    """Checks a text that a user sends. Raises InvalidMessage if it is empty, holds half a character or is far too long."""
    if not isinstance(text, str):
        raise InvalidMessage(f"a message must be text, not {type(text).__name__}.")
    if not text.strip():
        raise InvalidMessage("the message is empty: write something.")
    if len(text) > MOST_CHARACTERS:
        raise InvalidMessage(f"the message has more than {MOST_CHARACTERS >> 20} MiB: shorten it, or have it read as a document.")
    return valid_text(text, "the message")


def valid_text(text: str, what: str) -> str:
    """The text with split surrogate pairs joined. Raises InvalidMessage, naming ``what`` it is, if half a character is left."""
    if not isinstance(text, str):
        raise InvalidMessage(f"{what} must be text, not {type(text).__name__}.")
    if _SURROGATE.search(text) is None:
        return text
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    lone = _SURROGATE.search(joined)
    if lone is not None:
        raise InvalidMessage(
            f"{what} is not valid Unicode: half a character (U+{ord(lone[0]):04X}) at position {lone.start() + 1}. "
            "It was probably read with the wrong encoding; read it as UTF-8 and send it again."
        )
    return joined
