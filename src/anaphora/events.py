"""Everything an answer in flight can emit: first what a provider yields, then what a turn adds for the front doors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anaphora.errors import ProviderError
from anaphora.message import Finish, Message, Part, Status, Text, Thinking, ToolCall, Usage, repaired_text


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next words of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """The next words of the model's thinking."""

    text: str


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
class Finished:
    """The last event: the answer as it was stored. ``seconds`` is the whole call, ``first_seconds`` until the first word."""

    message: Message
    status: Status
    usage: Usage | None = None
    finish: Finish | None = None
    model: str = ""
    seconds: float = 0.0
    first_seconds: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


Event = TextDelta | ThinkingDelta | ToolCallDelta | Planned | Retrying | Finished


class AnswerDraft:
    """Folds deltas into the message they make."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._calls: dict[int, list[str]] = {}

    def add(self, event: TextDelta | ThinkingDelta | ToolCallDelta) -> None:
        """Take in one delta."""
        if type(event) is TextDelta:
            self._texts.append(event.text)
            return
        match event:
            case ThinkingDelta(text):
                self._thoughts.append(text)
            case ToolCallDelta(index, call_id, name, arguments):
                call = self._calls.setdefault(index, ["", "", ""])
                call[0] = call[0] or call_id
                call[1] = call[1] or name
                call[2] += arguments

    def __bool__(self) -> bool:
        return bool(self._texts or self._thoughts or self._calls)

    def message(self) -> Message:
        """The assistant's message so far."""
        parts: list[Part] = []
        if self._thoughts:
            parts.append(Thinking(repaired_text("".join(self._thoughts))))
        if self._texts:
            parts.append(Text(repaired_text("".join(self._texts))))
        for index, (call_id, name, arguments) in sorted(self._calls.items()):
            whole = (repaired_text(field) for field in (call_id or f"call_{index}", name, arguments or "{}"))
            parts.append(ToolCall(*whole))
        return Message("assistant", tuple(parts))


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
