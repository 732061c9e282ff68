"""Everything an answer in flight can emit: first what a provider yields, then what a turn adds for the front doors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from anaphora.errors import ProviderError
from anaphora.values.answer import Answer
from anaphora.values.message import Finish, Image, ToolCall, ToolResult, Usage
from anaphora.values.report import Report


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
class ImageDelta:
    """A picture in the answer."""

    image: Image


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of the tool call number ``index``: the first one has id and name, all add to ``arguments``.

    ``opaque`` is what the vendor wants back with the call.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    opaque: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a provider's answer: why it ended, its usage (None if not reported), and the model the provider names.

    ``details`` holds what only this vendor reports (llama.cpp's timings, for example), as it came. ``response_id`` is the
    provider's name for the answer, ``raw_finish`` its own word for the reason.
    """

    finish: Finish
    usage: Usage | None = None
    model: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    response_id: str = ""
    raw_finish: str = ""


One = TypeVar("One")
Delta = TextDelta | ThinkingDelta | ImageDelta | ToolCallDelta
ProviderEvent = Delta | Ended


@dataclass(frozen=True, slots=True)
class Planned:
    """The report on the context that the model is about to see."""

    report: Report


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
class ConfirmationRequested:
    """A tool that acts in the world waits for somebody's yes or no."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class Refused:
    """A guard refused the message or the answer; ``text`` is what the user is told."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of a turn: the answer as it was stored."""

    answer: Answer[Any]


Event = Delta | ToolStarted | ToolEnded | ConfirmationRequested | Planned | Retrying | Warned | Refused | Finished


def joined(events: Sequence[One]) -> list[One | TextDelta]:
    """Joins neighbouring text deltas into one."""
    result: list[One | TextDelta] = []
    texts: list[str] = []
    for event in events:
        if isinstance(event, TextDelta):
            texts.append(event.text)
            continue
        if texts:
            result.append(TextDelta("".join(texts)))
            texts.clear()
        result.append(event)
    if texts:
        result.append(TextDelta("".join(texts)))
    return result
