"""Everything an answer in flight can emit: first what a provider yields, then what a turn adds for the front doors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anaphora.errors import ProviderError
from anaphora.values.message import Finish, Message, Status, ToolCall, ToolResult, Usage


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next words of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """The next words of the model's thinking; ``opaque`` ends a block of it with what the vendor wants back."""

    text: str
    opaque: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of the tool call number ``index``: the first one has id and name, all add to ``arguments``."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """The provider is done: why, what it cost, and which model it says it was. ``usage`` is None if it was not reported.

    ``details`` holds what only this vendor reports (llama.cpp's timings, for example), as it came.
    """

    finish: Finish
    usage: Usage | None = None
    model: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


ProviderEvent = TextDelta | ThinkingDelta | ToolCallDelta | Ended


@dataclass(frozen=True, slots=True)
class Planned:
    """What the model is about to see; ``report`` is a context.Report."""

    report: Any


@dataclass(frozen=True, slots=True)
class Retrying:
    """A try failed before anything was shown; the next one begins in ``delay`` seconds."""

    error: ProviderError
    delay: float


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the user should know of this answer, in a sentence; the answer goes on."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A tool is run now."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """A tool has given its result, or was not run: the text says why."""

    result: ToolResult


@dataclass(frozen=True, slots=True)
class Refused:
    """A guard refused the message or the answer; ``text`` is what the user is told."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event: the answer as it was stored. ``seconds`` is the whole turn, ``first_seconds`` until the first word.

    ``usage`` is that of all its calls, ``steps`` are the messages before the answer, if tools were called: what the model said,
    and what they gave. ``value`` is what the answer was read into. ``cache_loss`` says why much less came from the provider's
    cache than before, if it did.
    """

    message: Message
    status: Status
    usage: Usage | None = None
    finish: Finish | None = None
    model: str = ""
    seconds: float = 0.0
    first_seconds: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    cache_loss: str = ""
    steps: tuple[Message, ...] = ()
    value: Any = None


Event = TextDelta | ThinkingDelta | ToolCallDelta | ToolStarted | ToolEnded | Planned | Retrying | Warned | Refused | Finished


def joined(events: Sequence[Event]) -> list[Event]:
    """The same events with neighbouring text deltas joined to one."""
    result: list[Event] = []
    texts: list[str] = []
    for event in events:
        if type(event) is TextDelta:
            texts.append(event.text)
            continue
        if texts:
            result.append(TextDelta("".join(texts)))
            texts.clear()
        result.append(event)
    if texts:
        result.append(TextDelta("".join(texts)))
    return result
