"""A conversation as Markdown, for reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from anaphora.values.message import Image, Part, Text, Thinking, ToolCall, ToolResult
from anaphora.values.transcript import ConversationInfo, Entry, is_time

_SPEAKERS = {"user": "You", "assistant": "Assistant", "system": "System", "tool": "Tool"}


def markdown_text(info: ConversationInfo, system: str, branch: Sequence[Entry]) -> str:
    """Gives a branch as Markdown: the title, the system prompt if there is one, the messages with speaker and time."""
    return "\n".join(_lines(info, system, branch)).rstrip() + "\n"


def _lines(info: ConversationInfo, system: str, branch: Sequence[Entry]) -> Iterator[str]:
    yield f"# {info.title or info.id}"
    yield ""
    if system:
        yield from (f"> {line}".rstrip() for line in system.splitlines())
        yield ""
    for entry in branch:
        yield f"## {_SPEAKERS[entry.role]}, {date_text(entry.created)}"
        yield ""
        for part in entry.message.parts:
            yield _shown(part)
            yield ""
        if entry.status != "complete":
            yield f"*({entry.status})*"
            yield ""


def _shown(part: Part) -> str:
    match part:
        case Text(text):
            return text
        case Image(_, media_type):
            return f"*[{media_type}]*"
        case Thinking(text):
            return "\n".join(f"> {line}".rstrip() for line in text.splitlines())
        case ToolCall(_, name, arguments):
            return f"`{name}({arguments})`"
        case ToolResult(_, text, name):
            return f"`{name or 'result'}`:\n\n{text}"


def date_text(seconds: float) -> str:
    """Gives the local date and time of seconds since 1970."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M") if is_time(seconds) else "????-??-?? ??:??"
